//! Many entries, few of which changed: what makes two replicas equal again, under loss.
//!
//! A *round trip* is twice the time that a datagram takes, here 50 ms each way, always; counted is
//! the time from the first datagram of a comparison until both replicas are equal, retransmission
//! timers included. *Bytes* are those of all datagrams sent until then, in both directions, headers
//! included and lost ones, too, by those of the keys and values that were changed.

use std::time::Duration;

use gossip_core::Time;
use gossip_core::sampling::Fixed;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_entropy::{Command, Config};

use crate::pair::{Asked, Data, Site, WALL, filled};

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

/// Round trips and bytes of all seeds, each in order.
fn measure(entries: u32, loss: f64, seeds: u64) -> [Vec<f64>; 2] {
    // By comparison alone: none of the changes is news any more.
    let config = Config { copies: 0, sketches: true, ..Config::default() };
    let base = filled(config, 0..entries);
    let runs = (0..seeds).map(|seed| run(&base, loss, seed));
    let runs: Vec<(f64, f64)> = runs.collect();
    let both = runs.iter().filter(|r| r.0 <= 4.01 && r.1 <= 2.0).count();
    let (mut trips, mut bytes): (Vec<f64>, Vec<f64>) = runs.into_iter().unzip();
    trips.sort_by(f64::total_cmp);
    bytes.sort_by(f64::total_cmp);
    let [median, most] = [50, 95].map(|share| (seeds as usize * share / 100).min(trips.len() - 1));
    let within = trips.iter().filter(|&&trips| trips <= 4.01).count();
    let wb = bytes.iter().filter(|&&b| b <= 2.0).count();
    println!("bytes within {wb} both {both}");
    println!("{entries} entries, {loss} lost, {seeds} seeds: {within} within 4 round trips");
    println!("  round trips: median {:.2}, p95 {:.2}", trips[median], trips[most]);
    println!("  bytes by changed: median {:.2}, p95 {:.2}", bytes[median], bytes[most]);
    [trips, bytes]
}

#[test]
fn a_hundred_changes_on_each_side_end_equal_under_loss() {
    for loss in [0.05] {
        measure(10_000, loss, 200);
    }
}

#[test]
#[ignore = "soak: 100 seeds with a million entries on each side"]
fn soak_a_hundred_changes_on_each_side_of_a_million_end_equal_under_loss() {
    measure(1_000_000, 0.05, 100);
}
