//! Ours: a session of sketches.

use std::collections::{BTreeSet, VecDeque};

use gossip_core::Wire;
use gossip_core::random::Random;
use gossip_entropy::sketch::wire::{Ask, Frame};
use gossip_entropy::sketch::{Digest, Field, Keys, Session, SetSketch, Step, answer};

use super::{Contender, Cost, Item, Link, Own, check, timed};

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

/// A link, and what has been sent over it.
struct Wires<'a> {
    link: Link,
    random: &'a mut Random,
    answers: &'a SetSketch,
    under_way: VecDeque<Frame>,
    cost: Cost,
}

impl Wires<'_> {
    fn ask(&mut self, ask: &Ask) {
        self.cost.trips += 1;
        self.cost.requests += ask.encoded_len();
        if self.random.chance(self.link.loss) {
            return;
        }
        let answers = self.answers;
        let frames = timed(&mut self.cost.encode, || answer(answers, ask, usize::MAX));
        self.under_way.extend(frames);
    }

    /// The next answer that comes; `None`: all is silent.
    fn next(&mut self) -> Option<Frame> {
        while let Some(frame) = self.under_way.pop_front() {
            self.cost.answers += frame.encoded_len();
            self.cost.datagrams += 1;
            if self.link.head > 0 {
                self.link.head -= 1;
            } else if !self.random.chance(self.link.loss) {
                return Some(frame);
            }
        }
        None
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
        let cost = Cost { requests: Digest::LEN, ..Cost::default() };
        let mut wires = Wires { link, random, answers: &answers, under_way: VecDeque::new(), cost };
        wires.ask(&first);
        loop {
            let frame = wires.next();
            let step = timed(&mut wires.cost.decode, || match frame {
                Some(frame) => session.take(&asks, &frame, is_ours),
                None => session.silence(&asks),
            });
            match step {
                Step::Wait => {}
                Step::Ask(ask) => wires.ask(&ask),
                Step::Done(found) => {
                    check([found.ours, found.theirs], [ours, theirs])?;
                    wires.cost.after = wires.under_way.iter().map(Frame::encoded_len).sum();
                    return Ok(wires.cost);
                }
                Step::Ended(end) => return Err(format!("{end:?}")),
            }
        }
    }
}
