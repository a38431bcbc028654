//! Validation before forwarding: nothing is taken in, delivered or passed on before it was judged.
//!
//! Not a protocol: a decorator around any layer whose messages [carry](crate::Carries)
//! publications. A [`Judge`] says at once what is to become of each; or that the owner is to be
//! asked, who may answer later, as gossipsub's validators may.
//!
//! ```text
//! on a message that carries m:  known below: hand it down. judged: do as was judged.
//!                               waiting: keep the copy. otherwise: judge m:
//!     accept:  hand it down        reject, ignore:  drop it, and remember that
//!     shed:    drop it             later:           keep it, and ask the owner
//! owner accepts:                hand down the copies, so many rounds older, in the order they came
//! ```
//!
//! # What holds
//!
//! - The layer below never hears of what was not accepted, and so nobody hears of it from there.
//! - Each content under a name is judged once, as long as `memory` lasts. What is forged under the
//!   name of something good does not stand in its way: verdicts are for a name and a content.
//! - At most `pending` publications wait, half of them from one peer, each for at most `patience`
//!   rounds; of each, at most [`COPIES`] copies are kept, so that the layer below learns who sent
//!   it (Plumtree prunes by that). What is dropped is counted by cause.
//! - What a node publishes itself is judged, too, but not by the owner.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Protocol, Receipt, Refusal, Round, Time, Wire,
    id, message,
};

#[cfg(feature = "hash")]
pub use crate::judge::Distinct;
pub use crate::judge::{Admit, Ask, Judge, RANK_MAX, Rank, Verdict, Within};
use crate::post::MessageId;
use crate::spread::{
    Carried, Carries, Delivery, Publish, Spread, Told, at_least_one, decorates, hands_on,
    spreads_on,
};

/// Copies of one publication that are kept while it waits. Our choice.
pub const COPIES: usize = 8;

/// Bounds on what waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Publications that wait for the owner's verdict; half of them may come from one peer.
    pub pending: usize,
    /// Rounds that one waits; then it is dropped, and may be asked about again.
    pub patience: u16,
    /// Verdicts that are remembered.
    pub memory: usize,
}

impl Default for Config {
    /// 256 that wait, for 8 rounds; 8192 verdicts, as many as the protocols remember identifiers.
    /// Our choice.
    fn default() -> Self {
        Self { pending: 256, patience: 8, memory: 8_192 }
    }
}

impl Config {
    fn check(&self) -> Result<(), ParameterError> {
        at_least_one(&[
            ("pending", self.pending, "publications"),
            ("patience", usize::from(self.patience), "rounds"),
            ("memory", self.memory, "verdicts"),
        ])
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<V: Wire> {
        /// Spread this. It is refused if the judge rejects or ignores it.
        Publish(Publish<V>),
        /// What is to become of what was asked about under this number. Only
        /// [`Accept`](Verdict::Accept), [`Reject`](Verdict::Reject) and
        /// [`Ignore`](Verdict::Ignore) are answers.
        Answer(u64, Verdict),
    }
}

impl<V: Wire> Command<V> {
    const fn publish(value: V, rounds: Option<u16>) -> Self {
        Self::Publish(Publish { value, rounds })
    }
}

/// What only this decorator tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<I: PeerId, V> {
    /// What is to become of this? Answer with [`Command::Answer`].
    Asked {
        /// The number to answer with.
        number: u64,
        /// Who sent it.
        from: I,
        /// What.
        post: Delivery<I, V>,
    },
    /// No answer came in time; it is dropped.
    Unanswered {
        /// The number.
        number: u64,
    },
    /// This was rejected: whoever sent it passes on what no honest node does.
    Rejected {
        /// Who sent it.
        from: I,
        /// Its name.
        id: MessageId<I>,
    },
}

/// A name, and the digest of what is said under it.
type Claim<I> = (MessageId<I>, u64);

type Waiting<L> = Pending<<L as Protocol>::Id, <L as Protocol>::Message>;

/// A publication that waits.
#[derive(Clone, Debug)]
struct Pending<I: PeerId, M> {
    since: Round,
    /// Who sent it, and the message, in the order in which they came.
    copies: Vec<(I, M)>,
}

