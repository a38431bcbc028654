//! T-Man: any overlay that a ranking describes, in a number of rounds logarithmic in its size.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast overlay topology construction*,
//! Computer Networks 53(13), 2009, section 3 (the protocol), section 5 (its convergence). The
//! form of 2005 (bounded views, an endgame) is another algorithm.
//!
//! ```text
//! every round:   q = one of the first psi of the view as ranked by myself, uniformly,
//!                    but none of the latest partners (the tabu list)
//!                send q: the first m of my view and me, as ranked by q
//!                on reply: view = view and reply
//! on request from q:  reply with the first m of my view and me, as ranked by q
//!                     view = view and request
//! ```
//!
//! The view keeps every descriptor learned, up to a bound far above the target degree: a bound near
//! it makes the last links take several times as long.
//!
//! Besides, so that the overlay follows who comes and goes: each round some peers of the sampler
//! below are merged in; descriptors bear ages, and those about which nothing new is heard expire; a
//! partner that does not answer [`strikes`](Config::strikes) times in a row is *buried*, and only
//! news younger than its burial brings it back.
//!
//! # What holds
//!
//! From 10 random peers each, all ring links are right after about log2(N) - 3 rounds (7 to 8 at
//! N = 1,024, 10 at 8,192). Views stay far below the bound (230 at most at N = 1,024).
//! `GUARANTEES.md` has the figures under loss and after failures.
//!
//! # Deviations from the paper
//!
//! - The sender's own descriptor is its address on the datagram: it costs no bytes, and the
//!   receiver learns it even when it does not rank among the first m.
//! - Ages, expiry, burials and the share of fresh random peers are ours. The paper restarts the
//!   protocol instead; here it never ends.
//! - There is no start by broadcast and no stop: a round costs the same two datagrams for ever.

mod config;

use core::fmt;

use alloc::vec::Vec;

use gossip_core::sampling::Descriptor;
use gossip_core::{
    Bounded, Configured, Exchange, Local, Nothing, Pairwise, ParameterError, PeerId, Peers,
    Protocol, Random, Round,
};

use crate::ranking::{Ranking, Ties, first};

pub use config::Config;

/// T-Man as a layer over any [`Peers`]: ranks by `R`, exchanges at most `M` descriptors (the
/// paper's m).
pub type TMan<I, R, const M: usize> = Pairwise<State<I, R, M>>;

/// What travels: descriptors, the sender's own left out.
pub type Message<I, const M: usize> = Bounded<Descriptor<I, ()>, M>;

/// A peer heard of.
#[derive(Clone, Copy, Debug)]
struct Known<I, P> {
    id: I,
    /// The round here in which the peer was last known to speak, by its own words or others'.
    born: Round,
    place: P,
}

/// A peer taken for dead, since when.
#[derive(Clone, Copy, Debug)]
struct Grave<I> {
    id: I,
    since: Round,
}

/// A partner that did not answer.
#[derive(Clone, Copy, Debug)]
struct Suspect<I> {
    id: I,
    strikes: u32,
}

/// Burials remembered. At most one in [`strikes`](Config::strikes) rounds happens, and each is
/// remembered for a lifetime: the default needs 7. Our choice.
const GRAVES: usize = 64;

/// A node's part in T-Man.
#[derive(Clone)]
pub struct State<I: PeerId, R: Ranking<I>, const M: usize> {
    config: Config<R>,
    /// This node and its place; none before the first call.
    me: Option<(I, R::Place)>,
    /// In the order of arrival.
    view: Vec<Known<I, R::Place>>,
    /// The nearest peers, each with the version at which it became one of them.
    links: Vec<(I, u64)>,
    version: u64,
    /// The latest partners, latest first.
    partners: Vec<I>,
    /// A partner that did not answer: asked again at once.
    suspect: Option<Suspect<I>>,
    graves: Vec<Grave<I>>,
    /// Asked when the view is empty.
    contact: Option<I>,
}

