//! Adaptive dissemination: publications go down a hierarchy of leaf boxes like down a tree, each
//! step acknowledged; what that does not reach, gossip does.
//!
//! Gupta, Kermarrec, Ganesh, *Efficient epidemic-style protocols for reliable and scalable
//! multicast*, SRDS 2002 (and *Efficient and adaptive*, TPDS 2006), the adaptive framework: a tree
//! while nothing fails, and gossip where something does. The tree is drawn anew for each
//! publication, so that nobody is its root, and nobody repairs it.
//!
//! ```text
//! publish m:              deliver m; pass m on below the root
//! pass m on below h:      for each box beside one's own under an ancestor of height 2 to h: send m
//!                             to a member there, drawn evenly, to pass on below that box's height
//!                         send m to each other member of one's own leaf box
//! on m below h from q:    acknowledge m; deliver m if it is new; pass m on below h
//! not acknowledged:       after `tries` times to one member another of its box, `members` in all
//! every round:            tell a peer, drawn as in hierarchical gossip, the last 24 names of what
//!                             came `rest` rounds ago or earlier (gossip, for `gossip` rounds)
//! on names from q:        request from q what is not here
//! on m by request:        deliver m; tell its name to one's own leaf box
//! ```
//!
//! # What holds
//!
//! - Each publication is delivered at most once at a node, as with [Plumtree](crate::plumtree).
//! - While nothing fails: n - 1 copies and as many acknowledgements, K - 1 of them over the topmost
//!   boundary; at most as many hops as the hierarchy is high. A lost acknowledgement costs a copy.
//! - A box in which `members` were silent, or one whose member crashes with what it has
//!   acknowledged, hears of the publication by gossip, `rest` rounds later.
//! - Nothing is sent for a publication after `rest` + `gossip` rounds and its acknowledgements.
//! - At most `store` values are kept, `memory` identifiers, and `pending` acknowledgements awaited.
//!
//! # Deviations from the paper
//!
//! - Of the framework only the abstract is at hand, and the papers file: how failures are found
//!   (acknowledgements), and what falls back (a box, to names that are gossiped) is our choice.
//! - Boxes without members that are known are passed over: it stands over as many peers as its
//!   hierarchy has members, or leaves the rest to gossip.

mod config;
mod kept;
mod message;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal,
    Round, Time, Wire,
};

pub use config::Config;
use kept::Kept;
pub use message::{Message, NAMES};

use crate::hierarchy::{Hierarchical, LeafBoxes};
pub use crate::post::{Command, Event};
use crate::post::{MessageId, Post};
use crate::schedule::Schedule;
use crate::seen::{Seen, Verdict};
use crate::spread::spreads;

/// What a node has sent since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Publications, by the tree or on request.
    pub payloads: u64,
    /// Those of them that were sent again, for want of an acknowledgement.
    pub repeated: u64,
    /// Requests for what was named: each is a gap in the tree.
    pub requests: u64,
    /// Messages with names.
    pub gossiped: u64,
}

/// A step down the tree that is not acknowledged.
#[derive(Clone, Debug)]
struct Step<I: PeerId> {
    /// The height of the ancestor, and the box below it.
    to: (u8, u64),
    /// Sendings to the last of `tried`.
    sent: u8,
    tried: Vec<I>,
}

/// A node's part in adaptive dissemination: values `V` among peers `I`.
///
/// ```
/// use gossip_core::sampling::Fixed;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, Protocol, stack};
/// use gossip_dissem::adaptive::{self, Adaptive};
/// use gossip_dissem::hierarchy::LeafBoxes;
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         members: Fixed<I, 64>,
///         #[uses(members)]
///         news: Adaptive<I, u32>,
///     }
/// }
///
/// let news = Adaptive::new(LeafBoxes::new(4, 2)?, Default::default())?;
/// let others = |node| (0..64).filter(move |&peer| peer != node);
/// let node = |node| Node::new(Fixed::new(others(node)), news.clone());
/// let mut sim = Simulation::new((0..64).map(node), 7, Order::Sequential);
/// sim.run(1);
/// type Command = <Node<u32> as Protocol>::Command;
/// sim.command(3, Command::news(adaptive::Command::Publish(7)))?;
/// sim.run(2);
/// assert_eq!(sim.events().take().count(), 64);
/// let sent: u64 = sim.nodes().map(|(_, node)| node.news.traffic().payloads).sum();
/// assert_eq!(sent, 63);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<I: PeerId, V: Wire> {
    config: Config,
    near: Hierarchical<I>,
    /// The peers by the height of the ancestor in common, and the box below it.
    boxes: BTreeMap<(u8, u64), Vec<I>>,
    seen: Seen<I>,
    kept: Kept<I, V>,
    pending: Schedule<(MessageId<I>, I), Step<I>>,
    /// Publications of this node since the last round.
    published: usize,
    traffic: Traffic,
}