/// Judges what `L` takes in.
///
/// ```
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::validate::{Validated, Verdict};
/// use gossip_dissem::Carried;
///
/// type Post<'a> = Carried<'a, u32, u64>;
/// let even = |_from: u32, post: Post<'_>, _round| match post.value % 2 {
///     0 => Verdict::Accept,
///     _ => Verdict::Reject,
/// };
/// let news = Plumtree::<u32, u64>::new(Default::default())?;
/// let news = Validated::new(news, even, Default::default())?;
/// assert_eq!(news.pending(), 0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Validated<L: Carries, J> {
    inner: L,
    judge: J,
    config: Config,
    pending: BTreeMap<Claim<L::Id>, Waiting<L>>,
    /// What waits, in the order in which it came.
    numbers: BTreeMap<u64, Claim<L::Id>>,
    asked: u64,
    judged: BTreeMap<Claim<L::Id>, bool>,
    order: VecDeque<Claim<L::Id>>,
    /// Makes digests this node's own, so that nobody can prepare two contents with the same.
    salt: Option<u64>,
}

decorates!([L: Carries, J: Judge<L::Id, L::Value>] Validated<L, J>, L);
spreads_on!(
    [L: Carries, J: Judge<L::Id, L::Value>] Validated<L, J>, L, L::Value, Command::publish
);

impl<L: Carries, J: Judge<L::Id, L::Value>> Validated<L, J> {
    /// Has `judge` look at what comes to `inner`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(inner: L, judge: J, config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        Ok(Self {
            inner,
            judge,
            config,
            pending: BTreeMap::new(),
            numbers: BTreeMap::new(),
            asked: 0,
            judged: BTreeMap::new(),
            order: VecDeque::new(),
            salt: None,
        })
    }

    /// How many publications wait for a verdict.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many verdicts are remembered.
    pub fn judged(&self) -> usize {
        self.judged.len()
    }

    fn hear(_: &mut Self, event: L::Event, cx: &mut impl Local<Self>) {
        cx.emit(match L::delivery(event) {
            Ok(delivery) => Told::Delivered(delivery),
            Err(event) => Told::Below(event),
        });
    }

    /// `id`, and a digest of `value` that only this node can make.
    fn claim(
        &mut self,
        id: MessageId<L::Id>,
        value: &L::Value,
        cx: &mut impl Local<Self>,
    ) -> Claim<L::Id> {
        let salt = *self.salt.get_or_insert_with(|| cx.rng().next_u64());
        let mut bytes = salt.to_le_bytes().to_vec();
        value.encode(&mut bytes);
        (id, id::hash(&bytes))
    }

    fn remember(&mut self, claim: Claim<L::Id>, accepted: bool) {
        if self.judged.insert(claim, accepted).is_some() {
            return;
        }
        self.order.push_back(claim);
        if self.order.len() > self.config.memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.judged.remove(&oldest);
        }
    }

    /// Whether `message` may be handed down now; if not, it was dropped or kept.
    fn admit(&mut self, from: L::Id, message: &L::Message, cx: &mut impl Local<Self>) -> bool {
        let Some(post) = L::carried(message) else { return true };
        if self.inner.knows_id(cx.me(), &post.id) {
            return true;
        }
        let claim = self.claim(post.id, post.value, cx);
        if let Some(&accepted) = self.judged.get(&claim) {
            if !accepted {
                cx.count("refused before");
            }
            return accepted;
        }
        if let Some(waiting) = self.pending.get_mut(&claim) {
            let new = waiting.copies.iter().all(|copy| copy.0 != from);
            if new && waiting.copies.len() < COPIES {
                waiting.copies.push((from, message.clone()));
            }
            cx.count("waits for its verdict");
            return false;
        }
        match self.judge.judge(from, post, cx.round()) {
            Verdict::Accept => {
                self.remember(claim, true);
                return true;
            }
            Verdict::Later => self.ask(from, claim, message, cx),
            Verdict::Shed => cx.count("shed: not now"),
            verdict => self.refuse(from, claim, verdict, cx),
        }
        false
    }

    /// Drops what was rejected or ignored.
    fn refuse(
        &mut self,
        from: L::Id,
        claim: Claim<L::Id>,
        verdict: Verdict,
        cx: &mut impl Local<Self>,
    ) {
        self.remember(claim, false);
        if verdict == Verdict::Reject {
            cx.count("rejected");
            cx.emit(Told::Note(Note::Rejected { from, id: claim.0 }));
        } else {
            cx.count("ignored");
        }
    }

    /// Keeps what came, and asks the owner about it.
    fn ask(
        &mut self,
        from: L::Id,
        claim: Claim<L::Id>,
        message: &L::Message,
        cx: &mut impl Local<Self>,
    ) {
        let Some(Carried { id, hops, value, .. }) = L::carried(message) else { return };
        let first = |one: &&Waiting<L>| one.copies.first().map(|copy| copy.0);
        let share = self.pending.values().filter(|one| first(one) == Some(from)).count();
        if self.pending.len() >= self.config.pending || share >= self.config.pending.div_ceil(2) {
            return cx.count("shed: too many wait for a verdict");
        }
        let number = self.asked;
        self.asked += 1;
        let post = Delivery { id, value: value.clone(), hops };
        cx.emit(Told::Note(Note::Asked { number, from, post }));
        let copies = [(from, message.clone())].to_vec();
        self.inner.hold_back(&id, true);
        self.pending.insert(claim, Pending { since: cx.round(), copies });
        self.numbers.insert(number, claim);
    }

    /// Drops what has waited too long.
    fn expire(&mut self, cx: &mut impl Local<Self>) {
        let long = Round::from(self.config.patience);
        while let Some((&number, claim)) = self.numbers.first_key_value() {
            let since = self.pending.get(claim).map(|waiting| waiting.since);
            if since.is_some_and(|since| cx.round().wrapping_sub(since) < long) {
                break;
            }
            self.inner.hold_back(&claim.0, false);
            self.pending.remove(claim);
            self.numbers.remove(&number);
            cx.count("no verdict in time");
            cx.emit(Told::Note(Note::Unanswered { number }));
        }
    }

    /// The owner's answer to question `number`.
    fn answer<D: ?Sized>(
        &mut self,
        below: &D,
        (number, verdict): (u64, Verdict),
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal>
    where
        L: Layer<D>,
    {
        if matches!(verdict, Verdict::Later | Verdict::Shed) {
            return Err(Refusal::Invalid("an answer is to accept, to reject or to ignore"));
        }
        let claim = self.numbers.remove(&number);
        let waiting = claim.and_then(|claim| Some((claim, self.pending.remove(&claim)?)));
        let Some((claim, waiting)) = waiting else {
            return Err(Refusal::Invalid("nothing waits under this number any more"));
        };
        self.inner.hold_back(&claim.0, false);
        if verdict != Verdict::Accept {
            if let Some(copy) = waiting.copies.first() {
                self.refuse(copy.0, claim, verdict, cx);
            }
            return Ok(Receipt::default());
        }
        self.remember(claim, true);
        let held = cx.round().wrapping_sub(waiting.since);
        let held = u16::try_from(held).unwrap_or(u16::MAX);
        for (from, mut message) in waiting.copies {
            L::grow_older(&mut message, held);
            self.with(cx, |inner, cx| inner.on_message(below, from, message, cx));
        }
        Ok(Receipt::default())
    }
}

