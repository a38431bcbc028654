//! A session of ours over a link that loses datagrams in both directions.

use std::collections::VecDeque;

use gossip_core::Wire;
use gossip_core::random::Random;
use gossip_entropy::reconcile::{Difference, Step};

use super::{Cost, Link, timed};

/// Who answers, over a link, and what that has cost.
struct Wires<'a, A, F, S> {
    link: Link,
    random: &'a mut Random,
    answer: S,
    under_way: VecDeque<F>,
    cost: Cost,
    ask: std::marker::PhantomData<fn(&A)>,
}

impl<A: Wire, F: Wire, S: Fn(&A) -> Vec<F>> Wires<'_, A, F, S> {
    fn ask(&mut self, ask: &A) {
        self.cost.trips += 1;
        self.cost.requests += ask.encoded_len();
        if self.random.chance(self.link.loss) {
            return;
        }
        let answer = &self.answer;
        let frames = timed(&mut self.cost.encode, || answer(ask));
        self.under_way.extend(frames);
    }

    /// The next answer that comes; `None`: all is silent.
    fn next(&mut self) -> Option<F> {
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

/// From the first question on, to the difference: `answer` is the side that is asked; `step` the
/// one that asks, with an answer or, if none comes, without.
pub(super) fn drive<A: Wire, F: Wire, K>(
    first: &A,
    link: Link,
    random: &mut Random,
    answer: impl Fn(&A) -> Vec<F>,
    mut step: impl FnMut(Option<&F>) -> Step<A, K>,
) -> Result<(Difference<K>, Cost), String> {
    let (under_way, cost) = (VecDeque::new(), Cost::default());
    let ask = std::marker::PhantomData;
    let mut wires = Wires { link, random, answer, under_way, cost, ask };
    wires.ask(first);
    loop {
        let frame = wires.next();
        match timed(&mut wires.cost.decode, || step(frame.as_ref())) {
            Step::Wait => {}
            Step::Ask(ask) => wires.ask(&ask),
            Step::Done(found) => {
                wires.cost.after = wires.under_way.iter().map(Wire::encoded_len).sum();
                return Ok((found, wires.cost));
            }
            Step::Ended(end) => return Err(format!("{end:?}")),
        }
    }
}
