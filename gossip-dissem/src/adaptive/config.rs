//! Parameters of adaptive dissemination.
//!
//! Not a protocol: the parameters of the one in `adaptive.rs`.

use core::time::Duration;

use gossip_core::ParameterError;

use crate::seen::Limits;

/// Parameters of adaptive dissemination, checked when the protocol is built from them.
///
/// ```
/// use gossip_dissem::adaptive::{Config, State};
/// use gossip_dissem::hierarchy::LeafBoxes;
///
/// let boxes = LeafBoxes::new(4, 3)?;
/// assert!(State::<u32, u64>::new(boxes, Config { tries: 3, ..Config::default() }).is_ok());
/// let error = State::<u32, u64>::new(boxes, Config { tries: 0, ..Config::default() });
/// let error = error.unwrap_err().to_string();
/// assert_eq!(error, "tries is 0 sendings; it must be at least 1");
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long an acknowledgement may take: more than a round trip.
    pub timeout: Duration,
    /// How often a value is sent to one member of a box before another is tried.
    pub tries: u8,
    /// Members of a box that are tried before it is left to gossip.
    pub members: u8,
    /// Rounds that a publication is left to the tree before its name is gossiped.
    pub rest: u16,
    /// Rounds after that in which its name is gossiped.
    pub gossip: u16,
    /// Values kept for those who ask. At the bound the one that came first gives way.
    pub store: usize,
    /// Acknowledgements that are waited for. What is sent beyond them is sent once.
    pub pending: usize,
    /// A publication is taken in and passed on up to this age, in rounds.
    pub age: u16,
    /// New publications a round that are taken in, and of its own that a node publishes.
    pub intake: usize,
    /// New publications a round that are taken in from one peer.
    pub share: usize,
    /// Identifiers remembered, at least the intake times two more than the age.
    pub memory: usize,
}

impl Default for Config {
    /// Ours: an acknowledgement within 200 ms, for round trips of up to 160; three sendings to one
    /// member, so that a link that loses 5 % of datagrams leads past a member that lives once in
    /// 1,000 times, and three members of a box; two rounds for the tree, and 16 of gossip, which is
    /// twice what spreads by pull among 10^4. Tables as those of Plumtree.
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            tries: 3,
            members: 3,
            rest: 2,
            gossip: 16,
            store: 1_024,
            pending: 4_096,
            age: 64,
            intake: 64,
            share: 64,
            memory: 8_192,
        }
    }
}

impl Config {
    pub(super) const fn limits(&self) -> Limits {
        let Self { age, intake, share, memory, .. } = *self;
        Limits { age, intake, share, memory }
    }

    pub(super) fn check(&self) -> Result<(), ParameterError> {
        ParameterError::new("timeout", self.timeout.as_secs_f64(), "seconds", "above 0")
            .unless(!self.timeout.is_zero())?;
        let bounds = [
            ("tries", usize::from(self.tries), "sendings"),
            ("members", usize::from(self.members), "members"),
            ("rest", usize::from(self.rest), "rounds"),
            ("store", self.store, "values"),
        ];
        crate::spread::at_least_one(&bounds)?;
        self.limits().check()
    }
}
