//! Gossip overlays: structures that emerge from pairwise exchanges, over any source of peers.
//!
//! | Module | What emerges | Paper |
//! |---|---|---|
//! | [`tman`] | any topology that a [`Ranking`] describes, such as a [`ring`] | T-Man, 2009 |
//! | [`bootstrap`] | leaf sets and prefix tables, all at once | The bootstrapping service, 2006 |
//! | [`chord`] | routes to the owner of a key, over a ring | Chord on demand, 2005 |
//! | [`rank`] | rankings ready made: line, list, lattices, trees, cubes, prefixes, space | |
//! | [`sorting`] | all nodes in one list, by an attribute | T-Man, 2009 |
//! | [`slicing`] | each node's slice by an attribute | JK, 2006; Ranking, 2007; Sliver, 2009 |
//! | [`tree`] | a spanning tree, exact aggregates and search along it | GAP, 2005 |
//!
//! `GUARANTEES.md` says what holds, under which faults, and when not to use it.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bootstrap;
pub mod chord;
mod health;
mod probes;
pub mod rank;
mod ranking;
pub mod ring;
pub mod slicing;
pub mod sorting;
pub mod tman;
pub mod tree;

pub use bootstrap::Bootstrap;
pub use chord::Chord;
pub use health::Health;
pub use ranking::Ranking;
pub use ring::RingRank;
pub use slicing::Jk;
pub use sorting::Sorted;
pub use tman::TMan;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../GUARANTEES.md")]
struct Guarantees;
