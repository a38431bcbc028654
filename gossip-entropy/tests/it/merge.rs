//! Values that merge instead of one replacing the other.

use gossip_core::sim::Network;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::{Blob, Refusal};
use gossip_entropy::{Command, Config, Merge, Merged};
use proptest::prelude::*;

use crate::pair::{Data, WALL, entry};
use crate::spread::Everybody;

/// A counter that only grows: a digit for each node, the greatest of each stays.
struct Counter;

const NODES: usize = 20;

impl Merge for Counter {
    fn merge(here: &[u8], came: &[u8]) -> Option<Vec<u8>> {
        let each = here.iter().zip(came).map(|(a, b)| *a.max(b));
        (here.len() == NODES && came.len() == NODES).then(|| each.collect())
    }
}

/// Every node counts to 10, with 20 % loss; then what all have, if it is the same.
fn count(make: fn() -> Data, seed: u64) -> Option<usize> {
    let network = Network::default().loss(0.2).unwrap();
    let world = Everybody { me: 0, nodes: NODES as u32 };
    let replicas = (0..NODES).map(|_| make());
    let mut sim = Simulation::with(replicas, seed, Order::Sequential, world, network);
    for _ in 0..10 {
        for node in 0..NODES {
            let mine = sim.node(node as u32)?.get(b"n").map(<[u8]>::to_vec);
            let mut mine = mine.unwrap_or_else(|| vec![0; NODES]);
            mine[node] += 1;
            sim.command(node as u32, Command::set("n", mine).unwrap()).unwrap();
        }
        sim.step();
    }
    sim.run(40);
    let mut all: Vec<_> = sim.nodes().map(|(_, data)| data.get(b"n")).collect();
    all.dedup();
    let [Some(value)] = all[..] else { return None };
    Some(value.iter().map(|&part| usize::from(part)).sum())
}

/// The control is the last writer, who wins over counts that it had not read.
#[test]
fn a_merged_counter_counts_every_increment() {
    for seed in 0..10 {
        let merging = || Data::merging::<Counter>(Config::default()).unwrap();
        assert_eq!(count(merging, seed), Some(10 * NODES), "seed {seed}");
        let last = count(|| Data::new(Config::default()).unwrap(), seed);
        assert!(last.is_some_and(|sum| sum < 10 * NODES), "the control, seed {seed}: {last:?}");
    }
}

#[test]
fn what_does_not_merge_is_refused_and_changes_nothing() {
    let mut data = Data::merging::<Counter>(Config::default()).unwrap();
    let value = "1".repeat(NODES);
    assert_eq!(data.restore(entry("n", WALL, 1, Some("short")), WALL), Merged::Invalid);
    assert_eq!(data.restore(entry("n", WALL, 1, Some(&value)), WALL), Merged::Taken);
    assert_eq!(data.restore(entry("n", WALL + 1, 1, Some("short")), WALL), Merged::Invalid);
    assert_eq!(data.restore(entry("n", WALL + 1, 1, None), WALL), Merged::Invalid);
    assert_eq!(data.get(b"n"), Some(value.as_bytes()));

    let world = Everybody { me: 0, nodes: 2 };
    let mut sim =
        Simulation::with([data.clone(), data], 1, Order::Sequential, world, Network::default());
    let delete = sim.command(0, Command::Delete { key: Blob::new("n").unwrap() });
    assert!(matches!(delete, Err(Refusal::Invalid(_))), "{delete:?}");
    let short = sim.command(0, Command::set("n", "short").unwrap());
    assert!(matches!(short, Err(Refusal::Invalid(_))), "{short:?}");
}

proptest! {
    /// Whatever the order, and whatever came twice: one end, and one digest.
    #[test]
    fn the_order_of_merges_does_not_change_the_end(
        (writes, shuffled) in prop::collection::vec(
            (0_u8..3, 0_u64..4, 0_u32..3, prop::collection::vec(b'a'..=b'c', NODES)), 0..40,
        ).prop_flat_map(|writes| (Just(writes.clone()), Just(writes).prop_shuffle())),
    ) {
        let after = |writes: &[(u8, u64, u32, Vec<u8>)]| {
            let mut data = Data::merging::<Counter>(Config::default()).unwrap();
            for (key, at, by, value) in writes.iter().chain(writes.iter().take(5)) {
                let value = String::from_utf8(value.clone()).unwrap();
                data.restore(entry(&format!("k{key}"), WALL + at, *by, Some(&value)), WALL);
            }
            data
        };
        let (one, other) = (after(&writes), after(&shuffled));
        prop_assert_eq!(one.digest(), other.digest());
        for (key, value) in one.iter() {
            for (at, part) in value.iter().enumerate() {
                let parts = writes.iter().filter(|write| format!("k{}", write.0).as_bytes() == key);
                prop_assert_eq!(Some(*part), parts.map(|write| write.3[at]).max());
            }
        }
    }
}
