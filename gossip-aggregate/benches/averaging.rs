//! Averaging in the cycle driver: nanoseconds per node and cycle at N = 10^4, 10^5 and 10^6.
//!
//! Times move with the machine, so each is also given as a multiple of a dependent pointer chase
//! over the same bytes in the same run, of a sweep over them whose visits overlap, and of
//! hand-written loops that do the same exchanges on bare arrays, in blocks, without protocol,
//! stack, context or driver: one over the least state (88 bytes), one over as many bytes as ours
//! takes. Every benchmark checks its result: the mean must stay, the variance must fall by the
//! paper's factor.
//!
//! First comes what a second thread is worth to the driver and to the sweep, side by side.
//! At N = 10^7 the two simulations are measured on request: `-- large`.
//!
//! Bias: the hand-written loops have no sequence numbers, epochs, refusals or timers, and could not
//! be run on a socket. The driver asks Linux for huge pages, which loops and sweeps have only if
//! the allocator does (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`).

mod common;
mod threads;

use std::hint::black_box;
use std::time::Instant;

use common::{OverFixed, SIZES, Table, VIEW, average, check, measure, over_fixed, view};
use criterion::Criterion;
use gossip_aggregate::Average;
use gossip_core::random::Key;
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::cycle::{BLOCK, Order, Simulation};
use gossip_core::{Layer, PeerId, stack};

const FIXED: &str = "averaging, fixed view";
const NEWSCAST: &str = "averaging, Newscast";
/// Nodes of the rows that are asked for as `large`.
const LARGE: u32 = 10_000_000;
const BY_HAND: &str = "by hand, 88 bytes";
const BY_HAND_AS_LARGE: &str = "by hand, 192 bytes";
const SWEEP_FIXED: &str = "sweep, bytes of fixed view";
const SWEEP_NEWSCAST: &str = "sweep, bytes of Newscast";
const CHASE_FIXED: &str = "chase, bytes of fixed view";
const CHASE_NEWSCAST: &str = "chase, bytes of Newscast";

stack! {
    /// Averaging over a view that Newscast keeps fresh.
    #[derive(Debug)]
    struct OverNewscast<I: PeerId> {
        peers: Newscast<I, VIEW>,
        #[uses(peers)]
        load: Average<I>,
    }
}

fn over_newscast(node: u32, nodes: u32) -> OverNewscast<u32> {
    let mut peers = Newscast::new(newscast::Config::default()).expect("valid");
    for peer in view(node, nodes) {
        peers.inner_mut().introduce(peer, ());
    }
    OverNewscast::new(peers, average(node))
}

/// Runs cycles and checks the convergence factor over the first ten.
fn bench_sim<S: Layer<(), Id = u32>>(
    criterion: &mut Criterion,
    table: &Table,
    name: &'static str,
    make: impl Fn(u32, u32) -> S,
    value: impl Fn(&S) -> f64,
) {
    for nodes in SIZES {
        let all = (0..nodes).map(|node| make(node, nodes));
        let mut sim = Simulation::new(all, 1, Order::Blocked(BLOCK));
        let variance =
            |sim: &Simulation<S>| check(nodes, 1e-6, sim.nodes().map(|node| value(node.1)));
        sim.run(1);
        let before = variance(&sim);
        sim.run(10);
        let factor = libm::pow(variance(&sim) / before, 0.1);
        assert!((0.28..0.34).contains(&factor), "{name}, {nodes} nodes: factor {factor}");
        println!("{name}, {nodes} nodes: {} bytes per node", sim.bytes_per_node());
        measure(criterion, table, name, nodes, || sim.step());
        check(nodes, 1e-6, sim.nodes().map(|node| value(node.1)));
    }
}

