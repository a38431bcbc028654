//! Interval Density: how many nodes there are, from how densely their hashes lie, without a message
//! of its own.
//!
//! Kostoulas, Psaltoulis, Gupta, Birman, Demers, *Decentralized schemes for size estimation in
//! large and dynamic groups*, NCA 2005 (Interval Density). The interval's length follows the
//! memory as in Flajolet, *On adaptive sampling*, Computing 43, 1990.
//!
//! ```text
//! on hearing of a node q:  x = hash(q), from [0, 1)
//!                          x < I: remember q
//!                          more than C remembered: I = I / 2, forget what is beyond
//! at any time:             nodes = remembered / I
//! ```
//!
//! # What holds
//!
//! At a fixed I the relative standard deviation is sqrt((1 - I) / (N I)), about one over the root
//! of how many are remembered: 9.5 % for N = 11,000 and I = .01. Where I follows from C it is
//! 1.20 / sqrt(C), with no bias.
//!
//! That is, once all nodes within the interval have been heard of: nothing is said before a whole
//! window, [`Config::keep`] rounds, has passed. Nodes that are gone count for as long. Over a
//! sampler that shows c new peers a round, exp(-c keep / N) of the nodes are missed. Peers who can
//! choose their identifiers can crowd the interval or keep away from it.
//!
//! # Deviations from the paper
//!
//! - The interval begins where the node's own salt says. Once halved it does not grow again: where
//!   nodes become few, the standard deviation that it bears is that of the few it remembers.

use alloc::vec::Vec;

use gossip_core::id::digest;
use gossip_core::{
    Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Round, message,
};

use crate::estimate::Estimate;

/// Parameters of Interval Density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The interval's length I at first, above 0 and at most 1.
    pub interval: f64,
    /// Nodes remembered, from 1 to 2^20: C.
    pub capacity: usize,
    /// Rounds after which a node that was not heard of again is forgotten, at least 1.
    pub keep: Round,
    /// Whatever differs from node to node, so that not all are wrong by the same.
    pub salt: u64,
}

impl Default for Config {
    /// The whole of [0, 1) at first, and 256 nodes: a standard deviation of 7.5 %. Our choice.
    fn default() -> Self {
        Self { interval: 1.0, capacity: 256, keep: 256, salt: 0 }
    }
}

/// What a node has heard of others.
///
/// ```
/// use gossip_aggregate::density::{Config, Density};
///
/// let mut size = Density::<u32>::new(Config { keep: 10, ..Config::default() })?;
/// (0..10_000).for_each(|peer| size.hear(peer, 3));
/// assert_eq!(size.estimate(12), None); // not yet
/// assert!((size.estimate(13).unwrap().value / 10_000.0 - 1.0).abs() < 0.3);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Density<I> {
    config: Config,
    /// Hashes within the interval, in their order, and when their nodes were last heard of.
    heard: Vec<(u64, Round)>,
    /// The interval's end, in units of 2^-64 less one.
    end: u64,
    /// In which round it began to listen.
    began: Option<Round>,
    id: core::marker::PhantomData<fn() -> I>,
}

message! {
    /// Hashed to find a node's place.
    struct Place<I: PeerId> {
        peer: I,
        salt: u64,
    }
}

impl<I: PeerId> Density<I> {
    /// Nothing heard yet.
    ///
    /// # Errors
    ///
    /// If a parameter is not within the bounds that [`Config`] names.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { interval, capacity, keep, .. } = config;
        ParameterError::new("interval I", interval, "of 1", "above 0, at most 1")
            .unless(interval > 0.0 && interval <= 1.0)?;
        ParameterError::new("capacity C", capacity as f64, "nodes", "1 to 2^20")
            .unless((1..=1 << 20).contains(&capacity))?;
        ParameterError::new("keep", keep.into(), "rounds", "at least 1").unless(keep >= 1)?;
        let (heard, id) = (Vec::new(), core::marker::PhantomData);
        // Saturates at the end.
        let end = (interval * 18_446_744_073_709_551_616.0) as u64;
        Ok(Self { config, heard, end, began: None, id })
    }

    /// Somebody has heard of `peer`, in this round: call it for all that pass by, in layers that
    /// see more than the one below.
    pub fn hear(&mut self, peer: I, now: Round) {
        self.began.get_or_insert(now);
        let place = digest(&Place { peer, salt: self.config.salt });
        while place <= self.end {
            match self.heard.binary_search_by_key(&place, |&(known, _)| known) {
                Ok(at) => self.heard[at].1 = now,
                Err(at) if self.heard.len() < self.config.capacity => {
                    self.heard.insert(at, (place, now));
                }
                Err(_) if self.end > 0 => {
                    self.end /= 2;
                    let within = self.heard.partition_point(|&(known, _)| known <= self.end);
                    self.heard.truncate(within);
                    continue;
                }
                Err(_) => {}
            }
            return;
        }
    }

    /// The interval's length now.
    pub fn interval(&self) -> f64 {
        self.end as f64 / 18_446_744_073_709_551_616.0
    }

    /// How many nodes there are; `None` before a whole window has passed since it began to listen.
    /// Its age is 0: it is made of what was heard in the window that ends now.
    pub fn estimate(&self, now: Round) -> Option<Estimate> {
        let listened = now.wrapping_sub(self.began?);
        let known = self.heard.len() as f64;
        if known == 0.0 || listened < self.config.keep {
            return None;
        }
        let of_this_interval = (1.0 - self.interval()) / known;
        let is_halved = self.interval() < self.config.interval * 0.75;
        let of_halving = if is_halved { 1.44 / self.config.capacity as f64 } else { 0.0 };
        let variance = of_this_interval.max(of_halving);
        Some(Estimate::relative(known / self.interval(), libm::sqrt(variance), 0, 0))
    }
}

impl<I: PeerId> Protocol for Density<I> {
    type Id = I;
    type Message = Nothing;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Density<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let (now, keep) = (cx.round(), self.config.keep);
        self.heard.retain(|&(_, last)| now.wrapping_sub(last) <= keep);
        self.hear(cx.me(), now);
        below.for_each(|peer, _| self.hear(peer, now));
    }

    fn on_message(&mut self, _: &D, _: I, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }
}
