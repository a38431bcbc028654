//! A set that every node adds to, and that all end with whole: sets made equal by their sketches.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 1.3
//! (anti-entropy, checksum first); Yang, Gilad, Alizadeh, *Practical rateless set reconciliation*,
//! SIGCOMM 2024.
//!
//! ```text
//! once a round:      q = a random peer; send q our digest
//! on a digest:       ours is another: open a session with its sender, unless one is under way
//! on a question:     answer it out of our sketches
//! on an answer:      hand it to the session; send what it asks next
//! the difference is known:  send what only we have, ask for what only the other side has
//! the session failed, or the digests differ and no identifier does:  again, under a random salt
//! ```
//!
//! # What holds
//!
//! Equal sets have equal digests, and a round between them costs one message of 25 bytes. Sets that
//! differ in up to 115 elements tell by one datagram which, up to 14,000 by 13 to 16 bytes an
//! element; a round trip, then the elements. An element taken twice is one: loss, duplication and
//! reordering delay. Two sets of one digest are equal but for a probability of 2^-128, if nobody
//! who
//! knows the secret has searched for elements whose fingerprints add up.
//!
//! Traffic is [bounded](Config::traffic) for each round; a node has one session under way. A salt
//! costs a pass over the whole set, and is granted once in [`REST`] rounds.
//!
//! # Deviations from the paper
//!
//! - Who notices the difference learns it, pushes and pulls; the other side remembers nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use gossip_core::wire::{Blob, Bounded, TooLarge};
use gossip_core::{
    Context, Layer, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Round, Wire, message,
};

mod elements;

use crate::page::{MESSAGE, PAGE, Page};
use crate::reconcile::End;
use crate::replica::Secret;
use crate::sketch::digest::Digest;
use crate::sketch::wire::{Ask, Frame};
use crate::sketch::{Difference, Session, SetSketch, Step, answer};
use elements::Elements;

/// Rounds between two salts. Our choice.
pub const REST: Round = 16;

/// Identifiers that are asked for in one message.
pub const WANTS: usize = 128;

/// Parameters of a [`Union`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The most elements. When they are there, new ones are refused, those of the owner with
    /// [`Refusal::Full`], those of peers counted as `set full`.
    pub capacity: usize,
    /// The most messages of cells that answer one question.
    pub window: u16,
    /// The most messages of sketches and elements that are sent in one round.
    pub traffic: u16,
    /// Keys the fingerprints; the same at all nodes.
    pub secret: Secret,
}

impl Default for Config {
    /// All our choice: 2^20 elements; windows of 64 messages, which are 72 kB; 512 messages a
    /// round.
    fn default() -> Self {
        Self { capacity: 1 << 20, window: 64, traffic: 512, secret: Secret::default() }
    }
}

message! {
    /// What a node says to another.
    #[derive(PartialEq)]
    pub enum Message<const ELEMENT: usize> {
        /// Opens a round: the digest of everything. No answer means that it is the same.
        Digest([u8; Digest::LEN]),
        /// A session's question.
        Ask(Ask),
        /// A session's answer.
        Frame(Frame),
        /// Send the elements with these identifiers.
        Wants {
            /// The salt of the identifiers.
            salt: u64,
            /// The identifiers, little-endian.
            ids: Bounded<[u8; 8], WANTS>,
        },
        /// Elements.
        Elements(Page<Blob<ELEMENT>, PAGE>),
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<const ELEMENT: usize> {
        /// The set has this element from now on.
        Insert(Blob<ELEMENT>),
    }
}

impl<const ELEMENT: usize> Command<ELEMENT> {
    /// Inserts `element`.
    ///
    /// # Errors
    ///
    /// If it is too long; the error names the limit.
    pub fn insert(element: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Insert(Blob::new(element)?))
    }
}

/// What a node tells its owner.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<const ELEMENT: usize> {
    /// An element has come from a peer.
    Gained(Blob<ELEMENT>),
}

/// The session under way.
#[derive(Clone)]
struct UnderWay<I> {
    with: I,
    session: Session,
    /// Whether something has come since the last round.
    heard: bool,
}

/// A set of elements of up to `ELEMENT` bytes, the union of what all nodes insert.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_entropy::union::{Command, Union};
///
/// stack! {
///     /// A set over a random overlay.
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 8>,
///         #[uses(peers)]
///         set: Union<I, 32>,
///     }
/// }
/// # type Asked = <Node<u32> as gossip_core::Protocol>::Command;
///
/// let (peers, set) = (Cyclon::new(Default::default())?, Union::new(Default::default())?);
/// let mut sim = Simulation::new(
///     (0..20).map(|_| Node::new(peers.clone(), set.clone())).collect::<Vec<_>>(),
///     7,
///     Order::Sequential,
/// );
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.command(3, Asked::set(Command::insert("a")?))?;
/// sim.command(9, Asked::set(Command::insert("b")?))?;
/// sim.run(20);
/// assert!(sim.nodes().all(|(_, node)| node.set.contains(b"a") && node.set.len() == 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Union<I: PeerId, const ELEMENT: usize> {
    elements: Elements,
    config: Config,
    under_way: Option<UnderWay<I>>,
    /// Messages that may still be sent in this round.
    left: u16,
    /// When the last salt was granted.
    salted: Option<Round>,
    changes: u64,
}

