//! Parameters of HyParView.
//!
//! Not a protocol: what its constructor checks.

use core::time::Duration;

use crate::error::ParameterError;
use crate::sampling::hyparview::message::SHUFFLE_MAX;

/// Parameters of HyParView.
///
/// ```
/// use gossip_core::sampling::{HyParView, hyparview::Config};
///
/// let small = Config { active: Some(4), passive: Some(20), ..Config::default() };
/// assert!(HyParView::<u32, 5, 30>::new(small).is_ok());
/// assert!(HyParView::<u32, 5, 30>::new(Config { active: Some(6), ..small }).is_err());
/// assert!(HyParView::<u32, 5, 30>::new(Config { prwl: 9, ..small }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Links at most, from 1 to the capacity `A`: the paper's fanout plus one, log10(n) + c. The
    /// capacity itself by default.
    pub active: Option<usize>,
    /// Spare peers at most, from 1 to the capacity `B`: the paper's k (log10(n) + c). The capacity
    /// itself by default.
    pub passive: Option<usize>,
    /// Steps a newcomer is carried on: the paper's ARWL.
    pub arwl: u8,
    /// With this many of them left it is noted as a spare: the paper's PRWL.
    pub prwl: u8,
    /// Links told in a shuffle: the paper's ka.
    pub shuffle_active: usize,
    /// Spares told in a shuffle: the paper's kp.
    pub shuffle_passive: usize,
    /// Steps a shuffle is carried on, at least 1.
    pub shuffle_ttl: u8,
    /// Rounds between two shuffles, in the long run, and between two tries to fill the last places
    /// for links. They come each round at first, and again when
    /// a neighbour falls silent or is gone; as long as none is, the pause doubles up to so many. 1:
    /// each round, as in the paper's simulations. What it may be is a matter of how many nodes go
    /// in a round: a shuffle of the paper's sizes brings 4 peers that live for sure and 4 of the
    /// spares of somebody, in place of spares of whom a share f is gone. With a share c of all
    /// nodes gone in a round, and 30 spares, that is in balance at f = 30/8 c pause; a repair asks
    /// 8 spares, so up to 1/2 is harmless: a pause of 64 is for lives of 500 rounds and more.
    pub shuffle_pause: u16,
    /// Rounds between two keep-alives over a link; 1: each round. At most `silence`.
    pub keep_alive: u16,
    /// Rounds without a sign of life after which a link is given up, at least 1: `silence /
    /// keep_alive` keep-alives in a row were lost then.
    pub silence: u16,
    /// How long a request for a link may go unanswered, above zero.
    pub patience: Duration,
    /// Whether the contact is asked again, at a decaying rate, after it has let this node in.
    pub recontact: bool,
    /// Whether the driver is asked to tell when a neighbour goes away.
    pub watch: bool,
}

impl Default for Config {
    /// The paper's ARWL = 6, PRWL = 3, ka = 3, kp = 4 (section 5.1). Ours: shuffles go 6 steps,
    /// which the paper leaves open; at 5 % loss a live link is silent for 5 rounds once in 3
    /// million; requests wait as long as those of [`Pairwise`](crate::Pairwise).
    fn default() -> Self {
        Self {
            active: None,
            passive: None,
            arwl: 6,
            prwl: 3,
            shuffle_active: 3,
            shuffle_passive: 4,
            shuffle_ttl: 6,
            shuffle_pause: 1,
            keep_alive: 1,
            silence: 5,
            patience: crate::exchange::PATIENCE,
            recontact: true,
            watch: true,
        }
    }
}

impl Config {
    /// For overlays that live long over rounds of about a second: what is idle says little. Links
    /// are told every 10 rounds and given up after 5 in a row were lost: at 10 % loss, once in
    /// 10^5. Until then a neighbour that crashed is missed only if somebody says so: a membership
    /// below ([`Obituary`](crate::Obituary)), or the driver. The paper leaves periods open; QUIC's
    /// and TCP's keep-alives are as rare or rarer.
    ///
    /// ```
    /// use gossip_core::sampling::{HyParView, hyparview::Config};
    /// assert!(HyParView::<u32, 5, 30>::new(Config::sparing()).is_ok());
    /// ```
    pub fn sparing() -> Self {
        Self { shuffle_pause: 64, keep_alive: 10, silence: 50, ..Self::default() }
    }

    /// The sizes of the active and the passive view, if all is within its bounds.
    pub(super) fn check(&self, active: usize, passive: usize) -> Result<[u16; 2], ParameterError> {
        let bound = "1 to the view's capacity, which is at most 65535";
        let size = |name, size: Option<usize>, capacity: usize| {
            let size = size.unwrap_or(capacity);
            ParameterError::new(name, size as f64, "peers", bound)
                .unless((1..=capacity.min(65_535)).contains(&size))?;
            Ok(size as u16)
        };
        let sizes = [
            size("active view size", self.active, active)?,
            size("passive view size", self.passive, passive)?,
        ];
        ParameterError::new("PRWL", self.prwl.into(), "steps", "at most ARWL")
            .unless(self.prwl <= self.arwl)?;
        let told = self.shuffle_active.saturating_add(self.shuffle_passive);
        ParameterError::new("ka + kp", told as f64, "peers", "at most 16")
            .unless(told <= SHUFFLE_MAX)?;
        ParameterError::new("shuffle TTL", self.shuffle_ttl.into(), "steps", "at least 1")
            .unless(self.shuffle_ttl >= 1)?;
        ParameterError::new("silence", self.silence.into(), "rounds", "at least 1")
            .unless(self.silence >= 1)?;
        ParameterError::new("shuffle pause", self.shuffle_pause.into(), "rounds", "at least 1")
            .unless(self.shuffle_pause >= 1)?;
        let bound = "1 to the silence";
        ParameterError::new("keep-alive", self.keep_alive.into(), "rounds", bound)
            .unless((1..=self.silence).contains(&self.keep_alive))?;
        let patience = self.patience.as_micros();
        ParameterError::new("patience", patience as f64, "microseconds", "above 0")
            .unless(patience > 0)?;
        Ok(sizes)
    }
}
