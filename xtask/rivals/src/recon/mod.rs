//! How two sets differ: the same sets and differences for each contender, and what it costs until
//! the side that asks knows the difference.
//!
//! Ours runs over links that lose datagrams of both directions. The rivals leave datagrams to their
//! users: they are measured without loss, what they say being cut into datagrams of 1,200 bytes.
//! So are our sketches without carry-less multiplication (`portable`), our choice of a way
//! (`automatic`), whose answers begin with a digest of 29 bytes, and digests of a tree (`tree`).
//! Sets of one item length have the same common elements in every run; differences are drawn anew.

mod link;
#[cfg(feature = "merkle-search-tree")]
mod merkle;
#[cfg(feature = "negentropy")]
mod negentropy;
mod ours;
mod report;
#[cfg(feature = "riblt")]
mod riblt;
mod ways;

use std::ops::Range;
use std::time::{Duration, Instant};

use gossip_core::random::{Key, Random};
use gossip_entropy::sketch::Field;

pub(crate) use report::Report;
use report::Row;

/// Bytes of a datagram.
#[cfg(any(feature = "merkle-search-tree", feature = "negentropy", feature = "riblt"))]
const DATAGRAM: usize = 1_200;

/// Sizes of the difference: half of it on each side.
const DIFFERENCES: [usize; 6] = [0, 1, 10, 100, 1_000, 10_000];

/// Runs without loss, which take time in proportion to the set; those of a difference beyond
/// `LARGE` take seconds, and one must do.
const RIVAL_RUNS: u64 = 3;
const LARGE: usize = 1_000;

pub(crate) type Item<const L: usize> = [u8; L];

/// What only the side that asks has, and what only the one that answers.
pub(crate) type Own<const L: usize> = [Vec<Item<L>>; 2];

/// What a link loses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Link {
    pub(crate) name: &'static str,
    pub(crate) loss: f64,
    /// The first so many answers.
    pub(crate) head: usize,
}

const LINKS: [Link; 6] = [
    Link { name: "0 %", loss: 0.0, head: 0 },
    Link { name: "1 %", loss: 0.01, head: 0 },
    Link { name: "5 %", loss: 0.05, head: 0 },
    Link { name: "10 %", loss: 0.1, head: 0 },
    Link { name: "20 %", loss: 0.2, head: 0 },
    Link { name: "first", loss: 0.0, head: 1 },
];

/// What a session took until the difference was known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Bytes of answers that came or were lost, and their datagrams.
    pub(crate) answers: usize,
    pub(crate) datagrams: usize,
    /// Bytes of requests.
    pub(crate) requests: usize,
    /// Bytes of answers that were still under way.
    pub(crate) after: usize,
    pub(crate) trips: usize,
    /// Time of the side that answers, and of the one that asks.
    pub(crate) encode: Duration,
    pub(crate) decode: Duration,
}

/// Who finds out how sets differ.
pub(crate) trait Contender<const L: usize> {
    /// One session, whose result is checked; else what was wrong.
    fn run(&self, own: &Own<L>, link: Link, random: &mut Random) -> Result<Cost, String>;
}

/// A contender, and whether it has links of its own.
struct Entry<const L: usize> {
    name: &'static str,
    lossy: bool,
    contender: Box<dyn Contender<L>>,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Times `work`.
pub(crate) fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = now();
    let done = work();
    *total += start.elapsed();
    done
}

/// Whether what was found is `own`.
pub(crate) fn check<T: Ord + Clone>(found: [Vec<T>; 2], own: [Vec<T>; 2]) -> Result<(), String> {
    for (mut found, mut own) in found.into_iter().zip(own) {
        found.sort();
        own.sort();
        if found != own {
            return Err(format!("{} differences found of {}, or others", found.len(), own.len()));
        }
    }
    Ok(())
}

fn item<const L: usize>(random: &mut Random) -> Item<L> {
    let mut item = [0; L];
    for part in item.chunks_mut(8) {
        part.copy_from_slice(&random.next_u64().to_le_bytes()[..part.len()]);
    }
    item
}

