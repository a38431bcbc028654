//! HyParView: a few links, the same seen from either end, and many spares for when they break.
//!
//! Leitao, Pereira, Rodrigues, *HyParView: a membership protocol for reliable gossip-based
//! broadcast*, DSN 2007, section 4 (and technical report TR-07-13).
//!
//! ```text
//! join:         ask the contact; it makes a link, and sends the newcomer on a walk by each other
//!               link of its own
//! walk:         noted as a spare with PRWL steps left; who gets it with none left, or has but one
//!               link, makes a link
//! link lost:    ask a random spare: urgently if no link is left, and then it always grants; else
//!               it grants into a free place. Spares that do not answer are forgotten
//! no room left: a link that must be made takes the place of a random one, which is told
//! every round:  a walk carries some links and spares; its end answers with as many spares; both
//!               keep what they learn over what they gave. While no neighbour dies it may come ever
//!               less often
//! ```
//!
//! # What holds
//!
//! A broadcast that floods the links reaches all who live as long as links are repaired: after 90 %
//! of 10^4 nodes have crashed, with views of 5 and 30. That takes a driver that tells *every* node
//! of its dead neighbours, as TCP does; where only those who send notice, the same overlay delivers
//! far less (`tests/it/hyparview.rs` shows both).
//!
//! Links are the same from either end, except for as long as news of them is on its way. Every
//! round, or every few, each end tells the other that it has the link; who has no such link says
//! so, and a link over which nothing came for `silence` rounds is given up. So a link that only one
//! end has goes within `silence + 1` rounds of that end, whatever is lost. What goes over a link
//! anyway says it on the way, if it is nearly time.
//!
//! Over a membership ([`Obituary`]) links to those that it presumes dead go at once, and spares of
//! that kind go before any is asked in a round: one detector of failures then serves both, and
//! keep-alives only tell links that one end has.
//!
//! # Deviations from the paper
//!
//! - Messages may be lost, where the paper's links are TCP connections: a link is made when it is
//!   granted, requests time out, and links must be heard of.
//! - In a round a node asks at most 8 spares that answer, and none that has refused or left it.
//!   Else some would never stop: nodes whose only spare is the contact push each other out, and
//!   three with one place left, each of which asks the next, all grant what all must then decline.
//! - Shuffles may come ever less often while no neighbour dies ([`Config::shuffle_pause`]): each
//!   one is some seven datagrams. A node that has more than half of its links asks for more in the
//!   same rounds: who made way for a newcomer would ask some ten others, all of whom are full.
//! - As many spares are asked at a time as there are free places, at most 8, one of them urgently.
//! - The contact is asked again at a decaying rate, and when no link is left: newcomers that the
//!   contact let go of again may know only each other. A node that has links is carried on a walk
//!   from there, so that the contact is not what all links turn around; its `recontact` switch is
//!   for controls.

mod config;
mod message;
mod passive;

use arrayvec::ArrayVec;

