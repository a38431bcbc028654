//! Gossip dissemination: rumors that spread like epidemics, over any source of peers.
//!
//! | Protocol | For | Reach |
//! |---|---|---|
//! | [`RumorMongering`] | news for everybody, with no one in charge | all but a known residue |
//! | [`MedianCounter`] | the same, which knows when to stop | all, nearly always |
//! | [`Plumtree`] | the same at one copy a node, over links that stay | all that are connected |
//! | [`Adaptive`] | the same over many known members, across few boundaries | all, nearly always |
//! | [`Background`] | what each node says of itself, all the time | all, within its age |
//!
//! [`Hierarchical`] is a source of peers for them that favours near ones.
//!
//! What an application wants besides goes around any of the first four, each a layer that owns the
//! one it filters ([`Spread`] and [`Carries`] are what they need of it):
//!
//! | Decorator | For |
//! |---|---|
//! | [`Fifo`] | the order of each origin |
//! | [`Causal`] | causes before effects |
//! | [`Validated`] | nothing is taken in or passed on before it was judged |
//! | [`Signed`] | messages that prove who said them |
//! | [`Fragmented`] | values above a datagram |
//! | [`Paced`] | priorities and back-pressure at the publisher |
//! | [`Topics`] | publish and subscribe by topic |
//!
//! Protocols are sans-IO layers: the same code runs in the simulators of `gossip-core` and on
//! sockets. What holds under which faults is in the section *Guarantees* of the README.
#![no_std]

extern crate alloc;

pub mod adaptive;
mod arrivals;
pub mod background;
pub mod causal;
pub mod fifo;
pub mod fragment;
pub mod hierarchy;
mod judge;
pub mod median;
mod order;
pub mod pace;
pub mod plumtree;
mod post;
pub mod rumor;
mod schedule;
mod seen;
pub mod signed;
pub mod spread;
pub mod topics;
pub mod validate;

pub use adaptive::Adaptive;
pub use background::Background;
pub use causal::Causal;
pub use fifo::Fifo;
pub use fragment::Fragmented;
pub use hierarchy::Hierarchical;
pub use median::MedianCounter;
pub use order::{Patience, Skipped};
pub use pace::Paced;
pub use plumtree::Plumtree;
pub use post::{MessageId, Post};
pub use rumor::RumorMongering;
pub use signed::Signed;
pub use spread::{Carried, Carries, Delivery, Publish, Spread, Told};
pub use topics::Topics;
pub use validate::Validated;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
