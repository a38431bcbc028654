//! How nodes lie in memory: what a cycle of a million of them costs is mostly waiting for it.

use core::mem;

use alloc::vec::Vec;

/// A node, aligned to cache lines, so that a visit costs no line more than it must.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot<S>(pub(super) S);

/// One bit a node.
pub(super) struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    pub(super) fn all(len: usize) -> Self {
        Self { words: alloc::vec![u64::MAX; len.div_ceil(64)], len: len as u32 }
    }

    #[inline]
    pub(super) fn has(&self, at: u32) -> bool {
        at < self.len && self.words[at as usize / 64] >> (at % 64) & 1 == 1
    }

    pub(super) fn clear(&mut self, at: u32) {
        self.words[at as usize / 64] &= !(1 << (at % 64));
    }

    pub(super) fn set(&mut self, at: u32) {
        self.words[at as usize / 64] |= 1 << (at % 64);
    }

    pub(super) fn push(&mut self) {
        if self.len.is_multiple_of(64) {
            self.words.push(u64::MAX);
        }
        self.len += 1;
    }
}

/// Asks the processor for a node's memory, so that the misses of a block overlap.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a prefetch reads nothing: any address is allowed. Averaging over a fixed view at \
                  N = 10^6 takes a third of the time with it; its test is \
                  `blocked_is_sequential_in_blocks_of_one`"
    )
)]
pub(in crate::sim) fn prefetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        let start = core::ptr::from_ref(what).cast::<i8>();
        for line in (0..mem::size_of::<T>()).step_by(64).take(LINES) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line)) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}

/// Cache lines of a node fetched ahead: beyond this, a block no longer fits the second-level cache.
/// (Into the first level it does not fit at all: fetched there, averaging takes twice the time.)
#[cfg(target_arch = "x86_64")]
const LINES: usize = 8;
