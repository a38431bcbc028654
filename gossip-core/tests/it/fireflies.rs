//! Fireflies against its papers: Johansen, Allavena, van Renesse, *Fireflies: scalable support for
//! intrusion-tolerant network overlays*, EuroSys 2006; ACM TOCS 33(2), 2015.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_core::auth::{Authority, Keyed, Signer};
use gossip_core::membership::fireflies::{
    Accusation, Certificate, Config, Fireflies, Message, News, Note, Rings, tolerated,
};
use gossip_core::membership::{Command, Event, State};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::random::Key;
use gossip_core::sim::adversary::{Accuser, Malice, Member};
use gossip_core::sim::event::{self, Simulation, Status};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::testkit::{Bounds, Finally, Invariants, Kinds, SoundViews, Trial, Violation};
use gossip_core::wire::Bounded;
use gossip_core::{Peers, Wire};

type Node = Member<Fireflies<u32, Keyed>, Accuser>;
type Cluster = Simulation<Node>;
type Said = Message<u32, u32, u64>;

const SECOND: Duration = Duration::from_secs(1);
const AUTHORITY: u32 = u32::MAX;

fn links() -> Network {
    Network::new(Latency::Uniform(Duration::from_millis(5), Duration::from_millis(50)))
}

/// Defaults: three misses, Delta 10 s.
fn config(t: u8) -> Config<u32> {
    Config::new(AUTHORITY, t)
}

fn admit(at: u32, seed: u64) -> (Keyed, Certificate<u32, u32, u64>) {
    let world = Authority::new(seed);
    let (authority, signer) = (world.signer(AUTHORITY), world.signer(at));
    let number = Key::new(seed).random(at.into()).next_u64();
    let certificate = Certificate::issue(&authority, at, signer.key(), number);
    (signer, certificate)
}

/// When liars begin to lie: after all know all.
const TURN: u32 = 40;

/// `n` members that have joined through node 0, of which the last `liars` turn in round [`TURN`].
fn cluster(n: u32, config: Config<u32>, (liars, malice): (u32, Malice), seed: u64) -> Cluster {
    let make = move |at| {
        let (signer, certificate) = admit(at, seed);
        let honest = Fireflies::new(config, signer.clone(), certificate).unwrap();
        let rings = Rings::tolerating(config.tolerated, config.rings).unwrap();
        let liar = Accuser::new(signer, certificate, rings, (n - liars, n), malice);
        Member::new(honest, (at >= n - liars).then_some((TURN, liar)))
    };
    let mut sim = Simulation::new(n, make, links(), event::Config::seeded(seed)).unwrap();
    (1..n).for_each(|node| sim.contact(node, 0));
    sim.run_for(SECOND * (TURN - 1));
    assert_eq!(disagreement(&sim), None, "seed {seed}");
    sim.events().take().for_each(drop);
    sim
}

fn honest_cluster(n: u32, config: Config<u32>, seed: u64) -> Cluster {
    cluster(n, config, (0, Malice::default()), seed)
}

/// A correct node, and what it holds of those that run that is not so.
fn disagreement(sim: &Cluster) -> Option<(u32, Vec<u32>)> {
    let runs = |at: u32| {
        let left = sim.node(at).is_some_and(|node| node.honest().has_left());
        sim.status(at) == Some(Status::Alive) && !left
    };
    let all: Vec<u32> = sim.nodes().map(|(at, _)| at).filter(|&at| runs(at)).collect();
    sim.nodes().filter(|&(at, node)| runs(at) && !node.is_cheat()).find_map(|(at, node)| {
        let mut held = vec![at];
        node.honest().for_each(|peer, _| held.push(peer));
        held.sort_unstable();
        (held != all).then_some((at, held))
    })
}

/// Periods until all correct nodes agree.
#[track_caller]
fn agreement(sim: &mut Cluster, most: u32, seed: u64) -> u32 {
    for period in 0..=most {
        if disagreement(sim).is_none() {
            return period;
        }
        sim.run_for(SECOND);
    }
    panic!("no agreement after {most} periods, but {:?}; seed {seed}", disagreement(sim));
}

