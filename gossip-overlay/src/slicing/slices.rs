//! Which parts of a system the slices are, and what a slicing layer offers those above.
//!
//! Not a protocol: what slicing protocols share. The confidence is theorem 5.1 of Fernandez,
//! Gramoli, Jimenez, Kermarrec, Raynal, *Distributed slicing in dynamic systems*, ICDCS 2007.

use core::f64::consts::FRAC_1_SQRT_2;
use core::num::NonZeroU32;

use alloc::sync::Arc;

use gossip_core::{Pairwise, ParameterError, Protocol};

use super::{Health, Value};

/// Any fractions of a system, in the order of the attribute: ten equal parts, the top tenth,
/// everything between cut points.
///
/// Slices are numbered from 0, which holds the lowest attributes. A boundary belongs to the slice
/// below it. Clones share their cut points.
///
/// ```
/// use gossip_overlay::slicing::{Slices, Value};
///
/// let standing = Value::nearest(0.93);
/// assert_eq!(Slices::equal(4)?.of(standing), 3);
/// assert_eq!(Slices::top(0.1)?.of(standing), 1); // 0 is all the others
/// assert_eq!(Slices::cut_at(&[0.5, 0.9, 0.99])?.of(standing), 2);
/// assert!(Slices::cut_at(&[0.9, 0.5]).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slices(Parts);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parts {
    Equal(NonZeroU32),
    /// Ascending, none of them 1.
    Cut(Arc<[Value]>),
}

/// The most cut points: our choice, far above what a system can tell apart.
const MOST_CUTS: usize = 65_535;

impl Slices {
    /// `count` equal slices.
    ///
    /// # Errors
    ///
    /// If `count` is 0.
    pub fn equal(count: u32) -> Result<Self, ParameterError> {
        let error =
            ParameterError::new("number of slices k", f64::from(count), "slices", "at least 1");
        NonZeroU32::new(count).map(|count| Self(Parts::Equal(count))).ok_or(error)
    }

    /// Cut at `fractions` of the nodes, counted from the lowest attribute: one slice more than
    /// there are cuts.
    ///
    /// # Errors
    ///
    /// If they do not ascend, are not between 0 and 1, are closer than 2^-32, or more than 65,535.
    pub fn cut_at(fractions: &[f64]) -> Result<Self, ParameterError> {
        ParameterError::new("cuts", fractions.len() as f64, "cut points", "at most 65,535")
            .unless(fractions.len() <= MOST_CUTS)?;
        let cuts: Arc<[Value]> = fractions.iter().map(|&cut| Value::nearest(cut)).collect();
        for (at, &cut) in fractions.iter().enumerate() {
            let ascends = at == 0 || cuts[at - 1] < cuts[at];
            ParameterError::new("cut", cut, "of all nodes", "in (0, 1), above the cut before it")
                .unless(cut > 0.0 && cut < 1.0 && cuts[at].get() < 1.0 && ascends)?;
        }
        Ok(Self(Parts::Cut(cuts)))
    }

    /// Slice 1 is the `fraction` of the nodes with the highest attributes, slice 0 all others.
    ///
    /// # Errors
    ///
    /// If `fraction` is not between 0 and 1.
    pub fn top(fraction: f64) -> Result<Self, ParameterError> {
        Self::cut_at(&[1.0 - fraction])
    }

    /// How many slices there are.
    pub fn count(&self) -> u32 {
        match &self.0 {
            Parts::Equal(count) => count.get(),
            Parts::Cut(cuts) => cuts.len() as u32 + 1,
        }
    }

    /// Which slice `value` lies in.
    pub fn of(&self, value: Value) -> u32 {
        match &self.0 {
            Parts::Equal(count) => value.slice(count.get()),
            Parts::Cut(cuts) => cuts.partition_point(|cut| *cut < value) as u32,
        }
    }

