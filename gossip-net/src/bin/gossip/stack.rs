//! What an agent runs: every style of gossip, composed once.
//!
//! Not a protocol: a stack of protocols, and their parameters.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull};
use gossip_core::membership::{self, Swim};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{Blob, Card, Finite, ParameterError, PeerId, Protocol, message, stack};
use gossip_dissem::{RumorMongering, rumor};
use gossip_entropy::Replica;
use gossip_entropy::blobs::{self, Blobs};
use gossip_overlay::slicing::{Jk, Profile, Slices, jk};
use gossip_overlay::{RingRank, TMan, tman};

/// Peers in a view (Cyclon's c). Our choice: with 20, an overlay of thousands stays connected.
pub(crate) const VIEW: usize = 20;

/// Descriptors in a message of the ring (T-Man's m): what the authors' code has.
const RING: usize = 20;

/// Bytes of a node's name.
pub(crate) const NAME: usize = 32;

/// Bytes of a topic.
pub(crate) const TOPIC: usize = 32;

/// Bytes of a text that is published.
pub(crate) const TEXT: usize = 512;

/// Bytes of a key of the store.
pub(crate) const KEY: usize = 64;

/// Bytes of a value of the store.
pub(crate) const VALUE: usize = 512;

/// Bytes of what does not fit a datagram: of a value of the store, or a text that is published and
/// what names it. Our choice: some 64 datagrams.
pub(crate) const LARGE: usize = 64 << 10;

/// Slices that nodes sort themselves into, by load. Our choice.
pub(crate) const SLICES: u32 = 4;

/// Useless contacts in a row after which a node no longer spreads a rumor (the paper's k): a rumor
/// misses a node in fewer than one case of 10^7.
const INTEREST: u16 = 8;

/// Periods without a direct answer after which it is told who does not hear whom: where a tenth of
/// all datagrams is lost, it is told by chance in 2 of 10^6 cases.
const UNHEARD: u8 = 8;

/// What a node calls itself.
pub(crate) type Name = Blob<NAME>;

/// An agent's commands.
pub(crate) type Asked = <Agent<SocketAddr> as Protocol>::Command;

/// An agent's events.
pub(crate) type Told = <Agent<SocketAddr> as Protocol>::Event;

message! {
    /// What is published.
    #[derive(PartialEq)]
    pub(crate) struct News {
        /// What it is about; may be empty.
        pub(crate) topic: Blob<TOPIC>,
        /// What it says.
        pub(crate) text: Blob<TEXT>,
    }
}

stack! {
    /// What each agent runs.
    #[derive(Debug)]
    pub(crate) struct Agent<I: PeerId> {
        /// What this node tells of itself.
        card: Card<I, Name>,
        /// Who is a member, and who has failed.
        #[uses(card)]
        members: Swim<I, Name>,
        /// A few random peers; descriptors tell what the slices sort by.
        #[uses(slices)]
        peers: Cyclon<I, VIEW, Profile>,
        /// A ring of all nodes.
        #[uses(peers)]
        ring: TMan<I, RingRank, RING>,
        /// The mean load.
        #[uses(peers)]
        mean: Average<I>,
        /// How many nodes there are.
        #[uses(peers)]
        count: Count<I>,
        /// Which quarter of the nodes this one is in, by load.
        #[uses(peers)]
        slices: Jk<I>,
        /// News for everybody.
        #[uses(peers)]
        news: RumorMongering<I, News>,
        /// A store that every node holds whole.
        #[uses(peers)]
        data: Replica<I, KEY, VALUE>,
        /// What the store and the news name, since it does not fit a datagram.
        #[uses(peers)]
        large: Blobs<I, LARGE>,
    }
}

message! {
    /// What a node begins with: all that one must know to make its stack again.
    pub(crate) struct Start {
        /// What it is called.
        pub(crate) name: Name,
        /// The period of its rounds, in microseconds.
        pub(crate) tick_micros: u64,
        /// The load as it was measured first.
        pub(crate) load: Finite,
        /// The incarnation, from the node's earlier life.
        pub(crate) incarnation: u32,
        /// Whether there are others already: then it sits out the epochs that are under way.
        pub(crate) joins: bool,
    }
}

impl Start {
    /// The stack. An answer is waited for half a tick, far above a round trip where ticks are of a
    /// second. What conserves mass waits for two: a late answer is mass lost there, and rounds that
    /// are skipped meanwhile only cost speed, of which an epoch has enough. Once, on a busy
    /// machine, counts of 500 nodes were a quarter wrong: most likely by that, as simulated ones
    /// are.
    pub(crate) fn stack<I: PeerId>(self) -> Result<Agent<I>, ParameterError> {
        let Self { name, tick_micros, load, incarnation, joins } = self;
        let (tick, load) = (Duration::from_micros(tick_micros), load.get());
        let patience = tick / 2;
        let defaults = membership::Config::default();
        let members = membership::Config {
            period: tick,
            timeout: patience,
            incarnation,
            unheard: UNHEARD,
            ..defaults
        };
        let (mean, count) = (Mean::of(load)?, Leaders::default());
        let (mean, count) = if joins {
            (push_pull::Config::joining(mean), push_pull::Config::joining(count))
        } else {
            (push_pull::Config::founding(mean), push_pull::Config::founding(count))
        };
        Ok(Agent::new(
            Card::of(name),
            Swim::new(members)?,
            Cyclon::new(cyclon::Config::default())?.patience(patience)?,
            TMan::new(tman::Config::new(RingRank::hashed()))?.patience(patience)?,
            Average::new(mean)?.patience(tick * 2)?,
            Count::new(count)?.patience(tick * 2)?,
            Jk::new(jk::Config { attribute: load, slices: Slices::equal(SLICES)? })?
                .patience(patience)?,
            RumorMongering::new(rumor::Config::push_pull(INTEREST))?,
            Replica::new(gossip_entropy::Config::default())?,
            Blobs::new(blobs::Config {
                patience: patience.max(Duration::from_millis(1)),
                ..blobs::Config::default()
            })?,
        ))
    }
}
