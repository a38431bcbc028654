//! Churn as data: who comes, goes and fails when, for either driver.
//!
//! A [`Model`] says what happens; [`Dynamics`] lets one or several happen to a
//! [`Host`] while time passes. In the event driver things happen at their times; in the cycle
//! driver, where a cycle stands for a [period](crate::sim::cycle::PERIOD), before the first cycle
//! that begins no earlier.
//!
//! Nodes that start are told of random live ones. The same seed and driver give the same churn, in
//! however many pieces time passes.
//!
//! ```
//! use core::time::Duration;
//! use gossip_core::sampling::Newscast;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::sim::dynamics::{Dynamics, Exit, Model};
//! use gossip_core::sim::host::Cycles;
//!
//! let node = Newscast::<u32, 20>::new(Default::default())?;
//! let mut sim = Simulation::new(vec![node.clone(); 100], 1, Order::Sequential);
//! (1..100).for_each(|at| sim.contact(at, 0));
//! // 5 % of the nodes are replaced in each cycle.
//! let mut churn = Dynamics::new([Model::Replace { share: 0.05, exit: Exit::Crash }], 1)?;
//! churn.run(&mut Cycles::new(&mut sim, |_| node.clone()), Duration::from_secs(20))?;
//! assert_eq!((sim.cycle(), sim.live(), sim.size()), (20, 100, 200));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod law;
mod sessions;
mod stage;
mod trace;

use core::f64::consts::TAU;
use core::time::Duration;

use alloc::vec::Vec;

pub use self::law::Law;
pub use self::sessions::After;
pub use self::trace::Trace;

use self::sessions::Sessions;
use self::stage::{MOST, Stage};
use self::trace::Playing;
use super::cycle::PERIOD;
use super::host::Host;
use crate::error::ParameterError;
use crate::random::Key;
use crate::time::Time;

/// How a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Without notice.
    Crash,
    /// It says good-bye.
    Leave,
}

impl Exit {
    fn of(self, node: u32, host: &mut impl Host) -> bool {
        match self {
            Self::Crash => host.crash(node),
            Self::Leave => host.leave(node),
        }
    }
}

/// How fast a size changes in a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// By so many nodes.
    Nodes(u32),
    /// By this share of the size it has, and at least by one node.
    Share(f64),
}

/// Something that goes on, or happens once.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// In each period this share of the live nodes goes, and as many new ones join. Fractions of
    /// nodes are rounded at random, so that the mean is right. (Jelasity, Montresor, Babaoglu,
    /// *Gossip-based aggregation*, ACM TOCS 23(3), 2005, section 7.2, substitutes nodes so.)
    Replace {
        /// The share, 0 to 1.
        share: f64,
        /// How they go.
        exit: Exit,
    },
    /// Every node that lives when the dynamics start has a session, as new then, and perhaps more
    /// after it.
    Sessions {
        /// How long a session is.
        up: Law,
        /// How it ends.
        exit: Exit,
        /// What becomes of the node then.
        after: After,
    },
    /// New nodes join one by one, at random (Poisson) times, and stay for a session: the size goes
    /// to `rate` times the mean session in periods. (Pandurangan, Raghavan, Upfal, *Building
    /// low-diameter peer-to-peer networks*, JSAC 21(6), 2003, section 2, with exponential ones.)
    Arrivals {
        /// How many in a period, on average: 0 to 10^6.
        rate: f64,
        /// How long they stay.
        stay: Law,
        /// How they go.
        exit: Exit,
    },
    /// In each period the size becomes (low + high) / 2 + (high - low) / 2 sin(2 pi t / cycle).
    /// PeerSim's `OscillatingNetwork` has the same law, with half of our `cycle` for its period.
    Oscillate {
        /// The least size.
        low: u32,
        /// The largest.
        high: u32,
        /// How long one oscillation takes.
        cycle: Duration,
        /// How nodes go.
        exit: Exit,
    },
    /// In each period the size comes nearer to `to`: grows, from one node if it has one, or
    /// shrinks.
    Resize {
        /// The size in the end.
        to: u32,
        /// How fast.
        pace: Pace,
        /// How nodes go, if they do.
        exit: Exit,
    },
    /// A random share of the live nodes goes at one moment.
    Catastrophe {
        /// When, after the start.
        at: Duration,
        /// The share, 0 to 1.
        share: f64,
        /// How they go.
        exit: Exit,
    },
    /// What a text says.
    Trace(Trace),
}

fn share(share: f64) -> Result<(), ParameterError> {
    ParameterError::new("share of nodes", share, "", "0 to 1").unless((0.0..=1.0).contains(&share))
}

