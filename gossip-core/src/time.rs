//! Monotonic time, as drivers tell it to protocols.

use core::ops::Add;
use core::time::Duration;

/// Microseconds since an origin of the driver's choosing. Never goes back at a node.
///
/// Arithmetic saturates: a duration off the wire can neither overflow nor panic.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::Time;
///
/// let t = Time::ZERO + Duration::from_millis(3);
/// assert_eq!(t.as_micros(), 3_000);
/// assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
/// assert_eq!(t.since(Time::ZERO), Duration::from_millis(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A node's count of rounds since it started; simulators call it the cycle.
pub type Round = u32;

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than every deadline: nothing is due.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    #[inline]
    fn add(self, after: Duration) -> Self {
        // In 64 bits, which is quicker than `as_micros` in 128.
        let micros = after.as_secs().saturating_mul(1_000_000);
        let micros = micros.saturating_add(after.subsec_micros().into());
        Self(self.0.saturating_add(micros))
    }
}
