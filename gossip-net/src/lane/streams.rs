//! What lanes of streams share: queues of peers, connections with an end, strangers kept out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::Counts;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::identity::{Identity, LaneError};
use super::{Lane, MESSAGE};

/// Connections that are open at most, each way. Our choice.
pub const CONNECTIONS: usize = 128;

/// Messages that wait for one peer at most. Our choice.
pub const QUEUE: usize = 4;

/// Strangers whose handshakes are under way at most; of more, the one who has taken longest is
/// given up. A handshake takes some milliseconds, so it is not who means it. Our choice.
pub const HANDSHAKES: usize = 32;

/// Messages that have come and wait for the node.
const ARRIVED: usize = 16;

/// How long a handshake or a message may take, and a connection idle.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer that was not reached is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// What is wrong with a message, or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer has hung up for certificates to be judged again.
    Again,
    /// The message only, by this cause.
    Message(&'static str),
    /// The connection, by this cause.
    Broken(&'static str),
}

/// A kind of connection: what lanes of streams do not share. Only this crate has some.
pub trait Kind: Sized + Send + Sync + 'static {
    /// On what terms it calls.
    type Terms: Clone + Send + Sync + 'static;
    /// A connection to a peer.
    type Call: Send + 'static;
    /// Who wants to be let in.
    type Stranger: Send + 'static;
    /// A connection from a peer.
    type Guest: Send + 'static;

    /// Its name.
    const NAME: &'static str;
    /// See [`Lane::capability`].
    const CAPABILITY: u32;

    /// Bound to an address.
    #[doc(hidden)]
    fn bind(addr: SocketAddr, identity: &Identity) -> Result<(Self, Self::Terms), LaneError>;
    /// Shows this identity from now on. Nothing has changed if it cannot.
    #[doc(hidden)]
    fn renew(&self, identity: &Identity) -> Result<Self::Terms, LaneError>;
    #[doc(hidden)]
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// Ends all that is under way.
    #[doc(hidden)]
    fn close(&self);

    #[doc(hidden)]
    fn call(
        &self,
        to: SocketAddr,
        terms: &Self::Terms,
    ) -> impl Future<Output = Result<Self::Call, &'static str>> + Send;
    /// Whether a connection can be used once more.
    #[doc(hidden)]
    fn is_open(call: &mut Self::Call) -> impl Future<Output = bool> + Send;
    /// Says a message, until the peer has it all.
    #[doc(hidden)]
    fn say(call: &mut Self::Call, message: &[u8])
    -> impl Future<Output = Result<(), Fault>> + Send;

    /// Waits for a stranger; `None` if there will be no more.
    #[doc(hidden)]
    fn accept(&self) -> impl Future<Output = Option<Self::Stranger>> + Send;
    #[doc(hidden)]
    fn refuse(stranger: Self::Stranger);
    /// Finds out whether a stranger is of the cluster.
    #[doc(hidden)]
    fn greet(
        &self,
        stranger: Self::Stranger,
    ) -> impl Future<Output = Result<Self::Guest, &'static str>> + Send;
    #[doc(hidden)]
    fn address(guest: &Self::Guest) -> SocketAddr;
    /// The next message; `None` if the peer has hung up.
    #[doc(hidden)]
    fn hear(guest: &mut Self::Guest)
    -> impl Future<Output = Result<Option<Vec<u8>>, Fault>> + Send;
    /// Hangs up for certificates to be judged again.
    #[doc(hidden)]
    fn hang_up(guest: Self::Guest) -> impl Future<Output = ()> + Send;
}

/// What a lane's tasks share.
struct Shared<K: Kind> {
    kind: K,
    terms: watch::Sender<(K::Terms, Duration)>,
    /// The queue of each peer that is talked to, or left alone.
    peers: Mutex<BTreeMap<SocketAddr, mpsc::Sender<Vec<u8>>>>,
    counts: Mutex<Counts>,
}

