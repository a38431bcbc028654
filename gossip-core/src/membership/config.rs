//! Parameters of SWIM and Lifeguard.
//!
//! Not a protocol: what its constructor checks.

use core::time::Duration;

use super::probe::HELPERS;
use super::suspicion::{CONFIRMATIONS, Terms};
use crate::error::ParameterError;

/// Parameters of [`Swim`](super::Swim).
///
/// ```
/// use core::time::Duration;
/// use gossip_core::membership::{Config, Swim};
///
/// assert!(Swim::<u32>::new(Config::default()).is_ok());
/// let hasty = Config { timeout: Duration::from_secs(2), ..Config::default() };
/// assert!(Swim::<u32>::new(hasty).unwrap_err().to_string().contains("timeout"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The period T', which must be the driver's tick: one probe in each. At least three round
    /// trips; up to an hour.
    pub period: Duration,
    /// How long a direct answer is waited for, before helpers are asked. Above the usual round
    /// trip and below the period.
    pub timeout: Duration,
    /// Helpers asked for an indirect probe: the paper's k, up to 16. 0: none.
    pub helpers: usize,
    /// An update is told `lambda` times the ceiling of ln(n + 1), n being the members: 1 to 16.
    pub lambda: u8,
    /// Updates in a message at most, from 2 to the capacity `U`; the capacity by default. The
    /// paper's experiments have 6.
    pub updates: Option<usize>,
    /// How long a suspect has to refute.
    pub suspicion: Suspicion,
    /// Whether a death that is only heard of counts as one more suspicion until the member has been
    /// suspected here for the shortest timeout, so that it can object everywhere. Off, it is
    /// believed at once, as in both papers.
    pub doubt: bool,
    /// What is done against false accusations by slow nodes.
    pub lifeguard: Lifeguard,
    /// Periods between two full-state syncs with a random member in the long run; 0: never. After
    /// joining and after a partition they come at once, and then ever less often down to this.
    pub sync: u16,
    /// Periods between two pings to some member presumed dead, and between two requests to some
    /// contact that is not a member, in the long run; 0: never, and then what a partition has
    /// parted stays apart.
    pub recontact: u16,
    /// Periods in a row in which a member that is alive, as others say, has not answered directly,
    /// before the owner is told who does not hear whom ([`Event::Unheard`](super::Event::Unheard)).
    /// Each such member, four at most, is sent a ping in each of them. Where a share l of all
    /// datagrams is lost, one is told of by chance in (2 l - l^2)^unheard of the cases. 0: nobody
    /// looks. Not in the papers.
    pub unheard: u8,
    /// Random members told the news in each period while there is any, besides what probes carry,
    /// a fifth of them in each fifth of it: 0 in SWIM, 15 in the implementation that Lifeguard was
    /// measured on. At most 64.
    pub gossip: usize,
    /// Whether room left in datagrams, its own and other layers', carries more updates.
    pub spare: bool,
    /// The share of a datagram's room that the news riding on a message may take, from 0 to 1; the
    /// rest is for other layers. 128 bytes or one update in any case.
    pub share: f64,
    /// The share of all members that one member may accuse at a time without anybody confirming it,
    /// from 0 to 1, which is no limit; four in any case. Who accuses more is more likely to be ill
    /// itself: the rest of its accusations is ignored.
    pub accusations: f64,
    /// Periods in which the penalty halves that each death of a member adds 1 to; above 3 it is not
    /// taken back before the penalty has decayed to 1, which takes two half-lives at most. 0: never
    /// mind.
    pub damping: u16,
    /// Members known at most, dead and left ones included: 1 to 10^6.
    pub members: usize,
    /// Dead and left ones known at most; those gone for longest are forgotten first.
    pub remembered: usize,
    /// The incarnation to begin with: 0 for a node that never ran, else the latest
    /// [`Event::Reserve`](super::Event::Reserve) of its former life. If that is lost, the others
    /// will say so, which costs a round trip.
    pub incarnation: u32,
}

/// How long a suspect has to refute, before it is presumed dead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Suspicion {
    /// No time: who does not answer a probe is presumed dead (SWIM without section 4.2).
    None,
    /// This many times the ceiling of ln(n + 1), in periods: SWIM's experiments have 3.
    Natural(f64),
    /// Alpha times log10(n), in periods, and no less than alpha: Lifeguard has 5.
    Decimal(f64),
}

/// Lifeguard's components, each of which may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifeguard {
    /// LHA-Probe: the local health multiplier's maximum S. 8 in the paper; 0: off.
    pub health: u8,
    /// LHA-Probe: helpers say when they have no answer yet, so that a node that hears nothing
    /// knows whose fault it is.
    pub nacks: bool,
    /// LHA-Suspicion: independent suspicions K, after the first, that bring the timeout down from
    /// its maximum to its minimum. 3 in the paper, at most 7; 0: off, the timeout is the minimum.
    pub confirmations: u8,
    /// LHA-Suspicion: the maximum as a multiple of the minimum, from 1. 6 in the paper.
    pub beta: f64,
    /// Buddy: a ping to a suspect tells it first of all that it is suspected.
    pub buddy: bool,
}

/// Members that one may accuse in any case: among a few, all the others may be dead. Our choice.
const ACCUSATIONS: usize = 4;

