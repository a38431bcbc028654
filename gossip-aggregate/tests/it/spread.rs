//! Spreading of values with a merge of their own: by push-pull, whatever is lost or comes twice.

use std::time::Duration;

use crate::common::Uniform;
use gossip_aggregate::epoch::Config;
use gossip_aggregate::extrema::Draws;
use gossip_aggregate::hyperloglog::Census;
use gossip_aggregate::merge::{Greatest, Own, Source};
use gossip_aggregate::spread::Spread;
use gossip_aggregate::{Estimate, Extrema, Merge, Top, Union};
use gossip_core::packet::HEADER;
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Link, Network, Perfect};
use gossip_core::testkit::{Finally, Kinds, Trial, Violation};
use gossip_core::{Finite, PeerId, Protocol, Wire, message, stack};

type Sim<S, L = Perfect> = Simulation<Spread<u32, S>, Uniform, L>;

/// `nodes` that bring what `config` says, over uniform peers.
fn start<S: Source, L: Link>(
    nodes: u32,
    seed: u64,
    link: L,
    config: impl Fn(u32) -> Config<S>,
) -> Sim<S, L> {
    let nodes_of = (0..nodes).map(|at| Spread::new(config(at)).unwrap());
    Simulation::with(nodes_of, seed, Order::Sequential, Uniform::of(nodes), link)
}

fn endless<S: Source>(source: S) -> Config<S> {
    Config::founding(source).endless()
}

/// Karp et al., FOCS 2000: push-pull reaches all in log3 N + O(log log N) rounds. Of 1,000 nodes:
/// 6.3, and an independent simulation took 14 rounds for 10^5, so 14 are enough by far. A value
/// that is lost in six messages of ten takes longer, and comes out the same. The control: after
/// three rounds each node has met 6 others on average, and these as many, so not all agree.
#[test]
fn all_nodes_agree_soon_and_loss_and_copies_do_not_matter() {
    for seed in 1..6 {
        let config = |_| endless(Draws::<20>::counting());
        let mut sim = start(1_000, seed, Perfect, config);
        let agreed = |sim: &Sim<Draws<20>>| {
            let first = sim.node(0).unwrap().value();
            sim.nodes().all(|(_, node)| node.value() == first)
        };
        sim.run(3);
        assert!(!agreed(&sim), "seed {seed}: the control agrees after 3 rounds");
        sim.run(11);
        assert!(agreed(&sim), "seed {seed}: not all agree after 14 rounds");

        let lossy = Network::default().loss(0.6).unwrap().duplication(0.3).unwrap();
        let mut other = start(1_000, seed, lossy, config);
        other.run(60);
        let value = sim.node(0).unwrap().value();
        assert!(other.nodes().all(|(_, node)| node.value() == value), "seed {seed}");
    }
}

message! {
    /// A sum, which is no merge.
    #[derive(PartialEq)]
    struct Sum(u64);
}

impl Merge for Sum {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// The control: what is not idempotent does not come out, even if nothing is lost.
#[test]
fn a_sum_counts_twice_what_comes_twice() {
    let mut sim = start(100, 1, Perfect, |at| endless(Own(Sum(u64::from(at) + 1))));
    sim.run(20);
    assert!(sim.nodes().all(|(_, node)| node.value().unwrap().0 > 5_050));
}

/// Mean and standard deviation over runs, relative to `truth`, of what all nodes say after 14
/// rounds. All must say the same.
fn over_runs<S: Source>(
    runs: u64,
    nodes: u32,
    truth: f64,
    estimate: impl Fn(&Spread<u32, S>) -> Option<Estimate>,
    source: impl Fn(u32, u64) -> S,
) -> (f64, f64) {
    let run = |run| {
        let mut sim = start(nodes, run, Perfect, |at| endless(source(at, run)));
        sim.run(14);
        let said: Vec<_> = sim.nodes().map(|(_, node)| estimate(node).unwrap()).collect();
        assert!(said.iter().all(|one| one.value == said[0].value), "run {run}");
        said[0].value / truth
    };
    let values: Vec<f64> = (0..runs).map(run).collect();
    let mean = values.iter().sum::<f64>() / runs as f64;
    let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, (square / (runs as f64 - 1.0)).sqrt())
}

