//! Values with a merge of their own, spread until all nodes have the same.
//!
//! Anti-entropy by push-pull: Demers et al., *Epidemic algorithms for replicated database
//! maintenance*, PODC 1987, section 1.3, on one value that is [merged](crate::merge::Merge) instead
//! of overwritten; in epochs, as in Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in
//! large dynamic networks*, ACM TOCS 23(3), 2005, section 4.
//!
//! ```text
//! once a round:      q = a random peer
//!                    news here: send value to q; else: send print(value) to q
//! on value v from q: value |= v; reply "same" if value = v, else with value
//! on print p from q: reply "same" if print(value) = p, else with value
//! on reply v:        value |= v
//! a joiner:          asks a peer, or its contact, for a value, until it has one
//! a value that changed, or that is more than v: is news, until a partner says "same"
//! ```
//!
//! # What holds
//!
//! A new value reaches all of N nodes in log3 N + O(log log N) rounds over uniform peers (Karp et
//! al., *Randomized rumor spreading*, FOCS 2000): in about 14 at N = 10^5. Loss
//! and duplication have no other effect than on time: nothing has to arrive exactly once. When
//! nothing changes, an exchange takes about 30 bytes, whatever the value is. Nothing is ever taken
//! back within an epoch; what is gone goes with the next.
//!
//! Whatever a node says that is sound is believed by all, until the epoch ends, unless the source
//! [admits](Source::admit) only what is proved, as [`Vouched`](crate::Vouched) does.
//!
//! # Deviations from the paper
//!
//! - Prints are 64-bit digests, not made against adversaries: two values with the same print are
//!   taken for one by nodes to whom neither is news.
//! - A joiner takes part as soon as it knows the epoch, with what [`Source::join`] says: it passes
//!   on what others brought, and brings its own where that can do no harm.

use core::fmt;

use gossip_core::id::digest;
use gossip_core::{
    Configured, Exchange, Local, Pairwise, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, Round, Wire, message,
};

use crate::epoch::{Config, Epochs, Meeting, Turn};
use crate::estimate::Estimate;
use crate::merge::{Measure, Merge, Source};

/// Exchanges in a row that must have found the partner's value the same, before the value of an
/// epoch under way is taken for that of all: two early partners are the same once, by chance. Our
/// choice.
pub const CONFIRMED: u8 = 4;

message! {
    /// What travels; each with its sender's epoch, if it knows one.
    #[derive(PartialEq)]
    pub enum Message<V: Wire> {
        /// The sender's value.
        Value(u64, V),
        /// The digest of the sender's value.
        Print(u64, u64),
        /// An answer: the sender's value is the same.
        Same(u64),
        /// An answer: the sender has no value yet.
        Apart(u64),
        /// Of a joiner that knows no epoch yet: what is the value?
        Ask,
    }
}

/// An epoch has ended at this node, with this value.
#[derive(Clone, PartialEq)]
pub struct Finished<V> {
    /// Its number.
    pub epoch: u64,
    /// The value, of a node that was there for at least half of it.
    pub value: Option<V>,
}

