//! Contacts of nodes that move: generated traces, links that reach as far as a trace says, and how
//! early news can be anywhere at all.
//!
//! Pairs of nodes meet again and again, independently: gaps and lengths are drawn from a [`Law`].
//! Exponential gaps are those of many mobility models (Groenevelt, Nain, Koole, *The message delay
//! in mobile ad hoc networks*, Performance Evaluation 62, 2005). Measured ones follow a power law
//! up to about half a day (Chaintreau, Hui, Crowcroft, Diot, Gass, Scott, *Impact of human mobility
//! on opportunistic forwarding algorithms*, IEEE TMC 6(6), 2007), which is a [`Law::Power`] with an
//! exponent below 1. People meet those of their own community more often (Hui, Crowcroft, Yoneki,
//! *Bubble rap*, MobiHoc 2008): see [`Communities`].
//!
//! # Deviations from the papers
//!
//! The first gap of a pair is drawn like the others: there is no warm-up, in which heavy tails
//! would have no stationary state. Power laws are cut off at a longest gap.

use core::cmp::Reverse;
use core::time::Duration;

use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::divide::Divide;
use super::link::{Copies, Link, Trip};
use crate::error::ParameterError;
use crate::random::{Key, Random};
use crate::sampling::contacts::{Contact, Trace};
use crate::time::Time;

/// How long something lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Always the same.
    Constant(Duration),
    /// Exponential, with this mean.
    Exponential(Duration),
    /// A power law: longer than x with a probability in proportion to x^-shape, between two bounds.
    Power {
        /// The exponent, above 0 and at most 100. Measured gaps have .3 to 1.
        shape: f64,
        /// The least.
        least: Duration,
        /// The longest.
        most: Duration,
    },
}

impl Law {
    /// One duration, rounded up to a microsecond.
    ///
    /// ```
    /// use core::time::Duration;
    /// use gossip_core::{random::Key, sim::mobility::Law};
    ///
    /// let (least, most) = (Duration::from_secs(120), Duration::from_secs(43_200));
    /// let law = Law::Power { shape: 0.4, least, most };
    /// let mut random = Key::new(1).random(0);
    /// assert!((0..1_000).all(|_| (least..=most).contains(&law.draw(&mut random))));
    /// ```
    pub fn draw(&self, random: &mut Random) -> Duration {
        let micros = match *self {
            Self::Constant(length) => return length,
            Self::Exponential(mean) => random.exponential() * mean.as_micros() as f64,
            Self::Power { shape, least, most } => {
                // The inverse of the distribution, which is cut off at `most`.
                let (low, high) = (least.as_micros() as f64, most.as_micros() as f64);
                let kept = 1.0 - libm::pow(low / high, shape);
                let drawn = low * libm::pow(1.0 - random.unit() * kept, -1.0 / shape);
                drawn.clamp(low, high)
            }
        };
        Duration::from_micros(libm::ceil(micros) as u64)
    }

    /// That the parameters are sound; `name` is what the law is of.
    fn check(&self, name: &'static str) -> Result<(), ParameterError> {
        let check = |length: Duration, bound, holds| {
            ParameterError::new(name, length.as_secs_f64(), "seconds", bound).unless(holds)
        };
        let sound = Duration::from_micros(1)..=LONGEST;
        match *self {
            Self::Constant(length) | Self::Exponential(length) => {
                check(length, "1 microsecond to 10^9 seconds", sound.contains(&length))
            }
            Self::Power { shape, least, most } => {
                ParameterError::new("shape", shape, "", "above 0, at most 100")
                    .unless(shape > 0.0 && shape <= 100.0)?;
                check(most, "1 microsecond to 10^9 seconds", sound.contains(&most))?;
                check(least, "1 microsecond to the longest", sound.contains(&least))?;
                check(least, "at most the longest", least <= most)
            }
        }
    }
}

/// The longest duration of a law, and the longest trace: 10^9 seconds, 31 years.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// The most pairs of nodes that may meet: about those of 5,800 nodes.
pub const MAX_PAIRS: u64 = 1 << 24;

/// The most contacts that are generated.
pub const MAX_CONTACTS: usize = 1 << 24;

/// Nodes that meet those of their own community by one law, and others by another.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::random::Key;
/// use gossip_core::sim::mobility::{Communities, Law};
///
/// let hours = |hours: u64| Duration::from_secs(3_600 * hours);
/// let model = Communities {
///     nodes: 30,
///     communities: 3,
///     span: hours(24),
///     length: Law::Exponential(Duration::from_secs(240)),
///     within: Law::Power { shape: 0.4, least: Duration::from_secs(120), most: hours(12) },
///     across: Some(Law::Exponential(hours(48))),
/// };
/// let trace = model.trace(Key::new(1))?;
/// assert_eq!(trace.nodes(), 30);
/// assert!(trace.contacts().len() > 100);
/// assert_eq!(model.trace(Key::new(1))?, trace);
/// assert_eq!([0, 9, 10, 29].map(|node| model.community(node)), [0, 0, 1, 2]);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Communities {
    /// How many nodes there are, at least 2.
    pub nodes: u32,
    /// How many communities they are in, each with as many neighbouring numbers, or one more: 1 to
    /// the number of nodes. With 1, all pairs meet by the law `within`.
    pub communities: u32,
    /// How long the trace is; contacts that last longer are cut off.
    pub span: Duration,
    /// How long a contact lasts.
    pub length: Law,
    /// The gap between two contacts of a pair of one community, from the end of the one to the
    /// start of the next.
    pub within: Law,
    /// The same for pairs of two communities; `None` if they never meet.
    pub across: Option<Law>,
}

