//! Last writer wins, against a naive model: Demers et al. 1987, section 1.1.

use std::collections::BTreeMap;

use gossip_core::Refusal;
use gossip_entropy::{Command, Config, Merged};
use proptest::prelude::*;

use crate::pair::{Data, Entry, Pair, WALL, entry};

/// Writes to few keys at few moments by few writers, so that many collide.
fn writes() -> impl Strategy<Value = Vec<Entry>> {
    let value = prop::option::weighted(0.7, "[a-c]{0,2}");
    let one = (0_u8..6, 0_u64..4, 0_u32..3, value).prop_map(|(key, at, by, value)| {
        entry(&format!("k{key}"), WALL + at, by, value.as_deref())
    });
    prop::collection::vec(one, 0..60)
}

/// For each key the greatest of what was written, by stamp, then deletion, then value.
fn model(writes: &[Entry]) -> BTreeMap<Vec<u8>, Entry> {
    let rank = |e: &Entry| (e.stamp, e.value().is_none(), e.value().map(<[u8]>::to_vec));
    let mut kept = BTreeMap::<Vec<u8>, Entry>::new();
    for write in writes {
        let here = kept.entry(write.key.to_vec()).or_insert_with(|| write.clone());
        if rank(write) > rank(here) {
            *here = write.clone();
        }
    }
    kept
}

fn after(writes: &[Entry]) -> Data {
    let mut data = Data::new(Config::default()).unwrap();
    for write in writes {
        data.restore(write.clone(), WALL);
    }
    data
}

proptest! {
    /// Order, duplication and what was lost and sent again do not change the end; and the digest
    /// kept up to date is that of a store built from the end state alone.
    #[test]
    fn the_order_of_writes_does_not_change_the_end(
        (writes, mut shuffled, lost) in writes().prop_flat_map(|writes| {
            (Just(writes.clone()), Just(writes).prop_shuffle(), any::<prop::sample::Index>())
        }),
    ) {
        let one = after(&writes);
        shuffled.extend_from_within(..shuffled.len().min(lost.index(60) + 1));
        let other = after(&shuffled);
        prop_assert_eq!(one.digest(), other.digest());

        let expected = model(&writes);
        let entries: Vec<Entry> = other.entries().collect();
        prop_assert_eq!(&entries, &expected.values().cloned().collect::<Vec<_>>());
        prop_assert_eq!(after(&entries).digest(), one.digest());
        let live = expected.values().filter(|entry| entry.value().is_some());
        prop_assert_eq!(one.len(), live.count());
        prop_assert_eq!(one.len() + one.deleted(), expected.len());
        for (key, entry) in &expected {
            prop_assert_eq!(one.get(key), entry.value());
        }
    }

    /// Merging is what the replicas do, too: any two that talk end with the model of both.
    #[test]
    fn two_replicas_end_with_the_model_of_both(one in writes(), other in writes(), seed: u64) {
        let config = Config { copies: 0, ..Config::default() };
        let mut data = [Data::new(config).unwrap(), Data::new(config).unwrap()];
        for (data, writes) in data.iter_mut().zip([&one, &other]) {
            for write in writes {
                data.restore(write.clone(), WALL);
            }
        }
        let mut pair = Pair::new(seed, data);
        pair.settle(5);
        let both: Vec<_> = one.into_iter().chain(other).collect();
        for node in [0, 1] {
            let entries: Vec<Entry> = pair.data(node).entries().collect();
            prop_assert_eq!(&entries, &model(&both).into_values().collect::<Vec<_>>());
        }
    }

    /// A digest without stamps would take these for equal.
    #[test]
    fn the_digest_tells_stamps_apart(at in 0_u64..1_000, later in 1_u64..1_000) {
        let one = after(&[entry("k", WALL + at, 1, Some("v"))]);
        let again = after(&[entry("k", WALL + at + later, 1, Some("v"))]);
        prop_assert_ne!(one.digest(), again.digest());
        prop_assert_ne!(one.digest(), after(&[entry("k", WALL + at, 2, Some("v"))]).digest());
        prop_assert_ne!(one.digest(), after(&[entry("k", WALL + at, 1, None)]).digest());
    }

    #[test]
    fn a_prefix_scan_is_a_filter_in_order(
        keys in prop::collection::vec("[ab]{0,4}", 0..40), prefix in "[ab]{0,3}",
    ) {
        let writes: Vec<_> = keys.iter().map(|key| entry(key, WALL, 1, Some("v"))).collect();
        let data = after(&writes);
        let mut expected: Vec<_> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        expected.sort();
        expected.dedup();
        let scanned: Vec<_> = data.prefix(prefix.as_bytes()).map(|row| row.0.to_vec()).collect();
        let expected: Vec<_> = expected.iter().map(|key| key.as_bytes().to_vec()).collect();
        prop_assert_eq!(scanned, expected);
    }
}