/// Who turned to this state at which correct node, since the last look.
fn turned(sim: &mut Cluster, state: State) -> Vec<(u32, u32)> {
    let told: Vec<(u32, Event<u32>)> = sim.events().take().collect();
    let one = |(by, event): (u32, Event<u32>)| match event {
        Event::Changed { peer, to, .. } if to.state == state => Some((by, peer)),
        _ => None,
    };
    let correct = |by: u32| sim.node(by).is_some_and(|node| !node.is_cheat());
    told.into_iter().filter_map(one).filter(|&(by, _)| correct(by)).collect()
}

/// Test 1 of the papers' notes: the least t with n P[Bin(2t + 1, p) > t] < .1 and < 1e-3, for n of
/// 100, 1,000 and 10,000.
#[test]
fn the_ring_table() {
    let table = [
        (0.10, [4, 6, 9], [9, 11, 13]),
        (0.20, [10, 15, 20], [20, 25, 30]),
        (0.25, [16, 24, 31], [31, 39, 47]),
    ];
    for (p, likely, sure) in table {
        for (at, n) in [100, 1_000, 10_000].into_iter().enumerate() {
            assert_eq!(tolerated(n, p, 0.1), Some(likely[at]), "n = {n}, p = {p}");
            assert_eq!(tolerated(n, p, 1e-3), Some(sure[at]), "n = {n}, p = {p}");
        }
    }
    assert_eq!(tolerated(100, 0.0, 0.1), Some(1));
    assert_eq!(tolerated(100, 0.5, 0.1), None);
    assert_eq!(tolerated(100, f64::NAN, 0.1), None);
    assert_eq!(tolerated(100, 0.1, f64::NAN), None);
}

/// Each ring is an order of its own: of 200 members, the predecessors of one on 101 rings are all
/// different but for chance: 200 (1 - (1 - 1/200)^101) = 79.5 expected, deviation 3.9 or less; and
/// the successor of the predecessor is the member.
#[test]
fn rings_are_independent_orders() {
    let rings = Rings::tolerating(50, 7).unwrap();
    let number = |at: u32| Key::new(1).random(at.into()).next_u64();
    let others = |but: u32| (0..=200).filter(move |&at| at != but).map(move |at| (at, number(at)));
    let before: Vec<u32> =
        (0..101).filter_map(|ring| rings.predecessor(ring, number(0), others(0))).collect();
    assert_eq!(before.len(), 101);
    let different = before.iter().collect::<BTreeSet<_>>().len() as f64;
    assert!((different - 79.5).abs() < 16.0, "{different}");
    for (ring, &one) in before.iter().enumerate() {
        assert_eq!(rings.successors(number(one), &others(one))[ring], 0);
    }
}

/// Small groups join, lose a member to a crash, take it back, and restart it without its state.
#[test]
fn groups_of_one_to_seven_hold() {
    for n in [1, 2, 3, 5, 7] {
        let seed = u64::from(n);
        let mut sim = honest_cluster(n, config(2), seed);
        sim.run_for(SECOND * 120);
        assert_eq!(turned(&mut sim, State::Dead), [], "n = {n}");
        if n == 1 {
            continue;
        }
        sim.crash(n - 1);
        agreement(&mut sim, 40, seed);
        sim.revive(n - 1);
        agreement(&mut sim, 100, seed);
        sim.crash(n - 1);
        sim.run_for(SECOND);
        sim.restart(n - 1).unwrap();
        sim.contact(n - 1, 0);
        agreement(&mut sim, 40, seed);
        sim.run_for(SECOND * 60);
        assert_eq!(disagreement(&sim), None, "n = {n}");
        let epoch = sim.node(n - 1).unwrap().honest().epoch();
        assert!((1..8).contains(&epoch), "it goes on where it was: {epoch}; n = {n}");
    }
}

const WORST: Malice = Malice { accuse: true, unfounded: true, replay: true };

