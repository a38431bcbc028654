//! Ranking: slices by counting, with all comparisons or the last ones only.
//!
//! Fernandez, Gramoli, Jimenez, Kermarrec, Raynal, *Distributed slicing in dynamic systems*, ICDCS
//! 2007, section 5 (the algorithm, theorem 5.1), section 5.3 (sliding window).
//!
//! ```text
//! every round:  for q in the neighbours: observe x_q
//!               send x to the neighbour whose estimate is nearest to a boundary
//!               send x to a random one
//! on x_p:       observe x_p
//! observe x_q:  g += 1; l += 1 if x_q <= x      (of the last W observations, with a window)
//! slice:        the part of (0, 1] that l / g lies in
//! ```
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{PeerId, stack};
//! use gossip_overlay::slicing::{Profile, Ranking, Sliced, Slices, ranking};
//!
//! stack! {
//!     /// The neighbours' descriptors tell their attributes and estimates.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         #[uses(slices)]
//!         peers: Cyclon<I, 20, Profile>,
//!         #[uses(peers)]
//!         slices: Ranking<I>,
//!     }
//! }
//!
//! let node = |i: u32| {
//!     let slices = Slices::top(0.1)?;
//!     let config = ranking::Config { attribute: f64::from(i), slices, window: None };
//!     Ok(Node::new(Cyclon::new(Default::default())?, Ranking::new(config)?))
//! };
//! let nodes = (0..200).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let mut sim = Simulation::new(nodes, 42, Order::Sequential);
//! for node in 1..200 {
//!     sim.contact(node, 0);
//! }
//! sim.run(60);
//! assert_eq!(sim.node(199).and_then(|top| top.slices.believed(0.99)), Some(1));
//! assert_eq!(sim.node(20).and_then(|low| low.slices.believed(0.99)), Some(0));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! The estimate is a share of a sample: its error falls as 1 / sqrt(g), without a floor, and a
//! lost message costs a sample and nothing else. A node at distance d from the nearest boundary is
//! right with confidence 1 - alpha once g >= (Z sqrt(p (1 - p)) / d)^2
//! ([`samples_needed`](super::samples_needed)); [`Sliced::confidence`] solves this for what it has
//! seen.
//!
//! Without a window, what was seen long ago counts for ever: where churn goes with the attribute
//! the estimate lags behind more and more. With one of W, the last W observations count, so the
//! error stays near sqrt(p (1 - p) / W), plus what changed while they came in.
//!
//! Peers are not told apart: one that is in view all the time, or sends all the time, is counted
//! each time. The sample must be fair ([`sliver`](super::sliver) counts each peer once).
//!
//! # Deviations from the paper
//!
//! - Equal attributes are ordered by identifier, so that they, too, are spread over the slices.
//! - A changed attribute starts the count again: the comparisons were with the former one.
//! - For the confidence, one more is counted as seen on either side (Laplace), so that a few
//!   observations that agree do not make it 1.

use core::marker::PhantomData;

use alloc::vec;
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

/// Parameters of Ranking. They depend on the use, so none has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What nodes are sorted by: any finite number, in any unit, the same at all nodes.
    pub attribute: f64,
    /// What the system is divided into; each node may ask for its own.
    pub slices: Slices,
    /// How many observations count, 1 to 2^20, one bit each; all if there is none. About c + 2
    /// come in a round over a sampler with a view of c. [`samples_needed`](super::samples_needed)
    /// tells how many it takes.
    pub window: Option<u32>,
}

/// The longest window: 128 KiB a node. Our choice.
const LONGEST: u32 = 1 << 20;

/// A node's part in Ranking, as a layer over any [`Profiles`] whose descriptors carry a slicing
/// [`Profile`].
#[derive(Clone, Debug)]
pub struct Ranking<I> {
    attribute: Finite,
    slices: Slices,
    seen: Seen,
    /// Rounds since the count began.
    rounds: Round,
    notes: Notes,
    changes: u32,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Ranking<I> {
    /// A node that has seen nobody.
    ///
    /// # Errors
    ///
    /// If the attribute is not finite, or the window empty or longer than 2^20.
    pub fn new(Config { attribute, slices, window }: Config) -> Result<Self, ParameterError> {
        let attribute = checked(attribute)?;
        let length = window.unwrap_or(1);
        ParameterError::new("window W", f64::from(length), "observations", "1 to 2^20")
            .unless((1..=LONGEST).contains(&length))?;
        let seen = window.map_or(Seen::All(Count::default()), |w| Seen::Last(Window::new(w)));
        let (rounds, notes, changes) = (0, Notes::default(), 0);
        Ok(Self { attribute, slices, seen, rounds, notes, changes, id: PhantomData })
    }

    /// What this node is sorted by.
    pub const fn attribute(&self) -> Finite {
        self.attribute
    }

    /// How many observations count now.
    pub const fn observations(&self) -> u64 {
        self.seen.count().seen
    }

    fn observe(&mut self, me: I, peer: I, attribute: Finite) {
        if peer != me {
            let is_full = self.seen.push((attribute, peer) < (self.attribute, me));
            self.notes.lost(usize::from(is_full));
            self.changes = self.changes.wrapping_add(1);
        }
    }

    fn tell(&mut self, cx: &mut impl Local<Self>) {
        let (slice, count) = (self.slice(), self.seen.count());
        self.notes.tell(slice, || count.confidence(&self.slices).unwrap_or(0.0), cx);
    }
}

impl<I: PeerId> Sliced for Ranking<I> {
    fn slices(&self) -> &Slices {
        &self.slices
    }

