//! UDP: one socket a node.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tokio::net::UdpSocket;

use crate::builder::SpawnError;
use crate::transport::Transport;

/// A UDP socket.
///
/// A full send buffer sheds the datagram: nothing ever waits for a peer. A socket bound to an IPv6
/// address reaches IPv4 peers where the system's sockets are dual-stack (bind `[::]`).
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// use gossip_net::{Transport, Udp};
///
/// let a = Udp::bind(([127, 0, 0, 1], 0)).await?;
/// let b = Udp::bind(([127, 0, 0, 1], 0)).await?;
/// a.send(b.local_addr()?, b"hello").await?;
/// let mut buffer = [0; 16];
/// assert_eq!(b.recv(&mut buffer).await?, (5, a.local_addr()?));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Udp {
    /// A socket bound to `addr`; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Taken`] if another socket has the address, [`SpawnError::Bind`] if it is not
    /// of this host, or forbidden.
    pub async fn bind(addr: impl Into<SocketAddr>) -> Result<Self, SpawnError> {
        let addr = addr.into();
        Self::open(addr).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => SpawnError::Taken { addr },
            _ => SpawnError::Bind { addr, error },
        })
    }

    async fn open(addr: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr).await?;
        // Until the reactor has said so once, a new socket counts as full.
        socket.writable().await?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// The socket, to set its buffers, its TTL or its class of traffic.
    pub const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// `to` as this socket's family writes it.
    fn native(&self, to: SocketAddr) -> SocketAddr {
        match (self.local, to.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        }
    }
}

#[async_trait]
impl Transport for Udp {
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.socket.try_send_to(bytes, self.native(to)).map(drop)
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
