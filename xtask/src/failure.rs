//! Why a task ended badly, and the exit code that says so.

use std::fmt;

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
