//! Sessions of sketches: what they cost, and that loss, changes and lies cost no more than bytes.
//!
//! Elements that both sides have cancel in every sketch, whatever their number, so that these sets
//! are no larger than their difference and a few.

use gossip_core::random::{Key, Random};
use gossip_core::wire::Blob;
use gossip_entropy::Secret;
use gossip_entropy::reconcile::End;
use gossip_entropy::sketch::session::QUESTIONS;
use gossip_entropy::sketch::wire::{Ask, Frame, Need};
use gossip_entropy::sketch::{Difference, Fingerprint, Keys, Session, Step, answer};

use crate::exchange::{Loss, NONE, element, expected, run, sides};

/// Sizes of the difference and what must be reached in the mean: the table at n = 10^6.
const BARS: [(usize, f64, u32); 5] = [
    (1, 250.0, 100),
    (10, 250.0, 100),
    (100, 1_154.0, 100),
    (1_000, 15_500.0, 100),
    (10_000, 140_000.0, 20),
];

#[test]
fn bytes_until_the_difference_is_known() {
    for (d, bar, seeds) in BARS {
        let mut all: Vec<f64> = Vec::new();
        let (mut datagrams, mut after) = (0, 0);
        for seed in 0..seeds {
            let mut random = Key::new(u64::from(seed)).random(d as u64);
            let sides = sides(50, d, &mut random);
            let run = run(&sides, NONE, 0.0, &mut random);
            assert_eq!(run.end, Ok(expected(&sides)), "d = {d}, seed {seed}");
            all.push(run.bytes as f64);
            datagrams = datagrams.max(run.datagrams);
            after += run.after;
        }
        all.sort_by(f64::total_cmp);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let (p95, most) = (all[all.len() * 95 / 100], all[all.len() - 1]);
        let after = after / all.len();
        println!("d = {d}: mean {mean:.0}, p95 {p95:.0}, most {most:.0} bytes; {after} too late");
        assert!(
            mean <= bar && p95 <= 1.2 * bar && most <= 2.0 * bar,
            "d = {d}: {mean} {p95} {most}"
        );
        assert!(d > 100 || datagrams == 1, "d = {d}: {datagrams} datagrams");
    }
}

/// Loss of 0 to 20 %, the first lost, any order: the difference, or a reason. At 10 % and below,
/// never a reason.
#[test]
fn loss_and_reordering_cost_bytes_only() {
    for d in [0, 3, 60, 130, 200, 700, 2_000] {
        for (loss, seeds) in [(0.0, 5), (0.01, 5), (0.05, 5), (0.1, 20), (0.2, 10)] {
            for seed in 0..seeds {
                let mut random = Key::new(seed).with(d as u64).random((loss * 100.0) as u64);
                let sides = sides(50, d, &mut random);
                let head = (seed % 3) as usize;
                let run = run(&sides, Loss { share: loss, head }, 0.3, &mut random);
                assert_eq!(run.end, Ok(expected(&sides)), "d = {d}, loss {loss}, seed {seed}");
            }
        }
    }
}

/// The first datagrams lost: at most 1.5 times the bytes, from 200 differences on.
#[test]
fn a_lost_head_costs_half_as_much_again_at_most() {
    for d in [200, 1_000, 5_000] {
        let mean = |head| {
            let bytes = (0..20).map(|seed| {
                let mut random = Key::new(seed).random(d as u64);
                let sides = sides(50, d, &mut random);
                let run = run(&sides, Loss { share: 0.0, head }, 0.0, &mut random);
                assert_eq!(run.end, Ok(expected(&sides)), "d = {d}, seed {seed}");
                run.bytes
            });
            bytes.sum::<usize>() as f64 / 20.0
        };
        let (whole, headless) = (mean(0), mean(2));
        println!("d = {d}: {whole:.0} bytes, with the first two datagrams lost {headless:.0}");
        assert!(headless <= 1.5 * whole, "d = {d}: {whole}, {headless}");
    }
}

/// More differences than the cells tell: it is said, not guessed.
#[test]
fn too_many_differences_are_an_end() {
    let mut random = Key::new(5).random(0);
    let sides = sides(50, 30_000, &mut random);
    assert_eq!(run(&sides, NONE, 0.0, &mut random).end, Err(End::TooMany));
}

/// Both sides change while the session is under way: ours are followed, theirs begin it again.
#[test]
fn changes_under_way_are_followed() {
    for seed in 0..20 {
        let mut random = Key::new(seed).random(9);
        let [mut asks, mut answers] = sides(50, 900, &mut random);
        let (mut session, first) = Session::open(&asks.sketch, 0, random.next_u64());
        let mut asked = first;
        let mut rounds = 0;
        let done = 'all: loop {
            rounds += 1;
            assert!(rounds < 10, "seed {seed}");
            let mut next = None;
            for (at, frame) in answer(&answers.sketch, &asked, usize::MAX).into_iter().enumerate() {
                match session.take(&asks.sketch, &frame, |id| asks.ids.contains(&id)) {
                    Step::Wait => {}
                    Step::Ask(ask) => next = Some(ask),
                    Step::Done(difference) => break 'all difference,
                    Step::Ended(end) => panic!("seed {seed}: {end:?}"),
                }
                if at % 3 == 0 {
                    let ours = element(&mut random);
                    asks.insert(ours);
                    session.changed(&asks.sketch, ours.id());
                }
            }
            if rounds == 1 && seed % 2 == 0 {
                answers.insert(element(&mut random));
            }
            asked = match next {
                Some(ask) => ask,
                None => match session.silence(&asks.sketch) {
                    Step::Ask(ask) => ask,
                    other => panic!("seed {seed}: {other:?}"),
                },
            };
        };
        assert_eq!(done, expected(&[asks, answers]), "seed {seed}");
    }
}

