//! The peer a node joins through.
//!
//! Not a protocol: what the samplers share to get in, and to get back in.

use crate::time::Round;

/// Whom to ask first: until it has answered once, at a decaying rate, and whenever the view is
/// empty. A view that others have filled is no proof of having joined: two newcomers may know
/// nobody but each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact<I> {
    peer: Option<I>,
    answered: bool,
    /// When it is asked next, and how long after that again, in rounds.
    next: Round,
    pause: u16,
}

/// The longest pause between two attempts, in rounds. Our choice.
const PAUSE_MAX: u16 = 1_024;

impl<I: Copy + Eq> Contact<I> {
    pub(crate) const fn none() -> Self {
        Self { peer: None, answered: true, next: 0, pause: 1 }
    }

    /// Somebody names `peer` as a contact.
    pub(crate) const fn tell(&mut self, peer: I, now: Round) {
        *self = Self { peer: Some(peer), answered: false, next: now, pause: 1 };
    }

    /// The contact, if it is to be asked this round.
    pub(crate) fn ask(&mut self, me: I, view_is_empty: bool, now: Round) -> Option<I> {
        let peer = self.peer.filter(|&peer| peer != me)?;
        let due = !self.answered && now.wrapping_sub(self.next) < Round::MAX / 2;
        if due {
            self.next = now.wrapping_add(self.pause.into());
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        (due || view_is_empty).then_some(peer)
    }

    /// `peer` has answered.
    pub(crate) fn hear(&mut self, peer: I) {
        self.answered |= self.peer == Some(peer);
    }
}
