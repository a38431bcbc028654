//! The flight recorder: what a node was given, so that what it did can be done again.
//!
//! Not a protocol: a log and its replay. Gossip draws at random, and what went wrong once in a
//! running system does not come again by itself (Birman, *The Promise, and Limitations, of Gossip
//! Protocols*, ACM SIGOPS OSR 41(5), 2007, names that as a difficulty of its kind). But a stack is
//! deterministic: from the same seed and the same [inputs](Input) follow the same states, events
//! and datagrams, bit for bit.
//!
//! ```text
//! recording = "gossip flight 1\n", frame(header), frame(entry)*
//! frame     = length as varint, bytes, the low 32 bits of a hash chained over all frames
//! header    = name, cluster, mtu, seed, shape of the stack, what its owner wrote about it
//! entry     = kind, microseconds since the last, change of the wall clock's offset, content; or,
//!             if an input made the node send or tell something, a digest of that
//! ```
//!
//! # What holds
//!
//! - A replay compares what comes out with what came out: a different program, or a stack made
//!   otherwise, is told at the first input at which it shows, never taken for the same.
//! - A recording that ends inside a frame, as that of a killed process, is replayed up to there.
//!   Any other damage is told, and where.
//! - The last input of a node that panicked is in it, so that the replay panics as well.
//! - What is read is bounded: no frame is longer than a datagram can be.
//!
//! A recording holds all that peers and the owner have said, in clear: keep it as you keep these.
//!
//! ```
//! use gossip_core::flight::{Input, Recorder, Recording, Replay};
//! use gossip_core::node::{Clock, Config, Effects, Node};
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::Peers;
//!
//! let stack = || Cyclon::<u32, 8>::new(Default::default());
//! let (mut node, mut out) = (Node::new(1, stack()?, Config::default())?, Effects::default());
//! let mut recorder = Recorder::begin::<Cyclon<u32, 8>>(1, &Config::default(), b"the first");
//! for input in [Input::Contact(7), Input::Round] {
//!     recorder.note(&input, Clock::default());
//!     let _ = input.give(&mut node, Clock::default(), &mut out);
//!     recorder.came_out(&out);
//! }
//!
//! let recording = Recording::read(recorder.bytes())?;
//! assert_eq!((recording.me, &recording.about[..]), (1, &b"the first"[..]));
//! let mut replay = Replay::new(recording, stack()?)?;
//! assert_eq!(replay.run()?, 2);
//! assert_eq!(replay.node().rounds(), 1);
//! # Ok::<(), gossip_core::flight::ReplayError>(())
//! ```

use core::error::Error;
use core::fmt;

use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::id::{PeerId, digest, hash};
use crate::node::{Clock, Config, Effects, Node};
use crate::packet::ClusterId;
use crate::protocol::{Layer, Protocol, Receipt, Refusal};
use crate::random::mix;
use crate::time::Time;
use crate::wire::Wire;

/// How a recording begins.
const MAGIC: &[u8] = b"gossip flight 1\n";

/// The longest frame: a datagram of the longest that UDP carries, and what stands around it.
const LONGEST: usize = 65_507 + 128;

/// The most bytes that an owner may write about its stack; more are cut off.
pub const ABOUT: usize = 32_768;

/// What a driver gives a node.
pub enum Input<'a, S: Protocol> {
    /// Its round.
    Round,
    /// Its deadline has passed.
    Wake,
    /// A datagram has come from somebody.
    Datagram(S::Id, &'a [u8]),
    /// The owner asks for something.
    Command(S::Command),
    /// Somebody to talk to first.
    Contact(S::Id),
    /// Somebody could not be reached.
    Unreachable(S::Id),
    /// It leaves.
    Leave,
}

impl<S: Protocol> fmt::Debug for Input<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round => write!(f, "round"),
            Self::Wake => write!(f, "wake"),
            Self::Datagram(from, bytes) => write!(f, "{} bytes from {from:?}", bytes.len()),
            Self::Command(command) => write!(f, "command {command:?}"),
            Self::Contact(peer) => write!(f, "contact {peer:?}"),
            Self::Unreachable(peer) => write!(f, "unreachable {peer:?}"),
            Self::Leave => write!(f, "leave"),
        }
    }
}

