//! Full membership by heartbeats, each member judged by a detector of one's choice.
//!
//! Van Renesse, Minsky, Hayden, *A Gossip-Style Failure Detection Service*, Middleware 1998, where
//! heartbeat counters are gossiped; with accrual detectors (Hayashibara, Defago, Yared, Katayama,
//! *The phi accrual failure detector*, SRDS 2004) heartbeats are mostly direct. Both are here, and
//! questions by turns.
//!
//! ```text
//! every period: own counter += 1
//!   gossip:     tell all counters known to some random members
//!   direct:     tell every member the own counter, and some others for newcomers' sake
//!   ask:        ask the next members in a random order, who answer with theirs
//! on counters:  take the greater ones; whose has risen is alive (direct: only the sender is)
//! at any time:  level of suspicion above the lower line: suspected; above the upper: presumed dead
//! now and then: ask one presumed dead
//! ```
//!
//! # What holds
//!
//! Each node judges for itself: nobody can accuse another, so that one sick node harms nobody, but
//! news of a death does not spread either; members agree only as far as their detectors do. Who is
//! heard again is alive again, without a new incarnation. Load per member and period is 1 message
//! of all counters (gossip), n (direct) or 2 (ask); SWIM's is 2 of constant length.
//!
//! It trusts its members: a lying one can invent members, keep the dead alive where counters are
//! gossiped, and make others take new incarnations; it cannot have the living declared dead.
//!
//! Known limits: an answer may be 16 times as long as the question, to whatever address it names.
//!
//! # Deviations from the paper
//!
//! - A list is cut into messages of `U` counters, and into as many of them as
//!   [`Beats::Gossip`] says; larger groups take turns.
//! - The failed are kept until the table is full, not for a second timeout, and asked again now and
//!   then, so that partitions heal.
//! - Counters have incarnations, for members that restart without their state; the paper has them
//!   begin at the time of day.
//! - No broadcast for newcomers: they ask a contact.

mod config;
mod hear;
mod message;

use alloc::vec::Vec;

use arrayvec::ArrayVec;

pub use config::{Beats, Config};
pub use message::{Beat, Message, Word};

use super::detector::Detector;
use super::event::Event;
use super::members::{Member, Members};
use super::message::Command;
use super::own::{Leaving, Own};
use super::snapshot::{Entry, Snapshot};
use super::state::{Standing, State};
use crate::error::ParameterError;
use crate::id::PeerId;
use crate::pace::Pace;
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Context, Layer, Protocol, Receipt, Refusal};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::time::{Round, Time};
use crate::wire::Bounded;

/// Questions whose answers are waited for: the most in a round, and some. Our choice.
const QUESTIONS: usize = 72;

/// Counters by which one that is told must lag behind what is held before its member is told so:
/// less may be reordering. Our choice.
const BEHIND: u32 = 8;

/// Rounds for which a good-bye is passed on. Our choice.
const FAREWELL: Round = 64;

/// Rounds after which a node that leaves waits no longer, plus three for each acknowledgement it
/// wants. Our choice.
const LINGER: u16 = 10;

/// Members told at once by a node that leaves without waiting. Our choice.
const FAREWELLS: usize = 16;

/// What is kept of a member beside its standing.
#[derive(Clone, Debug)]
struct Seen<T, R> {
    profile: T,
    version: u32,
    /// Its counter in the incarnation held.
    count: u32,
    record: R,
    /// When it left.
    left: Round,
}

/// Full membership of nodes `I` with profiles `T`, by heartbeats judged by `D`, with at most `U`
/// counters in a message.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::membership::{Heartbeats, Phi, State, heartbeat::Config};
/// use gossip_core::sim::event::{self, Simulation};
/// use gossip_core::sim::link::{Latency, Network};
/// use core::time::Duration;
///
/// let node = Heartbeats::<u32, Phi>::new(Config::accrual(Default::default())?)?;
/// let links = Network::new(Latency::Uniform(Duration::ZERO, Duration::from_millis(50)));
/// let mut sim = Simulation::new(20, move |_| node.clone(), links, event::Config::seeded(1))?;
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.run_for(Duration::from_secs(60));
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 19));
///
/// sim.crash(7);
/// sim.run_for(Duration::from_secs(10));
/// assert!(sim.nodes().all(|(_, node)| node.standing(7).unwrap().state == State::Dead));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Heartbeats<I, D: Detector, T = (), const U: usize = 16> {
    config: Config<D>,
    /// The lines of suspicion and death.
    lines: (D::Limit, D::Limit),
    own: Own<T>,
    count: u32,
    members: Members<I, Seen<T, D::Record>>,
    /// Who was told last of.
    cursor: Option<I>,
    asked: ArrayVec<(I, u32), QUESTIONS>,
    contact: Contact<I>,
    recontacts: Pace,
    /// The latest call, to tell when this node slept.
    last: Option<Time>,
    /// No line is crossed before.
    earliest: Time,
    isolated: bool,
    changes: u64,
}

