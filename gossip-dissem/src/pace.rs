//! Priorities and back-pressure at the publisher: what the layer below does not take at once waits,
//! what matters most goes first, and what is given up is told.
//!
//! Not a protocol: a decorator around any layer that [spreads](crate::Spread) values; it
//! goes outermost. At the receivers' end [`Admit`](crate::validate::Admit) sheds by rank.
//!
//! ```text
//! publish v with a rank:   the queue is full: if its lowest rank is below this one, the last of
//!                              that gives way; else refuse. queue v; hand down
//! hand down:               while fewer than `rate` were handed down this round: the first of the
//!                              highest rank, until the layer below refuses
//! every round:             give up what has waited too long; hand down
//! ```
//!
//! # What holds
//!
//! - A publication is refused at the call, or it ends with exactly one note that bears its ticket:
//!   [`Note::Sent`] or [`Note::Shed`].
//! - At most `queue` publications wait, none longer than `patience` rounds or its own life: a lower
//!   rank may starve, but not in silence.
//! - Publications of one rank are handed down in the order in which they were published.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;

use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Protocol, Receipt, Refusal, Round, Time, Wire,
    message,
};

use crate::post::MessageId;
use crate::spread::{Spread, Told, at_least_one, decorates, hands_on};

/// Bounds on what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Publications that wait.
    pub queue: usize,
    /// Publications handed down a round, however many more the layer below would take: this node's
    /// part of what the network carries.
    pub rate: usize,
    /// Rounds that one waits.
    pub patience: u16,
}

impl Default for Config {
    /// 256 that wait, for 8 rounds; 32 handed down a round, half of what nodes take in. Our choice.
    fn default() -> Self {
        Self { queue: 256, rate: 32, patience: 8 }
    }
}

impl Config {
    fn check(&self) -> Result<(), ParameterError> {
        at_least_one(&[
            ("queue", self.queue, "publications"),
            ("rate", self.rate, "publications a round"),
            ("patience", usize::from(self.patience), "rounds"),
        ])
    }
}

message! {
    /// What the owner may ask: spread this when it is its turn.
    #[derive(PartialEq)]
    pub struct Command<V: Wire> {
        /// What is to be spread.
        pub value: V,
        /// For how many rounds at most, from now on; `None`: for as long as the layer below spreads
        /// anything.
        pub rounds: Option<u16>,
        /// What matters more goes first.
        pub rank: u8,
        /// A number of the owner's choice, by which he is told what has become of it.
        pub ticket: u64,
    }
}

impl<V: Wire> Command<V> {
    /// Spread `value`, and tell of it by `ticket`: with the lowest rank, for as long as the layer
    /// below spreads anything.
    ///
    /// ```
    /// use gossip_dissem::pace::Command;
    ///
    /// let alarm = Command::new(7_u64, 1).rank(9).within(3);
    /// assert_eq!(alarm, Command { value: 7, rounds: Some(3), rank: 9, ticket: 1 });
    /// ```
    pub const fn new(value: V, ticket: u64) -> Self {
        Self { value, rounds: None, rank: 0, ticket }
    }

    /// What matters more has a higher rank, and goes first.
    pub const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// For so many rounds at most.
    pub const fn within(mut self, rounds: u16) -> Self {
        self.rounds = Some(rounds);
        self
    }
}

/// What only this decorator tells: what has become of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<I: PeerId> {
    /// The layer below has taken it.
    Sent {
        /// The owner's number.
        ticket: u64,
        /// The name of the publication.
        id: MessageId<I>,
        /// Peers it was sent to at once.
        attempted: u32,
    },
    /// It will not be published.
    Shed {
        /// The owner's number.
        ticket: u64,
        /// Why.
        why: Why,
    },
}

/// Why a publication is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// One of a higher rank took its place.
    Displaced,
    /// It has waited too long.
    TooOld,
    /// The layer below refuses it for good.
    Refused(Refusal),
}

/// A publication that waits.
#[derive(Clone, Debug)]
struct Waiting<V> {
    value: V,
    rounds: Option<u16>,
    ticket: u64,
    since: Round,
}

/// Publishes what `L` spreads in the order of its rank.
///
/// ```
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::pace::{Config, Paced};
///
/// let news = Plumtree::<u32, u64>::new(Default::default())?;
/// assert_eq!(Paced::new(news, Config::default())?.queued(), 0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Paced<L: Spread> {
    inner: L,
    config: Config,
    /// In the order in which they are to be published.
    queue: BTreeMap<(Reverse<u8>, u64), Waiting<L::Value>>,
    /// By when they were published.
    order: BTreeMap<u64, Reverse<u8>>,
    came: u64,
    spent: usize,
}

