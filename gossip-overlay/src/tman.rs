//! T-Man: any overlay that a ranking describes, in a number of rounds logarithmic in its size.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast overlay topology construction*,
//! Computer Networks 53(13), 2009, section 3 (the protocol), section 5 (its convergence, start and
//! stop). The form of 2005 (Jelasity, Babaoglu, *T-Man*, ESOA 2005) is another algorithm of that
//! name: views are bounded and travel whole, and there is an endgame. [`Config::bounded`] has it.
//!
//! ```text
//! 2009:
//! every round:   q = one of the first psi of the view as ranked by myself, uniformly,
//!                    but none of the latest partners (the tabu list)
//!                send q: the first m of my view and me, as ranked by q
//!                on reply: view = view and reply
//! on request from q:  reply with the first m of my view and me, as ranked by q
//!                     view = view and request
//!
//! 2005:
//! every round:   q = one of the better half of my view, uniformly, until the endgame; then the
//!                    k-th best with probability 2^-k
//!                send q: my view and me
//!                on reply: view = the best c of view and reply, as ranked by myself
//! on request from q:  as before
//! ```
//!
//! In the form of 2009 the view keeps every descriptor learned, up to a bound far above the target
//! degree: a bound near it makes the last links take several times as long.
//!
//! Besides, so that the overlay follows who comes and goes: each round some peers of the sampler
//! below are merged in; the nearest are asked whether they live ([`probes`](Config::probes)), and
//! whoever is silent is *buried*: only news younger than its burial brings it back. Descriptors
//! bear ages, and those about which nothing new is heard expire.
//!
//! Descriptors carry what their peers tell of themselves, if the ranking asks for it
//! ([`Ranking::Profile`]). A profile that the ranking has no place for is refused and counted
//! (`impossible profile`). Peers of the sampler below tell theirs when they are probed.
//!
//! A node says when its links have stood for a while ([`Event::Converged`]), and when one changes
//! after that; [`State::health`] tells more. With [`pause`](Config::pause) it rests in between, and
//! with [`dormant`](Config::dormant) it waits for a broadcast to start.
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
//! - Ages, expiry, probes, burials and the share of fresh random peers are ours. The paper restarts
//!   the protocol instead; here it never ends.
//! - Start by broadcast and stop when quiet are options. A node at rest starts again by itself when
//!   a link changes.

mod age;
mod config;
mod layer;
mod message;
mod select;
mod view;

use core::fmt;
use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{
    Configured, Exchange, Local, ParameterError, PeerId, Peers, Profile, Profiles, Protocol,
    Random, Refusal, Round, Time,
};

use crate::health::Notes;
use crate::probes::Probes;
use crate::ranking::Ranking;
use age::{Age, Clock, elapsed, rounds};

pub use crate::health::Health;
pub use config::Config;
pub use layer::TMan;
pub use message::{Command, Event, Message, News, Talk};

/// A peer heard of.
#[derive(Clone, Debug)]
struct Known<I, P, T> {
    id: I,
    /// When the peer was last known to speak, by its own words or others'; on this node's clock.
    born: Age,
    place: P,
    /// What it told of itself.
    profile: T,
}

/// A peer as a node with this ranking knows it.
type KnownBy<I, R> = Known<I, <R as Ranking<I>>::Place, <R as Ranking<I>>::Profile>;

/// One of the nearest peers.
#[derive(Clone, Copy, Debug)]
struct Link<I> {
    id: I,
    /// Where in view.
    at: u32,
    /// The version at which it became one of them.
    since: u64,
}

/// A peer taken for dead, since when.
#[derive(Clone, Copy, Debug)]
struct Grave<I> {
    id: I,
    since: Age,
}

/// A partner that did not answer.
#[derive(Clone, Copy, Debug)]
struct Suspect<I> {
    id: I,
    strikes: u32,
}

/// Burials remembered, each for a lifetime. When half of all nodes die at once, some 30 of a
/// node's view do. Our choice.
const GRAVES: usize = 64;

/// Rounds in which the start is passed on: a rumor pushed to one peer a round reaches 10^6 nodes in
/// log2 N + ln N = 34.
const SPREAD: u32 = 40;

/// Peers of the sampler below that are asked for their profiles in a round, at most. Our choice.
const STRANGERS: usize = 16;

