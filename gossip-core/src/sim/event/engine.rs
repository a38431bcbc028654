//! What happens when: the loop of the event driver.

use core::time::Duration;

use super::lives::{Planned, Status};
use super::parcels::Parcel;
use super::{Passage, Simulation};
use crate::node::{Clock, Effects, Node};
use crate::protocol::Layer;
use crate::random::Random;
use crate::sim::cycle::memory::prefetch;
use crate::sim::link::{Copies, Link, Trip};
use crate::time::Time;

/// Datagrams a paused node's socket holds; the rest is lost. Our choice, about 1 MiB.
const HELD: usize = 1_024;

/// Names of the driver's own randomness; nodes' keys are digests of their numbers.
const ROUND: u64 = 1;
pub(super) const PHASE: u64 = 2;
const LINK: u64 = 3;

/// Something on the agenda.
#[derive(Clone, Copy)]
pub(super) struct Due {
    node: u32,
    what: What,
}

/// What is due. All but a datagram is for the life of the node that was under way when it was
/// planned; a datagram finds whoever is there when it arrives.
#[derive(Clone, Copy)]
pub(super) enum What {
    Round {
        life: u32,
    },
    Wake {
        life: u32,
    },
    Datagram {
        from: u32,
        parcel: Parcel,
    },
    Unreachable {
        life: u32,
        peer: u32,
    },
    /// The node's downtime is over.
    Back {
        life: u32,
    },
}

impl<S: Layer<(), Id = u32>, L: Link> Simulation<S, L> {
    /// Lets time pass until `end`; what is due at `end` itself still happens.
    pub fn run_until(&mut self, end: Time) {
        while self.next(end) {}
        self.now = self.now.max(end);
    }

    /// Lets the next thing happen; deadlines that nobody waits for any more are no things. Returns
    /// false if nothing ever will.
    pub fn step(&mut self) -> bool {
        self.next(Time::NEVER)
    }

    /// Lets the next thing happen that is due by `end`.
    #[inline]
    fn next(&mut self, end: Time) -> bool {
        let deadline = self.deadlines.next();
        // Deadlines come before all else at their time.
        let before = match deadline.as_micros().checked_sub(1) {
            _ if deadline > end || deadline == Time::NEVER => Some(end),
            before => before.map(Time::from_micros),
        };
        let slots = &self.slots;
        let soon = |due: &Due| prefetch(&slots[due.node as usize]);
        let next = before.and_then(|before| match before {
            // The end of time: if nothing is due, time does not move.
            Time::NEVER => self.agenda.pop(),
            _ => self.agenda.pop_until_with(before, soon),
        });
        match next {
            Some((at, due)) => self.happen(at, due),
            None if deadline > end || deadline == Time::NEVER => return false,
            None => self.pass(),
        }
        true
    }

    /// A deadline passes.
    fn pass(&mut self) {
        let Some(deadline) = self.deadlines.pop() else { return };
        self.now = self.now.max(deadline.at);
        let slot = &self.slots[deadline.node as usize];
        if slot.life == deadline.life && slot.status != Status::Crashed {
            self.wake(deadline.node);
        }
    }

    fn happen(&mut self, at: Time, due: Due) {
        self.now = self.now.max(at);
        let node = due.node;
        let slot = &self.slots[node as usize];
        let crashed = slot.status == Status::Crashed;
        let lives = |life| !crashed && slot.life == life;
        match due.what {
            What::Datagram { parcel, .. } if crashed => {
                self.parcels.drop(parcel);
                self.effects.counts.add("network", "to the dead");
            }
            What::Datagram { from, parcel } => self.arrive(node, from, parcel),
            What::Round { life } if lives(life) => self.round(node),
            What::Wake { life } if lives(life) => self.wake(node),
            What::Unreachable { life, peer } if lives(life) => {
                self.call(node, |node, clock, fx| node.unreachable(peer, clock, fx));
            }
            What::Back { life } if crashed && slot.life == life => drop(self.revive(node)),
            // Due to a life that is over.
            _ => {}
        }
    }

    fn round(&mut self, node: u32) {
        let tick = self.config.tick.as_micros() as u64 as f64;
        let off = self.config.jitter * tick * (2.0 * self.draw(ROUND).unit() - 1.0);
        let life = self.slots[node as usize].life;
        let next = self.now + Duration::from_micros((tick + off) as u64);
        self.plan(next, node, What::Round { life });
        if self.slots[node as usize].status == Status::Alive {
            self.call(node, Node::round);
        }
    }

    fn wake(&mut self, node: u32) {
        let slot = &mut self.slots[node as usize];
        slot.wake = Time::NEVER;
        slot.deadline = Planned::Agenda;
        if slot.status != Status::Alive {
            return;
        }
        // Most deadlines are for answers that have come.
        if slot.node.wake_at() <= self.now {
            self.call(node, Node::wake);
        } else {
            self.plan_wake(node);
        }
    }

