//! What is due when: the queue of simulations in virtual time.
//!
//! A wheel of wheels (Varghese and Lauck, SOSP 1987, scheme 7, over the digits of the time to base
//! 256). A thing due at `at` lies at the level of the highest digit in which `at` differs from the
//! wheel's own time, in the slot of that digit:
//!
//! ```text
//! push(at, thing):  append to slot [level of highest differing digit][that digit of at]
//! pop:              level 0 holds something: the front of its first slot
//!                   else: the wheel's time is the start of the first slot of the lowest level that
//!                         holds something; its things are placed again, in their order; repeat
//! ```
//!
//! Every thing is moved once a level at most, through memory read from end to end: a heap of 10^6
//! misses the cache at every of its twenty levels instead. All lists append and are replaced in
//! order, so things due at the same time come out in the order in which they were pushed.
//!
//! Deviations from the paper: times are compared digit by digit with the wheel's time, so that any
//! 64-bit time has its place and no list of overflows is needed; lists are chains of chunks from
//! one store, so that nothing is allocated per thing.

use core::fmt;

use alloc::vec;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::time::Time;

/// Things in order of time, and of pushing where times are equal.
///
/// Time never goes back: what is pushed for a time that has passed is due at once.
///
/// ```
/// use gossip_core::Time;
/// use gossip_core::sim::Agenda;
///
/// let at = Time::from_micros;
/// let mut agenda = Agenda::new();
/// agenda.push(at(500), 'b');
/// agenda.push(at(20), 'a');
/// agenda.push(at(500), 'c');
/// assert_eq!(agenda.pop_until(at(100)), Some((at(20), 'a')));
/// assert_eq!(agenda.pop_until(at(100)), None); // and the time is 100
/// agenda.push(at(3), 'd');
/// assert_eq!(agenda.pop(), Some((at(100), 'd')));
/// assert_eq!(agenda.pop(), Some((at(500), 'b')));
/// assert_eq!(agenda.pop(), Some((at(500), 'c')));
/// assert!(agenda.is_empty());
/// ```
#[derive(Clone)]
pub struct Agenda<T> {
    /// What is pushed for an earlier time is due now.
    now: u64,
    /// The wheel's time, not after `now`: all slots are relative to it.
    base: u64,
    len: usize,
    /// Which slots of a level hold something, one bit each.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// The list of each slot, level by level.
    lists: Vec<List>,
    /// Things already popped of the first chunk of the first slot of level 0.
    taken: usize,
    chunks: Vec<Chunk<T>>,
    /// The first of the chunks not in use, a chain.
    free: u32,
}

/// Bits of a digit.
const DIGIT: u32 = 8;
const SLOTS: usize = 1 << DIGIT;
/// Digits of a time.
const LEVELS: usize = 64 / DIGIT as usize;

/// Things in a chunk: enough that a chain costs little more than an array, and few enough that
/// slots with one thing waste little.
const CHUNK: usize = 31;

/// No chunk.
const NONE: u32 = u32::MAX;

/// A chain of chunks.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

#[derive(Clone)]
struct Chunk<T> {
    things: ArrayVec<(u64, T), CHUNK>,
    next: u32,
}

impl<T: Copy> Default for Agenda<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> Agenda<T> {
    /// Nothing is due, and the time is zero.
    pub fn new() -> Self {
        Self {
            now: 0,
            base: 0,
            len: 0,
            occupied: [[0; SLOTS / 64]; LEVELS],
            lists: vec![EMPTY; LEVELS * SLOTS],
            taken: 0,
            chunks: Vec::new(),
            free: NONE,
        }
    }

    /// How many things are on it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is on it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory it holds; what it once needed it keeps.
    pub fn bytes(&self) -> usize {
        self.lists.capacity() * size_of::<List>() + self.chunks.capacity() * size_of::<Chunk<T>>()
    }

    /// Puts `thing` on it, due at `at`, or at once if `at` has passed. [`Time::NEVER`] is a time
    /// like any other, the last.
    #[inline]
    pub fn push(&mut self, at: Time, thing: T) {
        self.len += 1;
        self.place(at.as_micros().max(self.now), thing);
    }

