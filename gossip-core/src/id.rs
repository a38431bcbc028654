//! Who takes part: peer identifiers.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};

use alloc::vec::Vec;

use crate::random::mix;
use crate::wire::Wire;

/// A peer's identifier: small, copyable, ordered, and able to travel.
///
/// Simulators use `u32` (the node's index), sockets use
/// [`SocketAddr`](core::net::SocketAddr). Implemented for every type that qualifies.
///
/// ```
/// fn is_id<I: gossip_core::PeerId>() {}
/// is_id::<u32>();
/// is_id::<core::net::SocketAddr>();
/// ```
pub trait PeerId: Copy + Eq + Ord + Hash + Debug + Wire + Send + 'static {}

impl<T: Copy + Eq + Ord + Hash + Debug + Wire + Send + 'static> PeerId for T {}

/// A 64-bit digest of an identifier's encoding, the same on every platform.
///
/// Overlays place a node by it, so that positions are spread evenly whatever the identifiers look
/// like.
///
/// ```
/// use gossip_core::id::digest;
/// assert_eq!(digest(&7_u32), digest(&7_u32));
/// assert_ne!(digest(&7_u32), digest(&8_u32));
/// ```
pub fn digest<I: Wire>(id: &I) -> u64 {
    let mut bytes = Vec::with_capacity(id.encoded_len());
    id.encode(&mut bytes);
    hash(&bytes)
}

/// A 64-bit hash of some bytes: FNV-1a, finished with the generator's mixer. For placement and
/// labels, not against an adversary.
///
/// ```
/// assert_ne!(gossip_core::id::hash(b"blue"), gossip_core::id::hash(b"green"));
/// ```
pub const fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        state = (state ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    mix(state)
}

/// 64 bits that tell one identifier from another on this machine, the upper ones best: quicker than
/// [`digest`], and not the same on every platform. For telling repetitions, never for placement.
///
/// ```
/// use gossip_core::id::fingerprint;
/// assert_ne!(fingerprint(&7_u32), fingerprint(&8_u32));
/// ```
#[inline]
pub fn fingerprint<I: Hash>(id: &I) -> u64 {
    let mut hasher = Fingerprint(0);
    id.hash(&mut hasher);
    hasher.finish()
}

/// Folds an identifier into 64 bits.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        // One multiplication a word: the upper bits are the good ones.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
