//! Trials: a stack under schedules of faults.

use core::fmt::{self, Write};
use core::time::Duration;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::test_runner::{
    Config as ProptestConfig, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};

use super::invariant::{Invariants, Violation};
use super::schedule::{Kinds, schedules};
use crate::protocol::Layer;
use crate::sim::event::{Config, Simulation};
use crate::sim::fault::{Fault, Schedule, Span};
use crate::sim::link::{Latency, Network};
use crate::sim::script::{Act, Observer, Player, encode_hex, pass};
use crate::time::Time;

/// A stack, and what may happen to it.
#[derive(Clone)]
pub struct Trial<S: Layer<(), Id = u32>> {
    nodes: u32,
    make: Arc<dyn Fn(u32) -> S + Send + Sync>,
    prepare: Arc<Act<S>>,
    config: Config,
    latency: Latency,
    asks: Vec<(Duration, u32, S::Command)>,
    kinds: Kinds,
    most: usize,
    span: Duration,
    rest: Duration,
    heals: bool,
    cases: u32,
    seed: u64,
}

/// An invariant that broke, and the shortest schedule found that breaks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What broke, and when.
    pub violation: Violation,
    /// What it took.
    pub schedule: Schedule,
    /// The schedule as a script to replay.
    pub script: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violation, schedule, script } = self;
        let faults = match schedule.0.len() {
            0 => "without any fault".into(),
            1 => "after one fault".into(),
            faults => format!("after {faults} faults"),
        };
        write!(f, "{violation}\n{faults}; to replay with the trial's player:\n\n{script}")
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
            asks: Vec::new(),
            kinds: Kinds::ALL,
            most: 20,
            span: Duration::from_secs(20),
            rest: Duration::from_secs(10),
            heals: false,
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

    /// Asks `command` of `node` at this time after the start, if it runs.
    pub fn ask(mut self, at: Duration, node: u32, command: S::Command) -> Self {
        self.asks.push((at, node, command));
        self.asks.sort_by_key(|ask| ask.0);
        self
    }

    /// Ends all faults when their span is over: what is split, cut, lost, held back, paused or
    /// crashed is not any more, but who left stays away. So that what must hold in the end,
    /// [`Finally`](super::Finally), has a chance.
    pub const fn healing(mut self) -> Self {
        self.heals = true;
        self
    }

    /// Does this first: introductions and inputs that no [`ask`](Self::ask) can say.
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

    /// Plays one schedule, and looks at the invariants after every fault, command and tick.
    ///
    /// # Errors
    ///
    /// The first violation, and when it was seen.
    pub fn play(
        &self,
        schedule: &Schedule,
        mut invariants: Invariants<S>,
    ) -> Result<(), Violation> {
        let mut sim = self.build()?;
        let (start, tick) = (sim.now(), self.config.tick);
        let mut look = |sim: &mut Simulation<S>| {
            let told: Vec<_> = sim.events().take().collect();
            look(sim, &told, &mut invariants)
        };
        for (at, step) in self.steps(schedule) {
            pass(&mut sim, tick, start + at, &mut look)?;
            match step {
                // Refused where the node does not run: then nothing is asked.
                Step::Ask(node, command) => drop(sim.command(node, command.clone())),
                Step::Fault(fault) => {
                    fault.apply(&mut sim).map_err(|error| Violation(format!("{error}")))?;
                }
            }
            look(&mut sim)?;
        }
        pass(&mut sim, tick, start + self.span + self.rest, &mut look)?;
        look(&mut sim)?;
        end(&sim, &mut invariants)
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

    /// All that happens, in order of time: commands, faults, and at last their end.
    fn steps<'a>(&'a self, schedule: &'a Schedule) -> Vec<(Duration, Step<'a, S>)> {
        let asks = self.asks.iter().map(|(at, node, command)| (*at, Step::Ask(*node, command)));
        let faults = schedule.0.iter().map(|(at, fault)| (*at, Step::Fault(Cow::Borrowed(fault))));
        let healed = self.undo(schedule).into_iter();
        let healed = healed.map(|fault| (self.span, Step::Fault(Cow::Owned(fault))));
        let mut steps: Vec<_> = asks.chain(faults).chain(healed).collect();
        steps.sort_by_key(|step| step.0);
        steps
    }

    /// What ends the faults of `schedule`.
    fn undo(&self, schedule: &Schedule) -> Vec<Fault> {
        let mut undone: Vec<Fault> = Vec::new();
        for (_, fault) in schedule.0.iter().filter(|_| self.heals) {
            let undo = match *fault {
                Fault::Crash(node) => Fault::Revive(node),
                Fault::Pause(node) => Fault::Resume(node),
                Fault::Split(_) | Fault::Cut(..) | Fault::Grey(..) => Fault::Heal,
                Fault::Loss(_) => Fault::Loss(0.0),
                Fault::Duplication(_) => Fault::Duplication(0.0),
                Fault::Reordering(_) => Fault::Reordering(0.0),
                Fault::Latency(_) => Fault::Latency(self.latency),
                _ => continue,
            };
            let left = schedule.0.iter().any(|(_, other)| match (&undo, other) {
                (Fault::Revive(node), Fault::Leave(gone)) => node == gone,
                _ => false,
            });
            if !left && !undone.contains(&undo) {
                undone.push(undo);
            }
        }
        undone
    }

    /// As [`play`](Self::play); a panic is a violation, too.
    fn outcome(
        &self,
        schedule: &Schedule,
        invariants: &impl Fn() -> Invariants<S>,
    ) -> Result<(), Violation> {
        let play = || self.play(schedule, invariants());
        catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            Err(Violation(format!("panicked: {}", text.unwrap_or("(no text)"))))
        })
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
            let outcome = self.outcome(&schedule, &invariants);
            outcome.map_err(|violation| TestCaseError::fail(violation.0))
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(TestError::Fail(reason, schedule)) => {
                let violation = Violation(reason.message().into());
                let (violation, schedule) = self.shorten(violation, schedule, &invariants);
                let script = format!(
                    "# why: {}\n# drawn with the trial's seed {}\n{}",
                    violation.0.lines().next().unwrap_or_default(),
                    self.seed,
                    self.script(&schedule)
                );
                Err(Failure { violation, schedule, script })
            }
            Err(TestError::Abort(reason)) => Err(Failure {
                violation: Violation(format!("the search was given up: {reason}")),
                schedule: Schedule::default(),
                script: String::new(),
            }),
        }
    }

    /// Leaves out faults one by one for as long as some invariant still breaks: proptest does so
    /// once, before it makes the others milder, and then more may be needless.
    fn shorten(
        &self,
        mut violation: Violation,
        mut schedule: Schedule,
        invariants: &impl Fn() -> Invariants<S>,
    ) -> (Violation, Schedule) {
        let mut at = 0;
        while at < schedule.0.len() {
            let mut shorter = schedule.clone();
            shorter.0.remove(at);
            match self.outcome(&shorter, invariants) {
                Err(broken) => (violation, schedule, at) = (broken, shorter, 0),
                Ok(()) => at += 1,
            }
        }
        (violation, schedule)
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

    /// The schedule as a script: set-up, introductions, commands, faults, rest. Datagrams are not
    /// printed; without its line `quiet` they are.
    pub fn script(&self, schedule: &Schedule) -> String {
        let Config { seed, tick, jitter, mtu, detection } = self.config;
        let detection =
            detection.map_or_else(|| "never".into(), |after| format!("{}", Span(after)));
        let mut script = format!(
            "nodes {}\nseed {seed}\ntick {}\njitter {jitter}\nmtu {mtu}\ndetection {detection}\n\
             quiet\n{}\n",
            self.nodes,
            Span(tick),
            Fault::Latency(self.latency),
        );
        for node in 1..self.nodes {
            let _ = writeln!(script, "{}", Fault::Contact(node, 0));
        }
        script += "prepare\n";
        // What is prepared may have taken time.
        let start = self.build().map_or(Duration::ZERO, |sim| sim.now().since(Time::ZERO));
        for (at, step) in self.steps(schedule) {
            let at = Span(start + at);
            let _ = match step {
                Step::Ask(node, command) => {
                    writeln!(script, "at {at} command {node} {}", encode_hex(command))
                }
                Step::Fault(fault) => writeln!(script, "at {at} {fault}"),
            };
        }
        script + &format!("at {} end\nshow\n", Span(start + self.span + self.rest))
    }

    /// Plays this trial's scripts: nodes are made and prepared as here and print as `show` says,
    /// and where one of `invariants` breaks, the replay says so in a line that begins with `!`.
    ///
    /// ```
    /// use gossip_core::sampling::Cyclon;
    /// use gossip_core::sim::script::replay;
    /// use gossip_core::testkit::{Bounds, Invariants, Kinds, Trial};
    ///
    /// let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
    /// let trial = Trial::new(6, move |_| cyclon.clone()).faults(Kinds::CHURN).cases(8);
    /// let size = |node: &Cyclon<u32, 8>| node.view(0).len();
    /// let wrong = move || -> Invariants<_> { vec![Box::new(Bounds::new("view", 4, size))] };
    ///
    /// let failure = trial.search(wrong).unwrap_err();
    /// let player = trial.player(move |node| format!("{} peers", size(node)), wrong);
    /// let replayed = replay(&failure.script, &player).unwrap();
    /// assert!(replayed.contains(&format!("! {}", failure.violation)));
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn player(
        &self,
        show: impl Fn(&S) -> String + 'static,
        invariants: impl Fn() -> Invariants<S> + 'static,
    ) -> Player<S> {
        let (make, prepare) = (Arc::clone(&self.make), Arc::clone(&self.prepare));
        let player = Player::new(move |at| make(at), show).prepare(move |sim| prepare(sim));
        player.observe(move || Box::new(Watch { invariants: invariants(), broken: false }))
    }
}

