//! Virtual time and real datagrams: the driver for latency, loss, duplication, reordering,
//! partitions, pauses and churn.
//!
//! Every node runs the code that runs on sockets ([`crate::Node`]): its datagrams are encoded,
//! packed, carried by a [`Link`] and decoded. Rounds come once a tick, each node at a phase of its
//! own, with jitter. The same seed gives the same run, bit for bit.
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

use core::cmp::Ordering;
use core::fmt;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::vec::Vec;

use super::TraceHash;
use super::events::{EVENTS, Events};
use super::link::{Copies, Link, Network, Trip};
use crate::counts::Counts;
use crate::error::ParameterError;
use crate::id::hash;
use crate::node::{self, Clock, Effects, Node};
use crate::packet::{ClusterId, DATAGRAM};
use crate::protocol::{Layer, Protocol, Receipt, Refusal};
use crate::random::{Key, Random};
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
    agenda: BinaryHeap<Due>,
    /// Things put on the agenda since the start: they break ties in time.
    numbered: u64,
    watches: BTreeMap<u32, Vec<u32>>,
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

struct Slot<S: Protocol> {
    node: Node<S>,
    status: Status,
    /// Lives so far: what was due to an earlier one is void.
    life: u32,
    /// Lives that began without the state of the one before.
    restarts: u32,
    /// The earliest wake on the agenda.
    wake: Time,
    /// Microseconds its wall clock is off.
    skew: i64,
    /// What came while it was paused.
    held: Vec<(u32, Vec<u8>)>,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Running.
    Alive,
    /// Stopped for a while; what comes waits.
    Paused,
    /// Dead; its state is kept in case it revives.
    Crashed,
}

/// Datagrams a paused node's socket holds; the rest is lost. Our choice, about 1 MiB.
const HELD: usize = 1_024;

/// Something on the agenda.
struct Due {
    at: Time,
    number: u64,
    node: u32,
    life: u32,
    what: What,
}

enum What {
    Round,
    Wake,
    Datagram(u32, Vec<u8>),
    Unreachable(u32),
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
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
            slots: Vec::new(),
            make: Box::new(make),
            link,
            config,
            key: Key::new(config.seed),
            now: Time::ZERO,
            agenda: BinaryHeap::new(),
            numbered: 0,
            watches: BTreeMap::new(),
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