/// Section 3: the estimate has no bias and a relative sd of 1 / sqrt(K - 2): an independent
/// simulation has .1017 at K = 100 and .0491 at K = 400. Over 300 runs the sd is known to 4.1 %
/// and the mean to sd / sqrt(300): four of each. K = 30 sums weights.
#[test]
fn extrema_section_3_the_sd_is_one_over_the_root_of_k_less_2() {
    fn drawn<const K: usize>(nodes: u32, truth: f64, weight: impl Fn(u32) -> f64) {
        let source = |at, run| Draws::<K>::of(weight(at)).unwrap().salted(run);
        let (mean, sd) = over_runs(300, nodes, truth, |node| node.estimate(14), source);
        let expected = 1.0 / (K as f64 - 2.0).sqrt();
        assert!((mean - 1.0).abs() < 4.0 * expected / 300_f64.sqrt(), "K = {K}: mean {mean}");
        assert!((sd / expected - 1.0).abs() < 0.17, "K = {K}: sd {sd}, expected {expected}");
    }
    drawn::<100>(64, 64.0, |_| 1.0);
    drawn::<400>(20, 20.0, |_| 1.0);
    drawn::<30>(40, 820.0 * 2.5 - 2.5, |at| if at == 0 { 0.0 } else { 2.5 * f64::from(at + 1) });
}

/// The same of 300 censuses: 1.04 / sqrt(64) at most, since 64 nodes are counted by zeros.
#[test]
fn a_census_by_hyperloglog_has_no_bias() {
    let source = |_, run| Census::<64>::salted(run);
    let (mean, sd) = over_runs(300, 64, 64.0, |node| node.estimate(14), source);
    assert!((mean - 1.0).abs() < 4.0 * 0.13 / 300_f64.sqrt(), "mean {mean}");
    assert!(sd < 0.13 * 1.17, "sd {sd}");
}

/// Nobody says a number before it has met four in a row who say the same; and then it is complete,
/// but for one node in many. What is said bears its epoch, its age and its sd.
#[test]
fn estimates_say_not_yet_and_how_old_and_how_sure_they_are() {
    let config = |_| Config::founding(Draws::<100>::counting()).epoch(20);
    let mut sim = start(200, 3, Perfect, config);
    sim.run(3);
    assert!(sim.nodes().all(|(_, node)| node.estimate(3).is_none()));
    sim.run(15);
    let full = sim.node(0).unwrap().value().cloned();
    for (at, node) in sim.nodes() {
        let estimate = node.estimate(18).unwrap();
        assert_eq!((node.value(), estimate.epoch, estimate.age), (full.as_ref(), 0, 0), "{at}");
        let sd = estimate.sd.unwrap() / estimate.value;
        assert!((sd - 98_f64.sqrt().recip()).abs() < 1e-12, "{at}");
    }
    sim.run(12);
    for (at, node) in sim.nodes() {
        let estimate = node.estimate(30).unwrap();
        assert!(estimate.epoch == 0 && (8..=10).contains(&estimate.age), "{at}: {estimate:?}");
        assert_eq!(node.last(), full.as_ref(), "{at}");
    }
}

/// What a dead node brought is gone with the epoch after; who joins takes part; what is set counts
/// at once; ties and bounds are the same everywhere.
#[test]
fn epochs_forget_and_joiners_and_commands_count_at_once() {
    let own = |at: u32| Own(Top::<u32, u32, 3>::of(at, at / 2));
    let mut sim = start(100, 4, Perfect, |at| Config::founding(own(at)).epoch(15));
    sim.run(14);
    let all_say = |sim: &Sim<Own<Top<u32, u32, 3>>>, expected: [(u32, u32); 3]| {
        for (at, node) in sim.nodes() {
            assert_eq!(node.value().unwrap().ranking(), expected, "node {at}");
        }
    };
    all_say(&sim, [(49, 98), (49, 99), (48, 96)]);
    sim.kill(98);
    sim.world_mut().live.retain(|&node| node != 98);
    sim.run(15);
    all_say(&sim, [(49, 99), (48, 96), (48, 97)]);
    sim.command(7, Top::of(7, 1_000)).unwrap();
    let newcomer = sim.join(Spread::new(Config::joining(own(200)).epoch(15)).unwrap());
    sim.world_mut().live.push(newcomer);
    sim.run(14);
    all_say(&sim, [(1_000, 7), (100, 200), (49, 99)]);
}

/// Who joins in an epoch knows after a round what the others know of it, and is not counted in it:
/// here it weighs as much as 10^9 others. It is in the next.
#[test]
fn joiners_pass_a_sum_on_and_bring_their_own_to_the_next_epoch() {
    let source = |weight| Draws::<100>::of(weight).unwrap();
    let mut sim = start(100, 7, Perfect, |_| Config::founding(source(1.0)).epoch(20));
    let sum = |sim: &Sim<Draws<100>>, at| sim.node(at).unwrap().value().map(Extrema::sum);
    sim.run(24);
    let newcomer = sim.join(Spread::new(Config::joining(source(1e9)).epoch(20)).unwrap());
    assert_eq!(sum(&sim, newcomer), None);
    sim.world_mut().live.push(newcomer);
    sim.run(1);
    assert!(sum(&sim, newcomer).is_some(), "it has asked at once");
    sim.run(13);
    assert_eq!(sum(&sim, newcomer), sum(&sim, 0));
    assert!(sum(&sim, 0) < Some(200.0));
    sim.run(20);
    assert!(sum(&sim, 0) > Some(1e8));
}

