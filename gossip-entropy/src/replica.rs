//! A replicated key-value store: every node writes alone, and all end with the last write.
//!
//! Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, *Epidemic algorithms
//! for replicated database maintenance*, PODC 1987, sections 1.1 (database), 1.3 (anti-entropy).
//!
//! ```text
//! to write:         stamp it; it is news
//! once a round:     q = a random peer; send q the news that fits beside it, and the root digest
//! on news:          take what is newer; it is news here too, while young
//! on a root digest: the same as ours: nothing. Else send our news, and the digests of the root's
//!                   children; the two go down the tree in turns, and send what is newer each way
//! ```
//!
//! # What holds
//!
//! Two replicas with the same entries have the same digest, and a round between them costs one
//! message of 9 bytes. Where they differ, both end with the newer of each entry (push-pull). Taking
//! an entry is idempotent, commutative and associative, so loss, duplication and reordering delay
//! and never change the end. An exchange's traffic is [bounded](Config::page), and so is a round's,
//! for each peer and in all; what is not done is found again in a later round.
//!
//! # Deviations from the paper
//!
//! - Stamps are those of hybrid logical clocks, not of the wall: see [`stamp`](crate::stamp).
//! - Differences are found in a tree of digests, not by a full comparison: see the crate's README.
//! - Deletions are kept for good and count towards the capacity: there are no dormant death
//!   certificates yet, and so nothing deleted comes back.

use core::fmt;
use core::time::Duration;

use gossip_core::stack::FRAME_OVERHEAD;
use gossip_core::wire::{Blob, TooLarge};
use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Wire, message,
};

use crate::budget::{Budget, Kind};
use crate::descent::{Done, Draft, update};
use crate::message::{Message, Update};
use crate::page::{MESSAGE, PAGE, Page};
use crate::path::Path;
use crate::recent::Recent;
use crate::stamp::{Clock, Stamp, horizon};
use crate::store::{Merged, Store};
use crate::tree::{LEAF, MOST};

/// A key for the hashes of keys and entries, the same at all replicas of a group.
///
/// With the default, whoever may write can search for entries whose hashes cancel, so that replicas
/// that differ seem equal, or for keys that share a hash. It is not shown by `Debug`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret(pub [u64; 2]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Parameters of a replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The most keys, deleted ones included. When they are there, new keys are refused, those of
    /// the owner with [`Refusal::Full`], those of peers counted as `store full`; keys that are
    /// known can still be written and deleted.
    pub capacity: usize,
    /// The furthest a stamp may lie ahead of this node's wall clock; beyond it, entries are refused
    /// and counted as `stamp too far ahead`. A peer whose clock runs further ahead is not heard
    /// until time has caught up with it.
    pub ahead: Duration,
    /// The most messages of entries that are sent in one exchange to a peer that lacks them, and
    /// again to one that asks for them. With the default of 32, that is 36 kB each. A peer has at
    /// most two exchanges with us in a round, one opened by each side, and at most eight peers are
    /// served in a round.
    pub page: u16,
    /// The most messages that are sent in one exchange for each level of the digest tree, for lists
    /// at each level, and for requests.
    pub probe: u16,
    /// How often an update rides ahead of the comparison; 0: never, and only the comparison spreads
    /// it.
    pub copies: u8,
    /// How long an update is news (the paper's tau): longer than it takes to reach everybody.
    pub tau: Duration,
    /// Keys the hashes; the same at all replicas.
    pub secret: Secret,
}

impl Default for Config {
    /// All our choice: 2^20 keys; stamps up to 10 minutes ahead; 32 messages of entries each way,
    /// and 16 of each other kind, which settle some 500 differences of 100 bytes in an exchange;
    /// updates ride 4 times (a blind push with that counter leaves 2 % without them, paper section
    /// 1.4, and the comparison does the rest) for a minute.
    fn default() -> Self {
        Self {
            capacity: 1 << 20,
            ahead: Duration::from_secs(600),
            page: 32,
            probe: 16,
            copies: 4,
            tau: Duration::from_secs(60),
            secret: Secret::default(),
        }
    }
}

message! {
    /// What the owner of a replica may ask.
    #[derive(PartialEq)]
    pub enum Command<const KEY: usize, const VALUE: usize> {
        /// The key has this value from now on.
        Set {
            /// The key.
            key: Blob<KEY>,
            /// The value.
            value: Blob<VALUE>,
        },
        /// The key has no value from now on.
        Delete {
            /// The key.
            key: Blob<KEY>,
        },
    }
}

impl<const KEY: usize, const VALUE: usize> Command<KEY, VALUE> {
    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// If either is too long; the error names the limit.
    ///
    /// ```
    /// use gossip_entropy::Command;
    ///
    /// assert!(Command::<8, 64>::set("colour", "green").is_ok());
    /// assert_eq!(Command::<8, 64>::set("the colour", "green").unwrap_err().limit, 8);
    /// ```
    pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Set { key: Blob::new(key)?, value: Blob::new(value)? })
    }

    /// Deletes `key`.
    ///
    /// # Errors
    ///
    /// If it is too long; the error names the limit.
    pub fn delete(key: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Delete { key: Blob::new(key)? })
    }
}

