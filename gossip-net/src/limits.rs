//! Hard caps: how many bytes and datagrams a second a node sends and takes in, in all, from and to
//! each peer, and for each layer.
//!
//! Not a protocol: what the driver holds datagrams against.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::{ParameterError, Time};

/// Peers whose rates are told apart; all beyond these count as one. Our choice.
pub(crate) const PEERS: usize = 4_096;

/// How long peers that were silent are looked for at most once. Our choice.
const SWEEP: Duration = Duration::from_millis(100);

/// Bytes and datagrams a second at most; without a number there is no cap.
///
/// ```
/// use gossip_net::Rate;
/// let rate = Rate::default().bytes(64_000).datagrams(100);
/// assert_ne!(rate, Rate::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    bytes: Option<u64>,
    datagrams: Option<u64>,
}

impl Rate {
    /// At most this many bytes a second, without the headers of UDP and below; at least 1.
    pub const fn bytes(mut self, per_second: u64) -> Self {
        self.bytes = Some(per_second);
        self
    }

    /// At most this many datagrams a second; at least 1. Of a layer: frames.
    pub const fn datagrams(mut self, per_second: u64) -> Self {
        self.datagrams = Some(per_second);
        self
    }

    pub(crate) const fn is_unlimited(self) -> bool {
        self.bytes.is_none() && self.datagrams.is_none()
    }

    fn check(self, name: &'static str) -> Result<(), ParameterError> {
        let least = self.bytes.unwrap_or(1).min(self.datagrams.unwrap_or(1));
        ParameterError::new(name, least as f64, "a second", "at least 1").unless(least >= 1)
    }
}

/// What one layer of a stack may send and take in, and how it stands to the others.
///
/// ```
/// use gossip_net::{LayerLimits, Limits, Rate};
///
/// let limits = Limits::default()
///     .send(Rate::default().bytes(32_000))
///     .layer(LayerLimits::named("members").control())
///     .layer(LayerLimits::named("news").send(Rate::default().bytes(16_000)).weight(2));
/// assert!(limits.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    pub(crate) name: &'static str,
    pub(crate) tag: u16,
    pub(crate) send: Rate,
    pub(crate) receive: Rate,
    pub(crate) weight: u32,
    pub(crate) control: bool,
}

impl LayerLimits {
    /// For the layer of this name in its stack: no caps, weight 1.
    pub const fn named(name: &'static str) -> Self {
        let (send, receive) =
            (Rate { bytes: None, datagrams: None }, Rate { bytes: None, datagrams: None });
        let tag = gossip_core::stack::tag(name);
        Self { name, tag, send, receive, weight: 1, control: false }
    }

    /// For a layer with `#[tag(n)]`.
    pub const fn tag(mut self, tag: u16) -> Self {
        self.tag = tag;
        self
    }

    /// What it may send.
    pub const fn send(mut self, rate: Rate) -> Self {
        self.send = rate;
        self
    }

    /// What is taken in for it.
    pub const fn receive(mut self, rate: Rate) -> Self {
        self.receive = rate;
        self
    }

    /// Its share of what is sent, beside the other layers that want to; from 1 to 1,000.
    pub const fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// It goes before all layers that do not say so: for membership and what else must not wait
    /// for bulk. A cap of its own keeps it from leaving nothing to the others.
    pub const fn control(mut self) -> Self {
        self.control = true;
        self
    }
}

/// Hard caps of a node. See [`Builder::limits`](crate::Builder::limits).
///
/// In no time span `t` more than `rate * (t + burst)` is sent or taken in, and one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) send: Rate,
    pub(crate) receive: Rate,
    pub(crate) peer_send: Rate,
    pub(crate) peer_receive: Rate,
    pub(crate) layers: Vec<LayerLimits>,
    pub(crate) burst: Duration,
    pub(crate) queue: usize,
    pub(crate) age: Duration,
}

