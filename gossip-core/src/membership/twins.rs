//! Two nodes of one name.
//!
//! Not a protocol: what a node does that hears of itself what it never said. Once or twice that is
//! its own former life. If it goes on, there are two nodes with this identifier, and each takes the
//! other for a lie: both would contradict for ever, and each contradiction is news for everybody.
//! So both owners are told, and contradictions come at a decaying rate; the others keep one member
//! alive under this name, with the profile that was told last.

use crate::time::Round;

/// What to do about a claim to be this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Contradict: it may be this node's own former life.
    Contradict,
    /// Contradict, and tell the owner.
    Report,
    /// It was contradicted a short time ago.
    Wait,
}

/// Claims to be this node that it did not make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twins {
    contests: u8,
    /// No contradiction before this round.
    next: Round,
    pause: Round,
}

/// Contradictions that a former life may take. Our choice.
const FORMER: u8 = 3;

/// The longest pause between contradictions, in rounds; after four times that without any, all is
/// forgotten. Our choice.
const PAUSE_MAX: Round = 256;

impl Twins {
    pub(super) const fn new() -> Self {
        Self { contests: 0, next: 0, pause: 1 }
    }

    /// Somebody claims to be this node.
    pub(super) fn contested(&mut self, now: Round) -> Verdict {
        let since = now.wrapping_sub(self.next);
        let early = since > Round::MAX / 2;
        if !early && since > 4 * PAUSE_MAX {
            *self = Self::new();
        }
        if self.contests < FORMER {
            (self.contests, self.next) = (self.contests + 1, now);
            return Verdict::Contradict;
        }
        if early {
            return Verdict::Wait;
        }
        self.next = now.wrapping_add(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Verdict::Report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contest in every round for a day of 1 s periods: 3 + 9 while the pause doubles, then one
    /// in 256 rounds.
    #[test]
    fn a_war_without_end_is_fought_at_a_decaying_rate() {
        let mut twins = Twins::new();
        let verdicts = (0..86_400).map(|round| twins.contested(round));
        let fought = verdicts.filter(|&verdict| verdict != Verdict::Wait).count();
        assert!((300..=12 + 86_400 / 256).contains(&fought), "{fought}");
        assert_eq!(twins.contested(86_400 + 6 * PAUSE_MAX), Verdict::Contradict, "forgotten");
    }

    #[test]
    fn a_former_life_is_contradicted_at_once_and_not_reported() {
        let mut twins = Twins::new();
        let verdicts = [0; 4].map(|_| twins.contested(7));
        let contradict = Verdict::Contradict;
        assert_eq!(verdicts, [contradict, contradict, contradict, Verdict::Report]);
        assert_eq!(twins.contested(7), Verdict::Wait);
    }
}
