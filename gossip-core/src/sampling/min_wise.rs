//! Min-wise samplers: uniform samples of all the ids ever seen, however often each was seen.
//!
//! Bortnikov, Gurevich, Keidar, Kliot, Shraer, *Brahms: Byzantine resilient random membership
//! sampling*, PODC 2008, section 4.1 (Sampler and Validator).
//!
//! ```text
//! init:    h = a random hash function; keep nothing
//! see id:  if h(id) < h(kept): kept = id
//! probe:   every round one kept id is asked for a sign of life, in turn; if none came after
//!          3 rounds, all samplers that keep it start again, each with a new h
//! ```
//!
//! An id that is seen a thousand times hashes to the same value every time, so an adversary gains
//! nothing by being loud. It would gain everything by knowing h: each sampler has a secret seed.
//!
//! # Deviations from the paper
//!
//! - h is a 64-bit mixer keyed by the seed, not a min-wise independent family; `tests/it/brahms.rs`
//!   checks that its samples are uniform.
//! - One sampler is probed a round, up to three times, where the paper pings each periodically: a
//!   single lost message would trade a live node's sample for a new one.

use core::iter;

use arrayvec::ArrayVec;

use crate::id::{PeerId, fingerprint};
use crate::random::{Random, mix};

/// Probes that an id may leave unanswered. Our choice: at 5 % loss either way, a live id is taken
/// for dead once in a thousand times.
const TRIES: u8 = 3;

/// Keeps the id whose hash, keyed by a seed, is the least of all seen.
///
/// ```
/// use gossip_core::sampling::min_wise::Sampler;
///
/// let mut sampler = Sampler::new(7);
/// (0..100_u32).for_each(|id| sampler.see(id));
/// let kept = sampler.kept();
/// (0..100_u32).rev().for_each(|id| sampler.see(id)); // neither order nor number matters
/// assert!(kept.is_some() && sampler.kept() == kept);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler<I> {
    seed: u64,
    least: u64,
    kept: Option<I>,
}

impl<I: PeerId> Sampler<I> {
    /// An empty sampler with the hash function that `seed` names.
    pub const fn new(seed: u64) -> Self {
        Self { seed, least: u64::MAX, kept: None }
    }

    /// An id has been seen.
    pub fn see(&mut self, id: I) {
        self.see_print(id, fingerprint(&id));
    }

    /// The same, if the fingerprint is known.
    #[inline]
    fn see_print(&mut self, id: I, print: u64) {
        let hash = mix(print ^ self.seed);
        if hash < self.least || self.kept.is_none() {
            *self = Self { least: hash, kept: Some(id), ..*self };
        }
    }

    /// The id kept: each that was seen is as likely.
    pub const fn kept(&self) -> Option<I> {
        self.kept
    }
}

/// At most `S` samplers, and the probing of what they keep.
///
/// ```
/// use gossip_core::{random::Key, sampling::min_wise::MinWise};
///
/// let mut random = Key::new(1).random(0);
/// let mut samplers = MinWise::<u32, 8>::new(8, &mut random);
/// samplers.see(5);
/// assert_eq!(samplers.ids().collect::<Vec<_>>(), [5; 8]);
///
/// // Node 5 answers no probe.
/// for _ in 0..3 {
///     assert_eq!(samplers.probe(&mut random), Some(5));
/// }
/// assert_eq!(samplers.probe(&mut random), None);
/// assert_eq!(samplers.ids().count(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct MinWise<I, const S: usize> {
    samplers: ArrayVec<Sampler<I>, S>,
    /// Whose turn it is to be probed.
    turn: usize,
    /// The id being probed, and how often it was.
    probed: Option<(I, u8)>,
}

impl<I: PeerId, const S: usize> MinWise<I, S> {
    /// `count` samplers, but at most `S`, with seeds from `random`.
    pub fn new(count: usize, random: &mut Random) -> Self {
        let samplers = iter::repeat_with(|| Sampler::new(random.next_u64()));
        Self { samplers: samplers.take(count.min(S)).collect(), turn: 0, probed: None }
    }

    /// An id has been seen.
    pub fn see(&mut self, id: I) {
        let print = fingerprint(&id);
        self.samplers.iter_mut().for_each(|sampler| sampler.see_print(id, print));
    }

    /// What the samplers keep; the same id may be kept by several.
    pub fn ids(&self) -> impl Iterator<Item = I> {
        self.samplers.iter().filter_map(Sampler::kept)
    }

    /// The id that a random sampler keeps; `None` if that one keeps none.
    pub fn pick(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.samplers).and_then(Sampler::kept)
    }

    /// Whom to probe in this round. If the id probed before has not [answered](Self::answered)
    /// after three rounds, it is [forgotten](Self::forget).
    pub fn probe(&mut self, random: &mut Random) -> Option<I> {
        match self.probed.take() {
            Some((id, tries)) if tries < TRIES => self.probed = Some((id, tries + 1)),
            Some((id, _)) => {
                self.forget(id, random);
                self.probe_next();
            }
            None => self.probe_next(),
        }
        self.probed.map(|probed| probed.0)
    }

    fn probe_next(&mut self) {
        let kept = self.samplers.get(self.turn).and_then(Sampler::kept);
        self.probed = kept.map(|id| (id, 1));
        self.turn = if self.turn + 1 < self.samplers.len() { self.turn + 1 } else { 0 };
    }

    /// `id` lives. Returns whether it was being probed.
    pub fn answered(&mut self, id: I) -> bool {
        let expected = self.probed.is_some_and(|probed| probed.0 == id);
        if expected {
            self.probed = None;
        }
        expected
    }

    /// `id` is dead: samplers that keep it start again with new seeds. Returns how many did.
    pub fn forget(&mut self, id: I, random: &mut Random) -> usize {
        let keepers = self.samplers.iter_mut().filter(|sampler| sampler.kept == Some(id));
        keepers.map(|sampler| *sampler = Sampler::new(random.next_u64())).count()
    }
}
