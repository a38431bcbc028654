//! Not a protocol: the roots of a polynomial over the field of 2^63 elements, if it has as many
//! distinct ones as its degree.
//!
//! Berlekamp, *Factoring polynomials over large finite fields*, Mathematics of Computation 24,
//! 1970 (traces split a polynomial); von zur Gathen, Shoup, *Computing Frobenius maps and factoring
//! polynomials*, Computational Complexity 2, 1992 (one table of powers serves all traces).
//!
//! ```text
//! f[i] = x^(2^i) mod p, for i = 0 .. 63;  p has all its roots here iff f[63] = x
//! for each b of a basis of the field over one bit:
//!     t = sum over i < 63 of b^(2^i) f[i]:    at a root r, t is the trace of b r, 0 or 1
//!     split every factor g of p that is not yet linear by gcd(g, t)
//! ```
//!
//! Two distinct roots differ in the trace under some member of every basis, so that 63 traces split
//! everything. The basis is chosen at random: nobody can make up roots that few traces tell apart.
//!
//! Polynomials are vectors of coefficients, the lowest first; factors are monic and their leading 1
//! is left out.

use alloc::vec;
use alloc::vec::Vec;

use super::gf63::{BITS, Field, MASK};

/// Powers of x modulo a polynomial: `table[j]` has the coefficient of x^j in each of them.
struct Powers {
    degree: usize,
    table: Vec<[u64; BITS as usize]>,
}

impl Powers {
    /// Of the monic `p`; `None` if it has not as many distinct roots as its degree, two or more.
    fn new(field: Field, p: &[u64]) -> Option<Self> {
        let degree = p.len();
        let squares = Squares::new(field, p);
        let mut table = vec![[0; BITS as usize]; degree];
        let mut power = vec![0; degree];
        power[1] = 1;
        for i in 0..BITS as usize {
            table.iter_mut().zip(&power).for_each(|(row, &coefficient)| row[i] = coefficient);
            power = squares.square(field, &power);
        }
        let is_x = power.iter().enumerate().all(|(j, &c)| c == u64::from(j == 1));
        is_x.then_some(Self { degree, table })
    }

    /// The trace of `b` x, without leading zeros.
    fn trace(&self, field: Field, b: u64) -> Vec<u64> {
        let mut conjugates = [b; BITS as usize];
        for i in 1..BITS as usize {
            conjugates[i] = field.mul(conjugates[i - 1], conjugates[i - 1]);
        }
        let mut trace = Vec::with_capacity(self.degree);
        trace.extend(self.table.iter().map(|row| field.dot(&conjugates, row)));
        trim(&mut trace);
        trace
    }
}

/// Squaring modulo a polynomial: the squares of high coefficients, times what their powers of x
/// leave. `rest[j]` has the coefficient of x^j in each of x^e modulo p, for the even e from the
/// degree on.
struct Squares {
    /// The first coefficient whose square has a power of x that must be reduced.
    high: usize,
    rest: Vec<Vec<u64>>,
}

impl Squares {
    fn new(field: Field, p: &[u64]) -> Self {
        let degree = p.len();
        let high = degree.div_ceil(2);
        let mut rest = vec![Vec::with_capacity(degree - high); degree];
        // x^degree, then times x each time.
        let mut power = p.to_vec();
        for exponent in degree..2 * degree - 1 {
            if exponent % 2 == 0 {
                rest.iter_mut().zip(&power).for_each(|(row, &coefficient)| row.push(coefficient));
            }
            let top = power[degree - 1];
            power.rotate_right(1);
            power[0] = 0;
            field.add_scaled(&mut power, top, p);
        }
        Self { high, rest }
    }

    fn square(&self, field: Field, of: &[u64]) -> Vec<u64> {
        let squares: Vec<u64> = of.iter().map(|&c| field.mul(c, c)).collect();
        let (low, high) = squares.split_at(self.high);
        let coefficient = |(j, row): (usize, &Vec<u64>)| {
            let kept = if j % 2 == 0 { low.get(j / 2).copied().unwrap_or(0) } else { 0 };
            kept ^ field.dot(high, row)
        };
        self.rest.iter().enumerate().map(coefficient).collect()
    }
}

/// Removes leading zeros.
fn trim(polynomial: &mut Vec<u64>) {
    while polynomial.last() == Some(&0) {
        polynomial.pop();
    }
}