    /// The slice of the node with `rank`, from 0, among `nodes`: that of (rank + 1) / nodes,
    /// exactly.
    ///
    /// ```
    /// use gossip_overlay::slicing::Slices;
    ///
    /// let halves = Slices::equal(2)?;
    /// assert_eq!([0, 1, 2, 3].map(|rank| halves.of_rank(rank, 4)), [0, 0, 1, 1]);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn of_rank(&self, rank: usize, nodes: usize) -> u32 {
        let (above, nodes) = (rank as u128 + 1, nodes.max(1) as u128);
        match &self.0 {
            Parts::Equal(count) => {
                let last = count.get() - 1;
                let slice = (above * u128::from(count.get()) - 1) / nodes;
                u32::try_from(slice).unwrap_or(last).min(last)
            }
            Parts::Cut(cuts) => {
                cuts.partition_point(|cut| (u128::from(cut.0) + 1) * nodes < above << 32) as u32
            }
        }
    }

    /// The boundaries between slices, as fractions of the nodes, ascending.
    ///
    /// ```
    /// let quarters = gossip_overlay::slicing::Slices::equal(4)?;
    /// assert!(quarters.boundaries().eq([0.25, 0.5, 0.75]));
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn boundaries(&self) -> impl Iterator<Item = f64> + '_ {
        (1..self.count()).map(|slice| self.boundary(slice))
    }

    /// The boundary below `slice`, which is not 0.
    fn boundary(&self, slice: u32) -> f64 {
        match &self.0 {
            Parts::Equal(count) => f64::from(slice) / f64::from(count.get()),
            Parts::Cut(cuts) => cuts[slice as usize - 1].get(),
        }
    }

    /// How far `value` is from the nearest boundary, as a fraction of the nodes; none if there is
    /// one slice only.
    ///
    /// ```
    /// use gossip_overlay::slicing::{Slices, Value};
    ///
    /// let distance = Slices::top(0.25)?.distance(Value::nearest(0.5));
    /// assert!((distance.unwrap() - 0.25).abs() < 1e-9);
    /// assert_eq!(Slices::equal(1)?.distance(Value::nearest(0.5)), None);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn distance(&self, value: Value) -> Option<f64> {
        let slice = self.of(value);
        let below = (slice > 0).then(|| value.get() - self.boundary(slice));
        let above = (slice + 1 < self.count()).then(|| self.boundary(slice + 1) - value.get());
        below.into_iter().chain(above).reduce(f64::min)
    }
}

/// What a slicing layer knows of its own node, for the layers above it.
pub trait Sliced {
    /// What the system is divided into.
    fn slices(&self) -> &Slices;

    /// Where this node believes that it stands among all; none while it knows of nobody.
    fn position(&self) -> Option<Value>;

    /// How likely [`slice`](Self::slice) is to be right, from 0 to 1, if the peers seen are a
    /// fair sample; none from a protocol that cannot say.
    fn confidence(&self) -> Option<f64>;

    /// How well this node knows its slice.
    fn health(&self) -> Health;

    /// The slice this node believes it is in, from 0 for the lowest attributes; none while it
    /// knows of nobody.
    fn slice(&self) -> Option<u32> {
        self.position().map(|position| self.slices().of(position))
    }

    /// The slice, once it is believed with at least this `confidence`; none means "not yet".
    fn believed(&self, confidence: f64) -> Option<u32> {
        self.slice().filter(|_| self.confidence().is_some_and(|present| present >= confidence))
    }
}

impl<X: Protocol + Sliced, const MEMORY: usize> Sliced for Pairwise<X, MEMORY> {
    fn slices(&self) -> &Slices {
        (**self).slices()
    }

    fn position(&self) -> Option<Value> {
        (**self).position()
    }

    fn confidence(&self) -> Option<f64> {
        (**self).confidence()
    }

    fn health(&self) -> Health {
        (**self).health()
    }
}

/// How many of those seen are at or below a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) below: u64,
    pub(super) seen: u64,
}

impl Count {
    /// The share below, rounded down: so a share that is exactly a boundary's stays below it.
    pub(super) fn position(self) -> Option<Value> {
        let scaled = (u128::from(self.below) << 32).checked_div(u128::from(self.seen))?;
        Some(Value(u32::try_from(scaled.saturating_sub(1)).unwrap_or(u32::MAX)))
    }

    /// Solves m >= (Z sqrt(p (1 - p)) / d)^2 for the probability that Z stands for: d is the
    /// distance from the nearest boundary, m how many were seen.
    pub(super) fn confidence(self, slices: &Slices) -> Option<f64> {
        let Some(distance) = slices.distance(self.position()?) else { return Some(1.0) };
        // With one more seen on either side, so that a few alike do not make a node certain.
        let p = (self.below as f64 + 1.0) / (self.seen as f64 + 2.0);
        let deviation = libm::sqrt(p * (1.0 - p) / self.seen as f64);
        Some(libm::erf(distance / deviation * FRAC_1_SQRT_2))
    }
}

/// How many peers a node must see to be right with `confidence`, if it stands at fraction `p` of
/// the system and `distance` from the nearest boundary: (Z sqrt(p (1 - p)) / d)^2, rounded up.
///
/// ```
/// use gossip_overlay::slicing::samples_needed;
///
/// assert_eq!(samples_needed(0.5, 0.05, 0.95), 385);
/// assert_eq!(samples_needed(0.5, 0.05, 0.5), 46);
/// ```
pub fn samples_needed(p: f64, distance: f64, confidence: f64) -> u64 {
    let spread = libm::sqrt(p * (1.0 - p)) / distance;
    // Z by halving: erf grows, and is 1 - 2e-16 at 5.9.
    let (mut low, mut high) = (0.0, 6.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if libm::erf(middle) < confidence { low = middle } else { high = middle }
    }
    let z = high / FRAC_1_SQRT_2;
    libm::ceil((z * spread) * (z * spread)) as u64
}
