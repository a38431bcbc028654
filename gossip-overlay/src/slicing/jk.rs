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
//! slice:          the one of k equal parts of (0, 1] that r lies in
//! ```
//!
//! Neighbours come with what they last told, their profiles, which may be old: the partner checks
//! again.
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{PeerId, stack};
//! use gossip_overlay::slicing::{Jk, Profile, jk};
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
//!     let slices = Jk::new(jk::Config { attribute: f64::from(i), slices: 2 })?;
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

use gossip_core::{
    Configured, Describe, Exchange, Finite, Local, Pairwise, ParameterError, PeerId, Profiles,
    Protocol, Receipt, Refusal, message,
};

use super::{Profile, Value};

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

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub enum Command {
        /// The attribute is now this.
        SetAttribute(Finite),
    }
}

/// This node is in another slice now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was before; none at the start.
    pub from: Option<u32>,
    /// Where it is.
    pub to: u32,
}

/// Parameters of JK. Both depend on the use, so neither has a default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// What nodes are sorted by: any finite number, in any unit, the same at all nodes.
    pub attribute: f64,
    /// The number of slices k, at least 1, the same at all nodes. The paper uses 100 at 10^4
    /// nodes; a slice should hold many nodes.
    pub slices: u32,
}

/// A node's part in JK.
#[derive(Clone, Debug)]
pub struct State<I> {
    attribute: Finite,
    /// None before the first call.
    value: Option<Value>,
    me: Option<I>,
    slices: u32,
    changes: u32,
}

impl<I: PeerId> Configured for State<I> {
    type Config = Config;

    fn new(Config { attribute, slices }: Config) -> Result<Self, ParameterError> {
        let finite = Finite::new(attribute);
        let error = ParameterError::new("attribute x", attribute, "of the user's unit", "finite");
        let attribute = finite.ok_or(error)?;
        ParameterError::new("number of slices k", f64::from(slices), "slices", "at least 1")
            .unless(slices >= 1)?;
        Ok(Self { attribute, value: None, me: None, slices, changes: 0 })
    }
}

impl<I: PeerId> State<I> {
    /// The slice this node believes it is in, from 0 for the lowest attributes; none before its
    /// first call.
    pub fn slice(&self) -> Option<u32> {
        self.value.map(|value| value.slice(self.slices))
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

    /// The number of slices.
    pub const fn slices(&self) -> u32 {
        self.slices
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
        let from = self.slice();
        self.value = Some(value);
        self.changes = self.changes.wrapping_add(1);
        let to = value.slice(self.slices);
        if from != Some(to) {
            cx.emit(Moved { from, to });
        }
    }

    /// Whether the values of this node and `peer` are ordered against their attributes.
    fn is_misordered(&self, peer: I, attribute: Finite, value: Value) -> bool {
        let (Some(me), Some(mine)) = (self.me, self.value) else { return false };
        let by_attribute = (self.attribute, me).cmp(&(attribute, peer));
        mine != value && by_attribute != mine.cmp(&value)
    }
}

impl<I: PeerId> Protocol for State<I> {
    type Id = I;
    type Message = Message;
    type Event = Moved;
    type Command = Command;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, D: Profiles<Id = I, Profile = Profile>> Exchange<D> for State<I> {
    const ATOMIC: bool = true;

    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Message)> {
        let mine = self.settle(cx);
        // One of those out of order, each as likely, in one pass.
        let (mut chosen, mut seen) = (None, 0);
        below.for_each_profile(|peer, profile| {
            let Some(value) = profile.value else { return };
            if peer != cx.me() && self.is_misordered(peer, profile.attribute, value) {
                seen += 1;
                if cx.rng().below(seen) == 0 {
                    chosen = Some(peer);
                }
            }
        });
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
        self.changes = self.changes.wrapping_add(1);
        Ok(Receipt::default())
    }

    fn on_contact(&mut self, _: &D, _: I, cx: &mut impl Local<Self>) {
        self.settle(cx);
    }
}

impl<I: PeerId> Describe<Profile> for State<I> {
    fn describe(&self) -> Profile {
        Profile { attribute: self.attribute, value: self.value }
    }
}
