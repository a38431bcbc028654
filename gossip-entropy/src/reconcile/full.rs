//! Finding out how two sets differ by all identifiers of one of them: full comparison.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section
//! 1.3: "full database comparison", which it calls very expensive, and the other ways avoid.
//!
//! It is the cheapest way for a few dozen elements, and where most differ: eight bytes an element
//! of the other side's, where [sketches](crate::sketch) take thirteen to sixteen a difference. And
//! it needs nothing to be kept, and never fails but for lack of answers.
//!
//! ```text
//! ask:           for the first WINDOW frames
//! asked:         send them: identifiers in their order, IDS a frame, and how many there are
//! on a frame:    keep it
//! when what was asked for has come:  ask for the next WINDOW
//! when all have: what only one side has is the difference; it must take our check to theirs, all
//!                128 bits; else the session has failed
//! when nothing comes:  ask again for what is missing
//! ```
//!
//! # What holds
//!
//! A session ends with the difference of both sets, or says why not: see [`End`]. Frames that were
//! not asked for, or have come already, are not read; a session holds as many identifiers as it was
//! opened for, and no more: nobody can keep it busy.
//!
//! # Deviations from the paper
//!
//! - Identifiers travel and not the database; who asks learns the difference, the other side
//!   remembers nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gossip_core::message;
use gossip_core::wire::{Bounded, Wire};

use super::parts::Silences;
use super::{Difference, End, Known, Reconcile};
use crate::page::MESSAGE;

/// Identifiers in a frame.
pub const IDS: usize = 136;

/// Frames that are asked for at a time: 70 kB. Our choice.
pub const WINDOW: u32 = 64;

/// Runs of frames that one question may name.
pub const RUNS: usize = 16;

message! {
    /// A run of frames.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Run {
        /// The first.
        pub first: u32,
        /// How many.
        pub count: u32,
    }
}

message! {
    /// What one side asks of the other.
    #[derive(PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks.
        pub nonce: [u8; 4],
        /// What for.
        pub runs: Bounded<Run, RUNS>,
    }
}

message! {
    /// The answer: a frame.
    #[derive(PartialEq)]
    pub struct Answer {
        /// That of the question.
        pub nonce: [u8; 4],
        /// The sum over all identifiers of the set: frames of different states do not mix.
        pub check: [u8; 16],
        /// How many identifiers there are.
        pub all: u64,
        /// Which frame.
        pub frame: u32,
        /// Its identifiers, little-endian, in their order.
        pub ids: Bounded<[u8; 8], IDS>,
    }
}

const _: () = assert!(Ask::MAX_LEN < MESSAGE && Answer::MAX_LEN < MESSAGE, "too long");

/// Frames that so many identifiers take: an empty set, too, has one.
const fn frames(all: u64) -> u64 {
    let frames = all.div_ceil(IDS as u64);
    if frames == 0 { 1 } else { frames }
}

/// Bytes of frames that tell a set of so many elements.
pub const fn cost(all: u64) -> u64 {
    all * 8 + frames(all) * 36
}

/// What comes next.
pub type Step = super::Step<Ask, u64>;

/// The side of a session that asks. The set must stay as it is while it lasts.
///
/// ```
/// use gossip_entropy::reconcile::{Known, Reconcile, Step, full::Session};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let here = Known::new([Fingerprint(7)]);
/// let there = Known::new([Fingerprint(7), Fingerprint(9)]);
/// let (mut session, ask) = Session::open([0; 4], 1_000);
/// let answers = Session::answer(&there, &ask, 10);
/// let Step::Done(difference) = session.take(&here, &answers[0]) else { panic!() };
/// assert_eq!((difference.theirs, difference.ours), (vec![9], vec![]));
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    /// The most identifiers that are taken.
    most: u64,
    /// The other side's check, and how many identifiers it has.
    state: Option<([u8; 16], u64)>,
    came: BTreeMap<u32, Vec<u64>>,
    /// Frames below this one were asked for.
    horizon: u32,
    silences: Silences,
}

