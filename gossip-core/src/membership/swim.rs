//! SWIM: who is a member, and who has failed, at a cost per node that does not grow with the group.
//!
//! Das, Gupta, Motivala, *SWIM: Scalable Weakly-consistent Infection-style Process Group Membership
//! Protocol*, DSN 2002; with the components of Dadgar, Phillips, Currey, *Lifeguard: Local Health
//! Awareness for More Accurate Failure Detection*, DSN 2018, each of which may be off.
//!
//! ```text
//! every period: j = the next member in a random order; send ping to j
//!               no ack within the timeout: send ping-req(j) to k random members
//!               no ack by the end of the period: suspect j
//! on ping:      ack
//! on ping-req(j): ping j; pass its ack on; if there is none in time, nack         (Lifeguard)
//! on each ping, ping-req and ack: news ride along, those told least first, each at most
//!               lambda log n times
//! suspected:    refutes with a higher incarnation, or is presumed dead after a timeout, which is
//!               the shorter the more others suspect it                             (Lifeguard)
//! health:       +1 for failed probes, missed nacks, refutations; -1 for acks; period and timeout
//!               are multiplied by health + 1                                       (Lifeguard)
//! now and then: full-state sync with a random member; ping to one presumed dead
//! answered through helpers only: asked directly, period after period, if so configured; who does
//!               not hear whom is told after a few of them
//! a claim that is out of date: answered with what overrides it
//! ```
//!
//! # What holds
//!
//! A crash is first noticed after e / (e - 1) = 1.58 periods on average, whatever n, and certainly
//! within 2n - 1 at every member; the group sends 2 messages per member and period, and 4 k more
//! for each probe that is not answered directly. A member that is alive and answers is declared
//! dead only if it, or the news of its suspicion, is unheard for the whole timeout; it then comes
//! back as soon as it hears of it, since everybody tells it who believes so and whom it talks to,
//! and the dead are pinged for ever.
//!
//! It gives hints, not agreement: members may differ on who is alive at any moment. It trusts its
//! members: one that lies can accuse others, who must then refute, and can invent members, who then
//! die. Frames that answer nothing, and news from strangers, are ignored and counted.
//!
//! Known limits: a request for the full state takes about 20 bytes, and draws up to 16 frames in
//! answer, to whatever address it names; nodes are told apart by their identifiers alone. Of two
//! that bear the same one, the others keep one member, alive, with the profile told last; both
//! owners hear [`Event::Duplicate`], and the two contradict each other at a decaying rate.
//!
//! # Deviations from the paper
//!
//! - A death is overridden by a higher incarnation, so that the wrongly dead come back; in the
//!   paper it is final. And it does not override a higher incarnation.
//! - A death that was not suspected here first, for the shortest timeout, is taken as a suspicion,
//!   unless that is off ([`Config::doubt`]): see [`State`].
//! - An ack does not clear a suspicion here, only the member's own refutation does, everywhere.
//! - One queue of news instead of two, for the living and for the dead.
//! - A node that wants in asks its contact for the full state. The paper's nodes multicast.
//! - Lifeguard's probe is judged at the driver's round, so periods stretch by whole rounds.
//! - A member that accuses more than a share of all, unconfirmed, is not heeded for the others: it
//!   is more likely to be ill than they are ([`Config::accusations`]).
//! - A member that died too often of late is not taken back for a while ([`Config::damping`]).
//! - News take no more of a datagram than this layer's share of it, so other layers never starve.
//! - A node whose own clock leapt by two periods or more drops its probe and grants its suspects
//!   the time it slept, since it heard nobody refute.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::config::Config;
use super::dissemination::Queue;
use super::event::{Deaf, Event, Why};
use super::health::Health;
use super::hearing::Hearing;
use super::members::Members;
use super::merge::Source;
use super::message::{Command, Message, Update};
use super::own::Own;
use super::probe::{Probe, Relays};
use super::snapshot::{Entry, Snapshot};
use super::state::{Standing, State};
use super::suspicion::Suspicions;
use super::sync::{RECALLED, Sync};
use super::twins::Twins;
use crate::error::ParameterError;
use crate::id::PeerId;
use crate::pace::Pace;
use crate::peers::{Describe, Obituary, Peers, Profile, Profiles};
use crate::protocol::{Context, Layer, Protocol, Receipt, Refusal};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::time::Time;
use crate::wire::{Bounded, Wire};

