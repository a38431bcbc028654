//! Anti-entropy: replicas that reconcile over bounded datagrams.
//!
//! [`Replica`] is a key-value store that every node holds whole. Nodes write without asking anyone,
//! and each round compare themselves with one random peer; what differs is found at a cost near the
//! number of differences, whatever the number of keys, and both leave with the newer of each.
//!
//! | Module | What |
//! |---|---|
//! | [`replica`] | the protocol: a layer over any [`Peers`](gossip_core::Peers) |
//! | [`stamp`] | who wrote last: hybrid logical clocks |
//! | [`signed`] | entries that prove who wrote them |
//! | [`page`] | what fits a datagram |
//! | [`message`] | what travels |
//! | [`sketch`] | sketches of sets, from which their difference follows |
//! | [`reconcile`] | sessions that compare sets: every way by its name, and the choice among them |
//! | [`scuttlebutt`] | what each node says of itself, without gaps, and how much it may say |
//! | [`blobs`] | what does not fit a datagram: named by its content, fetched in chunks |
//! | [`union`] | a set that grows everywhere, made equal by its sketches |
//!
//! What holds, and when not to use it, is in the crate's `README.md`.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod absence;
pub mod blobs;
mod budget;
mod command;
mod compare;
mod config;
mod descent;
mod graves;
mod merge;
pub mod message;
pub mod page;
mod path;
mod read;
mod recent;
pub mod reconcile;
pub mod replica;
pub mod scuttlebutt;
mod seal;
pub mod signed;
pub mod sketch;
mod sketches;
pub mod stamp;
mod store;
mod tree;
pub mod union;
mod write;

pub use blobs::Blobs;
pub use merge::Merge;
pub use page::Page;
pub use replica::{Command, Config, Event, Replica, Secret};
pub use scuttlebutt::Scuttlebutt;
pub use signed::Signature;
pub use stamp::Stamp;
pub use store::Merged;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