/// A node's part in T-Man.
#[derive(Clone)]
pub struct State<I: PeerId, R: Ranking<I>, const M: usize> {
    config: Config<R, R::Profile>,
    /// This node and its place; none before the first call, and if its profile is impossible.
    me: Option<(I, R::Place)>,
    /// In the order of arrival.
    view: Vec<KnownBy<I, R>>,
    /// The nearest peers, nearest first.
    links: Vec<Link<I>>,
    version: u64,
    /// The latest partners, latest first.
    partners: Vec<I>,
    /// A partner that did not answer: asked again at once.
    suspect: Option<Suspect<I>>,
    graves: Vec<Grave<I>>,
    clock: Clock,
    /// Asked next.
    contact: Option<I>,
    probes: Probes<I>,
    notes: Notes,
    /// Whether it has begun.
    awake: bool,
    /// Rounds in which others will be told to start.
    spread: u32,
    /// Rounds since it began.
    rounds: Round,
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
    type Config = Config<R, R::Profile>;

    fn new(config: Self::Config) -> Result<Self, ParameterError> {
        config.check(M)?;
        Ok(Self {
            awake: !config.dormant,
            config,
            me: None,
            view: Vec::new(),
            links: Vec::new(),
            version: 0,
            partners: Vec::new(),
            suspect: None,
            graves: Vec::new(),
            clock: Clock::default(),
            contact: None,
            probes: Probes::new(),
            notes: Notes::default(),
            spread: 0,
            rounds: 0,
        })
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> State<I, R, M> {
    /// Every peer known, nearest or not, in no particular order.
    pub fn view(&self) -> impl ExactSizeIterator<Item = I> {
        self.view.iter().map(|known| known.id)
    }

    /// The nearest peers, best first: what layers above see as [`Peers`].
    pub fn links(&self) -> impl ExactSizeIterator<Item = I> {
        self.links.iter().map(|link| link.id)
    }

    /// Every peer known, with its place.
    pub fn places(&self) -> impl ExactSizeIterator<Item = (I, R::Place)> {
        self.view.iter().map(|known| (known.id, known.place))
    }

    /// This node; none before its first call.
    pub(crate) fn name(&self) -> Option<I> {
        self.me.map(|me| me.0)
    }

    /// Where this node stands; none before its first call.
    pub fn place(&self) -> Option<R::Place> {
        self.me.map(|me| me.1)
    }

    /// The structure that is built.
    pub const fn ranking(&self) -> &R {
        &self.config.ranking
    }

    /// What this node tells of itself.
    pub const fn profile(&self) -> &R::Profile {
        &self.config.profile
    }

    /// The nearest peer in one of the ranking's directions that is [trusted](Self::is_trusted), or
    /// else the nearest known; none if nobody is known there.
    pub fn toward(&self, direction: usize) -> Option<I> {
        // The nearest of all is a link, if there are links for each direction.
        let near = self.links.iter().filter_map(|link| self.view.get(link.at as usize));
        let all_ways = R::LEAD > 0 && R::DIRECTIONS <= self.config.degree;
        let link = self.nearest_toward(direction, near).filter(|link| all_ways && !link.0);
        link.or_else(|| self.nearest_toward(direction, self.view.iter())).map(|known| known.1)
    }

    /// Of `peers`, the nearest in a direction that is trusted, or else the nearest, and whether it
    /// is not trusted.
    fn nearest_toward<'a>(
        &self,
        direction: usize,
        peers: impl Iterator<Item = &'a KnownBy<I, R>>,
    ) -> Option<(bool, I)>
    where
        R: 'a,
    {
        let here = self.me?.1;
        let far = |known: &KnownBy<I, R>| self.config.ranking.along(direction, here, known.place);
        let near = peers.filter_map(|known| Some((!self.is_fresh(known), far(known)?, known.id)));
        near.min_by_key(|near| (near.0, near.1)).map(|near| (near.0, near.2))
    }

    /// Whether `peer` is a peer believed to live: with probes, one of which the news is at
    /// most two rounds old. The rest are hearsay, such as old news of the dead, until they answer.
    pub fn is_trusted(&self, peer: I) -> bool {
        self.known(peer).is_some_and(|known| self.is_fresh(known))
    }

    fn is_fresh(&self, known: &KnownBy<I, R>) -> bool {
        self.config.probes == 0 || elapsed(self.clock.begun(), known.born) < rounds(3)
    }

    /// How well the links stand, by this node's own knowledge.
    pub fn health(&self) -> Health {
        let links = self.links.iter().filter_map(|link| self.view.get(link.at as usize));
        let ages = links.map(|known| elapsed(self.clock.begun(), known.born) / 8);
        self.notes.health(self.links.len(), 0, ages)
    }

    /// Whether it exchanges: it has begun, and does not rest.
    pub fn is_active(&self) -> bool {
        let rests = self.config.pause.is_some_and(|rounds| self.notes.unchanged >= rounds);
        self.awake && (!rests || self.contact.is_some())
    }

    fn known(&self, peer: I) -> Option<&KnownBy<I, R>> {
        self.view.iter().find(|known| known.id == peer)
    }

    /// A round begins. Returns whose profiles to ask for.
    fn begin(&mut self, below: &impl Peers<Id = I>, cx: &mut impl Local<Self>) -> Vec<I> {
        self.settle(cx);
        self.clock.tick(cx.round(), cx.now());
        if !self.awake {
            return Vec::new();
        }
        self.notes.tick();
        self.rounds = self.rounds.saturating_add(1);
        self.expire(cx);
        self.look_below(below, cx)
    }

    /// Whether the links live: whom to ask.
    fn ask(&mut self, now: Time, wait: Duration) -> Vec<I> {
        let count = if self.awake { self.config.probes } else { 0 };
        let near: Vec<I> = self.links().take(count).collect();
        self.probes.begin(near.into_iter(), now, wait).to_vec()
    }

    /// Begins, if it has not yet, and will tell others to.
    fn start(&mut self, cx: &mut impl Local<Self>) {
        if !self.awake {
            self.settle(cx);
            self.awake = true;
            self.spread = SPREAD;
            self.notes = Notes::default();
        }
    }

    /// Whom to tell to start in this round.
    fn next_to_start(&mut self, below: &impl Peers<Id = I>, random: &mut Random) -> Option<I> {
        self.spread = self.spread.checked_sub(1)?;
        below.sample(random)
    }

    /// This node's profile is another.
    fn describe(&mut self, profile: R::Profile, cx: &mut impl Local<Self>) -> Result<(), Refusal> {
        let Some(place) = self.config.ranking.place(cx.me(), &profile) else {
            return Err(Refusal::Invalid("a profile must be one that the ranking has a place for"));
        };
        self.config.profile = profile;
        self.me = Some((cx.me(), place));
        self.relink();
        Ok(())
    }

    /// Tells the owner whether the links stand.
    fn report(&mut self, cx: &mut impl Local<Self>) {
        let stands = self.notes.unchanged >= self.config.settled && !self.links.is_empty();
        if stands != self.notes.converged {
            self.notes.converged = stands;
            cx.emit(if stands { Event::Converged } else { Event::Disturbed });
        }
    }
}

/// The profile of whoever has told none, if it takes no bytes and so needs no telling.
fn untold<P: Profile>() -> Option<P> {
    if P::MAX_LEN == 0 { P::decode_all(&[]).ok() } else { None }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Protocol for State<I, R, M> {
    type Id = I;
    type Message = Message<I, R::Profile, M>;
    type Event = Event;
    type Command = Command<R::Profile>;

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
    fn initiate(&mut self, _: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        let partner = self.choose(cx.rng())?;
        let place = untold().and_then(|profile| self.config.ranking.place(partner, &profile));
        Some((partner, self.describe_for(partner, place, self.now(cx), cx.rng())))
    }

    fn respond(
        &mut self,
        _: &D,
        from: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        self.settle(cx);
        // The reply is from before the merge.
        let told = self.config.ranking.place(from, &request.profile);
        let reply = self.describe_for(from, told, self.now(cx), cx.rng());
        self.merge(from, request, cx);
        Some(reply)
    }

    fn complete(&mut self, _: &D, from: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        self.merge(from, reply, cx);
    }

    fn abandon(&mut self, _: &D, to: I, cx: &mut impl Local<Self>) {
        if self.links().take(self.config.probes).any(|link| link == to) {
            // The probes tell, and sooner.
            return;
        }
        if self.view.is_empty() {
            // A contact, and nobody else is known.
            self.contact = Some(to);
        }
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
        random.pick(&self.links).map(|link| link.id)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.links.iter().for_each(|link| visit(link.id, link.since));
    }

    fn age(&self, peer: I, _: Round) -> Option<Round> {
        self.known(peer).map(|known| elapsed(self.clock.begun(), known.born) / 8)
    }

    fn degree(&self) -> usize {
        self.links.len()
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Profiles for State<I, R, M> {
    type Profile = R::Profile;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &R::Profile)) {
        let links = self.links.iter().filter_map(|link| self.view.get(link.at as usize));
        links.for_each(|known| visit(known.id, &known.profile));
    }
}
