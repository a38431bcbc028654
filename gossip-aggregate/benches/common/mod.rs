//! What the benchmarks of averaging share: views, the check of the result, the clock.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use gossip_aggregate::push_pull::Config;
use gossip_aggregate::{Average, Mean};
use gossip_core::random::Key;
use gossip_core::sampling::Fixed;
use gossip_core::{PeerId, stack};

pub(crate) const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
pub(crate) const VIEW: usize = 20;

stack! {
    /// Averaging over a fixed view.
    #[derive(Debug)]
    pub(crate) struct OverFixed<I: PeerId> {
        peers: Fixed<I, VIEW>,
        #[uses(peers)]
        load: Average<I>,
    }
}

pub(crate) fn over_fixed(node: u32, nodes: u32) -> OverFixed<u32> {
    OverFixed::new(Fixed::new(view(node, nodes)), average(node))
}

pub(crate) fn average(node: u32) -> Average<u32> {
    let mean = Mean::of(f64::from(node)).expect("finite");
    Average::new(Config::founding(mean).endless()).expect("valid")
}

pub(crate) fn view(node: u32, nodes: u32) -> impl Iterator<Item = u32> {
    let mut random = Key::new(1).random(u64::from(node));
    (0..VIEW).map(move |_| {
        let peer = random.below(nodes as usize - 1) as u32;
        peer + u32::from(peer >= node)
    })
}

/// Best time per node and cycle, by benchmark and size.
pub(crate) type Table = RefCell<Vec<(&'static str, u32, f64)>>;

/// Variance of the estimates; the mean must be what it was, up to a relative `error`.
pub(crate) fn check(nodes: u32, error: f64, values: impl Iterator<Item = f64>) -> f64 {
    let expected = f64::from(nodes - 1) / 2.0;
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in values {
        sum += value;
        squares += (value - expected) * (value - expected);
    }
    let mean = sum / f64::from(nodes);
    assert!((mean - expected).abs() < error * expected, "mean {mean}, not {expected}");
    squares / f64::from(nodes)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn measure(
    criterion: &mut Criterion,
    table: &Table,
    name: &'static str,
    nodes: u32,
    mut cycle: impl FnMut(),
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(nodes.into())).sample_size(10);
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(200));
    let mut best = f64::INFINITY;
    group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            (0..count).for_each(|_| cycle());
            let spent = start.elapsed();
            best = best.min(spent.as_secs_f64() * 1e9 / count as f64 / f64::from(nodes));
            spent
        });
    });
    group.finish();
    table.borrow_mut().push((name, nodes, best));
}
