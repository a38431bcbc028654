//! Many entries, few of which changed: what makes two replicas equal again, under loss.
//!
//! A *round trip* is twice the time that a datagram takes, here 50 ms each way, always; counted is
//! the time from the first datagram of a comparison until both replicas are equal, timers included.
//! *Bytes* are those of all datagrams sent until then, in both directions, headers included and
//! lost ones, too, by those of the keys and values that were changed.
//!
//! The aim is 95 of 100 seeds equal in at most 4 round trips and at most twice the bytes at 5 %
//! loss, with 10^6 entries. Why it is near what can be had: 1.21 times the bytes are entries on the
//! wire, .32 cells for the 400 versions that differ (two of each changed key), .08 two PinSketches,
//! .06 questions and receipts, and a twentieth of all that is lost and sent again. Two round trips
//! are needed without loss; of 26 messages of entries one is lost but once in four seeds, which is
//! the third; what is lost of the sketches, or of the third, is the fourth.

use std::time::Duration;

use gossip_core::Time;
use gossip_core::sampling::Fixed;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_entropy::{Command, Config};

use crate::pair::{Asked, Data, Site, WALL, filled};
use crate::soak;

const WAY: Duration = Duration::from_millis(50);

/// What one seed took: round trips, and bytes by those of the changed entries.
fn run(base: &Data, loss: f64, seed: u64) -> (f64, f64) {
    let one = base.clone();
    let make = move |me: u32| Site::new(Fixed::new([1 - me]), one.clone());
    let network = Network::new(Latency::Constant(WAY)).loss(loss).unwrap();
    // Rounds are far apart: all is done by one comparison, or the seed has failed.
    let config = event::Config { tick: Duration::from_secs(60), ..event::Config::seeded(seed) };
    let mut sim = Simulation::new(2, make, network, config).unwrap();
    (0..2).for_each(|node| sim.skew(node, WALL as i64));
    let (keys, mut changed) = (base.len() as u64, 0);
    for node in [0, 1] {
        for at in 0..100_u64 {
            let key = (at * 7_919 + seed * 104_729) % (keys / 2) * 2 + u64::from(node);
            let (key, value) = (format!("key/{key:0>9}"), format!("{at:0>100}"));
            changed += key.len() + value.len();
            sim.command(node, Asked::data(Command::set(key, value).unwrap())).unwrap();
        }
    }
    let is_equal = |sim: &Simulation<Site<u32>>| {
        let digests: Vec<u64> = sim.nodes().map(|(_, site)| site.data.digest()).collect();
        digests[0] == digests[1]
    };
    let mut began: Option<Time> = None;
    while !is_equal(&sim) {
        let traffic = sim.traffic();
        assert!(traffic.datagrams < 2_000, "seed {seed}: {traffic:?} {:?}", sim.counts());
        assert!(sim.step(), "seed {seed}");
        if began.is_none() && sim.traffic().datagrams > 0 {
            began = Some(sim.now());
        }
    }
    let span = sim.now().since(began.unwrap()).as_secs_f64();
    (span / (2.0 * WAY.as_secs_f64()), sim.traffic().bytes as f64 / f64::from(changed as u32))
}

/// What all seeds took.
struct Taken {
    /// Round trips and bytes of each.
    seeds: Vec<(f64, f64)>,
}

impl Taken {
    /// By comparison alone: none of the changes is news any more.
    fn measure(
        entries: u32,
        loss: f64,
        seeds: impl IntoIterator<Item = u64>,
        sketches: bool,
    ) -> Self {
        let config = Config { copies: 0, sketches, ..Config::default() };
        let base = filled(config, 0..entries);
        let seeds = seeds.into_iter().map(|seed| run(&base, loss, seed));
        let taken = Self { seeds: seeds.collect() };
        let seeds = taken.seeds.len();
        println!("{entries} entries, {loss} lost, {seeds} seeds, sketches: {sketches}:");
        println!("  round trips: median {:.2}, p95 {:.2}", taken.trips(50), taken.trips(95));
        println!("  bytes by changed: median {:.2}, p95 {:.2}", taken.bytes(50), taken.bytes(95));
        let [trips, bytes, both] = taken.within();
        println!("  within 4 round trips {trips}, twice the bytes {bytes}, both {both}");
        taken
    }

    fn share(&self, percent: usize, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let mut all: Vec<f64> = self.seeds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[(all.len() * percent / 100).min(all.len() - 1)]
    }

    fn trips(&self, percent: usize) -> f64 {
        self.share(percent, |seed| seed.0)
    }

    fn bytes(&self, percent: usize) -> f64 {
        self.share(percent, |seed| seed.1)
    }

    /// How many seeds take at most 4 round trips (and the .1 ms after which each question's copy
    /// goes), at most twice the bytes, and both.
    fn within(&self) -> [usize; 3] {
        let count = |is: &dyn Fn(&(f64, f64)) -> bool| self.seeds.iter().filter(|s| is(s)).count();
        let (trips, bytes) = (|s: &(f64, f64)| s.0 <= 4.01, |s: &(f64, f64)| s.1 <= 2.0);
        [count(&trips), count(&bytes), count(&|s| trips(s) && bytes(s))]
    }
}

/// N = 10^4, 40 seeds. Measured with 300 seeds at 5 %: 96 % within 4 round trips, 99 % within twice
/// the bytes, 95 % both; with 150 at 3 and 8 %: 99 and 82 % both. Fewer than 28 of 40 with both, if
/// that is so, once in 10^6 changes of what is drawn. Without loss two round trips do, but where
/// the estimate is far too low.
#[test]
fn a_hundred_changes_on_each_side_end_equal_under_loss() {
    let calm = Taken::measure(10_000, 0.0, 0..40, true);
    assert!(calm.trips(50) <= 2.01 && calm.within()[2] >= 36, "{:?}", calm.seeds);
    let lossy = Taken::measure(10_000, 0.05, 0..40, true);
    assert!(lossy.trips(50) <= 3.01 && lossy.within()[2] >= 28, "{:?}", lossy.seeds);
    // Twice and four times as much is lost: a round trip more each, as what is left is a tenth and
    // a fifth of what was.
    assert!(Taken::measure(10_000, 0.1, 0..40, true).trips(50) <= 4.3);
    assert!(Taken::measure(10_000, 0.2, 0..40, true).trips(50) <= 6.3);
    let control = Taken::measure(10_000, 0.05, 0..10, false);
    assert!(control.within()[0] <= 3, "down the tree: {:?}", control.seeds);
}

#[test]
#[ignore = "soak: 100 seeds with a million entries on each side"]
fn soak_a_hundred_changes_on_each_side_of_a_million_end_equal_under_loss() {
    let seeds = soak::seeds("a million entries", 100);
    let taken = Taken::measure(1_000_000, 0.05, seeds, true);
    // The aim is 95, and 97, 97 and 95 of 100 were measured, in line with 300 seeds of 10^4. Fewer
    // than these, if 95 % is so: once in some thousands of 100 seeds (3.7 standard deviations, with
    // the binomial's longer tail).
    let all = taken.seeds.len() as f64;
    let least = |share: f64| all * share - 3.7 * (all * share * (1.0 - share)).sqrt();
    let [trips, bytes, both] = taken.within().map(|seeds| seeds as f64);
    assert!(trips >= least(0.95) && both >= least(0.95), "{:?}", taken.seeds);
    assert!(bytes >= least(0.98), "{:?}", taken.seeds);
    assert!(taken.bytes(50) <= 2.0, "{:?}", taken.seeds);
}
