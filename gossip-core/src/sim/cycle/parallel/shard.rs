//! What one thread does in a cycle.

use core::mem;
use std::sync::atomic::Ordering;

use alloc::vec::{Drain, Vec};

use super::meeting::{Parcel, Tally};
use super::{Parcels, Plan, Table};
use crate::protocol::Layer;
use crate::random::Stream;
use crate::sim::cycle::context::CycleContext;
use crate::sim::cycle::engine::{Engine, Envelope};
use crate::sim::cycle::memory::{Slot, prefetch};
use crate::sim::cycle::{LINK, WAKES};
use crate::sim::link::{Link, Trip};
use crate::sim::world::{Activation, World};
use crate::time::Time;

/// Nodes fetched before their turn.
const AHEAD: usize = 24;

/// A thread's nodes, and all that their calls need.
pub(super) struct Shard<'a, S: Layer<D, Id = u32>, D, L> {
    number: usize,
    /// Runs of nodes, and in how many calls each has drawn random numbers.
    runs: Vec<(&'a mut [Slot<S>], &'a mut [u32])>,
    engine: Engine<S>,
    world: D,
    link: L,
    plan: &'a Plan<'a>,
    table: &'a Table<S::Message>,
    /// The next meeting.
    at: usize,
    /// What it sends, by the receiver's thread, and how much that is.
    out: Vec<Parcels<S::Message>>,
    sent: u64,
    /// What came, by the sender's thread.
    came: Vec<Parcels<S::Message>>,
    /// The numbers of the first messages of the last calls.
    firsts: Vec<u32>,
}

impl<'a, S: Layer<D, Id = u32>, D: World<S>, L: Link> Shard<'a, S, D, L> {
    pub(super) fn new(
        number: usize,
        engine: Engine<S>,
        world: D,
        link: L,
        plan: &'a Plan<'a>,
        table: &'a Table<S::Message>,
    ) -> Self {
        let lists = || (0..plan.layout.threads()).map(|_| Vec::new()).collect();
        let (runs, firsts) = (Vec::new(), Vec::new());
        let (out, came) = (lists(), lists());
        let (at, sent) = (0, 0);
        Self { number, runs, engine, world, link, plan, table, at, out, sent, came, firsts }
    }

    /// It has these nodes, too.
    pub(super) fn lend(&mut self, run: (&'a mut [Slot<S>], &'a mut [u32])) {
        self.runs.push(run);
    }

    pub(super) fn into_engine(self) -> Engine<S> {
        self.engine
    }

    /// Its part of a cycle.
    pub(super) fn work(&mut self) {
        let _alarm = self.table.alarm();
        let mut own = Vec::new();
        for block in self.plan.schedule.chunks(self.plan.block) {
            self.choose(block, &mut own);
            self.begin(block.len(), &own);
            self.serve(block.len());
        }
    }

    /// Which nodes of a block are its own, and their places there.
    fn choose(&self, block: &[u32], own: &mut Vec<(u32, u32)>) {
        own.resize(block.len(), (0, 0));
        let mut count = 0;
        // Written in any case: whose a node is cannot be predicted.
        for (place, &node) in (0..).zip(block) {
            own[count] = (place, node);
            count += usize::from(self.plan.layout.owner(node) == self.number);
        }
        own.truncate(count);
    }

    /// Its nodes of a block of so many have their due wakes and their rounds.
    fn begin(&mut self, block: usize, own: &[(u32, u32)]) {
        let tally = self.table.tally(self.at, block);
        own.iter().take(AHEAD).for_each(|&(_, node)| self.fetch(node));
        for (at, &(place, node)) in own.iter().enumerate() {
            if let Some(&(_, later)) = own.get(at + AHEAD) {
                self.fetch(later);
            }
            self.enter(place);
            if self.plan.alive.has(node) {
                if self.state(node).wake_at() <= self.engine.now(node) {
                    self.call(node, Activation::Other, |state, below, cx| state.on_wake(below, cx));
                }
                self.call(node, Activation::Round, |state, below, cx| state.on_round(below, cx));
            }
            self.send(place, &tally);
        }
    }

