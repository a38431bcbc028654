//! A lane over QUIC: quinn, with rustls in both directions.
//!
//! Each message is a stream of its own, so its end is known without a length, and what is not the
//! whole of it is nothing. Both sides show a certificate of an authority that they share; there is
//! no resumption, so each connection is judged by the certificates of its day. One that is expired,
//! of another authority, or missing ends the handshake, and is counted by cause on both sides.
//! However busy a connection is, it has an end: who has called begins another one after half of a
//! [`LIFE`], who was called hangs up after the whole, and both do when [`Quic::renew`] changes what
//! they show or believe. So what is no longer good is found out while it is used.
//! Nothing is answered at length to an address that has not shown that it receives (`Retry`).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::Counts;
use quinn::{Connection, ConnectionError, Endpoint, Incoming, ReadToEndError, VarInt, WriteError};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::identity::Terms;
pub use super::identity::{Expiry, Identity, LIFE, LaneError};

use super::{Lane, MESSAGE};
use crate::transport::canonical;

/// Connections that are open at most, each way. Our choice.
pub const CONNECTIONS: usize = 128;

/// Messages that wait for one peer at most. Our choice.
pub const QUEUE: usize = 4;

/// Messages that have come and wait for the node.
const ARRIVED: usize = 16;

/// How long a handshake or a message may take, and a connection idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer that was not reached is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// What is said at the end of a connection that is old: it was whole, and another may follow.
const AGAIN: u32 = 2;

/// What a connection may keep: windows about as large as a message, few streams, no datagrams.
pub(super) fn transport() -> Arc<quinn::TransportConfig> {
    let window = VarInt::from_u32(MESSAGE as u32);
    let mut config = quinn::TransportConfig::default();
    config
        .max_idle_timeout(PATIENCE.try_into().ok())
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(2_u32.into())
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(MESSAGE as u64)
        .datagram_receive_buffer_size(None);
    Arc::new(config)
}

/// What the lane's tasks share.
struct Shared {
    endpoint: Endpoint,
    terms: watch::Sender<Terms>,
    /// The queue of each peer that is talked to, or left alone.
    peers: Mutex<BTreeMap<SocketAddr, mpsc::Sender<Vec<u8>>>>,
    counts: Mutex<Counts>,
}

impl Shared {
    fn count(&self, cause: &'static str) {
        lock(&self.counts).add("lane", cause);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lane over QUIC. See the module. Clones are the same lane.
#[derive(Clone)]
pub struct Quic(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    came: AsyncMutex<mpsc::Receiver<(SocketAddr, Vec<u8>)>>,
    local: SocketAddr,
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quic").field("local", &self.0.local).finish_non_exhaustive()
    }
}

impl Quic {
    /// A lane bound to `addr`, which must be of the address by which peers know the node; port 0
    /// is any that is free. It runs on this tokio runtime until its last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong.
    pub fn bind(addr: impl Into<SocketAddr>, identity: &Identity) -> Result<Self, LaneError> {
        let (server, terms) = (identity.server()?, identity.terms()?);
        let endpoint = Endpoint::server(server, addr.into()).map_err(LaneError::Bind)?;
        let local = endpoint.local_addr().map_err(LaneError::Bind)?;
        let shared = Arc::new(Shared {
            endpoint,
            terms: watch::Sender::new(terms),
            peers: Mutex::default(),
            counts: Mutex::default(),
        });
        let (arrived, came) = mpsc::channel(ARRIVED);
        tokio::spawn(accept(Arc::clone(&shared), arrived));
        Ok(Self(Arc::new(Inner { shared, came: AsyncMutex::new(came), local })))
    }

    /// Shows this identity from now on, and believes its authorities only. Connections that are
    /// open are ended, and peers judged again: a message under way to this node may be lost.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong; nothing has changed then.
    pub fn renew(&self, identity: &Identity) -> Result<(), LaneError> {
        let (server, terms) = (identity.server()?, identity.terms()?);
        self.0.shared.endpoint.set_server_config(Some(server));
        self.0.shared.terms.send_replace(terms);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.endpoint.close(0_u32.into(), b"");
        lock(&self.shared.peers).clear();
    }
}

#[async_trait]
impl Lane for Quic {
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

    fn counts(&self) -> Counts {
        lock(&self.0.shared.counts).clone()
    }
}

/// Says to a peer what is queued for it, and lets it alone for a while if it is not reached.
async fn talk(shared: Arc<Shared>, to: SocketAddr, mut waiting: mpsc::Receiver<Vec<u8>>) {
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

async fn say(
    shared: &Shared,
    to: SocketAddr,
    waiting: &mut mpsc::Receiver<Vec<u8>>,
) -> Result<(), &'static str> {
    let mut line: Option<Line> = None;
    // A queue that is empty for long is given up with its connection.
    while let Ok(Some(message)) = timeout(PATIENCE, waiting.recv()).await {
        let line = match line.take().filter(Line::is_young) {
            Some(young) => line.insert(young),
            None => line.insert(Line::call(shared, to).await.inspect_err(|_| {
                shared.count("message not sent");
            })?),
        };
        let whole = async {
            let mut stream = line.connection.open_uni().await?;
            stream.write_all(&message).await?;
            // Until the peer has it all, it counts as under way.
            stream.finish().ok();
            stream.stopped().await.ok();
            Ok::<_, WriteError>(())
        };
        match timeout(PATIENCE, whole).await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::ConnectionLost(error))) if is_again(&error) => {
                shared.count("message cut by a connection's end");
            }
            Ok(Err(WriteError::ConnectionLost(error))) => return Err(cause(&error)),
            Ok(Err(_)) => shared.count("message refused by the peer"),
            Err(_) => return Err("peer took too long"),
        }
        match line.connection.close_reason() {
            Some(error) if !is_again(&error) => return Err(cause(&error)),
            _ => {}
        }
    }
    Ok(())
}