/// An unsound input is refused, an unsound value ignored and counted.
#[test]
fn unsound_values_go_no_further() {
    let mut sim = start(10, 5, Perfect, |at| endless(Own(Union::<u8, 4>::of([at as u8]))));
    let reversed = Union::<u8, 4>::decode_all(&[2, 9, 1]).unwrap();
    assert!(sim.command(3, reversed.clone()).is_err());
    *sim.node_mut(3).unwrap() = Spread::new(endless(Own(reversed))).unwrap();
    sim.run(20);
    assert!(sim.counts().get("", "unsound value") > 0);
    let honest = sim.nodes().filter(|(at, _)| *at != 3);
    honest.for_each(|(_, node)| assert_eq!(node.value().unwrap().members(), [0, 1, 2, 4]));
}

stack! {
    /// A count by extrema and the greatest input, over Newscast.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Newscast<I, 8>,
        #[uses(peers)]
        size: Spread<I, Draws<100>>,
        #[uses(peers)]
        most: Spread<I, Own<Greatest>>,
    }
}

fn node(at: u32) -> Node<u32> {
    let own = Own(Greatest(Finite::new(f64::from(at)).unwrap()));
    Node::new(
        Newscast::new(newscast::Config::default()).unwrap(),
        Spread::new(endless(Draws::counting())).unwrap(),
        Spread::new(endless(own)).unwrap(),
    )
}

/// Once nothing changes, an exchange of 100 numbers takes less than 50 bytes either way; while
/// there is news, more than 200.
#[test]
fn quiet_when_nothing_changes() {
    let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50));
    let network = Network::new(latency);
    let mut sim = event::Simulation::new(30, node, network, event::Config::seeded(6)).unwrap();
    (1..30).for_each(|at| sim.contact(at, at - 1));
    sim.record(100_000);
    let longest = |sim: &mut event::Simulation<Node<u32>>, span| {
        sim.run_for(Duration::from_secs(span));
        let lengths: Vec<usize> = sim
            .recorded()
            .flat_map(|passage| {
                let mut frames = &passage.bytes[HEADER..];
                let next = move || <Node<u32> as Protocol>::Message::decode(&mut frames).ok();
                let sizes = std::iter::from_fn(next).filter(|frame| frame.layer() == "size");
                sizes.map(|frame| frame.encoded_len()).collect::<Vec<_>>()
            })
            .collect();
        lengths.into_iter().max().unwrap()
    };
    assert!(longest(&mut sim, 5) > 200);
    longest(&mut sim, 25);
    assert!(longest(&mut sim, 10) < 50);
    // News again: a command at one node.
    let set = Greatest(Finite::new(1e6).unwrap());
    sim.command(4, <Node<u32> as Protocol>::Command::most(set)).unwrap();
    longest(&mut sim, 20);
    assert!(sim.nodes().all(|(_, node)| node.most.value() == Some(&set)));
}

/// Under every fault: a node's greatest is at least its own, and at most that of all. Once the
/// faults have ended, all have the same; a node that lost its memory is not counted twice.
#[test]
fn after_all_faults_all_have_the_same() {
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(60));
    let kinds = Kinds::NETWORK | Kinds::CRASHES | Kinds::PAUSES;
    let trial = Trial::new(8, node).schedule(16, span, rest).healing().faults(kinds).cases(24);
    let mut calm = event::Simulation::new(8, node, Network::default(), event::Config::seeded(1));
    let calm = calm.as_mut().unwrap();
    (1..8).for_each(|at| calm.contact(at, 0));
    calm.run_for(Duration::from_secs(30));
    let expected: Extrema<100> = calm.node(0).unwrap().size.value().unwrap().clone();
    trial.check(move || {
        let bounds = |sim: &event::Simulation<Node<u32>>| {
            sim.nodes().try_for_each(|(at, node)| {
                let most = node.most.value().map_or(f64::from(at), |most| most.0.get());
                let within = (f64::from(at)..=7.0).contains(&most);
                Violation::unless(within, || format!("node {at} says {most}"))
            })
        };
        let expected = expected.clone();
        let right = move |sim: &event::Simulation<Node<u32>>| {
            sim.nodes().try_for_each(|(at, node)| {
                let same = node.size.value() == Some(&expected);
                Violation::unless(same, || format!("node {at} has other numbers"))?;
                let most = node.most.value().map(|most| most.0.get());
                Violation::unless(most == Some(7.0), || format!("node {at} says {most:?}"))
            })
        };
        vec![Box::new(bounds), Box::new(Finally::new(right))]
    });
}
