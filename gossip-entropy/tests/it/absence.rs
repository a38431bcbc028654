//! Replicas that were away for longer than deletions are remembered.

use std::time::Duration;

use gossip_entropy::{Config, Merged};

use crate::pair::{Data, Pair, WALL, entry};

const DAY: Duration = Duration::from_secs(86_400);
const DAYS: u64 = 86_400_000_000;

fn keys(data: &Data) -> Vec<String> {
    data.iter().map(|row| String::from_utf8_lossy(row.0).into_owned()).collect()
}

/// A snapshot from before the horizon: what may have been deleted is set aside, what is younger is
/// taken; what peers still have comes back from them, and what was deleted does not. The control
/// takes all of the snapshot back, and the deleted key is everywhere.
#[test]
fn an_outdated_snapshot_does_not_bring_deleted_keys_back() {
    let now = WALL + 1_200 * DAYS;
    let snapshot = [
        entry("deleted", WALL, 9, Some("v")),
        entry("kept", WALL, 9, Some("v")),
        // By a clock that was ahead: younger than the horizon, day 60.
        entry("young", WALL + 61 * DAYS, 9, Some("v")),
    ];
    let outcome = |refuse: bool| {
        let config = Config { ahead: 100 * DAY, ..Config::default() };
        let [mut old, mut peer] = [Data::new(config).unwrap(), Data::new(config).unwrap()];
        peer.restore(entry("kept", WALL, 9, Some("v")), now);
        if refuse {
            assert_eq!(old.rejoin(snapshot.clone(), WALL + DAYS, now), 2);
            assert_eq!(
                old.aside().map(|row| row.0).collect::<Vec<_>>(),
                [&b"deleted"[..], b"kept"]
            );
        } else {
            for entry in &snapshot {
                assert_eq!(old.restore(entry.clone(), now), Merged::Taken);
            }
        }
        let mut pair = Pair::new(1, [old, peer]);
        pair.sleep(1_200 * DAY);
        assert!(pair.settle(5) < 5);
        assert_eq!(keys(pair.data(0)), keys(pair.data(1)));
        (keys(pair.data(0)), pair.data(0).aside().count())
    };
    assert_eq!(outcome(true), (vec!["kept".into(), "young".into()], 1));
    assert_eq!(outcome(false).0, ["deleted", "kept", "young"], "the control");
}

/// A recent snapshot is taken whole.
#[test]
fn a_snapshot_within_the_horizon_is_taken_whole() {
    let mut data = Data::new(Config::default()).unwrap();
    let entries = [entry("old", WALL, 9, Some("v")), entry("gone", WALL, 9, None)];
    let now = WALL + 2_000 * DAYS;
    assert_eq!(data.rejoin(entries[..1].to_vec(), now - 1_000 * DAYS, now), 0);
    assert_eq!(data.restore(entries[1].clone(), now), Merged::Taken);
    assert_eq!((keys(&data), data.aside().count()), (vec!["old".into()], 0));
}

/// Two replicas that know only each other and are apart for longer than the horizon: each sets
/// aside what it had; what was written within the horizon stays; an operator takes the rest back at
/// one of them, and both have it all. Nothing is lost.
#[test]
fn two_replicas_that_were_cut_off_from_each_other_lose_nothing() {
    let config = Config { ahead: DAY, ..Config::default() };
    let mut pair = Pair::new(1, [Data::new(config).unwrap(), Data::new(config).unwrap()]);
    pair.set(0, "a", "old");
    pair.set(1, "b", "old");
    assert!(pair.settle(5) < 5);
    pair.sleep(1_000 * DAY);
    pair.set(0, "c", "alone");
    pair.sleep(1_000 * DAY);
    assert_eq!(keys(pair.data(0)), ["a", "b", "c"], "alone, all is read");
    pair.settle(10);
    assert!(pair.is_settled());
    for node in [0, 1] {
        assert_eq!(keys(pair.data(node)), ["c"], "node {node}");
        assert_eq!(pair.data(node).aside().count(), 2, "node {node}");
    }
    assert_eq!(pair.counts().total("cut off for too long"), 2);
    assert_eq!(pair.reclaim(0), 2);
    assert!(pair.settle(5) < 5);
    for node in [0, 1] {
        assert_eq!(keys(pair.data(node)), ["a", "b", "c"], "node {node}");
        assert_eq!(pair.data(node).aside().count(), 0, "node {node}");
    }
}

/// What is set aside counts towards the capacity, and can be written.
#[test]
fn what_is_set_aside_can_be_overwritten_and_stays_within_the_capacity() {
    let now = WALL + 2_000 * DAYS;
    let config = Config { capacity: 10, ..Config::default() };
    let mut data = Data::new(config).unwrap();
    let old = (0..20).map(|key| entry(&format!("{key:02}"), WALL, 9, Some("v")));
    assert_eq!(data.rejoin(old, WALL, now), 20);
    assert_eq!((data.len(), data.aside().count()), (0, 10));
    assert_eq!(data.restore(entry("15", now, 9, Some("w")), now), Merged::Full);
    assert_eq!(data.restore(entry("05", now, 9, Some("w")), now), Merged::Taken);
    assert_eq!((data.len(), data.aside().count()), (1, 9));
}