/// Test 2 of the papers' notes: n = 100, of which 20 lie, t = 20: they accuse everybody on all
/// rings, for ever, pass nothing on, and replay all they heard. No correct member is removed by any
/// other, not even for a while. Crashed ones are removed from all correct views within misses, 2
/// Delta and the gossip: 4 + 20 + 12 periods.
#[test]
fn a_fifth_that_accuses_everybody_for_ever_removes_nobody() {
    let seed = 10;
    let mut sim = cluster(100, config(20), (20, WORST), seed);
    sim.run_for(SECOND * 30);
    assert_eq!(turned(&mut sim, State::Dead).len(), 0, "seed {seed}");
    let accused = sim.nodes().filter(|(_, node)| node.honest().epoch() > 0).count();
    assert!(accused >= 79, "{accused} were accused; seed {seed}");
    (0..5).for_each(|node| _ = sim.crash(node));
    let periods = agreement(&mut sim, 36, seed);
    assert!(periods >= 20, "{periods}; seed {seed}");
    assert!(turned(&mut sim, State::Dead).iter().all(|&(_, one)| one < 5), "seed {seed}");
    assert!(sim.counts().total("accusation by no predecessor") > 1_000);
    assert!(sim.counts().total("accusation void") > 1_000);
}

/// The same in a larger group, which signs more notes than a message a round could carry: all are
/// accused at once, n = 128 of which 26 lie. Accusations by liars that are no predecessors make
/// few sign: of three members asked in a row all must lie, .2^3 of all rounds, some 30 notes of 102
/// members in 40 rounds. Each ring with a liar before one costs another, some 9 a member.
#[test]
fn in_a_larger_group_rebuttals_keep_up_with_accusations() {
    let seed = 22;
    let t = tolerated(128, 0.2, 1e-3).unwrap();
    let mut sim = cluster(128, config(t), (26, WORST), seed);
    sim.run_for(SECOND * 40);
    assert_eq!(turned(&mut sim, State::Dead).len(), 0, "seed {seed}");
    let correct = sim.nodes().filter(|(_, node)| !node.is_cheat());
    let notes: u32 = correct.map(|(_, node)| node.honest().epoch()).sum();
    assert!(notes < 102 * 15, "{notes} notes were signed; seed {seed}");
}

/// Those accused disable the liars' rings one after the other, up to t of them, each within half a
/// Delta: then it is quiet, whatever the liars say. n = 40, 8 liars, t = 18 by the table's rule.
#[test]
fn liars_rings_are_disabled_and_then_it_is_quiet() {
    let seed = 20;
    let t = tolerated(40, 0.2, 1e-3).unwrap();
    let mut sim = cluster(40, config(t), (8, WORST), seed);
    sim.run_for(SECOND * 5 * u32::from(t));
    assert_eq!(turned(&mut sim, State::Dead).len(), 0, "seed {seed}");
    sim.run_for(SECOND * 30);
    assert_eq!(turned(&mut sim, State::Suspected).len(), 0, "seed {seed}");
    let correct = || sim.nodes().filter(|(_, node)| !node.is_cheat());
    let disabled: usize = correct().map(|(_, node)| node.honest().disabled().len()).sum();
    // Of 37 rings, 8/39 have a lying predecessor: 243 of 32 members, deviation some 14.
    assert!((disabled as f64 - 243.0).abs() < 70.0, "{disabled}; seed {seed}");
}

/// The control: with t = 1 a fifth of liars is too many. P[Bin(3, .2) > 1] = .104 of 40 correct
/// members have two lying predecessors or more of three, who keep them accused.
#[test]
fn with_too_few_rings_liars_keep_members_accused_for_ever() {
    let seed = 11;
    let malice = Malice { accuse: true, ..Malice::default() };
    let mut sim = cluster(50, config(1), (10, malice), seed);
    sim.run_for(SECOND * 120);
    turned(&mut sim, State::Suspected);
    sim.run_for(SECOND * 60);
    let accused: BTreeSet<u32> =
        turned(&mut sim, State::Suspected).into_iter().map(|(_, one)| one).collect();
    assert!(!accused.is_empty(), "control; seed {seed}");
    // And only these: more than one lying predecessor.
    let liar = |at: u32| at >= 40;
    let number = |at: u32| admit(at, seed).1.number;
    let rings = Rings::tolerating(1, 0).unwrap();
    for &one in &accused {
        let others = || (0..50).filter(|&at| at != one).map(|at| (at, number(at)));
        let before = (0..3).filter_map(|ring| rings.predecessor(ring, number(one), others()));
        assert!(before.filter(|&at| liar(at)).count() > 1, "{one}; seed {seed}");
    }
}

