//! Gossip protocols that run unmodified in simulators and on sockets: the core.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
#[doc(hidden)]
pub extern crate alloc as __alloc;
// Macros name this crate by its name, also from inside it.
extern crate self as gossip_core;

pub mod auth;
mod card;
pub mod context;
mod counts;
mod error;
pub mod exchange;
pub mod flight;
pub mod id;
pub mod membership;
pub mod node;
mod pace;
pub mod packet;
pub mod peers;
mod protocol;
pub mod random;
pub mod sampling;
#[macro_use]
pub mod stack;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
pub mod wire;

#[doc(hidden)]
pub use serde as __serde;

pub use card::Card;
pub use counts::{Counts, Sent, Share};
pub use error::ParameterError;
pub use exchange::{Configured, Exchange, Leg, Pairwise};
pub use id::PeerId;
pub use node::Node;
pub use peers::{Describe, Obituary, Peers, Profile, Profiles, Tree};
pub use protocol::{Context, Layer, Local, Protocol, Receipt, Refusal};
pub use random::Random;
pub use time::{Round, Time};
pub use wire::{Blob, Bounded, Finite, Nothing, Wire};

#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