impl<K: Kind> Shared<K> {
    fn count(&self, cause: &'static str) {
        lock(&self.counts).add("lane", cause);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lane of streams, over one kind of connection. Clones are the same lane.
///
/// Both sides show a certificate of an authority that they share; there is no resumption, so each
/// connection is judged by the certificates of its day. One that is expired, of another authority,
/// or missing ends the handshake, and is counted by cause on both sides. However busy a connection
/// is, it has an end: who has called begins another one after half of a
/// [`LIFE`](super::LIFE), who was called hangs up after the whole, and both do when
/// [`renew`](Self::renew) changes what they show or believe. So what is no longer good is found out
/// while it is used.
pub struct Streams<K: Kind>(Arc<Inner<K>>);

struct Inner<K: Kind> {
    shared: Arc<Shared<K>>,
    came: AsyncMutex<mpsc::Receiver<(SocketAddr, Vec<u8>)>>,
    accepts: AbortHandle,
    local: SocketAddr,
}

impl<K: Kind> Clone for Streams<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Kind> fmt::Debug for Streams<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(K::NAME).field("local", &self.0.local).finish_non_exhaustive()
    }
}

impl<K: Kind> Streams<K> {
    /// A lane bound to `addr`, which must be of the address by which peers know the node; port 0
    /// is any that is free. It runs on this tokio runtime until its last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong.
    pub fn bind(addr: impl Into<SocketAddr>, identity: &Identity) -> Result<Self, LaneError> {
        let (kind, terms) = K::bind(addr.into(), identity)?;
        let local = kind.local_addr().map_err(LaneError::Bind)?;
        let shared = Arc::new(Shared {
            kind,
            terms: watch::Sender::new((terms, identity.lifetime())),
            peers: Mutex::default(),
            counts: Mutex::default(),
        });
        let (arrived, came) = mpsc::channel(ARRIVED);
        let accepts = tokio::spawn(accept(Arc::clone(&shared), arrived)).abort_handle();
        Ok(Self(Arc::new(Inner { shared, came: AsyncMutex::new(came), accepts, local })))
    }

    /// Shows this identity from now on, and believes its authorities only. Connections that are
    /// open are ended, and peers judged again: a message under way to this node may be lost.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong; nothing has changed then.
    pub fn renew(&self, identity: &Identity) -> Result<(), LaneError> {
        let terms = self.0.shared.kind.renew(identity)?;
        self.0.shared.terms.send_replace((terms, identity.lifetime()));
        Ok(())
    }
}

impl<K: Kind> Drop for Inner<K> {
    fn drop(&mut self) {
        self.accepts.abort();
        self.shared.kind.close();
        lock(&self.shared.peers).clear();
    }
}

#[async_trait]
impl<K: Kind> Lane for Streams<K> {
    fn send(&self, to: SocketAddr, message: Vec<u8>) -> io::Result<()> {
        if message.len() > MESSAGE {
            self.0.shared.count("message too long");
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut peers = lock(&self.0.shared.peers);
        if !peers.contains_key(&to) {
            if peers.len() >= CONNECTIONS {
                self.0.shared.count("too many peers");
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (queue, waiting) = mpsc::channel(QUEUE);
            peers.insert(to, queue);
            tokio::spawn(talk(Arc::clone(&self.0.shared), to, waiting));
        }
        let sent = peers.get(&to).map(|queue| queue.try_send(message));
        let cause = match sent {
            Some(Ok(())) => return Ok(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => "peer too slow",
            _ => "peer not reached lately",
        };
        self.0.shared.count(cause);
        Err(io::ErrorKind::WouldBlock.into())
    }

    async fn recv(&self) -> io::Result<(SocketAddr, Vec<u8>)> {
        let came = self.0.came.lock().await.recv().await;
        came.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local)
    }

    fn capability(&self) -> u32 {
        K::CAPABILITY
    }

    fn counts(&self) -> Counts {
        lock(&self.0.shared.counts).clone()
    }
}

/// Says to a peer what is queued for it, and lets it alone for a while if it is not reached.
async fn talk<K: Kind>(
    shared: Arc<Shared<K>>,
    to: SocketAddr,
    mut waiting: mpsc::Receiver<Vec<u8>>,
) {
    if let Err(cause) = say(&shared, to, &mut waiting).await {
        shared.count(cause);
        waiting.close();
        while waiting.try_recv().is_ok() {
            shared.count("message not sent");
        }
        sleep(RETRY).await;
    }
    lock(&shared.peers).remove(&to);
}

async fn say<K: Kind>(
    shared: &Shared<K>,
    to: SocketAddr,
    waiting: &mut mpsc::Receiver<Vec<u8>>,
) -> Result<(), &'static str> {
    let mut line: Option<Line<K>> = None;
    // A queue that is empty for long is given up with its connection.
    while let Ok(Some(message)) = timeout(PATIENCE, waiting.recv()).await {
        let mut used = line.take();
        if let Some(young) = used.as_mut()
            && !young.is_young().await
        {
            used = None;
        }
        let line = match used {
            Some(young) => line.insert(young),
            None => line.insert(Line::call(shared, to).await.inspect_err(|_| {
                shared.count("message not sent");
            })?),
        };
        match timeout(PATIENCE, K::say(&mut line.call, &message)).await {
            Ok(Ok(())) => {}
            Ok(Err(Fault::Again)) => shared.count("message cut by a connection's end"),
            Ok(Err(Fault::Message(cause))) => shared.count(cause),
            Ok(Err(Fault::Broken(cause))) => return Err(cause),
            Err(_) => return Err("peer took too long"),
        }
    }
    Ok(())
}

/// A connection to a peer, and until when it is used.
struct Line<K: Kind> {
    call: K::Call,
    terms: watch::Receiver<(K::Terms, Duration)>,
    until: Instant,
}

impl<K: Kind> Line<K> {
    async fn call(shared: &Shared<K>, to: SocketAddr) -> Result<Self, &'static str> {
        let terms = shared.terms.subscribe();
        let (client, life) = terms.borrow().clone();
        let calling = timeout(PATIENCE, shared.kind.call(to, &client));
        let call = calling.await.map_err(|_| "no answer")??;
        Ok(Self { call, terms, until: Instant::now() + life / 2 })
    }

