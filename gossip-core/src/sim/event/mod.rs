//! Virtual time and real datagrams: the driver for latency, loss, duplication, reordering,
//! partitions, pauses and churn.
//!
//! Every node runs the code that runs on sockets ([`crate::Node`]): its datagrams are encoded,
//! packed, carried by a [`Link`] and decoded. Rounds come once a tick, each node at a phase of its
//! own, with jitter. The same seed gives the same run, bit for bit: what is due at the same time
//! happens in the order in which it was planned, nodes' deadlines first.
//!
//! ```
//! use core::time::Duration;
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::event::{Config, Simulation};
//! use gossip_core::sim::link::{Latency, Network};
//!
//! let network = Network::new(Latency::Constant(Duration::from_millis(20))).loss(0.1)?;
//! let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
//! let mut sim = Simulation::new(20, move |_| cyclon.clone(), network, Config::seeded(7))?;
//! for node in 1..20 {
//!     sim.contact(node, 0);
//! }
//! sim.run_for(Duration::from_secs(30));
//! assert!(sim.nodes().all(|(_, cyclon)| cyclon.view(0).len() >= 6));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod deadlines;
mod engine;
mod lives;
mod parcels;

use core::fmt;
use core::ops::ControlFlow;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use self::deadlines::Deadlines;
use self::engine::Due;
use self::lives::Slot;
pub use self::lives::Status;
use self::parcels::{Parcel, Parcels};
use super::cycle::memory::room_for;
use super::events::{EVENTS, Events};
use super::link::{Copies, Link, Network, Trip};
use super::{Agenda, TraceHash};
use crate::counts::{Counts, Sent};
use crate::error::ParameterError;
use crate::node::Effects;
use crate::packet::{ClusterId, DATAGRAM};
use crate::protocol::{Layer, Protocol};
use crate::random::Key;
use crate::time::Time;

/// Parameters of an event simulation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Where all randomness comes from.
    pub seed: u64,
    /// A node's period.
    pub tick: Duration,
    /// How far a round may be off its time, as a share of the tick, evenly either way.
    pub jitter: f64,
    /// The largest datagram nodes send, in bytes.
    pub mtu: usize,
    /// How long after a crash those who watch the node are told; `None`: never, as over UDP.
    pub detection: Option<Duration>,
}

impl Config {
    /// Ticks of one second with 10 % jitter, full datagrams, crashes seen after a second.
    pub const fn seeded(seed: u64) -> Self {
        let tick = Duration::from_secs(1);
        Self { seed, tick, jitter: 0.1, mtu: DATAGRAM, detection: Some(Duration::from_secs(1)) }
    }

    fn check(&self) -> Result<(), ParameterError> {
        let tick = self.tick.as_micros();
        ParameterError::new("tick", tick as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&tick))?;
        ParameterError::new("jitter", self.jitter, "of a tick", "0 to 0.5")
            .unless((0.0..=0.5).contains(&self.jitter))
    }
}

/// A simulation of nodes `S` joined by links `L`.
pub struct Simulation<S: Protocol, L = Network> {
    slots: Vec<Slot<S>>,
    make: Box<dyn FnMut(u32) -> S + Send>,
    link: L,
    config: Config,
    key: Key,
    now: Time,
    agenda: Box<Agenda<Due>>,
    deadlines: Deadlines,
    /// Things put on the agenda since the start: they name the driver's own draws.
    numbered: u64,
    parcels: Parcels,
    /// What came to paused nodes.
    held: BTreeMap<u32, Vec<(u32, Parcel)>>,
    /// Microseconds by which wall clocks are off, of those that are.
    skews: BTreeMap<u32, i64>,
    /// Lives that began without the state of the one before.
    restarts: BTreeMap<u32, u32>,
    watches: BTreeMap<u32, Vec<u32>>,
    /// The systems of nodes that do not belong to the default one.
    clusters: BTreeMap<u32, ClusterId>,
    effects: Effects<S>,
    events: Events<S::Event>,
    trace: TraceHash,
    traffic: Traffic,
    record: Option<Events<Passage>>,
}

