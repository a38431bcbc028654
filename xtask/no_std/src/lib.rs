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

use gossip_aggregate as _;
use gossip_core as _;
use gossip_dissem as _;
use gossip_entropy as _;
use gossip_overlay as _;

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

/// Reaches the allocator and one item of every protocol crate, so that they are really linked.
#[expect(unsafe_code, reason = "without a fixed name nothing of a static library is kept")]
#[unsafe(no_mangle)]
pub extern "C" fn gossip_no_std_probe(seed: u32) -> u32 {
    *Box::new(seed)
}
