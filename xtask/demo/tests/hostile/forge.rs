//! Hostile datagrams: noise, damage, lies.

use gossip_aggregate::push_pull;
use gossip_core::packet::HEADER;
use gossip_core::sampling::{Descriptor, newscast};
use gossip_core::sim::event::{Passage, Simulation};
use gossip_core::wire::Wire;
use gossip_core::{Blob, Bounded, Finite, Leg, Random};
use gossip_dissem::rumor::{self, DIGEST};
use gossip_dissem::{MessageId, Post};
use gossip_entropy::message::{LIST, Line, List, Message, Node as Digest, Update};
use gossip_entropy::page::{PAGE, Page};
use gossip_entropy::stamp::Stamp;
use gossip_overlay::slicing::{Profile, Value, jk};
use gossip_overlay::tman;

use crate::stack::{Frame, NODES, Node, VIEW, datagram, header};

/// What an attacker knows: datagrams it has seen, and the latest request of each node and layer.
pub(crate) struct Forger {
    pub(crate) seen: Vec<Vec<u8>>,
    /// Asker, partner, number, layer.
    asked: Vec<(u32, u32, u32, usize)>,
}

/// One hostile datagram.
pub(crate) struct Lie {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Requests remembered: those of about the last second.
const ASKED: usize = 96;

impl Forger {
    pub(crate) const fn new(seen: Vec<Vec<u8>>) -> Self {
        Self { seen, asked: Vec::new() }
    }

    /// Reads what nodes ask each other, to answer in the partner's place.
    pub(crate) fn listen(&mut self, passage: &Passage) {
        let mut frames = passage.bytes.get(HEADER..).unwrap_or_default();
        while let Ok(frame) = Frame::decode(&mut frames) {
            let number = match frame {
                Frame::peers(Leg::Request(number, _)) => (0, number),
                Frame::recent(Leg::Request(number, _)) => (1, number),
                Frame::ring(tman::Talk::Exchange(Leg::Request(number, _))) => (2, number),
                Frame::mean(Leg::Request(number, _)) => (3, number),
                Frame::count(Leg::Request(number, _)) => (4, number),
                Frame::slices(Leg::Request(number, _)) => (5, number),
                _ => continue,
            };
            if self.asked.len() >= ASKED {
                self.asked.remove(0);
            }
            self.asked.push((passage.trip.from, passage.trip.to, number.1, number.0));
        }
    }

    /// A datagram of a random kind, from a random sender, the victim itself included.
    pub(crate) fn forge(&self, sim: &Simulation<Node>, random: &mut Random) -> Lie {
        let to = random.below(NODES as usize) as u32;
        let from = match random.below(4) {
            0 => to,
            1 => random.next_u64() as u32,
            _ => random.below(NODES as usize) as u32,
        };
        let wall = sim.now().as_micros();
        let bytes = match random.below(10) {
            0 => noise(random),
            1 => [header(), noise(random)].concat(),
            2..=5 => self.damaged(random),
            6 => random.pick(&self.seen).cloned().unwrap_or_default(),
            7 => return self.forged_reply(wall, random),
            _ => {
                let count = 1 + random.below(3);
                let frames: Vec<Frame> =
                    (0..count).map(|_| lie(random.below(8), to, wall, None, random)).collect();
                datagram(&frames)
            }
        };
        Lie { from, to, bytes }
    }

    /// An answer to a request under way, in its partner's name and with its number.
    fn forged_reply(&self, wall: u64, random: &mut Random) -> Lie {
        let asked = random.pick(&self.asked).copied();
        let (to, from, number, layer) = asked.unwrap_or((0, 1, 1, 0));
        Lie { from, to, bytes: datagram([&lie(layer, to, wall, Some(number), random)]) }
    }

