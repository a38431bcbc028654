//! Protocols allocate nothing in steady state: no exchange asks for memory, and no epoch of a
//! function. (A merge whose value changes takes the digest of the new one.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use gossip_aggregate::extrema::Draws;
use gossip_aggregate::flow_updating::Config as Flows;
use gossip_aggregate::grouped::{Combine, Grouped};
use gossip_aggregate::hyperloglog::Census;
use gossip_aggregate::merge::{Greatest, Own};
use gossip_aggregate::{
    Alike, Average, Count, Draw, Extreme, FlowUpdating, Leaders, LiMoSense, Mean, PowerMean,
    PushFlow, PushPull, PushSum, Quantile, Spread, Top, Total, Variance, Within, epoch, push_sum,
};
use gossip_core::sampling::Fixed;
use gossip_core::sim::Network;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::Latency;
use gossip_core::{Finite, ParameterError, PeerId, stack};

thread_local! {
    /// How often this thread asked for memory, or for more of it.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one adds a counter")]
// SAFETY: every call goes to `System` unchanged; the counter neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

stack! {
    /// Everything that exchanges, over links that are given.
    #[derive(Clone, Debug)]
    struct All<I: PeerId> {
        peers: Fixed<I, 8>,
        #[uses(peers)]
        mean: Average<I>,
        #[uses(peers)]
        size: Count<I>,
        #[uses(peers)]
        median: PushPull<I, Quantile>,
        #[uses(peers)]
        guarded: PushPull<I, Grouped<7>>,
        #[uses(peers)]
        power: PushPull<I, PowerMean>,
        #[uses(peers)]
        variance: PushPull<I, Variance>,
        #[uses(peers)]
        greatest: PushPull<I, Extreme>,
        #[uses(peers)]
        bounded: PushPull<I, Within<Mean>>,
        #[uses(peers)]
        sum: PushSum<I, Total<Mean, 8>>,
        #[uses(peers)]
        pushed: PushSum<I, Mean>,
        #[uses(peers)]
        drawn: PushSum<I, Draw>,
        #[uses(peers)]
        alike: PushSum<I, Alike<16>>,
        #[uses(peers)]
        flows: FlowUpdating<I>,
        #[uses(peers)]
        shares: LiMoSense<I>,
        #[uses(peers)]
        pushes: PushFlow<I>,
        #[uses(peers)]
        most: Spread<I, Own<Greatest>>,
        #[uses(peers)]
        best: Spread<I, Own<Top<I, u8, 5>>>,
        #[uses(peers)]
        drawn_least: Spread<I, Draws<20>>,
        #[uses(peers)]
        census: Spread<I, Census<64>>,
    }
}

const NODES: u32 = 100;

fn all(at: u32) -> Result<All<u32>, ParameterError> {
    fn epochs<F>(function: F) -> epoch::Config<F> {
        epoch::Config::founding(function).epoch(20)
    }
    let input = f64::from(at);
    let most = Own(Greatest(Finite::new(input).unwrap_or(Finite::ZERO)));
    let peers = (1..=4).flat_map(|step| [(at + step) % NODES, (at + NODES - step) % NODES]);
    Ok(All::new(
        Fixed::new(peers),
        Average::new(epochs(Mean::of(input)?))?,
        Count::new(epochs(Leaders::default()))?,
        PushPull::new(epochs(Quantile::of(input, 0.5)?))?,
        PushPull::new(epochs(Grouped::new(input, (0.0, 100.0), Combine::Median)?))?,
        PushPull::new(epochs(PowerMean::of(1.0 + input, 0.0)?))?,
        PushPull::new(epochs(Variance::of(input)?))?,
        PushPull::new(epochs(Extreme::greatest(input)?))?,
        PushPull::new(epochs(Within::new(Mean::of(input)?, 0.0, 100.0)?))?,
        PushSum::new(push_sum::Config::new(epochs(Total::sum(
            input,
            Leaders::expecting(4.0, 1.0)?,
        )?)))?,
        PushSum::new(push_sum::Config::new(epochs(Mean::of(input)?)))?,
        PushSum::new(push_sum::Config::new(epochs(Draw::uniform(input)?)))?,
        PushSum::new(push_sum::Config::new(epochs(Alike::of(&(at % 4)))))?,
        FlowUpdating::new(Flows::of(input))?,
        LiMoSense::new(Flows::of(input))?,
        PushFlow::new(Flows::of(input))?,
        Spread::new(epochs(most).endless())?,
        Spread::new(epochs(Own(Top::of(at, at as u8))).endless())?,
        Spread::new(epochs(Draws::counting()).endless())?,
        Spread::new(epochs(Census::salted(0)).endless())?,
    ))
}

fn run() -> Result<Simulation<All<u32>, Network>, ParameterError> {
    let latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(80));
    let network = Network::new(latency).loss(0.05)?.duplication(0.05)?;
    let node: Result<Vec<_>, _> = (0..NODES).map(all).collect();
    let node = node?;
    let make = move |at: u32| node[at as usize].clone();
    let mut sim = Simulation::new(NODES, make, network, Config::seeded(1))?;
    sim.run_for(Duration::from_secs(65));
    Ok(sim)
}

/// As in `gossip-core`'s test of the driver: a new most of what is under way may make one of the
/// driver's dozen lists grow, once or twice. 5,000 rounds of nineteen protocols, and two or three
/// turns of their epochs, ask for nothing.
#[test]
fn exchanges_and_epochs_allocate_nothing_in_steady_state() -> Result<(), ParameterError> {
    let mut sim = run()?;
    let before = (ASKED.get(), sim.traffic().frames);
    sim.run_for(Duration::from_secs(50));
    let (asked, frames) = (ASKED.get() - before.0, sim.traffic().frames - before.1);
    assert!(frames > 50_000, "{frames} frames, seed 1");
    assert!(asked <= 24, "{asked} allocations for {frames} frames, seed 1");
    let best = sim.node(0).and_then(|node| node.best.value()).map(|top| top.ranking().to_vec());
    assert_eq!(best, Some((95..100).rev().map(|at| (at as u8, at)).collect()));
    for (at, node) in sim.nodes() {
        assert_eq!(node.most.value().map(|most| most.0.get()), Some(99.0), "node {at}");
        assert!(node.best.is_settled(), "node {at} hears otherwise");
    }
    Ok(())
}

/// The control: what does allocate is seen.
#[test]
fn a_recording_of_exchanges_allocates() -> Result<(), ParameterError> {
    let mut sim = run()?;
    sim.record(100);
    let before = (ASKED.get(), sim.traffic().datagrams);
    sim.run_for(Duration::from_secs(2));
    let (asked, datagrams) = (ASKED.get() - before.0, sim.traffic().datagrams - before.1);
    assert!(asked >= datagrams, "{asked} allocations for {datagrams} datagrams, seed 1");
    Ok(())
}
