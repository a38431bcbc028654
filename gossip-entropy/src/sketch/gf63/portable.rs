//! Not a protocol: products without carries from ordinary multiplications.
//!
//! Of each factor every fourth bit is taken, which leaves room for sums of up to 15 ones between
//! them, and 16 ordinary products give the whole one. A factor of 60 bits has 15 bits in each of
//! the four parts; the three bits above are dealt with apart. There are no tables and no branches,
//! so that time says nothing about the factors.

use super::reduce;

const EVERY_FOURTH: u128 = 0x1111_1111_1111_1111_1111_1111_1111_1111;

/// A sum of unreduced products.
struct Sum {
    /// In the part number k the bits k, k + 4, ... are right, whatever is between them.
    parts: [u128; 4],
    /// What the three bits above come to.
    above: u128,
}

impl Sum {
    const ZERO: Self = Self { parts: [0; 4], above: 0 };

    #[inline]
    const fn add(&mut self, a: u64, b: u64) {
        let low = a & ((1 << 60) - 1);
        let mut i = 0;
        while i < 4 {
            let part = (low & (EVERY_FOURTH as u64) << i) as u128;
            let mut j = 0;
            while j < 4 {
                self.parts[(i + j) % 4] ^= part * (b & (EVERY_FOURTH as u64) << j) as u128;
                j += 1;
            }
            i += 1;
        }
        let mut bit = 60;
        while bit < 63 {
            let if_set = (a >> bit & 1).wrapping_neg() & b;
            self.above ^= (if_set as u128) << (bit - 60);
            bit += 1;
        }
    }

    /// The element that it stands for. Bits between those that are right are left out here, once.
    #[inline]
    const fn reduced(self) -> u64 {
        let mut product = self.above << 60;
        let mut k = 0;
        while k < 4 {
            product ^= self.parts[k] & EVERY_FOURTH << k;
            k += 1;
        }
        reduce(product as u64, (product >> 64) as u64)
    }
}

#[inline]
pub(super) const fn mul(a: u64, b: u64) -> u64 {
    let mut sum = Sum::ZERO;
    sum.add(a, b);
    sum.reduced()
}

pub(super) fn dot(a: &[u64], b: &[u64]) -> u64 {
    let mut sum = Sum::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum.add(a, b);
    }
    sum.reduced()
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