    /// A datagram that was seen, damaged in one to three ways.
    fn damaged(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = random.pick(&self.seen).cloned().unwrap_or_default();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len().max(1)).min(bytes.len());
            match random.below(8) {
                0 => bytes.truncate(at),
                1 => {
                    let other = random.pick(&self.seen).cloned().unwrap_or_default();
                    let cut = random.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[cut..]);
                }
                2 => bytes.extend_from_within(HEADER.min(bytes.len())..),
                // The length of the first frame, and what looks like one.
                3 => overwrite(&mut bytes, HEADER + 2, &[random.next_u64() as u8]),
                4 => overwrite(&mut bytes, at, EXTREMES[random.below(EXTREMES.len())]),
                5 => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
                _ => (0..=random.below(4)).for_each(|_| {
                    let at = random.below(bytes.len().max(1));
                    let bit = 1 << random.below(8);
                    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
                }),
            }
        }
        bytes.truncate(2_000);
        bytes
    }
}

/// u64::MAX and u32::MAX as varints, NaN, infinity, the largest number, a varint without end.
const EXTREMES: [&[u8]; 6] = [
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
    &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f],
    &[0xff; 12],
];

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes.iter_mut().skip(at).zip(with).for_each(|(byte, new)| *byte = *new);
}

fn noise(random: &mut Random) -> Vec<u8> {
    let len = if random.chance(0.9) { random.below(100) } else { random.below(1_400) };
    (0..len).map(|_| random.next_u64() as u8).collect()
}

/// The victim, a node, or nobody.
fn id(me: u32, random: &mut Random) -> u32 {
    match random.below(4) {
        0 => me,
        1 => random.next_u64() as u32,
        _ => random.below(NODES as usize) as u32,
    }
}

/// A number at the edge of what there is, or any.
fn number(random: &mut Random) -> f64 {
    let edges = [0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 0.5];
    match random.below(9) {
        8 => f64::from_bits(random.next_u64()),
        at => edges[at],
    }
}

fn finite(random: &mut Random) -> Finite {
    Finite::new(number(random)).or(Finite::new(7.0)).unwrap()
}

fn edge(random: &mut Random) -> u64 {
    let edges = [0, 1, u64::from(u32::MAX), u64::MAX, u64::MAX - 1, 1 << 33];
    match random.below(7) {
        6 => random.next_u64() >> random.below(64),
        at => edges[at],
    }
}

/// One leg of an exchange; the answer to request `number`, if there is one.
fn leg<M: Wire>(number: Option<u32>, message: M, random: &mut Random) -> Leg<M> {
    let any = edge(random) as u32;
    match (number, random.below(6)) {
        (Some(number), 0) => Leg::Busy(number),
        (Some(number), _) => Leg::Reply(number, message),
        (None, 0) => Leg::Busy(any),
        (None, 1) => Leg::Reply(any, message),
        (None, _) => Leg::Request(any, message),
    }
}

/// A list of any length up to the longest, half of them full.
fn list<T: Wire, const N: usize>(
    random: &mut Random,
    mut element: impl FnMut(&mut Random) -> T,
) -> Bounded<T, N> {
    let len = if random.chance(0.5) { N } else { random.below(N + 1) };
    let mut list = Bounded::new();
    list.fill((0..len).map(|_| element(random)));
    list
}

/// A frame of layer number `layer` that decodes, and lies.
pub(crate) fn lie(
    layer: usize,
    me: u32,
    wall: u64,
    reply: Option<u32>,
    random: &mut Random,
) -> Frame {
    match layer {
        0 => {
            let views = list::<_, VIEW>(random, |random| Descriptor {
                id: id(me, random),
                age: edge(random) as u16,
                profile: Profile {
                    attribute: finite(random),
                    value: random.chance(0.9).then(|| Value::nearest(random.unit())),
                },
            });
            Frame::peers(leg(reply, views, random))
        }
        1 => {
            let news = |random: &mut Random| {
                let age_ms = edge(random) as u32;
                newscast::News { id: id(me, random), age_ms, profile: () }
            };
            let views = list::<_, VIEW>(random, news);
            Frame::recent(leg(reply, views.into(), random))
        }
        2 => {
            let known = |random: &mut Random| {
                let age = edge(random) as u16;
                tman::News { id: id(me, random), age, profile: () }
            };
            let message = tman::Message { profile: (), news: list::<_, 20>(random, known) };
            Frame::ring(tman::Talk::Exchange(leg(reply, message, random)))
        }
        3 => {
            let state = random.chance(0.9).then(|| finite(random));
            let message = push_pull::Message { epoch: epoch(random), state };
            Frame::mean(leg(reply, message, random))
        }
        4 => {
            let mut shares = list(random, |random| (edge(random) as u32, finite(random)));
            if random.chance(0.7) {
                shares.sort_unstable_by_key(|share| share.0);
            }
            let message = push_pull::Message { epoch: epoch(random), state: Some(shares) };
            Frame::count(leg(reply, message, random))
        }
        5 => {
            let value = Value::nearest(random.unit());
            let message = match random.below(3) {
                0 => jk::Message::Swapped(value),
                _ => jk::Message::Offer(finite(random), value),
            };
            Frame::slices(leg(reply, message, random))
        }
        6 => Frame::news(rumors(me, random)),
        _ => Frame::data(entries(me, wall, random)),
    }
}

