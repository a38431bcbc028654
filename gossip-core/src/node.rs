//! A node: one stack behind bytes. Datagrams, rounds and commands go in; datagrams and events come
//! out. The event simulator and real sockets drive the same code.

use core::fmt;

use alloc::boxed::Box;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::counts::{Counts, Sent};
use crate::error::ParameterError;
use crate::packet::{BUDGET, ClusterId, DATAGRAM, Datagram, HEADER, Header, Packer, SEAL};
use crate::protocol::{Context, Layer, Local, Protocol, Receipt, Refusal};
use crate::random::{Key, Random, Stream};
use crate::time::{Round, Time};
use crate::wire::{DecodeError, Wire};

/// The time of a call, as the driver knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Monotonic.
    pub now: Time,
    /// Microseconds since the Unix epoch; may jump.
    pub wall: u64,
}

/// What comes out of a node: the driver empties it after each call.
#[derive(Clone, Debug)]
pub struct Effects<S: Protocol> {
    /// To be sent.
    pub datagrams: Vec<Datagram<S::Id>>,
    /// For the owner.
    pub events: Vec<S::Event>,
    /// Peers to be watched from now on (true), or no longer.
    pub watches: Vec<(S::Id, bool)>,
    /// Messages that the stack has been given.
    pub frames: u64,
    /// What was ignored, refused or shed.
    pub counts: Counts,
    /// What was sent, by layer.
    pub sent: Sent,
    packer: Packer<S::Id>,
}

impl<S: Protocol> Effects<S> {
    /// Takes back the memory of a datagram that was sent, for the next ones: a driver that does so
    /// sends without allocating.
    #[inline]
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.packer.recycle(bytes);
    }
}

impl<S: Protocol> Default for Effects<S> {
    fn default() -> Self {
        Self {
            datagrams: Vec::new(),
            events: Vec::new(),
            watches: Vec::new(),
            frames: 0,
            counts: Counts::default(),
            sent: Sent::default(),
            packer: Packer::default(),
        }
    }
}

/// Parameters of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which system it belongs to.
    pub cluster: ClusterId,
    /// The largest datagram it may send, in bytes.
    pub mtu: usize,
    /// Where its randomness comes from.
    pub seed: u64,
}

impl Default for Config {
    /// The default cluster, datagrams of [`DATAGRAM`] bytes, seed 0.
    fn default() -> Self {
        Self { cluster: ClusterId::default(), mtu: DATAGRAM, seed: 0 }
    }
}

/// One stack, its identity, and what stands between it and the world.
pub struct Node<S: Protocol> {
    stack: S,
    me: S::Id,
    key: Key,
    calls: u64,
    round: Round,
    cluster: ClusterId,
    /// The most bytes of a datagram, header included, seal not.
    limit: u32,
    /// Shapes of other stacks heard of, so that each is reported once. Boxed, since most hear of
    /// none.
    strangers: Option<Box<ArrayVec<u32, STRANGERS>>>,
}

/// Shapes of other stacks a node remembers having reported.
const STRANGERS: usize = 16;

impl<S: Layer> Node<S> {
    /// The node `me` running `stack`.
    ///
    /// # Errors
    ///
    /// If a message of the stack does not fit a datagram of `config.mtu` bytes.
    pub fn new(me: S::Id, stack: S, config: Config) -> Result<Self, ParameterError> {
        const { assert!(S::Message::MAX_LEN <= BUDGET, "a message does not fit a datagram") };
        const { assert!(S::Message::MIN_LEN > 0 || S::Message::MAX_LEN == 0, "an empty message") };
        let least = S::Message::MAX_LEN + HEADER + SEAL;
        let bound =
            "at least the stack's longest message, 11 of header and 33 of seal; at most 65507";
        ParameterError::new("mtu", config.mtu as f64, "bytes", bound)
            .unless((least..=65_507).contains(&config.mtu))?;
        Ok(Self {
            stack,
            me,
            key: Key::new(config.seed).with(crate::id::digest(&me)),
            calls: 0,
            round: 0,
            cluster: config.cluster,
            limit: (config.mtu - SEAL) as u32,
            strangers: None,
        })
    }

    /// Runs the stack's round.
    pub fn round(&mut self, clock: Clock, effects: &mut Effects<S>) {
        self.call(clock, effects, |stack, cx| stack.on_round(&(), cx));
        self.round = self.round.wrapping_add(1);
    }

    /// Runs what is due, if anything is.
    pub fn wake(&mut self, clock: Clock, effects: &mut Effects<S>) {
        if self.wake_at() <= clock.now {
            self.call(clock, effects, |stack, cx| stack.on_wake(&(), cx));
        }
    }

    /// Takes in a datagram that came from `from`.
    pub fn datagram(&mut self, from: S::Id, bytes: &[u8], clock: Clock, effects: &mut Effects<S>) {
        let (header, mut frames) = match Header::read(bytes, self.cluster) {
            Ok(opened) => opened,
            Err(foreign) => return effects.counts.add("packer", foreign.cause()),
        };
        self.greet(header.shape, effects);
        self.call(clock, effects, |stack, cx| {
            while !frames.is_empty() {
                match S::Message::decode(&mut frames) {
                    Ok(message) => {
                        cx.effects.frames += 1;
                        stack.on_message(&(), from, message, cx);
                    }
                    Err(DecodeError::UnknownFrame { .. }) => cx.tally("packer", "unknown frame"),
                    Err(error) => return cx.tally("packer", error.cause()),
                }
            }
        });
    }

