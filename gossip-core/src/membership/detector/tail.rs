//! The upper tail of the normal distribution as a logarithm, exact where probabilities are not.
//!
//! Not a protocol: the arithmetic of [`Phi`](super::Phi).
//!
//! `-log10(1 - cdf)` loses digits from the start and is infinite beyond 8.3 deviations, where the
//! cdf rounds to 1. Here the tail itself is computed, by the complementary error function while
//! that does not underflow, and by the asymptotic series of Mills' ratio beyond:
//!
//! ```text
//! Q(z) = erfc(z / sqrt 2) / 2                                                        z < 25
//! ln Q(z) = -z^2/2 - ln(z sqrt(2 pi)) + ln(1 - 1/z^2 + 3/z^4 - 15/z^6 + 105/z^8)     z >= 25
//! ```
//!
//! The first term left out is below 1e-11 of Q there, which is below 1e-13 of its logarithm.

use core::f64::consts::{FRAC_1_SQRT_2, LN_10};

/// Where the series takes over: erfc underflows from 37.5 on.
const FAR: f64 = 25.0;

/// ln sqrt(2 pi).
const LN_SQRT_2_PI: f64 = 0.918_938_533_204_672_8;

/// The natural logarithm of the probability that a standard normal variable exceeds `z`. Finite for
/// |z| up to 1e150.
fn ln_tail(z: f64) -> f64 {
    if z < 0.0 {
        // Near 1: the other tail is what is small.
        return libm::log1p(-0.5 * libm::erfc(-z * FRAC_1_SQRT_2));
    }
    if z < FAR {
        return libm::log(0.5 * libm::erfc(z * FRAC_1_SQRT_2));
    }
    let w = 1.0 / (z * z);
    let series = w * (-1.0 + w * (3.0 + w * (-15.0 + w * 105.0)));
    -0.5 * z * z - libm::log(z) - LN_SQRT_2_PI + libm::log1p(series)
}

/// phi of a silence `z` deviations above the mean: -log10 of the probability of one as long or
/// longer.
///
/// ```
/// use gossip_core::membership::detector::tail::phi;
/// assert!((phi(0.0) - 0.301_029_995_663_981_2).abs() < 1e-15);
/// assert!((phi(8.222_082_216_130_435) - 16.0).abs() < 1e-12);
/// assert!(phi(1e9).is_finite());
/// ```
pub fn phi(z: f64) -> f64 {
    // What is not in between is no silence that could be measured.
    let z = if z.is_nan() { 0.0 } else { z.clamp(-1e100, 1e100) };
    // Not below 0, nor -0.
    (-ln_tail(z) / LN_10).max(0.0) + 0.0
}

/// How many deviations above the mean a silence must be for `phi` to be `level`, which is above 0
/// and finite: the inverse of [`phi`].
///
/// ```
/// use gossip_core::membership::detector::tail::deviations;
/// // Hayashibara et al.'s thresholds, as deviations.
/// for (level, z) in [(1.0, 1.2816), (2.0, 2.3263), (3.0, 3.0902), (8.0, 5.612), (12.0, 7.0345)] {
///     assert!((deviations(level) - z).abs() < 5e-5);
/// }
/// ```
pub fn deviations(level: f64) -> f64 {
    let target = -level * LN_10;
    // -ln Q is convex and rises, and is no less than z^2 / 2: Newton's steps from here come down on
    // the root and never pass it.
    let mut z = libm::sqrt(-2.0 * target);
    for _ in 0..STEPS {
        let ln_tail = ln_tail(z);
        // The hazard: density by tail.
        let slope = libm::exp(-0.5 * z * z - LN_SQRT_2_PI - ln_tail);
        let step = (target - ln_tail) / slope;
        if step <= 0.0 || !step.is_finite() {
            break;
        }
        z -= step;
    }
    z
}

/// Newton's method squares the error: from the bound it takes 5 to 8 steps for levels above 0.01.
const STEPS: usize = 64;
