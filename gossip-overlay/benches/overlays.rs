//! Cyclon and T-Man in the cycle driver: nanoseconds per node and cycle at N = 10^4 and 10^5,
//! beside PeerSim's figures from the same kind of machine.
//!
//! Cyclon with views of 20 and shuffles of 8; T-Man with m = 20 and psi = 10 for a ring, over
//! Newscast with views of 20, from 10 random peers each. T-Man is measured in its first cycles,
//! until the ring is nearly whole, since its views grow. Both check their result: Cyclon's pointers
//! are conserved and its in-degrees even, the ring forms.
//!
//! Bias: PeerSim's figures are noted, not measured in the same run, and move with the machine; its
//! T-Man may have other parameters. Ours has ages and strikes besides.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::cycle::{BLOCK, Order, Simulation};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::{PeerId, stack};
use gossip_overlay::{RingRank, TMan, ring, tman};

const SIZES: [u32; 2] = [10_000, 100_000];
const VIEW: usize = 20;
/// Cycles of a measurement, all from the start.
const CYCLES: u32 = 10;

/// A row: name, PeerSim's nanoseconds per node and cycle at the sizes.
type Row = (&'static str, [f64; 2]);
const CYCLON: Row = ("Cyclon", [2_000.0, 4_700.0]);
const TMAN: Row = ("T-Man over Newscast", [5_600.0, 18_100.0]);

stack! {
    /// T-Man over a view that Newscast keeps fresh.
    #[derive(Debug)]
    struct OverNewscast<I: PeerId> {
        peers: Newscast<I, VIEW>,
        #[uses(peers)]
        ring: TMan<I, RingRank, 20>,
    }
}

fn view(node: u32, nodes: u32, known: usize) -> impl Iterator<Item = u32> {
    let mut random = Key::new(1).random(u64::from(node));
    (0..known).map(move |_| {
        let peer = random.below(nodes as usize - 1) as u32;
        peer + u32::from(peer >= node)
    })
}

fn shuffler(node: u32, nodes: u32) -> Cyclon<u32, VIEW> {
    let mut peers = Cyclon::new(cyclon::Config::default()).expect("valid");
    for peer in view(node, nodes, VIEW) {
        peers.inner_mut().introduce(peer, ());
    }
    peers
}

fn sorter(node: u32, nodes: u32) -> OverNewscast<u32> {
    let mut peers = Newscast::new(newscast::Config::default()).expect("valid");
    for peer in view(node, nodes, 10) {
        peers.inner_mut().introduce(peer, ());
    }
    let rank = RingRank::indexed(nodes).expect("some nodes");
    OverNewscast::new(peers, TMan::new(tman::Config::new(rank)).expect("valid"))
}

/// The best time per node and cycle of some runs of `CYCLES` cycles, each from the start.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measure<S>(
    criterion: &mut Criterion,
    name: &'static str,
    nodes: u32,
    start: impl Fn() -> S,
    cycle: impl Fn(&mut S),
    check: impl Fn(&S),
) -> f64 {
    let mut best = f64::INFINITY;
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(nodes * CYCLES))).sample_size(10);
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(200));
    group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
        bencher.iter_custom(|count| {
            let mut all = Duration::ZERO;
            for _ in 0..count {
                let mut sim = start();
                let clock = Instant::now();
                (0..CYCLES).for_each(|_| cycle(&mut sim));
                let spent = clock.elapsed();
                check(&sim);
                best = best.min(spent.as_secs_f64() * 1e9 / f64::from(nodes * CYCLES));
                all += spent;
            }
            all
        });
    });
    group.finish();
    best
}

fn cyclon(criterion: &mut Criterion, nodes: u32) -> f64 {
    let start = || {
        let all = (0..nodes).map(|node| shuffler(node, nodes));
        Simulation::new(all, 1, Order::Blocked(BLOCK))
    };
    let check = |sim: &Simulation<Cyclon<u32, VIEW>>| {
        let known = sim.nodes().map(|(node, peers)| (node, neighbours(peers)));
        let degree = Graph::new(known).in_degree();
        // A random graph's is sqrt(20) = 4.5.
        assert!(degree.mean > 19.0 && degree.sd < 4.5, "{degree:?}");
    };
    measure(criterion, CYCLON.0, nodes, start, Simulation::step, check)
}

fn tman(criterion: &mut Criterion, nodes: u32) -> f64 {
    let start = || {
        let all = (0..nodes).map(|node| sorter(node, nodes));
        Simulation::new(all, 1, Order::Blocked(BLOCK))
    };
    let check = |sim: &Simulation<OverNewscast<u32>>| {
        let missing = ring::missing_links(sim.nodes().map(|(id, node)| (id, &*node.ring)));
        let share = missing as f64 / f64::from(2 * nodes);
        assert!(share < 0.5, "{share} of the ring's links are missing after {CYCLES} cycles");
    };
    measure(criterion, TMAN.0, nodes, start, Simulation::step, check)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut rows = Vec::new();
    for (at, nodes) in SIZES.into_iter().enumerate() {
        rows.push((CYCLON.0, nodes, cyclon(&mut criterion, nodes), CYCLON.1[at]));
        rows.push((TMAN.0, nodes, tman(&mut criterion, nodes), TMAN.1[at]));
    }
    criterion.final_summary();
    println!("\n{:24} {:>9} {:>9} {:>14} {:>8}", "", "nodes", "ns", "PeerSim, noted", "ahead");
    for (name, nodes, nanos, peersim) in rows {
        let ahead = peersim / nanos;
        println!("{name:24} {nodes:>9} {nanos:>9.1} {peersim:>14.1} {ahead:>7.1}x");
    }
}
