//! The program `gossip`, as a new user runs it: real processes, free ports, deadlines.
#![cfg(unix)]

mod admin;
mod cluster;
mod harness;
mod lane;
mod namespaces;
mod readme;
mod recording;
mod restart;
mod usage;
