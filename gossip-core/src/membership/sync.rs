//! Learning all at once: joining, full-state syncs, and pings to the dead.
//!
//! Not a protocol: what [`Swim`](super::Swim) does besides probing. An answer lists everybody in
//! pages, a bounded number at a time; who asks goes on asking until it has all. Who knows the same
//! members as the asker, which a digest tells, sends one page.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::members::print;
use super::merge::Source;
use super::message::{Claim, Message, Page, Request, Update};
use super::state::State;
use super::swim::{CONTACTS, News, STALE_PAGE, Swim};
use crate::id::PeerId;
use crate::peers::Profile;
use crate::protocol::Context;
use crate::sampling::contact::Contact;
use crate::time::Round;
use crate::wire::Bounded;

/// Pages in answer to one request. Our choice: about two datagrams.
const PAGES: usize = 16;

/// Pings to the dead that may be answered at a time. Our choice.
pub(super) const RECALLED: usize = 32;

/// Rounds in which an answer must come. Our choice.
const PATIENCE: Round = 2;

/// How often an unanswered request is sent again. Our choice.
const TRIES: u8 = 2;

/// A sync under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sync<I> {
    with: I,
    number: u32,
    after: Option<I>,
    asked: Round,
    tries: u8,
    /// Requests it may still take: an answerer without end is left.
    left: u32,
}

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// Once a round: goes on with the sync under way, or begins one, with a contact, with a
    /// stranger, or now and then with a member.
    pub(super) fn catch_up(&mut self, cx: &mut impl Context<Self>) {
        let now = cx.round();
        if let Some(mut sync) = self.sync.take() {
            if now.wrapping_sub(sync.asked) < PATIENCE {
                self.sync = Some(sync);
                return;
            }
            if sync.tries > 0 {
                sync.tries -= 1;
                return self.request(sync, cx);
            }
            cx.count("no answer to a sync");
        }
        let alone = self.members.live() == 0;
        let me = cx.me();
        let contact = self.contacts.iter_mut().find_map(|contact| contact.ask(me, alone, now));
        let with = contact.or_else(|| self.stranger()).or_else(|| self.unseen(cx)).or_else(|| {
            let due = self.syncs.due(self.config.sync, now, cx.rng());
            due.then(|| self.members.sample(cx.rng())).flatten()
        });
        if let Some(with) = with {
            self.sync_with(with, cx);
        }
    }

    /// Asks `with` for all that it knows, unless a sync is under way.
    pub(super) fn sync_with(&mut self, with: I, cx: &mut impl Context<Self>) {
        if self.sync.is_none() {
            let left = 2 + self.config.members.div_ceil(PAGES * U) as u32;
            let asked = cx.round();
            self.request(Sync { with, number: 0, after: None, asked, tries: TRIES, left }, cx);
        }
    }

    /// One who sent a ping, unless it has become a member meanwhile.
    fn stranger(&mut self) -> Option<I> {
        self.greeting.take().filter(|&peer| !self.is_member(peer))
    }

    /// Now and then: a contact that is not a member. It may know others who know nobody here.
    fn unseen(&mut self, cx: &mut impl Context<Self>) -> Option<I> {
        let me = cx.me();
        let away = |&peer: &I| peer != me && !self.is_member(peer);
        let contacts = self.contacts.iter().filter_map(Contact::peer);
        let unseen: ArrayVec<I, CONTACTS> = contacts.filter(away).collect();
        if unseen.is_empty() || !self.seeds.due(self.config.recontact, cx.round(), cx.rng()) {
            return None;
        }
        cx.rng().pick(&unseen).copied()
    }

    /// Asks for the part of `sync` that is missing.
    fn request(&mut self, mut sync: Sync<I>, cx: &mut impl Context<Self>) {
        let Some(own) = self.own.record(cx.me()) else { return };
        sync.number = cx.rng().next_u64() as u32;
        sync.asked = cx.round();
        let digest = self.digest(cx.me());
        let request = Request { number: sync.number, digest, after: sync.after, own };
        cx.send(sync.with, Message::Sync(request));
        self.sync = Some(sync);
    }

    /// A digest of all members, this node included, the same at all who agree.
    fn digest(&self, me: I) -> u64 {
        let own = match self.own.leaving {
            Some(_) => 0,
            None => print(me, (self.own.incarnation, self.own.version)),
        };
        self.members.digest().wrapping_add(own)
    }

    /// `from` asks for all that is known, and tells that it is there.
    pub(super) fn on_sync(&mut self, from: I, request: Request<I, T>, cx: &mut impl Context<Self>) {
        let Request { number, digest, after, own } = request;
        if own.peer != from || matches!(own.claim, Claim::Suspected(_) | Claim::Dead) {
            return cx.count("sync in another's name");
        }
        let claimed = own.standing();
        self.take(from, own, Source::Unasked, cx);
        let me = cx.me();
        let mut updates: Vec<Update<I, T>> = Vec::new();
        // It is told what contradicts it, and who this is.
        let stale = self.standing(from).is_some_and(|held| held > claimed);
        updates.extend(self.record(from, me).filter(|_| stale));
        updates.extend(self.own.record(me));
        let agrees = after.is_none() && digest == self.digest(me);
        let next = if agrees { None } else { self.list(after, from, me, &mut updates) };
        let last = next.map_or(Page::Last, Page::Until);
        let pages = updates.len().div_ceil(U).max(1);
        let mut updates = updates.into_iter();
        for page in 1..=pages {
            let mut part = Bounded::new();
            part.fill(updates.by_ref().take(U));
            let place = if page == pages { last.clone() } else { Page::Inner };
            cx.send(from, Message::State(number, place, part));
        }
    }

    /// Adds everybody beyond `after` to `updates`, as far as the pages go. Returns where to go on,
    /// if there are more.
    fn list(&self, after: Option<I>, from: I, me: I, updates: &mut Vec<Update<I, T>>) -> Option<I> {
        let mut last = after;
        for (slot, member) in self.members.beyond(after).filter(|(_, one)| one.peer != from) {
            if updates.len() + 2 > PAGES * U {
                return last;
            }
            let incarnation = member.standing.incarnation;
            if member.standing.state == State::Suspected && member.told.0 == incarnation {
                // A suspect is known by more than the suspicion.
                let claim = Claim::Alive(member.told.1, member.profile.clone());
                updates.push(Update { peer: member.peer, incarnation, claim });
            }
            updates.push(self.record_at(slot, me));
            last = Some(member.peer);
        }
        None
    }

    /// A page of the answer to a sync.
    pub(super) fn on_state(
        &mut self,
        from: I,
        (number, page): (u32, Page<I>),
        news: News<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        let asked = self.sync.filter(|sync| (sync.with, sync.number) == (from, number));
        let Some(mut sync) = asked else { return cx.count("answer to no question") };
        self.hear(from, news, Source::FullState, cx);
        self.object(from, STALE_PAGE, cx);
        match page {
            Page::Inner => {}
            Page::Until(after) if Some(after) > sync.after && sync.left > 0 => {
                (sync.after, sync.left) = (Some(after), sync.left - 1);
                self.request(sync, cx);
            }
            Page::Until(_) | Page::Last => self.sync = None,
        }
    }

    /// Now and then, and while everybody seems dead in every round: a ping to one who is presumed
    /// dead, which tells it so.
    pub(super) fn recall(&mut self, cx: &mut impl Context<Self>) {
        if self.members.buried() == 0 || self.own.leaving.is_some() {
            return;
        }
        let alone = self.members.live() == 0;
        let most = self.config.recontact.min(if alone { 1 } else { u16::MAX });
        if !self.recontacts.due(most, cx.round(), cx.rng()) {
            return;
        }
        let Some(slot) = self.members.some_dead(cx.rng()) else { return };
        self.recall_member(self.members.at(slot).peer, cx);
    }

    /// Pings those of `claimed` that are presumed dead, for somebody says they are alive.
    pub(super) fn recall_claimed(&mut self, claimed: &[I], cx: &mut impl Context<Self>) {
        for &peer in claimed {
            let pending = self.recalled.iter().any(|recalled| recalled.0 == peer);
            let dead = self.standing(peer).is_some_and(|held| held.state == State::Dead);
            if dead && !pending && self.own.leaving.is_none() {
                self.recall_member(peer, cx);
            }
        }
    }

    /// Tells `peer` that it is presumed dead. If it lives, it contradicts in its answer.
    fn recall_member(&mut self, peer: I, cx: &mut impl Context<Self>) {
        let number = cx.rng().next_u64() as u32;
        if self.recalled.is_full() {
            self.recalled.remove(0);
        }
        self.recalled.push((peer, number));
        let news = self.news(peer, &[peer], cx);
        cx.send(peer, Message::Ping(number, news));
    }
}
