//! The rings on which members watch each other.
//!
//! Not a protocol: Fireflies' arithmetic (Johansen, Allavena, van Renesse, EuroSys 2006).

use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::random::mix;

/// The most rings: as many as a note has bits.
pub(super) const MOST: u8 = 127;

/// k = 2t + 1 rings, each a pseudo-random order of all members: by a hash of the member's number,
/// keyed by the ring and a key of the group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rings {
    tolerated: u8,
    key: u64,
}

impl Rings {
    /// Rings enough for `t` lying predecessors of each member: 1 to 63.
    ///
    /// # Errors
    ///
    /// If `t` is out of bounds.
    pub fn tolerating(t: u8, key: u64) -> Result<Self, ParameterError> {
        ParameterError::new("tolerated t", t.into(), "lying predecessors", "1 to 63")
            .unless((1..=MOST / 2).contains(&t))?;
        Ok(Self { tolerated: t, key })
    }

    /// t.
    pub const fn tolerated(self) -> u8 {
        self.tolerated
    }

    /// k = 2t + 1.
    pub const fn count(self) -> u8 {
        2 * self.tolerated + 1
    }

    /// Where the member with this number stands on a ring.
    pub const fn position(self, ring: u8, number: u64) -> u64 {
        mix(mix(self.key ^ mix(ring as u64)) ^ mix(number))
    }

    /// Of `others`, by name and number, who stands before `number` on `ring`.
    pub fn predecessor<I: Copy + Ord>(
        self,
        ring: u8,
        number: u64,
        others: impl Iterator<Item = (I, u64)>,
    ) -> Option<I> {
        let place = self.position(ring, number);
        let before = |other: u64| place.wrapping_sub(self.position(ring, other));
        others.map(|(name, other)| (before(other), name)).min().map(|(_, name)| name)
    }

    /// Whether none of `others` stands between `one` and `number` on `ring`: whether `one`, by name
    /// and number, is the predecessor. Ends at the first that does, which is soon where `one`
    /// stands anywhere.
    pub(super) fn is_next<I: Copy + Ord>(
        self,
        ring: u8,
        (one, its): (I, u64),
        number: u64,
        mut others: impl Iterator<Item = (I, u64)>,
    ) -> bool {
        let place = self.position(ring, number);
        let before = |other: u64| place.wrapping_sub(self.position(ring, other));
        let nearest = (before(its), one);
        others.all(|(name, other)| (before(other), name) >= nearest)
    }

    /// Of `others`, who comes after `number` on each ring: none, if there are none.
    pub fn successors<I: Copy + Ord>(
        self,
        number: u64,
        others: &(impl Iterator<Item = (I, u64)> + Clone),
    ) -> Vec<I> {
        let next = |ring: u8| {
            let place = self.position(ring, number);
            let after = |other: u64| self.position(ring, other).wrapping_sub(place);
            others.clone().map(|(name, other)| (after(other), name)).min().map(|(_, name)| name)
        };
        (0..self.count()).filter_map(next).collect()
    }
}

/// The least t, up to 63, with which among `n` members, each of which lies with probability `p`,
/// fewer than `risk` are expected whose predecessors on more than t of 2t + 1 rings lie:
/// `n P[Bin(2t + 1, p) > t] < risk`. `None` if 63 are not enough, or `p` or `risk` are no numbers
/// between 0 and 1.
///
/// ```
/// use gossip_core::membership::fireflies::tolerated;
///
/// assert_eq!(tolerated(1_000, 0.1, 0.1), Some(6));
/// assert_eq!(tolerated(1_000, 0.1, 1e-3), Some(11));
/// assert_eq!(tolerated(1_000, 0.5, 0.1), None);
/// ```
pub fn tolerated(n: u32, p: f64, risk: f64) -> Option<u8> {
    let sound = (0.0..1.0).contains(&p) && risk > 0.0 && risk <= 1.0;
    let exceeds = |t: u8| f64::from(n) * beyond(2 * t + 1, p, t);
    (1..=MOST / 2).find(|&t| sound && exceeds(t) < risk)
}

/// P[Bin(k, p) > t].
fn beyond(k: u8, p: f64, t: u8) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    let (log_p, log_q) = (libm::log(p), libm::log1p(-p));
    // ln of the number of ways, one factor more each time.
    let mut ways = 0.0;
    let mut sum = 0.0;
    for i in 0..=k {
        if i > t {
            sum += libm::exp(ways + f64::from(i) * log_p + f64::from(k - i) * log_q);
        }
        ways += libm::log(f64::from(k - i).max(1.0) / (f64::from(i) + 1.0));
    }
    sum
}
