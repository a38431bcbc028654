//! Background dissemination: what each node says of itself goes round all the time, newest first
//! come, newest kept, within a byte budget, and every reader sees how old it is.
//!
//! The second style of Birman, *The promise, and limitations, of gossip protocols*, SIGOPS OSR
//! 41(5), 2007, section 2.1 (1b): state that changes slowly, where latency is no concern and a
//! slightly stale answer costs little. Kelips and Astrolabe spread such state.
//!
//! ```text
//! every round:   ages += 1; what is older than `expiry` is dropped
//!                own version += 1, its age = 0
//!                q = a random peer; send q this node's own entry, and then the others, those that
//!                were told longest ago first, as far as `budget` bytes go
//! on an entry:   newer than the one here, and not too old: take it, with its age; tell the owner
//!                if its value changed
//!                in this node's own name, and newer: go on from its version
//! ```
//!
//! # What holds
//!
//! - A node sends at most `budget` bytes a round, however many entries there are; with b of N
//!   entries in a message each is told once in N / b rounds, whatever changes how often.
//! - Of one origin the newest version wins, everywhere; versions of one origin grow also over a
//!   restart without state, since a node that hears of its earlier life goes on from there.
//! - The age that readers see is the rounds since the origin itself made that version, as counted
//!   by those who held it: at least the truth, less the spread of clocks. An entry of an origin
//!   that is gone is dropped everywhere after `expiry` rounds.
//! - At most `entries` are held, and `intake` new origins taken in a round.
//!
//! # Deviations from the paper
//!
//! The essay names no algorithm. Versions, ages, budget and order are ours.

mod config;
mod message;
mod table;

use gossip_core::stack::frame_len;
use gossip_core::{
    Configured, Context, Layer, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Wire,
};

pub use config::Config;
pub use message::{Command, Entry, Event};
use table::{Table, Taken};

/// What is known of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a, V> {
    /// What it said.
    pub value: &'a V,
    /// Rounds since it said so.
    pub age: u16,
    /// The version, of which the newest is kept.
    pub version: u64,
}

/// A node's part in background dissemination: values `V` among peers `I`.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, Protocol, stack};
/// use gossip_dissem::background::{self, Background};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 20>,
///         #[uses(peers)]
///         load: Background<I, u32>,
///     }
/// }
///
/// let load = Background::new(Default::default())?;
/// let node = Node::new(Cyclon::new(Default::default())?, load);
/// let mut sim = Simulation::new((0..50).map(|_| node.clone()), 7, Order::Sequential);
/// type Command = <Node<u32> as Protocol>::Command;
/// for node in 0..50 {
///     sim.contact(node, 0);
///     sim.command(node, Command::load(background::Command::Set(100 + node)))?;
/// }
/// sim.run(30);
/// let seen = sim.node(7).and_then(|node| node.load.get(31)).unwrap();
/// assert_eq!(*seen.value, 131);
/// assert!(seen.age < 20, "{} rounds old", seen.age);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<I: PeerId, V: Wire> {
    config: Config,
    own: Option<V>,
    /// The version of this node's own entry.
    version: u64,
    table: Table<I, V>,
    /// New origins since the last round.
    taken: usize,
    /// Bytes of entries sent in the last round.
    spent: usize,
}

/// Background dissemination as a layer over any [`Peers`].
pub type Background<I, V> = State<I, V>;

impl<I: PeerId, V: Wire + PartialEq> Configured for State<I, V> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        Self::new(config)
    }
}

impl<I: PeerId, V: Wire + PartialEq> State<I, V> {
    /// Builds it from `config`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        config.check(frame_len(Entry::<I, V>::MAX_LEN))?;
        let table = Table::new(config.entries);
        Ok(Self { own: None, version: 0, table, taken: 0, spent: 0, config })
    }

    /// What this node says of itself.
    pub const fn own(&self) -> Option<&V> {
        self.own.as_ref()
    }

    /// What is known of `origin`, another node.
    pub fn get(&self, origin: I) -> Option<Reading<'_, V>> {
        self.table.get(origin)
    }

    /// What is known of every other node, in the order of identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (I, Reading<'_, V>)> {
        self.table.iter()
    }

    /// Bytes of entries sent in the last round, with their frames: never more than the budget.
    pub const fn spent(&self) -> usize {
        self.spent
    }

    /// Tells `peer` as much as `room` bytes hold, this node's own entry first if `own`. Returns how
    /// many bytes it took.
    fn tell(&mut self, peer: I, own: bool, room: usize, cx: &mut impl Context<Self>) -> usize {
        let mut left = room;
        if own && let Some(value) = &self.own {
            let entry =
                Entry { origin: cx.me(), version: self.version, age: 0, value: value.clone() };
            left = left.saturating_sub(frame_len(entry.encoded_len()));
            cx.send(peer, entry);
        }
        for entry in self.table.stalest(left, peer) {
            left = left.saturating_sub(frame_len(entry.encoded_len()));
            cx.send(peer, entry);
        }
        room - left
    }

    /// An entry in this node's own name: an earlier life's, or a lie. It is outbid.
    fn outbid(&mut self, version: u64, cx: &mut impl Context<Self>) {
        if version > self.version {
            self.version = version;
            cx.count("own entry of an earlier life, or forged");
        }
    }
}

impl<I: PeerId, V: Wire + PartialEq> Protocol for State<I, V> {
    type Id = I;
    type Message = Entry<I, V>;
    type Event = Event<I>;
    type Command = Command<V>;

    fn version(&self) -> u64 {
        self.table.changes()
    }
}

impl<I: PeerId, V: Wire + PartialEq, D: Peers<Id = I>> Layer<D> for State<I, V> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.taken = 0;
        for origin in self.table.grow_old(self.config.expiry) {
            cx.emit(Event::Expired { origin });
        }
        if self.own.is_some() {
            self.version = self.version.saturating_add(1);
        }
        self.spent = 0;
        if let Some(peer) = below.sample(cx.rng()) {
            self.spent = self.tell(peer, true, self.config.budget, cx);
        }
    }

    fn on_message(&mut self, _: &D, _: I, entry: Entry<I, V>, cx: &mut impl Context<Self>) {
        if entry.version >= VERSION_MAX {
            return cx.count("version too high");
        }
        let origin = entry.origin;
        if origin == cx.me() {
            return self.outbid(entry.version, cx);
        }
        if entry.age > self.config.expiry {
            return cx.count("entry too old");
        }
        let room = self.taken < self.config.intake;
        match self.table.take(entry, room) {
            Taken::Known | Taken::Refreshed => {}
            Taken::Changed => cx.emit(Event::Changed { origin }),
            Taken::New(displaced) => {
                self.taken += 1;
                cx.emit(Event::Changed { origin });
                if let Some(origin) = displaced {
                    cx.count("entry displaced");
                    cx.emit(Event::Expired { origin });
                }
            }
            Taken::Shed => cx.count("new origin shed"),
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Set(value) => {
                if self.version == 0 {
                    // Later than every version of an earlier life, unless the clock went back:
                    // then that life's entry comes round, and is outbid.
                    self.version = cx.wall().min(VERSION_MAX / 2);
                }
                self.own = Some(value);
            }
            Command::Clear => self.own = None,
        }
        Ok(Receipt::default())
    }

    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        if self.config.piggyback {
            let room = cx.room(to);
            self.tell(to, false, room, cx);
        }
    }
}

/// Versions from here on are lies: no node counts so far.
const VERSION_MAX: u64 = 1 << 62;
