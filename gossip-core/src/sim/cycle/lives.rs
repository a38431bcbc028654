//! How nodes go and come back, beside [`kill`](Simulation::kill) and [`join`](Simulation::join).

use super::{Activation, Simulation, Slot};
use crate::protocol::{Layer, Protocol};
use crate::sim::link::Link;
use crate::sim::world::World;
use crate::time::Time;

impl<S: Layer<D, Id = u32>, D: World<S>, L: Link> Simulation<S, D, L> {
    /// Lets `node` say good-bye; then it is gone. Returns whether it lived.
    pub fn leave(&mut self, node: u32) -> bool {
        let alive = self.is_alive(node);
        if alive {
            self.call(node, Activation::Other, |state, below, cx| state.on_leave(below, cx));
            self.quiesce();
            self.kill(node);
        }
        alive
    }

    /// The dead `node` starts anew as `state`. Returns whether it was dead.
    pub fn restart(&mut self, node: u32, state: S) -> bool {
        let dead = self.is_dead(node);
        if dead {
            self.nodes[node as usize] = Slot(state);
            self.alive.set(node);
            self.world.returned(node);
        }
        dead
    }

    /// The dead `node` starts again with the state it had. Returns whether it was dead.
    pub fn revive(&mut self, node: u32) -> bool {
        let dead = self.is_dead(node);
        if dead {
            self.alive.set(node);
            self.world.returned(node);
        }
        dead
    }

    /// `node` stops for a while, and nobody is told: what comes is lost. Returns whether it lived.
    pub fn pause(&mut self, node: u32) -> bool {
        let alive = self.is_alive(node);
        if alive {
            self.alive.clear(node);
            self.paused.insert(node);
        }
        alive
    }

    /// The paused `node` goes on. Returns whether it was paused.
    pub fn resume(&mut self, node: u32) -> bool {
        let paused = self.paused.remove(&node);
        if paused {
            self.alive.set(node);
        }
        paused
    }
}

impl<S: Protocol<Id = u32>, D, L> Simulation<S, D, L> {
    /// When the next cycle begins.
    pub const fn now(&self) -> Time {
        self.engine.began
    }

    /// How many numbers were given to nodes, dead ones included.
    pub const fn size(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Whether `node` has died: has lived, does not, and is not paused.
    pub fn is_dead(&self, node: u32) -> bool {
        node < self.size() && !self.is_alive(node) && !self.paused.contains(&node)
    }
}