/// Something that happens in a trial.
enum Step<'a, S: Layer<(), Id = u32>> {
    Ask(u32, &'a S::Command),
    Fault(Cow<'a, Fault>),
}

/// Invariants as a script's observer: says what breaks first.
struct Watch<S: Layer<(), Id = u32>> {
    invariants: Invariants<S>,
    broken: bool,
}

impl<S: Layer<(), Id = u32>> Watch<S> {
    fn first(&mut self, seen: Result<(), Violation>) -> Option<String> {
        let seen = seen.err().filter(|_| !self.broken);
        self.broken |= seen.is_some();
        seen.map(|violation| violation.0)
    }
}

impl<S: Layer<(), Id = u32>> Observer<S> for Watch<S> {
    fn look(&mut self, sim: &Simulation<S>, told: &[(u32, S::Event)]) -> Option<String> {
        let seen = look(sim, told, &mut self.invariants);
        self.first(seen)
    }

    fn end(&mut self, sim: &Simulation<S>) -> Option<String> {
        let seen = end(sim, &mut self.invariants);
        self.first(seen)
    }
}

/// Looks, and passes on what was told.
fn look<S>(
    sim: &Simulation<S>,
    told: &[(u32, S::Event)],
    invariants: &mut Invariants<S>,
) -> Result<(), Violation>
where
    S: Layer<(), Id = u32>,
{
    invariants.iter_mut().try_for_each(|invariant| {
        let seen = invariant
            .check(sim)
            .and_then(|()| told.iter().try_for_each(|(node, event)| invariant.hear(*node, event)));
        seen.map_err(|violation| timed(sim, &violation))
    })
}

/// Looks once more.
fn end<S>(sim: &Simulation<S>, invariants: &mut Invariants<S>) -> Result<(), Violation>
where
    S: Layer<(), Id = u32>,
{
    invariants
        .iter_mut()
        .try_for_each(|invariant| invariant.end(sim).map_err(|violation| timed(sim, &violation)))
}

/// A violation, and when it was seen.
fn timed<S>(sim: &Simulation<S>, violation: &Violation) -> Violation
where
    S: Layer<(), Id = u32>,
{
    Violation(format!("at {}: {violation}", Span(sim.now().since(Time::ZERO))))
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
