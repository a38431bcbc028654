//! Fireflies: full membership among members some of which lie.
//!
//! Johansen, Allavena, van Renesse, *Fireflies: scalable support for intrusion-tolerant network
//! overlays*, EuroSys 2006; *Fireflies: a secure and scalable membership and gossip service*, ACM
//! TOCS 33(2), 2015.
//!
//! ```text
//! k = 2t + 1 rings: each a pseudo-random order of all members
//! every period: ping the successor on each ring; one that does not answer is accused
//! accusation:   (accuser, accused, epoch, ring), signed; valid if the accuser is the predecessor
//!               of the accused on that ring among those not removed, the epoch is that of the
//!               accused's note, and the note does not disable that ring
//! accused:      signs a note with a higher epoch, which disables that ring; at most t in all
//! not rebutted within 2 Delta: removed, until a note with a higher epoch is heard
//! every period: news to some members, neighbours on rings among them; a digest of what is known
//!               to one, who sends what is lacking
//! ```
//!
//! # What holds
//!
//! Against members that lie as they like, alone or together, as long as no correct member has more
//! than t lying predecessors among its 2t + 1 ([`tolerated`] says for which t that is likely), and
//! news reach all correct members within Delta:
//!
//! - Nobody can speak for another: notes, accusations and answers to pings are signed, and members
//!   admitted by an authority, which also draws their places on the rings.
//! - A correct member is not removed for good. Only its predecessors' accusations count; it rebuts
//!   each, and disables the rings of those that go on.
//! - A crashed member is removed from every correct view within its detection and 2 Delta and the
//!   gossip: of t + 1 rings at least that are not disabled, one has a correct predecessor.
//! - What is replayed is void: notes have epochs, accusations name them, answers bear numbers.
//! - Who passes nothing on delays: the neighbours on rings connect the correct ones.
//!
//! What does not hold: a member of a correct majority's view may lie on anything but this; a member
//! with more than t lying predecessors can be kept removed half of the time or more; who is made to
//! sign a note in each period costs everybody's bandwidth, since that is what refutation takes;
//! liars choose whether to be seen as alive; where the network is cut for longer than 2 Delta, both
//! sides remove each other, and come together again afterwards. Within 2 Delta of an accusation a
//! member counts as one, and is given to layers above.
//!
//! Known limits: an answer to a ping is 70 bytes for 6, an answer to a digest up to 8 datagrams,
//! an answer to an accusation that is over twice its length, to the addresses of members only, and
//! of these to 64 in a round; an address keeps its key until its member is forgotten. Measured with
//! a fifth that accuses everybody on all rings, for a minute and then while five crash: no correct
//! member is removed among 256 where 5 % of all datagrams are lost, nor among 512 without loss,
//! where each sends 20 kB a second. Five that crash are removed everywhere after 26 to 29 s among
//! 256, but after 55 s among 512: news of them wait behind those of all who rebut.
//!
//! # Deviations from the paper
//!
//! - Pings are not adaptive: a fixed number of misses in a row ([`Probes`]).
//! - Which rings are disabled when more than t have accused: the latest t.
//! - An accusation by who is no predecessor in the accused's own view, which others may see
//!   differently, is rebutted once three members in a row show it that were chosen at random: else
//!   liars could have everybody sign notes as fast as they are spread. Who was removed here is
//!   believed at once, but once in four Delta.
//! - In its second Delta who is accused is shown the accusation, and answers with its note.
//! - Who asks is shown what it is accused of itself; whom it holds accused is rebutted first.
//! - Who has removed a member whose accuser is gone, and is its predecessor now, accuses it in
//!   turn,
//!   so that late ones learn of it.
//! - Certificates bind an address to a key; members are named by their addresses.

mod config;
mod judge;
mod message;
pub(crate) mod note;
mod rings;
mod spread;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

