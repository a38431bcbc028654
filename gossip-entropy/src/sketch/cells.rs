//! A rateless invertible Bloom lookup table: cells of which any set of differences needs only so
//! many as it has elements, times 1.1.
//!
//! Yang, Gilad, Alizadeh, *Practical rateless set reconciliation*, SIGCOMM 2024, sections 4 and 5
//! (cells, mapping), and section 6 for irregular mapping.
//!
//! ```text
//! cell i of a set:    exclusive or of identifiers, and of their checks, of the elements in it
//! an element is in:   cell 0, and cell i with probability 1 / (1 + a i):
//!                     from i on to ceil((i + c) u^-a - c), c = (1 + 1/a) / 2, u uniform in (0, 1]
//! of the difference:  exclusive or of both sides' cells
//! to decode:          a cell whose check is that of its identifier has one element:
//!                     take it out of all its cells, and go on
//! ```
//!
//! # What holds
//!
//! The first m cells are the same whatever m, so that they can be sent until the other side has
//! enough: 1.15 cells a difference for 1,000 differences, 1.10 for 10^4 (measured by others and
//! here). A cell is 12 bytes. Insert and delete change 22 cells in the mean.
//!
//! # Deviations from the paper
//!
//! - Irregular with two classes, a = 1/8 for 3 in 16 elements and a = 3/4 for 13 in 16, found by a
//!   search: then u^-a needs square roots, products and one quotient only, which IEEE 754 defines
//!   to
//!   the last bit, and no power function, of which every platform has its own. The paper's three
//!   classes need one. As in the paper's own code, the step is that of a continuous mapping: the
//!   first few cells are met a little less often than the rule says.
//! - A cell does not count its elements: which side has one the receiver looks up in its own set.
//! - The table ends after [`CELLS`] cells. Larger differences are for other means.

use alloc::boxed::Box;
use alloc::vec;

use super::digest::mix;
use super::estimator::Root;
use super::gf63::MASK;

/// Cells that travel together: what fits a datagram.
pub const FRAME: usize = 92;

/// Cells that are kept: 192 KiB, enough for about 14,000 differences.
pub const CELLS: usize = 178 * FRAME;

/// 32 bits by which a single identifier is known from a sum of several, and 32 for the estimator.
#[inline]
pub(super) const fn checks(id: u64) -> (u32, u32) {
    let bits = mix(id ^ 0xa409_3822_299f_31d0);
    (bits as u32, (bits >> 32) as u32)
}

/// A sum of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    low: u32,
    high: u32,
    check: u32,
}

impl Cell {
    /// Bytes of a cell.
    pub const LEN: usize = 12;

    /// A cell with one element.
    #[inline]
    pub const fn of(id: u64) -> Self {
        Self { low: id as u32, high: (id >> 32) as u32, check: checks(id).0 }
    }

    /// The sum with another cell.
    #[inline]
    pub const fn plus(self, other: Self) -> Self {
        let Self { low, high, check } = other;
        Self { low: self.low ^ low, high: self.high ^ high, check: self.check ^ check }
    }

    /// Its only element, if it has one; a sum of several looks like one with probability 2^-32.
    #[inline]
    pub const fn single(self) -> Option<u64> {
        let id = (self.high as u64) << 32 | self.low as u64;
        if id == 0 || id > MASK || checks(id).0 != self.check { None } else { Some(id) }
    }

    /// As it travels.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.low.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.high.to_le_bytes());
        bytes[8..].copy_from_slice(&self.check.to_le_bytes());
        bytes
    }

    /// What came.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            low: u32::from_le_bytes([a, b, c, d]),
            high: u32::from_le_bytes([e, f, g, h]),
            check: u32::from_le_bytes([i, j, k, l]),
        }
    }
}

/// How often an element is met: `a` of the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// a = 1/8.
    Dense,
    /// a = 1/2: the paper's regular mapping, for comparison.
    Regular,
    /// a = 3/4.
    Sparse,
}

impl Class {
    /// That of an element.
    #[inline]
    pub const fn of(id: u64) -> Self {
        if id & 15 < 3 { Self::Dense } else { Self::Sparse }
    }

    /// (1 + 1/a) / 2.
    #[inline]
    const fn offset(self) -> f64 {
        match self {
            Self::Dense => 4.5,
            Self::Regular => 1.5,
            Self::Sparse => 7.0 / 6.0,
        }
    }

    /// u^a.
    #[inline]
    fn power(self, u: f64) -> f64 {
        let half = u.sqrt_ieee();
        match self {
            Self::Dense => half.sqrt_ieee().sqrt_ieee(),
            Self::Regular => half,
            Self::Sparse => half * half.sqrt_ieee(),
        }
    }
}

/// The cells an element is in, in their order, up to [`CELLS`].
#[derive(Clone, Debug)]
pub struct Walk {
    at: f64,
    random: u64,
    class: Class,
}

/// Added to a number below 2^51 and taken away again, it rounds to a whole one.
const ROUND: f64 = (1_u64 << 52) as f64;

impl Walk {
    /// Of the element with this identifier.
    #[inline]
    pub const fn new(id: u64) -> Self {
        Self::in_class(id, Class::of(id))
    }

