//! The only place of the program that reads clocks.
//!
//! Not a protocol: time for deadlines, and for entries that come from a file.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for deadlines.
#[expect(clippy::disallowed_methods, reason = "a program has deadlines")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch; 0 before it.
#[expect(clippy::disallowed_methods, reason = "entries bear the time that they were written at")]
pub(crate) fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
