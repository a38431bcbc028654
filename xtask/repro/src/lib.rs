//! `cargo xtask repro`: the papers' experiments, measured beside published.
//!
//! An experiment is a value that implements [`Experiment`]; it lives in a file of its own in the
//! program's `experiments/`, which lists them. It says which parameters it takes, what one trial
//! measures, and what the paper published. The framework reads the command line, runs the trials
//! on every core, and prints the comparison.
//!
//! A trial depends on its parameters and its seed alone: trial `i` of `--seed S` has the seed
//! `S + i`, so that `--seed S+i --seeds 1` repeats it.

pub mod experiment;
pub mod params;
pub mod picture;
pub mod registry;
pub mod report;
pub mod self_check;
pub mod trials;
pub mod uniform;
pub mod wiring;

pub use experiment::{Experiment, Metric, Published, Sample, Statistic};
pub use params::{Kind, Param, Params, Value};
pub use picture::{Dot, Ink, Line, Panel, Picture};

use registry::Registry;
use report::Report;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use trials::Plan;
use xtask_base::output::written;
use xtask_base::{Failure, Stopwatch};

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
    /// Draws the first trial, for experiments that have a picture: to a file that ends in .svg or
    /// .png, else one of each is written, named so or for the experiment
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = ".")]
    plot: Option<PathBuf>,
}

/// Does what was asked of the experiments `all`. Fails with [`Failure::Usage`] on a wrong id, key
/// or value, and with [`Failure::Failed`] when a measured value is not within its tolerance, or an
/// experiment is not well declared.
pub fn run(all: &Registry, request: &Request) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    registry::check(all)?;
    match request.id.as_deref() {
        None => Err(Failure::Usage(format!("repro of what? {}", registry::known(all)))),
        Some("list") => list(all, request, &mut out),
        Some(id) => reproduce(registry::find(all, id)?, request, &mut out),
    }
}

fn list(all: &Registry, request: &Request, out: &mut impl Write) -> Result<(), Failure> {
    let Request { set, seeds, seed, json, plot, .. } = request;
    if !set.is_empty() || seeds.is_some() || seed.is_some() || *json || plot.is_some() {
        return Err(Failure::Usage("`repro list` takes no options".to_owned()));
    }
    written(report::list(all, out))
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
    if let Some(path) = &request.plot {
        // `--plot` alone is `--plot .`: here, by the experiment's name.
        let path = if path == Path::new(".") { Path::new(id) } else { path };
        draw(experiment, &params, plan.first_seed, path)?;
    }
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

/// Writes the picture of the trial with this seed.
fn draw(
    experiment: &dyn Experiment,
    params: &Params,
    seed: u64,
    asked: &Path,
) -> Result<(), Failure> {
    let id = experiment.id();
    let none = || Failure::Usage(format!("{id} has no picture: leave out `--plot`"));
    let picture = experiment.picture(params, seed).ok_or_else(none)?;
    for path in picture::files(asked) {
        let failed = |why| Failure::Failed(format!("{}: {why}", path.display()));
        picture.write(&path).map_err(failed)?;
    }
    Ok(())
}
