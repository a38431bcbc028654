//! Nearness by the bits of a hash: exclusive or, and common prefixes.
//!
//! Not a protocol: orders that T-Man builds by. The metrics are those of Maymounkov, Mazieres,
//! *Kademlia*, IPTPS 2002, section 2.1, and of Rowstron, Druschel, *Pastry*, Middleware 2001,
//! section 2.

use gossip_core::{ParameterError, PeerId, id};

use crate::ranking::Ranking;

/// Ranks peers by the exclusive or of their identifiers' hashes, as a number: everybody's nearest
/// are its siblings in the trie of hashes.
///
/// ```
/// use gossip_overlay::{Ranking, rank::Xor};
/// assert_eq!(Ranking::<u32>::distance(&Xor, 0b1100, 0b1010), 0b0110);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Xor;

impl<I: PeerId> Ranking<I> for Xor {
    type Profile = ();
    type Place = u64;
    type Distance = u64;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        Some(id::digest(&peer))
    }

    #[inline]
    fn distance(&self, from: u64, to: u64) -> u64 {
        from ^ to
    }
}

/// Ranks peers by how many digits of their identifiers' hashes follow the common prefix.
///
/// ```
/// use gossip_overlay::{Ranking, rank::Prefix};
///
/// let hex = Prefix::new(4)?;
/// let [a, b] = [0x1234 << 48, 0x1299 << 48];
/// assert_eq!(Ranking::<u32>::distance(&hex, a, b), 14); // of 16, two are common
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bits: u32,
}

impl Prefix {
    /// With digits of `bits` bits, from 1 to 16.
    ///
    /// # Errors
    ///
    /// If a digit has none, or too many.
    pub fn new(bits: u32) -> Result<Self, ParameterError> {
        ParameterError::new("digit width b", bits.into(), "bits", "1 to 16")
            .unless((1..=16).contains(&bits))?;
        Ok(Self { bits })
    }
}

impl<I: PeerId> Ranking<I> for Prefix {
    type Profile = ();
    type Place = u64;
    type Distance = u32;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        Some(id::digest(&peer))
    }

    #[inline]
    fn distance(&self, from: u64, to: u64) -> u32 {
        let common = (from ^ to).leading_zeros() / self.bits;
        64_u32.div_ceil(self.bits).saturating_sub(common)
    }
}
