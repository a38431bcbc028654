//! Push-pull aggregation: both partners of an exchange leave it with the same state.
//!
//! Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large dynamic networks*, ACM TOCS
//! 23(3), 2005, sections 3 (protocol), 4 (epochs), 5 (convergence), 7 (faults).
//!
//! ```text
//! once a period:      q = a random peer; send state to q; on reply s: state = UPDATE(state, s)
//! on state s from q:  reply with state (as it was); state = UPDATE(state, s)
//! every gamma rounds: a new epoch starts from the current inputs; its number rides on every
//!                     message, and who sees a larger one moves there at once
//! ```
//!
//! A node that joins in the middle of an epoch sits it out: it exchanges nothing until the next
//! begins, and only learns its number.
//!
//! # What holds
//!
//! Without lost replies the sum over all nodes is exact to rounding, whatever overlaps, and the
//! variance falls by 1/(2 sqrt e) = 0.3033 a cycle over uniform peers. A lost or late *reply*
//! changes the sum: the responder has taken its half, the initiator has not. All nodes then agree
//! on a wrong value; the estimate's error over epochs is in `GUARANTEES.md`.
//!
//! # Deviations from the paper
//!
//! - A request that comes while a node's own exchange is under way is refused explicitly, so that
//!   overlapping exchanges cannot create or destroy mass (the authors' event-driven code drops it).
//! - A request that arrives twice is answered once.
//! - How epochs begin and end: see [`epoch`](crate::epoch).
//! - A state that no peer can have is refused and counted ([`Function::is_sound`]).

use core::fmt;
use core::marker::PhantomData;

use gossip_core::{
    Configured, Exchange, Local, Pairwise, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, Round, Wire, message,
};

use crate::epoch::{Epochs, Meeting, Turn};
use crate::estimate::Estimate;

pub use crate::epoch::{AHEAD, Config, GAMMA};

/// What is aggregated: where a node starts, and how two states become one.
pub trait Function: Clone + fmt::Debug {
    /// What travels.
    type State: Wire + PartialEq;
    /// What the owner may set.
    type Input: Wire;

    /// Takes a new input; it counts from the next epoch on.
    ///
    /// # Errors
    ///
    /// If the input cannot be aggregated.
    fn set(&mut self, input: Self::Input) -> Result<(), Refusal>;

    /// The state at the start of an epoch. `last` is the state in which the epoch before ended;
    /// `None` in the first one, or if this node took part for less than half of that.
    fn start<P: Protocol + ?Sized>(
        &mut self,
        last: Option<&Self::State>,
        cx: &mut impl Local<P>,
    ) -> Self::State;

    /// Whether a state off the wire is one that a peer can have.
    #[inline]
    fn is_sound(&self, _state: &Self::State) -> bool {
        true
    }

    /// The state that both partners have after an exchange: what one holds more, the other holds
    /// less, and the sum of the two is as before.
    fn update(&self, mine: &Self::State, theirs: &Self::State) -> Self::State;

    /// What the state says, or `None` while it says nothing yet.
    fn estimate(&self, state: &Self::State) -> Option<f64>;
}

message! {
    /// A state, and the epoch it belongs to.
    #[derive(PartialEq)]
    pub struct Message<S: Wire> {
        /// The sender's epoch.
        pub epoch: u64,
        /// The sender's state before the exchange; none if the exchange does not take place.
        pub state: Option<S>,
    }
}

/// An epoch has ended at this node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finished {
    /// Its number.
    pub epoch: u64,
    /// What it said here; `None` if this node sat it out, or took part for less than half of it,
    /// or it said nothing.
    pub estimate: Option<f64>,
}

/// The standard deviation by which lost messages move the mean of all states in an epoch, and so
/// every node's estimate of a mean: `inputs_sd` sqrt(p / ((2 - p) N)), where p is the probability
/// that a reply is lost or late. Lost requests do not matter. Derived in `GUARANTEES.md`.
///
/// ```
/// use gossip_aggregate::push_pull::loss_sd;
///
/// // 1,000 nodes whose inputs have a standard deviation of 20, one message in ten lost:
/// let sd = loss_sd(20.0, 0.1, 1_000.0)?;
/// assert!((sd - 0.145).abs() < 0.001);
/// assert!(loss_sd(20.0, 1.1, 1_000.0).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
///
/// # Errors
///
/// If `loss` is not a probability, `nodes` is below 1, or `inputs_sd` negative or not finite.
pub fn loss_sd(inputs_sd: f64, loss: f64, nodes: f64) -> Result<f64, ParameterError> {
    ParameterError::new("sd of the inputs", inputs_sd, "(as measured)", "finite, at least 0")
        .unless(inputs_sd >= 0.0 && inputs_sd.is_finite())?;
    ParameterError::new("loss", loss, "probability", "0 to 1")
        .unless((0.0..=1.0).contains(&loss))?;
    ParameterError::new("nodes N", nodes, "nodes", "at least 1").unless(nodes >= 1.0)?;
    Ok(inputs_sd * libm::sqrt(loss / ((2.0 - loss) * nodes)))
}