impl<I: PeerId, const ELEMENT: usize> Union<I, ELEMENT> {
    /// The empty set.
    ///
    /// Elements that do not fit a message do not compile.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        const { assert!(Blob::<ELEMENT>::MAX_LEN <= PAGE, "an element is too long") }
        const { assert!(Message::<ELEMENT>::MAX_LEN <= MESSAGE, "a message is too long") }
        let Config { capacity, window, traffic, secret } = config;
        ParameterError::new("capacity", capacity as f64, "elements", "at least 1")
            .unless(capacity >= 1)?;
        ParameterError::new("window", f64::from(window), "messages", "at least 1")
            .unless(window >= 1)?;
        ParameterError::new("traffic", f64::from(traffic), "messages", "more than the window")
            .unless(traffic > window)?;
        let elements = Elements::new(secret);
        Ok(Self { elements, config, under_way: None, left: traffic, salted: None, changes: 0 })
    }

    /// Adds an element from outside a driver, such as a snapshot on disk; false if it is there
    /// already, or the set is full.
    pub fn restore(&mut self, element: Blob<ELEMENT>) -> bool {
        self.elements.len() < self.config.capacity && self.insert(element.into_bytes())
    }

    /// Whether an element is there.
    pub fn contains(&self, element: &[u8]) -> bool {
        self.elements.contains(element)
    }

    /// All elements, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.elements.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.len() == 0
    }

    /// By which equal sets know each other.
    pub fn digest(&self) -> Digest {
        self.elements.sketch(0).map_or_else(Digest::default, SetSketch::digest)
    }

    fn insert(&mut self, element: Box<[u8]>) -> bool {
        let Some((id, salted)) = self.elements.insert(element) else { return false };
        self.changes = self.changes.wrapping_add(1);
        // A session goes on with the set as it now is.
        if let Some(UnderWay { session, .. }) = &mut self.under_way {
            let salt = session.salt();
            let of_salt = salted.filter(|&(present, _)| present == salt).map(|(_, id)| id);
            let id = if salt == 0 { Some(id) } else { of_salt };
            if let (Some(id), Some(sketch)) = (id, self.elements.sketch(salt)) {
                session.changed(sketch, id);
            }
        }
        true
    }

    /// Sends a message, if this round has room for it.
    fn say(&mut self, to: I, message: Message<ELEMENT>, cx: &mut impl Context<Self>) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            cx.count("left for a later round");
            return false;
        };
        self.left = left;
        cx.send(to, message);
        true
    }

    /// Makes the sketches of `salt` if there are none and it is time; false if there are none.
    fn grant(&mut self, salt: u64, cx: &mut impl Context<Self>) -> bool {
        if self.elements.sketch(salt).is_some() {
            return true;
        }
        let rested = self.salted.is_none_or(|last| cx.round().saturating_sub(last) >= REST);
        if !rested {
            cx.count("salt refused");
            return false;
        }
        self.salted = Some(cx.round());
        self.elements.salt(salt);
        true
    }

    fn open(&mut self, with: I, salt: u64, cx: &mut impl Context<Self>) {
        let Some(sketch) = self.elements.sketch(salt) else { return };
        let (session, ask) = Session::open(sketch, salt, cx.rng().next_u64());
        self.under_way = Some(UnderWay { with, session, heard: false });
        self.say(with, Message::Ask(ask), cx);
    }

    /// Does what the session says.
    fn step(&mut self, step: Step, cx: &mut impl Context<Self>) {
        let Some(UnderWay { with, session, .. }) = &self.under_way else { return };
        let (with, salt) = (*with, session.salt());
        match step {
            Step::Wait => {}
            Step::Ask(ask) => {
                self.say(with, Message::Ask(ask), cx);
            }
            Step::Done(difference) => {
                self.under_way = None;
                if difference == Difference::default() {
                    // The digests differ, and no identifier does.
                    self.resalt(with, cx);
                } else {
                    self.exchange(with, salt, &difference, cx);
                }
            }
            Step::Ended(end) => {
                self.under_way = None;
                cx.count(match end {
                    End::TooMany => "too many differences",
                    End::Inconsistent => "inconsistent sketches",
                    End::Silent => "session unanswered",
                    End::Restless => "set too restless",
                });
                if end == End::Inconsistent {
                    self.resalt(with, cx);
                }
            }
        }
    }

    /// Opens a session under another salt.
    fn resalt(&mut self, with: I, cx: &mut impl Context<Self>) {
        let salt = cx.rng().next_u64() | 1;
        if self.grant(salt, cx) {
            self.open(with, salt, cx);
        }
    }

    /// Sends what only we have, asks for what only `with` has.
    fn exchange(
        &mut self,
        with: I,
        salt: u64,
        difference: &Difference,
        cx: &mut impl Context<Self>,
    ) {
        for ids in difference.theirs.chunks(WANTS) {
            let mut wanted = Bounded::new();
            wanted.fill(ids.iter().map(|id| id.to_le_bytes()));
            if !self.say(with, Message::Wants { salt, ids: wanted }, cx) {
                return;
            }
        }
        self.supply(with, salt, difference.ours.iter().copied(), cx);
    }

    /// Sends elements in pages.
    fn supply(
        &mut self,
        to: I,
        salt: u64,
        ids: impl Iterator<Item = u64>,
        cx: &mut impl Context<Self>,
    ) {
        let mut pages: Vec<Page<Blob<ELEMENT>, PAGE>> = Vec::new();
        'all: for id in ids {
            for element in self.elements.at(salt, id) {
                let Ok(element) = Blob::new(element) else { continue };
                if pages.last_mut().is_some_and(|page| page.push(&element)) {
                    continue;
                }
                if pages.len() >= usize::from(self.left) {
                    break 'all;
                }
                let mut page = Page::new();
                page.push(&element);
                pages.push(page);
            }
        }
        for page in pages {
            self.say(to, Message::Elements(page), cx);
        }
    }

    fn reply(&mut self, to: I, ask: &Ask, cx: &mut impl Context<Self>) {
        if !self.grant(ask.salt, cx) {
            return;
        }
        let most = usize::from(self.config.window.min(self.left));
        let Some(sketch) = self.elements.sketch(ask.salt) else { return };
        for frame in answer(sketch, ask, most) {
            self.say(to, Message::Frame(frame), cx);
        }
    }

    fn hear(&mut self, from: I, frame: &Frame, cx: &mut impl Context<Self>) {
        let asked = self.under_way.as_mut().filter(|under_way| {
            under_way.with == from && under_way.session.nonce() == frame.nonce()
        });
        let Some(UnderWay { session, heard, .. }) = asked else {
            // Honest, too: what was still under way when the difference was known.
            cx.count("answer without question");
            return;
        };
        *heard = true;
        let salt = session.salt();
        let Some(sketch) = self.elements.sketch(salt) else { return };
        let is_ours = |id| self.elements.at(salt, id).next().is_some();
        let step = session.take(sketch, frame, is_ours);
        self.step(step, cx);
    }

    /// Asks again, if nothing has come for a round.
    fn press(&mut self, cx: &mut impl Context<Self>) {
        let Some(UnderWay { session, heard, .. }) = &mut self.under_way else { return };
        if core::mem::take(heard) {
            return;
        }
        match self.elements.sketch(session.salt()) {
            Some(sketch) => {
                let step = session.silence(sketch);
                self.step(step, cx);
            }
            None => self.under_way = None,
        }
    }
}

