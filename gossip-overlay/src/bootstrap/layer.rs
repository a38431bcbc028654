//! The bootstrapping service as a layer: exchanges, and questions whether nodes live.
//!
//! Jelasity, Montresor, Babaoglu, *The bootstrapping service*, ICDCS workshops 2006, section 4.
//!
//! # Deviations from the paper
//!
//! An answer needs no number: what it names is taken in, whenever it comes. Probes are ours.

use alloc::vec::Vec;

use gossip_core::{Context, Layer, PeerId, Peers, Protocol, Random, Receipt, Refusal, Round, Time};

use super::{BURIED, Bootstrap, Command, Event, Talk, position};
use crate::chord::RingView;
use crate::probes::Verdict;

impl<I: PeerId, const M: usize> Protocol for Bootstrap<I, M> {
    type Id = I;
    type Message = Talk<I, M>;
    type Event = Event;
    type Command = Command;

    fn wake_at(&self) -> Time {
        self.probes.due()
    }

    fn version(&self) -> u64 {
        self.version
    }
}

impl<I: PeerId, const M: usize, D: Peers<Id = I>> Layer<D> for Bootstrap<I, M> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.round = self.round.wrapping_add(1);
        self.notes.tick();
        let round = self.round;
        self.graves.retain(|grave| round.wrapping_sub(grave.1) < BURIED);
        self.settle(below, cx);
        self.report(cx);
        if let Some(partner) = self.choose(cx.rng()) {
            let message = self.describe_for(partner, below, cx.rng());
            cx.send(partner, Talk::Request(message));
        }
        let asked = self.next_asked();
        for &peer in self.probes.begin(asked.into_iter(), cx.now(), self.wait) {
            cx.send(peer, Talk::Probe);
        }
        self.ask_strangers(cx);
    }

    fn on_message(&mut self, below: &D, from: I, talk: Talk<I, M>, cx: &mut impl Context<Self>) {
        self.settle(below, cx);
        match talk {
            Talk::Request(message) => {
                // The reply is from before the merge.
                let reply = self.describe_for(from, below, cx.rng());
                self.hear(from, message.peers);
                cx.send(from, Talk::Reply(reply));
            }
            Talk::Reply(message) => self.hear(from, message.peers),
            Talk::Probe => {
                self.hear(from, []);
                cx.send(from, Talk::Alive);
            }
            Talk::Alive => self.hear(from, []),
        }
        self.ask_strangers(cx);
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        match self.probes.look(cx.now(), self.wait) {
            Some(Verdict::Ask(silent)) => {
                for peer in silent {
                    cx.send(peer, Talk::Probe);
                }
            }
            Some(Verdict::Dead(silent)) => {
                for peer in silent {
                    self.bury(peer, cx);
                }
            }
            None => {}
        }
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        self.contact = Some(peer);
    }

    fn on_command(
        &mut self,
        below: &D,
        Command::Restart: Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let entries = self.table.len();
        self.table.clear();
        self.relink(Vec::new(), entries);
        self.settle(below, cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId, const M: usize> Bootstrap<I, M> {
    /// Asks those who may be leaves, whom this node has only heard of.
    fn ask_strangers(&mut self, cx: &mut impl Context<Self>) {
        for peer in core::mem::take(&mut self.strangers) {
            cx.send(peer, Talk::Probe);
        }
    }
}

impl<I: PeerId, const M: usize> Peers for Bootstrap<I, M> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.leaves).map(|leaf| leaf.stands.0)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.leaves.iter().for_each(|leaf| visit(leaf.stands.0, leaf.since));
    }

    fn age(&self, peer: I, _: Round) -> Option<Round> {
        let leaf = self.leaves.iter().find(|leaf| leaf.stands.0 == peer)?;
        Some(self.round.wrapping_sub(leaf.heard?))
    }

    fn degree(&self) -> usize {
        self.leaves.len()
    }
}

/// Chord's lookups run over it, too.
impl<I: PeerId, const M: usize> RingView for Bootstrap<I, M> {
    type Id = I;

    fn position(&self) -> Option<u64> {
        self.me.map(|me| me.1)
    }

    fn for_each_position(&self, mut visit: impl FnMut(I, u64)) {
        self.leaves.iter().for_each(|leaf| visit(leaf.stands.0, leaf.stands.1));
        let is_leaf = |peer| self.leaves.iter().any(|leaf| leaf.stands.0 == peer);
        let others = self.table.iter().filter(|known| !is_leaf(known.0));
        others.for_each(|known| visit(known.0, known.1));
    }

    fn position_of(&self, peer: I) -> Option<u64> {
        Some(position(&peer))
    }
}
