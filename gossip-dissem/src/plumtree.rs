//! Plumtree: publications travel along a tree that floods carve out of the overlay, and what the
//! tree loses is announced over all other links, asked for, and grafted.
//!
//! Leitao, Pereira, Rodrigues, *Epidemic broadcast trees*, SRDS 2007, section 3 (algorithms 1 to 4
//! of the technical report TR-07-14, revised 2019). It stands over any symmetric neighbours that
//! stay, such as `HyParView` in `gossip-core`.
//!
//! ```text
//! on a value m from q:   new: deliver; q is eager; send m to the eager but q, and announce m to
//!                             the lazy but q; if somebody had announced m over `threshold` fewer
//!                             hops, attach to it, and prune q
//!                        new, and requested: deliver; announce m to all but q
//!                        known: q is lazy; tell q so (prune)
//! on prune from q:       q is lazy
//! on announce m from q:  if m is missing: note that q has it; unless one runs, start timer1 for m
//!                             (over at once if nobody is to send what is published in m's tree)
//! on a timer of m:       start timer2 for m; q = the next that has it; if nobody is to send m, or
//!                             `patience` publications were late: q is eager; graft m from q
//!                             else: request m from q
//! on graft m from q:     q is eager; if m is here, send it to q
//! on request m from q:   if m is here, send it to q
//! on attach from q:      q is eager
//! on a burst of c copies of m from q (or c = `burst`, if m is published where no tree is yet):
//!                        q is to send what is published in m's tree; as on a value, but c of the
//!                             lazy are eager from now on, and are sent m and the rest of the
//!                             burst, each its part
//! neighbour up, down:    it is eager (lazy, if trees grow on demand); it is forgotten
//! ```
//!
//! # What holds
//!
//! - Each publication is delivered at most once at a node: identifiers are remembered for at least
//!   `memory / intake` rounds, and nothing older than `age` rounds, which is less, is taken in.
//! - A publication is kept for at least `store / intake` rounds, or `age` if that is less. As long
//!   as it is, each neighbour that is not known to have it is told of it again and again; so
//!   whoever is connected to a holder for that long gets it, unless it sheds it.
//! - On a quiet network the eager links are a spanning tree: n - 1 copies a publication, and two
//!   announcements over each other link (one or two with [`suppress`](Config::suppress)).
//! - Where links lose 5 % and nodes come and go, some 1.1 copies for each delivery, half of them
//!   within 1.5 times a flood's median, whoever publishes (`repro dissem-efficiency`).
//! - Messages end: nothing is sent for a publication that is older than `age` rounds.
//! - A node serves at most [`LINKS_MAX`] neighbours, keeps `store` values and `memory` identifiers,
//!   waits for `missing` publications, of which one peer names at most half, and holds for each
//!   neighbour at most `store` announcements and values that wait, 64 notes, and, with a tree per
//!   origin, twice 1,024 marks.
//!
//! # Deviations from the paper
//!
//! - Its links are connections that lose nothing. Ours may lose: announcements are repeated until
//!   they are acknowledged, values sent are announced, too, after a while, and who has been asked
//!   is asked again. All of it can be switched off ([`Config::paper`]).
//! - Announcements are gathered for a moment, and travel together; so may values, prunes and
//!   acknowledgements ([`Config::gather`]).
//! - What is lost on its way is requested; links are grafted if that happens again and again
//!   ([`Config::patience`]). A loss is one for a whole branch of the tree. Were each node of it to
//!   graft, as in the paper, the next value would come twice to each; and were what comes by
//!   request sent on, then this one would.
//! - Each origin may have a tree of its own ([`Trees::OnDemand`], [`Trees::PerOrigin`]). There the
//!   copy over more hops is pruned, not the later one. A tree that grows on demand begins with a
//!   [burst](Config::burst).
//! - A second copy from the peer that the first one came from prunes nothing: the network made it.
//! - New neighbours are told what was published lately, so that parts that were cut off catch up.
//! - A prune names the publication, so that it needs no confirmation.
//! - Neighbours that have announced a value are not sent it, as gossipsub's IDONTWANT has it; the
//!   announcement itself is the message.

mod burst;
mod config;
mod link;
mod message;
mod missing;
mod outgoing;
mod shape;
mod store;

use alloc::vec::Vec;

use core::time::Duration;

use gossip_core::{
    Configured, Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal,
    Time, Wire,
};

pub use config::{Config, LINKS_MAX, Trees};
use link::{Link, Note, Tree};
pub use message::{ANNOUNCED, Announcement, Message};
use missing::{Missing, Sources};
use store::Store;

