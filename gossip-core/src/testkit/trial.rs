//! Trials: a stack under schedules of faults.

use core::fmt::{self, Write};
use core::time::Duration;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use proptest::test_runner::{
    Config as ProptestConfig, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};

use super::invariant::{Invariants, Violation};
use super::schedule::{Kinds, schedules};
use crate::protocol::Layer;
use crate::sim::event::{Config, Simulation};
use crate::sim::fault::{Fault, Schedule, Span};
use crate::sim::link::{Latency, Network};

/// An action on the simulation before the schedule starts: introductions, inputs, commands.
type Prepare<S> = Arc<dyn Fn(&mut Simulation<S>)>;

/// A stack, and what may happen to it.
#[derive(Clone)]
pub struct Trial<S: Layer<(), Id = u32>> {
    nodes: u32,
    make: Arc<dyn Fn(u32) -> S + Send + Sync>,
    prepare: Prepare<S>,
    config: Config,
    latency: Latency,
    kinds: Kinds,
    most: usize,
    span: Duration,
    rest: Duration,
    cases: u32,
    seed: u64,
}

/// An invariant that broke, and the shortest schedule found that breaks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What broke.
    pub violation: Violation,
    /// What it took.
    pub schedule: Schedule,
    /// The schedule as a script to replay.
    pub script: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violation, schedule, script } = self;
        let faults = schedule.0.len();
        write!(f, "{violation}\nafter {faults} faults; as a script to replay:\n\n{script}")
    }
}

impl core::error::Error for Failure {}

impl<S: Layer<(), Id = u32> + 'static> Trial<S> {
    /// `nodes` nodes made by `make`, each told of node 0 at the start, over links of 10 to 50 ms,
    /// under any 20 faults within 20 s and 10 s after; 64 cases.
    pub fn new(nodes: u32, make: impl Fn(u32) -> S + Send + Sync + 'static) -> Self {
        Self {
            nodes,
            make: Arc::new(make),
            prepare: Arc::new(|_| ()),
            config: Config::seeded(1),
            latency: Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50)),
            kinds: Kinds::ALL,
            most: 20,
            span: Duration::from_secs(20),
            rest: Duration::from_secs(10),
            cases: 64,
            seed: 1,
        }
    }

    /// Only faults of these kinds.
    pub const fn faults(mut self, kinds: Kinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// At most this many faults, all within `span`, and `rest` afterwards.
    pub const fn schedule(mut self, most: usize, span: Duration, rest: Duration) -> Self {
        (self.most, self.span, self.rest) = (most, span, rest);
        self
    }

    /// Does this first: introductions, inputs, commands.
    pub fn prepare(mut self, act: impl Fn(&mut Simulation<S>) + 'static) -> Self {
        self.prepare = Arc::new(act);
        self
    }

    /// With this simulation instead of ticks of one second.
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// With this latency at the start.
    pub const fn latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// Draws this many schedules.
    pub const fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Draws other schedules.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Plays one schedule, and looks at the invariants after every fault and every tick.
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn play(
        &self,
        schedule: &Schedule,
        mut invariants: Invariants<S>,
    ) -> Result<(), Violation> {
        let mut sim = self.build()?;
        let start = sim.now();
        for (at, fault) in &schedule.0 {
            while sim.now() + self.config.tick < start + *at {
                self.pass(&mut sim, &mut invariants)?;
            }
            sim.run_until(start + *at);
            fault.apply(&mut sim).map_err(|error| Violation(format!("{error}")))?;
            look(&mut sim, &mut invariants)?;
        }
        let end = start + self.span + self.rest;
        while sim.now() < end {
            self.pass(&mut sim, &mut invariants)?;
        }
        Ok(())
    }

    fn build(&self) -> Result<Simulation<S>, Violation> {
        let make = Arc::clone(&self.make);
        let link = Network::new(self.latency);
        let mut sim = Simulation::new(self.nodes, move |at| make(at), link, self.config)
            .map_err(|error| Violation(format!("{error}")))?;
        for node in 1..self.nodes {
            sim.contact(node, 0);
        }
        (self.prepare)(&mut sim);
        Ok(sim)
    }

    fn pass(
        &self,
        sim: &mut Simulation<S>,
        invariants: &mut Invariants<S>,
    ) -> Result<(), Violation> {
        sim.run_for(self.config.tick);
        look(sim, invariants)
    }

    /// Draws schedules until one breaks an invariant, and shrinks it.
    ///
    /// # Errors
    ///
    /// The violation, and the shortest schedule found that causes it.
    pub fn search(&self, invariants: impl Fn() -> Invariants<S>) -> Result<(), Failure> {
        let config = ProptestConfig {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: 4_096,
            ..ProptestConfig::default()
        };
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let strategy = schedules(self.nodes, self.span, self.kinds, self.most);
        let outcome = runner.run(&strategy, |schedule| {
            self.play(&schedule, invariants()).map_err(|violation| TestCaseError::fail(violation.0))
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(TestError::Fail(reason, schedule)) => {
                let script = self.script(&schedule);
                Err(Failure { violation: Violation(reason.message().into()), schedule, script })
            }
            Err(TestError::Abort(reason)) => Err(Failure {
                violation: Violation(format!("the search was given up: {reason}")),
                schedule: Schedule::default(),
                script: String::new(),
            }),
        }
    }

    /// As [`search`](Self::search), for use in tests.
    ///
    /// # Panics
    ///
    /// With the violation and a script that replays it.
    pub fn check(&self, invariants: impl Fn() -> Invariants<S>) {
        if let Err(failure) = self.search(invariants) {
            panic!("{failure}");
        }
    }

    /// The schedule as a script: set-up, introductions, faults, rest.
    pub fn script(&self, schedule: &Schedule) -> String {
        let Config { seed, tick, jitter, mtu, .. } = self.config;
        let mut script = format!(
            "nodes {}\nseed {seed}\ntick {}\njitter {jitter}\nmtu {mtu}\n{}\n",
            self.nodes,
            Span(tick),
            Fault::Latency(self.latency),
        );
        for node in 1..self.nodes {
            let _ = writeln!(script, "{}", Fault::Contact(node, 0));
        }
        let end = self.span + self.rest;
        script + &format!("{schedule}at {} show\n", Span(end))
    }
}

/// Looks, and passes on what was told.
fn look<S>(sim: &mut Simulation<S>, invariants: &mut Invariants<S>) -> Result<(), Violation>
where
    S: Layer<(), Id = u32>,
{
    let told: Vec<_> = sim.events().take().collect();
    for invariant in invariants {
        invariant.check(sim)?;
        for (node, event) in &told {
            invariant.hear(*node, event)?;
        }
    }
    Ok(())
}

impl<S: Layer<(), Id = u32>> fmt::Debug for Trial<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("nodes", &self.nodes)
            .field("kinds", &self.kinds)
            .field("cases", &self.cases)
            .finish_non_exhaustive()
    }
}
