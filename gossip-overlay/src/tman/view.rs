//! Not a protocol: what a node of T-Man knows of others: how it learns, forgets and buries.

use alloc::vec::Vec;

use gossip_core::{Local, PeerId, Peers};

use super::age::{Age, elapsed, rounds};
use super::{GRAVES, Grave, Known, Link, Message, STRANGERS, State, untold};
use crate::ranking::{Ranking, Ties, first};

impl<I: PeerId, R: Ranking<I>, const M: usize> State<I, R, M> {
    /// Puts a peer into the view from outside a driver, as if just heard of: how simulations start
    /// from a given graph. Returns whether it was new and there was room; never for a ranking
    /// whose peers must tell their profiles, see [`introduce_as`](Self::introduce_as).
    pub fn introduce(&mut self, peer: I) -> bool {
        untold().is_some_and(|profile| self.introduce_as(peer, profile))
    }

    /// As [`introduce`](Self::introduce), of a peer that tells `profile`; nor is one taken whose
    /// profile is impossible.
    pub fn introduce_as(&mut self, peer: I, profile: R::Profile) -> bool {
        let Some(place) = self.config.ranking.place(peer, &profile) else { return false };
        let fits = self.view.len() < self.config.limit && self.known(peer).is_none();
        if fits {
            self.view.push(Known { id: peer, born: 0, place, profile });
            self.relink_from(self.view.len() - 1);
        }
        fits
    }

    /// This node's name and place, from the first call on.
    pub(super) fn settle(&mut self, cx: &mut impl Local<Self>) {
        let me = cx.me();
        if self.me.is_some() {
            return;
        }
        let Some(place) = self.config.ranking.place(me, &self.config.profile) else {
            return cx.count("own profile impossible");
        };
        self.me = Some((me, place));
        self.view.retain(|known| known.id != me);
        self.relink();
    }

    pub(super) fn now(&self, cx: &impl Local<Self>) -> Age {
        self.clock.at(cx.now())
    }

    /// Takes in news of `peer` of this age; whoever is new is the last of the view. Returns whether
    /// a peer that was known stands elsewhere now.
    fn learn(&mut self, peer: I, profile: R::Profile, age: Age, cx: &mut impl Local<Self>) -> bool {
        if peer == cx.me() {
            return false;
        }
        let now = self.now(cx);
        let born = now.wrapping_sub(age);
        // From the newest on: most news is of the nearest, and these came last.
        if let Some(at) = self.view.iter().rposition(|known| known.id == peer) {
            let before = elapsed(now, self.view[at].born);
            // What a peer says itself, at age 0, is its latest word.
            if age > before || (age == before && age > 0) {
                return false;
            }
            self.view[at].born = born;
            return self.update(at, profile, cx);
        }
        if age >= rounds(self.config.lifetime) {
            cx.count("descriptor expired");
            return false;
        }
        let grave = self.graves.iter().position(|grave| grave.id == peer);
        // A peer that spoke after its burial was not dead; what is older is a stale copy.
        if grave.is_some_and(|at| age > 0 && age >= elapsed(now, self.graves[at].since)) {
            cx.count("descriptor of the dead");
            return false;
        }
        let Some(place) = self.config.ranking.place(peer, &profile) else {
            cx.count("impossible profile");
            return false;
        };
        if let Some(at) = grave {
            self.graves.remove(at);
        }
        self.make_room();
        self.view.push(Known { id: peer, born, place, profile });
        false
    }

    /// For one more in view. Doubling would leave a million views half empty, and take them beyond
    /// their bound, which no message does by more than `M`.
    fn make_room(&mut self) {
        let len = self.view.len();
        if len == self.view.capacity() {
            let most = (self.config.limit + M).saturating_sub(len).max(4);
            self.view.reserve_exact((len / 2).clamp(4, most));
        }
    }

    /// A peer in view tells this of itself. Returns whether it stands elsewhere now.
    fn update(&mut self, at: usize, profile: R::Profile, cx: &mut impl Local<Self>) -> bool {
        let known = &mut self.view[at];
        if known.profile == profile {
            return false;
        }
        let Some(place) = self.config.ranking.place(known.id, &profile) else {
            cx.count("impossible profile");
            return false;
        };
        (known.place, known.profile) = (place, profile);
        true
    }

    /// `from` speaks, and tells this of itself.
    pub(super) fn hear(&mut self, from: I, profile: &R::Profile, cx: &mut impl Local<Self>) {
        self.settle(cx);
        self.probes.heard(from);
        self.suspect = self.suspect.filter(|suspect| suspect.id != from);
        let known = self.view.len();
        let moved = self.learn(from, profile.clone(), 0, cx);
        self.trim(known, moved, cx);
    }

    /// Takes in what a partner sent, and that it speaks.
    pub(super) fn merge(
        &mut self,
        from: I,
        came: Message<I, R::Profile, M>,
        cx: &mut impl Local<Self>,
    ) {
        self.settle(cx);
        self.suspect = self.suspect.filter(|suspect| suspect.id != from);
        let known = self.view.len();
        let mut moved = self.learn(from, came.profile, 0, cx);
        for news in came.news {
            moved |= self.learn(news.id, news.profile, news.age.into(), cx);
        }
        self.trim(known, moved, cx);
    }