pub use config::Config;
pub use message::{Digest, Message, News};
use message::{MessageOf, NoteOf};
pub use note::{Accusation, Certificate, Note};
pub use rings::{Rings, tolerated};

use super::detector::{Detector, Probes, Questions};
use super::event::Event;
use super::members::{Member, Members};
use super::message::Command;
use super::own::{Leaving, Own};
use super::snapshot::{Entry, Snapshot};
use super::state::Standing;
use crate::auth::{Signer, Verifier};
use crate::error::ParameterError;
use crate::id::PeerId;
use crate::pace::Pace;
use crate::peers::Peers;
use crate::protocol::{Context, Layer, Protocol, Receipt, Refusal};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::time::Time;

type AccusationOf<I, A> = Accusation<I, <A as Verifier>::Signature>;
type CertificateOf<I, A> = Certificate<I, <A as Verifier>::Key, <A as Verifier>::Signature>;

/// Rounds after which a node that leaves waits no longer, plus three for each member that is to
/// know. Our choice.
const LINGER: u16 = 10;

/// Members told at once by a node that leaves without waiting. Our choice.
const FAREWELLS: usize = 16;

/// Members that see this node's note in a round because they have shown what it is accused of, and
/// the most that it asks in one: who doubts asks once in Delta / 2, five rounds by default, so that
/// these are those of some 300. Our choice.
const ANSWERS: usize = 64;

/// What is kept of a member beside its standing.
#[derive(Clone, Debug)]
struct Held<I: PeerId, A: Signer> {
    note: NoteOf<I, A>,
    /// The first that was valid since the note.
    accusation: Option<AccusationOf<I, A>>,
    /// When it is removed, if it is accused; when it has left, if it has.
    deadline: Time,
    /// How often the note was told, and the accusation.
    told: u8,
    told_of: u8,
    /// How often it was asked what it has to say to the accusation.
    asked: u8,
}

/// A successor.
#[derive(Clone, Debug)]
struct Watched {
    record: Questions,
    /// The number of the latest ping.
    number: u32,
    /// The first ring on which it is the successor, and does not disable.
    ring: u8,
}

/// The bit of a ring.
const fn bit(ring: u8) -> u128 {
    1 << (ring % 128)
}

/// Full membership of nodes `I`, whose signatures are `A`'s.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::auth::{Authority, Signer};
/// use gossip_core::membership::State;
/// use gossip_core::membership::fireflies::{Certificate, Config, Fireflies};
/// use gossip_core::random::Key;
/// use gossip_core::sim::event::{self, Simulation};
/// use gossip_core::sim::link::Network;
/// use core::time::Duration;
///
/// let world = Authority::new(42);
/// let authority = world.signer(u32::MAX);
/// let make = move |at| {
///     let (signer, number) = (world.signer(at), Key::new(42).random(at.into()).next_u64());
///     let certificate = Certificate::issue(&authority, at, signer.key(), number);
///     Fireflies::new(Config::new(authority.key(), 3), signer, certificate).unwrap()
/// };
/// let mut sim = Simulation::new(20, make, Network::default(), event::Config::seeded(1))?;
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.run_for(Duration::from_secs(30));
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 19));
///
/// sim.crash(7);
/// sim.run_for(Duration::from_secs(40));
/// assert!(sim.nodes().all(|(_, node)| node.standing(7).unwrap().state == State::Dead));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fireflies<I: PeerId, A: Signer> {
    config: Config<A::Key>,
    signer: A,
    certificate: CertificateOf<I, A>,
    rings: Rings,
    detector: Probes,
    /// Misses in a row that are too many.
    line: usize,
    own: Own<()>,
    /// This node's note, and how often it was told.
    note: Option<NoteOf<I, A>>,
    told: u8,
    /// Rings that it disables, for longest first.
    disabled: Vec<u8>,
    /// Rings on which a predecessor accuses it.
    accused: u128,
    /// Who has been asked what this node lacks, and has shown nothing so far of what follows.
    asked: Option<I>,
    /// How many asked in a row have shown that somebody else accuses it.
    witnesses: u8,
    /// When it rebutted last what one told that it had removed.
    rejoined: Option<Time>,
    /// Who is to see this node's note.
    answer: ArrayVec<I, ANSWERS>,
    members: Members<I, Held<I, A>>,
    /// The successors, as of the change of this number.
    watched: BTreeMap<I, Watched>,
    watched_at: Option<u64>,
    /// Up to whom the latest digest went.
    cursor: Option<I>,
    contact: Contact<I>,
    recontacts: Pace,
    /// The latest call, to tell when this node slept.
    last: Option<Time>,
    /// Nothing is due before.
    earliest: Time,
    /// Members that know that it leaves.
    aware: Vec<I>,
    changes: u64,
}

