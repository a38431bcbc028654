//! Members that come and go.
//!
//! Not a protocol: flap damping as in BGP (Villamizar, Chandra, Govindan, RFC 2439, section 2.3):
//! each death adds to a penalty, which halves in a fixed time. Who has died too often in too short
//! a time is not taken back before the penalty has decayed; so it does not make news without end.

use crate::time::Round;

/// How often a member has died of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flaps {
    penalty: f32,
    /// The round of the latest death.
    at: Round,
    kept_out: bool,
}

/// Above this penalty a member is kept out: at the fourth death in a row. Our choice.
const SUPPRESS: f32 = 3.0;

/// At this penalty it may come back. A third, as with RFC 2439's usual values. Our choice.
const REUSE: f32 = 1.0;

/// The largest penalty: nobody is kept out for more than two half-lives. Our choice.
const MOST: f32 = 4.0;

impl Flaps {
    /// The penalty now, if it halves every `half_life` rounds.
    fn decayed(self, half_life: u16, now: Round) -> f32 {
        let lives = now.wrapping_sub(self.at) as f32 / f32::from(half_life);
        self.penalty * libm::exp2f(-lives)
    }

    /// The member is presumed dead.
    pub(super) fn died(&mut self, half_life: u16, now: Round) {
        self.penalty = (self.decayed(half_life, now) + 1.0).min(MOST);
        self.at = now;
        self.kept_out |= self.penalty > SUPPRESS;
    }

    /// Whether the member may come back.
    pub(super) fn may_return(&mut self, half_life: u16, now: Round) -> bool {
        if self.kept_out && self.decayed(half_life, now) <= REUSE {
            self.kept_out = false;
        }
        !self.kept_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four deaths, 10 rounds apart, with a half-life of 60: after the fourth the penalty is
    /// 1 + 2^(-1/6) + 2^(-2/6) + 2^(-3/6) = 3.39, which takes 60 log2 3.39 = 105.7 rounds to decay
    /// to 1.
    #[test]
    fn who_dies_four_times_in_a_row_is_kept_out_until_the_penalty_has_decayed() {
        let mut flaps = Flaps::default();
        for death in 0..3 {
            flaps.died(60, 10 * death);
            assert!(flaps.may_return(60, 10 * death + 1));
        }
        flaps.died(60, 30);
        assert!(!flaps.may_return(60, 30 + 105));
        assert!(flaps.may_return(60, 30 + 106));
    }

    #[test]
    fn who_dies_now_and_then_is_never_kept_out_and_nobody_for_long() {
        let mut flaps = Flaps::default();
        for death in 0..100 {
            flaps.died(60, 60 * death);
            assert!(flaps.may_return(60, 60 * death), "the penalty stays below 2");
        }
        (0..100).for_each(|_| flaps.died(60, 6_000));
        assert!(!flaps.may_return(60, 6_000));
        assert!(flaps.may_return(60, 6_000 + 120), "two half-lives at most");
    }
}
