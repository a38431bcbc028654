//! Not a protocol: what sessions have in common that ask about one part of a set after the other.

use alloc::vec::Vec;

use super::{End, Step};

/// How often in a row nothing may come. Our choice: with 10 % lost each way, a lone question goes
/// unanswered as often once in 10^11.
const SILENCES: u32 = 16;

/// How often in a row nothing has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Silences(u32);

impl Silences {
    /// Something has.
    pub(super) const fn end(&mut self) {
        self.0 = 0;
    }

    /// Nothing has: `ask` again, unless that was too often.
    pub(super) fn again<A, K>(&mut self, ask: A) -> Step<A, K> {
        self.0 += 1;
        if self.0 < SILENCES { Step::Ask(ask) } else { Step::Ended(End::Silent) }
    }
}

/// The parts of a set that a session has asked about, and those that it has still to ask about.
#[derive(Clone, Debug)]
pub(super) struct Parts<P> {
    asked: Vec<P>,
    open: Vec<P>,
    /// The sum of the other side's set.
    sum: Option<[u8; 16]>,
    /// Answers that may still be taken.
    left: u32,
    pub(super) silences: Silences,
}

impl<P: Copy + PartialEq> Parts<P> {
    /// `first` is asked about, and `most` answers may be taken.
    pub(super) fn new(first: P, most: u32) -> Self {
        let (asked, open) = (Vec::from([first]), Vec::new());
        Self { asked, open, sum: None, left: most, silences: Silences::default() }
    }

    /// What was asked about and not answered.
    pub(super) fn asked(&self) -> &[P] {
        &self.asked
    }

    /// This part has to be asked about.
    pub(super) fn push(&mut self, part: P) {
        self.open.push(part);
    }

    /// An answer about `part` of a set of sum `sum` has come: `Ok` if it is to be read, and else
    /// what follows from it.
    pub(super) fn settle<A, K>(&mut self, part: P, sum: [u8; 16]) -> Result<(), Step<A, K>> {
        let Some(at) = self.asked.iter().position(|asked| *asked == part) else {
            return Err(Step::Wait);
        };
        if *self.sum.get_or_insert(sum) != sum {
            return Err(Step::Ended(End::Restless));
        }
        self.left = self.left.checked_sub(1).ok_or(Step::Ended(End::TooMany))?;
        self.silences.end();
        self.asked.swap_remove(at);
        Ok(())
    }

    /// Asks about the next `most` parts; false if there is none.
    pub(super) fn next(&mut self, most: usize) -> bool {
        let first = self.open.len().saturating_sub(most);
        self.asked = self.open.split_off(first);
        !self.asked.is_empty()
    }
}