    /// Takes in random peers from the layer below: few each round, and all while the view is
    /// small. Returns those that must be asked for their profiles first.
    pub(super) fn look_below(
        &mut self,
        below: &impl Peers<Id = I>,
        cx: &mut impl Local<Self>,
    ) -> Vec<I> {
        let mut peers = Vec::new();
        if self.view.len() < self.config.psi {
            below.for_each(|peer, _| peers.push(peer));
        } else {
            let fresh = (0..self.config.fresh).map_while(|_| below.sample(cx.rng()));
            peers.extend(fresh);
        }
        if untold::<R::Profile>().is_none() {
            peers.retain(|&peer| peer != cx.me() && self.known(peer).is_none());
            peers.truncate(STRANGERS);
            return peers;
        }
        let known = self.view.len();
        for peer in peers {
            // If the layer keeps no ages, the news counts as half way to expiry, so that the dead
            // do not look young.
            let age = below.age(peer, cx.round()).unwrap_or(self.config.lifetime / 2);
            if let Some(profile) = untold() {
                self.learn(peer, profile, rounds(age), cx);
            }
        }
        self.trim(known, false, cx);
        Vec::new()
    }

    /// Sheds the farthest beyond the bound, and sees who is near now: the first `known` of the view
    /// were there before, and stand where they stood unless one has `moved`.
    fn trim(&mut self, mut known: usize, mut moved: bool, cx: &mut impl Local<Self>) {
        let limit = self.config.limit;
        if let Some((_, here)) = self.me.filter(|_| self.view.len() > limit) {
            let mut near = alloc::vec![false; self.view.len()];
            for at in self.ranked(here, limit, Ties::random(cx.rng())) {
                near[at] = true;
            }
            let shed = |before: usize| near[..before].iter().filter(|&&near| !near).count();
            moved |= self.links.iter().any(|link| !near[link.at as usize]);
            for link in &mut self.links {
                link.at -= shed(link.at as usize) as u32;
            }
            known -= shed(known);
            (0..self.view.len() - limit).for_each(|_| cx.count("descriptor shed"));
            let mut near = near.into_iter();
            self.view.retain(|_| near.next().unwrap_or(false));
        }
        self.relink_from(if moved { 0 } else { known });
    }

    /// Forgets the peers of which nothing was heard for a lifetime.
    pub(super) fn expire(&mut self, cx: &impl Local<Self>) {
        let (now, lifetime) = (self.now(cx), rounds(self.config.lifetime));
        let before = self.view.len();
        self.view.retain(|known| elapsed(now, known.born) < lifetime);
        self.graves.retain(|grave| elapsed(now, grave.since) < lifetime);
        if self.view.len() < before {
            self.relink();
        }
    }

    /// Forgets `peer`, and keeps stale news of it out.
    pub(super) fn bury(&mut self, peer: I, cx: &mut impl Local<Self>) {
        if self.graves.len() >= GRAVES {
            self.graves.remove(0);
            cx.count("grave shed");
        }
        self.graves.retain(|grave| grave.id != peer);
        self.graves.push(Grave { id: peer, since: self.now(cx) });
        self.notes.buried = self.notes.buried.saturating_add(1);
        self.view.retain(|known| known.id != peer);
        self.relink();
    }

    /// The positions in view of the first `count` in the order of a node at `of`.
    pub(super) fn ranked(&self, of: R::Place, count: usize, ties: Ties) -> Vec<usize> {
        let places = self.view.iter().map(|known| known.place);
        first(&self.config.ranking, of, &places, count, ties)
    }

    /// Sees who is nearest of all.
    pub(super) fn relink(&mut self) {
        self.relink_from(0);
    }

    /// Sees who is nearest; a link that stays keeps its version. Those before `news` in view were
    /// there when it was last seen, and stand where they stood: of these only links can be.
    fn relink_from(&mut self, news: usize) {
        let Some((_, here)) = self.me else { return };
        if news > 0 && news == self.view.len() {
            return;
        }
        let mut candidates: Vec<usize> =
            self.links.iter().map(|link| link.at as usize).filter(|&at| at < news).collect();
        candidates.sort_unstable();
        candidates.extend(news..self.view.len());
        let places = candidates.iter().map(|&at| self.view[at].place);
        let near = first(&self.config.ranking, here, &places, self.config.degree, Ties::Stable);
        let near = near.into_iter().map(|near| candidates[near]);
        let since = |peer| self.links.iter().find(|link| link.id == peer).map(|link| link.since);
        let next = self.version.wrapping_add(1);
        let links: Vec<Link<I>> = near
            .map(|at| (at, self.view[at].id))
            .map(|(at, id)| Link { id, at: at as u32, since: since(id).unwrap_or(next) })
            .collect();
        let same = links.iter().map(|link| link.id).eq(self.links());
        let made = links.iter().filter(|link| link.since == next).count();
        let gone = self.links.len().saturating_sub(links.len() - made);
        self.links = links;
        if same {
            return;
        }
        self.version = next;
        // Another order of the same links is no change of them.
        if made + gone > 0 {
            self.notes.changed(made.max(gone));
        }
        let links = &self.links;
        self.probes.retain(|peer| links.iter().any(|link| link.id == peer));
    }
}