/// A datagram that was sent.
#[derive(Clone, Debug)]
pub struct Passage {
    /// From whom, to whom, when.
    pub trip: Trip,
    /// What.
    pub bytes: Vec<u8>,
    /// How long its copies take: none if it is lost.
    pub copies: Copies,
}

/// What was sent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub datagrams: u64,
    /// Frames in them.
    pub frames: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Datagrams lost on the way.
    pub lost: u64,
}

impl<S: Layer<(), Id = u32>, L: Link> Simulation<S, L> {
    /// `count` nodes, each made by `make` from its number, joined by `link`.
    ///
    /// # Errors
    ///
    /// Names the parameter of `config` that is out of bounds.
    pub fn new(
        count: u32,
        make: impl FnMut(u32) -> S + Send + 'static,
        link: L,
        config: Config,
    ) -> Result<Self, ParameterError> {
        config.check()?;
        let mut sim = Self {
            slots: room_for(count as usize),
            make: Box::new(make),
            link,
            config,
            key: Key::new(config.seed),
            now: Time::ZERO,
            agenda: Box::default(),
            deadlines: Deadlines::default(),
            numbered: 0,
            parcels: Parcels::default(),
            held: BTreeMap::new(),
            skews: BTreeMap::new(),
            restarts: BTreeMap::new(),
            watches: BTreeMap::new(),
            clusters: BTreeMap::new(),
            effects: Effects::default(),
            events: Events::new(EVENTS),
            trace: TraceHash::default(),
            traffic: Traffic::default(),
            record: None,
        };
        for _ in 0..count {
            sim.join()?;
        }
        Ok(sim)
    }

    /// Records every datagram sent from now on, up to `limit` at a time; the oldest are shed.
    pub fn record(&mut self, limit: usize) {
        self.record = Some(Events::new(limit));
    }

    /// Takes what was [recorded](Self::record), oldest first.
    pub fn recorded(&mut self) -> impl Iterator<Item = Passage> {
        self.record.iter_mut().flat_map(|record| record.take().map(|(_, passage)| passage))
    }

    /// Lets `span` pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Lets up to `periods` ticks pass, and shows the simulation to `observer` after each: to
    /// measure, to print, to stop. Returns how many passed.
    ///
    /// ```
    /// use core::ops::ControlFlow;
    /// # use gossip_core::sampling::Cyclon;
    /// # use gossip_core::sim::event::{Config, Simulation};
    /// # use gossip_core::sim::Network;
    /// # let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
    /// # let make = move |_| cyclon.clone();
    /// let mut sim = Simulation::new(20, make, Network::default(), Config::seeded(7))?;
    /// for node in 1..20 {
    ///     sim.contact(node, 0);
    /// }
    /// let full = |cyclon: &Cyclon<u32, 8>| cyclon.view(0).len() == 8;
    /// let periods = sim.observe(100, |sim| {
    ///     let all = sim.nodes().all(|(_, cyclon)| full(cyclon));
    ///     if all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// });
    /// assert!(periods < 50);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn observe(
        &mut self,
        periods: u32,
        mut observer: impl FnMut(&Self) -> ControlFlow<()>,
    ) -> u32 {
        for period in 1..=periods {
            self.run_for(self.config.tick);
            if observer(self).is_break() {
                return period;
            }
        }
        periods
    }
}

impl<S: Protocol<Id = u32>, L> Simulation<S, L> {
    /// The time.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// How many numbers were given to nodes, crashed ones included.
    pub const fn size(&self) -> u32 {
        self.slots.len() as u32
    }

    /// How `node` is; `None` if there is no such node.
    pub fn status(&self, node: u32) -> Option<Status> {
        self.slots.get(node as usize).map(|slot| slot.status)
    }

    /// How often `node` has started anew, without its state.
    pub fn restarts(&self, node: u32) -> u32 {
        self.restarts.get(&node).copied().unwrap_or(0)
    }

