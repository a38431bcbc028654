//! What is held back until what comes before it has come.
//!
//! Not a protocol: the table that FIFO and causal order share. A line is what one origin publishes
//! in one life, in the order of its numbers. Each publication waits for its line's next one to be
//! itself, and for what it needs of other lines. What was waited for in vain is skipped, and never
//! delivered afterwards: so that no order is ever broken.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::{ParameterError, PeerId, Round};

use crate::post::MessageId;
use crate::spread::{Delivery, at_least_one};

/// How much is held back, and for how long.
///
/// ```
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::{Fifo, Patience};
///
/// let news = || Plumtree::<u32, u64>::new(Default::default()).unwrap();
/// assert!(Fifo::new(news(), Patience { rounds: 10, ..Default::default() }).is_ok());
/// let error = Fifo::new(news(), Patience { held: 0, ..Default::default() }).unwrap_err();
/// assert_eq!(error.to_string(), "held is 0 publications; it must be at least 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a publication waits for what comes before it. If that is longer than the layer
    /// below goes on trying, which is its bound on age and a round for each hop, nothing is
    /// skipped that would have come.
    pub rounds: u16,
    /// Publications held back. If there are more, the one that waited longest waits no more.
    pub held: usize,
    /// Origins, and lives of them, whose place is remembered: those that were silent for longest
    /// are forgotten.
    pub origins: usize,
}

impl Default for Patience {
    /// 80 rounds, 64 for the age to which the protocols of this crate spread anything and 16 for
    /// hops; 1024 publications; 4096 origins. Our choice.
    fn default() -> Self {
        Self { rounds: 80, held: 1_024, origins: 4_096 }
    }
}

impl Patience {
    pub(crate) fn check(&self) -> Result<(), ParameterError> {
        at_least_one(&[
            ("rounds", usize::from(self.rounds), "rounds"),
            ("held", self.held, "publications"),
            ("origins", self.origins, "origins"),
        ])
    }
}

/// Publications of one origin that were waited for in vain. Should they come now, they are
/// dropped, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<I: PeerId> {
    /// Who published them.
    pub origin: I,
    /// In which life.
    pub boot: u32,
    /// The number of the first.
    pub first: u32,
    /// The number of the last.
    pub last: u32,
}

/// What is no longer held back.
#[derive(Clone, Debug)]
pub(crate) enum Released<I: PeerId, V> {
    /// It is its turn; and what it needed.
    Due(Delivery<I, V>, Vec<MessageId<I>>),
    Skipped(Skipped<I>),
}

type Line<I> = (I, u32);

#[derive(Clone, Debug)]
struct Held<I: PeerId, V> {
    delivery: Delivery<I, V>,
    /// What must be delivered before.
    needs: Vec<MessageId<I>>,
    /// As it came, for who releases it.
    told: Vec<MessageId<I>>,
    since: Round,
}

#[derive(Clone, Debug)]
struct Place<I: PeerId, V> {
    /// The number that is due; none before the first is settled.
    next: Option<u64>,
    heard: Round,
    held: BTreeMap<u32, Held<I, V>>,
}

/// Lines, and what is held back of each.
#[derive(Clone, Debug)]
pub(crate) struct Lines<I: PeerId, V> {
    patience: Patience,
    places: BTreeMap<Line<I>, Place<I, V>>,
    /// Lines by when they were heard last.
    silent: BTreeSet<(Round, Line<I>)>,
    /// What is held, by when it came.
    since: BTreeSet<(Round, Line<I>, u32)>,
    /// Lines that wait for a line to move.
    waiting: BTreeMap<Line<I>, BTreeSet<Line<I>>>,
}

impl<I: PeerId, V> Lines<I, V> {
    pub(crate) const fn new(patience: Patience) -> Self {
        Self {
            patience,
            places: BTreeMap::new(),
            silent: BTreeSet::new(),
            since: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Publications held back.
    pub(crate) fn held(&self) -> usize {
        self.since.len()
    }

    /// Lines remembered.
    pub(crate) fn lines(&self) -> usize {
        self.places.len()
    }

    /// Takes in what has come; what is due is added to `out`. Returns what is to be counted.
    pub(crate) fn offer(
        &mut self,
        delivery: Delivery<I, V>,
        needs: Vec<MessageId<I>>,
        now: Round,
        out: &mut Vec<Released<I, V>>,
    ) -> Option<&'static str> {
        let id = delivery.id;
        let line = (id.origin, id.boot);
        let forgotten = self.touch(line, now, out);
        let place = self.places.get_mut(&line)?;
        if id.sequence == 0 && place.next.is_none() {
            place.next = Some(0);
        }
        let past = place.next.is_some_and(|next| u64::from(id.sequence) < next);
        if past || place.held.contains_key(&id.sequence) {
            return Some("late: its turn is over");
        }
        let held = Held { delivery, needs: needs.clone(), told: needs, since: now };
        place.held.insert(id.sequence, held);
        self.since.insert((now, line, id.sequence));
        self.drain([line].into(), out);
        while self.since.len() > self.patience.held {
            self.give_up_oldest(now, out);
        }
        forgotten
    }

    /// Waits no more for what was waited for long enough.
    pub(crate) fn expire(&mut self, now: Round, out: &mut Vec<Released<I, V>>) {
        let long = Round::from(self.patience.rounds);
        while self.since.first().is_some_and(|first| now.wrapping_sub(first.0) >= long) {
            self.give_up_oldest(now, out);
        }
    }

    /// Whether `id` has had its turn.
    fn is_over(&self, id: &MessageId<I>) -> bool {
        let place = self.places.get(&(id.origin, id.boot));
        place.and_then(|place| place.next).is_some_and(|next| u64::from(id.sequence) < next)
    }

    /// `line` is heard of. If that is one too many, the one that was silent for longest is
    /// forgotten.
    fn touch(
        &mut self,
        line: Line<I>,
        now: Round,
        out: &mut Vec<Released<I, V>>,
    ) -> Option<&'static str> {
        if let Some(place) = self.places.get_mut(&line) {
            if place.heard != now {
                self.silent.remove(&(place.heard, line));
                self.silent.insert((now, line));
                place.heard = now;
            }
            return None;
        }
        let mut forgotten = None;
        if self.places.len() >= self.patience.origins
            && let Some((_, oldest)) = self.silent.pop_first()
            && let Some(place) = self.places.remove(&oldest)
        {
            forgotten = Some("origin forgotten");
            let mut next = place.next;
            for (sequence, held) in place.held {
                self.since.remove(&(held.since, oldest, sequence));
                self.wait_no_more(oldest, &held.needs);
                Self::release(&mut next, oldest, held, out);
            }
            let wake = self.waiting.remove(&oldest).unwrap_or_default();
            self.drain(wake.into_iter().collect(), out);
        }
        self.places.insert(line, Place { next: None, heard: now, held: BTreeMap::new() });
        self.silent.insert((now, line));
        forgotten
    }