    async fn is_young(&mut self) -> bool {
        let same = matches!(self.terms.has_changed(), Ok(false));
        same && Instant::now() < self.until && K::is_open(&mut self.call).await
    }
}

/// Takes connections, up to [`CONNECTIONS`], and not too many of strangers.
async fn accept<K: Kind>(shared: Arc<Shared<K>>, arrived: mpsc::Sender<(SocketAddr, Vec<u8>)>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
    while let Some(stranger) = shared.kind.accept().await {
        if open.available_permits() == 0 {
            shared.count("too many connections");
            K::refuse(stranger);
            continue;
        }
        strangers.retain(|stranger| !stranger.is_finished());
        if strangers.len() == HANDSHAKES
            && let Some(slowest) = strangers.pop_front()
        {
            slowest.abort();
            shared.count("handshake given up for another");
        }
        let greeting = greet(Arc::clone(&shared), stranger, Arc::clone(&open), arrived.clone());
        strangers.push_back(tokio::spawn(greeting).abort_handle());
    }
}

/// Lets a stranger in who is of the cluster.
async fn greet<K: Kind>(
    shared: Arc<Shared<K>>,
    stranger: K::Stranger,
    open: Arc<Semaphore>,
    arrived: mpsc::Sender<(SocketAddr, Vec<u8>)>,
) {
    // What changes from here on is seen.
    let terms = shared.terms.subscribe();
    let greeted = timeout(PATIENCE, shared.kind.greet(stranger)).await;
    match (greeted.unwrap_or(Err("no answer")), open.try_acquire_owned()) {
        (Ok(guest), Ok(permit)) => {
            tokio::spawn(entertain(shared, guest, terms, permit, arrived));
        }
        (Ok(_), Err(_)) => shared.count("too many connections"),
        (Err(cause), _) => shared.count(cause),
    }
}

/// Passes on what a guest says, until one of the two hangs up.
async fn entertain<K: Kind>(
    shared: Arc<Shared<K>>,
    mut guest: K::Guest,
    mut terms: watch::Receiver<(K::Terms, Duration)>,
    permit: OwnedSemaphorePermit,
    arrived: mpsc::Sender<(SocketAddr, Vec<u8>)>,
) {
    let end = Instant::now() + terms.borrow().1;
    tokio::select! {
        heard = listen(&shared, &mut guest, &arrived) => {
            if let Err(cause) = heard {
                shared.count(cause);
            }
            return;
        }
        () = sleep_until(end) => shared.count("connection judged again"),
        _ = terms.changed() => {}
        () = arrived.closed() => {}
    }
    K::hang_up(guest).await;
    drop(permit);
}

async fn listen<K: Kind>(
    shared: &Shared<K>,
    guest: &mut K::Guest,
    arrived: &mpsc::Sender<(SocketAddr, Vec<u8>)>,
) -> Result<(), &'static str> {
    let from = K::address(guest);
    loop {
        match K::hear(guest).await {
            Ok(Some(message)) => {
                if arrived.send((from, message)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) | Err(Fault::Again) => return Ok(()),
            Err(Fault::Message(cause)) => shared.count(cause),
            Err(Fault::Broken(cause)) => return Err(cause),
        }
    }
}
