//! A lane over QUIC: quinn, with rustls in both directions.
//!
//! Each message is a stream of its own, so its end is known without a length, and what is not the
//! whole of it is nothing. Nothing is answered at length to an address that has not shown that it
//! receives (`Retry`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, ConnectionError, Endpoint, Incoming, ReadToEndError, VarInt, WriteError};
use tokio::time::timeout;

use super::MESSAGE;
pub use super::identity::{Expiry, Identity, LIFE, LaneError};
use super::identity::{general, refused, refused_by_peer};
pub use super::streams::{CONNECTIONS, QUEUE};
use super::streams::{Fault, Kind, PATIENCE, Streams};
use crate::hello::LANE;
use crate::transport::canonical;

/// What both sides must speak.
const ALPN: &[u8] = b"gossip-lane/1";

/// What is said at the end of a connection that is old: it was whole, and another may follow.
const AGAIN: u32 = 2;

/// A lane over QUIC. See the module.
///
/// ```no_run
/// # fn example(identity: &gossip_net::lane::Identity) -> Result<(), gossip_net::lane::LaneError> {
/// let lane = gossip_net::lane::quic::Quic::bind(([10, 0, 0, 1], 0), identity)?;
/// # drop(lane);
/// # Ok(()) }
/// ```
pub type Quic = Streams<Connections>;

/// Connections of QUIC.
#[derive(Debug)]
pub struct Connections(Endpoint);

/// On what terms a lane over QUIC calls.
#[derive(Clone)]
pub struct Terms {
    client: quinn::ClientConfig,
    name: String,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A connection to a peer; closed when dropped.
#[derive(Debug)]
pub struct Call(Connection);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.close(0_u32.into(), b"");
    }
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

fn terms(identity: &Identity) -> Result<(quinn::ServerConfig, Terms), LaneError> {
    let crypto = QuicServerConfig::try_from(identity.server(ALPN)?).map_err(general)?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(transport()).migration(false).max_incoming(CONNECTIONS);
    let crypto = QuicClientConfig::try_from(identity.client(ALPN)?).map_err(general)?;
    let mut client = quinn::ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport());
    Ok((server, Terms { client, name: identity.name().to_owned() }))
}

impl Kind for Connections {
    type Terms = Terms;
    type Call = Call;
    type Stranger = Incoming;
    type Guest = Connection;

    const NAME: &'static str = "Quic";
    const CAPABILITY: u32 = LANE;

    fn bind(addr: SocketAddr, identity: &Identity) -> Result<(Self, Terms), LaneError> {
        let (server, terms) = terms(identity)?;
        let endpoint = Endpoint::server(server, addr).map_err(LaneError::Bind)?;
        Ok((Self(endpoint), terms))
    }

    fn renew(&self, identity: &Identity) -> Result<Terms, LaneError> {
        let (server, terms) = terms(identity)?;
        self.0.set_server_config(Some(server));
        Ok(terms)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn close(&self) {
        self.0.close(0_u32.into(), b"");
    }

    async fn call(&self, to: SocketAddr, terms: &Terms) -> Result<Call, &'static str> {
        let connecting = self.0.connect_with(terms.client.clone(), to, &terms.name);
        let connection = connecting.map_err(|_| "no connection")?.await;
        Ok(Call(connection.map_err(|error| cause(&error))?))
    }

    async fn is_open(call: &mut Call) -> bool {
        call.0.close_reason().is_none()
    }

    async fn say(call: &mut Call, message: &[u8]) -> Result<(), Fault> {
        let whole = async {
            let mut stream = call.0.open_uni().await?;
            stream.write_all(message).await?;
            // Until the peer has it all, it counts as under way.
            stream.finish().ok();
            stream.stopped().await.ok();
            Ok::<_, WriteError>(())
        };
        let said = match whole.await {
            Ok(()) => Ok(()),
            Err(WriteError::ConnectionLost(error)) => return Err(fault(&error)),
            Err(_) => Err(Fault::Message("message refused by the peer")),
        };
        match call.0.close_reason() {
            Some(error) if !is_again(&error) => Err(fault(&error)),
            _ => said,
        }
    }

    async fn accept(&self) -> Option<Incoming> {
        loop {
            let incoming = self.0.accept().await?;
            if incoming.remote_address_validated() {
                return Some(incoming);
            }
            // It comes again, and is known to receive.
            incoming.retry().ok();
        }
    }

    fn refuse(stranger: Incoming) {
        stranger.refuse();
    }

    async fn greet(&self, stranger: Incoming) -> Result<Connection, &'static str> {
        let connecting = stranger.accept().map_err(|error| cause(&error))?;
        connecting.await.map_err(|error| cause(&error))
    }

    fn address(guest: &Connection) -> SocketAddr {
        canonical(guest.remote_address())
    }

    async fn hear(guest: &mut Connection) -> Result<Option<Vec<u8>>, Fault> {
        let mut stream = match guest.accept_uni().await {
            Ok(stream) => stream,
            Err(ConnectionError::ApplicationClosed(_) | ConnectionError::TimedOut) => {
                return Ok(None);
            }
            Err(error) => return Err(fault(&error)),
        };
        // What is announced costs nothing; what comes is kept up to the bound.
        match timeout(PATIENCE, stream.read_to_end(MESSAGE)).await {
            Ok(Ok(message)) => Ok(Some(message)),
            Ok(Err(ReadToEndError::TooLong)) => {
                stream.stop(1_u32.into()).ok();
                Err(Fault::Message("message too long"))
            }
            Ok(Err(_)) => Err(Fault::Message("message cut short")),
            Err(_) => Err(Fault::Broken("peer took too long")),
        }
    }

    async fn hang_up(guest: Connection) {
        guest.close(AGAIN.into(), b"");
    }
}

/// Whether the peer has hung up for certificates to be judged again.
fn is_again(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == AGAIN.into())
}

fn fault(error: &ConnectionError) -> Fault {
    if is_again(error) { Fault::Again } else { Fault::Broken(cause(error)) }
}

/// The cause of a connection's end, by the alert of TLS if there was one.
fn cause(error: &ConnectionError) -> &'static str {
    let alert = |code: u64| (0x100..0x200).contains(&code).then_some((code & 0xff) as u8);
    match error {
        ConnectionError::TransportError(error) => {
            alert(error.code.into()).map_or("connection broken", refused)
        }
        ConnectionError::ConnectionClosed(close) => {
            alert(close.error_code.into()).map_or("connection refused", refused_by_peer)
        }
        ConnectionError::TimedOut => "no answer",
        ConnectionError::LocallyClosed => "lane closed",
        _ => "connection broken",
    }
}
