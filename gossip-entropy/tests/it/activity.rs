//! Peeling back combined with rumors, in the order of local activity: what it costs, that it leaves
//! nobody out, and that lies cost no more than bytes.

use gossip_core::random::{Key, Random};
use gossip_core::{Bounded, Wire};
use gossip_entropy::reconcile::activity::{Active, Answer, Ask, BATCH, Session, Step};
use gossip_entropy::reconcile::{Difference, End, Item, Reconcile, Sorted, peel_back};
use gossip_entropy::sketch::Fingerprint;

use crate::exchange::element;
use crate::range::drive;

/// Answers that a session may take, unless a test is about that.
const MOST: u32 = 100_000;

fn set(ids: impl IntoIterator<Item = u64>) -> Active {
    let mut set = Active::default();
    ids.into_iter().for_each(|id| assert!(set.insert(id)));
    set
}

/// The difference, and how many answers it took.
fn run(
    [here, there]: [&Active; 2],
    loss: f64,
    random: &mut Random,
) -> (Result<Difference<u64>, End>, usize) {
    let (session, first) = Session::open(here, [1, 2, 3, 4], MOST);
    drive(session, first, [here, there], loss, |_| 1, random)
}

/// Two sites exchange all in which they differ, and both remember what was useful.
fn exchange(sites: &mut [Active], [one, other]: [usize; 2], random: &mut Random) -> usize {
    let (found, answers) = run([&sites[one], &sites[other]], 0.0, random);
    let found = found.unwrap();
    sites[one].learn(&found);
    sites[other].learn(&found.reversed());
    answers
}

/// Sets of every size, one empty or both, over links that lose, double and reorder; the lists are
/// in different orders.
#[test]
fn any_two_sets_are_told_apart() {
    for common in [0, 1, BATCH - 1, BATCH, BATCH + 1, 2_000] {
        for d in [0, 1, 2, 70, 1_000] {
            for (loss, seed) in [(0.0, 0), (0.01, 1), (0.1, 2), (0.1, 3)] {
                let mut random = Key::new(seed).with(d as u64).random(common as u64);
                let mut draw = |count: usize| -> Vec<u64> {
                    (0..count).map(|_| element(&mut random).id()).collect()
                };
                let (both, mut ours, mut theirs) = (draw(common), draw(d / 2), draw(d.div_ceil(2)));
                let [here, there] = [&ours, &theirs].map(|own| {
                    let mut all = [&both[..], own].concat();
                    random.shuffle(&mut all);
                    set(all)
                });
                ours.sort_unstable();
                theirs.sort_unstable();
                let end = run([&here, &there], loss, &mut random).0;
                let expected = Difference { theirs, ours };
                assert_eq!(end, Ok(expected), "n = {common}, d = {d}, seed {seed}");
            }
        }
    }
}

/// Demers 1987, section 1.5: the cost is that of what was active since the oldest difference became
/// known, whatever the size of the sets, on either side: a batch for each 64.
#[test]
fn the_cost_is_that_of_the_activity_of_what_differs() {
    let mut random = Key::new(6).random(0);
    for n in [1_000, 10_000] {
        for (depth, answers) in [(0, 1), (63, 1), (64, 2), (500, 8)] {
            let both = set(1..=n);
            let with = set((1..=n - depth).chain([n + 1]).chain(n - depth + 1..=n));
            let theirs = Difference { theirs: vec![n + 1], ours: vec![] };
            assert_eq!(run([&both, &with], 0.0, &mut random), (Ok(theirs.clone()), answers));
            assert_eq!(run([&with, &both], 0.0, &mut random), (Ok(theirs.reversed()), answers));
        }
    }
}