fn entries<const L: usize>(common: &[Item<L>]) -> Vec<Entry<L>> {
    let entry = |name, lossy, contender| Entry { name, lossy, contender };
    vec![
        entry("ours", true, Box::new(ours::Ours::new(common, Field::detect()))),
        entry("portable", false, Box::new(ours::Ours::new(common, Field::portable()))),
        entry("automatic", false, Box::new(ways::Choice::new(common))),
        entry("tree", false, Box::new(ways::Tree::new(common))),
        #[cfg(feature = "riblt")]
        entry("riblt", false, Box::new(riblt::Rival::new(common))),
        #[cfg(feature = "negentropy")]
        entry("negentropy", false, Box::new(negentropy::Rival::new(common))),
        #[cfg(feature = "merkle-search-tree")]
        entry("merkle", false, Box::new(merkle::Rival::new(common))),
    ]
}

/// How far it has come, and what that took.
struct Progress {
    start: Instant,
    done: f64,
    all: f64,
}

impl Progress {
    fn step(&mut self, weight: f64, what: &str) {
        self.done += weight;
        let took = self.start.elapsed().as_secs_f64();
        let left = took / self.done * (self.all - self.done);
        eprintln!("recon: {what}: {took:.0} s since the start, about {left:.0} s left");
    }
}

/// Runs of a contender, of `runs` that were asked for.
fn runs(lossy: bool, d: usize, runs: u64) -> u64 {
    match lossy {
        true => runs,
        false if d > LARGE => 1,
        false => runs.min(RIVAL_RUNS),
    }
}

/// What a row is thought to take, in units that are the same for all.
fn weight(lossy: bool, d: usize, items: u32, asked: u64) -> f64 {
    let each = if lossy { LINKS.len() * (d + 500) } else { d + items as usize / 2 };
    (each as u64 * runs(lossy, d, asked)) as f64
}

/// All rows of items of `L` bytes.
fn measure<const L: usize>(
    items: u32,
    seeds: &Range<u64>,
    progress: &mut Progress,
    report: &mut Report,
) {
    let mut random = Key::new(seeds.start).random(L as u64);
    let common: Vec<Item<L>> = (0..items).map(|_| item(&mut random)).collect();
    let entries = entries(&common);
    let asked = seeds.end - seeds.start;
    for d in DIFFERENCES {
        for entry in &entries {
            let links = if entry.lossy { &LINKS[..] } else { &LINKS[..1] };
            let last = seeds.start + runs(entry.lossy, d, asked);
            let mut rows: Vec<Row> =
                links.iter().map(|link| Row::new(entry.name, L, d, items, *link)).collect();
            for seed in seeds.start..last {
                let mut random = Key::new(seed).with(L as u64).random(d as u64);
                let mut own: Own<L> = Default::default();
                (0..d).for_each(|at| own[at % 2].push(item(&mut random)));
                for (link, row) in links.iter().zip(&mut rows) {
                    match entry.contender.run(&own, *link, &mut random) {
                        Ok(cost) => row.costs.push(cost),
                        Err(why) => row.faults.push(format!("seed {seed}: {why}")),
                    }
                }
            }
            let what = format!("{} of {L} bytes, {d} differences", entry.name);
            progress.step(weight(entry.lossy, d, items, asked), &what);
            report.rows.append(&mut rows);
        }
    }
}

/// Measures everything.
pub(crate) fn compare(items: u32, seeds: Range<u64>) -> Report {
    let asked = seeds.end - seeds.start;
    let rivals = entries::<8>(&[]).len() - 1;
    let each = |d: &usize| {
        weight(true, *d, items, asked) + rivals as f64 * weight(false, *d, items, asked)
    };
    let all = 2.0 * DIFFERENCES.iter().map(each).sum::<f64>();
    let mut progress = Progress { start: now(), done: 0.0, all };
    let mut report = Report { items, rows: Vec::new(), unbuilt: Vec::new() };
    measure::<8>(items, &seeds, &mut progress, &mut report);
    measure::<32>(items, &seeds, &mut progress, &mut report);
    report
}
