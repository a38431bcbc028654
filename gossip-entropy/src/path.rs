//! Not a protocol: names of subtrees, the first so many hexadecimal digits of a position.

/// How deep paths go: 15 of the 16 digits of a position, so that a path and the bit that marks its
/// length fit 64 bits.
pub(crate) const DEEPEST: u32 = 15;

/// The positions that begin with certain digits. As a number: a one, then the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path(u64);

impl Path {
    /// All positions.
    pub(crate) const ROOT: Self = Self(1);

    /// The path that travelled as `number`, if it names one.
    pub(crate) const fn read(number: u64) -> Option<Self> {
        let bits = u64::BITS - number.leading_zeros();
        if bits % 4 == 1 { Some(Self(number)) } else { None }
    }

    /// How it travels.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// Digits that it fixes.
    pub(crate) const fn depth(self) -> u32 {
        (u64::BITS - 1 - self.0.leading_zeros()) / 4
    }

    /// The subtree with one more digit; `None` at the deepest.
    pub(crate) const fn child(self, digit: usize) -> Option<Self> {
        if self.depth() >= DEEPEST { None } else { Some(Self((self.0 << 4) | digit as u64)) }
    }

    /// Whether `position` lies in it.
    pub(crate) const fn holds(self, position: u64) -> bool {
        let fixed = 4 * self.depth();
        let first = if fixed == 0 { 0 } else { position >> (u64::BITS - fixed) };
        first | (1 << fixed) == self.0
    }

    /// Its digit number `at`, which it must fix.
    pub(crate) const fn digit(self, at: u32) -> usize {
        ((self.0 >> (4 * (self.depth() - 1 - at))) & 15) as usize
    }
}

/// The digit number `at` of `position`, from the most significant.
pub(crate) const fn digit(position: u64, at: u32) -> usize {
    ((position >> (60 - 4 * at)) & 15) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_holds_the_positions_that_begin_with_its_digits(position: u64, other: u64) {
            let mut path = Path::ROOT;
            for at in 0..DEEPEST {
                prop_assert_eq!(path.depth(), at);
                prop_assert!(path.holds(position));
                let same = (0..at).all(|d| digit(position, d) == digit(other, d));
                prop_assert_eq!(path.holds(other), same);
                prop_assert_eq!(Path::read(path.number()), Some(path));
                path = path.child(digit(position, at)).unwrap();
                prop_assert_eq!(path.digit(at), digit(position, at));
            }
            prop_assert_eq!(path.child(0), None);
        }

        #[test]
        fn any_number_is_a_path_or_refused(number: u64) {
            if let Some(path) = Path::read(number) {
                prop_assert!(path.depth() <= DEEPEST);
                let _ = path.holds(number);
            }
        }
    }

    #[test]
    fn numbers_that_name_no_path_are_refused() {
        for number in [0, 2, 15, 32, 255, u64::MAX >> 1, u64::MAX] {
            assert_eq!(Path::read(number), None, "{number}");
        }
    }
}
