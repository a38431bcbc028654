//! Gossip protocols that run unmodified in simulators and on sockets: the core.
//!
//! So far this crate holds the [`wire`] layer: what may travel, how long it can be, and how it is
//! read from bytes nobody vouches for.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
// `message!` names serde by this crate's name, inside this crate as in others.
#[allow(unused_extern_crates, reason = "used by what `message!` expands to")]
extern crate self as gossip_core;

pub mod wire;

#[doc(hidden)]
pub use serde as __serde;