impl<I: PeerId, D: Detector, T: Profile + PartialEq, const U: usize> Heartbeats<I, D, T, U> {
    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds.
    pub fn new(config: Config<D>) -> Result<Self, ParameterError> {
        const { assert!(U >= 3, "a message bears the sender's counter, the receiver's, others'") };
        config.check()?;
        let lines = (config.detector.limit(config.suspect)?, config.detector.limit(config.dead)?);
        Ok(Self {
            lines,
            own: Own::new(config.incarnation),
            config,
            count: 0,
            members: Members::new(),
            cursor: None,
            asked: ArrayVec::new(),
            contact: Contact::none(),
            recontacts: Pace::new(),
            last: None,
            earliest: Time::NEVER,
            isolated: false,
            changes: 0,
        })
    }

    /// What is held of `peer`; `None` for strangers and for this node itself.
    pub fn standing(&self, peer: I) -> Option<Standing> {
        self.members.find(peer).map(|slot| self.members.at(slot).standing)
    }

    /// How strongly `peer` is suspected at `now`, on the detector's scale. `None` for strangers,
    /// and for those who have left.
    pub fn suspicion(&self, peer: I, now: Time) -> Option<f64> {
        let member = self.members.at(self.members.find(peer)?);
        let here = member.standing.state != State::Left;
        here.then(|| self.config.detector.suspicion(&member.profile.record, now))
    }

    /// What `peer` last told of itself.
    pub fn profile(&self, peer: I) -> Option<&T> {
        self.members.find(peer).map(|slot| &self.members.at(slot).profile.profile)
    }

    /// Everybody known, dead and left ones included, in order of identifiers.
    pub fn known(&self) -> impl Iterator<Item = (I, Standing)> {
        self.members.beyond(None).map(|(_, member)| (member.peer, member.standing))
    }

    /// All that is known, to keep.
    pub fn snapshot(&self) -> Snapshot<I, T> {
        let entry = |(_, member): (u32, &Member<I, Seen<T, D::Record>>)| Entry {
            peer: member.peer,
            standing: member.standing,
            profile: member.profile.profile.clone(),
            since: member.since,
        };
        Snapshot { version: self.changes, members: self.members.beyond(None).map(entry).collect() }
    }

    /// This node's own incarnation.
    pub const fn incarnation(&self) -> u32 {
        self.own.incarnation
    }

    /// Whether nobody is heard any more: this node may be cut off.
    pub const fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// Whether it has said good-bye, or is about to.
    pub const fn has_left(&self) -> bool {
        self.own.leaving.is_some()
    }

    /// Before anything else: knows itself, and whether it slept.
    fn enter<B: Describe<T> + ?Sized>(&mut self, below: &B, cx: &mut impl Context<Self>) {
        if self.own.profile.is_none() {
            self.own.describe(below.describe());
        }
        if let Some(incarnation) = self.own.reserve() {
            cx.emit(Event::Reserve(incarnation));
        }
        let (now, before) = (cx.now(), self.last.unwrap_or(cx.now()));
        self.last = Some(now.max(before));
        let asleep = now.since(before);
        if asleep >= self.config.period * 2 {
            cx.count("slept");
            let slots: Vec<u32> = self.members.beyond(None).map(|(slot, _)| slot).collect();
            for slot in slots {
                let record = &mut self.members.at_mut(slot).profile.record;
                self.config.detector.excuse(record, asleep);
            }
        }
    }

    /// What this node says of itself.
    fn own_beat(&self, me: I) -> Option<Beat<I, T>> {
        let word = match self.own.leaving {
            Some(_) => Word::Left,
            None => Word::Here(self.own.version, self.own.profile.clone()?),
        };
        Some(Beat { peer: me, incarnation: self.own.incarnation, count: self.count, word })
    }

