//! Aggregation under schedules of faults.
//!
//! Jelasity et al. 2005, section 7.2: without lost replies the sum over all nodes does not change.

use std::time::Duration;

use gossip_aggregate::{Average, Count, Leaders, Mean, count::LEADERS, push_pull::Config};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::testkit::{Finally, Invariants, Kinds, Mass, Trial, Violation};
use gossip_core::{PeerId, stack};

stack! {
    /// Averaging and counting over Cyclon.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Cyclon<I, 8>,
        #[uses(peers)]
        load: Average<I>,
        #[uses(peers)]
        size: Count<I>,
    }
}

const NODES: u32 = 8;

fn input(node: u32) -> f64 {
    f64::from(node * node)
}

fn node(at: u32, patience: Duration, gamma: u32) -> Node<u32> {
    let mean = Config::founding(Mean::of(input(at)).unwrap());
    let leaders = Config::founding(Leaders::default()).epoch(gamma);
    Node::new(
        Cyclon::new(cyclon::Config::default()).unwrap().patience(patience).unwrap(),
        Average::new(mean.endless()).unwrap().patience(patience).unwrap(),
        Count::new(leaders).unwrap().patience(patience).unwrap(),
    )
}

/// A founder takes part from its first round on; until then its input is what it will bring.
fn held(at: u32, node: &Node<u32>) -> f64 {
    node.load.running_estimate().unwrap_or_else(|| input(at))
}

fn is_conserved() -> Invariants<Node<u32>> {
    let sum = (0..NODES).map(input).sum();
    let mass = Mass::new(sum, 1e-9, |node: &Node<u32>| {
        node.load.running_estimate().unwrap_or_else(|| node.load.function().input())
    });
    vec![Box::new(mass.unless_busy(|node| node.load.is_waiting()))]
}

/// Round trips below 100 ms, a patience of 450: whatever comes twice, mass stays.
#[test]
fn mass_stays_under_duplication() {
    let patience = gossip_core::exchange::PATIENCE;
    let trial = Trial::new(NODES, move |at| node(at, patience, 20)).cases(64);
    trial.faults(Kinds::DUPLICATION).check(is_conserved);
}

/// Latencies up to half a second, of which a message held back takes up to five: a round trip of
/// 5 s at most, and a patience of 6.
#[test]
fn mass_stays_under_delay_and_reordering_within_the_patience() {
    let trial = Trial::new(NODES, |at| node(at, Duration::from_secs(6), 20)).cases(64);
    let long = Duration::from_secs(30);
    trial.schedule(20, long, long).faults(Kinds::DELAY).check(is_conserved);
}

/// The control: with a patience below the round trip, or with loss, the testkit finds the drift
/// that `GUARANTEES.md` speaks of, and needs one or two
/// faults for it.
#[test]
fn mass_is_lost_with_late_and_lost_replies() {
    let patience = gossip_core::exchange::PATIENCE;
    for kinds in [Kinds::DELAY, Kinds::LOSS] {
        let trial = Trial::new(NODES, move |at| node(at, patience, 20)).faults(kinds);
        let failure = trial.search(is_conserved).unwrap_err();
        assert!(failure.violation.0.contains("mass is"), "{failure}");
        assert!((1..=2).contains(&failure.schedule.0.len()), "{failure}");
    }
}

/// Whatever happens: estimates stay between the inputs' bounds, shares are few, positive and at
/// most 1; and some epochs after all faults have ended, the count is right again.
#[test]
fn estimates_stay_within_bounds_under_every_fault_and_recover() {
    let patience = gossip_core::exchange::PATIENCE;
    let trial = Trial::new(NODES, move |at| node(at, patience, 12)).cases(32);
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(80));
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES;
    trial.schedule(20, span, rest).healing().faults(kinds).check(|| {
        let bounds = |sim: &Simulation<Node<u32>>| {
            sim.nodes().try_for_each(|(at, node)| {
                let estimate = held(at, node);
                let within = (0.0..=input(NODES - 1)).contains(&estimate);
                Violation::unless(within, || format!("the mean at {at} is {estimate}"))?;
                let shares = node.size.state();
                let sound = shares.is_none_or(|shares| {
                    let one = |share: &(u32, gossip_core::Finite)| {
                        share.1.get() > 0.0 && share.1.get() <= 1.0
                    };
                    shares.len() <= LEADERS && shares.iter().all(one)
                });
                Violation::unless(sound, || format!("the shares at {at} are {shares:?}"))
            })
        };
        let right = |sim: &Simulation<Node<u32>>| {
            sim.nodes().try_for_each(|(at, node)| {
                // 12 rounds leave .3033^12 = 6e-7 of the variance.
                let estimate = node.size.last_estimate().unwrap_or(f64::NAN);
                let near = (estimate - f64::from(NODES)).abs() < 0.5;
                Violation::unless(near, || format!("node {at} counts {estimate} of {NODES}"))
            })
        };
        vec![Box::new(bounds), Box::new(Finally::new(right))]
    });
}

/// The root mean square of the relative errors of a count of 128 nodes over `seeds`, on a machine
/// so busy that a round trip takes .6 s on average: .1 s, and two waits of .25 s, exponentially.
fn count_error(patience: Duration, seeds: core::ops::Range<u64>) -> f64 {
    let error = |seed: u64| {
        let [least, more] = [50, 250].map(Duration::from_millis);
        let network = Network::new(Latency::Exponential(least, more));
        let make = move |at| node(at, patience, 40);
        let mut sim = Simulation::new(128, make, network, event::Config::seeded(seed)).unwrap();
        (1..128).for_each(|node| sim.contact(node, 0));
        sim.run_for(Duration::from_secs(50));
        let said: Vec<f64> = sim.nodes().filter_map(|(_, n)| n.size.last_estimate()).collect();
        assert_eq!(said.len(), 128, "seed {seed}");
        said.iter().map(|count| (count / 128.0 - 1.0).abs()).fold(0.0, f64::max)
    };
    let errors: Vec<f64> = seeds.map(error).collect();
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    (squares / errors.len() as f64).sqrt()
}

/// A late reply is mass lost as a lost one is: with p of them late, a leader's count is off by
/// sqrt(p / (2 - p)), and the trimmed mean over 24 leaders by about a fourth of that. Of these
/// round trips P(> t) = (1 + x) e^-x, x = (t - .1 s) / .25 s: half of them are longer than half a
/// period, .4 % longer than two. So the count is 1.2 % off where two periods are waited for, as the
/// agent does, and the control, which waits for a half, 15 % and more, with a long upper tail:
/// 1.3 % and 21 % are measured. Twelve seeds: the bounds are three deviations away from either.
#[test]
fn a_count_is_right_on_a_busy_machine_if_replies_are_waited_for() {
    let waits = count_error(Duration::from_secs(2), 0..12);
    let control = count_error(Duration::from_millis(500), 0..12);
    println!("off by {waits}, control {control}");
    assert!(waits < 0.04, "{waits}");
    assert!(control > 0.06, "{control}");
}
