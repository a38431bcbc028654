//! T-Man as a layer: exchanges, probes of the links, and the broadcast that starts it.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast overlay topology construction*,
//! Computer Networks 53(13), 2009, section 5 (start and stop).
//!
//! ```text
//! every round:   exchange, as `State` says, unless dormant or at rest
//!                send the links Probe; again after a quarter of a round; four times, then bury
//!                while the start is news: send Start to a random peer
//! on Probe:      send back Alive
//! on Start, or anything else while dormant:  start
//! ```
//!
//! # Deviations from the paper
//!
//! Probes are ours.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use gossip_core::random::Key;
use gossip_core::{
    Configured, Context, Describe, Layer, Leg, Local, Pairwise, ParameterError, PeerId, Peers,
    Profiles, Protocol, Random, Receipt, Refusal, Round, Time, exchange,
};

use super::message::{Command, Event, Message, Talk};
use super::{Config, State};
use crate::probes::Verdict;
use crate::ranking::Ranking;

/// T-Man as a layer over any [`Peers`]: ranks by `R`, exchanges at most `M` descriptors (the
/// paper's m). It reads as its [`State`].
#[derive(Clone)]
pub struct TMan<I: PeerId, R: Ranking<I>, const M: usize> {
    exchange: Pairwise<State<I, R, M>, 0>,
    /// Between two questions whether a peer lives.
    wait: Duration,
}

