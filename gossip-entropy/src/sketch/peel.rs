//! Decoding of [cells]: in any order, whatever is lost, and whatever a peer makes up.
//!
//! Not a protocol: the decoder of the cells, by peeling (Goodrich, Mitzenmacher, *Invertible Bloom
//! lookup tables*, Allerton 2011, section 2).
//!
//! ```text
//! on a frame of the other side's cells:   add our own; look at each
//! a cell with a single element:           it is found; add it to all its cells, those that have
//!                                         not come as well; look at each that has
//! ```
//!
//! # What holds
//!
//! Each frame is taken once. Honest cells give up each element once, so that there are never more
//! than cells; of more than that by eight, or of more than three that do not belong in their cells,
//! the cells are not those of a set, and peeling [ends](Peel::is_poisoned). Up to three are passed
//! over: of several elements together, one in 2^32 looks like a single one.

use alloc::vec;
use alloc::vec::Vec;

use super::cells::{self, CELLS, Cell, FRAME, Walk};

/// Frames that there are.
pub const FRAMES: usize = CELLS / FRAME;

/// Elements beyond the number of cells before the cells are held for poisoned.
const SPARE: usize = 8;

/// Elements that do not belong in their cells before the cells are held for poisoned. A difference
/// of 10^4 costs some 10^5 looks at cells, each of which is mistaken with probability 2^-32: once
/// in 40,000 sessions, and four times in none.
const STRAYS: usize = 3;

/// The cells of a difference, as far as they have come and have not been taken apart.
#[derive(Clone, Debug)]
pub struct Peel {
    cells: Vec<Cell>,
    here: [bool; FRAMES],
    frames: usize,
    found: Vec<u64>,
    /// Cells to look at.
    look: Vec<u32>,
    /// What looked like an element that does not belong in its cell.
    strays: usize,
    poisoned: bool,
}

impl Default for Peel {
    fn default() -> Self {
        Self {
            cells: vec![Cell::default(); CELLS],
            here: [false; FRAMES],
            frames: 0,
            found: Vec::new(),
            look: Vec::new(),
            strays: 0,
            poisoned: false,
        }
    }
}

impl Peel {
    /// Takes a frame of the other side's cells, with our own at its place; false if it has come
    /// before, or is not a whole frame of the table.
    pub fn take(&mut self, frame: usize, theirs: &[Cell], ours: &[Cell]) -> bool {
        let lengths = (theirs.len(), ours.len()) == (FRAME, FRAME);
        if !lengths || self.has(frame) || frame >= FRAMES {
            return false;
        }
        self.here[frame] = true;
        self.frames += 1;
        let start = frame * FRAME;
        for (at, (&theirs, &ours)) in (start..).zip(theirs.iter().zip(ours)) {
            self.cells[at] = self.cells[at].plus(theirs).plus(ours);
            self.look.push(at as u32);
        }
        self.peel();
        true
    }

    /// Our own set has gained or lost an element since frames were taken.
    pub fn changed(&mut self, id: u64) {
        let one = Cell::of(id);
        for at in Walk::new(id) {
            if self.here[at / FRAME] {
                self.cells[at] = self.cells[at].plus(one);
                self.look.push(at as u32);
            }
        }
        self.peel();
    }

    fn peel(&mut self) {
        while let Some(at) = self.look.pop() {
            if self.poisoned {
                break;
            }
            let Some(id) = self.cells[at as usize].single() else { continue };
            if !Walk::new(id).take_while(|&cell| cell <= at as usize).any(|c| c == at as usize) {
                self.strays += 1;
                self.poisoned = self.strays > STRAYS;
                continue;
            }
            self.found.push(id);
            self.poisoned |= self.found.len() > self.frames * FRAME + SPARE;
            let one = Cell::of(id);
            for cell in Walk::new(id) {
                self.cells[cell] = self.cells[cell].plus(one);
                if self.here[cell / FRAME] && self.cells[cell].single().is_some() {
                    self.look.push(cell as u32);
                }
            }
        }
        self.look.clear();
    }

