//! Sketches of sets: bytes until a difference is known, time to keep them up to date and to decode.
//!
//! The table of bytes is exact. Times move with the machine, so that each is also given as a
//! multiple of something of the same run: a decode of a copy of as many bytes as came, an insert or
//! a delete of a visit of a chase of pointers over 32 bytes for each of 10^6 elements, which is
//! what a lookup in a table of them costs at least. Where a bar is set, the line says whether it
//! holds.
//! Every result is checked: what was decoded, and that deletes leave the sketch of the empty set.
//!
//! Bias: inserts are of fingerprints; the hash of an element has a row of its own. Elements that
//! both sides have cancel, so that bytes do not depend on how many there are; sets of 10^5 and 10^6
//! are built once each to show it. The C++ minisketch is not built here: how the decoder compares
//! with it is not said, but how it does without carry-less multiplication.

#[path = "../tests/it/exchange.rs"]
mod exchange;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use exchange::{Loss, NONE, element, expected, run, sides};
use gossip_core::random::Key;
use gossip_entropy::sketch::pinsketch::{CAPACITY, decode};
use gossip_entropy::sketch::set::STATE;
use gossip_entropy::sketch::{Field, Keys, SetSketch};

const SEEDS: u64 = 100;

/// The mean, the 95th percentile and the greatest.
fn summary(mut all: Vec<usize>) -> String {
    all.sort_unstable();
    let mean = all.iter().sum::<usize>() as f64 / all.len() as f64;
    format!("{mean:>8.0} {:>8} {:>8}", all[all.len() * 95 / 100], all[all.len() - 1])
}

fn row(name: &str, common: usize, d: usize, seeds: u64, loss: Loss) {
    let [mut bytes, mut datagrams, mut questions, mut after] = [const { Vec::new() }; 4];
    for seed in 0..seeds {
        let mut random = Key::new(seed).random(d as u64);
        let sides = sides(common, d, &mut random);
        let run = run(&sides, loss, 0.0, &mut random);
        assert_eq!(run.end, Ok(expected(&sides)), "d = {d}, seed {seed}");
        bytes.push(run.bytes);
        datagrams.push(run.datagrams);
        questions.push(run.questions);
        after.push(run.after);
    }
    let columns = [bytes, datagrams, questions, after].map(summary).join(" |");
    println!("{name:<14} {d:>6} |{columns}");
}

fn bytes() {
    println!(
        "equal sets: 0 bytes beyond the digest of 24; a question: an estimator of 208 beside it"
    );
    println!(
        "{:<14} {:>6} |{:<26} |{:<26} |{:<26} |after",
        "", "d", "bytes", "datagrams", "questions"
    );
    println!("{:21} |{}", "", ["    mean      p95     most"; 4].join(" |"));
    for common in [100_000, 1_000_000] {
        for d in [1, 10, 100, 1_000, 10_000] {
            row(&format!("n = {common}"), common, d, 2, NONE);
        }
    }
    for (name, share, head) in [
        ("no loss", 0.0, 0),
        ("1 %", 0.01, 0),
        ("5 %", 0.05, 0),
        ("10 %", 0.1, 0),
        ("20 %", 0.2, 0),
        ("first lost", 0.0, 1),
        ("first 2 lost", 0.0, 2),
    ] {
        for d in [1, 10, 100, 200, 1_000, 10_000] {
            row(name, 50, d, if d < 10_000 { SEEDS } else { 20 }, Loss { share, head });
        }
    }
}

/// The most visits that an insert or a delete may cost, and the most that decoding may be slower
/// without carry-less multiplication.
const VISITS: f64 = 4.0;
const SLOWER: f64 = 8.0;

/// Tells a ratio, and whether it is within its bar.
fn bar(what: &str, ratio: f64, most: f64) {
    let holds = if ratio <= most { "holds" } else { "MISSED" };
    println!("{holds}: {what}: {ratio:.1} x, at most {most} x");
}

/// The best of criterion's samples, in nanoseconds.
fn measure(criterion: &mut Criterion, name: &str, mut act: impl FnMut()) -> f64 {
    measure_on(criterion, name, |_| (), |(), _| act())
}

/// As [`measure`], of `act` for the numbers from 0 on, with what was prepared for so many of them.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn measure_on<T>(
    criterion: &mut Criterion,
    name: &str,
    mut prepare: impl FnMut(u64) -> T,
    mut act: impl FnMut(&mut T, u64),
) -> f64 {
    let mut best = f64::INFINITY;
    let mut group = criterion.benchmark_group("sketch");
    group.sample_size(10).measurement_time(Duration::from_secs(1));
    group.warm_up_time(Duration::from_millis(100));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let mut prepared = prepare(count);
            let start = Instant::now();
            (0..count).for_each(|at| act(&mut prepared, at));
            let spent = start.elapsed();
            best = best.min(spent.as_secs_f64() * 1e9 / count as f64);
            spent
        });
    });
    group.finish();
    best
}

