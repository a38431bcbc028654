//! A link to a neighbour: eager or lazy, and what is still to be announced over it.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::VecDeque;

use core::time::Duration;

use gossip_core::{Bounded, PeerId, Time};

use super::message::ANNOUNCED;
use crate::post::MessageId;
use crate::schedule::Schedule;

/// Announcements of a link whose acknowledgement is awaited. What an older one told is announced
/// again, unless a newer one did.
const OUTSTANDING: usize = 16;

type Names<I> = Bounded<MessageId<I>, ANNOUNCED>;

/// A link to a neighbour.
#[derive(Clone, Debug)]
pub(super) struct Link<I: PeerId> {
    pub(super) peer: I,
    /// The version at which it was made.
    pub(super) made: u64,
    /// Whether publications are sent over it, or only announced.
    pub(super) eager: bool,
    /// Publications sent on request since the last round.
    pub(super) served: usize,
    /// What the neighbour is not known to have, and whether it was told.
    queue: Schedule<MessageId<I>, bool>,
    outstanding: VecDeque<(u32, Names<I>)>,
}

/// What goes into one announcement.
pub(super) struct Batch<I: PeerId> {
    pub(super) names: Names<I>,
    /// How many of them were announced before.
    pub(super) repeated: usize,
}

impl<I: PeerId> Link<I> {
    /// New links are eager.
    pub(super) fn new(peer: I, made: u64) -> Self {
        Self {
            peer,
            made,
            eager: true,
            served: 0,
            queue: Schedule::default(),
            outstanding: VecDeque::new(),
        }
    }

    /// When something is to be announced next.
    pub(super) fn next(&self) -> Time {
        self.queue.next()
    }

    /// Announcements that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// `id` is to be announced at `due`.
    pub(super) fn announce(&mut self, id: MessageId<I>, due: Time) {
        self.queue.insert(id, due, false);
    }

    /// The neighbour has `id`, or it is no longer here to be had.
    pub(super) fn settle(&mut self, id: &MessageId<I>) {
        self.queue.remove(id);
    }

    /// The neighbour has heard the announcement `batch`. Returns whether that was awaited.
    pub(super) fn acknowledge(&mut self, batch: u32) -> bool {
        let Some(at) = self.outstanding.iter().position(|entry| entry.0 == batch) else {
            return false;
        };
        if let Some((_, names)) = self.outstanding.remove(at) {
            names.iter().for_each(|id| self.settle(id));
        }
        true
    }

    /// What to announce now: if something is due, all that is due within `window`, as far as it
    /// fits. It is announced again after `repeat`.
    pub(super) fn batch(
        &mut self,
        number: u32,
        now: Time,
        window: Duration,
        repeat: Option<Duration>,
    ) -> Option<Batch<I>> {
        self.queue.due(now)?;
        let names: Names<I> = {
            let mut names = Bounded::new();
            names.fill(self.queue.all_due(now + window).take(ANNOUNCED));
            names
        };
        let mut repeated = 0;
        for id in &names {
            if let Some(told) = self.queue.get_mut(id) {
                repeated += usize::from(core::mem::replace(told, true));
            }
            match repeat {
                Some(after) => self.queue.postpone(id, now + after),
                None => self.settle(id),
            }
        }
        if repeat.is_some() {
            if self.outstanding.len() >= OUTSTANDING {
                self.outstanding.pop_front();
            }
            self.outstanding.push_back((number, names.clone()));
        }
        Some(Batch { names, repeated })
    }
}
