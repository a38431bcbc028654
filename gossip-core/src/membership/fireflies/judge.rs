//! Which notes and accusations are believed, and what follows.
//!
//! Not a protocol: how [`Fireflies`] takes in what it hears, and whom it accuses.

use alloc::vec::Vec;

use super::message::NoteOf;
use super::note::{Accusation, Note};
use super::{ANSWERS, AccusationOf, Fireflies, Held, Watched, bit};
use crate::auth::Signer;
use crate::id::PeerId;
use crate::membership::detector::Detector;
use crate::membership::event::{Event, Why};
use crate::membership::state::{Standing, State};
use crate::protocol::Context;
use crate::time::Time;

impl<I: PeerId, A: Signer> Fireflies<I, A> {
    /// Somebody's note, which `from` has passed on.
    pub(super) fn take_note(&mut self, from: I, note: NoteOf<I, A>, cx: &mut impl Context<Self>) {
        let peer = note.address();
        if peer == cx.me() {
            return self.take_own_note(&note, cx);
        }
        let slot = self.members.find(peer);
        let held = slot.map(|slot| self.members.at(slot).profile.note);
        if held.is_some_and(|held| held.certificate.key != note.certificate.key) {
            return cx.count("another key at a known address");
        }
        if held.is_some_and(|held| held.rank() >= note.rank()) {
            return;
        }
        // Nothing is checked twice.
        let admitted = held.is_some_and(|held| held.certificate == note.certificate)
            || note.certificate.verify(&self.signer, &self.config.authority);
        if !admitted || !note.verify(&self.signer, self.rings) {
            return cx.count("bad note");
        }
        let deadline = if note.left { cx.now() } else { Time::NEVER };
        let held = Held { note, accusation: None, deadline, told: 0, told_of: 0, asked: 0 };
        let alive = Standing::new(note.epoch, State::Alive);
        let slot = if let Some(slot) = slot {
            self.members.at_mut(slot).profile = held;
            slot
        } else {
            let (most, since) = (self.config.members, self.changes + 1);
            let slot = self.members.insert((peer, alive), ((0, 0), held), most, since, cx.rng());
            let Some(slot) = slot else { return cx.count("table of members full") };
            cx.emit(Event::Changed { peer, from: None, to: alive, why: Why::Heard(from) });
            slot
        };
        self.changes += 1;
        let to = Standing { state: if note.left { State::Left } else { State::Alive }, ..alive };
        if to != self.members.at(slot).standing {
            self.turn(slot, to, Why::Heard(from), cx);
        }
    }

    /// A note of this node's, of a life that it has forgotten: it begins where that ended.
    fn take_own_note(&mut self, note: &NoteOf<I, A>, cx: &mut impl Context<Self>) {
        let newer = self.note.is_some_and(|own| note.rank() > own.rank());
        let own = note.certificate.key == self.certificate.key;
        if newer && own && note.verify(&self.signer, self.rings) {
            self.own.incarnation = note.epoch;
            self.speak_anew(cx);
        }
    }

    /// The member at `slot` now stands `to`.
    fn turn(&mut self, slot: u32, to: Standing, why: Why<I>, cx: &mut impl Context<Self>) {
        let peer = self.members.at(slot).peer;
        self.changes += 1;
        let terms = (self.changes, self.config.remembered);
        let from = self.members.stand(slot, to, terms, cx.rng());
        if from.state == State::Dead && to.state == State::Alive {
            // Where one is back, others may be: a partition has healed.
            self.recontacts.hurry(cx.round());
        }
        cx.emit(Event::Changed { peer, from: Some(from), to, why });
    }

    /// Whether `one` comes right before `other` on `ring`, among all that live, as seen here.
    fn precedes(&self, one: I, ring: u8, other: (I, u64), me: I) -> bool {
        (one == me || self.lives(one)) && self.would_precede(one, ring, other, me)
    }

