//! Overlays that do not change: [`Complete`], and [`Fixed`] neighbour lists such as a random k-out
//! graph. For simulations, and for live groups whose members are known by heart.
//!
//! Nothing is exchanged; these are the overlays the papers' closed forms assume (Jelasity et al.
//! 2005, section 5: complete; section 6: random k-out).
//!
//! # Deviations from the paper
//!
//! None.

use arrayvec::ArrayVec;

use crate::id::PeerId;
use crate::peers::Peers;
use crate::random::Random;

/// Everybody: nodes 0 to N-1 of a simulation.
///
/// ```
/// use gossip_core::{Peers, random::Key, sampling::Complete};
///
/// let peers = Complete::new(7, 10); // node 7 of 10
/// let mut random = Key::new(1).random(0);
/// assert!((0..100).all(|_| peers.sample(&mut random).is_some_and(|peer| peer < 10 && peer != 7)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete {
    me: u32,
    nodes: u32,
}

impl Complete {
    /// The peers of node `me` among `nodes`.
    pub const fn new(me: u32, nodes: u32) -> Self {
        Self { me, nodes }
    }
}

impl Peers for Complete {
    type Id = u32;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<u32> {
        let others = self.nodes.checked_sub(1).filter(|&others| others > 0)?;
        let drawn = random.below(others as usize) as u32;
        Some(drawn + u32::from(drawn >= self.me))
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        (0..self.nodes).filter(|&peer| peer != self.me).for_each(|peer| visit(peer, 0));
    }
}

/// At most `C` neighbours, for ever.
///
/// ```
/// use gossip_core::{Peers, random::Key, sampling::Fixed};
///
/// let peers = Fixed::<u32, 4>::new([1, 2, 3]);
/// assert_eq!(peers.degree(), 3);
/// assert!(peers.sample(&mut Key::new(1).random(0)).is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed<I, const C: usize>(ArrayVec<I, C>);

impl<I: PeerId, const C: usize> Fixed<I, C> {
    /// The first `C` of `neighbours`.
    pub fn new(neighbours: impl IntoIterator<Item = I>) -> Self {
        Self(neighbours.into_iter().take(C).collect())
    }
}

impl<I: PeerId, const C: usize> Peers for Fixed<I, C> {
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.0).copied()
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.0.iter().for_each(|&peer| visit(peer, 0));
    }
}

/// Implements the layer that never speaks.
macro_rules! silent {
    ([$($generics:tt)*] $Sampler:ty, $Id:ty) => {
        impl<$($generics)*> $crate::Protocol for $Sampler {
            type Id = $Id;
            type Message = $crate::Nothing;
            type Event = $crate::Nothing;
            type Command = $crate::Nothing;
        }

        impl<$($generics)* D: ?Sized> $crate::Layer<D> for $Sampler {
            #[inline]
            fn on_round(&mut self, _: &D, _: &mut impl $crate::Context<Self>) {}

            fn on_message(
                &mut self,
                _: &D,
                _: $Id,
                never: $crate::Nothing,
                _: &mut impl $crate::Context<Self>,
            ) {
                match never {}
            }
        }
    };
}

pub(super) use silent;

silent!([] Complete, u32);
silent!([I: PeerId, const C: usize,] Fixed<I, C>, I);