    fn arrive(&mut self, node: u32, from: u32, parcel: Parcel) {
        if self.slots[node as usize].status == Status::Paused {
            let held = self.held.entry(node).or_default();
            if held.len() < HELD {
                held.push((from, parcel));
            } else {
                self.parcels.drop(parcel);
                self.effects.counts.add("network", "paused node's socket full");
            }
            return;
        }
        let clock = self.clock(node);
        let bytes = self.parcels.get(parcel);
        let ends = u64::from(from) << 32 | u64::from(node);
        self.trace.fold_delivery(self.now.as_micros(), ends, bytes);
        self.slots[node as usize].node.datagram(from, bytes, clock, &mut self.effects);
        self.parcels.drop(parcel);
        self.carry_out(node);
    }

    /// The time as `node` knows it.
    fn clock(&self, node: u32) -> Clock {
        let now = self.now;
        let mut wall = now.as_micros();
        if let Some(&skew) = self.skews.get(&node) {
            wall = wall.saturating_add_signed(skew);
        }
        Clock { now, wall }
    }

    /// Calls a node, and carries out what it wants.
    #[inline]
    pub(super) fn call<R>(
        &mut self,
        node: u32,
        act: impl FnOnce(&mut Node<S>, Clock, &mut Effects<S>) -> R,
    ) -> R {
        let clock = self.clock(node);
        let result = act(&mut self.slots[node as usize].node, clock, &mut self.effects);
        self.carry_out(node);
        result
    }

    /// Carries out what `node` wants after a call.
    fn carry_out(&mut self, node: u32) {
        self.plan_wake(node);
        for event in self.effects.events.drain(..) {
            self.events.push(node, event);
        }
        for (peer, on) in self.effects.watches.drain(..) {
            let watchers = self.watches.entry(peer).or_default();
            watchers.retain(|&watcher| watcher != node);
            if on {
                watchers.push(node);
            }
        }
        // Taken for the loop, so that the list keeps its memory.
        let mut datagrams = core::mem::take(&mut self.effects.datagrams);
        for datagram in datagrams.drain(..) {
            self.traffic.frames += u64::from(datagram.frames);
            self.send(node, datagram.to, &datagram.bytes);
            self.effects.recycle(datagram.bytes);
        }
        self.effects.datagrams = datagrams;
    }

    /// Plans the node's wake, if none is planned as early.
    #[inline]
    fn plan_wake(&mut self, node: u32) {
        let slot = &mut self.slots[node as usize];
        let wake = slot.node.wake_at().max(self.now);
        match slot.deadline {
            // Passed over, as if the node had been woken for nothing.
            Planned::Unwanted(_) if slot.wake <= self.now => {
                slot.wake = Time::NEVER;
                slot.deadline = Planned::Agenda;
            }
            Planned::Unwanted(ticket) if wake != Time::NEVER => {
                if self.deadlines.want(ticket, true) {
                    slot.deadline = Planned::Deadline(ticket);
                } else {
                    slot.wake = Time::NEVER;
                    slot.deadline = Planned::Agenda;
                }
            }
            Planned::Deadline(ticket) if wake == Time::NEVER => {
                self.deadlines.want(ticket, false);
                slot.deadline = Planned::Unwanted(ticket);
            }
            _ => {}
        }
        if wake < slot.wake {
            let life = slot.life;
            slot.wake = wake;
            if let Some(ticket) = self.deadlines.push(wake, node, life) {
                slot.deadline = Planned::Deadline(ticket);
                self.numbered += 1;
            } else {
                slot.deadline = Planned::Agenda;
                self.plan(wake, node, What::Wake { life });
            }
        }
    }

    fn send(&mut self, from: u32, to: u32, bytes: &[u8]) {
        self.traffic.datagrams += 1;
        self.traffic.bytes += bytes.len() as u64;
        let trip = Trip { from, to, at: self.now, len: bytes.len(), opening: false };
        let mut random = self.key.with(LINK).random(self.traffic.datagrams);
        let copies: Copies = self.link.carry(&trip, &mut random);
        if let Some(record) = &mut self.record {
            record.push(from, Passage { trip, bytes: bytes.to_vec(), copies: copies.clone() });
        }
        if copies.is_empty() {
            self.traffic.lost += 1;
            return self.effects.counts.add("network", "lost");
        }
        if to as usize >= self.slots.len() {
            return self.effects.counts.add("network", "to nobody");
        }
        for &delay in &copies {
            self.deliver(self.now + delay, from, to, bytes);
        }
    }

    /// Plans the arrival of a copy of `bytes`.
    pub(super) fn deliver(&mut self, at: Time, from: u32, to: u32, bytes: &[u8]) {
        // What is due at the end of time never arrives.
        if at == Time::NEVER {
            return;
        }
        match self.parcels.put(bytes) {
            Some(parcel) => self.plan(at, to, What::Datagram { from, parcel }),
            None => self.effects.counts.add("network", "longer than any datagram, or too many"),
        }
    }

    #[inline]
    pub(super) fn plan(&mut self, at: Time, node: u32, what: What) {
        if at != Time::NEVER {
            self.numbered += 1;
            self.agenda.push(at, Due { node, what });
        }
    }

    /// The driver's own randomness for `purpose`, fresh at every call.
    pub(super) fn draw(&self, purpose: u64) -> Random {
        self.key.with(purpose).random(self.numbered)
    }
}
