//! What is asked for, checked once, and how the time is spent.

use std::time::Duration;

use clap::Args;
use gossip_core::ParameterError;

use super::stack::{self, Settings};
use xtask_base::Failure;

/// What `cargo xtask demo` is asked for.
#[derive(Clone, Debug, Args)]
pub struct Request {
    /// Nodes of the cluster, each with its own UDP socket on loopback; a third of them is killed
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    nodes: u32,
    /// Seed of what is lost, who is killed, who writes, and of the nodes' own randomness
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the datagrams that is lost, put on every socket
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    loss: f64,
    /// Time that the run may take; it ends earlier when everything has been shown
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The report as JSON objects, one per line, on stdout; progress goes to stderr
    #[arg(long)]
    json: bool,
}

/// The most nodes: each has a socket, and they share the machine.
const NODES_MAX: u32 = 256;

/// The longest run, in seconds.
const SECONDS_MAX: u64 = 3_600;

/// The longest tick. Our choice: a run without loss then takes half a minute.
const TICK_MAX: Duration = Duration::from_millis(200);

/// What a run needs is planned with so much to spare.
const MARGIN: f64 = 1.5;

/// A run, as it will be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) nodes: u32,
    pub(crate) seed: u64,
    pub(crate) loss: f64,
    pub(crate) json: bool,
    /// The period of all nodes.
    pub(crate) tick: Duration,
    pub(crate) settings: Settings,
    /// The time for all phases together.
    pub(crate) budget: Duration,
}

impl Plan {
    /// Checks `request`, and plans it.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] names the option, its value and its bound.
    pub(crate) fn of(request: &Request) -> Result<Self, Failure> {
        let &Request { nodes, seed, loss, seconds, json } = request;
        let check = |name, value, unit, bound, holds| {
            let checked = ParameterError::new(name, value, unit, bound).unless(holds);
            checked.map_err(|error| Failure::Usage(error.to_string()))
        };
        let in_bounds = (4..=NODES_MAX).contains(&nodes);
        check("--nodes", f64::from(nodes), "nodes", "4 to 256", in_bounds)?;
        let in_bounds = (0.0..=0.5).contains(&loss);
        check("--loss", loss, "of all datagrams", "0 to 0.5", in_bounds)?;
        let in_bounds = seconds <= SECONDS_MAX;
        check("--seconds", seconds as f64, "seconds", "at most 3600", in_bounds)?;
        let needed = needed(loss).mul_f64(MARGIN);
        let least = (tick_min(nodes).as_secs_f64() * needed.as_secs_f64()).ceil() as u64;
        if seconds < least {
            return Err(Failure::Usage(format!(
                "--seconds is {seconds} seconds; it must be at least {least} with {nodes} nodes \
                 and --loss {loss}"
            )));
        }
        let budget = Duration::from_secs(seconds);
        let tick = budget.div_f64(needed.as_secs_f64()).min(TICK_MAX);
        let settings = Settings::new(tick, loss);
        Ok(Self { nodes, seed, loss, json, tick, settings, budget })
    }

    /// How many are killed: a third, and the first contact among them.
    pub(crate) const fn victims(&self) -> u32 {
        self.nodes / 3
    }
}

/// The shortest tick: below it, nodes on a small machine are late for their rounds.
fn tick_min(nodes: u32) -> Duration {
    Duration::from_micros(40_000 + 600 * u64::from(nodes))
}

/// What a run takes, a second standing for a round: two epochs until the first estimate of a
/// measured value; news and writes; and after the kill up to two epochs until the first that
/// began after it is over.
fn needed(loss: f64) -> Duration {
    let news = 40.0 / (1.0 - loss);
    Duration::from_secs_f64(4.0 * f64::from(stack::epoch(loss)) + news)
}
