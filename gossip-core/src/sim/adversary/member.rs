//! A node that may turn against its protocol.

use alloc::vec::Vec;

use crate::context::Tap;
use crate::protocol::{Context, Layer, Protocol, Receipt, Refusal};
use crate::time::{Round, Time};

/// What a node does that has turned against the protocol `S`.
pub trait Cheat<S: Protocol> {
    /// Called once a round, instead of the protocol.
    fn on_round(&mut self, cx: &mut impl Context<S>);

    /// A message has come.
    fn on_message(&mut self, from: S::Id, message: S::Message, cx: &mut impl Context<S>);
}

/// A node that runs `S`, and may turn into a cheat `X` at some round.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::sim::adversary::{Cheat, Member};
/// use gossip_core::{Context, Protocol};
///
/// /// Says nothing any more.
/// struct Mute;
///
/// impl<S: Protocol> Cheat<S> for Mute {
///     fn on_round(&mut self, _: &mut impl Context<S>) {}
///     fn on_message(&mut self, _: S::Id, _: S::Message, _: &mut impl Context<S>) {}
/// }
///
/// let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
/// let member = |at| Member::new(cyclon.clone(), (at >= 18).then_some((5, Mute)));
/// let mut sim = Simulation::new((0..20).map(member), 1, Order::Sequential);
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.run(40);
/// assert_eq!(sim.nodes().filter(|(_, node)| node.is_cheat()).count(), 2);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Member<S, X> {
    honest: S,
    cheat: Option<(Round, X)>,
    /// Whether the round has come.
    turned: bool,
}

impl<S, X> Member<S, X> {
    /// A node that runs `honest` for ever, or until it turns into a cheat.
    pub const fn new(honest: S, cheat: Option<(Round, X)>) -> Self {
        Self { honest, cheat, turned: false }
    }

    /// What the node runs, or ran before it turned.
    pub const fn honest(&self) -> &S {
        &self.honest
    }

    /// The same, to change it from outside a driver.
    pub const fn honest_mut(&mut self) -> &mut S {
        &mut self.honest
    }

    /// What it does when it has turned, if it ever does, to change it from outside a driver.
    pub fn cheat_mut(&mut self) -> Option<&mut X> {
        self.cheat.as_mut().map(|(_, cheat)| cheat)
    }

    /// Whether it will turn, or has turned.
    pub const fn is_cheat(&self) -> bool {
        self.cheat.is_some()
    }
}

impl<S: Protocol, X> Protocol for Member<S, X> {
    type Id = S::Id;
    type Message = S::Message;
    type Event = S::Event;
    type Command = S::Command;

    fn wake_at(&self) -> Time {
        self.honest.wake_at()
    }

    fn version(&self) -> u64 {
        self.honest.version()
    }
}

impl<S: Layer<D>, X: Cheat<S>, D: ?Sized> Layer<D> for Member<S, X> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let round = cx.round();
        self.turned |= self.cheat.as_ref().is_some_and(|(turns, _)| round >= *turns);
        let turned = self.turned;
        passing(cx, |cx| match &mut self.cheat {
            Some((_, cheat)) if turned => cheat.on_round(cx),
            _ => self.honest.on_round(below, cx),
        });
    }

    fn on_message(
        &mut self,
        below: &D,
        from: S::Id,
        message: S::Message,
        cx: &mut impl Context<Self>,
    ) {
        let turned = self.turned;
        passing(cx, |cx| match &mut self.cheat {
            Some((_, cheat)) if turned => cheat.on_message(from, message, cx),
            _ => self.honest.on_message(below, from, message, cx),
        });
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        passing(cx, |cx| self.honest.on_wake(below, cx));
    }

    fn on_unreachable(&mut self, below: &D, peer: S::Id, cx: &mut impl Context<Self>) {
        passing(cx, |cx| self.honest.on_unreachable(below, peer, cx));
    }

    fn on_contact(&mut self, below: &D, peer: S::Id, cx: &mut impl Context<Self>) {
        passing(cx, |cx| self.honest.on_contact(below, peer, cx));
    }

    fn on_command(
        &mut self,
        below: &D,
        command: S::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        passing(cx, |cx| self.honest.on_command(below, command, cx))
    }
}

/// Calls with a context of `S`, and passes on what is told.
fn passing<S, X, C, R>(
    cx: &mut C,
    call: impl FnOnce(&mut Tap<'_, Member<S, X>, C, S::Event>) -> R,
) -> R
where
    S: Protocol,
    C: Context<Member<S, X>>,
{
    let mut heard = Vec::new();
    let result = call(&mut Tap::new(cx, &mut heard));
    for event in heard {
        cx.emit(event);
    }
    result
}
