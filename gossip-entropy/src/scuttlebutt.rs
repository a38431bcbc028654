//! Scuttlebutt: every node says what it likes of itself, and all come to know it, each origin's
//! changes in their order.
//!
//! Van Renesse, Dumitriu, Gough, Thomas, *Efficient reconciliation and flow control for
//! anti-entropy protocols*, LADIS 2008.
//!
//! ```text
//! on set(k, v):   version of me += 1; k has (v, version)
//! every round:    q = a random peer; send q my digest: the highest version known of each origin
//! on a digest:    send what is here and has a higher version: of each origin the lowest versions
//!                     first, at most `mtu` in all
//!                 if it opens an exchange: send my digest, and what the other may make
//! on a delta:     take it, if all before it is here
//! flow control:   both divide what they may make by what they make; three exchanges in a row that
//!                     do not fit: a quarter less; three that do: a fifth of an update more
//! ```
//!
//! # What holds
//!
//! For all that a node has of an origin up to a version, that is what the origin had at that
//! version: nothing before it is missing, whatever is lost, doubled or reordered. Equal versions
//! are equal states. Once nothing is changed any more, all nodes that are connected end equal.
//!
//! At most `origins` are known, `keys` of each, removed ones among them; what goes beyond is not
//! taken, and counted. A message of an exchange leads to `mtu` deltas at most.
//!
//! Anybody can say anything of anybody: over links that do not know who speaks, sign values.
//!
//! # Deviations from the paper
//!
//! - An origin has a generation, which grows when it starts again: a restart with nothing left
//!   would name two things by one version. A node that hears of a later life of itself begins the
//!   next, so that a clock that was set back does no harm.
//! - Each delta names the version before it, so that a lost message leaves no gap.
//! - A digest that does not fit a message is that of a range of names, from one drawn at random on.
//!   The paper allows to truncate it.
//! - Rates that are on their way when a message is lost do not add up to what they did; falling and
//!   rising sets that right.
//! - For [`Order::Depth`] more than `mtu` deltas of one origin count as one more than `mtu`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use gossip_core::wire::Blob;
use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Wire,
};

mod flow;
pub mod message;
mod states;

use crate::page::{MESSAGE, Page};
use flow::Flow;
pub use message::{Command, Message};
use message::{Delta, Digest, Known, ROOM};
use states::{Held, States, Taken};

/// Whose deltas go first, where not all fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One of each origin, then another of each: scuttle-breadth.
    Breadth,
    /// All of the origin that has most, then of the next: scuttle-depth. States are stale for a
    /// shorter time.
    #[default]
    Depth,
}

/// Parameters of [`Scuttlebutt`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The most deltas that answer a digest.
    pub mtu: u16,
    /// Whose go first.
    pub order: Order,
    /// The most updates a round that the owner may make; fewer, where all together would not fit.
    pub rate: f64,
    /// The most origins that are known.
    pub origins: usize,
    /// The most keys of each, removed ones among them.
    pub keys: usize,
    /// This node's life: higher than all before. `None`: the wall clock at its first call.
    pub generation: Option<u64>,
}

impl Default for Config {
    /// All our choice: 100 deltas, depth first, up to 100 updates a round, 1,024 origins of 256
    /// keys.
    fn default() -> Self {
        let (mtu, order, rate) = (100, Order::default(), 100.0);
        Self { mtu, order, rate, origins: 1_024, keys: 256, generation: None }
    }
}

/// What a node tells its owner.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<I: PeerId, const KEY: usize, const VALUE: usize> {
    /// An origin's key has this value now; `None`: none.
    Changed {
        /// The origin.
        origin: I,
        /// The key.
        key: Blob<KEY>,
        /// The value.
        value: Option<Blob<VALUE>>,
    },
    /// An origin has begun another life: what it said before no longer holds.
    Reborn(I),
}

