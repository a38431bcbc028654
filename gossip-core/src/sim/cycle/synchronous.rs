//! The synchronous order: all decide on the state at the start of the cycle.

use core::mem;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Simulation;
use super::engine::Envelope;
use super::memory::Slot;
use crate::protocol::Layer;
use crate::sim::link::Link;
use crate::sim::world::World;

impl<S: Layer<D, Id = u32>, D: World<S>, L: Link> Simulation<S, D, L> {
    pub(super) fn cycle_synchronous(&mut self, schedule: &[u32], copy: fn(&S) -> S) {
        let mut first = mem::take(&mut self.later);
        first.extend(self.collect(|sim| schedule.iter().for_each(|&node| sim.begin(node))));
        let mut before = BTreeMap::new();
        for envelope in first {
            for _ in 0..self.copies(&envelope) {
                self.answer_from_start(&envelope, &mut before, copy);
            }
        }
        while !self.engine.queue.is_empty() {
            for envelope in mem::take(&mut self.engine.queue) {
                let asker = envelope.from;
                for sent in self.collect(|sim| sim.carry(envelope)) {
                    let back = sent.to == asker;
                    if back { &mut self.engine.queue } else { &mut self.later }.push(sent);
                }
            }
        }
        self.engine.touched.clear();
    }

    /// Delivers `envelope` to the live node, whose messages to others count, and to the node as it
    /// was `before` this cycle's deliveries, whose answer counts. Both draw the same numbers.
    fn answer_from_start(
        &mut self,
        envelope: &Envelope<S::Message>,
        before: &mut BTreeMap<u32, S>,
        copy: fn(&S) -> S,
    ) {
        let Envelope { from, to, .. } = *envelope;
        let (Slot(state), draws) = (&self.nodes[to as usize], self.draws[to as usize]);
        let as_it_was = copy(before.entry(to).or_insert_with(|| copy(state)));

        let mut sent = self.collect(|sim| sim.deliver(from, to, envelope.message.clone()));
        sent.retain(|sent| sent.to != from);
        self.later.append(&mut sent);

        let live = mem::replace(&mut self.nodes[to as usize].0, as_it_was);
        self.draws[to as usize] = draws;
        self.engine.muted = true;
        let mut sent = self.collect(|sim| sim.deliver(from, to, envelope.message.clone()));
        self.engine.muted = false;
        sent.retain(|sent| sent.to == from);
        self.engine.queue.append(&mut sent);
        self.nodes[to as usize].0 = live;
    }

    /// What is sent while `act` runs.
    fn collect(&mut self, act: impl FnOnce(&mut Self)) -> Vec<Envelope<S::Message>> {
        let queued = mem::take(&mut self.engine.queue);
        act(self);
        mem::replace(&mut self.engine.queue, queued)
    }
}