    /// Waves, and timers, until there is nothing more to do in the block; `calls` were made in it.
    fn serve(&mut self, calls: usize) {
        let mut due = self.settle(calls);
        for _ in 0..WAKES {
            if due == u64::MAX {
                return self.engine.touched.clear();
            }
            let woken = self.wake(Time::from_micros(due));
            due = self.settle(woken);
        }
        if self.number == 0 {
            self.engine.counts.add("driver", "wakes cut short");
        }
        self.engine.touched.clear();
    }

    /// Waves, until one is empty, after `calls` calls; then the earliest deadline of all threads.
    fn settle(&mut self, mut calls: usize) -> u64 {
        loop {
            let due = if self.sent == 0 { self.due() } else { u64::MAX };
            for (to, out) in self.out.iter_mut().enumerate() {
                self.table.exchange(self.at, (self.number, to), out);
            }
            let at = self.at;
            let (wave, due) = self.table.meet(at, mem::take(&mut self.sent), due);
            self.at += 1;
            if wave == 0 {
                return due;
            }
            self.table.number(at, calls, &mut self.firsts);
            calls = wave as usize;
            self.deliver(at, calls);
        }
    }

    /// Delivers what came to its nodes at meeting `at`, of a wave of so many messages.
    fn deliver(&mut self, at: usize, wave: usize) {
        let tally = self.table.tally(self.at, wave);
        let mut came = mem::take(&mut self.came);
        for (from, list) in came.iter_mut().enumerate() {
            self.table.exchange(at, (from, self.number), list);
            list.iter().take(AHEAD).for_each(|parcel| self.fetch(parcel.envelope.to));
        }
        let mut merged = Merge::new(&mut came);
        while let Some((parcel, later)) = merged.next() {
            if let Some(later) = later {
                self.fetch(later);
            }
            let number = self.firsts[parcel.call as usize] + parcel.place;
            self.enter(number);
            self.carry(number, parcel.envelope);
            self.send(number, &tally);
        }
        self.engine.sent += wave as u64;
        drop(merged);
        self.came = came;
    }

    /// Delivers message `number` of a wave, as often as it arrives.
    fn carry(&mut self, number: u32, envelope: Envelope<S::Message>) {
        let Envelope { from, to, opening, message } = envelope;
        let mut copies = 1;
        if !L::PERFECT {
            let trip = Trip { from, to, at: self.engine.began, len: 0, opening };
            let sent = self.engine.sent + u64::from(number);
            let mut stream = Stream::new(self.engine.key.with(LINK), sent);
            copies = self.link.carry(&trip, stream.random()).len();
            if copies == 0 {
                self.engine.counts.add("network", "lost");
            }
        }
        for _ in 1..copies {
            self.arrive(from, to, message.clone());
        }
        if copies > 0 {
            self.arrive(from, to, message);
        }
    }

    fn arrive(&mut self, from: u32, to: u32, message: S::Message) {
        if self.plan.alive.has(to) {
            self.engine.note(from, to, &message);
            self.call(to, Activation::Other, |state, below, cx| {
                state.on_message(below, from, message, cx);
            });
            return;
        }
        self.engine.counts.add("network", "to the dead");
        if self.engine.telling {
            self.call(from, Activation::Other, |state, below, cx| {
                state.on_unreachable(below, to, cx);
            });
        }
    }

    /// The earliest deadline within this period of the nodes called.
    fn due(&self) -> u64 {
        let end = self.engine.began + self.engine.period;
        let deadlines = self.engine.touched.iter().map(|&node| self.state(node).wake_at());
        deadlines.filter(|&at| at < end).min().map_or(u64::MAX, Time::as_micros)
    }

