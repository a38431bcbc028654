//! Rivals: other people's software and ours, measured side by side in the same simulated network.
//! `cargo xtask bench membership` starts this.
//!
//! A comparison is a list of [`table::Row`]s, each measured for every contender by one function
//! that knows them only by a trait; a rival is a feature of this package and a file that implements
//! the trait. The table is printed, or written as JSON, and checks itself.

mod heap;
mod membership;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Ours and others, side by side.
#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    comparison: Comparison,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Seed of the first run of each measurement; the further ones have the next numbers
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Runs of each measurement
    #[arg(long, global = true, default_value_t = 3)]
    runs: u8,
    /// A rival that did not build, and what the compiler said
    #[arg(long, global = true, value_name = "NAME=MESSAGE")]
    unbuilt: Vec<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Comparison {
    /// Full membership with failure detection
    Membership,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let seeds = line.seed..line.seed + u64::from(line.runs.max(1));
    let mut table = match line.comparison {
        Comparison::Membership => membership::compare(seeds),
    };
    table.unbuilt = line.unbuilt.iter().map(|one| unbuilt(one)).collect();
    println!("{}", if line.json { table.json() } else { table.text() });
    match table.check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn unbuilt(text: &str) -> (String, String) {
    let (name, message) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), message.to_owned())
}
