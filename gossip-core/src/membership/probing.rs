//! Who answers: probes, direct and through helpers.
//!
//! Not a protocol: how [`Swim`] detects failures (sections 3.1 and 4.3 of Das, Gupta, Motivala,
//! *SWIM*, DSN 2002), with Lifeguard's health, nacks and buddy.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::event::{Event, Why};
use super::merge::Source;
use super::message::Message;
use super::probe::Probe;
use super::state::{Standing, State};
use super::swim::{News, SILENCE, STALE, Swim};
use crate::id::PeerId;
use crate::peers::Profile;
use crate::protocol::Context;
use crate::time::Time;

/// How often in a period news are told beside probes. Our choice, that of Lifeguard's
/// implementation.
const TELLINGS: u8 = 5;

/// Periods for which a late answer is passed on: a sick node waits for up to S + 1 = 9.
const KEPT: u32 = 9;

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// The period's end: who has not answered is suspected.
    pub(super) fn conclude(&mut self, cx: &mut impl Context<Self>) {
        let Some(probe) = self.probe.take() else { return };
        if probe.answered {
            return self.doubt_hearing(&probe, cx);
        }
        self.stats.failed += 1;
        self.health.worse();
        if self.config.lifeguard.nacks && probe.misses_nacks() {
            self.health.worse();
        }
        self.silence = self.silence.saturating_add(1);
        if self.silence == SILENCE {
            cx.emit(Event::Isolated(true));
        }
        if let Some(slot) = self.members.find(probe.target) {
            let held = self.members.at(slot).standing;
            let suspected = Standing::new(held.incarnation, self.verdict());
            let me = cx.me();
            if suspected > held && self.accuses_too_many(me) {
                return cx.count("accusation beyond the budget");
            }
            self.judge(slot, suspected, Why::NoAnswer, me, cx);
        }
    }

    /// What becomes of who does not answer.
    const fn verdict(&self) -> State {
        match self.config.suspicion {
            super::Suspicion::None => State::Dead,
            _ => State::Suspected,
        }
    }

    /// The period's beginning: asks the next member.
    pub(super) fn ask(&mut self, cx: &mut impl Context<Self>) {
        let Some(slot) = self.members.turn(cx.rng()) else { return };
        let (me, target) = (cx.me(), self.members.at(slot).peer);
        let patience = self.config.timeout * (u32::from(self.health.score()) + 1);
        let number = cx.rng().next_u64() as u32;
        self.probe = Some(Probe::new(target, number, cx.now() + patience));
        self.rest = self.health.score();
        self.stats.probes += 1;
        let first = self.first_words(slot, me);
        let news = self.news(target, &first, cx);
        cx.send(target, Message::Ping(number, news));
    }

    /// What a ping to the member at `slot` must say: that this node leaves, and, to a suspect, that
    /// it is suspected (Lifeguard's buddy).
    fn first_words(&self, slot: u32, me: I) -> ArrayVec<I, 2> {
        let member = self.members.at(slot);
        let suspected = self.config.lifeguard.buddy && member.standing.state != State::Alive;
        let leaving = self.own.leaving.is_some();
        let accused = suspected.then_some(member.peer);
        accused.into_iter().chain(leaving.then_some(me)).collect()
    }

    /// No answer within the timeout: asks others to ask.
    pub(super) fn ask_helpers(&mut self, cx: &mut impl Context<Self>) {
        let Some(probe) = &mut self.probe else { return };
        probe.indirect = Time::NEVER;
        let (target, number, me) = (probe.target, probe.number, cx.me());
        let helpers = self.members.choose(self.config.helpers, target, cx.rng());
        self.stats.indirect += u64::from(!helpers.is_empty());
        let first: Vec<I> = match self.members.find(target) {
            Some(slot) => self.first_words(slot, me).into_iter().collect(),
            None => Vec::new(),
        };
        for helper in helpers {
            if let Some(probe) = &mut self.probe {
                probe.asked(helper);
            }
            let news = self.news(helper, &first, cx);
            cx.send(helper, Message::PingReq(number, target, news));
        }
    }

    /// When news are told next beside probes, if there are any: in each fifth of a period. What was
    /// left out for want of news is made up for as soon as there are some.
    pub(super) fn telling_at(&self) -> Time {
        if self.config.gossip == 0 || self.queue.is_empty() || self.tellings == TELLINGS {
            return Time::NEVER;
        }
        self.began + self.config.period * u32::from(self.tellings) / u32::from(TELLINGS)
    }

    /// Beside probes: news to some more members, as often as is due by now.
    pub(super) fn tell_more(&mut self, cx: &mut impl Context<Self>) {
        let me = cx.me();
        while self.telling_at() <= cx.now() {
            let part =
                |telling: u8| self.config.gossip * usize::from(telling) / usize::from(TELLINGS);
            let count = part(self.tellings + 1) - part(self.tellings);
            self.tellings += 1;
            for peer in self.members.choose(count, me, cx.rng()) {
                let news = self.news(peer, &[], cx);
                if !news.is_empty() {
                    cx.send(peer, Message::News(news));
                }
            }
        }
    }

    pub(super) fn on_ping(
        &mut self,
        from: I,
        number: u32,
        news: News<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        self.hear(from, news, Source::Unasked, cx);
        let mut first = core::mem::take(&mut self.stale);
        first.retain(|peer| *peer != from);
        first.truncate(STALE);
        self.recall_claimed(&first, cx);
        let stranger = !self.is_member(from) && !first.contains(&cx.me());
        let mut told: ArrayVec<I, { STALE + 2 }> = stranger.then(|| cx.me()).into_iter().collect();
        told.extend(self.believed_wrongly(from));
        told.extend(first);
        let news = self.news(from, &told, cx);
        cx.send(from, Message::Ack(number, news));
    }

    /// `from`, if it is to be told what is held of it.
    fn believed_wrongly(&self, from: I) -> Option<I> {
        let told = match self.standing(from)?.state {
            State::Alive => false,
            State::Suspected => self.config.lifeguard.buddy,
            State::Dead | State::Left => true,
        };
        told.then_some(from)
    }

    pub(super) fn on_ping_req(
        &mut self,
        from: I,
        number: u32,
        target: I,
        news: News<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        if !self.is_member(from) {
            return cx.count("ping-req from a stranger");
        }
        let me = cx.me();
        if target == me {
            return self.on_ping(from, number, news, cx);
        }
        self.hear(from, news, Source::Unasked, cx);
        self.object(from, STALE, cx);
        let Some(slot) = self.members.find(target) else {
            return cx.send(from, Message::Nack(number));
        };
        let (mine, timeout) = (cx.rng().next_u64() as u32, self.config.timeout);
        // Lifeguard: at 80 % of the timeout. Answers are late by at most a sick node's period.
        let nack = self.config.lifeguard.nacks.then_some(timeout * 4 / 5);
        let terms = (cx.now(), nack, self.config.period * KEPT);
        if !self.relays.open((from, number), (target, mine), terms) {
            return cx.count("too many questions passed on");
        }
        let first = self.first_words(slot, me);
        let news = self.news(target, &first, cx);
        cx.send(target, Message::Ping(mine, news));
    }

    pub(super) fn on_ack(
        &mut self,
        from: I,
        number: u32,
        news: News<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        if self.probe.as_ref().is_some_and(|probe| probe.expects(from, number)) {
            self.hear(from, news, Source::Answer, cx);
            self.answered(from);
        } else if self.recalled.contains(&(from, number)) {
            self.recalled.retain(|recalled| recalled.0 != from);
            self.hear(from, news, Source::Answer, cx);
        } else if let Some(told) = self.hearing.answered(from, number) {
            self.hear(from, news, Source::Answer, cx);
            if told {
                cx.emit(Event::HeardAgain(from));
            }
        } else if let Some(relay) = self.relays.answered(from, number) {
            self.hear(from, news, Source::Answer, cx);
            let first = self.members.find(from).filter(|_| self.config.lifeguard.buddy);
            let first: ArrayVec<I, 1> = first.map(|_| from).into_iter().collect();
            let news = self.news(relay.asker, &first, cx);
            cx.send(relay.asker, Message::Ack(relay.theirs, news));
        } else {
            return cx.count("answer to no question");
        }
        self.object(from, STALE, cx);
    }

    /// A helper that was asked has heard nothing yet.
    pub(super) fn on_nack(&mut self, from: I, number: u32, cx: &mut impl Context<Self>) {
        if self.probe.as_mut().is_some_and(|probe| probe.nack(from, number)) {
            self.heard(cx);
        } else {
            cx.count("answer to no question");
        }
    }

    /// The probe is answered, by its target or by helper `from`.
    fn answered(&mut self, from: I) {
        let Some(probe) = &mut self.probe else { return };
        let first = !core::mem::replace(&mut probe.answered, true);
        probe.indirect = Time::NEVER;
        let direct = from == probe.target;
        probe.direct |= direct;
        if first {
            self.health.better();
        }
        // Who leaves as well will not be there to be asked.
        if first && direct && self.is_member(from) {
            self.farewell_heard(from);
        }
    }
}
