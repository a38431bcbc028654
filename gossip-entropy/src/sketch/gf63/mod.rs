//! Not a protocol: arithmetic in the field of 2^63 elements, polynomials over one bit modulo
//! x^63 + x + 1.
//!
//! An element is a `u64` below 2^63; addition is exclusive or. Everything a decoder does in volume
//! is one of four operations, each of which is carried out by the carry-less multiplier of the CPU
//! where there is one, and by ordinary multiplications where there is none, with the same result
//! bit for bit. Products are added up unreduced: a sum of products costs one reduction.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Bits of an element.
pub(super) const BITS: u32 = 63;

/// The bits that an element may have set.
pub(super) const MASK: u64 = (1 << BITS) - 1;

#[cfg(target_arch = "x86_64")]
use x86::Hardware;

/// A multiplier that does not exist on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hardware {}

#[cfg(not(target_arch = "x86_64"))]
impl Hardware {
    const fn detect() -> Option<Self> {
        None
    }
    const fn mul(self, _: u64, _: u64) -> u64 {
        match self {}
    }
    const fn dot(self, _: &[u64], _: &[u64]) -> u64 {
        match self {}
    }
    const fn add_scaled(self, _: &mut [u64], _: u64, _: &[u64]) {
        match self {}
    }
    const fn add_odd_powers(self, _: &mut [u64], _: u64) {
        match self {}
    }
}

/// How to multiply.
///
/// ```
/// use gossip_entropy::sketch::Field;
///
/// let (fast, portable) = (Field::detect(), Field::portable());
/// assert_eq!(fast.mul(0x1234_5678_9abc, 0x4321), portable.mul(0x1234_5678_9abc, 0x4321));
/// assert_eq!(fast.mul(1 << 62, 2), 0b11, "x^63 = x + 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    hardware: Option<Hardware>,
}

impl Default for Field {
    fn default() -> Self {
        Self::detect()
    }
}

impl Field {
    /// The fastest way on this machine. Without the feature `std` the machine is not asked: what
    /// the compiler was told of the target decides.
    pub fn detect() -> Self {
        Self { hardware: Hardware::detect() }
    }

    /// The way that works everywhere.
    pub const fn portable() -> Self {
        Self { hardware: None }
    }

    /// Whether the CPU's carry-less multiplier is used.
    pub const fn is_accelerated(self) -> bool {
        self.hardware.is_some()
    }

    /// The product of two elements.
    #[inline]
    pub fn mul(self, a: u64, b: u64) -> u64 {
        match self.hardware {
            Some(hardware) => hardware.mul(a, b),
            None => portable::mul(a, b),
        }
    }

    /// The sum of products of corresponding elements, as many as the shorter slice has.
    #[inline]
    pub fn dot(self, a: &[u64], b: &[u64]) -> u64 {
        match self.hardware {
            Some(hardware) => hardware.dot(a, b),
            None => portable::dot(a, b),
        }
    }

    /// Adds `by` times `from` to `to`, as many elements as the shorter slice has.
    #[inline]
    pub fn add_scaled(self, to: &mut [u64], by: u64, from: &[u64]) {
        match self.hardware {
            Some(hardware) => hardware.add_scaled(to, by, from),
            None => portable::add_scaled(to, by, from),
        }
    }

    /// Adds x, x^3, x^5, ... to the elements of `to`.
    #[inline]
    pub fn add_odd_powers(self, to: &mut [u64], x: u64) {
        match self.hardware {
            Some(hardware) => hardware.add_odd_powers(to, x),
            None => portable::add_odd_powers(to, x),
        }
    }

    /// The inverse of an element, 0 of 0: `a` to the power 2^63 - 2.
    ///
    /// Itoh, Tsujii, *A fast algorithm for computing multiplicative inverses in GF(2^m) using
    /// normal bases*, Information and Computation 78, 1988: with b(k) = a^(2^k - 1),
    /// b(j + k) = b(j)^(2^k) b(k), and the inverse is the square of b(62).
    pub fn invert(self, a: u64) -> u64 {
        let squared = |mut x: u64, times: u32| {
            for _ in 0..times {
                x = self.mul(x, x);
            }
            x
        };
        let join = |b_j: u64, b_k: u64, k: u32| self.mul(squared(b_j, k), b_k);
        let b2 = join(a, a, 1);
        let b3 = join(b2, a, 1);
        let b6 = join(b3, b3, 3);
        let b12 = join(b6, b6, 6);
        let b15 = join(b12, b3, 3);
        let b30 = join(b15, b15, 15);
        let b31 = join(b30, a, 1);
        squared(join(b31, b31, 31), 1)
    }
}

