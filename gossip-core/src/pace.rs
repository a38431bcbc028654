//! What is done at once, and then ever less often.
//!
//! Not a protocol: what membership and sampling share where all is well most of the time.

use crate::random::Random;
use crate::time::Round;

/// Something done at once, and then ever less often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    next: Round,
    pause: u16,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { next: 0, pause: 1 }
    }

    /// At once again.
    pub(crate) const fn hurry(&mut self, now: Round) {
        if self.pause > HURRY {
            *self = Self { next: now.wrapping_add(1), pause: 1 };
        }
    }

    /// Whether it is due; the pause after that doubles up to `most` rounds, half to one and a half
    /// times that. Never if `most` is 0.
    pub(crate) fn due(&mut self, most: u16, now: Round, random: &mut Random) -> bool {
        let due = most > 0 && now.wrapping_sub(self.next) < Round::MAX / 2;
        if due {
            let pause = usize::from(self.pause);
            let after = pause.div_ceil(2) + random.below(pause + 1);
            self.next = now.wrapping_add(after as Round);
            self.pause = self.pause.saturating_mul(2).min(most);
        }
        due
    }
}

/// Pauses up to this many rounds are short enough.
const HURRY: u16 = 4;
