//! PinSketch: `c` numbers of 63 bits from which any `c` differences between two sets follow.
//!
//! Dodis, Ostrovsky, Reyzin, Smith, *Fuzzy extractors: how to generate strong keys from biometrics
//! and other noisy data*, SIAM Journal on Computing 38(1), 2008, section 6.3; decoding as in
//! Massey,
//! *Shift-register synthesis and BCH decoding*, IEEE Transactions on Information Theory 15, 1969.
//!
//! ```text
//! sketch of a set:    s[k] = sum of x^k over its elements, for the odd k below 2 c
//! of the difference:  the sum of both sides' sketches, for what both have cancels
//! to decode:          fill in s[2 k] = s[k]^2; find the shortest recurrence that makes s;
//!                     the inverses of its polynomial's roots are the difference
//! ```
//!
//! # What holds
//!
//! Up to `c` differences are always found. Of more than `c`, a decoder that allows `c` is misled
//! with a probability of about 1 / c!, since any polynomial of degree c may by chance have all its
//! roots; one that allows `c - k` only with 2^(-63 k) at most. What it finds has the sketch
//! that it was given, but another set may have it, too: sessions compare a check of 128 bits.
//!
//! # Deviations from the paper
//!
//! - Elements are nonzero numbers of 63 bits, the field for which multiplication is cheapest.
//! - Roots are found by one table of powers that all traces share, at a third of the cost.

use alloc::vec;
use alloc::vec::Vec;

use super::gf63::{BITS, Field, MASK};
use super::roots::roots;

/// The most differences that a session's sketch settles: 115 numbers of 63 bits are 906 bytes, and
/// leave room in a datagram for an estimator.
pub const CAPACITY: usize = 115;

/// How many bytes `capacity` numbers of 63 bits take.
pub const fn packed_len(capacity: usize) -> usize {
    (capacity * BITS as usize).div_ceil(8)
}

/// How many numbers of 63 bits `bytes` bytes hold.
pub const fn unpacked_len(bytes: usize) -> usize {
    bytes * 8 / BITS as usize
}

/// Writes a sketch without gaps, little-endian; bits left over in the last byte are zero.
pub fn pack(syndromes: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packed_len(syndromes.len()));
    let (mut held, mut bits) = (0_u128, 0);
    for &syndrome in syndromes {
        held |= u128::from(syndrome) << bits;
        bits += BITS;
        while bits >= 8 {
            bytes.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        bytes.push(held as u8);
    }
    bytes
}

/// Reads what [`pack`] wrote; `None` if these bytes are nothing that it writes.
pub fn unpack(bytes: &[u8]) -> Option<Vec<u64>> {
    let capacity = unpacked_len(bytes.len());
    let mut syndromes = Vec::with_capacity(capacity);
    let (mut held, mut bits) = (0_u128, 0);
    for &byte in bytes {
        held |= u128::from(byte) << bits;
        bits += 8;
        if bits >= BITS {
            syndromes.push(held as u64 & MASK);
            held >>= BITS;
            bits -= BITS;
        }
    }
    (held == 0 && packed_len(capacity) == bytes.len()).then_some(syndromes)
}

/// The elements whose odd power sums `syndromes` are, if there are at most `most` of them, which
/// may be as many as there are syndromes. `draw` is random: see [the module](self).
///
/// ```
/// use gossip_entropy::sketch::{Field, pinsketch};
///
/// let field = Field::detect();
/// let mut sketch = [0; 4];
/// for x in [3000, 3001, 3010, 3011] {
///     field.add_odd_powers(&mut sketch, x);
/// }
/// let mut found = pinsketch::decode(field, &sketch, 4, 1).unwrap();
/// found.sort_unstable();
/// assert_eq!(found, [3000, 3001, 3010, 3011]);
/// assert_eq!(pinsketch::decode(field, &sketch, 3, 1), None);
/// ```
pub fn decode(field: Field, syndromes: &[u64], most: usize, draw: u64) -> Option<Vec<u64>> {
    let recurrence = shortest(field, syndromes);
    let degree = recurrence.len() - 1;
    // Its last coefficient is the product of the elements, none of which is 0.
    if degree > most || recurrence[degree] == 0 {
        return None;
    }
    let mut locators = recurrence;
    locators.reverse();
    locators.pop();
    roots(field, &locators, draw)
}

