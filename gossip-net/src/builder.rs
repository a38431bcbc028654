//! From a stack to a running node.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::BuildHasher;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::id::digest;
use gossip_core::node::{self, Config};
use gossip_core::packet::{ClusterId, DATAGRAM};
use gossip_core::random::Key;
use gossip_core::{ParameterError, Protocol};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Stack;
use crate::allowed::AllowList;
use crate::end::Ended;
use crate::handle::{Handle, Shared, Warden};
use crate::hello::{Card, Greeter, VERSIONS};
use crate::keyring::Keyring;
use crate::lane::Lane;
use crate::limits::Limits;
use crate::node_key::NodeKey;
use crate::path::{self, PATH_MTU, Paths};
use crate::presence::Presence;
use crate::proof::Prover;
use crate::sealed::{OVERHEAD, Sealed};
use crate::tape::Tape;
use crate::task::{Bounds, Pace, Task};
use crate::transport::{Transport, canonical, nobody, problem};
use crate::udp::Udp;

/// Where a node begins: [`Node::builder`].
#[derive(Debug)]
pub enum Node {}

impl Node {
    /// A builder of a node that runs `stack`. Everything else has a default: the default cluster,
    /// any free port on loopback, no contact, a round a second.
    pub fn builder<S: Stack>(stack: S) -> Builder<S> {
        Builder {
            stack,
            place: Place::Bind(([127, 0, 0, 1], 0).into()),
            advertise: None,
            keys: None,
            plaintext: false,
            cluster: ClusterId::default(),
            contacts: Vec::new(),
            tick: TICK,
            jitter: JITTER,
            phase: None,
            seed: None,
            mtu: DATAGRAM,
            path_mtu: PATH_MTU,
            events: EVENTS,
            limits: Limits::default(),
            capabilities: 0,
            lane: None,
            record: None,
            node_key: None,
            allow: None,
        }
    }
}

/// A round a second: the period of most of the papers' deployments, and far above a round trip.
pub const TICK: Duration = Duration::from_secs(1);

/// Rounds come up to a tenth of a tick early or late, so that nodes started together drift apart.
/// Our choice.
pub const JITTER: f64 = 0.1;

/// Events kept for an owner who is slow. Our choice.
pub const EVENTS: usize = 1_024;

/// Commands that wait for the node before callers do. Our choice.
const COMMANDS: usize = 64;

/// The most contacts. Our choice: each is asked in turn.
pub(crate) const CONTACTS: usize = 256;

enum Place {
    Bind(SocketAddr),
    Over(Box<dyn Transport>),
}

/// What a node is to be. See [`Node::builder`].
pub struct Builder<S> {
    stack: S,
    place: Place,
    advertise: Option<SocketAddr>,
    keys: Option<Keyring>,
    plaintext: bool,
    cluster: ClusterId,
    contacts: Vec<SocketAddr>,
    tick: Duration,
    jitter: f64,
    phase: Option<Duration>,
    seed: Option<u64>,
    mtu: usize,
    path_mtu: usize,
    events: usize,
    limits: Limits,
    capabilities: u16,
    lane: Option<Box<dyn Lane>>,
    record: Option<Record>,
    node_key: Option<NodeKey>,
    allow: Option<AllowList>,
}

/// Where a node is recorded: to what, how many bytes at most, and with which words about it.
struct Record {
    out: Box<dyn Write + Send>,
    most: u64,
    about: Vec<u8>,
}

impl<S: Stack> Builder<S> {
    /// Binds a UDP socket to `addr`; port 0 is any that is free.
    pub fn bind(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.place = Place::Bind(addr.into());
        self
    }

