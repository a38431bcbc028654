//! What is heard, and what is told.
//!
//! Not a protocol: how [`Swim`](super::Swim) takes claims in and passes them on.

use arrayvec::ArrayVec;

use super::dissemination::Waiting;
use super::event::{Event, Why};
use super::members::Members;
use super::message::{Claim, Message, Update};
use super::own::{LEAP, Own};
use super::state::{Standing, State};
use super::swim::{News, Rumor, Swim};
use super::twins::Verdict;
use crate::id::PeerId;
use crate::peers::Profile;
use crate::protocol::Context;
use crate::time::Round;
use crate::wire::{Bounded, Wire};

/// The place of this node itself among the subjects of news.
const OWN: u32 = u32::MAX;

/// Bytes of a message beside the news: tag, length, number, count.
const HEAD: usize = 12;

/// Bytes that news may take in any case, if the datagram is full of other layers' frames: a probe
/// goes into another one then, as do longer updates, one at a time. Our choice.
const LEAST: usize = 128;

/// Whether `ticket` is the one the subject at `slot` holds.
fn holds<I: PeerId, T>(members: &Members<I, T>, own: &Own<T>, slot: u32, ticket: u32) -> bool {
    if slot == OWN { own.ticket == ticket } else { members.holds(slot, ticket) }
}

/// How something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It rode on a message that this node did not ask for.
    Unasked,
    /// It rode on the answer to a question of this node.
    Answer,
    /// It is part of all that the sender knows. Whom a node meets so, others know already, or will
    /// meet in the same way: that is no news to be told, else each that joins would tell everybody
    /// of everybody.
    FullState,
}