impl<I: PeerId, A: Signer> Fireflies<I, A> {
    /// A node that knows nobody yet, admitted by this certificate.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds: a certificate must be signed by the authority,
    /// for this signer's key.
    pub fn new(
        config: Config<A::Key>,
        signer: A,
        certificate: CertificateOf<I, A>,
    ) -> Result<Self, ParameterError> {
        let (rings, detector, line) = config.check()?;
        let admitted = certificate.key == signer.key();
        let admitted = admitted && certificate.verify(&signer, &config.authority);
        ParameterError::new("certificate", f64::from(u8::from(admitted)), "valid", "1: valid")
            .unless(admitted)?;
        Ok(Self {
            own: Own::new(config.epoch),
            config,
            signer,
            certificate,
            rings,
            detector,
            line,
            note: None,
            told: 0,
            disabled: Vec::new(),
            accused: 0,
            asked: None,
            witnesses: 0,
            rejoined: None,
            answer: ArrayVec::new(),
            members: Members::new(),
            watched: BTreeMap::new(),
            watched_at: None,
            cursor: None,
            contact: Contact::none(),
            recontacts: Pace::new(),
            last: None,
            earliest: Time::NEVER,
            aware: Vec::new(),
            changes: 0,
        })
    }

    /// What is held of `peer`; `None` for strangers and for this node itself.
    pub fn standing(&self, peer: I) -> Option<Standing> {
        self.members.find(peer).map(|slot| self.standing_at(slot))
    }

    /// Everybody known, removed and left ones included, in order of identifiers.
    pub fn known(&self) -> impl Iterator<Item = (I, Standing)> {
        self.members.beyond(None).map(|(_, member)| (member.peer, member.standing))
    }

    /// All that is known, to keep.
    pub fn snapshot(&self) -> Snapshot<I, ()> {
        let entry = |(_, member): (u32, &Member<I, Held<I, A>>)| Entry {
            peer: member.peer,
            standing: member.standing,
            profile: (),
            since: member.since,
        };
        Snapshot { version: self.changes, members: self.members.beyond(None).map(entry).collect() }
    }

    /// The latest note of `peer`.
    pub fn note(&self, peer: I) -> Option<&NoteOf<I, A>> {
        self.members.find(peer).map(|slot| &self.members.at(slot).profile.note)
    }

    /// This node's own epoch.
    pub const fn epoch(&self) -> u32 {
        self.own.incarnation
    }

    /// The rings on which this node is not to be accused.
    pub fn disabled(&self) -> &[u8] {
        &self.disabled
    }

    /// Whom this node watches: its successors.
    pub fn watched(&self) -> impl ExactSizeIterator<Item = I> {
        self.watched.keys().copied()
    }

    /// Whether it has said good-bye, or is about to.
    pub const fn has_left(&self) -> bool {
        self.own.leaving.is_some()
    }

    fn standing_at(&self, slot: u32) -> Standing {
        self.members.at(slot).standing
    }

    fn lives(&self, peer: I) -> bool {
        self.standing(peer).is_some_and(|standing| standing.state.is_member())
    }

