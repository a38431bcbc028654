//! What carries datagrams: one trait, and what its implementations share.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use async_trait::async_trait;
use gossip_core::Counts;
use gossip_core::packet::Datagram;

use crate::batch::Batch;

/// The most bytes of a UDP datagram over IPv4: 65,535 less the two headers.
pub const UDP_MAX: usize = 65_507;

/// Carries datagrams, or loses them. [`Udp`](crate::Udp) is the usual one;
/// [`Memory`](crate::memory::Memory) stays inside the process.
///
/// A node asks nothing else of its network, so another one (a relay, a tunnel, a test's own) is
/// these functions:
///
/// ```
/// use std::io;
/// use std::net::SocketAddr;
///
/// use gossip_net::{Transport, async_trait};
///
/// /// A network on which nothing ever arrives.
/// struct Void(SocketAddr);
///
/// #[async_trait]
/// impl Transport for Void {
///     async fn send(&self, _: SocketAddr, _: &[u8]) -> io::Result<()> {
///         Ok(())
///     }
///     async fn recv(&self, _: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
///         std::future::pending().await
///     }
///     fn local_addr(&self) -> io::Result<SocketAddr> {
///         Ok(self.0)
///     }
/// }
/// # assert_eq!(Void(([127, 0, 0, 1], 9).into()).mtu(), 65_507);
/// ```
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Hands a datagram over for `to`, at once: success says nothing about its arrival.
    ///
    /// It must not wait for a peer. A node polls it a single time; if it is not done then, the
    /// datagram is shed and counted, so that one slow peer cannot hold up the others.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room now, [`TooLong`] if the
    /// datagram never fits, or the system's. None ends the node: it counts them by cause.
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()>;

    /// Waits for a datagram, writes it to the start of `buffer`, and returns its length and the
    /// address it came from. One that is longer than `buffer` is cut: callers give a byte more
    /// than they accept, and so can tell.
    ///
    /// It must be safe to cancel: a datagram is either returned or still to come.
    ///
    /// # Errors
    ///
    /// The system's. A node survives them, unless nothing but errors comes for several seconds.
    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Hands over some of these datagrams, from the first on, and returns how many, at least one.
    /// As [`send`](Self::send), which it calls for one of them unless there is a quicker way, it
    /// does not wait.
    ///
    /// # Errors
    ///
    /// Those of the first datagram, as for [`send`](Self::send). `datagrams` is not empty.
    async fn send_many(&self, datagrams: &[Datagram<SocketAddr>]) -> io::Result<usize> {
        let Some(first) = datagrams.first() else { return Ok(0) };
        self.send(first.to, &first.bytes).await.map(|()| 1)
    }

    /// Waits for datagrams, and puts those that have come into `batch`, at least one; what was in
    /// it is gone. By default it [receives](Self::recv) one.
    ///
    /// It must be safe to cancel.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    async fn recv_many(&self, batch: &mut Batch) -> io::Result<()> {
        batch.clear(1, batch.longest());
        let slot = batch.slots().next().unwrap_or_default();
        let most = slot.len();
        let (len, from) = self.recv(slot).await?;
        batch.push(from, 0..len.min(most));
        Ok(())
    }

    /// The address it is bound to here.
    ///
    /// # Errors
    ///
    /// The system's.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The most bytes of a datagram it carries.
    fn mtu(&self) -> usize {
        UDP_MAX
    }

    /// Whether a datagram that is too long for a part of its way may be cut in pieces there, or by
    /// this host. Then the way is not [searched](crate::Builder::path_mtu) for what it carries.
    fn may_fragment(&self) -> bool {
        false
    }

    /// What it shed or lost on purpose, by cause. Part of a node's
    /// [counters](crate::Handle::counters).
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// A datagram that is longer than its transport carries; inside an [`io::Error`] of kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
///
/// ```
/// let error = std::io::Error::from(gossip_net::TooLong { len: 1_500, limit: 1_200 });
/// assert_eq!(error.to_string(), "a datagram of 1500 bytes; this transport carries 1200");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its bytes.
    pub len: usize,
    /// The most bytes.
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, limit } = self;
        write!(f, "a datagram of {len} bytes; this transport carries {limit}")
    }
}

impl Error for TooLong {}

