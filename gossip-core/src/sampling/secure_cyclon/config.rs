//! Parameters of SecureCyclon.
//!
//! Not a protocol: what [`SecureCyclon`](super::SecureCyclon) is made from.

use core::time::Duration;

use crate::error::ParameterError;
use crate::exchange::PATIENCE;
use crate::sampling::descriptor::view_size;

/// Parameters of SecureCyclon. All nodes of a network should have the same `period`.
///
/// ```
/// use gossip_core::auth::Authority;
/// use gossip_core::sampling::{SecureCyclon, secure_cyclon::Config};
///
/// let authority = Authority::new(1);
/// let make = |config| SecureCyclon::<u32, _, 20>::new(config, authority.signer(7));
/// assert!(make(Config::default()).is_ok());
/// assert!(make(Config { swaps: 0, ..Config::default() }).is_err());
/// assert!(make(Config { size: Some(21), ..Config::default() }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Descriptors in the view, from 1 to the capacity `C`. The capacity itself by default.
    pub size: Option<usize>,
    /// Descriptors that change hands in an exchange, each way, from 1 to 16 and at most the view:
    /// the paper's s. More spread a cheat's clones before they are found.
    pub swaps: usize,
    /// Redeemed descriptors kept to be shown to others, at most 64: the paper's r.
    pub redeemed: usize,
    /// Descriptors shown in an exchange, each way, at most 1,024. 0 shows none, and finds only
    /// those cheats whose clones meet in one view.
    pub samples: usize,
    /// Samples kept to compare others with, from 1 to 1,024.
    pub memory: usize,
    /// Visitors served per round who redeem nothing: newcomers, and nodes with gaps in their views.
    pub guests: u16,
    /// Each node makes one descriptor in this time: the time between rounds, from 1 ms to a day.
    pub period: Duration,
    /// Periods after which a descriptor is void, at least the view's size. Four times that by
    /// default.
    pub life: Option<u32>,
    /// Periods that clocks may be apart.
    pub skew: u32,
    /// Culprits remembered, from 1 to 65,536; above that, one at random is forgotten.
    pub culprits: usize,
    /// How long to wait for each answer, from 1 ms to an hour.
    pub patience: Duration,
}

impl Default for Config {
    /// The paper's s = 3 and r = 5, and whole views of 20 as samples; what it leaves open is our
    /// choice.
    fn default() -> Self {
        Self {
            size: None,
            swaps: 3,
            redeemed: 5,
            samples: 25,
            memory: 40,
            guests: 3,
            period: Duration::from_secs(1),
            life: None,
            skew: 3,
            culprits: 1_024,
            patience: PATIENCE,
        }
    }
}

impl Config {
    /// The same with the sizes filled in, if they are in bounds for views of `capacity`.
    pub(super) fn checked(self, capacity: usize) -> Result<Self, ParameterError> {
        let size = usize::from(view_size(self.size, capacity)?);
        let within = |name, value: usize, least: usize, most: usize, unit, bound| {
            let error = ParameterError::new(name, value as f64, unit, bound);
            error.unless((least..=most).contains(&value))
        };
        let bound = "from 1 to 16, and at most the view size";
        within("swaps s", self.swaps, 1, size.min(16), "descriptors", bound)?;
        within("redemption cache r", self.redeemed, 0, 64, "descriptors", "at most 64")?;
        within("samples", self.samples, 0, 1_024, "descriptors", "at most 1,024")?;
        within("memory", self.memory, 1, 1_024, "descriptors", "from 1 to 1,024")?;
        within("culprits", self.culprits, 1, 65_536, "keys", "from 1 to 65,536")?;
        let life = self.life.unwrap_or(4 * size as u32);
        ParameterError::new("life", f64::from(life), "periods", "at least the view size")
            .unless(life as usize >= size)?;
        let day = Duration::from_secs(86_400);
        for (name, time, most, bound) in [
            ("period", self.period, day, "from 0.001 to 86,400, a day"),
            ("patience", self.patience, day / 24, "from 0.001 to 3,600, an hour"),
        ] {
            ParameterError::new(name, time.as_secs_f64(), "seconds", bound)
                .unless((Duration::from_millis(1)..=most).contains(&time))?;
        }
        Ok(Self { size: Some(size), life: Some(life), ..self })
    }
}
