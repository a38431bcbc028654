//! A lane over TCP: rustls in both directions; for networks on which QUIC does not pass, or is not
//! wanted.
//!
//! ```text
//! who calls:       length (4)  message   length (4)  message  ...
//! who is called:   come in (1)           whole (1)            whole (1)  ...   again (1)
//! ```
//!
//! Nothing is said before "come in", so a refusal is always read, and nobody keeps bytes of one who
//! is refused. The next message follows when the one before is whole at the peer, so what may have
//! been lost with a connection is one message. Of what a length announces nothing is set aside
//! before it comes.
//!
//! Against QUIC: a message waits for the one before it, which costs a round trip each; an address
//! is not shown to receive before its handshake is worked on, which TCP itself does.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::MESSAGE;
use super::identity::{self, Identity, LaneError};
use super::streams::{Fault, Kind, PATIENCE, Streams};
use crate::hello::LANE_TCP;
use crate::transport::canonical;

/// What both sides must speak.
const ALPN: &[u8] = b"gossip-lane-tcp/1";

/// What is said by who is called.
const COME_IN: u8 = 1;
const WHOLE: u8 = 2;
const AGAIN: u8 = 3;

/// How long nothing is heard of a guest before he is taken for gone: longer than he keeps a
/// connection that he does not use.
const IDLE: Duration = PATIENCE.saturating_mul(2);

/// How long no stranger is taken after an error of the system, as of too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// The first room for a message; it grows as the message comes.
const ROOM: usize = 4_096;

/// A lane over TCP. See the module.
///
/// ```no_run
/// # fn example(identity: &gossip_net::lane::Identity) -> Result<(), gossip_net::lane::LaneError> {
/// let lane = gossip_net::lane::tcp::Tcp::bind(([10, 0, 0, 1], 0), identity)?;
/// # drop(lane);
/// # Ok(()) }
/// ```
pub type Tcp = Streams<Connections>;

/// Connections of TCP.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    local: SocketAddr,
    server: Mutex<Arc<ServerConfig>>,
}

/// On what terms a lane over TCP calls.
#[derive(Clone, Debug)]
pub struct Terms {
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
}

fn terms(identity: &Identity) -> Result<(Arc<ServerConfig>, Terms), LaneError> {
    let name = ServerName::try_from(identity.name().to_owned()).map_err(identity::general)?;
    let client = Arc::new(identity.client(ALPN)?);
    Ok((Arc::new(identity.server(ALPN)?), Terms { client, name }))
}

impl Kind for Connections {
    type Terms = Terms;
    type Call = client::TlsStream<TcpStream>;
    type Stranger = (TcpStream, SocketAddr);
    type Guest = (server::TlsStream<TcpStream>, SocketAddr);

    const NAME: &'static str = "Tcp";
    const CAPABILITY: u32 = LANE_TCP;

    fn bind(addr: SocketAddr, identity: &Identity) -> Result<(Self, Terms), LaneError> {
        let (server, terms) = terms(identity)?;
        let open = || {
            let listener = net::TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            Ok((listener.local_addr()?, listener))
        };
        let (local, listener) = open().map_err(LaneError::Bind)?;
        Ok((Self { listener, local, server: Mutex::new(server) }, terms))
    }

    fn renew(&self, identity: &Identity) -> Result<Terms, LaneError> {
        let (server, terms) = terms(identity)?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
        Ok(terms)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn close(&self) {}

    async fn call(&self, to: SocketAddr, terms: &Terms) -> Result<Self::Call, &'static str> {
        let stream = self.connect(to).await.map_err(|_| "no connection")?;
        let connector = TlsConnector::from(Arc::clone(&terms.client));
        let connecting = connector.connect(terms.name.clone(), stream);
        let mut stream = connecting.await.map_err(|error| cause(&error))?;
        match stream.read_u8().await {
            Ok(COME_IN) => Ok(stream),
            Ok(_) => Err("connection refused"),
            Err(error) => Err(cause(&error)),
        }
    }

    async fn is_open(call: &mut Self::Call) -> bool {
        let mut said = [0];
        tokio::select! {
            biased;
            // The end, or "again".
            _ = call.read(&mut said) => false,
            () = std::future::ready(()) => true,
        }
    }

    async fn say(call: &mut Self::Call, message: &[u8]) -> Result<(), Fault> {
        let whole = async {
            call.write_u32_le(message.len() as u32).await?;
            call.write_all(message).await?;
            call.flush().await?;
            call.read_u8().await
        };
        match whole.await {
            Ok(WHOLE) => Ok(()),
            Ok(AGAIN) => Err(Fault::Again),
            Ok(_) => Err(Fault::Broken("connection broken")),
            Err(error) => Err(Fault::Broken(cause(&error))),
        }
    }

