//! Blobs: what is too large for a datagram, named by its content, fetched in chunks by who wants it
//! from random peers that have it.
//!
//! Cohen, *Incentives build robustness in BitTorrent*, P2PEcon 2003: what is large is cut, known by
//! hashes, and comes from whoever has it.
//!
//! An application stores a [`Reference`] as a value of a [`Replica`](crate::Replica) beside this
//! layer, and wants the references that it reads there.
//!
//! ```text
//! put(b):            keep b under its reference: its length and its hash
//! want(r):           fetch r
//! while r is wanted: seek a random peer that has r, up to `hunt` in a round
//! on a seek:         have it? answer with a token for the address that asks; else: lacks
//! on a token:        ask for the first `window` chunks that are missing, with a bit for each
//! on an ask:         its token is right, and it is no copy: send these chunks, as far as the
//!                        round's traffic allows
//! on a chunk:        asked for, and as long as it must be: keep it
//!                        all asked for are here: ask for the next
//!                        all are here: hash them; right: serve r from now on
//!                                      wrong: throw all away, and do without who sent it
//! nothing comes:     half came: ask again for what is missing; else seek another peer
//! ```
//!
//! # What holds
//!
//! - What is delivered has the length and the hash of its reference, whoever sent it. A blob is
//!   delivered once. What came stays when its sender dies, and another is asked for the rest.
//! - Of k chunks over links that lose p, about k / (1 - p) are sent, and each loss costs two trips.
//! - An address that has not shown its token is sent less than came from it, so nobody can be made
//!   to flood another. Who has, gets at most `window` chunks for a question, and half of `traffic`
//!   in a round; copies of a question, in its round and the next, get nothing.
//! - Blobs and what is reserved for those that are wanted take at most `capacity` bytes, with
//!   [`OVERHEAD`] for each. At the bound nothing gives way: what does not fit is refused until the
//!   owner [forgets](Command::Forget) something. A length that is not of any blob is refused before
//!   anything is reserved, and memory is taken only by bytes that came; while a blob is put
//!   together, by as many again.
//! - A peer that sends what is wrong is not asked for that blob again. If several had sent chunks
//!   of it, it comes of one peer at a time from then on, so that the next to lie is known. A fetch
//!   that meets [`LIARS`] of them fails; so does one for which nothing comes in `rounds` rounds.
//!
//! The hash is of 128 bits of SHA-256, keyed by [`Secret`](crate::Secret): nobody, a member
//! included, can make another blob with the reference of one that is there. Who makes both can find
//! two with one reference by 2^64 trials. A peer that serves half of each question keeps being
//! asked, however slow it is.
//!
//! # Deviations from the paper
//!
//! - A blob is checked as a whole, not by the piece: its reference stays small.
//! - Only whole blobs are served, in order, of one peer at a time: no rarest pieces, no choking and
//!   no tit for tat.
//! - There is no tracker: random peers are asked, about n / `hunt` rounds if one of n has it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt;

use gossip_core::wire::Blob;
use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Round, Time,
    Wire,
};

mod config;
mod fetch;
pub mod message;
mod serve;

use crate::page::MESSAGE;
pub use config::Config;
use fetch::{Came, Fetch, Question};
pub use message::{CHUNK, Command, Event, Message, Reference, SPAN};
use serve::Serving;

/// Bytes that a blob counts beside its own.
pub const OVERHEAD: usize = 64;

/// Peers that may send what is wrong before a blob is given up. Our choice.
pub const LIARS: usize = 8;