/// An update that is older than all others and came late is at the front where it came: one batch.
/// The control peels back by timestamps and goes through all 10^4, 38 at a time.
#[test]
fn an_old_update_that_came_late_costs_what_a_new_one_does() {
    let mut random = Key::new(6).random(1);
    let items: Vec<Item> =
        (0..=10_000).map(|order| Item::new(order, element(&mut random))).collect();
    let (late, both) = items.split_first().unwrap();
    let ids = |items: &[Item]| items.iter().map(|item| item.print().id()).collect::<Vec<u64>>();
    let here = set(ids(both));
    let mut there = here.clone();
    there.insert(late.print().id());
    let (found, answers) = run([&here, &there], 0.0, &mut random);
    assert_eq!((found.unwrap().theirs, answers), (ids(&[*late]), 1));
    let [here, there] = [both, &items].map(|items| Sorted::new(items.iter().copied()));
    let (session, first) = peel_back::Session::open([7; 4], MOST);
    let (found, answers) = drive(session, first, [&here, &there], 0.0, |_| 1, &mut random);
    assert_eq!((found.unwrap().theirs, answers), (vec![*late], 264));
}

/// Two groups that were apart make 100 updates each among 10^4: when they meet, the first exchange
/// takes two batches, and a later one no more than all 200 updates take, four. The whole of the
/// list would be 158.
#[test]
fn a_partition_that_heals_costs_what_happened_meanwhile() {
    let mut random = Key::new(9).random(0);
    let old = set(1..=10_000);
    let mut sites = vec![old; 8];
    for (at, site) in sites.iter_mut().enumerate() {
        let from = if at < 4 { 20_000 } else { 30_000 };
        (from..from + 100).for_each(|id| assert!(site.insert(id)));
    }
    for pair in [[0, 4], [0, 1], [4, 5], [1, 6], [5, 2], [2, 3], [6, 7], [7, 3], [0, 7]] {
        let answers = exchange(&mut sites, pair, &mut random);
        let most = if pair == [0, 4] { 2 } else { 4 };
        assert!(answers <= most, "{answers} of {pair:?}");
    }
    let all = set((1..=10_000).chain(20_000..20_100).chain(30_000..30_100));
    for site in &sites {
        assert_eq!(run([site, &all], 0.0, &mut random).0, Ok(Difference::default()));
    }
}

/// How many of `n` sites a rumor has not reached when it has died: push, feedback, a counter of k =
/// 1, counters moved at the end of a cycle (Demers 1987, table 1).
fn residue(n: usize, random: &mut Random) -> usize {
    let (mut knows, mut hot) = (vec![false; n], vec![0]);
    knows[0] = true;
    while !hot.is_empty() {
        let calls: Vec<(usize, usize)> =
            hot.iter().map(|&site| (site, (site + 1 + random.below(n - 1)) % n)).collect();
        let before = knows.clone();
        hot.clear();
        for (site, to) in calls {
            if !before[to] {
                hot.push(site);
                if !std::mem::replace(&mut knows[to], true) {
                    hot.push(to);
                }
            }
        }
    }
    knows.iter().filter(|knows| !**knows).count()
}

/// Rumors with k = 1 leave .18 of the sites out (table 1). At n = 300 it is .1746 in the mean of
/// 3,000 trials of another program, with a standard deviation of .028, so .0063 of a mean of 20: it
/// is beyond these bounds once in 10^4 seeds. In the order of activity nobody is left
/// out, in no trial, after the log2 n + ln n cycles of a push and a few more: the check does not
/// agree before. And at the end nearly every exchange takes one batch of 64 of the 200 elements.
#[test]
fn nobody_is_left_out_where_rumors_leave_a_sixth() {
    let n = 300;
    let mut random = Key::new(12).random(0);
    let left: usize = (0..20).map(|_| residue(n, &mut random)).sum();
    let left = left as f64 / (20 * n) as f64;
    println!("rumors leave {left} out");
    assert!((left - 0.176).abs() < 0.025, "{left}");
    let cycles = (libm::log2(n as f64) + libm::log(n as f64)) as usize + 6;
    for _ in 0..3 {
        let mut sites = vec![set(1..=200); n];
        sites[0].insert(1_000);
        let (mut answers, mut exchanges) = (0, 0);
        for _ in 0..cycles {
            for site in 0..n {
                let other = (site + 1 + random.below(n - 1)) % n;
                answers += exchange(&mut sites, [site, other], &mut random);
                exchanges += 1;
            }
        }
        assert!(sites.iter().all(|site| site.has(1_000)), "after {cycles} cycles");
        assert_eq!(answers, exchanges, "the update is in the first batch of who has it");
    }
}

