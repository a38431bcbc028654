//! Finding out how two sets differ from what was last active down, until the rest is the same:
//! peeling back combined with rumors.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section
//! 1.5: each site keeps its updates in the order of their activity there; two send each other
//! batches from the front until their checksums agree; updates that were useful move to the front,
//! and useless ones slip deeper.
//!
//! As of rumors, what is new is told first, and what nobody needs costs nothing after a while. But
//! no update is forgotten before all have it: who lacks one has another checksum, and the batches
//! go on until it comes. Unlike [peeling back](super::peel_back) it needs no order that is the same
//! everywhere: an old update that reached one side late is at the front there, and so are those of
//! both sides of a partition that has healed. What was set aside deep on both lists costs all that
//! is above it: [sketches](crate::sketch) do not mind.
//!
//! ```text
//! ask:          our first BATCH identifiers, for those of the other side
//! asked:        send the first BATCH of ours, and which of those that came are not here
//! on a batch:   what is not here is part of the difference; so is what is not there
//!               our check and the difference lead to another check than theirs: the next batches
//! when they lead there, all 128 bits:  done; else, at the end of both lists: it has failed
//! when nothing comes: ask again
//! at the end:   what was useful to either side moves to the front on both (`learn`)
//! ```
//!
//! # What holds
//!
//! As of [ranges](super::range), of identifiers. If each element that only one side has is among
//! the first r of that side's list, a session takes r / 64 answers, rounded up.
//!
//! # Deviations from the paper
//!
//! - Two ordered maps instead of a doubly linked list: where a batch ended is a number, and who is
//!   asked remembers nothing.
//! - Who asks learns the difference in both directions; elements move afterwards, and a lost
//!   datagram costs a round trip.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::message;
use gossip_core::wire::{Bounded, Wire};

use super::parts::Parts;
use super::{Difference, End, Reconcile};
use crate::page::MESSAGE;
use crate::sketch::digest::Check;

/// Identifiers in a batch. Our choice: half a datagram in each direction.
pub const BATCH: usize = 64;

message! {
    /// What one side asks of the other.
    #[derive(PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks.
        pub nonce: [u8; 4],
        /// Which question of the session.
        pub page: u32,
        /// For those that were last active before this, in the numbers of the one who is asked.
        pub before: u64,
        /// The asker's next, little-endian.
        pub ids: Bounded<[u8; 8], BATCH>,
    }
}

message! {
    /// The answer.
    #[derive(PartialEq)]
    pub struct Answer {
        /// That of the question.
        pub nonce: [u8; 4],
        /// As in the question.
        pub page: u32,
        /// The sum over all identifiers of the set: answers about different states do not mix.
        pub check: [u8; 16],
        /// A bit, from the lowest, for each identifier of the question: it is not here.
        pub absent: [u8; 8],
        /// The next, little-endian.
        pub ids: Bounded<[u8; 8], BATCH>,
        /// The rest was last active before this; 0: there is none.
        pub before: u64,
    }
}

const _: () = assert!(Ask::MAX_LEN <= MESSAGE && Answer::MAX_LEN <= MESSAGE, "too long");
const _: () = assert!(BATCH <= u64::BITS as usize, "a bit for each");

/// A set of identifiers in the order of their activity. An operation takes log n steps.
///
/// ```
/// use gossip_entropy::reconcile::activity::Active;
///
/// let mut set = Active::default();
/// assert!(set.insert(7) && set.insert(9) && !set.insert(7));
/// assert_eq!(set.iter().collect::<Vec<_>>(), [9, 7], "what is there already stays in its place");
/// assert!(set.touch(7));
/// assert_eq!(set.iter().collect::<Vec<_>>(), [7, 9]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Active {
    /// By when they were last active, from 1.
    order: BTreeMap<u64, u64>,
    when: BTreeMap<u64, u64>,
    /// The last activity.
    last: u64,
    check: Check,
}

impl Active {
    /// Adds an identifier, as the one that was last active. False, and nothing has changed, if it
    /// is there.
    pub fn insert(&mut self, id: u64) -> bool {
        let is_new = !self.has(id);
        if is_new {
            self.check.add(id);
            self.place(id);
        }
        is_new
    }

    /// Takes an identifier out; false if it was not there.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(when) = self.when.remove(&id) else { return false };
        self.order.remove(&when);
        self.check.subtract(id);
        true
    }

    /// It was useful: it moves to the front. False, and nothing has changed, if it is not there.
    pub fn touch(&mut self, id: u64) -> bool {
        let Some(when) = self.when.get(&id) else { return false };
        self.order.remove(when);
        self.place(id);
        true
    }

    /// Takes a difference over, after elements have moved: what only the other side had is here
    /// now, and what it took was useful. The other side does the same with
    /// [`Difference::reversed`].
    pub fn learn(&mut self, found: &Difference<u64>) {
        for &id in found.ours.iter().chain(&found.theirs) {
            if !self.touch(id) {
                self.insert(id);
            }
        }
    }

    fn place(&mut self, id: u64) {
        self.last += 1;
        self.order.insert(self.last, id);
        self.when.insert(id, self.last);
    }

    /// Whether it is there.
    pub fn has(&self, id: u64) -> bool {
        self.when.contains_key(&id)
    }

    /// All, from the front.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.order.values().rev().copied()
    }

    /// The next that were last active before a time, and before when the rest was.
    fn batch(&self, before: u64) -> (Vec<u64>, u64) {
        let some = self.order.range(..before).rev().take(BATCH);
        let (times, ids): (Vec<u64>, Vec<u64>) = some.unzip();
        (ids, times.last().copied().filter(|_| times.len() == BATCH).unwrap_or(0))
    }
}