    /// Names and numbers of all that are not removed, this node not included.
    fn live(&self) -> impl Iterator<Item = (I, u64)> + Clone {
        self.members.iter().map(|one| (one.peer, one.profile.note.certificate.number))
    }

    /// Before anything else: has a note, and knows whether it slept.
    fn enter(&mut self, cx: &mut impl Context<Self>) {
        if let Some(epoch) = self.own.reserve() {
            cx.emit(Event::Reserve(epoch));
        }
        if self.note.is_none() {
            self.speak(cx);
        }
        let (now, before) = (cx.now(), self.last.unwrap_or(cx.now()));
        self.last = Some(now.max(before));
        let asleep = now.since(before);
        if asleep < self.config.period * 2 {
            return;
        }
        cx.count("slept");
        for watched in self.watched.values_mut() {
            watched.record = self.detector.begin(now);
        }
        let slots: Vec<u32> = self.members.beyond(None).map(|(slot, _)| slot).collect();
        for slot in slots {
            let held = &mut self.members.at_mut(slot).profile;
            held.deadline = held.deadline + asleep;
        }
    }

    /// The successor on each ring is watched, unless it disables that ring.
    fn choose(&mut self, cx: &mut impl Context<Self>) {
        if self.watched_at == Some(self.changes) || self.own.leaving.is_some() {
            return;
        }
        self.watched_at = Some(self.changes);
        self.inherit(cx);
        let mut before = core::mem::take(&mut self.watched);
        let successors = self.rings.successors(self.certificate.number, &self.live());
        for (ring, peer) in (0..).zip(successors) {
            let open = self.note(peer).is_some_and(|note| !note.disables(ring));
            if !open || self.watched.contains_key(&peer) {
                continue;
            }
            let fresh = || Watched { record: self.detector.begin(cx.now()), number: 0, ring };
            let watched = before.remove(&peer).unwrap_or_else(fresh);
            self.watched.insert(peer, Watched { ring, ..watched });
        }
    }

    /// Who is watched is pinged.
    fn ping(&mut self, cx: &mut impl Context<Self>) {
        for (&peer, watched) in &mut self.watched {
            watched.number = cx.rng().next_u64() as u32;
            self.detector.asked(&mut watched.record, cx.now());
            self.earliest = self.earliest.min(self.detector.due(&watched.record, self.line));
            cx.send(peer, Message::Ping(watched.number));
        }
    }

    /// `from` answers a ping.
    fn on_pong(
        &mut self,
        from: I,
        number: u32,
        signature: &A::Signature,
        cx: &mut impl Context<Self>,
    ) {
        let key = self.note(from).map(|note| note.certificate.key);
        let asked = self.watched.get_mut(&from).filter(|watched| watched.number == number);
        let (Some(watched), Some(key)) = (asked, key) else {
            return cx.count("answer to no question");
        };
        if self.signer.verify(&key, &note::pong(number, cx.me(), from), signature) {
            self.detector.heard(&mut watched.record, cx.now());
        } else {
            cx.count("bad pong");
        }
    }

    /// Notes and accusations, which prove themselves: from members, and from who tells its own.
    fn on_news(&mut self, from: I, news: message::NewsOf<I, A>, cx: &mut impl Context<Self>) {
        let own = news.notes.iter().find(|note| note.address() == from).copied();
        if self.members.find(from).is_none() && own.is_none() {
            return cx.count("news from a stranger");
        }
        for note in news.notes {
            self.take_note(from, note, cx);
        }
        for accusation in news.accusations {
            self.take_accusation(from, accusation, cx);
        }
        if own.is_some_and(|note| note.left && self.note(from) == Some(&note)) {
            cx.send(from, Message::Heard);
        }
    }

    /// `from` knows that this node leaves.
    fn on_heard(&mut self, from: I, cx: &mut impl Context<Self>) {
        let most = self.own.leaving.map_or(0, |leaving| usize::from(leaving.wanted));
        let known = self.lives(from) && !self.aware.contains(&from);
        if known && self.aware.len() < most {
            self.aware.push(from);
        } else {
            cx.count("answer to no question");
        }
    }

