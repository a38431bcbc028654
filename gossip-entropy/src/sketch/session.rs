//! Finding out how two sets differ, over bounded datagrams that may be lost, doubled and reordered.
//!
//! After Yang, Gilad, Alizadeh, *Practical rateless set reconciliation*, SIGCOMM 2024 (cells until
//! the receiver has enough), with a PinSketch for few differences and for the last ones.
//!
//! ```text
//! ask:               our estimator; then what is missing
//! on a PinSketch:    add our own, and what cells have given up: the rest of the difference, if
//!                    it has few enough elements
//! on cells:          peel them; try the PinSketch on what is left
//! when all is known: its check must take ours to theirs, all 128 bits; else the session has failed
//! when what was asked for has come, and is not enough:   ask for more
//! when nothing comes: ask again for what is missing, the first cells first
//! ```
//!
//! # What holds
//!
//! A session ends with the difference of the two sets' identifiers as they are, or says why not:
//! see [`End`]. That it ends with another one has probability 2^-128 for those who do not know the
//! secret. The side that asks decides what is sent and when: frames that it did not ask for are not
//! read. It takes each of the 178 frames once, decodes at most [`QUESTIONS`] PinSketches and one
//! residue a frame, and ends after as many questions: nobody can keep it busy.
//!
//! # Deviations from the paper
//!
//! - The stream is pulled, a window at a time, not pushed until told to stop: loss, congestion and
//!   strangers cost nothing that was not asked for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use gossip_core::wire::{Blob, Bounded};

use super::answer::answer;
use super::peel::{FRAMES, Peel, odd_ones, read};
use super::pinsketch::{CAPACITY, decode, unpack};
use super::set::SetSketch;
use super::wire::{Ask, Frame, Need, Span};
use crate::reconcile::{self, End, Known, Reconcile};

/// Questions in a session. A window grows by a quarter at least with each that is answered, so that
/// 16 lead from the first cells to the last. Our choice.
pub const QUESTIONS: u32 = 24;

/// What the other side's identifiers are to ours.
pub type Difference = reconcile::Difference<u64>;

/// What comes next.
pub type Step = reconcile::Step<Ask, u64>;

/// A PinSketch of the difference, less what the cells have given up.
#[derive(Clone, Debug)]
struct Residue {
    check: [u8; 16],
    syndromes: Vec<u64>,
    /// How much of what the cells have given up has been taken out.
    applied: usize,
}

/// The side of a session that asks.
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    salt: u64,
    draw: u64,
    /// The state of the other side's set.
    tag: Option<[u8; 4]>,
    residue: Option<Residue>,
    peel: Option<Box<Peel>>,
    /// Frames below this one were asked for.
    horizon: usize,
    /// Numbers of a PinSketch that were asked for and have not come.
    root_due: usize,
    asked: u32,
    restarts: u32,
}

/// How often a session begins again because the other side's set has changed. Our choice.
const RESTARTS: u32 = 3;

impl Session {
    /// Opens a session about `set`, whose fingerprints have `salt`, with 64 random bits.
    pub fn open(set: &SetSketch, salt: u64, draw: u64) -> (Self, Ask) {
        let [a, b, c, d, ..] = draw.to_le_bytes();
        let mut session = Self {
            nonce: [a, b, c, d],
            salt,
            draw: draw.rotate_left(32),
            tag: None,
            residue: None,
            peel: None,
            horizon: 0,
            root_due: CAPACITY,
            asked: 0,
            restarts: 0,
        };
        let ask = session.first(set);
        (session, ask)
    }

    /// By which answers are known.
    pub const fn nonce(&self) -> [u8; 4] {
        self.nonce
    }

    /// The salt of the fingerprints.
    pub const fn salt(&self) -> u64 {
        self.salt
    }

    fn first(&mut self, set: &SetSketch) -> Ask {
        self.asked += 1;
        let estimator = Blob::new(set.estimator().to_bytes()).unwrap_or_default();
        Ask { nonce: self.nonce, salt: self.salt, need: Need::First(estimator) }
    }

    /// Takes an answer. `is_ours` says which identifiers `set` has.
    pub fn take(&mut self, set: &SetSketch, frame: &Frame, is_ours: impl Fn(u64) -> bool) -> Step {
        if frame.nonce() != self.nonce {
            return Step::Wait;
        }
        let tag = match frame {
            Frame::Root { check: [a, b, c, d, ..], .. } => [*a, *b, *c, *d],
            Frame::Cells { tag, .. } => *tag,
        };
        if *self.tag.get_or_insert(tag) != tag {
            return self.restart(set);
        }
        let taken = match frame {
            Frame::Root { check, frames, syndromes, .. } => {
                self.take_root(set, *check, usize::from(*frames), syndromes)
            }
            Frame::Cells { frame, cells, .. } => self.take_cells(set, usize::from(*frame), cells),
        };
        if !taken {
            return Step::Wait;
        }
        if self.peel.as_ref().is_some_and(|peel| peel.is_poisoned()) {
            return Step::Ended(End::Inconsistent);
        }
        match self.solve(set, is_ours) {
            Step::Wait if self.root_due == 0 && self.missing().next().is_none() => self.more(),
            step => step,
        }
    }

    /// The set has changed while the session was under way: an element came or went.
    pub fn changed(&mut self, set: &SetSketch, id: u64) {
        if let Some(residue) = &mut self.residue {
            set.field().add_odd_powers(&mut residue.syndromes, id);
        }
        if let Some(peel) = &mut self.peel {
            peel.changed(id);
        }
    }