    /// Uses this transport instead of a UDP socket of its own.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.place = Place::Over(Box::new(transport));
        self
    }

    /// The address by which peers reach this node, where it is not the one it is bound to: needed
    /// for a socket bound to all of a host's addresses (`0.0.0.0`, `[::]`), or behind a forwarded
    /// port. Port 0 is the bound one.
    ///
    /// The datagrams that peers receive must come from this very address, since that is how they
    /// know their sender: a translation that changes the source port at will does not do.
    pub fn advertise(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.advertise = Some(addr.into());
        self
    }

    /// Seals every datagram by the secret in use of `keys`, and refuses those that are not sealed
    /// by
    /// one of its secrets, or were said before, to others, or from another address than that of the
    /// node that made them: 32 bytes a datagram. All nodes of a cluster need the same secret, and
    /// must be told each other's addresses as they are advertised. A node that starts anew does not
    /// know what it was told in its earlier life, and could be told it again.
    pub fn keys(mut self, keys: &Keyring) -> Self {
        self.keys = Some(keys.clone());
        self
    }

    /// Proves by `key` who this node is, to peers that ask for it.
    pub fn node_key(mut self, key: &NodeKey) -> Self {
        self.node_key = Some(key.clone());
        self
    }

    /// Takes in nothing from a peer, and sends nothing to it, before it has proved to hold a key of
    /// `list`; then for [`PROOF_LIFE`](crate::PROOF_LIFE), and no longer than the key is there.
    /// What is refused is counted by cause. For up to [`KNOWN`](crate::KNOWN) peers at a time.
    ///
    /// A proof is of a peer's address. It keeps a member out whose key was taken off the list, or
    /// one with the [secret](Self::keys) alone, as long as it is at an address of its own. It does
    /// not keep one out who knows the secret *and* sends from the address of a node that is
    /// allowed, until that node's next proof is due: datagrams are sealed by the secret that all
    /// share. Without [keys](Self::keys) that holds for everybody who can send from that address.
    pub fn allow(mut self, list: &AllowList) -> Self {
        self.allow = Some(list.clone());
        self
    }

    /// Lets the node bind an address that others than this host reach, although it has no keys: on
    /// a network that can be trusted.
    pub const fn plaintext(mut self) -> Self {
        self.plaintext = true;
        self
    }

    /// The cluster's name: datagrams of others are dropped and counted. Without [keys](Self::keys)
    /// it keeps systems apart by mistake, not by malice.
    pub fn cluster(mut self, name: &str) -> Self {
        self.cluster = ClusterId::named(name);
        self
    }

    /// A peer to talk to first. May be given several times.
    pub fn contact(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.contacts.push(addr.into());
        self
    }

    /// Peers to talk to first, besides those given already.
    pub fn contacts(mut self, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.contacts.extend(addrs);
        self
    }

    /// The period of rounds, from a millisecond to an hour; [`TICK`] by default. The stack's
    /// patience with a reply must be below it.
    pub const fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// How much of a tick a round may come early or late, from 0 to 0.5; [`JITTER`] by default.
    pub const fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// When the first round is run, up to a tick after the start; random by default.
    pub const fn phase(mut self, after: Duration) -> Self {
        self.phase = Some(after);
        self
    }

    /// Where the node's randomness comes from; the system's by default. Nodes may share a seed:
    /// each mixes in its identifier.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The most bytes of a datagram, headers of UDP and below not included, nor what
    /// [keys](Self::keys) add; [`DATAGRAM`] by default. Longer ones that come are dropped and
    /// counted, unless they have at most [`DATAGRAM`] bytes, or the node searches for a longer
    /// [`path_mtu`](Self::path_mtu).
    pub const fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes;
        self
    }

    /// The longest packet, headers of IP and UDP included, that the way to a peer is searched for,
    /// from 1,280 (IPv6's least: no search) to 65,535; [`PATH_MTU`] by default.
    ///
    /// Only what has come through to a peer is used, only to it, and only to join datagrams that
    /// leave for it together; a way that would not be used so is not searched. Probes are of the
    /// driver: one a round at most, three of a size that does not come through, and one each ten
    /// seconds while it is used. What peers send is taken in up to this length. See
    /// [`Handle::path_mtu`].
    pub const fn path_mtu(mut self, bytes: usize) -> Self {
        self.path_mtu = bytes;
        self
    }

    /// How many events are kept for a slow owner, from 1 to 1,048,576; [`EVENTS`] by default.
    pub const fn events(mut self, capacity: usize) -> Self {
        self.events = capacity;
        self
    }

    /// Hard caps on what the node sends and takes in, in all, for each peer and each layer. By
    /// default there are none.
    ///
    /// What may not be sent yet waits, for a bounded time and in bounded memory; what is shed,
    /// and what came above a cap, is counted by cause, under the layer's name or the driver's. What
    /// still waits when the node leaves is not sent: let the layer that says good-bye be of
    /// [control](crate::LayerLimits::control).
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A lane for what does not fit a datagram: see [`lane`](crate::lane). Peers find it at the
    /// address by which they know this node, and its own port.
    pub fn lane(mut self, lane: impl Lane) -> Self {
        self.lane = Some(Box::new(lane));
        self
    }

    /// What this node can do, in bits that mean something to its owner: peers see them in the upper
    /// half of [`PeerInfo::capabilities`](crate::PeerInfo::capabilities), so that what only some
    /// nodes understand is said to these only.
    pub const fn capabilities(mut self, bits: u16) -> Self {
        self.capabilities = bits;
        self
    }

    /// Records all that the node is given, to `out`, from its start on, for `most` bytes, so that
    /// [`Replay`](gossip_core::flight::Replay) can do it again: some 50 bytes a round, and each
    /// datagram that comes with 15 more. `about` is what one must know to make the same stack
    /// again, up to [`ABOUT`](gossip_core::flight::ABOUT) bytes.
    ///
    /// It is written once a round or oftener, by the node's task: to something that blocks for long
    /// it should not be. If it cannot be written, or is full, the node goes on without, and counts
    /// `recording cannot be written` or `recording full`. What was recorded until then is whole.
    ///
    /// All that peers and the owner say is in it, in clear.
    pub fn record(
        mut self,
        out: impl Write + Send + 'static,
        most: u64,
        about: impl Into<Vec<u8>>,
    ) -> Self {
        self.record = Some(Record { out: Box::new(out), most, about: about.into() });
        self
    }

    /// Starts the node, as a task of this tokio runtime. It does not wait for contacts: one that
    /// does not answer shows in [`Handle::status`].
    ///
    /// # Errors
    ///
    /// [`SpawnError`] names what is wrong. Nothing runs then, and nothing stays bound.
    pub async fn spawn(self) -> Result<Handle<S>, SpawnError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(SpawnError::NoRuntime);
        }
        self.check()?;
        let Self { stack, place, advertise, cluster, contacts, tick, jitter, .. } = self;
        let own = matches!(place, Place::Over(_));
        let sheltered = own || self.plaintext || self.keys.is_some();
        let mut transport = place.open().await?;
        let bound = canonical(transport.local_addr().map_err(SpawnError::Transport)?);
        let me = identity(bound, advertise)?;
        if !sheltered && !bound.ip().is_loopback() {
            return Err(SpawnError::Unsealed { bound });
        }
        let contacts = check_contacts(contacts, me, bound)?;
        let seal = if self.keys.is_some() { OVERHEAD } else { 0 };
        if let Some(keys) = self.keys {
            let sealed = Sealed::new(transport, keys, cluster, me);
            transport = Box::new(sealed.map_err(SpawnError::Randomness)?);
        }
        ParameterError::new("mtu", self.mtu as f64, "bytes", "at most what the transport carries")
            .unless(self.mtu <= transport.mtu())?;

        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(me));
        let config = Config { cluster, mtu: self.mtu, seed };
        let node = node::Node::new(me, stack, config)?;
        let tape = self.record.map(|Record { out, most, about }| {
            Tape::begin::<S>(out, most, (me, &config), &about).map_err(SpawnError::Recording)
        });
        let tape = tape.transpose()?;
        // Apart from the stack's own draws, which start from the same seed and identifier.
        let key = Key::new(seed).with(digest(&me)).with(gossip_core::id::hash(b"driver"));
        let pace = Pace { tick, jitter, phase: self.phase };
        let presence = Presence::new(contacts, tick);

        let card = card(self.capabilities, self.lane.as_deref()).map_err(SpawnError::Transport)?;
        let prover = Prover::new(cluster, me, self.node_key, self.allow);
        let greeter = Greeter::new(cluster, card, tick, prover);
        let carried = if transport.may_fragment() { 0 } else { transport.mtu() };
        let paths = Paths::new(cluster, self.mtu, self.path_mtu, (carried, seal));
        let longest = self.mtu.max(DATAGRAM).max(paths.longest());
        let shared = Shared::new(node, self.events, presence.initial(), me, bound, greeter, paths);
        let shared = Arc::new(shared);
        let (asks, asked) = mpsc::channel(COMMANDS);
        let bounds = Bounds::new(&self.limits, self.mtu);
        let task = Task::new(
            &shared, asked, transport, cluster, longest, pace, presence, key, bounds, self.lane,
            tape,
        );
        let task = tokio::spawn(task.run());
        let handle = Handle { shared: Arc::clone(&shared), asks, task: task.abort_handle() };
        tokio::spawn(watch(Warden::of(shared), task));
        Ok(handle)
    }

    fn check(&self) -> Result<(), ParameterError> {
        let (milli, hour) = (Duration::from_millis(1), Duration::from_secs(3_600));
        let tick = self.tick.as_secs_f64();
        ParameterError::new("tick", tick, "seconds", "0.001 to 3600")
            .unless((milli..=hour).contains(&self.tick))?;
        ParameterError::new("jitter", self.jitter, "of a tick", "0 to 0.5")
            .unless((0.0..=0.5).contains(&self.jitter))?;
        let phase = self.phase.unwrap_or_default();
        ParameterError::new("phase", phase.as_secs_f64(), "seconds", "at most a tick")
            .unless(phase <= self.tick)?;
        ParameterError::new("events", self.events as f64, "events", "1 to 1048576")
            .unless((1..=1 << 20).contains(&self.events))?;
        let (least, most) = path::BOUNDS;
        ParameterError::new("path_mtu", self.path_mtu as f64, "bytes", "1280 to 65535")
            .unless((least..=most).contains(&self.path_mtu))?;
        self.limits.check()?;
        ParameterError::new("contacts", self.contacts.len() as f64, "addresses", "at most 256")
            .unless(self.contacts.len() <= CONTACTS)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("contacts", &self.contacts)
            .field("tick", &self.tick)
            .finish_non_exhaustive()
    }
}