impl<L: Carries, J: Judge<L::Id, L::Value>> Protocol for Validated<L, J> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, L::Value, Note<L::Id, L::Value>, L::Event>;
    type Command = Command<L::Value>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L, J> Layer<D> for Validated<L, J>
where
    L: Carries + Layer<D>,
    J: Judge<L::Id, L::Value>,
{
    hands_on!(L, D);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.expire(cx);
        self.with(cx, |inner, cx| inner.on_round(below, cx));
    }

    fn on_message(
        &mut self,
        below: &D,
        from: L::Id,
        message: L::Message,
        cx: &mut impl Context<Self>,
    ) {
        if self.admit(from, &message, cx) {
            self.with(cx, |inner, cx| inner.on_message(below, from, message, cx));
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Answer(number, verdict) => self.answer(below, (number, verdict), cx),
            Command::Publish(Publish { value, rounds }) => {
                let (me, round) = (cx.me(), cx.round());
                let id = self.next_id(cx);
                let post = Carried { id, hops: 0, age: 0, value: &value };
                match self.judge.judge(me, post, round) {
                    Verdict::Accept | Verdict::Later => {}
                    Verdict::Shed => return Err(Refusal::Invalid("the judge sheds it: not now")),
                    _ => return Err(Refusal::Invalid("the judge refuses it")),
                }
                let command = L::publish(value, rounds);
                self.with(cx, |inner, cx| inner.on_command(below, command, cx))
            }
        }
    }
}

impl<L: Carries, J: Judge<L::Id, L::Value>> Carries for Validated<L, J> {
    fn carried(message: &L::Message) -> Option<Carried<'_, L::Id, L::Value>> {
        L::carried(message)
    }

    fn grow_older(message: &mut L::Message, rounds: u16) {
        L::grow_older(message, rounds);
    }

    fn knows_id(&self, me: L::Id, id: &MessageId<L::Id>) -> bool {
        self.inner.knows_id(me, id)
    }

    fn hold_back(&mut self, id: &MessageId<L::Id>, on: bool) {
        self.inner.hold_back(id, on);
    }
}