impl From<TooLong> for io::Error {
    fn from(error: TooLong) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// An address as peers name each other by it: an IPv4 address inside an IPv6 one is the IPv4
/// address, and a flow label or a scope, which mean something on one host only, are dropped.
///
/// ```
/// use gossip_net::canonical;
/// let mapped = "[::ffff:192.0.2.1]:4000".parse().unwrap();
/// assert_eq!(canonical(mapped), "192.0.2.1:4000".parse().unwrap());
/// ```
pub const fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, addr.port(), 0, 0)),
    }
}

/// Why `addr` can be nobody's, if so. Addresses come off the wire: sending to 0.0.0.0 would reach
/// this host, to a broadcast address everybody.
pub(crate) fn nobody(addr: SocketAddr) -> Option<&'static str> {
    if addr.port() == 0 {
        return Some("port 0");
    }
    match addr.ip() {
        ip if ip.is_unspecified() => Some("the unspecified address"),
        ip if ip.is_multicast() => Some("a multicast address"),
        IpAddr::V4(ip) if ip.is_broadcast() => Some("the broadcast address"),
        _ => None,
    }
}

/// Why `contact` cannot be one of a node that is known as `me`, if so.
pub(crate) fn problem(
    contact: SocketAddr,
    me: SocketAddr,
    bound: SocketAddr,
) -> Option<&'static str> {
    if contact == me || contact == bound {
        Some("this node itself; give another node's address, or none to the first node")
    } else if bound.is_ipv4() && contact.is_ipv6() {
        Some("an IPv6 address, which a node bound to an IPv4 one cannot reach; bind [::]")
    } else {
        nobody(contact)
    }
}

/// Whose doing an error of a transport is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The peer's: nobody is there.
    Peer,
    /// The way's, which is no reason to give up the peer: the network may be back soon.
    Way,
    /// There was no room for the moment.
    Room,
    /// The datagram's: too long for the interface.
    Datagram,
    /// Something else: the transport may be broken.
    Transport,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const SYSTEM: (i32, i32) = (90, 105);
#[cfg(windows)]
const SYSTEM: (i32, i32) = (10_040, 10_055);
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const SYSTEM: (i32, i32) = (40, 55);
/// The system's numbers for "message too long" and "no buffer space", which `io::ErrorKind` lacks.
const EMSGSIZE: i32 = SYSTEM.0;
const ENOBUFS: i32 = SYSTEM.1;

/// Whose doing `error` is, and its name in counters.
pub(crate) fn judge(error: &io::Error) -> (Blame, &'static str) {
    if matches!(error.get_ref(), Some(inner) if inner.is::<TooLong>()) {
        return (Blame::Datagram, "datagram too long for the transport");
    }
    match (error.raw_os_error(), error.kind()) {
        (Some(EMSGSIZE), _) => (Blame::Datagram, "datagram too long for the transport"),
        (Some(ENOBUFS), _) => (Blame::Room, "no buffer space"),
        (_, io::ErrorKind::WouldBlock) => (Blame::Room, "no room to send"),
        (_, io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory) => {
            (Blame::Room, "no buffer space")
        }
        (_, io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
            (Blame::Peer, "refused by the peer's host")
        }
        (_, io::ErrorKind::HostUnreachable) => (Blame::Peer, "host unreachable"),
        (_, io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown) => {
            (Blame::Way, "network unreachable")
        }
        (_, io::ErrorKind::PermissionDenied) => (Blame::Way, "forbidden by this host"),
        _ => (Blame::Transport, "transport error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault table, row 10: each error of a socket has a cause of its own, and none of them says
    /// that the socket is broken.
    #[test]
    fn errors_of_the_system_are_told_apart() {
        let judged = |code| judge(&io::Error::from_raw_os_error(code));
        assert_eq!(judged(EMSGSIZE), (Blame::Datagram, "datagram too long for the transport"));
        assert_eq!(judged(ENOBUFS), (Blame::Room, "no buffer space"));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(judge(&refused).0, Blame::Peer);
        let closed = io::Error::from(io::ErrorKind::NotConnected);
        assert_eq!(judge(&closed).0, Blame::Transport);
    }

    #[test]
    fn addresses_that_reach_nobody_or_everybody_are_named() {
        for bad in ["10.0.0.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1"] {
            assert!(nobody(bad.parse().unwrap()).is_some(), "{bad}");
        }
        for good in ["10.0.0.1:1", "127.0.0.1:9", "[fe80::1]:1"] {
            assert_eq!(nobody(good.parse().unwrap()), None, "{good}");
        }
    }

    #[test]
    fn an_address_loses_what_means_nothing_elsewhere() {
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 5, 3));
        assert_eq!(canonical(scoped), "[fe80::1]:7".parse().unwrap());
    }
}
