//! Nodes that do not keep to their protocol.
//!
//! A [`Member`] is a node that runs a protocol, and may turn into a [`Cheat`] at some round:
//!
//! - [`Liar`] says anything that is well-formed, in any protocol.
//! - [`Faulty`] floods [`Brahms`](crate::sampling::Brahms) and names the faulty only; [`Attack`]
//!   says how.
//! - [`CyclonHub`] and [`SecureHub`] collude to be all that anybody knows, in Cyclon and in
//!   SecureCyclon.

mod faulty;
mod hub;
mod liar;
mod member;

pub use faulty::{Attack, Faulty};
pub use hub::{CyclonHub, Fraud, SecureHub};
pub use liar::Liar;
pub use member::{Cheat, Member};
