//! Decoding hostile bytes allocates in proportion to the bytes, whatever they claim.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gossip_core::message;
use gossip_core::wire::{Blob, Bounded, Decoder, Wire};
use serde::Deserialize;

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

message! {
    enum Frame {
        Pairs(Bounded<(u64, u64), 64>),
        Blob(Blob<1000>),
        Nested(Bounded<Bounded<Option<Blob<40>>, 6>, 8>),
        Both { blobs: Bounded<(u32, Blob<100>), 10>, frame: Option<Blob<900>> },
    }
}

/// The most that decoding may ask for, as a multiple of the input.
const LIMIT: usize = 16;

fn asked<T>(f: impl FnOnce() -> T) -> usize {
    let before = ASKED.get();
    let result = f();
    let asked = ASKED.get() - before;
    drop(result);
    asked
}

/// SplitMix64: repeatable, and without allocations.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Half of all bytes are small, so that tags and lengths are often good.
    fn byte(&mut self) -> u8 {
        let byte = self.next() as u8;
        if self.below(2) == 0 { byte & 0x07 } else { byte }
    }
}

fn frames() -> Vec<Vec<u8>> {
    let nested = Bounded::from([(); 6].map(|()| Some(Blob::new([7; 40]).unwrap())));
    let blobs = Bounded::from([(); 10].map(|()| (300, Blob::new([7; 100]).unwrap())));
    let frames = [
        Frame::Pairs(Bounded::from([(u64::MAX, 1); 64])),
        Frame::Blob(Blob::new([7; 1000]).unwrap()),
        Frame::Nested(Bounded::from([(); 8].map(|()| nested.clone()))),
        Frame::Both { blobs, frame: Some(Blob::new([7; 900]).unwrap()) },
    ];
    let encode = |frame: &Frame| {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes
    };
    frames.iter().map(encode).collect()
}

fn check(bytes: &[u8], seed: u64) -> bool {
    let mut good = false;
    let asked = asked(|| {
        let frame = Frame::decode(&mut &*bytes);
        good = frame.is_ok();
        frame
    });
    let limit = LIMIT * bytes.len();
    assert!(asked <= limit, "{} bytes asked for {asked}, seed {seed}: {bytes:02x?}", bytes.len());
    good
}

#[test]
fn decoding_allocates_at_most_16_times_its_input() {
    let frames = frames();
    assert!(frames.iter().all(|bytes| check(bytes, 0)), "unchanged frames decode");
    let mut decoded = [0; 2];
    for seed in 0..50_000 {
        let mut rng = Rng(seed);
        let mut bytes = frames[rng.below(frames.len())].clone();
        for _ in 0..rng.below(5) {
            let at = rng.below(bytes.len());
            bytes[at] = rng.byte();
        }
        bytes.truncate(1 + rng.below(2 * bytes.len()));
        decoded[usize::from(check(&bytes, seed))] += 1;

        let bytes: Vec<u8> = (0..rng.below(300)).map(|_| rng.byte()).collect();
        decoded[usize::from(check(&bytes, seed))] += 1;
    }
    // Of neither kind so few that the test would show nothing.
    assert!(decoded.iter().all(|n| *n > 5_000), "{decoded:?} refused and good");
}

/// The control: the measure sees the blow-up of section A5 of reliability.md, which a sequence
/// that is no `Wire` type still has.
#[test]
fn the_measure_sees_a_blow_up() {
    assert_eq!(asked(|| Vec::<u8>::with_capacity(1000)), 1000);
    let bytes = [&[0xe8, 0x07][..], &[0; 1000]].concat();
    let asked = asked(|| Vec::<Option<[u64; 8]>>::deserialize(&mut Decoder::new(&bytes)));
    assert!(asked > 2 * LIMIT * bytes.len(), "{asked} bytes");
}
