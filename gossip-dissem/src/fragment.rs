//! Values above a datagram: cut into pieces that travel as publications of their own, and put
//! together again.
//!
//! Not a protocol: a decorator around any layer that [spreads](crate::Spread) values.
//! The pieces of a message are published one after the other, so that the name of any and its place
//! tell the name of the first, which is the message's. What checks or orders pieces goes inside:
//! `Fragmented<Fifo<..>, N>` delivers messages in order, `Fragmented<Signed<..>, N>` proves them.
//!
//! # What holds
//!
//! - A message is delivered whole or not at all, and at most once, as its pieces are.
//! - At most `queue` pieces wait to be published; a message for which there is no room is refused
//!   as a whole. Pieces go down as fast as the layer below takes them.
//! - At most `held` pieces of messages that are not complete are kept, half of them of one origin,
//!   none for longer than `patience` rounds. What gives way is told ([`Lost`]) and counted. A piece
//!   of it that comes later makes it be told again.
//! - A message of k pieces is as likely to come as all of them: use it over layers that repair, as
//!   Plumtree. With the defaults, and pieces of 1,000 bytes, values of up to 256 kB reach all over
//!   links that lose 5 %; what is larger takes a longer `queue`, and longer than four rounds to be
//!   published. Drivers have one lane, of datagrams: what is larger still is better fetched by
//!   those who want it, from who spreads a reference to it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use gossip_core::{
    Blob, Context, Layer, Local, ParameterError, PeerId, Protocol, Receipt, Refusal, Round, Time,
    message,
};

use crate::post::MessageId;
use crate::spread::{
    Delivery, Publish, Spread, Told, at_least_one, decorates, hands_on, spreads_on,
};

/// Bounds on what is cut and put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Pieces that wait to be published.
    pub queue: usize,
    /// Pieces of messages that are not complete: at least twice as many as the largest message has,
    /// so that one fits into the half that is for one origin.
    pub held: usize,
    /// Rounds after its first piece came that a message is waited for.
    pub patience: u16,
}

impl Default for Config {
    /// 256 pieces to be published, four rounds of what Plumtree takes; 1024 pieces held, for 64
    /// rounds. Our choice.
    fn default() -> Self {
        Self { queue: 256, held: 1_024, patience: 64 }
    }
}

impl Config {
    fn check(&self) -> Result<(), ParameterError> {
        at_least_one(&[
            ("queue", self.queue, "pieces"),
            ("held", self.held, "pieces"),
            ("patience", usize::from(self.patience), "rounds"),
        ])
    }
}

message! {
    /// A piece of a message.
    #[derive(PartialEq)]
    pub struct Fragment<const F: usize> {
        /// Which one, from 0.
        pub index: u16,
        /// Of how many.
        pub count: u16,
        /// What it holds: `F` bytes, unless it is the last.
        pub bytes: Blob<F>,
    }
}

/// A layer that spreads pieces.
pub trait Pieces: Spread {
    /// Bytes in a piece.
    const SIZE: usize;

    /// Makes a piece of at most so many bytes.
    fn piece(index: u16, count: u16, bytes: &[u8]) -> Option<Self::Value>;

    /// Which piece, of how many, and its bytes.
    fn open(value: Self::Value) -> (u16, u16, Vec<u8>);
}

impl<const F: usize, L: Spread<Value = Fragment<F>>> Pieces for L {
    const SIZE: usize = F;

    fn piece(index: u16, count: u16, bytes: &[u8]) -> Option<Fragment<F>> {
        Some(Fragment { index, count, bytes: Blob::new(bytes).ok()? })
    }

    fn open(value: Fragment<F>) -> (u16, u16, Vec<u8>) {
        (value.index, value.count, value.bytes.into_bytes().into_vec())
    }
}

/// A message that will not be delivered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<I: PeerId> {
    /// Its name.
    pub id: MessageId<I>,
    /// Pieces that came.
    pub came: u16,
    /// Of how many.
    pub count: u16,
}

/// A piece that waits to be published.
#[derive(Clone, Debug)]
struct Waiting<V> {
    value: V,
    /// When its message was published, and for how many rounds.
    since: Round,
    rounds: Option<u16>,
    /// Pieces of its message that come after it.
    after: usize,
}

/// A message that is not complete.
#[derive(Clone, Debug)]
struct Partial {
    number: u64,
    since: Round,
    count: u16,
    hops: u16,
    pieces: BTreeMap<u16, Vec<u8>>,
}

