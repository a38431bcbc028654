//! Sliver: slices by counting distinct peers, each remembered for a while.
//!
//! Gramoli, Vigfusson, Birman, Kermarrec, van Renesse, *Slicing distributed systems*, IEEE
//! Transactions on Computers 58(11), 2009 (brief announcement at PODC 2008).
//!
//! ```text
//! every round:   for q in the neighbours: remember (q, x_q, age)
//!                send x to a random peer
//!                forget whoever was not heard of for `timeout` rounds
//! on x_p:        remember (p, x_p, now)
//! slice:         the part of (0, 1] that the share of those remembered with x_q <= x, itself
//!                included, lies in
//! ```
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{PeerId, stack};
//! use gossip_overlay::slicing::{Profile, Sliced, Slices, Sliver, sliver};
//!
//! stack! {
//!     /// The neighbours' descriptors tell their attributes.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         #[uses(slices)]
//!         peers: Cyclon<I, 20, Profile>,
//!         #[uses(peers)]
//!         slices: Sliver<I>,
//!     }
//! }
//!
//! let node = |i: u32| {
//!     let slices = Slices::top(0.1)?;
//!     let config = sliver::Config { attribute: f64::from(i), slices, timeout: 100, limit: 1_000 };
//!     Ok(Node::new(Cyclon::new(Default::default())?, Sliver::new(config)?))
//! };
//! let nodes = (0..200).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let mut sim = Simulation::new(nodes, 42, Order::Sequential);
//! for node in 1..200 {
//!     sim.contact(node, 0);
//! }
//! sim.run(100);
//! assert!(sim.nodes().all(|(i, node)| node.slices.slice() == Some(u32::from(i >= 180))));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! With m of the N - 1 others remembered, a fair sample without repetition, the sd of the estimate
//! is sqrt(p (1 - p) / m) times sqrt((N - m) / N): once all are remembered it is exact. A peer
//! counts once however often it is heard of, so the sample may come with repetitions. Who leaves
//! is forgotten after `timeout` rounds: where churn goes with the attribute, the estimate lags by
//! what changed in half of that.
//!
//! # Deviations from the paper
//!
//! - The neighbours of the sampler below are heard of, too, each with the age of its descriptor,
//!   as in Ranking of 2007: so a round brings about c + 1 peers, and not one.
//! - A bounded table: when it is full, whoever was heard of longest ago makes room, counted.
//! - Equal attributes are ordered by identifier, so that they, too, are spread over the slices.
//! - The confidence is that of [`ranking`](super::ranking), which takes no account of N: it is
//!   too low where most are remembered.

use alloc::vec::Vec;

use gossip_core::{
    Context, Describe, Finite, Layer, Local, ParameterError, PeerId, Profiles, Protocol, Receipt,
    Refusal, Round, message,
};

use super::health::Notes;
use super::slices::Count;
use super::{Command, Event, Health, Profile, Sliced, Slices, Value, checked};

message! {
    /// What travels: the sender's attribute.
    #[derive(Copy, PartialEq)]
    pub struct Message(pub Finite);
}

/// Parameters of Sliver. They depend on the use, so none has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What nodes are sorted by: any finite number, in any unit, the same at all nodes.
    pub attribute: f64,
    /// What the system is divided into; each node may ask for its own.
    pub slices: Slices,
    /// Rounds after which a peer that was not heard of is forgotten, at least 1. About c + 1
    /// peers come in a round over a sampler with a view of c.
    pub timeout: Round,
    /// The most peers remembered, 1 to 2^20; each takes 16 bytes and an identifier.
    pub limit: usize,
}

/// A peer, as it was last heard of.
#[derive(Clone, Copy, Debug)]
struct Known<I> {
    peer: I,
    attribute: Finite,
    heard: Round,
}

/// A node's part in Sliver, as a layer over any [`Profiles`] whose descriptors carry a slicing
/// [`Profile`].
#[derive(Clone, Debug)]
pub struct Sliver<I> {
    attribute: Finite,
    slices: Slices,
    timeout: Round,
    limit: usize,
    me: Option<I>,
    /// In the order of identifiers.
    known: Vec<Known<I>>,
    /// How many of them are below this node.
    below: usize,
    round: Round,
    notes: Notes,
    changes: u32,
}