impl Default for Limits {
    /// No caps; a burst of 100 ms, 256 kB of queue for each layer, and ages of up to a second. Our
    /// choice: what is a round old, the next round says anew.
    fn default() -> Self {
        Self {
            send: Rate::default(),
            receive: Rate::default(),
            peer_send: Rate::default(),
            peer_receive: Rate::default(),
            layers: Vec::new(),
            burst: Duration::from_millis(100),
            queue: 256 * 1_024,
            age: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// What is sent, to all.
    pub const fn send(mut self, rate: Rate) -> Self {
        self.send = rate;
        self
    }

    /// What is taken in, from all. What is above it is dropped before it is decoded.
    pub const fn receive(mut self, rate: Rate) -> Self {
        self.receive = rate;
        self
    }

    /// What is sent to each peer.
    pub const fn peer_send(mut self, rate: Rate) -> Self {
        self.peer_send = rate;
        self
    }

    /// What is taken in from each peer. It does not count against what is taken in from all, if it
    /// is dropped here.
    pub const fn peer_receive(mut self, rate: Rate) -> Self {
        self.peer_receive = rate;
        self
    }

    /// Caps and share of one layer. With any of these, frames that cannot go at once wait by
    /// layer, and layers have their turns by deficit round-robin (Shreedhar and Varghese,
    /// SIGCOMM 1995); without, all wait in one line. It is for stacks made by `stack!`: a protocol
    /// that stands alone has no layers.
    pub fn layer(mut self, layer: LayerLimits) -> Self {
        self.layers.push(layer);
        self
    }

    /// How much may go at once after a pause, in time at the full rate: from a millisecond to a
    /// minute.
    pub const fn burst(mut self, span: Duration) -> Self {
        self.burst = span;
        self
    }

    /// Bytes of frames that may wait, for each layer: from 1,200 to 16 MiB. Of more, the oldest are
    /// shed.
    pub const fn queue(mut self, bytes: usize) -> Self {
        self.queue = bytes;
        self
    }

    /// How long a frame may wait, from a millisecond to an hour; then it is shed.
    pub const fn age(mut self, span: Duration) -> Self {
        self.age = span;
        self
    }

    /// Whether every number is within its bounds, and no layer is named twice.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] names the one that is not.
    pub fn check(&self) -> Result<(), ParameterError> {
        let milli = Duration::from_millis(1);
        for (rate, name) in [
            (self.send, "send"),
            (self.receive, "receive"),
            (self.peer_send, "peer_send"),
            (self.peer_receive, "peer_receive"),
        ] {
            rate.check(name)?;
        }
        let span = |name, span: Duration, most, bound| {
            ParameterError::new(name, span.as_secs_f64(), "seconds", bound)
                .unless((milli..=Duration::from_secs(most)).contains(&span))
        };
        span("burst", self.burst, 60, "0.001 to 60")?;
        span("age", self.age, 3_600, "0.001 to 3600")?;
        ParameterError::new("queue", self.queue as f64, "bytes", "1200 to 16777216")
            .unless((1_200..=16 << 20).contains(&self.queue))?;
        for (at, layer) in self.layers.iter().enumerate() {
            layer.send.check("layer send")?;
            layer.receive.check("layer receive")?;
            ParameterError::new("weight", f64::from(layer.weight), "shares", "1 to 1000")
                .unless((1..=1_000).contains(&layer.weight))?;
            let twice = self.layers[..at].iter().any(|other| other.tag == layer.tag);
            ParameterError::new("layers", at as f64, "of layers", "each layer once")
                .unless(!twice)?;
        }
        Ok(())
    }
}

/// A cap at work: the generic cell rate algorithm (ITU-T I.371), which keeps the time at which all
/// that went would have gone at the rate itself. So there is no timer, and nothing to fill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    rate: Rate,
    burst: Duration,
    /// Nanoseconds since the start, of bytes and of datagrams.
    due: (u128, u128),
}

const SECOND: u128 = 1_000_000_000;

impl Meter {
    pub(crate) const fn new(rate: Rate, burst: Duration) -> Self {
        Self { rate, burst, due: (0, 0) }
    }

    /// When something may go next.
    pub(crate) fn ready_at(&self) -> Time {
        let due = self.due.0.max(self.due.1).saturating_sub(self.burst.as_nanos());
        let nanos = u64::try_from(due).unwrap_or(u64::MAX);
        Time::ZERO + Duration::from_nanos(nanos).saturating_add(Duration::from_nanos(999))
    }

    pub(crate) fn allows(&self, now: Time) -> bool {
        self.ready_at() <= now
    }

    pub(crate) fn take(&mut self, now: Time, bytes: usize, datagrams: usize) {
        let now = now.since(Time::ZERO).as_nanos();
        let later = |due: u128, rate: Option<u64>, count: usize| {
            rate.map_or(due, |rate| due.max(now) + count as u128 * SECOND / u128::from(rate.max(1)))
        };
        self.due.0 = later(self.due.0, self.rate.bytes, bytes);
        self.due.1 = later(self.due.1, self.rate.datagrams, datagrams);
    }

