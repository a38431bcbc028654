//! Partners drawn by weight from a list that does not change: any weights, powers of distance,
//! Demers' distributions by rank, and zones.
//!
//! Nothing is exchanged. Spatial choice keeps traffic off long links and still spreads news in
//! polylogarithmic time: Demers et al., *Epidemic algorithms for replicated database maintenance*,
//! PODC 1987, section 3.1; Kempe, Kleinberg, Demers, *Spatial gossip and resource location
//! protocols*, STOC 2001, section 2. For nodes on a ring, a torus or a grid in more dimensions, all
//! of which share one table, see [`Lattice`](super::Lattice).
//!
//! ```text
//! by distance:  P(y)  ~  d(x,y)^-e                      e = D rho in D dimensions, 1 < rho < 2
//! by rank:      P(y)  ~  mean of q^-a for q in (Q(d-), Q(d)], Q(d) = 1 + peers within d = d(x,y)
//! by zone:      own zone with probability 1 - p, another one with p, evenly within either
//! draw:         one of n columns, then its peer or its alias (Walker's method): constant time
//! ```
//!
//! # Deviations from the paper
//!
//! - Demers' equation (3.1.1) is for a > 1; its integral is taken for every a from 0 on, so that
//!   a = 0 is the uniform choice and a = 1 a logarithm.

use core::cmp::Ordering;

use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::id::PeerId;
use crate::peers::Peers;
use crate::random::Random;
use crate::sampling::fixed::silent;

/// Peers with weights, for ever.
///
/// ```
/// use gossip_core::{Peers, random::Key, sampling::Weighted};
///
/// let peers = Weighted::new([(1_u32, 3.0), (2, 1.0), (3, 0.0)])?;
/// let mut random = Key::new(1).random(0);
/// let drawn: Vec<_> = (0..4_000).filter_map(|_| peers.sample(&mut random)).collect();
/// let first = drawn.iter().filter(|&&peer| peer == 1).count();
/// assert!((2_890..3_110).contains(&first)); // 3,000, four standard deviations of 27
/// assert!(!drawn.contains(&3));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted<I> {
    peers: Vec<I>,
    table: Alias,
}

impl<I: PeerId> Weighted<I> {
    /// Each peer with its weight: a peer of weight 2 is drawn twice as often as one of weight 1,
    /// one of weight 0 never.
    ///
    /// # Errors
    ///
    /// If a weight is negative or not finite, or their sum is not finite, or is zero although
    /// there are peers.
    pub fn new(peers: impl IntoIterator<Item = (I, f64)>) -> Result<Self, ParameterError> {
        let (peers, weights): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
        Ok(Self { peers, table: Alias::new(&weights)? })
    }

    /// Each peer with its distance d, in any unit: weights d^-`exponent`. In D dimensions the
    /// paper's rho is `exponent` / D, and the useful range 1 < rho < 2.
    ///
    /// # Errors
    ///
    /// If a distance is not above 0 and finite, or the exponent is not from 0 to 64.
    ///
    /// ```
    /// use gossip_core::sampling::Weighted;
    ///
    /// assert!(Weighted::by_distance([(1_u32, 10.0), (2, 20.0)], 1.5).is_ok());
    /// let error = Weighted::by_distance([(1_u32, 0.0)], 1.5).unwrap_err();
    /// assert_eq!(error.to_string(), "distance is 0 of the caller's unit; it must be above 0");
    /// ```
    pub fn by_distance(
        peers: impl IntoIterator<Item = (I, f64)>,
        exponent: f64,
    ) -> Result<Self, ParameterError> {
        check_exponent(exponent)?;
        let weigh = |(peer, distance)| {
            ParameterError::new("distance", distance, "of the caller's unit", "above 0")
                .unless(distance > 0.0 && distance.is_finite())?;
            Ok((peer, libm::pow(distance, -exponent)))
        };
        let weighed: Result<Vec<_>, _> = peers.into_iter().map(weigh).collect();
        Self::new(weighed?)
    }