/// What a replica tells its owner.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<I: PeerId, const KEY: usize> {
    /// A peer told of a newer state of a key, and this replica has taken it. The owner's own writes
    /// are not told: their receipt says it.
    Changed {
        /// The key; [`Replica::get`] reads its value.
        key: Blob<KEY>,
        /// Who wrote it, and when.
        stamp: Stamp<I>,
        /// Whether it was deleted.
        deleted: bool,
    },
}

/// A replica of a key-value store with keys of up to `KEY` and values of up to `VALUE` bytes.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_entropy::{Command, Replica};
///
/// stack! {
///     /// A store over a random overlay.
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 8>,
///         #[uses(peers)]
///         data: Replica<I, 16, 64>,
///     }
/// }
/// # type Asked = <Node<u32> as gossip_core::Protocol>::Command;
///
/// let (peers, data) = (Cyclon::new(Default::default())?, Replica::new(Default::default())?);
/// let node = || Ok(Node::new(peers.clone(), data.clone()));
/// let nodes = (0..20).map(|_| node()).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
/// let mut sim = Simulation::new(nodes, 7, Order::Sequential);
/// (1..20).for_each(|node| sim.contact(node, 0));
///
/// sim.command(3, Asked::data(Command::set("colour", "green")?))?;
/// sim.run(20);
/// assert!(sim.nodes().all(|(_, node)| node.data.get(b"colour") == Some(&b"green"[..])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Replica<I: PeerId, const KEY: usize, const VALUE: usize> {
    store: Store<I>,
    clock: Clock,
    recent: Recent<I>,
    budget: Budget<I>,
    ahead: Duration,
    changes: u64,
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// An empty replica.
    ///
    /// Keys and values that do not fit one message together do not compile.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        const { assert!(Update::<I, KEY, VALUE>::MAX_LEN <= PAGE, "key and value are too long") }
        const { assert!(Message::<I, KEY, VALUE>::MAX_LEN <= MESSAGE, "a message is too long") }
        let Config { capacity, ahead, page, probe, copies, tau, secret } = config;
        ParameterError::new("capacity", capacity as f64, "keys", "1 to 2^30")
            .unless((1..=MOST).contains(&capacity))?;
        ParameterError::new("page", f64::from(page), "messages", "at least 1").unless(page >= 1)?;
        ParameterError::new("probe", f64::from(probe), "messages", "at least 1")
            .unless(probe >= 1)?;
        Ok(Self {
            store: Store::new(capacity, secret.0),
            clock: Clock::default(),
            recent: Recent::new(copies, tau),
            budget: Budget::new(page, probe),
            ahead,
            changes: 0,
        })
    }

    /// Takes an entry from outside a driver, such as a snapshot on disk, if it is newer than what
    /// is here. `wall` is the wall clock in microseconds since the Unix epoch. It is not told as an
    /// [`Event`], and is not news.
    pub fn restore(&mut self, entry: Update<I, KEY, VALUE>, wall: u64) -> Merged {
        self.take(entry, wall).0
    }

    /// The value of `key`, if it has one.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.store.get(key)?.value.as_deref()
    }

    /// Who last wrote or deleted `key`, and when.
    pub fn stamp(&self, key: &[u8]) -> Option<Stamp<I>> {
        self.store.get(key).map(|slot| slot.stamp)
    }

    /// All keys that have values, in their order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.prefix(b"")
    }

    /// All keys that begin with `prefix` and have values, in their order, with their values.
    pub fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.store.scan(prefix).filter_map(|slot| Some((&slot.key[..], slot.value.as_deref()?)))
    }

    /// All entries, deletions included: for a snapshot that [`restore`](Self::restore) takes back.
    pub fn entries(&self) -> impl Iterator<Item = Update<I, KEY, VALUE>> {
        self.store.scan(b"").filter_map(update)
    }

    /// How many keys have values.
    pub const fn len(&self) -> usize {
        self.store.live()
    }

    /// Whether no key has a value.
    pub const fn is_empty(&self) -> bool {
        self.store.live() == 0
    }

    /// How many deleted keys are remembered.
    pub const fn deleted(&self) -> usize {
        self.store.len() - self.store.live()
    }

    /// A digest of all keys, values and stamps, deletions included. Replicas with the same entries
    /// have the same one; with different entries, the same one with probability 2^-64.
    pub fn digest(&self) -> u64 {
        self.store.tree().digest()
    }

    fn take(&mut self, entry: Update<I, KEY, VALUE>, wall: u64) -> (Merged, Option<u32>) {
        let Update { key, stamp, value } = entry;
        if !self.clock.observe(&stamp, wall, self.ahead) {
            return (Merged::FarFuture, None);
        }
        let merged = self.store.merge(key.into_bytes(), stamp, value.map(Blob::into_bytes));
        self.changes = self.changes.wrapping_add(u64::from(merged.0 == Merged::Taken));
        merged
    }

    /// Takes what a peer sent.
    fn take_from(&mut self, from: I, entry: Update<I, KEY, VALUE>, cx: &mut impl Context<Self>) {
        let (key, stamp, deleted) = (entry.key.clone(), entry.stamp, entry.value.is_none());
        match self.take(entry, cx.wall()) {
            (Merged::Taken, Some(slot)) => {
                cx.emit(Event::Changed { key, stamp, deleted });
                self.note(slot, Some(from), cx);
            }
            (Merged::Taken | Merged::Known | Merged::Older, _) => {}
            (Merged::FarFuture, _) => cx.count("stamp too far ahead"),
            (Merged::Full, _) => cx.count("store full"),
            (Merged::Crowded, _) => cx.count("keys of one hash"),
        }
    }

    /// The entry in `slot` is news.
    fn note(&mut self, slot: u32, from: Option<I>, cx: &mut impl Local<Self>) {
        let micros = self.store.slot(slot).stamp.micros;
        if !self.recent.note(slot, micros, cx.wall(), from) {
            cx.count("news shed");
        }
    }

    /// Sends `to` the news that fits beside what is sent next.
    fn tell_news(&mut self, to: I, cx: &mut impl Context<Self>) {
        let Self { recent, store, .. } = self;
        let limit = cx.room(to).saturating_sub(BESIDE);
        let mut page = Page::new();
        recent.ride(
            to,
            cx.wall(),
            |slot| store.slot(slot).stamp.micros,
            |slot| update(store.slot(slot)).is_some_and(|entry| page.push_within(&entry, limit)),
        );
        if !page.is_empty() && self.budget.take(to, Kind::News) {
            cx.send(to, Message::Updates(page));
        }
    }

    /// Writes messages to `to` and sends them.
    fn answer(
        &mut self,
        to: I,
        cx: &mut impl Context<Self>,
        write: impl FnOnce(&mut Draft<'_, I, KEY, VALUE>),
    ) {
        let (draw, horizon) = (cx.rng().next_u64(), horizon(cx.wall(), self.ahead));
        let mut draft = Draft::new(&self.store, &mut self.budget, to, draw, horizon);
        write(&mut draft);
        let Done { messages, short, odd } = draft.finish();
        for message in messages {
            cx.send(to, message);
        }
        if short {
            cx.count("left for a later round");
        }
        for _ in 0..odd {
            cx.count("not of this tree");
        }
    }

    fn write(
        &mut self,
        key: Blob<KEY>,
        value: Option<Blob<VALUE>>,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        if self.store.is_full() && !self.store.knows(&key) {
            return Err(Refusal::Full { limit: self.store.len() });
        }
        let stamp = self.clock.stamp(cx.wall(), cx.me());
        let stamp = stamp.ok_or(Refusal::Invalid("the wall clock stands at the end of time"))?;
        match self.take(Update { key, stamp, value }, stamp.micros) {
            (Merged::Taken, Some(slot)) => self.note(slot, None, cx),
            _ => return Err(Refusal::Full { limit: LEAF }),
        }
        Ok(Receipt::default())
    }
}

