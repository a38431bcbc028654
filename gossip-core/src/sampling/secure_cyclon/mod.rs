//! SecureCyclon: Cyclon among nodes some of which cheat, and are found out.
//!
//! Antonov, Voulgaris, *SecureCyclon: Dependable peer sampling*, ICDCS 2023.
//!
//! ```text
//! a descriptor: creator, address, period, and a chain of owners, each signed by the one before
//! every round:  take the oldest descriptor; sign it back to its creator q; tell q
//! on telling:   if it is q's and not redeemed before: give a descriptor
//! on a gift:    keep it; while fewer than s are given, give one back: signed over to the peer
//!               (the node that began gives a new one, made in this period, first)
//! meanwhile:    each shows the other its view and what was redeemed with it last
//! on any chain: if another chain of it is known, neither continues the other: whoever signed
//!               twice is a cheat; the two signatures prove it, and are flooded
//! on a proof:   purge the culprit's descriptors; never talk to it again
//! ```
//!
//! # What holds
//!
//! Links are property: a descriptor has one owner, and each node makes one per period. Who copies
//! descriptors, or makes more, signs two transfers at one place; as soon as these meet at an honest
//! node, all honest nodes know. An honest node signs once, so no proof against it exists: under
//! loss, repetition and reordering as well. Keys must cost something, as in the paper: a culprit
//! with a new key is a new node. Clocks must agree to within [`Config::skew`] periods, and a node's
//! own must not go back over a restart.
//!
//! # Deviations from the paper
//!
//! - Time is counted in whole periods, so a descriptor made too early is one made twice: one kind
//!   of proof serves for cloning and for frequency. It bears two signatures, not two chains.
//! - A transfer bears a number that its receiver has chosen, so that what is sent again, by the
//!   network or a cheat, makes nobody sign twice.
//! - A descriptor is transferred `T` times at most, 14 by default; then it can only be redeemed.
//!   It fits a datagram, one a frame, with Ed25519 for T up to 9: a transfer takes 101 bytes there,
//!   for a key, a number and a signature, where the paper counts 64.
//! - Gaps in a view (after losses, after a purge) are filled with copies of descriptors that were
//!   given away or redeemed. These are not transferred, and the creator serves who comes with one
//!   as it serves a newcomer: a few a round, without proof that it once owned it.
//! - Ownership is kept, so a view may hold several descriptors of a peer; as [`Peers`] it shows
//!   each peer once. A node is never given its own.
//! - In-degrees are not Cyclon's: sd .96 at N = 2,000, c = 20, s = 3, where Cyclon's is 1.22 at
//!   l = 3. The cause is not established; periods are told by the creator here and ages counted by
//!   the holders there.
//! - Samples are not verified until they contradict something; proofs and property always are.

mod chain;
mod config;
mod evidence;
mod judge;
mod message;
mod session;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

pub use chain::{Chain, Link, Proof};
pub use config::Config;
use evidence::Evidence;
use message::{ChainOf, MessageOf};
pub use message::{Convicted, Message};
use session::{SESSIONS, Session};

use crate::auth::Signer;
use crate::error::ParameterError;
use crate::id::PeerId;
use crate::peers::Peers;
use crate::protocol::{Context, Layer, Local, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::time::{Round, Time};
use crate::wire::Nothing;

/// SecureCyclon with a view of at most `C` descriptors, which change hands `T` times at most,
/// signed by `A`.
///
/// ```
/// use gossip_core::auth::Authority;
/// use gossip_core::sampling::SecureCyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let authority = Authority::new(42);
/// let node = |at| SecureCyclon::<u32, _, 12>::new(Default::default(), authority.signer(at));
/// let nodes = (0..100).map(node).collect::<Result<Vec<_>, _>>()?;
/// let mut sim = Simulation::new(nodes, 42, Order::Sequential);
/// for node in 1..100 {
///     sim.contact(node, node / 2);
/// }
/// sim.run(60);
/// assert!(sim.nodes().all(|(_, node)| node.view().len() >= 11));
/// assert!(sim.nodes().all(|(_, node)| node.culprits().next().is_none()));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SecureCyclon<I: PeerId, A: Signer, const C: usize, const T: usize = 14> {
    signer: A,
    config: Config,
    /// At most one more than its size, while a shuffle is under way. The order means nothing.
    view: Vec<Entry<ChainOf<I, A, T>>>,
    sessions: Vec<Session<I, A::Key, A::Signature, T>>,
    evidence: Evidence<I, A::Key, A::Signature, T>,
    /// The period of the latest descriptor made here, which is also the period of the first call.
    made: Option<u64>,
    /// Periods of own descriptors that have not come back.
    outstanding: BTreeSet<u64>,
    /// Visitors served in this round.
    guests: (Round, u16),
    /// This node's latest number for an exchange; random at first.
    number: Option<u32>,
    changes: u32,
    contact: Contact<I>,
}

