//! The commonest protocol: one request and one reply.
//!
//! Toy versions of it get the same things wrong: they accept a late reply for a newer request,
//! they answer while an exchange of their own is half done and so destroy mass, or they wait for
//! ever. [`Pairwise`] gets them right in one place; a protocol writes only what is exchanged.
//!
//! What is lost with a lost *reply* cannot be got back: the responder has changed and the
//! initiator has not. Two generals cannot agree; [`Exchange::abandon`] is where a protocol hears
//! of it, and the count `no reply` says how often.

use core::ops::Deref;
use core::time::Duration;

use crate::error::ParameterError;
use crate::id::fingerprint;
use crate::message;
use crate::peers::{Describe, Peers, Profiles};
use crate::protocol::{Context, Layer, Local, Protocol, Receipt, Refusal};
use crate::random::{Key, Random};
use crate::time::{Round, Time};
use crate::wire::Wire;

/// A protocol built from a checked configuration.
pub trait Configured: Sized {
    /// Its parameters.
    type Config;

    /// Builds it.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    fn new(config: Self::Config) -> Result<Self, ParameterError>;
}

/// One request, one reply. Made a [`Layer`] by [`Pairwise`].
pub trait Exchange<D: ?Sized = ()>: Protocol {
    /// Whether an exchange must not overlap another at the same node. Then requests that come
    /// while one is under way are refused with [`Leg::Busy`], explicitly, so that the initiator
    /// knows that nothing happened.
    const ATOMIC: bool = false;

    /// Chooses a partner and says what to ask, or sits this round out.
    fn initiate(
        &mut self,
        below: &D,
        cx: &mut impl Local<Self>,
    ) -> Option<(Self::Id, Self::Message)>;

    /// Answers a request; `None` refuses it, and the initiator is told.
    fn respond(
        &mut self,
        below: &D,
        from: Self::Id,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message>;

    /// The partner has answered.
    fn complete(
        &mut self,
        below: &D,
        from: Self::Id,
        reply: Self::Message,
        cx: &mut impl Local<Self>,
    );

    /// The partner has refused: it is alive, and nothing has changed there.
    fn refused(&mut self, _below: &D, _by: Self::Id, _cx: &mut impl Local<Self>) {}

    /// The partner has not answered in time, or cannot be reached. It may or may not have changed.
    fn abandon(&mut self, _below: &D, _to: Self::Id, _cx: &mut impl Local<Self>) {}

    /// As [`Layer::on_contact`].
    fn on_contact(&mut self, _below: &D, _peer: Self::Id, _cx: &mut impl Local<Self>) {}

    /// As [`Layer::on_change`].
    fn on_change(&mut self, _below: &D, _cx: &mut impl Local<Self>) {}

    /// As [`Layer::on_command`].
    ///
    /// # Errors
    ///
    /// As there.
    fn on_command(
        &mut self,
        _below: &D,
        _command: Self::Command,
        _cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        Err(Refusal::Unsupported)
    }
}

message! {
    /// One leg of an exchange; the number ties a reply to its request.
    #[derive(PartialEq)]
    pub enum Leg<M: Wire> {
        /// What the initiator says.
        Request(u32, M),
        /// What the responder answers.
        Reply(u32, M),
        /// The responder refuses; it has changed nothing.
        Busy(u32),
    }
}

/// How long an initiator waits for a reply by default: below half a period of one second, so that
/// an answer never meets the next round's request. Our choice; see [`Pairwise::patience`].
pub const PATIENCE: Duration = Duration::from_millis(450);

/// Makes an [`Exchange`] a [`Layer`]: sequence numbers, stale replies, refusals, patience and
/// atomicity.
///
/// It reads as the exchange itself does: [`Peers`] and the other capabilities pass through, and it
/// dereferences to the exchange's state.
///
/// `MEMORY` is how many requests it remembers having settled, so that one that comes twice is
/// settled once. Only [atomic](Exchange::ATOMIC) exchanges need any: a node is asked about once a
/// period, so with four of them a copy delayed by less than a few periods is known again (our
/// choice). The others may go without, and take 16 bytes less.
#[derive(Clone, Debug)]
pub struct Pairwise<X: Protocol, const MEMORY: usize = 4> {
    inner: X,
    /// The exchange under way: until when, or [`Time::NEVER`] if there is none, and with whom.
    until: Time,
    partner: Option<X::Id>,
    /// The number of the latest request, 0 before the first; random at start, so that a restarted
    /// node takes no reply meant for the one before it.
    number: u32,
    patience_micros: u32,
    /// Fingerprints of the requests settled last, so that one that comes twice is settled once.
    settled: [u32; MEMORY],
}

/// Spreads consecutive numbers over the upper half of a word: an odd constant with mixed bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl<X: Protocol + Configured, const MEMORY: usize> Pairwise<X, MEMORY> {
    /// Builds the exchange from `config`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: X::Config) -> Result<Self, ParameterError> {
        X::new(config).map(Self::over)
    }
}