/// Cuts messages of up to `N` bytes into pieces that `L` spreads.
///
/// ```
/// use gossip_core::Blob;
/// use gossip_core::sampling::HyParView;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::fragment::{Fragment, Fragmented};
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::{Publish, Told};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: HyParView<I, 5, 30>,
///         #[uses(peers)]
///         news: Fragmented<Plumtree<I, Fragment<1_000>>, 20_000>,
///     }
/// }
///
/// let news = Fragmented::new(Plumtree::new(Default::default())?, Default::default())?;
/// let node = Node::new(HyParView::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..20).map(|_| node.clone()), 7, Order::Sequential);
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.run(20);
///
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// type Event = <Node<u32> as gossip_core::Protocol>::Event;
/// let text = Blob::new([7; 12_345])?;
/// sim.command(3, Command::news(Publish::new(text.clone())))?;
/// sim.run(10);
/// let whole = |event: &Event| match event {
///     Event::news(Told::Delivered(delivery)) => delivery.value == text,
///     _ => false,
/// };
/// assert_eq!(sim.events().take().filter(|(_, event)| whole(event)).count(), 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fragmented<L: Pieces, const N: usize> {
    inner: L,
    config: Config,
    queue: VecDeque<Waiting<L::Value>>,
    partial: BTreeMap<MessageId<L::Id>, Partial>,
    /// What is not complete, in the order in which it began to come.
    order: BTreeMap<u64, MessageId<L::Id>>,
    began: u64,
    held: usize,
}

decorates!([L: Pieces, const N: usize] Fragmented<L, N>, L);
spreads_on!([L: Pieces, const N: usize] Fragmented<L, N>, L, Blob<N>, Publish::for_rounds);

impl<L: Pieces, const N: usize> Fragmented<L, N> {
    /// The most pieces of a message.
    const PIECES: u16 = {
        assert!(L::SIZE > 0, "a piece must hold a byte");
        assert!(N.div_ceil(L::SIZE) <= u16::MAX as usize, "a message has at most 65535 pieces");
        N.div_ceil(L::SIZE) as u16
    };

