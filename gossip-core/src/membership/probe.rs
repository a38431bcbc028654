//! Questions under way: this node's own probe, and those it passes on for others.
//!
//! Not a protocol: SWIM's failure detector (section 3.1), with Lifeguard's nacks.

use core::time::Duration;

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::time::Time;

/// The most helpers a probe may have.
pub(super) const HELPERS: usize = 16;

/// This node's question of the period.
#[derive(Clone, Debug)]
pub(super) struct Probe<I> {
    pub(super) target: I,
    pub(super) number: u32,
    /// When helpers are asked; never again, once they are.
    pub(super) indirect: Time,
    pub(super) answered: bool,
    /// By the target itself.
    pub(super) direct: bool,
    helpers: ArrayVec<I, HELPERS>,
    /// Which of the helpers have said that they are there.
    nacks: u16,
}

impl<I: Copy + Eq> Probe<I> {
    pub(super) const fn new(target: I, number: u32, indirect: Time) -> Self {
        Self {
            target,
            number,
            indirect,
            answered: false,
            direct: false,
            helpers: ArrayVec::new_const(),
            nacks: 0,
        }
    }

    /// `helper` was asked.
    pub(super) fn asked(&mut self, helper: I) {
        if !self.helpers.is_full() {
            self.helpers.push(helper);
        }
    }

    /// Whether an answer `number` from `from` is one to this question.
    pub(super) fn expects(&self, from: I, number: u32) -> bool {
        number == self.number && (from == self.target || self.helpers.contains(&from))
    }

    /// `helper` has heard nothing yet. Returns whether it was asked, and had not said so.
    pub(super) fn nack(&mut self, helper: I, number: u32) -> bool {
        let asked = self.helpers.iter().position(|&one| one == helper);
        let Some(at) = asked.filter(|_| number == self.number) else { return false };
        let fresh = self.nacks & 1 << at == 0;
        self.nacks |= 1 << at;
        fresh
    }

    /// Whether a helper has said nothing at all.
    pub(super) fn misses_nacks(&self) -> bool {
        (self.nacks.count_ones() as usize) < self.helpers.len()
    }
}

/// A question passed on for somebody else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relay<I> {
    /// Who asked, and under which number.
    pub(super) asker: I,
    pub(super) theirs: u32,
    /// Who is asked, and under which number.
    pub(super) target: I,
    pub(super) number: u32,
    /// When the asker is told that there is no answer yet; never, once it is.
    nack: Time,
    /// Until when a late answer is passed back.
    until: Time,
}

/// Questions passed on.
#[derive(Clone, Debug)]
pub(super) struct Relays<I> {
    open: Vec<Relay<I>>,
    earliest: Time,
}

/// Questions passed on at a time: a node is asked about k times a period in the worst case, and
/// keeps each for a few periods. Our choice.
const RELAYS: usize = 128;

impl<I: Copy + Eq> Relays<I> {
    pub(super) const fn new() -> Self {
        Self { open: Vec::new(), earliest: Time::NEVER }
    }

    /// When the next is due.
    pub(super) const fn earliest(&self) -> Time {
        self.earliest
    }

    /// Passes on: asks `target` under `number` for `asker`, who calls it `theirs`. Returns whether
    /// there was room.
    pub(super) fn open(
        &mut self,
        (asker, theirs): (I, u32),
        (target, number): (I, u32),
        (now, nack, keep): (Time, Option<Duration>, Duration),
    ) -> bool {
        let room = self.open.len() < RELAYS;
        if room {
            let nack = nack.map_or(Time::NEVER, |after| now + after);
            self.open.push(Relay { asker, theirs, target, number, nack, until: now + keep });
            self.plan();
        }
        room
    }

    /// Bytes of memory held.
    pub(super) const fn bytes(&self) -> usize {
        self.open.capacity() * size_of::<Relay<I>>()
    }

    fn plan(&mut self) {
        let due = self.open.iter().map(|relay| relay.nack.min(relay.until));
        self.earliest = due.min().unwrap_or(Time::NEVER);
    }

    /// `from` has answered `number`: whom that is for.
    pub(super) fn answered(&mut self, from: I, number: u32) -> Option<Relay<I>> {
        let fits = |relay: &Relay<I>| relay.number == number && relay.target == from;
        let at = self.open.iter().position(fits)?;
        let relay = self.open.swap_remove(at);
        self.plan();
        Some(relay)
    }

    /// Drops what is too old, and returns somebody who is to get a nack.
    pub(super) fn due(&mut self, now: Time) -> Option<Relay<I>> {
        if self.earliest > now {
            return None;
        }
        self.open.retain(|relay| relay.until > now);
        let due = self.open.iter_mut().find(|relay| relay.nack <= now);
        let relay = due.map(|relay| {
            relay.nack = Time::NEVER;
            *relay
        });
        self.plan();
        relay
    }
}