    /// Nothing has come for as long as a round trip takes.
    pub fn silence(&mut self, set: &SetSketch) -> Step {
        if self.asked >= QUESTIONS {
            return Step::Ended(End::Silent);
        }
        if self.tag.is_none() {
            return Step::Ask(self.first(set));
        }
        if self.residue.is_none() {
            // The whole: the first cells may be lost as well, and it finds what they would.
            self.root_due = CAPACITY;
        }
        if self.root_due == 0 && self.missing().next().is_none() {
            return self.more();
        }
        self.ask_for_missing()
    }

    fn restart(&mut self, set: &SetSketch) -> Step {
        self.restarts += 1;
        if self.restarts > RESTARTS || self.asked >= QUESTIONS {
            return Step::Ended(End::Restless);
        }
        (self.tag, self.residue, self.peel, self.horizon) = (None, None, None, 0);
        self.root_due = CAPACITY;
        // Another name, so that answers to what was asked before are not read.
        self.nonce = u32::from_le_bytes(self.nonce).wrapping_add(1).to_le_bytes();
        Step::Ask(self.first(set))
    }

    /// Frames that were asked for and have not come, in order.
    fn missing(&self) -> impl Iterator<Item = usize> {
        let has = |frame: usize| self.peel.as_ref().is_some_and(|peel| peel.has(frame));
        (0..self.horizon).filter(move |&frame| !has(frame))
    }

    fn take_root(
        &mut self,
        set: &SetSketch,
        check: [u8; 16],
        frames: usize,
        packed: &[u8],
    ) -> bool {
        let Some(mut syndromes) = unpack(packed) else { return false };
        let known = self.residue.as_ref().map_or(0, |residue| residue.syndromes.len());
        if self.root_due == 0 || syndromes.len() <= known {
            return false;
        }
        self.root_due = 0;
        self.horizon = self.horizon.max(frames.min(FRAMES));
        syndromes.iter_mut().zip(set.root()).for_each(|(theirs, ours)| *theirs ^= ours);
        self.residue = Some(Residue { check, syndromes, applied: 0 });
        true
    }

    fn take_cells(&mut self, set: &SetSketch, frame: usize, bytes: &[u8]) -> bool {
        // Beyond what was asked for: only ahead of the PinSketch that says how much follows it.
        if frame >= FRAMES || (frame >= self.horizon && self.residue.is_some()) {
            return false;
        }
        let Some(theirs) = read(bytes) else { return false };
        self.horizon = self.horizon.max(frame + 1);
        self.peel.get_or_insert_default().take(frame, &theirs, set.cells().frame(frame))
    }

    /// Ends the session, if what is here is enough.
    fn solve(&mut self, set: &SetSketch, is_ours: impl Fn(u64) -> bool) -> Step {
        let Some(residue) = &mut self.residue else { return Step::Wait };
        let found = self.peel.as_ref().map_or(&[][..], |peel| peel.found());
        for &id in &found[residue.applied..] {
            set.field().add_odd_powers(&mut residue.syndromes, id);
        }
        residue.applied = found.len();
        // One number in reserve shows that there are too many; alone, the check does.
        let capacity = residue.syndromes.len();
        let most = if self.peel.is_some() { capacity - 1 } else { capacity };
        let Some(rest) = decode(set.field(), &residue.syndromes, most, self.draw) else {
            return Step::Wait;
        };
        let full = rest.len() == capacity;
        let all = odd_ones([found, &rest].concat());
        let (ours, theirs): (Vec<u64>, Vec<u64>) = all.into_iter().partition(|&id| is_ours(id));
        let difference = Difference { theirs, ours };
        if difference.leads_to(set.check(), residue.check) {
            Step::Done(difference)
        } else if full {
            Step::Wait
        } else {
            Step::Ended(End::Inconsistent)
        }
    }

    /// All that was asked for has come.
    fn more(&mut self) -> Step {
        if self.horizon >= FRAMES {
            return Step::Ended(End::TooMany);
        }
        let known = self.residue.as_ref().map_or(0, |residue| residue.syndromes.len());
        // A whole PinSketch is less than a frame, and finds what would take several.
        self.root_due = if known < CAPACITY { CAPACITY } else { 0 };
        let growth = if known < CAPACITY { self.horizon / 8 } else { self.horizon / 4 };
        // The estimate was too low, or there are more than a PinSketch finds: a frame more is often
        // still too few, and each question is a round trip.
        self.horizon = (self.horizon + growth.max(2)).min(FRAMES);
        self.ask_for_missing()
    }

    fn ask_for_missing(&mut self) -> Step {
        if self.asked >= QUESTIONS {
            return Step::Ended(End::Silent);
        }
        self.asked += 1;
        let mut runs: Vec<Span> = Vec::new();
        for frame in self.missing() {
            match runs.last_mut() {
                Some(run) if usize::from(run.first) + usize::from(run.count) == frame => {
                    run.count += 1;
                }
                _ => runs.push(Span { first: frame as u8, count: 1 }),
            }
        }
        let mut spans = Bounded::new();
        spans.fill(runs);
        let need = Need::More { root: self.root_due as u8, spans };
        Step::Ask(Ask { nonce: self.nonce, salt: self.salt, need })
    }
}

impl Reconcile for Session {
    type Set = Known;
    type Ask = Ask;
    type Answer = Frame;
    type Key = u64;

    fn take(&mut self, set: &Known, frame: &Frame) -> Step {
        Self::take(self, set.sketch(), frame, |id| set.has(id))
    }

    fn silence(&mut self, set: &Known) -> Step {
        Self::silence(self, set.sketch())
    }

    fn answer(set: &Known, ask: &Ask, most: usize) -> Vec<Frame> {
        answer(set.sketch(), ask, most)
    }
}