    /// The contact, at a decaying rate, and now and then one that was removed, hear of this node.
    fn reach_out(&mut self, cx: &mut impl Context<Self>) {
        let alone = self.members.live() == 0;
        if let Some(contact) = self.contact.ask(cx.me(), alone, cx.round()) {
            Self::show(contact, self.note, None, cx);
            self.ask(contact, cx);
        }
        let most = self.config.recontact.min(if alone { 1 } else { u16::MAX });
        let gone = self.members.buried() > 0;
        if gone && self.recontacts.due(most, cx.round(), cx.rng()) {
            let Some(slot) = self.members.some_dead(cx.rng()) else { return };
            let (peer, said) =
                (self.members.at(slot).peer, self.members.at(slot).profile.accusation);
            Self::show(peer, self.note, said, cx);
        }
    }

    /// Once a round while this node leaves.
    fn linger(&mut self, cx: &mut impl Context<Self>) {
        let alone = self.members.live() == 0;
        let aware = self.aware.len() as u8;
        let Some(leaving) = &mut self.own.leaving else { return };
        leaving.patience = leaving.patience.saturating_sub(1);
        leaving.acknowledged = aware;
        let done = aware >= leaving.wanted || leaving.patience == 0 || alone;
        if done && !leaving.told {
            leaving.told = true;
            cx.emit(Event::Gone(aware));
        }
        if let Some(peer) = self.members.sample(cx.rng()) {
            Self::show(peer, self.note, None, cx);
        }
    }

    /// From now on this node has left, and waits for `wanted` members to know.
    fn leave(&mut self, wanted: u8, cx: &mut impl Context<Self>) {
        if self.own.leaving.is_none() {
            let patience = LINGER + 3 * u16::from(wanted);
            let leaving = Leaving { wanted, acknowledged: 0, patience, told: false };
            self.own.leaving = Some(leaving);
            self.own.incarnation = self.own.incarnation.saturating_add(1);
            self.speak(cx);
            self.watched.clear();
            self.plan();
        }
    }
}

impl<I: PeerId, A: Signer> Protocol for Fireflies<I, A> {
    type Id = I;
    type Message = MessageOf<I, A>;
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

impl<I: PeerId, A: Signer, D: ?Sized> Layer<D> for Fireflies<I, A> {
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.enter(cx);
        self.rebut(cx);
        self.explain(cx);
        self.judge(cx);
        self.question(cx);
        self.ping(cx);
        self.gossip(cx);
        self.reach_out(cx);
        self.linger(cx);
    }

    fn on_message(
        &mut self,
        _: &D,
        from: I,
        message: MessageOf<I, A>,
        cx: &mut impl Context<Self>,
    ) {
        self.enter(cx);
        if from == cx.me() {
            return cx.count("message from itself");
        }
        match message {
            Message::Ping(number) => {
                let signature = self.signer.sign(&note::pong(number, from, cx.me()));
                cx.send(from, Message::Pong(number, signature));
            }
            Message::Pong(number, signature) => self.on_pong(from, number, &signature, cx),
            Message::News(news) => self.on_news(from, news, cx),
            Message::Digest(digest) => self.answer(from, &digest, cx),
            Message::Heard => self.on_heard(from, cx),
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.enter(cx);
        self.judge(cx);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }

    /// Says good-bye to some members at once, for the driver will stop this node. To wait until
    /// they have heard it, use [`Command::Leave`].
    fn on_leave(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.enter(cx);
        self.leave(0, cx);
        let me = cx.me();
        for peer in self.members.choose(FAREWELLS, me, cx.rng()) {
            Self::show(peer, self.note, None, cx);
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        Command::Leave(wanted): Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.enter(cx);
        self.leave(wanted, cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId, A: Signer> Peers for Fireflies<I, A> {
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
