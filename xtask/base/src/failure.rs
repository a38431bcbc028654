//! Why a task ended badly, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// Why a task did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The command line asks for something that does not exist. Nothing was run. Exit code 2.
    Usage(String),
    /// What was asked for ran, or could not run, and failed. Exit code 1.
    Failed(String),
}

impl Failure {
    /// The process's exit code: 2 for wrong usage, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(why) | Failure::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// The end of a process: prints the error, if it is one, on stderr. The exit code is 0 when all is
/// well, 1 when the task failed, and 2 when the command line is wrong.
pub fn ended(outcome: Result<(), Failure>) -> ExitCode {
    outcome.map_or_else(
        |failure| {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        },
        |()| ExitCode::SUCCESS,
    )
}
