//! Who is there: nodes that join, die, come back, stop for a while, leave.

use core::time::Duration;

use alloc::vec::Vec;

use super::Simulation;
use super::deadlines::Ticket;
use super::engine::{PHASE, What};
use crate::error::ParameterError;
use crate::node::{self, Node};
use crate::protocol::{Layer, Protocol, Receipt, Refusal};
use crate::sim::link::Link;
use crate::time::Time;

/// A node as the driver keeps it, aligned to cache lines, so that a visit costs no line more than
/// it must. What few nodes have lies elsewhere.
#[repr(align(64))]
pub(super) struct Slot<S: Protocol> {
    pub(super) node: Node<S>,
    /// The earliest wake that is planned, and where.
    pub(super) wake: Time,
    pub(super) deadline: Planned,
    /// Lives so far: what was due to an earlier one is void.
    pub(super) life: u32,
    pub(super) status: Status,
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

/// Where a wake is planned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Planned {
    /// On the agenda, if at all.
    Agenda,
    /// Among the deadlines.
    Deadline(Ticket),
    /// There, but not wanted at present.
    Unwanted(Ticket),
}

impl<S: Layer<(), Id = u32>, L: Link> Simulation<S, L> {
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
    #[expect(clippy::needless_pass_by_value, reason = "the bytes are the datagram")]
    pub fn inject(&mut self, from: u32, node: u32, bytes: Vec<u8>) {
        if (node as usize) < self.slots.len() {
            self.deliver(self.now, from, node, &bytes);
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
        let (wake, deadline) = (Time::NEVER, Planned::Agenda);
        self.slots.push(Slot { node, wake, deadline, life: 0, status: Status::Alive });
        self.start(number);
        Ok(number)
    }

    /// `node` dies without notice; who watches it is told later. Returns whether it lived.
    pub fn crash(&mut self, node: u32) -> bool {
        let lived = self.fall_silent(node);
        if lived {
            let watchers = self.watches.remove(&node).unwrap_or_default();
            if let Some(delay) = self.config.detection {
                for watcher in watchers {
                    let life = self.slots[watcher as usize].life;
                    self.plan(self.now + delay, watcher, What::Unreachable { life, peer: node });
                }
            }
        }
        lived
    }

    /// `node` is down for `span`, and then goes on with the state it had: meanwhile it does
    /// nothing, counts as crashed, and what comes is lost. Returns whether it lived.
    ///
    /// Who watches it is told only if the downtime is longer than
    /// [detection](super::Config::detection) takes.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use gossip_core::sampling::Cyclon;
    /// # use gossip_core::sim::event::{Config, Simulation, Status};
    /// # use gossip_core::sim::Network;
    /// # let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
    /// # let make = move |_| cyclon.clone();
    /// let mut sim = Simulation::new(20, make, Network::default(), Config::seeded(7))?;
    /// sim.down_for(3, Duration::from_secs(5));
    /// sim.run_for(Duration::from_secs(4));
    /// assert_eq!(sim.status(3), Some(Status::Crashed));
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(sim.status(3), Some(Status::Alive));
    /// assert_eq!(sim.restarts(3), 0, "it kept its state");
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn down_for(&mut self, node: u32, span: Duration) -> bool {
        let seen = self.config.detection.is_some_and(|delay| delay < span);
        let lived = if seen { self.crash(node) } else { self.fall_silent(node) };
        if lived {
            let life = self.slots[node as usize].life;
            self.plan(self.now + span, node, What::Back { life });
        }
        lived
    }

    /// `node` does nothing any more. Returns whether it did.
    fn fall_silent(&mut self, node: u32) -> bool {
        let lived = self.status(node).is_some_and(|status| status != Status::Crashed);
        if lived {
            self.slots[node as usize].status = Status::Crashed;
            for (_, parcel) in self.held.remove(&node).unwrap_or_default() {
                self.parcels.drop(parcel);
            }
        }
        lived
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
            *self.restarts.entry(node).or_default() += 1;
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
            slot.deadline = Planned::Agenda;
            self.call(node, Node::wake);
            for (from, parcel) in self.held.remove(&node).unwrap_or_default() {
                self.plan(self.now, node, What::Datagram { from, parcel });
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
            cluster: self.clusters.get(&number).copied().unwrap_or_default(),
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
        slot.deadline = Planned::Agenda;
        self.start(node);
    }

    /// Plans the first round, at a phase of the node's own.
    fn start(&mut self, node: u32) {
        let tick = self.config.tick.as_micros() as usize;
        let phase = self.draw(PHASE).below(tick) as u64;
        let slot = &self.slots[node as usize];
        let (life, wake) = (slot.life, slot.node.wake_at().max(self.now));
        self.plan(self.now + Duration::from_micros(phase), node, What::Round { life });
        self.plan(wake, node, What::Wake { life });
    }
}