impl Communities {
    /// The community of `node`, from 0.
    pub fn community(&self, node: u32) -> u32 {
        (u64::from(node) * u64::from(self.communities) / u64::from(self.nodes.max(1))) as u32
    }

    /// A trace; the same for the same key. What a pair does depends on nothing but the key, the
    /// pair and its laws.
    ///
    /// # Errors
    ///
    /// If a parameter is out of its bounds, or there are too many pairs ([`MAX_PAIRS`]) or contacts
    /// ([`MAX_CONTACTS`]).
    pub fn trace(&self, key: Key) -> Result<Trace, ParameterError> {
        self.check()?;
        let mut contacts = Vec::new();
        for a in 0..self.nodes {
            for b in a + 1..self.nodes {
                let together = self.community(a) == self.community(b);
                let Some(gap) = Some(self.within).filter(|_| together).or(self.across) else {
                    continue;
                };
                let random = key.with(MOBILITY).with(a.into()).with(b.into()).random(0);
                self.meet((a, b), gap, random, &mut contacts)?;
            }
        }
        Trace::new(self.nodes, contacts)
    }

    fn check(&self) -> Result<(), ParameterError> {
        let nodes = u64::from(self.nodes);
        ParameterError::new("nodes", nodes as f64, "nodes", "at least 2").unless(nodes >= 2)?;
        let pairs = nodes * (nodes - 1) / 2;
        ParameterError::new("pairs of nodes", pairs as f64, "pairs", "at most 2^24")
            .unless(pairs <= MAX_PAIRS)?;
        ParameterError::new("communities", self.communities.into(), "", "1 to the number of nodes")
            .unless((1..=self.nodes).contains(&self.communities))?;
        ParameterError::new("span", self.span.as_secs_f64(), "seconds", "at most 10^9")
            .unless(self.span <= LONGEST)?;
        self.length.check("length of a contact")?;
        self.within.check("gap within a community")?;
        self.across.map_or(Ok(()), |law| law.check("gap across communities"))
    }

    /// All contacts of the pair.
    fn meet(
        &self,
        (a, b): (u32, u32),
        gap: Law,
        mut random: Random,
        contacts: &mut Vec<Contact>,
    ) -> Result<(), ParameterError> {
        let over = Time::ZERO + self.span;
        let mut end = Time::ZERO;
        loop {
            let start = end + gap.draw(&mut random);
            if start >= over {
                return Ok(());
            }
            end = (start + self.length.draw(&mut random)).min(over);
            let count = contacts.len() as f64;
            ParameterError::new("contacts in all", count, "contacts", "below 2^24")
                .unless(contacts.len() < MAX_CONTACTS)?;
            contacts.push(Contact { start, end, a, b });
        }
    }
}

/// Names the randomness of generated traces.
const MOBILITY: u64 = crate::id::hash(b"gossip_core::sim::mobility");

/// A link that carries only what is sent between nodes in range of each other; the link `inner`
/// says what becomes of that.
///
/// A message that is sent arrives, even if the contact ends meanwhile.
#[derive(Clone, Debug)]
pub struct InRange<L> {
    trace: Arc<Trace>,
    inner: L,
}

impl<L> InRange<L> {
    /// Reaches as far as `trace` says.
    pub const fn new(trace: Arc<Trace>, inner: L) -> Self {
        Self { trace, inner }
    }
}

impl<L: Link> Link for InRange<L> {
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies {
        if self.trace.in_range(trip.from, trip.to, trip.at) {
            self.inner.carry(trip, random)
        } else {
            Copies::new()
        }
    }
}

impl<L: Divide> Divide for InRange<L> {
    fn part(&mut self, cycle: u32) -> Self {
        Self { trace: Arc::clone(&self.trace), inner: self.inner.part(cycle) }
    }
}

/// The earliest time at which each node can have what `origin` has at time `from`, if passing it on
/// takes `hop`; `None` if it cannot. No protocol is earlier, and an epidemic is as early.
///
/// Dijkstra's algorithm over contacts.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::Time;
/// use gossip_core::sampling::contacts::{Contact, Trace};
/// use gossip_core::sim::mobility::earliest;
///
/// let second = |count| Time::ZERO + Duration::from_secs(count);
/// let contact = |start, end, a, b| Contact { start: second(start), end: second(end), a, b };
/// // 1 meets 2 before it meets 0.
/// let trace = Trace::new(3, [contact(4, 8, 0, 1), contact(1, 3, 1, 2)])?;
/// let hop = Duration::from_secs(1);
/// assert_eq!(earliest(&trace, 0, second(0), hop), [Some(second(0)), Some(second(5)), None]);
/// let back = [Some(second(5)), Some(second(2)), Some(second(0))];
/// assert_eq!(earliest(&trace, 2, second(0), hop), back);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn earliest(trace: &Trace, origin: u32, from: Time, hop: Duration) -> Vec<Option<Time>> {
    let mut found = vec![None; trace.nodes() as usize];
    let mut agenda = BinaryHeap::from([Reverse((from, origin))]);
    while let Some(Reverse((at, node))) = agenda.pop() {
        match found.get_mut(node as usize) {
            Some(first @ None) => *first = Some(at),
            _ => continue,
        }
        for meeting in trace.meetings(node) {
            let passed = at.max(meeting.start);
            if passed < meeting.end && found[meeting.peer as usize].is_none() {
                agenda.push(Reverse((passed + hop, meeting.peer)));
            }
        }
    }
    found
}