pub use crate::post::{Command, Event};
use crate::post::{MessageId, Post};
use crate::seen::{Seen, Verdict};
use crate::spread::spreads;

/// What a node has sent since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Publications, on request or not.
    pub payloads: u64,
    /// Publications announced, each once a neighbour.
    pub announced: u64,
    /// Publications announced again.
    pub repeated: u64,
    /// Requests for a publication and for what comes next, or for that alone.
    pub grafts: u64,
    /// Requests for a publication alone.
    pub requests: u64,
    /// Links turned lazy by this node.
    pub prunes: u64,
}

/// A node's part in Plumtree: values `V` among peers `I`.
///
/// ```
/// use gossip_core::Blob;
/// use gossip_core::sampling::HyParView;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::plumtree::{self, Plumtree};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: HyParView<I, 5, 30>,
///         #[uses(peers)]
///         news: Plumtree<I, Blob<512>>,
///     }
/// }
///
/// let news = Plumtree::new(Default::default())?;
/// let node = Node::new(HyParView::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..100).map(|_| node.clone()), 7, Order::Sequential);
/// for node in 1..100 {
///     sim.contact(node, 0);
/// }
/// sim.run(20);
///
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// for text in ["lunch", "is", "served"] {
///     sim.command(3, Command::news(plumtree::Command::Publish(Blob::new(text)?)))?;
///     sim.run(3);
/// }
/// assert_eq!(sim.events().take().count(), 3 * 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<I: PeerId, V: Wire> {
    config: Config,
    links: Vec<Link<I>>,
    store: Store<I, V>,
    missing: Missing<I>,
    seen: Seen<I>,
    /// Publications of this node since the last round.
    published: usize,
    /// The number of the last announcement.
    batch: u32,
    traffic: Traffic,
}

/// Plumtree as a layer over any symmetric [`Peers`].
pub type Plumtree<I, V> = State<I, V>;

impl<I: PeerId, V: Wire> Configured for State<I, V> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        Self::new(config)
    }
}

