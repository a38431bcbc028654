//! Not a protocol: products without carries from ordinary multiplications.
//!
//! Of each factor every fourth bit is taken, which leaves room for sums of up to 15 ones between
//! them, and 16 ordinary products give the whole one. A factor of 60 bits has 15 bits in each of
//! the four parts; the three bits above are dealt with apart. There are no tables and no branches,
//! so that time says nothing about the factors.

use super::reduce;

const EVERY_FOURTH: u128 = 0x1111_1111_1111_1111_1111_1111_1111_1111;

/// The unreduced product.
#[inline]
const fn wide(a: u64, b: u64) -> u128 {
    let mut sums = [0_u128; 4];
    let low = a & ((1 << 60) - 1);
    let mut i = 0;
    while i < 4 {
        let part = (low & (EVERY_FOURTH as u64) << i) as u128;
        let mut j = 0;
        while j < 4 {
            sums[(i + j) % 4] ^= part * (b & (EVERY_FOURTH as u64) << j) as u128;
            j += 1;
        }
        i += 1;
    }
    let mut product = 0;
    let mut k = 0;
    while k < 4 {
        product |= sums[k] & EVERY_FOURTH << k;
        k += 1;
    }
    let mut bit = 60;
    while bit < 63 {
        let all_if_set = ((a >> bit & 1) as u128).wrapping_neg();
        product ^= all_if_set & (b as u128) << bit;
        bit += 1;
    }
    product
}

const fn reduced(product: u128) -> u64 {
    reduce(product as u64, (product >> 64) as u64)
}

pub(super) const fn mul(a: u64, b: u64) -> u64 {
    reduced(wide(a, b))
}

pub(super) fn dot(a: &[u64], b: &[u64]) -> u64 {
    reduced(a.iter().zip(b).fold(0, |sum, (&a, &b)| sum ^ wide(a, b)))
}

pub(super) fn add_scaled(to: &mut [u64], by: u64, from: &[u64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to ^= mul(by, from);
    }
}

pub(super) fn add_odd_powers(to: &mut [u64], x: u64) {
    let step = mul(x, x);
    let mut power = x;
    for to in to {
        *to ^= power;
        power = mul(power, step);
    }
}
