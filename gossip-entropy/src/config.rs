//! Not a protocol: the parameters of a replica.

use core::fmt;
use core::time::Duration;

use gossip_core::ParameterError;

use crate::budget::PEERS;
use crate::message::SITES;
use crate::tree::MOST;

const DAY: u64 = 86_400;

/// A key for the hashes of keys and entries, the same at all replicas of a group.
///
/// With the default, whoever may write can search for entries whose hashes cancel, so that replicas
/// that differ seem equal, or for keys that share a hash. It is not shown by `Debug`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret(pub [u64; 2]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Parameters of a replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The most keys, deleted and dormant ones and those set aside included. When they are there,
    /// new keys are refused, those of the owner with [`Refusal::Full`](gossip_core::Refusal::Full),
    /// those of peers counted as `store full`; known keys can still be written and deleted.
    pub capacity: usize,
    /// The furthest a stamp may lie ahead of this node's wall clock; beyond it, entries are refused
    /// and counted as `stamp too far ahead`. A peer whose clock runs further ahead is not heard
    /// until time has caught up with it.
    pub ahead: Duration,
    /// The most messages of entries that are sent in one exchange to a peer that lacks them, and
    /// again to one that asks for them. With the default of 32, that is 36 kB each. A peer has at
    /// most two exchanges with us in a round, one opened by each side, and at most eight peers are
    /// served in a round.
    pub page: u16,
    /// The most messages that are sent in one exchange for each level of the digest tree, for lists
    /// at each level, and for requests.
    pub probe: u16,
    /// Whether sketches are kept (194 KiB, and .6 us a write), so that a difference that is small
    /// beside the store is found in one round trip: see [`Replica`](crate::Replica). Replicas with
    /// and without them understand each other.
    pub sketches: bool,
    /// How long the first answer to a question may take: somewhat more than a round trip. Later
    /// ones are expected as soon as the first one came. With sketches only.
    pub patience: Duration,
    /// Exchanges that peers may open with this node in a round (the paper's connection limit): 1 to
    /// 8. Who comes when they are spent is told so.
    pub limit: u8,
    /// How many other partners a node tries in a round after one that refuses it (the paper's hunt
    /// limit).
    pub hunt: u8,
    /// How often an update rides ahead of the comparison; 0: never, and only the comparison spreads
    /// it.
    pub copies: u8,
    /// How long an update is news (the paper's tau): longer than it takes to reach everybody.
    pub tau: Duration,
    /// How long everybody keeps the certificate of a deletion (the paper's tau1), from its
    /// activation: longer than an update takes to reach everybody, and than clocks differ.
    pub tau1: Duration,
    /// How long its retention sites keep it after that (the paper's tau2). What was deleted longer
    /// ago may come back from a replica that slept through all that; so such a one sets it aside:
    /// see [`Replica::rejoin`](crate::Replica::rejoin).
    pub tau2: Duration,
    /// How many retention sites a deletion names (the paper's r); 0 to 4.
    pub sites: u8,
    /// Keys the hashes; the same at all replicas.
    pub secret: Secret,
}

impl Default for Config {
    /// All our choice: 2^20 keys; stamps up to 10 minutes ahead; 32 messages of entries each way,
    /// and 16 of each other kind, which settle some 500 differences of 100 bytes in an exchange; no
    /// sketches; half a second of patience; 8
    /// exchanges opened by peers, and one more partner after a refusal;
    /// updates ride 4 times (a blind push with that counter leaves 2 % without them, paper section
    /// 1.4, and the comparison does the rest) for a minute; deletions for 15 days everywhere, and
    /// for 1,125 more at 4 sites, which with 300 nodes takes the room of 30 days everywhere (paper,
    /// section 2.2).
    fn default() -> Self {
        Self {
            capacity: 1 << 20,
            ahead: Duration::from_secs(600),
            page: 32,
            probe: 16,
            sketches: false,
            patience: Duration::from_millis(500),
            limit: PEERS as u8,
            hunt: 1,
            copies: 4,
            tau: Duration::from_secs(60),
            tau1: Duration::from_secs(15 * DAY),
            tau2: Duration::from_secs(1_125 * DAY),
            sites: SITES as u8,
            secret: Secret::default(),
        }
    }
}

impl Config {
    /// Checks all that has bounds.
    pub(crate) fn check(&self) -> Result<(), ParameterError> {
        let Self { capacity, page, probe, limit, sites, .. } = *self;
        ParameterError::new("capacity", capacity as f64, "keys", "1 to 2^30")
            .unless((1..=MOST).contains(&capacity))?;
        ParameterError::new("page", f64::from(page), "messages", "at least 1").unless(page >= 1)?;
        ParameterError::new("probe", f64::from(probe), "messages", "at least 1")
            .unless(probe >= 1)?;
        ParameterError::new("limit", f64::from(limit), "exchanges", "1 to 8")
            .unless((1..=PEERS).contains(&usize::from(limit)))?;
        ParameterError::new("sites", f64::from(sites), "nodes", "0 to 4")
            .unless(usize::from(sites) <= SITES)
    }

    /// How long a deletion is remembered anywhere, in microseconds.
    pub(crate) fn retention(&self) -> [u64; 2] {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        [micros(self.tau1), micros(self.tau1.saturating_add(self.tau2))]
    }
}
