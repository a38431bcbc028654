//! A membership as it was at one moment.
//!
//! Not a protocol: what readers may keep.

use alloc::vec::Vec;

use super::state::Standing;

/// All that was known at one moment. Where it and the events disagree, it is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<I, T> {
    /// The [version](crate::Protocol::version) that it was taken at: the same version, the same
    /// members.
    pub version: u64,
    /// Everybody known, this node not included, in order of identifiers.
    pub members: Vec<Entry<I, T>>,
}

/// What is held of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<I, T> {
    /// Who.
    pub peer: I,
    /// How it is.
    pub standing: Standing,
    /// What it last told of itself.
    pub profile: T,
    /// The version at which it became a member last.
    pub since: u64,
}
