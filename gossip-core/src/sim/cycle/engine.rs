//! All of a simulation but its nodes, world and link: what a call of a node needs and changes.

use core::time::Duration;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::PERIOD;
use super::context::CycleContext;
use crate::counts::Counts;
use crate::id::digest;
use crate::protocol::{Layer, Protocol};
use crate::random::{Key, Random};
use crate::sim::TraceHash;
use crate::sim::events::{EVENTS, Events};
use crate::sim::world::Activation;
use crate::time::{Round, Time};

/// All but the nodes.
pub(super) struct Engine<S: Protocol> {
    pub(super) key: Key,
    pub(super) cycle: Round,
    /// When the cycle under way began.
    pub(super) began: Time,
    pub(super) period: Duration,
    /// Messages on their way in this cycle.
    pub(super) queue: Vec<Envelope<S::Message>>,
    /// Nodes called in the activation under way: their timers are served with it.
    pub(super) touched: Vec<u32>,
    /// Nodes whose clocks ran ahead of the cycle's start, and by how many microseconds.
    pub(super) ahead: BTreeMap<u32, u64>,
    /// Who watches whom.
    pub(super) watches: BTreeMap<u32, Vec<u32>>,
    pub(super) events: Events<S::Event>,
    pub(super) counts: Counts,
    pub(super) trace: Option<TraceHash>,
    /// Messages sent since the start.
    pub(super) sent: u64,
    /// Whether events and counts are dropped: the node called is a copy.
    pub(super) muted: bool,
    /// Whether senders hear that whom they addressed is dead.
    pub(super) telling: bool,
    /// Where a part of a simulation writes down what has an order among all its parts.
    pub(super) journal: Option<Journal<S::Event>>,
}

/// A message on its way.
pub(super) struct Envelope<M> {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) opening: bool,
    pub(super) message: M,
}

/// What happened, and in which call: its wave, and its place there.
pub(super) struct Journal<E> {
    pub(super) call: (u32, u32),
    pub(super) entries: Vec<((u32, u32), Entry<E>)>,
}

/// What has an order among the calls of all nodes.
pub(super) enum Entry<E> {
    /// What a node told its owner.
    Event(u32, E),
    /// Watcher, watched, and whether it wants to.
    Watch(u32, u32, bool),
    /// Sender and receiver of a message that was delivered, and its digest.
    Delivered(u64, u64),
}

impl<S: Protocol<Id = u32>> Engine<S> {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            cycle: 0,
            began: Time::ZERO,
            period: PERIOD,
            queue: Vec::new(),
            touched: Vec::new(),
            ahead: BTreeMap::new(),
            watches: BTreeMap::new(),
            events: Events::new(EVENTS),
            counts: Counts::default(),
            trace: None,
            sent: 0,
            muted: false,
            telling: false,
            journal: None,
        }
    }

    /// The time at `node`.
    #[inline]
    pub(super) fn now(&self, node: u32) -> Time {
        if self.ahead.is_empty() {
            return self.began;
        }
        let ahead = self.ahead.get(&node).copied().unwrap_or_default();
        Time::from_micros(self.began.as_micros().saturating_add(ahead))
    }

    /// `node`'s clock runs on to `at`.
    pub(super) fn advance(&mut self, node: u32, at: Time) {
        let ahead = at.since(self.began).as_micros() as u64;
        let clock = self.ahead.entry(node).or_default();
        *clock = ahead.max(*clock);
    }

    /// The driver's own randomness for `purpose` in this cycle.
    pub(super) fn draw(&self, purpose: u64) -> Random {
        self.key.with(purpose).random(u64::from(self.cycle))
    }

    /// Notes that `message` is delivered.
    #[inline]
    pub(super) fn note(&mut self, from: u32, to: u32, message: &S::Message) {
        if self.trace.is_some() {
            self.record(Entry::Delivered(u64::from(from) << 32 | u64::from(to), digest(message)));
        }
    }

    /// Does what `entry` says: a part of a simulation writes it down.
    pub(super) fn record(&mut self, entry: Entry<S::Event>) {
        if let Some(journal) = &mut self.journal {
            return journal.entries.push((journal.call, entry));
        }
        match entry {
            Entry::Event(node, event) => self.events.push(node, event),
            Entry::Watch(watcher, peer, on) => {
                let watchers = self.watches.entry(peer).or_default();
                watchers.retain(|&known| known != watcher);
                if on {
                    watchers.push(watcher);
                }
            }
            Entry::Delivered(ends, digest) => {
                if let Some(trace) = &mut self.trace {
                    trace.fold(ends);
                    trace.fold(digest);
                }
            }
        }
    }

    /// Calls a node, which has drawn random numbers in `draws` calls so far, and offers the room
    /// left in each of its datagrams.
    #[inline]
    pub(super) fn call<D, R>(
        &mut self,
        node: u32,
        why: Activation,
        (state, draws): (&mut S, &mut u32),
        world: &D,
        handler: impl FnOnce(&mut S, &D, &mut CycleContext<'_, S>) -> R,
    ) -> R
    where
        S: Layer<D>,
    {
        let (now, start) = (self.now(node), self.queue.len());
        let mut cx =
            CycleContext { node, now, why, random: None, draws, start, spare: None, engine: self };
        let result = handler(state, world, &mut cx);
        for at in start..cx.engine.queue.len() {
            let to = cx.engine.queue[at].to;
            if !cx.engine.queue[start..at].iter().any(|earlier| earlier.to == to) {
                cx.spare = Some(to);
                state.on_spare(world, to, &mut cx);
            }
        }
        // Its timers are served with this activation, if it has any.
        if state.wake_at() != Time::NEVER {
            self.touched.push(node);
        }
        result
    }
}