impl<V> fmt::Debug for Finished<V> {
    /// Without the value, which may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// What an epoch left.
#[derive(Clone, Debug)]
struct Left<V> {
    epoch: u64,
    ended: Round,
    value: V,
}

/// A node's part in the spreading of what `S` brings.
#[derive(Clone, Debug)]
pub struct State<I, S: Source> {
    source: S,
    /// This epoch's value; none before the first call, and while a joiner knows no epoch.
    current: Option<S::Value>,
    /// The last epoch's that this node was there for.
    last: Option<Left<S::Value>>,
    /// Whom a joiner may ask that has no peer yet.
    contact: Option<I>,
    /// The digest of this epoch's value, if it was asked for since that changed.
    print: Option<u64>,
    /// Exchanges in a row that found the value the same; 0 while it is news.
    same: u8,
    epochs: Epochs,
}

/// Spreads what `S` brings, as a layer over any [`Peers`].
///
/// ```
/// use gossip_aggregate::merge::{Greatest, Own};
/// use gossip_aggregate::{Spread, epoch::Config};
/// use gossip_core::sampling::Newscast;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{Finite, PeerId, stack};
///
/// stack! {
///     struct Node<I: PeerId> {
///         peers: Newscast<I, 20>,
///         #[uses(peers)]
///         hottest: Spread<I, Own<Greatest>>,
///     }
/// }
///
/// let nodes = (0..100_u32).map(|node| {
///     let own = Own(Greatest(Finite::new(f64::from(node)).unwrap()));
///     let spread = Spread::new(Config::founding(own).endless())?;
///     Ok(Node::new(Newscast::new(Default::default())?, spread))
/// });
/// let nodes = nodes.collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
/// let mut sim = Simulation::new(nodes, 42, Order::Sequential);
/// (1..100).for_each(|node| sim.contact(node, 0));
/// sim.run(20);
/// assert!(sim.nodes().all(|(_, node)| node.hottest.value().unwrap().0.get() == 99.0));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub type Spread<I, S> = Pairwise<State<I, S>, 0>;

impl<I: PeerId, S: Source> Configured for State<I, S> {
    type Config = Config<S>;

    fn new(config: Config<S>) -> Result<Self, ParameterError> {
        let (source, epochs) = config.build()?;
        let (current, last, contact, print) = (None, None, None, None);
        Ok(Self { source, current, last, contact, print, same: 0, epochs })
    }
}

impl<I: PeerId, S: Source> State<I, S> {
    /// The value in the epoch under way, as far as it is known here.
    pub const fn value(&self) -> Option<&S::Value> {
        self.current.as_ref()
    }

    /// The value of the last finished epoch that this node was there for.
    pub fn last(&self) -> Option<&S::Value> {
        self.last.as_ref().map(|left| &left.value)
    }

    /// Whether the last partners had the same value, [`CONFIRMED`] of them or more.
    pub const fn is_settled(&self) -> bool {
        self.same >= CONFIRMED
    }

    /// The epoch under way.
    pub const fn epoch(&self) -> u64 {
        self.epochs.number()
    }

    /// What this node brings.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// What the last finished epoch said, or, before there is one, the epoch under way once it has
    /// [settled](Self::is_settled). `None` until then. `now` is this node's round.
    pub fn estimate(&self, now: Round) -> Option<Estimate>
    where
        S::Value: Measure,
    {
        let (value, epoch, age) = match (&self.last, &self.current) {
            (Some(left), _) => (&left.value, left.epoch, now.wrapping_sub(left.ended)),
            (None, Some(value)) if self.is_settled() => (value, self.epoch(), 0),
            _ => return None,
        };
        let last = Estimate::relative(value.measure()?, value.relative_sd(), epoch, age);
        Some(self.source.combined(last))
    }

    fn keep_time(&mut self, cx: &mut impl Local<Self>) {
        if let Some(turn) = self.epochs.keep_time(cx.round()) {
            self.turn(turn, cx);
        }
    }

    /// A partner is in `epoch`: goes there if that is later. Returns whether it is where we are.
    fn meet(&mut self, epoch: u64, cx: &mut impl Local<Self>) -> bool {
        self.keep_time(cx);
        match self.epochs.meet(epoch, cx.round()) {
            Meeting::Together if self.current.is_none() => {
                let value = self.source.join(self.epochs.number(), cx);
                self.begin(value);
            }
            Meeting::Together => {}
            Meeting::Ahead(turn) => self.turn(turn, cx),
            Meeting::Apart => return false,
            Meeting::TooFar => {
                cx.count("epoch too far ahead");
                return false;
            }
        }
        true
    }

    /// The digest of our value.
    fn print(&mut self) -> Option<u64> {
        let value = self.current.as_ref()?;
        Some(*self.print.get_or_insert_with(|| digest(value)))
    }

    fn begin(&mut self, value: S::Value) {
        self.current = Some(value);
        (self.same, self.print) = (0, None);
    }

