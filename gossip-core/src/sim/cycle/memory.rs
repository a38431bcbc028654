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

/// An empty vector with room for `count` of what is visited at random, in huge pages where the
/// system has them for who asks: a visit then hardly ever waits for its address.
pub(in crate::sim) fn room_for<T>(count: usize) -> Vec<T> {
    let mut room = Vec::with_capacity(count);
    in_huge_pages(room.spare_capacity_mut());
    room
}

/// Asks the system for huge pages where `memory` lies. It may refuse, which costs time only.
#[cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "this advice changes no byte, and is given for whole pages of memory that is held \
                  exclusively. Averaging at N = 10^7 takes 0.47 (fixed view) and 0.83 (Newscast) \
                  of the time with it, at 10^6 0.79 and 0.88; its test is \
                  `nodes_beyond_a_huge_page_are_as_they_were_made`"
    )
)]
fn in_huge_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let start = memory.as_mut_ptr().cast::<u8>();
        let skipped = start.align_offset(HUGE);
        let length = mem::size_of_val(memory).saturating_sub(skipped) / HUGE * HUGE;
        if length > 0 {
            let _ = unsafe {
                madvise(start.wrapping_add(skipped).cast(), length, Advice::LinuxHugepage)
            };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Bytes of a huge page on the usual machines. Where they are larger, less is asked for than could
/// be.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_beyond_a_huge_page_are_as_they_were_made() {
        let (few, many) = (10, 300_000_usize);
        for count in [0, few, many] {
            let mut room = room_for(count);
            assert!(room.capacity() >= count);
            room.extend((0..2 * count).map(|at| Slot([at; 3])));
            assert!(room.iter().enumerate().all(|(at, Slot(node))| *node == [at; 3]));
        }
    }
}