impl<S: Layer> Input<'_, S> {
    /// Gives it to `node`.
    ///
    /// # Errors
    ///
    /// The stack's [`Refusal`] of a command; anything else is taken.
    pub fn give(
        self,
        node: &mut Node<S>,
        clock: Clock,
        effects: &mut Effects<S>,
    ) -> Result<Receipt, Refusal> {
        match self {
            Self::Command(command) => return node.command(command, clock, effects),
            Self::Round => node.round(clock, effects),
            Self::Wake => node.wake(clock, effects),
            Self::Datagram(from, bytes) => node.datagram(from, bytes, clock, effects),
            Self::Contact(peer) => node.contact(peer, clock, effects),
            Self::Unreachable(peer) => node.unreachable(peer, clock, effects),
            Self::Leave => node.leave(clock, effects),
        }
        Ok(Receipt::default())
    }
}

impl<'a, S: Protocol> Input<'a, S> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Datagram(from, bytes) => {
                from.encode(out);
                out.extend_from_slice(bytes);
            }
            Self::Command(command) => command.encode(out),
            Self::Contact(peer) | Self::Unreachable(peer) => peer.encode(out),
            Self::Round | Self::Wake | Self::Leave => {}
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Round => 0,
            Self::Wake => 1,
            Self::Datagram(..) => 2,
            Self::Command(_) => 3,
            Self::Contact(_) => 4,
            Self::Unreachable(_) => 5,
            Self::Leave => 6,
        }
    }

    /// The input of this kind that takes up all of `content`.
    fn read(kind: u8, mut content: &'a [u8]) -> Option<Self> {
        Some(match kind {
            2 => Self::Datagram(S::Id::decode(&mut content).ok()?, content),
            3 => Self::Command(S::Command::decode_all(content).ok()?),
            4 => Self::Contact(S::Id::decode_all(content).ok()?),
            5 => Self::Unreachable(S::Id::decode_all(content).ok()?),
            0 | 1 | 6 if !content.is_empty() => return None,
            0 => Self::Round,
            1 => Self::Wake,
            6 => Self::Leave,
            _ => return None,
        })
    }
}

/// The kind of an entry that tells what came out.
const CAME_OUT: u8 = 7;

/// A digest of what came out of a call; 0 if nothing did.
fn outcome<S: Protocol>(effects: &Effects<S>) -> u32 {
    let Effects { datagrams, events, .. } = effects;
    if datagrams.is_empty() && events.is_empty() {
        return 0;
    }
    let fold = |state, word| mix(state ^ word);
    let digest = datagrams.iter().fold(events.len() as u64, |state, datagram| {
        fold(fold(state, digest(&datagram.to)), hash(&datagram.bytes))
    });
    (digest as u32).max(1)
}

/// Checks frames against a hash that is chained over all of them.
#[derive(Clone, Debug, Default)]
struct Chain(u64);

impl Chain {
    fn check(&mut self, body: &[u8]) -> u32 {
        self.0 = mix(self.0 ^ hash(body));
        self.0 as u32
    }
}

/// Writes down what a node is given. The driver [takes](Self::clear) the bytes away in time.
#[derive(Debug)]
pub struct Recorder {
    bytes: Vec<u8>,
    /// The frame being written, kept for its memory.
    body: Vec<u8>,
    chain: Chain,
    last: Clock,
}

impl Recorder {
    /// Begins with the header: the node's name, its parameters, and up to [`ABOUT`] bytes about how
    /// its stack was made.
    pub fn begin<S: Protocol>(me: S::Id, config: &Config, about: &[u8]) -> Self {
        let (bytes, last) = (MAGIC.to_vec(), Clock::default());
        let mut recorder = Self { bytes, body: Vec::new(), chain: Chain::default(), last };
        me.encode(&mut recorder.body);
        let Config { cluster, mtu, seed } = *config;
        (cluster.0, mtu as u64, seed, S::Message::SHAPE).encode(&mut recorder.body);
        recorder.body.extend_from_slice(&about[..about.len().min(ABOUT)]);
        recorder.close();
        recorder
    }

