//! A replicated key-value store: every node writes alone, and all end with the last write.
//!
//! Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, *Epidemic algorithms
//! for replicated database maintenance*, PODC 1987, sections 1.1 (database), 1.3 (anti-entropy), 2
//! (death certificates).
//!
//! ```text
//! to write:         stamp it; it is news
//! once a round:     q = a random peer; send q the news that fits beside it, and the root digest
//!                   q refuses, since as many others came in this round as may: try another peer
//! on news:          take what is newer; it is news here too, while young
//! on a root digest: the same as ours: nothing. Else send our news, and the digests of the root's
//!                   children; the two go down the tree in turns, and send what is newer each way
//! once a round:     deletions activated more than tau1 ago are discarded, or dormant at the sites
//!                   that they name; after tau2 more, there too
//! a dormant deletion meets an older write: it is active again, from now on
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
//! - A certificate younger than tau1 by one clock and older by another is sent in vain while the
//!   clocks disagree. Who sees it as older does not take it back.
//! - A replica that comes back with a state older than `tau1 + tau2` sets aside what may have been
//!   deleted meanwhile, and gets anew what peers still have; the paper leaves such sites to their
//!   operators. What exactly holds is said at [`Replica::rejoin`].

use core::fmt;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use gossip_core::stack::FRAME_OVERHEAD;
use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Time, Wire,
};

