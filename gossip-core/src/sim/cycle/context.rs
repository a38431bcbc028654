//! The context of a call in the cycle driver.

use super::BUDGET;
use super::engine::{Engine, Entry, Envelope};
use crate::protocol::{Context, Local, Protocol};
use crate::random::{Key, Random};
use crate::sim::world::Activation;
use crate::time::{Round, Time};
use crate::wire::Wire;

/// The context of one call.
pub(super) struct CycleContext<'a, S: Protocol> {
    pub(super) node: u32,
    pub(super) now: Time,
    pub(super) why: Activation,
    pub(super) random: Option<Random>,
    /// In how many calls the node has drawn random numbers.
    pub(super) draws: &'a mut u32,
    /// Where this call's messages begin in the queue.
    pub(super) start: usize,
    /// Whose datagram's room is on offer, if it is.
    pub(super) spare: Option<u32>,
    pub(super) engine: &'a mut Engine<S>,
}

impl<S: Protocol<Id = u32>> Local<S> for CycleContext<'_, S> {
    #[inline]
    fn me(&self) -> u32 {
        self.node
    }
    #[inline]
    fn now(&self) -> Time {
        self.now
    }
    #[inline]
    fn wall(&self) -> u64 {
        self.now.as_micros()
    }
    #[inline]
    fn round(&self) -> Round {
        self.engine.cycle
    }
    #[inline]
    fn rng(&mut self) -> &mut Random {
        let Self { engine, node, random, draws, .. } = self;
        random.get_or_insert_with(|| {
            let call = u64::from(**draws);
            **draws = draws.wrapping_add(1);
            engine.key.with(u64::from(*node)).random(call)
        })
    }
    #[inline]
    fn key(&self) -> Key {
        self.engine.key.with(u64::from(self.node))
    }
    #[inline]
    fn emit(&mut self, event: S::Event) {
        if !self.engine.muted {
            self.engine.record(Entry::Event(self.node, event));
        }
    }
    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        if !self.engine.muted {
            self.engine.counts.add(layer, cause);
        }
    }
}

impl<S: Protocol<Id = u32>> CycleContext<'_, S> {
    #[cold]
    fn fits_in_spare(&self, to: u32, message: &S::Message) -> bool {
        self.spare == Some(to) && message.encoded_len() <= self.room(to)
    }
}

impl<S: Protocol<Id = u32>> Context<S> for CycleContext<'_, S> {
    #[inline]
    fn send(&mut self, to: u32, message: S::Message) {
        if self.spare.is_some() && !self.fits_in_spare(to, &message) {
            return self.tally("driver", "no spare room");
        }
        let opening = self.why == Activation::Round;
        let from = self.node;
        self.engine.queue.push(Envelope { from, to, opening, message });
    }

    fn room(&self, to: u32) -> usize {
        let sent = self.engine.queue[self.start..].iter().filter(|sent| sent.to == to);
        let used: usize = sent.map(|sent| sent.message.encoded_len()).sum();
        BUDGET.saturating_sub(used)
    }

    fn watch(&mut self, peer: u32, on: bool) {
        self.engine.record(Entry::Watch(self.node, peer, on));
    }
}