/// Blobs of up to `BYTES` bytes over any [`Peers`].
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, Wire, stack};
/// use gossip_entropy::blobs::{self, Blobs, Reference};
/// use gossip_entropy::{Command, Replica};
///
/// stack! {
///     /// Names of pictures that everybody knows, and pictures that some have.
///     #[derive(Clone)]
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 8>,
///         #[uses(peers)]
///         names: Replica<I, 16, 26>,
///         #[uses(peers)]
///         pictures: Blobs<I, 100_000>,
///     }
/// }
/// # type Asked = <Node<u32> as gossip_core::Protocol>::Command;
///
/// let (peers, names) = (Cyclon::new(Default::default())?, Replica::new(Default::default())?);
/// let node = Node::new(peers, names, Blobs::new(Default::default())?);
/// let mut sim = Simulation::new(vec![node; 20], 7, Order::Sequential);
/// (1..20).for_each(|node| sim.contact(node, 0));
///
/// let (picture, mut value) = ([7; 50_000], Vec::new());
/// Reference::of(&picture, Default::default()).encode(&mut value);
/// sim.command(3, Asked::pictures(blobs::Command::put(&picture)?))?;
/// sim.command(3, Asked::names(Command::set("me", value)?))?;
/// sim.run(20);
///
/// let node = sim.node(9).ok_or("gone")?;
/// let reference = Reference::decode_all(node.names.get(b"me").ok_or("unknown")?)?;
/// sim.command(9, Asked::pictures(blobs::Command::Want(reference)))?;
/// sim.run(20);
/// let node = sim.node(9).ok_or("gone")?;
/// assert_eq!(node.pictures.get(reference), Some(&picture[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Blobs<I: PeerId, const BYTES: usize> {
    config: Config,
    held: BTreeMap<Reference, Box<[u8]>>,
    /// What is wanted, in the order in which it was; the first ones are being fetched.
    wants: BTreeMap<u64, Fetch<I>>,
    wanted: u64,
    /// Bytes that are held or reserved.
    used: usize,
    serving: Serving<I>,
    changes: u64,
}

