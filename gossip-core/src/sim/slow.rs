//! Slow nodes: what they send and get waits while they are busy with something else.

use core::time::Duration;

use alloc::vec::Vec;

use super::divide::Divide;
use super::link::{Copies, Link, Trip};
use crate::error::ParameterError;
use crate::random::Random;
use crate::time::Time;

/// Some nodes are blocked and free in turns, all at once, for a while: their messages, in and out,
/// wait until they are free. Their timers go on, as those of a process that cannot keep up do.
///
/// The anomalies of Dadgar, Phillips, Currey, *Lifeguard*, DSN 2018, section V.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::Time;
/// use gossip_core::random::Key;
/// use gossip_core::sim::link::{Link, Perfect, Trip};
/// use gossip_core::sim::slow::{Slow, Turns};
///
/// let second = Duration::from_secs(1);
/// let turns = Turns { blocked: second * 8, free: second, from: second * 10, until: second * 60 };
/// let mut link = Slow::new(Perfect, [3], turns)?;
/// let mut delay = |from, to, at: u64| {
///     let trip = Trip { from, to, at: Time::from_micros(at), len: 0, opening: true };
///     link.carry(&trip, &mut Key::new(1).random(0))[0]
/// };
/// assert_eq!(delay(3, 4, 9_000_000), Duration::ZERO);
/// assert_eq!(delay(3, 4, 12_000_000), second * 6);
/// assert_eq!(delay(4, 3, 12_000_000), second * 6);
/// assert_eq!(delay(3, 4, 18_500_000), Duration::ZERO);
/// assert_eq!(delay(4, 5, 12_000_000), Duration::ZERO);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slow<L> {
    inner: L,
    nodes: Vec<u32>,
    turns: Turns,
}

/// When slow nodes are blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// How long they are blocked each time: at least a microsecond.
    pub blocked: Duration,
    /// How long they are free in between.
    pub free: Duration,
    /// When it begins, after the start; blocked first.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
}

impl<L> Slow<L> {
    /// Makes `nodes` slow in these `turns` over the link `inner`.
    ///
    /// # Errors
    ///
    /// If they are never blocked.
    pub fn new(
        inner: L,
        nodes: impl IntoIterator<Item = u32>,
        turns: Turns,
    ) -> Result<Self, ParameterError> {
        let micros = turns.blocked.as_micros();
        ParameterError::new("blocked", micros as f64, "microseconds", "at least 1")
            .unless(micros >= 1)?;
        let mut nodes: Vec<u32> = nodes.into_iter().collect();
        nodes.sort_unstable();
        Ok(Self { inner, nodes, turns })
    }

    /// The link below.
    pub const fn inner_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Whether `node` is one of the slow ones.
    pub fn is_slow(&self, node: u32) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }

    /// When `node` is free, from `at` on.
    fn free(&self, node: u32, at: Time) -> Time {
        let Turns { blocked, free, from, until } = self.turns;
        let since = at.since(Time::ZERO);
        if !self.is_slow(node) || since < from || since >= until {
            return at;
        }
        let turn = (blocked + free).as_micros();
        let into = since.saturating_sub(from).as_micros() % turn;
        let left = blocked.as_micros().saturating_sub(into);
        at + Duration::from_micros(left as u64).min(until.saturating_sub(since))
    }
}

impl<L: Link> Link for Slow<L> {
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies {
        let sent = self.free(trip.from, trip.at);
        let copies = self.inner.carry(trip, random).into_iter();
        copies.map(|delay| self.free(trip.to, sent + delay).since(trip.at)).collect()
    }
}

impl<L: Divide> Divide for Slow<L> {
    fn part(&mut self, cycle: u32) -> Self {
        let Self { inner, nodes, turns } = self;
        Self { inner: inner.part(cycle), nodes: nodes.clone(), turns: *turns }
    }
}
