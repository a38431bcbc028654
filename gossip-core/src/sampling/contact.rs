//! The peer a node joins through.
//!
//! Not a protocol: what the samplers and the membership share to get in, and to get back in.

use crate::time::Round;

/// Whom to ask: at once, then at a decaying rate for ever, and whenever the view is empty.
///
/// An answer is no proof of having joined. Two newcomers may know nobody but each other; and of 32
/// nodes that joined in a row, each through the one before it, while 5 % of all messages were lost,
/// 58 of 100 clusters fell apart, because there is one link between one end and the other at first.
/// Asking again mends that, and partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact<I> {
    peer: Option<I>,
    /// When it is asked next, and how long after that again, in rounds.
    next: Round,
    pause: u16,
}

/// The longest pause between two attempts, in rounds. Our choice.
const PAUSE_MAX: u16 = 1_024;

impl<I: Copy + Eq> Contact<I> {
    pub(crate) const fn none() -> Self {
        Self { peer: None, next: 0, pause: 1 }
    }

    /// Somebody names `peer` as a contact.
    pub(crate) const fn tell(&mut self, peer: I, now: Round) {
        *self = Self { peer: Some(peer), next: now, pause: 1 };
    }

    /// Whether `peer` is the contact.
    pub(crate) fn is(&self, peer: I) -> bool {
        self.peer == Some(peer)
    }

    /// The contact, if it is to be asked this round.
    pub(crate) fn ask(&mut self, me: I, view_is_empty: bool, now: Round) -> Option<I> {
        let peer = self.peer.filter(|&peer| peer != me)?;
        let due = now.wrapping_sub(self.next) < Round::MAX / 2;
        if due {
            self.next = now.wrapping_add(self.pause.into());
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        (due || view_is_empty).then_some(peer)
    }
}
