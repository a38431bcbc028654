//! Ours: a session of sketches.

use std::collections::BTreeSet;

use gossip_core::random::Random;
use gossip_entropy::sketch::wire::Ask;
use gossip_entropy::sketch::{Digest, Field, Keys, Session, SetSketch, answer};

use super::link::drive;
use super::{Contender, Cost, Item, Link, Own, check};

/// The sketches of what both sides have.
pub(super) struct Ours {
    common: SetSketch,
    ids: BTreeSet<u64>,
    keys: Keys,
}

impl Ours {
    pub(super) fn new<const L: usize>(common: &[Item<L>], field: Field) -> Self {
        let keys = Keys::default();
        let (mut sketch, mut ids) = (SetSketch::new(field), BTreeSet::new());
        for item in common {
            let element = keys.fingerprint(item);
            sketch.insert(element);
            ids.insert(element.id());
        }
        Self { common: sketch, ids, keys }
    }

    /// The sketches of one side, and the identifiers that only it has.
    fn side<const L: usize>(&self, own: &[Item<L>]) -> (SetSketch, Vec<u64>) {
        let mut sketch = self.common.clone();
        let mut ids = Vec::with_capacity(own.len());
        for item in own {
            let element = self.keys.fingerprint(item);
            sketch.insert(element);
            ids.push(element.id());
        }
        (sketch, ids)
    }
}

impl<const L: usize> Contender<L> for Ours {
    fn run(&self, own: &Own<L>, link: Link, random: &mut Random) -> Result<Cost, String> {
        let ((asks, ours), (answers, theirs)) = (self.side(&own[0]), self.side(&own[1]));
        let mine: BTreeSet<u64> = ours.iter().copied().collect();
        let is_ours = |id: u64| mine.contains(&id) || self.ids.contains(&id);
        if asks.digest() == answers.digest() {
            check([Vec::new(), Vec::new()], [ours, theirs])?;
            return Ok(Cost { requests: Digest::LEN, trips: 1, ..Cost::default() });
        }
        let (mut session, first) = Session::open(&asks, 0, random.next_u64());
        let answer = |ask: &Ask| answer(&answers, ask, usize::MAX);
        let (found, cost) = drive(&first, link, random, answer, |frame| match frame {
            Some(frame) => session.take(&asks, frame, is_ours),
            None => session.silence(&asks),
        })?;
        check([found.ours, found.theirs], [ours, theirs])?;
        Ok(Cost { requests: cost.requests + Digest::LEN, ..cost })
    }
}
