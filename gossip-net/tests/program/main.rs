//! The program `gossip`, as a new user runs it: real processes, free ports, deadlines.
#![cfg(unix)]

mod admin;
mod cluster;
mod dns;
mod harness;
mod identity;
mod lane;
mod namespaces;
mod readme;
mod recording;
mod restart;
mod usage;
