//! The peer a node joins through.
//!
//! Not a protocol: what the samplers and the membership share to get in, and to get back in.

use core::num::NonZeroU16;

use crate::time::Round;

/// Whom to ask: at once, then at a decaying rate for ever, and whenever the view is empty.
///
/// An answer is no proof of having joined. Two newcomers may know nobody but each other; and of 32
/// nodes that joined in a row, each through the one before it, while 5 % of all messages were lost,
/// 58 of 100 clusters fell apart, because there is one link between one end and the other at first.
/// Asking again mends that, and partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact<I>(Option<Known<I>>);

/// A contact, and when to ask it: eight bytes for a peer of four.
#[derive(Clone, Copy, Debug)]
struct Known<I> {
    peer: I,
    /// When it is asked next, in rounds modulo 2^16. Every round is looked at, so that is enough;
    /// a node that sat out more than 2^15 of them may wait as many again.
    next: u16,
    /// How long after that again.
    pause: NonZeroU16,
}

/// The longest pause between two attempts, in rounds. Our choice.
const PAUSE_MAX: NonZeroU16 = NonZeroU16::new(1_024).unwrap();

impl<I: Copy + Eq> Contact<I> {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Somebody names `peer` as a contact.
    pub(crate) const fn tell(&mut self, peer: I, now: Round) {
        self.0 = Some(Known { peer, next: now as u16, pause: NonZeroU16::MIN });
    }

    /// Whether `peer` is the contact.
    pub(crate) fn is(&self, peer: I) -> bool {
        self.0.is_some_and(|known| known.peer == peer)
    }

    /// The contact, whenever it is to be asked.
    pub(crate) fn peer(&self) -> Option<I> {
        self.0.map(|known| known.peer)
    }

    /// The contact, if it is to be asked this round.
    pub(crate) fn ask(&mut self, me: I, view_is_empty: bool, now: Round) -> Option<I> {
        let known = self.0.as_mut().filter(|known| known.peer != me)?;
        let now = now as u16;
        let due = now.wrapping_sub(known.next) < u16::MAX / 2;
        if due {
            known.next = now.wrapping_add(known.pause.get());
            known.pause = known.pause.saturating_mul(TWICE).min(PAUSE_MAX);
        }
        (due || view_is_empty).then_some(known.peer)
    }
}

const TWICE: NonZeroU16 = NonZeroU16::new(2).unwrap();
