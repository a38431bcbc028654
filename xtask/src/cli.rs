//! The command line.

use crate::{bench, ci, program, soak, test, tidy};
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;
use xtask_base::{Stopwatch, ended};

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
    #[command(disable_help_flag = true)]
    Demo(Handed),
    /// The rules that neither the compiler nor clippy knows
    Tidy,
    /// The papers' experiments: measured beside published. `repro list` shows them
    #[command(disable_help_flag = true)]
    Repro(Handed),
    /// A scenario from a file: any stack, network and dynamics, swept and replicated
    #[command(disable_help_flag = true)]
    Sim(Handed),
    /// The benchmarks; `bench membership`, `recon` and `net` measure others' beside ours
    Bench(bench::Request),
    /// The long tests: those named soak_* that `test` leaves out, in release mode
    Soak(Forwarded),
}

/// Arguments that go to a program as they are, `--help` among them.
#[derive(Debug, Args)]
struct Handed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    args: Vec<String>,
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
        Task::Demo(handed) => return hand_over("xtask-demo", &handed.args),
        Task::Tidy => tidy::run(),
        Task::Repro(handed) => return hand_over("xtask-repro", &handed.args),
        Task::Sim(handed) => return hand_over("xtask-sim", &handed.args),
        Task::Bench(request) => bench::run(&request, &clock),
        Task::Soak(forwarded) => soak::run(&forwarded.args, &clock),
    };
    ended(outcome)
}

fn hand_over(package: &str, args: &[String]) -> ExitCode {
    program::run(package, args).unwrap_or_else(|failure| ended(Err(failure)))
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
    fn programs_have_all_their_arguments() {
        let line = ["xtask", "repro", "list", "--help", "--set", "a=1"];
        let cli = Cli::try_parse_from(line).expect("a right command line");
        let Task::Repro(handed) = cli.task else { panic!("not repro") };
        assert_eq!(handed.args, ["list", "--help", "--set", "a=1"]);
    }

    #[test]
    fn arguments_after_two_dashes_are_forwarded() {
        let line = ["xtask", "test", "--", "-p", "gossip-core", "--", "--nocapture"];
        let cli = Cli::try_parse_from(line).expect("a right command line");
        let Task::Test(forwarded) = cli.task else { panic!("not a test") };
        assert_eq!(forwarded.args, ["-p", "gossip-core", "--", "--nocapture"]);
    }
}
