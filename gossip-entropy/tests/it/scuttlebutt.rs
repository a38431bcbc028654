//! Scuttlebutt: what is known has no gaps, how long it is stale, and who may make how much.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_core::node as core;
use gossip_core::packet::{ClusterId, Header};
use gossip_core::random::Key;
use gossip_core::sampling::Fixed;
use gossip_core::sim::{cycle, event};
use gossip_core::testkit::{Finally, Invariants, Trial, Violation};
use gossip_core::wire::{Blob, Finite};
use gossip_core::{PeerId, Protocol, Refusal, Wire, stack};
use gossip_entropy::Page;
use gossip_entropy::scuttlebutt::{self, Command, Config, Order, Scuttlebutt, message};
use proptest::prelude::*;

const MOST: usize = 128;

stack! {
    /// What each says of itself, among nodes that know all others.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Fixed<I, MOST>,
        #[uses(peers)]
        says: Scuttlebutt<I, 8, 8>,
    }
}

type Asked = <Node<u32> as Protocol>::Command;
type Sim = cycle::Simulation<Node<u32>>;

fn node(at: u32, nodes: u32, config: Config) -> Node<u32> {
    let others = (0..nodes).filter(|&peer| peer != at);
    Node::new(Fixed::new(others), Scuttlebutt::new(config).unwrap())
}

fn group(nodes: u32, config: Config, seed: u64) -> Sim {
    Sim::new((0..nodes).map(|at| node(at, nodes, config)), seed, cycle::Order::Sequential)
}

fn set(key: u32, value: u32) -> Asked {
    Asked::says(Command::set(key.to_string(), value.to_string()).unwrap())
}

/// A life, a version, and keys with their values.
type State = (u64, u64, Vec<(Vec<u8>, Vec<u8>)>);

/// What `node` knows of `origin`: its life and version, and all that it says. `None` if it has said
/// nothing: that is not told.
fn known(node: &Node<u32>, origin: u32) -> Option<State> {
    let mut origins =
        node.says.origins().filter(|&(name, _, version)| name == origin && version > 0);
    let (_, generation, version) = origins.next()?;
    let says = node.says.of(origin).map(|(key, value)| (key.to_vec(), value.to_vec()));
    Some((generation, version, says.collect()))
}

/// The paper's C(p, q), as far as it shows: who knows an origin up to its version knows its state.
fn equal_versions_are_equal_states(sim: &event::Simulation<Node<u32>>) -> Result<(), Violation> {
    for (origin, own) in sim.nodes() {
        let Some(own) = known(own, origin) else { continue };
        for (at, node) in sim.nodes() {
            let Some(theirs) = known(node, origin) else { continue };
            let same = (theirs.0, theirs.1) == (own.0, own.1);
            let holds = !same || theirs.2 == own.2;
            Violation::unless(holds, || format!("{at} knows {origin} as {theirs:?}, not {own:?}"))?;
        }
    }
    Ok(())
}

fn all_agree(sim: &event::Simulation<Node<u32>>) -> Result<(), Violation> {
    for (origin, own) in sim.nodes() {
        let own = known(own, origin);
        for (at, node) in sim.nodes() {
            let theirs = known(node, origin);
            let what = || format!("{at} knows {origin} as {theirs:?}, not {own:?}");
            Violation::unless(theirs == own, what)?;
        }
    }
    Ok(())
}

/// Under loss, doubling, reordering, cuts, pauses and crashes with and without state: equal
/// versions are equal states at every step, and in the end all know all that each says.
#[test]
fn nothing_known_has_gaps_and_all_agree_in_the_end() {
    const NODES: u32 = 6;
    let second = Duration::from_secs;
    let config = Config { mtu: 3, ..Config::default() };
    let mut trial = Trial::new(NODES, move |at| node(at, NODES, config));
    for step in 0..30 {
        trial = trial.ask(second(u64::from(step) * 2 / 3), step % NODES, set(step / 7, step));
        if step % 5 == 4 {
            let remove = Command::remove((step / 9).to_string()).unwrap();
            trial = trial.ask(second(u64::from(step) * 2 / 3), step % NODES, Asked::says(remove));
        }
    }
    let (span, rest) = (second(20), second(40));
    trial.schedule(20, span, rest).healing().cases(48).check(|| {
        let invariants: Invariants<Node<u32>> =
            vec![Box::new(equal_versions_are_equal_states), Box::new(Finally::new(all_agree))];
        invariants
    });
}

/// Updates of every origin: when each was made, and to which key. Versions count from 1.
struct Load {
    made: Vec<Vec<(u32, u32)>>,
}

