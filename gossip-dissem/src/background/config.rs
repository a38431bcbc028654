//! Parameters of background dissemination.
//!
//! Not a protocol: the parameters of the one in `background.rs`.

use gossip_core::ParameterError;

/// Parameters of background dissemination.
///
/// ```
/// use gossip_dissem::background::{Config, State};
///
/// assert!(State::<u32, u64>::new(Config { budget: 100, ..Config::default() }).is_ok());
/// let error = State::<u32, u64>::new(Config { budget: 8, ..Config::default() }).unwrap_err();
/// assert_eq!(error.to_string(), "budget is 8 bytes a round; it must be room for one entry");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes a node sends in a round, frames included, datagram headers not: room for the longest
    /// entry at least.
    pub budget: usize,
    /// Rounds after which what a node said of itself is dropped, at least 1.
    pub expiry: u16,
    /// Nodes of which something is held. At the bound the oldest entry gives way to a younger one.
    pub entries: usize,
    /// New origins taken in a round; more come again.
    pub intake: usize,
    /// Whether room that is left in datagrams of other layers is used, too, beyond the budget.
    pub piggyback: bool,
}

impl Default for Config {
    /// Ours: about a datagram a round; 1024 nodes, and time for each of them to come round several
    /// times at 20 bytes an entry.
    fn default() -> Self {
        Self { budget: 1_000, expiry: 300, entries: 1_024, intake: 256, piggyback: false }
    }
}

impl Config {
    pub(super) fn check(&self, longest: usize) -> Result<(), ParameterError> {
        ParameterError::new("budget", self.budget as f64, "bytes a round", "room for one entry")
            .unless(self.budget >= longest)?;
        let bounds = [
            ("expiry", usize::from(self.expiry), "rounds", "1 to 65535"),
            ("entries", self.entries, "entries", "at least 1"),
            ("intake", self.intake, "origins a round", "at least 1"),
        ];
        for (parameter, value, unit, bound) in bounds {
            ParameterError::new(parameter, value as f64, unit, bound).unless(value >= 1)?;
        }
        Ok(())
    }
}
