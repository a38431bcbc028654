//! Every way to compare two sets by its name, and the choice among them.

use gossip_core::Wire;
use gossip_core::random::{Key, Random};
use gossip_core::wire::Bounded;
use gossip_entropy::reconcile::full::{self, IDS, Run};
use gossip_entropy::reconcile::method::{Answer, Ask, Indexed, Method, Session, Step};
use gossip_entropy::reconcile::{Difference, End, Item, Known, Reconcile, Sorted, peel_back};
use gossip_entropy::sketch::wire::Frame;
use proptest::prelude::*;

use crate::exchange::element;
use crate::range::drive;

/// Identifiers, or answers, that a session may take.
const MOST: u32 = 100_000;

/// Two sets, and how the second differs from the first.
struct Pair {
    sets: [Indexed; 2],
    expected: Difference<u64>,
}

/// `common` elements, `ours` that only who asks has, and `theirs` that only the other has.
fn pair(common: usize, [ours, theirs]: [usize; 2], random: &mut Random) -> Pair {
    let [both, ours, theirs] = [common, ours, theirs].map(|count| {
        let items = (0..count).map(|_| Item::new(random.next_u64(), element(random)));
        items.collect::<Vec<Item>>()
    });
    let ids = |items: &[Item]| {
        let mut ids: Vec<u64> = items.iter().map(|item| item.print().id()).collect();
        ids.sort_unstable();
        ids
    };
    let expected = Difference { theirs: ids(&theirs), ours: ids(&ours) };
    let sets = [&ours, &theirs].map(|only| Indexed::new(both.iter().chain(only).copied()));
    Pair { sets, expected }
}

/// How a session over a link that loses so much ends, and how many bytes the answers have.
fn run(
    method: Method,
    pair: &Pair,
    loss: f64,
    random: &mut Random,
) -> (Result<Difference<u64>, End>, usize) {
    let [here, there] = &pair.sets;
    let (session, first) = Session::open(method, here, MOST, random.next_u64());
    drive(session, first, [here, there], loss, Wire::encoded_len, random)
}

const METHODS: [&str; 7] =
    ["automatic", "full", "sketch", "merkle", "range", "peel-back", "activity"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any two sets, over links that lose, double and reorder: the difference, or the word that it
    /// is not known. Without loss, it is known.
    #[test]
    fn every_way_finds_the_difference_or_says_that_it_has_not(
        name in prop::sample::select(&METHODS),
        common in prop::sample::select(&[0_usize, 1, 26, 27, 136, 137, 900]),
        ours in 0_usize..200,
        theirs in prop::sample::select(&[0_usize, 1, 20, 100, 300]),
        loss in prop::sample::select(&[0.0, 0.1, 0.2]),
        seed in any::<u64>(),
    ) {
        let mut random = Key::new(seed).random(0);
        let pair = pair(common, [ours, theirs], &mut random);
        match run(name.parse().unwrap(), &pair, loss, &mut random).0 {
            Ok(found) => prop_assert_eq!(found, pair.expected),
            Err(end) => prop_assert!(loss > 0.0 && end != End::Inconsistent, "{:?}", end),
        }
    }
}

/// What it chooses takes no more bytes than the best of the others by name and a digest, in the
/// mean of 20 seeds: sketches for few differences, all identifiers for small sets and for those
/// that have little in common. Where both cost about as much, estimators, which are a sixth off,
/// choose the wrong one now and then: a twentieth more. Where they do not, the wrong choice takes
/// twice as much and more.
#[test]
fn the_choice_costs_what_the_best_way_costs() {
    let cases = [
        (5_000, [0, 0], "sketch"),
        (5_000, [5, 5], "sketch"),
        (5_000, [200, 200], "sketch"),
        (10, [3, 3], "full"),
        (0, [0, 2_000], "full"),
        (2_000, [900, 900], "full"),
    ];
    for (common, only, best) in cases {
        let mean = |name: &str| {
            let bytes = (0..20).map(|seed| {
                let mut random = Key::new(seed).random(1);
                let pair = pair(common, only, &mut random);
                let (end, bytes) = run(name.parse().unwrap(), &pair, 0.0, &mut random);
                assert_eq!(end, Ok(pair.expected), "{name}, seed {seed}");
                bytes
            });
            bytes.sum::<usize>() as f64 / 20.0
        };
        let (chosen, [full, sketch]) = (mean("automatic"), ["full", "sketch"].map(mean));
        println!("{common} and {only:?}: automatic {chosen}, full {full}, sketch {sketch}");
        let least = if best == "full" { full } else { sketch };
        assert!(least <= full.min(sketch) + 40.0, "{best} is not the best of {full} and {sketch}");
        // A digest is 29 bytes.
        assert!(
            chosen <= 1.05 * least + 40.0,
            "{common} and {only:?}: {chosen} bytes, {best} {least}"
        );
        assert!(only != [0, 0] || chosen < 30.0, "equal sets need no more than a digest");
    }
}

