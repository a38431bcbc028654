//! Virtual time: what is probed when, what is joined, and what liars and floods come to.

use std::collections::BTreeSet;
use std::ops::Range;

use proptest::prelude::*;

use super::*;

const BASE: usize = 1_200;
const UDP: usize = 65_507;

fn cluster() -> ClusterId {
    ClusterId::named("red")
}

fn paths(most: usize) -> Paths {
    Paths::new(cluster(), BASE, most, (UDP, SEAL))
}

fn peer(number: usize) -> SocketAddr {
    ([10, 0, (number >> 8) as u8, number as u8], 7).into()
}

fn peer_v6() -> SocketAddr {
    "[fd00::1]:7".parse().unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

/// As many full datagrams of frames as it takes to want more.
fn full(to: SocketAddr, count: usize, len: usize) -> Vec<Datagram<SocketAddr>> {
    let mut bytes = Vec::new();
    Header { cluster: cluster(), shape: 7 }.write(&mut bytes);
    bytes.resize(len, 9);
    (0..count).map(|_| Datagram { to, bytes: bytes.clone(), frames: 2 }).collect()
}

/// A round in which much goes to `to`, whose way carries packets of up to `carries`. Returns the
/// length of the probe.
fn round(node: &mut Paths, second: u64, to: SocketAddr, carries: usize) -> Option<usize> {
    node.join(at(second), &mut full(to, 3, 1_000));
    let (mut counts, mut other) = (Counts::default(), paths(65_535));
    let probe = node.round(at(second), second, |_| true, &mut counts)?;
    assert_eq!(probe.to, to);
    if probe.bytes.len() <= node.payload(carries, to) {
        let read = other.read(&probe.bytes).expect("a probe");
        let answer = other.heard(at(second), peer(9), read).unwrap().expect("an answer");
        assert!(answer.bytes.len() == LEN && LEN <= probe.bytes.len(), "nothing is amplified");
        let answer = node.read(&answer.bytes).expect("an answer");
        assert_eq!(node.heard(at(second), to, answer), Ok(None));
    }
    Some(probe.bytes.len())
}

/// As [`round`], once a second.
fn rounds(node: &mut Paths, seconds: Range<u64>, to: SocketAddr, carries: usize) -> Vec<usize> {
    seconds.filter_map(|second| round(node, second, to, carries)).collect()
}

/// RFC 8899, section 5.2: sizes go up one after the other to the first that is lost three times,
/// and the search is taken up again after ten minutes. Nothing is probed that is not wanted, nor
/// once it is known.
#[test]
fn a_way_is_searched_upwards_to_what_it_carries() {
    for (to, headers) in [(peer(1), 28), (peer_v6(), 48)] {
        let mut node = paths(65_535);
        let sizes = rounds(&mut node, 0..9, to, 5_000);
        let bytes = |size: usize| size - headers - SEAL;
        let wanted = [1_400, 1_500, 4_352, 9_000, 9_000, 9_000].map(bytes);
        assert_eq!((&sizes[..], node.proven(to)), (&wanted[..], 4_352));
        let later = rounds(&mut node, 9..595, to, 5_000);
        assert!(later.iter().all(|len| *len == bytes(4_352)), "only what is used is confirmed");
        assert!((50..=59).contains(&later.len()), "{} in 586 s", later.len());
        let again = rounds(&mut node, 595..700, to, 9_000);
        assert_eq!(node.proven(to), 9_000);
        assert_eq!(again.iter().filter(|len| **len > bytes(9_000)).count(), 3, "{again:?}");
    }
}

#[test]
fn a_way_that_would_not_be_used_is_not_probed() {
    let mut node = paths(1_500);
    let probe =
        |node: &mut Paths, known| node.round(at(1), 1, |_| known, &mut Counts::default()).is_some();
    node.join(at(1), &mut full(peer(1), 1, 1_167));
    node.join(at(1), &mut full(peer(1), 3, 100));
    assert!(!probe(&mut node, true), "all fits");
    node.join(at(1), &mut full(peer(1), 2, 1_000));
    assert!(!probe(&mut node, false), "nor a stranger's");
    assert!(probe(&mut node, true));
    let mut none = paths(BOUNDS.0);
    none.join(at(1), &mut full(peer(1), 2, 1_000));
    assert!(!probe(&mut none, true), "nor any, if no more than the base may be sent");
}

/// A way that becomes narrower while it is used (a black hole, RFC 8899, section 4.3) is left after
/// the first lost confirmation, and after the third it is forgotten, and searched anew later.
#[test]
fn a_black_hole_is_left() {
    let mut node = paths(1_500);
    rounds(&mut node, 0..20, peer(1), 1_500);
    let joined = |node: &mut Paths, second| {
        let mut all = full(peer(1), 2, 700);
        node.join(at(second), &mut all);
        all.len() == 1
    };
    assert!(joined(&mut node, 20));
    let narrow = (20..60).find(|second| {
        round(&mut node, *second, peer(1), 1_280);
        !joined(&mut node, *second)
    });
    assert!(narrow.is_some_and(|second| second <= 20 + 12), "{narrow:?}");
    rounds(&mut node, 60..120, peer(1), 1_280);
    assert_eq!(node.proven(peer(1)), BOUNDS.0);
    let more = rounds(&mut node, 120..600, peer(1), 1_280);
    assert_eq!(more, [], "it is left alone for ten minutes");
    rounds(&mut node, 600..800, peer(1), 1_500);
    assert!(node.proven(peer(1)) == 1_500 && joined(&mut node, 800), "and found again");
}

#[test]
fn what_this_host_refuses_counts_at_once() {
    let mut node = paths(9_000);
    rounds(&mut node, 0..3, peer(1), 9_000);
    assert_eq!(node.proven(peer(1)), 4_352);
    let mut counts = Counts::default();
    let probe = node.round(at(3), 3, |_| true, &mut counts).unwrap();
    node.too_long(at(3), peer(1), probe.bytes.len(), &mut counts);
    assert_eq!((node.proven(peer(1)), counts.total("way to a peer narrower, or gone")), (4_352, 0));
    assert_eq!(round(&mut node, 4, peer(1), 9_000), None, "not again before the pause is over");
    node.too_long(at(5), peer(1), 4_000, &mut counts);
    let narrow = counts.total("way to a peer narrower, or gone");
    assert_eq!((node.proven(peer(1)), narrow), (BOUNDS.0, 1));
    node.too_long(at(5), peer(7), 4_000, &mut counts);
}

/// An answer proves the size that was asked for, once, and only from who was asked.
#[test]
fn answers_that_nobody_asked_for_prove_nothing() {
    let mut node = paths(65_535);
    let forged = |nonce| Probe { answer: true, nonce };
    for nonce in 0..100 {
        assert!(node.heard(at(0), peer(1), forged(nonce)).is_err());
    }
    node.join(at(0), &mut full(peer(1), 3, 1_000));
    node.round(at(0), 77, |_| true, &mut Counts::default()).unwrap();
    assert!(node.heard(at(0), peer(2), forged(77)).is_err(), "another");
    assert!(node.heard(at(0), peer(1), forged(78)).is_err(), "another's");
    assert_eq!(node.heard(at(0), peer(1), forged(77)), Ok(None));
    assert!(node.heard(at(0), peer(1), forged(77)).is_err(), "twice");
    assert_eq!(node.proven(peer(1)), 1_400);
}

/// Probes of strangers leave no trace, and ways are as many as may be known.
#[test]
fn what_is_known_is_bounded() {
    let mut node = paths(1_500);
    for number in 0..5_000 {
        let answer = node.heard(at(1), peer(number), Probe { answer: false, nonce: 1 });
        assert_eq!(answer.unwrap().unwrap().bytes.len(), LEN);
    }
    assert!(node.known.is_empty());
    for number in 0..5_000 {
        node.join(at(number as u64), &mut full(peer(number), 2, 1_000));
    }
    assert_eq!(node.known.len(), PATHS);
    assert!(node.known.contains_key(&peer(4_999)) && !node.known.contains_key(&peer(0)));
}

/// Golden: the bytes of this version; then what is not of it.
#[test]
fn the_bytes_stay_what_they_are() {
    let node = paths(1_500);
    let bytes = node.say(peer(1), Probe { answer: false, nonce: 0x0102 }, 30).bytes;
    let mut golden = Vec::new();
    Header { cluster: cluster(), shape: 0 }.write(&mut golden);
    assert_eq!(golden[..3], [0x67, 0xb5, 1]);
    golden[1] = 0xb7;
    golden.extend_from_slice(&[0, 2, 1, 0, 0, 0, 0, 0, 0]);
    golden.resize(30, 0);
    assert_eq!(bytes, golden);
    assert_eq!(node.read(&bytes), Some(Probe { answer: false, nonce: 0x0102 }));
    for len in 0..LEN {
        assert_eq!(node.read(&bytes[..len]), None, "{len} bytes");
    }
    let blue = Paths::new(ClusterId::named("blue"), BASE, 1_500, (UDP, SEAL));
    assert_eq!(blue.read(&bytes), None);
    let mut unknown = bytes;
    unknown[HEADER] = 2;
    assert_eq!(node.read(&unknown), None);
}

proptest! {
    /// Whatever leaves together: each peer gets the same frames in the same order, in no datagram
    /// above what its way is known to carry; what has no frames, or another header, is left whole.
    #[test]
    fn joining_changes_nothing_but_the_number_of_datagrams(
        all in proptest::collection::vec((0_usize..4, 0_usize..1_100, 0_u32..3, 0_u32..2), 0..40),
    ) {
        let mut node = paths(4_352);
        rounds(&mut node, 0..9, peer(1), 4_352);
        let whole: Vec<_> = all.iter().map(|&(to, len, frames, shape)| {
            let mut bytes = Vec::new();
            Header { cluster: cluster(), shape }.write(&mut bytes);
            bytes.extend((0..len).map(|at| (at * 7 + to) as u8));
            Datagram { to: peer(to), bytes, frames }
        }).collect();
        let mut joined = whole.clone();
        node.join(at(9), &mut joined);
        prop_assert!(joined.len() <= whole.len());
        let said = |datagrams: &[Datagram<SocketAddr>], to| {
            let mine = datagrams.iter().filter(|one| one.to == peer(to) && one.frames > 0);
            let mut said: Vec<(u32, Vec<u8>)> = Vec::new();
            for one in mine {
                let shape = u32::from(one.bytes[7]);
                match said.last_mut() {
                    Some((last, bytes)) if *last == shape => bytes.extend(&one.bytes[HEADER..]),
                    _ => said.push((shape, one.bytes[HEADER..].to_vec())),
                }
            }
            let frames: u32 = datagrams.iter().filter(|o| o.to == peer(to)).map(|o| o.frames).sum();
            (said, frames)
        };
        let lengths: BTreeSet<_> = joined.iter().map(|one| (one.to, one.bytes.len())).collect();
        for (to, len) in lengths {
            let most = if to == peer(1) { node.payload(4_352, to) } else { BASE - SEAL };
            prop_assert!(len <= most, "{} bytes to {}", len, to);
        }
        for to in 0..4 {
            prop_assert_eq!(said(&joined, to), said(&whole, to));
        }
        let own = |all: &[Datagram<SocketAddr>]| all.iter().filter(|one| one.frames == 0).count();
        prop_assert_eq!(own(&joined), own(&whole));
    }
}
