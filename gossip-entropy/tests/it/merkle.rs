//! Sessions by digests of a tree: what they cost, and that loss and lies cost no more than bytes.

use gossip_core::random::{Key, Random};
use gossip_core::{Bounded, Wire};
use gossip_entropy::reconcile::merkle::{
    Answer, Ask, Body, Difference, Hashed, LEAF, Session, Step,
};
use gossip_entropy::reconcile::{End, Reconcile};
use gossip_entropy::sketch::Fingerprint;

use crate::exchange::element;
use crate::range::drive;

/// Answers that a session may take, unless a test is about that.
const MOST: u32 = 100_000;

/// Two sets, and how the second differs from the first.
struct Pair {
    sets: [Hashed; 2],
    expected: Difference,
}

fn extended(set: &Hashed, own: &[Fingerprint]) -> Hashed {
    let mut set = set.clone();
    assert!(own.iter().all(|print| set.insert(*print)));
    set
}

/// `common` elements, and `d` others, half on each side.
fn pair(common: usize, d: usize, random: &mut Random) -> Pair {
    let mut both = Hashed::default();
    (0..common).for_each(|_| assert!(both.insert(element(random))));
    let mut own = [Vec::new(), Vec::new()];
    (0..d).for_each(|at| own[at % 2].push(element(random)));
    let sets = own.each_ref().map(|own| extended(&both, own));
    for own in &mut own {
        own.sort_unstable();
    }
    let [ours, theirs] = own;
    Pair { sets, expected: Difference { theirs, ours } }
}

fn run(pair: &Pair, loss: f64, random: &mut Random) -> (Result<Difference, End>, usize) {
    let (session, first) = Session::open([1, 2, 3, 4], MOST);
    let [here, there] = &pair.sets;
    drive(session, first, [here, there], loss, Wire::encoded_len, random)
}

/// Sets of every size, one empty or both, over links that lose, double and reorder.
#[test]
fn any_two_sets_are_told_apart() {
    for common in [0, 1, LEAF - 1, LEAF, LEAF + 1, 500, 3_000] {
        for d in [0, 1, 2, 70, 1_000] {
            for (loss, seed) in [(0.0, 0), (0.01, 1), (0.1, 2), (0.1, 3), (0.2, 4)] {
                let mut random = Key::new(seed).with(d as u64).random(common as u64);
                let pair = pair(common, d, &mut random);
                let end = run(&pair, loss, &mut random).0;
                assert_eq!(end, Ok(pair.expected), "n = {common}, d = {d}, seed {seed}");
            }
        }
    }
}

/// A set that grew and shrank is the set that it has become: digests do not depend on the way.
#[test]
fn a_tree_kept_up_to_date_is_that_of_the_set() {
    let mut random = Key::new(8).random(0);
    let mut pair = pair(2_000, 40, &mut random);
    let passing: Vec<Fingerprint> = (0..2_000).map(|_| element(&mut random)).collect();
    let [here, _] = &mut pair.sets;
    assert!(passing.iter().all(|print| here.insert(*print)));
    assert!(passing.iter().all(|print| here.remove(*print)));
    assert_eq!((here.len(), here.remove(passing[0])), (2_020, false));
    assert!(!here.insert(pair.expected.ours[0]), "it is there");
    assert_eq!(run(&pair, 0.0, &mut random).0, Ok(pair.expected));
}

/// Equal sets cost an answer. A difference costs a path: log16(n / 16) levels and a leaf, each at
/// most 31 bytes and 16 digests of 8 or elements of 16; the d paths have their first log16(d)
/// levels in common. The control: a tree that looks at all its leaves, as d = n does, takes more
/// than the identifiers of all.
#[test]
fn each_difference_costs_a_path_below_what_it_shares() {
    let n = 65_536_usize;
    for d in [0, 1, 10, 100, 1_000] {
        let mut random = Key::new(7).random(d as u64);
        let pair = pair(n, d, &mut random);
        let (end, bytes) = run(&pair, 0.0, &mut random);
        assert_eq!(end, Ok(pair.expected), "d = {d}");
        let log16 = |of: f64| libm::log2(of) / 4.0;
        let shared = libm::floor(log16(d.max(1) as f64));
        let own = libm::ceil(log16(n as f64 / LEAF as f64)) - shared;
        // Nodes that paths have in common: a sixteenth of those below them, and the root.
        let inner = d as f64 * (own + 1.0 / 15.0) + 1.0;
        let most = inner * (31.0 + 128.0) + d as f64 * (31.0 + 256.0);
        println!("d = {d}: {bytes} bytes, at most {most:.0}");
        assert!(bytes as f64 <= most, "d = {d}: {bytes} bytes, at most {most}");
    }
    let mut random = Key::new(7).random(0);
    let all = pair(0, 20_000, &mut random);
    let (end, bytes) = run(&all, 0.0, &mut random);
    assert!(end == Ok(all.expected) && bytes > 8 * 10_000, "{bytes} bytes");
}

fn opened() -> (Session, Ask) {
    Session::open([9; 4], 50)
}

