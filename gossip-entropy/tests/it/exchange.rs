//! Two sets and a session between them, over a link that loses and reorders.

use std::collections::{BTreeSet, VecDeque};

use gossip_core::Wire;
use gossip_core::random::Random;
use gossip_entropy::reconcile::End;
use gossip_entropy::sketch::wire::Frame;
use gossip_entropy::sketch::{Difference, Fingerprint, Session, SetSketch, Step, answer};

/// A set and its sketches.
#[derive(Clone, Default)]
pub(crate) struct Side {
    pub(crate) sketch: SetSketch,
    pub(crate) ids: BTreeSet<u64>,
}

impl Side {
    pub(crate) fn insert(&mut self, element: Fingerprint) {
        self.sketch.insert(element);
        self.ids.insert(element.id());
    }
}

pub(crate) fn element(random: &mut Random) -> Fingerprint {
    Fingerprint(u128::from(random.next_u64()) << 64 | u128::from(random.next_u64()))
}

/// Two sets with `common` elements in common and `d` others, half on each side.
pub(crate) fn sides(common: usize, d: usize, random: &mut Random) -> [Side; 2] {
    let mut side = Side::default();
    (0..common).for_each(|_| side.insert(element(random)));
    let mut sides = [side.clone(), side];
    (0..d).for_each(|at| sides[at % 2].insert(element(random)));
    sides
}

/// What is lost of the answers.
#[derive(Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) share: f64,
    /// The first so many answers.
    pub(crate) head: usize,
}

pub(crate) const NONE: Loss = Loss { share: 0.0, head: 0 };

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) end: Result<Difference, End>,
    /// Bytes of answers that came or were lost until the end, and their number.
    pub(crate) bytes: usize,
    pub(crate) datagrams: usize,
    /// Bytes of answers that were still under way at the end.
    pub(crate) after: usize,
    pub(crate) questions: usize,
}

/// `sides[0]` asks. What comes is reordered: each answer goes before those that wait, or behind.
pub(crate) fn run(sides: &[Side; 2], loss: Loss, reorder: f64, random: &mut Random) -> Run {
    let [asks, answers] = sides;
    let (mut session, first) = Session::open(&asks.sketch, 0, random.next_u64());
    let mut run = Run { end: Err(End::Silent), bytes: 0, datagrams: 0, after: 0, questions: 0 };
    let mut asked = Some(first);
    let mut under_way = VecDeque::new();
    let mut head = loss.head;
    loop {
        if let Some(ask) = asked.take() {
            run.questions += 1;
            for frame in answer(&answers.sketch, &ask, usize::MAX) {
                if random.chance(reorder) {
                    under_way.push_front(frame);
                } else {
                    under_way.push_back(frame);
                }
            }
        }
        let step = match under_way.pop_front() {
            Some(frame) => {
                run.bytes += frame.encoded_len();
                run.datagrams += 1;
                if head > 0 || random.chance(loss.share) {
                    head = head.saturating_sub(1);
                    continue;
                }
                session.take(&asks.sketch, &frame, |id| asks.ids.contains(&id))
            }
            None => session.silence(&asks.sketch),
        };
        match step {
            Step::Wait => {}
            Step::Ask(ask) => asked = Some(ask),
            Step::Done(difference) => {
                run.after = under_way.iter().map(Frame::encoded_len).sum();
                run.end = Ok(difference);
                return run;
            }
            Step::Ended(end) => {
                run.end = Err(end);
                return run;
            }
        }
    }
}

/// What a session must find.
pub(crate) fn expected(sides: &[Side; 2]) -> Difference {
    let less = |a: &Side, b: &Side| a.ids.difference(&b.ids).copied().collect();
    Difference { theirs: less(&sides[1], &sides[0]), ours: less(&sides[0], &sides[1]) }
}