    /// Wakes those of the nodes called whose deadline is `at`; returns how many all threads wake.
    fn wake(&mut self, at: Time) -> usize {
        let touched = self.engine.touched.iter().copied();
        let mut own: Vec<_> = touched.filter(|&node| self.state(node).wake_at() == at).collect();
        own.sort_unstable();
        own.dedup();
        let meeting = self.at;
        self.table.due(meeting).extend(&own);
        self.table.meet(meeting, 0, u64::MAX);
        let mut all = self.table.due(meeting).clone();
        all.sort_unstable();
        self.table.meet(meeting + 1, 0, u64::MAX);
        self.at += 2;
        // For those who write there the meeting after the next one; all have read it.
        self.table.due(meeting).clear();
        let tally = self.table.tally(self.at, all.len());
        for node in own {
            let place = all.partition_point(|&other| other < node) as u32;
            self.enter(place);
            self.engine.advance(node, at);
            self.call(node, Activation::Other, |state, below, cx| state.on_wake(below, cx));
            self.send(place, &tally);
        }
        all.len()
    }

    fn state(&self, node: u32) -> &S {
        let (run, at) = self.plan.layout.place(node);
        let Slot(state) = &self.runs[run].0[at];
        state
    }

    /// Asks for the memory of a node, if it is its own.
    #[inline]
    fn fetch(&self, node: u32) {
        let (run, at) = self.plan.layout.place(node);
        if let Some(slot) = self.runs.get(run).and_then(|run| run.0.get(at)) {
            prefetch(slot);
        }
    }

    /// What happens from now on happens in call `number` before the next meeting.
    #[inline]
    const fn enter(&mut self, number: u32) {
        if let Some(journal) = &mut self.engine.journal {
            journal.call = (self.at as u32, number);
        }
    }

    #[inline]
    fn call(
        &mut self,
        node: u32,
        why: Activation,
        handler: impl FnOnce(&mut S, &D, &mut CycleContext<'_, S>),
    ) {
        let (run, at) = self.plan.layout.place(node);
        let (nodes, draws) = &mut self.runs[run];
        let Slot(state) = &mut nodes[at];
        self.world.enter(node, self.engine.cycle, why);
        self.engine.call(node, why, (state, &mut draws[at]), &self.world, handler);
        self.world.leave(node, state);
    }

    /// Lays what call `number` has sent by whose thread is to deliver it: to the dead, the sender's
    /// own, which may have to be told.
    #[inline]
    fn send(&mut self, number: u32, tally: &Tally<'_>) {
        tally[number as usize].store(self.engine.queue.len() as u32, Ordering::Relaxed);
        self.sent += self.engine.queue.len() as u64;
        for (place, envelope) in (0..).zip(self.engine.queue.drain(..)) {
            let Envelope { from, to, .. } = envelope;
            let called = if self.plan.alive.has(to) { to } else { from };
            let to = self.plan.layout.owner(called);
            self.out[to].push(Parcel { call: number, place, envelope });
        }
    }
}

/// Lists of parcels as one, in the order of the calls that sent them.
struct Merge<'a, M> {
    lists: Vec<Drain<'a, Parcel<M>>>,
    /// The call of each list's next parcel.
    next: Vec<u32>,
}

impl<'a, M> Merge<'a, M> {
    fn new(lists: &'a mut [Parcels<M>]) -> Self {
        let lists: Vec<_> = lists.iter_mut().map(|list| list.drain(..)).collect();
        let next = lists.iter().map(|list| head(list)).collect();
        Self { lists, next }
    }

    /// The next parcel, and who gets one of its list soon.
    #[inline]
    fn next(&mut self) -> Option<(Parcel<M>, Option<u32>)> {
        let (mut least, mut from) = (u32::MAX, 0);
        for (at, &call) in self.next.iter().enumerate() {
            // Chosen, not branched to: which list is next cannot be predicted.
            let before = call < least;
            least = if before { call } else { least };
            from = if before { at } else { from };
        }
        let list = &mut self.lists[from];
        let parcel = list.next()?;
        self.next[from] = head(list);
        let later = list.as_slice().get(AHEAD - 1).map(|parcel| parcel.envelope.to);
        Some((parcel, later))
    }
}

/// The call of the next parcel of `list`; of none, if there is none.
#[inline]
fn head<M>(list: &Drain<'_, Parcel<M>>) -> u32 {
    list.as_slice().first().map_or(u32::MAX, |parcel| parcel.call)
}
