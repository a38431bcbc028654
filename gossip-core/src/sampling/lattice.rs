//! Spatial choice on a ring, a torus or a grid in more dimensions: a partner at distance d with
//! probability proportional to d^(-D rho).
//!
//! Kempe, Kleinberg, Demers, *Spatial gossip and resource location protocols*, STOC 2001 (JACM
//! 51(6), 2004), section 2. For 1 < rho < 2 news travels to distance d in time polylogarithmic in
//! d, whatever the number of nodes; with rho < 1 that time depends on the number of nodes, with
//! rho > 2 it is polynomial in d. Nothing is exchanged.
//!
//! ```text
//! shared by all:  for each offset o of a lattice with wrapped sides, a weight |o|^(-D rho)
//! sample at x:    x + o, o drawn by weight
//! ```
//!
//! Weights are of offsets themselves. (Drawing a radius with density r^(-D rho), then a direction,
//! would forget that there are r^(D-1) sites at radius r.)
//!
//! # Deviations from the paper
//!
//! - The sides wrap, so that all nodes are alike and one table serves all. Distances are Euclidean.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::peers::Peers;
use crate::random::Random;
use crate::sampling::fixed::silent;
use crate::sampling::weighted::{Alias, check_exponent};

/// The most sites of a lattice: 16 bytes of the table are for each.
const SITES_MAX: u32 = 1 << 24;

/// The peers of one site of a lattice, whose sites are numbered from 0, the last dimension fastest.
///
/// ```
/// use gossip_core::{Peers, random::Key, sampling::Lattice};
///
/// let nodes: Vec<_> = Lattice::all(16, 2, 1.5)?.collect(); // a torus of 256 nodes
/// let mut random = Key::new(1).random(0);
/// let near = (0..1_000).filter(|_| nodes[0].sample(&mut random).is_some_and(|peer| peer < 32));
/// assert!(near.count() > 500);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lattice {
    me: u32,
    offsets: Arc<Offsets>,
}

#[derive(Debug)]
struct Offsets {
    side: u32,
    sites: u32,
    table: Alias,
}

impl Lattice {
    /// The peers of every site, in order, of a lattice with `side` sites along each of
    /// `dimensions`, for the paper's exponent `rho`: 0 is the uniform choice.
    ///
    /// # Errors
    ///
    /// If there are fewer than 2 sites or more than 2^24, or D rho is not from 0 to 64.
    pub fn all(
        side: u32,
        dimensions: u32,
        rho: f64,
    ) -> Result<impl ExactSizeIterator<Item = Self>, ParameterError> {
        let sites = side.checked_pow(dimensions).unwrap_or(u32::MAX);
        ParameterError::new("sites side^D", f64::from(sites), "sites", "2 to 2^24")
            .unless((2..=SITES_MAX).contains(&sites))?;
        let exponent = f64::from(dimensions) * rho;
        check_exponent(exponent)?;
        let weigh = |offset| match distance_squared(offset, side) {
            0 => 0.0,
            squared => libm::pow(squared as f64, -exponent / 2.0),
        };
        let weights: Vec<_> = (0..sites).map(weigh).collect();
        let offsets = Arc::new(Offsets { side, sites, table: Alias::new(&weights)? });
        Ok((0..sites).map(move |me| Self { me, offsets: Arc::clone(&offsets) }))
    }
}

/// The square of the distance that an offset spans, the short way round in each dimension.
fn distance_squared(mut offset: u32, side: u32) -> u64 {
    let mut squared = 0;
    while offset > 0 {
        let along = offset % side;
        squared += u64::from(along.min(side - along)).pow(2);
        offset /= side;
    }
    squared
}

/// Adds two sites, dimension by dimension, round the sides.
fn add(mut one: u32, mut other: u32, side: u32) -> u32 {
    let (mut sum, mut stride) = (0, 1);
    while one > 0 || other > 0 {
        sum += (one % side + other % side) % side * stride;
        stride = stride.saturating_mul(side);
        one /= side;
        other /= side;
    }
    sum
}

impl Peers for Lattice {
    type Id = u32;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<u32> {
        let offset = self.offsets.table.draw(random)?;
        Some(add(self.me, offset as u32, self.offsets.side))
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        (0..self.offsets.sites).filter(|&peer| peer != self.me).for_each(|peer| visit(peer, 0));
    }

    fn degree(&self) -> usize {
        self.offsets.sites as usize - 1
    }
}

silent!([] Lattice, u32);
