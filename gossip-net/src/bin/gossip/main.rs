//! The program `gossip`: an agent that runs a stack of every style of gossip, and the verbs that
//! talk to it over a local socket.
//!
//! Not a protocol: the stack is in `stack.rs`, what the verbs say in `protocol.rs`.

mod admin;
mod agent;
mod bridge;
mod certs;
mod cli;
mod client;
mod clock;
mod config;
mod contacts;
mod exit;
#[cfg(test)]
mod golden;
mod identity;
mod journal;
mod keeper;
mod keys;
mod large;
mod limit;
mod load;
mod protocol;
mod replay;
mod restored;
mod scrape;
mod settings;
mod socket;
mod srv;
mod stack;
mod table;
mod views;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
