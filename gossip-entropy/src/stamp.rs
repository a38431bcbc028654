//! Who wrote last: stamps from hybrid logical clocks.
//!
//! Kulkarni, Demirbas, Madappa, Avva, Leone, *Logical physical clocks*, OPODIS 2014, section 3.
//!
//! ```text
//! to write:        if wall > latest.micros: latest = (wall, 0)
//!                  else latest.count += 1                    (on overflow: micros += 1, count = 0)
//!                  stamp = (latest, me)
//! on a stamp read: refuse it if stamp.micros > wall + ahead; else latest = max(latest, stamp)
//! ```
//!
//! # What holds
//!
//! A node's stamps grow, also while its wall clock is frozen or goes back, and are above every
//! stamp that it had taken in before: a write that follows another in any chain of reads wins over
//! it. No stamp read moves the clock more than `ahead` beyond the node's own wall clock.
//!
//! # Deviations from the paper
//!
//! - The bound on how far a clock runs ahead is enforced where stamps come in, not assumed of the
//!   network's clock synchronisation.
//! - A stamp read alone does not count as an event: the next own stamp is above it all the same.

use core::time::Duration;

use gossip_core::{PeerId, message};

message! {
    /// When something was written, and by whom: a total order in which no two writes are equal, as
    /// long as no two nodes share an identifier.
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Stamp<I: PeerId> {
        /// Microseconds since the Unix epoch, by the clock of the writer or of one it had heard of.
        pub micros: u64,
        /// Tells apart what was written in one microsecond.
        pub count: u32,
        /// The writer: decides between writes that nothing else orders.
        pub origin: I,
    }
}

/// The latest stamp that is believed at `wall`.
pub(crate) fn horizon(wall: u64, ahead: Duration) -> u64 {
    wall.saturating_add(u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX))
}

/// A hybrid logical clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    micros: u64,
    count: u32,
}

impl Clock {
    /// A stamp above all before it; `None` once there are no more, 2^64 microseconds from 1970.
    pub(crate) fn stamp<I: PeerId>(&mut self, wall: u64, origin: I) -> Option<Stamp<I>> {
        let next = if wall > self.micros {
            Self { micros: wall, count: 0 }
        } else if let Some(count) = self.count.checked_add(1) {
            Self { count, ..*self }
        } else {
            Self { micros: self.micros.checked_add(1)?, count: 0 }
        };
        *self = next;
        Some(Stamp { micros: next.micros, count: next.count, origin })
    }

    /// Takes in a stamp, and returns true; or false, and nothing has changed, if it lies more than
    /// `ahead` beyond `wall`.
    pub(crate) fn observe<I: PeerId>(
        &mut self,
        stamp: &Stamp<I>,
        wall: u64,
        ahead: Duration,
    ) -> bool {
        let credible = stamp.micros <= horizon(wall, ahead);
        if credible && (stamp.micros, stamp.count) > (self.micros, self.count) {
            *self = Self { micros: stamp.micros, count: stamp.count };
        }
        credible
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AHEAD: Duration = Duration::from_secs(600);

    proptest! {
        /// Reference: OPODIS 2014, section 3, and row 15 of our list of faults: clocks that jump
        /// either way, or stand still.
        #[test]
        fn stamps_grow_whatever_the_wall_clock_does(
            walls in prop::collection::vec(any::<(u64, bool, u64, u32)>(), 1..50),
        ) {
            let mut clock = Clock::default();
            let mut last = None;
            for (wall, reads, micros, count) in walls {
                if reads {
                    let read = Stamp { micros, count, origin: 9_u32 };
                    let before = clock;
                    if clock.observe(&read, wall, AHEAD) {
                        last = last.max(Some(read));
                    } else {
                        prop_assert_eq!(clock, before);
                    }
                    let bound = wall.saturating_add(600_000_000).max(before.micros);
                    prop_assert!(clock.micros <= bound);
                } else if let Some(stamp) = clock.stamp(wall, 1_u32) {
                    let order = |s: Stamp<u32>| (s.micros, s.count);
                    prop_assert!(Some(order(stamp)) > last.map(order), "{stamp:?} after {last:?}");
                    last = Some(stamp);
                }
            }
        }
    }

    #[test]
    fn a_stamp_from_the_far_future_is_refused_and_moves_nothing() {
        let mut clock = Clock::default();
        for micros in [600_000_101, 253_402_300_800_000_000, u64::MAX - 1, u64::MAX] {
            let far = Stamp { micros, count: u32::MAX, origin: 7_u32 };
            assert!(!clock.observe(&far, 100, AHEAD));
            assert_eq!(clock, Clock::default());
        }
        let near = Stamp { micros: 600_000_100, count: u32::MAX, origin: 7_u32 };
        assert!(clock.observe(&near, 100, AHEAD));
        let next = clock.stamp(100, 1_u32).unwrap();
        assert_eq!((next.micros, next.count), (600_000_101, 0));
    }

    #[test]
    fn an_exhausted_clock_gives_no_stamp_and_does_not_wrap() {
        let mut clock = Clock { micros: u64::MAX, count: u32::MAX - 1 };
        assert_eq!(clock.stamp(5, 1_u32).map(|stamp| stamp.count), Some(u32::MAX));
        assert_eq!(clock.stamp::<u32>(u64::MAX, 1), None);
        assert_eq!(clock, Clock { micros: u64::MAX, count: u32::MAX });
    }
}
