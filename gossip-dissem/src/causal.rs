//! Causal order: nothing is delivered before what its publisher had been told of.
//!
//! Not a protocol: a decorator around any layer that [spreads](crate::Spread) values.
//! Each publication names what its publisher was told of since its last one, less what that itself
//! followed (the direct predecessors of Peterson, Buchholz, Schlichting, *Preserving and using
//! context information in interprocess communication*, TOCS 1989, of which this is the idea and not
//! the protocol). No vector clock is sent: what is named is bounded by [`NEEDS`].
//!
//! ```text
//! publish v:                 while more than NEEDS are in front: publish the oldest NEEDS of them,
//!                                without a value
//!                            publish (front, v)
//! on a delivery of (needs, v) below: hold it; while one is held that is next of its origin, and
//!                                whose needs are over: deliver it if it has a value; take its
//!                                needs and its predecessor from the front, and add it to the front
//! held for `rounds` rounds:  skip what it needs and has not come, and tell so; deliver it
//! ```
//!
//! # What holds
//!
//! - Whatever a node is told, it is told nothing afterwards that it names as what it follows, nor
//!   anything earlier of its own origin: what comes too late is dropped and counted. FIFO order is
//!   a part of it.
//! - As long as nothing was skipped this is causal order. A gap is told, as [in FIFO
//!   order](crate::fifo); what the lost publication followed is known to nobody here, and may come
//!   after what followed the lost one.
//! - With patience for longer than the layer below goes on trying, its bound on age and a round for
//!   each hop, nothing is skipped that would have come.
//! - The front has one entry an origin that spoke since somebody here spoke, at most
//!   [`FRONT`]; of more, the oldest is forgotten (`cause forgotten`), and is no longer in order
//!   with what this node publishes next.
//! - For each [`NEEDS`] origins more in front than [`NEEDS`] a publication costs one without a
//!   value: at most one for each [`NEEDS`] deliveries.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, Layer, Local, ParameterError, PeerId, Protocol, Receipt, Refusal, Round,
    Time, Wire, message,
};

use crate::order::{Lines, Patience, Released, Skipped};
use crate::post::MessageId;
use crate::spread::{
    Carried, Carries, Delivery, Publish, Spread, Told, decorates, hands_on, spreads_on,
};

/// Publications one can name as what it follows: with identifiers of sockets, up to 200 bytes. Our
/// choice.
pub const NEEDS: usize = 6;

/// Origins whose last publication the next one of this node follows. Our choice.
pub const FRONT: usize = 256;

message! {
    /// A value, and what it follows.
    #[derive(PartialEq)]
    pub struct Stamped<I: PeerId, V: Wire> {
        /// What its publisher was told of.
        pub needs: Bounded<MessageId<I>, NEEDS>,
        /// What it says; nothing if it is there for its needs only.
        pub value: Option<V>,
    }
}

/// A layer that spreads stamped values `V`.
pub trait Stamps: Spread<Value = Stamped<<Self as Protocol>::Id, <Self as Stamps>::Inner>> {
    /// The values that are stamped.
    type Inner: Wire;
}

impl<V: Wire, L: Spread<Value = Stamped<<L as Protocol>::Id, V>>> Stamps for L {
    type Inner = V;
}

/// Delivers what `L` spreads in causal order.
///
/// ```
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::causal::{Causal, Stamped};
///
/// type News = Causal<Plumtree<u32, Stamped<u32, u64>>>;
/// assert!(News::new(Plumtree::new(Default::default())?, Default::default()).is_ok());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Causal<L: Stamps> {
    inner: L,
    lines: Lines<L::Id, Option<L::Inner>>,
    /// What the next publication follows: the last of each line, unless another in front follows
    /// it. With the round in which it was told.
    front: BTreeMap<(L::Id, u32), (u32, Round)>,
}

decorates!([L: Stamps] Causal<L>, L);
spreads_on!([L: Stamps] Causal<L>, L, L::Inner, Publish::for_rounds);