    /// The same if `one` lived, which it may not.
    fn would_precede(&self, one: I, ring: u8, (other, number): (I, u64), me: I) -> bool {
        let own = (me, self.certificate.number);
        let note = self.note(one).map(|note| (one, note.certificate.number));
        let others = self.live().chain([own]).filter(|&(name, _)| name != other);
        let one = if one == me { Some(own) } else { note };
        one.is_some_and(|one| self.rings.is_next(ring, one, number, others))
    }

    /// Whether others may believe what `accuser` says of this node: it is a member, or is gone for
    /// less than 3 Delta. They may have heard it until Delta after that was known here, and wait
    /// for 2 Delta more, whatever becomes of who said it.
    fn is_heeded(&self, accuser: I, now: Time) -> bool {
        self.members.find(accuser).is_some_and(|slot| {
            let gone = self.members.at(slot).profile.deadline;
            self.standing_at(slot).state.is_member() || now < gone + self.config.delta * 3
        })
    }

    /// Somebody is accused. `from` says so, who need not be the accuser.
    pub(super) fn take_accusation(
        &mut self,
        from: I,
        said: AccusationOf<I, A>,
        cx: &mut impl Context<Self>,
    ) {
        if said.ring >= self.rings.count() {
            return cx.count("accusation on no ring");
        }
        if said.accused == cx.me() {
            return self.be_accused(from, &said, cx);
        }
        let Some(slot) = self.members.find(said.accused) else {
            return cx.count("accusation of a stranger");
        };
        let (note, state) = (self.members.at(slot).profile.note, self.standing_at(slot).state);
        if said.epoch != note.epoch || note.disables(said.ring) {
            return cx.count("accusation void");
        }
        if state != State::Alive || said.accuser == cx.me() {
            return;
        }
        let victim = (said.accused, note.certificate.number);
        if !self.precedes(said.accuser, said.ring, victim, cx.me()) {
            return cx.count("accusation by no predecessor");
        }
        if !self.is_signed(&said) {
            return cx.count("bad accusation");
        }
        self.accept(slot, said, Why::Heard(said.accuser), cx);
    }

    /// Whether the accuser has signed it, whoever that is.
    fn is_signed(&self, said: &AccusationOf<I, A>) -> bool {
        let accuser = self.members.find(said.accuser);
        let key = accuser.map(|slot| self.members.at(slot).profile.note.certificate.key);
        key.is_some_and(|key| said.verify(&self.signer, &key))
    }

    /// The member at `slot` is accused, and has twice Delta to rebut.
    fn accept(
        &mut self,
        slot: u32,
        said: AccusationOf<I, A>,
        why: Why<I>,
        cx: &mut impl Context<Self>,
    ) {
        let deadline = cx.now() + self.config.delta * 2;
        self.earliest = self.earliest.min(deadline);
        let held = &mut self.members.at_mut(slot).profile;
        (held.accusation, held.deadline, held.told_of, held.asked) = (Some(said), deadline, 0, 0);
        self.turn(slot, Standing::new(said.epoch, State::Suspected), why, cx);
    }

    /// This node is accused. By its predecessor, as seen here now or a short time ago: it will
    /// rebut in the next round, and disable that ring. By anybody else: others may see another
    /// predecessor. Whether correct ones do is told by [`WITNESSES`] in a row of those that it
    /// asks; it disables nothing then.
    fn be_accused(&mut self, from: I, said: &AccusationOf<I, A>, cx: &mut impl Context<Self>) {
        let current = self.note.filter(|note| note.epoch == said.epoch);
        if current.is_none_or(|note| note.left || note.disables(said.ring)) {
            // Who believes it has not heard what came after.
            self.owe(from);
            return cx.count("accusation void");
        }
        let me = (cx.me(), self.certificate.number);
        let precedes = self.would_precede(said.accuser, said.ring, me, me.0);
        if precedes && self.is_heeded(said.accuser, cx.now()) && self.is_signed(said) {
            self.accused |= bit(said.ring);
            self.owe(from);
        } else {
            cx.count("accused by no predecessor");
            if self.is_signed(said) {
                self.testify(from, cx);
            }
        }
    }