impl Place {
    async fn open(self) -> Result<Box<dyn Transport>, SpawnError> {
        match self {
            Self::Over(transport) => Ok(transport),
            Self::Bind(addr) => Ok(Box::new(Udp::bind(addr).await?)),
        }
    }
}

/// What a node tells others of itself.
fn card(capabilities: u16, lane: Option<&dyn Lane>) -> io::Result<Card> {
    let kind = lane.map(Lane::capability).unwrap_or_default();
    let lane = lane.map(|lane| lane.local_addr().map(|addr| addr.port())).transpose()?;
    Ok(Card {
        versions: (*VERSIONS.start(), *VERSIONS.end()),
        capabilities: u32::from(capabilities) << 16 | (kind & 0xffff),
        lane: lane.unwrap_or_default(),
    })
}

/// Waits for the end of a node's task, and says how it was.
async fn watch<S: Protocol>(warden: Warden<S>, task: JoinHandle<Ended>) {
    warden.end(match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => Ended::Panicked(message(error.into_panic().as_ref())),
        Err(_) => Ended::Stopped,
    });
}

/// The address by which peers know a node that is bound to `bound`.
fn identity(bound: SocketAddr, advertise: Option<SocketAddr>) -> Result<SocketAddr, SpawnError> {
    let Some(addr) = advertise else {
        let bad = bound.ip().is_unspecified();
        return if bad { Err(SpawnError::Unspecified { bound }) } else { Ok(bound) };
    };
    let mut me = canonical(addr);
    if me.port() == 0 {
        me.set_port(bound.port());
    }
    match nobody(me) {
        Some(problem) => Err(SpawnError::Advertise { addr, problem }),
        None => Ok(me),
    }
}

