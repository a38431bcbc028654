//! Epochs: aggregation that starts anew from the current inputs every so many rounds, at all nodes
//! at nearly the same time, without a clock.
//!
//! Not a protocol: what every aggregation protocol here does to restart. Jelasity, Montresor,
//! Babaoglu, *Gossip-based aggregation in large dynamic networks*, ACM TOCS 23(3), 2005, section 4:
//! the epoch's number rides on every message; who sees a larger one moves there at once; a joiner
//! sits out the epoch under way.
//!
//! # Deviations from the paper
//!
//! - Numbers that run more than [`AHEAD`] beyond ours are refused, so that one bad message cannot
//!   exhaust them.
//! - A joiner hears the number of the epoch under way from the first who asks it anything, not from
//!   its contact. If nobody does for a whole epoch, it is alone, and begins one itself.
//! - An epoch in which a node took part for less than half of its length, because it was called
//!   away to a later one, says nothing there: its state may be far from
//!   the result yet.

use gossip_core::{ParameterError, Round};

use crate::estimate::Estimate;

/// What a node aggregates, and when its epochs end.
#[derive(Clone, Debug)]
pub struct Config<F> {
    function: F,
    gamma: Option<u32>,
    founder: bool,
}

/// Rounds of an epoch by default: push-pull's variance falls by 0.3033^30 = 3e-16 (paper,
/// section 7).
pub const GAMMA: u32 = 30;

/// How many epochs a message may run ahead of ours: more than any sleep, and too few to exhaust
/// the numbers. Our choice.
pub const AHEAD: u64 = 1 << 32;

impl<F> Config<F> {
    /// For a node that is there from the start, such as all nodes of most simulations: it takes
    /// part at once.
    pub const fn founding(function: F) -> Self {
        Self { function, gamma: Some(GAMMA), founder: true }
    }

    /// For a node that joins a running system: it sits out the epoch that is under way. If it is
    /// alone, it begins the next one itself.
    pub const fn joining(function: F) -> Self {
        Self { function, gamma: Some(GAMMA), founder: false }
    }

    /// Restarts every `rounds` rounds (the paper's gamma) instead of every [`GAMMA`]; below 2^24.
    pub const fn epoch(mut self, rounds: u32) -> Self {
        self.gamma = Some(rounds);
        self
    }

    /// Never restarts: one epoch for ever.
    pub const fn endless(mut self) -> Self {
        self.gamma = None;
        self
    }

    /// What is aggregated, and the node's epochs before the first call.
    ///
    /// # Errors
    ///
    /// If the epoch's rounds are not 1 to 2^24 - 1.
    pub(crate) fn build(self) -> Result<(F, Epochs), ParameterError> {
        let rounds = self.gamma.unwrap_or(1);
        ParameterError::new("epoch gamma", rounds.into(), "rounds", "1 to 16,777,215")
            .unless((1..1 << 24).contains(&rounds))?;
        let [low, middle, high, _] = self.gamma.unwrap_or(0).to_le_bytes();
        let standing = if self.founder { Standing::Founder } else { Standing::Newcomer };
        let (gamma, state) = ([low, middle, high], NEVER << 2 | standing as u8);
        Ok((self.function, Epochs { number: 0, began: 0, gamma, state }))
    }
}

/// Where a node is in the sequence of epochs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epochs {
    number: u64,
    /// The round in which this epoch began here.
    began: Round,
    /// Rounds of an epoch, least byte first; 0 if it never ends. Three bytes, and the state in the
    /// fourth, keep a node within its cache lines.
    gamma: [u8; 3],
    /// The standing, in two bits; above them, how many epochs before the last one said something
    /// for the last time, or [`NEVER`].
    state: u8,
}

/// So many epochs ago is too long to tell, or never.
const NEVER: u8 = 63;

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Standing {
    /// Not called yet; takes part from the first call on.
    Founder = 0,
    /// Not called yet; sits out the epoch under way.
    Newcomer = 1,
    /// Sits out an epoch whose number no message has told yet.
    Listening = 2,
    /// Sits out an epoch whose number it knows, or takes part.
    Informed = 3,
}

/// What a node has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// To begin the first epoch.
    First,
    /// To end an epoch and begin the next.
    Next {
        /// The number of the one that ends.
        ended: u64,
        /// Whether this node was there for at least half of it.
        whole: bool,
    },
}

/// How a partner's epoch compares with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// The same.
    Together,
    /// Not the same, and we stay: the partner is behind, or we sit ours out and did not know its
    /// number.
    Apart,
    /// The partner is ahead; we have joined it there.
    Ahead(Turn),
    /// The partner claims to be where nobody can be.
    TooFar,
}

impl Epochs {
    /// The number of the epoch under way.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// To be called first in every call: begins the first epoch, or the next when this one is over.
    #[inline]
    pub(crate) fn keep_time(&mut self, round: Round) -> Option<Turn> {
        match self.standing() {
            Standing::Founder => {
                self.began = round;
                self.stand(Standing::Informed);
                Some(Turn::First)
            }
            Standing::Newcomer => {
                self.began = round;
                self.stand(Standing::Listening);
                None
            }
            _ if self.is_over(round) => Some(self.move_to(self.number.saturating_add(1), round)),
            _ => None,
        }
    }

