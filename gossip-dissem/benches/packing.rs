//! What it costs to pack what is sent beside a backlog of 10, 10^3 and 10^5: flat, but for the
//! depth of trees.
//!
//! A layer over three neighbours, in one's hands: no driver, no wire code. Every row packs eight
//! items and checks that eight were packed. The time for each, beside 10^5, may be log 10^5 / log
//! 10 = 5 times that beside 10: a search in a tree takes so many more steps. A scan would take
//! 10^4 times as long.
//!
//! Bias: the best of some runs, each from the same start; a large backlog is out of the caches.

#[path = "../tests/it/common/hands.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod hands;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use gossip_core::sampling::Fixed;
use gossip_core::stack::frame_len;
use gossip_core::{Layer, Protocol, Time, Wire};
use gossip_dissem::background::{self, Background};
use gossip_dissem::median::{self, MedianCounter, Stage};
use gossip_dissem::plumtree::{self, Plumtree, Trees};
use gossip_dissem::rumor::{self, Interest, RumorMongering};
use gossip_dissem::{MessageId, Paced, Post, pace};
use hands::Held;

const BACKLOGS: [u32; 3] = [10, 1_000, 100_000];
/// Items packed at a time.
const ITEMS: usize = 8;
/// The most by which an item beside the largest backlog may be dearer than beside the smallest.
const DEEPER: f64 = 5.0;

/// A row: its name, how often a run packs, a node with a backlog, and what packs.
struct Row<'a, L: Protocol> {
    name: &'static str,
    packs: u32,
    start: &'a dyn Fn(u32) -> L,
    pack: &'a dyn Fn(&mut Held<L>, u32),
}