    /// What is held of a member, as it said so itself.
    fn beat(member: &Member<I, Seen<T, D::Record>>) -> Beat<I, T> {
        let Standing { incarnation, state } = member.standing;
        let seen = &member.profile;
        let word = match state {
            State::Left => Word::Left,
            _ => Word::Here(seen.version, seen.profile.clone()),
        };
        Beat { peer: member.peer, incarnation, count: seen.count, word }
    }

    /// This node's counter, what is held of `first`, and counters of the members whose turn it is:
    /// those alive, and those who left a while ago.
    fn page(&mut self, first: Option<I>, cx: &mut impl Context<Self>) -> Bounded<Beat<I, T>, U> {
        let (me, now, start) = (cx.me(), cx.round(), self.cursor);
        let mut beats = Bounded::new();
        beats.fill(self.own_beat(me));
        let first = first.and_then(|peer| self.members.find(peer));
        beats.fill(first.map(|slot| Self::beat(self.members.at(slot))));
        let told = |member: &Member<I, Seen<T, D::Record>>| match member.standing.state {
            State::Alive => true,
            State::Left => now.wrapping_sub(member.profile.left) < FAREWELL,
            State::Suspected | State::Dead => false,
        };
        let ahead = self.members.beyond(start);
        let behind = self.members.beyond(None);
        let behind = behind.take_while(|(_, member)| start.is_some_and(|at| member.peer <= at));
        for (_, member) in ahead.chain(behind).filter(|(_, member)| told(member)) {
            if beats.is_full() {
                break;
            }
            self.cursor = Some(member.peer);
            beats.fill([Self::beat(member)]);
        }
        beats
    }

    /// Asks `peer` for a sign of life.
    fn ask(&mut self, peer: I, cx: &mut impl Context<Self>) {
        let number = cx.rng().next_u64() as u32;
        if self.asked.is_full() {
            self.asked.remove(0);
        }
        self.asked.push((peer, number));
        if let Some(slot) = self.members.find(peer) {
            let (detector, record) =
                (&self.config.detector, &mut self.members.at_mut(slot).profile.record);
            detector.asked(record, cx.now());
            self.earliest = self.earliest.min(detector.due(record, self.lines.0));
        }
        let page = self.page(None, cx);
        cx.send(peer, Message::Ask(number, page));
    }

    /// Asks the next `count` members in a random order.
    fn ask_next(&mut self, count: usize, cx: &mut impl Context<Self>) {
        for _ in 0..count.min(self.members.live()) {
            let Some(slot) = self.members.turn(cx.rng()) else { return };
            self.ask(self.members.at(slot).peer, cx);
        }
    }

    /// The active thread.
    fn beat_all(&mut self, cx: &mut impl Context<Self>) {
        match self.config.beats {
            Beats::Gossip { fanout, pages } => {
                let me = cx.me();
                let targets = self.members.choose(fanout, me, cx.rng());
                let pages = self.members.live().div_ceil(U - 1).clamp(1, pages);
                for _ in 0..pages {
                    let page = self.page(None, cx);
                    for &to in &targets {
                        cx.send(to, Message::Tell(page.clone()));
                    }
                }
            }
            Beats::Direct => {
                let page = self.page(None, cx);
                for member in self.members.iter() {
                    cx.send(member.peer, Message::Tell(page.clone()));
                }
            }
            Beats::Ask(count) => self.ask_next(count, cx),
        }
    }

    /// The contact, at a decaying rate, and now and then one presumed dead, are asked.
    fn reach_out(&mut self, cx: &mut impl Context<Self>) {
        let alone = self.members.live() == 0;
        if let Some(contact) = self.contact.ask(cx.me(), alone, cx.round()) {
            self.ask(contact, cx);
        }
        let most = self.config.recontact.min(if alone { 1 } else { u16::MAX });
        let gone = self.members.buried() > 0;
        if gone && self.recontacts.due(most, cx.round(), cx.rng()) {
            let dead = self.members.some_dead(cx.rng());
            let Some(peer) = dead.map(|slot| self.members.at(slot).peer) else { return };
            self.ask(peer, cx);
        }
    }

    /// Once a round while this node leaves: members are asked, so that they acknowledge it.
    fn linger(&mut self, cx: &mut impl Context<Self>) {
        if self.own.leaving.is_none() {
            return;
        }
        self.ask_next(1, cx);
        let alone = self.members.live() == 0;
        let Some(leaving) = &mut self.own.leaving else { return };
        leaving.patience = leaving.patience.saturating_sub(1);
        let done = leaving.acknowledged >= leaving.wanted || leaving.patience == 0 || alone;
        if done && !leaving.told {
            leaving.told = true;
            cx.emit(Event::Gone(leaving.acknowledged));
        }
    }