impl<I: PeerId, const BYTES: usize> Blobs<I, BYTES> {
    /// No blobs.
    ///
    /// Blobs of more than 65,535 chunks do not compile.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        const { assert!(BYTES.div_ceil(CHUNK) <= u16::MAX as usize, "a blob is too long") }
        const { assert!(Message::MAX_LEN <= MESSAGE, "a message is too long") }
        config.check()?;
        Ok(Self {
            config,
            held: BTreeMap::new(),
            wants: BTreeMap::new(),
            wanted: 0,
            used: 0,
            serving: Serving::new(config.traffic),
            changes: 0,
        })
    }

    /// Keeps a blob, and serves it: as [`Command::Put`], outside a driver.
    ///
    /// # Errors
    ///
    /// If it is empty or too long, or there is no room for it.
    pub fn put(&mut self, bytes: &[u8]) -> Result<Reference, Refusal> {
        let reference = Reference::of(bytes, self.config.secret);
        if !self.held.contains_key(&reference) {
            if !self.unwant(reference) {
                self.reserve(reference)?;
            }
            self.keep(reference, bytes.into());
        }
        Ok(reference)
    }

    /// The blob of this name, if it is here, whole.
    pub fn get(&self, reference: Reference) -> Option<&[u8]> {
        self.held.get(&reference).map(|bytes| &**bytes)
    }

    /// Names of all that is here.
    pub fn iter(&self) -> impl Iterator<Item = Reference> {
        self.held.keys().copied()
    }

    /// How many blobs are wanted.
    pub fn wanted(&self) -> usize {
        self.wants.len()
    }

    /// Bytes that count against [`Config::capacity`].
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Makes room for a blob.
    fn reserve(&mut self, reference: Reference) -> Result<(), Refusal> {
        let len = usize::try_from(reference.len).unwrap_or(usize::MAX);
        if len == 0 {
            return Err(Refusal::Invalid("a blob has at least 1 byte"));
        }
        if len > BYTES {
            return Err(Refusal::TooLarge { len, limit: BYTES });
        }
        let limit = self.config.capacity;
        if len + OVERHEAD > limit.saturating_sub(self.used) {
            return Err(Refusal::Full { limit });
        }
        self.used += len + OVERHEAD;
        Ok(())
    }

    /// What was held or reserved for a blob is free.
    fn release(&mut self, reference: Reference) {
        self.used -= reference.len as usize + OVERHEAD;
        self.changes += 1;
    }

    fn keep(&mut self, reference: Reference, bytes: Box<[u8]>) {
        self.held.insert(reference, bytes);
        self.changes += 1;
    }

    /// The place of what is wanted.
    fn place(&self, reference: Reference) -> Option<u64> {
        self.wants.iter().find(|(_, fetch)| fetch.reference == reference).map(|(&place, _)| place)
    }

    /// Fetches it no longer; false if it was not wanted. What is reserved for it stays so.
    fn unwant(&mut self, reference: Reference) -> bool {
        self.place(reference).and_then(|place| self.wants.remove(&place)).is_some()
    }

    fn want(&mut self, reference: Reference, cx: &mut impl Local<Self>) -> Result<(), Refusal> {
        if self.held.contains_key(&reference) {
            cx.emit(Event::Fetched(reference));
        } else if self.place(reference).is_none() {
            self.reserve(reference)?;
            self.wants.insert(self.wanted, Fetch::new(reference, self.config.hunt));
            self.wanted += 1;
        }
        Ok(())
    }

    fn forget(&mut self, reference: Reference) {
        if self.held.remove(&reference).is_some() || self.unwant(reference) {
            self.release(reference);
        }
    }

    /// What is being fetched.
    fn active(&self) -> impl Iterator<Item = (u64, &Fetch<I>)> {
        self.wants.iter().take(self.config.fetches).map(|(&place, fetch)| (place, fetch))
    }

    /// The fetch that asked `from` this question.
    fn asked(&self, from: I, number: u32) -> Option<(u64, &Question<I>)> {
        self.active().find_map(|(place, fetch)| Some((place, fetch.asked(from, number)?)))
    }

    fn due(&self, now: Time) -> Option<u64> {
        self.active().find(|(_, fetch)| fetch.due <= now).map(|(place, _)| place)
    }

    /// Does what is due.
    fn advance<D: Peers<Id = I>>(&mut self, below: &D, cx: &mut impl Context<Self>) {
        // Each leaves with a deadline that is later, or for good.
        while let Some(place) = self.due(cx.now()) {
            let Some(fetch) = self.wants.get_mut(&place) else { return };
            let since = *fetch.since.get_or_insert(cx.round());
            if cx.round().wrapping_sub(since) >= Round::from(self.config.rounds) {
                self.give_up(place, cx);
            } else if let Some(source) = fetch.source() {
                self.ask(place, source, cx);
            } else {
                self.seek(place, below, cx);
            }
        }
    }

    /// Looks for a peer that has it.
    fn seek<D: Peers<Id = I>>(&mut self, place: u64, below: &D, cx: &mut impl Context<Self>) {
        let Some(fetch) = self.wants.get_mut(&place) else { return };
        // Until the next round, if no more may be sought in this one.
        (fetch.question, fetch.due) = (None, Time::NEVER);
        while let Some(left) = fetch.seeks.checked_sub(1) {
            fetch.seeks = left;
            let (me, drawn) = (cx.me(), below.sample(cx.rng()));
            let fit = drawn.filter(|&peer| peer != me && !fetch.liars.contains(&peer));
            let Some(to) = fit else { continue };
            let (number, now) = (cx.rng().next_u64() as u32, cx.now());
            fetch.question = Some(Question::new(to, number, None, now));
            fetch.due = now + self.config.patience;
            return cx.send(to, Message::Seek { number, reference: fetch.reference });
        }
    }

    /// Asks who has it for what is missing.
    fn ask(&mut self, place: u64, source: (I, message::Token), cx: &mut impl Context<Self>) {
        let Some(fetch) = self.wants.get_mut(&place) else { return };
        let (number, now) = (cx.rng().next_u64() as u32, cx.now());
        let question = fetch.ask(source, number, self.config.window, now);
        fetch.due = now + self.config.patience;
        cx.send(source.0, question);
    }

    /// It is fetched no longer.
    fn give_up(&mut self, place: u64, cx: &mut impl Local<Self>) {
        let Some(fetch) = self.wants.remove(&place) else { return };
        self.release(fetch.reference);
        cx.emit(Event::Failed(fetch.reference));
    }

    fn on_chunk(
        &mut self,
        from: I,
        (number, at): (u32, u16),
        bytes: Box<[u8]>,
        cx: &mut impl Local<Self>,
    ) {
        let place = self.asked(from, number).map(|(place, _)| place);
        let fetch = place.and_then(|place| Some((place, self.wants.get_mut(&place)?)));
        // Honest, too: what came late, or twice.
        let Some((place, fetch)) = fetch else { return cx.count("chunk not asked for") };
        match fetch.take(at, bytes, cx.now(), self.config.patience) {
            Came::Unasked => cx.count("chunk not asked for"),
            Came::Kept => fetch.since = Some(cx.round()),
            Came::Last => self.finish(place, cx),
            Came::WrongLength => {
                cx.count("chunk of a wrong length");
                fetch.liars.insert(from);
                fetch.leave();
                self.judge(place, cx);
            }
        }
    }

    /// All chunks are here.
    fn finish(&mut self, place: u64, cx: &mut impl Local<Self>) {
        let Some(fetch) = self.wants.get_mut(&place) else { return };
        let (reference, whole) = (fetch.reference, fetch.whole());
        if Reference::of(&whole, self.config.secret) == reference {
            self.wants.remove(&place);
            self.keep(reference, whole.into());
            cx.emit(Event::Fetched(reference));
        } else {
            cx.count("blob of another hash");
            fetch.refute();
            self.judge(place, cx);
        }
    }

    /// Gives up what too many lie about.
    fn judge(&mut self, place: u64, cx: &mut impl Local<Self>) {
        if self.wants.get(&place).is_some_and(|fetch| fetch.liars.len() >= LIARS) {
            self.give_up(place, cx);
        }
    }

    /// Says whether the blob is here.
    fn on_seek(&mut self, from: I, number: u32, reference: Reference, cx: &mut impl Context<Self>) {
        if !self.serving.answer(from, number) {
            return cx.count("left for a later round");
        }
        let token = self.serving.token(from, cx.rng());
        let has = self.held.contains_key(&reference);
        let answer = if has { Message::Has { number, token } } else { Message::Lacks { number } };
        cx.send(from, answer);
    }

    /// Sends the chunks that are asked for.
    fn on_ask(
        &mut self,
        from: I,
        (number, reference): (u32, Reference),
        positions: impl Iterator<Item = usize>,
        cx: &mut impl Context<Self>,
    ) {
        let Some(blob) = self.held.get(&reference) else {
            return self.on_seek(from, number, reference, cx);
        };
        for at in positions.take(usize::from(self.config.window)) {
            let chunk = blob.chunks(CHUNK).nth(at).and_then(|bytes| Blob::new(bytes).ok());
            let (Ok(at), Some(bytes)) = (u16::try_from(at), chunk) else {
                return cx.count("no such chunk");
            };
            if !self.serving.chunk(from, number) {
                return cx.count("left for a later round");
            }
            cx.send(from, Message::Chunk { number, at, bytes });
        }
    }
}