/// Two elements of one identifier: the sketches are equal, the digests are not, and a salt parts
/// them. Insiders who know the secret can bring it about.
#[test]
fn elements_of_one_identifier_are_not_taken_for_one() {
    let mut random = Key::new(77).random(0);
    let [mut here, mut there] = sides(50, 0, &mut random);
    let one = element(&mut random);
    here.insert(one);
    there.insert(Fingerprint(one.0 ^ 1 << 100));
    let sides = [here, there];
    let difference = run(&sides, NONE, 0.0, &mut random).end;
    assert_eq!(difference, Ok(Difference::default()), "of identifiers there is none");
    assert_ne!(sides[0].sketch.digest(), sides[1].sketch.digest(), "the digests tell");
    let [plain, salted] = [0, 1].map(|salt| Keys::new(Secret::default(), salt));
    assert_ne!(plain.fingerprint(b"a").id(), salted.fingerprint(b"a").id());
}

/// Peers that lie: single flipped bits and made-up answers. Never a wrong difference, always an
/// end, and no more questions than allowed.
#[test]
fn lies_never_pass() {
    let mut ends = [0; 3];
    for seed in 0..300 {
        let mut random = Key::new(seed).random(40);
        let d = [5, 90, 150, 600][seed as usize % 4];
        let sides = sides(50, d, &mut random);
        let [asks, answers] = &sides;
        let (mut session, first) = Session::open(&asks.sketch, 0, random.next_u64());
        let mut asked = first;
        let mut questions = 0;
        let end = 'all: loop {
            questions += 1;
            assert!(questions <= QUESTIONS, "seed {seed}");
            let mut next = None;
            for mut frame in answer(&answers.sketch, &asked, usize::MAX) {
                lie(&mut frame, &mut random);
                match session.take(&asks.sketch, &frame, |id| asks.ids.contains(&id)) {
                    Step::Wait => {}
                    Step::Ask(ask) => next = Some(ask),
                    Step::Done(difference) => break 'all Ok(difference),
                    Step::Ended(end) => break 'all Err(end),
                }
            }
            asked = match next.map_or_else(|| session.silence(&asks.sketch), Step::Ask) {
                Step::Ask(ask) => ask,
                Step::Ended(end) => break Err(end),
                other => panic!("seed {seed}: {other:?}"),
            };
        };
        match end {
            Ok(difference) => {
                assert_eq!(difference, expected(&sides), "seed {seed}");
                ends[0] += 1;
            }
            Err(End::Inconsistent) => ends[1] += 1,
            Err(_) => ends[2] += 1,
        }
    }
    assert!(ends.iter().all(|&count| count > 0), "each of the ends is met: {ends:?}");
}

/// Changes one byte of one answer in four.
fn lie(frame: &mut Frame, random: &mut Random) {
    if !random.chance(0.25) {
        return;
    }
    match frame {
        Frame::Root { check, syndromes, .. } => {
            let mut bytes = syndromes.to_vec();
            if random.chance(0.5) || bytes.is_empty() {
                check[8 + random.below(8)] ^= 1;
            } else {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(7);
                *syndromes = Blob::new(bytes).unwrap();
            }
        }
        Frame::Cells { cells, .. } => {
            let mut bytes = cells.to_vec();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            *cells = Blob::new(bytes).unwrap();
        }
    }
}

/// Answers that nobody asked for are not read: those of another session, and cells beyond what was
/// asked for.
#[test]
fn unsolicited_answers_are_not_read() {
    let mut random = Key::new(6).random(0);
    let [asks, answers] = sides(50, 300, &mut random);
    let (mut session, first) = Session::open(&asks.sketch, 0, 1);
    let all = answer(&answers.sketch, &first, usize::MAX);
    let (mut stranger, _) = Session::open(&asks.sketch, 0, 2);
    for frame in &all {
        assert_eq!(stranger.take(&asks.sketch, frame, |id| asks.ids.contains(&id)), Step::Wait);
    }
    assert_eq!(session.take(&asks.sketch, &all[0], |id| asks.ids.contains(&id)), Step::Wait);
    let Frame::Cells { nonce, tag, cells, .. } = all[1].clone() else { panic!("cells") };
    let beyond = Frame::Cells { nonce, tag, frame: 100, cells };
    assert_eq!(session.take(&asks.sketch, &beyond, |id| asks.ids.contains(&id)), Step::Wait);
    let Step::Ask(Ask { need: Need::More { spans, .. }, .. }) = session.silence(&asks.sketch)
    else {
        panic!("asks for what is missing")
    };
    assert!(spans.iter().all(|span| usize::from(span.first) < all.len()), "{spans:?}");
}
