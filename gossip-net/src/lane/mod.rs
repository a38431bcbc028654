//! What does not fit into a datagram: a lane of streams beside them.
//!
//! Whatever a node has to say to one peer at once, if it takes [`BULK`] datagrams or more, goes as
//! one message of the lane: nothing of it is lost alone, and it waits for the peer instead of
//! flooding it. A message is the sender's address and the datagrams, each behind its length:
//!
//! ```text
//! address (16)  port (2)   length (2)  datagram   length (2)  datagram  ...
//! ```
//!
//! Where a peer's lane is, nodes tell each other (`hello.rs`); one that has none gets datagrams.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use gossip_core::Counts;
use gossip_core::packet::Datagram;

use crate::hello::LANE;

#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "quic")]
pub mod quic;
#[cfg(feature = "tls")]
mod streams;
#[cfg(feature = "tcp")]
pub mod tcp;

#[cfg(feature = "tls")]
pub use identity::{Expiry, Identity, LIFE, LaneError};
#[cfg(feature = "tls")]
pub use streams::{CONNECTIONS, Fault, HANDSHAKES, Kind, QUEUE, Streams};

/// Datagrams to one peer at once that go by the lane. Our choice: below, a stream costs more than
/// it saves.
pub const BULK: usize = 8;

/// The most bytes of a message: what one connection can make a node keep at once.
pub const MESSAGE: usize = 256 * 1_024;

const HEAD: usize = 18;

/// Carries messages of up to [`MESSAGE`] bytes to the lanes of peers, in order and whole, or not
/// at all. `quic::Quic` (feature `quic`) is one, `tcp::Tcp` (feature `tcp`) another.
#[async_trait]
pub trait Lane: Send + Sync + 'static {
    /// Takes a message for the lane at `to`. It does not wait: what a peer does not take is kept in
    /// a bounded queue of its own, so that it holds up nobody else.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the peer's queue is full or it was not reached
    /// lately, [`InvalidInput`](io::ErrorKind::InvalidInput) if the message is too long.
    fn send(&self, to: SocketAddr, message: Vec<u8>) -> io::Result<()>;

    /// Waits for a message, and returns it with the address that it came from: of the sender's
    /// host, at a port that may be any. It must be safe to cancel.
    ///
    /// # Errors
    ///
    /// If there will be no more.
    async fn recv(&self) -> io::Result<(SocketAddr, Vec<u8>)>;

    /// The address it is bound to here.
    ///
    /// # Errors
    ///
    /// The system's.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The bit of [`PeerInfo::capabilities`](crate::PeerInfo::capabilities) that says which kind of
    /// lane it is: messages go only between two of the same kind.
    fn capability(&self) -> u32 {
        LANE
    }

    /// What it refused, shed or lost, by cause.
    fn counts(&self) -> Counts;
}

/// Takes those of `datagrams` out that go by the lane, as messages, each with its receiver and how
/// many datagrams it has. `lane` says who has one.
pub(crate) fn bundle(
    me: SocketAddr,
    datagrams: &mut Vec<Datagram<SocketAddr>>,
    lane: impl Fn(SocketAddr) -> Option<SocketAddr>,
) -> Vec<(SocketAddr, Vec<Datagram<SocketAddr>>, Vec<u8>)> {
    let mut messages: Vec<(SocketAddr, Vec<Datagram<SocketAddr>>, Vec<u8>)> = Vec::new();
    if datagrams.len() < BULK {
        return messages;
    }
    let mut counts: Vec<(SocketAddr, usize)> = Vec::new();
    for datagram in &*datagrams {
        match counts.iter_mut().find(|(to, _)| *to == datagram.to) {
            Some((_, count)) => *count += 1,
            None => counts.push((datagram.to, 1)),
        }
    }
    for (to, _) in counts.into_iter().filter(|(_, count)| *count >= BULK) {
        let Some(at) = lane(to) else { continue };
        let mut open: Option<(SocketAddr, Vec<_>, Vec<u8>)> = None;
        for datagram in datagrams.extract_if(.., |datagram| datagram.to == to) {
            let len = datagram.bytes.len();
            if let Some(full) = open.take_if(|(_, _, bytes)| bytes.len() + 2 + len > MESSAGE) {
                messages.push(full);
            }
            let (_, inside, bytes) = open.get_or_insert_with(|| (at, Vec::new(), head(me)));
            bytes.extend_from_slice(&(len as u16).to_le_bytes());
            bytes.extend_from_slice(&datagram.bytes);
            inside.push(datagram);
        }
        messages.extend(open);
    }
    messages
}

fn head(me: SocketAddr) -> Vec<u8> {
    let ip = match me.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [&ip.octets()[..], &me.port().to_le_bytes()].concat()
}

/// Who says that a message is from it, and the datagrams: all that are whole.
pub(crate) fn open(message: &[u8]) -> Option<(SocketAddr, impl Iterator<Item = &[u8]>)> {
    let (head, mut rest) = message.split_first_chunk::<HEAD>()?;
    let [ip @ .., p0, p1] = *head;
    let ip = Ipv6Addr::from(ip).to_canonical();
    let datagrams = std::iter::from_fn(move || {
        let (len, bytes) = rest.split_first_chunk()?;
        let (datagram, left) = bytes.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        rest = left;
        Some(datagram)
    });
    Some((SocketAddr::new(ip, u16::from_le_bytes([p0, p1])), datagrams))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 7).into()
    }

    fn datagrams(to: u8, count: usize, len: usize) -> Vec<Datagram<SocketAddr>> {
        let one = |number| Datagram { to: peer(to), bytes: vec![number as u8; len], frames: 1 };
        (0..count).map(one).collect()
    }

    #[test]
    fn much_to_one_peer_goes_by_its_lane_and_the_rest_does_not() {
        let mut all = datagrams(1, BULK, 100);
        all.extend(datagrams(2, BULK - 1, 100));
        all.extend(datagrams(3, BULK, 100));
        let lane = |to: SocketAddr| (to != peer(3)).then(|| SocketAddr::new(to.ip(), 8));
        let messages = bundle(peer(9), &mut all, lane);
        assert_eq!(all.len(), 2 * BULK - 1, "few, or to one without a lane");
        let [(to, inside, bytes)] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((*to, inside.len()), (SocketAddr::new(peer(1).ip(), 8), BULK));
        let (from, parts) = open(bytes).unwrap();
        assert_eq!(from, peer(9));
        assert!(parts.eq(datagrams(1, BULK, 100).iter().map(|datagram| &datagram.bytes[..])));
    }

    #[test]
    fn messages_are_no_longer_than_they_may_be() {
        let mut all = datagrams(1, 300, 1_200);
        let messages = bundle(peer(9), &mut all, Some);
        assert!(all.is_empty() && messages.len() == 2);
        assert!(messages.iter().all(|(_, _, bytes)| bytes.len() <= MESSAGE));
        assert_eq!(messages.iter().map(|(_, inside, _)| inside.len()).sum::<usize>(), 300);
    }

    proptest! {
        /// Any bytes are opened without a panic, and nothing comes out that is not in them.
        #[test]
        fn any_bytes_are_opened(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some((_, parts)) = open(&bytes) {
                let sum: usize = parts.map(|part| part.len() + 2).sum();
                prop_assert!(sum + HEAD <= bytes.len());
            }
        }
    }
}
