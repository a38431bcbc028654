//! The flight recorder: what was recorded is done again, and whatever is not as it was is told.

use gossip_core::flight::{Input, Recorder, Recording, Replay, ReplayError};
use gossip_core::node::{Clock, Config, Effects, Node};
use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::{PeerId, Time, stack};
use proptest::prelude::*;

stack! {
    /// Two samplers, one over nothing and one beside it.
    #[derive(Debug)]
    struct Both<I: PeerId> {
        one: Cyclon<I, 8>,
        two: Newscast<I, 8>,
    }
}

fn both() -> Both<u32> {
    let one = Cyclon::new(cyclon::Config::default()).unwrap();
    Both::new(one, Newscast::new(newscast::Config::default()).unwrap())
}

fn config(seed: u64) -> Config {
    Config { seed, ..Config::default() }
}

fn clock(micros: u64) -> Clock {
    // A wall clock that jumps to and fro.
    Clock { now: Time::from_micros(micros), wall: (micros * 3) % 1_000_003 }
}

/// A node and its recorder.
struct Recorded {
    node: Node<Both<u32>>,
    out: Effects<Both<u32>>,
    recorder: Recorder,
}

impl Recorded {
    fn new(me: u32) -> Self {
        let node = Node::new(me, both(), config(7)).unwrap();
        let recorder = Recorder::begin::<Both<u32>>(me, &config(7), b"both");
        Self { node, out: Effects::default(), recorder }
    }

    fn give(&mut self, input: Input<'_, Both<u32>>, clock: Clock) {
        self.recorder.note(&input, clock);
        input.give(&mut self.node, clock, &mut self.out).unwrap();
        self.recorder.came_out(&self.out);
    }
}

/// Four nodes that know one another through node 0, for 50 rounds over links that lose a tenth; and
/// node 3, which becomes unreachable and leaves.
fn recorded() -> Vec<Recorded> {
    let mut nodes: Vec<Recorded> = (0..4).map(Recorded::new).collect();
    let mut random = Key::new(1).random(0);
    for (node, at) in nodes[1..].iter_mut().zip(1..) {
        node.give(Input::Contact(0), clock(at));
    }
    for round in 0..50_u64 {
        for me in 0..4_usize {
            let at = clock(round * 1_000_000 + me as u64 * 1_000);
            nodes[me].give(Input::Wake, at);
            nodes[me].give(Input::Round, at);
            let mut waiting = vec![me];
            while let Some(from) = waiting.pop() {
                for datagram in std::mem::take(&mut nodes[from].out.datagrams) {
                    let to = datagram.to as usize;
                    if !random.chance(0.1) {
                        nodes[to].give(Input::Datagram(from as u32, &datagram.bytes), at);
                        waiting.push(to);
                    }
                }
            }
        }
    }
    let end = clock(60_000_000);
    nodes[0].give(Input::Unreachable(3), end);
    nodes[3].give(Input::Leave, end);
    nodes
}

fn replayed(bytes: &[u8], stack: Both<u32>) -> Result<(u64, String), ReplayError> {
    let mut replay = Replay::new(Recording::read(bytes)?, stack)?;
    let inputs = replay.run()?;
    Ok((inputs, format!("{:?}", replay.node().stack())))
}

/// Each node's replay ends in the very state in which the node was.
#[test]
fn a_replay_ends_in_the_same_state() {
    for one in recorded() {
        let (inputs, state) = replayed(one.recorder.bytes(), both()).unwrap();
        assert_eq!(state, format!("{:?}", one.node.stack()), "node {}", one.node.me());
        assert!(inputs > 150, "{inputs} inputs are too few to show anything");
        let recording = Recording::<u32>::read(one.recorder.bytes()).unwrap();
        assert_eq!((recording.me, recording.config), (one.node.me(), config(7)));
        assert_eq!(recording.about, b"both");
    }
}

/// A stack made otherwise, and another seed, are told at the first input at which they show.
#[test]
fn what_is_not_the_same_diverges() {
    let one = &recorded()[1];
    let small = cyclon::Config { size: Some(2), shuffle: 2, ..Default::default() };
    let two = Newscast::new(newscast::Config::default()).unwrap();
    let other = Both::new(Cyclon::new(small).unwrap(), two);
    let told = replayed(one.recorder.bytes(), other);
    assert!(matches!(told, Err(ReplayError::Diverged { .. })), "{told:?}");
    let recording = Recording::read(one.recorder.bytes()).unwrap();
    let alone: Cyclon<u32, 8> = Cyclon::new(cyclon::Config::default()).unwrap();
    let told = Replay::new(recording.clone(), alone).map(|_| ());
    assert!(matches!(told, Err(ReplayError::Shape { .. })), "{told:?}");
    let mut seeded = recording;
    seeded.config = config(8);
    let told = Replay::new(seeded, both()).unwrap().run();
    assert!(matches!(told, Err(ReplayError::Diverged { .. })), "{told:?}");
}

/// Cut anywhere, it is replayed up to there, and what is left is said; cut in its header, it is
/// damaged.
#[test]
fn a_cut_recording_is_replayed_up_to_there() {
    let one = &recorded()[2];
    let bytes = one.recorder.bytes();
    let mut before = 0;
    for len in 0..bytes.len().min(3_000) {
        match Recording::<u32>::read(&bytes[..len]) {
            Ok(recording) => {
                let mut replay = Replay::new(recording, both()).unwrap();
                let inputs = replay.run().unwrap();
                assert!(inputs >= before && replay.at() + replay.left() == len, "at {len}");
                before = inputs;
            }
            Err(error) => assert!(len < 64 && before == 0, "{error} at {len}"),
        }
    }
    assert!(before > 20, "{before}");
}

/// The shortest that the format allows for a node that is given nothing.
#[test]
fn what_is_no_recording_is_foreign() {
    assert_eq!(Recording::<u32>::read(b"").unwrap_err(), ReplayError::Foreign);
    assert_eq!(Recording::<u32>::read(b"gossip flight 2\n").unwrap_err(), ReplayError::Foreign);
    let cut = Recording::<u32>::read(b"gossip flight 1\n").unwrap_err();
    assert_eq!(cut, ReplayError::Damaged { at: 16 });
    let long = Recording::<u32>::read(b"gossip flight 1\n\xff\xff\xff\xff\x0f").unwrap_err();
    assert_eq!(long, ReplayError::Damaged { at: 16 });
}

proptest! {
    /// A changed byte is told, wherever it is: nothing that follows is given to the node, unless it
    /// makes the last frame look cut.
    #[test]
    fn trial_a_changed_byte_is_told(at in 0_usize..100_000, by in 1_u8..=255) {
        let one = &recorded()[3];
        let mut bytes = one.recorder.bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= by;
        let Ok(recording) = Recording::read(&bytes) else { return Ok(()) };
        let mut replay = Replay::new(recording, both()).unwrap();
        match replay.run() {
            Ok(_) => prop_assert!(replay.left() > 0 && replay.at() <= at),
            Err(ReplayError::Damaged { at: told }) => prop_assert!(told <= at),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    /// Bytes that follow the header, of anybody's making, are refused without a panic.
    #[test]
    fn trial_any_bytes_are_refused(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = Recorder::begin::<Both<u32>>(1, &config(1), b"").bytes().to_vec();
        bytes.extend_from_slice(&tail);
        let mut replay = Replay::new(Recording::read(&bytes).unwrap(), both()).unwrap();
        prop_assert_eq!(replay.run().unwrap_or_default(), 0);
    }
}
