//! Nodes that do not keep to their protocol.
//!
//! A [`Member`] is a node that runs a protocol, and may turn into a [`Cheat`] at some round:
//!
//! - [`Liar`] says anything that is well-formed, in any protocol.
//! - [`Faulty`] floods [`Brahms`](crate::sampling::Brahms) and names the faulty only; [`Attack`]
//!   says how.
//! - [`Accuser`] does its worst in [`Fireflies`](crate::membership::Fireflies): accuses, replays,
//!   passes nothing on.
//! - [`CyclonHub`] and [`SecureHub`] collude to be all that anybody knows, in Cyclon and in
//!   SecureCyclon.

mod accuser;
mod faulty;
mod hub;
mod liar;
mod member;

pub use accuser::{Accuser, Malice};
pub use faulty::{Attack, Faulty};
pub use hub::{CyclonHub, Fraud, SecureHub};
pub use liar::Liar;
pub use member::{Cheat, Member};
