//! How the program ends: codes that scripts may rely on.
//!
//! Not a protocol: errors, and what they are worth.

use std::fmt::Display;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// What every help text ends with.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  refused, not found, or failed
  2  wrong usage: an argument, a setting, or a configuration file
  3  no agent answers on the socket
  4  the agent did not answer in time";

/// Why the program ends without having done what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// Refused, not found, or failed.
    Refused,
    /// Asked in a way that nobody can understand.
    Usage,
    /// No agent is there.
    Unreachable,
    /// The agent is there, and silent.
    TimedOut,
}

/// An end that was not wanted, with a sentence for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) what: String,
}

impl Failure {
    pub(crate) fn new(reason: Reason, what: impl Display) -> Self {
        Self { reason, what: what.to_string() }
    }

    pub(crate) fn refused(what: impl Display) -> Self {
        Self::new(Reason::Refused, what)
    }

    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(Reason::Usage, what)
    }

    pub(crate) fn unreachable(what: impl Display) -> Self {
        Self::new(Reason::Unreachable, what)
    }

    pub(crate) fn timed_out(what: impl Display) -> Self {
        Self::new(Reason::TimedOut, what)
    }

    /// Says what went wrong on stderr, and with which code the program ends.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("gossip: {}", self.what);
        ExitCode::from(match self.reason {
            Reason::Refused => 1,
            Reason::Usage => 2,
            Reason::Unreachable => 3,
            Reason::TimedOut => 4,
        })
    }
}