fn packed(ids: &[u64]) -> Bounded<[u8; 8], BATCH> {
    let mut packed = Bounded::new();
    packed.fill(ids.iter().map(|id| id.to_le_bytes()));
    packed
}

/// What comes next.
pub type Step = super::Step<Ask, u64>;

/// The side of a session that asks. The set must stay as it is while it lasts.
///
/// ```
/// use gossip_entropy::reconcile::activity::{Active, Session};
/// use gossip_entropy::reconcile::{Reconcile, Step};
///
/// let (mut here, mut there) = (Active::default(), Active::default());
/// (1..1_000).for_each(|id| assert!(here.insert(id) && there.insert(1_000 - id)));
/// there.insert(5_000);
/// let (mut session, ask) = Session::open(&here, [0; 4], 100);
/// let answers = Session::answer(&there, &ask, 10);
/// let Step::Done(found) = session.take(&here, &answers[0]) else { panic!() };
/// assert_eq!((&found.theirs[..], &found.ours[..]), (&[5_000][..], &[][..]));
/// here.learn(&found);
/// assert_eq!(here.iter().next(), Some(5_000), "it will be told first");
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    pages: Parts<u32>,
    page: u32,
    /// What was sent, and before when the rest was active: here, and there.
    sent: Vec<u64>,
    rest: [u64; 2],
    ours: Vec<u64>,
    theirs: BTreeSet<u64>,
    /// To what check that leads.
    reached: Check,
}

impl Session {
    /// Opens a session about `set` that takes `most` answers at most, named by 32 random bits.
    pub fn open(set: &Active, nonce: [u8; 4], most: u32) -> (Self, Ask) {
        let (sent, rest) = set.batch(u64::MAX);
        let session = Self {
            nonce,
            pages: Parts::new(0, most),
            page: 0,
            sent,
            rest: [rest, u64::MAX],
            ours: Vec::new(),
            theirs: BTreeSet::new(),
            reached: set.check,
        };
        let ask = session.ask();
        (session, ask)
    }

    fn ask(&self) -> Ask {
        let (nonce, page, [_, before]) = (self.nonce, self.page, self.rest);
        Ask { nonce, page, before, ids: packed(&self.sent) }
    }

    /// Adds what a batch has to the difference; false if it is none.
    fn compare(&mut self, set: &Active, answer: &Answer) -> bool {
        let absent = u64::from_le_bytes(answer.absent);
        for (at, &id) in (0..).zip(&self.sent) {
            if absent >> at & 1 == 1 {
                self.ours.push(id);
                self.reached.subtract(id);
            }
        }
        for id in answer.ids.iter().map(|id| u64::from_le_bytes(*id)) {
            if !set.has(id) {
                if !self.theirs.insert(id) {
                    return false;
                }
                self.reached.add(id);
            }
        }
        let [_, before] = self.rest;
        answer.before < before || answer.before == 0
    }

    fn done(&mut self) -> Step {
        self.ours.sort_unstable();
        let theirs = core::mem::take(&mut self.theirs).into_iter().collect();
        Step::Done(Difference { theirs, ours: core::mem::take(&mut self.ours) })
    }
}

impl Reconcile for Session {
    type Set = Active;
    type Ask = Ask;
    type Answer = Answer;
    type Key = u64;

    fn take(&mut self, set: &Active, answer: &Answer) -> Step {
        if answer.nonce != self.nonce {
            return Step::Wait;
        }
        if let Err(step) = self.pages.settle(answer.page, answer.check) {
            return step;
        }
        if !self.compare(set, answer) {
            return Step::Ended(End::Inconsistent);
        }
        if self.reached.to_bytes() == answer.check {
            return self.done();
        }
        let [ours, _] = self.rest;
        let (sent, rest) = set.batch(ours);
        (self.sent, self.rest) = (sent, [rest, answer.before]);
        if self.sent.is_empty() && answer.before == 0 {
            return Step::Ended(End::Inconsistent);
        }
        self.page += 1;
        self.pages.push(self.page);
        self.pages.next(1);
        Step::Ask(self.ask())
    }

    fn silence(&mut self, _: &Active) -> Step {
        let ask = self.ask();
        self.pages.silences.again(ask)
    }

    fn answer(set: &Active, ask: &Ask, most: usize) -> Vec<Answer> {
        let here = |(at, id): (u32, &[u8; 8])| u64::from(!set.has(u64::from_le_bytes(*id))) << at;
        let absent: u64 = (0..).zip(ask.ids.iter()).map(here).sum();
        let (ids, before) = set.batch(ask.before);
        let answer = Answer {
            nonce: ask.nonce,
            page: ask.page,
            check: set.check.to_bytes(),
            absent: absent.to_le_bytes(),
            ids: packed(&ids),
            before,
        };
        if most == 0 { Vec::new() } else { Vec::from([answer]) }
    }
}
