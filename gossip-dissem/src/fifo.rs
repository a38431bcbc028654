//! FIFO order: what one origin publishes is delivered in the order in which it was published.
//!
//! Not a protocol: a decorator around any layer that [spreads](crate::Spread) values. It
//! needs no room on the wire, since publications of one life are numbered from 0.
//!
//! ```text
//! on a delivery of m below:   hold m; while the next of its origin is held: deliver that
//! held for `rounds` rounds:   skip what is missing before it, and tell so; deliver it
//! ```
//!
//! # What holds
//!
//! - Of one life of an origin nothing is ever delivered after something that was published later,
//!   as long as it is remembered: `origins` lives, those that were silent for longest are
//!   forgotten (counted as `origin forgotten`).
//! - Nothing is lost silently: a gap that was waited for in vain is told as [`Skipped`]. What comes
//!   after that is dropped and counted (`late: its turn is over`).
//! - Nothing is held longer than `rounds` rounds, nor more than `held` publications.
//! - Who hears of an origin for the first time, in the midst of its life, waits as long for what
//!   comes before; then its line begins there, and nothing is told of as skipped.

use alloc::vec::Vec;

use gossip_core::{Context, Layer, Local, ParameterError, Protocol, Receipt, Refusal, Time};

use crate::order::{Lines, Patience, Released, Skipped};
use crate::post::MessageId;
use crate::spread::{Carried, Carries, Spread, Told, decorates, hands_on, spreads_on};

/// Delivers what `L` spreads in the order of each origin.
///
/// ```
/// use gossip_core::sampling::HyParView;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::plumtree::{self, Plumtree};
/// use gossip_dissem::{Fifo, Told};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: HyParView<I, 5, 30>,
///         #[uses(peers)]
///         news: Fifo<Plumtree<I, u32>>,
///     }
/// }
///
/// let news = Fifo::new(Plumtree::new(Default::default())?, Default::default())?;
/// let node = Node::new(HyParView::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..50).map(|_| node.clone()), 7, Order::Sequential);
/// (1..50).for_each(|node| sim.contact(node, 0));
/// sim.run(20);
///
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// type Event = <Node<u32> as gossip_core::Protocol>::Event;
/// for number in 0..9 {
///     sim.command(3, Command::news(plumtree::Command::Publish(number)))?;
/// }
/// sim.run(10);
/// let told = sim.events().take().filter_map(|(node, event)| match event {
///     Event::news(Told::Delivered(delivery)) if node == 8 => Some(delivery.value),
///     _ => None,
/// });
/// assert_eq!(told.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fifo<L: Spread> {
    inner: L,
    lines: Lines<L::Id, L::Value>,
}

decorates!([L: Spread] Fifo<L>, L);
spreads_on!([L: Spread] Fifo<L>, L, L::Value, L::publish);

impl<L: Spread> Fifo<L> {
    /// Puts `inner` in order.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(inner: L, patience: Patience) -> Result<Self, ParameterError> {
        patience.check()?;
        Ok(Self { inner, lines: Lines::new(patience) })
    }

    /// How many publications are held back.
    pub fn held(&self) -> usize {
        self.lines.held()
    }

    /// How many lives of origins are remembered.
    pub fn origins(&self) -> usize {
        self.lines.lines()
    }

    fn hear(&mut self, event: L::Event, cx: &mut impl Local<Self>) {
        match L::delivery(event) {
            Ok(delivery) => {
                let mut out = Vec::new();
                let odd = self.lines.offer(delivery, Vec::new(), cx.round(), &mut out);
                if let Some(cause) = odd {
                    cx.count(cause);
                }
                tell(out, cx);
            }
            Err(event) => cx.emit(Told::Below(event)),
        }
    }
}

fn tell<L: Spread>(out: Vec<Released<L::Id, L::Value>>, cx: &mut impl Local<Fifo<L>>) {
    for released in out {
        cx.emit(match released {
            Released::Due(delivery, _) => Told::Delivered(delivery),
            Released::Skipped(skipped) => Told::Note(skipped),
        });
    }
}

impl<L: Spread> Protocol for Fifo<L> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, L::Value, Skipped<L::Id>, L::Event>;
    type Command = L::Command;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L: Spread + Layer<D>> Layer<D> for Fifo<L> {
    hands_on!(L, D, on_message);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_round(below, cx));
        let mut out = Vec::new();
        self.lines.expire(cx.round(), &mut out);
        tell(out, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.with(cx, |inner, cx| inner.on_command(below, command, cx))
    }
}

impl<L: Carries> Carries for Fifo<L> {
    fn carried(message: &L::Message) -> Option<Carried<'_, L::Id, L::Value>> {
        L::carried(message)
    }

    fn grow_older(message: &mut L::Message, rounds: u16) {
        L::grow_older(message, rounds);
    }

    fn knows_id(&self, me: L::Id, id: &MessageId<L::Id>) -> bool {
        self.inner.knows_id(me, id)
    }

    fn hold_back(&mut self, id: &MessageId<L::Id>, on: bool) {
        self.inner.hold_back(id, on);
    }
}
