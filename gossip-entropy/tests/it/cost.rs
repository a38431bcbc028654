//! What a comparison costs: Demers et al. 1987, section 1.3 (checksum first).

use gossip_core::Wire;
use gossip_core::packet::{BUDGET, DATAGRAM, HEADER, SEAL};
use gossip_core::stack::FRAME_OVERHEAD;
use gossip_entropy::message::{Message, Update};
use gossip_entropy::{Config, Replica};

use crate::pair::{Data, Pair, filled};

const N: u32 = 100_000;

/// Writes `count` differences at each side: half of them to keys both have, a third new keys, the
/// rest deletions. Returns what the differing entries take on the wire.
fn differ(pair: &mut Pair, count: u32) -> usize {
    for node in [0_u32, 1] {
        for change in 0..count {
            let spread = (node * count + change).wrapping_mul(7_919) % N;
            let (key, value) = (format!("key/{spread:0>9}"), format!("{change:x>100}"));
            match change % 6 {
                0..=2 => pair.set(node as usize, &key, &value),
                3..=4 => pair.set(node as usize, &format!("new/{node}/{change:0>7}"), &value),
                _ => pair.delete(node as usize, &key),
            }
        }
    }
    let known = |at: usize| pair.data(at).entries().map(|e| (e.key, e.stamp));
    let theirs: std::collections::BTreeSet<_> = known(1).collect();
    let mine: std::collections::BTreeSet<_> = known(0).collect();
    let fresh = |at: usize| {
        let others = if at == 0 { &theirs } else { &mine };
        pair.data(at)
            .entries()
            .filter(|e| e.stamp.origin != 9 && !others.contains(&(e.key.clone(), e.stamp)))
            .map(|e| e.encoded_len())
            .sum::<usize>()
    };
    fresh(0) + fresh(1)
}

/// N = 10^5, 100 differences on each side. Expected, from the tree's shape: 365 subtrees are opened
/// (1, 16, 256(1 - e^(-200/256)) = 139, 195 at depths 0 to 3, and of the 200 at depth 4 the 7 %
/// with more than 4 entries) at 36 bytes, 200 lists of 2.5 lines at 18 bytes, some 120 requests at
/// 8 bytes: 24 kB, 120 bytes a difference. Asserted: 150. One descent overlooks a difference with
/// probability 200 x 4 / 2^16 = 1.2 %, so that three rounds in a row fail with probability 2e-6.
#[test]
fn a_comparison_costs_what_differs_not_what_is_there() {
    let config = Config { copies: 0, ..Config::default() };
    let data = filled(config, 0..N);
    let full: usize = data.entries().map(|entry| entry.encoded_len()).sum();
    for seed in 0..3 {
        let mut pair = Pair::new(seed, [data.clone(), data.clone()]);
        let differing = differ(&mut pair, 100);
        pair.forget_traffic();
        let rounds = pair.settle(10);
        let (bytes, datagrams) = (pair.bytes, pair.datagrams);
        println!(
            "seed {seed}: {rounds} rounds, {bytes} bytes in {datagrams} datagrams for {differing} \
             bytes of differences; a full comparison costs {full}"
        );
        assert!(pair.is_settled() && rounds <= 3, "seed {seed}: {rounds} rounds");
        assert!(bytes <= differing + 200 * 150, "seed {seed}: {bytes} for {differing}");
        assert!(bytes * 100 < full, "seed {seed}: the control, a full comparison, costs {full}");
        assert!(pair.longest <= DATAGRAM - SEAL);
    }
}

/// The cost does not grow with N but for one more level, 36 bytes a difference, for each factor of
/// 16: other sizes and differences than above.
#[test]
fn the_cost_of_one_difference_grows_by_a_level_for_each_factor_of_sixteen() {
    let config = Config { copies: 0, ..Config::default() };
    for (n, levels) in [(100, 2), (1_600, 3), (25_600, 4)] {
        let data = filled(config, 0..n);
        let mut total = 0;
        let seeds = 20;
        for seed in 0..seeds {
            let mut pair = Pair::new(seed, [data.clone(), data.clone()]);
            pair.set(0, &format!("one/{seed}"), "x");
            pair.forget_traffic();
            assert!(pair.settle(5) <= 3, "seed {seed}");
            total += pair.bytes;
        }
        let mean = total / seeds as usize;
        println!("n {n}: {mean} bytes for one difference");
        // A level: 36 bytes of digests, 19 of header and frame. The end: the digest twice, a list
        // of at most 4 lines, the update; and one level more for the subtrees that hold more than
        // a few.
        assert!(mean <= (levels + 1) * 55 + 2 * 24 + 4 * 18 + 20 + 45, "n {n}: {mean} bytes");
    }
}