pub use self::config::Config;
pub use self::message::{Message, SHUFFLE_MAX, Walk};
use self::passive::Passive;
use crate::error::ParameterError;
use crate::id::PeerId;
use crate::pace::Pace;
use crate::peers::{Obituary, Peers};
use crate::protocol::{Context, Layer, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::time::{Round, Time};
use crate::wire::{Bounded, Nothing, Wire};

/// Requests for links under way at most. More newcomers than that, at once, stay spares.
const PENDING: usize = 8;

/// Spares that are asked in a round, of those that answer.
const TRIES: usize = 8;

/// Walks from the contact, one a round, until the end of one asks for a link: any step may be lost.
/// Our choice.
const WALKS: u8 = 8;

/// A link.
#[derive(Clone, Copy, Debug)]
struct Link<I> {
    peer: I,
    /// The version at which it was made.
    made: u64,
    /// The round in which the peer last said that it has the link.
    heard: Round,
    /// The round in which this node last did.
    said: Round,
}

/// A request for a link.
#[derive(Clone, Copy, Debug)]
struct Pending<I> {
    peer: I,
    number: u32,
    until: Time,
    urgent: bool,
}

/// HyParView with at most `A` links and at most `B` spares.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::sampling::HyParView;
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let nodes = (0..100).map(|_| HyParView::<u32, 5, 30>::new(Default::default()));
/// let mut sim = Simulation::new(nodes.collect::<Result<Vec<_>, _>>()?, 42, Order::Sequential);
/// (1..100).for_each(|node| sim.contact(node, 0));
/// sim.run(40);
/// for (me, node) in sim.nodes() {
///     assert!((2..=5).contains(&node.degree()));
///     assert!(node.active().all(|peer| sim.node(peer).unwrap().active().any(|back| back == me)));
/// }
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HyParView<I, const A: usize, const B: usize> {
    config: Config,
    size: u16,
    links: ArrayVec<Link<I>, A>,
    passive: Passive<I, B>,
    pending: ArrayVec<Pending<I>, PENDING>,
    /// Who refused or left in this round, and how many spares were asked and are not known to be
    /// gone.
    tried: ArrayVec<I, TRIES>,
    asked: u8,
    /// The shuffle that may be answered, and the spares told in it.
    shuffle: Option<u32>,
    given: ArrayVec<I, SHUFFLE_MAX>,
    shuffles: Pace,
    contact: Contact<I>,
    /// Walks from the contact that may still be sent, in rounds to come.
    walks: u8,
    changes: u64,
}

impl<I: PeerId, const A: usize, const B: usize> HyParView<I, A, B> {
    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// If a size is 0 or above its capacity, PRWL above ARWL, ka + kp above 16, or the shuffles'
    /// TTL or pause, the silence or the patience 0, or keep-alives rarer than the silence.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let [size, passive] = config.check(A, B)?;
        Ok(Self {
            config,
            size,
            links: ArrayVec::new(),
            passive: Passive::new(passive),
            pending: ArrayVec::new(),
            tried: ArrayVec::new(),
            asked: 0,
            shuffle: None,
            given: ArrayVec::new(),
            shuffles: Pace::new(),
            contact: Contact::none(),
            walks: 0,
            changes: 0,
        })
    }

    /// The peers linked to.
    pub fn active(&self) -> impl ExactSizeIterator<Item = I> {
        self.links.iter().map(|link| link.peer)
    }

    /// The spares.
    pub fn passive(&self) -> &[I] {
        self.passive.peers()
    }

    /// The most links.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    fn is_full(&self) -> bool {
        self.links.len() >= self.size()
    }

    fn has_link(&self, peer: I) -> bool {
        self.links.iter().any(|link| link.peer == peer)
    }

    /// A random neighbour but these two.
    fn next_hop(&self, not: [I; 2], random: &mut Random) -> Option<I> {
        let others: ArrayVec<I, A> = self.active().filter(|peer| !not.contains(peer)).collect();
        random.pick(&others).copied()
    }

    fn is_asking(&self, peer: I) -> bool {
        self.pending.iter().any(|pending| pending.peer == peer)
    }

    /// Forgets what was asked of `peer`.
    fn settle(&mut self, peer: I) {
        self.pending.retain(|pending| pending.peer != peer);
    }

    /// Makes a link; if there is no room, a random other goes and becomes a spare.
    fn link(&mut self, peer: I, cx: &mut impl Context<Self>) {
        self.settle(peer);
        self.passive.remove(peer);
        if self.is_full() {
            let at = cx.rng().below(self.links.len());
            let gone = self.unlink_at(at, cx);
            cx.send(gone, Message::Disconnect);
            self.spare(gone, cx);
        }
        self.changes = self.changes.wrapping_add(1);
        // It is said in the next round for the first time.
        let (made, heard) = (self.changes, cx.round());
        let said = heard.wrapping_sub(self.config.keep_alive.into());
        self.links.push(Link { peer, made, heard, said });
        if self.config.watch {
            cx.watch(peer, true);
        }
        if !self.config.recontact {
            self.contact = Contact::none();
        }
    }

    fn unlink_at(&mut self, at: usize, cx: &mut impl Context<Self>) -> I {
        let gone = self.links.swap_remove(at).peer;
        self.changes = self.changes.wrapping_add(1);
        if self.config.watch {
            cx.watch(gone, false);
        }
        gone
    }

    /// Returns whether there was such a link.
    fn unlink(&mut self, peer: I, cx: &mut impl Context<Self>) -> bool {
        let at = self.links.iter().position(|link| link.peer == peer);
        at.map(|at| self.unlink_at(at, cx)).is_some()
    }

    /// Notes a peer as a spare.
    fn spare(&mut self, peer: I, cx: &mut impl Context<Self>) {
        if peer != cx.me() && !self.has_link(peer) {
            self.passive.add(peer, &mut ArrayVec::<I, 0>::new(), cx.rng());
        }
    }

    /// A new request for a link with `peer`; `None` if too many are under way.
    fn request(&mut self, peer: I, urgent: bool, cx: &mut impl Context<Self>) -> Option<u32> {
        if self.pending.is_full() || self.is_asking(peer) {
            return None;
        }
        let number = cx.rng().next_u64() as u32;
        self.pending.push(Pending { peer, number, until: cx.now() + self.config.patience, urgent });
        Some(number)
    }

    fn ask(&mut self, peer: I, urgent: bool, cx: &mut impl Context<Self>) {
        match self.request(peer, urgent, cx) {
            Some(number) => cx.send(peer, Message::Neighbor(number, urgent)),
            None => cx.count("too many requests under way"),
        }
    }

    /// Asks spares for links in place of those that are missing.
    fn repair(&mut self, cx: &mut impl Context<Self>) {
        while self.links.len() + self.pending.len() < self.size()
            && !self.pending.is_full()
            && usize::from(self.asked) < TRIES
        {
            let free = |peer| !self.is_asking(peer) && !self.tried.contains(&peer);
            let Some(peer) = self.passive.pick(cx.rng(), free) else { return };
            let urgent = self.links.is_empty() && !self.pending.iter().any(|one| one.urgent);
            self.ask(peer, urgent, cx);
            self.asked += 1;
        }
    }

    /// `peer` does not want a link now.
    fn tried(&mut self, peer: I) {
        if !self.tried.is_full() && !self.tried.contains(&peer) {
            self.tried.push(peer);
        }
    }

    /// Somebody to ask first, or again.
    fn ask_contact(&mut self, cx: &mut impl Context<Self>) {
        let alone = self.links.is_empty();
        let due = self.contact.ask(cx.me(), alone, cx.round());
        if due.is_some() {
            self.walks = WALKS;
        }
        let again = self.contact.peer().filter(|peer| self.walks > 0 && *peer != cx.me());
        let Some(contact) = due.or(again) else { return };
        if alone {
            if let Some(number) = self.request(contact, true, cx) {
                cx.send(contact, Message::Join(number));
            }
        } else {
            self.walks -= 1;
            cx.send(contact, Message::ForwardJoin(cx.me(), self.config.arwl));
            if !self.config.recontact {
                self.contact = Contact::none();
            }
        }
    }

    /// Gives up links that were silent, and tells of the others.
    fn keep_alive(&mut self, cx: &mut impl Context<Self>) {
        let (now, silence) = (cx.round(), Round::from(self.config.silence));
        while let Some(at) =
            self.links.iter().position(|link| now.wrapping_sub(link.heard) > silence)
        {
            let gone = self.unlink_at(at, cx);
            cx.send(gone, Message::Disconnect);
            self.shuffles.hurry(now);
            cx.count("silent link");
        }
        let pause = Round::from(self.config.keep_alive);
        for link in self.links.iter_mut().filter(|link| now.wrapping_sub(link.said) >= pause) {
            link.said = now;
            cx.send(link.peer, Message::KeepAlive);
        }
    }

    /// Whether it is time to shuffle, and to ask for the last links that are missing: ever less
    /// often while no neighbour is lost.
    fn is_due(&mut self, cx: &mut impl Context<Self>) -> bool {
        let most = self.config.shuffle_pause;
        most == 1 || self.shuffles.due(most, cx.round(), cx.rng())
    }

    /// Whether a link that is missing need not be replaced at once: others were not lost, but have
    /// made way for somebody.
    fn is_well(&self) -> bool {
        self.config.shuffle_pause > 1 && self.links.len() * 2 > self.size()
    }

    /// Forgets who is gone, as the layer below knows, and asks others.
    fn bury<D: Obituary<I> + ?Sized>(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let mut found = false;
        while let Some(peer) = self.some_gone(below) {
            self.lose(peer, cx);
            found = true;
        }
        if found {
            self.repair(cx);
        }
    }

    fn some_gone<D: Obituary<I> + ?Sized>(&self, below: &D) -> Option<I> {
        let spares = self.passive().iter().copied();
        self.active().chain(spares).find(|&peer| below.is_gone(peer))
    }

    /// `peer` is gone.
    fn lose(&mut self, peer: I, cx: &mut impl Context<Self>) {
        if self.has_link(peer) {
            self.shuffles.hurry(cx.round());
        }
        self.forget(peer, cx);
    }

    fn begin_shuffle(&mut self, cx: &mut impl Context<Self>) {
        let mut active: ArrayVec<I, A> = self.active().collect();
        let Some(&to) = cx.rng().pick(&active) else { return };
        active.retain(|peer| *peer != to);
        let mut peers = Bounded::new();
        peers.fill(cx.rng().choose(&mut active, self.config.shuffle_active).iter().copied());
        let spares = self.passive.choose(self.config.shuffle_passive, cx.rng());
        self.given = spares.iter().copied().collect();
        peers.fill(spares.iter().copied());
        let number = cx.rng().next_u64() as u32;
        self.shuffle = Some(number);
        let ttl = self.config.shuffle_ttl;
        cx.send(to, Message::Shuffle(Walk { origin: cx.me(), number, ttl, peers }));
    }

    fn on_shuffle(&mut self, from: I, mut walk: Walk<I>, cx: &mut impl Context<Self>) {
        if walk.origin == cx.me() {
            return cx.count("own shuffle came back");
        }
        walk.ttl = walk.ttl.min(self.config.shuffle_ttl).saturating_sub(1);
        if walk.ttl > 0
            && self.links.len() > 1
            && let Some(next) = self.next_hop([from, walk.origin], cx.rng())
        {
            return cx.send(next, Message::Shuffle(walk));
        }
        let Walk { origin, number, peers, .. } = walk;
        let told = self.passive.choose((peers.len() + 1).min(SHUFFLE_MAX), cx.rng());
        let mut given: ArrayVec<I, SHUFFLE_MAX> = told.iter().copied().collect();
        let mut reply = Bounded::new();
        reply.fill(given.iter().copied());
        cx.send(origin, Message::ShuffleReply(number, reply));
        self.integrate(peers.iter().copied().chain([origin]), &mut given, cx);
    }

    fn on_shuffle_reply(&mut self, number: u32, peers: &[I], cx: &mut impl Context<Self>) {
        if self.shuffle != Some(number) {
            return cx.count("shuffle reply not asked for");
        }
        self.shuffle = None;
        let mut given = core::mem::take(&mut self.given);
        self.integrate(peers.iter().copied(), &mut given, cx);
    }

    /// Notes peers as spares, first in place of those `given`.
    fn integrate(
        &mut self,
        peers: impl Iterator<Item = I>,
        given: &mut ArrayVec<I, SHUFFLE_MAX>,
        cx: &mut impl Context<Self>,
    ) {
        for peer in peers {
            if peer != cx.me() && !self.has_link(peer) {
                self.passive.add(peer, given, cx.rng());
            }
        }
    }

    fn on_join(&mut self, from: I, number: u32, cx: &mut impl Context<Self>) {
        if !self.has_link(from) {
            self.link(from, cx);
        }
        cx.send(from, Message::Accept(number));
        for peer in self.active().filter(|&peer| peer != from) {
            cx.send(peer, Message::ForwardJoin(from, self.config.arwl));
        }
    }

    fn on_forward_join(&mut self, from: I, new: I, ttl: u8, cx: &mut impl Context<Self>) {
        if new == cx.me() {
            return cx.count("own walk came back");
        }
        let (ttl, known) = (ttl.min(self.config.arwl), self.has_link(new));
        if ttl == self.config.prwl && !known {
            self.spare(new, cx);
        }
        let next = self.next_hop([from, new], cx.rng());
        match next.filter(|_| ttl > 0 && (known || self.links.len() > 1)) {
            Some(next) => cx.send(next, Message::ForwardJoin(new, ttl - 1)),
            None if known => cx.count("walk ended at a neighbour"),
            None => self.ask(new, true, cx),
        }
    }

    fn on_neighbor(&mut self, from: I, number: u32, urgent: bool, cx: &mut impl Context<Self>) {
        if !self.has_link(from) {
            if !urgent && self.is_full() {
                return cx.send(from, Message::Refuse(number));
            }
            self.link(from, cx);
            if urgent {
                self.walks = 0;
            }
        }
        cx.send(from, Message::Accept(number));
    }

    /// The request that this answers, which is then settled.
    fn answered(&mut self, from: I, number: u32) -> Option<Pending<I>> {
        let matches = |one: &Pending<I>| one.peer == from && one.number == number;
        let at = self.pending.iter().position(matches)?;
        Some(self.pending.swap_remove(at))
    }

    fn on_accept(&mut self, from: I, number: u32, cx: &mut impl Context<Self>) {
        let asked = self.answered(from, number);
        if self.has_link(from) {
            return;
        }
        match asked {
            Some(asked) if asked.urgent || !self.is_full() => self.link(from, cx),
            // Its end of the link must not outlive ours.
            Some(_) => cx.send(from, Message::Disconnect),
            None => {
                cx.count("link granted that was not asked for");
                // Unless it was asked again: a refusal now would undo that, from one end only.
                if !self.is_asking(from) {
                    cx.send(from, Message::Disconnect);
                }
            }
        }
    }

    fn on_disconnect(&mut self, from: I, cx: &mut impl Context<Self>) {
        self.settle(from);
        if self.unlink(from, cx) {
            self.spare(from, cx);
            self.tried(from);
            if !self.is_well() {
                self.repair(cx);
            }
        }
    }

    fn on_keep_alive(&mut self, from: I, cx: &mut impl Context<Self>) {
        let round = cx.round();
        if let Some(link) = self.links.iter_mut().find(|link| link.peer == from) {
            link.heard = round;
        } else if !self.is_asking(from) {
            // What we asked for may have been granted, and that be late: then it is no news.
            cx.count("link from one end only");
            cx.send(from, Message::Disconnect);
        }
    }

    /// `peer` is gone, as it seems: to have asked it does not count.
    fn forget(&mut self, peer: I, cx: &mut impl Context<Self>) {
        if self.is_asking(peer) {
            self.asked = self.asked.saturating_sub(1);
        }
        self.settle(peer);
        self.unlink(peer, cx);
        self.passive.remove(peer);
    }
}

