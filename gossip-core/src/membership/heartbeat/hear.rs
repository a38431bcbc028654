//! What is heard of members, and what their silence comes to.
//!
//! Not a protocol: how [`Heartbeats`] takes counters in, and whom it suspects.

use alloc::vec::Vec;

use super::message::{Beat, Word};
use super::{BEHIND, Beats, Heartbeats, Seen};
use crate::id::PeerId;
use crate::membership::detector::Detector;
use crate::membership::event::{Event, Why};
use crate::membership::own::LEAP;
use crate::membership::state::{Standing, State};
use crate::peers::Profile;
use crate::protocol::Context;
use crate::time::Time;
use crate::wire::Bounded;

impl<I: PeerId, D: Detector, T: Profile + PartialEq, const U: usize> Heartbeats<I, D, T, U> {
    /// Which members have crossed a line; and when the next may.
    pub(super) fn judge(&mut self, cx: &mut impl Context<Self>) {
        let (now, (suspect, dead)) = (cx.now(), self.lines);
        let mut crossed: Vec<(u32, State)> = Vec::new();
        self.earliest = Time::NEVER;
        let (mut lost, mut heard) = (false, false);
        for (slot, member) in self.members.beyond(None) {
            let due = |line| self.config.detector.due(&member.profile.record, line);
            let state = member.standing.state;
            lost |= state == State::Dead;
            if !state.is_member() {
                continue;
            }
            let to = match due(dead) <= now {
                true => State::Dead,
                false if due(suspect) <= now => State::Suspected,
                false => state,
            };
            (lost, heard) = (lost || to != State::Alive, heard || to == State::Alive);
            let next = if to == State::Alive { due(suspect) } else { due(dead) };
            self.earliest = self.earliest.min(if to == State::Dead { Time::NEVER } else { next });
            if to != state {
                crossed.push((slot, to));
            }
        }
        for (slot, state) in crossed {
            let held = self.members.at(slot).standing.incarnation;
            self.turn(slot, Standing::new(held, state), Why::Silent, cx);
        }
        if lost && !heard && !self.isolated {
            self.isolated = true;
            cx.emit(Event::Isolated(true));
        }
    }

    /// The member at `slot` now stands `to`.
    fn turn(&mut self, slot: u32, to: Standing, why: Why<I>, cx: &mut impl Context<Self>) {
        let member = self.members.at_mut(slot);
        let from = core::mem::replace(&mut member.standing, to);
        let peer = member.peer;
        self.changes += 1;
        if from.state.is_member() && !to.state.is_member() {
            self.members.bury(slot);
            if self.members.buried() > self.config.remembered {
                self.members.forget();
            }
        } else if !from.state.is_member() && to.state.is_member() {
            self.members.revive(slot, self.changes, cx.rng());
            // Where one is back, others may be: a partition has healed.
            self.recontacts.hurry(cx.round());
        }
        cx.emit(Event::Changed { peer, from: Some(from), to, why });
    }

    /// The member at `slot` gives a sign of life, says `from`.
    fn alive(&mut self, slot: u32, incarnation: u32, from: I, cx: &mut impl Context<Self>) {
        let (detector, now) = (&self.config.detector, cx.now());
        let member = self.members.at_mut(slot);
        let (held, record) = (member.standing, &mut member.profile.record);
        if incarnation > held.incarnation {
            *record = detector.begin(now);
        }
        detector.heard(record, now);
        self.earliest = self.earliest.min(detector.due(record, self.lines.0));
        let to = Standing::new(incarnation, State::Alive);
        if to != held {
            self.turn(slot, to, Why::Heard(from), cx);
        }
        if core::mem::take(&mut self.isolated) {
            cx.emit(Event::Isolated(false));
            self.recontacts.hurry(cx.round());
        }
    }

