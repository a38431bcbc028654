//! The abstraction everything stands on: what a protocol is, and what it may do.
//!
//! A [`Protocol`] says what travels; a [`Layer`] says how it behaves over the layers it reads. A
//! layer gets the time, its randomness and its outbox through a [`Context`], one per call, and
//! holds none of them: so it runs unmodified in every driver.

use core::error::Error;
use core::fmt;

use crate::id::PeerId;
use crate::random::{Key, Random};
use crate::time::{Round, Time};
use crate::wire::Wire;

/// What a protocol says on the wire, what it tells its owner, and what its owner may ask of it.
pub trait Protocol {
    /// How peers are named.
    type Id: PeerId;
    /// What travels between peers: bounded by a constant.
    type Message: Wire;
    /// What the owner hears: a rumor delivered, an epoch finished. [`Nothing`](crate::Nothing) if
    /// nothing.
    type Event: Clone + fmt::Debug;
    /// What the owner may ask: publish, set, look up. [`Nothing`](crate::Nothing) if nothing.
    type Command: Wire;

    /// When [`Layer::on_wake`] is due. One deadline per node, read after every call.
    fn wake_at(&self) -> Time {
        Time::NEVER
    }

    /// A number that moves whenever what other layers read of this one moves.
    fn version(&self) -> u64 {
        0
    }
}

/// How a protocol behaves when stacked over `D`, the layers it reads.
///
/// Handlers return no errors for what peers do: they ignore it, [count](Local::count) it, and go
/// on.
pub trait Layer<D: ?Sized = ()>: Protocol {
    /// The active thread: called once a round.
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>);

    /// The passive thread: a message has come. `from` is the address it came from.
    fn on_message(
        &mut self,
        below: &D,
        from: Self::Id,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    );

    /// [`Protocol::wake_at`] has passed.
    fn on_wake(&mut self, _below: &D, _cx: &mut impl Context<Self>) {}

    /// A layer this one reads has moved its [version](Protocol::version) during a call. Look at
    /// its current state; do not count calls.
    fn on_change(&mut self, _below: &D, _cx: &mut impl Context<Self>) {}

    /// The driver could not reach a peer that was watched or addressed.
    fn on_unreachable(&mut self, _below: &D, _peer: Self::Id, _cx: &mut impl Context<Self>) {}

    /// Somebody to talk to first: a seed, a remembered peer.
    fn on_contact(&mut self, _below: &D, _peer: Self::Id, _cx: &mut impl Context<Self>) {}

    /// The node leaves of its own will; what is sent now still goes out.
    fn on_leave(&mut self, _below: &D, _cx: &mut impl Context<Self>) {}

    /// The owner asks for something.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] says why not; the state is then unchanged.
    fn on_command(
        &mut self,
        _below: &D,
        _command: Self::Command,
        _cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        Err(Refusal::Unsupported)
    }

    /// A datagram to `to` is about to leave with [room](Context::room) in it. Offered once per
    /// datagram; what does not fit is refused.
    fn on_spare(&mut self, _below: &D, _to: Self::Id, _cx: &mut impl Context<Self>) {}
}

/// What any protocol code may know and say locally.
pub trait Local<P: Protocol + ?Sized> {
    /// This node.
    fn me(&self) -> P::Id;

    /// Monotonic time.
    fn now(&self) -> Time;

    /// Wall-clock time in microseconds since the Unix epoch. It may jump; never use it for
    /// deadlines.
    fn wall(&self) -> u64;

    /// Rounds since this node started.
    fn round(&self) -> Round;

    /// This call's randomness.
    fn rng(&mut self) -> &mut Random;

    /// Where this call's randomness comes from; stacks derive their layers' from it.
    fn key(&self) -> Key;

    /// Tells the owner.
    fn emit(&mut self, event: P::Event);

    /// Counts something that was ignored, refused or shed: `layer` is empty when the caller is the
    /// layer itself.
    fn tally(&mut self, layer: &'static str, cause: &'static str);

    /// Counts something that was ignored, refused or shed, under this layer's name.
    fn count(&mut self, cause: &'static str) {
        self.tally("", cause);
    }
}

/// What a layer may do: everything local, and send.
pub trait Context<P: Protocol + ?Sized>: Local<P> {
    /// Sends `message` to `to`. It may be lost, doubled, delayed or overtaken.
    fn send(&mut self, to: P::Id, message: P::Message);

    /// Bytes left for one more message in the datagram being built for `to`.
    fn room(&self, to: P::Id) -> usize;

    /// Asks to be told ([`Layer::on_unreachable`]) when `peer` goes away, or no longer.
    fn watch(&mut self, peer: P::Id, on: bool);
}

/// What became of a command that was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Peers a message was sent to during the call. Zero does not mean failure: most protocols
    /// send in their next round.
    pub attempted: u32,
}

impl Receipt {
    /// Accepted; messages went to `attempted` peers at once.
    ///
    /// ```
    /// assert_eq!(gossip_core::Receipt::attempted(3).attempted, 3);
    /// ```
    pub const fn attempted(attempted: u32) -> Self {
        Self { attempted }
    }
}

/// Why a command was not accepted. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The value does not fit; `limit` is the most bytes it may take.
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A table is full; `limit` is how many entries it holds.
    Full {
        /// Entries allowed.
        limit: usize,
    },
    /// There is nobody to send to yet.
    NoPeers,
    /// The command's argument is wrong; the text says what it must be.
    Invalid(&'static str),
    /// This protocol takes no such command.
    Unsupported,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len, limit } => {
                write!(f, "{len} bytes given, at most {limit} fit: send less, or a reference")
            }
            Self::Full { limit } => write!(f, "the table holds its {limit} entries: try later"),
            Self::NoPeers => write!(f, "no peer is known yet: give a contact, or try later"),
            Self::Invalid(what) => write!(f, "{what}"),
            Self::Unsupported => write!(f, "this protocol takes no such command"),
        }
    }
}

impl Error for Refusal {}