impl<X: Protocol, const MEMORY: usize> Pairwise<X, MEMORY> {
    /// Over an exchange that is built already.
    pub const fn over(inner: X) -> Self {
        let patience_micros = PATIENCE.as_micros() as u32;
        let settled = [0; MEMORY];
        Self { inner, until: Time::NEVER, partner: None, number: 0, patience_micros, settled }
    }

    /// Waits `patience` for a reply, instead of [`PATIENCE`]. It must exceed the round trip, or
    /// every exchange is half lost; beyond a period it makes rounds be skipped.
    ///
    /// # Errors
    ///
    /// If it is zero, or above an hour.
    pub fn patience(mut self, patience: Duration) -> Result<Self, ParameterError> {
        let micros = patience.as_micros();
        ParameterError::new("patience", micros as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&micros))?;
        self.patience_micros = u32::try_from(micros).unwrap_or(u32::MAX);
        Ok(self)
    }

    /// The exchange's state, to change it from outside a driver.
    pub const fn inner_mut(&mut self) -> &mut X {
        &mut self.inner
    }

    /// Whether a request of this node is unanswered.
    #[inline]
    pub const fn is_waiting(&self) -> bool {
        self.partner.is_some()
    }

    fn give_up<D: ?Sized>(&mut self, below: &D, cx: &mut impl Local<Self>, cause: &'static str)
    where
        X: Exchange<D>,
    {
        if let Some(to) = self.partner.take() {
            self.until = Time::NEVER;
            cx.count(cause);
            self.inner.abandon(below, to, &mut Inner::<_, MEMORY>(cx));
        }
    }

    /// Whether request `number` from `from` was settled before; remembers it if not.
    fn is_repeated(&mut self, from: X::Id, number: u32) -> bool {
        // Never 0, which marks an empty place.
        let print = (fingerprint(&from) ^ u64::from(number).wrapping_mul(SPREAD)) >> 32;
        let print = print as u32 | 1;
        let known = self.settled.contains(&print);
        if !known {
            // Each moves up by one; the oldest goes.
            self.settled.iter_mut().fold(print, |print, place| core::mem::replace(place, print));
        }
        known
    }

    /// Whether `number` from `from` answers the request under way; if so, it no longer is.
    fn settles(&mut self, from: X::Id, number: u32) -> bool {
        let expected = self.number == number && self.partner == Some(from);
        if expected {
            self.partner = None;
            self.until = Time::NEVER;
        }
        expected
    }
}

impl<X: Protocol, const MEMORY: usize> Deref for Pairwise<X, MEMORY> {
    type Target = X;

    fn deref(&self) -> &X {
        &self.inner
    }
}

impl<X: Protocol, const MEMORY: usize> Protocol for Pairwise<X, MEMORY> {
    type Id = X::Id;
    type Message = Leg<X::Message>;
    type Event = X::Event;
    type Command = X::Command;

    #[inline]
    fn wake_at(&self) -> Time {
        self.until
    }

    #[inline]
    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, X: Exchange<D>, const MEMORY: usize> Layer<D> for Pairwise<X, MEMORY> {
    #[inline]
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        const { assert!(MEMORY > 0 || !X::ATOMIC, "an atomic exchange remembers requests") }
        if self.is_waiting() {
            return cx.count("round skipped: exchange under way");
        }
        let Some((to, request)) = self.inner.initiate(below, &mut Inner::<_, MEMORY>(cx)) else {
            return;
        };
        self.number = match self.number {
            0 => cx.rng().next_u64() as u32 | 1,
            number => number.wrapping_add(1).max(1),
        };
        self.partner = Some(to);
        self.until = cx.now() + Duration::from_micros(self.patience_micros.into());
        cx.send(to, Leg::Request(self.number, request));
    }

