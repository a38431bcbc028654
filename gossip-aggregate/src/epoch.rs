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
        let gamma = [low, middle, high];
        Ok((self.function, Epochs { number: 0, began: 0, gamma, standing }))
    }
}

/// Where a node is in the sequence of epochs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epochs {
    number: u64,
    /// The round in which this epoch began here.
    began: Round,
    /// Rounds of an epoch, least byte first; 0 if it never ends. Three bytes, and the standing in
    /// the fourth, keep a node within its cache lines.
    gamma: [u8; 3],
    standing: Standing,
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not called yet; takes part from the first call on.
    Founder,
    /// Not called yet; sits out the epoch under way.
    Newcomer,
    /// Sits out an epoch whose number no message has told yet.
    Listening,
    /// Sits out an epoch whose number it knows, or takes part.
    Informed,
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
        match self.standing {
            Standing::Founder => {
                self.began = round;
                self.standing = Standing::Informed;
                Some(Turn::First)
            }
            Standing::Newcomer => {
                self.began = round;
                self.standing = Standing::Listening;
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
        } else if self.standing == Standing::Listening {
            // A joiner hears which epoch it sits out; a later one is the first it takes part in.
            self.number = self.number.max(epoch);
            self.began = round;
            self.standing = Standing::Informed;
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
        self.standing = Standing::Informed;
        turn
    }
}
