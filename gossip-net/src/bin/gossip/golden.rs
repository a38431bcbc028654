//! Golden vectors of the wire: frames that agents of an earlier build have sent. Each must be read,
//! and written again byte for byte, for as long as the version of the header is the same.
//!
//! `UPDATE=1 cargo test -p gossip-net --features cli golden` adds what is missing; a line that was
//! there is never changed by it. A change of a line is a change of the protocol.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use gossip_core::node::{Clock, Config, Effects, Node};
use gossip_core::packet::{ClusterId, HEADER, Header};
use gossip_core::wire::Wire;
use gossip_core::{Blob, Finite, Protocol, Time};
use gossip_dissem::rumor;

use gossip_entropy::Secret;
use gossip_entropy::blobs::{self, Reference};

use crate::stack::{Agent, Asked, Name, News, Start};

type Frame = <Agent<SocketAddr> as Protocol>::Message;

/// Frames kept of each layer.
const KEPT: usize = 6;

fn addr(node: u8) -> SocketAddr {
    ([10, 0, 0, node], 7171).into()
}

fn agent(node: u8) -> Node<Agent<SocketAddr>> {
    let start = Start {
        name: Name::new(format!("node-{node}").into_bytes()).expect("short"),
        tick_micros: 1_000_000,
        load: Finite::new(f64::from(node)).expect("finite"),
        incarnation: 0,
        joins: false,
    };
    let config = Config { seed: 42, ..Config::default() };
    Node::new(addr(node), start.stack().expect("in bounds"), config).expect("it fits")
}

fn publish(node: u8) -> Asked {
    let topic = Blob::new(*b"golden").expect("it fits");
    let text = Blob::new(vec![b'a' + node; 3 + usize::from(node)]).expect("it fits");
    Asked::news(rumor::Command::Publish(News { topic, text }))
}

fn set(node: u8) -> Asked {
    let key = format!("key {}", node % 3);
    Asked::data(gossip_entropy::Command::set(&key, [node; 4]).expect("it fits"))
}

/// What six agents say to each other in forty rounds: frames by layer, each of another length.
fn said() -> BTreeMap<&'static str, BTreeMap<usize, Vec<u8>>> {
    let mut nodes: Vec<_> = (0..6).map(agent).collect();
    let (mut out, mut under_way) = (Effects::default(), VecDeque::new());
    let mut said: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for round in 1..=40 {
        let clock = Clock { now: Time::from_micros(round * 1_000_000), wall: round * 1_000_000 };
        for (at, node) in nodes.iter_mut().enumerate() {
            if round == 1 && at > 0 {
                node.contact(addr(0), clock, &mut out);
            }
            node.wake(clock, &mut out);
            if round % 10 == 5 {
                for command in [publish(at as u8), set(at as u8)] {
                    node.command(command, clock, &mut out).expect("taken");
                }
            }
            // One holds a blob that another wants.
            let large = match (round, at) {
                (5, 2) => Some(blobs::Command::put([9; 1_500]).expect("it fits")),
                (5, 4) => Some(blobs::Command::Want(Reference::of(&[9; 1_500], Secret::default()))),
                _ => None,
            };
            if let Some(large) = large {
                node.command(Asked::large(large), clock, &mut out).expect("taken");
            }
            node.round(clock, &mut out);
            under_way.extend(out.datagrams.drain(..).map(|datagram| (addr(at as u8), datagram)));
        }
        while let Some((from, datagram)) = under_way.pop_front() {
            let mut frames = &datagram.bytes[HEADER..];
            while !frames.is_empty() {
                let before = frames;
                let frame = Frame::decode(&mut frames).expect("our own");
                let bytes = &before[..before.len() - frames.len()];
                said.entry(frame.layer()).or_default().insert(bytes.len(), bytes.to_vec());
            }
            let to = (0..6).find(|node| addr(*node) == datagram.to).expect("one of them");
            nodes[usize::from(to)].datagram(from, &datagram.bytes, clock, &mut out);
            let sent = out.datagrams.drain(..);
            under_way.extend(sent.map(|datagram| (addr(to), datagram)));
        }
    }
    said
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/agent-wire.txt")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

#[test]
fn golden_frames_are_read_and_written_as_ever() {
    let mut text = fs::read_to_string(file()).unwrap_or_default();
    if std::env::var_os("UPDATE").is_some() {
        for (layer, frames) in said() {
            let had = text.lines().filter(|line| line.starts_with(&format!("{layer} "))).count();
            // From the shortest to the longest.
            let step = frames.len().div_ceil(KEPT).max(1);
            for bytes in frames.values().step_by(step).skip(had) {
                text.push_str(&format!("{layer} {}\n", hex(bytes)));
            }
        }
        fs::create_dir_all(file().parent().expect("a folder")).expect("made");
        fs::write(file(), &text).expect("written");
    }
    let mut layers = BTreeMap::<&str, usize>::new();
    for line in text.lines() {
        let (layer, bytes) = line.split_once(' ').expect("a layer and bytes");
        let bytes = unhex(bytes);
        let frame = Frame::decode_all(&bytes).unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!((frame.layer(), hex(&again)), (layer, hex(&bytes)));
        *layers.entry(layer).or_default() += 1;
    }
    let all = ["count", "data", "large", "mean", "members", "news", "peers", "ring", "slices"];
    assert!(layers.keys().eq(&all), "{layers:?}: every layer that sends has vectors");
    // What stands before them in every datagram.
    let mut header = Vec::new();
    Header { cluster: ClusterId::default(), shape: 7 }.write(&mut header);
    assert_eq!(hex(&header), "67b5010000000007000000");
}