    /// As if it were of this class.
    #[inline]
    pub const fn in_class(id: u64, class: Class) -> Self {
        Self { at: 0.0, random: mix(id ^ 0x082e_fa98_ec4e_6c89) | 1, class }
    }
}

impl Iterator for Walk {
    type Item = usize;

    /// The step's power and quotient do not wait for the one before, only a product and three sums
    /// do.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        let at = self.at;
        if at >= CELLS as f64 {
            return None;
        }
        // A multiplicative generator, as in the paper's own code: its upper bits are random.
        self.random = self.random.wrapping_mul(0xda94_2042_e4dd_58b5);
        let u = ((self.random >> 11) + 1) as f64 * (1.0 / (1_u64 << 53) as f64);
        let c = self.class.offset();
        let beyond = (at + c) * (1.0 / self.class.power(u)) + (0.5 - c);
        // Nearest to half more is the next whole number; from 2^51 on any number will do.
        let next = (beyond + ROUND) - ROUND;
        self.at = if next > at { next } else { at + 1.0 };
        Some(at as usize)
    }
}

/// The cells of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(Box<[Cell]>);

impl Default for Cells {
    fn default() -> Self {
        Self(vec![Cell::default(); CELLS].into_boxed_slice())
    }
}

impl Cells {
    /// Inserts an element that is not there, or deletes one that is.
    #[inline]
    pub fn toggle(&mut self, id: u64) {
        let one = Cell::of(id);
        for at in Walk::new(id) {
            self.0[at] = self.0[at].plus(one);
        }
    }

    /// The cells of a frame; none beyond the last.
    pub fn frame(&self, frame: usize) -> &[Cell] {
        let start = frame.saturating_mul(FRAME).min(CELLS);
        &self.0[start..start + FRAME.min(CELLS - start)]
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use gossip_core::random::Key;

    use super::*;

    /// The mapping, section 4.2: from i the next cell is beyond j with probability
    /// ((i + c) / (j + c))^(1 / a); so cell j is met with the sum over i of meeting i and then j,
    /// which tends to 1 / (a j). In 40,000 walks, five standard deviations are allowed.
    #[test]
    fn cells_are_met_with_the_papers_probabilities() {
        let mut random = Key::new(2024).random(0);
        for (alpha, c, class) in [(0.125, 4.5, 0_u64..3), (0.75, 7.0 / 6.0, 3..16)] {
            let mut met = [0_u32; 400];
            let walks = 40_000;
            for _ in 0..walks {
                let class = class.start + random.below((class.end - class.start) as usize) as u64;
                let id = random.next_u64() & MASK & !15 | class;
                for at in Walk::new(id).take_while(|&at| at < 400) {
                    met[at] += 1;
                }
            }
            let beyond =
                |i: usize, j: usize| libm::pow((i as f64 + c) / (j as f64 + c), 1.0 / alpha);
            let mut expected = Vec::from([1.0]);
            for j in 1..met.len() {
                let via = |(i, p): (usize, &f64)| p * (beyond(i, j - 1) - beyond(i, j));
                expected.push(expected.iter().enumerate().map(via).sum());
            }
            for at in [0, 1, 2, 3, 5, 10, 30, 100, 399] {
                let (p, n): (f64, _) = (expected[at], f64::from(walks));
                let sd = (p * (1.0 - p) / n).sqrt_ieee();
                let off = f64::from(met[at]) / n - p;
                assert!(off.abs() <= 5.0 * sd + 1e-9, "alpha {alpha}, cell {at}: {off} of {sd}");
            }
            let ratio = expected[399] * (1.0 + alpha * 399.0);
            assert!((0.98..1.02).contains(&ratio), "alpha {alpha}: {ratio}");
        }
    }

    /// Fixed values: the mapping is part of what travels, and must be the same everywhere.
    #[test]
    fn walks_rise_and_end_and_stay_as_they_are() {
        let mut random = Key::new(2024).random(1);
        let mut sum = 0_u64;
        let mut steps = 0;
        for _ in 0..1_000 {
            let all: Vec<usize> = Walk::new(random.next_u64() & MASK).collect();
            assert!(all[0] == 0 && all.is_sorted_by(|a, b| a < b) && all[all.len() - 1] < CELLS);
            steps += all.len();
            sum = all.iter().fold(sum, |sum, &at| mix(sum ^ at as u64));
        }
        // 3/16 of 61 and 13/16 of 12.6, with a standard deviation of 0.7.
        assert!((18_000..25_500).contains(&steps), "{steps}");
        assert_eq!(sum, GOLDEN, "{sum:#018x}");
    }

    const GOLDEN: u64 = 0xa036_5056_c00d_349e;

    #[test]
    fn a_cell_knows_when_it_has_one_element() {
        let mut random = Key::new(2024).random(2);
        for _ in 0..10_000 {
            let [a, b, c] = [0; 3].map(|_: u64| (random.next_u64() & MASK).max(1));
            let one = Cell::of(a);
            assert_eq!(one.single(), Some(a));
            assert_eq!(Cell::from_bytes(one.to_bytes()), one);
            assert_eq!(one.plus(Cell::of(b)).single(), None);
            assert_eq!(one.plus(Cell::of(b)).plus(Cell::of(c)).single(), None);
            assert_eq!(one.plus(Cell::of(b)).plus(one).single(), Some(b));
        }
        assert_eq!(Cell::default().single(), None);
    }
}
