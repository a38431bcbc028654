//! What a second thread is worth: to the cycle driver, and to a sweep over as many bytes whose
//! visits overlap, in turns, the best of five of each.
//!
//! The sweep's threads share nothing: it is what memory and processor let two threads have. The
//! driver's single thread is the faster of two: in blocks of 64, and in the blocks that the threads
//! share. Results are checked: the nodes of one thread and of two hold the same, bit for bit.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use gossip_aggregate::Average;
use gossip_core::random::Key;
use gossip_core::sim::cycle::{BLOCK, Order, Simulation};
use gossip_core::{Layer, Protocol};

use crate::common::{SIZES, check};

/// Runs of which the best counts.
const RUNS: u32 = 5;

/// Node visits of a run, so that it takes about a tenth of a second.
const VISITS: u32 = 1_000_000;

pub(crate) fn compare<S>(
    make: impl Fn(u32, u32) -> S,
    load: impl Fn(&S) -> &Average<u32>,
    name: &str,
) where
    S: Layer<(), Id = u32> + Protocol<Message: Send, Event: Send> + Send,
{
    println!(
        "\n{name:27} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "nodes", "1 thread", "2", "speed-up", "of blocks", "sweep's", "share"
    );
    for nodes in SIZES {
        let sim = |order, threads| {
            let all = (0..nodes).map(|node| make(node, nodes));
            Simulation::new(all, 1, order).on_threads(threads)
        };
        let shared = Order::in_shared_blocks(nodes as usize);
        let mut narrow = sim(Order::Blocked(BLOCK), 1);
        let (mut one, mut two) = (sim(shared, 1), sim(shared, 2));
        let words = one.bytes_per_node() / 8;
        let mut halves = [1, 2].map(|_| Half::new(nodes / 2, words));
        let mut best = [f64::INFINITY; 5];
        let cycles = (VISITS / nodes).max(1);
        for _ in 0..RUNS {
            let spent = [
                time(|| narrow.run(cycles)),
                time(|| one.run(cycles)),
                time(|| two.run(cycles)),
                time(|| (0..cycles).for_each(|_| halves.iter_mut().for_each(Half::sweep))),
                time(|| (0..cycles).for_each(|_| sweep_both(&mut halves))),
            ];
            best.iter_mut().zip(spent).for_each(|(best, spent)| *best = best.min(spent));
        }
        let held = |sim: &Simulation<S>| -> Vec<f64> {
            let held = sim.nodes().map(|(_, state)| load(state).running_estimate());
            held.map(|held| held.unwrap_or(f64::NAN)).collect()
        };
        let (first, second) = (held(&one), held(&two));
        assert!(first == second, "{name}, {nodes} nodes: two threads hold something else");
        check(nodes, 1e-6, second.into_iter());
        for half in &halves {
            half.check(2 * cycles * RUNS);
        }
        let nanos = best.map(|best| best * 1e9 / f64::from(cycles) / f64::from(nodes));
        let single = nanos[0].min(nanos[1]);
        let (ours, sweeps) = (single / nanos[2], nanos[3] / nanos[4]);
        println!(
            "{:27} {nodes:>9} {single:>9.1} {:>9.1} {ours:>9.2} {:>9.2} {sweeps:>9.2} {:>9.2}",
            "",
            nanos[2],
            nanos[1] / nanos[2],
            ours / sweeps
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn sweep_both(halves: &mut [Half; 2]) {
    let [first, second] = halves;
    thread::scope(|scope| {
        scope.spawn(|| second.sweep());
        first.sweep();
    });
}

/// One thread's nodes of a sweep: two visits of random ones per node and cycle, [`BLOCK`] of them
/// in flight, the whole state read and written.
struct Half {
    memory: Vec<u64>,
    nodes: usize,
    words: usize,
    cycle: u64,
}

impl Half {
    fn new(nodes: u32, words: usize) -> Self {
        let nodes = nodes as usize;
        Self { memory: vec![0; nodes * words], nodes, words, cycle: 0 }
    }

    fn sweep(&mut self) {
        let Self { memory, nodes, words, cycle } = self;
        let mut random = Key::new(4).random(*cycle);
        *cycle += 1;
        let mut touched = 0_u64;
        for _ in 0..(2 * *nodes).div_ceil(BLOCK) {
            let block: [usize; BLOCK] = std::array::from_fn(|_| random.below(*nodes));
            for at in block {
                let lines = memory[at * *words..][..*words].iter().step_by(8);
                touched = lines.fold(touched, |sum, word| sum.wrapping_add(*word));
            }
            for at in block {
                memory[at * *words..][..*words].iter_mut().for_each(|word| *word += 1);
            }
        }
        black_box(touched);
    }

    /// All visits were made.
    fn check(&self, sweeps: u32) {
        let visits = (2 * self.nodes).div_ceil(BLOCK) * BLOCK * self.words;
        let expected = visits as u64 * u64::from(sweeps);
        assert_eq!(self.memory.iter().sum::<u64>(), expected, "a sweep is incomplete");
    }
}
