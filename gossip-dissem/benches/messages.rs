//! What a message costs: to publish it, and to receive it and pass it on.
//!
//! A layer over three neighbours, in one's hands: no driver, no wire code. A run is [`COUNT`]
//! messages and what makes them leave, a wake and a round. Every run checks that all were accepted,
//! or delivered. Times move with the machine; what holds is the ratio of rows: what a decorator
//! adds to the layer it is around.
//!
//! Bias: tables are cold, and identifiers come in their order. `Background` has one value of its
//! own, however often that is set, and passes on what its budget holds.

#[path = "../tests/it/common/hands.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod hands;

use core::time::Duration;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use gossip_core::auth::{Authority, Keyed};
use gossip_core::sampling::Fixed;
use gossip_core::{Blob, Bounded, Layer, Protocol, Wire};
use gossip_dissem::adaptive::{self, Adaptive};
use gossip_dissem::background::{self, Background};
use gossip_dissem::causal::Stamped;
use gossip_dissem::fragment::Fragment;
use gossip_dissem::hierarchy::{Hierarchical, LeafBoxes};
use gossip_dissem::median::{self, MedianCounter};
use gossip_dissem::plumtree::{self, Config, Plumtree, Trees};
use gossip_dissem::rumor::{self, Interest, RumorMongering};
use gossip_dissem::signed::Sealed;
use gossip_dissem::topics::{self, List, Topic, Topics};
use gossip_dissem::validate::Verdict;
use gossip_dissem::{
    Carried, Causal, Fifo, Fragmented, Paced, Patience, Publish, Signed, Told, Validated, fragment,
    pace, validate,
};
use hands::Held;

/// Messages of a run.
const COUNT: u32 = 1_000;
const ALL: usize = COUNT as usize;

/// What is measured: a layer, what publishes a value there, and how many it has received.
struct Row<L: Protocol> {
    name: &'static str,
    layer: L,
    command: fn(u64) -> L::Command,
    received: fn(&Held<L>) -> usize,
}

impl<L: Layer<Fixed<u32, 8>, Id = u32> + Clone> Row<L> {
    fn measure(self, c: &mut Criterion) {
        let mut first = Held::at(1, self.layer.clone());
        self.publish(&mut first);
        let peer = first.hands.sent.first().map(|(to, _)| *to);
        let sent = first.hands.sent.into_iter().filter(|(to, _)| Some(*to) == peer);
        let messages: Vec<_> = sent.map(|(_, message)| message).collect();
        self.measure_with(c, &messages);
    }

    /// The same, with other messages than a neighbour's to receive.
    fn measure_with(self, c: &mut Criterion, messages: &[L::Message]) {
        self.bench(c, "publish", |node| self.publish(node));
        self.bench(c, "receive", |node| {
            for message in messages {
                node.message(1, message.clone());
            }
            leave(node);
            assert_eq!((self.received)(node), ALL, "{}", self.name);
        });
    }

    fn publish(&self, node: &mut Held<L>) {
        for value in 0..u64::from(COUNT) {
            let receipt = node.command((self.command)(value));
            assert!(receipt.is_ok(), "{}: {receipt:?}", self.name);
        }
        leave(node);
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    fn bench(&self, c: &mut Criterion, what: &str, run: impl Fn(&mut Held<L>)) {
        let mut group = c.benchmark_group(what);
        group.throughput(Throughput::Elements(COUNT.into())).sample_size(20);
        group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(100));
        group.bench_function(self.name, |bencher| {
            bencher.iter_custom(|runs| {
                let timed = |_| {
                    let mut node = Held::new(self.layer.clone());
                    let clock = Instant::now();
                    run(&mut node);
                    clock.elapsed()
                };
                (0..runs).map(timed).sum()
            });
        });
        group.finish();
    }
}

/// What waits for others, or for a round, leaves.
fn leave<L: Layer<Fixed<u32, 8>, Id = u32>>(node: &mut Held<L>) {
    node.wake_after(Duration::from_millis(20));
    node.round();
}

/// How many values a decorator has delivered.
fn delivered<L, V, N, E>(node: &Held<L>) -> usize
where
    L: Protocol<Id = u32, Event = Told<u32, V, N, E>>,
{
    node.hands.told.iter().filter(|told| told.delivered().is_some()).count()
}

fn rumors() -> Row<RumorMongering<u32, u64>> {
    // Infect and die, to the three neighbours.
    let config = rumor::Config::push(1).interest(Interest::BlindCounter { k: 3 }).fanout(3);
    let config = config.hot(2 * ALL).batch(ALL).age(1).intake(ALL).share(ALL).memory(3 * ALL);
    Row {
        name: "rumors",
        layer: RumorMongering::new(config).expect("valid"),
        command: rumor::Command::Publish,
        received: |node| node.hands.told.len(),
    }
}

fn median() -> Row<MedianCounter<u32, u64>> {
    let config = median::Config::default().hot(2 * ALL).batch(ALL).age(1);
    let config = config.intake(ALL).share(ALL).memory(3 * ALL);
    Row {
        name: "median counter",
        layer: MedianCounter::new(config).expect("valid"),
        command: median::Command::Publish,
        received: |node| node.hands.told.len(),
    }
}