    /// Takes in what `from` says. Returns whether it is behind on itself, or `None` if it says
    /// nothing of itself, which is ignored.
    pub(super) fn hear(
        &mut self,
        from: I,
        beats: Bounded<Beat<I, T>, U>,
        answers: bool,
        cx: &mut impl Context<Self>,
    ) -> Option<bool> {
        let first = beats.first().filter(|beat| beat.peer == from);
        let Some(told) = first.map(|beat| (beat.incarnation, beat.count, beat.word.clone())) else {
            cx.count("no beat of the sender's");
            return None;
        };
        for beat in beats {
            if beat.peer == cx.me() {
                self.defend(&beat, cx);
            } else {
                self.take(from, beat, answers, cx);
            }
        }
        let member = self.members.at(self.members.find(from)?);
        let Standing { incarnation, state } = member.standing;
        let lost = told.0 == incarnation && member.profile.count > told.1.saturating_add(BEHIND);
        let left = state == State::Left && told.2 != Word::Left;
        Some(told.0 < incarnation || lost || left)
    }

    /// Something is said of this node itself. If it never said so, it takes a new incarnation.
    fn defend(&mut self, beat: &Beat<I, T>, cx: &mut impl Context<Self>) {
        let (mine, claim) = (self.own.incarnation, beat.incarnation);
        let ahead = (claim, beat.count) > (mine, self.count);
        let left = claim == mine && beat.word == Word::Left && self.own.leaving.is_none();
        if !ahead && !left {
            return;
        }
        if claim.saturating_sub(mine) > LEAP || claim == u32::MAX {
            return cx.count("incarnation leaps");
        }
        (self.own.incarnation, self.own.version, self.count) = (claim + 1, 0, 0);
        cx.emit(Event::Refuted(claim + 1));
        if let Some(incarnation) = self.own.reserve() {
            cx.emit(Event::Reserve(incarnation));
        }
    }

    /// `from` says this of somebody who is not this node; `answers` says whether it was asked.
    fn take(&mut self, from: I, beat: Beat<I, T>, answers: bool, cx: &mut impl Context<Self>) {
        let slot = self.members.find(beat.peer);
        let held = slot.map_or(0, |slot| self.members.at(slot).standing.incarnation);
        if beat.incarnation.saturating_sub(held) > LEAP {
            return cx.count("incarnation leaps");
        }
        let Some(slot) = slot else { return self.meet(from, beat, cx) };
        let member = self.members.at_mut(slot);
        let (own, standing) = (beat.peer == from, member.standing);
        let left = standing.state == State::Left;
        let (version, profile) = match beat.word {
            Word::Left if beat.incarnation >= held && !(left && beat.incarnation == held) => {
                member.profile.left = cx.round();
                let to = Standing::new(beat.incarnation, State::Left);
                return self.turn(slot, to, Why::Heard(from), cx);
            }
            Word::Left => return,
            Word::Here(version, profile) => (version, profile),
        };
        if left && beat.incarnation <= held {
            return;
        }
        let seen = &mut member.profile;
        // Where only a member itself counts, what others say must not be ahead of it.
        let counts = own || matches!(self.config.beats, Beats::Gossip { .. });
        let risen = counts && (beat.incarnation, beat.count) > (held, seen.count);
        let moves = risen && seen.profile != profile;
        if risen {
            (seen.count, seen.version, seen.profile) = (beat.count, version, profile);
        }
        // Where members beat of themselves, an answer in between would be a beat too many.
        let answer = answers && own && matches!(self.config.beats, Beats::Ask(_));
        if risen || answer && beat.incarnation == held {
            self.alive(slot, beat.incarnation, from, cx);
        }
        if moves {
            self.changes += 1;
            cx.emit(Event::Told(beat.peer));
        }
    }

    /// `from` speaks of a stranger: unless that has left, it is a new member.
    fn meet(&mut self, from: I, beat: Beat<I, T>, cx: &mut impl Context<Self>) {
        let Word::Here(version, profile) = beat.word else { return };
        let (peer, now) = (beat.peer, cx.now());
        let record = self.config.detector.begin(now);
        let seen = Seen { profile, version, count: beat.count, record, left: 0 };
        let to = Standing::new(beat.incarnation, State::Alive);
        let (most, since) = (self.config.members, self.changes + 1);
        let slot = self.members.insert((peer, to), ((0, 0), seen), most, since, cx.rng());
        let Some(slot) = slot else { return cx.count("table of members full") };
        self.changes = since;
        cx.emit(Event::Changed { peer, from: None, to, why: Why::Heard(from) });
        if peer == from {
            self.alive(slot, beat.incarnation, from, cx);
        } else {
            let record = &self.members.at(slot).profile.record;
            self.earliest = self.earliest.min(self.config.detector.due(record, self.lines.0));
        }
    }
}