fn check_contacts(
    contacts: Vec<SocketAddr>,
    me: SocketAddr,
    bound: SocketAddr,
) -> Result<Vec<SocketAddr>, SpawnError> {
    let mut checked = Vec::with_capacity(contacts.len());
    for contact in contacts.into_iter().map(canonical) {
        if let Some(problem) = problem(contact, me, bound) {
            return Err(SpawnError::Contact { contact, problem });
        }
        if !checked.contains(&contact) {
            checked.push(contact);
        }
    }
    Ok(checked)
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

/// Why a node was not started. Nothing runs, and nothing stays bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// A parameter is out of its bounds.
    Parameter(ParameterError),
    /// Another socket is bound to the address.
    Taken {
        /// The address.
        addr: SocketAddr,
    },
    /// The address cannot be bound.
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Bound to all addresses of the host, so that peers cannot be told one.
    Unspecified {
        /// The address.
        bound: SocketAddr,
    },
    /// The advertised address cannot be a node's.
    Advertise {
        /// The address.
        addr: SocketAddr,
        /// What it is.
        problem: &'static str,
    },
    /// A contact cannot be one.
    Contact {
        /// The contact.
        contact: SocketAddr,
        /// What it is.
        problem: &'static str,
    },
    /// Others than this host reach the address, and there are no keys.
    Unsealed {
        /// The address.
        bound: SocketAddr,
    },
    /// The transport does not know its address.
    Transport(io::Error),
    /// The system has no randomness for the name that seals are made with.
    Randomness(io::Error),
    /// The recording cannot be begun.
    Recording(io::Error),
    /// Not called inside a tokio runtime.
    NoRuntime,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(error) => error.fmt(f),
            Self::Taken { addr } => write!(
                f,
                "cannot bind {addr}: another socket has it; stop its process, choose another \
                 port, or port 0 for any that is free"
            ),
            Self::Bind { addr, error } => write!(f, "cannot bind {addr}: {error}"),
            Self::Unspecified { bound } => write!(
                f,
                "bound to {bound}, which is every address of this host: say with advertise() \
                 which one peers are to use"
            ),
            Self::Advertise { addr, problem } => {
                write!(f, "cannot advertise {addr}: peers cannot reach {problem}")
            }
            Self::Contact { contact, problem } => {
                write!(f, "cannot contact {contact}: it is {problem}")
            }
            Self::Unsealed { bound } => write!(
                f,
                "bound to {bound}, which others reach, and without keys: say with keys() what \
                 seals its datagrams, or with plaintext() that the network can be trusted"
            ),
            Self::Transport(error) => write!(f, "the transport does not know its address: {error}"),
            Self::Randomness(error) => write!(f, "the system has no randomness: {error}"),
            Self::Recording(error) => write!(f, "the recording cannot be begun: {error}"),
            Self::NoRuntime => write!(f, "a node runs inside a tokio runtime, and there is none"),
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Parameter(error) => Some(error),
            Self::Bind { error, .. }
            | Self::Transport(error)
            | Self::Randomness(error)
            | Self::Recording(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ParameterError> for SpawnError {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}