impl Lifeguard {
    /// All components, as in the paper.
    pub const ALL: Self = Self { health: 8, nacks: true, confirmations: 3, beta: 6.0, buddy: true };
    /// Plain SWIM.
    pub const OFF: Self =
        Self { health: 0, nacks: false, confirmations: 0, beta: 1.0, buddy: false };
}

impl Default for Config {
    /// Lifeguard's parameters: periods of 1 s, direct answers within 500 ms, 3 helpers, alpha 5.
    /// The rest is our choice.
    fn default() -> Self {
        Self {
            period: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            helpers: 3,
            lambda: 3,
            updates: None,
            suspicion: Suspicion::Decimal(5.0),
            doubt: true,
            lifeguard: Lifeguard::ALL,
            sync: 32,
            recontact: 64,
            unheard: 0,
            gossip: 0,
            spare: true,
            share: 0.5,
            accusations: 0.25,
            damping: 180,
            members: 16_384,
            remembered: 1_024,
            incarnation: 0,
        }
    }
}

impl Config {
    /// SWIM as in its paper's experiments, without Lifeguard: k = 1, at most 6 updates a message,
    /// lambda 3 for both dissemination and suspicion.
    pub fn paper() -> Self {
        Self {
            helpers: 1,
            updates: Some(6),
            suspicion: Suspicion::Natural(3.0),
            doubt: false,
            lifeguard: Lifeguard::OFF,
            spare: false,
            share: 1.0,
            accusations: 1.0,
            damping: 0,
            ..Self::default()
        }
    }

    /// Checks all bounds, `capacity` being the most updates in a message.
    pub(super) fn check(&self, capacity: usize) -> Result<(), ParameterError> {
        let error = ParameterError::new;
        let period = self.period.as_micros();
        error("period T'", period as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&period))?;
        let timeout = self.timeout.as_micros();
        error("timeout", timeout as f64, "microseconds", "at least 1, and below the period")
            .unless((1..period).contains(&timeout))?;
        error("helpers k", self.helpers as f64, "members", "at most 16")
            .unless(self.helpers <= HELPERS)?;
        error("lambda", self.lambda.into(), "times ln(n + 1)", "1 to 16")
            .unless((1..=16).contains(&self.lambda))?;
        let updates = self.updates.unwrap_or(capacity);
        error("updates", updates as f64, "in a message", "2 to the capacity U")
            .unless((2..=capacity).contains(&updates))?;
        let (Suspicion::Natural(factor) | Suspicion::Decimal(factor)) = self.suspicion else {
            return self.check_rest();
        };
        error("suspicion", factor, "times the logarithm of n", "above 0, up to 1000")
            .unless(factor > 0.0 && factor <= 1_000.0)?;
        self.check_rest()
    }

    fn check_rest(&self) -> Result<(), ParameterError> {
        let error = ParameterError::new;
        let Lifeguard { health, confirmations, beta, .. } = self.lifeguard;
        error("health S", health.into(), "periods", "at most 60").unless(health <= 60)?;
        error("confirmations K", confirmations.into(), "members", "at most 7")
            .unless(usize::from(confirmations) <= CONFIRMATIONS)?;
        error("beta", beta, "times the minimum", "1 to 100")
            .unless((1.0..=100.0).contains(&beta))?;
        error("gossip", self.gossip as f64, "members", "at most 64").unless(self.gossip <= 64)?;
        error("share", self.share, "of a datagram", "0 to 1")
            .unless((0.0..=1.0).contains(&self.share))?;
        error("accusations", self.accusations, "of the members", "0 to 1")
            .unless((0.0..=1.0).contains(&self.accusations))?;
        error("members", self.members as f64, "members", "1 to 10^6")
            .unless((1..=1_000_000).contains(&self.members))
    }

    /// Whether deaths that are only heard of are doubted.
    pub(super) fn doubts(&self) -> bool {
        self.doubt && self.suspicion != Suspicion::None
    }

    /// How often an update is told among `n` members, this node included.
    pub(super) fn limit(&self, n: usize) -> u8 {
        (f64::from(self.lambda) * libm::ceil(libm::log(n as f64 + 1.0))).min(255.0) as u8
    }

    /// How many one member may accuse among `n` members without being confirmed.
    pub(super) fn budget(&self, n: usize) -> usize {
        ((self.accusations * n as f64) as usize).max(ACCUSATIONS)
    }

    /// How long a suspicion lasts among `n` members, this node included; `None`: not at all.
    pub(super) fn terms(&self, n: usize) -> Option<Terms> {
        let periods = match self.suspicion {
            Suspicion::None => return None,
            Suspicion::Natural(factor) => factor * libm::ceil(libm::log(n as f64 + 1.0)),
            Suspicion::Decimal(alpha) => alpha * libm::log10(n as f64).max(1.0),
        };
        let micros = self.period.as_micros() as f64 * periods;
        let Lifeguard { confirmations, beta, .. } = self.lifeguard;
        // Among too few members nobody is left who could confirm.
        let needed = if n < usize::from(confirmations) + 2 { 0 } else { confirmations };
        let min = Duration::from_micros(micros as u64);
        Some(Terms { min, max: Duration::from_micros((micros * beta) as u64), needed })
    }
}
