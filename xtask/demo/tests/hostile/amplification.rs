//! What a short question costs: bytes out per byte in, layer by layer.
//!
//! Addresses can be forged, so a node that answers more than it is asked lends its bandwidth. For
//! every layer the shortest question that is answered is sent to a node that knows much, alone in a
//! datagram and as often as a datagram holds it.

use std::time::Duration;

use gossip_aggregate::push_pull::Message as State;
use gossip_core::random::Key;
use gossip_core::sampling::newscast::News;
use gossip_core::sim::event::Simulation;
use gossip_core::wire::Bundle;
use gossip_core::wire::Wire;
use gossip_core::{Blob, Bounded, Finite, Leg};
use gossip_dissem::rumor;
use gossip_entropy::message::{List, Message};
use gossip_entropy::page::Page;
use gossip_overlay::slicing::{Value, jk};
use gossip_overlay::tman::{self, Talk};

use crate::stack::{Command, Frame, LAYERS, NODES, Node, datagram, simulation};

/// The shortest question for a layer that is answered at length; `number` tells it from others.
fn question(layer: usize, number: u32, epochs: (u64, u64)) -> Frame {
    match layer {
        0 => Frame::peers(Leg::Request(number, Bounded::new())),
        1 => {
            let mut news = Bundle::new();
            news.fill([News { id: 99, age_ms: 0, profile: () }]);
            Frame::recent(Leg::Request(number, news))
        }
        2 => {
            let message = tman::Message { profile: (), news: Bounded::new() };
            Frame::ring(Talk::Exchange(Leg::Request(number, message)))
        }
        3 => Frame::mean(Leg::Request(number, State { epoch: epochs.0, state: Finite::new(1.0) })),
        4 => {
            let state = Some(Bounded::new());
            Frame::count(Leg::Request(number, State { epoch: epochs.1, state }))
        }
        5 => {
            let attribute = Finite::new(if number.is_multiple_of(2) { -1e9 } else { 1e9 }).unwrap();
            let value = Value::nearest(f64::from(u8::from(number.is_multiple_of(2))));
            Frame::slices(Leg::Request(number, jk::Message::Offer(attribute, value)))
        }
        6 => Frame::news(rumor::Message::Ask(Bounded::new())),
        _ => {
            let mut lists = Page::new();
            lists.push(&List { path: 1, lines: Page::new() });
            Frame::data(Message::Lists { salt: [0; 4], lists })
        }
    }
}

/// A node that knows much: a full store, rumors of the longest kind, full views.
fn victim() -> Simulation<Node> {
    let mut sim = simulation(11);
    for round in 0..30_u32 {
        for node in 0..NODES {
            let value = Blob::new(vec![round as u8; 512]).unwrap();
            let publish = rumor::Command::Publish(value);
            // Refused once a node has its share of hot rumors.
            let _ = sim.command(node, Command::news(publish));
            for key in 0..8 {
                let key = format!("key {node} {round} {key}");
                let set = gossip_entropy::Command::set(key, [7; 100]).unwrap();
                sim.command(node, Command::data(set)).unwrap();
            }
        }
        sim.run_for(Duration::from_secs(1));
    }
    sim
}

/// Bytes in and out, and datagrams out, of one datagram with `copies` questions to `layer` that
/// bears the name of `from`.
fn ask(sim: &mut Simulation<Node>, from: u32, layer: usize, copies: u32) -> (u64, u64, u64) {
    // Past the answers under way, until no exchange of the victim's own makes it refuse.
    let mut random = Key::new(3).random(from.into());
    let busy = |sim: &Simulation<Node>| {
        let node = sim.node(3).unwrap();
        node.mean.is_waiting() || node.count.is_waiting() || node.slices.is_waiting()
    };
    while busy(sim) {
        sim.run_for(Duration::from_millis(1));
    }
    let node = sim.node(3).unwrap();
    let epochs = (node.mean.epoch(), node.count.epoch());
    let first = random.next_u64() as u32 >> 8;
    let frames: Vec<Frame> = (0..copies).map(|n| question(layer, first + n, epochs)).collect();
    let bytes = datagram(&frames);
    let (len, before) = (bytes.len() as u64, sim.traffic());
    sim.inject(from, 3, bytes);
    sim.run_for(Duration::ZERO);
    let after = sim.traffic();
    (len, after.bytes - before.bytes, after.datagrams - before.datagrams)
}

/// By layer: the most bytes out per byte in, of a lone question in its datagram and of a datagram
/// full of them, from the longest answers: 8 descriptors of 22 bytes, 12 of 10, 20 of 8; 24 shares
/// of 13; one number; a batch of 32 rumors of 512 bytes; 32 full datagrams of entries. Rumors and
/// entries are sent once a round and asker, so a full datagram gets no more of them than a lone
/// question, and at most 16 and 8 askers a round are answered at all.
const MOST: [(f64, f64); 8] = [
    (10.0, 21.0),
    (7.0, 12.0),
    (10.0, 19.0),
    (2.0, 2.0),
    (16.0, 31.0),
    (2.0, 2.0),
    (1_100.0, 20.0),
    (1_750.0, 40.0),
];

#[test]
fn a_short_question_has_a_bounded_answer() {
    for (layer, name) in LAYERS.iter().enumerate() {
        let mut sim = victim();
        let lone = ask(&mut sim, 77, layer, 1);
        let each = question(layer, 1 << 23, (0, 0)).encoded_len() as u32 + 1;
        let full = ask(&mut sim, 78, layer, 1_156 / each);
        let ratio = |(len, out, _): (u64, u64, u64)| out as f64 / len as f64;
        let measured = (ratio(lone), ratio(full));
        println!("{name}: {lone:?} {:.1}, full {full:?} {:.1}", measured.0, measured.1);
        let most = MOST[layer];
        assert!(
            measured.0 <= most.0 && measured.1 <= most.1,
            "{name}: {measured:?} above {most:?}"
        );
        assert!(lone.1 > 0, "{name} does not answer: the test shows nothing");
    }
}