/// The shortest recurrence that makes the power sums, by Massey's algorithm. Of its coefficients
/// the first is 1. In characteristic 2 every second step finds nothing to mend, and is left out.
fn shortest(field: Field, syndromes: &[u64]) -> Vec<u64> {
    let steps = 2 * syndromes.len();
    // From the last to the first, so that a recurrence meets them in its own order: the sum of
    // power k stands at `steps - k`.
    let mut sums = vec![0; steps];
    for power in 1..=steps {
        sums[steps - power] = if power % 2 == 1 {
            syndromes[power / 2]
        } else {
            let half = sums[steps - power / 2];
            field.mul(half, half)
        };
    }
    let (mut now, mut before) = (vec![1], vec![1]);
    let (mut length, mut shift, mut mended) = (0, 1, 1);
    for step in (0..steps).step_by(2) {
        let off = field.dot(&now, &sums[steps - 1 - step..]);
        if off != 0 {
            let old = now.clone();
            now.resize(now.len().max(before.len() + shift), 0);
            let by = field.mul(off, field.invert(mended));
            field.add_scaled(&mut now[shift..], by, &before);
            if 2 * length <= step {
                (length, before, mended, shift) = (step + 1 - length, old, off, 0);
            }
        }
        shift += 2;
    }
    now.resize(length + 1, 0);
    now
}

#[cfg(test)]
mod tests {
    use gossip_core::random::{Key, Random};
    use proptest::prelude::*;

    use super::*;

    fn elements(random: &mut Random, count: usize) -> Vec<u64> {
        let mut all: Vec<u64> = (0..count).map(|_| (random.next_u64() & MASK).max(1)).collect();
        all.sort_unstable();
        all
    }

    fn sketch(field: Field, elements: &[u64], capacity: usize) -> Vec<u64> {
        let mut syndromes = vec![0; capacity];
        for &x in elements {
            field.add_odd_powers(&mut syndromes, x);
        }
        syndromes
    }

    fn sorted(found: Option<Vec<u64>>) -> Option<Vec<u64>> {
        found.map(|mut found| {
            found.sort_unstable();
            found
        })
    }

    /// Section 6.3: any number of differences up to the capacity, of which each is tried here.
    #[test]
    fn every_size_up_to_the_capacity_is_decoded() {
        let mut random = Key::new(2008).random(0);
        let field = Field::detect();
        for size in 0..=CAPACITY {
            let all = elements(&mut random, size);
            for capacity in [size, size + 1, CAPACITY] {
                let capacity = capacity.min(CAPACITY);
                let found = decode(field, &sketch(field, &all, capacity), size, random.next_u64());
                assert_eq!(sorted(found).as_ref(), Some(&all), "{size} of {capacity}");
            }
        }
    }

    #[test]
    fn the_portable_decoder_agrees() {
        let mut random = Key::new(2008).random(1);
        for size in [0, 1, 2, 3, 7, 20, 64, 115] {
            let all = elements(&mut random, size);
            let draw = random.next_u64();
            let [fast, slow] = [Field::detect(), Field::portable()]
                .map(|field| decode(field, &sketch(field, &all, size), size, draw));
            assert_eq!(fast, slow, "in the same order, {size} elements");
            assert_eq!(sorted(fast), Some(all));
        }
    }

    /// Of more differences than the capacity nothing is found, when one number is kept in reserve.
    #[test]
    fn too_many_are_noticed() {
        let mut random = Key::new(2008).random(2);
        let field = Field::detect();
        for capacity in 2..=CAPACITY {
            for beyond in [0, 1, 2, 50] {
                let all = elements(&mut random, capacity + beyond);
                let found = decode(field, &sketch(field, &all, capacity), capacity - 1, 1);
                assert_eq!(found, None, "{} of {capacity}", capacity + beyond);
            }
        }
    }

    /// Without reserve, a sketch of capacity c is misled by 1 in c! of larger sets. For c = 3,
    /// that is 333 of 2,000, with a standard deviation of 17. What is found has the same sketch.
    #[test]
    fn without_a_reserve_chance_misleads() {
        let mut random = Key::new(2008).random(3);
        let field = Field::detect();
        let mut misled = 0;
        for _ in 0..2_000 {
            let given = sketch(field, &elements(&mut random, 9), 3);
            if let Some(found) = decode(field, &given, 3, random.next_u64()) {
                assert_eq!(sketch(field, &found, 3), given);
                misled += 1;
            }
        }
        assert!((248..=418).contains(&misled), "{misled}");
    }

    proptest! {
        /// Whatever a peer sends, what is found has the sketch that was given.
        #[test]
        fn any_sketch_is_decoded_to_its_own_or_refused(
            given in prop::collection::vec(any::<u64>().prop_map(|s| s & MASK), 0..12),
            draw: u64,
        ) {
            let field = Field::detect();
            if let Some(found) = decode(field, &given, given.len(), draw) {
                prop_assert_eq!(sketch(field, &found, given.len()), given);
            }
        }

        #[test]
        fn a_packed_sketch_is_unpacked(
            given in prop::collection::vec(any::<u64>().prop_map(|s| s & MASK), 0..=CAPACITY),
        ) {
            let bytes = pack(&given);
            prop_assert_eq!(bytes.len(), packed_len(given.len()));
            prop_assert_eq!(unpack(&bytes), Some(given));
        }

        /// One value, one encoding.
        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(given) = unpack(&bytes) {
                prop_assert_eq!(pack(&given), bytes);
            }
        }
    }

    #[test]
    fn a_full_sketch_takes_906_bytes() {
        assert_eq!(packed_len(CAPACITY), 906);
    }
}