    /// The next thing and its time; `None` if there is none.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, T)> {
        self.next(Time::NEVER, |_| {})
    }

    /// The next thing that is due by `end`, and its time. If there is none, the time is now `end`.
    #[inline]
    pub fn pop_until(&mut self, end: Time) -> Option<(Time, T)> {
        self.pop_until_with(end, |_| {})
    }

    /// As [`pop_until`](Self::pop_until), and shows `soon` each thing that comes to lie among those
    /// due within the next 256 microseconds: the moment to fetch memory it will need.
    #[inline]
    pub fn pop_until_with(&mut self, end: Time, soon: impl FnMut(&T)) -> Option<(Time, T)> {
        let next = self.next(end, soon);
        if next.is_none() {
            self.now = self.now.max(end.as_micros());
        }
        next
    }

    #[inline]
    fn next(&mut self, end: Time, mut soon: impl FnMut(&T)) -> Option<(Time, T)> {
        let end = end.as_micros();
        if self.len == 0 {
            return None;
        }
        loop {
            if let Some(slot) = first(&self.occupied[0]) {
                let at = with_digit(self.base, 0, slot);
                if at > end {
                    return None;
                }
                self.base = at;
                self.now = self.now.max(at);
                return Some((Time::from_micros(at), self.take(slot)));
            }
            let level = (1..LEVELS).find(|&level| first(&self.occupied[level]).is_some())?;
            let slot = first(&self.occupied[level])?;
            let start = with_digit(self.base, level, slot);
            if start > end {
                return None;
            }
            self.base = start;
            self.replace(level, slot, &mut soon);
        }
    }

    /// Takes the front of the list of a `slot` of level 0.
    #[inline]
    fn take(&mut self, slot: usize) -> T {
        let at = self.lists[slot].first;
        let chunk = &self.chunks[at as usize];
        let (thing, next) = (chunk.things[self.taken].1, chunk.next);
        self.taken += 1;
        if self.taken == chunk.things.len() {
            self.taken = 0;
            self.lists[slot].first = next;
            if next == NONE {
                self.empty(0, slot);
            }
            self.release(at);
        }
        self.len -= 1;
        thing
    }

    /// Places the things of a slot again, now that the wheel's time is the slot's start.
    fn replace(&mut self, level: usize, slot: usize, soon: &mut impl FnMut(&T)) {
        let mut at = self.lists[level * SLOTS + slot].first;
        self.empty(level, slot);
        while at != NONE {
            for place in 0..self.chunks[at as usize].things.len() {
                let (due, thing) = self.chunks[at as usize].things[place];
                if self.place(due, thing) == 0 {
                    soon(&thing);
                }
            }
            let next = self.chunks[at as usize].next;
            self.release(at);
            at = next;
        }
    }

    /// Appends to the list of the slot of `at`; returns the level.
    #[inline]
    fn place(&mut self, at: u64, thing: T) -> usize {
        let level = ((at ^ self.base | 1).ilog2() / DIGIT) as usize;
        let slot = digit(at, level);
        let list = self.lists[level * SLOTS + slot];
        let full = match self.chunks.get_mut(list.last as usize) {
            Some(chunk) => chunk.things.try_push((at, thing)).is_err(),
            None => true,
        };
        if full {
            self.extend(level, slot, (at, thing));
        }
        level
    }

    /// Appends a chunk with one thing in it.
    fn extend(&mut self, level: usize, slot: usize, thing: (u64, T)) {
        if self.free == NONE {
            // The newest chunk is the first to be used again, and so likely to be in the cache.
            self.free = self.chunks.len() as u32;
            self.chunks.push(Chunk { things: ArrayVec::new(), next: NONE });
        }
        let at = self.free;
        let chunk = &mut self.chunks[at as usize];
        self.free = core::mem::replace(&mut chunk.next, NONE);
        chunk.things.clear();
        chunk.things.push(thing);
        let list = &mut self.lists[level * SLOTS + slot];
        let last = core::mem::replace(&mut list.last, at);
        if last == NONE {
            list.first = at;
            self.occupied[level][slot / 64] |= 1 << (slot % 64);
        } else {
            self.chunks[last as usize].next = at;
        }
    }

    fn empty(&mut self, level: usize, slot: usize) {
        self.lists[level * SLOTS + slot] = EMPTY;
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
    }

    fn release(&mut self, at: u32) {
        self.chunks[at as usize].next = core::mem::replace(&mut self.free, at);
    }
}

/// The digit of `at` at `level`.
const fn digit(at: u64, level: usize) -> usize {
    (at >> (level as u32 * DIGIT)) as usize % SLOTS
}

/// `base` with `digit` at `level`, and zeros below.
const fn with_digit(base: u64, level: usize, digit: usize) -> u64 {
    let shift = level as u32 * DIGIT;
    (base >> shift & !(SLOTS as u64 - 1) | digit as u64) << shift
}

/// The first bit set.
#[inline]
fn first(words: &[u64; SLOTS / 64]) -> Option<usize> {
    let word = words.iter().position(|&word| word != 0)?;
    Some(word * 64 + words[word].trailing_zeros() as usize)
}

impl<T> fmt::Debug for Agenda<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda")
            .field("now", &self.now)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
