//! What a message costs: to publish, to receive, and to pack beside a backlog.
//!
//! A layer over three neighbours, in one's hands: no driver, no wire code. Times move with the
//! machine; what holds is the ratio of rows: what a decorator adds to the layer it is around, and
//! that a backlog of 10^5 makes what is sent no dearer than the depth of a tree does.
//!
//! Bias: tables are warm, and identifiers come in their order.

#[path = "../tests/it/common/hands.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod hands;

use core::time::Duration;
use std::hint::black_box;

use criterion::Criterion;
use gossip_core::auth::{Authority, Keyed};
use gossip_core::sampling::Fixed;
use gossip_core::{Layer, Wire};
use gossip_dissem::causal::Stamped;
use gossip_dissem::plumtree::{Command, Config, Message, Plumtree};
use gossip_dissem::signed::Sealed;
use gossip_dissem::validate::Verdict;
use gossip_dissem::{
    Carried, Causal, Fifo, MessageId, Paced, Patience, Post, Signed, Spread, Validated, pace,
    validate,
};
use hands::Held;

/// Messages between two rounds.
const ROUND: u32 = 10_000;

fn plumtree<V: Wire>() -> Plumtree<u32, V> {
    let intake = ROUND as usize;
    let config = Config { intake, share: intake, age: 1, memory: 3 * intake, ..Config::default() };
    Plumtree::new(config).expect("a valid configuration")
}

fn accept(_: u32, _: Carried<'_, u32, u64>, _: u32) -> Verdict {
    Verdict::Accept
}

type Judge = fn(u32, Carried<'_, u32, u64>, u32) -> Verdict;
type Keys = fn(u32) -> Option<u32>;
type Proven = Signed<Plumtree<u32, Sealed<u64, u64>>, Keyed, Keys>;

fn signed(node: u32) -> Proven {
    let signer = Authority::new(1).signer(node);
    Signed::new(plumtree(), signer, Some as Keys, ROUND as usize).expect("valid")
}

/// Publishes one value after the other.
fn publish<L>(c: &mut Criterion, name: &str, layer: L)
where
    L: Layer<Fixed<u32, 8>, Id = u32> + Spread<Value = u64>,
{
    let mut node = Held::new(layer);
    let mut number = 0_u32;
    c.bench_function(&format!("publish/{name}"), |b| {
        b.iter(|| {
            if number.is_multiple_of(ROUND) {
                node.round();
            }
            number = number.wrapping_add(1);
            let receipt = node.command(L::publish(u64::from(number), None));
            assert!(receipt.is_ok(), "{receipt:?}");
            node.hands.sent.clear();
            node.hands.told.clear();
        });
    });
}

/// Receives one publication after the other, each from a neighbour in turn, as `value` makes them.
fn receive<L, V: Wire>(c: &mut Criterion, name: &str, layer: L, value: impl Fn(MessageId<u32>) -> V)
where
    L: Layer<Fixed<u32, 8>, Id = u32, Message = Message<u32, V>>,
{
    let mut node = Held::new(layer);
    let mut sequence = 0_u32;
    c.bench_function(&format!("receive/{name}"), |b| {
        b.iter(|| {
            if sequence.is_multiple_of(ROUND) {
                node.round();
            }
            let id = MessageId { origin: 9, boot: 1, sequence };
            sequence = sequence.wrapping_add(1);
            let post = Post { id, hops: 1, age: 0, value: value(id) };
            node.message(1 + sequence % 3, Message::Gossip(post));
            node.hands.sent.clear();
            node.hands.told.clear();
        });
    });
}

fn known(c: &mut Criterion) {
    let mut node = Held::new(plumtree::<u64>());
    let id = MessageId { origin: 9, boot: 1, sequence: 0 };
    c.bench_function("receive/plumtree, known", |b| {
        b.iter(|| {
            let post = Post { id, hops: 1, age: 0, value: 7_u64 };
            node.message(1, Message::Gossip(post));
            node.hands.sent.clear();
        });
    });
}

/// Announces 24 new publications to a neighbour that has not acknowledged `backlog` others.
fn announce(c: &mut Criterion, backlog: u32) {
    let all = backlog as usize + 1_000_000;
    let config = Config {
        age: 1,
        intake: all,
        share: all,
        memory: 3 * all,
        store: all,
        confirm: None,
        repeat: Some(Duration::from_secs(1_000_000)),
        ..Config::default()
    };
    let mut node = Held::new(Plumtree::<u32, u64>::new(config).expect("valid"));
    node.round();
    for peer in 1..=3 {
        let id = MessageId { origin: 1, boot: 1, sequence: 0 };
        node.message(peer, Message::Prune(id));
    }
    let mut publish = |count: u32| {
        for value in 0..count {
            node.command(Command::Publish(u64::from(value))).expect("there is room");
        }
        node.wake_after(Duration::from_millis(20));
        node.hands.told.clear();
        node.hands.sent.drain(..).map(black_box).count()
    };
    publish(backlog);
    c.bench_function(&format!("pack/24 announcements, backlog {backlog}"), |b| {
        b.iter(|| assert_eq!(publish(24), 3, "one message a neighbour"));
    });
}

/// Hands down 32 publications in a round from a queue of `backlog`.
fn hand_down(c: &mut Criterion, backlog: u32) {
    let config = pace::Config { queue: backlog as usize + 64, rate: 32, patience: u16::MAX };
    let mut node = Held::new(Paced::new(plumtree::<u64>(), config).expect("valid"));
    let mut ticket = 0;
    let mut offer = |node: &mut Held<Paced<Plumtree<u32, u64>>>, count: u32| {
        for _ in 0..count {
            ticket += 1;
            let command = pace::Command { value: ticket, rounds: None, rank: 0, ticket };
            node.command(command).expect("there is room");
        }
    };
    offer(&mut node, backlog + 32);
    c.bench_function(&format!("pack/a round of 32, backlog {backlog}"), |b| {
        b.iter(|| {
            // In place of those that are too old: they have waited no round.
            node.hands.round = 0;
            node.round();
            node.hands.sent.clear();
            node.hands.told.clear();
            offer(&mut node, 32);
        });
    });
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let patience = Patience::default();
    publish(&mut c, "plumtree", plumtree::<u64>());
    publish(&mut c, "fifo", Fifo::new(plumtree::<u64>(), patience).expect("valid"));
    let causal = Causal::new(plumtree::<Stamped<u32, u64>>(), patience).expect("valid");
    publish(&mut c, "causal", causal.clone());
    publish(&mut c, "signed", signed(0));
    receive(&mut c, "plumtree", plumtree::<u64>(), |_| 7);
    known(&mut c);
    let fifo = Fifo::new(plumtree::<u64>(), patience).expect("valid");
    receive(&mut c, "fifo", fifo, |_| 7);
    receive(&mut c, "causal", causal, |id| {
        let before = id.sequence.checked_sub(1).map(|sequence| MessageId { sequence, ..id });
        let mut needs = gossip_core::Bounded::new();
        needs.fill(before);
        Stamped { needs, value: Some(7) }
    });
    let validated = Validated::new(plumtree::<u64>(), accept as Judge, validate::Config::default());
    receive(&mut c, "validated", validated.expect("valid"), |_| 7);
    for backlog in [0, 1_000, 100_000] {
        announce(&mut c, backlog);
    }
    for backlog in [0, 1_000, 100_000] {
        hand_down(&mut c, backlog);
    }
    c.final_summary();
}