fn reply(node: u64, body: Body) -> Answer {
    Answer { nonce: [9; 4], sum: [7; 16], node, body }
}

fn elements(prints: &[Fingerprint]) -> Body {
    let prints: Vec<[u8; 16]> = prints.iter().map(|print| print.0.to_be_bytes()).collect();
    Body::Elements(Bounded::try_from(&prints[..]).unwrap())
}

/// A peer whose digests differ at every node: the session ends when it was told to, or when the
/// digits of a place are used up.
#[test]
fn endless_digests_are_an_end() {
    let set = &pair(100, 0, &mut Key::new(1).random(0)).sets[0];
    let (mut session, mut ask) = opened();
    let mut taken = 0;
    let end = 'session: loop {
        for &node in &ask.nodes.clone() {
            let step = session.take(set, &reply(node, Body::Digests([[taken; 8]; 16])));
            taken += 1;
            match step {
                Step::Wait => {}
                Step::Ask(next) => ask = next,
                step => break 'session step,
            }
        }
    };
    assert_eq!((end, taken), (Step::Ended(End::TooMany), 51));
    let (mut session, _) = Session::open([9; 4], MOST);
    let mut node = 1_u64;
    let end = loop {
        // Only the last child differs.
        let mut digests = [[0; 8]; 16];
        digests[15] = [1; 8];
        match session.take(&Hashed::default(), &reply(node, Body::Digests(digests))) {
            Step::Ask(ask) => node = ask.nodes[0],
            step => break step,
        }
    };
    assert_eq!((end, node), (Step::Ended(End::Inconsistent), u64::MAX >> 3));
}

/// Elements out of order, twice, of another node; a sum that is not that of what was sent.
#[test]
fn lies_are_an_end() {
    let set = &pair(100, 0, &mut Key::new(1).random(0)).sets[0];
    let [low, high] = [Fingerprint(1 << 100), Fingerprint(1 << 127)];
    for lie in [[high, low].as_slice(), &[low, low], &[low]] {
        let step = opened().0.take(set, &reply(1, elements(lie)));
        assert_eq!(step, Step::Ended(End::Inconsistent), "{lie:?}");
    }
    let mut digests = [[0; 8]; 16];
    digests[0] = [1; 8];
    let empty = Hashed::default();
    let mut session = opened().0;
    let Step::Ask(ask) = session.take(&empty, &reply(1, Body::Digests(digests))) else { panic!() };
    assert_eq!(*ask.nodes, [16], "the first child");
    let step = session.take(&empty, &reply(16, elements(&[high])));
    assert_eq!(step, Step::Ended(End::Inconsistent), "it is below the eighth");
}

/// What was not asked for is not read; another state ends the session; silence does, too.
#[test]
fn strangers_changes_and_silence() {
    let Pair { sets: [here, there], .. } = pair(2_000, 200, &mut Key::new(1).random(0));
    let (mut session, ask) = opened();
    let right = &Session::answer(&there, &ask, 1)[0];
    for foreign in [Answer { nonce: [8; 4], ..right.clone() }, Answer { node: 16, ..right.clone() }]
    {
        assert_eq!(session.take(&here, &foreign), Step::Wait);
    }
    let Step::Ask(next) = session.take(&here, right) else { panic!("no question") };
    assert_eq!(session.take(&here, right), Step::Wait, "a second time");
    let changed = reply(next.nodes[0], elements(&[]));
    assert_eq!(session.take(&here, &changed), Step::Ended(End::Restless));
    let (mut silent, _) = opened();
    let end = (0..100).map(|_| silent.silence(&here)).find(|step| !matches!(step, Step::Ask(_)));
    assert_eq!(end, Some(Step::Ended(End::Silent)));
}

/// Questions about no node are not answered, and of the others as many as may.
#[test]
fn questions_are_answered_within_bounds() {
    let set = &pair(3_000, 0, &mut Key::new(1).random(0)).sets[0];
    let mut nodes = Bounded::new();
    nodes.fill([0, 2, 255, u64::MAX, 1, 16, 1 << 60]);
    let ask = Ask { nonce: [0; 4], nodes };
    let about = |most| -> Vec<u64> {
        Session::answer(set, &ask, most).into_iter().map(|answer| answer.node).collect()
    };
    assert_eq!((about(9), about(2)), (vec![1, 16, 1 << 60], vec![1, 16]));
}

/// Bytes at random: they are no answer, or one that is not read, or an end; never a difference.
#[test]
fn fuzzed_frames_do_nothing() {
    let Pair { sets: [here, there], .. } = pair(500, 20, &mut Key::new(1).random(0));
    let mut random = Key::new(3).random(0);
    for trial in 0..20_000 {
        let (mut session, ask) = opened();
        let mut bytes = Vec::new();
        Session::answer(&there, &ask, 1)[0].encode(&mut bytes);
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next_u64() as u8;
        }
        if let Ok(answer) = Answer::decode_all(&bytes) {
            let step = session.take(&here, &answer);
            assert!(!matches!(step, Step::Done(_)), "trial {trial}: {step:?}");
        }
    }
}