fn batch(page: u32, ids: &[u64], before: u64) -> Answer {
    let ids: Vec<[u8; 8]> = ids.iter().map(|id| id.to_le_bytes()).collect();
    let ids = Bounded::try_from(&ids[..]).unwrap();
    Answer { nonce: [1; 4], page, check: [2; 16], absent: [0; 8], ids, before }
}

/// Batches of lies: one identifier twice, a list that goes on for ever or backwards, an end that
/// leads nowhere, another state. Each ends the session with its reason, or is not read.
#[test]
fn batches_that_lie_end_the_session_or_are_not_read() {
    let here = set(1..=200);
    let open = |most| Session::open(&here, [1; 4], most).0;
    let ended = |end| Step::Ended(end);
    assert_eq!(open(9).take(&here, &batch(0, &[500, 500], 7)), ended(End::Inconsistent));
    assert_eq!(open(9).take(&here, &batch(0, &[500], u64::MAX)), ended(End::Inconsistent));
    assert_eq!(open(9).take(&here, &batch(1, &[500], 7)), Step::Wait, "not asked for");
    assert_eq!(open(0).take(&here, &batch(0, &[500], 7)), ended(End::TooMany));
    let foreign = Answer { nonce: [3; 4], ..batch(0, &[500], 7) };
    assert_eq!(open(9).take(&here, &foreign), Step::Wait);
    let mut session = open(9);
    assert!(matches!(session.take(&here, &batch(0, &[500], 0)), Step::Ask(_)));
    let other = Answer { check: [3; 16], ..batch(1, &[501], 0) };
    assert_eq!(session.clone().take(&here, &other), ended(End::Restless));
    let mut steps = (1..).map(|page| session.take(&here, &batch(page, &[], 0)));
    let end = steps.find(|step| !matches!(step, Step::Ask(_)));
    assert_eq!(end, Some(ended(End::Inconsistent)), "both lists are at their end");
    let mut endless = open(50);
    let mut steps = (0..200_u32).map(|page| {
        let id = 1_000 + u64::from(page);
        endless.take(&here, &batch(page, &[id], 1_000 - u64::from(page)))
    });
    assert_eq!(steps.position(|step| !matches!(step, Step::Ask(_))), Some(50), "it was for 50");
    let mut silent = open(9);
    let end = (0..100).map(|_| silent.silence(&here)).find(|step| !matches!(step, Step::Ask(_)));
    assert_eq!(end, Some(ended(End::Silent)));
}

/// Bytes at random, of questions and of answers: never a difference that is not one, and never more
/// than an answer to a question.
#[test]
fn fuzzed_frames_do_nothing() {
    let mut random = Key::new(3).random(0);
    let prints: Vec<Fingerprint> = (0..300).map(|_| element(&mut random)).collect();
    let [here, there] =
        [&prints[..290], &prints[10..]].map(|own| set(own.iter().map(|print| print.id())));
    for trial in 0..20_000 {
        let (mut session, ask) = Session::open(&here, [9; 4], 50);
        let mut damage = |bytes: &mut Vec<u8>| {
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.next_u64() as u8;
            }
        };
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        ask.encode(&mut asked);
        Session::answer(&there, &ask, 1)[0].encode(&mut answered);
        damage(&mut asked);
        damage(&mut answered);
        if let Ok(ask) = Ask::decode_all(&asked) {
            assert!(Session::answer(&there, &ask, 9).len() <= 1);
        }
        if let Ok(answer) = Answer::decode_all(&answered) {
            let step = session.take(&here, &answer);
            assert!(!matches!(step, Step::Done(_)), "trial {trial}: {step:?}");
        }
    }
}