/// Best of three cycles at N = 10^7, after one: `cargo bench --bench averaging -- large`. Without
/// criterion, which asks for ten at least. The mean must stay.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn large<S: Layer<(), Id = u32>>(
    name: &'static str,
    make: impl Fn(u32, u32) -> S,
    value: impl Fn(&S) -> f64,
) {
    let all = (0..LARGE).map(|node| make(node, LARGE));
    let mut sim = Simulation::new(all, 1, Order::Blocked(BLOCK));
    sim.run(1);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        sim.step();
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(LARGE));
    }
    check(LARGE, 1e-6, sim.nodes().map(|node| value(node.1)));
    let gibibytes = sim.bytes_per_node() as f64 * f64::from(LARGE) / f64::from(1 << 30);
    println!("{name:27} {LARGE:>9} {best:>9.1} ns, nodes take {gibibytes:.2} GiB");
}

/// A node of the loop by hand: its value, its view, and `REST` words of other state.
struct Plain<const REST: usize> {
    value: f64,
    view: [u32; VIEW],
    rest: [u64; REST],
}

impl<const REST: usize> Plain<REST> {
    fn of(node: u32, nodes: u32) -> Self {
        let mut peers = [0; VIEW];
        peers.iter_mut().zip(view(node, nodes)).for_each(|(place, peer)| *place = peer);
        Self { value: f64::from(node), view: peers, rest: [0; REST] }
    }

    /// Takes a mean; the other state is written from end to end, as sequence numbers and memory of
    /// requests are.
    fn take(&mut self, mean: f64) {
        self.value = mean;
        for word in self.rest.iter_mut().step_by(8) {
            *word += 1;
        }
    }
}

/// The same exchanges on bare arrays: shuffled order, blocks of the same size.
fn by_hand<const REST: usize>(criterion: &mut Criterion, table: &Table, name: &'static str) {
    for nodes in SIZES {
        let mut all: Vec<Plain<REST>> = (0..nodes).map(|node| Plain::of(node, nodes)).collect();
        let mut order: Vec<u32> = (0..nodes).collect();
        let mut cycle = 0;
        measure(criterion, table, name, nodes, || {
            let mut random = Key::new(2).random(cycle);
            cycle += 1;
            random.shuffle(&mut order);
            let mut partners = [0_u32; BLOCK];
            for block in order.chunks(BLOCK) {
                for (partner, &node) in partners.iter_mut().zip(block) {
                    *partner = all[node as usize].view[random.below(VIEW)];
                }
                for (&partner, &node) in partners.iter().zip(block) {
                    let mean = f64::midpoint(all[node as usize].value, all[partner as usize].value);
                    all[node as usize].take(mean);
                    all[partner as usize].take(mean);
                }
            }
        });
        // However many cycles criterion asked for, the variance fell by the paper's factor in each.
        let fallen = libm::pow(0.34, cycle as f64) * libm::pow(f64::from(nodes), 2.0) / 12.0;
        let variance = check(nodes, 1e-6, all.iter().map(|node| node.value));
        assert!(variance < fallen * 1.01 + 1e-3, "{name}: variance {variance}");
    }
}

/// A chain of dependent visits through as many bytes: what memory alone costs.
fn chase(criterion: &mut Criterion, table: &Table, name: &'static str, bytes_per_node: usize) {
    for nodes in SIZES {
        let words = bytes_per_node / 4;
        // A random cycle through all nodes (Sattolo), one word of each.
        let mut next: Vec<u32> = (0..nodes).collect();
        let mut random = Key::new(3).random(0);
        for at in (1..nodes as usize).rev() {
            next.swap(at, random.below(at));
        }
        let mut memory = vec![0_u32; nodes as usize * words];
        next.iter().enumerate().for_each(|(at, &to)| memory[at * words] = to);
        let mut at = 0;
        measure(criterion, table, name, nodes, || {
            for _ in 0..nodes {
                at = memory[at as usize * words];
            }
            black_box(at);
        });
        assert_eq!(at, 0, "the chain is one cycle through all nodes");
    }
}