impl<I: PeerId, R: Ranking<I>, const M: usize> fmt::Debug for State<I, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("ranking", &self.config.ranking)
            .field("links", &self.links)
            .field("view", &self.view.len())
            .finish_non_exhaustive()
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Configured for State<I, R, M> {
    type Config = Config<R>;

    fn new(config: Config<R>) -> Result<Self, ParameterError> {
        config.check(M)?;
        Ok(Self {
            config,
            me: None,
            view: Vec::new(),
            links: Vec::new(),
            version: 0,
            partners: Vec::new(),
            suspect: None,
            graves: Vec::new(),
            contact: None,
        })
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> State<I, R, M> {
    /// Puts a peer into the view from outside a driver, as if just heard of: how simulations start
    /// from a given graph. Returns whether it was new and there was room.
    pub fn introduce(&mut self, peer: I) -> bool {
        let fits = self.view.len() < self.config.limit && !self.knows(peer);
        if fits {
            self.view.push(Known { id: peer, born: 0, place: self.config.ranking.place(peer) });
        }
        fits
    }

    /// Every peer known, nearest or not, in no particular order.
    pub fn view(&self) -> impl ExactSizeIterator<Item = I> {
        self.view.iter().map(|known| known.id)
    }

    /// The nearest peers, best first: what layers above see as [`Peers`].
    pub fn links(&self) -> impl ExactSizeIterator<Item = I> {
        self.links.iter().map(|link| link.0)
    }

    /// The structure that is built.
    pub const fn ranking(&self) -> &R {
        &self.config.ranking
    }

    /// The nearest peer in one direction.
    pub(crate) fn nearest_along(&self, direction: usize) -> Option<I> {
        let here = self.me?.1;
        let far =
            |known: &&Known<I, R::Place>| self.config.ranking.along(direction, here, known.place);
        self.view.iter().min_by_key(far).map(|known| known.id)
    }

    fn knows(&self, peer: I) -> bool {
        self.view.iter().any(|known| known.id == peer)
    }

    /// This node's name and place; settles in at the first call.
    fn settle(&mut self, me: I) -> R::Place {
        if let Some((_, here)) = self.me {
            return here;
        }
        let here = self.config.ranking.place(me);
        self.me = Some((me, here));
        self.view.retain(|known| known.id != me);
        self.relink();
        here
    }

    /// Takes in news of `peer`, `age` rounds old. Returns whether it is now known and was not.
    fn learn(&mut self, peer: I, age: Round, cx: &mut impl Local<Self>) -> bool {
        let now = cx.round();
        let born = now.wrapping_sub(age);
        if peer == cx.me() {
            return false;
        }
        if let Some(known) = self.view.iter_mut().find(|known| known.id == peer) {
            if age < elapsed(now, known.born) {
                known.born = born;
            }
            return false;
        }
        if age >= self.config.lifetime {
            cx.count("descriptor expired");
            return false;
        }
        if let Some(at) = self.graves.iter().position(|grave| grave.id == peer) {
            // A peer that spoke after its burial was not dead; what is older is a stale copy.
            if age > 0 && age >= elapsed(now, self.graves[at].since) {
                cx.count("descriptor of the dead");
                return false;
            }
            self.graves.remove(at);
        }
        self.view.push(Known { id: peer, born, place: self.config.ranking.place(peer) });
        true
    }

    /// Takes in what a partner sent, and that it speaks.
    fn merge(&mut self, from: I, came: &Message<I, M>, cx: &mut impl Local<Self>) {
        self.settle(cx.me());
        self.suspect = self.suspect.filter(|suspect| suspect.id != from);
        let mut grown = self.learn(from, 0, cx);
        for descriptor in came {
            grown |= self.learn(descriptor.id, descriptor.age.into(), cx);
        }
        self.trim(grown, cx);
    }

    /// Takes in random peers from the layer below.
    fn look_below(&mut self, below: &impl Peers<Id = I>, cx: &mut impl Local<Self>) {
        let mut grown = false;
        if self.view.len() < self.config.psi {
            below.for_each(|peer, _| grown |= self.hear_of(peer, below, cx));
        } else {
            for _ in 0..self.config.fresh {
                let Some(peer) = below.sample(cx.rng()) else { break };
                grown |= self.hear_of(peer, below, cx);
            }
        }
        self.trim(grown, cx);
    }

    /// Takes in `peer`, which the layer below names. If that keeps no ages, the news counts as half
    /// way to expiry, so that the dead do not look young.
    fn hear_of(&mut self, peer: I, below: &impl Peers<Id = I>, cx: &mut impl Local<Self>) -> bool {
        let age = below.age(peer, cx.round()).unwrap_or(self.config.lifetime / 2);
        self.learn(peer, age, cx)
    }

    /// Sheds the farthest beyond the bound, and sees who is near now.
    fn trim(&mut self, grown: bool, cx: &mut impl Local<Self>) {
        let limit = self.config.limit;
        if self.view.len() > limit {
            let here = self.settle(cx.me());
            let mut keep = self.ranked(here, &self.places(), limit, Ties::Stable);
            keep.sort_unstable();
            for _ in keep.len()..self.view.len() {
                cx.count("descriptor shed");
            }
            self.view = keep.into_iter().map(|at| self.view[at]).collect();
        }
        if grown {
            self.relink();
        }
    }

    /// Forgets the peers of which nothing was heard for a lifetime.
    fn expire(&mut self, cx: &mut impl Local<Self>) {
        let (now, lifetime) = (cx.round(), self.config.lifetime);
        let before = self.view.len();
        self.view.retain(|known| elapsed(now, known.born) < lifetime);
        self.graves.retain(|grave| elapsed(now, grave.since) < lifetime);
        if self.view.len() < before {
            self.relink();
        }
    }

    /// Forgets `peer`, and keeps stale news of it out.
    fn bury(&mut self, peer: I, cx: &mut impl Local<Self>) {
        if self.graves.len() >= GRAVES {
            self.graves.remove(0);
            cx.count("grave shed");
        }
        self.graves.retain(|grave| grave.id != peer);
        self.graves.push(Grave { id: peer, since: cx.round() });
        self.view.retain(|known| known.id != peer);
        self.relink();
    }

    fn places(&self) -> impl ExactSizeIterator<Item = R::Place> + Clone {
        self.view.iter().map(|known| known.place)
    }

    fn ranked(
        &self,
        of: R::Place,
        places: &(impl ExactSizeIterator<Item = R::Place> + Clone),
        count: usize,
        ties: Ties<'_>,
    ) -> Vec<usize> {
        first(&self.config.ranking, of, places, count, ties)
    }

    /// Sees who is nearest; a link that stays keeps its version.
    fn relink(&mut self) {
        let Some((_, here)) = self.me else { return };
        let order = self.ranked(here, &self.places(), self.config.degree, Ties::Stable);
        let same = order.len() == self.links.len()
            && order.iter().zip(&self.links).all(|(&at, link)| self.view[at].id == link.0);
        if same {
            return;
        }
        self.version = self.version.wrapping_add(1);
        let since = |peer| self.links.iter().find(|link| link.0 == peer).map(|link| link.1);
        let links = order.into_iter().map(|at| self.view[at].id);
        self.links = links.map(|peer| (peer, since(peer).unwrap_or(self.version))).collect();
    }

    /// The suspect again, or one of the first psi that is not tabu.
    fn choose(&mut self, random: &mut Random) -> Option<I> {
        if let Some(suspect) = self.suspect.filter(|suspect| self.knows(suspect.id)) {
            return Some(suspect.id);
        }
        let (me, here) = self.me?;
        let near = self.ranked(here, &self.places(), self.config.psi, Ties::Random(random));
        let ids: Vec<I> = near.into_iter().map(|at| self.view[at].id).collect();
        let allowed: Vec<I> =
            ids.iter().copied().filter(|peer| !self.partners.contains(peer)).collect();
        // Where all are tabu, as in the smallest systems, none is.
        let partner = random.pick(if allowed.is_empty() { &ids } else { &allowed }).copied();
        let partner = partner.or(self.contact.filter(|&peer| peer != me))?;
        self.partners.truncate(self.config.tabu.saturating_sub(1));
        if self.config.tabu > 0 {
            self.partners.insert(0, partner);
        }
        Some(partner)
    }

    /// What `peer` would most like to know: the first m of the view and this node, which is the
    /// datagram's sender and so is not written.
    fn describe_for(&self, peer: I, now: Round, random: &mut Random) -> Message<I, M> {
        let ranking = &self.config.ranking;
        let of = ranking.place(peer);
        let mut known: Vec<_> = self.view.iter().filter(|known| known.id != peer).collect();
        let me = self.me.map(|(id, place)| Known { id, born: now, place });
        known.extend(me.as_ref());
        let places = known.iter().map(|known| known.place);
        let count = self.config.message.unwrap_or(M);
        let order = first(ranking, of, &places, count, Ties::Random(random));
        let sent = order.into_iter().map(|at| known[at]);
        let others = sent.filter(|known| self.me.is_none_or(|me| me.0 != known.id));
        let mut message = Message::new();
        message.fill(others.map(|known| {
            let age = elapsed(now, known.born).min(u16::MAX.into()) as u16;
            Descriptor { id: known.id, age, profile: () }
        }));
        message
    }
}

/// Rounds from `then` to `now`; none if `then` lies ahead.
const fn elapsed(now: Round, then: Round) -> Round {
    let age = now.wrapping_sub(then);
    if age > Round::MAX / 2 { 0 } else { age }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Protocol for State<I, R, M> {
    type Id = I;
    type Message = Message<I, M>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.version
    }
}

impl<I, R, const M: usize, D> Exchange<D> for State<I, R, M>
where
    I: PeerId,
    R: Ranking<I>,
    D: Peers<Id = I>,
{
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        self.settle(cx.me());
        self.expire(cx);
        self.look_below(below, cx);
        let partner = self.choose(cx.rng())?;
        let now = cx.round();
        Some((partner, self.describe_for(partner, now, cx.rng())))
    }

    fn respond(
        &mut self,
        _: &D,
        from: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let now = cx.round();
        let reply = self.describe_for(from, now, cx.rng());
        self.merge(from, &request, cx);
        Some(reply)
    }

    fn complete(&mut self, _: &D, from: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        self.merge(from, &reply, cx);
    }

    fn abandon(&mut self, _: &D, to: I, cx: &mut impl Local<Self>) {
        let before = self.suspect.filter(|suspect| suspect.id == to);
        let strikes = before.map_or(0, |suspect| suspect.strikes).saturating_add(1);
        self.suspect = Some(Suspect { id: to, strikes });
        if strikes >= self.config.strikes {
            self.suspect = None;
            self.bury(to, cx);
        }
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Local<Self>) {
        self.contact = Some(peer);
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Peers for State<I, R, M> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.links).map(|link| link.0)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.links.iter().for_each(|&(peer, version)| visit(peer, version));
    }

    fn degree(&self) -> usize {
        self.links.len()
    }
}