/// Divides `a` by the monic `g`: `a` becomes the remainder, and the quotient is returned.
fn divide(field: Field, a: &mut Vec<u64>, g: &[u64]) -> Vec<u64> {
    let degree = g.len();
    let mut quotient = vec![0; a.len().saturating_sub(degree)];
    while let Some(top) = a.pop() {
        let Some(shift) = a.len().checked_sub(degree) else {
            a.push(top);
            break;
        };
        quotient[shift] = top;
        field.add_scaled(&mut a[shift..], top, g);
    }
    trim(a);
    quotient
}

/// The greatest common divisor of the monic `g` and of `t`, monic.
fn common(field: Field, g: &[u64], mut t: Vec<u64>) -> Vec<u64> {
    let mut g = g.to_vec();
    while let Some(top) = t.pop() {
        let inverse = field.invert(top);
        for c in &mut t {
            *c = field.mul(*c, inverse);
        }
        let mut rest = g;
        rest.push(1);
        divide(field, &mut rest, &t);
        g = t;
        t = rest;
    }
    g
}

/// The roots of the monic polynomial with these coefficients, the lowest first and the leading 1
/// left out; `None` if it has fewer distinct ones than its degree. `draw` is random.
pub(super) fn roots(field: Field, p: &[u64], draw: u64) -> Option<Vec<u64>> {
    if let &[constant] = p {
        return Some(vec![constant]);
    }
    if p.is_empty() {
        return Some(Vec::new());
    }
    let powers = Powers::new(field, p)?;
    let mut found = Vec::with_capacity(p.len());
    let mut factors = vec![p.to_vec()];
    // Any basis times any element but 0 is a basis.
    let mut b = (draw & MASK).max(1);
    for _ in 0..BITS {
        if factors.is_empty() {
            break;
        }
        let trace = powers.trace(field, b);
        for factor in core::mem::take(&mut factors) {
            let mut t = trace.clone();
            divide(field, &mut t, &factor);
            let divisor = common(field, &factor, t);
            let mut rest = factor;
            rest.push(1);
            let mut quotient = divide(field, &mut rest, &divisor);
            // The leading 1, which factors go without.
            quotient.pop();
            for part in [divisor, quotient] {
                match part[..] {
                    [] => {}
                    [root] => found.push(root),
                    _ => factors.push(part),
                }
            }
        }
        b = field.mul(b, 2);
    }
    factors.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use gossip_core::random::Key;

    use super::*;

    /// The product of x - r.
    fn polynomial(field: Field, roots: &[u64]) -> Vec<u64> {
        let mut product = vec![1];
        for &root in roots {
            let shifted: Vec<u64> = core::iter::once(0).chain(product.iter().copied()).collect();
            product.push(0);
            product.iter_mut().zip(shifted).for_each(|(c, s)| *c = field.mul(*c, root) ^ s);
        }
        product.pop();
        product
    }

    #[test]
    fn all_roots_of_a_product_of_linear_factors_are_found() {
        let mut random = Key::new(1970).random(0);
        for field in [Field::detect(), Field::portable()] {
            for degree in 0..40 {
                let mut expected: Vec<u64> =
                    (0..degree).map(|_| random.next_u64() & MASK).collect();
                let mut found = roots(field, &polynomial(field, &expected), random.next_u64());
                found.as_mut().unwrap().sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, Some(expected), "degree {degree}");
            }
            // Roots that one trace alone does not tell apart: close to each other and to zero.
            let mut found = roots(field, &polynomial(field, &[0, 1, 2, 3, 4, 5, 6, 7]), 0).unwrap();
            found.sort_unstable();
            assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn a_double_root_or_a_factor_without_roots_is_noticed() {
        let field = Field::detect();
        let mut random = Key::new(1970).random(1);
        for degree in 2..40 {
            let mut all: Vec<u64> = (0..degree).map(|_| random.next_u64() & MASK).collect();
            all[1] = all[0];
            assert_eq!(roots(field, &polynomial(field, &all), 1), None, "degree {degree}");
        }
        // x^2 + x + c has roots here for the c whose trace is 0 only: for half of all.
        let without = (0..200_u64).filter(|_| {
            let c = random.next_u64() & MASK;
            roots(field, &[c, 1], 1).is_none()
        });
        // Binomial, 200 draws of 1/2: five standard deviations are 35.
        assert!((65..=135).contains(&without.count()));
    }
}