    /// From now on this node has left, and waits for `wanted` members to know.
    fn leave(&mut self, wanted: u8) {
        if self.own.leaving.is_none() {
            let patience = LINGER + 3 * u16::from(wanted);
            let leaving = Leaving { wanted, acknowledged: 0, patience, told: false };
            self.own.leaving = Some(leaving);
        }
    }

    /// `from` answers the question `number`.
    fn on_answer(
        &mut self,
        from: I,
        number: u32,
        beats: Bounded<Beat<I, T>, U>,
        cx: &mut impl Context<Self>,
    ) {
        let Some(at) = self.asked.iter().position(|asked| *asked == (from, number)) else {
            return cx.count("answer to no question");
        };
        self.asked.remove(at);
        self.hear(from, beats, true, cx);
        if let Some(leaving) = &mut self.own.leaving {
            leaving.acknowledged = leaving.acknowledged.saturating_add(1);
        }
    }
}

impl<I, D, T, const U: usize> Protocol for Heartbeats<I, D, T, U>
where
    I: PeerId,
    D: Detector,
    T: Profile + PartialEq,
{
    type Id = I;
    type Message = Message<I, T, U>;
    type Event = Event<I>;
    type Command = Command;

    #[inline]
    fn wake_at(&self) -> Time {
        self.earliest
    }

    #[inline]
    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I, D, T, B, const U: usize> Layer<B> for Heartbeats<I, D, T, U>
where
    I: PeerId,
    D: Detector,
    T: Profile + PartialEq,
    B: Describe<T> + ?Sized,
{
    fn on_round(&mut self, below: &B, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        self.own.describe(below.describe());
        match self.count.checked_add(1) {
            Some(count) => self.count = count,
            None => {
                (self.own.incarnation, self.count) = (self.own.incarnation.saturating_add(1), 0);
            }
        }
        self.judge(cx);
        self.beat_all(cx);
        self.reach_out(cx);
        self.linger(cx);
    }

    fn on_message(
        &mut self,
        below: &B,
        from: I,
        message: Message<I, T, U>,
        cx: &mut impl Context<Self>,
    ) {
        self.enter(below, cx);
        if from == cx.me() {
            return cx.count("message from itself");
        }
        match message {
            Message::Answer(number, beats) => self.on_answer(from, number, beats, cx),
            Message::Ask(number, beats) => {
                let Some(behind) = self.hear(from, beats, false, cx) else { return };
                let page = self.page(behind.then_some(from), cx);
                cx.send(from, Message::Answer(number, page));
            }
            Message::Tell(beats) => {
                if self.hear(from, beats, false, cx) == Some(true) {
                    let page = self.page(Some(from), cx);
                    cx.send(from, Message::Tell(page));
                }
            }
        }
    }

    fn on_wake(&mut self, below: &B, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        self.judge(cx);
    }

    fn on_contact(&mut self, _: &B, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }

    /// Says good-bye to some members at once, for the driver will stop this node. To wait until
    /// they have heard it, use [`Command::Leave`].
    fn on_leave(&mut self, below: &B, cx: &mut impl Context<Self>) {
        self.enter(below, cx);
        self.leave(0);
        let me = cx.me();
        for peer in self.members.choose(FAREWELLS, me, cx.rng()) {
            let page = self.page(None, cx);
            cx.send(peer, Message::Tell(page));
        }
    }

    fn on_command(
        &mut self,
        below: &B,
        Command::Leave(wanted): Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.enter(below, cx);
        self.leave(wanted);
        Ok(Receipt::default())
    }
}

impl<I, D, T, const U: usize> Peers for Heartbeats<I, D, T, U>
where
    I: PeerId,
    D: Detector,
    T: Profile,
{
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        self.members.sample(random)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.members.iter().for_each(|member| visit(member.peer, member.since));
    }

    fn degree(&self) -> usize {
        self.members.live()
    }
}

impl<I: PeerId, D: Detector, T: Profile, const U: usize> Profiles for Heartbeats<I, D, T, U> {
    type Profile = T;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &T)) {
        self.members.iter().for_each(|member| visit(member.peer, &member.profile.profile));
    }
}