fn most(name: &'static str, nodes: u32) -> Result<(), ParameterError> {
    ParameterError::new(name, nodes.into(), "nodes", "at most 2^27").unless(nodes <= MOST)
}

impl Model {
    /// That every parameter has a meaning.
    ///
    /// # Errors
    /// Names the parameter that is out of bounds.
    pub fn check(&self) -> Result<(), ParameterError> {
        match *self {
            Self::Replace { share: part, .. } | Self::Catastrophe { share: part, .. } => {
                share(part)
            }
            Self::Sessions { up, after, .. } => {
                up.check()?;
                if let After::Return { down, .. } = after { down.check() } else { Ok(()) }
            }
            Self::Arrivals { rate, stay, .. } => {
                ParameterError::new("arrivals", rate, "in a period", "0 to 10^6")
                    .unless((0.0..=1e6).contains(&rate))?;
                stay.check()
            }
            Self::Oscillate { low, high, cycle, .. } => {
                most("largest size", high)?;
                ParameterError::new("least size", low.into(), "nodes", "at most the largest")
                    .unless(low <= high)?;
                let seconds = cycle.as_secs_f64();
                ParameterError::new("time of an oscillation", seconds, "seconds", "above 0")
                    .unless(seconds > 0.0)
            }
            Self::Resize { to, pace, .. } => {
                most("size in the end", to)?;
                if let Pace::Share(part) = pace { share(part) } else { Ok(()) }
            }
            Self::Trace(_) => Ok(()),
        }
    }
}

/// A model under way.
#[derive(Clone, Debug)]
struct Part {
    state: State,
    /// Times it has acted.
    acts: u64,
}

#[derive(Clone, Debug)]
enum State {
    /// What happens in every period that is over: the next of them.
    Periodic(Model, u32),
    /// What happens once, at that time.
    Once(Model, Option<Duration>),
    /// Sessions, before those who live have theirs.
    Before(Sessions),
    Sessions(Sessions),
    /// Sessions of those who come, so many in a period, the next at that time.
    Arrivals(Sessions, f64, Option<Duration>),
    Trace(Playing),
}

impl Part {
    fn new(model: Model, key: Key, period: Duration) -> Self {
        let state = match model {
            Model::Replace { .. } | Model::Oscillate { .. } | Model::Resize { .. } => {
                State::Periodic(model, 1)
            }
            Model::Catastrophe { at, .. } => State::Once(model, Some(at)),
            Model::Sessions { up, exit, after } => State::Before(Sessions::new(up, after, exit)),
            Model::Arrivals { rate, stay, exit } => {
                let first = (rate > 0.0).then(|| gap(key.random(0).exponential(), rate, period));
                State::Arrivals(Sessions::new(stay, After::Gone, exit), rate, first)
            }
            Model::Trace(trace) => State::Trace(Playing::new(trace)),
        };
        Self { state, acts: 1 }
    }

    /// When it acts next, after the start.
    fn due(&self, period: Duration) -> Option<Duration> {
        match &self.state {
            State::Periodic(_, next) => Some(period.saturating_mul(*next)),
            State::Once(_, at) => *at,
            State::Before(_) => Some(Duration::ZERO),
            State::Sessions(sessions) => sessions.due(),
            State::Arrivals(sessions, _, next) => {
                [sessions.due(), *next].into_iter().flatten().min()
            }
            State::Trace(trace) => trace.due(),
        }
    }

    /// Acts, `time` after the start.
    fn act<H: Host>(
        &mut self,
        time: Duration,
        period: Duration,
        stage: &mut Stage<'_, H>,
    ) -> Result<(), ParameterError> {
        self.acts += 1;
        match &mut self.state {
            State::Periodic(model, next) => {
                let due = period.saturating_mul(*next);
                *next = next.saturating_add(1);
                resize(model, due, stage)
            }
            State::Once(model, at) => {
                *at = None;
                resize(model, time, stage)
            }
            State::Before(sessions) => {
                stage.live().into_iter().for_each(|node| {
                    sessions.begin(node, Duration::ZERO, stage);
                });
                self.state = State::Sessions(sessions.clone());
                Ok(())
            }
            State::Sessions(sessions) => sessions.act(time, stage),
            State::Arrivals(sessions, rate, next) => {
                while let Some(due) = next.filter(|&due| due <= time) {
                    let node = stage.join()?;
                    sessions.begin(node, due, stage);
                    *next =
                        Some(due.saturating_add(gap(stage.random.exponential(), *rate, period)));
                }
                sessions.act(time, stage)
            }
            State::Trace(trace) => trace.act(time, stage),
        }
    }
}

