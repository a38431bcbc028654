//! What `stack!` and the packer promise.

use std::cell::RefCell;

use core::marker::PhantomData;
use gossip_core::node::{Clock, Config, Effects};
use gossip_core::packet::{BUDGET, ClusterId, DATAGRAM, HEADER, Header, SEAL};
use gossip_core::wire::DecodeError;
use gossip_core::{
    Blob, Context, Layer, Node, PeerId, Peers, Protocol, Random, Receipt, Refusal, Wire, stack,
};

/// Sends a blob of a given length to node 1 each round; notes what it hears, and offers to fill
/// spare room.
#[derive(Clone, Debug)]
struct Talker<I> {
    length: usize,
    greedy: bool,
    heard: Vec<usize>,
    changed: u32,
    rooms: RefCell<Vec<usize>>,
    version: u64,
    id: PhantomData<I>,
}

impl<I> Talker<I> {
    fn of(length: usize) -> Self {
        let (heard, rooms) = (Vec::new(), RefCell::default());
        Self { length, greedy: false, heard, changed: 0, rooms, version: 0, id: PhantomData }
    }

    fn greedy() -> Self {
        Self { greedy: true, ..Self::of(0) }
    }
}

impl<I: PeerId> Protocol for Talker<I> {
    type Id = I;
    type Message = Blob<1_000>;
    type Event = usize;
    type Command = u32;

    fn version(&self) -> u64 {
        self.version
    }
}

impl<I: PeerId, D> Layer<D> for Talker<I> {
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        if self.length > 0 {
            let me = cx.me();
            cx.send(me, Blob::new(vec![7; self.length]).unwrap());
        }
    }

    fn on_message(&mut self, _: &D, _: I, message: Self::Message, cx: &mut impl Context<Self>) {
        self.heard.push(message.len());
        self.version += 1;
        cx.emit(message.len());
    }

    fn on_change(&mut self, _: &D, _: &mut impl Context<Self>) {
        self.changed += 1;
    }

    fn on_command(
        &mut self,
        _: &D,
        length: u32,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        if length > 1_000 {
            return Err(Refusal::TooLarge { len: length as usize, limit: 1_000 });
        }
        self.length = length as usize;
        Ok(Receipt::default())
    }

    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        let room = cx.room(to);
        self.rooms.borrow_mut().push(room);
        if self.greedy && room >= 2 {
            // Two bytes of length for a blob above 127 bytes.
            cx.send(to, Blob::new(vec![9; (room - 2).min(1_000)]).unwrap());
        }
    }
}

impl<I: PeerId> Peers for Talker<I> {
    type Id = I;
    fn sample(&self, _: &mut Random) -> Option<I> {
        None
    }
    fn for_each(&self, _: impl FnMut(I, u64)) {}
}

stack! {
    /// Two talkers; the second reads the first.
    #[derive(Clone, Debug)]
    struct Two<I: PeerId> {
        first: Talker<I>,
        #[uses(first)]
        second: Talker<I>,
    }
}

type Frame = <Two<u32> as Protocol>::Message;
type TurnedFrame = <Turned<u32> as Protocol>::Message;
type Command = <Two<u32> as Protocol>::Command;

stack! {
    /// As [`Two`], one layer newer.
    #[derive(Clone, Debug)]
    struct Newer<I: PeerId> {
        first: Talker<I>,
        #[uses(first)]
        second: Talker<I>,
        #[uses(first, second)]
        #[every(3)]
        third: Talker<I>,
    }
}

stack! {
    /// As [`Two`], declared the other way round, one tag fixed.
    #[derive(Clone, Debug)]
    struct Turned<I: PeerId> {
        #[uses(first)]
        second: Talker<I>,
        first: Talker<I>,
        #[tag(9)]
        nine: Talker<I>,
    }
}

stack! {
    /// As [`Two`], declared the other way round.
    #[derive(Clone, Debug)]
    struct Swapped<I: PeerId> {
        #[uses(first)]
        second: Talker<I>,
        first: Talker<I>,
    }
}

stack! {
    /// A stack in a stack, over the outer one's layer.
    #[derive(Clone, Debug)]
    struct Inner<I: PeerId> over D: Peers<Id = I> {
        #[uses(below)]
        talker: Talker<I>,
    }
}

stack! {
    /// Holds [`Inner`].
    #[derive(Clone, Debug)]
    struct Outer<I: PeerId> {
        base: Talker<I>,
        #[uses(base)]
        inner: Inner<I>,
    }
}

fn two(first: Talker<u32>, second: Talker<u32>) -> Node<Two<u32>> {
    Node::new(0, Two::new(first, second), Config::default()).unwrap()
}

fn round<S: Layer<(), Id = u32>>(node: &mut Node<S>) -> Effects<S> {
    let mut effects = Effects::default();
    node.round(Clock::default(), &mut effects);
    effects
}

fn give<S: Layer<(), Id = u32>>(node: &mut Node<S>, bytes: &[u8]) -> Effects<S> {
    let mut effects = Effects::default();
    node.datagram(5, bytes, Clock::default(), &mut effects);
    effects
}

