//! The five protocol crates in a static library without `std`.
//!
//! That it builds is the proof: `std` has a panic handler of its own, and two are an error. The
//! allocator is the smallest that serves, a bump pointer that never frees.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use gossip_aggregate::{Average, Mean, push_pull};
use gossip_core::node::{Clock, Config, Effects, Node};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{Blob, ParameterError, PeerId, Time, stack};
use gossip_dissem::{RumorMongering, rumor};
use gossip_entropy::Replica;
use gossip_overlay::{RingRank, TMan, tman};

const ARENA_BYTES: usize = 64 * 1024;

static ARENA: [AtomicU8; ARENA_BYTES] = [const { AtomicU8::new(0) }; ARENA_BYTES];
static USED: AtomicUsize = AtomicUsize::new(0);

struct Bump;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; none exists without std")]
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = ARENA.as_ptr().addr();
        let mut used = USED.load(Ordering::Relaxed);
        loop {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            let Some(end) = start.checked_add(layout.size()).filter(|e| *e <= ARENA_BYTES) else {
                return null_mut();
            };
            match USED.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return ARENA[start..].as_ptr().cast_mut().cast(),
                Err(now) => used = now,
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

stack! {
    /// A layer of every protocol crate.
    #[derive(Debug)]
    struct Sensor<I: PeerId> {
        peers: Cyclon<I, 8>,
        #[uses(peers)]
        ring: TMan<I, RingRank, 8>,
        #[uses(peers)]
        mean: Average<I>,
        #[uses(peers)]
        news: RumorMongering<I, Blob<64>>,
        #[uses(peers)]
        data: Replica<I, 8, 16>,
    }
}

fn sensor() -> Result<Node<Sensor<u32>>, ParameterError> {
    let mean = push_pull::Config::founding(Mean::of(21.5)?);
    let stack = Sensor::new(
        Cyclon::new(cyclon::Config::default())?,
        TMan::new(tman::Config::new(RingRank::hashed()))?,
        Average::new(mean)?,
        RumorMongering::new(rumor::Config::default())?,
        Replica::new(gossip_entropy::Config::default())?,
    );
    Node::new(1, stack, Config::default())
}

/// Runs some rounds of a stack of all protocol crates, feeds it some bytes as a datagram, and
/// returns how many datagrams it sent: so that all of it is really linked.
#[expect(unsafe_code, reason = "without a fixed name nothing of a static library is kept")]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_no_std_probe(seed: u32) -> u32 {
    let Ok(node) = sensor() else { return 0 };
    let (mut node, mut effects) = (Box::new(node), Effects::default());
    let bytes = [seed.to_le_bytes(); 8];
    for second in 1..=3 {
        let now = second * 1_000_000;
        let clock = Clock { now: Time::from_micros(now), wall: now };
        node.contact(2, clock, &mut effects);
        node.round(clock, &mut effects);
        node.datagram(2, bytes.as_flattened(), clock, &mut effects);
        node.wake(clock, &mut effects);
    }
    effects.datagrams.len() as u32
}
