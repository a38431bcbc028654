//! Counts what decoding asks of the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gossip_core::wire::Wire;

thread_local! {
    /// Bytes that this thread ever asked for: more than it held at once, so the stricter measure.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one adds a counter")]
// SAFETY: every call goes to `System` unchanged; the counter neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get().saturating_add(layout.size()));
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.set(ASKED.get().saturating_add(size));
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `act` returns, and the bytes it asked for.
pub(crate) fn asked<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = ASKED.get();
    let result = act();
    (result, ASKED.get() - before)
}

/// The most that decoding may ask for, as a multiple of the datagram.
pub(crate) const LIMIT: usize = 16;

/// Decodes `bytes` as one `M`, and checks that it asked for little and has one encoding. Returns
/// the bytes it asked for.
pub(crate) fn decode_alone<M: Wire>(bytes: &[u8]) -> usize {
    let (read, asked) = asked(|| M::decode_all(bytes));
    assert!(asked <= LIMIT * bytes.len(), "{} bytes asked for {asked}: {bytes:02x?}", bytes.len());
    if let Ok(message) = read {
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(again, bytes, "two encodings of {message:?}");
    }
    asked
}