#[derive(Clone, Debug)]
struct Entry<X> {
    chain: X,
    /// Whether it is a copy that fills a gap, and belongs to another.
    copy: bool,
}

impl<I: PeerId, A: Signer, const C: usize, const T: usize> SecureCyclon<I, A, C, T> {
    /// The number of the period in which clocks begin. There are periods before it, so that
    /// simulations, whose clocks begin at 0, can begin with descriptors of some age.
    pub const FIRST: u64 = 1 << 16;

    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config, signer: A) -> Result<Self, ParameterError> {
        const { assert!(T >= 1 && T < 255, "a descriptor changes hands 1 to 254 times") };
        let config = config.checked(C)?;
        Ok(Self {
            signer,
            view: Vec::new(),
            sessions: Vec::new(),
            evidence: Evidence::new(config.memory, config.redeemed, config.culprits),
            made: None,
            outstanding: BTreeSet::new(),
            guests: (0, 0),
            number: None,
            changes: 0,
            contact: Contact::none(),
            config,
        })
    }

    /// The peers in the view, some of them several times.
    pub fn view(&self) -> impl ExactSizeIterator<Item = I> {
        self.view.iter().map(|entry| entry.chain.address)
    }

    /// The descriptors owned: those of the view that are no copies.
    pub fn owned(&self) -> impl Iterator<Item = &ChainOf<I, A, T>> {
        self.view.iter().filter(|entry| !entry.copy).map(|entry| &entry.chain)
    }

    /// Who is known to cheat.
    pub fn culprits(&self) -> impl Iterator<Item = A::Key> {
        self.evidence.culprits().keys().copied()
    }

    /// Descriptors of others kept for comparison: at most [`Config::memory`].
    pub fn remembered(&self) -> usize {
        self.evidence.seen()
    }

    /// Exchanges under way.
    pub fn exchanges(&self) -> usize {
        self.sessions.len()
    }

    /// The most descriptors the view holds between exchanges.
    pub fn size(&self) -> usize {
        self.config.size.unwrap_or(C)
    }

    /// Gives this node a descriptor of `other`, at `address`, from outside a driver and as if made
    /// before the clock began: how simulations start from a given graph. Returns whether there was
    /// room for it.
    pub fn introduce(&mut self, other: &mut Self, address: I) -> bool {
        let age = other.outstanding.len() as u64 + 1;
        let fits = self.view.len() < self.size() && age <= self.life();
        if fits {
            let mut chain = Chain::new(other.signer.key(), address, Self::FIRST - age);
            chain.transfer(&other.signer, self.signer.key(), 0);
            other.outstanding.insert(Self::FIRST - age);
            // It has been here for a while, and made none in the first period.
            self.made.get_or_insert(Self::FIRST - 1);
            self.view.push(Entry { chain, copy: false });
        }
        fits
    }

    fn life(&self) -> u64 {
        u64::from(self.config.life.unwrap_or(0)).min(Self::FIRST)
    }

    fn period(&self, cx: &impl Local<Self>) -> u64 {
        let micros = self.config.period.as_micros().max(1) as u64;
        Self::FIRST + cx.wall() / micros
    }

    /// Why a descriptor cannot be in anybody's view now, if so.
    fn fault(&self, chain: &ChainOf<I, A, T>, cx: &impl Local<Self>) -> Option<&'static str> {
        let now = self.period(cx);
        if chain.period > now.saturating_add(self.config.skew.into()) {
            Some("descriptor from the future")
        } else if chain.period.saturating_add(self.life()) < now {
            Some("descriptor too old")
        } else if chain.creator == self.signer.key() || chain.address == cx.me() {
            Some("descriptor of this node")
        } else if self.evidence.is_culprit(chain.creator) {
            Some("descriptor of a culprit")
        } else {
            None
        }
    }

    const fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }

    fn next_number(&mut self, cx: &mut impl Local<Self>) -> u32 {
        let latest = self.number.unwrap_or_else(|| cx.rng().next_u64() as u32);
        let number = latest.wrapping_add(1);
        self.number = Some(number);
        number
    }

    /// Begins an exchange, at `peer`. There is room for it.
    fn begin(
        &mut self,
        (peer, key): (I, Option<A::Key>),
        theirs: Option<u32>,
        cx: &mut impl Local<Self>,
    ) -> usize {
        let mine = self.next_number(cx);
        self.sessions.push(Session {
            peer,
            key,
            mine,
            theirs,
            opened: theirs.is_none(),
            given: Vec::new(),
            gave: 0,
            got: Vec::new(),
            ticket: None,
            samples: self.config.samples,
            until: cx.now() + self.config.patience,
        });
        self.sessions.len() - 1
    }

    /// The active thread: an exchange with the contact, or with the creator of the oldest
    /// descriptor.
    fn open(&mut self, cx: &mut impl Context<Self>) {
        if let Some(contact) = self.contact.ask(cx.me(), self.view.is_empty(), cx.round()) {
            let at = self.begin((contact, None), None, cx);
            return cx.send(contact, Message::Visit(self.sessions[at].mine, self.signer.key()));
        }
        let age = |at: &usize| self.view[*at].chain.period;
        let Some(oldest) = (0..self.view.len()).min_by_key(age) else { return };
        let Entry { chain, copy } = self.view.swap_remove(oldest);
        self.changed();
        let peer = chain.address;
        let at = self.begin((peer, Some(chain.creator)), None, cx);
        let mine = self.sessions[at].mine;
        if copy {
            return cx.send(peer, Message::Visit(mine, self.signer.key()));
        }
        let mut ticket = chain.clone();
        ticket.redeem(&self.signer);
        self.sessions[at].ticket = Some(chain);
        cx.send(peer, Message::Redeem(mine, ticket));
    }

    fn on_redeem(
        &mut self,
        from: I,
        number: u32,
        ticket: ChainOf<I, A, T>,
        cx: &mut impl Context<Self>,
    ) {
        let own = ticket.creator == self.signer.key() && ticket.redeemed.is_some();
        if !own || !ticket.verify(&self.signer) {
            return refuse(from, number, "redeemed with a bad chain", cx);
        }
        self.observe(&ticket, cx);
        if !self.outstanding.remove(&ticket.period) {
            return refuse(from, number, "redeemed before, or too late", cx);
        }
        let visitor = ticket.owner();
        self.evidence.keep_redeemed(ticket);
        self.welcome(from, visitor, number, cx);
    }

    fn on_visit(&mut self, from: I, number: u32, visitor: A::Key, cx: &mut impl Context<Self>) {
        let round = cx.round();
        let served = if self.guests.0 == round { self.guests.1 } else { 0 };
        if served >= self.config.guests {
            return refuse(from, number, "too many visitors", cx);
        }
        self.guests = (round, served + 1);
        self.welcome(from, visitor, number, cx);
    }

    /// The passive thread: gives the first descriptor.
    fn welcome(&mut self, from: I, visitor: A::Key, number: u32, cx: &mut impl Context<Self>) {
        if self.evidence.is_culprit(visitor) || visitor == self.signer.key() {
            return refuse(from, number, "not welcome", cx);
        }
        if self.sessions.len() >= SESSIONS {
            return refuse(from, number, "refused: too many exchanges", cx);
        }
        let at = self.begin((from, Some(visitor)), Some(number), cx);
        self.show(at, cx);
        self.give(at, cx);
    }

    /// Gives the peer of the exchange `at` a descriptor, or ends it if there is none to give.
    fn give(&mut self, at: usize, cx: &mut impl Context<Self>) {
        let Session { peer, key, mine, theirs, opened, gave, .. } = self.sessions[at];
        let (Some(key), Some(theirs)) = (key, theirs) else { return };
        let period = self.period(cx);
        let fresh = self.made.is_some_and(|made| made < period);
        let own = fresh && opened && gave == 0;
        let chosen = if own { None } else { self.choose(at, key, cx.rng()) };
        let mut chain = match chosen {
            Some(place) => {
                let chain = self.view.swap_remove(place).chain;
                self.sessions[at].given.push(chain.clone());
                self.changed();
                chain
            }
            None if fresh => {
                self.made = Some(period);
                self.outstanding.insert(period);
                Chain::new(self.signer.key(), cx.me(), period)
            }
            None => {
                cx.send(peer, Message::End(theirs));
                return self.finish(at);
            }
        };
        chain.transfer(&self.signer, key, theirs);
        self.sessions[at].gave += 1;
        cx.send(peer, Message::Give(theirs, mine, chain));
    }

    /// The place of a random descriptor that can be given to `to` in the exchange `at`, in which it
    /// did not come: nothing goes back and forth.
    fn choose(&self, at: usize, to: A::Key, random: &mut Random) -> Option<usize> {
        let got = &self.sessions[at].got;
        let fit = |place: &usize| {
            let Entry { chain, copy } = &self.view[*place];
            !copy && chain.is_transferable() && chain.creator != to && !got.contains(&chain.id())
        };
        let count = (0..self.view.len()).filter(fit).count();
        (0..self.view.len()).filter(fit).nth(random.below(count))
    }

    fn on_give(
        &mut self,
        from: I,
        (mine, theirs): (u32, u32),
        chain: ChainOf<I, A, T>,
        cx: &mut impl Context<Self>,
    ) {
        let Some(at) = self.sessions.iter().position(|s| s.peer == from && s.mine == mine) else {
            return cx.count("gift not expected");
        };
        let session = &self.sessions[at];
        let due = session.got.len() < session.gave + usize::from(session.opened);
        if session.got.contains(&chain.id()) || !due {
            return cx.count("gift repeated");
        }
        let ours = chain.links.last().is_some_and(|last| {
            last.to == self.signer.key() && last.number == mine && chain.redeemed.is_none()
        });
        let theirs_too = session.key.is_none_or(|key| key == chain.giver())
            && session.theirs.is_none_or(|number| number == theirs);
        if !ours || !theirs_too || !chain.verify(&self.signer) {
            return cx.count("gift with a bad chain");
        }
        let giver = chain.giver();
        self.observe(&chain, cx);
        // A conviction may have ended the exchange.
        let Some(at) = self.sessions.iter().position(|s| s.peer == from && s.mine == mine) else {
            return;
        };
        if self.evidence.is_culprit(giver) || giver == self.signer.key() {
            cx.count("not welcome");
            return self.finish(at);
        }
        let (until, swaps) = (cx.now() + self.config.patience, self.config.swaps);
        let session = &mut self.sessions[at];
        (session.key, session.theirs) = (Some(giver), Some(theirs));
        session.until = until;
        session.got.push(chain.id());
        let (first, gave) = (session.opened && session.got.len() == 1, session.gave);
        self.take(chain, cx);
        if first {
            self.show(at, cx);
        }
        if gave < swaps {
            self.give(at, cx);
        }
        let session = self.sessions.get(at).filter(|session| session.mine == mine);
        if session.is_some_and(|s| s.gave >= swaps && s.got.len() >= swaps) {
            self.finish(at);
        }
    }

    /// Puts a descriptor into the view; a copy makes room for it.
    fn take(&mut self, chain: ChainOf<I, A, T>, cx: &mut impl Local<Self>) {
        if let Some(fault) = self.fault(&chain, cx) {
            return cx.count(fault);
        }
        if self.view.len() >= self.size() {
            match self.view.iter().position(|entry| entry.copy) {
                Some(copy) => drop(self.view.swap_remove(copy)),
                // Who began an exchange gives its own descriptor, and so has one too many until
                // the end.
                None if self.view.len() == self.size() => {}
                None => return cx.count("view full"),
            }
        }
        self.view.push(Entry { chain, copy: false });
        self.changed();
    }

    /// Ends an exchange. Gaps in the view are filled with copies of what passed through it.
    fn finish(&mut self, at: usize) {
        for chain in self.sessions.swap_remove(at).copies() {
            let known = self.view.iter().any(|entry| entry.chain.creator == chain.creator);
            let culprit = self.evidence.is_culprit(chain.creator);
            if self.view.len() < self.size() && !known && !culprit {
                self.view.push(Entry { chain, copy: true });
            }
        }
        self.changed();
    }

    /// Ends exchanges whose peers are silent.
    fn expire(&mut self, cx: &mut impl Local<Self>) {
        while let Some(at) = self.sessions.iter().position(|s| s.until <= cx.now()) {
            cx.count("no reply");
            self.finish(at);
        }
    }

    /// Lets go of what is void.
    fn age(&mut self, cx: &impl Local<Self>) {
        let now = self.period(cx);
        // Who starts anew may have made one in this period already.
        self.made.get_or_insert(now);
        let oldest = now.saturating_sub(self.life());
        self.outstanding = self.outstanding.split_off(&oldest);
        let before = self.view.len();
        self.view.retain(|entry| entry.chain.period >= oldest);
        if self.view.len() < before {
            self.changed();
        }
    }
}