impl Load {
    /// The longest that anything current has been unknown somewhere, in rounds, and how many keys
    /// are not known as they are, a node.
    fn stale(&self, sim: &Sim, now: u32) -> (u32, f64) {
        let (mut longest, mut count) = (0, 0);
        for (_, node) in sim.nodes() {
            for (origin, _, version) in node.says.origins() {
                let later = &self.made[origin as usize][version as usize..];
                longest = longest.max(later.first().map_or(0, |first| now - first.0));
                count += later.iter().map(|made| made.1).collect::<BTreeSet<_>>().len();
            }
        }
        (longest, count as f64 / self.made.len() as f64)
    }
}

/// Figure 2: 128 participants with 64 keys each, a message of 100 deltas; one update a second each,
/// two from 25 to 75, one until 120, none after. The most of both kinds of staleness, and when all
/// was known.
fn overload(order: Order, seed: u64) -> (u32, f64, u32) {
    const NODES: u32 = 128;
    let config = Config { order, rate: 1e6, generation: Some(1), ..Config::default() };
    let mut sim = group(NODES, config, seed);
    let mut random = Key::new(seed).with(9).random(0);
    let mut load = Load { made: vec![Vec::new(); NODES as usize] };
    let (mut longest, mut most) = (0, 0.0_f64);
    for now in 0..160 {
        let rate = if now >= 120 { 0 } else { 1 + u32::from((25..75).contains(&now)) };
        for origin in 0..NODES {
            for _ in 0..rate {
                let made = &mut load.made[origin as usize];
                let key = random.below(64) as u32;
                made.push((now, key));
                sim.command(origin, set(key, made.len() as u32)).unwrap();
            }
        }
        sim.run(1);
        let (age, count) = load.stale(&sim, now);
        (longest, most) = (longest.max(age), most.max(count));
        if now >= 120 && count == 0.0 {
            return (longest, most, now);
        }
    }
    (longest, most, u32::MAX)
}

/// Figure 2, by eye: the longest staleness is 60 s breadth first and 23 s depth first, by another
/// simulation 69 and 37; keys that are stale are 3,050 and 2,200 (2,837 and 2,116). All is known by
/// 123 to 130 s. Here: 37 and 31 rounds, 2,706 and 1,853 keys, 127 and 124 rounds: breadth first is
/// not as bad as there. What is asserted is the order, and the bounds of the notes.
#[test]
fn depth_first_is_stale_for_a_shorter_time_under_overload() {
    let [breadth, depth] = [Order::Breadth, Order::Depth].map(|order| overload(order, 1));
    println!("longest, most and end: breadth {breadth:?}, depth {depth:?}");
    assert!(depth.0 <= 40 && depth.0 < breadth.0, "{depth:?}, {breadth:?}");
    assert!(depth.1 < 0.8 * breadth.1, "stale keys: {depth:?}, {breadth:?}");
    assert!(depth.2 <= 132 && breadth.2 <= 132, "not all is known: {depth:?}, {breadth:?}");
}

/// Figure 3: nodes that want to make more than can be told settle at what can be, in all a multiple
/// of a message whatever its length: 1.2 there, 1.8 here, where each takes part in two exchanges a
/// round and its keys are written over.
#[test]
fn rates_settle_at_what_messages_hold() {
    for (nodes, mtu) in [(64, 60), (64, 30)] {
        let config = Config { mtu, rate: 8.0, generation: Some(1), ..Config::default() };
        let mut sim = group(nodes, config, 3);
        let mut random = Key::new(3).with(9).random(0);
        let (mut value, mut refused, mut sum) = (0, 0, 0.0);
        for now in 0..120 {
            for origin in 0..nodes {
                for _ in 0..4 {
                    value += 1;
                    refused += u32::from(
                        sim.command(origin, set(random.below(64) as u32, value)).is_err(),
                    );
                }
            }
            sim.run(1);
            if now >= 70 {
                sum += sim.nodes().map(|(_, node)| node.says.rate()).sum::<f64>() / 50.0;
            }
        }
        println!("{nodes} nodes, {mtu} deltas: N tau = {sum:.1}; {refused} refused");
        let share = sum / f64::from(mtu);
        assert!((1.0..2.0).contains(&share) && refused > 0, "{nodes} nodes, {mtu}: {share}");
    }
}