/// Adaptive dissemination as a layer over any [`Peers`].
pub type Adaptive<I, V> = State<I, V>;

impl<I: PeerId, V: Wire> State<I, V> {
    /// Among `boxes`, which all members must have alike, by hash of their names.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(boxes: LeafBoxes, config: Config) -> Result<Self, ParameterError> {
        Self::over(Hierarchical::new(boxes), config)
    }

    /// Among boxes of members that are placed otherwise, as `near` has them.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn over(near: Hierarchical<I>, config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        Ok(Self {
            near,
            boxes: BTreeMap::new(),
            seen: Seen::new(config.limits()),
            kept: Kept::new(config.store),
            pending: Schedule::default(),
            published: 0,
            traffic: Traffic::default(),
            config,
        })
    }

    /// How many publications are kept for others.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// How many acknowledgements are awaited.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What was sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Looks at who is there.
    fn refresh<D: Peers<Id = I>>(&mut self, below: &D, me: I) {
        if !self.near.refresh(below, me) {
            return;
        }
        self.boxes.clear();
        for &peer in self.near.members() {
            self.boxes.entry(self.near.beside(&me, &peer)).or_default().push(peer);
        }
    }

    /// A publication has come, or is this node's own.
    fn take_in(&mut self, mut post: Post<I, V>, source: Option<I>, cx: &mut impl Local<Self>) {
        if source.is_some() {
            post.hops = post.hops.saturating_add(1);
        }
        let Post { id, hops, ref value, .. } = post;
        cx.emit(Event::Delivered { id, value: value.clone(), hops });
        if self.kept.insert(post, cx.round()) {
            cx.count("publication displaced");
        }
    }

    /// Passes `id` on below `height`, as far as that was not done.
    fn pass_on(&mut self, id: MessageId<I>, height: u8, cx: &mut impl Context<Self>) -> u32 {
        let Some(from) = self.kept.raise(&id, height) else { return 0 };
        let mut steps = Vec::new();
        for (&to, members) in self.boxes.range((from + 1, 0)..=(height, u64::MAX)) {
            if to.0 == 1 {
                steps.extend(members.iter().map(|&peer| (peer, to)));
            } else {
                steps.push((members[cx.rng().below(members.len())], to));
            }
        }
        for &(peer, to) in &steps {
            self.step(id, Step { to, sent: 0, tried: Vec::from([peer]) }, cx);
        }
        steps.len() as u32
    }

    /// Sends `id` to the last member that is tried in `step`, and awaits that it is acknowledged.
    fn step(&mut self, id: MessageId<I>, mut step: Step<I>, cx: &mut impl Context<Self>) {
        let Some((&peer, post)) = step.tried.last().zip(self.kept.get(&id, cx.round())) else {
            return;
        };
        self.traffic.payloads += 1;
        cx.send(peer, Message::Tree(post, step.to.0 - 1));
        step.sent += 1;
        if self.pending.len() < self.config.pending {
            self.pending.insert((id, peer), cx.now() + self.config.timeout, step);
        } else {
            cx.count("sent without awaiting that it comes");
        }
    }

    /// `peer` has not acknowledged `id`: sends it again, there or to another member of the box.
    fn retry(&mut self, id: MessageId<I>, mut step: Step<I>, cx: &mut impl Context<Self>) {
        if step.sent >= self.config.tries {
            let none = Vec::new();
            let members = self.boxes.get(&step.to).unwrap_or(&none);
            let fresh: Vec<I> =
                members.iter().copied().filter(|peer| !step.tried.contains(peer)).collect();
            // In a leaf box each member is sent it anyway.
            let alone = step.to.0 == 1 || step.tried.len() >= usize::from(self.config.members);
            if alone || fresh.is_empty() {
                return cx.count("left to gossip");
            }
            step.tried.push(fresh[cx.rng().below(fresh.len())]);
            step.sent = 0;
        }
        self.traffic.repeated += 1;
        self.step(id, step, cx);
    }

    /// Judges a publication that `from` has sent, and takes it in if it is new. Returns whether it
    /// is here, and whether it is new.
    fn judge(&mut self, from: I, post: Post<I, V>, cx: &mut impl Local<Self>) -> Verdict {
        let verdict = self.seen.judge(from, post.id, post.age, cx);
        if verdict == Verdict::New {
            self.take_in(post, Some(from), cx);
        }
        verdict
    }

    fn on_names(&mut self, from: I, names: &[MessageId<I>], cx: &mut impl Context<Self>) {
        let me = cx.me();
        for id in names.iter().filter(|id| !self.seen.knows(me, id) && !self.seen.is_held_back(id))
        {
            self.traffic.requests += 1;
            cx.send(from, Message::Request(*id));
        }
    }

    /// What the tree left out has come: there may be more beside this node that lack it.
    fn tell_box(&mut self, id: MessageId<I>, cx: &mut impl Context<Self>) {
        let mates: Vec<I> = self
            .boxes
            .range((1, 0)..=(1, u64::MAX))
            .flat_map(|(_, mates)| mates)
            .copied()
            .collect();
        for peer in mates {
            self.tell(peer, [id], cx);
        }
    }

    fn tell(
        &mut self,
        peer: I,
        ids: impl IntoIterator<Item = MessageId<I>>,
        cx: &mut impl Context<Self>,
    ) {
        let mut names = Bounded::new();
        if names.fill(ids) > 0 {
            self.traffic.gossiped += 1;
            cx.send(peer, Message::Names(names));
        }
    }
}