#[test]
fn equal_replicas_pay_for_a_digest_only() {
    let data = filled(Config::default(), 0..1_000);
    let mut pair = Pair::new(1, [data.clone(), data]);
    pair.round();
    assert_eq!(pair.datagrams, 2, "one message from each");
    // Header, tag and length, kind, digest.
    assert_eq!(pair.bytes, 2 * (HEADER + 3 + 9));
    assert!(pair.bytes / 2 + SEAL <= 60);
    assert_eq!(pair.counts().iter().count(), 0);
}

/// 10^5 entries of 133 bytes in pages of 512 messages with 8 entries: 25 rounds if every page were
/// full. Both sides' rounds move one, so 13 suffice; twice that is allowed.
#[test]
fn an_empty_replica_is_filled_page_by_page() {
    let config = Config { page: 512, ..Config::default() };
    let full = filled(config, 0..N);
    let mut pair = Pair::new(5, [Data::new(config).unwrap(), full]);
    let rounds = pair.settle(40);
    let moved: usize = pair.data(1).entries().map(|entry| entry.encoded_len()).sum();
    println!("{rounds} rounds, {} bytes for {moved}, {} datagrams", pair.bytes, pair.datagrams);
    assert!(pair.is_settled() && rounds <= 26, "{rounds} rounds");
    assert_eq!(pair.data(0).len(), N as usize);
    assert!(pair.longest <= DATAGRAM - SEAL, "{} bytes", pair.longest);
    assert!(pair.bytes * 2 <= moved * 3, "{} bytes to move {moved}", pair.bytes);
}

/// What a round may cost is a parameter, and everything is done all the same.
#[test]
fn small_pages_only_take_longer() {
    for (page, probe) in [(1, 1), (2, 1), (7, 3), (64, 16)] {
        let config = Config { page, probe, copies: 0, ..Config::default() };
        let (one, other) = (filled(config, 0..600), filled(config, 300..900));
        let mut pair = Pair::new(3, [one, other]);
        let mut rounds = 0;
        while !pair.is_settled() {
            pair.forget_traffic();
            pair.round();
            rounds += 1;
            // Two exchanges, two sides, entries pushed and supplied; a digest opens each.
            let levels = 5;
            let most = 2 * 2 * (2 * usize::from(page) + (2 * levels + 1) * usize::from(probe)) + 2;
            assert!(pair.datagrams <= most, "{} datagrams, page {page}", pair.datagrams);
            assert!(rounds < 1_000, "page {page}, probe {probe}");
        }
        println!("page {page}, probe {probe}: {rounds} rounds");
        assert_eq!(pair.data(0).len(), 900);
    }
}

/// Entries that one side refuses, here from the far future, do not stand in the way of others.
#[test]
fn refused_entries_do_not_starve_the_rest() {
    let config = Config { page: 1, probe: 1, copies: 0, ..Config::default() };
    let mut one = filled(config, 0..500);
    let far = crate::pair::WALL + 86_400_000_000;
    for key in 0..500 {
        // This node's own clock is a day ahead.
        one.restore(crate::pair::entry(&format!("far/{key}"), far, 7, Some("x")), far);
    }
    let mut pair = Pair::new(3, [one, Data::new(config).unwrap()]);
    let mut rounds = 0;
    while pair.data(1).len() < 500 {
        pair.round();
        rounds += 1;
        assert!(rounds < 2_000, "{} of 500 after {rounds} rounds", pair.data(1).len());
    }
    println!("{rounds} rounds");
    assert_eq!(pair.data(1).prefix(b"far/").count(), 0);
    assert!(pair.counts().total("stamp too far ahead") > 0);
}

/// With the longest keys and values that build, one entry fills a message, and none is too long.
#[test]
fn the_longest_entries_fit_a_datagram() {
    type Long = Replica<u32, 100, 936>;
    type Longest = Message<u32, 100, 936>;
    const { assert!(Longest::MAX_LEN <= BUDGET - FRAME_OVERHEAD) }
    assert_eq!(Update::<u32, 100, 936>::MAX_LEN, gossip_entropy::page::PAGE);

    let entry = |key: u32| {
        let (key, value) = (format!("{key:0>100}"), format!("{key:0>936}"));
        let stamp = gossip_entropy::Stamp { micros: u64::MAX, count: u32::MAX, origin: u32::MAX };
        let blob = gossip_core::Blob::new(value).unwrap();
        let key = gossip_core::Blob::new(key).unwrap();
        let signature = gossip_core::Blob::new([7; gossip_entropy::signed::SIGNATURE]).unwrap();
        Update { signature, ..Update::new(key, stamp, Some(blob)) }
    };
    assert_eq!(entry(1).encoded_len(), gossip_entropy::page::PAGE);
    let mut page = gossip_entropy::Page::<_, { gossip_entropy::page::PAGE }>::new();
    assert!(page.push(&entry(1)) && !page.push(&entry(2)));
    assert_eq!(Longest::Updates(page).encoded_len() + 4, Longest::MAX_LEN);
    let mut long = Long::new(Config::default()).unwrap();
    for key in 0..100 {
        long.restore(entry(key), u64::MAX);
    }
    assert_eq!(long.entries().count(), 100);
}