use crate::budget::{Budget, Kind};
pub use crate::command::{Command, Event};
use crate::compare::UnderWay;
pub use crate::config::{Config, Secret};
use crate::descent::{Done, Draft, update};
use crate::graves::Kept;
use crate::merge::{Join, Merge};
use crate::message::{Message, State, Update};
use crate::page::{MESSAGE, PAGE, Page};
use crate::path::Path;
use crate::recent::Recent;
use crate::seal::Seal;
use crate::signed::Writers;
use crate::sketches::Sketches;
use crate::stamp::{Clock, horizon};
use crate::store::{Held, Merged, Store};

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
    pub(crate) store: Store<I>,
    pub(crate) clock: Clock,
    pub(crate) recent: Recent<I>,
    pub(crate) budget: Budget<I>,
    /// Messages in an exchange: of entries, and of each other kind.
    pub(crate) page: u16,
    pub(crate) probe: u16,
    /// How long a first answer may take.
    pub(crate) patience: Duration,
    /// The number of the last change before everything here was equal to somebody else's.
    pub(crate) settled: u64,
    pub(crate) under_way: Option<UnderWay<I, KEY, VALUE>>,
    /// Partners that may still be tried in this round, and in any.
    hunts: u8,
    hunt: u8,
    ahead: Duration,
    /// How long all keep a certificate, and how long anybody does.
    pub(crate) retention: [u64; 2],
    pub(crate) sites: u8,
    /// When a peer was last heard.
    pub(crate) heard: Option<Time>,
    /// Prefixes of which changes are told; none: all.
    pub(crate) prefixes: Option<BTreeSet<Box<[u8]>>>,
    /// Who may write what, where entries must be signed.
    pub(crate) writers: Option<Arc<dyn Writers<I>>>,
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
        Self::build(config, None)
    }

    /// An empty replica whose values merge; the same at all replicas of a group. Its keys cannot be
    /// deleted: see [`Merge`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn merging<M: Merge>(config: Config) -> Result<Self, ParameterError> {
        Self::build(config, Some(M::merge))
    }

    pub(crate) fn build(config: Config, join: Option<Join>) -> Result<Self, ParameterError> {
        const { assert!(Update::<I, KEY, VALUE>::MAX_LEN <= PAGE, "key and value are too long") }
        const { assert!(Message::<I, KEY, VALUE>::MAX_LEN <= MESSAGE, "a message is too long") }
        config.check()?;
        let mut store = Store::new(config.capacity, config.secret.0, join, VALUE);
        store.sketches = config.sketches.then(Sketches::default);
        Ok(Self {
            store,
            clock: Clock::default(),
            recent: Recent::new(config.copies, config.tau),
            budget: Budget::new(config.page, config.probe, usize::from(config.limit)),
            page: config.page,
            probe: config.probe,
            patience: config.patience,
            settled: 0,
            under_way: None,
            hunts: 0,
            hunt: config.hunt,
            ahead: config.ahead,
            retention: config.retention(),
            sites: config.sites,
            heard: None,
            prefixes: None,
            writers: None,
        })
    }

    /// Takes an entry from outside a driver, such as a snapshot on disk, if it is newer than what
    /// is here. The owner vouches for it: it is sealed anew; a signature is its origin's affair.
    /// `wall` is the wall clock in microseconds since the Unix epoch. It is not told as an
    /// [`Event`], and is not news.
    pub fn restore(&mut self, entry: Update<I, KEY, VALUE>, wall: u64) -> Merged {
        let settled = self.is_settled();
        if !self.is_proven(&entry) {
            return Merged::Unsigned;
        }
        let merged = self.take(entry.sealed(self.store.secret()), wall, None).0;
        if settled {
            self.settle();
        }
        merged
    }

    /// Takes an entry at `wall`; `me` is known where a driver calls.
    pub(crate) fn take(
        &mut self,
        entry: Update<I, KEY, VALUE>,
        wall: u64,
        me: Option<I>,
    ) -> (Merged, Option<u32>) {
        let seal = Seal::of(&entry);
        let Update { key, stamp, state, .. } = entry;
        let state = match state {
            State::Value(value) => Held::Value(value.into_bytes()),
            State::Deleted(mut grave) => {
                grave.activated = grave.activated.max(stamp.micros);
                Held::Deleted(Box::new(grave))
            }
        };
        let activated = state.grave().map_or(0, |grave| grave.activated);
        if activated > horizon(wall, self.ahead) || !self.clock.observe(&stamp, wall, self.ahead) {
            return (Merged::FarFuture, None);
        }
        self.store.settle(&key, stamp);
        let expired = activated < wall.saturating_sub(self.retention[0]);
        if let (Some(grave), Some(me), true) = (state.grave(), me, expired)
            && self.store.find(&key).is_none()
        {
            let kept = self.bury(&key, (stamp, grave.clone(), seal), wall, me);
            return (if kept { Merged::Expired } else { Merged::Full }, None);
        }
        match self.store.dormant.stamp(&key) {
            Some(dormant) if dormant > stamp => return (Merged::Older, self.awaken(&key, wall)),
            Some(_) => drop(self.store.dormant.remove(&key)),
            None => {}
        }
        self.store.merge(key.into_bytes(), stamp, state, seal)
    }

    /// A certificate that everybody discards is dormant here, if it names this site. Returns false
    /// if there is no room for it.
    fn bury(&mut self, key: &[u8], certificate: Kept<I>, wall: u64, me: I) -> bool {
        let grave = &certificate.1;
        let young = grave.activated >= wall.saturating_sub(self.retention[1]);
        let kept = young && grave.sites.contains(&me);
        let room = !self.store.is_full();
        if kept && room {
            self.store.dormant.insert(key, certificate);
        }
        room || !kept
    }

    /// Makes a dormant certificate active again: with its own stamp, so that what was written after
    /// it stays.
    fn awaken(&mut self, key: &[u8], wall: u64) -> Option<u32> {
        let (stamp, mut grave, seal) = self.store.dormant.remove(key)?;
        grave.activated = grave.activated.saturating_add(1).max(wall);
        let state = Held::Deleted(Box::new(grave.clone()));
        let (merged, slot) = self.store.merge(key.into(), stamp, state, seal.clone());
        if merged != Merged::Taken {
            self.store.dormant.insert(key, (stamp, grave, seal));
            return None;
        }
        slot
    }

    /// Discards certificates that are old enough, or makes them dormant.
    fn discard(&mut self, cx: &mut impl Local<Self>) {
        let (wall, me) = (cx.wall(), cx.me());
        let [active, dormant] = self.retention.map(|span| wall.saturating_sub(span));
        while let Some(slot) = self.store.first_grave(active) {
            let entry = self.store.slot(slot).clone();
            self.store.remove(slot);
            self.recent.forget(slot);
            if let Held::Deleted(grave) = entry.state
                && !self.bury(&entry.key, (entry.stamp, *grave, entry.seal), wall, me)
            {
                cx.count("certificate not kept");
            }
        }
        self.store.dormant.expire(dormant);
    }

    /// Takes what a peer sent, and says what became of it; nothing, if it is damaged.
    pub(crate) fn take_from(
        &mut self,
        from: I,
        entry: Update<I, KEY, VALUE>,
        cx: &mut impl Context<Self>,
    ) -> Option<Merged> {
        if !entry.is_sound(self.store.secret()) {
            cx.count("damaged entry");
            return None;
        }
        let proven = self.is_proven(&entry);
        let (key, stamp, deleted) = (entry.key.clone(), entry.stamp, entry.value().is_none());
        let dormant = self.store.dormant.stamp(&key);
        let refused = (Merged::Unsigned, None);
        let (merged, slot) =
            if proven { self.take(entry, cx.wall(), Some(cx.me())) } else { refused };
        match (merged, slot) {
            (Merged::Taken, Some(slot)) => {
                if self.is_told(&key) {
                    cx.emit(Event::Changed { key, stamp, deleted });
                }
                self.note(slot, Some(from), cx);
            }
            (Merged::Older, Some(slot)) if dormant.is_some() => {
                cx.count("awakened");
                self.note(slot, None, cx);
            }
            (Merged::Taken | Merged::Known | Merged::Older | Merged::Outdated, _) => {}
            (Merged::Unsigned, _) => cx.count("entry not signed"),
            (Merged::Expired, _) => cx.count("discarded already"),
            (Merged::Invalid, _) => cx.count("value not merged"),
            (Merged::FarFuture, _) => cx.count("stamp too far ahead"),
            (Merged::Full, _) => cx.count("store full"),
            (Merged::Crowded, _) => cx.count("keys of one hash"),
        }
        Some(merged)
    }

    fn is_told(&self, key: &[u8]) -> bool {
        let prefixes = self.prefixes.as_ref();
        prefixes.is_none_or(|prefixes| prefixes.iter().any(|prefix| key.starts_with(prefix)))
    }

    /// The entry in `slot` is news.
    pub(crate) fn note(&mut self, slot: u32, from: Option<I>, cx: &mut impl Local<Self>) {
        let micros = self.store.slot(slot).since();
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
            |slot| store.slot(slot).since(),
            |slot| update(store.slot(slot)).is_some_and(|entry| page.push_within(&entry, limit)),
        );
        if !page.is_empty() && self.budget.take(to, Kind::News) {
            cx.send(to, Message::Updates(page));
        }
    }

    /// A partner refuses: asks another, while hunts are left in this round.
    fn try_another<D>(&mut self, below: &D, refused: I, cx: &mut impl Context<Self>)
    where
        D: Peers<Id = I>,
    {
        let Some(left) = self.hunts.checked_sub(1) else { return cx.count("no partner found") };
        self.hunts = left;
        let (me, drawn) = (cx.me(), below.sample(cx.rng()));
        if let Some(to) = drawn.filter(|&peer| peer != me && peer != refused) {
            cx.send(to, Message::Root(self.digest().to_le_bytes()));
        }
    }

    /// Writes messages to `to`.
    pub(crate) fn draft(
        &mut self,
        to: I,
        cx: &mut impl Context<Self>,
        write: impl FnOnce(&mut Draft<'_, I, KEY, VALUE>),
    ) -> Done<I, KEY, VALUE> {
        let (draw, horizon) = (cx.rng().next_u64(), horizon(cx.wall(), self.ahead));
        let mut draft = Draft::new(&self.store, &mut self.budget, to, draw, horizon);
        write(&mut draft);
        draft.finish()
    }

    /// Writes messages to `to` and sends them.
    pub(crate) fn answer(
        &mut self,
        to: I,
        cx: &mut impl Context<Self>,
        write: impl FnOnce(&mut Draft<'_, I, KEY, VALUE>),
    ) {
        let Done { messages, short, odd } = self.draft(to, cx, write);
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
        self.store.changed()
    }

    fn wake_at(&self) -> Time {
        self.under_way.as_ref().map_or(Time::NEVER, UnderWay::due)
    }
}

impl<I, const KEY: usize, const VALUE: usize, D> Layer<D> for Replica<I, KEY, VALUE>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.budget.renew();
        self.hunts = self.hunt;
        self.discard(cx);
        let Some(to) = below.sample(cx.rng()).filter(|&peer| peer != cx.me()) else { return };
        self.tell_news(to, cx);
        if self.is_settled() || !self.compare(to, cx) {
            cx.send(to, Message::Root(self.digest().to_le_bytes()));
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.wake(cx);
    }

    fn on_unreachable(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        self.is_descending(peer);
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        self.end_silence(cx);
        match message {
            Message::Root(digest) | Message::Compare { digest, .. }
                if u64::from_le_bytes(digest) == self.digest() =>
            {
                self.settle();
            }
            Message::Root(_) | Message::Compare { .. } if !self.budget.open(from) => {
                cx.count("exchange refused");
                cx.send(from, Message::Busy);
            }
            Message::Root(_) => {
                self.tell_news(from, cx);
                if self.under_way.is_some() || !self.compare(from, cx) {
                    self.answer(from, cx, |draft| draft.describe(Path::ROOT));
                }
            }
            Message::Compare { of, ask, .. } => self.on_compare(from, of, &ask, cx),
            Message::Sketch(frame) => self.on_sketch(from, &frame, cx),
            Message::Fetch { of, more, halves } => self.on_fetch(from, of, more, &halves, cx),
            Message::Entries { of, number, left, page } => {
                self.on_entries(from, (of, number, left), &page, cx);
            }
            Message::Got { of, number, before } => self.on_got(from, of, [number, before], cx),
            Message::Copied(of) => self.on_copied(from, of, cx),
            Message::Digests { salt, nodes } => {
                self.is_descending(from);
                self.answer(from, cx, |draft| draft.compare(salt, &nodes));
            }
            Message::Lists { salt, lists } => {
                self.answer(from, cx, |draft| draft.settle(salt, &lists));
            }
            Message::Busy => {
                self.is_descending(from);
                self.try_another(below, from, cx);
            }
            Message::Wants(wants) => self.answer(from, cx, |draft| draft.supply(&wants)),
            Message::Updates(page) => {
                for entry in page.iter() {
                    self.take_from(from, entry, cx);
                }
            }
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.obey(below, command, cx)
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