    /// `input` is about to be given to the node.
    pub fn note<S: Protocol>(&mut self, input: &Input<'_, S>, clock: Clock) {
        let offset = |clock: Clock| clock.wall.wrapping_sub(clock.now.as_micros());
        let turned = offset(clock).wrapping_sub(offset(self.last)) as i64;
        let passed = clock.now.since(self.last.now).as_micros() as u64;
        self.last = Clock { now: clock.now.max(self.last.now), ..clock };
        (input.kind(), passed, turned).encode(&mut self.body);
        input.write(&mut self.body);
        self.close();
    }

    /// That came out. If nothing did, nothing is written.
    pub fn came_out<S: Protocol>(&mut self, effects: &Effects<S>) {
        let outcome = outcome(effects);
        if outcome != 0 {
            (CAME_OUT, outcome).encode(&mut self.body);
            self.close();
        }
    }

    /// What is to be kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was to be kept is.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The frame is complete.
    fn close(&mut self) {
        (self.body.len() as u32).encode(&mut self.bytes);
        self.bytes.extend_from_slice(&self.body);
        self.bytes.extend_from_slice(&self.chain.check(&self.body).to_le_bytes());
        self.body.clear();
    }
}

/// What is left to be read of a recording.
#[derive(Clone, Debug)]
struct Frames<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    chain: Chain,
}

impl<'a> Frames<'a> {
    /// The next frame, which stays; `None` at the end, and where the recording is cut.
    fn next(&mut self) -> Result<Option<&'a [u8]>, ReplayError> {
        let damaged = Err(ReplayError::Damaged { at: self.all.len() - self.rest.len() });
        let mut rest = self.rest;
        let len = match u32::decode(&mut rest) {
            Ok(len) if len as usize <= LONGEST => len as usize,
            Err(crate::wire::DecodeError::End) => return Ok(None),
            _ => return damaged,
        };
        let Some((body, after)) = rest.split_at_checked(len) else { return Ok(None) };
        let Some((check, after)) = after.split_first_chunk() else { return Ok(None) };
        let mut chain = self.chain.clone();
        if u32::from_le_bytes(*check) != chain.check(body) {
            return damaged;
        }
        (self.rest, self.chain) = (after, chain);
        Ok(Some(body))
    }
}

/// A recording whose header has been read.
#[derive(Clone, Debug)]
pub struct Recording<'a, I> {
    /// The node's name.
    pub me: I,
    /// Its parameters.
    pub config: Config,
    /// The shape of its stack's messages: see [`Wire::SHAPE`].
    pub shape: u32,
    /// What its owner wrote about it.
    pub about: Vec<u8>,
    frames: Frames<'a>,
}

