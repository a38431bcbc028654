//! Averaging in the event driver: nanoseconds per node and cycle at N = 10^4, 10^5 and 10^6, beside
//! loops written by hand.
//!
//! A node and cycle is three events (its round, its request at the peer, the answer), and in the
//! driver a fourth, the deadline for the answer. The driver encodes every message, packs it, hashes
//! it into the trace and decodes it. The loops by hand move numbers: over a binary heap; over the
//! driver's own queue; and over that queue with the nodes of coming events fetched ahead, as the
//! driver does. All refuse a request while an exchange of their own is under way, all draw a
//! latency for each message, and all must reduce the variance by the paper's factor at an unchanged
//! mean.
//!
//! Bias: the loops by hand have no sequence numbers, epochs, deadlines, losses, churn or faults,
//! and could not be run on a socket.

mod common;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

use common::{OverFixed, SIZES, Table, VIEW, check, measure, over_fixed, view};
use criterion::Criterion;
use gossip_core::Time;
use gossip_core::random::{Key, Random};
use gossip_core::sim::Agenda;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::{Latency, Network};

const DRIVER: &str = "event driver";
const BY_HAND: &str = "by hand, same queue";
const BY_HEAP: &str = "by hand, binary heap";
const AHEAD: &str = "by hand, same queue, fetching ahead";

/// Nanoseconds per node and cycle of PeerSim's event-driven averaging at the sizes, on the same
/// kind of machine.
const PEERSIM: [f64; 3] = [1_400.0, 2_200.0, 4_400.0];

/// A period, in microseconds, and how far a round may be off either way.
const PERIOD: u64 = 1_000_000;
const JITTER: u64 = PERIOD / 10;
/// The shortest and the longest latency, those of a data centre. Exchanges rarely overlap then, and
/// the factor is the paper's.
const LATENCY: [u64; 2] = [500, 1_500];

/// The variance before ten cycles: the factor from then on must be that of the paper, section 4.
struct Watch {
    name: &'static str,
    nodes: u32,
    before: f64,
}

impl Watch {
    /// After the first rounds of all nodes. Of two in a thousand nodes the request is answered and
    /// the answer under way: the mean is off by as much, until it arrives.
    fn begin(name: &'static str, nodes: u32, values: impl Iterator<Item = f64>) -> Self {
        Self { name, nodes, before: check(nodes, 1e-3, values) }
    }

    /// Ten cycles later. A random partner gives 1/(2 sqrt e) = 0.3033, one of 20 a little more.
    fn end(self, values: impl Iterator<Item = f64>) {
        let Self { name, nodes, before } = self;
        let factor = libm::pow(check(nodes, 1e-5, values) / before, 0.1);
        assert!((0.295..0.325).contains(&factor), "{name}, {nodes} nodes: factor {factor}");
        println!("{name}, {nodes} nodes: factor {factor:.4}");
    }
}

fn driver(criterion: &mut Criterion, table: &Table) {
    for nodes in SIZES {
        let [least, most] = LATENCY.map(Duration::from_micros);
        let network = Network::new(Latency::Uniform(least, most));
        let make = move |node| over_fixed(node, nodes);
        let mut sim = Simulation::new(nodes, make, network, Config::seeded(1)).expect("valid");
        let period = Duration::from_micros(PERIOD);
        let estimate = |node: &OverFixed<u32>| node.load.running_estimate().unwrap_or(f64::NAN);
        sim.run_for(2 * period);
        let watch = Watch::begin(DRIVER, nodes, sim.nodes().map(|node| estimate(node.1)));
        sim.run_for(10 * period);
        watch.end(sim.nodes().map(|node| estimate(node.1)));
        measure(criterion, table, DRIVER, nodes, || sim.run_for(period));
        println!("{DRIVER}, {nodes} nodes: {} bytes per node", sim.bytes() / nodes as usize);
    }
}

/// The queue of a loop by hand.
trait Queue {
    fn push(&mut self, at: u64, event: Event);
    fn pop_until(&mut self, end: u64, nodes: &[Plain]) -> Option<(u64, Event)>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Round { node: u32 },
    Request { to: u32, from: u32, value: u64 },
    Reply { to: u32, value: u64 },
    Busy { to: u32 },
}

impl Queue for Agenda<Event> {
    fn push(&mut self, at: u64, event: Event) {
        Agenda::push(self, Time::from_micros(at), event);
    }

    fn pop_until(&mut self, end: u64, _: &[Plain]) -> Option<(u64, Event)> {
        let (at, event) = Agenda::pop_until(self, Time::from_micros(end))?;
        Some((at.as_micros(), event))
    }
}

/// The queue, and who is about to be visited: reads overlap, as the driver's prefetches do.
#[derive(Default)]
struct Ahead(Agenda<Event>);

impl Queue for Ahead {
    fn push(&mut self, at: u64, event: Event) {
        Queue::push(&mut self.0, at, event);
    }