/// Test 3 of the papers' notes: liars that are mute and accuse nobody. With t = 1 and p = 1/2 a
/// crash goes unnoticed where all three predecessors are mute, and nowhere else: with probability
/// p^3. Of 30 crashed, some 3.75 are expected to be kept; the test asks for exactly those.
#[test]
fn mute_liars_hide_a_crash_only_if_they_hold_all_rings() {
    let (n, seed) = (120, 12);
    let mut sim = cluster(n, config(1), (n / 2, Malice::default()), seed);
    sim.run_for(SECOND * 3);
    let number = |at: u32| admit(at, seed).1.number;
    let rings = Rings::tolerating(1, 0).unwrap();
    let mut hidden = BTreeSet::new();
    let crashed: BTreeSet<u32> = (0..30).collect();
    for &one in &crashed {
        sim.crash(one);
        // Predecessors that crash as well are removed, and others step in: only if they are found.
        let mut rest: Vec<u32> = (0..n).filter(|at| !crashed.contains(at)).collect();
        rest.retain(|&at| at != one);
        let others = || rest.iter().map(|&at| (at, number(at)));
        let before = (0..3).filter_map(|ring| rings.predecessor(ring, number(one), others()));
        if before.into_iter().all(|at| at >= n / 2) {
            hidden.insert(one);
        }
    }
    sim.run_for(SECOND * 200);
    for (_, node) in sim.nodes().filter(|(_, node)| !node.is_cheat()) {
        let kept = crashed.iter().filter(|&&one| {
            node.honest().standing(one).is_some_and(|standing| standing.state.is_member())
        });
        let kept: BTreeSet<u32> = kept.copied().collect();
        // Who hides behind a hidden one is hidden, too.
        assert!(kept.is_superset(&hidden), "{kept:?}, not {hidden:?}; seed {seed}");
        assert!(kept.len() <= hidden.len() + 3, "{kept:?}, not {hidden:?}; seed {seed}");
    }
    assert!((1..12).contains(&hidden.len()), "{hidden:?}; seed {seed}");
}

fn datagram(message: &Said) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header::of::<Said>(ClusterId::default()).write(&mut bytes);
    message.encode(&mut bytes);
    bytes
}

fn news(notes: &[Note<u32, u32, u64>], accusations: &[Accusation<u32, u64>]) -> Said {
    let mut news = News { notes: Bounded::new(), accusations: Bounded::new() };
    news.notes.fill(notes.iter().copied());
    news.accusations.fill(accusations.iter().copied());
    Message::News(news)
}

fn accuse(signer: &Keyed, by: u32, whom: (u32, u32), ring: u8) -> Accusation<u32, u64> {
    Accusation::sign(signer, by, whom, ring)
}

/// What node 7 can sign about the others: in another's name, about an epoch that is not, on a ring
/// that is not, about nobody.
fn unproven_accusations(seven: &Keyed) -> Vec<Vec<Accusation<u32, u64>>> {
    let mut all = Vec::new();
    for victim in 1..7 {
        for ring in 0..5 {
            for accuser in (0..8).filter(|&at| at != victim) {
                let name = if accuser == 7 { 0 } else { accuser };
                let forged = accuse(seven, name, (victim, 0), ring);
                all.push(vec![forged, accuse(seven, 7, (victim, 5), ring)]);
            }
        }
        all.push(vec![accuse(seven, 7, (victim, 0), 200)]);
        all.push(vec![accuse(seven, 7, (99, 0), 0)]);
    }
    all
}