/// Contacts a node keeps asking. Our choice.
pub(super) const CONTACTS: usize = 8;

/// Failed probes in a row, with nothing heard meanwhile, after which a node tells its owner that it
/// may be cut off. Our choice.
pub(super) const SILENCE: u8 = 4;

/// Errors of a message that are answered with what contradicts them. Our choice.
pub(super) const STALE: usize = 2;

/// The same for a page of a full state: after a partition, all of it may be wrong. Our choice.
pub(super) const STALE_PAGE: usize = 8;

/// Updates in a message.
pub(super) type News<I, T, const U: usize> = Bounded<Update<I, T>, U>;

/// What a node has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Probes begun.
    pub probes: u64,
    /// Those that needed helpers.
    pub indirect: u64,
    /// Those that nobody answered.
    pub failed: u64,
    /// Accusations of this node that it refuted.
    pub refuted: u64,
}

/// Full membership of nodes `I` with profiles `T`, by SWIM and Lifeguard, with at most `U` updates
/// in a message.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::membership::{Config, State, Swim};
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let node = Swim::<u32>::new(Config::default())?;
/// let mut sim = Simulation::new(vec![node; 50], 1, Order::Sequential);
/// (1..50).for_each(|node| sim.contact(node, 0));
/// sim.run(10);
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 49));
///
/// sim.kill(7);
/// sim.run(40);
/// assert!(sim.nodes().all(|(_, node)| node.standing(7).unwrap().state == State::Dead));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Swim<I, T = (), const U: usize = 8> {
    pub(super) config: Config,
    pub(super) own: Own<T>,
    pub(super) members: Members<I, T>,
    pub(super) queue: Queue,
    pub(super) rumors: ArrayVec<Rumor<I>, RUMORS>,
    pub(super) probe: Option<Probe<I>>,
    /// Rounds until the next probe: 0 when well.
    pub(super) rest: u8,
    /// When the latest round was, and how often news were told beside probes since.
    pub(super) began: Time,
    pub(super) tellings: u8,
    pub(super) relays: Relays<I>,
    pub(super) hearing: Hearing<I>,
    pub(super) suspicions: Suspicions<I>,
    pub(super) health: Health,
    pub(super) contacts: ArrayVec<Contact<I>, CONTACTS>,
    /// A stranger that sent a ping, to be asked who it is.
    pub(super) greeting: Option<I>,
    pub(super) sync: Option<Sync<I>>,
    pub(super) syncs: Pace,
    pub(super) recontacts: Pace,
    pub(super) seeds: Pace,
    /// The members presumed dead that were pinged last, and the numbers.
    pub(super) recalled: ArrayVec<(I, u32), RECALLED>,
    /// Whom the message being read was wrong about, this node itself included.
    pub(super) stale: ArrayVec<I, STALE_PAGE>,
    pub(super) twins: Twins,
    /// Who has acknowledged this node's good-bye.
    pub(super) acknowledged: Vec<I>,
    /// The latest call, to tell when this node slept.
    last: Option<Time>,
    /// Failed probes in a row without a word from anybody.
    pub(super) silence: u8,
    pub(super) changes: u64,
    pub(super) stats: Stats,
}

/// An accusation of a stranger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rumor<I> {
    pub(super) peer: I,
    pub(super) standing: Standing,
    pub(super) by: I,
    pub(super) passed_on: bool,
}

