//! What must have ended when a trial is over.

use core::time::Duration;

use gossip_core::sim::event::Simulation;
use gossip_core::testkit::{Invariant, Violation};
use gossip_core::{Protocol, Time};

/// How long nothing must have been sent in the end.
const SILENCE: Duration = Duration::from_secs(5);

/// Something that is counted moves for the last time at least five seconds before the end.
pub(crate) struct Silent<S: Protocol> {
    count: fn(&Simulation<S>) -> u64,
    last: (u64, Time),
}

impl<S: Protocol> Silent<S> {
    pub(crate) const fn new(count: fn(&Simulation<S>) -> u64) -> Self {
        Self { count, last: (0, Time::ZERO) }
    }
}

impl<S: gossip_core::Layer<(), Id = u32>> Default for Silent<S> {
    /// No message at all.
    fn default() -> Self {
        Self::new(|sim| sim.traffic().frames)
    }
}

impl<S: Protocol<Id = u32> + gossip_core::Layer<()>> Invariant<S> for Silent<S> {
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        let count = (self.count)(sim);
        if count != self.last.0 {
            self.last = (count, sim.now());
        }
        Ok(())
    }

    fn end(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        self.check(sim)?;
        let silent = self.last.1 + SILENCE <= sim.now();
        Violation::unless(silent && self.last.0 > 0, || {
            format!("{} sent, the last at {:?}", self.last.0, self.last.1)
        })
    }
}
