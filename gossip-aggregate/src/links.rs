//! What a node keeps of each neighbour.
//!
//! Not a protocol: the table that the flow protocols share.

use alloc::vec::Vec;

use gossip_core::{ParameterError, PeerId, Peers, Random};

use crate::limosense::LEAST;

/// Values times weights, and the weights.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    /// Of the values, each times its weight.
    pub(crate) sum: f64,
    /// Of the weights.
    pub(crate) weight: f64,
}

impl Share {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, weight: self.weight + other.weight }
    }

    /// What is left without `other`.
    pub(crate) fn less(self, other: Self) -> Self {
        Self { sum: self.sum - other.sum, weight: self.weight - other.weight }
    }

    /// The mean of the values, unless the weight is too little to speak of: below half of
    /// [`LEAST`], since what is kept when the least is given away is that much, but for rounding.
    pub(crate) fn mean(self) -> Option<f64> {
        Some(self.sum / self.weight).filter(|mean| self.weight >= LEAST / 2.0 && mean.is_finite())
    }

    /// Half of each.
    pub(crate) fn half(self) -> Self {
        Self { sum: self.sum / 2.0, weight: self.weight / 2.0 }
    }
}

/// One neighbour.
#[derive(Clone, Debug)]
struct Link<I, T> {
    peer: I,
    /// The version at which the link was made: one that went and came back is another.
    version: u64,
    /// Whether it was seen when we last looked.
    is_there: bool,
    kept: T,
}

impl<I, T: Default> Link<I, T> {
    fn new(peer: I, version: u64) -> Self {
        Self { peer, version, is_there: true, kept: T::default() }
    }
}

/// At most `limit` neighbours, in the order of their ids.
#[derive(Clone, Debug)]
pub(crate) struct Links<I, T> {
    links: Vec<Link<I, T>>,
    limit: usize,
}

impl<I: PeerId, T: Default> Links<I, T> {
    /// No neighbour yet, and room for `limit`.
    ///
    /// # Errors
    ///
    /// If `limit` is not 1 to 65,535.
    pub(crate) fn bounded(limit: usize) -> Result<Self, ParameterError> {
        ParameterError::new("neighbours", limit as f64, "nodes", "1 to 65,535")
            .unless((1..1 << 16).contains(&limit))?;
        Ok(Self { links: Vec::new(), limit })
    }

    /// Follows `below`: forgets who is no neighbour any more, and gets to know who is new, while
    /// there is room. Returns how many neighbours there was no room for.
    pub(crate) fn follow(&mut self, below: &(impl Peers<Id = I> + ?Sized)) -> usize {
        self.links.iter_mut().for_each(|link| link.is_there = false);
        let mut refused = 0;
        below.for_each(|peer, version| match self.find(peer) {
            Ok(at) if self.links[at].version == version => self.links[at].is_there = true,
            Ok(at) => self.links[at] = Link::new(peer, version),
            Err(at) if self.links.len() < self.limit => {
                self.links.insert(at, Link::new(peer, version));
            }
            Err(_) => refused += 1,
        });
        self.links.retain(|link| link.is_there);
        refused
    }

    fn find(&self, peer: I) -> Result<usize, usize> {
        self.links.binary_search_by_key(&peer, |link| link.peer)
    }

    /// What is kept of `peer`, if it is a neighbour.
    pub(crate) fn get_mut(&mut self, peer: I) -> Option<&mut T> {
        let at = self.find(peer).ok()?;
        Some(&mut self.links[at].kept)
    }

    /// A random neighbour.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.links).map(|link| link.peer)
    }

    /// A random neighbour of those that `is_meant` accepts.
    pub(crate) fn pick_of(
        &self,
        random: &mut Random,
        is_meant: impl Fn(I, &T) -> bool,
    ) -> Option<I> {
        let meant = || self.iter().filter(|(peer, kept)| is_meant(*peer, kept));
        let at = random.below(meant().count());
        meant().nth(at).map(|(peer, _)| peer)
    }

    /// Every neighbour.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.links.iter().map(|link| (link.peer, &link.kept))
    }

    /// Every neighbour, to change what is kept of it.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.links.iter_mut().map(|link| (link.peer, &mut link.kept))
    }
}
