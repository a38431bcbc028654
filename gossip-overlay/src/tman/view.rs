//! Not a protocol: what a node of T-Man knows of others: how it learns, forgets and buries.

use alloc::vec::Vec;

use gossip_core::{Local, PeerId, Peers};

use super::age::{Age, elapsed, rounds};
use super::{GRAVES, Grave, Known, Message, STRANGERS, State, untold};
use crate::ranking::{Ranking, Ties, first};

/// What came of a piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    Nothing,
    /// A peer is known that was not, or stands elsewhere.
    More,
}

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

    /// Takes in news of `peer` of this age.
    fn learn(
        &mut self,
        peer: I,
        profile: R::Profile,
        age: Age,
        cx: &mut impl Local<Self>,
    ) -> Learned {
        if peer == cx.me() {
            return Learned::Nothing;
        }
        let now = self.now(cx);
        let born = now.wrapping_sub(age);
        if let Some(at) = self.view.iter().position(|known| known.id == peer) {
            let before = elapsed(now, self.view[at].born);
            // What a peer says itself, at age 0, is its latest word.
            if age > before || (age == before && age > 0) {
                return Learned::Nothing;
            }
            self.view[at].born = born;
            return self.update(at, profile, cx);
        }
        if age >= rounds(self.config.lifetime) {
            cx.count("descriptor expired");
            return Learned::Nothing;
        }
        let grave = self.graves.iter().position(|grave| grave.id == peer);
        // A peer that spoke after its burial was not dead; what is older is a stale copy.
        if grave.is_some_and(|at| age > 0 && age >= elapsed(now, self.graves[at].since)) {
            cx.count("descriptor of the dead");
            return Learned::Nothing;
        }
        let Some(place) = self.config.ranking.place(peer, &profile) else {
            cx.count("impossible profile");
            return Learned::Nothing;
        };
        if let Some(at) = grave {
            self.graves.remove(at);
        }
        self.make_room();
        self.view.push(Known { id: peer, born, place, profile });
        Learned::More
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

    /// A peer in view tells this of itself.
    fn update(&mut self, at: usize, profile: R::Profile, cx: &mut impl Local<Self>) -> Learned {
        let known = &mut self.view[at];
        if known.profile == profile {
            return Learned::Nothing;
        }
        let Some(place) = self.config.ranking.place(known.id, &profile) else {
            cx.count("impossible profile");
            return Learned::Nothing;
        };
        (known.place, known.profile) = (place, profile);
        Learned::More
    }

    /// `from` speaks, and tells this of itself.
    pub(super) fn hear(&mut self, from: I, profile: &R::Profile, cx: &mut impl Local<Self>) {
        self.settle(cx);
        self.probes.heard(from);
        self.suspect = self.suspect.filter(|suspect| suspect.id != from);
        let learned = self.learn(from, profile.clone(), 0, cx);
        self.trim(learned == Learned::More, cx);
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
        let mut grown = self.learn(from, came.profile, 0, cx) == Learned::More;
        for news in came.news {
            grown |= self.learn(news.id, news.profile, news.age.into(), cx) == Learned::More;
        }
        self.trim(grown, cx);
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
        let mut grown = false;
        for peer in peers {
            // If the layer keeps no ages, the news counts as half way to expiry, so that the dead
            // do not look young.
            let age = below.age(peer, cx.round()).unwrap_or(self.config.lifetime / 2);
            if let Some(profile) = untold() {
                grown |= self.learn(peer, profile, rounds(age), cx) == Learned::More;
            }
        }
        self.trim(grown, cx);
        Vec::new()
    }

    /// Sheds the farthest beyond the bound, and sees who is near now.
    fn trim(&mut self, grown: bool, cx: &mut impl Local<Self>) {
        let limit = self.config.limit;
        if let Some((_, here)) = self.me.filter(|_| self.view.len() > limit) {
            let mut near = alloc::vec![false; self.view.len()];
            for at in self.ranked(here, limit, Ties::Random(cx.rng())) {
                near[at] = true;
            }
            let shed = self.view.len() - limit;
            let mut near = near.into_iter();
            self.view.retain(|_| near.next().unwrap_or(false));
            (0..shed).for_each(|_| cx.count("descriptor shed"));
        }
        if grown {
            self.relink();
        }
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
    pub(super) fn ranked(&self, of: R::Place, count: usize, ties: Ties<'_>) -> Vec<usize> {
        let places = self.view.iter().map(|known| known.place);
        first(&self.config.ranking, of, &places, count, ties)
    }

    /// Sees who is nearest; a link that stays keeps its version.
    pub(super) fn relink(&mut self) {
        let Some((_, here)) = self.me else { return };
        let order = self.ranked(here, self.config.degree, Ties::Stable);
        let same = order.len() == self.links.len()
            && order.iter().zip(&self.links).all(|(&at, link)| self.view[at].id == link.0);
        if same {
            return;
        }
        self.version = self.version.wrapping_add(1);
        let since = |peer| self.links.iter().find(|link| link.0 == peer).map(|link| link.1);
        let links = order.into_iter().map(|at| self.view[at].id);
        let links: Vec<(I, u64)> =
            links.map(|peer| (peer, since(peer).unwrap_or(self.version))).collect();
        let made = links.iter().filter(|link| link.1 == self.version).count();
        let gone = self.links.len().saturating_sub(links.len() - made);
        self.links = links;
        // Another order of the same links is no change of them.
        if made + gone > 0 {
            self.notes.changed(made.max(gone));
        }
        let links = &self.links;
        self.probes.retain(|peer| links.iter().any(|link| link.0 == peer));
    }
}