impl<I: PeerId, R: Ranking<I>, const M: usize> fmt::Debug for TMan<I, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TMan").field("state", &**self).finish_non_exhaustive()
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> TMan<I, R, M> {
    /// T-Man with these parameters.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config<R, R::Profile>) -> Result<Self, ParameterError> {
        let exchange = Pairwise::over(State::new(config)?);
        Ok(Self { exchange, wait: exchange::PATIENCE / 2 })
    }

    /// Waits `patience` for a partner's reply, and half of it between two probes of a link, instead
    /// of [`PATIENCE`](exchange::PATIENCE). It should be a bit less than half a period: four probes
    /// fill the round.
    ///
    /// # Errors
    ///
    /// If it is zero, or above an hour.
    pub fn patience(self, patience: Duration) -> Result<Self, ParameterError> {
        Ok(Self { exchange: self.exchange.patience(patience)?, wait: patience / 2 })
    }

    /// The state, to change it from outside a driver.
    pub const fn inner_mut(&mut self) -> &mut State<I, R, M> {
        self.exchange.inner_mut()
    }

    /// Whether a request of this node is unanswered.
    pub const fn is_waiting(&self) -> bool {
        self.exchange.is_waiting()
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Deref for TMan<I, R, M> {
    type Target = State<I, R, M>;

    fn deref(&self) -> &State<I, R, M> {
        &self.exchange
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Protocol for TMan<I, R, M> {
    type Id = I;
    type Message = Talk<I, R::Profile, M>;
    type Event = Event;
    type Command = Command<R::Profile>;

    fn wake_at(&self) -> Time {
        self.exchange.wake_at().min(self.probes.due())
    }

    fn version(&self) -> u64 {
        self.exchange.version()
    }
}

impl<I, R, const M: usize, D> Layer<D> for TMan<I, R, M>
where
    I: PeerId,
    R: Ranking<I>,
    D: Peers<Id = I>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let strangers = self.inner_mut().begin(below, &mut Inside(cx));
        if self.is_active() {
            self.exchange.on_round(below, &mut Inside(cx));
        }
        let (wait, now) = (self.wait, cx.now());
        let asked = self.inner_mut().ask(now, wait);
        self.ask(strangers.into_iter().chain(asked), cx);
        if let Some(peer) = self.inner_mut().next_to_start(below, cx.rng()) {
            cx.send(peer, Talk::Start);
        }
        self.inner_mut().report(&mut Inside(cx));
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        self.inner_mut().start(&mut Inside(cx));
        match message {
            Talk::Exchange(leg) => {
                self.inner_mut().probes.heard(from);
                self.exchange.on_message(below, from, leg, &mut Inside(cx));
            }
            Talk::Probe(profile) => {
                self.inner_mut().hear(from, &profile, &mut Inside(cx));
                cx.send(from, Talk::Alive(self.profile().clone()));
            }
            Talk::Alive(profile) => self.inner_mut().hear(from, &profile, &mut Inside(cx)),
            Talk::Start => {}
        }
        self.inner_mut().report(&mut Inside(cx));
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.exchange.on_wake(below, &mut Inside(cx));
        let (now, wait) = (cx.now(), self.wait);
        match self.inner_mut().probes.look(now, wait) {
            Some(Verdict::Ask(silent)) => self.ask(silent.into_iter(), cx),
            Some(Verdict::Dead(silent)) => {
                for peer in silent {
                    self.inner_mut().bury(peer, &mut Inside(cx));
                }
            }
            None => {}
        }
        self.inner_mut().report(&mut Inside(cx));
    }

    fn on_unreachable(&mut self, below: &D, peer: I, cx: &mut impl Context<Self>) {
        self.exchange.on_unreachable(below, peer, &mut Inside(cx));
        self.inner_mut().report(&mut Inside(cx));
    }

    fn on_contact(&mut self, below: &D, peer: I, cx: &mut impl Context<Self>) {
        self.exchange.on_contact(below, peer, &mut Inside(cx));
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Start => self.inner_mut().start(&mut Inside(cx)),
            Command::Describe(profile) => {
                self.inner_mut().describe(profile, &mut Inside(cx))?;
            }
        }
        self.inner_mut().report(&mut Inside(cx));
        Ok(Receipt::default())
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> TMan<I, R, M> {
    /// Asks these whether they live.
    fn ask(&self, peers: impl Iterator<Item = I>, cx: &mut impl Context<Self>) {
        peers.for_each(|peer| cx.send(peer, Talk::Probe(self.profile().clone())));
    }
}

/// The context of what a [`TMan`] is made of: its own, with legs as a part of what it says.
struct Inside<'a, C>(&'a mut C);

macro_rules! as_outside {
    ($I:ident) => {
        fn me(&self) -> $I {
            self.0.me()
        }
        fn now(&self) -> Time {
            self.0.now()
        }
        fn wall(&self) -> u64 {
            self.0.wall()
        }
        fn round(&self) -> Round {
            self.0.round()
        }
        fn rng(&mut self) -> &mut Random {
            self.0.rng()
        }
        fn key(&self) -> Key {
            self.0.key()
        }
        fn emit(&mut self, event: Event) {
            self.0.emit(event);
        }
        fn tally(&mut self, layer: &'static str, cause: &'static str) {
            self.0.tally(layer, cause);
        }
    };
}

impl<I, R, const M: usize, C> Local<State<I, R, M>> for Inside<'_, C>
where
    I: PeerId,
    R: Ranking<I>,
    C: Local<TMan<I, R, M>>,
{
    as_outside!(I);
}

impl<I, R, const M: usize, C> Local<Pairwise<State<I, R, M>, 0>> for Inside<'_, C>
where
    I: PeerId,
    R: Ranking<I>,
    C: Local<TMan<I, R, M>>,
{
    as_outside!(I);
}

impl<I, R, const M: usize, C> Context<Pairwise<State<I, R, M>, 0>> for Inside<'_, C>
where
    I: PeerId,
    R: Ranking<I>,
    C: Context<TMan<I, R, M>>,
{
    fn send(&mut self, to: I, leg: Leg<Message<I, R::Profile, M>>) {
        self.0.send(to, Talk::Exchange(leg));
    }

    fn room(&self, to: I) -> usize {
        // The leg's tag takes a byte.
        self.0.room(to).saturating_sub(1)
    }

    fn watch(&mut self, peer: I, on: bool) {
        self.0.watch(peer, on);
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Peers for TMan<I, R, M> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        self.exchange.sample(random)
    }

    fn for_each(&self, visit: impl FnMut(I, u64)) {
        self.exchange.for_each(visit);
    }

    fn partner(&self, random: &mut Random) -> Option<I> {
        self.exchange.partner(random)
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        self.exchange.age(peer, now)
    }

    fn degree(&self) -> usize {
        self.links().len()
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Profiles for TMan<I, R, M> {
    type Profile = R::Profile;

    fn for_each_profile(&self, visit: impl FnMut(I, &R::Profile)) {
        self.exchange.for_each_profile(visit);
    }
}

impl<I: PeerId, R: Ranking<I>, const M: usize> Describe<R::Profile> for TMan<I, R, M> {
    fn describe(&self) -> R::Profile {
        self.profile().clone()
    }
}
