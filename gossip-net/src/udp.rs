//! UDP: one socket a node, and many datagrams a call of the system.
//!
//! They are received by quinn-udp: `recvmmsg` where there is one, and with what the kernel has put
//! together (generic receive offload) taken apart again. They are sent by `sendmmsg` on Linux.
//! Segmentation offload is not used for sending: what gossip sends at once goes to many peers, or
//! in datagrams of many lengths. Of what eight agents sent in 45 s, 2.7 % of 5,178 datagrams were
//! in runs to one peer that it could have taken; with values of 60,000 bytes set now and then, and
//! no lanes, 8.3 % of 4,578. What leaves in such runs goes by a lane, or joined (`path.rs`). For a
//! stack that does nothing but pour on one peer it would be much: a run of 32 on loopback costs 169
//! ns a datagram, send and receive, where a call a burst costs 3,009 (`benches/datagrams`).

use std::array;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
#[cfg(target_os = "linux")]
use gossip_core::packet::Datagram;
use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::batch::Batch;
use crate::builder::SpawnError;
use crate::transport::{Transport, UDP_MAX};

/// Datagrams received, or sent, by one call of the system at most: what quinn-udp takes.
const SLOTS: usize = quinn_udp::BATCH_SIZE;

/// Bytes of a socket's receive buffer that are asked for: some 1,300 small datagrams, for which
/// Linux counts 768 bytes each. Our choice; memberlist asks for twice that.
const BUFFER: usize = 1 << 20;

/// A UDP socket.
///
/// A full send buffer sheds the datagram: nothing ever waits for a peer. A socket bound to an IPv6
/// address reaches IPv4 peers where the system's sockets are dual-stack (bind `[::]`). Nothing is
/// fragmented where the system can be told so: a datagram that is too long for the interface is
/// refused.
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
    state: UdpSocketState,
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
        let state = UdpSocketState::new((&socket).into())?;
        // As far as the system allows. Linux's own 208 KiB are some 270 small datagrams: five
        // hundred nodes that join by one fill that while it waits for its turn on a busy machine.
        let _ = state.set_recv_buffer_size((&socket).into(), BUFFER);
        Ok(Self { socket, state, local })
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

    #[cfg(target_os = "linux")]
    async fn send_many(&self, datagrams: &[Datagram<SocketAddr>]) -> io::Result<usize> {
        match datagrams {
            [] => Ok(0),
            [one] => self.send(one.to, &one.bytes).await.map(|()| 1),
            many => self.socket.try_io(Interest::WRITABLE, || {
                let to = |datagram: &Datagram<_>| self.native(datagram.to);
                send_at_once(&self.socket, &many[..many.len().min(SLOTS)], to)
            }),
        }
    }

    async fn recv_many(&self, batch: &mut Batch) -> io::Result<()> {
        // What the kernel puts together is cut if it does not fit.
        let len = if self.state.gro_segments() > 1 { UDP_MAX + 1 } else { batch.longest() };
        batch.clear(SLOTS, len);
        let mut metas = [RecvMeta::default(); SLOTS];
        let mut slots = batch.slots();
        let mut slices: [_; SLOTS] =
            array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        drop(slots);
        let receive = || self.state.recv((&self.socket).into(), &mut slices, &mut metas);
        let came = self.socket.async_io(Interest::READABLE, receive).await?;
        for (slot, meta) in metas.iter().take(came).enumerate() {
            let (start, end) = (slot * len, slot * len + meta.len.min(len));
            for start in (start..end.max(start + 1)).step_by(meta.stride.max(1)) {
                batch.push(meta.addr, start..end.min(start + meta.stride));
            }
        }
        Ok(())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Sends up to [`SLOTS`] datagrams by one call, and returns how many.
#[cfg(target_os = "linux")]
fn send_at_once(
    socket: &UdpSocket,
    datagrams: &[Datagram<SocketAddr>],
    to: impl Fn(&Datagram<SocketAddr>) -> SocketAddr,
) -> io::Result<usize> {
    use std::io::IoSlice;

    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

    let addrs: Vec<_> =
        datagrams.iter().map(|datagram| SocketAddrAny::from(to(datagram))).collect();
    let parts: Vec<_> = datagrams.iter().map(|datagram| [IoSlice::new(&datagram.bytes)]).collect();
    let mut controls: [_; SLOTS] = array::from_fn(|_| SendAncillaryBuffer::default());
    let with = addrs.iter().zip(&parts).zip(&mut controls);
    let mut messages: Vec<_> =
        with.map(|((addr, part), control)| MMsgHdr::new_with_addr(addr, part, control)).collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::empty())?)
}
