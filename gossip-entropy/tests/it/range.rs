//! Sessions by sums of ranges: what they cost, and that loss and lies cost no more than bytes.

use std::collections::VecDeque;

use gossip_core::random::{Key, Random};
use gossip_core::{Bounded, Wire};
use gossip_entropy::reconcile::range::{
    Answer, Ask, Body, Difference, Item, Part, Session, Sorted, Step,
};
use gossip_entropy::reconcile::{self, End, Known, Reconcile};
use gossip_entropy::sketch;

use crate::exchange::element;

/// Answers that a session may take, unless a test is about that.
const MOST: u32 = 100_000;

/// Two sets and how the second differs from the first.
struct Pair {
    asks: Sorted,
    answers: Sorted,
    expected: Difference,
}

/// `common` items at random places in order and `d` others, half on each side: at random places or,
/// if they are the `newest`, after all others.
fn pair(common: usize, d: usize, newest: bool, random: &mut Random) -> Pair {
    let both: Vec<Item> =
        (0..common).map(|_| Item::new(random.next_u64() >> 1, element(random))).collect();
    let mut sides = [Vec::new(), Vec::new()];
    for at in 0..d {
        let order = random.next_u64() >> 1 | u64::from(newest) << 63;
        sides[at % 2].push(Item::new(order, element(random)));
    }
    let [mut ours, mut theirs] = sides;
    let [asks, answers] =
        [&ours, &theirs].map(|only| Sorted::new(both.iter().chain(only).copied()));
    ours.sort();
    theirs.sort();
    Pair { asks, answers, expected: Difference { theirs, ours } }
}

#[derive(Debug)]
struct Run {
    end: Result<Difference, End>,
    bytes: usize,
}

/// A session over a link that loses `loss` each way, doubles a tenth and reorders all, if it loses.
fn run(pair: &Pair, loss: f64, random: &mut Random) -> Run {
    let (session, first) = Session::open([1, 2, 3, 4], MOST);
    let (end, bytes) =
        drive(session, first, [&pair.asks, &pair.answers], loss, Wire::encoded_len, random);
    Run { end, bytes }
}

/// As [`run`], of any way to compare the sets of who asks and of who answers: how it ends, and how
/// many bytes the answers have by `len`.
pub(crate) fn drive<R: Reconcile>(
    mut session: R,
    first: R::Ask,
    [here, there]: [&R::Set; 2],
    loss: f64,
    len: impl Fn(&R::Answer) -> usize,
    random: &mut Random,
) -> (Result<reconcile::Difference<R::Key>, End>, usize)
where
    R::Answer: Clone,
{
    let mut asks = VecDeque::from([first]);
    let mut answers: Vec<R::Answer> = Vec::new();
    let mut bytes = 0;
    loop {
        let step = if let Some(ask) = asks.pop_front() {
            if random.unit() >= loss {
                answers.extend(R::answer(there, &ask, usize::MAX));
            }
            if loss > 0.0 {
                random.shuffle(&mut answers);
            }
            continue;
        } else if let Some(answer) = answers.pop() {
            bytes += len(&answer);
            if loss > 0.0 && random.unit() < 0.1 {
                answers.push(answer.clone());
            }
            if random.unit() < loss { reconcile::Step::Wait } else { session.take(here, &answer) }
        } else {
            session.silence(here)
        };
        match step {
            reconcile::Step::Wait => {}
            reconcile::Step::Ask(ask) => asks.push_back(ask),
            reconcile::Step::Done(difference) => return (Ok(difference), bytes),
            reconcile::Step::Ended(end) => return (Err(end), bytes),
        }
    }
}

/// The same sets by sketches and by ranges, through the one trait: both find all that differs, in
/// clear and under loss, or say that they have not; without loss they find it.
#[test]
fn both_ways_find_the_same() {
    for (seed, d) in (0..).zip([0, 1, 10, 120, 600]) {
        for loss in [0.0, 0.2] {
            let mut random = Key::new(seed).random(9);
            let pair = pair(500, d, false, &mut random);
            let ids = |items: &[Item]| {
                let mut ids: Vec<u64> = items.iter().map(|item| item.print().id()).collect();
                ids.sort_unstable();
                ids
            };
            let Difference { theirs, ours } = &pair.expected;
            let expected = reconcile::Difference { theirs: ids(theirs), ours: ids(ours) };
            let [here, there] = [&pair.asks, &pair.answers]
                .map(|set| Known::new(set.items().iter().map(Item::print)));
            let (session, first) = sketch::Session::open(here.sketch(), 5, random.next_u64());
            let sets = [&here, &there];
            let (found, _) = drive(session, first, sets, loss, |_| 0, &mut random);
            let told = |end: End| loss > 0.0 && end != End::Inconsistent;
            assert!(found.clone().map_or_else(told, |found| found == expected), "{d}: {found:?}");
            let found = run(&pair, loss, &mut random).end;
            let right = found.clone().map_or_else(told, |found| found == pair.expected);
            assert!(right, "{d}: {found:?}");
        }
    }
}

/// Sets of every size, one empty or both, over links that lose, double and reorder.
#[test]
fn any_two_sets_are_told_apart() {
    for common in [0, 1, 31, 32, 33, 500, 3_000] {
        for d in [0, 1, 2, 70, 400] {
            for (loss, seed) in [(0.0, 0), (0.01, 1), (0.1, 2), (0.1, 3), (0.2, 4)] {
                let mut random = Key::new(seed).with(d as u64).random(common as u64);
                let pair = pair(common, d, seed % 2 == 0, &mut random);
                let end = run(&pair, loss, &mut random).end;
                assert_eq!(end, Ok(pair.expected), "n = {common}, d = {d}, seed {seed}");
            }
        }
    }
}