/// Mostly near those that run, or every lie would be refused for its number.
fn epoch(random: &mut Random) -> u64 {
    if random.chance(0.8) { random.below(200) as u64 } else { edge(random) }
}

fn rumors(me: u32, random: &mut Random) -> rumor::Message<u32, Blob<512>> {
    let name = |random: &mut Random| MessageId {
        origin: id(me, random),
        boot: edge(random) as u32,
        sequence: edge(random) as u32,
    };
    let len = random.below(513);
    let value = Blob::new(vec![7; len]).unwrap();
    let (hops, age) = (edge(random) as u16, random.below(70) as u16);
    let rumor = Post { id: name(random), hops, age, value };
    match random.below(5) {
        0 => rumor::Message::Push(rumor),
        1 => rumor::Message::Feedback { id: rumor.id, needed: random.chance(0.5) },
        2 => rumor::Message::Ask(list::<_, DIGEST>(random, name)),
        3 => rumor::Message::Answer(rumor),
        _ => rumor::Message::Spare(rumor),
    }
}

fn page<T: Wire, const BYTES: usize>(
    random: &mut Random,
    most: usize,
    mut element: impl FnMut(&mut Random) -> T,
) -> Page<T, BYTES> {
    let mut page = Page::new();
    for _ in 0..=random.below(most) {
        page.push(&element(random));
    }
    page
}

/// The name of a subtree, or of none.
fn path(random: &mut Random) -> u64 {
    match random.below(3) {
        0 => edge(random),
        1 => 1,
        _ => (1 << (4 * random.below(16))) | (random.next_u64() & 0xff),
    }
}

fn entries(me: u32, wall: u64, random: &mut Random) -> Message<u32, 32, 128> {
    let bytes = |random: &mut Random| random.next_u64().to_le_bytes();
    let salt = (edge(random) as u32).to_le_bytes();
    match random.below(5) {
        0 => Message::Root(bytes(random)),
        1 => {
            let nodes = |random: &mut Random| Digest {
                path: path(random),
                children: [(random.next_u64() as u16).to_le_bytes(); 16],
            };
            Message::Digests { salt, nodes: page::<_, PAGE>(random, 40, nodes) }
        }
        2 => {
            let line = |random: &mut Random| Line {
                position: bytes(random),
                micros: edge(random),
                mark: [random.next_u64() as u8; 2],
            };
            let lists = |random: &mut Random| List {
                path: path(random),
                lines: page::<_, LIST>(random, 20, line),
            };
            Message::Lists { salt, lists: page::<_, PAGE>(random, 40, lists) }
        }
        3 => Message::Wants(page::<_, PAGE>(random, 145, bytes)),
        _ => {
            let ahead = [0, 599_000_000, 601_000_000, u64::MAX / 2];
            let update = |random: &mut Random| {
                let micros = wall.saturating_add(ahead[random.below(4)]);
                let count = edge(random) as u32;
                let value = random.chance(0.8).then(|| Blob::new([7; 40]).unwrap());
                let key = Blob::new(format!("lie {}", random.below(300))).unwrap();
                Update::new(key, Stamp { micros, count, origin: id(me, random) }, value)
            };
            Message::Updates(page::<_, PAGE>(random, 20, update))
        }
    }
}
