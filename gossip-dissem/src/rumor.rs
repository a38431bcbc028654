//! Rumor mongering: nodes that know a rumor tell random peers, until too many knew it already.
//!
//! Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, *Epidemic algorithms
//! for replicated database maintenance*, PODC 1987, sections 1.2 and 1.4 (complex epidemics):
//! push, pull and push-pull; feedback or blind, counter or coin; minimisation; direct mail.
//!
//! ```text
//! every round:   for each hot rumor: if somebody needed it, count = 0; else if a contact knew it,
//!                                    count += 1; if count = k, lose interest
//!                q = a random peer
//!                push: send q the hot rumors
//!                pull: ask q for its hot rumors, listing those known
//! on a rumor:    tell the sender whether it was needed; if so, deliver it, and it is hot
//! on a question: send the hot rumors that are not listed
//! minimised:     of two that spread a rumor already, who has the smaller count counts the contact
//! ```
//!
//! # What holds
//!
//! - The rumor stops by itself, and a share of the nodes, the residue, never hears of it: at 1000
//!   nodes .18, .037, .011 with push and k = 1, 2, 3; .012, .0002 with push-pull and k = 1, 2. Push
//!   sends -ln(residue) copies a node. Run anti-entropy behind it if all must know.
//! - Each node delivers a rumor at most once, whatever is lost, doubled or late: identifiers are
//!   remembered for at least `memory / intake` rounds, and no correct node passes on a rumor older
//!   than `age` rounds, which is less. A node's own rumors are never forgotten.
//! - Whatever peers send, a node holds at most `hot` rumors and `memory` identifiers, takes in at
//!   most `intake` rumors a round, `share` from one peer, and answers [`ASKERS`] questions.
//!
//! # Deviations from the paper
//!
//! - Feedback is a message, and may be lost; then the contact counts neither way. It must come back
//!   before the sender's next round, so the period must exceed the round trip.
//! - A question lists the rumors its sender knows, so that these are not sent; who asks and knows
//!   a rumor counts as the paper's useless answer. If the list is too short to hold them all, a
//!   known rumor is sent and its sender corrected.
//! - In push-pull a node's count moves at most once a round; the paper does not say. With this
//!   reading an independent simulation gives the same numbers as ours.
//! - Minimised, who has the larger count is not answered, since nothing is for it to count.
//! - Limits on connections, and hunting, are a matter of the peers below: who is called is theirs
//!   to say. A node that answers too many questions ignores the rest ([`ASKERS`]).
//! - Tables are bounded, and rumors die of age.

mod config;
mod hot;
mod message;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use gossip_core::{
    Bounded, Configured, Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, Wire,
};

pub use config::{Config, FANOUT_MAX, Interest, Style};
use hot::{Entry, Farewell, Hot};
pub use message::{Command, DIGEST, Ended, Event, Message};

use crate::post::{MessageId, Post};
use crate::seen::{Seen, Verdict};
use crate::spread::spreads;

/// Questions a node answers a round. One a round comes on average, and more than 16 with
/// probability 4e-15; more are ignored and counted, so that forged ones cost little. Our choice.
pub const ASKERS: usize = 16;

/// Rumors a node has sent since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In contacts of its own.
    pub pushed: u64,
    /// To questions.
    pub answered: u64,
    /// Not sent, because the question listed them. The paper's pull sends these, too.
    pub withheld: u64,
    /// In spare room.
    pub spared: u64,
    /// By direct mail.
    pub mailed: u64,
}

/// A node's part in rumor mongering: values `V` among peers `I`.
///
/// ```
/// use gossip_core::Blob;
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::rumor::{self, RumorMongering};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 20>,
///         #[uses(peers)]
///         news: RumorMongering<I, Blob<512>>,
///     }
/// }
///
/// let news = RumorMongering::new(Default::default())?;
/// let node = Node::new(Cyclon::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..200).map(|_| node.clone()), 7, Order::Sequential);
/// for node in 1..200 {
///     sim.contact(node, 0);
/// }
/// sim.run(20);
///
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// let news = Blob::new("the meeting is at noon")?;
/// sim.command(3, Command::news(rumor::Command::Publish(news)))?;
/// sim.run(20);
/// assert!(sim.events().take().count() > 190);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<I: PeerId, V: Wire> {
    config: Config,
    hot: Hot<I, V>,
    seen: Seen<I>,
    /// The names of the rumors that came last, this node's own included: what questions list.
    recent: VecDeque<MessageId<I>>,
    /// Peers contacted this round; a bit each in [`Hot`].
    contacts: Vec<I>,
    /// Peers that asked this round; a bit each in [`Hot`].
    askers: Vec<I>,
    traffic: Traffic,
}

/// Rumor mongering as a layer over any [`Peers`].
pub type RumorMongering<I, V> = State<I, V>;

impl<I: PeerId, V: Wire> Configured for State<I, V> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        Self::new(config)
    }
}

