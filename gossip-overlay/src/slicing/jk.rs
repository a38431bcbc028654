//! JK: ordered slicing by swaps of random values.
//!
//! Jelasity, Kermarrec, *Ordered slicing of very large-scale overlay networks*, P2P 2006, section 3
//! (the protocol), section 4 (its analysis).
//!
//! ```text
//! at the start:   r = uniform in (0, 1]
//! every round:    q = one of the neighbours with (x - x_q)(r - r_q) < 0, at random
//!                 send q: (x, r); on reply r_q: r = r_q
//! on (x_p, r_p):  if (x - x_p)(r - r_p) < 0: reply with r, r = r_p; otherwise refuse
//! slice:          the part of (0, 1] that r lies in
//! ```
//!
//! Neighbours come with what they last told, their profiles, which may be old: the partner checks
//! again.
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{PeerId, stack};
//! use gossip_overlay::slicing::{Jk, Profile, Slices, jk};
//!
//! stack! {
//!     /// Descriptors tell what the slices sort by, and the slices read it there.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         #[uses(slices)]
//!         peers: Cyclon<I, 20, Profile>,
//!         #[uses(peers)]
//!         slices: Jk<I>,
//!     }
//! }
//!
//! let node = |i: u32| {
//!     let slices = Jk::new(jk::Config { attribute: f64::from(i), slices: Slices::equal(2)? })?;
//!     Ok(Node::new(Cyclon::new(Default::default())?, slices))
//! };
//! let nodes = (0..200).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let mut sim = Simulation::new(nodes, 42, Order::Sequential);
//! for node in 1..200 {
//!     sim.contact(node, 0);
//! }
//! sim.run(60);
//! let upper = sim.nodes().filter(|(_, node)| node.slices.slice() == Some(1));
//! assert!(upper.filter(|(i, _)| *i >= 100).count() > 80);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! A swap is atomic: without lost replies the values of all nodes together, as a multiset, never
//! change. The order they are in improves with every swap; the mean squared error of rank falls
//! about a thousandfold in ten rounds. Only ranks matter, not how attributes are distributed.
//!
//! The values are random, so their sorted order still misses the true slices: with k slices of N
//! nodes, sum over b of sqrt(2 N p_b (1 - p_b) / pi) in slice distance, p_b = b / k, for ever
//! ([`metrics::expected_sdm_floor`](super::metrics::expected_sdm_floor)). That is 3 % of the nodes
//! at N = 10^4 and k = 10.
//!
//! A lost or late *reply* leaves the partner with our value and us with it, too: one value is there
//! twice and one is gone. A crash takes a value along, and a joiner brings one; leaving that
//! correlates with the attribute skews the slices for good.
//!
//! # Deviations from the paper
//!
//! - Equal attributes are ordered by identifier, so that they, too, are spread over the slices.
//! - A request during a node's own exchange is refused, not queued, so that swaps cannot overlap.

use core::fmt;
use core::marker::PhantomData;

use gossip_core::{
    Configured, Describe, Exchange, Finite, Local, Pairwise, ParameterError, PeerId, Profiles,
    Protocol, Random, Receipt, Refusal, Round, message,
};

use super::health::Notes;
use super::{Health, Profile, Sliced, Slices, Value, checked};

pub use super::{Command, Event};

/// JK as a layer over any [`Profiles`] whose descriptors carry a slicing [`Profile`].
pub type Jk<I> = Pairwise<State<I>>;

message! {
    /// What travels.
    #[derive(Copy, PartialEq)]
    pub enum Message {
        /// The initiator's attribute and value.
        Offer(Finite, Value),
        /// The partner's former value, for the one it took.
        Swapped(Value),
    }
}

/// Parameters of JK. Both depend on the use, so neither has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What nodes are sorted by: any finite number, in any unit, the same at all nodes.
    pub attribute: f64,
    /// What the system is divided into; each node may ask for its own. The paper uses 100 equal
    /// slices at 10^4 nodes; a slice should hold many nodes.
    pub slices: Slices,
}

/// Which of the misordered neighbours to swap with.
pub trait Choice: Clone + fmt::Debug + Send + 'static {
    /// One of the peers in `below` that are misordered with `mine`, if there is any.
    fn choose<I: PeerId>(
        mine: &Standing<I>,
        below: &impl Profiles<Id = I, Profile = Profile>,
        random: &mut Random,
    ) -> Option<I>;
}

/// Any of them, each as likely: JK's choice.
#[derive(Clone, Copy, Debug)]
pub struct Any;

impl Choice for Any {
    fn choose<I: PeerId>(
        mine: &Standing<I>,
        below: &impl Profiles<Id = I, Profile = Profile>,
        random: &mut Random,
    ) -> Option<I> {
        let (mut chosen, mut seen) = (None, 0);
        below.for_each_profile(|peer, profile| {
            let other = Standing::told(peer, profile);
            if other.is_some_and(|other| mine.is_misordered(&other)) {
                seen += 1;
                if random.below(seen) == 0 {
                    chosen = Some(peer);
                }
            }
        });
        chosen
    }
}

/// A node, its attribute and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing<I> {
    /// The attribute, and the identifier, which orders equal attributes.
    pub key: (Finite, I),
    /// The random value.
    pub value: Value,
}

impl<I: PeerId> Standing<I> {
    /// What `peer` told in its `profile`; none if it had no value yet.
    pub fn told(peer: I, profile: &Profile) -> Option<Self> {
        Some(Self { key: (profile.attribute, peer), value: profile.value? })
    }

    /// Whether the values of the two are ordered against their attributes.
    pub fn is_misordered(&self, other: &Self) -> bool {
        let is_other = self.key.1 != other.key.1 && self.value != other.value;
        is_other && self.key.cmp(&other.key) != self.value.cmp(&other.value)
    }
}