/// One visit of a walk through 10^6 places of 32 bytes in random order, each of which names the
/// next.
fn chase(criterion: &mut Criterion) -> f64 {
    let mut order: Vec<u32> = (0..1_000_000).collect();
    Key::new(3).random(0).shuffle(&mut order);
    let mut places = vec![[0_u64; 4]; order.len()];
    for (at, &place) in order.iter().enumerate() {
        places[place as usize][0] = u64::from(order[(at + 1) % order.len()]);
    }
    let mut at = 0;
    let visit = measure(criterion, "visit of a pointer chase", || {
        at = places[at as usize][0];
    });
    black_box(at);
    visit
}

fn upkeep(criterion: &mut Criterion) {
    bar("sketch state, of 256 KiB", STATE as f64 / 262_144.0, 1.0);
    let visit = chase(criterion);
    let mut random = Key::new(4).random(0);
    for (name, field) in [("", Field::detect()), (", portable", Field::portable())] {
        let mut elements =
            |count: u64| -> Vec<_> { (0..count).map(|_| element(&mut random)).collect() };
        let mut sketch = SetSketch::new(field);
        let insert = measure_on(criterion, &format!("insert{name}"), &mut elements, |all, at| {
            sketch.insert(all[at as usize]);
        });
        let filled = |count: u64| {
            let (mut sketch, all) = (SetSketch::new(field), elements(count));
            for &element in &all {
                sketch.insert(element);
            }
            (sketch, all)
        };
        let delete = measure_on(criterion, &format!("delete{name}"), filled, |filled, at| {
            let (sketch, all) = filled;
            sketch.remove(all[at as usize]);
            if at + 1 == all.len() as u64 {
                assert_eq!(sketch.cells(), SetSketch::default().cells(), "deletes undo inserts");
            }
        });
        let mut root = [0; CAPACITY];
        let powers = measure(criterion, &format!("PinSketch alone{name}"), || {
            field.add_odd_powers(&mut root, random.next_u64() >> 1);
        });
        black_box(&root);
        println!("insert{name}: {insert:.0} ns; delete: {delete:.0} ns; a visit: {visit:.0} ns");
        bar(&format!("insert{name}, of visits"), insert / visit, VISITS);
        bar(&format!("delete{name}, of visits"), delete / visit, VISITS);
        println!("  of which the PinSketch {powers:.0} ns");
    }
    let keys = Keys::default();
    let hash = measure(criterion, "fingerprint of 32 bytes", || {
        black_box(keys.fingerprint(black_box(&[7; 32])));
    });
    println!("fingerprint of 32 bytes: {hash:.0} ns, {:.1} visits", hash / visit);
}

/// How long it takes to decode `d` elements, in nanoseconds.
fn decode_time(criterion: &mut Criterion, name: &str, field: Field, d: usize) -> f64 {
    let mut random = Key::new(5).random(d as u64);
    let mut sketch = vec![0; CAPACITY];
    let mut all: Vec<u64> = (0..d).map(|_| element(&mut random).id()).collect();
    for &id in &all {
        field.add_odd_powers(&mut sketch, id);
    }
    all.sort_unstable();
    measure(criterion, &format!("decode of {d}{name}"), || {
        let mut found = decode(field, &sketch, CAPACITY, 1).unwrap_or_default();
        found.sort_unstable();
        assert_eq!(found, all);
    })
}

fn decoding(criterion: &mut Criterion) {
    let (from, mut to) = (vec![1_u8; CAPACITY * 8], vec![0_u8; CAPACITY * 8]);
    let copy = measure(criterion, "copy of a PinSketch", || {
        black_box(&mut to).copy_from_slice(black_box(&from));
    });
    for d in [1, 8, 16, 32, 64, 100, CAPACITY] {
        let [fast, slow] = [("", Field::detect()), (", portable", Field::portable())]
            .map(|(name, field)| decode_time(criterion, name, field, d));
        let (copies, slowly) = (fast / copy, slow / copy);
        println!("decode of {d}: {:.1} us, {copies:.0} copies of {copy:.0} ns", fast / 1e3);
        println!("decode of {d}, portable: {:.1} us, {slowly:.0} copies", slow / 1e3);
        bar(&format!("decode of {d}, portable, of that"), slow / fast, SLOWER);
    }
    let mut random = Key::new(5).random(0);
    for d in [1_000, 10_000] {
        let sides = sides(50, d, &mut random);
        let mut bytes = 0;
        let time = measure(criterion, &format!("session of {d}"), || {
            let run = run(&sides, NONE, 0.0, &mut random);
            assert!(run.end.is_ok());
            bytes = run.bytes;
        });
        let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
        let copy = measure(criterion, &format!("copy of {d}'s bytes"), || {
            black_box(&mut to).copy_from_slice(black_box(&from));
        });
        let each = time / 1e3 / d as f64;
        println!("both sides of a session of {d}: {:.2} ms, {each:.2} us a difference", time / 1e6);
        println!("  {:.0} copies of its {bytes} bytes", time / copy);
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bytes();
    upkeep(&mut criterion);
    decoding(&mut criterion);
    criterion.final_summary();
}
