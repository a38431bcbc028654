//! Correlated choice: layers above a sampler talk to whom the sampler itself talks to.
//!
//! Princehouse, Chenchu, Jiang, Birman, Foster, Soule, *MiCA: a compositional architecture for
//! gossip protocols*, ECOOP 2014: merged protocols share a partner as often as they can (its
//! operator MergeCorrelated) or choose apart (MergeIndependent). Here layers choose independently
//! by default, and this is the other one.
//!
//! ```text
//! sample:  the peer that the sampler exchanges with now, if it does; else a sample of its own
//! ```
//!
//! # What holds
//!
//! Whoever reads the sampler in the round in which it has asked somebody asks the same peer, and
//! both requests travel in one datagram, as do both answers: half as many datagrams for two layers.
//! The price is slower mixing where peers that exchange views come to know the same others:
//! averaging over Newscast takes the variance down by .39 a cycle instead of .32. Over Cyclon,
//! which deals views apart, it costs nothing (.31 either way). Samplers that have no exchange, as
//! fixed ones, HyParView and Brahms, lose and gain nothing.
//!
//! # Deviations from the paper
//!
//! - What is shared is the sampler's partner; layers above do not share with each other.

use crate::peers::{Peers, Profiles};
use crate::protocol::{Context, Layer, Protocol};
use crate::random::Random;
use crate::sampling::decorator::{decorates, hands_on};
use crate::time::Round;

/// A sampler `S` whose partner is everybody's.
///
/// It speaks and reads as the sampler itself, to which it dereferences; only
/// [`sample`](Peers::sample) differs.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::sampling::{Correlated, Newscast};
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// // The one line to swap in a `stack!`: peers: Newscast<I, 20>, for peers:
/// type Sampler = Correlated<Newscast<u32, 20>>;
///
/// let node = Sampler::new(Newscast::new(Default::default())?);
/// let mut sim = Simulation::new(vec![node; 50], 1, Order::Sequential);
/// (1..50).for_each(|node| sim.contact(node, 0));
/// sim.run(20);
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 20));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Correlated<S> {
    inner: S,
}

impl<S: Protocol> Correlated<S> {
    /// Shares the partner of `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

decorates!(Correlated<S>);

impl<S: Layer<D>, D: ?Sized> Layer<D> for Correlated<S> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_round(below, cx));
    }

    fn on_contact(&mut self, below: &D, peer: S::Id, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_contact(below, peer, cx));
    }

    hands_on!(S, D);
}

impl<S: Protocol + Peers> Peers for Correlated<S> {
    type Id = <S as Peers>::Id;

    /// The sampler's [partner](Peers::partner).
    fn sample(&self, random: &mut Random) -> Option<Self::Id> {
        self.inner.partner(random)
    }

    fn for_each(&self, visit: impl FnMut(Self::Id, u64)) {
        self.inner.for_each(visit);
    }

    fn age(&self, peer: Self::Id, now: Round) -> Option<Round> {
        self.inner.age(peer, now)
    }

    fn degree(&self) -> usize {
        self.inner.degree()
    }
}
