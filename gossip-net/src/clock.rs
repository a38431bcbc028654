//! The only place of this crate that reads clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gossip_core::Time;
use gossip_core::node::Clock;
use tokio::time::Instant;

/// Monotonic time since a node's start. It follows tokio's clock, and so stands still and jumps in
/// tests that pause it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monotonic {
    start: Instant,
}

impl Monotonic {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Both times that a protocol may know.
    pub(crate) fn read(&self) -> Clock {
        Clock { now: self.now(), wall: wall_micros() }
    }

    /// When `time` is, for tokio's timers; a day ahead at most.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        const DAY: Duration = Duration::from_secs(86_400);
        let now = self.now();
        self.start + now.since(Time::ZERO) + time.since(now).min(DAY)
    }
}

/// Microseconds since the Unix epoch; 0 before it.
#[expect(clippy::disallowed_methods, reason = "a driver tells protocols the time")]
fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
