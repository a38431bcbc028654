//! `cargo xtask demo`. See the library.

use clap::Parser;
use std::process::ExitCode;
use xtask_demo::Request;

/// A live cluster on real sockets: it converges, loses a third of its nodes, and repairs itself
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Cli {
    #[command(flatten)]
    request: Request,
}

fn main() -> ExitCode {
    xtask_base::ended(xtask_demo::run(&Cli::parse().request))
}