/// All in one leaf box.
fn adaptive() -> Row<Adaptive<u32, u64>> {
    let near = Hierarchical::placed(LeafBoxes::new(4, 1).expect("valid"), LeafBoxes::numbered);
    let config = adaptive::Config {
        store: ALL,
        age: 1,
        intake: ALL,
        share: ALL,
        memory: 3 * ALL,
        ..adaptive::Config::default()
    };
    Row {
        name: "adaptive",
        layer: Adaptive::over(near, config).expect("valid"),
        command: adaptive::Command::Publish,
        received: |node| node.hands.told.len(),
    }
}

fn background(c: &mut Criterion) {
    let config = background::Config { intake: ALL, ..background::Config::default() };
    let row = Row {
        name: "background",
        layer: Background::new(config).expect("valid"),
        command: background::Command::Set,
        received: |node| node.layer.iter().count(),
    };
    let entry = |origin| background::Entry { origin, version: 1, age: 0, value: 7 };
    let entries: Vec<_> = (10..10 + COUNT).map(entry).collect();
    row.measure_with(c, &entries);
}

/// One tree, all of whose links are eager at first: a value goes to all neighbours.
fn plumtree<V: Wire>() -> Plumtree<u32, V> {
    let config = Config {
        trees: Trees::Shared,
        intake: ALL,
        share: ALL,
        age: 1,
        memory: 3 * ALL,
        ..Config::default()
    };
    Plumtree::new(config).expect("valid")
}

/// A decorator that tells what it delivers.
fn around<L, V, N, E>(name: &'static str, layer: L, command: fn(u64) -> L::Command) -> Row<L>
where
    L: Protocol<Id = u32, Event = Told<u32, V, N, E>>,
{
    Row { name, layer, command, received: delivered }
}

fn accept(_: u32, _: Carried<'_, u32, u64>, _: u32) -> Verdict {
    Verdict::Accept
}

type Judge = fn(u32, Carried<'_, u32, u64>, u32) -> Verdict;
type Keys = fn(u32) -> Option<u32>;

/// Published and checked by node 1.
fn signed() -> Signed<Plumtree<u32, Sealed<u64, u64>>, Keyed, Keys> {
    let signer = Authority::new(1).signer(1);
    Signed::new(plumtree(), signer, Some as Keys, ALL).expect("valid")
}

fn paced() -> Row<Paced<Plumtree<u32, u64>>> {
    let config = pace::Config { queue: ALL, rate: ALL, patience: 8 };
    let command = |value| pace::Command::new(value, value);
    around("paced", Paced::new(plumtree(), config).expect("valid"), command)
}

/// A topic that the three neighbours have joined, too.
const TOPIC: Topic = 7;

fn topics() -> Row<Topics<Plumtree<u32, u64>>> {
    let mut node = Held::new(Topics::new(plumtree(), 1).expect("valid"));
    node.command(topics::Command::Join(TOPIC)).expect("one may");
    for peer in 1..=3 {
        let list = List { boot: 1, number: 1 };
        let mut joined = Bounded::new();
        joined.fill([TOPIC]);
        node.message(peer, topics::Message::Joined(list, joined));
    }
    Row {
        name: "topics",
        layer: node.layer,
        command: |value| topics::Command::In(TOPIC, plumtree::Command::Publish(value)),
        received: |node| node.hands.told.len(),
    }
}

fn decorators(c: &mut Criterion) {
    let patience = Patience::default();
    let fifo = Fifo::new(plumtree(), patience).expect("valid");
    around("fifo", fifo, plumtree::Command::Publish).measure(c);
    let causal = Causal::new(plumtree::<Stamped<u32, u64>>(), patience).expect("valid");
    around("causal", causal, Publish::new).measure(c);
    around("signed, keyed hash", signed(), Publish::new).measure(c);
    let validated = Validated::new(plumtree(), accept as Judge, validate::Config::default());
    let judged = |value| validate::Command::Publish(Publish::new(value));
    around("validated", validated.expect("valid"), judged).measure(c);
    let config = fragment::Config { queue: ALL, held: ALL, ..fragment::Config::default() };
    let pieces = Fragmented::<Plumtree<u32, Fragment<64>>, 640>::new(plumtree(), config);
    let text = |value: u64| Publish::new(Blob::new(value.to_le_bytes()).expect("it fits"));
    around("fragmented, one piece", pieces.expect("valid"), text).measure(c);
    paced().measure(c);
    topics().measure(c);
}

/// What is heard a second time.
fn known(c: &mut Criterion) {
    let mut first = Held::at(1, plumtree::<u64>());
    first.command(plumtree::Command::Publish(7)).expect("there is room");
    let message = first.hands.sent.remove(0).1;
    let mut node = Held::new(plumtree::<u64>());
    node.message(1, message.clone());
    c.bench_function("receive/plumtree, known", |b| {
        b.iter(|| {
            node.message(1, message.clone());
            node.hands.sent.clear();
        });
    });
    assert_eq!(node.hands.told.len(), 1);
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    rumors().measure(&mut c);
    median().measure(&mut c);
    adaptive().measure(&mut c);
    background(&mut c);
    let bare = Row {
        name: "plumtree",
        layer: plumtree(),
        command: plumtree::Command::Publish,
        received: |node| node.hands.told.len(),
    };
    bare.measure(&mut c);
    known(&mut c);
    decorators(&mut c);
    c.final_summary();
}
