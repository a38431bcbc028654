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
//! `demo`, `repro` and `sim` are programs of their own, which are built when they are asked for:
//! they are many simulations, and the rest need not wait for these.
//!
//! Exit codes: 0 when all is well, 1 when something failed, 2 when the command line is wrong.

mod bench;
mod ci;
mod cli;
mod program;
mod soak;
mod test;
pub mod tidy;

pub use cli::main;