#[test]
fn frames_of_several_layers_share_a_datagram() {
    let out = round(&mut two(Talker::of(10), Talker::of(20)));
    assert_eq!(out.datagrams.len(), 1);
    assert_eq!(out.datagrams[0].frames, 2);
    let lengths = [10, 20].map(|length| 2 + 1 + 1 + length); // tag, frame's and blob's length
    assert_eq!(out.datagrams[0].bytes.len(), HEADER + lengths[0] + lengths[1]);

    let mut other = two(Talker::of(0), Talker::of(0));
    let heard = give(&mut other, &out.datagrams[0].bytes);
    assert_eq!(heard.events.len(), 2);
    assert_eq!((&other.stack().first.heard, &other.stack().second.heard), (&vec![10], &vec![20]));
}

#[test]
fn what_does_not_fit_goes_in_the_next_datagram() {
    let out = round(&mut two(Talker::of(700), Talker::of(600)));
    assert_eq!(out.datagrams.len(), 2);
    assert!(out.datagrams.iter().all(|datagram| datagram.bytes.len() <= DATAGRAM - SEAL));
}

/// Every MTU from the least to the largest: nothing exceeds it, and nothing that fits is split.
#[test]
fn every_mtu_is_kept() {
    let least = <Two<u32> as Protocol>::Message::MAX_LEN + HEADER + SEAL;
    let refused = Node::new(
        0,
        Two::new(Talker::<u32>::of(1), Talker::of(1)),
        Config { mtu: least - 1, ..Config::default() },
    );
    let error = refused.unwrap_err();
    assert_eq!((error.parameter, error.unit), ("mtu", "bytes"));
    for mtu in least..=2 * least {
        let config = Config { mtu, ..Config::default() };
        let stack = Two::new(Talker::of(800), Talker::of(300));
        let out = round(&mut Node::new(0, stack, config).unwrap());
        let needed = HEADER + (2 + 2 + 2 + 800) + (2 + 2 + 2 + 300);
        let expected = if needed + SEAL <= mtu { 1 } else { 2 };
        assert_eq!(out.datagrams.len(), expected, "mtu {mtu}");
        assert!(out.datagrams.iter().all(|d| d.bytes.len() + SEAL <= mtu), "mtu {mtu}");
    }
}

#[test]
fn spare_room_is_shared_and_the_first_asked_changes_with_the_round() {
    let mut node = two(Talker { length: 10, ..Talker::greedy() }, Talker::greedy());
    let mut firsts = Vec::new();
    for _ in 0..4 {
        let out = round(&mut node);
        assert_eq!(out.datagrams.len(), 1);
        assert_eq!(out.datagrams[0].frames, 3, "one frame, and one of each layer in spare room");
        assert!(out.datagrams[0].bytes.len() <= DATAGRAM - SEAL);
        let heard = give(&mut two(Talker::of(0), Talker::of(0)), &out.datagrams[0].bytes);
        firsts.push(format!("{:?}", heard.events[1]).starts_with("first"));
    }
    assert_eq!(firsts, [true, false, true, false]);
    let rooms = node.stack().first.rooms.borrow();
    assert_eq!(rooms.len(), 4, "offered once per datagram");
    // Half of what the one frame leaves, less the new frame's overhead.
    assert_eq!(rooms[0], (BUDGET - (2 + 1 + 1 + 10)) / 2 - 4);
}

#[test]
fn an_unused_share_passes_on() {
    let mut node = two(Talker::of(10), Talker::greedy());
    let out = round(&mut node);
    let left = BUDGET - (2 + 1 + 1 + 10);
    assert_eq!(*node.stack().second.rooms.borrow(), [left - 4]);
    assert_eq!(out.datagrams[0].frames, 2);
}

/// Two versions of a stack interoperate: a frame of a layer we do not have is skipped and counted,
/// the frames behind it are read, and the other shape is reported once.
#[test]
fn unknown_frames_are_skipped_and_counted() {
    let stack = Newer::new(Talker::of(1), Talker::of(2), Talker::of(3));
    let mut newer = Node::new(0, stack, Config::default()).unwrap();
    let mut older = two(Talker::of(0), Talker::of(0));
    let datagram = round(&mut newer).datagrams.remove(0).bytes;
    for reported in [1, 0] {
        let heard = give(&mut older, &datagram);
        assert_eq!(heard.events.len(), 2);
        assert_eq!(heard.counts.total("unknown frame"), 1);
        assert_eq!(heard.counts.total("stack of another shape"), reported);
    }
}