    /// Whether a frame has come.
    pub fn has(&self, frame: usize) -> bool {
        self.here.get(frame).is_some_and(|&here| here)
    }

    /// How many frames have come.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// What was found, in order. An element that is there twice has come and gone.
    pub fn found(&self) -> &[u64] {
        &self.found
    }

    /// Whether these cells are not those of any set.
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// Removes what is there an even number of times.
pub fn odd_ones(mut all: Vec<u64>) -> Vec<u64> {
    all.sort_unstable();
    let runs = all.chunk_by(|a, b| a == b);
    runs.filter(|run| run.len() % 2 == 1).map(|run| run[0]).collect()
}

/// Cells as they travel; `None` if these bytes are not a frame of them.
pub fn read(bytes: &[u8]) -> Option<Vec<Cell>> {
    let (cells, rest) = bytes.as_chunks::<{ Cell::LEN }>();
    let whole = cells.len() == FRAME && rest.is_empty();
    whole.then(|| cells.iter().map(|&bytes| Cell::from_bytes(bytes)).collect())
}

/// Cells as they travel.
pub fn write(cells: &[cells::Cell]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use gossip_core::random::{Key, Random};
    use proptest::prelude::*;

    use super::super::cells::Cells;
    use super::*;

    fn ids(random: &mut Random, count: usize) -> Vec<u64> {
        let mut all: Vec<u64> = (0..count).map(|_| (random.next_u64() >> 1).max(1)).collect();
        all.sort_unstable();
        all
    }

    fn cells(ids: &[u64]) -> Cells {
        let mut cells = Cells::default();
        for &id in ids {
            cells.toggle(id);
        }
        cells
    }

    /// Cells that a difference of `d` needs, one by one; `CELLS` if they do not do.
    fn needed(d: usize, seed: u64) -> usize {
        let ids = ids(&mut Key::new(seed).random(d as u64), d);
        let all = cells(&ids);
        let none = [Cell::default(); FRAME];
        // By whole frames first, then within the last, by the least prefix that is enough.
        let mut peel = Peel::default();
        let done = |peel: &Peel| peel.found().len() == d;
        let Some(last) = (0..FRAMES).find(|&f| {
            peel.take(f, all.frame(f), &none);
            done(&peel)
        }) else {
            return CELLS;
        };
        let (mut low, mut high) = (last * FRAME, (last + 1) * FRAME);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if prefix(&all, d, middle) { high = middle } else { low = middle }
        }
        high
    }

    /// Whether the first `count` cells are enough. The cells after them look as if they had not
    /// come: they are filled with noise, in which nothing is found.
    fn prefix(all: &Cells, d: usize, count: usize) -> bool {
        let mut peel = Peel::default();
        let none = [Cell::default(); FRAME];
        for frame in 0..count.div_ceil(FRAME) {
            let mut cut: Vec<Cell> = all.frame(frame).to_vec();
            for cell in cut.iter_mut().skip(count - frame * FRAME) {
                *cell = Cell::from_bytes([0xff; Cell::LEN]);
            }
            peel.take(frame, &cut, &none);
        }
        peel.found().len() == d
    }