    #[inline]
    fn on_message(
        &mut self,
        below: &D,
        from: X::Id,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        match message {
            // A copy of a request that was answered, or refused, must meet neither fate again:
            // whichever of the two the initiator hears first settles it.
            Leg::Request(number, _) if X::ATOMIC && self.is_repeated(from, number) => {
                cx.count("request repeated");
            }
            Leg::Request(number, _) if X::ATOMIC && self.is_waiting() => {
                cx.count("refused: exchange under way");
                cx.send(from, Leg::Busy(number));
            }
            Leg::Request(number, request) => {
                let reply = self.inner.respond(below, from, request, &mut Inner::<_, MEMORY>(cx));
                cx.send(from, reply.map_or(Leg::Busy(number), |reply| Leg::Reply(number, reply)));
            }
            Leg::Reply(number, reply) => {
                if self.settles(from, number) {
                    self.inner.complete(below, from, reply, &mut Inner::<_, MEMORY>(cx));
                } else {
                    cx.count("stale reply");
                }
            }
            Leg::Busy(number) => {
                if self.settles(from, number) {
                    cx.count("refused by partner");
                    self.inner.refused(below, from, &mut Inner::<_, MEMORY>(cx));
                } else {
                    cx.count("stale refusal");
                }
            }
        }
    }

    #[inline]
    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.wake_at() <= cx.now() {
            self.give_up(below, cx, "no reply");
        }
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.inner.on_change(below, &mut Inner::<_, MEMORY>(cx));
    }

    fn on_unreachable(&mut self, below: &D, peer: X::Id, cx: &mut impl Context<Self>) {
        if self.partner == Some(peer) {
            self.give_up(below, cx, "partner unreachable");
        }
    }

    fn on_contact(&mut self, below: &D, peer: X::Id, cx: &mut impl Context<Self>) {
        self.inner.on_contact(below, peer, &mut Inner::<_, MEMORY>(cx));
    }

    fn on_command(
        &mut self,
        below: &D,
        command: X::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.inner.on_command(below, command, &mut Inner::<_, MEMORY>(cx))
    }
}

/// The exchange's context: its wrapper's, without the means to send.
struct Inner<'a, C, const MEMORY: usize>(&'a mut C);

impl<X, C, const MEMORY: usize> Local<X> for Inner<'_, C, MEMORY>
where
    X: Protocol,
    C: Local<Pairwise<X, MEMORY>>,
{
    #[inline]
    fn me(&self) -> X::Id {
        self.0.me()
    }
    #[inline]
    fn now(&self) -> Time {
        self.0.now()
    }
    #[inline]
    fn wall(&self) -> u64 {
        self.0.wall()
    }
    #[inline]
    fn round(&self) -> Round {
        self.0.round()
    }
    #[inline]
    fn rng(&mut self) -> &mut Random {
        self.0.rng()
    }
    #[inline]
    fn key(&self) -> Key {
        self.0.key()
    }
    #[inline]
    fn emit(&mut self, event: X::Event) {
        self.0.emit(event);
    }
    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        self.0.tally(layer, cause);
    }
}

impl<X, const MEMORY: usize> Peers for Pairwise<X, MEMORY>
where
    X: Protocol + Peers<Id = <X as Protocol>::Id>,
{
    type Id = <X as Protocol>::Id;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<<X as Protocol>::Id> {
        self.inner.sample(random)
    }

    #[inline]
    fn for_each(&self, visit: impl FnMut(<X as Protocol>::Id, u64)) {
        self.inner.for_each(visit);
    }

    fn age(&self, peer: <X as Protocol>::Id, now: Round) -> Option<Round> {
        self.inner.age(peer, now)
    }

    /// The partner of the exchange under way, else a sample.
    fn partner(&self, random: &mut Random) -> Option<<X as Protocol>::Id> {
        self.partner.or_else(|| self.inner.sample(random))
    }
}

impl<X, const MEMORY: usize> Profiles for Pairwise<X, MEMORY>
where
    X: Protocol + Profiles<Id = <X as Protocol>::Id>,
{
    type Profile = X::Profile;

    fn for_each_profile(&self, visit: impl FnMut(<X as Protocol>::Id, &Self::Profile)) {
        self.inner.for_each_profile(visit);
    }
}

impl<T, X, const MEMORY: usize> Describe<T> for Pairwise<X, MEMORY>
where
    X: Protocol + Describe<T>,
{
    fn describe(&self) -> T {
        self.inner.describe()
    }
}
