//! A layer over neighbours that stay, as a stack of its own: what `stack!` writes for one layer,
//! but for any.

use core::time::Duration;

use gossip_core::context::Tap;
use gossip_core::random::Key;
use gossip_core::sampling::Fixed;
use gossip_core::sim::topology;
use gossip_core::testkit::Trial;
use gossip_core::{Context, Layer, Protocol, Receipt, Refusal, Time};
use gossip_dissem::{MessageId, Spread};

type Near = Fixed<u32, 8>;

/// A layer and its neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Seat<L> {
    pub(crate) news: L,
    near: Near,
}

impl<L: Protocol> Protocol for Seat<L> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = L::Event;
    type Command = L::Command;

    fn wake_at(&self) -> Time {
        self.news.wake_at()
    }
}

impl<L: Layer<Near, Id = u32>> Seat<L> {
    pub(crate) fn new(near: impl IntoIterator<Item = u32>, news: L) -> Self {
        Self { news, near: Fixed::new(near) }
    }

    fn act<C: Context<Self>, R>(
        &mut self,
        cx: &mut C,
        act: impl FnOnce(&mut L, &Near, &mut Tap<'_, Self, C, L::Event>) -> R,
    ) -> R {
        let mut heard = Vec::new();
        let result = act(&mut self.news, &self.near, &mut Tap::new(cx, &mut heard));
        for event in heard {
            cx.emit(event);
        }
        result
    }
}

impl<L: Layer<Near, Id = u32>> Layer for Seat<L> {
    fn on_round(&mut self, (): &(), cx: &mut impl Context<Self>) {
        self.act(cx, |news, near, cx| news.on_round(near, cx));
    }

    fn on_message(&mut self, (): &(), from: u32, m: L::Message, cx: &mut impl Context<Self>) {
        self.act(cx, |news, near, cx| news.on_message(near, from, m, cx));
    }

    fn on_wake(&mut self, (): &(), cx: &mut impl Context<Self>) {
        self.act(cx, |news, near, cx| news.on_wake(near, cx));
    }

    fn on_command(
        &mut self,
        (): &(),
        command: L::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.act(cx, |news, near, cx| news.on_command(near, command, cx))
    }
}

/// Nodes in a regular graph.
pub(crate) fn seats<L: Layer<Near, Id = u32>>(
    (nodes, degree): (u32, u32),
    seed: u64,
    news: impl Fn(u32) -> L,
) -> impl Fn(u32) -> Seat<L> {
    let graph = topology::random_regular(nodes, degree, Key::new(seed)).expect("a graph");
    move |node| Seat::new(graph.known_to(node).iter().copied(), news(node))
}

pub(crate) const NODES: u32 = 7;

/// Seven nodes that all know each other.
pub(crate) fn trial<L>(news: impl Fn(u32) -> L + Send + Sync + 'static) -> Trial<Seat<L>>
where
    L: Layer<Near, Id = u32> + 'static,
{
    let others = |node| (0..NODES).filter(move |&other| other != node);
    Trial::new(NODES, move |node| Seat::new(others(node), news(node))).cases(12)
}

/// They publish 40 values in 10 seconds.
pub(crate) fn publishing<L>(news: impl Fn(u32) -> L + Send + Sync + 'static) -> Trial<Seat<L>>
where
    L: Layer<Near, Id = u32> + Spread<Value = u32> + 'static,
{
    (0..40).fold(trial(news), |trial, number| {
        let at = Duration::from_millis(250) * number;
        trial.ask(at, number % NODES, L::publish(number, None))
    })
}

/// What an event of `L` delivers.
pub(crate) fn told<L: Spread<Id = u32>>(event: &L::Event) -> Option<MessageId<u32>> {
    L::delivery(event.clone()).ok().map(|told| told.id)
}