    /// `from` shows that this node is accused by who is not its predecessor as seen here. Where it
    /// was removed here as well, a partition has parted the two, whose views differ in all: that is
    /// believed at once, but only once in four Delta.
    fn testify(&mut self, from: I, cx: &mut impl Context<Self>) {
        if self.asked == Some(from) {
            self.asked = None;
            self.witnesses += 1;
        }
        let rested = self.rejoined.is_none_or(|at| cx.now() >= at + self.config.delta * 4);
        if self.members.find(from).is_some() && !self.lives(from) && rested {
            self.rejoined = Some(cx.now());
            self.witnesses = WITNESSES;
            self.owe(from);
        }
    }

    /// `peer`, if it is known, is to see this node's note in the next round.
    fn owe(&mut self, peer: I) {
        if self.members.find(peer).is_some() && !self.answer.contains(&peer) {
            let _ = self.answer.try_push(peer);
        }
    }

    /// Once a round: who has shown this node what it is accused of sees its note.
    pub(super) fn explain(&mut self, cx: &mut impl Context<Self>) {
        let note = self.note;
        for peer in core::mem::take(&mut self.answer) {
            Self::show(peer, note, None, cx);
        }
    }

    /// Once a round: in the second half of its time, who is accused is asked what it has to say:
    /// those first who were asked least, of these those first whose time is over first, and so many
    /// that the answer comes in time if half of that half is left.
    pub(super) fn question(&mut self, cx: &mut impl Context<Self>) {
        let late = cx.now() + self.config.delta;
        let accused = self.members.beyond(None).filter(|(_, one)| {
            one.standing.state == State::Suspected && one.profile.deadline <= late
        });
        let mut accused: Vec<(u8, Time, u32)> =
            accused.map(|(slot, one)| (one.profile.asked, one.profile.deadline, slot)).collect();
        accused.sort_unstable();
        let rounds = self.config.delta.as_micros() / self.config.period.as_micros() / 2;
        let enough = accused.len().div_ceil(rounds.max(1) as usize);
        accused.truncate(enough.clamp(QUESTIONS, ANSWERS));
        for (_, _, slot) in accused {
            let member = self.members.at_mut(slot);
            member.profile.asked = member.profile.asked.saturating_add(1);
            Self::show(member.peer, None, member.profile.accusation, cx);
        }
    }

    /// Once a round: if this node is accused, its new note says that it is alive, and disables the
    /// rings on which it was. Of more than t, those disabled longest ago are enabled again.
    pub(super) fn rebut(&mut self, cx: &mut impl Context<Self>) {
        if self.accused == 0 && self.witnesses < WITNESSES {
            return;
        }
        for ring in (0..self.rings.count()).filter(|&ring| self.accused & bit(ring) != 0) {
            if self.disabled.len() >= usize::from(self.rings.tolerated()) {
                self.disabled.remove(0);
            }
            self.disabled.push(ring);
        }
        (self.accused, self.witnesses) = (0, 0);
        self.speak_anew(cx);
    }

    /// A note of the next epoch.
    pub(super) fn speak_anew(&mut self, cx: &mut impl Context<Self>) {
        self.own.incarnation = self.own.incarnation.saturating_add(1);
        self.speak(cx);
        cx.emit(Event::Refuted(self.own.incarnation));
        if let Some(epoch) = self.own.reserve() {
            cx.emit(Event::Reserve(epoch));
        }
    }

    /// This node's note, as things are.
    pub(super) fn speak(&mut self, cx: &mut impl Context<Self>) {
        if self.certificate.address != cx.me() {
            return cx.count("certificate of another address");
        }
        let mask = self.disabled.iter().fold(0, |mask, &ring| mask | bit(ring));
        let says = (self.own.incarnation, self.own.leaving.is_some());
        let disabled = (mask as u64, (mask >> 64) as u64);
        self.note = Some(Note::sign(&self.signer, self.certificate, says, disabled));
        self.told = 0;
    }

