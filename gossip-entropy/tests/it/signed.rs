//! Entries that prove who wrote them, against members of the group that know its secret.

use gossip_core::auth::Authority;
use gossip_core::wire::{Blob, Bounded};
use gossip_core::{Refusal, Wire};
use gossip_entropy::message::{Grave, State, Update};
use gossip_entropy::{Config, Merged, Secret, Stamp};
use proptest::prelude::*;

use crate::hostile::{Said, datagram, page};
use crate::pair::{Data, Entry, Pair, WALL, entry};

const AUTHORITY: Authority = Authority::new(42);

/// A replica whose owner is `me`, which takes what each origin has signed.
fn signing(me: u32) -> Data {
    Data::signed(Config::default(), AUTHORITY.signer(me), |origin, _| Some(origin)).unwrap()
}

fn signed(key: &str, origin: u32, value: Option<&str>) -> Entry {
    let entry = entry(key, WALL, origin, value);
    entry.signed(&AUTHORITY.signer(origin), Secret::default()).unwrap()
}

fn send(pair: &mut Pair, entry: Entry) {
    pair.inject(1, &datagram(Said::Updates(page([entry]))));
}

/// What a relay that knows the secret can make of a value and of a deletion.
fn altered() -> Vec<Entry> {
    let (value, deletion) = (signed("key", 3, Some("value")), signed("key", 3, None));
    let stamp = value.stamp;
    let grave = |micros| {
        let mut sites = Bounded::new();
        sites.fill([5]);
        State::Deleted(Grave { activated: micros, sites })
    };
    let all = [
        Update { key: Blob::new("kez").unwrap(), ..value.clone() },
        Update { stamp: Stamp { micros: WALL + 1, ..stamp }, ..value.clone() },
        Update { stamp: Stamp { count: 1, ..stamp }, ..value.clone() },
        Update { stamp: Stamp { origin: 4, ..stamp }, ..value.clone() },
        Update { state: State::Value(Blob::new("walue").unwrap()), ..value.clone() },
        Update { state: State::Value(Blob::new("valu").unwrap()), ..value.clone() },
        Update { state: deletion.state.clone(), ..value.clone() },
        Update { state: grave(WALL), ..deletion.clone() },
        // Revived: the value under the deletion's signature, and later than it.
        Update { state: value.state.clone(), ..deletion.clone() },
        Update { stamp: Stamp { micros: WALL + 9, ..stamp }, ..value.clone() },
        // Without a signature, with half of one, with another's, in another's name.
        Update { signature: Blob::default(), ..value.clone() },
        Update { signature: Blob::new(&value.signature[1..]).unwrap(), ..value.clone() },
        Update { signature: deletion.signature, ..value.clone() },
        entry("key", WALL, 3, Some("x")).signed(&AUTHORITY.signer(4), Secret::default()).unwrap(),
        // Signed for another group.
        entry("key", WALL, 3, Some("x")).signed(&AUTHORITY.signer(3), Secret([1, 2])).unwrap(),
    ];
    all.map(|entry| entry.sealed(Secret::default())).to_vec()
}

/// The control: whoever wants no signatures takes the first of them.
#[test]
fn what_a_relay_altered_is_not_taken_not_sent_on_and_counted() {
    for (at, entry) in altered().into_iter().enumerate() {
        let mut pair = Pair::new(1, [signing(0), signing(1)]);
        send(&mut pair, entry.clone());
        pair.round();
        for node in [0, 1] {
            assert_eq!((pair.data(node).len(), pair.data(node).deleted()), (0, 0), "entry {at}");
        }
        assert_eq!(pair.counts().total("entry not signed"), 1, "entry {at}");
        assert_eq!(signing(0).restore(entry.clone(), WALL), Merged::Unsigned, "entry {at}");

        let mut open = Data::new(Config::default()).unwrap();
        assert_eq!(open.restore(entry, WALL), Merged::Taken, "the control, entry {at}");
    }
}

/// Of values and deletions, through a relay, dormant and set aside.
#[test]
fn a_signature_goes_wherever_its_entry_goes() {
    let sent = [signed("key", 3, Some("value")), signed("old", 4, None)];
    let mut pair = Pair::new(1, [signing(0), signing(1)]);
    for entry in &sent {
        send(&mut pair, entry.clone());
    }
    pair.set(0, "mine", "value");
    assert!(pair.settle(5) < 5);
    let there: Vec<Entry> = pair.data(1).entries().collect();
    assert_eq!(there[0], sent[0]);
    assert_eq!(there[2], sent[1]);
    assert_eq!(pair.counts().total("entry not signed"), 0);

    let mut again = signing(5);
    assert_eq!(again.rejoin(there.clone(), WALL, WALL), 0);
    let years = 10 * 365 * 86_400_000_000;
    let mut late = signing(5);
    assert_eq!(late.rejoin(there.clone(), WALL, WALL + years), 2, "values are set aside");
    assert_eq!(late.reclaim(), 2, "and bear their signatures still");
}

#[test]
fn an_owner_writes_only_what_it_may() {
    let writers = |origin, key: &[u8]| key.starts_with(b"mine").then_some(origin);
    let data = Data::signed(Config::default(), AUTHORITY.signer(0), writers).unwrap();
    let mut pair = Pair::new(1, [data, signing(2)]);
    pair.set(0, "mine/1", "value");
    let refused = Err(Refusal::Invalid("this node may not write the key"));
    let set = |key| gossip_entropy::Command::set(key, "value").unwrap();
    assert_eq!(pair.command(0, set("yours")), refused);
    assert_eq!(pair.command(1, set("mine/2")), refused, "node 1 has not the signer of 1");
    pair.settle(5);
    assert_eq!(pair.data(1).get(b"mine/1"), Some(&b"value"[..]));
}

/// Who wants no signatures keeps and passes on those of others; what it writes stays with it.
#[test]
fn in_a_mixed_group_signatures_pass_through_who_wants_none() {
    let mut middle = Pair::new(1, [Data::new(Config::default()).unwrap(), signing(1)]);
    let sent = signed("key", 3, Some("value"));
    send(&mut middle, sent.clone());
    middle.set(0, "unsigned", "value");
    (0..5).for_each(|_| middle.round());
    let there: Vec<Entry> = middle.data(1).entries().collect();
    assert_eq!(there, [sent]);
    assert!(middle.counts().total("entry not signed") > 0);
}

proptest! {
    /// Any one bit of a signed entry on the wire, sealed again; the control is the entry itself.
    #[test]
    fn any_flipped_bit_of_a_signed_entry_is_refused_though_it_is_sealed(
        key in "[a-z]{0,20}", value in prop::option::of("[a-z]{0,60}"),
        at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let whole = signed(&key, 3, value.as_deref());
        let mut bytes = Vec::new();
        whole.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(damaged) = Entry::decode_all(&bytes) {
            let same = |entry: &Entry| {
                let mut entry = entry.clone().sealed(Secret::default());
                if let State::Deleted(grave) = &mut entry.state {
                    // This alone changes on the way.
                    grave.activated = 0;
                }
                entry
            };
            let expected = same(&damaged) == same(&whole);
            let merged = signing(0).restore(damaged, u64::MAX - 1_000_000_000);
            prop_assert_eq!(merged != Merged::Unsigned, expected);
        }
        prop_assert_eq!(signing(0).restore(whole, WALL), Merged::Taken);
    }
}
