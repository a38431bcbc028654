//! The event driver allocates nothing for an event: datagrams, agenda and effects use their memory
//! again and again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use gossip_core::ParameterError;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::Network;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::Latency;

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

const NODES: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// Nodes that shuffle over links that lose, double and hold back datagrams: requests, answers,
/// deadlines that pass and deadlines that do not.
fn shuffling() -> Result<Simulation<Cyclon<u32, 20>, Network>, ParameterError> {
    let latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(80));
    let network = Network::new(latency).loss(0.05)?.duplication(0.05)?.reordering(0.05)?;
    let cyclon = Cyclon::<u32, 20>::new(cyclon::Config::default())?;
    let make = move |_| cyclon.clone();
    let mut sim = Simulation::new(NODES, make, network, Config::seeded(1))?;
    (1..NODES).for_each(|node| sim.contact(node, node - 1));
    sim.run_for(60 * SECOND);
    Ok(sim)
}

/// How often `sim` asks for memory in a hundred periods, and how many datagrams it sends meanwhile.
fn asked(sim: &mut Simulation<Cyclon<u32, 20>, Network>) -> (u64, u64) {
    let before = (ASKED.get(), sim.traffic().datagrams);
    sim.run_for(100 * SECOND);
    (ASKED.get() - before.0, sim.traffic().datagrams - before.1)
}

/// A new most of what is under way at once may make one of the driver's dozen lists grow, each to
/// twice its size; 10^5 rounds and 1.9 x 10^5 datagrams ask for nothing.
#[test]
fn events_allocate_nothing_in_steady_state() -> Result<(), ParameterError> {
    let mut sim = shuffling()?;
    let (asked, datagrams) = asked(&mut sim);
    assert!(datagrams > 150_000, "{datagrams} datagrams, seed 1");
    assert!(asked <= 12, "{asked} allocations for {datagrams} datagrams, seed 1");
    assert!(sim.counts().total("no reply") > 1_000, "deadlines pass, too");
    Ok(())
}

/// The control: a recording copies every datagram, which the measure sees.
#[test]
fn a_recording_allocates_for_every_datagram() -> Result<(), ParameterError> {
    let mut sim = shuffling()?;
    sim.record(100);
    let (asked, datagrams) = asked(&mut sim);
    assert!(asked >= datagrams, "{asked} allocations for {datagrams} datagrams, seed 1");
    Ok(())
}