/// Removed keys take room until the life ends; then the next begins, and others forget them. What
/// has no room is refused, and what is the same costs nothing.
#[test]
fn removed_keys_make_room_in_another_life() {
    let config = Config { keys: 4, generation: Some(5), ..Config::default() };
    let mut sim = group(8, config, 1);
    for key in 0..4 {
        sim.command(0, set(key, 1)).unwrap();
    }
    sim.run(10);
    let before = known(sim.node(0).unwrap(), 0).unwrap();
    assert_eq!(sim.command(0, set(9, 1)), Err(Refusal::Full { limit: 4 }));
    assert_eq!(known(sim.node(0).unwrap(), 0).unwrap(), before, "a refusal changes nothing");
    sim.command(0, Asked::says(Command::remove("2").unwrap())).unwrap();
    sim.run(10);
    sim.command(0, set(9, 1)).unwrap();
    sim.run(10);
    for (at, node) in sim.nodes() {
        let (generation, _, says) = known(node, 0).unwrap();
        let keys: Vec<&[u8]> = says.iter().map(|(key, _)| &key[..]).collect();
        assert!(generation > 5 && keys == [b"0", b"1", b"3", b"9"], "{at}: {generation}, {keys:?}");
    }
    let before = known(sim.node(0).unwrap(), 0).unwrap();
    sim.command(0, set(9, 1)).unwrap();
    assert_eq!(known(sim.node(0).unwrap(), 0).unwrap(), before, "nothing has changed");
}

/// More origins than a digest holds: ranges of them, in turn, tell all.
#[test]
fn digests_of_ranges_tell_all() {
    let config = Config { generation: Some(u64::MAX / 3), ..Config::default() };
    let mut sim = group(128, config, 2);
    (0..128).for_each(|at| {
        sim.command(at, set(at % 3, at)).unwrap();
    });
    sim.run(40);
    for (at, node) in sim.nodes() {
        let says = (0..128).filter(|&origin| {
            let value = origin.to_string();
            node.says.get(origin, (origin % 3).to_string()) == Some(value.as_bytes())
        });
        assert_eq!(says.count(), 128, "node {at}");
    }
}

type Word = scuttlebutt::Message<u32, 8, 8>;
type Claim = (u32, u64, u64, u64, u32, Option<u32>);

fn delta((origin, generation, after, version, key, value): Claim) -> message::Delta<u32, 8, 8> {
    let blob = |number: u32| Blob::new(number.to_string()).unwrap();
    let (key, value) = (blob(key), value.map(blob));
    message::Delta { origin, generation, after, version, key, value }
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let number = || prop_oneof![0_u64..6, Just(u64::MAX - 1), Just(u64::MAX)];
    let claim = (0_u32..9, number(), number(), number(), 0_u32..9, prop::option::of(0_u32..9));
    prop::collection::vec(claim, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a peer claims, of others or of this node itself: bounds hold, what this node says
    /// stays as it was, and its life goes on, but for later ones.
    #[test]
    fn claims_change_nothing_of_ones_own_and_stay_within_bounds(
        said in claims(),
        asks in any::<bool>(),
        from in prop::option::of(0_u32..9),
        to in prop::option::of(0_u32..9),
    ) {
        let config =
            Config { origins: 4, keys: 3, mtu: 5, generation: Some(3), ..Config::default() };
        let own = core::Config::default();
        let mut node = core::Node::new(0_u32, node(0, 9, config), own).unwrap();
        let (clock, mut effects) = (core::Clock::default(), core::Effects::default());
        node.round(clock, &mut effects);
        for key in 0..3 {
            node.command(set(key, key), clock, &mut effects).unwrap();
        }
        effects.datagrams.clear();
        let says = |node: &core::Node<Node<u32>>| known(node.stack(), 0).unwrap().2;
        let before = says(&node);
        let (mut page, mut digest) = (Page::new(), Page::new());
        for claim in said {
            page.push(&delta(claim));
            let (origin, generation, _, version, ..) = claim;
            digest.push(&message::Known { origin, generation, version });
        }
        let digest = message::Digest { from, to, known: digest };
        let rate = Finite::new(-7.0).unwrap();
        let rates = message::Rates { made: Finite::new(f64::MAX).unwrap(), most: rate };
        let last = if asks { Word::Ask(digest, rates) } else { Word::Answer(digest, rate) };
        for word in [Word::Deltas(page, true), last] {
            let mut bytes = Vec::new();
            Header::of::<<Node<u32> as Protocol>::Message>(ClusterId::default()).write(&mut bytes);
            <Node<u32> as Protocol>::Message::says(word).encode(&mut bytes);
            node.datagram(5, &bytes, clock, &mut effects);
        }
        let names = &node.stack().says;
        prop_assert!(names.origins().count() <= 4);
        prop_assert!(names.origins().all(|(origin, ..)| names.of(origin).count() <= 3));
        prop_assert_eq!(says(&node), before);
        prop_assert!(names.rate() >= 0.0);
        prop_assert!(effects.datagrams.len() <= 2, "{} datagrams", effects.datagrams.len());
    }
}
