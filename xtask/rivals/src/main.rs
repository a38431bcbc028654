//! Rivals: other people's software and ours, measured side by side in the same network.
//! `cargo xtask bench membership`, `recon` and `net` start this.
//!
//! A comparison is a list of rows, each measured for every contender by one function that knows
//! them only by a trait; a rival is a feature of this package and a file that implements the trait.
//! The table is printed, or written as JSON, and checks itself.

mod heap;
mod membership;
mod net;
mod recon;
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
    /// Runs of each measurement; 3 of `membership`, 100 of `recon`, 1 of `net`, unless given
    #[arg(long, global = true)]
    runs: Option<u8>,
    /// A rival that did not build, and what the compiler said
    #[arg(long, global = true, value_name = "NAME=MESSAGE")]
    unbuilt: Vec<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum Comparison {
    /// Full membership with failure detection
    Membership,
    /// How two sets differ
    Recon {
        /// Elements that both sets have
        #[arg(long, default_value_t = 100_000)]
        items: u32,
    },
    /// Who is there, who has crashed, and what is published, on real sockets
    Net {
        /// Nodes, for each of which all is measured
        #[arg(long, value_delimiter = ',', default_values_t = [50, 200])]
        nodes: Vec<u32>,
        /// Percent of all packets that are lost, likewise
        #[arg(long, value_delimiter = ',', default_values_t = [0, 10])]
        loss: Vec<u32>,
    },
    /// One run of `net`, in this process
    #[command(hide = true)]
    NetRun { name: String, nodes: u32 },
}

fn main() -> ExitCode {
    let line = Line::parse();
    let seeds = |runs: u8| line.seed..line.seed + u64::from(line.runs.unwrap_or(runs).max(1));
    let unbuilt = line.unbuilt.iter().map(|one| unbuilt(one)).collect();
    let (text, checked) = match line.comparison {
        Comparison::Membership => {
            let table = table::Table { unbuilt, ..membership::compare(seeds(3)) };
            (if line.json { table.json() } else { table.text() }, table.check())
        }
        Comparison::Recon { items } => {
            let report = recon::Report { unbuilt, ..recon::compare(items, seeds(100)) };
            (if line.json { report.json() } else { report.text() }, report.check())
        }
        Comparison::Net { nodes, loss } => {
            let request = net::Request { nodes, loss, seeds: seeds(1) };
            let table = table::Table { unbuilt, ..net::compare(&request) };
            (if line.json { table.json() } else { table.text() }, table.check())
        }
        Comparison::NetRun { name, nodes } => match net::single(&name, nodes) {
            Ok(figures) => (figures, Ok(())),
            Err(why) => (String::new(), Err(why)),
        },
    };
    println!("{text}");
    match checked {
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