impl<L: Stamps> Causal<L> {
    /// Puts `inner` in order.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(inner: L, patience: Patience) -> Result<Self, ParameterError> {
        patience.check()?;
        Ok(Self { inner, lines: Lines::new(patience), front: BTreeMap::new() })
    }

    /// How many publications are held back.
    pub fn held(&self) -> usize {
        self.lines.held()
    }

    /// How many lives of origins are remembered.
    pub fn origins(&self) -> usize {
        self.lines.lines()
    }

    /// How many publications the next one of this node follows directly.
    pub fn front(&self) -> usize {
        self.front.len()
    }

    fn hear(&mut self, event: L::Event, cx: &mut impl Local<Self>) {
        match L::delivery(event) {
            Ok(Delivery { id, value: Stamped { needs, value }, hops }) => {
                let mut out = Vec::new();
                let needs = needs.into_iter().collect();
                let held = Delivery { id, value, hops };
                let odd = self.lines.offer(held, needs, cx.round(), &mut out);
                if let Some(cause) = odd {
                    cx.count(cause);
                }
                self.tell(out, cx);
            }
            Err(event) => cx.emit(Told::Below(event)),
        }
    }

    fn tell(&mut self, out: Vec<Released<L::Id, Option<L::Inner>>>, cx: &mut impl Local<Self>) {
        for released in out {
            match released {
                Released::Due(Delivery { id, value, hops }, needs) => {
                    self.move_front(id, &needs, cx);
                    if let Some(value) = value {
                        cx.emit(Told::Delivered(Delivery { id, value, hops }));
                    }
                }
                Released::Skipped(skipped) => cx.emit(Told::Note(skipped)),
            }
        }
    }

    /// `id`, which follows `needs`, is told.
    fn move_front(
        &mut self,
        id: MessageId<L::Id>,
        needs: &[MessageId<L::Id>],
        cx: &mut impl Local<Self>,
    ) {
        for need in needs {
            let line = (need.origin, need.boot);
            if self.front.get(&line).is_some_and(|last| last.0 <= need.sequence) {
                self.front.remove(&line);
            }
        }
        let line = (id.origin, id.boot);
        if self.front.len() >= FRONT && !self.front.contains_key(&line) {
            let oldest = self.front.iter().min_by_key(|entry| entry.1.1);
            if let Some(oldest) = oldest.map(|entry| *entry.0) {
                self.front.remove(&oldest);
                cx.count("cause forgotten");
            }
        }
        self.front.insert(line, (id.sequence, cx.round()));
    }

    /// What the next publication of node `me` follows, oldest first; what it published itself goes
    /// without saying.
    fn causes(&self, me: L::Id) -> Vec<MessageId<L::Id>> {
        let others = self.front.iter().filter(|entry| entry.0.0 != me);
        let mut causes: Vec<_> = others
            .map(|(&(origin, boot), &(sequence, told))| {
                (told, MessageId { origin, boot, sequence })
            })
            .collect();
        causes.sort_unstable();
        causes.into_iter().map(|cause| cause.1).collect()
    }
}

impl<L: Stamps> Protocol for Causal<L> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, L::Inner, Skipped<L::Id>, L::Event>;
    type Command = Publish<L::Inner>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L: Stamps + Layer<D>> Layer<D> for Causal<L> {
    hands_on!(L, D, on_message);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_round(below, cx));
        let mut out = Vec::new();
        self.lines.expire(cx.round(), &mut out);
        self.tell(out, cx);
    }

    /// If what carries needs only was published and the value then refused, that stays: it is part
    /// of the order, and the next attempt costs less.
    fn on_command(
        &mut self,
        below: &D,
        Publish { value, rounds }: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let causes = self.causes(cx.me());
        let alone = causes.len().saturating_sub(1) / NEEDS * NEEDS;
        for needs in causes[..alone].chunks(NEEDS) {
            let needs = needs.iter().copied();
            let carrier = stamp(needs, None);
            self.with(cx, |inner, cx| inner.on_command(below, L::publish(carrier, None), cx))?;
        }
        let stamped = stamp(causes[alone..].iter().copied(), Some(value));
        self.with(cx, |inner, cx| inner.on_command(below, L::publish(stamped, rounds), cx))
    }
}

fn stamp<I: PeerId, V: Wire>(
    causes: impl Iterator<Item = MessageId<I>>,
    value: Option<V>,
) -> Stamped<I, V> {
    let mut needs = Bounded::new();
    needs.fill(causes);
    Stamped { needs, value }
}

impl<L: Stamps + Carries> Carries for Causal<L> {
    fn carried(message: &L::Message) -> Option<Carried<'_, L::Id, L::Inner>> {
        let Carried { id, hops, age, value } = L::carried(message)?;
        Some(Carried { id, hops, age, value: value.value.as_ref()? })
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