/// The element that an unreduced product stands for: x^63 = x + 1. A product of two elements has
/// degree 124 at most, so that one step is enough.
#[inline]
const fn reduce(low: u64, high: u64) -> u64 {
    let above = high << 1 | low >> 63;
    (low & MASK) ^ above ^ above << 1
}

#[cfg(test)]
mod tests {
    use gossip_core::random::Key;
    use proptest::prelude::*;

    use super::*;

    fn element() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>().prop_map(|x| x & MASK), 0_u64..4, (0_u32..63).prop_map(|b| 1 << b)]
    }

    fn fields() -> [Field; 2] {
        [Field::detect(), Field::portable()]
    }

    /// By the definition, bit by bit.
    fn slow(a: u64, b: u64) -> u64 {
        let (mut sum, mut shifted) = (0, a);
        for bit in 0..63 {
            sum ^= if b >> bit & 1 == 1 { shifted } else { 0 };
            shifted <<= 1;
            shifted = if shifted >> 63 == 1 { shifted & MASK ^ 0b11 } else { shifted };
        }
        sum
    }

    proptest! {
        #[test]
        fn the_laws_of_a_field(a in element(), b in element(), c in element()) {
            for field in fields() {
                let mul = |x, y| field.mul(x, y);
                prop_assert_eq!(mul(a, b), slow(a, b));
                prop_assert_eq!(mul(a, b), mul(b, a));
                prop_assert_eq!(mul(mul(a, b), c), mul(a, mul(b, c)));
                prop_assert_eq!(mul(a, b ^ c), mul(a, b) ^ mul(a, c));
                prop_assert_eq!(mul(a, 1), a);
                prop_assert!(mul(a, b) <= MASK);
                prop_assert_eq!(mul(field.invert(a), a), u64::from(a != 0));
                prop_assert_eq!(mul(a, b) == 0, a == 0 || b == 0);
            }
        }

        #[test]
        fn volume_operations_are_what_single_products_say(
            a in prop::collection::vec(element(), 0..40),
            b in prop::collection::vec(element(), 0..40),
            x in element(),
        ) {
            let sum = a.iter().zip(&b).fold(0, |sum, (&a, &b)| sum ^ slow(a, b));
            let mut scaled = a.clone();
            scaled.iter_mut().zip(&b).for_each(|(a, &b)| *a ^= slow(x, b));
            let mut power = x;
            let mut powers = a.clone();
            for to in &mut powers {
                *to ^= power;
                power = slow(slow(power, x), x);
            }
            for field in fields() {
                prop_assert_eq!(field.dot(&a, &b), sum);
                let mut to = a.clone();
                field.add_scaled(&mut to, x, &b);
                prop_assert_eq!(&to, &scaled);
                let mut to = a.clone();
                field.add_odd_powers(&mut to, x);
                prop_assert_eq!(&to, &powers);
            }
        }
    }

    /// x^63 + x + 1 is irreducible: x^(2^63) = x, and x^(2^21) and x^(2^9) are not x, 3 and 7 being
    /// the primes that divide 63 (Rabin's test; their differences from x must be prime to the
    /// modulus, which they are where they can be inverted).
    #[test]
    fn the_modulus_is_irreducible() {
        let field = Field::portable();
        let power = |times: u32| (0..times).fold(2_u64, |x, _| slow(x, x));
        assert_eq!(power(63), 2);
        for times in [21, 9] {
            let apart = power(times) ^ 2;
            assert_eq!(slow(apart, field.invert(apart)), 1, "x^(2^{times}) - x has an inverse");
        }
    }

    #[test]
    fn the_portable_product_is_that_of_the_cpu() {
        let mut random = Key::new(63).random(0);
        for _ in 0..100_000 {
            let (a, b) = (random.next_u64() & MASK, random.next_u64() & MASK);
            assert_eq!(Field::detect().mul(a, b), Field::portable().mul(a, b), "{a:x} {b:x}");
        }
        for (a, b) in [(MASK, MASK), (MASK, 1), (1 << 62, 1 << 62), (MASK ^ 7, MASK ^ 1)] {
            assert_eq!(Field::detect().mul(a, b), slow(a, b), "{a:x} {b:x}");
            assert_eq!(Field::portable().mul(a, b), slow(a, b), "{a:x} {b:x}");
        }
    }
}