/// A connection to a peer, and until when it is used.
struct Line {
    connection: Connection,
    terms: watch::Receiver<Terms>,
    until: Instant,
}

impl Line {
    async fn call(shared: &Shared, to: SocketAddr) -> Result<Self, &'static str> {
        let terms = shared.terms.subscribe();
        let Terms { client, name, life } = terms.borrow().clone();
        let connecting = shared.endpoint.connect_with(client, to, &name);
        let connecting = timeout(PATIENCE, connecting.map_err(|_| "no connection")?);
        let connection = connecting.await.map_err(|_| "no answer")?;
        let connection = connection.map_err(|error| cause(&error))?;
        Ok(Self { connection, terms, until: Instant::now() + life / 2 })
    }

    fn is_young(&self) -> bool {
        let same = matches!(self.terms.has_changed(), Ok(false));
        same && Instant::now() < self.until && self.connection.close_reason().is_none()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
    }
}

/// Takes connections, up to [`CONNECTIONS`].
async fn accept(shared: Arc<Shared>, arrived: mpsc::Sender<(SocketAddr, Vec<u8>)>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(incoming) = shared.endpoint.accept().await {
        if !incoming.remote_address_validated() {
            // It comes again, and is known to receive.
            incoming.retry().ok();
            continue;
        }
        let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
            shared.count("too many connections");
            incoming.refuse();
            continue;
        };
        let (shared, arrived) = (Arc::clone(&shared), arrived.clone());
        tokio::spawn(async move {
            if let Err(cause) = hear(&shared, incoming, &arrived).await {
                shared.count(cause);
            }
            drop(permit);
        });
    }
}

async fn hear(
    shared: &Shared,
    incoming: Incoming,
    arrived: &mpsc::Sender<(SocketAddr, Vec<u8>)>,
) -> Result<(), &'static str> {
    let mut terms = shared.terms.subscribe();
    let life = terms.borrow().life;
    let connecting = incoming.accept().map_err(|error| cause(&error))?;
    let connection = timeout(PATIENCE, connecting).await.map_err(|_| "no answer")?;
    let connection = connection.map_err(|error| cause(&error))?;
    let end = Instant::now() + life;
    tokio::select! {
        heard = listen(shared, &connection, arrived) => heard,
        () = sleep_until(end) => {
            connection.close(AGAIN.into(), b"");
            shared.count("connection judged again");
            Ok(())
        }
        _ = terms.changed() => {
            connection.close(AGAIN.into(), b"");
            Ok(())
        }
    }
}

/// Passes on what comes by `connection`.
async fn listen(
    shared: &Shared,
    connection: &Connection,
    arrived: &mpsc::Sender<(SocketAddr, Vec<u8>)>,
) -> Result<(), &'static str> {
    let from = canonical(connection.remote_address());
    loop {
        let mut stream = match connection.accept_uni().await {
            Ok(stream) => stream,
            Err(ConnectionError::ApplicationClosed(_) | ConnectionError::TimedOut) => return Ok(()),
            Err(error) => return Err(cause(&error)),
        };
        // What is announced costs nothing; what comes is kept up to the bound.
        match timeout(PATIENCE, stream.read_to_end(MESSAGE)).await {
            Ok(Ok(message)) => {
                if arrived.send((from, message)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(Err(ReadToEndError::TooLong)) => {
                stream.stop(1_u32.into()).ok();
                shared.count("message too long");
            }
            Ok(Err(_)) => shared.count("message cut short"),
            Err(_) => return Err("peer took too long"),
        }
    }
}

/// Whether the peer has hung up for certificates to be judged again.
fn is_again(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == AGAIN.into())
}

/// The cause of a connection's end, by the alert of TLS (RFC 8446, section 6) if there was one.
fn cause(error: &ConnectionError) -> &'static str {
    let alert = |code: u64| (0x100..0x200).contains(&code).then_some(code & 0xff);
    match error {
        ConnectionError::TransportError(error) => match alert(error.code.into()) {
            Some(45) => "certificate expired",
            Some(48) => "certificate of another authority",
            Some(42 | 43 | 46 | 51) => "certificate not accepted",
            Some(116) => "no certificate",
            Some(_) => "handshake failed",
            None => "connection broken",
        },
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code.into()) {
            Some(45) => "own certificate expired, says the peer",
            Some(48) => "own certificate of another authority, says the peer",
            Some(_) => "own certificate not accepted, says the peer",
            None => "connection refused",
        },
        ConnectionError::TimedOut => "no answer",
        ConnectionError::LocallyClosed => "lane closed",
        _ => "connection broken",
    }
}