    fn position(&self) -> Option<Value> {
        self.seen.count().position()
    }

    fn confidence(&self) -> Option<f64> {
        self.seen.count().confidence(&self.slices)
    }

    fn health(&self) -> Health {
        let count = self.seen.count();
        // Of a full window as many go in a round as come.
        let turnover = libm::ceil(count.seen as f64 / self.notes.churn()) as Round;
        let samples = (count.seen, self.rounds.min(turnover));
        let right = self.confidence().unwrap_or(0.0);
        self.notes.health(&self.slices, self.position(), samples, right)
    }
}

impl<I: PeerId> Protocol for Ranking<I> {
    type Id = I;
    type Message = Message;
    type Event = Event;
    type Command = Command;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, D: Profiles<Id = I, Profile = Profile>> Layer<D> for Ranking<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let me = cx.me();
        self.notes.tick();
        self.rounds = self.rounds.saturating_add(1);
        let mut nearest: Option<(f64, I)> = None;
        below.for_each_profile(|peer, profile| {
            self.observe(me, peer, profile.attribute);
            let distance = profile.value.and_then(|value| self.slices.distance(value));
            let Some(distance) = distance.filter(|_| peer != me) else { return };
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, peer));
            }
        });
        self.tell(cx);
        let random = below.sample(cx.rng()).filter(|&peer| peer != me);
        for to in nearest.map(|(_, peer)| peer).into_iter().chain(random) {
            cx.send(to, Message(self.attribute));
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        self.observe(cx.me(), from, message.0);
        self.tell(cx);
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let Command::SetAttribute(attribute) = command;
        if attribute != self.attribute {
            self.attribute = attribute;
            self.seen.clear();
            self.rounds = 0;
            self.changes = self.changes.wrapping_add(1);
            self.tell(cx);
        }
        Ok(Receipt::default())
    }
}

impl<I: PeerId> Describe<Profile> for Ranking<I> {
    fn describe(&self) -> Profile {
        Profile { attribute: self.attribute, value: self.position() }
    }
}

/// What was observed.
#[derive(Clone, Debug)]
enum Seen {
    All(Count),
    Last(Window),
}

impl Seen {
    /// One more; whether the oldest no longer counts.
    fn push(&mut self, is_below: bool) -> bool {
        match self {
            Self::All(count) => {
                count.below = count.below.saturating_add(is_below.into());
                count.seen = count.seen.saturating_add(1);
                false
            }
            Self::Last(window) => window.push(is_below),
        }
    }

    const fn count(&self) -> Count {
        match self {
            Self::All(count) => *count,
            Self::Last(window) => window.count,
        }
    }

    fn clear(&mut self) {
        match self {
            Self::All(count) => *count = Count::default(),
            Self::Last(window) => *window = Window::new(window.length),
        }
    }
}

/// The last `length` observations, one bit each, and how many of them are set.
#[derive(Clone, Debug)]
struct Window {
    bits: Vec<u64>,
    length: u32,
    /// Where the next one goes, over the oldest.
    next: u32,
    count: Count,
}

impl Window {
    fn new(length: u32) -> Self {
        let bits = vec![0; length.div_ceil(u64::BITS) as usize];
        Self { bits, length, next: 0, count: Count::default() }
    }

    /// One more; whether it takes the place of the oldest.
    fn push(&mut self, is_below: bool) -> bool {
        let word = &mut self.bits[(self.next / u64::BITS) as usize];
        let mask = 1 << (self.next % u64::BITS);
        let is_full = self.count.seen == u64::from(self.length);
        if is_full {
            self.count.below -= u64::from(*word & mask != 0);
        } else {
            self.count.seen += 1;
        }
        self.count.below += u64::from(is_below);
        if is_below {
            *word |= mask;
        } else {
            *word &= !mask;
        }
        self.next = (self.next + 1) % self.length;
        is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a list of the last W.
    #[test]
    fn a_window_counts_the_last_ones() {
        for length in [1, 2, 63, 64, 65, 100] {
            let mut window = Window::new(length);
            let mut all = Vec::new();
            for step in 0_u32..400 {
                let is_below = step.wrapping_mul(2_654_435_761) >> 30 == 0;
                assert_eq!(window.push(is_below), step >= length);
                all.push(is_below);
                let last = &all[all.len().saturating_sub(length as usize)..];
                let below = last.iter().filter(|&&is_below| is_below).count() as u64;
                assert_eq!(window.count, Count { below, seen: last.len() as u64 });
            }
        }
    }
}