/// Scuttlebutt over any [`Peers`], with keys of up to `KEY` and values of up to `VALUE` bytes.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_entropy::scuttlebutt::{Command, Scuttlebutt};
///
/// stack! {
///     /// What each says of itself, over a random overlay.
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 8>,
///         #[uses(peers)]
///         says: Scuttlebutt<I, 16, 32>,
///     }
/// }
/// # type Asked = <Node<u32> as gossip_core::Protocol>::Command;
///
/// let (peers, says) = (Cyclon::new(Default::default())?, Scuttlebutt::new(Default::default())?);
/// let mut sim = Simulation::new(
///     (0..20).map(|_| Node::new(peers.clone(), says.clone())).collect::<Vec<_>>(),
///     7,
///     Order::Sequential,
/// );
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.command(3, Asked::says(Command::set("load", "7")?))?;
/// sim.run(20);
/// let knows = |says: &Scuttlebutt<u32, 16, 32>| says.get(3, "load") == Some(b"7");
/// assert!(sim.nodes().all(|(_, node)| knows(&node.says)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Scuttlebutt<I: PeerId, const KEY: usize, const VALUE: usize> {
    config: Config,
    states: States<I, KEY, VALUE>,
    flow: Flow,
    /// Whom the last exchange was opened with, if that has not answered.
    asked: Option<I>,
    /// Whether what came did not fit.
    crowded: bool,
    changes: u64,
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Scuttlebutt<I, KEY, VALUE> {
    /// Knowing nothing yet.
    ///
    /// Deltas that do not fit a message do not compile.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        const { assert!(Delta::<I, KEY, VALUE>::MAX_LEN <= ROOM, "a delta is too long") }
        const { assert!(Message::<I, KEY, VALUE>::MAX_LEN <= MESSAGE, "a message is too long") }
        let Config { mtu, rate, origins, keys, .. } = config;
        let count = |name, value: usize, unit| {
            ParameterError::new(name, value as f64, unit, "at least 1").unless(value >= 1)
        };
        count("mtu", mtu.into(), "deltas")?;
        count("origins", origins, "origins")?;
        count("keys", keys, "keys")?;
        ParameterError::new("rate", rate, "updates a round", "above 0, up to 1e6")
            .unless(rate > 0.0 && rate <= 1e6)?;
        let states = States { all: BTreeMap::new(), limits: (origins, keys) };
        Ok(Self { config, states, flow: Flow::new(rate), asked: None, crowded: false, changes: 0 })
    }

    /// What `origin` says of `key`, as far as it is known here.
    pub fn get(&self, origin: I, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let key = Blob::new(key).ok()?;
        self.states.all.get(&origin)?.get(&key).map(|value| &**value)
    }

    /// All that `origin` says, by key.
    pub fn of(&self, origin: I) -> impl Iterator<Item = (&[u8], &[u8])> {
        let held = self.states.all.get(&origin).into_iter();
        held.flat_map(|held| held.iter().map(|(key, value)| (&**key, &**value)))
    }

    /// The origins that are known, with the life and the highest version that is known of each.
    pub fn origins(&self) -> impl Iterator<Item = (I, u64, u64)> {
        self.states.all.iter().map(|(&origin, held)| (origin, held.generation, held.version))
    }

    /// Updates a round that the owner may make at present: the paper's tau.
    pub const fn rate(&self) -> f64 {
        self.flow.most()
    }

    /// What this node has said, in the life that it has.
    fn own(&mut self, cx: &mut impl Local<Self>) -> &mut Held<KEY, VALUE> {
        let first = self.config.generation.unwrap_or_else(|| cx.wall());
        self.states.all.entry(cx.me()).or_insert_with(|| Held::new(first))
    }

    /// Somebody has heard of this life of this node, and so much of it.
    fn hear_of_self(&mut self, generation: u64, version: u64, cx: &mut impl Local<Self>) {
        let own = self.own(cx);
        let later = generation > own.generation;
        let ahead = generation == own.generation && version > own.version;
        // Who lies may name the last life there can be; what is said of that is not believed.
        if (later || ahead)
            && let Some(next) = generation.checked_add(1)
        {
            *own = own.reborn(next);
            self.changes += 1;
            cx.count("began another life");
        }
    }

    /// Somebody knows so much of an origin.
    fn meet(&mut self, origin: I, generation: u64, version: u64, cx: &mut impl Local<Self>) {
        if origin == cx.me() {
            self.hear_of_self(generation, version, cx);
        } else if self.states.outlives(origin, generation) {
            self.changes += 1;
            cx.emit(Event::Reborn(origin));
        }
    }

    fn meet_all(&mut self, digest: &Digest<I>, cx: &mut impl Local<Self>) {
        for Known { origin, generation, version } in digest.known.iter() {
            self.meet(origin, generation, version, cx);
        }
    }

    fn put(
        &mut self,
        key: Blob<KEY>,
        value: Option<Blob<VALUE>>,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        let limit = self.config.keys;
        let own = self.own(cx);
        if own.get(&key) == value.as_ref() {
            return Ok(Receipt::default());
        }
        // Removed keys take room as long as this life lasts.
        let next = own.generation.checked_add(1).filter(|_| own.has_removed());
        let reborn = if own.has_room(&key, limit) { None } else { Some(next) };
        if reborn == Some(None) {
            return Err(Refusal::Full { limit });
        }
        if !self.flow.admit() {
            return Err(Refusal::Invalid("more updates than may be made this round: try later"));
        }
        let own = self.own(cx);
        if let Some(next) = reborn.flatten() {
            *own = own.reborn(next);
        }
        own.put(key, own.version + 1, value);
        self.changes += 1;
        Ok(Receipt::default())
    }

    /// Sends what is not in `digest`.
    fn answer(&mut self, to: I, digest: &Digest<I>, cx: &mut impl Context<Self>) {
        let (mtu, order) = (usize::from(self.config.mtu), self.config.order);
        let (deltas, more) = self.states.deltas(digest, order, mtu, cx.rng());
        let crowded = core::mem::take(&mut self.crowded);
        self.flow.exchanged(!more && !crowded);
        let mut pages = Vec::from([Page::new()]);
        for delta in &deltas {
            let fits = pages.last_mut().is_some_and(|page| page.push(delta));
            if !fits {
                let mut page = Page::new();
                page.push(delta);
                pages.push(page);
            }
        }
        for page in pages.into_iter().filter(|page| !page.is_empty()) {
            cx.send(to, Message::Deltas(page, more));
        }
    }

    fn take(&mut self, delta: Delta<I, KEY, VALUE>, cx: &mut impl Local<Self>) {
        let Delta { origin, ref key, ref value, generation, version, .. } = delta;
        self.meet(origin, generation, version, cx);
        if origin == cx.me() {
            return;
        }
        let changed = Event::Changed { origin, key: key.clone(), value: value.clone() };
        match self.states.take(delta) {
            Taken::New => {
                self.changes += 1;
                cx.emit(changed);
            }
            Taken::Known => {}
            Taken::Gap => cx.count("delta before its time"),
            Taken::Full => cx.count("no room for an origin or a key"),
        }
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Protocol for Scuttlebutt<I, KEY, VALUE> {
    type Id = I;
    type Message = Message<I, KEY, VALUE>;
    type Event = Event<I, KEY, VALUE>;
    type Command = Command<KEY, VALUE>;

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, const KEY: usize, const VALUE: usize, D> Layer<D> for Scuttlebutt<I, KEY, VALUE>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.flow.new_round();
        self.own(cx);
        let Some(to) = below.sample(cx.rng()).filter(|&peer| peer != cx.me()) else { return };
        let names: Vec<I> = self.states.all.keys().copied().collect();
        let start = cx.rng().pick(&names).copied().unwrap_or(cx.me());
        let digest = self.states.digest(start);
        self.asked = Some(to);
        cx.send(to, Message::Ask(digest, self.flow.rates()));
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Ask(digest, rates) => {
                self.meet_all(&digest, cx);
                self.answer(from, &digest, cx);
                let ours = self.states.within(digest.from, digest.to);
                cx.send(from, Message::Answer(ours, self.flow.share(rates)));
            }
            Message::Answer(digest, granted) => {
                if self.asked != Some(from) {
                    return cx.count("answer without question");
                }
                self.asked = None;
                self.flow.take(granted);
                self.meet_all(&digest, cx);
                self.answer(from, &digest, cx);
            }
            Message::Deltas(page, more) => {
                self.crowded |= more;
                for delta in page.iter() {
                    self.take(delta, cx);
                }
            }
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Set(key, value) => self.put(key, Some(value), cx),
            Command::Remove(key) => self.put(key, None, cx),
        }
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> fmt::Debug for Scuttlebutt<I, KEY, VALUE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scuttlebutt")
            .field("origins", &self.states.all.len())
            .field("rate", &self.flow.most())
            .finish_non_exhaustive()
    }
}
