//! A card: what a node says of itself in its descriptors, as its owner set it.

use core::marker::PhantomData;

use crate::id::PeerId;
use crate::peers::{Describe, Profile};
use crate::protocol::{Context, Layer, Protocol, Receipt, Refusal};
use crate::wire::Nothing;

/// A layer that sends nothing and holds what samplers and memberships above it tell of this node:
/// a name, a zone, a role. Its command is the next profile, which travels from then on.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{Card, PeerId, Profiles, Protocol, stack};
///
/// stack! {
///     #[derive(Debug)]
///     pub struct Node<I: PeerId> {
///         zone: Card<I, u8>,
///         #[uses(zone)]
///         peers: Cyclon<I, 8, u8>,
///     }
/// }
/// type Command = <Node<u32> as Protocol>::Command;
///
/// let node = |zone| Ok(Node::new(Card::of(zone), Cyclon::new(Default::default())?));
/// let nodes: Result<Vec<_>, gossip_core::ParameterError> = (0..8).map(node).collect();
/// let mut sim = Simulation::new(nodes?, 42, Order::Sequential);
/// (1..8).for_each(|node| sim.contact(node, 0));
/// sim.command(5, Command::zone(50))?;
/// sim.run(20);
/// let mut told = Vec::new();
/// sim.node(0).unwrap().peers.for_each_profile(|peer, zone| told.push((peer, *zone)));
/// told.sort_unstable();
/// assert_eq!(told, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 50), (6, 6), (7, 7)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Card<I, T> {
    profile: T,
    /// How often it was changed.
    changes: u64,
    id: PhantomData<fn() -> I>,
}

impl<I, T> Card<I, T> {
    /// The card that says `profile`.
    pub const fn of(profile: T) -> Self {
        Self { profile, changes: 0, id: PhantomData }
    }

    /// What it says.
    pub const fn profile(&self) -> &T {
        &self.profile
    }
}

impl<I: PeerId, T: Profile> Protocol for Card<I, T> {
    type Id = I;
    type Message = Nothing;
    type Event = Nothing;
    type Command = T;

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I: PeerId, T: Profile, D: ?Sized> Layer<D> for Card<I, T> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, _: &D, _: I, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }

    fn on_command(
        &mut self,
        _: &D,
        profile: T,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.profile = profile;
        self.changes = self.changes.wrapping_add(1);
        Ok(Receipt::default())
    }
}

impl<I, T: Clone> Describe<T> for Card<I, T> {
    fn describe(&self) -> T {
        self.profile.clone()
    }
}