spreads!();

impl<I: PeerId, V: Wire> Protocol for State<I, V> {
    type Id = I;
    type Message = Message<I, V>;
    type Event = Event<I, V>;
    type Command = Command<V>;

    fn wake_at(&self) -> Time {
        self.pending.next()
    }
}

impl<I: PeerId, V: Wire, D: Peers<Id = I>> Layer<D> for State<I, V> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx.me());
        self.seen.new_round();
        self.published = 0;
        let Config { rest, gossip, .. } = self.config;
        self.kept.expire(Round::from(rest) + Round::from(gossip), cx.round());
        if let Some(peer) = self.near.sample(cx.rng()) {
            let names: Vec<_> = self.kept.rested(rest, cx.round()).take(NAMES).collect();
            self.tell(peer, names, cx);
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Tree(post, height) => {
                let id = post.id;
                if self.judge(from, post, cx) != Verdict::Refused {
                    cx.send(from, Message::Here(id));
                    // No higher than the way from there leads down.
                    let most = self.near.beside(&cx.me(), &from).0 - 1;
                    self.pass_on(id, height.min(most), cx);
                }
            }
            Message::Here(id) => {
                if self.pending.remove(&(id, from)).is_none() {
                    cx.count("acknowledgement not awaited");
                }
            }
            Message::Names(names) => self.on_names(from, &names, cx),
            Message::Request(id) => match self.kept.get(&id, cx.round()) {
                Some(post) => {
                    self.traffic.payloads += 1;
                    cx.send(from, Message::Answer(post));
                }
                None => cx.count("request for what is gone"),
            },
            Message::Answer(post) => {
                let id = post.id;
                if self.judge(from, post, cx) == Verdict::New {
                    self.tell_box(id, cx);
                }
            }
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        while let Some(key) = self.pending.due(cx.now()) {
            if let Some(step) = self.pending.remove(&key) {
                self.retry(key.0, step, cx);
            }
        }
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx.me());
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
        if self.published >= self.config.intake {
            return Err(Refusal::Full { limit: self.config.intake });
        }
        self.published += 1;
        self.refresh(below, cx.me());
        let id = self.seen.name(cx);
        self.take_in(Post { id, hops: 0, age, value }, None, cx);
        Ok(Receipt::attempted(self.pass_on(id, u8::MAX, cx)))
    }
}