/// Demers 1987, section 1.3: peeling back costs what is newer than the oldest difference, and no
/// more: a page for each 38 of these, and one in which the sums agree. If both sides have half of
/// the 100 newest, the other side's half: 2 pages. The oldest of 10^4: all 264 pages, and an empty
/// one if we have it.
#[test]
fn peeling_back_costs_what_is_newer_than_the_oldest_difference() {
    let mut random = Key::new(6).random(0);
    let mut item = |order: u64| Item::new(order, element(&mut random));
    let both: Vec<Item> = (1..=10_000).map(&mut item).collect();
    let newest: Vec<Item> = (20_000..20_100).map(&mut item).collect();
    let oldest = [item(0)];
    let (ours, theirs) = newest.split_at(50);
    for (ours, theirs, pages) in
        [(&[][..], &[][..], 1), (ours, theirs, 2), (&[], &oldest, 264), (&oldest, &[], 265)]
    {
        let [here, there] =
            [ours, theirs].map(|only| Sorted::new(both.iter().chain(only).copied()));
        let (session, first) = peel_back::Session::open([7; 4], MOST);
        let (end, came) = drive(session, first, [&here, &there], 0.0, |_| 1, &mut random);
        let expected = Difference { theirs: theirs.to_vec(), ours: ours.to_vec() };
        assert_eq!((end, came), (Ok(expected), pages));
    }
}

/// More differences than sketches can tell, of which each side knows from the estimator: all
/// identifiers. By name, sketches end; that is the control.
#[test]
fn where_sketches_end_it_goes_on() {
    let mut random = Key::new(3).random(2);
    let pair = pair(10_000, [15_000, 15_000], &mut random);
    let end = run(Method::Automatic, &pair, 0.05, &mut random).0;
    assert_eq!(end.as_ref(), Ok(&pair.expected));
    assert_eq!(run(Method::Sketch, &pair, 0.0, &mut random).0, Err(End::TooMany));
}

/// A sketch that is of no set: another way is asked for, once, by who chooses, and the session by
/// name has failed.
#[test]
fn sketches_that_lie_are_not_the_end() {
    let mut random = Key::new(4).random(3);
    let pair = pair(1_000, [2, 2], &mut random);
    let [here, there] = &pair.sets;
    for method in [Method::Automatic, Method::Sketch] {
        let (mut session, mut ask) = Session::open(method, here, MOST, 7);
        if method == Method::Automatic {
            let digest = Session::answer(there, &ask, 1).remove(0);
            let Step::Ask(next) = session.take(here, &digest) else { panic!("no question") };
            ask = next;
        }
        let mut frame = Session::answer(there, &ask, 1).remove(0);
        let Answer::Sketch(Frame::Root { check, .. }) = &mut frame else { panic!("{frame:?}") };
        check[0] ^= 1;
        let step = session.take(here, &frame);
        let Step::Ask(ask) = step else {
            assert!(method == Method::Sketch && step == Step::Ended(End::Inconsistent), "{step:?}");
            continue;
        };
        assert!(method == Method::Automatic && matches!(ask, Ask::Full(_)), "{ask:?}");
        let answers = Session::answer(there, &ask, 100);
        let steps = answers.iter().map(|answer| session.take(here, answer));
        assert_eq!(steps.last(), Some(Step::Done(pair.expected.clone())));
    }
}

