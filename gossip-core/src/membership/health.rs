//! How well this node itself does: Lifeguard's local health multiplier.
//!
//! Not a protocol: section IV.A of Dadgar, Phillips, Currey, *Lifeguard: Local Health Awareness for
//! More Accurate Failure Detection*, DSN 2018 (LHA-Probe).

/// A saturating counter from 0, well, to `max`. A slow node gets few answers and blames others; by
/// this counter it waits longer for them, and asks less often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    score: u8,
    max: u8,
}

impl Health {
    /// Well. With `max` 0 it stays so.
    pub(super) const fn new(max: u8) -> Self {
        Self { score: 0, max }
    }

    /// 0 when well.
    pub(super) const fn score(self) -> u8 {
        self.score
    }

    /// A probe failed, a nack is missing, an accusation of this node had to be refuted, or its own
    /// clock jumped.
    pub(super) fn worse(&mut self) {
        self.score = (self.score + 1).min(self.max);
    }

    /// A probe was answered.
    pub(super) const fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_stays_between_zero_and_its_maximum() {
        let mut health = Health::new(8);
        health.better();
        assert_eq!(health.score(), 0);
        (0..20).for_each(|_| health.worse());
        assert_eq!(health.score(), 8);
        health.better();
        assert_eq!(health.score(), 7);
        let mut off = Health::new(0);
        off.worse();
        assert_eq!(off.score(), 0);
    }
}
