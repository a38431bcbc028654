//! Not a protocol: the parameters of blobs.

use core::time::Duration;

use gossip_core::ParameterError;

use super::message::SPAN;
use crate::config::Secret;

/// The most fetches at once.
const FETCHES: usize = 64;

/// Parameters of [`Blobs`](super::Blobs).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The most bytes of all blobs, those that are wanted included, with
    /// [`OVERHEAD`](super::OVERHEAD) for each.
    pub capacity: usize,
    /// The most chunks that a question asks for, and that answer one: 1 to [`SPAN`].
    pub window: u16,
    /// The most chunks that are sent in a round, of which a peer has at most half; and the most
    /// short answers.
    pub traffic: u16,
    /// The most blobs that are fetched at once, 1 to 64; others that are wanted wait.
    pub fetches: usize,
    /// The most peers that are sought for a blob in a round.
    pub hunt: u16,
    /// Rounds without a chunk after which a blob is given up.
    pub rounds: u16,
    /// How long an answer may take: somewhat more than a round trip, at least 1 ms.
    pub patience: Duration,
    /// Keys the hashes; the same at all nodes.
    pub secret: Secret,
}

impl Default for Config {
    /// All our choice: 64 MiB; questions for 64 chunks; 512 chunks a round, so that a peer gets
    /// 256 KiB; four blobs at once; 8 peers sought a round, for 64 rounds; half a second of
    /// patience.
    fn default() -> Self {
        Self {
            capacity: 1 << 26,
            window: 64,
            traffic: 512,
            fetches: 4,
            hunt: 8,
            rounds: 64,
            patience: Duration::from_millis(500),
            secret: Secret::default(),
        }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let Self { capacity, window, traffic, fetches, hunt, rounds, patience, .. } = *self;
        let within = |name, value: usize, unit, bound, most| {
            ParameterError::new(name, value as f64, unit, bound).unless((1..=most).contains(&value))
        };
        within("capacity", capacity, "bytes", "at least 1", usize::MAX)?;
        within("window", window.into(), "chunks", "1 to 256", SPAN)?;
        within("traffic", traffic.into(), "chunks", "at least 1", usize::MAX)?;
        within("fetches", fetches, "blobs", "1 to 64", FETCHES)?;
        within("hunt", hunt.into(), "peers", "at least 1", usize::MAX)?;
        within("rounds", rounds.into(), "rounds", "at least 1", usize::MAX)?;
        ParameterError::new("patience", patience.as_secs_f64(), "seconds", "at least .001")
            .unless(patience >= Duration::from_millis(1))
    }
}
