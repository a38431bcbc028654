//! What a simulation lets happen to its nodes: the same for either driver, so that churn and
//! faults are written once.

use core::fmt;

use super::fault::Fault;
use super::link::{Link, Perfect};
use super::world::World;
use super::{cycle, event};
use crate::error::ParameterError;
use crate::protocol::{Layer, Protocol};
use crate::time::Time;

/// A simulation whose nodes come and go. What makes no sense, such as a crash of the dead, changes
/// nothing and returns false.
///
/// [`event::Simulation`] is one; [`Cycles`] makes one of [`cycle::Simulation`].
pub trait Host {
    /// The time. In cycles: when the next one begins.
    fn now(&self) -> Time;

    /// Lets time pass until `end`. In cycles: until one begins at `end` or later.
    fn run_until(&mut self, end: Time);

    /// How many numbers were given to nodes, dead ones included.
    fn size(&self) -> u32;

    /// Whether `node` exists and runs.
    fn is_live(&self, node: u32) -> bool;

    /// Tells `node` of `peer`.
    fn contact(&mut self, node: u32, peer: u32);

    /// A new node joins, and knows nobody; returns its number.
    ///
    /// # Errors
    /// As the driver's own way to join.
    fn join(&mut self) -> Result<u32, ParameterError>;

    /// `node` says good-bye and goes.
    fn leave(&mut self, node: u32) -> bool;

    /// `node` dies without notice.
    fn crash(&mut self, node: u32) -> bool;

    /// These die at the same moment.
    fn crash_all(&mut self, nodes: &[u32]) {
        for &node in nodes {
            self.crash(node);
        }
    }

    /// The dead `node` starts anew, without its state.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    fn restart(&mut self, node: u32) -> Result<bool, ParameterError>;

    /// The dead `node` starts again with the state it had.
    fn revive(&mut self, node: u32) -> bool;

    /// `node` stops for a while. What comes waits in its socket, or is lost in the cycle driver.
    fn pause(&mut self, node: u32) -> bool;

    /// The paused `node` goes on.
    fn resume(&mut self, node: u32) -> bool;

    /// A fault of the links.
    ///
    /// # Errors
    /// If a probability is none, or these links have no such fault.
    fn strain(&mut self, fault: &Fault) -> Result<(), ParameterError>;
}

impl<S: Layer<(), Id = u32>, L: Link> Host for event::Simulation<S, L> {
    fn now(&self) -> Time {
        self.now()
    }
    fn run_until(&mut self, end: Time) {
        self.run_until(end);
    }
    fn size(&self) -> u32 {
        self.size()
    }
    fn is_live(&self, node: u32) -> bool {
        self.status(node) == Some(event::Status::Alive)
    }
    fn contact(&mut self, node: u32, peer: u32) {
        self.contact(node, peer);
    }
    fn join(&mut self) -> Result<u32, ParameterError> {
        self.join()
    }
    fn leave(&mut self, node: u32) -> bool {
        self.leave(node)
    }
    fn crash(&mut self, node: u32) -> bool {
        self.crash(node)
    }
    fn restart(&mut self, node: u32) -> Result<bool, ParameterError> {
        self.restart(node)
    }
    fn revive(&mut self, node: u32) -> bool {
        self.revive(node)
    }
    fn pause(&mut self, node: u32) -> bool {
        self.pause(node)
    }
    fn resume(&mut self, node: u32) -> bool {
        self.resume(node)
    }
    fn strain(&mut self, fault: &Fault) -> Result<(), ParameterError> {
        self.link_mut().strain(fault)
    }
}

/// A [`cycle::Simulation`], and how new nodes are made from their numbers.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::sim::fault::{Fault, Schedule};
/// use gossip_core::sim::host::Cycles;
///
/// let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
/// let mut sim = Simulation::new(vec![cyclon.clone(); 10], 7, Order::Sequential);
/// let schedule = Schedule(vec![(Duration::from_secs(5), Fault::Join)]);
/// let mut host = Cycles::new(&mut sim, |_| cyclon.clone());
/// schedule.play(&mut host, Duration::from_secs(3))?;
/// assert_eq!((sim.cycle(), sim.live()), (8, 11));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub struct Cycles<'a, S: Protocol, F, D = (), L = Perfect> {
    sim: &'a mut cycle::Simulation<S, D, L>,
    make: F,
}

impl<'a, S, F, D, L> Cycles<'a, S, F, D, L>
where
    S: Layer<D, Id = u32>,
    F: FnMut(u32) -> S,
    D: World<S>,
    L: Link,
{
    /// The nodes of `sim`; new ones are made by `make`.
    pub const fn new(sim: &'a mut cycle::Simulation<S, D, L>, make: F) -> Self {
        Self { sim, make }
    }
}

impl<S: Protocol, F, D, L> fmt::Debug for Cycles<'_, S, F, D, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cycles").field(&self.sim).finish()
    }
}

impl<S, F, D, L> Host for Cycles<'_, S, F, D, L>
where
    S: Layer<D, Id = u32>,
    F: FnMut(u32) -> S,
    D: World<S>,
    L: Link,
{
    fn now(&self) -> Time {
        self.sim.now()
    }
    fn run_until(&mut self, end: Time) {
        while self.sim.now() < end {
            self.sim.step();
        }
    }
    fn size(&self) -> u32 {
        self.sim.size()
    }
    fn is_live(&self, node: u32) -> bool {
        self.sim.is_alive(node)
    }
    fn contact(&mut self, node: u32, peer: u32) {
        self.sim.contact(node, peer);
    }
    fn join(&mut self) -> Result<u32, ParameterError> {
        let state = (self.make)(self.sim.size());
        Ok(self.sim.join(state))
    }
    fn leave(&mut self, node: u32) -> bool {
        self.sim.leave(node)
    }
    fn crash(&mut self, node: u32) -> bool {
        self.sim.kill(node)
    }
    fn crash_all(&mut self, nodes: &[u32]) {
        self.sim.kill_all(nodes.iter().copied());
    }
    fn restart(&mut self, node: u32) -> Result<bool, ParameterError> {
        let dead = self.sim.is_dead(node);
        if dead {
            let state = (self.make)(node);
            self.sim.restart(node, state);
        }
        Ok(dead)
    }
    fn revive(&mut self, node: u32) -> bool {
        self.sim.revive(node)
    }
    fn pause(&mut self, node: u32) -> bool {
        self.sim.pause(node)
    }
    fn resume(&mut self, node: u32) -> bool {
        self.sim.resume(node)
    }
    fn strain(&mut self, fault: &Fault) -> Result<(), ParameterError> {
        self.sim.link_mut().strain(fault)
    }
}