impl<I: PeerId, const ELEMENT: usize> Protocol for Union<I, ELEMENT> {
    type Id = I;
    type Message = Message<ELEMENT>;
    type Event = Event<ELEMENT>;
    type Command = Command<ELEMENT>;

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, const ELEMENT: usize, D> Layer<D> for Union<I, ELEMENT>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.left = self.config.traffic;
        let rested = self.salted.is_some_and(|last| cx.round().saturating_sub(last) >= REST);
        if rested && self.under_way.as_ref().is_none_or(|one| one.session.salt() == 0) {
            self.elements.unsalt();
        }
        self.press(cx);
        let Some(to) = below.sample(cx.rng()).filter(|&peer| peer != cx.me()) else { return };
        cx.send(to, Message::Digest(self.digest().to_bytes()));
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Digest(theirs) => {
                if theirs != self.digest().to_bytes() && self.under_way.is_none() {
                    self.open(from, 0, cx);
                }
            }
            Message::Ask(ask) => self.reply(from, &ask, cx),
            Message::Frame(frame) => self.hear(from, &frame, cx),
            Message::Wants { salt, ids } => {
                self.supply(from, salt, ids.iter().map(|id| u64::from_le_bytes(*id)), cx);
            }
            Message::Elements(page) => {
                for element in page.iter() {
                    if self.contains(&element) {
                        continue;
                    }
                    if self.restore(element.clone()) {
                        cx.emit(Event::Gained(element));
                    } else {
                        cx.count("set full");
                    }
                }
            }
        }
    }

    fn on_unreachable(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        if self.under_way.as_ref().is_some_and(|under_way| under_way.with == peer) {
            self.under_way = None;
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Self::Command,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let Command::Insert(element) = command;
        if self.contains(&element) || self.restore(element) {
            Ok(Receipt::default())
        } else {
            Err(Refusal::Full { limit: self.config.capacity })
        }
    }
}

impl<I: PeerId, const ELEMENT: usize> fmt::Debug for Union<I, ELEMENT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Union")
            .field("len", &self.len())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