impl<I: PeerId, V: Wire> State<I, V> {
    /// Builds it from `config`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        Ok(Self {
            hot: Hot::new(config.hot, config.limits.age),
            seen: Seen::new(config.limits),
            recent: VecDeque::new(),
            contacts: Vec::new(),
            askers: Vec::new(),
            traffic: Traffic::default(),
            config,
        })
    }

    /// How many rumors are spread now.
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    /// Whether this node spreads the rumor `id` now.
    pub fn is_hot(&self, id: &MessageId<I>) -> bool {
        self.hot.get(id).is_some()
    }

    /// Whether this node knows the rumor `id`, as far as it remembers.
    pub fn knows(&self, id: &MessageId<I>) -> bool {
        self.is_hot(id) || self.seen.remembers(id)
    }

    /// How many identifiers of others' rumors are remembered.
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// What was sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Judges a rumor that `from` has sent, and takes it in if it is new.
    fn take_in(&mut self, from: I, rumor: Post<I, V>, cx: &mut impl Local<Self>) -> Verdict {
        let verdict = self.seen.judge(from, rumor.id, rumor.age, cx);
        if verdict == Verdict::New {
            self.spread(rumor, Some(from), cx);
        }
        verdict
    }

    /// Delivers a rumor that is new here, and spreads it.
    fn spread(&mut self, mut rumor: Post<I, V>, source: Option<I>, cx: &mut impl Local<Self>) {
        if source.is_some() {
            rumor.hops = rumor.hops.saturating_add(1);
        }
        let Post { id, hops, ref value, .. } = rumor;
        cx.emit(Event::Delivered { id, value: value.clone(), hops });
        if self.config.style.asks() {
            self.recent.truncate(DIGEST - 1);
            self.recent.push_front(id);
        }
        match self.hot.insert(rumor, source) {
            Some(false) => {}
            Some(true) => cx.count("hot rumor displaced"),
            None => cx.count("rumor not spread: the table is full of this node's own"),
        }
    }

    /// A round begins.
    fn settle(&mut self, cx: &mut impl Local<Self>) {
        for Farewell { id, sent, needed, why } in self.hot.settle(self.config.interest, cx.rng()) {
            cx.emit(Event::Ended { id, sent, needed, why });
        }
        self.seen.new_round();
        self.contacts.clear();
        self.askers.clear();
    }

    /// Sends the hot rumors to a peer contacted this round.
    fn push(&mut self, slot: usize, to: I, cx: &mut impl Context<Self>) {
        let weighs = self.config.style.weighs();
        for offer in self.hot.batch(self.config.batch, |_| true) {
            self.hot.send(&offer, |entry| entry.push(slot));
            self.traffic.pushed += 1;
            let (rumor, useless) = (offer.rumor, offer.useless);
            cx.send(to, if weighs { Message::Weigh(rumor, useless) } else { Message::Push(rumor) });
        }
    }

    /// The names of what this node knows: what it spreads, then what came last.
    fn digest(&self) -> Bounded<MessageId<I>, DIGEST> {
        let mut known = Bounded::new();
        known.fill(self.hot.newest().map(Entry::id));
        for &id in &self.recent {
            if !known.contains(&id) && known.push(id).is_err() {
                break;
            }
        }
        known
    }

    /// Sends `asker` the hot rumors it does not know.
    fn answer(
        &mut self,
        asker: I,
        known: &Bounded<MessageId<I>, DIGEST>,
        cx: &mut impl Context<Self>,
    ) {
        if self.askers.contains(&asker) {
            return cx.count("question repeated");
        }
        if self.askers.len() >= ASKERS {
            return cx.count("question ignored: too many this round");
        }
        let slot = self.askers.len();
        self.askers.push(asker);
        let listed = known.iter().enumerate().filter(|&(at, id)| !known[..at].contains(id));
        for (_, id) in listed {
            if let Some(entry) = self.hot.get_mut(id).filter(|entry| entry.active) {
                entry.meet_knower();
                self.traffic.withheld += 1;
            }
        }
        for offer in self.hot.batch(self.config.batch, |entry| !known.contains(&entry.id())) {
            self.hot.send(&offer, |entry| entry.answer(slot));
            self.traffic.answered += 1;
            cx.send(asker, Message::Answer(offer.rumor));
        }
    }

    /// `from` has pushed a rumor, and wants to know whether it was needed; if it tells its counter,
    /// only if the contact is its own to count.
    fn hear_push(
        &mut self,
        from: I,
        rumor: Post<I, V>,
        useless: Option<u16>,
        cx: &mut impl Context<Self>,
    ) {
        let id = rumor.id;
        let needed = match self.take_in(from, rumor, cx) {
            Verdict::New => true,
            Verdict::Known => self.came_from(from, &id),
            Verdict::Refused => return,
        };
        let weighed = useless.zip(self.hot.get_mut(&id));
        if needed || weighed.is_none_or(|(useless, entry)| entry.weigh(useless)) {
            cx.send(from, Message::Feedback { id, needed });
        }
    }

    fn hear_feedback(
        &mut self,
        from: I,
        id: MessageId<I>,
        needed: bool,
        cx: &mut impl Local<Self>,
    ) {
        let contact = self.contacts.iter().position(|&peer| peer == from);
        let asker = self.askers.iter().position(|&peer| peer == from);
        let awaited = self.hot.get_mut(&id).is_some_and(|entry| {
            contact.is_some_and(|slot| entry.hear_from_contact(slot, needed))
                || (!needed && asker.is_some_and(|slot| entry.hear_from_asker(slot)))
        });
        if !awaited {
            cx.count("feedback not awaited");
        }
    }

    /// Whether `id` came from `from` since the last round began: then a second copy of its message
    /// deserves the first one's answer.
    fn came_from(&self, from: I, id: &MessageId<I>) -> bool {
        self.hot.get(id).is_some_and(|entry| !entry.active && entry.source == Some(from))
    }

    fn publish<D: Peers<Id = I>>(
        &mut self,
        below: &D,
        (value, rounds): (V, Option<u16>),
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let age = self.seen.first_age(rounds)?;
        if !self.hot.takes_own() {
            return Err(Refusal::Full { limit: self.hot.own_limit() });
        }
        let id = self.seen.name(cx);
        let rumor = Post { id, hops: 0, age, value };
        self.spread(rumor.clone(), None, cx);
        let mut mailed = 0;
        below.for_each(|peer, _| {
            if mailed < self.config.mail {
                mailed += 1;
                cx.send(peer, Message::Spare(rumor.clone()));
            }
        });
        self.traffic.mailed += mailed as u64;
        Ok(Receipt::attempted(mailed as u32))
    }

    /// Makes a rumor that came another way hot, be it known or not.
    fn reheat(
        &mut self,
        mut rumor: Post<I, V>,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        if self.is_hot(&rumor.id) {
            return Ok(Receipt::default());
        }
        rumor.age = 0;
        if !self.seen.knows(cx.me(), &rumor.id) {
            self.seen.remember(rumor.id, cx);
        }
        match self.hot.insert(rumor, Some(cx.me())) {
            Some(displaced) => {
                if displaced {
                    cx.count("hot rumor displaced");
                }
                Ok(Receipt::default())
            }
            None => Err(Refusal::Full { limit: self.hot.limit() }),
        }
    }
}

