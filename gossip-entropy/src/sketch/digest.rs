//! Not a protocol: hashes of elements under a secret, and sums of them that tell sets apart.
//!
//! Bellare, Micciancio, *A new paradigm for collision-free hashing: incrementality at reduced
//! cost*, EUROCRYPT 1997 (sums of hashes).
//!
//! An element's [`Fingerprint`] is 128 bits of SipHash-2-4 under the secret and a salt. A set has
//! two sums modulo 2^128: that of the fingerprints, by which two sets prove that they are equal,
//! and that of functions of the [identifiers](Fingerprint::id), by which a session checks a
//! difference that it knows by identifiers alone. Sums, and not exclusive or: among 129 exclusive
//! ors of 128 bits some cancel, and elimination finds them.
//!
//! Who does not know the secret can do no better than chance. Who does may search for elements
//! whose identifiers or sums agree; the sum of such a search holds for one salt only.

use siphasher::sip128::{Hasher128, SipHasher24};

use core::hash::Hasher;

use super::gf63::MASK;
use crate::replica::Secret;

/// What fingerprints are computed with: the same on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    secret: Secret,
    salt: u64,
}

impl Keys {
    /// The secret of a group, with a salt: 0 for the state that is kept, another for a session in
    /// which that of 0 did not lead to an end.
    pub const fn new(secret: Secret, salt: u64) -> Self {
        Self { secret, salt }
    }

    /// The fingerprint of an element.
    pub fn fingerprint(&self, element: &[u8]) -> Fingerprint {
        let Secret([k0, k1]) = self.secret;
        let mut hasher = SipHasher24::new_with_keys(k0, k1);
        // Before the element, so that salts change what elements agree in.
        hasher.write(&self.salt.to_le_bytes());
        hasher.write(element);
        Fingerprint(hasher.finish128().as_u128())
    }
}

/// 128 bits that stand for an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The element's identifier in sketches: 63 bits, never 0.
    #[inline]
    pub const fn id(self) -> u64 {
        let id = self.0 as u64 & MASK;
        // Of two elements one in 2^63 shares an identifier with the other in any case.
        if id == 0 { 1 } else { id }
    }
}

/// Spreads every bit over all.
///
/// Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014 (the finisher
/// of SplitMix, Stafford's variant 13).
#[inline]
pub(super) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// The sum of 128 bits for each identifier of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check(u128);

impl Check {
    /// Adds an identifier.
    #[inline]
    pub const fn add(&mut self, id: u64) {
        self.0 = self.0.wrapping_add(spread(id));
    }

    /// Takes an identifier away.
    #[inline]
    pub const fn subtract(&mut self, id: u64) {
        self.0 = self.0.wrapping_sub(spread(id));
    }

    /// As it travels.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

/// 128 bits of an identifier.
#[inline]
const fn spread(id: u64) -> u128 {
    let (high, low) = (mix(id ^ 0x243f_6a88_85a3_08d3), mix(id ^ 0x1319_8a2e_0370_7344));
    (high as u128) << 64 | low as u128
}

/// What two sets compare first: the sum of the fingerprints, and their number. 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    sum: u128,
    count: u64,
}

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 24;

    /// Adds an element.
    #[inline]
    pub const fn add(&mut self, element: Fingerprint) {
        self.sum = self.sum.wrapping_add(element.0);
        self.count = self.count.wrapping_add(1);
    }

    /// Takes an element away, which must be there.
    #[inline]
    pub const fn subtract(&mut self, element: Fingerprint) {
        self.sum = self.sum.wrapping_sub(element.0);
        self.count = self.count.wrapping_sub(1);
    }

    /// How many elements there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What was [written](Self::to_bytes).
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let (mut sum, mut count) = ([0; 16], [0; 8]);
        sum.copy_from_slice(&bytes[..16]);
        count.copy_from_slice(&bytes[16..]);
        Self { sum: u128::from_le_bytes(sum), count: u64::from_le_bytes(count) }
    }

    /// As it travels.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..16].copy_from_slice(&self.sum.to_le_bytes());
        bytes[16..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order_and_are_undone(
            elements in prop::collection::vec(any::<u128>(), 1..30),
            turn in any::<usize>(),
        ) {
            let sums = |all: &[u128]| {
                let (mut digest, mut check) = (Digest::default(), Check::default());
                for &bits in all {
                    digest.add(Fingerprint(bits));
                    check.add(Fingerprint(bits).id());
                }
                (digest, check)
            };
            let mut turned = elements.clone();
            turned.rotate_left(turn % elements.len());
            prop_assert_eq!(sums(&elements), sums(&turned));
            let (mut digest, mut check) = sums(&elements);
            digest.subtract(Fingerprint(elements[0]));
            check.subtract(Fingerprint(elements[0]).id());
            prop_assert_eq!((digest, check), sums(&elements[1..]));
            prop_assert_eq!(Digest::from_bytes(digest.to_bytes()), digest);
        }
    }

    #[test]
    fn salt_and_secret_change_every_fingerprint() {
        let keys = [(1, 0), (1, 1), (2, 0)].map(|(key, salt)| Keys::new(Secret([key, 7]), salt));
        let [a, b, c] = keys.map(|keys| keys.fingerprint(b"element"));
        assert!(a != b && a != c && b != c);
        assert_eq!(Fingerprint(1 << 63).id(), 1, "never 0");
    }
}