/// A node's part in push-pull aggregation of `F`.
#[derive(Clone, Debug)]
pub struct State<I, F: Function> {
    function: F,
    /// This epoch's state; none before the first call, and while the epoch is sat out.
    current: Option<F::State>,
    /// What the last epoch said; NaN while none has said anything.
    last: f64,
    epochs: Epochs,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId, F: Function> Configured for State<I, F> {
    type Config = Config<F>;

    fn new(config: Config<F>) -> Result<Self, ParameterError> {
        let (function, epochs) = config.build()?;
        Ok(Self { function, current: None, last: f64::NAN, epochs, id: PhantomData })
    }
}

impl<I: PeerId, F: Function> State<I, F> {
    /// The estimate of the epoch under way, if this node takes part in it and it says something
    /// yet. Early in an epoch it is far off.
    pub fn running_estimate(&self) -> Option<f64> {
        self.current.as_ref().and_then(|state| self.function.estimate(state))
    }

    /// The estimate of the last finished epoch that said something here.
    pub const fn last_estimate(&self) -> Option<f64> {
        if self.last.is_nan() { None } else { Some(self.last) }
    }

    /// As [`last_estimate`](Self::last_estimate), with the epoch it is of and its age at `now`,
    /// this node's round; `None` once more than 60 epochs have said nothing since.
    pub fn estimate(&self, now: Round) -> Option<Estimate> {
        self.epochs.estimate(self.last_estimate(), now)
    }

    /// The epoch under way.
    pub const fn epoch(&self) -> u64 {
        self.epochs.number()
    }

    /// The state of the epoch under way; none while this node sits it out.
    pub const fn state(&self) -> Option<&F::State> {
        self.current.as_ref()
    }

    /// What is aggregated.
    pub const fn function(&self) -> &F {
        &self.function
    }

    /// Changes what is aggregated from outside a driver; it counts from the next epoch on.
    pub const fn function_mut(&mut self) -> &mut F {
        &mut self.function
    }

    /// Starts the first epoch, or the next when this one is over.
    #[inline]
    fn keep_time(&mut self, cx: &mut impl Local<Self>) {
        if let Some(turn) = self.epochs.keep_time(cx.round()) {
            self.turn(turn, cx);
        }
    }

    /// A partner is in `epoch`: jumps there if it is later than ours. Returns whether the partner
    /// is where we are.
    #[inline]
    fn meet(&mut self, epoch: u64, cx: &mut impl Local<Self>) -> bool {
        self.keep_time(cx);
        match self.epochs.meet(epoch, cx.round()) {
            Meeting::Together => true,
            Meeting::Apart => false,
            Meeting::Ahead(turn) => {
                self.turn(turn, cx);
                true
            }
            Meeting::TooFar => {
                cx.count("epoch too far ahead");
                false
            }
        }
    }

    /// Finishes the epoch before, if there was one, and begins one.
    #[cold]
    fn turn(&mut self, turn: Turn, cx: &mut impl Local<Self>) {
        let last = self.current.take();
        let Turn::Next { ended, whole } = turn else {
            self.current = Some(self.function.start(None, cx));
            return;
        };
        let last = last.filter(|_| whole);
        let estimate = last.as_ref().and_then(|state| self.function.estimate(state));
        cx.emit(Finished { epoch: ended, estimate });
        self.epochs.note(ended, estimate.is_some());
        self.last = estimate.unwrap_or(self.last);
        self.current = Some(self.function.start(last.as_ref(), cx));
    }

    /// The partner's state, unless it is one that no peer can have.
    #[inline]
    fn checked(&self, state: Option<F::State>, cx: &mut impl Local<Self>) -> Option<F::State> {
        let sound = state.as_ref().is_none_or(|state| self.function.is_sound(state));
        if !sound {
            cx.count("unsound state");
        }
        state.filter(|_| sound)
    }
}

impl<I: PeerId, F: Function> Protocol for State<I, F> {
    type Id = I;
    type Message = Message<F::State>;
    type Event = Finished;
    type Command = F::Input;

    fn version(&self) -> u64 {
        self.epoch()
    }
}

impl<I: PeerId, F: Function, D: Peers<Id = I>> Exchange<D> for State<I, F> {
    const ATOMIC: bool = true;

    #[inline]
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        self.keep_time(cx);
        let state = Some(self.current.clone()?);
        let partner = below.sample(cx.rng())?;
        Some((partner, Message { epoch: self.epoch(), state }))
    }

    #[inline]
    fn respond(
        &mut self,
        _: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let together = self.meet(request.epoch, cx);
        let epoch = self.epoch();
        let theirs = self.checked(request.state, cx);
        let state = match (&mut self.current, theirs) {
            (Some(mine), Some(theirs)) if together => {
                let updated = self.function.update(mine, &theirs);
                Some(core::mem::replace(mine, updated))
            }
            _ => None,
        };
        Some(Message { epoch, state })
    }

    #[inline]
    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        let before = self.epoch();
        let together = self.meet(reply.epoch, cx) && before == self.epoch();
        let theirs = self.checked(reply.state, cx);
        if let (true, Some(mine), Some(theirs)) = (together, &mut self.current, theirs) {
            *mine = self.function.update(mine, &theirs);
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        input: F::Input,
        _: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        self.function.set(input)?;
        Ok(Receipt::default())
    }
}

/// Push-pull aggregation of `F` as a layer over any [`Peers`].
pub type PushPull<I, F> = Pairwise<State<I, F>>;