    /// Demers' Q_s(d)^-a: each peer with its distance, of which only the order counts. Peers at the
    /// same distance are as likely as one another (equation 3.1.1). The Clearinghouse's choice was
    /// a = 2.
    ///
    /// # Errors
    ///
    /// If a distance is not a number, or `a` is not from 0 to 64.
    ///
    /// ```
    /// use gossip_core::{Peers, sampling::Weighted};
    ///
    /// let peers = Weighted::by_rank([(1_u32, 10.0), (2, 10.0), (3, 5_000.0)], 2.0)?;
    /// assert_eq!(peers.degree(), 3);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn by_rank(
        peers: impl IntoIterator<Item = (I, f64)>,
        a: f64,
    ) -> Result<Self, ParameterError> {
        check_exponent(a)?;
        let mut peers: Vec<_> = peers.into_iter().collect();
        for &(_, distance) in &peers {
            ParameterError::new("distance", distance, "of the caller's unit", "a number")
                .unless(!distance.is_nan())?;
        }
        peers.sort_by(|one, other| one.1.partial_cmp(&other.1).unwrap_or(Ordering::Equal));
        let mut within = 1.0;
        let mut weighed = Vec::with_capacity(peers.len());
        for alike in peers.chunk_by(|one, other| one.1 == other.1) {
            let before = within;
            within += alike.len() as f64;
            let weight = power_between(before, within, a) / alike.len() as f64;
            weighed.extend(alike.iter().map(|&(peer, _)| (peer, weight)));
        }
        Self::new(weighed)
    }

    /// Each peer with its zone (a rack, a region): one of another zone than `own` with probability
    /// `leave`, evenly among those; else one of the own zone. If one of the two is empty, the other
    /// one gets all.
    ///
    /// # Errors
    ///
    /// If `leave` is not a probability.
    ///
    /// ```
    /// use gossip_core::{Peers, random::Key, sampling::Weighted};
    ///
    /// let zones = [(1_u32, "east"), (2, "east"), (3, "west")];
    /// let home = Weighted::by_zone(&"east", zones, 0.0)?;
    /// let mut random = Key::new(1).random(0);
    /// assert!((0..100).all(|_| home.sample(&mut random) != Some(3)));
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn by_zone<Z: PartialEq>(
        own: &Z,
        peers: impl IntoIterator<Item = (I, Z)>,
        leave: f64,
    ) -> Result<Self, ParameterError> {
        ParameterError::new("probability to leave the zone", leave, "of draws", "0 to 1")
            .unless((0.0..=1.0).contains(&leave))?;
        let peers: Vec<_> = peers.into_iter().map(|(peer, zone)| (peer, zone == *own)).collect();
        let near = peers.iter().filter(|peer| peer.1).count();
        let far = peers.len() - near;
        let leave = if near == 0 || far == 0 { 0.5 } else { leave };
        let weigh = |(peer, is_near)| {
            let weight = if is_near { (1.0 - leave) / near as f64 } else { leave / far as f64 };
            (peer, weight)
        };
        Self::new(peers.into_iter().map(weigh))
    }
}

/// The integral of q^-a from `low` to `high`.
fn power_between(low: f64, high: f64, a: f64) -> f64 {
    let e = 1.0 - a;
    if e == 0.0 { libm::log(high / low) } else { (libm::pow(high, e) - libm::pow(low, e)) / e }
}

pub(super) fn check_exponent(exponent: f64) -> Result<(), ParameterError> {
    ParameterError::new("exponent", exponent, "(a power of distance)", "0 to 64")
        .unless((0.0..=64.0).contains(&exponent))
}

impl<I: PeerId> Peers for Weighted<I> {
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        self.table.draw(random).and_then(|at| self.peers.get(at)).copied()
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.peers.iter().for_each(|&peer| visit(peer, 0));
    }

    fn degree(&self) -> usize {
        self.peers.len()
    }
}

silent!([I: PeerId,] Weighted<I>, I);

/// Draws from weights in constant time: Walker, *An efficient method for generating discrete
/// random variables with general distributions*, ACM TOMS 3(3), 1977.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alias {
    columns: Vec<Column>,
}

/// A column is drawn evenly; it then gives its own index with probability `keep`, else `other`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Column {
    keep: f64,
    other: u32,
}

impl Alias {
    pub(super) fn new(weights: &[f64]) -> Result<Self, ParameterError> {
        for &weight in weights {
            ParameterError::new("weight", weight, "(relative)", "finite, and not below 0")
                .unless(weight >= 0.0 && weight.is_finite())?;
        }
        let sum: f64 = weights.iter().sum();
        ParameterError::new("sum of weights", sum, "(relative)", "finite, and above 0")
            .unless(weights.is_empty() || (sum > 0.0 && sum.is_finite()))?;
        ParameterError::new("peers", weights.len() as f64, "peers", "below 2^32")
            .unless(u32::try_from(weights.len()).is_ok())?;

        // Shares of 1 on average; what a column lacks is filled from one that has too much.
        let scale = weights.len() as f64 / sum;
        let mut columns: Vec<_> =
            (0..).zip(weights).map(|(at, &w)| Column { keep: w * scale, other: at }).collect();
        let (mut poor, mut rich): (Vec<_>, Vec<_>) =
            (0..columns.len()).partition(|&at| columns[at].keep < 1.0);
        while let (Some(&from), Some(&to)) = (rich.last(), poor.last()) {
            poor.pop();
            columns[to].other = from as u32;
            columns[from].keep -= 1.0 - columns[to].keep;
            if columns[from].keep < 1.0 {
                rich.pop();
                poor.push(from);
            }
        }
        // What is left on either side differs from 1 by rounding only.
        for at in poor.into_iter().chain(rich) {
            columns[at].keep = 1.0;
        }
        Ok(Self { columns })
    }

    /// An index by its weight, or `None` if there is none.
    #[inline]
    pub(super) fn draw(&self, random: &mut Random) -> Option<usize> {
        if self.columns.is_empty() {
            return None;
        }
        let at = random.below(self.columns.len());
        let Column { keep, other } = self.columns[at];
        Some(if random.unit() < keep { at } else { other as usize })
    }
}