/// Nanoseconds an item, the best of some runs beside each backlog.
fn measure<L>(criterion: &mut Criterion, row: &Row<'_, L>) -> [f64; 3]
where
    L: Layer<Fixed<u32, 8>, Id = u32> + Clone,
{
    BACKLOGS.map(|backlog| {
        let start = (row.start)(backlog);
        let items = row.packs * ITEMS as u32;
        let mut best = f64::INFINITY;
        let mut group = criterion.benchmark_group(row.name);
        group.throughput(Throughput::Elements(items.into())).sample_size(10);
        group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(100));
        group.bench_function(BenchmarkId::from_parameter(backlog), |bencher| {
            bencher.iter_custom(|runs| {
                let spent = (0..runs).map(|_| run(row, &start)).sum::<Duration>();
                best = best.min(spent.as_secs_f64() * 1e9 / (runs as f64 * f64::from(items)));
                spent
            });
        });
        group.finish();
        best
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn run<L>(row: &Row<'_, L>, start: &L) -> Duration
where
    L: Layer<Fixed<u32, 8>, Id = u32> + Clone,
{
    let mut node = Held::new(start.clone());
    // After the start.
    (node.hands.now, node.hands.round) = (Time::ZERO + Duration::from_secs(10), 2);
    let mut pack = |number| {
        (row.pack)(&mut node, number);
        node.hands.told.clear();
        node.hands.sent.clear();
    };
    // What it touches was moved a moment ago, and may be anywhere.
    pack(0);
    let clock = Instant::now();
    for number in 1..=row.packs {
        pack(number);
    }
    clock.elapsed()
}

fn post(sequence: u32) -> Post<u32, u64> {
    let id = MessageId { origin: 9, boot: 1, sequence };
    Post { id, hops: 1, age: 0, value: sequence.into() }
}

/// Has `layer` hear a `message` for each of a backlog.
fn filled<L>(layer: L, backlog: u32, message: impl Fn(u32) -> L::Message) -> L
where
    L: Layer<Fixed<u32, 8>, Id = u32>,
{
    let mut node = Held::new(layer);
    node.round();
    for number in 0..backlog {
        node.message(1, message(number));
        node.hands.sent.clear();
        node.hands.told.clear();
    }
    node.round();
    node.layer
}

/// How many messages `is` picks out of what `node` has sent.
fn sent<L>(node: &Held<L>, is: impl Fn(&L::Message) -> bool) -> usize
where
    L: Layer<Fixed<u32, 8>, Id = u32>,
{
    node.hands.sent.iter().filter(|(_, message)| is(message)).count()
}

fn rumors(backlog: u32) -> RumorMongering<u32, u64> {
    let all = backlog as usize;
    let interest = Interest::BlindCounter { k: u16::MAX };
    let config = rumor::Config::push(1).interest(interest).batch(ITEMS).hot(all);
    let config = config.age(9_000).intake(all).share(all).memory(9_002 * all);
    let layer = RumorMongering::new(config).expect("valid");
    filled(layer, backlog, |number| rumor::Message::Spare(post(number)))
}

fn push_rumors(node: &mut Held<RumorMongering<u32, u64>>, _: u32) {
    node.round();
    assert_eq!(sent(node, |message| matches!(message, rumor::Message::Push(_))), ITEMS);
}

fn median(backlog: u32) -> MedianCounter<u32, u64> {
    let all = backlog as usize;
    let config = median::Config::default().batch(ITEMS).hot(all).age(9_000);
    let config = config.intake(all).share(all).memory(9_002 * all);
    let layer = MedianCounter::new(config).expect("valid");
    filled(layer, backlog, |number| median::Message::Push(post(number), Stage::Spreading(1)))
}

/// Answers a call; a run and what goes before it are what a round answers.
fn answer_calls(node: &mut Held<MedianCounter<u32, u64>>, caller: u32) {
    node.message(caller, median::Message::Call);
    assert_eq!(sent(node, |message| matches!(message, median::Message::Answer(..))), ITEMS);
}

fn push_counted(node: &mut Held<MedianCounter<u32, u64>>, _: u32) {
    node.round();
    assert_eq!(sent(node, |message| matches!(message, median::Message::Push(..))), ITEMS);
}

/// Two bytes of age, five of origin: entries of one length, of which the budget holds eight.
fn entry(number: u32) -> background::Entry<u32, u64> {
    background::Entry { origin: number | 1 << 31, version: 1, age: 1_000, value: 7 }
}

fn background(backlog: u32) -> Background<u32, u64> {
    let all = backlog as usize;
    let budget = ITEMS * frame_len(entry(0).encoded_len());
    let expiry = 10_000;
    let config = background::Config { budget, expiry, entries: all, intake: all, piggyback: false };
    filled(Background::new(config).expect("valid"), backlog, entry)
}

fn tell_stalest(node: &mut Held<Background<u32, u64>>, _: u32) {
    node.round();
    assert_eq!(node.hands.sent.len(), ITEMS);
}

fn roomy(backlog: u32) -> plumtree::Config {
    let all = backlog as usize + 1_000_000;
    plumtree::Config {
        trees: Trees::Shared,
        age: 1,
        intake: all,
        share: all,
        memory: 3 * all,
        store: all,
        confirm: None,
        repeat: Some(Duration::from_secs(1_000_000)),
        ..plumtree::Config::default()
    }
}

fn publish(node: &mut Held<Plumtree<u32, u64>>, count: u32) {
    for value in 0..count {
        node.command(plumtree::Command::Publish(value.into())).expect("there is room");
    }
    node.wake_after(Duration::from_millis(20));
}

/// Whose neighbours have not acknowledged what was announced to them.
fn announced(backlog: u32) -> Plumtree<u32, u64> {
    let mut node = Held::new(Plumtree::new(roomy(backlog)).expect("valid"));
    node.round();
    for peer in [2, 3] {
        let id = MessageId { origin: 1, boot: 1, sequence: 0 };
        node.message(peer, plumtree::Message::Prune(id));
    }
    publish(&mut node, backlog);
    node.layer
}

/// Sends new publications to one neighbour, and announces them to two.
fn announce(node: &mut Held<Plumtree<u32, u64>>, _: u32) {
    publish(node, ITEMS as u32);
    let announced = sent(node, |message| matches!(message, plumtree::Message::Announce { .. }));
    assert_eq!((node.hands.sent.len(), announced), (ITEMS + 2, 2));
}

type Queue = Paced<Plumtree<u32, u64>>;

fn queued(backlog: u32) -> Queue {
    let config = pace::Config { queue: backlog as usize + 16, rate: ITEMS, patience: u16::MAX };
    let below = Plumtree::new(roomy(backlog)).expect("valid");
    let mut node = Held::new(Paced::new(below, config).expect("valid"));
    offer(&mut node, backlog + ITEMS as u32);
    node.layer
}

fn offer(node: &mut Held<Queue>, count: u32) {
    for value in 0..u64::from(count) {
        let command = pace::Command::new(value, value);
        node.command(command).expect("there is room");
    }
}

/// A round hands down as many as it may, and others take their place.
fn hand_down(node: &mut Held<Queue>, _: u32) {
    node.round();
    let handed = node.hands.told.iter().filter(|told| told.delivered().is_some()).count();
    assert_eq!(handed, ITEMS);
    offer(node, ITEMS as u32);
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let mut rows = Vec::new();
    let mut note = |name: &'static str, nanos: [f64; 3]| rows.push((name, nanos));
    let name = "rumors, a round";
    let row = Row { name, packs: 500, start: &rumors, pack: &push_rumors };
    note(name, measure(&mut c, &row));
    let name = "median counter, an answer";
    let row =
        Row { name, packs: u32::from(median::CALLS) - 1, start: &median, pack: &answer_calls };
    note(name, measure(&mut c, &row));
    let name = "median counter, a round";
    let row = Row { name, packs: 500, start: &median, pack: &push_counted };
    note(name, measure(&mut c, &row));
    let name = "background, a round";
    let row = Row { name, packs: 500, start: &background, pack: &tell_stalest };
    note(name, measure(&mut c, &row));
    let name = "plumtree, announcements";
    let row = Row { name, packs: 500, start: &announced, pack: &announce };
    note(name, measure(&mut c, &row));
    let name = "paced, a round";
    let row = Row { name, packs: 500, start: &queued, pack: &hand_down };
    note(name, measure(&mut c, &row));
    c.final_summary();
    // Run as a test, it times nothing.
    let judged = !std::env::args().any(|argument| argument == "--test");
    println!("\n{:28} {:>9} {:>9} {:>9} {:>7}", "ns an item, backlog", 10, 1_000, 100_000, "ratio");
    for (name, nanos) in rows {
        let ratio = nanos[2] / nanos[0];
        println!("{name:28} {:>9.1} {:>9.1} {:>9.1} {ratio:>7.2}", nanos[0], nanos[1], nanos[2]);
        assert!(
            !(judged && ratio > DEEPER),
            "{name}: an item beside 10^5 is {ratio:.1} times as dear"
        );
    }
}
