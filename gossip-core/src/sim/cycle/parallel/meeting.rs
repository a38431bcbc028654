//! Where threads meet, and what they leave for each other.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use alloc::vec::Vec;

use crate::sim::cycle::engine::Envelope;

/// What one thread sends to another in a wave, in the order of sending.
pub(super) type Parcels<M> = Vec<Parcel<M>>;

/// A message, and which call has sent it, as which of its messages.
pub(super) struct Parcel<M> {
    pub(super) call: u32,
    pub(super) place: u32,
    pub(super) envelope: Envelope<M>,
}

/// What threads share. What there is twice is used in turns: one is written before a meeting,
/// while the other, which was written before the last one, is read.
pub(super) struct Table<M> {
    threads: usize,
    /// By sender and receiver.
    boxes: [Vec<Mutex<Parcels<M>>>; 2],
    /// How many messages each call of a wave has sent.
    tallies: [RwLock<Vec<AtomicU32>>; 2],
    /// Who is due, of all threads, when deadlines are served.
    due: [Mutex<Vec<u32>>; 2],
    arrived: AtomicUsize,
    meetings: AtomicUsize,
    /// What they bring to a meeting: one is under way, one is being read, one is cleared.
    sums: [AtomicU64; 3],
    least: [AtomicU64; 3],
    broken: AtomicBool,
}

/// Turns of waiting before a thread lets others run.
const PATIENCE: u32 = 300;

impl<M> Table<M> {
    pub(super) fn new(threads: usize) -> Self {
        let boxes = || (0..threads * threads).map(|_| Mutex::new(Vec::new())).collect();
        Self {
            threads,
            boxes: [boxes(), boxes()],
            tallies: Default::default(),
            due: Default::default(),
            arrived: AtomicUsize::new(0),
            meetings: AtomicUsize::new(0),
            sums: Default::default(),
            least: core::array::from_fn(|_| AtomicU64::new(u64::MAX)),
            broken: AtomicBool::new(false),
        }
    }

    /// Waits for all threads at meeting number `at`; returns the sum and the least of what they
    /// bring.
    pub(super) fn meet(&self, at: usize, count: u64, time: u64) -> (u64, u64) {
        self.sums[at % 3].fetch_add(count, Ordering::Relaxed);
        self.least[at % 3].fetch_min(time, Ordering::Relaxed);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            // Nobody reads what was brought to the meeting before this one any more.
            self.sums[(at + 2) % 3].store(0, Ordering::Relaxed);
            self.least[(at + 2) % 3].store(u64::MAX, Ordering::Relaxed);
            self.arrived.store(0, Ordering::Relaxed);
            self.meetings.store(at + 1, Ordering::Release);
        }
        let mut turns = 0;
        while self.meetings.load(Ordering::Acquire) <= at {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread has panicked");
            turns += 1;
            if turns < PATIENCE { core::hint::spin_loop() } else { thread::yield_now() }
        }
        let read = |place: &AtomicU64| place.load(Ordering::Relaxed);
        (read(&self.sums[at % 3]), read(&self.least[at % 3]))
    }

    /// The box from one thread to another for meeting number `at`, in exchange for `with`.
    pub(super) fn exchange(&self, at: usize, ends: (usize, usize), with: &mut Parcels<M>) {
        let (from, to) = ends;
        core::mem::swap(&mut *open(&self.boxes[at % 2][from * self.threads + to]), with);
    }

    /// Where to write what each of `calls` calls before meeting number `at` sends.
    pub(super) fn tally(&self, at: usize, calls: usize) -> Tally<'_> {
        let lock = &self.tallies[at % 2];
        let read = || lock.read().unwrap_or_else(PoisonError::into_inner);
        let found = read();
        if found.len() >= calls {
            return found;
        }
        drop(found);
        // Nobody has written what would be lost: who finds it long enough comes after who made it.
        let mut tally = lock.write().unwrap_or_else(PoisonError::into_inner);
        let length = tally.len().max(calls);
        tally.resize_with(length, AtomicU32::default);
        drop(tally);
        read()
    }

    /// The numbers of the first messages of each of the `calls` calls before meeting number `at`.
    pub(super) fn number(&self, at: usize, calls: usize, firsts: &mut Vec<u32>) {
        let mut next = 0_u32;
        firsts.clear();
        firsts.extend(self.tally(at, calls)[..calls].iter().map(|sent| {
            let first = next;
            next += sent.load(Ordering::Relaxed);
            first
        }));
    }

    /// The list of who is due at meeting number `at`.
    pub(super) fn due(&self, at: usize) -> MutexGuard<'_, Vec<u32>> {
        open(&self.due[at % 2])
    }

    /// Tells the others when this thread panics, as long as it is kept.
    pub(super) const fn alarm(&self) -> Alarm<'_> {
        Alarm(&self.broken)
    }
}

/// Messages sent, by call.
pub(super) type Tally<'a> = RwLockReadGuard<'a, Vec<AtomicU32>>;

/// Whoever panicked with it has stopped the whole cycle.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The others would wait for ever.
pub(super) struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
