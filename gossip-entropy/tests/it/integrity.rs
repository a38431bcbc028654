//! Entries carry a seal from their origin: what was damaged on the way is not taken or sent on.

use gossip_core::{Blob, Wire};
use gossip_entropy::message::{State, Update};
use gossip_entropy::{Config, Secret};
use proptest::prelude::*;

use crate::hostile::{Said, datagram, page};
use crate::pair::{Data, Entry, Pair, WALL, entry};

fn empty() -> Data {
    Data::new(Config::default()).unwrap()
}

fn send(pair: &mut Pair, entry: Entry) {
    pair.inject(1, &datagram(Said::Updates(page([entry]))));
}

/// Key, stamp, value, deletion and sites are covered; the control is the same entry, whole.
#[test]
fn a_damaged_entry_is_not_taken_and_counted() {
    let whole = entry("key", WALL, 3, Some("value"));
    let Update { key, stamp, state, .. } = whole.clone();
    let deletion = entry("key", WALL, 3, None);
    let State::Deleted(mut grave) = deletion.state.clone() else { panic!("a deletion") };
    grave.sites.fill([5]);
    let damaged = [
        Update { key: Blob::new("kez").unwrap(), ..whole.clone() },
        Update { stamp: gossip_entropy::Stamp { micros: WALL + 1, ..stamp }, ..whole.clone() },
        Update { stamp: gossip_entropy::Stamp { origin: 4, ..stamp }, ..whole.clone() },
        Update { state: State::Value(Blob::new("walue").unwrap()), ..whole.clone() },
        Update { state: State::Deleted(grave), ..deletion.clone() },
        Update { state, ..deletion },
        Update { key, check: [7; 8], ..whole.clone() },
    ];
    let mut pair = Pair::new(1, [empty(), empty()]);
    let count = damaged.len() as u64;
    for entry in damaged {
        send(&mut pair, entry);
    }
    assert_eq!((pair.data(0).len(), pair.data(0).deleted()), (0, 0));
    assert_eq!(pair.counts().total("damaged entry"), count);
    pair.round();
    assert_eq!((pair.data(1).len(), pair.data(1).deleted()), (0, 0), "nor sent on");

    send(&mut pair, whole);
    assert_eq!(pair.data(0).get(b"key"), Some(&b"value"[..]));
    assert_eq!(pair.counts().total("damaged entry"), count);
}

/// The seal that arrives is the origin's: a replica in between makes none of its own.
#[test]
fn every_replica_sends_the_seal_of_the_origin() {
    let sealed = entry("key", WALL, 3, Some("value"));
    let mut pair = Pair::new(1, [empty(), empty()]);
    send(&mut pair, sealed.clone());
    assert!(pair.settle(5) < 5);
    let there: Vec<Entry> = pair.data(1).entries().collect();
    assert_eq!(there, [sealed]);
}

#[test]
fn entries_of_another_secret_are_not_taken() {
    let config = Config { secret: Secret([1, 2]), ..Config::default() };
    let mut pair = Pair::new(1, [Data::new(config).unwrap(), empty()]);
    pair.set(1, "key", "value");
    (0..5).for_each(|_| pair.round());
    assert_eq!(pair.data(0).len(), 0);
    assert!(pair.counts().total("damaged entry") > 0);

    let mut pair = Pair::new(1, [Data::new(config).unwrap(), Data::new(config).unwrap()]);
    pair.set(1, "key", "value");
    assert!(pair.settle(5) < 5);
    assert_eq!(pair.data(0).get(b"key"), Some(&b"value"[..]), "the control");
}

proptest! {
    /// Any one bit of a value's entry on the wire.
    #[test]
    fn any_flipped_bit_is_noticed(
        key in "[a-z]{0,20}", value in "[a-z]{0,60}", at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let mut bytes = Vec::new();
        entry(&key, WALL, 3, Some(&value)).encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(damaged) = Entry::decode_all(&bytes) {
            prop_assert!(!damaged.is_sound(Secret::default()));
        }
    }
}
