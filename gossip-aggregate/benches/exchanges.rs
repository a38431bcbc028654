//! What an exchange of each protocol costs: nanoseconds per node and round in the cycle driver,
//! over the same random graph of degree 8, all states in cache.
//!
//! Averaging, the first row, is the measure of the others. Flow
//! protocols send messages to one or to all neighbours and get no answer; the others exchange two.
//! Tours, walks and polls are of one node of 512, so that a number is that of a step.
//!
//! Bias: the driver neither encodes nor decodes, so bytes on the wire cost nothing here.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use gossip_aggregate::extrema::Draws;
use gossip_aggregate::flow_updating::Config as Flows;
use gossip_aggregate::grouped::{Combine, Grouped};
use gossip_aggregate::hyperloglog::Census;
use gossip_aggregate::merge::{Greatest, Own};
use gossip_aggregate::push_pull::Function;
use gossip_aggregate::push_sum::Linear;
use gossip_aggregate::signed::Vouched;
use gossip_aggregate::{
    Alike, Collide, Density, Draw, Extreme, FlowUpdating, Hops, Leaders, LiMoSense, Live, Mean,
    PowerMean, PushFlow, PushPull, PushSum, Quantile, Spread, Top, Total, Tour, Union, Variance,
    Within, collide, density, epoch, hops, push_sum, tour,
};
use gossip_core::auth::Authority;
use gossip_core::random::Key;
use gossip_core::sampling::{Walk, walk};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Neighbourhood, topology};
use gossip_core::{Finite, Layer, ParameterError, PeerId, Peers, stack};

const NODES: u32 = 512;

/// Rounds after which counts have spread to all, and sets are the same.
const SETTLED: u32 = 40;

struct Bench(Criterion);

type Sim<S> = Simulation<S, Neighbourhood>;

impl Bench {
    fn run<S>(&mut self, name: &str, node: impl Fn(u32) -> Result<S, ParameterError>)
    where
        S: Layer<Neighbourhood, Id = u32> + Clone,
    {
        self.run_with(name, node, |_| {});
    }

    /// With something asked before every round.
    fn run_with<S>(
        &mut self,
        name: &str,
        node: impl Fn(u32) -> Result<S, ParameterError>,
        mut ask: impl FnMut(&mut Sim<S>),
    ) where
        S: Layer<Neighbourhood, Id = u32> + Clone,
    {
        let graph = topology::random_regular(NODES, 8, Key::new(1)).expect("a graph");
        let nodes: Vec<S> = (0..NODES).map(|at| node(at).expect("valid")).collect();
        let world = Neighbourhood::new(graph);
        let mut sim = Simulation::with(nodes, 1, Order::Sequential, world, Perfect);
        sim.run(SETTLED);
        let mut group = self.0.benchmark_group("exchange");
        group.throughput(Throughput::Elements(NODES.into()));
        group.bench_function(name, |bencher| {
            let round = |()| {
                ask(&mut sim);
                sim.step();
            };
            bencher.iter_batched(|| (), round, BatchSize::SmallInput);
        });
        group.finish();
    }

    fn pulled<F: Function>(
        &mut self,
        name: &str,
        function: impl Fn(u32) -> Result<F, ParameterError>,
    ) {
        self.run(name, |at| PushPull::<u32, F>::new(endless(function(at)?)));
    }

    fn pushed<F: Linear>(
        &mut self,
        name: &str,
        function: impl Fn(u32) -> Result<F, ParameterError>,
    ) {
        let config = |at| Ok(push_sum::Config::new(endless(function(at)?)));
        self.run(name, |at| PushSum::<u32, F>::new(config(at)?));
    }
}

fn endless<F>(function: F) -> epoch::Config<F> {
    epoch::Config::founding(function).endless()
}

fn input(at: u32) -> f64 {
    1.0 + f64::from(at)
}