/// Ignores who wants to begin an exchange, and says so.
fn refuse<I: PeerId, A: Signer, const C: usize, const T: usize>(
    from: I,
    number: u32,
    why: &'static str,
    cx: &mut impl Context<SecureCyclon<I, A, C, T>>,
) {
    cx.count(why);
    cx.send(from, Message::End(number));
}

impl<I: PeerId, A: Signer, const C: usize, const T: usize> Protocol for SecureCyclon<I, A, C, T> {
    type Id = I;
    type Message = MessageOf<I, A, T>;
    type Event = Convicted<A::Key>;
    type Command = Nothing;

    fn wake_at(&self) -> Time {
        self.sessions.iter().map(|session| session.until).min().unwrap_or(Time::NEVER)
    }

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I, A, const C: usize, const T: usize, D: ?Sized> Layer<D> for SecureCyclon<I, A, C, T>
where
    I: PeerId,
    A: Signer,
{
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.age(cx);
        if self.sessions.iter().any(|session| session.opened) {
            cx.count("round skipped: exchange under way");
        } else if self.sessions.len() >= SESSIONS {
            cx.count("round skipped: too many exchanges");
        } else {
            self.open(cx);
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        if from == cx.me() {
            return cx.count("message from itself");
        }
        let begun = |number| {
            let theirs = |session: &Session<I, A::Key, A::Signature, T>| {
                session.peer == from && session.theirs == Some(number) && !session.opened
            };
            self.sessions.iter().any(theirs)
        };
        match message {
            Message::Redeem(number, _) | Message::Visit(number, _) if begun(number) => {
                cx.count("request repeated");
            }
            Message::Redeem(number, ticket) => self.on_redeem(from, number, ticket, cx),
            Message::Visit(number, visitor) => self.on_visit(from, number, visitor, cx),
            Message::Give(mine, theirs, chain) => self.on_give(from, (mine, theirs), chain, cx),
            Message::End(mine) => {
                let found = self.sessions.iter().position(|s| s.peer == from && s.mine == mine);
                found.map_or_else(|| cx.count("end not expected"), |at| self.finish(at));
            }
            Message::Sample(chain) => self.on_sample(from, &chain, cx),
            Message::Proof(proof) => self.on_proof(from, &proof, cx),
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.expire(cx);
    }

    fn on_unreachable(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        while let Some(at) = self.sessions.iter().position(|s| s.peer == peer) {
            self.finish(at);
        }
        self.view.retain(|entry| entry.chain.address != peer);
        self.changed();
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }
}

impl<I: PeerId, A: Signer, const C: usize, const T: usize> Peers for SecureCyclon<I, A, C, T> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).map(|entry| entry.chain.address)
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        let address = |entry: &Entry<ChainOf<I, A, T>>| entry.chain.address;
        for (at, entry) in self.view.iter().enumerate() {
            if !self.view[..at].iter().any(|earlier| address(earlier) == address(entry)) {
                visit(address(entry), 0);
            }
        }
    }
}