#[test]
fn nothing_deleted_comes_back_by_an_older_write() {
    let mut data = after(&[entry("k", WALL + 1, 1, Some("v")), entry("k", WALL + 5, 1, None)]);
    assert_eq!(data.restore(entry("k", WALL + 4, 2, Some("w")), WALL), Merged::Older);
    assert_eq!((data.get(b"k"), data.deleted()), (None, 1));
    assert_eq!(data.restore(entry("k", WALL + 6, 2, Some("w")), WALL), Merged::Taken);
    assert_eq!((data.get(b"k"), data.deleted()), (Some(&b"w"[..]), 0));
}

/// Also where the deleter never had the key: the deletion meets the older value later.
#[test]
fn a_deletion_of_an_unknown_key_wins_over_an_older_value() {
    let config = Config { copies: 0, ..Config::default() };
    let mut pair = Pair::new(1, [Data::new(config).unwrap(), Data::new(config).unwrap()]);
    pair.set(0, "k", "v");
    pair.round();
    pair.set(0, "late", "v");
    let at = pair.data(0).stamp(b"late").unwrap().micros;
    pair.delete(1, "late");
    assert!(pair.data(1).stamp(b"late").unwrap().micros >= at);
    pair.settle(3);
    assert_eq!((pair.data(0).get(b"late"), pair.data(1).get(b"late")), (None, None));
}

/// Row 16 of our list of faults: a stamp in year 9999 is refused, and later writes still win.
#[test]
fn a_stamp_from_the_far_future_is_refused_and_does_not_poison_the_clock() {
    let mut data = Data::new(Config::default()).unwrap();
    for micros in [WALL + 600_000_001, 253_402_300_800_000_000, u64::MAX] {
        assert_eq!(data.restore(entry("k", micros, 7, Some("x")), WALL), Merged::FarFuture);
    }
    assert_eq!(data.digest(), 0);
    assert_eq!(data.restore(entry("k", WALL + 600_000_000, 7, Some("x")), WALL), Merged::Taken);
    let mut pair = Pair::new(1, [data.clone(), data]);
    pair.set(0, "k", "mine");
    let stamp = pair.data(0).stamp(b"k").unwrap();
    assert_eq!((stamp.micros, stamp.count), (WALL + 600_000_000, 1), "after what it replaced");
    assert_eq!(pair.data(0).get(b"k"), Some(&b"mine"[..]));
}

#[test]
fn a_full_store_refuses_new_keys_and_takes_writes_to_old_ones() {
    let config = Config { capacity: 3, ..Config::default() };
    let small = Data::new(config).unwrap();
    let mut pair = Pair::new(1, [small, Data::new(Config::default()).unwrap()]);
    for key in ["a", "b", "c"] {
        pair.set(0, key, "1");
    }
    let refused = pair.command(0, Command::set("d", "1").unwrap());
    assert_eq!(refused, Err(Refusal::Full { limit: 3 }));
    assert_eq!(pair.command(0, Command::delete("d").unwrap()), Err(Refusal::Full { limit: 3 }));
    pair.set(0, "a", "2");
    pair.delete(0, "b");
    pair.set(1, "e", "1");
    pair.round();
    assert_eq!((pair.data(0).len(), pair.data(0).deleted()), (2, 1));
    assert_eq!(pair.data(0).get(b"e"), None);
    assert!(pair.counts().total("store full") > 0);
    // What is refused stays a difference, and does not hinder other keys.
    pair.set(1, "c", "3");
    pair.round();
    assert_eq!(pair.data(0).get(b"c"), Some(&b"3"[..]));
}

#[test]
fn wrong_parameters_are_named_with_their_bounds() {
    let error = |config| Data::new(config).unwrap_err().to_string();
    let config = Config::default;
    assert_eq!(
        error(Config { capacity: 0, ..config() }),
        "capacity is 0 keys; it must be 1 to 2^30"
    );
    assert_eq!(error(Config { page: 0, ..config() }), "page is 0 messages; it must be at least 1");
    assert_eq!(
        error(Config { probe: 0, ..config() }),
        "probe is 0 messages; it must be at least 1"
    );
    assert!(!format!("{:?}", config()).contains("[0, 0]"), "the secret is not shown");
}
