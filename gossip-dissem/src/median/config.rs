//! Parameters of median-counter rumors.
//!
//! Not a protocol: the parameters of the one in `median.rs`.

use gossip_core::ParameterError;

use crate::seen::Limits;

/// Parameters of median-counter rumors, checked when the protocol is built from them.
///
/// ```
/// use gossip_dissem::median::{Config, State};
///
/// assert!(State::<u32, u64>::new(Config::default().linger(4)).is_ok());
/// let error = State::<u32, u64>::new(Config::default().limit(0)).unwrap_err();
/// assert_eq!(error.to_string(), "counter limit is 0 stages; it must be 1 to 65535");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) limit: u16,
    pub(super) linger: u16,
    pub(super) hot: usize,
    pub(super) batch: usize,
    pub(super) limits: Limits,
}

impl Default for Config {
    /// The paper asks for O(ln ln n) of each. With a limit of 2 and 3 rounds of lingering one run
    /// of 4,000 left anybody out at 10^3 nodes, and none of 320 at 10^4 and 10^5; with 1 and 2
    /// many did. Tables as those of rumor mongering.
    fn default() -> Self {
        let limits = Limits { age: 64, intake: 64, share: 8, memory: 8_192 };
        Self { limit: 2, linger: 3, hot: 128, batch: 32, limits }
    }
}

impl Config {
    /// The counter m at which a rumor enters stage C: the paper's ctr_max. Default 2.
    pub const fn limit(mut self, stages: u16) -> Self {
        self.limit = stages;
        self
    }

    /// Rounds in stage C. Default 3.
    pub const fn linger(mut self, rounds: u16) -> Self {
        self.linger = rounds;
        self
    }

    /// Spreads at most this many rumors at a time; the one that came first makes room. Default 128.
    pub const fn hot(mut self, rumors: usize) -> Self {
        self.hot = rumors;
        self
    }

    /// Sends at most this many rumors in one contact, those that came last first. Default 32.
    pub const fn batch(mut self, rumors: usize) -> Self {
        self.batch = rumors;
        self
    }

    /// A rumor is not passed on when this many rounds have gone by since it was published. Default
    /// 64.
    pub const fn age(mut self, rounds: u16) -> Self {
        self.limits.age = rounds;
        self
    }

    /// Takes in at most this many new rumors a round, from all peers together. Default 64.
    pub const fn intake(mut self, rumors: usize) -> Self {
        self.limits.intake = rumors;
        self
    }

    /// Takes in at most this many new rumors a round from one peer. Default 8.
    pub const fn share(mut self, rumors: usize) -> Self {
        self.limits.share = rumors;
        self
    }

    /// Remembers the identifiers of the last so many rumors, at least the intake times two more
    /// than the age. Default 8192.
    pub const fn memory(mut self, ids: usize) -> Self {
        self.limits.memory = ids;
        self
    }

    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let bounds = [
            ("counter limit", usize::from(self.limit), "stages", "1 to 65535"),
            ("linger", usize::from(self.linger), "rounds", "1 to 65535"),
            ("hot rumors", self.hot, "rumors", "at least 1"),
            ("batch", self.batch, "rumors", "at least 1"),
        ];
        for (parameter, value, unit, bound) in bounds {
            ParameterError::new(parameter, value as f64, unit, bound).unless(value >= 1)?;
        }
        self.limits.check()
    }
}
