//! Not a protocol: whom a node has asked whether it lives, and how often.

use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{PeerId, Time};

/// Questions before silence means death, spread over nearly a round: when a fifth of all messages
/// is lost, 0.36^4 = 1.7 % of those that live are missed, and come back as soon as they ask in
/// turn. Our choice.
const TRIES: u32 = 4;

/// The questions of one round.
#[derive(Clone, Debug)]
pub(crate) struct Probes<I> {
    /// Asked, and silent since.
    silent: Vec<I>,
    tries: u32,
    due: Time,
}

/// What to do now that some are silent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<I> {
    /// Ask these again.
    Ask(Vec<I>),
    /// These are dead.
    Dead(Vec<I>),
}

impl<I: PeerId> Probes<I> {
    pub(crate) const fn new() -> Self {
        Self { silent: Vec::new(), tries: 0, due: Time::NEVER }
    }

    /// When to look again.
    pub(crate) const fn due(&self) -> Time {
        self.due
    }

    /// A round begins: whom to ask. Nobody while last round's questions are open.
    pub(crate) fn begin(
        &mut self,
        peers: impl Iterator<Item = I>,
        now: Time,
        wait: Duration,
    ) -> &[I] {
        if !self.silent.is_empty() {
            return &[];
        }
        self.silent.extend(peers);
        self.tries = 1;
        self.due = if self.silent.is_empty() { Time::NEVER } else { now + wait };
        &self.silent
    }

    /// `peer` speaks.
    pub(crate) fn heard(&mut self, peer: I) {
        self.silent.retain(|&silent| silent != peer);
        if self.silent.is_empty() {
            self.due = Time::NEVER;
        }
    }

    /// Time has passed.
    pub(crate) fn look(&mut self, now: Time, wait: Duration) -> Option<Verdict<I>> {
        if self.due > now {
            return None;
        }
        if self.tries >= TRIES {
            self.due = Time::NEVER;
            return Some(Verdict::Dead(core::mem::take(&mut self.silent)));
        }
        self.tries += 1;
        self.due = now + wait;
        Some(Verdict::Ask(self.silent.clone()))
    }

    /// Forgets what was asked of those that are no longer `wanted`.
    pub(crate) fn retain(&mut self, wanted: impl Fn(I) -> bool) {
        self.silent.retain(|&peer| wanted(peer));
        if self.silent.is_empty() {
            self.due = Time::NEVER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_questions_and_whoever_is_silent_is_dead() {
        let wait = Duration::from_millis(200);
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        let mut probes = Probes::new();
        assert_eq!(probes.begin([1_u32, 2].into_iter(), at(0), wait), [1, 2]);
        assert_eq!(probes.look(at(100), wait), None);
        probes.heard(1);
        for try_again in 1..4 {
            let now = at(200 * try_again);
            assert_eq!(probes.begin([7].into_iter(), now, wait), [], "the last ones are open");
            assert_eq!(probes.look(now, wait), Some(Verdict::Ask(std::vec![2])));
        }
        assert_eq!(probes.look(at(800), wait), Some(Verdict::Dead(std::vec![2])));
        assert_eq!(probes.due(), Time::NEVER);
        probes.begin([3].into_iter(), at(1_000), wait);
        probes.heard(3);
        assert_eq!(probes.due(), Time::NEVER);
    }
}