    /// Whether it is as if nothing had gone yet.
    fn is_idle(&self, now: Time) -> bool {
        self.due.0.max(self.due.1) <= now.since(Time::ZERO).as_nanos()
    }
}

/// A meter for each peer.
#[derive(Debug)]
pub(crate) struct Meters {
    fresh: Meter,
    known: BTreeMap<SocketAddr, Meter>,
    /// Of all that find no place.
    others: Meter,
    swept: Time,
}

impl Meters {
    pub(crate) const fn new(rate: Rate, burst: Duration) -> Self {
        let fresh = Meter::new(rate, burst);
        Self { fresh, known: BTreeMap::new(), others: fresh, swept: Time::ZERO }
    }

    pub(crate) fn ready_at(&self, peer: SocketAddr) -> Time {
        let unknown = if self.known.len() < PEERS { &self.fresh } else { &self.others };
        self.known.get(&peer).unwrap_or(unknown).ready_at()
    }

    pub(crate) fn allows(&self, peer: SocketAddr, now: Time) -> bool {
        self.ready_at(peer) <= now
    }

    pub(crate) fn take(&mut self, peer: SocketAddr, now: Time, bytes: usize, datagrams: usize) {
        if self.fresh.rate.is_unlimited() {
            return;
        }
        if self.known.len() >= PEERS && !self.known.contains_key(&peer) {
            self.sweep(now);
        }
        let meter = if self.known.len() < PEERS || self.known.contains_key(&peer) {
            self.known.entry(peer).or_insert(self.fresh)
        } else {
            &mut self.others
        };
        meter.take(now, bytes, datagrams);
    }

    /// Forgets those who have not used what they had.
    fn sweep(&mut self, now: Time) {
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.known.retain(|_, meter| !meter.is_idle(now));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    proptest! {
        /// Whatever is offered when: between any two moments no more goes than the cap says; and
        /// what is allowed again goes, so that the rate is used.
        #[test]
        fn a_meter_is_a_hard_cap(
            bytes in 1_u64..1_000_000,
            burst in 1_u64..1_000,
            offers in proptest::collection::vec((0_u64..200_000, 1_usize..1_200), 1..200),
        ) {
            let burst = Duration::from_millis(burst);
            let mut meter = Meter::new(Rate::default().bytes(bytes), burst);
            let (mut now, mut went) = (0, Vec::new());
            for (pause, len) in offers {
                now += pause;
                if meter.allows(at(now)) {
                    meter.take(at(now), len, 1);
                    went.push((now, len));
                }
            }
            for first in 0..went.len() {
                let mut sum = 0;
                for (then, len) in &went[first..] {
                    let span = (then - went[first].0) as f64 / 1e6 + burst.as_secs_f64();
                    // The last one may be begun while there is anything left.
                    prop_assert!(sum as f64 <= bytes as f64 * span + 2.0, "{sum} in {span} s");
                    sum += len;
                }
            }
        }
    }

    #[test]
    fn a_meter_says_when_it_is_ready() {
        let mut meter = Meter::new(Rate::default().datagrams(10), Duration::from_millis(100));
        let mut went = Vec::new();
        let mut now = Time::ZERO;
        while now < at(1_000_000) {
            meter.take(now, 1_000, 1);
            went.push(now);
            now = now.max(meter.ready_at());
        }
        assert_eq!(went.len(), 11, "{went:?}"); // ten a second, and one for the burst
    }

    #[test]
    fn peers_are_bounded_and_those_beyond_share() {
        let rate = Rate::default().datagrams(1);
        let mut meters = Meters::new(rate, Duration::from_millis(1));
        let peer =
            |number: usize| SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 7));
        for number in 0..PEERS {
            meters.take(peer(number), at(SWEEP.as_micros() as u64), 1, 1);
        }
        let late = at(SWEEP.as_micros() as u64 + 1);
        assert!(!meters.allows(peer(0), late) && meters.allows(peer(5_000), late));
        meters.take(peer(5_000), late, 1, 1);
        assert!(!meters.allows(peer(5_001), late), "strangers share");
        assert_eq!(meters.len(), PEERS);
        meters.take(peer(5_001), at(10_000_000), 1, 1);
        assert_eq!(meters.len(), 1, "the silent ones have made room");
    }

    #[test]
    fn wrong_limits_are_named() {
        let named = |limits: Limits| limits.check().unwrap_err().to_string();
        assert!(named(Limits::default().send(Rate::default().bytes(0))).contains("send"));
        assert!(named(Limits::default().age(Duration::ZERO)).contains("age"));
        assert!(named(Limits::default().queue(1)).contains("queue"));
        let news = LayerLimits::named("news");
        assert!(named(Limits::default().layer(news.weight(0))).contains("weight"));
        assert!(named(Limits::default().layer(news).layer(news)).contains("layers"));
    }
}