    /// The stack of a node that has not crashed.
    pub fn node(&self, node: u32) -> Option<&S> {
        let slot = self.slots.get(node as usize)?;
        (slot.status != Status::Crashed).then(|| slot.node.stack())
    }

    /// The stack of a node that has not crashed, to prepare it or to change its input.
    pub fn node_mut(&mut self, node: u32) -> Option<&mut S> {
        let slot = self.slots.get_mut(node as usize)?;
        (slot.status != Status::Crashed).then(|| slot.node.stack_mut())
    }

    /// Number and stack of every node that has not crashed.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, &S)> {
        (0..self.slots.len() as u32).filter_map(|at| Some((at, self.node(at)?)))
    }

    /// What the nodes have told their owners.
    pub const fn events(&mut self) -> &mut Events<S::Event> {
        &mut self.events
    }

    /// What was ignored, refused or lost.
    pub const fn counts(&self) -> &Counts {
        &self.effects.counts
    }

    /// What was sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The hash of all that was delivered so far.
    pub const fn trace(&self) -> u64 {
        self.trace.value()
    }

    /// The link, to change its faults.
    pub const fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// What was sent, layer by layer.
    ///
    /// ```
    /// # use gossip_core::sampling::Cyclon;
    /// # use gossip_core::sim::event::{Config, Simulation};
    /// # use gossip_core::sim::Network;
    /// gossip_core::stack! {
    ///     struct Node<I: gossip_core::PeerId> { peers: Cyclon<I, 8> }
    /// }
    /// # let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
    /// # let make = move |_| Node::new(cyclon.clone());
    /// let mut sim = Simulation::new(20, make, Network::default(), Config::seeded(7))?;
    /// sim.contact(1, 0);
    /// sim.run_for(core::time::Duration::from_secs(10));
    /// let peers = sim.sent().get("peers");
    /// assert_eq!(peers.frames, sim.traffic().frames);
    /// assert!(peers.bytes < sim.traffic().bytes, "headers are nobody's");
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub const fn sent(&self) -> &Sent {
        &self.effects.sent
    }

    /// Bytes of memory the driver holds for nodes, agenda and datagrams under way. What it once
    /// needed it keeps, so this is also the most so far. What stacks allocate is not in it.
    pub fn bytes(&self) -> usize {
        let slots = self.slots.capacity() * size_of::<Slot<S>>();
        slots + self.agenda.bytes() + self.deadlines.bytes() + self.parcels.bytes()
    }

    /// From its next start on, `node` belongs to `cluster`: its number, which is its address, is
    /// used again by another system.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use gossip_core::sampling::Cyclon;
    /// # use gossip_core::sim::event::{Config, Simulation};
    /// # use gossip_core::sim::Network;
    /// # let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
    /// # let make = move |_| cyclon.clone();
    /// use gossip_core::packet::ClusterId;
    /// let mut sim = Simulation::new(20, make, Network::default(), Config::seeded(7))?;
    /// (1..20).for_each(|node| sim.contact(node, 0));
    /// sim.run_for(Duration::from_secs(9));
    /// sim.crash(3);
    /// sim.belong(3, ClusterId::named("blue"));
    /// sim.restart(3)?;
    /// sim.contact(3, 0);
    /// sim.run_for(Duration::from_secs(9));
    /// assert_eq!(sim.node(3).unwrap().view(0).len(), 0, "nobody understands it");
    /// assert!(sim.counts().total("foreign cluster") > 0);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn belong(&mut self, node: u32, cluster: ClusterId) {
        self.clusters.insert(node, cluster);
    }

    /// Sets `node`'s wall clock `micros` microseconds off the true time.
    pub fn skew(&mut self, node: u32, micros: i64) {
        if (node as usize) < self.slots.len() {
            self.skews.insert(node, micros);
        }
    }
}

impl<S: Protocol, L> fmt::Debug for Simulation<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("nodes", &self.slots.len())
            .field("now", &self.now)
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}