decorates!([L: Spread] Paced<L>, L);

impl<L: Spread> Paced<L> {
    /// Paces what is published through `inner`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(inner: L, config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        let (queue, order) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { inner, config, queue, order, came: 0, spent: 0 })
    }

    /// How many publications wait.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    fn hear(_: &mut Self, event: L::Event, cx: &mut impl Local<Self>) {
        cx.emit(match L::delivery(event) {
            Ok(delivery) => Told::Delivered(delivery),
            Err(event) => Told::Below(event),
        });
    }

    fn take(&mut self, place: (Reverse<u8>, u64)) -> Option<Waiting<L::Value>> {
        self.order.remove(&place.1);
        self.queue.remove(&place)
    }

    /// What waits at `place` is given up.
    fn shed(&mut self, place: (Reverse<u8>, u64), why: Why, cx: &mut impl Local<Self>) {
        if let Some(Waiting { ticket, .. }) = self.take(place) {
            cx.count(match why {
                Why::Displaced => "shed: displaced by a higher rank",
                Why::TooOld => "shed: waited too long",
                Why::Refused(_) => "shed: refused below",
            });
            cx.emit(Told::Note(Note::Shed { ticket, why }));
        }
    }

    fn expire(&mut self, cx: &mut impl Local<Self>) {
        let long = Round::from(self.config.patience);
        while let Some((&number, &rank)) = self.order.first_key_value() {
            let since = self.queue.get(&(rank, number)).map_or(0, |waiting| waiting.since);
            if cx.round().wrapping_sub(since) < long {
                break;
            }
            self.shed((rank, number), Why::TooOld, cx);
        }
    }

    /// Hands down what may be published now. Returns how many peers were attempted for the last.
    fn pump<D: ?Sized>(&mut self, below: &D, cx: &mut impl Context<Self>) -> u32
    where
        L: Layer<D>,
    {
        let mut last = 0;
        while self.spent < self.config.rate {
            let Some((&place, waiting)) = self.queue.first_key_value() else { break };
            let Waiting { ref value, rounds, ticket, since } = *waiting;
            let waited = u16::try_from(cx.round().wrapping_sub(since)).unwrap_or(u16::MAX);
            let left = rounds.map(|rounds| rounds.saturating_sub(waited));
            if left == Some(0) {
                self.shed(place, Why::TooOld, cx);
                continue;
            }
            let command = L::publish(value.clone(), left);
            let id = self.with(cx, |inner, cx| inner.next_id(cx));
            match self.with(cx, |inner, cx| inner.on_command(below, command, cx)) {
                Ok(Receipt { attempted, .. }) => {
                    self.take(place);
                    self.spent += 1;
                    last = attempted;
                    cx.emit(Told::Note(Note::Sent { ticket, id, attempted }));
                }
                Err(Refusal::Full { .. } | Refusal::NoPeers) => break,
                Err(refusal) => self.shed(place, Why::Refused(refusal), cx),
            }
        }
        last
    }
}

impl<L: Spread> Protocol for Paced<L> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, L::Value, Note<L::Id>, L::Event>;
    type Command = Command<L::Value>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L: Spread + Layer<D>> Layer<D> for Paced<L> {
    hands_on!(L, D, on_message);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.with(cx, |inner, cx| inner.on_round(below, cx));
        self.spent = 0;
        self.expire(cx);
        self.pump(below, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        Command { value, rounds, rank, ticket }: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        if rounds == Some(0) {
            return Err(Refusal::Invalid("a publication lives at least 1 round"));
        }
        if self.queue.len() >= self.config.queue
            && let Some((&lowest, _)) = self.queue.last_key_value()
        {
            if lowest.0.0 >= rank {
                return Err(Refusal::Full { limit: self.config.queue });
            }
            self.shed(lowest, Why::Displaced, cx);
        }
        let place = (Reverse(rank), self.came);
        self.came += 1;
        self.order.insert(place.1, place.0);
        self.queue.insert(place, Waiting { value, rounds, ticket, since: cx.round() });
        let attempted = self.pump(below, cx);
        let sent = !self.queue.contains_key(&place);
        Ok(Receipt::attempted(if sent { attempted } else { 0 }))
    }
}