/// Notes that prove nothing: of members the authority has not admitted, at other addresses than it
/// has, signed by others, with more than t rings disabled or rings that do not exist. And
/// accusations that name no ring, no member, an old epoch, or are signed by others.
#[test]
fn what_proves_nothing_is_ignored_and_counted() {
    let seed = 13;
    let mut sim = honest_cluster(8, config(2), seed);
    let (ann, certificate) = admit(7, seed);
    let (stranger, _) = admit(50, seed);
    let note = |signer: &Keyed, certificate, epoch, mask| {
        Note::sign(signer, certificate, (epoch, false), (mask, 0))
    };
    let self_made = Certificate::issue(&stranger, 50, 50, 1);
    let elsewhere = Certificate { address: 50, ..certificate };
    let moved = Certificate { number: 1, ..certificate };
    let bad = [
        note(&stranger, self_made, 9, 0),
        note(&ann, elsewhere, 9, 0),
        note(&ann, moved, 9, 0),
        note(&stranger, certificate, 9, 0),
        note(&ann, certificate, 9, 0b111),
        note(&ann, certificate, 9, 1 << 5),
        Note { left: true, ..note(&ann, certificate, 9, 0) },
        Note { epoch: 10, ..note(&ann, certificate, 9, 0) },
    ];
    for one in bad {
        sim.inject(7, 0, datagram(&news(&[one], &[])));
    }
    // Another key at a known address, even if the authority should admit it.
    let authority = Authority::new(seed).signer(AUTHORITY);
    let second = Certificate::issue(&authority, 7, 50, 1);
    sim.inject(7, 0, datagram(&news(&[note(&stranger, second, 9, 0)], &[])));
    for accusation in unproven_accusations(&ann) {
        sim.inject(7, 0, datagram(&news(&[], &accusation)));
    }
    sim.inject(50, 0, datagram(&news(&[], &[accuse(&stranger, 50, (1, 0), 0)])));
    sim.inject(7, 0, datagram(&Message::Pong(3, 4)));
    sim.run_for(SECOND * 40);
    assert_eq!(turned(&mut sim, State::Suspected), [], "seed {seed}");
    assert_eq!(disagreement(&sim), None, "seed {seed}");
    assert!(sim.nodes().all(|(_, node)| node.honest().epoch() == 0), "seed {seed}");
    let counts = sim.counts();
    let expected = [
        ("bad note", bad.len() as u64),
        ("another key at a known address", 1),
        ("accusation on no ring", 6),
        ("accusation of a stranger", 6),
        ("news from a stranger", 1),
        ("answer to no question", 1),
    ];
    for (cause, times) in expected {
        assert_eq!(counts.total(cause), times, "{cause}");
    }
    assert!(counts.total("accusation void") >= 6 * 35);
    // Those in the name of who really is the predecessor, and is not the one that is told.
    let number = |at: u32| admit(at, seed).1.number;
    let rings = Rings::tolerating(2, 0).unwrap();
    let before = |victim: u32, ring| {
        let others = (0..8).filter(|&at| at != victim).map(|at| (at, number(at)));
        rings.predecessor(ring, number(victim), others)
    };
    let places = (1..7).flat_map(|victim| (0..5).map(move |ring| (victim, ring)));
    let named = places.filter(|&(victim, ring)| (1..7).contains(&before(victim, ring).unwrap()));
    assert_eq!(counts.total("bad accusation"), named.count() as u64);
}