impl<I: PeerId> Sliver<I> {
    /// A node that has heard of nobody.
    ///
    /// # Errors
    ///
    /// If the attribute is not finite, the timeout is 0, or the limit not 1 to 2^20.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { attribute, slices, timeout, limit } = config;
        let attribute = checked(attribute)?;
        ParameterError::new("timeout", f64::from(timeout), "rounds", "at least 1")
            .unless(timeout >= 1)?;
        ParameterError::new("limit", limit as f64, "peers", "1 to 2^20")
            .unless((1..=1 << 20).contains(&limit))?;
        Ok(Self {
            attribute,
            slices,
            timeout,
            limit,
            me: None,
            known: Vec::new(),
            below: 0,
            round: 0,
            notes: Notes::default(),
            changes: 0,
        })
    }

    /// What this node is sorted by.
    pub const fn attribute(&self) -> Finite {
        self.attribute
    }

    /// How many peers are remembered.
    pub const fn remembered(&self) -> usize {
        self.known.len()
    }

    fn is_below(&self, known: &Known<I>) -> bool {
        self.me.is_some_and(|me| (known.attribute, known.peer) < (self.attribute, me))
    }

    fn remember(&mut self, heard: Known<I>, cx: &mut impl Local<Self>) {
        match self.known.binary_search_by_key(&heard.peer, |known| known.peer) {
            Ok(at) if self.known[at].heard <= heard.heard => {
                self.below -= usize::from(self.is_below(&self.known[at]));
                self.known[at] = heard;
            }
            // Older news than what is known.
            Ok(_) => return,
            Err(_) => {
                if self.known.len() == self.limit && !self.make_room(heard.heard) {
                    return cx.count("peer not remembered");
                }
                let at = self.known.partition_point(|known| known.peer < heard.peer);
                self.known.insert(at, heard);
            }
        }
        self.below += usize::from(self.is_below(&heard));
        self.changes = self.changes.wrapping_add(1);
    }

    /// Forgets whoever was heard of longest ago, if that is before `round`.
    fn make_room(&mut self, round: Round) -> bool {
        let oldest = self.known.iter().enumerate().min_by_key(|(_, known)| known.heard);
        let Some((at, _)) = oldest.filter(|(_, known)| known.heard < round) else { return false };
        let gone = self.known.remove(at);
        self.below -= usize::from(self.is_below(&gone));
        self.notes.lost(1);
        true
    }

    fn forget(&mut self, now: Round) {
        let before = self.known.len();
        let timeout = self.timeout;
        self.known.retain(|known| now.saturating_sub(known.heard) < timeout);
        if self.known.len() < before {
            self.notes.lost(before - self.known.len());
            self.recount();
        }
    }

    fn recount(&mut self) {
        self.below = self.known.iter().filter(|known| self.is_below(known)).count();
        self.changes = self.changes.wrapping_add(1);
    }

    fn tell(&mut self, cx: &mut impl Local<Self>) {
        let (slice, count) = (self.slice(), self.count());
        self.notes.tell(slice, || count.confidence(&self.slices).unwrap_or(0.0), cx);
    }

    const fn count(&self) -> Count {
        Count { below: self.below as u64, seen: self.known.len() as u64 }
    }
}

impl<I: PeerId> Sliced for Sliver<I> {
    fn slices(&self) -> &Slices {
        &self.slices
    }

    fn position(&self) -> Option<Value> {
        let Count { below, seen } = self.count();
        Count { below: below + 1, seen: seen + 1 }.position().filter(|_| seen > 0)
    }

    fn confidence(&self) -> Option<f64> {
        self.count().confidence(&self.slices)
    }

    fn health(&self) -> Health {
        let ages = self.known.iter().map(|known| self.round.saturating_sub(known.heard));
        let samples = (self.known.len() as u64, ages.max().unwrap_or(0));
        let right = self.confidence().unwrap_or(0.0);
        self.notes.health(&self.slices, self.position(), samples, right)
    }
}

impl<I: PeerId> Protocol for Sliver<I> {
    type Id = I;
    type Message = Message;
    type Event = Event;
    type Command = Command;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, D: Profiles<Id = I, Profile = Profile>> Layer<D> for Sliver<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let (me, now) = (cx.me(), cx.round());
        self.me = Some(me);
        self.round = now;
        self.notes.tick();
        self.forget(now);
        below.for_each_profile(|peer, profile| {
            let heard = now.saturating_sub(below.age(peer, now).unwrap_or(0));
            if peer != me && now - heard < self.timeout {
                self.remember(Known { peer, attribute: profile.attribute, heard }, cx);
            }
        });
        self.tell(cx);
        if let Some(to) = below.sample(cx.rng()).filter(|&peer| peer != me) {
            cx.send(to, Message(self.attribute));
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        self.me = Some(cx.me());
        if from != cx.me() {
            let heard = cx.round();
            self.remember(Known { peer: from, attribute: message.0, heard }, cx);
            self.tell(cx);
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let Command::SetAttribute(attribute) = command;
        self.me = Some(cx.me());
        self.attribute = attribute;
        self.recount();
        self.tell(cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId> Describe<Profile> for Sliver<I> {
    fn describe(&self) -> Profile {
        Profile { attribute: self.attribute, value: self.position() }
    }
}
