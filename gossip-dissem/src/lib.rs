//! Gossip dissemination: rumors that spread like epidemics, over any source of peers.
//!
//! | Protocol | For | Reach |
//! |---|---|---|
//! | [`RumorMongering`] | news for everybody, with no one in charge | all but a known residue |
//!
//! Protocols are sans-IO layers: the same code runs in the simulators of `gossip-core` and on
//! sockets. What holds under which faults is in the section *Guarantees* of the README.
#![no_std]

extern crate alloc;

pub mod rumor;

pub use rumor::RumorMongering;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
