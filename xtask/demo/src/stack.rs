//! The stack of the demo: every style of gossip, composed once.
//!
//! The same type runs in the simulators, where peers are numbers, and on sockets, where they are
//! addresses: `tests/drivers.rs` proves it.

use std::time::Duration;

use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{Blob, ParameterError, PeerId, stack};
use gossip_dissem::RumorMongering;
use gossip_dissem::rumor;
use gossip_entropy::Replica;
use gossip_entropy::blobs::{self, Blobs};
use gossip_overlay::slicing::{Jk, Profile, Slices, jk};
use gossip_overlay::{Chord, RingRank, TMan, chord, tman};

/// Peers in a view (Cyclon's c). Our choice: links to the dead are gone after about 1.5 c rounds.
pub const VIEW: usize = 12;

/// Descriptors in a message of the ring (T-Man's m): what the authors' code has.
pub const RING: usize = 20;

/// Bytes of a rumor.
pub const RUMOR: usize = 512;

/// Bytes of a key of the replica.
pub const KEY: usize = 32;

/// Bytes of a value of the replica.
pub const VALUE: usize = 128;

/// Bytes of what does not fit a datagram. Our choice: half of what is asked for at once.
pub const LARGE: usize = 32 << 10;

/// Slices that nodes sort themselves into. Our choice: eight nodes in each by default.
pub const SLICES: u32 = 4;

stack! {
    /// What each node of the demo runs.
    #[derive(Debug)]
    pub struct Demo<I: PeerId> {
        /// Who is there; descriptors tell what the slices sort by.
        #[uses(slices)]
        peers: Cyclon<I, VIEW, Profile>,
        /// A ring of all nodes.
        #[uses(peers)]
        ring: TMan<I, RingRank, RING>,
        /// Whom on it a key belongs to.
        #[uses(ring)]
        routes: Chord<I>,
        /// The mean of what the nodes measure.
        #[uses(peers)]
        mean: Average<I>,
        /// How many nodes there are.
        #[uses(peers)]
        count: Count<I>,
        /// Which quarter of the nodes this one is in, by what it measures.
        #[uses(peers)]
        slices: Jk<I>,
        /// News for everybody.
        #[uses(peers)]
        news: RumorMongering<I, Blob<RUMOR>>,
        /// A store that every node holds whole.
        #[uses(peers)]
        data: Replica<I, KEY, VALUE>,
        /// What does not fit a datagram; on sockets it goes by lanes.
        #[uses(peers)]
        large: Blobs<I, LARGE>,
    }
}

/// What the layers need to know of the network they run on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How long an exchange waits for its reply: above a round trip, below a period.
    pub patience: Duration,
    /// Rounds of an aggregation epoch (the paper's gamma).
    pub epoch: u32,
    /// The share of datagrams that is lost, from 0 to 0.5.
    pub loss: f64,
}

impl Settings {
    /// For rounds of `tick` on a network that loses this share of datagrams.
    ///
    /// Half a tick of patience, far above a round trip on loopback, so that a reply is late only
    /// if the machine stands still; epochs as long as [`epoch`] says.
    pub fn new(tick: Duration, loss: f64) -> Self {
        Self { patience: tick / 2, epoch: epoch(loss), loss }
    }

    /// A node that measured `input` before it started.
    ///
    /// # Errors
    ///
    /// If a setting is out of a layer's bounds, or `input` is not finite.
    pub fn node<I: PeerId>(&self, input: f64) -> Result<Demo<I>, ParameterError> {
        let Self { patience, epoch, loss } = *self;
        let ring = tman::Config::new(RingRank::hashed()).strikes(strikes(loss));
        let mean = push_pull::Config::founding(Mean::of(input)?).epoch(epoch);
        let leaders = Leaders::expecting(LEADERS, 1.0)?;
        let count = push_pull::Config::founding(leaders).epoch(epoch);
        Ok(Demo::new(
            Cyclon::new(cyclon::Config::default())?.patience(patience)?,
            TMan::new(ring)?.patience(patience)?,
            Chord::new(chord::Config { patience, ..chord::Config::default() })?,
            Average::new(mean)?.patience(patience)?,
            Count::new(count)?.patience(patience)?,
            Jk::new(jk::Config { attribute: input, slices: Slices::equal(SLICES)? })?
                .patience(patience)?,
            RumorMongering::new(rumor::Config::push_pull(INTEREST))?,
            Replica::new(gossip_entropy::Config::default())?,
            Blobs::new(blobs::Config { patience, ..blobs::Config::default() })?,
        ))
    }
}

/// Leaders expected in an epoch of the count (the paper's C): at most half of what a node keeps.
/// After a third of the nodes died 8 are left on average, and none in one of 30,000 epochs.
const LEADERS: f64 = 12.0;

/// Useless contacts in a row after which a node no longer spreads a rumor (the paper's k). Each one
/// more divides the share of nodes that never hear by about ten: far beyond what a demo can show.
const INTEREST: u16 = 8;

/// Rounds of an epoch: the paper's 30, and more where exchanges are lost, since one that fails
/// does not bring estimates closer.
pub fn epoch(loss: f64) -> u32 {
    (f64::from(push_pull::GAMMA) / (1.0 - loss)).round() as u32
}

/// Unanswered requests in a row after which the ring takes a peer for dead: T-Man's 3, and so many
/// that a live one is buried in one case of a hundred at most.
fn strikes(loss: f64) -> u32 {
    let unanswered = 1.0 - (1.0 - loss) * (1.0 - loss);
    let (mut strikes, mut buried) = (3, unanswered * unanswered * unanswered);
    while buried > 0.01 {
        buried *= unanswered;
        strikes += 1;
    }
    strikes
}
