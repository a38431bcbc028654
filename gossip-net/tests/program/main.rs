//! The program `gossip`, as a new user runs it: real processes, free ports, deadlines.

mod admin;
mod cluster;
mod harness;
mod readme;
mod restart;
mod usage;