/// Frames of lies: out of order, too short, of another state, more than may be taken, not asked
/// for. Each ends the session with its reason, or is not read.
#[test]
fn frames_that_lie_end_the_session_or_are_not_read() {
    let set = Known::default();
    let frame = |frame: u32, all: u64, ids: &[u64]| {
        let ids: Vec<[u8; 8]> = ids.iter().map(|id| id.to_le_bytes()).collect();
        let ids = Bounded::try_from(&ids[..]).unwrap();
        full::Answer { nonce: [1; 4], check: [2; 16], all, frame, ids }
    };
    let open = || full::Session::open([1; 4], 1_000).0;
    let of_another = full::Answer { nonce: [3; 4], ..frame(0, 1, &[5]) };
    assert_eq!(open().take(&set, &of_another), full::Step::Wait);
    for (lie, end) in [
        (frame(0, 2, &[9, 5]), End::Inconsistent),
        (frame(0, 2, &[5, 5]), End::Inconsistent),
        (frame(0, 3, &[5, 9]), End::Inconsistent),
        (frame(0, 1, &[5]), End::Inconsistent),
        (frame(0, 1_001, &[5; IDS]), End::TooMany),
        (frame(0, u64::MAX, &[5; IDS]), End::TooMany),
    ] {
        assert_eq!(open().take(&set, &lie), full::Step::Ended(end), "{lie:?}");
    }
    let mut session = open();
    let first: Vec<u64> = (1..=IDS as u64).collect();
    assert_eq!(session.take(&set, &frame(0, 300, &first)), full::Step::Wait);
    assert_eq!(session.take(&set, &frame(0, 300, &first)), full::Step::Wait, "it has come");
    assert_eq!(session.take(&set, &frame(9, 300, &[])), full::Step::Wait, "there is none");
    let later = full::Answer { check: [3; 16], ..frame(1, 300, &first) };
    assert_eq!(session.take(&set, &later), full::Step::Ended(End::Restless));
}

/// Pages of lies: items out of order, or not before those that were asked about; a sum that nothing
/// comes to; another state; more pages than may be taken.
#[test]
fn pages_that_lie_end_the_session_or_are_not_read() {
    let set = Sorted::default();
    let item = |order: u64| Item { order, print: [1; 16] };
    let page = |before: Option<u64>, items: &[u64]| {
        let items: Vec<Item> = items.iter().copied().map(item).collect();
        let items = Bounded::try_from(&items[..]).unwrap();
        let (sum, rest, before) = ([2; 16], [3; 16], before.map(item));
        peel_back::Answer { nonce: [1; 4], before, sum, rest, items }
    };
    let open = |most| peel_back::Session::open([1; 4], most).0;
    let ended = |end| peel_back::Step::Ended(end);
    assert_eq!(open(9).take(&set, &page(None, &[9, 5])), ended(End::Inconsistent));
    assert_eq!(open(9).take(&set, &page(None, &[])), ended(End::Inconsistent));
    assert_eq!(open(0).take(&set, &page(None, &[5])), ended(End::TooMany));
    assert_eq!(open(9).take(&set, &page(Some(7), &[5])), peel_back::Step::Wait);
    let mut session = open(9);
    let ask = peel_back::Ask { nonce: [1; 4], before: Some(item(5)) };
    assert_eq!(session.take(&set, &page(None, &[5, 7])), peel_back::Step::Ask(ask));
    assert_eq!(session.take(&set, &page(None, &[5, 7])), peel_back::Step::Wait, "it has come");
    assert_eq!(session.clone().take(&set, &page(Some(5), &[6])), ended(End::Inconsistent));
    let other = peel_back::Answer { sum: [4; 16], ..page(Some(5), &[4]) };
    assert_eq!(session.take(&set, &other), ended(End::Restless));
}

/// Questions without bounds are answered within those of who is asked.
#[test]
fn questions_without_bounds_are_answered_within_bounds() {
    let mut random = Key::new(5).random(0);
    let set = Known::new((0..1_000).map(|_| element(&mut random)));
    let mut runs = Bounded::new();
    runs.fill([Run { first: 0, count: u32::MAX }, Run { first: u32::MAX, count: u32::MAX }]);
    let ask = full::Ask { nonce: [0; 4], runs };
    assert_eq!(full::Session::answer(&set, &ask, 3).len(), 3);
    assert_eq!(full::Session::answer(&set, &ask, usize::MAX).len(), 8, "1,000 by 136");
}