    /// Lets time pass until `end`; what is due at `end` itself still happens.
    pub fn run_until(&mut self, end: Time) {
        while self.agenda.peek().is_some_and(|due| due.at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Lets the next thing happen. Returns false if nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(due) = self.agenda.pop() else { return false };
        self.now = self.now.max(due.at);
        let slot = &self.slots[due.node as usize];
        let crashed = slot.status == Status::Crashed;
        match due.what {
            // A datagram finds whoever is there when it arrives; all else is for one life.
            What::Datagram(..) if crashed => self.effects.counts.add("network", "to the dead"),
            What::Round | What::Wake | What::Unreachable(_) if crashed || slot.life != due.life => {
            }
            What::Round => self.round(due.node),
            What::Wake => self.wake(due.node),
            What::Datagram(from, bytes) => self.arrive(due.node, from, bytes),
            What::Unreachable(peer) => {
                self.call(due.node, |node, clock, fx| node.unreachable(peer, clock, fx));
            }
        }
        true
    }

    fn round(&mut self, node: u32) {
        let tick = self.config.tick.as_micros() as f64;
        let off = self.config.jitter * tick * (2.0 * self.draw(ROUND).unit() - 1.0);
        self.plan(self.now + Duration::from_micros((tick + off) as u64), node, What::Round);
        if self.slots[node as usize].status == Status::Alive {
            self.call(node, Node::round);
        }
    }

    fn wake(&mut self, node: u32) {
        let slot = &mut self.slots[node as usize];
        slot.wake = Time::NEVER;
        if slot.status == Status::Alive {
            self.call(node, Node::wake);
        }
    }

    fn arrive(&mut self, node: u32, from: u32, bytes: Vec<u8>) {
        let slot = &mut self.slots[node as usize];
        if slot.status == Status::Paused {
            if slot.held.len() < HELD {
                slot.held.push((from, bytes));
            } else {
                self.effects.counts.add("network", "paused node's socket full");
            }
            return;
        }
        self.trace.fold(self.now.as_micros());
        self.trace.fold(u64::from(from) << 32 | u64::from(node));
        self.trace.fold(hash(&bytes));
        self.call(node, |node, clock, fx| node.datagram(from, &bytes, clock, fx));
    }

    /// Calls a node, and carries out what it wants.
    fn call<R>(
        &mut self,
        node: u32,
        act: impl FnOnce(&mut Node<S>, Clock, &mut Effects<S>) -> R,
    ) -> R {
        let slot = &mut self.slots[node as usize];
        let wall = self.now.as_micros().saturating_add_signed(slot.skew);
        let clock = Clock { now: self.now, wall };
        let result = act(&mut slot.node, clock, &mut self.effects);
        let wake = slot.node.wake_at().max(self.now);
        if wake < slot.wake {
            slot.wake = wake;
            self.plan(wake, node, What::Wake);
        }
        for event in self.effects.events.drain(..) {
            self.events.push(node, event);
        }
        for (peer, on) in core::mem::take(&mut self.effects.watches) {
            let watchers = self.watches.entry(peer).or_default();
            watchers.retain(|&watcher| watcher != node);
            if on {
                watchers.push(node);
            }
        }
        for datagram in core::mem::take(&mut self.effects.datagrams) {
            self.traffic.frames += u64::from(datagram.frames);
            self.send(node, datagram.to, datagram.bytes);
        }
        result
    }

    fn send(&mut self, from: u32, to: u32, bytes: Vec<u8>) {
        self.traffic.datagrams += 1;
        self.traffic.bytes += bytes.len() as u64;
        let trip = Trip { from, to, at: self.now, len: bytes.len(), opening: false };
        let mut random = self.key.with(LINK).random(self.traffic.datagrams);
        let copies: Copies = self.link.carry(&trip, &mut random);
        if let Some(record) = &mut self.record {
            record.push(from, Passage { trip, bytes: bytes.clone(), copies: copies.clone() });
        }
        let Some((&last, doubles)) = copies.split_last() else {
            self.traffic.lost += 1;
            return self.effects.counts.add("network", "lost");
        };
        if to as usize >= self.slots.len() {
            return self.effects.counts.add("network", "to nobody");
        }
        for &delay in doubles {
            self.plan(self.now + delay, to, What::Datagram(from, bytes.clone()));
        }
        self.plan(self.now + last, to, What::Datagram(from, bytes));
    }

    fn plan(&mut self, at: Time, node: u32, what: What) {
        if at == Time::NEVER {
            return;
        }
        let number = self.numbered;
        self.numbered += 1;
        let life = self.slots[node as usize].life;
        self.agenda.push(Due { at, number, node, life, what });
    }

    /// The driver's own randomness for `purpose`, fresh at every call.
    fn draw(&self, purpose: u64) -> Random {
        self.key.with(purpose).random(self.numbered)
    }

    /// Gives `node` somebody to talk to first.
    pub fn contact(&mut self, node: u32, peer: u32) {
        if self.status(node) == Some(Status::Alive) {
            self.call(node, |node, clock, fx| node.contact(peer, clock, fx));
        }
    }

    /// Asks something of `node`.
    ///
    /// # Errors
    ///
    /// The stack's [`Refusal`]; [`Refusal::NoPeers`] for a node that does not run.
    pub fn command(&mut self, node: u32, command: S::Command) -> Result<Receipt, Refusal> {
        if self.status(node) != Some(Status::Alive) {
            return Err(Refusal::NoPeers);
        }
        self.call(node, |node, clock, fx| node.command(command, clock, fx))
    }

    /// Delivers `bytes` to `node` as if `from` had sent them: for hostile datagrams.
    pub fn inject(&mut self, from: u32, node: u32, bytes: Vec<u8>) {
        if (node as usize) < self.slots.len() {
            self.plan(self.now, node, What::Datagram(from, bytes));
        }
    }

    /// A new node joins; returns its number.
    ///
    /// # Errors
    ///
    /// If the stack's longest message does not fit the configured datagram.
    pub fn join(&mut self) -> Result<u32, ParameterError> {
        let number = self.slots.len() as u32;
        let node = self.build(number, 0)?;
        self.slots.push(Slot {
            node,
            status: Status::Alive,
            life: 0,
            restarts: 0,
            wake: Time::NEVER,
            skew: 0,
            held: Vec::new(),
        });
        self.start(number);
        Ok(number)
    }

    /// `node` dies without notice; who watches it is told later. Returns whether it lived.
    pub fn crash(&mut self, node: u32) -> bool {
        let alive = self.status(node).is_some_and(|status| status != Status::Crashed);
        if alive {
            let slot = &mut self.slots[node as usize];
            slot.status = Status::Crashed;
            slot.held.clear();
            let watchers = self.watches.remove(&node).unwrap_or_default();
            if let Some(delay) = self.config.detection {
                for watcher in watchers {
                    self.plan(self.now + delay, watcher, What::Unreachable(node));
                }
            }
        }
        alive
    }

    /// A crashed node starts anew, without its state. Returns whether it was crashed.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn restart(&mut self, node: u32) -> Result<bool, ParameterError> {
        let crashed = self.status(node) == Some(Status::Crashed);
        if crashed {
            let life = self.slots[node as usize].life + 1;
            self.slots[node as usize].node = self.build(node, life)?;
            self.slots[node as usize].restarts += 1;
            self.come_back(node);
        }
        Ok(crashed)
    }

