//! `cargo xtask sim`: scenarios from files.
//!
//! A scenario names a stack, its parameters, a driver, a network, what happens to nodes, and what
//! is looked at, in TOML (`schema` has every key). It may sweep any of them and repeat each point
//! over seeds; runs are spread over threads, and what comes out does not depend on how many.
//!
//! | module | what it does |
//! |---|---|
//! | `schema`, `value` | the keys, their kinds and bounds |
//! | `source`, `document` | what a file and its overrides say, and where |
//! | `scenario` | the points to run |
//! | `stack`, `registry`, `samplers`, `applications`, `overlay` | what can be run |
//! | `run`, `driver`, `network`, `dynamics`, `observers`, `stop` | one run |
//! | `output`, `plot`, `memory` | what is told |

mod applications;
mod document;
mod driver;
mod dynamics;
mod memory;
mod network;
mod observers;
mod output;
mod overlay;
mod plot;
mod registry;
mod run;
mod samplers;
mod scenario;
mod schema;
mod source;
mod stack;
mod stop;
mod value;

use clap::Parser;
use output::Results;
use run::Series;
use scenario::{Point, Scenario};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask_base::output::written;
use xtask_base::{Failure, Progress, Stopwatch, parallel};

/// A scenario from a file: any stack, network and dynamics, swept and replicated
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim", after_long_help = HELP)]
struct Request {
    /// The scenario, a TOML file
    #[arg(required_unless_present_any = ["list", "keys"])]
    file: Option<PathBuf>,
    /// Sets a key of the scenario instead of what the file says, as in `network.loss=0.1`; a key
    /// that the file sweeps has this one value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Prints one JSON object for each run and cycle, or writes them to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = STDOUT)]
    json: Option<PathBuf>,
    /// Prints comma-separated values, a line for each run and cycle, or writes them to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = STDOUT)]
    csv: Option<PathBuf>,
    /// Draws each observer over cycles, the replicas' mean and range, as SVG [default FILE: the
    /// scenario's name with .svg, in the current folder]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = STDOUT)]
    plot: Option<PathBuf>,
    /// Runs at the same time [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Lists the scenarios of this workspace
    #[arg(long, conflicts_with_all = ["file", "keys"])]
    list: bool,
    /// Lists every key of a scenario, with its bounds and its default
    #[arg(long, conflicts_with = "file")]
    keys: bool,
}

/// What stands for the standard output among files.
const STDOUT: &str = "-";

const HELP: &str = "\
A scenario, whole:

  description = \"averaging under loss\"
  size = 10_000
  application = \"mean\"       # over sampler = \"newscast\"
  [sweep]
  network.loss = [0, 0.1, 0.2]
  [observe]
  error = 1                  # every cycle

Examples:

  cargo xtask sim --list
  cargo xtask sim scenarios/newscast-count.toml --set size=10000
  cargo xtask sim scenarios/mean-failures.toml --plot --csv=failures.csv

Exit codes: 0 when it ran, 1 when it failed, 2 when the file or the command line is wrong.";

fn main() -> ExitCode {
    xtask_base::ended(run(&Request::parse()))
}

/// Does what was asked. Fails with [`Failure::Usage`] if the scenario or an option is wrong.
fn run(request: &Request) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if request.keys {
        return written(schema::KEYS.iter().try_for_each(|key| writeln!(out, "{key}")));
    }
    let Some(file) = request.file.as_deref().filter(|_| !request.list) else {
        return list(&xtask_base::root().join("scenarios"), &mut out);
    };
    let clock = Stopwatch::start();
    let scenario = Scenario::open(file, &request.set).map_err(|e| with_hint(e, file))?;
    check_files(request, &scenario)?;
    let threads = request
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let results = Results { series: simulate(&scenario, threads)?, scenario: &scenario };
    let is_printed = deliver(request, &results, &mut out)?;
    let peak = memory::peak().map_or_else(|| "unknown".to_owned(), memory::human);
    let line = format!("took {clock}, peak memory {peak}");
    if is_printed {
        // Beside machine-readable output, for people.
        eprintln!("{line}");
        return Ok(());
    }
    written(results.table(&mut out).and_then(|()| writeln!(out, "\n{line}")))
}

/// Files that could not be written at the end are told before the runs.
fn check_files(request: &Request, scenario: &Scenario) -> Result<(), Failure> {
    let asked = [&request.json, &request.csv, &request.plot].into_iter().flatten().cloned();
    let named = ["csv", "json", "svg", "overlay"].map(|kind| scenario.output(kind));
    for file in asked.chain(named.into_iter().flatten()) {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let (file, folder) = (file.display(), folder.display());
            let why = format!("cannot write {file}: there is no folder {folder}");
            return Err(Failure::Usage(why));
        }
    }
    Ok(())
}