impl<I: PeerId, const BYTES: usize> Protocol for Blobs<I, BYTES> {
    type Id = I;
    type Message = Message;
    type Event = Event;
    type Command = Command<BYTES>;

    fn wake_at(&self) -> Time {
        self.active().map(|(_, fetch)| fetch.due).min().unwrap_or(Time::NEVER)
    }

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, const BYTES: usize, D> Layer<D> for Blobs<I, BYTES>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.serving.renew();
        for fetch in self.wants.values_mut().take(self.config.fetches) {
            fetch.renew(self.config.hunt);
        }
        self.advance(below, cx);
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.advance(below, cx);
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        match message {
            Message::Seek { number, .. } | Message::Ask { number, .. }
                if self.serving.knows(from, number) =>
            {
                cx.count("question answered before");
            }
            Message::Seek { number, reference } => self.on_seek(from, number, reference, cx),
            Message::Ask { token, .. } if token != self.serving.token(from, cx.rng()) => {
                cx.count("address not proven");
            }
            Message::Ask { number, reference, first, wanted, .. } => {
                self.on_ask(from, (number, reference), message::positions(first, wanted), cx);
            }
            Message::Has { number, token } => match self.asked(from, number) {
                Some((place, Question { token: None, .. })) => self.ask(place, (from, token), cx),
                _ => cx.count("answer without question"),
            },
            Message::Lacks { number } => {
                let place = self.asked(from, number).map(|(place, _)| place);
                match place.and_then(|place| self.wants.get_mut(&place)) {
                    Some(fetch) => fetch.leave(),
                    None => cx.count("answer without question"),
                }
            }
            Message::Chunk { number, at, bytes } => {
                self.on_chunk(from, (number, at), bytes.into_bytes(), cx);
            }
        }
        self.advance(below, cx);
    }

    fn on_unreachable(&mut self, below: &D, peer: I, cx: &mut impl Context<Self>) {
        for fetch in self.wants.values_mut() {
            if fetch.question.as_ref().is_some_and(|question| question.to == peer) {
                fetch.leave();
            }
        }
        self.advance(below, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Put(blob) => {
                let wanted = self.wanted();
                let reference = self.put(&blob)?;
                if self.wanted() < wanted {
                    cx.emit(Event::Fetched(reference));
                }
            }
            Command::Want(reference) => self.want(reference, cx)?,
            Command::Forget(reference) => self.forget(reference),
        }
        self.advance(below, cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId, const BYTES: usize> fmt::Debug for Blobs<I, BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("held", &self.held.len())
            .field("wanted", &self.wants.len())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
