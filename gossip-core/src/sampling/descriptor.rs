//! A descriptor: a peer, how old the news of it is, and what it tells of itself.
//!
//! Not a protocol: what the samplers send and keep.

use crate::error::ParameterError;
use crate::id::PeerId;
use crate::message;
use crate::time::Round;
use crate::wire::Wire;

message! {
    /// News of a peer, as it travels.
    #[derive(PartialEq)]
    pub struct Descriptor<I: PeerId, P: Wire> {
        /// The peer.
        pub id: I,
        /// Rounds since the peer said so itself.
        pub age: u16,
        /// What it told of itself.
        pub profile: P,
    }
}

/// News of a peer, as a view keeps it: with the round of its birth here, which does not change,
/// instead of its age, which does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry<I, P> {
    pub(crate) id: I,
    pub(crate) born: Round,
    pub(crate) profile: P,
}

impl<I: PeerId, P: Wire> Entry<I, P> {
    pub(crate) fn age(&self, now: Round) -> Round {
        // A birth in the future (rounds restarted) counts as new.
        let age = now.wrapping_sub(self.born);
        if age > Round::MAX / 2 { 0 } else { age }
    }

    pub(crate) fn describe(&self, now: Round) -> Descriptor<I, P> {
        let age = self.age(now).min(u32::from(u16::MAX)) as u16;
        Descriptor { id: self.id, age, profile: self.profile.clone() }
    }
}

impl<I: PeerId, P: Wire> Descriptor<I, P> {
    pub(crate) fn kept(self, now: Round) -> Entry<I, P> {
        Entry { id: self.id, born: now.wrapping_sub(self.age.into()), profile: self.profile }
    }
}

/// Checks the size of a view that can hold `capacity`; the capacity itself by default.
pub(crate) fn view_size(size: Option<usize>, capacity: usize) -> Result<u16, ParameterError> {
    let size = size.unwrap_or(capacity);
    let bound = "1 to the view's capacity C, which is at most 65535";
    ParameterError::new("view size c", size as f64, "descriptors", bound)
        .unless((1..=capacity.min(65_535)).contains(&size))?;
    Ok(size as u16)
}