impl<I: PeerId, const A: usize, const B: usize> Protocol for HyParView<I, A, B> {
    type Id = I;
    type Message = Message<I>;
    type Event = Nothing;
    type Command = Nothing;

    fn wake_at(&self) -> Time {
        self.pending.iter().map(|pending| pending.until).min().unwrap_or(Time::NEVER)
    }

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, D, const A: usize, const B: usize> Layer<D> for HyParView<I, A, B>
where
    I: PeerId,
    D: Obituary<I> + ?Sized,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.tried.clear();
        self.asked = 0;
        self.bury(below, cx);
        self.keep_alive(cx);
        self.ask_contact(cx);
        let due = self.is_due(cx);
        if due || !self.is_well() {
            self.repair(cx);
        }
        if due {
            self.begin_shuffle(cx);
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        if from == cx.me() {
            return cx.count("message from itself");
        }
        match message {
            Message::Join(number) => self.on_join(from, number, cx),
            Message::ForwardJoin(new, ttl) => self.on_forward_join(from, new, ttl, cx),
            Message::Neighbor(number, urgent) => self.on_neighbor(from, number, urgent, cx),
            Message::Accept(number) => self.on_accept(from, number, cx),
            Message::Refuse(number) => {
                if self.answered(from, number).is_some() {
                    self.tried(from);
                    self.repair(cx);
                }
            }
            Message::Disconnect => self.on_disconnect(from, cx),
            Message::KeepAlive => self.on_keep_alive(from, cx),
            Message::Shuffle(walk) => self.on_shuffle(from, walk, cx),
            Message::ShuffleReply(number, peers) => self.on_shuffle_reply(number, &peers, cx),
        }
    }

