//! How old news is: in rounds, and eighths of them.
//!
//! Not a protocol: the clock that T-Man's descriptors are aged by.
//!
//! Whole rounds are not enough. Every node's rounds have a phase of their own, and news is passed
//! on several times a round: counted in whole rounds, what is handed to whoever has just had its
//! round never ages, and the dead are young for ever.

use gossip_core::{Round, Time};

/// Eighths of a round.
pub(crate) type Age = u32;

/// An age that many rounds long; the longest that can be told apart from the future, if longer.
pub(crate) const fn rounds(count: Round) -> Age {
    if count > Age::MAX / 32 { Age::MAX / 4 } else { count * 8 }
}

/// The age at `now` of what was born `then`; none if that lies ahead.
pub(crate) const fn elapsed(now: Age, then: Age) -> Age {
    let age = now.wrapping_sub(then);
    if age > Age::MAX / 2 { 0 } else { age }
}

/// Counts eighths of a round, by when the last two rounds began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The last round begun, and when; none before the first.
    last: Option<(Round, Time)>,
    /// Eighths up to then.
    count: Age,
    /// Microseconds from one round to the next; 0 before the second.
    period: u64,
}

impl Clock {
    /// A round begins. Rounds that were left out count.
    pub(crate) fn tick(&mut self, round: Round, now: Time) {
        if let Some((last, began)) = self.last {
            let passed = round.wrapping_sub(last);
            self.count = self.count.wrapping_add(passed.wrapping_mul(8));
            self.period = now.since(began).as_micros() as u64 / u64::from(passed.max(1));
        }
        self.last = Some((round, now));
    }

    /// Eighths up to when the last round began.
    pub(crate) const fn begun(&self) -> Age {
        self.count
    }

    /// Eighths since the first round, rounded down, and never more than the next round will find.
    /// It wraps around.
    pub(crate) fn at(&self, now: Time) -> Age {
        let part = match self.last {
            Some((_, began)) if self.period > 0 => {
                (now.since(began).as_micros() as u64).saturating_mul(8) / self.period
            }
            _ => 0,
        };
        self.count.wrapping_add(part.min(8) as Age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn time_within_a_round_is_told_once_its_length_is_known() {
        let mut clock = Clock::default();
        assert_eq!(clock.at(at(500)), 0);
        clock.tick(3, at(1_000));
        assert_eq!(clock.at(at(1_500)), 0);
        clock.tick(4, at(2_000));
        assert_eq!([2_000, 2_124, 2_126, 2_999].map(|now| clock.at(at(now))), [8, 8, 9, 15]);
        // A round that is late is no longer than one; one that was left out counts.
        assert_eq!(clock.at(at(9_000)), 16);
        clock.tick(6, at(4_000));
        assert_eq!([4_000, 4_500].map(|now| clock.at(at(now))), [24, 28]);
    }

    #[test]
    fn ages_neither_overflow_nor_come_from_the_future() {
        assert_eq!(elapsed(7, 5), 2);
        assert_eq!(elapsed(5, 7), 0);
        assert_eq!(elapsed(1, Age::MAX), 2);
        assert_eq!(rounds(Round::MAX), Age::MAX / 4);
        let mut clock = Clock::default();
        clock.tick(Round::MAX, Time::NEVER);
        clock.tick(0, Time::ZERO);
        clock.tick(Round::MAX, Time::NEVER);
        assert_eq!(clock.at(Time::NEVER), 0);
    }
}
