//! The command line.

use crate::{Failure, Stopwatch, bench, ci, demo, repro, sim, soak, test, tidy};
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// The workspace's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything a change must pass: fmt, clippy, tidy, doc, builds without std, link test, tests
    Ci,
    /// Every test and doctest of the workspace, in all features
    Test(Forwarded),
    /// A live cluster on real sockets: it converges, loses a third of its nodes, and repairs itself
    Demo(demo::Request),
    /// The rules that neither the compiler nor clippy knows
    Tidy,
    /// The papers' experiments: measured beside published. `repro list` shows them
    Repro(repro::Request),
    /// A scenario from a file: any stack, network and dynamics, swept and replicated
    Sim(sim::Request),
    /// The benchmarks; `bench membership` measures others' software beside ours
    Bench(bench::Request),
    /// The long tests: those named soak_* that `test` leaves out, in release mode
    Soak(Forwarded),
}

/// Arguments that go to cargo as they are.
#[derive(Debug, Args)]
struct Forwarded {
    /// Arguments for cargo, as in `-- -p gossip-core name -- --nocapture`
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    args: Vec<String>,
}

/// Runs the task that the process's arguments name. Errors are printed on stderr; the exit code
/// is 0 when all is well, 1 when the task failed, and 2 when the command line is wrong.
pub fn main() -> ExitCode {
    let clock = Stopwatch::start();
    // On a wrong command line, clap prints what is wrong and ends the process with code 2.
    let outcome = match Cli::parse().task {
        Task::Ci => ci::run(&clock),
        Task::Test(forwarded) => test::run(&forwarded.args, &clock),
        Task::Demo(request) => demo::run(&request),
        Task::Tidy => tidy::run(),
        Task::Repro(request) => repro::run(&request),
        Task::Sim(request) => sim::run(&request),
        Task::Bench(request) => bench::run(&request, &clock),
        Task::Soak(forwarded) => soak::run(&forwarded.args, &clock),
    };
    outcome.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {failure}");
    ExitCode::from(failure.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_two_dashes_are_forwarded() {
        let line = ["xtask", "test", "--", "-p", "gossip-core", "--", "--nocapture"];
        let cli = Cli::try_parse_from(line).expect("a right command line");
        let Task::Test(forwarded) = cli.task else { panic!("not a test") };
        assert_eq!(forwarded.args, ["-p", "gossip-core", "--", "--nocapture"]);
    }
}
