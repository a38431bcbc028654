//! Log lines that repeat: the first few are told, and then how many more there were.
//!
//! Not a protocol: an agent in trouble must not fill its owner's disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of a kind told in a [`WINDOW`]. Our choice.
pub(crate) const BURST: u32 = 20;

/// How long lines are counted together. Our choice.
pub(crate) const WINDOW: Duration = Duration::from_secs(30);

/// Counts lines by kind.
#[derive(Debug, Default)]
pub(crate) struct Limit(BTreeMap<&'static str, Kind>);

#[derive(Debug)]
struct Kind {
    since: Instant,
    told: u32,
    kept_back: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is told; this many of its kind before it were not.
    Tell(u64),
    /// It is counted.
    Keep,
}

impl Limit {
    /// One more line of this kind at `now`.
    pub(crate) fn judge(&mut self, kind: &'static str, now: Instant) -> Verdict {
        let fresh = || Kind { since: now, told: 0, kept_back: 0 };
        let state = self.0.entry(kind).or_insert_with(fresh);
        let mut before = 0;
        if now.saturating_duration_since(state.since) >= WINDOW {
            before = state.kept_back;
            *state = fresh();
        }
        if state.told < BURST {
            state.told += 1;
            return Verdict::Tell(before);
        }
        state.kept_back += 1;
        Verdict::Keep
    }

    /// The lines not told of kinds whose window is over at `now`; asked once, they are told.
    pub(crate) fn owed(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let over = |kind: &Kind| now.saturating_duration_since(kind.since) >= WINDOW;
        let mut owed = Vec::new();
        self.0.retain(|name, kind| {
            if over(kind) && kind.kept_back > 0 {
                owed.push((*name, kind.kept_back));
            }
            !over(kind)
        });
        owed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    #[test]
    fn repeats_are_counted_and_told_once() {
        let (start, mut limit) = (now(), Limit::default());
        for _ in 0..BURST {
            assert_eq!(limit.judge("member", start), Verdict::Tell(0));
        }
        assert_eq!(limit.judge("member", start), Verdict::Keep);
        assert_eq!(limit.judge("member", start), Verdict::Keep);
        assert_eq!(limit.judge("news", start), Verdict::Tell(0), "another kind");
        assert_eq!(limit.owed(start), []);
        assert_eq!(limit.judge("member", start + WINDOW), Verdict::Tell(2));
        for _ in 0..BURST {
            limit.judge("member", start + WINDOW);
        }
        assert_eq!(limit.owed(start + 2 * WINDOW), [("member", 1)]);
        assert_eq!(limit.owed(start + 2 * WINDOW), []);
    }
}
