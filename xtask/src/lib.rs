//! The workspace's tasks, run as `cargo xtask <task>`.
//!
//! | task | what it does |
//! |---|---|
//! | `ci` | everything a change must pass, step by step; the tests come last |
//! | `test` | every test and doctest of the workspace |
//! | `demo` | a live cluster on real sockets: it converges, loses nodes, and repairs itself |
//! | `tidy` | the rules that neither the compiler nor clippy knows |
//! | `repro` | the papers' experiments: measured beside published, with a verdict |
//! | `sim` | scenario files: any stack, network and dynamics, swept and replicated |
//! | `bench` | the benchmarks |
//! | `soak` | the long tests that `test` leaves out |
//!
//! Exit codes: 0 when all is well, 1 when something failed, 2 when the command line is wrong.

mod bench;
mod ci;
mod cli;
mod clock;
pub mod demo;
mod failure;
mod parallel;
mod progress;
pub mod repro;
pub mod sim;
mod soak;
mod suggest;
mod test;
pub mod tidy;
mod workspace;

pub use cli::main;
pub use clock::Stopwatch;
pub use failure::Failure;
pub use workspace::{PROTOCOL_CRATES, STYLE_CRATES, root};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExamples;
