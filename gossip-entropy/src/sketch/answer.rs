//! The side of a [session](super::session) that is asked: it remembers nothing, and what it sends
//! is bounded for each question.
//!
//! Not a protocol: the answering half of the session, where the papers are named.
//!
//! ```text
//! on the first question, with the asker's estimator: d = the estimated difference
//!     up to 200:   one datagram, a PinSketch of 2 d + 6 numbers, 115 at most
//!     more:        a PinSketch of 32 numbers, and 1.35 d cells
//! on a later question: what it says, up to a bound
//! ```

use alloc::vec::Vec;

use gossip_core::wire::Blob;

use super::cells::FRAME;
use super::estimator::Estimator;
use super::peel::{FRAMES, write};
use super::pinsketch::{CAPACITY, pack, packed_len};
use super::set::SetSketch;
use super::wire::{Ask, CELL_BYTES, Frame, Need};

/// Up to which estimate one datagram is sent alone. The estimate of 115 differences is above it
/// once in a million times, and of 200 differences cells need to find 85 only. Our choice.
const ALONE: f64 = 200.0;

/// Numbers of the PinSketch that goes with cells: it finds the elements that share all their early
/// cells. The heavy tail it cures needs 16; twice that saves cells. Our choice.
const RESIDUAL: usize = 32;

/// Cells that are sent at once for each estimated difference: 1.15 are needed, and the estimate is
/// a sixth off. Our choice.
const WINDOW: f64 = 1.35;

/// How large a PinSketch, and how many frames of cells, answer the first question; they may be more
/// than there are.
fn plan(distance: f64) -> (usize, usize) {
    if distance <= ALONE {
        (((2.0 * distance) as usize + 6).min(CAPACITY), 0)
    } else {
        (RESIDUAL, (WINDOW * distance / FRAME as f64) as usize + 1)
    }
}

/// Bytes of sketches that answer `ask`, if it is a first question; `u64::MAX`, if there are more
/// differences than they can tell.
pub fn cost(set: &SetSketch, ask: &Ask) -> u64 {
    let Need::First(theirs) = &ask.need else { return 0 };
    let Some(theirs) = Estimator::from_bytes(theirs) else { return 0 };
    let (capacity, frames) = plan(set.estimator().distance(&theirs));
    if frames > FRAMES { u64::MAX } else { (packed_len(capacity) + frames * CELL_BYTES) as u64 }
}

/// Answers `ask` about `set`, with `most` frames of cells at most. Nothing, if the question is
/// none.
pub fn answer(set: &SetSketch, ask: &Ask, most: usize) -> Vec<Frame> {
    answer_with(set, ask, most, RESIDUAL)
}

/// As [`answer`], with so many numbers of the PinSketch where cells go with it. With all that there
/// are it finds what a lost frame of cells would have.
pub(crate) fn answer_with(set: &SetSketch, ask: &Ask, most: usize, residual: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    match &ask.need {
        Need::First(theirs) => {
            let Some(theirs) = Estimator::from_bytes(theirs) else { return frames };
            let (capacity, count) = plan(set.estimator().distance(&theirs));
            let capacity = if count > 0 { residual } else { capacity };
            let count = count.min(FRAMES).min(most);
            frames.extend(root(set, ask, capacity, count));
            frames.extend((0..count).filter_map(|frame| cells(set, ask, frame)));
        }
        Need::More { root: capacity, spans } => {
            if *capacity > 0 {
                frames.extend(root(set, ask, usize::from(*capacity), 0));
            }
            let all = spans.iter().flat_map(|span| {
                let first = usize::from(span.first);
                first..(first + usize::from(span.count)).min(FRAMES)
            });
            frames.extend(all.take(most).filter_map(|frame| cells(set, ask, frame)));
        }
    }
    frames
}

fn root(set: &SetSketch, ask: &Ask, capacity: usize, frames: usize) -> Option<Frame> {
    let syndromes = pack(&set.root()[..capacity.min(CAPACITY)]);
    Some(Frame::Root {
        nonce: ask.nonce,
        check: set.check().to_bytes(),
        frames: frames as u8,
        syndromes: Blob::new(syndromes).ok()?,
    })
}

fn cells(set: &SetSketch, ask: &Ask, frame: usize) -> Option<Frame> {
    let [a, b, c, d, ..] = set.check().to_bytes();
    let cells = Blob::new(write(set.cells().frame(frame))).ok()?;
    Some(Frame::Cells { nonce: ask.nonce, tag: [a, b, c, d], frame: frame as u8, cells })
}