spreads!(Event::Ended { .. });

impl<I: PeerId, V: Wire> Protocol for State<I, V> {
    type Id = I;
    type Message = Message<I, V>;
    type Event = Event<I, V>;
    type Command = Command<I, V>;
}

impl<I: PeerId, V: Wire, D: Peers<Id = I>> Layer<D> for State<I, V> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.settle(cx);
        let Config { style, fanout, .. } = self.config;
        if !style.asks() && self.hot.len() == 0 {
            return;
        }
        // Twice, since a small view may offer the same peer again.
        for _ in 0..2 * fanout {
            if self.contacts.len() == fanout {
                break;
            }
            let Some(peer) = below.sample(cx.rng()) else { break };
            if !self.contacts.contains(&peer) {
                let slot = self.contacts.len();
                self.contacts.push(peer);
                if style.pushes() {
                    self.push(slot, peer, cx);
                }
                if style.asks() {
                    cx.send(peer, Message::Ask(self.digest()));
                }
            }
        }
        if self.contacts.is_empty() {
            cx.count("no peer to contact");
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Push(rumor) => self.hear_push(from, rumor, None, cx),
            Message::Weigh(rumor, useless) => self.hear_push(from, rumor, Some(useless), cx),
            Message::Feedback { id, needed } => self.hear_feedback(from, id, needed, cx),
            Message::Ask(known) => self.answer(from, &known, cx),
            Message::Answer(rumor) => {
                let id = rumor.id;
                // What has come since this node asked was not known when it did.
                let since = self.hot.get(&id).is_some_and(|entry| !entry.active);
                let known = matches!(self.take_in(from, rumor, cx), Verdict::Known);
                if known && !since && self.contacts.contains(&from) {
                    cx.send(from, Message::Feedback { id, needed: false });
                }
            }
            Message::Spare(rumor) => {
                self.take_in(from, rumor, cx);
            }
        }
    }

    fn on_leave(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let Some(heir) = below.sample(cx.rng()) else { return };
        for entry in self.hot.newest().take(self.config.batch) {
            cx.send(heir, Message::Spare(self.hot.post(entry)));
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Publish(value) => self.publish(below, (value, None), cx),
            Command::PublishFor { value, rounds } => self.publish(below, (value, Some(rounds)), cx),
            Command::Reheat(rumor) => self.reheat(rumor, cx),
        }
    }

    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        // Who is contacted anyway gets the rumors so, and says what it thinks of them.
        if !self.config.piggyback || self.contacts.contains(&to) {
            return;
        }
        let asker = self.askers.iter().position(|&peer| peer == to);
        let known = |entry: &Entry<I, V>| {
            entry.source == Some(to) || asker.is_some_and(|slot| entry.has_answered(slot))
        };
        for offer in self.hot.batch(self.config.batch, |entry| !known(entry)) {
            // One byte says which message it is.
            if offer.rumor.encoded_len() < cx.room(to) {
                self.hot.send(&offer, |_| {});
                self.traffic.spared += 1;
                cx.send(to, Message::Spare(offer.rumor));
            }
        }
    }
}
