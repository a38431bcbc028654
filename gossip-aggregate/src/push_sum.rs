//! Push-sum: half of what a node holds goes to a random peer each round; nobody has to answer with
//! a value.
//!
//! Kempe, Dobra, Gehrke, *Gossip-based computation of aggregate information*, FOCS 2003, sections 2
//! (push-sum, diffusion speed, faults) and 3.2 (linear synopses).
//!
//! ```text
//! at the start:     s = x, w = 1
//! once a round:     q = a random peer; send (s/2, w/2) to q, keep (s/2, w/2)
//! on (s', w'):      s += s', w += w'; acknowledge
//! no acknowledgement: send the same again; in the end take it back
//! at any time:      the mean is s/w
//! ```
//!
//! What is summed is any [`Linear`] function of [`push_pull`](crate::push_pull): the same inputs,
//! the same counts. s/w is always a mean of inputs with positive weights, so it lies between them.
//!
//! # What holds
//!
//! The sums of all s and all w stay, over the nodes and what is under way between them. A share
//! that
//! is lost before it arrives comes back, whatever is lost: that is what acknowledgements are for.
//! If
//! it arrives and all of `attempts` acknowledgements are lost, it is there twice: both s and w, so
//! that a mean is hardly moved. With loss p on each message that is less than `(2p)^attempts` of
//! all shares.
//!
//! # Deviations from the paper
//!
//! - The paper's sender knows at once that a message was lost. Here it hears nothing, sends the
//!   share again, and takes it back after `attempts`; with one attempt, and acknowledgements that
//!   are never lost, this is the paper's model.
//! - A share that comes again is known by its number ([`MEMORY`] of them are remembered).
//! - A node does not choose itself: the potential falls by 1/2 - 1/(2(n-1)) - (n-2)/(4(n-1)^2) a
//!   round, and not by 1/2 - 1/(4n).
//! - Weights start at 1 everywhere, and sums and counts are read from a mean: with a share of 1 at
//!   one leader, s/w there is what w/s is in the paper.
//! - Epochs as in push-pull: the paper's nodes compute once.

use core::marker::PhantomData;

use gossip_core::id::fingerprint;
use gossip_core::{
    Configured, Exchange, Finite, Local, Pairwise, ParameterError, PeerId, Peers, Protocol,
    Receipt, Refusal, Round, Wire, message,
};

use crate::epoch::{self, Epochs, Meeting, Turn};
use crate::estimate::Estimate;
use crate::push_pull::{Finished, Function};

/// A function whose states can be scaled and added, so that the mean of states is a weighted sum.
pub trait Linear: Function {
    /// `factor` times the state, or `None` if that cannot be told.
    fn scaled(state: &Self::State, factor: f64) -> Option<Self::State>;

    /// The sum, or `None` if that cannot be told.
    fn plus(one: &Self::State, other: &Self::State) -> Option<Self::State>;
}

/// Shares that a node remembers having taken: eight attempts reach over as many rounds, in which a
/// node takes as many shares on average, and more than 32 once in 10^9 times.
pub const MEMORY: usize = 32;

/// How often a share is sent before it is taken back, by default. Our choice.
pub const ATTEMPTS: u8 = 8;

/// The largest weight taken off the wire: that of more nodes than any system has.
pub const MAX_WEIGHT: f64 = 4_294_967_296.0;