    /// A partner is in `epoch`.
    #[inline]
    pub(crate) fn meet(&mut self, epoch: u64, round: Round) -> Meeting {
        let ahead = epoch.saturating_sub(self.number);
        if ahead > AHEAD {
            Meeting::TooFar
        } else if self.standing() == Standing::Listening {
            // A joiner hears which epoch it sits out; a later one is the first it takes part in.
            self.number = self.number.max(epoch);
            self.began = round;
            self.stand(Standing::Informed);
            if epoch == self.number { Meeting::Together } else { Meeting::Apart }
        } else if ahead > 0 {
            Meeting::Ahead(self.move_to(epoch, round))
        } else if epoch == self.number {
            Meeting::Together
        } else {
            Meeting::Apart
        }
    }

    #[inline]
    fn is_over(&self, round: Round) -> bool {
        self.gamma().is_some_and(|gamma| self.spent(round) >= gamma)
    }

    /// Rounds of an epoch; `None` if it never ends.
    #[inline]
    fn gamma(&self) -> Option<u32> {
        let [low, middle, high] = self.gamma;
        Some(u32::from_le_bytes([low, middle, high, 0])).filter(|&gamma| gamma > 0)
    }

    /// Rounds of this epoch spent here.
    #[inline]
    pub(crate) const fn spent(&self, round: Round) -> u32 {
        round.wrapping_sub(self.began)
    }

    #[cold]
    fn move_to(&mut self, epoch: u64, round: Round) -> Turn {
        let spent = self.spent(round).saturating_mul(2);
        let whole = self.gamma().is_none_or(|gamma| spent >= gamma);
        let turn = Turn::Next { ended: self.number, whole };
        self.number = epoch;
        self.began = round;
        self.stand(Standing::Informed);
        turn
    }

    #[inline]
    const fn standing(&self) -> Standing {
        match self.state & 3 {
            0 => Standing::Founder,
            1 => Standing::Newcomer,
            2 => Standing::Listening,
            _ => Standing::Informed,
        }
    }

    #[inline]
    const fn stand(&mut self, standing: Standing) {
        self.state = self.state & !3 | standing as u8;
    }

    /// Epoch `ended` has made way for this one, and has said something or not.
    pub(crate) fn note(&mut self, ended: u64, said: bool) {
        let passed = u8::try_from(self.number.saturating_sub(ended)).unwrap_or(u8::MAX);
        let silent =
            if said { passed.saturating_sub(1) } else { passed.saturating_add(self.silent()) };
        self.state = silent.min(NEVER) << 2 | self.standing() as u8;
    }

    /// Epochs that have passed since one said something here, but for that one.
    const fn silent(&self) -> u8 {
        self.state >> 2
    }

    /// What the last epoch that said something here said, if that is not too long ago. The epochs
    /// since count with their full length.
    pub(crate) fn estimate(&self, value: Option<f64>, now: Round) -> Option<Estimate> {
        let silent = self.silent();
        let epoch = self.number.checked_sub(u64::from(silent) + 1).filter(|_| silent < NEVER)?;
        let since = u32::from(silent).saturating_mul(self.gamma()?);
        let age = self.spent(now).saturating_add(since);
        Some(Estimate { value: value?, sd: None, epoch, age })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten rounds to an epoch: what epoch 0 said is of epoch 0 and as old as that is over, through
    /// epochs that say nothing and one that is skipped, until it is too old to tell.
    #[test]
    fn what_an_epoch_said_bears_its_number_and_its_age() {
        let ((), mut epochs) = Config::founding(()).epoch(10).build().unwrap();
        let said = |epochs: &Epochs, now| {
            epochs.estimate(Some(1.5), now).map(|estimate| (estimate.epoch, estimate.age))
        };
        epochs.keep_time(3);
        assert_eq!(said(&epochs, 12), None);
        assert!(epochs.keep_time(13).is_some());
        epochs.note(0, true);
        assert_eq!(said(&epochs, 15), Some((0, 2)));
        assert!(epochs.keep_time(23).is_some());
        epochs.note(1, false);
        assert_eq!(said(&epochs, 24), Some((0, 11)));
        // From epoch 2 to epoch 4 at once.
        assert!(matches!(epochs.meet(4, 25), Meeting::Ahead(_)));
        epochs.note(2, false);
        assert_eq!(said(&epochs, 25), Some((0, 30)));
        epochs.meet(100, 26);
        epochs.note(4, false);
        assert_eq!(said(&epochs, 27), None);
        epochs.meet(101, 30);
        epochs.note(100, true);
        assert_eq!(said(&epochs, 31), Some((100, 1)));
        assert_eq!(epochs.estimate(None, 31), None);
        assert_eq!(size_of::<Epochs>(), 16);
    }
}