/// The time to the next of `rate` arrivals in a period, `relative` to their mean gap.
fn gap(relative: f64, rate: f64, period: Duration) -> Duration {
    Duration::from_micros((relative / rate * period.as_micros() as f64) as u64)
}

/// Removes nodes, adds nodes, or both, as `model` has it at `time`.
fn resize<H: Host>(
    model: &Model,
    time: Duration,
    stage: &mut Stage<'_, H>,
) -> Result<(), ParameterError> {
    let mut live = stage.live();
    let size = live.len();
    let (gone, come, exit) = match *model {
        Model::Replace { share, exit } => {
            let count = stage.whole(share * size as f64);
            (count, count, exit)
        }
        Model::Catastrophe { share, exit, .. } => (stage.whole(share * size as f64), 0, exit),
        Model::Oscillate { low, high, cycle, exit } => {
            let (low, high) = (f64::from(low), f64::from(high));
            let turn = libm::sin(TAU * (time.as_secs_f64() / cycle.as_secs_f64()));
            let to = libm::round(f64::midpoint(low, high) + (high - low) / 2.0 * turn) as usize;
            (size.saturating_sub(to), to.saturating_sub(size), exit)
        }
        Model::Resize { to, pace, exit } => {
            let to = to as usize;
            let step = match pace {
                Pace::Nodes(count) => count as usize,
                Pace::Share(share) => stage.whole(share * size as f64).max(1),
            };
            (size.saturating_sub(to).min(step), to.saturating_sub(size).min(step), exit)
        }
        Model::Sessions { .. } | Model::Arrivals { .. } | Model::Trace(_) => return Ok(()),
    };
    stage.remove(gone, &mut live, exit);
    stage.join_all(come, &mut live)
}

/// Models that act on a simulation while its time passes.
#[derive(Clone, Debug)]
pub struct Dynamics {
    parts: Vec<Part>,
    models: Vec<Model>,
    key: Key,
    period: Duration,
    contacts: usize,
    /// When they started.
    start: Option<Time>,
}

impl Dynamics {
    /// These models, all from the start on, with a period of one second, and one contact for each
    /// node that starts.
    ///
    /// # Errors
    /// Names the parameter that is out of bounds.
    pub fn new(models: impl IntoIterator<Item = Model>, seed: u64) -> Result<Self, ParameterError> {
        let models: Vec<Model> = models.into_iter().collect();
        models.iter().try_for_each(Model::check)?;
        let key = Key::new(seed).with(DYNAMICS);
        Ok(Self { parts: Vec::new(), models, key, period: PERIOD, contacts: 1, start: None })
    }

    /// The same with another period, before they start.
    ///
    /// # Errors
    /// If it is not a microsecond to a day.
    pub fn period(mut self, period: Duration) -> Result<Self, ParameterError> {
        let seconds = period.as_secs_f64();
        ParameterError::new("period", seconds, "seconds", "1e-6 to 86400")
            .unless((1e-6..=86_400.0).contains(&seconds))?;
        self.period = period;
        Ok(self)
    }

    /// The same with this many random live nodes for each node that starts to be told of, one by
    /// one, so that it may be told of one twice.
    pub const fn contacts(mut self, contacts: usize) -> Self {
        self.contacts = contacts;
        self
    }

    /// Lets `span` pass in `host`, and happen what is due. The first call is the start.
    ///
    /// # Errors
    /// If nodes ever were 2^27, or the driver makes no new one.
    pub fn run(&mut self, host: &mut impl Host, span: Duration) -> Result<(), ParameterError> {
        let end = host.now() + span;
        let start = *self.start.get_or_insert(host.now());
        let (key, period) = (self.key, self.period);
        if self.parts.is_empty() {
            let numbered = (0..).zip(self.models.drain(..));
            self.parts.extend(numbered.map(|(at, model)| Part::new(model, key.with(at), period)));
        }
        loop {
            let due = |(at, part): (usize, &Part)| Some((part.due(period)?, at));
            let next = self.parts.iter().enumerate().filter_map(due).min();
            let Some((due, at)) = next.filter(|next| start + next.0 <= end) else { break };
            host.run_until(start + due);
            let part = &mut self.parts[at];
            let random = key.with(at as u64).random(part.acts);
            let time = host.now().since(start);
            let mut stage = Stage { host, random, contacts: self.contacts };
            part.act(time, period, &mut stage)?;
        }
        host.run_until(end);
        Ok(())
    }
}

/// The name of the dynamics' randomness.
const DYNAMICS: u64 = 0x63_6875_726e;
