//! What a node has done so far.

use std::time::Duration;

use gossip_core::Counts;

use crate::hello::RoundTrips;

/// A snapshot of what a node has done since its start. All numbers only grow, except
/// [`last`](Lag::last) of the lag, and the round trips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that came, good or bad.
    pub datagrams_in: u64,
    /// Datagrams handed to the network.
    pub datagrams_out: u64,
    /// Bytes of the datagrams that came, without the headers of UDP and below.
    pub bytes_in: u64,
    /// Bytes of the datagrams handed over.
    pub bytes_out: u64,
    /// Messages of the stack that came.
    pub frames_in: u64,
    /// Messages of the stack in the datagrams handed over.
    pub frames_out: u64,
    /// Messages handed to the lane; the datagrams inside count as such, too.
    pub lane_out: u64,
    /// Rounds run.
    pub rounds: u64,
    /// Rounds left out because the process, or the machine, stood still for longer than a tick.
    pub rounds_missed: u64,
    /// How late the rounds were.
    pub lag: Lag,
    /// How long round trips take, of the peers asked lately.
    pub round_trips: RoundTrips,
    /// Events that the stack told.
    pub events: u64,
    /// Events that receivers were told they had missed.
    pub events_shed: u64,
    /// What was ignored, refused or shed, by layer and cause: the stack's layers, the `packer`,
    /// the `driver` and the `transport`.
    pub counts: Counts,
}

impl Counters {
    /// Frames per datagram sent: how well the layers share datagrams. `None` before the first.
    ///
    /// ```
    /// assert_eq!(gossip_net::Counters::default().frames_per_datagram(), None);
    /// ```
    pub fn frames_per_datagram(&self) -> Option<f64> {
        (self.datagrams_out > 0).then(|| self.frames_out as f64 / self.datagrams_out as f64)
    }
}

/// How late a node's rounds were run: the time from when a round was due to when it began. It
/// measures the load on the process and the machine, at tokio's resolution of a millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Of the last round.
    pub last: Duration,
    /// Of the latest round.
    pub max: Duration,
    /// Summed over all rounds.
    pub total: Duration,
    /// Rounds measured.
    pub rounds: u64,
}

impl Lag {
    /// The mean over all rounds; `None` before the first.
    pub fn mean(&self) -> Option<Duration> {
        u32::try_from(self.rounds).ok().and_then(|rounds| self.total.checked_div(rounds))
    }

    pub(crate) fn add(&mut self, late: Duration) {
        self.last = late;
        self.max = self.max.max(late);
        self.total = self.total.saturating_add(late);
        self.rounds += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_averaged_over_rounds() {
        let mut lag = Lag::default();
        assert_eq!(lag.mean(), None);
        lag.add(Duration::from_millis(3));
        lag.add(Duration::from_millis(1));
        assert_eq!(lag.mean(), Some(Duration::from_millis(2)));
        assert_eq!((lag.last.as_millis(), lag.max.as_millis()), (1, 3));
    }
}