/// A node's part in JK; `C` chooses partners.
#[derive(Clone, Debug)]
pub struct State<I, C = Any> {
    attribute: Finite,
    /// None before the first call.
    value: Option<Value>,
    me: Option<I>,
    slices: Slices,
    changes: u32,
    /// Values held so far, and for how many rounds the last.
    held: (u32, Round),
    /// The share of rounds with no neighbour out of order: a moving average.
    quiet: f64,
    notes: Notes,
    choice: PhantomData<fn() -> C>,
}

impl<I: PeerId, C: Choice> Configured for State<I, C> {
    type Config = Config;

    fn new(Config { attribute, slices }: Config) -> Result<Self, ParameterError> {
        let attribute = checked(attribute)?;
        Ok(Self {
            attribute,
            value: None,
            me: None,
            slices,
            changes: 0,
            held: (0, 0),
            quiet: 0.0,
            notes: Notes::default(),
            choice: PhantomData,
        })
    }
}

impl<I: PeerId, C: Choice> State<I, C> {
    /// The slice this node believes it is in, from 0 for the lowest attributes; none before its
    /// first call.
    pub fn slice(&self) -> Option<u32> {
        Sliced::slice(self)
    }

    /// Where this node believes that it stands among all, in (0, 1]: a hint, off by what the
    /// module page says.
    pub const fn value(&self) -> Option<Value> {
        self.value
    }

    /// What this node is sorted by.
    pub const fn attribute(&self) -> Finite {
        self.attribute
    }

    /// What the system is divided into.
    pub const fn slices(&self) -> &Slices {
        &self.slices
    }

    /// Draws the value at the first call.
    fn settle(&mut self, cx: &mut impl Local<Self>) -> Value {
        if let Some(value) = self.value {
            return value;
        }
        self.me = Some(cx.me());
        let value = Value::draw(cx.rng());
        self.take(value, cx);
        value
    }

    fn take(&mut self, value: Value, cx: &mut impl Local<Self>) {
        self.notes.lost(usize::from(self.value.is_some()));
        self.value = Some(value);
        self.held = (self.held.0.saturating_add(1), 0);
        self.changes = self.changes.wrapping_add(1);
        self.tell(cx);
    }

    fn tell(&mut self, cx: &mut impl Local<Self>) {
        let quiet = self.quiet;
        self.notes.tell(self.slice(), || quiet, cx);
    }

    /// Notes a round, in which all neighbours, if there were any, `are_ordered`.
    fn note(&mut self, are_ordered: bool, cx: &mut impl Local<Self>) {
        self.notes.tick();
        self.held.1 = self.held.1.saturating_add(1);
        self.quiet += (f64::from(u8::from(are_ordered)) - self.quiet) / 16.0;
        self.tell(cx);
    }

    fn is_misordered(&self, peer: I, attribute: Finite, value: Value) -> bool {
        let (Some(me), Some(mine)) = (self.me, self.value) else { return false };
        let mine = Standing { key: (self.attribute, me), value: mine };
        mine.is_misordered(&Standing { key: (attribute, peer), value })
    }
}

impl<I: PeerId, C: Choice> Sliced for State<I, C> {
    fn slices(&self) -> &Slices {
        &self.slices
    }

    fn position(&self) -> Option<Value> {
        self.value
    }

    /// None: how far random values miss the true slices depends on the size of the system.
    fn confidence(&self) -> Option<f64> {
        None
    }

    fn health(&self) -> Health {
        let samples = (self.held.0.into(), self.held.1);
        self.notes.health(&self.slices, self.value, samples, self.quiet)
    }
}

impl<I: PeerId, C: Choice> Protocol for State<I, C> {
    type Id = I;
    type Message = Message;
    type Event = Event;
    type Command = Command;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I, C, D> Exchange<D> for State<I, C>
where
    I: PeerId,
    C: Choice,
    D: Profiles<Id = I, Profile = Profile>,
{
    const ATOMIC: bool = true;

    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Message)> {
        let mine = self.settle(cx);
        let standing = Standing { key: (self.attribute, cx.me()), value: mine };
        let chosen = C::choose(&standing, below, cx.rng());
        self.note(chosen.is_none() && below.degree() > 0, cx);
        Some((chosen?, Message::Offer(self.attribute, mine)))
    }

    fn respond(
        &mut self,
        _: &D,
        from: I,
        request: Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Message> {
        let mine = self.settle(cx);
        let Message::Offer(attribute, value) = request else {
            cx.count("request that is none");
            return None;
        };
        if !self.is_misordered(from, attribute, value) {
            cx.count("in order already");
            return None;
        }
        self.take(value, cx);
        Some(Message::Swapped(mine))
    }

    fn complete(&mut self, _: &D, _: I, reply: Message, cx: &mut impl Local<Self>) {
        match reply {
            Message::Swapped(value) => self.take(value, cx),
            Message::Offer(..) => cx.count("reply that is none"),
        }
    }

    fn abandon(&mut self, _: &D, _: I, cx: &mut impl Local<Self>) {
        // If the partner has swapped and only its answer is lost, it has our value and so do we.
        cx.count("swap in doubt");
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Command,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        let Command::SetAttribute(attribute) = command;
        self.settle(cx);
        self.attribute = attribute;
        self.quiet = 0.0;
        self.notes.disturb(cx);
        self.changes = self.changes.wrapping_add(1);
        Ok(Receipt::default())
    }

    fn on_contact(&mut self, _: &D, _: I, cx: &mut impl Local<Self>) {
        self.settle(cx);
    }
}

impl<I: PeerId, C: Choice> Describe<Profile> for State<I, C> {
    fn describe(&self) -> Profile {
        Profile { attribute: self.attribute, value: self.value }
    }
}
