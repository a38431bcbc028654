//! What models do to a simulation.

use alloc::vec::Vec;

use super::Exit;
use crate::error::ParameterError;
use crate::random::Random;
use crate::sim::host::Host;

/// A simulation on which a model acts once.
pub(super) struct Stage<'a, H> {
    pub(super) host: &'a mut H,
    pub(super) random: Random,
    /// Of how many others a node that starts is told.
    pub(super) contacts: usize,
}

/// The most nodes ever: 2^27, some 30 GB of the least of them.
pub(super) const MOST: u32 = 1 << 27;

/// Blind draws of a live node before the live ones are counted.
const BLIND: usize = 32;

impl<H: Host> Stage<'_, H> {
    /// Who lives, in order.
    pub(super) fn live(&self) -> Vec<u32> {
        (0..self.host.size()).filter(|&node| self.host.is_live(node)).collect()
    }

    /// `exact` nodes, or one more with what is behind the point as probability.
    pub(super) fn whole(&mut self, exact: f64) -> usize {
        libm::floor(exact + self.random.unit()) as usize
    }

    /// A node joins that is told of others that live.
    pub(super) fn join(&mut self) -> Result<u32, ParameterError> {
        let node = self.admit()?;
        self.introduce(node);
        Ok(node)
    }

    /// The dead `node` starts without its state, and is told of others that live.
    pub(super) fn restart(&mut self, node: u32) -> Result<bool, ParameterError> {
        let dead = self.host.restart(node)?;
        if dead {
            self.introduce(node);
        }
        Ok(dead)
    }

    /// `count` nodes join, one after the other. `live` are those who live, and grows.
    pub(super) fn join_all(
        &mut self,
        count: usize,
        live: &mut Vec<u32>,
    ) -> Result<(), ParameterError> {
        for _ in 0..count {
            let node = self.admit()?;
            for _ in 0..self.contacts {
                if let Some(&peer) = self.random.pick(live) {
                    self.host.contact(node, peer);
                }
            }
            live.push(node);
        }
        Ok(())
    }

    /// A random `count` of the `live` go.
    pub(super) fn remove(&mut self, count: usize, live: &mut Vec<u32>, exit: Exit) {
        let gone = self.random.choose(live, count).len();
        match exit {
            Exit::Crash => self.host.crash_all(&live[..gone]),
            Exit::Leave => {
                for &node in &live[..gone] {
                    self.host.leave(node);
                }
            }
        }
        live.drain(..gone);
    }

    fn admit(&mut self) -> Result<u32, ParameterError> {
        let size = self.host.size();
        ParameterError::new("nodes that ever joined", f64::from(size), "nodes", "below 2^27")
            .unless(size < MOST)?;
        self.host.join()
    }

    fn introduce(&mut self, node: u32) {
        for _ in 0..self.contacts {
            if let Some(peer) = self.another(node) {
                self.host.contact(node, peer);
            }
        }
    }

    /// A random live node that is not `node`.
    fn another(&mut self, node: u32) -> Option<u32> {
        for _ in 0..BLIND {
            let drawn = self.random.below(self.host.size() as usize) as u32;
            if drawn != node && self.host.is_live(drawn) {
                return Some(drawn);
            }
        }
        let mut live = self.live();
        live.retain(|&other| other != node);
        self.random.pick(&live).copied()
    }
}