/// Two visits of random nodes per node and cycle, [`BLOCK`] of them in flight, the whole state read
/// and written: what a cycle must cost whose nodes each meet one other.
fn sweep(criterion: &mut Criterion, table: &Table, name: &'static str, bytes_per_node: usize) {
    for nodes in SIZES {
        let words = bytes_per_node / 8;
        let mut memory = vec![0_u64; nodes as usize * words];
        let mut random = Key::new(4).random(0);
        measure(criterion, table, name, nodes, || {
            let mut touched = 0_u64;
            for _ in 0..(2 * nodes as usize).div_ceil(BLOCK) {
                let block: [usize; BLOCK] = std::array::from_fn(|_| random.below(nodes as usize));
                // One read a cache line of the whole block first, none of which waits for another.
                // Written one after the other, states of several lines would not overlap.
                for at in block {
                    let lines = memory[at * words..][..words].iter().step_by(8);
                    touched = lines.fold(touched, |sum, word| sum.wrapping_add(*word));
                }
                for at in block {
                    memory[at * words..][..words].iter_mut().for_each(|word| *word += 1);
                }
            }
            black_box(touched);
        });
        black_box(&memory);
    }
}

fn main() {
    let fixed = |node: &OverFixed<u32>| node.load.running_estimate().unwrap_or(f64::NAN);
    let newscast = |node: &OverNewscast<u32>| node.load.running_estimate().unwrap_or(f64::NAN);
    if std::env::args().any(|argument| argument == "large") {
        large(FIXED, over_fixed, fixed);
        return large(NEWSCAST, over_newscast, newscast);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let table = Table::default();
    threads::compare(over_fixed, |node| &node.load, FIXED);
    threads::compare(over_newscast, |node| &node.load, NEWSCAST);
    bench_sim(&mut criterion, &table, FIXED, over_fixed, fixed);
    bench_sim(&mut criterion, &table, NEWSCAST, over_newscast, newscast);
    by_hand::<0>(&mut criterion, &table, BY_HAND);
    by_hand::<13>(&mut criterion, &table, BY_HAND_AS_LARGE);
    let bytes = Simulation::new([over_fixed(0, 2)], 1, Order::Sequential).bytes_per_node();
    chase(&mut criterion, &table, CHASE_FIXED, bytes);
    sweep(&mut criterion, &table, SWEEP_FIXED, bytes);
    let bytes = Simulation::new([over_newscast(0, 2)], 1, Order::Sequential).bytes_per_node();
    chase(&mut criterion, &table, CHASE_NEWSCAST, bytes);
    sweep(&mut criterion, &table, SWEEP_NEWSCAST, bytes);
    criterion.final_summary();
    print_table(&table.into_inner());
}

/// Time per node and cycle, and its multiples of the chase and of the sweep over the same bytes,
/// and of the loops by hand.
fn print_table(rows: &[(&str, u32, f64)]) {
    let best = |name: &str, nodes| {
        rows.iter().find(|row| row.0 == name && row.1 == nodes).map_or(f64::NAN, |row| row.2)
    };
    println!(
        "\n{:27} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "", "nodes", "ns", "x chase", "x sweep", "x by hand", "x as large"
    );
    for &(name, nodes, nanos) in rows {
        let newscast = [NEWSCAST, CHASE_NEWSCAST, SWEEP_NEWSCAST].contains(&name);
        let chase = nanos / best(if newscast { CHASE_NEWSCAST } else { CHASE_FIXED }, nodes);
        let sweep = nanos / best(if newscast { SWEEP_NEWSCAST } else { SWEEP_FIXED }, nodes);
        print!("{name:27} {nodes:>9} {nanos:>9.1} {chase:>9.2} {sweep:>9.2}");
        if name == FIXED {
            let (hand, large) = (best(BY_HAND, nodes), best(BY_HAND_AS_LARGE, nodes));
            print!(" {:>9.2} {:>12.2}", nanos / hand, nanos / large);
        }
        println!();
    }
}