impl<I: PeerId> Rumor<I> {
    /// As it was heard.
    const fn update<T: Wire>(&self) -> Update<I, T> {
        let claim = match self.standing.state {
            State::Alive | State::Suspected => Claim::Suspected(self.by),
            State::Dead => Claim::Dead,
            State::Left => Claim::Left,
        };
        Update { peer: self.peer, incarnation: self.standing.incarnation, claim }
    }
}

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// Takes `news` from `from` in: all of it if the message answers a question of this node or
    /// comes from a member, only what the sender says of itself and of this node if it is presumed
    /// dead, nothing if it is a stranger. Whom it was wrong about is noted as stale.
    pub(super) fn hear(
        &mut self,
        from: I,
        news: News<I, T, U>,
        source: Source,
        cx: &mut impl Context<Self>,
    ) {
        self.stale.clear();
        let solicited = source != Source::Unasked;
        if self.members.find(from).is_none() && !solicited {
            cx.count("message from a stranger");
            self.greeting = Some(from);
            return;
        }
        self.heard(cx);
        let (said_of_itself, others): (ArrayVec<_, U>, ArrayVec<_, U>) =
            news.into_iter().partition(|update| update.peer == from);
        for update in said_of_itself {
            self.take(from, update, source, cx);
        }
        let believed = solicited || self.is_member(from);
        for update in others {
            if update.peer == cx.me() {
                self.defend(&update, cx);
            } else if believed {
                self.take(from, update, source, cx);
            } else {
                cx.count("news from the dead");
            }
        }
    }

    /// The message being read is wrong about `peer`: its sender is to be told.
    fn note(&mut self, peer: I) {
        if !self.stale.is_full() && !self.stale.contains(&peer) {
            self.stale.push(peer);
        }
    }

    /// Tells `to` what contradicts its message, if anything does, of `most` at most.
    pub(super) fn object(&mut self, to: I, most: usize, cx: &mut impl Context<Self>) {
        let mut stale = core::mem::take(&mut self.stale);
        stale.truncate(most);
        if !stale.is_empty() {
            let mut news = Bounded::new();
            news.fill(stale.iter().filter_map(|&peer| self.record(peer, cx.me())));
            cx.send(to, Message::News(news));
            // Who speaks for itself is told by that; asked once more, it would answer the same.
            stale.retain(|peer| *peer != to);
            self.recall_claimed(&stale, cx);
        }
    }

    /// Something is said of this node itself: if it is not so, this node contradicts.
    pub(super) fn defend(&mut self, update: &Update<I, T>, cx: &mut impl Context<Self>) {
        let (mine, claim) = (self.own.standing(), update.standing());
        // Somebody says alive what this node did not say: its former life, or one of its name.
        let foreign = match &update.claim {
            Claim::Alive(version, profile) => {
                let told = (claim.incarnation, *version);
                let other = self.own.profile.as_ref() != Some(profile);
                told > self.own_told() || told == self.own_told() && other
            }
            _ => false,
        };
        if !foreign && claim <= mine {
            if mine.contradicts(claim) {
                self.note(update.peer);
            }
            return;
        }
        if claim.incarnation.saturating_sub(mine.incarnation) > LEAP
            || claim.incarnation == u32::MAX
        {
            return cx.count("incarnation leaps");
        }
        if foreign {
            match self.twins.contested(cx.round()) {
                Verdict::Contradict => {}
                Verdict::Report => cx.emit(Event::Duplicate),
                Verdict::Wait => return cx.count("another of this name"),
            }
        }
        self.own.incarnation = claim.incarnation + 1;
        self.own.version = 0;
        if matches!(claim.state, State::Suspected | State::Dead) {
            self.health.worse();
        }
        self.stats.refuted += 1;
        self.announce();
        self.note(update.peer);
        cx.emit(Event::Refuted(self.own.incarnation));
        if let Some(incarnation) = self.own.reserve() {
            cx.emit(Event::Reserve(incarnation));
        }
    }

    const fn own_told(&self) -> (u32, u32) {
        (self.own.incarnation, self.own.version)
    }

    /// `from` says this of somebody who is not this node.
    pub(super) fn take(
        &mut self,
        from: I,
        update: Update<I, T>,
        source: Source,
        cx: &mut impl Context<Self>,
    ) {
        let slot = self.members.find(update.peer);
        let held = slot.map_or(0, |slot| self.members.at(slot).standing.incarnation);
        if update.incarnation.saturating_sub(held) > LEAP {
            return cx.count("incarnation leaps");
        }
        let Some(slot) = slot else { return self.meet(from, update, source, cx) };
        let claim = update.standing();
        let accuser = match update.claim {
            Claim::Suspected(by) => by,
            _ => from,
        };
        if let Claim::Alive(version, profile) = update.claim {
            self.tell(slot, (update.incarnation, version), profile, cx);
        }
        let held = self.members.at(slot).standing;
        if claim == held && claim.state == State::Suspected {
            self.judge(slot, claim, Why::Heard(from), accuser, cx);
            return;
        }
        let doubt = self.config.doubts();
        let after = held.heard(claim, doubt);
        if held.contradicts(claim) {
            self.note(update.peer);
        } else if doubt && after.state == State::Dead && self.suspicions.is_fresh(slot, cx.now()) {
            // One more who suspects it: it still may object.
            self.judge(slot, held, Why::Heard(from), accuser, cx);
        } else if after > held {
            match self.objection(slot, after, accuser, cx.round()) {
                Some(cause) => cx.count(cause),
                None => self.judge(slot, after, Why::Heard(from), accuser, cx),
            }
        }
    }

    /// Why the member at `slot` shall not stand `to`, though that overrides what is held.
    fn objection(
        &mut self,
        slot: u32,
        to: Standing,
        accuser: I,
        now: Round,
    ) -> Option<&'static str> {
        let half_life = self.config.damping;
        let held = self.members.at(slot).standing.state;
        let back = held == State::Dead && to.state.is_member();
        if back && !self.members.may_return(slot, half_life, now) {
            return Some("flapping member kept out");
        }
        let accused = to.state == State::Suspected && self.accuses_too_many(accuser);
        accused.then_some("accusation beyond the budget")
    }

    /// Whether `accuser` has accused so many whom nobody else accuses that it is more likely to be
    /// ill itself.
    pub(super) fn accuses_too_many(&self, accuser: I) -> bool {
        self.suspicions.unconfirmed(accuser) >= self.config.budget(self.size())
    }

    /// A member tells its profile.
    fn tell(&mut self, slot: u32, told: (u32, u32), profile: T, cx: &mut impl Context<Self>) {
        let moves = self.members.at(slot).profile != profile;
        if self.members.tell(slot, told, profile) && moves {
            self.changes += 1;
            self.spread(slot);
            cx.emit(Event::Told(self.members.at(slot).peer));
        }
    }

    /// `from` speaks of a stranger: one who is alive is a new member. An accusation of a stranger
    /// is passed on once, so that it reaches the accused, who may know of others who know it.
    fn meet(&mut self, from: I, update: Update<I, T>, source: Source, cx: &mut impl Context<Self>) {
        let (peer, standing) = (update.peer, update.standing());
        let Claim::Alive(version, profile) = update.claim else {
            let by = match update.claim {
                Claim::Suspected(by) => by,
                _ => from,
            };
            return self.pass_on(Rumor { peer, standing, by, passed_on: false }, cx);
        };
        let told = ((update.incarnation, version), profile);
        let (most, since) = (self.config.members, self.changes + 1);
        let slot = self.members.insert((peer, standing), told, most, since, cx.rng());
        let Some(slot) = slot else { return cx.count("table of members full") };
        self.changes = since;
        if source != Source::FullState || peer == from {
            self.spread(slot);
        }
        let why = Why::Heard(from);
        cx.emit(Event::Changed { peer, from: None, to: standing, why });
    }

    /// A stranger is accused: unless that is known, it is told once more.
    fn pass_on(&mut self, rumor: Rumor<I>, cx: &mut impl Context<Self>) {
        let Rumor { peer, standing, .. } = rumor;
        if !self.rumors.iter().any(|known| known.peer == peer && known.standing >= standing) {
            cx.count("accusation of a stranger");
            if self.rumors.is_full() {
                self.rumors.remove(0);
            }
            self.rumors.push(rumor);
        }
    }

    /// The member at `slot` now stands `to`, if that overrides what is held. Whoever suspects the
    /// suspected confirms it.
    pub(super) fn judge(
        &mut self,
        slot: u32,
        to: Standing,
        why: Why<I>,
        accuser: I,
        cx: &mut impl Context<Self>,
    ) {
        let held = self.members.at(slot).standing;
        if to == held && to.state == State::Suspected && self.suspicions.confirm(slot, accuser) {
            self.spread(slot);
        }
        if to <= held {
            return;
        }
        self.members.at_mut(slot).standing = to;
        self.changes += 1;
        match self.config.terms(self.size()) {
            Some(terms) if to.state == State::Suspected => {
                self.suspicions.open(slot, accuser, cx.now(), terms);
            }
            _ => drop(self.suspicions.close(slot)),
        }
        if held.state.is_member() && !to.state.is_member() {
            if to.state == State::Dead {
                let half_life = self.config.damping;
                self.members.died(slot, half_life, cx.round());
            }
            self.members.bury(slot);
            if self.members.buried() > self.config.remembered {
                self.spread(slot);
                self.members.forget();
            }
        } else if !held.state.is_member() && to.state.is_member() {
            self.members.revive(slot, self.changes, cx.rng());
            // Where one is back, others may be: a partition has healed.
            self.hurry(cx.round());
        }
        self.spread(slot);
        let peer = self.members.at(slot).peer;
        cx.emit(Event::Changed { peer, from: Some(held), to, why });
    }

    /// The member at `slot` is news.
    fn spread(&mut self, slot: u32) {
        let ticket = self.queue.ticket();
        self.members.at_mut(slot).ticket = ticket;
        self.enqueue(slot, ticket);
    }

    /// This node itself is news.
    pub(super) fn announce(&mut self) {
        self.own.ticket = self.queue.ticket();
        self.enqueue(OWN, self.own.ticket);
    }

    fn enqueue(&mut self, slot: u32, ticket: u32) {
        let Self { queue, members, own, .. } = self;
        queue.put(slot, ticket);
        queue.sweep(members.known() + 1, |slot, ticket| holds(members, own, slot, ticket));
    }

    /// What this node says of `peer`.
    pub(super) fn record(&self, peer: I, me: I) -> Option<Update<I, T>> {
        if peer == me {
            return self.own.record(me);
        }
        self.members.find(peer).map(|slot| self.record_at(slot, me))
    }

    /// What this node says of the member at `slot`.
    pub(super) fn record_at(&self, slot: u32, me: I) -> Update<I, T> {
        let member = self.members.at(slot);
        let claim = match member.standing.state {
            State::Alive => Claim::Alive(member.told.1, member.profile.clone()),
            State::Suspected => Claim::Suspected(self.suspicions.accuser(slot).unwrap_or(me)),
            State::Dead => Claim::Dead,
            State::Left => Claim::Left,
        };
        Update { peer: member.peer, incarnation: member.standing.incarnation, claim }
    }

    /// The news that was told least and still is to be told.
    fn next_news(&mut self, me: I) -> Option<(Waiting, Update<I, T>)> {
        let Self { queue, members, own, .. } = self;
        let one = queue.take(|slot, ticket| holds(members, own, slot, ticket))?;
        let update = match one.slot {
            OWN => self.own.record(me)?,
            slot => self.record_at(slot, me),
        };
        Some((one, update))
    }

    /// What rides on a message to `to`: what is held of `first`, then news, those told least
    /// first, within this layer's share of the datagram.
    pub(super) fn news(&mut self, to: I, first: &[I], cx: &impl Context<Self>) -> News<I, T, U> {
        let share = (cx.room(to) as f64 * self.config.share) as usize;
        self.news_within(first, (share.max(LEAST), true), cx.me())
    }

    /// The same, within `room` bytes, those of the message's head included; with `one`, an update
    /// goes in any case.
    pub(super) fn news_within(
        &mut self,
        first: &[I],
        (room, one): (usize, bool),
        me: I,
    ) -> News<I, T, U> {
        let most = self.config.updates.unwrap_or(U);
        let mut news = Bounded::new();
        news.fill(first.iter().take(most).filter_map(|&peer| self.record(peer, me)));
        let used: usize = news.iter().map(Wire::encoded_len).sum();
        let mut left = room.saturating_sub(HEAD + used);
        let mut taken = ArrayVec::<Waiting, U>::new();
        while news.len() < most && !taken.is_full() {
            let Some((next, update)) = self.next_news(me) else { break };
            if !first.contains(&update.peer) {
                let len = update.encoded_len();
                if len > left && !(one && news.is_empty()) {
                    self.queue.put_back(next);
                    break;
                }
                left = left.saturating_sub(len);
                news.fill([update]);
            }
            taken.push(next);
        }
        self.have_told(taken);
        for rumor in self.rumors.iter_mut().filter(|rumor| !rumor.passed_on) {
            let update = rumor.update();
            if news.len() < most && update.encoded_len() <= left {
                left -= update.encoded_len();
                news.fill([update]);
                rumor.passed_on = true;
            }
        }
        news
    }

    fn have_told(&mut self, taken: ArrayVec<Waiting, U>) {
        let limit = self.config.limit(self.size());
        for one in taken {
            self.queue.told(one, limit);
        }
    }
}
