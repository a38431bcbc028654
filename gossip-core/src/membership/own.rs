//! What a node says of itself.
//!
//! Not a protocol: its incarnation, its profile, and its good-bye.

use super::message::{Claim, Update};
use super::state::{Standing, State};
use crate::wire::Wire;

/// This node, as it wants to be known.
#[derive(Clone, Debug)]
pub(super) struct Own<T> {
    pub(super) incarnation: u32,
    pub(super) version: u32,
    /// Not known before the first call.
    pub(super) profile: Option<T>,
    /// Its ticket in the queue of news; 0: none.
    pub(super) ticket: u32,
    /// Incarnations below this one the owner has been asked to store.
    reserved: u32,
    pub(super) leaving: Option<Leaving>,
}

/// A good-bye under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// Acknowledgements wanted, and come.
    pub(super) wanted: u8,
    pub(super) acknowledged: u8,
    /// Rounds until it is given up.
    pub(super) patience: u16,
    pub(super) told: bool,
}

/// Incarnations reserved at a time: storage is written once in half as many. Our choice.
const BLOCK: u32 = 256;

/// The most an incarnation may exceed the one held: a larger leap is no refutation but a fault, and
/// would leave its victim no number to contradict with. Our choice.
pub(super) const LEAP: u32 = 1 << 24;

impl<T: Wire + PartialEq> Own<T> {
    pub(super) const fn new(incarnation: u32) -> Self {
        let (version, ticket, reserved) = (0, 0, 0);
        Self { incarnation, version, profile: None, ticket, reserved, leaving: None }
    }

    pub(super) const fn standing(&self) -> Standing {
        let state = if self.leaving.is_some() { State::Left } else { State::Alive };
        Standing::new(self.incarnation, state)
    }

    /// What this node, `me`, says of itself; `None` before it knows its profile.
    pub(super) fn record<I: Wire>(&self, me: I) -> Option<Update<I, T>> {
        let profile = self.profile.clone()?;
        let claim = match self.leaving {
            Some(_) => Claim::Left,
            None => Claim::Alive(self.version, profile),
        };
        Some(Update { peer: me, incarnation: self.incarnation, claim })
    }

    /// The profile is this. Returns whether that is news.
    pub(super) fn describe(&mut self, profile: T) -> bool {
        let news = self.profile.as_ref() != Some(&profile);
        if news && self.profile.is_some() {
            self.version = self.version.saturating_add(1);
        }
        if news {
            self.profile = Some(profile);
        }
        news
    }

    /// What is to be stored before the incarnation comes near it, if anything is.
    pub(super) const fn reserve(&mut self) -> Option<u32> {
        if self.reserved > self.incarnation.saturating_add(BLOCK / 2) {
            return None;
        }
        let reserved = self.incarnation.saturating_add(BLOCK);
        let moves = reserved != self.reserved;
        self.reserved = reserved;
        if moves { Some(reserved) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No incarnation is used that was not stored before, and storage is asked seldom.
    #[test]
    fn incarnations_are_reserved_ahead_in_blocks() {
        let mut own = Own::<()>::new(7);
        let (mut stored, mut writes) = (own.reserve().unwrap(), 1);
        for _ in 0..10_000 {
            own.incarnation += 1;
            assert!(own.incarnation < stored);
            if let Some(next) = own.reserve() {
                (stored, writes) = (next, writes + 1);
            }
        }
        assert!(writes <= 10_000 / (BLOCK / 2) + 2, "{writes} writes");
        own.incarnation = u32::MAX;
        own.reserve();
        assert_eq!(own.reserve(), None);
    }
}