    /// The irregular table's overhead: 1.15 for 1,000 differences. Without the sketch that helps
    /// out, the tail is heavy, and so the median is compared; that of 20 trials is within 0.05.
    #[test]
    fn overhead_of_a_thousand_differences() {
        let mut overheads: Vec<f64> =
            (0..20).map(|seed| needed(1_000, seed) as f64 / 1_000.0).collect();
        overheads.sort_by(f64::total_cmp);
        assert!((1.08..1.22).contains(&overheads[10]), "{overheads:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Frames in any order, doubled, and changes of our own in between: the same is found as in
        /// order and without. Seldom that is not all, which is for the other sketch to find.
        #[test]
        fn any_order_finds_the_same(
            seed: u64,
            order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
            change_at in 0_usize..12,
        ) {
            let mut random = Key::new(seed).random(0);
            let (common, theirs, mut ours) =
                (ids(&mut random, 50), ids(&mut random, 200), ids(&mut random, 100));
            let there = cells(&[&common[..], &theirs].concat());
            let mut here = cells(&[&common[..], &ours].concat());
            let mut peel = Peel::default();
            for (step, frame) in order.into_iter().enumerate() {
                prop_assert!(peel.take(frame, there.frame(frame), here.frame(frame)));
                prop_assert!(!peel.take(frame, there.frame(frame), here.frame(frame)));
                if step == change_at {
                    let id = ids(&mut random, 1)[0];
                    here.toggle(id);
                    peel.changed(id);
                    ours.push(id);
                }
            }
            // 1,104 cells for 301 differences.
            let mut plain = Peel::default();
            for frame in 0..12 {
                plain.take(frame, there.frame(frame), here.frame(frame));
            }
            let (found, expected) = (odd_ones(peel.found().to_vec()), [theirs, ours].concat());
            prop_assert!(found.iter().all(|id| expected.contains(id)));
            prop_assert_eq!(found, odd_ones(plain.found().to_vec()));
            prop_assert!(!peel.is_poisoned());
        }

        /// Whatever a peer sends, there is an end, and never more elements than cells and a few.
        #[test]
        fn made_up_cells_are_bounded(seed: u64, frames in 1_usize..4, singles in 0_usize..FRAME) {
            let mut random = Key::new(seed).random(1);
            let mut peel = Peel::default();
            for frame in 0..frames {
                let made_up: Vec<Cell> =
                    (0..FRAME)
                        .map(|at| {
                            let id = random.next_u64() >> 1;
                            let one = Cell::of(id);
                            if at < singles { one } else { one.plus(Cell::of(id + 1)) }
                        })
                        .collect();
                peel.take(frame, &made_up, &[Cell::default(); FRAME]);
            }
            prop_assert!(peel.found().len() <= frames * FRAME + SPARE + 1);
            // Four strays are enough. Of 64 random elements each is in its cell once in ten times,
            // in the first few cells more often: that 61 are has no chance.
            prop_assert!(singles < 64 || peel.is_poisoned());
        }
    }

    /// Three cells that look like elements which belong elsewhere are passed over, and all else is
    /// found; of four, the cells are not those of a set.
    #[test]
    fn a_mistaken_single_is_passed_over() {
        let mut random = Key::new(3).random(0);
        let theirs = ids(&mut random, 10);
        let honest = cells(&theirs);
        let empty = |at: usize| honest.frame(0)[at] == Cell::default();
        let belongs = |id: u64, at: usize| Walk::new(id).take_while(|&c| c <= at).any(|c| c == at);
        let places: Vec<usize> = (0..FRAME).filter(|&at| empty(at)).collect();
        for (count, poisoned) in [(3, false), (4, true)] {
            let mut frame = honest.frame(0).to_vec();
            for &at in &places[..count] {
                let stray = core::iter::repeat_with(|| random.next_u64() >> 1);
                let stray = stray.into_iter().find(|&id| !belongs(id, at)).unwrap();
                frame[at] = Cell::of(stray);
            }
            let mut peel = Peel::default();
            peel.take(0, &frame, &[Cell::default(); FRAME]);
            assert_eq!(peel.is_poisoned(), poisoned, "{count}");
            assert!(poisoned || odd_ones(peel.found().to_vec()) == theirs, "{count}");
        }
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        let (mut peel, cells) = (Peel::default(), [Cell::default(); FRAME]);
        assert!(!peel.take(FRAMES, &cells, &cells));
        assert!(!peel.take(usize::MAX, &cells, &cells));
        assert!(!peel.take(0, &cells[1..], &cells));
        assert_eq!(read(&write(&cells)), Some(cells.to_vec()));
        assert_eq!(read(&write(&cells)[1..]), None);
    }
}
