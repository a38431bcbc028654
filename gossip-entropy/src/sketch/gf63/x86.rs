//! Not a protocol: products without carries by the instruction PCLMULQDQ.

use core::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x,
    _mm_setzero_si128, _mm_unpackhi_epi64, _mm_xor_si128,
};

use super::reduce;

/// Proof that the CPU has the instruction: there is a value of this type only where it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hardware(());

impl Hardware {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let there = std::is_x86_feature_detected!("pclmulqdq");
        #[cfg(not(feature = "std"))]
        let there = cfg!(target_feature = "pclmulqdq");
        there.then_some(Self(()))
    }

    #[inline]
    #[expect(
        unsafe_code,
        reason = "calls what needs PCLMULQDQ: a `Hardware` exists only where the CPU has it"
    )]
    pub(super) fn mul(self, a: u64, b: u64) -> u64 {
        let Self(()) = self;
        unsafe { mul(a, b) }
    }

    #[inline]
    #[expect(
        unsafe_code,
        reason = "calls what needs PCLMULQDQ: a `Hardware` exists only where the CPU has it"
    )]
    pub(super) fn dot(self, a: &[u64], b: &[u64]) -> u64 {
        let Self(()) = self;
        unsafe { dot(a, b) }
    }

    #[inline]
    #[expect(
        unsafe_code,
        reason = "calls what needs PCLMULQDQ: a `Hardware` exists only where the CPU has it"
    )]
    pub(super) fn add_scaled(self, to: &mut [u64], by: u64, from: &[u64]) {
        let Self(()) = self;
        unsafe { add_scaled(to, by, from) }
    }

    #[inline]
    #[expect(
        unsafe_code,
        reason = "calls what needs PCLMULQDQ: a `Hardware` exists only where the CPU has it"
    )]
    pub(super) fn add_odd_powers(self, to: &mut [u64], x: u64) {
        let Self(()) = self;
        unsafe { add_odd_powers(to, x) }
    }
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn one(x: u64) -> __m128i {
    _mm_cvtsi64_si128(x as i64)
}

/// The reduced form of an unreduced product or a sum of them.
#[inline]
#[target_feature(enable = "pclmulqdq")]
fn reduced(product: __m128i) -> u64 {
    let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(product, product)) as u64;
    reduce(_mm_cvtsi128_si64(product) as u64, high)
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn mul(a: u64, b: u64) -> u64 {
    reduced(_mm_clmulepi64_si128::<0>(one(a), one(b)))
}

#[target_feature(enable = "pclmulqdq")]
fn dot(a: &[u64], b: &[u64]) -> u64 {
    // Two sums, so that one addition need not wait for the other.
    let mut sums = [_mm_setzero_si128(); 2];
    let (a_pairs, a_rest) = a[..a.len().min(b.len())].as_chunks::<2>();
    let (b_pairs, b_rest) = b[..a.len().min(b.len())].as_chunks::<2>();
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        let a = _mm_set_epi64x(a[1] as i64, a[0] as i64);
        let b = _mm_set_epi64x(b[1] as i64, b[0] as i64);
        sums[0] = _mm_xor_si128(sums[0], _mm_clmulepi64_si128::<0x00>(a, b));
        sums[1] = _mm_xor_si128(sums[1], _mm_clmulepi64_si128::<0x11>(a, b));
    }
    if let ([a], [b]) = (a_rest, b_rest) {
        sums[0] = _mm_xor_si128(sums[0], _mm_clmulepi64_si128::<0>(one(*a), one(*b)));
    }
    reduced(_mm_xor_si128(sums[0], sums[1]))
}

#[target_feature(enable = "pclmulqdq")]
fn add_scaled(to: &mut [u64], by: u64, from: &[u64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to ^= mul(by, from);
    }
}

/// How many powers are computed side by side: a product waits for the one before it.
const CHAINS: usize = 8;

#[target_feature(enable = "pclmulqdq")]
fn add_odd_powers(to: &mut [u64], x: u64) {
    let square = mul(x, x);
    let fourth = mul(square, square);
    let eighth = mul(fourth, fourth);
    let step = mul(eighth, eighth);
    let (cube, fifth) = (mul(x, square), mul(x, fourth));
    let seventh = mul(cube, fourth);
    let mut powers = [x, cube, fifth, seventh, 0, 0, 0, 0];
    for chain in 0..CHAINS / 2 {
        powers[chain + CHAINS / 2] = mul(powers[chain], eighth);
    }
    for block in to.chunks_mut(CHAINS) {
        for (to, power) in block.iter_mut().zip(&mut powers) {
            *to ^= *power;
            *power = mul(*power, step);
        }
    }
}
