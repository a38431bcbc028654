//! A lane over QUIC: quinn, with rustls in both directions.
//!
//! Each message is a stream of its own, so its end is known without a length, and what is not the
//! whole of it is nothing. Both sides show a certificate of an authority that they share; there is
//! no resumption, so each connection is judged by the certificates of its day. One that is expired,
//! of another authority, or missing ends the handshake, and is counted by cause on both sides.
//! Nothing is answered at length to an address that has not shown that it receives (`Retry`).

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::Counts;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint, Incoming, ReadToEndError, VarInt, WriteError};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use tokio::time::{sleep, timeout};

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

/// What both sides must speak.
const ALPN: &[u8] = b"gossip-lane/1";

/// Who a node is to the lanes of its peers: a certificate, its key, and the authorities whose
/// certificates it believes.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
    name: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why there is no lane.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaneError {
    /// A file of certificates or keys is not one, in PEM.
    Pem(rustls::pki_types::pem::Error),
    /// Certificate, key and authorities do not go together.
    Tls(rustls::Error),
    /// No authority is named.
    NoAuthority,
    /// The address cannot be bound.
    Bind(io::Error),
}

impl fmt::Display for LaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "not certificates or a key in PEM: {error}"),
            Self::Tls(error) => write!(f, "certificate, key and authorities: {error}"),
            Self::NoAuthority => write!(f, "no authority whose certificates would be believed"),
            Self::Bind(error) => write!(f, "cannot bind the lane: {error}"),
        }
    }
}

impl Error for LaneError {}

impl From<rustls::Error> for LaneError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl Identity {
    /// From three texts in PEM: the node's certificate and those between it and the authority, its
    /// private key, and the authorities. Every certificate of the cluster bears `name` as a DNS
    /// name, which keeps certificates of the same authority for other uses apart.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong.
    pub fn from_pem(
        chain: &[u8],
        key: &[u8],
        authorities: &[u8],
        name: &str,
    ) -> Result<Self, LaneError> {
        let all = |pem| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let mut roots = RootCertStore::empty();
        for root in all(authorities).map_err(LaneError::Pem)? {
            roots.add(root)?;
        }
        if roots.is_empty() {
            return Err(LaneError::NoAuthority);
        }
        let chain = all(chain).map_err(LaneError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(LaneError::Pem)?;
        Ok(Self { chain, key, roots, name: name.to_owned() })
    }

    fn server(&self) -> Result<quinn::ServerConfig, LaneError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots.clone());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier =
            verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let crypto = QuicServerConfig::try_from(config).map_err(general)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(transport()).migration(false).max_incoming(CONNECTIONS);
        Ok(config)
    }

    fn client(&self) -> Result<quinn::ClientConfig, LaneError> {
        let provider = Arc::new(ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        let crypto = QuicClientConfig::try_from(config).map_err(general)?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(transport());
        Ok(config)
    }
}

fn general(error: impl fmt::Display) -> rustls::Error {
    rustls::Error::General(error.to_string())
}

/// What a connection may keep: windows about as large as a message, few streams, no datagrams.
fn transport() -> Arc<quinn::TransportConfig> {
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
    client: quinn::ClientConfig,
    name: String,
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

/// A lane over QUIC. See the module.
pub struct Quic {
    shared: Arc<Shared>,
    came: AsyncMutex<mpsc::Receiver<(SocketAddr, Vec<u8>)>>,
    local: SocketAddr,
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quic").field("local", &self.local).finish_non_exhaustive()
    }
}

impl Quic {
    /// A lane bound to `addr`, which must be of the address by which peers know the node; port 0
    /// is any that is free. It runs on this tokio runtime until it is dropped.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong.
    pub fn bind(addr: impl Into<SocketAddr>, identity: &Identity) -> Result<Self, LaneError> {
        let (server, client) = (identity.server()?, identity.client()?);
        let endpoint = Endpoint::server(server, addr.into()).map_err(LaneError::Bind)?;
        let local = endpoint.local_addr().map_err(LaneError::Bind)?;
        let shared = Arc::new(Shared {
            endpoint,
            client,
            name: identity.name.clone(),
            peers: Mutex::default(),
            counts: Mutex::default(),
        });
        let (arrived, came) = mpsc::channel(ARRIVED);
        tokio::spawn(accept(Arc::clone(&shared), arrived));
        Ok(Self { shared, came: AsyncMutex::new(came), local })
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        self.shared.endpoint.close(0_u32.into(), b"");
        lock(&self.shared.peers).clear();
    }
}

#[async_trait]
impl Lane for Quic {
    fn send(&self, to: SocketAddr, message: Vec<u8>) -> io::Result<()> {
        if message.len() > MESSAGE {
            self.shared.count("message too long");
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut peers = lock(&self.shared.peers);
        if !peers.contains_key(&to) {
            if peers.len() >= CONNECTIONS {
                self.shared.count("too many peers");
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (queue, waiting) = mpsc::channel(QUEUE);
            peers.insert(to, queue);
            tokio::spawn(talk(Arc::clone(&self.shared), to, waiting));
        }
        let sent = peers.get(&to).map(|queue| queue.try_send(message));
        let cause = match sent {
            Some(Ok(())) => return Ok(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => "peer too slow",
            _ => "peer not reached lately",
        };
        self.shared.count(cause);
        Err(io::ErrorKind::WouldBlock.into())
    }

    async fn recv(&self) -> io::Result<(SocketAddr, Vec<u8>)> {
        let came = self.came.lock().await.recv().await;
        came.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn counts(&self) -> Counts {
        lock(&self.shared.counts).clone()
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
    let connecting = shared.endpoint.connect_with(shared.client.clone(), to, &shared.name);
    let connecting = timeout(PATIENCE, connecting.map_err(|_| "no connection")?);
    let connection = connecting.await.map_err(|_| "no answer")?.map_err(|error| cause(&error))?;
    // A queue that is empty for long is given up with its connection.
    while let Ok(Some(message)) = timeout(PATIENCE, waiting.recv()).await {
        let whole = async {
            let mut stream = connection.open_uni().await?;
            stream.write_all(&message).await?;
            // Until the peer has it all, it counts as under way.
            stream.finish().ok();
            stream.stopped().await.ok();
            Ok::<_, WriteError>(())
        };
        match timeout(PATIENCE, whole).await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::ConnectionLost(error))) => return Err(cause(&error)),
            Ok(Err(_)) => shared.count("message refused by the peer"),
            Err(_) => return Err("peer took too long"),
        }
        if let Some(error) = connection.close_reason() {
            return Err(cause(&error));
        }
    }
    connection.close(0_u32.into(), b"");
    Ok(())
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
    let connecting = incoming.accept().map_err(|error| cause(&error))?;
    let connection = timeout(PATIENCE, connecting).await.map_err(|_| "no answer")?;
    let connection = connection.map_err(|error| cause(&error))?;
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