impl<'a, I: PeerId> Recording<'a, I> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Foreign`] if this is no recording of this version, [`ReplayError::Damaged`]
    /// if its header is not whole.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReplayError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ReplayError::Foreign)?;
        let mut frames = Frames { all: bytes, rest, chain: Chain::default() };
        let damaged = ReplayError::Damaged { at: MAGIC.len() };
        let mut body = frames.next()?.ok_or(damaged.clone())?;
        let me = I::decode(&mut body).map_err(|_| damaged.clone())?;
        let read = <(u32, u64, u64, u32)>::decode(&mut body).map_err(|_| damaged)?;
        let (cluster, mtu, seed, shape) = read;
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        let config = Config { cluster: ClusterId(cluster), mtu, seed };
        Ok(Self { me, config, shape, about: body.to_vec(), frames })
    }
}

/// A node that is given again what it was given.
pub struct Replay<'a, S: Layer> {
    node: Node<S>,
    effects: Effects<S>,
    frames: Frames<'a>,
    clock: Clock,
    inputs: u64,
}

impl<'a, S: Layer> Replay<'a, S> {
    /// Begins with `stack`, made as the recorded one was.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Shape`] if it is another stack, [`ReplayError::Parameter`] if it does not fit
    /// the recorded parameters.
    pub fn new(recording: Recording<'a, S::Id>, stack: S) -> Result<Self, ReplayError> {
        let Recording { me, config, shape, frames, .. } = recording;
        if shape != S::Message::SHAPE {
            return Err(ReplayError::Shape { recorded: shape, given: S::Message::SHAPE });
        }
        let (node, clock) = (Node::new(me, stack, config)?, Clock::default());
        Ok(Self { node, effects: Effects::default(), frames, clock, inputs: 0 })
    }

    /// Gives the node its next input, and returns when that was; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Damaged`], and [`ReplayError::Diverged`] if something else comes out than
    /// came out then. The replay does not go on.
    pub fn step(&mut self) -> Result<Option<Clock>, ReplayError> {
        self.effects.datagrams.clear();
        let at = self.at();
        let Some(body) = self.frames.next()? else { return Ok(None) };
        let damaged = ReplayError::Damaged { at };
        let (clock, input) = self.parse(body).ok_or(damaged)?;
        self.clock = clock;
        let told = self.effects.events.len();
        // A refusal was one then, too: nothing has changed.
        let _ = input.give(&mut self.node, clock, &mut self.effects);
        self.inputs += 1;
        self.effects.watches.clear();
        self.compare(told).map(|()| Some(clock))
    }

    /// Gives the node all that is left; returns how many inputs it was given in all.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn run(&mut self) -> Result<u64, ReplayError> {
        while self.step()?.is_some() {}
        Ok(self.inputs)
    }

    fn parse<'b>(&self, mut body: &'b [u8]) -> Option<(Clock, Input<'b, S>)> {
        let (kind, passed, turned) = <(u8, u64, i64)>::decode(&mut body).ok()?;
        let before = self.clock.now.as_micros();
        let offset = self.clock.wall.wrapping_sub(before).wrapping_add(turned as u64);
        let now = before.checked_add(passed)?;
        let clock = Clock { now: Time::from_micros(now), wall: now.wrapping_add(offset) };
        Some((clock, Input::read(kind, body)?))
    }

    /// What came out of the last input, beside the `told` events before it, is what was recorded.
    fn compare(&mut self, told: usize) -> Result<(), ReplayError> {
        let earlier: Vec<S::Event> = self.effects.events.drain(..told).collect();
        let now = outcome(&self.effects);
        self.effects.events.splice(0..0, earlier);
        let mut ahead = self.frames.clone();
        let Some(mut body) = ahead.next()? else { return Ok(()) };
        let then = match <(u8, u32)>::decode(&mut body) {
            Ok((CAME_OUT, outcome)) if body.is_empty() => {
                self.frames = ahead;
                outcome
            }
            _ => 0,
        };
        if now == then { Ok(()) } else { Err(ReplayError::Diverged { input: self.inputs }) }
    }

    /// How many bytes of the recording have been replayed.
    pub const fn at(&self) -> usize {
        self.frames.all.len() - self.frames.rest.len()
    }

    /// How many bytes are left: at the end, those of a frame that was cut.
    pub const fn left(&self) -> usize {
        self.frames.rest.len()
    }

    /// The node as it was then.
    pub const fn node(&self) -> &Node<S> {
        &self.node
    }

    /// What it has told its owner since this was called last.
    pub fn events(&mut self) -> impl Iterator<Item = S::Event> {
        self.effects.events.drain(..)
    }
}

impl<S: Layer> fmt::Debug for Replay<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("me", &self.node.me())
            .field("inputs", &self.inputs)
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

/// Why a recording cannot be replayed, or no further.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReplayError {
    /// It is no recording, or of another version.
    Foreign,
    /// It is damaged at this byte.
    Damaged {
        /// Where the frame begins that is not as it was written.
        at: usize,
    },
    /// The stack is another one.
    Shape {
        /// The shape of the messages that are recorded.
        recorded: u32,
        /// That of the stack's.
        given: u32,
    },
    /// The stack does not fit the recorded parameters.
    Parameter(ParameterError),
    /// Something else comes out than came out then.
    Diverged {
        /// After this input, counted from 1.
        input: u64,
    },
}

impl From<ParameterError> for ReplayError {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => write!(f, "this is no flight recording of version 1"),
            Self::Damaged { at } => write!(f, "the recording is damaged at byte {at}"),
            Self::Shape { recorded, given } => write!(
                f,
                "the recorded stack's messages have the shape {recorded:#010x}, this one's \
                 {given:#010x}: replay it with the program that recorded it"
            ),
            Self::Parameter(error) => write!(f, "the recorded parameters do not fit: {error}"),
            Self::Diverged { input } => write!(
                f,
                "what came out after input {input} was something else: the stack was made \
                 otherwise, or by another version of the program"
            ),
        }
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Parameter(error) => Some(error),
            _ => None,
        }
    }
}
