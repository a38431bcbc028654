//! What came in a round, of which a bounded number is kept, each with the same chance.
//!
//! Not a protocol: what the samplers that rebuild their views share.

use arrayvec::ArrayVec;

use crate::id::PeerId;
use crate::random::Random;

/// A uniform choice, without replacement, of what came in a round.
#[derive(Clone, Debug)]
pub(crate) struct Gathered<I, const C: usize> {
    pub(crate) kept: ArrayVec<I, C>,
    pub(crate) came: u32,
}

impl<I, const C: usize> Default for Gathered<I, C> {
    fn default() -> Self {
        Self { kept: ArrayVec::new(), came: 0 }
    }
}

impl<I: PeerId, const C: usize> Gathered<I, C> {
    /// One more came; at most `places` are kept (Vitter's algorithm R).
    pub(crate) fn take(&mut self, id: I, places: usize, random: &mut Random) {
        self.came = self.came.saturating_add(1);
        if self.kept.len() < places.min(C) {
            self.kept.push(id);
        } else if let Some(kept) = self.kept.get_mut(random.below(self.came as usize)) {
            *kept = id;
        }
    }

    /// `places` of what came: all that is kept, then some of it again.
    pub(crate) fn fill(&self, view: &mut ArrayVec<I, C>, places: usize, random: &mut Random) {
        for at in 0..places.min(view.remaining_capacity()) {
            view.extend(self.kept.get(at).or_else(|| random.pick(&self.kept)).copied());
        }
    }
}