    /// Accused members whose time is over are removed, and successors that do not answer accused.
    pub(super) fn judge(&mut self, cx: &mut impl Context<Self>) {
        let now = cx.now();
        let overdue = |slot: &u32| {
            let member = self.members.at(*slot);
            member.standing.state == State::Suspected && member.profile.deadline <= now
        };
        let slots = self.members.beyond(None).map(|(slot, _)| slot);
        let overdue: Vec<u32> = slots.filter(overdue).collect();
        for slot in overdue {
            let dead = Standing::new(self.standing_at(slot).incarnation, State::Dead);
            self.turn(slot, dead, Why::TimedOut(0), cx);
        }
        // As things are now: who disables a ring since must not be accused there.
        self.choose(cx);
        let is_silent = |watched: &Watched| self.detector.due(&watched.record, self.line) <= now;
        let silent = self.watched.iter().filter(|(_, watched)| is_silent(watched));
        let silent: Vec<(I, u8)> = silent.map(|(&peer, watched)| (peer, watched.ring)).collect();
        for (peer, ring) in silent {
            let Some(slot) = self.members.find(peer) else { continue };
            let Standing { incarnation, state } = self.standing_at(slot);
            if state == State::Alive {
                let said = Accusation::sign(&self.signer, cx.me(), (peer, incarnation), ring);
                self.accept(slot, said, Why::NoAnswer, cx);
                Self::show(peer, None, Some(said), cx);
            }
        }
        self.plan();
    }

    /// When something is due next.
    pub(super) fn plan(&mut self) {
        let accused = self.members.iter().filter(|one| one.standing.state == State::Suspected);
        let deadlines = accused.map(|one| one.profile.deadline);
        let alive = |peer: I| {
            let slot = self.members.find(peer);
            slot.is_some_and(|slot| self.standing_at(slot).state == State::Alive)
        };
        let watched = self.watched.iter().filter(|&(&peer, _)| alive(peer));
        let silences = watched.map(|(_, one)| self.detector.due(&one.record, self.line));
        self.earliest = deadlines.chain(silences).min().unwrap_or(Time::NEVER);
    }

    /// Whoever accused one that was removed may be gone, and then nobody believes it who had not
    /// heard it before: if this node is now the predecessor, it accuses in its own name.
    pub(super) fn inherit(&mut self, cx: &mut impl Context<Self>) {
        let me = cx.me();
        let gone = self.members.beyond(None).filter(|(_, one)| one.standing.state == State::Dead);
        let orphan = |said: &AccusationOf<I, A>| said.accuser != me && !self.lives(said.accuser);
        let orphans = gone.filter(|(_, one)| one.profile.accusation.is_some_and(|s| orphan(&s)));
        let heir = |(slot, one): (u32, &super::Member<I, Held<I, A>>)| {
            let note = &one.profile.note;
            let victim = (one.peer, note.certificate.number);
            let mut open = (0..self.rings.count()).filter(|&ring| !note.disables(ring));
            open.find(|&ring| self.precedes(me, ring, victim, me)).map(|ring| (slot, ring))
        };
        let inherited: Vec<(u32, u8)> = orphans.take(HEIRLOOMS).filter_map(heir).collect();
        for (slot, ring) in inherited {
            let member = self.members.at_mut(slot);
            let accused = (member.peer, member.profile.note.epoch);
            let said = Accusation::sign(&self.signer, me, accused, ring);
            (member.profile.accusation, member.profile.told_of) = (Some(said), 0);
        }
    }
}

/// Members asked in a row that show an accusation by who is no predecessor, after which it is taken
/// for one that correct members believe. Liars alone, of a share p, can make a member rebut about
/// every p^-3 rounds, which 2 Delta should exceed several times over if p is no liar's. Our choice.
const WITNESSES: u8 = 3;

/// Accused members questioned in a round at least, if there are so many. Our choice.
const QUESTIONS: usize = 8;

/// Accusations looked at for inheritance in a round. Our choice.
const HEIRLOOMS: usize = 16;