message! {
    /// A part of the sums.
    #[derive(PartialEq)]
    pub struct Share<S: Wire> {
        /// The values, times their weights.
        pub sum: S,
        /// The weight.
        pub weight: Finite,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<S: Wire> {
        /// A share, with its sender's epoch and a number by which it is known when it comes again.
        Give(u64, u32, Share<S>),
        /// The receiver's epoch, and whether it has taken the share.
        Taken(u64, bool),
    }
}

/// Parameters of push-sum.
#[derive(Clone, Debug)]
pub struct Config<F> {
    epochs: epoch::Config<F>,
    attempts: u8,
}

impl<F> Config<F> {
    /// Of this function, in these epochs.
    pub const fn new(epochs: epoch::Config<F>) -> Self {
        Self { epochs, attempts: ATTEMPTS }
    }

    /// Sends a share up to `attempts` times, at least once, before it is taken back.
    pub const fn attempts(mut self, attempts: u8) -> Self {
        self.attempts = attempts;
        self
    }
}

/// A share on its way.
#[derive(Clone, Debug)]
struct Parcel<I, S: Wire> {
    to: I,
    share: Share<S>,
    /// Attempts left.
    left: u8,
}

/// A node's part in push-sum of `F`.
#[derive(Clone, Debug)]
pub struct State<I, F: Function> {
    function: F,
    /// What this node holds; none before the first call, and while the epoch is sat out.
    held: Option<Share<F::State>>,
    /// What was given away and not acknowledged yet.
    parcel: Option<Parcel<I, F::State>>,
    /// The latest parcel's number; random at start, so that a restarted node's shares are new.
    number: u32,
    /// Fingerprints of the shares taken last, the latest first.
    taken: [u32; MEMORY],
    attempts: u8,
    last: Option<f64>,
    epochs: Epochs,
    id: PhantomData<fn() -> I>,
}

/// Push-sum of `F` as a layer over any [`Peers`].
///
/// ```
/// use gossip_aggregate::{Mean, PushSum, epoch, push_sum::Config};
///
/// let mean = epoch::Config::founding(Mean::of(21.5)?);
/// let sum = PushSum::<u32, Mean>::new(Config::new(mean.clone()))?;
/// assert_eq!(sum.running_estimate(), None); // not yet: it has not been called
/// assert!(PushSum::<u32, Mean>::new(Config::new(mean).attempts(0)).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub type PushSum<I, F> = Pairwise<State<I, F>, 0>;

impl<I: PeerId, F: Linear> Configured for State<I, F> {
    type Config = Config<F>;

    fn new(Config { epochs, attempts }: Config<F>) -> Result<Self, ParameterError> {
        ParameterError::new("attempts", attempts.into(), "sendings of a share", "at least 1")
            .unless(attempts > 0)?;
        let (function, epochs) = epochs.build()?;
        let taken = [0; MEMORY];
        let (held, parcel, last) = (None, None, None);
        let id = PhantomData;
        Ok(Self { function, held, parcel, number: 0, taken, attempts, last, epochs, id })
    }
}

impl<S: Wire> Share<S> {
    /// The mean that it speaks of, or `None` if it has no weight that a share can have.
    fn mean<F: Linear<State = S>>(&self) -> Option<S> {
        let weight = self.weight.get();
        let sound = weight > 0.0 && weight <= MAX_WEIGHT;
        sound.then(|| F::scaled(&self.sum, 1.0 / weight)).flatten()
    }

    fn half<F: Linear<State = S>>(&self) -> Option<Self> {
        let weight = Finite::new(self.weight.get() / 2.0)?;
        F::scaled(&self.sum, 0.5).map(|sum| Self { sum, weight })
    }

    fn plus<F: Linear<State = S>>(&self, other: &Self) -> Option<Self> {
        let weight = Finite::new(self.weight.get() + other.weight.get())?;
        F::plus(&self.sum, &other.sum).map(|sum| Self { sum, weight })
    }
}

impl<I: PeerId, F: Linear> State<I, F> {
    /// The estimate of the epoch under way, if this node takes part in it and it says something
    /// yet. Early in an epoch it is far off.
    pub fn running_estimate(&self) -> Option<f64> {
        let mean = self.held.as_ref()?.mean::<F>()?;
        self.function.estimate(&mean)
    }

    /// The estimate of the last finished epoch that said something here.
    pub const fn last_estimate(&self) -> Option<f64> {
        self.last
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

    /// What this node holds; none while it sits the epoch out.
    pub const fn held(&self) -> Option<&Share<F::State>> {
        self.held.as_ref()
    }

    /// What this node gave away, and to whom, if it has not heard that it was taken.
    pub fn under_way(&self) -> Option<(I, &Share<F::State>)> {
        self.parcel.as_ref().map(|parcel| (parcel.to, &parcel.share))
    }

    /// What is summed.
    pub const fn function(&self) -> &F {
        &self.function
    }

    #[inline]
    fn keep_time(&mut self, cx: &mut impl Local<Self>) {
        if let Some(turn) = self.epochs.keep_time(cx.round()) {
            self.turn(turn, cx);
        }
    }

    /// A peer is in `epoch`: goes there if that is later. Returns whether the peer is where we are.
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
        let mean = self.held.take().and_then(|share| share.mean::<F>());
        self.parcel = None;
        let mut last = None;
        if let Turn::Next { ended, whole } = turn {
            last = mean.filter(|_| whole);
            let estimate = last.as_ref().and_then(|mean| self.function.estimate(mean));
            cx.emit(Finished { epoch: ended, estimate });
            self.epochs.note(ended, estimate.is_some());
            self.last = estimate.or(self.last);
        }
        let sum = self.function.start(last.as_ref(), cx);
        self.held = Finite::new(1.0).map(|weight| Share { sum, weight });
    }

    /// Adds to what this node holds. Returns whether it could.
    fn take(&mut self, share: &Share<F::State>) -> bool {
        let sum = self.held.as_ref().and_then(|held| held.plus::<F>(share));
        let taken = sum.is_some();
        if taken {
            self.held = sum;
        }
        taken
    }

    /// What was given away was not taken: it is ours again.
    fn take_back(&mut self) {
        if let Some(parcel) = self.parcel.take() {
            self.take(&parcel.share);
        }
    }

    /// Whether a share was taken before.
    fn is_known(&self, print: u32) -> bool {
        self.taken.contains(&print)
    }

    fn remember(&mut self, print: u32) {
        self.taken.rotate_right(1);
        self.taken[0] = print;
    }

    /// Whether a share is one that a peer can hold: a positive weight, and a mean that is sound.
    fn is_sound(&self, share: &Share<F::State>) -> bool {
        share.mean::<F>().is_some_and(|mean| self.function.is_sound(&mean))
    }
}

/// By what a share is known when it comes again; never 0, which marks an empty place.
fn print<I: PeerId>(from: &I, number: u32) -> u32 {
    let mixed = fingerprint(from) ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32 | 1
}

impl<I: PeerId, F: Linear> Protocol for State<I, F> {
    type Id = I;
    type Message = Message<F::State>;
    type Event = Finished;
    type Command = F::Input;

    fn version(&self) -> u64 {
        self.epoch()
    }
}

impl<I: PeerId, F: Linear, D: Peers<Id = I>> Exchange<D> for State<I, F> {
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        self.keep_time(cx);
        if self.parcel.as_ref().is_some_and(|parcel| parcel.left == 0) {
            cx.count("share taken back");
            self.take_back();
        }
        if self.parcel.is_none() {
            let half = self.held.as_ref()?.half::<F>()?;
            let to = below.sample(cx.rng())?;
            self.number = match self.number {
                0 => cx.rng().next_u64() as u32,
                number => number.wrapping_add(1),
            };
            self.held = Some(half.clone());
            self.parcel = Some(Parcel { to, share: half, left: self.attempts });
        }
        let (epoch, number) = (self.epoch(), self.number);
        let parcel = self.parcel.as_mut()?;
        parcel.left -= 1;
        Some((parcel.to, Message::Give(epoch, number, parcel.share.clone())))
    }

    fn respond(
        &mut self,
        _: &D,
        from: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let Message::Give(epoch, number, share) = request else {
            cx.count("an answer to nothing");
            return None;
        };
        let together = self.meet(epoch, cx);
        let print = print(&from, number);
        let known = self.is_known(print);
        if known {
            cx.count("share repeated");
        } else if !self.is_sound(&share) {
            cx.count("unsound share");
        } else if together && self.take(&share) {
            self.remember(print);
            return Some(Message::Taken(self.epoch(), true));
        }
        Some(Message::Taken(self.epoch(), known))
    }

    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        let Message::Taken(epoch, taken) = reply else {
            return cx.count("not an answer");
        };
        self.meet(epoch, cx);
        if taken {
            self.parcel = None;
        } else {
            self.take_back();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mean;

    /// What no peer can hold: no weight, too much of it, a negative one, a mean that is infinite.
    #[test]
    fn shares_that_nobody_can_hold_are_unsound() {
        let finite = |value| Finite::new(value).unwrap();
        let mean = epoch::Config::founding(Mean::of(1.0).unwrap());
        let state = State::<u32, Mean>::new(Config::new(mean)).unwrap();
        let sound =
            |sum, weight| state.is_sound(&Share { sum: finite(sum), weight: finite(weight) });
        assert!(sound(1.0, 0.5) && sound(-3e300, 1.0));
        for (sum, weight) in [(1.0, 0.0), (1.0, -1.0), (1.0, 1e300), (1e300, 1e-300)] {
            assert!(!sound(sum, weight), "{sum}, {weight}");
        }
    }
}