/// Bytes kept for what follows the news in the same datagram: digests of the root's children, the
/// longer of the two, with their frame, and the page's own kind and length.
const BESIDE: usize = (1 + 4 + 1 + 33) + FRAME_OVERHEAD + 3;

impl<I: PeerId, const KEY: usize, const VALUE: usize> Protocol for Replica<I, KEY, VALUE> {
    type Id = I;
    type Message = Message<I, KEY, VALUE>;
    type Event = Event<I, KEY>;
    type Command = Command<KEY, VALUE>;

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, const KEY: usize, const VALUE: usize, D> Layer<D> for Replica<I, KEY, VALUE>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.budget.renew();
        let Some(to) = below.sample(cx.rng()).filter(|&peer| peer != cx.me()) else { return };
        self.tell_news(to, cx);
        cx.send(to, Message::Root(self.digest().to_le_bytes()));
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Root(digest) if u64::from_le_bytes(digest) == self.digest() => {}
            Message::Root(_) => {
                self.budget.open(from);
                self.tell_news(from, cx);
                self.answer(from, cx, |draft| draft.describe(Path::ROOT));
            }
            Message::Digests { salt, nodes } => {
                self.answer(from, cx, |draft| draft.compare(salt, &nodes));
            }
            Message::Lists { salt, lists } => {
                self.answer(from, cx, |draft| draft.settle(salt, &lists));
            }
            Message::Wants(wants) => self.answer(from, cx, |draft| draft.supply(&wants)),
            Message::Updates(page) => {
                page.iter().for_each(|entry| self.take_from(from, entry, cx));
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
            Command::Set { key, value } => self.write(key, Some(value), cx),
            Command::Delete { key } => self.write(key, None, cx),
        }
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> fmt::Debug for Replica<I, KEY, VALUE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("len", &self.len())
            .field("deleted", &self.deleted())
            .field("digest", &format_args!("{:016x}", self.digest()))
            .finish_non_exhaustive()
    }
}