    /// Finishes the epoch before, if there was one, and begins one.
    fn turn(&mut self, turn: Turn, cx: &mut impl Local<Self>) {
        if let Turn::Next { ended: epoch, whole } = turn {
            let value = self.current.take().filter(|_| whole);
            if let Some(value) = &value {
                self.source.ended(epoch, value);
            }
            cx.emit(Finished { epoch, value: value.clone() });
            let left = value.map(|value| Left { epoch, ended: cx.round(), value });
            self.last = left.or_else(|| self.last.take());
        }
        let value = self.source.start(self.epochs.number(), cx);
        self.begin(value);
    }

    /// Merges what is believed of `theirs`. Returns our value, and whether it is now the same.
    fn take(
        &mut self,
        mut theirs: S::Value,
        cx: &mut impl Local<Self>,
    ) -> Option<(&S::Value, bool)> {
        let epoch = self.epochs.number();
        let mine = self.current.as_mut()?;
        let refused = self.source.admit(epoch, mine, &mut theirs);
        (0..refused).for_each(|_| cx.count("not believed"));
        if *mine == theirs {
            self.same = self.same.saturating_add(1);
            return Some((mine, true));
        }
        (self.same, self.print) = (0, None);
        mine.merge(&theirs);
        let same = *mine == theirs;
        Some((mine, same))
    }
}

impl<I: PeerId, S: Source> Protocol for State<I, S> {
    type Id = I;
    type Message = Message<S::Value>;
    type Event = Finished<S::Value>;
    type Command = S::Input;

    fn version(&self) -> u64 {
        self.epoch()
    }
}

impl<I: PeerId, S: Source, D: Peers<Id = I>> Exchange<D> for State<I, S> {
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        self.keep_time(cx);
        let epoch = self.epoch();
        let peer = below.sample(cx.rng());
        let message = match &self.current {
            None => return Some((peer.or(self.contact)?, Message::Ask)),
            Some(value) if self.same == 0 => Message::Value(epoch, value.clone()),
            Some(_) => Message::Print(epoch, self.print()?),
        };
        Some((peer?, message))
    }

    fn respond(
        &mut self,
        _: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let (epoch, theirs) = match request {
            Message::Value(_, value) if !value.is_sound() => {
                cx.count("unsound value");
                return None;
            }
            Message::Value(epoch, value) => (epoch, Ok(value)),
            Message::Print(epoch, print) => (epoch, Err(print)),
            Message::Ask => {
                self.keep_time(cx);
                return self.current.clone().map(|value| Message::Value(self.epoch(), value));
            }
            Message::Same(_) | Message::Apart(_) => {
                cx.count("an answer to nothing");
                return None;
            }
        };
        let together = self.meet(epoch, cx);
        let epoch = self.epoch();
        let ours = if theirs.is_err() { self.print() } else { None };
        let answer = match (&self.current, theirs) {
            (None, _) => None,
            (Some(value), _) if !together => Some((value, false)),
            (Some(_), Ok(theirs)) => self.take(theirs, cx),
            (Some(value), Err(print)) => {
                let same = ours == Some(print);
                self.same = if same { self.same.saturating_add(1) } else { self.same };
                Some((value, same))
            }
        };
        Some(match answer {
            None => Message::Apart(epoch),
            Some((_, true)) => Message::Same(epoch),
            Some((value, false)) => Message::Value(epoch, value.clone()),
        })
    }

    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        match reply {
            Message::Value(_, value) if !value.is_sound() => cx.count("unsound value"),
            Message::Value(epoch, value) => {
                if self.meet(epoch, cx) {
                    self.take(value, cx);
                }
            }
            Message::Same(epoch) => {
                let before = self.epoch();
                if self.meet(epoch, cx) && before == self.epoch() {
                    self.same = self.same.saturating_add(1);
                }
            }
            Message::Apart(epoch) => {
                self.meet(epoch, cx);
            }
            Message::Print(..) | Message::Ask => cx.count("not an answer"),
        }
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Local<Self>) {
        self.contact = Some(peer);
    }

    fn on_command(
        &mut self,
        _: &D,
        input: S::Input,
        _: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        if let (Some(value), Some(mine)) = (self.source.set(input)?, &mut self.current) {
            mine.merge(&value);
            (self.same, self.print) = (0, None);
        }
        Ok(Receipt::default())
    }
}