/// A predecessor's accusation of a member that is alive: rebutted by a note of the next epoch that
/// disables the ring; the accusation, and the old note, said again, are void.
#[test]
fn an_accusation_is_rebutted_and_void_afterwards() {
    let seed = 14;
    let mut sim = honest_cluster(8, config(2), seed);
    let number = |at: u32| admit(at, seed).1.number;
    let rings = Rings::tolerating(2, 0).unwrap();
    let others = (0..8).filter(|&at| at != 3).map(|at| (at, number(at)));
    let accuser = rings.predecessor(1, number(3), others).unwrap();
    let old = *sim.node(0).unwrap().honest().note(3).unwrap();
    let said = Accusation::sign(&admit(accuser, seed).0, accuser, (3, 0), 1);
    let hears = (0..8).find(|&at| at != 3 && at != accuser).unwrap();
    for _ in 0..10 {
        sim.inject(accuser, hears, datagram(&news(&[], &[said])));
        sim.run_for(SECOND * 3);
        sim.inject(accuser, hears, datagram(&news(&[old], &[])));
    }
    assert!(!turned(&mut sim, State::Suspected).is_empty(), "seed {seed}");
    let node = sim.node(3).unwrap().honest();
    assert_eq!((node.epoch(), node.disabled()), (1, &[1][..]), "seed {seed}");
    for (at, node) in sim.nodes().filter(|&(at, _)| at != 3) {
        let note = node.honest().note(3).unwrap();
        assert!(note.epoch == 1 && note.disables(1), "at {at}; seed {seed}");
    }
    assert_eq!(disagreement(&sim), None, "seed {seed}");
    assert!(sim.counts().total("accusation void") >= 8);
}

/// Whom one has removed, others may have believed a Delta later, and they wait for two more: so one
/// rebuts what such a predecessor says for 3 Delta. The control: no longer than that.
#[test]
fn a_predecessor_removed_a_short_time_ago_is_rebutted() {
    let seed = 18;
    let number = |at: u32| admit(at, seed).1.number;
    let rings = Rings::tolerating(2, 0).unwrap();
    let others = |victim| (0..8).filter(move |&at| at != victim).map(|at| (at, number(at)));
    let victim = |&at: &u32| rings.predecessor(0, number(at), others(at)) == Some(5);
    let victim = (0..8).find(victim).unwrap();
    for (seconds, epoch) in [(0, 1), (28, 1), (32, 0)] {
        let mut sim = honest_cluster(8, config(2), seed);
        sim.crash(5);
        let removed = |sim: &Cluster| {
            let held = sim.node(victim).unwrap().honest().standing(5).unwrap();
            held.state == State::Dead
        };
        while !removed(&sim) {
            sim.run_for(SECOND);
        }
        sim.run_for(SECOND * seconds);
        let said = Accusation::sign(&admit(5, seed).0, 5, (victim, 0), 0);
        sim.inject((victim + 1) % 5, victim, datagram(&news(&[], &[said])));
        sim.run_for(SECOND * 2);
        let node = sim.node(victim).unwrap().honest();
        assert_eq!(node.epoch(), epoch, "{seconds} s after the removal; seed {seed}");
    }
}

/// A partition of five minutes: both sides remove each other, and are one again afterwards.
#[test]
fn partitions_merge_by_themselves() {
    let seed = 15;
    let mut sim = honest_cluster(16, config(3), seed);
    (0..8).for_each(|node| sim.link_mut().set_side(node, 1));
    sim.run_for(SECOND * 300);
    assert!(sim.nodes().all(|(_, node)| node.honest().degree() == 7), "seed {seed}");
    sim.link_mut().heal();
    agreement(&mut sim, 120, seed);
}

/// 20 % of all datagrams are lost: three misses in a row of .36 each are some .047, so accusations
/// there are; they are rebutted, and nobody is removed.
#[test]
fn loss_accuses_and_removes_nobody() {
    let seed = 16;
    let mut sim = honest_cluster(20, config(3), seed);
    sim.link_mut().set_loss(0.2).unwrap();
    sim.run_for(SECOND * 300);
    assert_eq!(disagreement(&sim), None, "seed {seed}");
    let told: Vec<_> = sim.events().take().collect();
    let count = |state| {
        let is =
            |event: &Event<u32>| matches!(event, Event::Changed { to, .. } if to.state == state);
        told.iter().filter(|(_, event)| is(event)).count()
    };
    assert!(count(State::Suspected) > 100, "seed {seed}");
    assert_eq!(count(State::Dead), 0, "seed {seed}");
}