/// Meyer: O(d log n). A path has log n to the base of 16 questions, and its answers are
/// of 16 parts of 34 bytes or 32 items of 26 at most, with 90 bytes about them: below 1,000.
#[test]
fn each_difference_costs_a_path_at_most() {
    let (n, seed) = (100_000, 7);
    let depth = libm::ceil(libm::log2(f64::from(n) / 32.0) / 4.0) + 1.0;
    for d in [1, 10, 100] {
        let mut random = Key::new(seed).random(d as u64);
        let pair = pair(n as usize, d, false, &mut random);
        let run = run(&pair, 0.0, &mut random);
        assert_eq!(run.end, Ok(pair.expected), "d = {d}, seed {seed}");
        let most = d as f64 * depth * 1_000.0;
        println!("d = {d}: {} bytes, at most {most}", run.bytes);
        assert!(run.bytes as f64 <= most, "d = {d}, seed {seed}: {} bytes", run.bytes);
    }
}

/// Differences that are neighbours share their paths. Of negentropy, at n = 10^6 and d = 100, the
/// newest take 5,179 bytes and random ones 171,196, 33 times as many. Here a path is one level
/// shorter, and a tenth is asked.
#[test]
fn neighbours_are_cheaper_than_strangers() {
    for seed in 0..3 {
        let bytes = [true, false].map(|newest| {
            let mut random = Key::new(seed).random(0);
            let pair = pair(100_000, 100, newest, &mut random);
            let run = run(&pair, 0.0, &mut random);
            assert_eq!(run.end, Ok(pair.expected), "seed {seed}");
            run.bytes
        });
        println!("newest and random: {bytes:?} bytes");
        assert!(10 * bytes[0] <= bytes[1], "seed {seed}: {bytes:?}");
    }
}

fn opened() -> (Session, Ask) {
    Session::open([9; 4], 50)
}

fn parts(parts: &[Part]) -> Body {
    Body::Parts(Bounded::try_from(parts).unwrap())
}

fn items(items: &[Item]) -> Body {
    Body::Items(Bounded::try_from(items).unwrap())
}

fn reply(ask: &Ask, body: Body) -> Answer {
    Answer { nonce: ask.nonce, sum: [7; 16], range: ask.ranges[0], body }
}

/// A peer that divides every range again and again: the session ends when it was told to.
#[test]
fn endless_parts_are_an_end() {
    let set = pair(100, 0, false, &mut Key::new(1).random(0)).asks;
    let (mut session, mut ask) = opened();
    for taken in 0.. {
        assert!(taken <= 50, "{taken} answers");
        let to = ask.ranges[0].to;
        let body = parts(&[Part { to, sum: [taken; 8] }]);
        match session.take(&set, &reply(&ask, body)) {
            Step::Ask(next) => ask = next,
            step => {
                assert_eq!((step, taken), (Step::Ended(End::TooMany), 50));
                break;
            }
        }
    }
}

/// Answers that no set gives, and a sum that is not that of what was sent.
#[test]
fn lies_are_an_end() {
    let set = pair(100, 0, false, &mut Key::new(1).random(0)).asks;
    let (low, high) = (set.items()[0], set.items()[1]);
    let last = opened().1.ranges[0].to;
    let part = |to| Part { to, sum: [0; 8] };
    let lies = [
        parts(&[]),
        parts(&[part(low)]),
        parts(&[part(high), part(low), part(last)]),
        items(&[high, low]),
        items(&[low, low]),
        items(&[low]),
    ];
    for lie in lies {
        let (mut session, ask) = opened();
        let step = session.take(&set, &reply(&ask, lie.clone()));
        assert_eq!(step, Step::Ended(End::Inconsistent), "{lie:?}");
    }
}

/// What was not asked for is not read; another state ends the session; silence does, too.
#[test]
fn strangers_changes_and_silence() {
    let both = pair(2_000, 200, false, &mut Key::new(1).random(0));
    let (mut session, ask) = opened();
    let right = &Session::answer(&both.answers, &ask, 1)[0];
    let foreign = Answer { nonce: [8; 4], ..right.clone() };
    assert_eq!(session.take(&both.asks, &foreign), Step::Wait);
    let Step::Ask(next) = session.take(&both.asks, right) else { panic!("no question") };
    assert_eq!(session.take(&both.asks, right), Step::Wait, "a second time");
    let changed = reply(&next, items(&[]));
    assert_eq!(session.take(&both.asks, &changed), Step::Ended(End::Restless));

    let (mut silent, _) = opened();
    let end =
        (0..100).map(|_| silent.silence(&both.asks)).find(|step| !matches!(step, Step::Ask(_)));
    assert_eq!(end, Some(Step::Ended(End::Silent)));
}

/// Bytes at random: they are no answer, or one that is not read, or an end; never a difference.
#[test]
fn fuzzed_frames_do_nothing() {
    let both = pair(500, 20, false, &mut Key::new(1).random(0));
    let mut random = Key::new(3).random(0);
    for trial in 0..20_000 {
        let (mut session, ask) = opened();
        let mut bytes = Vec::new();
        Session::answer(&both.answers, &ask, 1)[0].encode(&mut bytes);
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.next_u64() as u8;
        }
        if let Ok(answer) = Answer::decode_all(&bytes) {
            let step = session.take(&both.asks, &answer);
            assert!(!matches!(step, Step::Done(_)), "trial {trial}: {step:?}");
        }
    }
}
