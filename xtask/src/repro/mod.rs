//! `cargo xtask repro`: the papers' experiments, measured beside published.
//!
//! An experiment is a value that implements [`Experiment`]; it lives in a file of its own in
//! [`experiments`] and is listed in [`registry::experiments`]. It says which parameters it takes,
//! what one trial measures, and what the paper published. The framework reads the command line,
//! runs the trials on every core, and prints the comparison.
//!
//! A trial depends on its parameters and its seed alone: trial `i` of `--seed S` has the seed
//! `S + i`, so that `--seed S+i --seeds 1` repeats it.

pub mod experiment;
pub mod experiments;
pub mod params;
pub mod registry;
pub mod report;
pub mod self_check;
pub mod trials;

pub use experiment::{Experiment, Metric, Published, Sample, Statistic};
pub use params::{Kind, Param, Params, Value};

use crate::{Failure, Stopwatch};
use report::Report;
use std::io::{self, Write};
use trials::Plan;

/// What `repro` was asked.
#[derive(Debug, Clone, clap::Args)]
pub struct Request {
    /// The experiment, or `list` to see all of them with their parameters
    #[arg(value_name = "ID|list")]
    id: Option<String>,
    /// Sets a parameter; every other one keeps its default
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Number of trials; each experiment has its own default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    seeds: Option<u32>,
    /// Seed of the first trial; each further trial has the next number [default: 1]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Prints one JSON object per row instead of a table
    #[arg(long)]
    json: bool,
}

/// Does what was asked. Fails with [`Failure::Usage`] on a wrong id, key or value, and with
/// [`Failure::Failed`] when a measured value is not within its tolerance.
pub fn run(request: &Request) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match request.id.as_deref() {
        None => Err(Failure::Usage(format!("repro of what? {}", registry::known()))),
        Some("list") => list(request, &mut out),
        Some(id) => reproduce(registry::find(id)?.as_ref(), request, &mut out),
    }
}

fn list(request: &Request, out: &mut impl Write) -> Result<(), Failure> {
    let Request { set, seeds, seed, json, .. } = request;
    if !set.is_empty() || seeds.is_some() || seed.is_some() || *json {
        return Err(Failure::Usage("`repro list` takes no options".to_owned()));
    }
    written(report::list(&registry::experiments(), out))
}

fn reproduce(
    experiment: &dyn Experiment,
    request: &Request,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let id = experiment.id();
    let params = Params::parse(id, experiment.params(), &request.set)?;
    experiment.check(&params).map_err(|why| Failure::Usage(format!("{id}: {why}")))?;
    let plan = Plan {
        first_seed: request.seed.unwrap_or(1),
        trials: request.seeds.unwrap_or(experiment.seeds()),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let clock = Stopwatch::start();
    let rows = trials::rows(experiment, &params, &plan)?;
    let report = Report { experiment, params: &params, plan: &plan, rows: &rows };
    if request.json {
        written(report.write_json(out))?;
    } else {
        written(report.write_table(out).and_then(|()| writeln!(out, "took {clock}")))?;
    }
    let failed: Vec<&str> =
        rows.iter().filter(|r| r.pass() == Some(false)).map(|r| r.metric.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let mut names = failed.clone();
    names.dedup();
    let (count, of, names) = (failed.len(), rows.len(), names.join(", "));
    Err(Failure::Failed(format!("{id}: {count} of {of} rows out of tolerance ({names})")))
}

/// A reader that had enough (`| head`) is no failure.
fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("cannot write the output: {e}")))
        }
        _ => Ok(()),
    }
}