/// A member that leaves is known to have left, not to be dead; and hears that three know.
#[test]
fn who_leaves_is_not_removed() {
    let seed = 17;
    let mut sim = honest_cluster(8, config(2), seed);
    sim.command(3, Command::Leave(3)).unwrap();
    sim.run_for(SECOND * 20);
    let gone = sim.events().take().any(|(_, event)| matches!(event, Event::Gone(3..)));
    assert!(gone, "seed {seed}");
    sim.crash(3);
    sim.run_for(SECOND * 60);
    assert_eq!(turned(&mut sim, State::Dead), [], "seed {seed}");
    let left = |node: &Node| node.honest().standing(3).map(|one| one.state) == Some(State::Left);
    assert!(sim.nodes().all(|(_, node)| left(node)), "seed {seed}");
}

/// Under any schedule of faults, once the network is fair again, all that live agree; tables and
/// disabled rings stay within their bounds.
#[test]
fn trial_all_that_live_agree_once_the_network_is_fair() {
    let settled = |sim: &Cluster| {
        Violation::unless(disagreement(sim).is_none(), || format!("{:?}", disagreement(sim)))
    };
    let invariants = move || -> Invariants<Node> {
        vec![
            Box::new(SoundViews::new(24, |node: &Node| node.honest())),
            Box::new(Bounds::new("known", 24, |node: &Node| node.honest().known().count())),
            Box::new(Bounds::new("disabled", 2, |node: &Node| node.honest().disabled().len())),
            Box::new(Finally::new(settled)),
        ]
    };
    let config = Config { members: 24, remembered: 12, recontact: 16, ..config(2) };
    let make = move |at| {
        let (signer, certificate) = admit(at, 18);
        Member::new(Fireflies::new(config, signer, certificate).unwrap(), None)
    };
    Trial::new(6, make)
        .prepare(|sim| sim.run_for(SECOND * 20))
        .faults(Kinds::ALL)
        .schedule(16, SECOND * 40, SECOND * 200)
        .healing()
        .cases(16)
        .check(invariants);
}

/// Parameters out of bounds, and certificates that do not admit, are named.
#[test]
fn parameters_out_of_bounds_are_named() {
    let (signer, certificate) = admit(1, 1);
    let new = |config, certificate| {
        Fireflies::new(config, signer.clone(), certificate).map_err(|error| error.parameter).err()
    };
    assert_eq!(new(config(0), certificate), Some("tolerated t"));
    assert_eq!(new(config(64), certificate), Some("tolerated t"));
    assert_eq!(new(Config { fanout: 0, ..config(1) }, certificate), Some("fanout"));
    assert_eq!(new(Config { delta: Duration::ZERO, ..config(1) }, certificate), Some("Delta"));
    assert_eq!(new(Config { timeout: SECOND * 2, ..config(1) }, certificate), Some("timeout"));
    assert_eq!(new(Config { misses: 17, ..config(1) }, certificate), Some("level"));
    assert_eq!(new(config(1), admit(2, 1).1), Some("certificate"));
    assert_eq!(new(config(1), admit(1, 2).1), Some("certificate"));
    assert_eq!(new(config(1), certificate), None);
}

/// With Ed25519 and socket addresses each message fits a datagram, and members find each other.
#[cfg(feature = "secure")]
#[test]
fn ed25519_fits_and_works() {
    use core::net::SocketAddr;
    use gossip_core::auth::Ed25519;
    type Wide = Message<SocketAddr, [u8; 32], ([u8; 32], [u8; 32])>;
    const { assert!(Wide::MAX_LEN <= 1_120) };
    let secret = |at: u32| Ed25519::from_secret(&[at as u8 + 1; 32]);
    let make = move |at| {
        let (authority, signer) = (secret(200), secret(at));
        let number = Key::new(1).random(at.into()).next_u64();
        let certificate = Certificate::issue(&authority, at, signer.key(), number);
        Fireflies::new(Config::new(authority.key(), 1), signer, certificate).unwrap()
    };
    let mut sim = Simulation::new(6, make, links(), event::Config::seeded(1)).unwrap();
    (1..6).for_each(|node| sim.contact(node, 0));
    sim.run_for(SECOND * 10);
    assert!(sim.nodes().all(|(_, node)| node.degree() == 5));
    sim.crash(2);
    sim.run_for(SECOND * 30);
    assert!(sim.nodes().all(|(_, node)| node.degree() == 4));
}