    /// A crashed node starts again with the state it had. Returns whether it was crashed.
    pub fn revive(&mut self, node: u32) -> bool {
        let crashed = self.status(node) == Some(Status::Crashed);
        if crashed {
            self.come_back(node);
        }
        crashed
    }

    /// `node` stops for a while; what comes waits in its socket. Returns whether it ran.
    pub fn pause(&mut self, node: u32) -> bool {
        let alive = self.status(node) == Some(Status::Alive);
        if alive {
            self.slots[node as usize].status = Status::Paused;
        }
        alive
    }

    /// A paused node goes on. Returns whether it was paused.
    pub fn resume(&mut self, node: u32) -> bool {
        let paused = self.status(node) == Some(Status::Paused);
        if paused {
            let slot = &mut self.slots[node as usize];
            slot.status = Status::Alive;
            slot.wake = Time::NEVER;
            let held = core::mem::take(&mut slot.held);
            self.call(node, Node::wake);
            for (from, bytes) in held {
                self.plan(self.now, node, What::Datagram(from, bytes));
            }
        }
        paused
    }

    /// Lets a node say good-bye; then it is gone. Returns whether it ran.
    pub fn leave(&mut self, node: u32) -> bool {
        let alive = self.status(node) == Some(Status::Alive);
        if alive {
            self.call(node, Node::leave);
            self.crash(node);
        }
        alive
    }

    fn build(&mut self, number: u32, life: u32) -> Result<Node<S>, ParameterError> {
        let config = node::Config {
            cluster: ClusterId::default(),
            mtu: self.config.mtu,
            seed: self.config.seed ^ u64::from(life) << 32,
        };
        Node::new(number, (self.make)(number), config)
    }

    fn come_back(&mut self, node: u32) {
        let slot = &mut self.slots[node as usize];
        slot.status = Status::Alive;
        slot.life += 1;
        slot.wake = Time::NEVER;
        self.start(node);
    }

    /// Plans the first round, at a phase of the node's own.
    fn start(&mut self, node: u32) {
        let tick = self.config.tick.as_micros() as usize;
        let phase = self.draw(PHASE).below(tick) as u64;
        self.plan(self.now + Duration::from_micros(phase), node, What::Round);
        let wake = self.slots[node as usize].node.wake_at();
        self.plan(wake.max(self.now), node, What::Wake);
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
        self.slots.get(node as usize).map_or(0, |slot| slot.restarts)
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

    /// Sets `node`'s wall clock `micros` microseconds off the true time.
    pub fn skew(&mut self, node: u32, micros: i64) {
        if let Some(slot) = self.slots.get_mut(node as usize) {
            slot.skew = micros;
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

/// Names of the driver's own randomness; nodes' keys are digests of their numbers.
const ROUND: u64 = 1;
const PHASE: u64 = 2;
const LINK: u64 = 3;