    /// Cuts what `inner` spreads.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(inner: L, config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        let bound = "at least twice the pieces of the largest message";
        ParameterError::new("held", config.held as f64, "pieces", bound)
            .unless(config.held >= 2 * usize::from(Self::PIECES))?;
        Ok(Self {
            inner,
            config,
            queue: VecDeque::new(),
            partial: BTreeMap::new(),
            order: BTreeMap::new(),
            began: 0,
            held: 0,
        })
    }

    /// The most bytes that can be published at once.
    pub fn limit(&self) -> usize {
        self.config.queue.saturating_mul(L::SIZE).min(N)
    }

    /// How many pieces wait to be published.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many pieces of messages that are not complete are held.
    pub const fn held(&self) -> usize {
        self.held
    }

    fn hear(&mut self, event: L::Event, cx: &mut impl Local<Self>) {
        match L::delivery(event) {
            Ok(Delivery { id, value, hops }) => {
                let (index, count, bytes) = L::open(value);
                self.take_in(id, (index, count), hops, bytes, cx);
            }
            Err(event) => cx.emit(Told::Below(event)),
        }
    }

    /// A piece has come.
    fn take_in(
        &mut self,
        id: MessageId<L::Id>,
        (index, count): (u16, u16),
        hops: u16,
        bytes: Vec<u8>,
        cx: &mut impl Local<Self>,
    ) {
        let whole = index.checked_add(1) == Some(count) || bytes.len() == L::SIZE;
        let first = id.sequence.checked_sub(u32::from(index));
        let sound = index < count && count <= Self::PIECES.max(1) && whole;
        let Some(sequence) = first.filter(|_| sound) else {
            return cx.count("malformed piece");
        };
        let id = MessageId { sequence, ..id };
        let Self { partial, order, began, .. } = self;
        let message = partial.entry(id).or_insert_with(|| {
            let number = *began;
            *began += 1;
            order.insert(number, id);
            Partial { number, since: cx.round(), count, hops, pieces: BTreeMap::new() }
        });
        if message.count != count {
            return cx.count("malformed piece");
        }
        message.hops = message.hops.max(hops);
        self.held += usize::from(message.pieces.insert(index, bytes).is_none());
        if message.pieces.len() == usize::from(count) {
            self.deliver(id, cx);
        } else {
            self.make_room(id, cx);
        }
    }

    /// All of it is here.
    fn deliver(&mut self, id: MessageId<L::Id>, cx: &mut impl Local<Self>) {
        let Some(message) = self.drop(&id) else { return };
        let bytes: Vec<u8> = message.pieces.into_values().flatten().collect();
        match Blob::new(bytes) {
            Ok(value) => cx.emit(Told::Delivered(Delivery { id, value, hops: message.hops })),
            Err(_) => cx.count("malformed piece"),
        }
    }

    fn drop(&mut self, id: &MessageId<L::Id>) -> Option<Partial> {
        let message = self.partial.remove(id)?;
        self.order.remove(&message.number);
        self.held -= message.pieces.len();
        Some(message)
    }

    /// It is not waited for any more.
    fn give_up(&mut self, id: MessageId<L::Id>, cause: &'static str, cx: &mut impl Local<Self>) {
        if let Some(Partial { count, pieces, .. }) = self.drop(&id) {
            cx.count(cause);
            cx.emit(Told::Note(Lost { id, came: pieces.len() as u16, count }));
        }
    }

    /// Drops what is too much, now that a piece of `id` has come: the oldest of its origin if that
    /// holds more than half, the oldest of all.
    fn make_room(&mut self, id: MessageId<L::Id>, cx: &mut impl Local<Self>) {
        let start = MessageId { origin: id.origin, boot: 0, sequence: 0 };
        let of_origin = self.partial.range(start..);
        let of_origin = of_origin.take_while(|one| one.0.origin == id.origin);
        let (mut share, mut oldest) = (0, (u64::MAX, id));
        for (&id, message) in of_origin {
            share += message.pieces.len();
            oldest = oldest.min((message.number, id));
        }
        if share > self.config.held.div_ceil(2) {
            self.give_up(oldest.1, "shed: its origin's share is used up", cx);
        }
        while self.held > self.config.held {
            let Some(&oldest) = self.order.values().next() else { break };
            self.give_up(oldest, "shed: message displaced", cx);
        }
    }

    /// Publishes what waits, as far as the layer below takes it. Returns how many peers were
    /// attempted.
    fn pump<D: ?Sized>(&mut self, below: &D, cx: &mut impl Context<Self>) -> u32
    where
        L: Layer<D>,
    {
        let mut attempted = 0_u32;
        while let Some(Waiting { value, since, rounds, after }) = self.queue.front() {
            let waited = u16::try_from(cx.round().wrapping_sub(*since)).unwrap_or(u16::MAX);
            let left = rounds.map(|rounds| rounds.saturating_sub(waited));
            let (command, after) = (L::publish(value.clone(), left), *after);
            match self.with(cx, |inner, cx| inner.on_command(below, command, cx)) {
                Ok(receipt) => {
                    attempted = attempted.saturating_add(receipt.attempted);
                    self.queue.pop_front();
                }
                Err(Refusal::Full { .. } | Refusal::NoPeers) => break,
                // Too old, or nothing that is taken here: nor are the pieces after it.
                Err(_) => {
                    self.queue.drain(..=after);
                    cx.count("message refused below");
                }
            }
        }
        attempted
    }
}

impl<L: Pieces, const N: usize> Protocol for Fragmented<L, N> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, Blob<N>, Lost<L::Id>, L::Event>;
    type Command = Publish<Blob<N>>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L: Pieces + Layer<D>, const N: usize> Layer<D> for Fragmented<L, N> {
    hands_on!(L, D, on_message);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_round(below, cx));
        let long = Round::from(self.config.patience);
        while let Some(&id) = self.order.values().next() {
            let since = self.partial.get(&id).map_or(0, |message| message.since);
            if cx.round().wrapping_sub(since) < long {
                break;
            }
            self.give_up(id, "message incomplete", cx);
        }
        self.pump(below, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        Publish { value, rounds }: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let (len, limit) = (value.len(), self.limit());
        if len > limit {
            return Err(Refusal::TooLarge { len, limit });
        }
        if rounds == Some(0) {
            return Err(Refusal::Invalid("a publication lives at least 1 round"));
        }
        let count = len.div_ceil(L::SIZE).max(1);
        if self.queue.len() + count > self.config.queue {
            return Err(Refusal::Full { limit: self.config.queue });
        }
        let mut chunks = value.chunks(L::SIZE);
        for index in 0..count {
            let bytes = chunks.next().unwrap_or_default();
            let piece = L::piece(index as u16, count as u16, bytes);
            let since = cx.round();
            self.queue.extend(piece.map(|value| Waiting {
                value,
                since,
                rounds,
                after: count - 1 - index,
            }));
        }
        Ok(Receipt::attempted(self.pump(below, cx)))
    }
}
