//! Links that carry so many bytes a second, and links that keep the order.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Trip;
use crate::error::ParameterError;
use crate::time::Time;

/// What limits what a node can send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// All that a node sends goes through one queue: its uplink.
    BySender,
    /// What a node sends to one peer goes through a queue of its own.
    ByLink,
}

/// A bandwidth, and the queue before it.
///
/// A message of `len` bytes waits for those queued before it and takes `len / bandwidth` to leave.
/// If it and what waits before it, the part not yet sent of the one being sent included, exceed the
/// limit of the queue, it is dropped.
///
/// ```
/// use gossip_core::sim::link::{Bandwidth, Latency, Network, Shared};
///
/// // An ADSL uplink of 1 Mbit/s whose modem queues 64 KiB.
/// let uplink = Bandwidth::new(125_000, 65_536, Shared::BySender)?;
/// let network = Network::new(Latency::Constant(core::time::Duration::from_millis(15)))
///     .bandwidth(uplink);
/// assert_eq!(network.tail_drops(), 0);
/// assert!(Bandwidth::new(0, 65_536, Shared::BySender).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    bytes_per_second: u64,
    limit: u64,
    shared: Shared,
}

/// The most bytes a second: 100 Gbit/s and some.
const FASTEST: u64 = 20_000_000_000;

impl Bandwidth {
    /// So many bytes a second, a queue of at most `limit` bytes, and who shares them.
    ///
    /// # Errors
    ///
    /// If the bandwidth is not 1 to 2e10, or the limit not 1 to 2^40.
    pub fn new(bytes_per_second: u64, limit: u64, shared: Shared) -> Result<Self, ParameterError> {
        ParameterError::new("bandwidth", bytes_per_second as f64, "bytes a second", "1 to 2e10")
            .unless((1..=FASTEST).contains(&bytes_per_second))?;
        ParameterError::new("queue limit", limit as f64, "bytes", "1 to 2^40")
            .unless((1..=1 << 40).contains(&limit))?;
        Ok(Self { bytes_per_second, limit, shared })
    }
}

/// The queues of a bandwidth.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    bandwidth: Bandwidth,
    /// Until when each busy queue sends. Those that are idle are not kept.
    busy: Recent<Until>,
    pub(super) dropped: u64,
}

/// A moment: nanoseconds, and a remainder in parts of a nanosecond by the bandwidth, so that no
/// rounding adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Until {
    nanos: u64,
    parts: u64,
}

const NANOS: u64 = 1_000_000_000;

impl Queues {
    pub(super) const fn new(bandwidth: Bandwidth) -> Self {
        Self { bandwidth, busy: Recent::new(), dropped: 0 }
    }

    /// Queues a message; how long until its last byte has left, or `None` if it is dropped.
    pub(super) fn send(&mut self, trip: &Trip) -> Option<Duration> {
        let Bandwidth { bytes_per_second, limit, shared } = self.bandwidth;
        let to = if shared == Shared::ByLink { trip.to } else { 0 };
        let now = Until { nanos: trip.at.as_micros().saturating_mul(1_000), parts: 0 };
        let key = (trip.from, to);
        let from = self.busy.get(key).map_or(now, |until| until.max(now));
        // In bytes times 10^9, exactly.
        let ahead = u128::from(from.nanos - now.nanos) * u128::from(bytes_per_second)
            + u128::from(from.parts);
        if ahead + trip.len as u128 * u128::from(NANOS) > u128::from(limit) * u128::from(NANOS) {
            self.dropped += 1;
            return None;
        }
        let parts = u128::from(from.parts) + trip.len as u128 * u128::from(NANOS);
        let nanos = (parts / u128::from(bytes_per_second)) as u64;
        let until = Until {
            nanos: from.nanos.saturating_add(nanos),
            parts: (parts % u128::from(bytes_per_second)) as u64,
        };
        self.busy.put(key, until, |until| until <= now);
        Some(Duration::from_nanos(until.nanos - now.nanos))
    }
}

/// When the last message of each link arrives.
#[derive(Clone, Debug)]
pub(super) struct Ordered(Recent<Time>);

impl Ordered {
    pub(super) const fn new() -> Self {
        Self(Recent::new())
    }

    /// The least delay not below `delay` with which a message overtakes none sent before it.
    pub(super) fn delay(&mut self, trip: &Trip, delay: Duration) -> Duration {
        let key = (trip.from, trip.to);
        let arrives = trip.at + delay;
        let arrives = self.0.get(key).map_or(arrives, |last| last.max(arrives));
        self.0.put(key, arrives, |last| last <= trip.at);
        arrives.since(trip.at)
    }
}

/// What matters of links for a while only. Forgotten when as many again have come as did matter
/// when it was last cleaned.
#[derive(Clone, Debug)]
struct Recent<T> {
    known: BTreeMap<(u32, u32), T>,
    clean_at: usize,
}

/// Links that are kept without looking whether they matter.
const FEW: usize = 1_024;

impl<T: Copy> Recent<T> {
    const fn new() -> Self {
        Self { known: BTreeMap::new(), clean_at: FEW }
    }

    fn get(&self, link: (u32, u32)) -> Option<T> {
        self.known.get(&link).copied()
    }

    fn put(&mut self, link: (u32, u32), what: T, is_past: impl Fn(T) -> bool) {
        if self.known.len() >= self.clean_at {
            self.known.retain(|_, what| !is_past(*what));
            self.clean_at = 2 * self.known.len().max(FEW / 2);
        }
        self.known.insert(link, what);
    }
}