    /// `line` waits for none of `needs`.
    fn wait_no_more(&mut self, line: Line<I>, needs: &[MessageId<I>]) {
        for need in needs {
            let key = (need.origin, need.boot);
            if let Some(waiting) = self.waiting.get_mut(&key) {
                waiting.remove(&line);
                if waiting.is_empty() {
                    self.waiting.remove(&key);
                }
            }
        }
    }

    /// It is the turn of `held`: what is missing before it is skipped.
    fn release(
        next: &mut Option<u64>,
        (origin, boot): Line<I>,
        held: Held<I, V>,
        out: &mut Vec<Released<I, V>>,
    ) {
        let sequence = held.delivery.id.sequence;
        if let Some(first) = next.filter(|&first| first < u64::from(sequence)) {
            let (first, last) = (first as u32, sequence - 1);
            out.push(Released::Skipped(Skipped { origin, boot, first, last }));
        }
        *next = Some(u64::from(sequence) + 1);
        out.push(Released::Due(held.delivery, held.told));
    }

    /// Releases what is due in `ready` lines, and in those that wait for them.
    fn drain(&mut self, mut ready: Vec<Line<I>>, out: &mut Vec<Released<I, V>>) {
        while let Some(line) = ready.pop() {
            let before = out.len();
            while self.release_next(line, out) {}
            if out.len() > before {
                ready.extend(self.waiting.remove(&line).unwrap_or_default());
            }
        }
    }

    /// Releases the next of `line`, if it is here and what it needs is over.
    fn release_next(&mut self, line: Line<I>, out: &mut Vec<Released<I, V>>) -> bool {
        let Some(place) = self.places.get(&line) else { return false };
        let Some((&sequence, held)) = place.held.first_key_value() else { return false };
        if place.next != Some(u64::from(sequence)) {
            return false;
        }
        if let Some(need) = held.needs.iter().find(|need| !self.is_over(need)) {
            self.waiting.entry((need.origin, need.boot)).or_default().insert(line);
            return false;
        }
        let Some(place) = self.places.get_mut(&line) else { return false };
        if let Some(held) = place.held.remove(&sequence) {
            self.since.remove(&(held.since, line, sequence));
            Self::release(&mut place.next, line, held, out);
        }
        true
    }

    /// What has waited longest waits no more.
    fn give_up_oldest(&mut self, now: Round, out: &mut Vec<Released<I, V>>) {
        let Some(&(_, line, sequence)) = self.since.first() else { return };
        // Lines, and how far each must get. What a publication needs goes before it; each is asked
        // once for what it needs, so that a circle of needs ends.
        let mut stack = [(line, sequence)].to_vec();
        let mut moved = Vec::new();
        while let Some(&(line, last)) = stack.last() {
            self.touch(line, now, out);
            let Some(place) = self.places.get_mut(&line) else { break };
            let first = place.held.first_entry().filter(|first| *first.key() <= last);
            let Some(mut first) = first else {
                Self::pass_over(&mut place.next, line, last, out);
                moved.push(line);
                stack.pop();
                continue;
            };
            let mut needs = core::mem::take(&mut first.get_mut().needs);
            if needs.is_empty() {
                let held = first.remove();
                self.since.remove(&(held.since, line, held.delivery.id.sequence));
                Self::release(&mut place.next, line, held, out);
                continue;
            }
            needs.retain(|need| !self.is_over(need));
            stack.extend(needs.iter().map(|need| ((need.origin, need.boot), need.sequence)));
        }
        let waiting = moved.iter().filter_map(|line| self.waiting.remove(line));
        let mut ready: Vec<_> = waiting.flatten().collect();
        ready.extend(moved);
        self.drain(ready, out);
    }

    /// Whatever of `line` is missing up to `last` is skipped.
    fn pass_over(
        next: &mut Option<u64>,
        (origin, boot): Line<I>,
        last: u32,
        out: &mut Vec<Released<I, V>>,
    ) {
        let first = next.unwrap_or(u64::from(last));
        if first <= u64::from(last) {
            let first = first as u32;
            out.push(Released::Skipped(Skipped { origin, boot, first, last }));
            *next = Some(u64::from(last) + 1);
        }
    }
}