    async fn accept(&self) -> Option<Self::Stranger> {
        loop {
            if let Ok(stranger) = self.listener.accept().await {
                return Some(stranger);
            }
            sleep(PAUSE).await;
        }
    }

    fn refuse(stranger: Self::Stranger) {
        drop(stranger);
    }

    async fn greet(&self, (stream, from): Self::Stranger) -> Result<Self::Guest, &'static str> {
        stream.set_nodelay(true).ok();
        let server = Arc::clone(&self.server.lock().unwrap_or_else(PoisonError::into_inner));
        let accepting = TlsAcceptor::from(server).accept(stream);
        let mut stream = accepting.await.map_err(|error| cause(&error))?;
        let said = async {
            stream.write_u8(COME_IN).await?;
            stream.flush().await
        };
        said.await.map_err(|error| cause(&error))?;
        Ok((stream, canonical(from)))
    }

    fn address(guest: &Self::Guest) -> SocketAddr {
        guest.1
    }

    async fn hear((stream, _): &mut Self::Guest) -> Result<Option<Vec<u8>>, Fault> {
        hear(stream).await
    }

    async fn hang_up((mut stream, _): Self::Guest) {
        let said = async {
            stream.write_u8(AGAIN).await?;
            stream.shutdown().await
        };
        // If it cannot be said, the connection's end says it.
        let _ = timeout(PATIENCE, said).await;
    }
}

impl Connections {
    /// From the address by which peers know this node.
    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        let ip = self.local.ip();
        if !ip.is_unspecified() && ip.is_ipv4() == to.is_ipv4() {
            socket.bind(SocketAddr::new(ip, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The next message, of which no more is kept than has come.
async fn hear(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
) -> Result<Option<Vec<u8>>, Fault> {
    let len = match timeout(IDLE, stream.read_u32_le()).await {
        Ok(Ok(len)) => len as usize,
        Ok(Err(error)) if error.kind() != io::ErrorKind::InvalidData => return Ok(None),
        Ok(Err(error)) => return Err(Fault::Broken(cause(&error))),
        Err(_) => return Ok(None),
    };
    if len > MESSAGE {
        return Err(Fault::Broken("message too long"));
    }
    let mut message = Vec::with_capacity(len.min(ROOM));
    let whole = async {
        AsyncReadExt::take(&mut *stream, len as u64).read_to_end(&mut message).await?;
        if message.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        stream.write_u8(WHOLE).await?;
        stream.flush().await
    };
    match timeout(PATIENCE, whole).await {
        Ok(Ok(())) => Ok(Some(message)),
        Ok(Err(_)) => Err(Fault::Broken("message cut short")),
        Err(_) => Err(Fault::Broken("peer took too long")),
    }
}

/// The cause of a connection's end.
fn cause(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(error)) => {
            identity::refused(AlertDescription::from(error.clone()).into())
        }
        Some(rustls::Error::NoCertificatesPresented) => identity::refused(NO_CERTIFICATE),
        Some(rustls::Error::AlertReceived(alert)) => identity::refused_by_peer((*alert).into()),
        Some(_) => "handshake failed",
        None => "connection broken",
    }
}

/// The alert of TLS that says so (RFC 8446, section 6).
const NO_CERTIFICATE: u8 = 116;

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What an authenticated peer may send: a message, one that is too long, one that is cut short,
    /// one that never comes, and nothing.
    #[tokio::test(start_paused = true)]
    async fn no_more_is_believed_than_comes() {
        let (mut peer, mut stream) = duplex(2 * MESSAGE);
        let framed = |len: u32, bytes: &[u8]| [&len.to_le_bytes()[..], bytes].concat();
        peer.write_all(&framed(3, b"one")).await.unwrap();
        assert_eq!(hear(&mut stream).await, Ok(Some(b"one".to_vec())));
        assert_eq!(peer.read_u8().await.unwrap(), WHOLE);
        peer.write_all(&framed(0, b"")).await.unwrap();
        assert_eq!(hear(&mut stream).await, Ok(Some(Vec::new())));
        for len in [MESSAGE as u32 + 1, u32::MAX] {
            peer.write_all(&framed(len, b"")).await.unwrap();
            assert_eq!(hear(&mut stream).await, Err(Fault::Broken("message too long")));
        }
        peer.write_all(&framed(MESSAGE as u32, b"")).await.unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(hear(&mut stream).await, Err(Fault::Broken("peer took too long")));
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!(hear(&mut stream).await, Ok(None), "nothing is said");
        peer.write_all(&framed(9, b"cut")).await.unwrap();
        drop(peer);
        assert_eq!(hear(&mut stream).await, Err(Fault::Broken("message cut short")));
        assert_eq!(hear(&mut stream).await, Ok(None));
    }
}