#[test]
fn a_damaged_frame_ends_the_datagram_and_foreign_datagrams_are_counted() {
    let datagram = round(&mut two(Talker::of(10), Talker::of(20))).datagrams.remove(0).bytes;
    let mut node = two(Talker::of(0), Talker::of(0));

    let mut damaged = datagram.clone();
    damaged[HEADER + 3] = 200; // the first blob claims more bytes than its frame has
    let heard = give(&mut node, &damaged);
    assert_eq!(heard.events.len(), 0);
    assert_eq!(heard.counts.iter().map(|row| row.2).sum::<u64>(), 1);

    for (cause, bytes) in
        [("datagram too short", &datagram[..HEADER - 1]), ("not a gossip datagram", &[0; 40])]
    {
        assert_eq!(give(&mut node, bytes).counts.total(cause), 1, "{cause}");
    }
    let mut foreign = datagram.clone();
    foreign[2] = 99;
    assert_eq!(give(&mut node, &foreign).counts.total("foreign version"), 1);
    let mut foreign = Vec::new();
    Header { cluster: ClusterId::named("elsewhere"), shape: 0 }.write(&mut foreign);
    assert_eq!(give(&mut node, &foreign).counts.total("foreign cluster"), 1);
}

#[test]
fn tags_come_from_names_or_are_fixed_never_from_positions() {
    let turned = Turned::new(Talker::of(20), Talker::of(10), Talker::of(5));
    let mut turned = Node::new(0, turned, Config::default()).unwrap();
    let datagram = round(&mut turned).datagrams.remove(0).bytes;
    let mut node = two(Talker::of(0), Talker::of(0));
    assert_eq!(give(&mut node, &datagram).counts.total("unknown frame"), 1);
    assert_eq!((&node.stack().first.heard, &node.stack().second.heard), (&vec![10], &vec![20]));
    let mut bytes = Vec::new();
    TurnedFrame::nine(Blob::default()).encode(&mut bytes);
    assert_eq!(bytes, [9, 0, 1, 0]);
}

#[test]
fn readers_hear_of_change_and_of_nothing_else() {
    let mut node = two(Talker::of(0), Talker::of(0));
    let say = |first, second| round(&mut two(Talker::of(first), Talker::of(second))).datagrams;
    give(&mut node, &say(0, 4)[0].bytes);
    assert_eq!(node.stack().second.changed, 0, "nothing it reads has moved");
    give(&mut node, &say(4, 0)[0].bytes);
    assert_eq!((node.stack().first.changed, node.stack().second.changed), (0, 1));
}

#[test]
fn every_third_round_is_every_third() {
    let stack = Newer::new(Talker::of(0), Talker::of(0), Talker::of(3));
    let mut node = Node::new(0, stack, Config::default()).unwrap();
    let sent: Vec<usize> = (0..7).map(|_| round(&mut node).datagrams.len()).collect();
    assert_eq!(sent, [1, 0, 0, 1, 0, 0, 1]);
}

#[test]
fn a_stack_is_a_layer_of_another_stack() {
    let outer = || Outer::new(Talker::of(5), Inner::new(Talker::of(6)));
    let mut node = Node::new(0, outer(), Config::default()).unwrap();
    let out = round(&mut node);
    assert_eq!(out.datagrams[0].frames, 2);
    let heard = give(&mut node, &out.datagrams[0].bytes);
    let told: Vec<String> = heard.events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(told, ["base(5)", "inner(talker(6))"]);
    // The base moved before the inner stack was called, so its reader was told.
    assert_eq!(node.stack().inner.talker.changed, 1);
}

#[test]
fn commands_reach_their_layer_and_refusals_come_back() {
    let mut node = two(Talker::of(0), Talker::of(0));
    let mut effects = Effects::default();
    let mut ask = |command| node.command(command, Clock::default(), &mut effects);
    assert_eq!(ask(Command::second(12)), Ok(Receipt::default()));
    assert_eq!(ask(Command::first(5_000)), Err(Refusal::TooLarge { len: 5_000, limit: 1_000 }));
    assert_eq!((node.stack().first.length, node.stack().second.length), (0, 12));
}

/// The frame codec is postcard's encoding of (tag, bytes): the oracle is postcard itself.
#[test]
fn frames_are_postcards() {
    for length in [0, 1, 126, 127, 128, 999, 1_000] {
        let frame = Frame::second(Blob::new(vec![1; length]).unwrap());
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes, postcard::to_allocvec(&frame).unwrap(), "length {length}");
        assert_eq!(bytes.len(), frame.encoded_len());
        assert!(bytes.len() <= Frame::MAX_LEN && bytes.len() >= Frame::MIN_LEN);
        let back = Frame::decode_all(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{frame:?}"));
        let serde: Frame = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(format!("{serde:?}"), format!("{frame:?}"));
    }
    let mut unknown = &[1, 1, 2, 0, 0, 77][..];
    assert_eq!(Frame::decode(&mut unknown).unwrap_err(), DecodeError::UnknownFrame { tag: 257 });
    assert_eq!(unknown, [77], "it is skipped by its length");
}

/// The hash of the shape does not depend on the order of declaration, and does on the layers.
#[test]
fn shapes_tell_stacks_apart() {
    assert_ne!(Frame::SHAPE, <Newer<u32> as Protocol>::Message::SHAPE);
    assert_ne!(Frame::SHAPE, TurnedFrame::SHAPE);
    assert_eq!(Frame::SHAPE, <Swapped<u32> as Protocol>::Message::SHAPE);
}