    fn pop_until(&mut self, end: u64, nodes: &[Plain]) -> Option<(u64, Event)> {
        let soon = |event: &Event| {
            let (Event::Round { node: at }
            | Event::Request { to: at, .. }
            | Event::Reply { to: at, .. }
            | Event::Busy { to: at }) = *event;
            black_box(nodes[at as usize].value + f64::from(nodes[at as usize].view[VIEW - 1]));
        };
        let (at, event) = self.0.pop_until_with(Time::from_micros(end), soon)?;
        Some((at.as_micros(), event))
    }
}

/// A heap, and the count that breaks ties.
#[derive(Default)]
struct Heap(BinaryHeap<Reverse<(u64, u64, Event)>>, u64);

impl Queue for Heap {
    fn push(&mut self, at: u64, event: Event) {
        self.1 += 1;
        self.0.push(Reverse((at, self.1, event)));
    }

    fn pop_until(&mut self, end: u64, _: &[Plain]) -> Option<(u64, Event)> {
        if self.0.peek()?.0.0 > end {
            return None;
        }
        self.0.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

/// A node of the loop by hand.
struct Plain {
    value: f64,
    view: [u32; VIEW],
    /// Whether an exchange of its own is under way.
    waits: bool,
}

/// The loop by hand.
struct Loop<Q> {
    nodes: Vec<Plain>,
    queue: Q,
    random: Random,
    end: u64,
}

impl<Q: Queue> Loop<Q> {
    fn new(count: u32, queue: Q) -> Self {
        let plain = |node| {
            let mut peers = [0; VIEW];
            peers.iter_mut().zip(view(node, count)).for_each(|(place, peer)| *place = peer);
            Plain { value: f64::from(node), view: peers, waits: false }
        };
        let nodes = (0..count).map(plain).collect();
        let mut this = Self { nodes, queue, random: Key::new(5).random(0), end: 0 };
        for node in 0..count {
            let phase = this.random.below(PERIOD as usize) as u64;
            this.queue.push(phase, Event::Round { node });
        }
        this
    }

    fn run(&mut self, periods: u64) {
        self.end += periods * PERIOD;
        while let Some((now, event)) = self.queue.pop_until(self.end, &self.nodes) {
            let answer = match event {
                Event::Round { node } => {
                    let off = self.random.below(2 * JITTER as usize) as u64;
                    self.queue.push(now + PERIOD - JITTER + off, event);
                    let plain = &mut self.nodes[node as usize];
                    if plain.waits {
                        continue;
                    }
                    plain.waits = true;
                    let to = plain.view[self.random.below(VIEW)];
                    Event::Request { to, from: node, value: plain.value.to_bits() }
                }
                Event::Request { to, from, value } => {
                    let plain = &mut self.nodes[to as usize];
                    if plain.waits {
                        Event::Busy { to: from }
                    } else {
                        let mine = plain.value;
                        plain.value = f64::midpoint(mine, f64::from_bits(value));
                        Event::Reply { to: from, value: mine.to_bits() }
                    }
                }
                Event::Reply { to, value } => {
                    let plain = &mut self.nodes[to as usize];
                    plain.value = f64::midpoint(plain.value, f64::from_bits(value));
                    plain.waits = false;
                    continue;
                }
                Event::Busy { to } => {
                    self.nodes[to as usize].waits = false;
                    continue;
                }
            };
            let [least, most] = LATENCY;
            let latency = least + self.random.below((most - least + 1) as usize) as u64;
            self.queue.push(now + latency, answer);
        }
    }
}

fn by_hand<Q: Queue + Default>(criterion: &mut Criterion, table: &Table, name: &'static str) {
    for nodes in SIZES {
        let mut by_hand = Loop::new(nodes, Q::default());
        let values = |by_hand: &Loop<Q>| {
            by_hand.nodes.iter().map(|node| node.value).collect::<Vec<_>>().into_iter()
        };
        by_hand.run(2);
        let watch = Watch::begin(name, nodes, values(&by_hand));
        by_hand.run(10);
        watch.end(values(&by_hand));
        measure(criterion, table, name, nodes, || by_hand.run(1));
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let table = Table::default();
    driver(&mut criterion, &table);
    by_hand::<Heap>(&mut criterion, &table, BY_HEAP);
    by_hand::<Agenda<Event>>(&mut criterion, &table, BY_HAND);
    by_hand::<Ahead>(&mut criterion, &table, AHEAD);
    criterion.final_summary();
    print_table(&table.into_inner());
}

/// Times, the driver's as multiples of those by hand, and how far it is ahead of PeerSim.
fn print_table(rows: &[(&str, u32, f64)]) {
    let best = |name: &str, nodes| {
        rows.iter().find(|row| row.0 == name && row.1 == nodes).map_or(f64::NAN, |row| row.2)
    };
    println!("\n{:36} {:>9} {:>9} {:>15}", "", "nodes", "ns", "driver / this");
    for (nodes, peersim) in SIZES.into_iter().zip(PEERSIM) {
        let driver = best(DRIVER, nodes);
        for name in [DRIVER, BY_HEAP, BY_HAND, AHEAD] {
            let nanos = best(name, nodes);
            println!("{name:36} {nodes:>9} {nanos:>9.1} {:>15.2}", driver / nanos);
        }
        println!("{:36} {nodes:>9} {peersim:>9.1} {:>15.2}", "PeerSim, noted", driver / peersim);
    }
}