impl<I: PeerId, V: Wire> State<I, V> {
    /// Builds it from `config`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        Ok(Self {
            links: Vec::new(),
            store: Store::new(config.store, config.age),
            missing: Missing::new(config.missing),
            seen: Seen::new(config.limits()),
            published: 0,
            batch: 0,
            traffic: Traffic::default(),
            config,
        })
    }

    /// The neighbours, each with whether publications (of all origins) are sent to it: eager, or
    /// lazy.
    pub fn neighbours(&self) -> impl Iterator<Item = (I, bool)> {
        self.links.iter().map(|link| (link.peer, link.is_always_eager()))
    }

    /// Whether this node, `me`, knows the publication `id`, as far as it remembers.
    pub fn knows(&self, me: I, id: &MessageId<I>) -> bool {
        self.seen.knows(me, id)
    }

    /// How many publications are kept for others.
    pub fn kept(&self) -> usize {
        self.store.len()
    }

    /// How many publications were announced and have not come.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// How many identifiers of others' publications are remembered.
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// How many announcements wait for their time or for their acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.links.iter().map(Link::waiting).sum()
    }

    /// What was sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn link(&mut self, peer: I) -> Option<&mut Link<I>> {
        self.links.iter_mut().find(|link| link.peer == peer)
    }

    /// The tree that `id` travels on.
    fn tree(&self, id: &MessageId<I>) -> Tree<I> {
        match self.config.trees {
            Trees::Shared => None,
            Trees::PerOrigin | Trees::OnDemand => Some(id.origin),
        }
    }

    /// What is published in the tree of `id` is sent to `peer`, or only announced.
    fn set_eager(&mut self, peer: I, id: &MessageId<I>, eager: bool) {
        let tree = self.tree(id);
        self.link(peer).into_iter().for_each(|link| link.set_eager(tree, eager));
    }

    /// `peer` should send what is published in the tree of `id`, or only announce it.
    fn expect(&mut self, peer: I, id: &MessageId<I>, expected: bool) {
        let tree = self.tree(id);
        self.link(peer).into_iter().for_each(|link| link.expect(tree, expected));
    }

    /// Whether some neighbour should send what is published in `tree`.
    fn has_parent(&self, tree: Tree<I>) -> bool {
        self.links.iter().any(|link| link.is_expected(tree))
    }

    /// `peer` has `id`: it need not be told.
    fn settle(&mut self, peer: I, id: &MessageId<I>) {
        self.link(peer).into_iter().for_each(|link| link.settle(id));
    }

    /// Looks at who the neighbours are now.
    fn refresh<D: Peers<Id = I>>(&mut self, below: &D, cx: &mut impl Local<Self>) {
        let (mut at, mut same) = (0, true);
        below.for_each(|peer, made| {
            let link = self.links.get(at);
            same &= at >= LINKS_MAX || link.is_some_and(|l| (l.peer, l.made) == (peer, made));
            at += 1;
        });
        if same && self.links.len() == at.min(LINKS_MAX) {
            return;
        }
        let mut before = core::mem::take(&mut self.links);
        below.for_each(|peer, made| {
            let known = before.iter().position(|link| (link.peer, link.made) == (peer, made));
            if self.links.len() < LINKS_MAX {
                self.links.push(match known {
                    Some(at) => before.swap_remove(at),
                    None => self.neighbour_up(peer, made, cx),
                });
            }
        });
        for gone in before {
            if self.link(gone.peer).is_none() {
                self.missing.leave(gone.peer);
            }
        }
    }

    /// A link to a new neighbour, which is told what was published lately.
    fn neighbour_up(&self, peer: I, made: u64, cx: &impl Local<Self>) -> Link<I> {
        let mut link = Link::new(peer, made, self.config.trees != Trees::OnDemand);
        if self.config.recall > 0 {
            let due = cx.now() + self.config.announce;
            let young = self.store.young(self.config.recall, cx.round());
            young.for_each(|id| link.announce(id, due));
        }
        link
    }

    fn on_gossip(
        &mut self,
        from: I,
        mut post: Post<I, V>,
        copies: usize,
        cx: &mut impl Context<Self>,
    ) {
        let id = post.id;
        match self.seen.judge(from, id, post.age, cx) {
            Verdict::New => {
                let sources = self.missing.take(&id);
                self.missing.came(self.tree(&id), sources.asked > 0);
                post.hops = post.hops.saturating_add(1);
                let hops = post.hops;
                let requested = sources.requested == Some(from);
                if self.config.trees == Trees::Shared && !requested {
                    self.expect(from, &id, true);
                }
                self.pass_on(post, Some(from), &sources, copies, cx);
                if !requested {
                    self.optimise(from, id, hops, &sources.from, cx);
                }
            }
            Verdict::Known => {
                self.settle(from, &id);
                self.on_copy(from, id, post.hops.saturating_add(1), cx);
            }
            Verdict::Refused => {}
        }
    }

    /// Delivers what is new, sends it over the eager links, and announces it over the lazy ones.
    ///
    /// What was lost on its way was lost for a whole branch of the tree, all of which asks for it
    /// now: there it is only announced, at once.
    fn pass_on(
        &mut self,
        post: Post<I, V>,
        source: Option<I>,
        sources: &Sources<I>,
        copies: usize,
        cx: &mut impl Context<Self>,
    ) {
        let Post { id, hops, ref value, .. } = post;
        cx.emit(Event::Delivered { id, value: value.clone(), hops });
        let tree = self.tree(&id);
        let first = !self.links.iter().any(|link| link.is_eager(tree));
        let wait = if first || sources.asked > 0 { Duration::ZERO } else { self.config.announce };
        let (announce_at, suppress) = (cx.now() + wait, self.config.suppress);
        let has = |peer| suppress && sources.from.iter().any(|entry| entry.0 == peer);
        let mut open = Vec::new();
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if Some(link.peer) == source || has(link.peer) {
                continue;
            }
            if link.is_eager(tree) && sources.requested.is_none() {
                self.send_value(at, &post, cx);
            } else {
                open.push(at);
            }
        }
        for &at in self.burst(&post, &mut open, copies, cx) {
            self.links[at].announce(id, announce_at);
        }
        if let Some(gone) = self.store.insert(post, (source, sources.requested), cx.round()) {
            cx.count("publication displaced");
            self.links.iter_mut().for_each(|link| link.settle(&gone));
        }
        self.send_due(cx);
    }

    fn on_announce(
        &mut self,
        from: I,
        batch: u32,
        posts: &[Announcement<I>],
        cx: &mut impl Context<Self>,
    ) {
        let (me, now) = (cx.me(), cx.now());
        let mut shed = false;
        for &Announcement { id, hops } in posts {
            self.settle(from, &id);
            let hops = hops.saturating_add(1);
            if self.seen.knows(me, &id) {
                self.on_late_announcement(from, id, hops, cx);
            } else if !self.seen.is_held_back(&id) {
                let expected = self.has_parent(self.tree(&id));
                let due = if expected { now + self.config.timeout1 } else { now };
                shed |= !self.missing.note(id, (from, hops), due, cx.round());
            }
        }
        if shed {
            // It is not acknowledged, and so will be announced again.
            cx.count("announcement shed");
        } else if batch != 0 {
            self.send_note(from, Note::Acknowledge(batch), cx);
        }
        self.ask_due(cx);
    }

    /// Asks for what has not come in time; for what comes next, too, if this is the rule by now, or
    /// if nobody is to bring it.
    fn ask_due(&mut self, cx: &mut impl Context<Self>) {
        while let Some((id, peer)) = self.missing.ask(cx.now(), self.config.timeout2) {
            if self.seen.is_held_back(&id) {
                self.missing.take(&id);
                continue;
            }
            let tree = self.tree(&id);
            let broken = !self.has_parent(tree) || self.missing.late(tree) >= self.config.patience;
            self.missing.requested(&id, (!broken).then_some(peer));
            if broken {
                self.expect(peer, &id, true);
                self.missing.came(tree, false);
                self.traffic.grafts += 1;
                cx.send(peer, Message::Graft(id));
            } else {
                self.traffic.requests += 1;
                cx.send(peer, Message::Request(id));
            }
        }
    }

    /// Sends `from` what it lacks.
    fn on_request(&mut self, from: I, id: MessageId<I>, cx: &mut impl Context<Self>) {
        let (now, Config { confirm, intake, .. }) = (cx.now(), self.config);
        let Some(link) = self.links.iter_mut().find(|link| link.peer == from) else {
            return cx.count("graft from a stranger");
        };
        let Some(post) = self.store.get(&id, cx.round()) else {
            return cx.count("graft of what is gone");
        };
        if link.served >= intake {
            return cx.count("graft ignored: too many this round");
        }
        link.served += 1;
        if let Some(after) = confirm {
            link.announce(id, now + after);
        }
        self.traffic.payloads += 1;
        cx.send(from, Message::Gossip(post));
    }
}