/// Who names a scenario of the workspace without its folder or ending is told its file.
fn with_hint(failure: Failure, file: &Path) -> Failure {
    let Some(stem) = file.file_stem().filter(|_| !file.exists()) else { return failure };
    let ours = Path::new("scenarios").join(stem).with_extension("toml");
    let hint = if xtask_base::root().join(&ours).exists() {
        format!(" (did you mean {}?)", ours.display())
    } else {
        "; `cargo xtask sim --list` lists those of this workspace".to_owned()
    };
    match failure {
        Failure::Usage(why) => Failure::Usage(why + &hint),
        failed @ Failure::Failed(_) => failed,
    }
}

/// Every run of the scenario: for each point, a series per replica.
fn simulate(scenario: &Scenario, threads: usize) -> Result<Vec<Vec<Series>>, Failure> {
    let runners = scenario.points.iter().map(registry::find).collect::<Result<Vec<_>, _>>()?;
    let in_scenario = |failure: Failure| match failure {
        Failure::Usage(why) => Failure::Usage(format!("{}: {why}", scenario.name)),
        failed @ Failure::Failed(_) => failed,
    };
    for (point, runner) in scenario.points.iter().zip(&runners) {
        runner.check(point).map_err(in_scenario)?;
        check_memory(point, runner.node_bytes(), threads).map_err(in_scenario)?;
    }
    let replicas = scenario.replicas();
    let jobs = scenario.points.len() as u32 * replicas;
    let cycles: u64 = scenario.points.iter().map(|point| u64::from(point.count("cycles"))).sum();
    let progress = Progress::start(&scenario.name, "cycles", cycles * u64::from(replicas));
    let all = parallel::ordered(jobs, threads, progress, |job, step| {
        let at = (job / replicas) as usize;
        let seed = scenario.seed(job % replicas);
        runners[at].run(&scenario.points[at], seed, step).map_err(in_scenario)
    })?;
    let mut all = all.into_iter();
    Ok(runners.iter().map(|_| all.by_ref().take(replicas as usize).collect()).collect())
}

/// A run that cannot fit is not begun.
fn check_memory(point: &Point, node: usize, threads: usize) -> Result<(), Failure> {
    let needed = (node as u64).saturating_mul(point.count("size").into());
    match memory::available() {
        Some(available) if needed > available => Err(Failure::Usage(format!(
            "size = {} takes at least {} ({node} bytes a node), but {} are free; each of \
             --threads {threads} takes as much",
            point.count("size"),
            memory::human(needed),
            memory::human(available)
        ))),
        _ => Ok(()),
    }
}

/// Writes what was asked for. Returns whether any of it went to `out`.
fn deliver(
    request: &Request,
    results: &Results<'_>,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let mut is_printed = false;
    for (kind, option) in [("json", &request.json), ("csv", &request.csv)] {
        let Some(file) = option.clone().or_else(|| results.scenario.output(kind)) else { continue };
        let text = if kind == "json" { results.json() } else { results.csv() };
        if file.as_os_str() == STDOUT {
            is_printed = true;
            written(out.write_all(text.as_bytes()))?;
        } else {
            save(&file, &text)?;
        }
    }
    draw(request, results)?;
    Ok(is_printed)
}

/// Writes the chart, if it was asked for, and says where on stderr.
fn draw(request: &Request, results: &Results<'_>) -> Result<(), Failure> {
    let scenario = results.scenario;
    let unnamed = || PathBuf::from(format!("{}.svg", scenario.name));
    let file = match &request.plot {
        Some(file) if file.as_os_str() == STDOUT => unnamed(),
        Some(file) => file.clone(),
        None => match scenario.output("svg") {
            Some(file) => file,
            None => return Ok(()),
        },
    };
    let chart = plot::svg(results).map_err(|e| Failure::Failed(format!("cannot draw: {e}")))?;
    save(&file, &chart)?;
    let left = scenario.points.len().saturating_sub(plot::SHOWN);
    let note = if left > 0 { format!(", without the last {left} points") } else { String::new() };
    eprintln!("drawn in {}{note}", file.display());
    Ok(())
}

fn save(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|e| Failure::Failed(format!("cannot write {}: {e}", file.display())))
}

/// The scenarios in `folder`, with their descriptions.
fn list(folder: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("cannot read {}: {e}", folder.display()));
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let scenario = Scenario::open(&path, &[])?;
            found.insert(scenario.name.clone(), scenario.description().to_owned());
        }
    }
    let width = found.keys().map(String::len).max().unwrap_or(0);
    written(found.iter().try_for_each(|(name, what)| writeln!(out, "{name:width$}  {what}")))
}

#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod tests;
