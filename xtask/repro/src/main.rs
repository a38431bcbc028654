//! `cargo xtask repro`: the experiments themselves. See the library for what one is.

mod experiments;

use clap::Parser;
use std::process::ExitCode;
use xtask_repro::Request;

/// The papers' experiments: measured beside published. `repro list` shows them
#[derive(Debug, Parser)]
#[command(name = "cargo xtask repro", bin_name = "cargo xtask repro")]
struct Cli {
    #[command(flatten)]
    request: Request,
}

fn main() -> ExitCode {
    xtask_base::ended(xtask_repro::run(&experiments::ALL, &Cli::parse().request))
}