    /// Who has not answered in time is forgotten, and others are asked.
    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        let now = cx.now();
        while let Some(at) = self.pending.iter().position(|pending| pending.until <= now) {
            self.forget(self.pending[at].peer, cx);
            cx.count("request unanswered");
        }
        self.repair(cx);
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.bury(below, cx);
    }

    fn on_unreachable(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.lose(peer, cx);
        self.repair(cx);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }

    fn on_leave(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.links.iter().for_each(|link| cx.send(link.peer, Message::Disconnect));
    }

    /// A keep-alive that is due in less than half of its pause rides on what goes there anyway.
    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        let (now, pause) = (cx.round(), Round::from(self.config.keep_alive));
        let soon = pause.div_ceil(2)..pause;
        let near = |link: &&mut Link<I>| soon.contains(&now.wrapping_sub(link.said));
        let link = self.links.iter_mut().find(|link| link.peer == to).filter(near);
        if let Some(link) = link.filter(|_| cx.room(to) >= Message::<I>::KeepAlive.encoded_len()) {
            link.said = now;
            cx.send(to, Message::KeepAlive);
        }
    }
}

impl<I: PeerId, const A: usize, const B: usize> Peers for HyParView<I, A, B> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.links).map(|link| link.peer)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.links.iter().for_each(|link| visit(link.peer, link.made));
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        let link = self.links.iter().find(|link| link.peer == peer)?;
        Some(now.wrapping_sub(link.heard))
    }

    fn degree(&self) -> usize {
        self.links.len()
    }
}