/// Accusations of strangers kept at a time. Our choice.
pub(super) const RUMORS: usize = 8;

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        config.check(U)?;
        Ok(Self {
            config,
            own: Own::new(config.incarnation),
            members: Members::new(),
            queue: Queue::new(),
            rumors: ArrayVec::new(),
            probe: None,
            rest: 0,
            began: Time::ZERO,
            tellings: 0,
            relays: Relays::new(),
            hearing: Hearing::new(),
            suspicions: Suspicions::new(),
            health: Health::new(config.lifeguard.health),
            contacts: ArrayVec::new(),
            greeting: None,
            sync: None,
            syncs: Pace::new(),
            recontacts: Pace::new(),
            seeds: Pace::new(),
            recalled: ArrayVec::new(),
            stale: ArrayVec::new(),
            twins: Twins::new(),
            acknowledged: Vec::new(),
            last: None,
            silence: 0,
            changes: 0,
            stats: Stats::default(),
        })
    }

    /// What is held of `peer`; `None` for strangers and for this node itself.
    pub fn standing(&self, peer: I) -> Option<Standing> {
        self.members.find(peer).map(|slot| self.members.at(slot).standing)
    }

    /// What `peer` last told of itself.
    pub fn profile(&self, peer: I) -> Option<&T> {
        self.members.find(peer).map(|slot| &self.members.at(slot).profile)
    }

    /// Everybody known, dead and left ones included, in order of identifiers.
    pub fn known(&self) -> impl Iterator<Item = (I, Standing)> {
        self.members.beyond(None).map(|(_, member)| (member.peer, member.standing))
    }

    /// All that is known, to keep.
    pub fn snapshot(&self) -> Snapshot<I, T> {
        let entry = |(_, member): (u32, &super::members::Member<I, T>)| Entry {
            peer: member.peer,
            standing: member.standing,
            profile: member.profile.clone(),
            since: member.since,
        };
        Snapshot { version: self.changes, members: self.members.beyond(None).map(entry).collect() }
    }

    /// This node's own incarnation.
    pub const fn incarnation(&self) -> u32 {
        self.own.incarnation
    }

    /// The local health multiplier: 0 when well.
    pub const fn health(&self) -> u8 {
        self.health.score()
    }

    /// Whether nobody answers any more: this node may be cut off.
    pub const fn is_isolated(&self) -> bool {
        self.silence >= SILENCE
    }

    /// Members that are alive, as others say, while this node and they do not reach each other
    /// directly; each with who does not hear: see [`Event::Unheard`].
    pub fn unheard(&self) -> impl Iterator<Item = (I, Deaf)> {
        self.hearing.told()
    }

    /// Whether it has said good-bye, or is about to.
    pub const fn has_left(&self) -> bool {
        self.own.leaving.is_some()
    }

    /// Bytes of memory that its tables hold. What profiles allocate is not in it.
    pub fn bytes(&self) -> usize {
        let open = self.suspicions.bytes() + self.relays.bytes();
        size_of::<Self>() + self.members.bytes() + self.queue.bytes() + open
    }

    /// What it has done since it started.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    pub(super) fn is_member(&self, peer: I) -> bool {
        self.standing(peer).is_some_and(|standing| standing.state.is_member())
    }

    /// Members, this node included.
    pub(super) const fn size(&self) -> usize {
        self.members.live() + 1
    }

    /// Before anything else: knows itself, and whether it slept.
    fn enter<D: Describe<T> + ?Sized>(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.own.profile.is_none() {
            self.describe(below);
        }
        if let Some(incarnation) = self.own.reserve() {
            cx.emit(Event::Reserve(incarnation));
        }
        let (now, before) = (cx.now(), self.last.unwrap_or(cx.now()));
        self.last = Some(now.max(before));
        let asleep = now.since(before);
        if asleep >= self.config.period * 2 {
            cx.count("slept");
            self.suspicions.postpone(asleep);
            self.probe = None;
            self.health.worse();
            self.syncs.hurry(cx.round());
        }
    }

    fn describe<D: Describe<T> + ?Sized>(&mut self, below: &D) {
        if self.own.describe(below.describe()) {
            self.announce();
        }
    }

    /// Somebody is there.
    pub(super) fn heard(&mut self, cx: &mut impl Context<Self>) {
        if self.is_isolated() {
            cx.emit(Event::Isolated(false));
            self.hurry(cx.round());
        }
        self.silence = 0;
    }

    /// There is much to learn: syncs, and pings to the dead, come at once again.
    pub(super) const fn hurry(&mut self, round: u32) {
        self.syncs.hurry(round);
        self.recontacts.hurry(round);
        self.seeds.hurry(round);
    }
}

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Protocol for Swim<I, T, U> {
    type Id = I;
    type Message = Message<I, T, U>;
    type Event = Event<I>;
    type Command = Command;

    #[inline]
    fn wake_at(&self) -> Time {
        let probe = self.probe.as_ref().map_or(Time::NEVER, |probe| probe.indirect);
        let open = self.relays.earliest().min(self.suspicions.earliest());
        probe.min(open).min(self.telling_at())
    }

    #[inline]
    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, T, D, const U: usize> Layer<D> for Swim<I, T, U>
where
    I: PeerId,
    T: Profile + PartialEq,
    D: Describe<T> + ?Sized,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        self.describe(below);
        if self.rest > 0 {
            self.rest -= 1;
        } else {
            self.conclude(cx);
            self.ask(cx);
        }
        (self.began, self.tellings) = (cx.now(), 0);
        self.tell_more(cx);
        self.ask_directly(cx);
        self.linger(cx);
        self.catch_up(cx);
        self.recall(cx);
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Message<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        self.enter(below, cx);
        if from == cx.me() {
            return cx.count("message from itself");
        }
        if self.hearing.heard(from) {
            cx.emit(Event::Unheard { peer: from, deaf: Deaf::Peer });
        }
        match message {
            Message::Ping(number, news) => self.on_ping(from, number, news, cx),
            Message::PingReq(number, target, news) => {
                self.on_ping_req(from, number, target, news, cx);
            }
            Message::Ack(number, news) => self.on_ack(from, number, news, cx),
            Message::Nack(number) => self.on_nack(from, number, cx),
            Message::News(news) => {
                self.hear(from, news, Source::Unasked, cx);
                self.object(from, STALE, cx);
            }
            Message::Sync(request) => self.on_sync(from, request, cx),
            Message::State(number, page, news) => self.on_state(from, (number, page), news, cx),
        }
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        let now = cx.now();
        if self.probe.as_ref().is_some_and(|probe| probe.indirect <= now) {
            self.ask_helpers(cx);
        }
        while let Some(relay) = self.relays.due(now) {
            cx.send(relay.asker, Message::Nack(relay.theirs));
        }
        while let Some(slot) = self.suspicions.due(now) {
            let confirmed = self.suspicions.close(slot);
            let dead = Standing::new(self.members.at(slot).standing.incarnation, State::Dead);
            let me = cx.me();
            self.judge(slot, dead, Why::TimedOut(confirmed), me, cx);
        }
        self.tell_more(cx);
    }

    /// Asks the contact at once, and again in rounds to come, when it may know more.
    fn on_contact(&mut self, below: &D, peer: I, cx: &mut impl Context<Self>) {
        if peer == cx.me() {
            return;
        }
        self.enter(below, cx);
        self.contacts.retain(|contact| !contact.is(peer));
        if self.contacts.is_full() {
            self.contacts.remove(0);
        }
        let mut contact = Contact::none();
        contact.tell(peer, cx.round());
        self.contacts.push(contact);
        self.sync_with(peer, cx);
    }

    /// Says good-bye to some members at once, for the driver will stop this node. To wait until
    /// they have heard it, use [`Command::Leave`].
    fn on_leave(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        self.leave(0);
        self.tell_farewell(cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        Command::Leave(wanted): Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.enter(below, cx);
        self.leave(wanted);
        Ok(Receipt::default())
    }

    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        if self.config.spare && !self.queue.is_empty() && self.is_member(to) {
            let news = self.news_within(&[], (cx.room(to), false), cx.me());
            if !news.is_empty() {
                cx.send(to, Message::News(news));
            }
        }
    }
}

impl<I: PeerId, T: Wire + Send + 'static, const U: usize> Peers for Swim<I, T, U> {
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        self.members.sample(random)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.members.iter().for_each(|member| visit(member.peer, member.since));
    }

    /// Whom it probes, else a sample.
    fn partner(&self, random: &mut Random) -> Option<I> {
        let probed = self.probe.as_ref().map(|probe| probe.target);
        probed.or_else(|| self.sample(random))
    }

    fn degree(&self) -> usize {
        self.members.live()
    }
}

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Obituary<I> for Swim<I, T, U> {
    fn is_gone(&self, peer: I) -> bool {
        self.standing(peer).is_some_and(|held| !held.state.is_member())
    }
}

impl<I: PeerId, T: Profile, const U: usize> Profiles for Swim<I, T, U> {
    type Profile = T;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &T)) {
        self.members.iter().for_each(|member| visit(member.peer, &member.profile));
    }
}

#[cfg(test)]
mod model;