fn means(bench: &mut Bench) {
    bench.pulled("push-pull, mean", |at| Mean::of(input(at)));
    bench.pulled("push-pull, geometric mean", |at| PowerMean::of(input(at), 0.0));
    bench.pulled("push-pull, greatest", |at| Extreme::greatest(input(at)));
    bench.pulled("push-pull, variance", |at| Variance::of(input(at)));
    bench.pulled("push-pull, count of 24 leaders", |_| Ok(Leaders::default()));
    bench.pulled("push-pull, sum", |at| Total::sum(input(at), Leaders::default()));
    bench.pulled("push-pull, quantile", |at| Quantile::of(input(at), 0.5));
    let bounds = (0.0, 1_000.0);
    bench.pulled("push-pull, 15 groups", |at| {
        Grouped::<15>::new(input(at), bounds, Combine::Median)
    });
    bench.pulled("push-pull, mean within bounds", |at| Within::new(Mean::of(input(at))?, 0.0, 1e3));
    bench.pushed("push-sum, mean", |at| Mean::of(input(at)));
    bench.pushed("push-sum, count of 24 leaders", |_| Ok(Leaders::default()));
    bench.pushed("push-sum, random element", |at| Draw::uniform(input(at)));
    bench.pushed("push-sum, synopsis of 64", |at| Ok(Alike::<64>::of(&(at % 4))));
    bench.run("Flow Updating, all 8 neighbours", |at| FlowUpdating::new(Flows::of(input(at))));
    bench.run("LiMoSense", |at| LiMoSense::new(Flows::of(input(at))));
    bench.run("Push-Flow", |at| PushFlow::new(Flows::of(input(at))));
}

/// All nodes have the same, and say so: what merges cost in the long run.
fn merges(bench: &mut Bench) {
    let most = |at| Own(Greatest(Finite::new(input(at)).expect("finite")));
    bench.run("spread, greatest", |at| Spread::new(endless(most(at))));
    let set = |at: u32| Own(Union::<u32, 32>::of([at]));
    bench.run("spread, union of 32", |at| Spread::new(endless(set(at))));
    let top = |at: u32| Own(Top::<u32, u32, 5>::of(at, at));
    bench.run("spread, top 5", |at| Spread::new(endless(top(at))));
    let authority = Authority::new(1);
    let signed = |at| Vouched::<_, u32, 5>::new(authority.signer(at), at);
    bench.run("spread, top 5 signed", |at| Spread::new(endless(signed(at))));
    bench.run("spread, extrema of 100", |_| Spread::new(endless(Draws::<100>::counting())));
    bench.run("spread, HyperLogLog of 256", |_| Spread::new(endless(Census::<256>::salted(1))));
}

stack! {
    /// Counts by walks over links that are given.
    #[derive(Clone, Debug)]
    struct Walker<I: PeerId> over D: Peers<Id = I> {
        #[uses(below)]
        walks: Walk<I, 64>,
        #[uses(walks)]
        size: Collide<I>,
    }
}

/// Of the number of nodes, and all that is live; epochs of 20 rounds go on meanwhile.
fn sizes(bench: &mut Bench) {
    bench.run("live: mean, count and sum", |at| Live::founding(input(at)));
    bench.run("Interval Density", |_| Density::new(density::Config::default()));
    let poll = |sim: &mut Sim<Hops<u32>>| {
        // Refused while a poll is under way.
        let _ = sim.command(0, hops::Ask);
    };
    bench.run_with("HopsSampling, polls by one", |_| Hops::new(hops::Config::default()), poll);
    bench.run("Random Tour, one tour a round", |at| {
        Tour::new(tour::Config { every: u32::from(at == 0), patience: 1, ..Default::default() })
    });
    bench.run("Sample & Collide, 64 walks a round", |at| {
        let walks = walk::Config { walks: if at == 0 { 64 } else { 0 }, ..Default::default() };
        Ok(Walker::new(Walk::new(walks)?, Collide::new(collide::Config::default())?))
    });
}

fn main() {
    let criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    let mut bench = Bench(criterion);
    means(&mut bench);
    merges(&mut bench);
    sizes(&mut bench);
    bench.0.final_summary();
}