spreads!();

impl<I: PeerId, V: Wire> Protocol for State<I, V> {
    type Id = I;
    type Message = Message<I, V>;
    type Event = Event<I, V>;
    type Command = Command<V>;

    fn wake_at(&self) -> Time {
        self.links.iter().map(Link::next).min().unwrap_or(Time::NEVER).min(self.missing.next())
    }
}

impl<I: PeerId, V: Wire, D: Peers<Id = I>> Layer<D> for State<I, V> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx);
        self.seen.new_round();
        self.published = 0;
        self.links.iter_mut().for_each(|link| link.served = 0);
        let (age, round) = (self.config.age, cx.round());
        while let Some(gone) = self.store.expire(round) {
            self.links.iter_mut().for_each(|link| link.settle(&gone));
        }
        for _ in 0..self.missing.expire(round, age) {
            cx.count("announced, and never came");
        }
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        if self.link(from).is_none() {
            self.refresh(below, cx);
        }
        match message {
            Message::Gossip(post) => self.on_gossip(from, post, 0, cx),
            Message::Burst { post, copies } => {
                self.expect(from, &post.id, true);
                self.on_gossip(from, post, self.config.burst.min(copies as usize), cx);
            }
            Message::Announce { batch, posts } => self.on_announce(from, batch, &posts, cx),
            Message::Acknowledge(batch) => {
                if !self.link(from).is_some_and(|link| link.acknowledge(batch)) {
                    cx.count("acknowledgement not awaited");
                }
            }
            Message::Graft(id) => {
                self.set_eager(from, &id, true);
                self.on_request(from, id, cx);
            }
            Message::Request(id) => self.on_request(from, id, cx),
            Message::Attach(id) => self.set_eager(from, &id, true),
            Message::Prune(id) => {
                self.set_eager(from, &id, false);
                self.settle(from, &id);
            }
        }
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx);
        self.ask_due(cx);
        self.send_due(cx);
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx);
    }

    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        if !self.config.gather.is_zero() {
            self.send_along(to, cx);
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let (value, rounds) = match command {
            Command::Publish(value) => (value, None),
            Command::PublishFor { value, rounds } => (value, Some(rounds)),
        };
        let age = self.seen.first_age(rounds)?;
        let limit = self.config.intake;
        if self.published >= limit {
            return Err(Refusal::Full { limit });
        }
        self.refresh(below, cx);
        self.published += 1;
        let id = self.seen.name(cx);
        let tree = self.tree(&id);
        let eager = self.links.iter().filter(|link| link.is_eager(tree)).count();
        let attempted = if eager > 0 { eager } else { self.links.len() };
        let copies = self.first_burst(tree);
        self.pass_on(Post { id, hops: 0, age, value }, None, &Sources::default(), copies, cx);
        Ok(Receipt::attempted(attempted as u32))
    }
}