    /// Asks something of the stack.
    ///
    /// # Errors
    ///
    /// The stack's [`Refusal`].
    pub fn command(
        &mut self,
        command: S::Command,
        clock: Clock,
        effects: &mut Effects<S>,
    ) -> Result<Receipt, Refusal> {
        self.call(clock, effects, |stack, cx| stack.on_command(&(), command, cx))
    }

    /// Gives the stack somebody to talk to first.
    pub fn contact(&mut self, peer: S::Id, clock: Clock, effects: &mut Effects<S>) {
        self.call(clock, effects, |stack, cx| stack.on_contact(&(), peer, cx));
    }

    /// Tells the stack that a peer could not be reached.
    pub fn unreachable(&mut self, peer: S::Id, clock: Clock, effects: &mut Effects<S>) {
        self.call(clock, effects, |stack, cx| stack.on_unreachable(&(), peer, cx));
    }

    /// Lets the stack say good-bye.
    pub fn leave(&mut self, clock: Clock, effects: &mut Effects<S>) {
        self.call(clock, effects, |stack, cx| stack.on_leave(&(), cx));
    }

    /// A peer's stack has another shape: said once per shape.
    fn greet(&mut self, shape: u32, effects: &mut Effects<S>) {
        if shape == S::Message::SHAPE {
            return;
        }
        let strangers = self.strangers.get_or_insert_default();
        if !strangers.contains(&shape) && strangers.try_push(shape).is_ok() {
            effects.counts.add("packer", "stack of another shape");
        }
    }

    /// Calls the stack, then offers it the room left in each datagram, once.
    fn call<R>(
        &mut self,
        clock: Clock,
        effects: &mut Effects<S>,
        handler: impl FnOnce(&mut S, &mut NodeContext<'_, S>) -> R,
    ) -> R {
        let stream = Stream::new(self.key, self.calls);
        self.calls += 1;
        let Self { stack, me, round, .. } = self;
        effects.packer.begin(Header::of::<S::Message>(self.cluster), self.limit as usize);
        let mut cx = NodeContext { me: *me, clock, round: *round, stream, spare: None, effects };
        let result = handler(stack, &mut cx);
        let mut at = 0;
        while let Some(to) = cx.effects.packer.peer(at) {
            cx.spare = Some(to);
            stack.on_spare(&(), to, &mut cx);
            at += 1;
        }
        effects.packer.finish(&mut effects.datagrams);
        result
    }
}

impl<S: Protocol> Node<S> {
    /// When [`wake`](Self::wake) is due.
    #[inline]
    pub fn wake_at(&self) -> Time {
        self.stack.wake_at()
    }

    /// Its identifier.
    pub const fn me(&self) -> S::Id {
        self.me
    }

    /// Rounds run.
    pub const fn rounds(&self) -> Round {
        self.round
    }

    /// The stack.
    pub const fn stack(&self) -> &S {
        &self.stack
    }

    /// The stack, to prepare it or to change its input from outside a protocol.
    pub const fn stack_mut(&mut self) -> &mut S {
        &mut self.stack
    }
}

impl<S: Protocol + fmt::Debug> fmt::Debug for Node<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("me", &self.me)
            .field("round", &self.round)
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}

/// The context of one call.
struct NodeContext<'a, S: Protocol> {
    me: S::Id,
    clock: Clock,
    round: Round,
    stream: Stream,
    /// Whose datagram's room is on offer, if it is.
    spare: Option<S::Id>,
    effects: &'a mut Effects<S>,
}

impl<S: Protocol> Local<S> for NodeContext<'_, S> {
    fn me(&self) -> S::Id {
        self.me
    }
    fn now(&self) -> Time {
        self.clock.now
    }
    fn wall(&self) -> u64 {
        self.clock.wall
    }
    fn round(&self) -> Round {
        self.round
    }
    fn rng(&mut self) -> &mut Random {
        self.stream.random()
    }
    fn key(&self) -> Key {
        self.stream.key()
    }
    fn emit(&mut self, event: S::Event) {
        self.effects.events.push(event);
    }
    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        self.effects.counts.add(layer, cause);
    }
}

impl<S: Protocol> Context<S> for NodeContext<'_, S> {
    fn send(&mut self, to: S::Id, message: S::Message) {
        if self.spare.is_some_and(|peer| peer != to || message.encoded_len() > self.room(to)) {
            return self.tally("packer", "no spare room");
        }
        let bytes = self.effects.packer.add(to, &message);
        self.effects.sent.add(message.layer(), bytes);
    }
    fn room(&self, to: S::Id) -> usize {
        self.effects.packer.room(to)
    }
    fn watch(&mut self, peer: S::Id, on: bool) {
        self.effects.watches.push((peer, on));
    }
}