impl Session {
    /// Opens a session that takes `most` identifiers at most, named by 32 random bits.
    pub fn open(nonce: [u8; 4], most: u64) -> (Self, Ask) {
        let horizon = WINDOW;
        let (came, silences) = (BTreeMap::new(), Silences::default());
        let session = Self { nonce, most, state: None, came, horizon, silences };
        let ask = session.ask();
        (session, ask)
    }

    /// Frames that there are below the horizon, as far as that is known.
    fn due(&self) -> u32 {
        let all = self.state.map_or(u64::MAX, |(_, all)| frames(all));
        self.horizon.min(u32::try_from(all).unwrap_or(u32::MAX))
    }

    /// Asks for what is missing below the horizon.
    fn ask(&self) -> Ask {
        let mut runs: Vec<Run> = Vec::new();
        for frame in (0..self.due()).filter(|frame| !self.came.contains_key(frame)) {
            match runs.last_mut() {
                Some(run) if run.first + run.count == frame => run.count += 1,
                _ => runs.push(Run { first: frame, count: 1 }),
            }
        }
        let mut some = Bounded::new();
        some.fill(runs);
        Ask { nonce: self.nonce, runs: some }
    }

    /// The end: the difference must take our check to theirs.
    fn prove(&mut self, set: &Known, theirs: [u8; 16]) -> Step {
        let all: Vec<u64> = core::mem::take(&mut self.came).into_values().flatten().collect();
        if !all.is_sorted_by(|a, b| a < b) {
            return Step::Ended(End::Inconsistent);
        }
        let found = Difference {
            theirs: all.iter().copied().filter(|&id| !set.has(id)).collect(),
            ours: set.ids().iter().copied().filter(|id| all.binary_search(id).is_err()).collect(),
        };
        if found.leads_to(set.sketch().check(), theirs) {
            Step::Done(found)
        } else {
            Step::Ended(End::Inconsistent)
        }
    }
}

impl Reconcile for Session {
    type Set = Known;
    type Ask = Ask;
    type Answer = Answer;
    type Key = u64;

    fn take(&mut self, set: &Known, answer: &Answer) -> Step {
        let Answer { nonce, check, all, frame, ids } = answer;
        let asked = *frame < self.due() && !self.came.contains_key(frame);
        if *nonce != self.nonce || !asked {
            return Step::Wait;
        }
        if *all > self.most {
            return Step::Ended(End::TooMany);
        }
        if *self.state.get_or_insert((*check, *all)) != (*check, *all) {
            return Step::Ended(End::Restless);
        }
        let before = u64::from(*frame) * IDS as u64;
        if ids.len() as u64 != all.saturating_sub(before).min(IDS as u64) {
            return Step::Ended(End::Inconsistent);
        }
        self.silences.end();
        self.came.insert(*frame, ids.iter().map(|id| u64::from_le_bytes(*id)).collect());
        if (self.came.len() as u64) < u64::from(self.due()) {
            Step::Wait
        } else if (self.came.len() as u64) < frames(*all) {
            self.horizon = self.horizon.saturating_add(WINDOW);
            Step::Ask(self.ask())
        } else {
            self.prove(set, *check)
        }
    }

    fn silence(&mut self, _: &Known) -> Step {
        let ask = self.ask();
        self.silences.again(ask)
    }

    fn answer(set: &Known, ask: &Ask, most: usize) -> Vec<Answer> {
        let check = set.sketch().check().to_bytes();
        let all = set.ids().len() as u64;
        let asked = ask.runs.iter().flat_map(|run| {
            let end = u64::from(run.first) + u64::from(run.count);
            u64::from(run.first)..end.min(frames(all))
        });
        let answer = |frame: u64| {
            let ids = set.ids().chunks(IDS).nth(frame as usize).unwrap_or_default();
            let mut told = Bounded::new();
            told.fill(ids.iter().map(|id| id.to_le_bytes()));
            Answer { nonce: ask.nonce, check, all, frame: frame as u32, ids: told }
        };
        asked.take(most).map(answer).collect()
    }
}
