//! Accuracy while nodes come and go, messages are lost and inputs drift.

use std::time::Duration;

use gossip_aggregate::grouped::median;
use gossip_aggregate::mean::Set;
use gossip_aggregate::{Count, Estimate, Leaders, Live, epoch};
use gossip_core::random::Key;
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::Network;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::Latency;
use gossip_core::{Finite, PeerId, Protocol, stack};

stack! {
    /// Mean, count and sum; and, as the control, the push-pull count, which has mass to lose.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Newscast<I, 30>,
        #[uses(peers)]
        load: Live<I>,
        #[uses(peers)]
        pulled: Count<I, 2>,
    }
}

type Sim = Simulation<Node<u32>, Network>;

/// From 50 to 150, and all together 10 % up and down in 2,000 rounds.
fn input(at: u32, round: u32) -> f64 {
    let own = 50.0 + 100.0 * Key::new(1).with(59).random(at.into()).unit();
    own * (1.0 + 0.1 * libm::sin(f64::from(round) * core::f64::consts::TAU / 2_000.0))
}

fn node(at: u32, nodes: u32) -> Node<u32> {
    let founds = at < nodes;
    let leaders = Leaders::expecting(1.0, nodes.into()).unwrap();
    let epochs =
        if founds { epoch::Config::founding(leaders) } else { epoch::Config::joining(leaders) };
    let value = input(at, 0);
    Node::new(
        Newscast::new(newscast::Config::default()).unwrap(),
        if founds { Live::founding(value) } else { Live::joining(value) }.unwrap(),
        Count::new(epochs).unwrap(),
    )
}

/// What nodes said over time.
#[derive(Debug, Default)]
struct Errors {
    /// How far mean, count, sum and the control's count were off, each that was said.
    off: [Vec<f64>; 4],
    /// Means, counts and sums within the interval they bore, and how often there was something to
    /// ask.
    within: [u32; 3],
    asked: u32,
}

impl Errors {
    fn medians(&mut self) -> [f64; 4] {
        self.off.each_mut().map(|off| median(off).unwrap())
    }

    fn take(&mut self, sim: &Sim, living: &[u32], round: u32) {
        let sum: f64 = living.iter().map(|&at| input(at, round)).sum();
        let count = living.len() as f64;
        let truths = [sum / count, count, sum, count];
        for (_, node) in sim.nodes() {
            self.asked += 1;
            let (now, load) = (round, &node.load);
            let live = [load.mean(now), load.count(now), load.sum(now)];
            for ((within, said), truth) in self.within.iter_mut().zip(live).zip(truths) {
                let interval = said.and_then(|said: Estimate| said.interval());
                let holds = |(least, most): (f64, f64)| (least..=most).contains(&truth);
                *within += u32::from(interval.is_some_and(holds));
            }
            let [mean, count, sum] = live.map(|said| said.map(|said| said.value));
            let said = [mean, count, sum, node.pulled.last_estimate()];
            for ((off, said), truth) in self.off.iter_mut().zip(said).zip(truths) {
                off.extend(said.map(|said| (said / truth - 1.0).abs()));
            }
        }
    }
}

/// Over `rounds` after `before`: `nodes`, with this part of them replaced in each round.
fn errors(nodes: u32, churn: f64, (before, rounds): (u32, u32), seed: u64) -> Errors {
    let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50));
    let network = Network::new(latency).loss(0.1).unwrap();
    let (replaced, make) = (churn * f64::from(nodes), move |at| node(at, nodes));
    let mut sim = Simulation::new(nodes, make, network, Config::seeded(seed)).unwrap();
    let mut random = Key::new(seed).with(60).random(0);
    let mut living: Vec<u32> = (0..nodes).collect();
    (1..nodes).for_each(|at| sim.contact(at, 0));
    let (mut errors, mut owed, mut newest) = (Errors::default(), 0.0, 0);
    for round in 0..before + rounds {
        // The first 20 rounds are for getting to know each other.
        owed += if round < 20 { 0.0 } else { replaced };
        while owed >= 1.0 {
            owed -= 1.0;
            let at = random.below(living.len());
            sim.crash(living.swap_remove(at));
            newest = sim.join().unwrap();
            living.push(newest);
        }
        // Who has joined in these five rounds is told whom to ask, as of a list of seeds: of one
        // contact alone, that dies before it has answered, a node hears nothing more.
        for new in nodes.max(newest.saturating_sub((5.0 * replaced) as u32))..=newest {
            sim.contact(new, *random.pick(&living).unwrap());
        }
        if round % 10 == 0 {
            for &at in &living {
                let set = Set(Finite::new(input(at, round)).unwrap());
                let set = <Live<u32> as Protocol>::Command::mean(set);
                sim.command(at, <Node<u32> as Protocol>::Command::load(set)).unwrap();
            }
        }
        sim.run_for(Duration::from_secs(1));
        if round >= before && round % 10 == 0 {
            errors.take(&sim, &living, round);
        }
    }
    errors
}

/// With 10 % of messages lost and inputs that drift, medians over nodes and time at N = 1,000: at
/// a churn of 1 % a round mean, count and sum are within 5 %, at .1 % the mean within 1 % and the
/// count within 3 %. A census of 1,000 by 1,024 registers has an sd of sqrt(e - 2) / 32 = 2.65 %
/// (Whang et al., TODS 1990), and eight of them .94 %; the median over 300 rounds is over 23
/// epochs, .7 %. Who has come within the last round, and who went before a word of it got
/// through, is not counted: 2.5 % at the higher churn, as measured, and .25 % at the lower. So 3 %
/// is four sd away, one false alarm in 10,000, and 5 % three and a half, one in 2,000. The mean has
/// loss_sd = .21 %, and of those replaced in the 30 rounds since its inputs were taken
/// .29 sqrt(2 * .03 / 1,000) = .22 % at the lower churn; 1 % is three of both, of a median over 15
/// epochs.
///
/// The control: the push-pull count of one leader, which loss alone puts 23 % off (the law of
/// `loss_sd`), is within neither bound.
#[test]
#[ignore = "soak: 500 rounds of 1,000 nodes, four times"]
fn soak_live_accuracy_under_loss_churn_and_drift() {
    for (churn, bounds) in [(0.01, [0.05, 0.05, 0.05]), (0.001, [0.01, 0.03, 0.05])] {
        for seed in [1, 2] {
            let mut errors = errors(1_000, churn, (200, 300), seed);
            let asked = f64::from(errors.asked);
            let said = errors.off.each_ref().map(|off| off.len() as f64 / asked);
            let within = errors.within.map(|within| f64::from(within) / asked);
            let medians = errors.medians();
            println!("churn {churn}, seed {seed}: mean, count, sum, control {medians:.4?}");
            println!("  said by {said:.2?}, within the interval {within:.2?}");
            let [live @ .., control] = medians;
            let holds = live.iter().zip(bounds).all(|(off, bound)| *off <= bound);
            assert!(holds, "churn {churn}, seed {seed}: {live:?}, not within {bounds:?}");
            assert!(control > bounds[1], "seed {seed}: the control is {control} off");
        }
    }
}

/// The same of 250 nodes for 240 rounds: a census has an sd of 2.3 %, and three epochs to be
/// wrong in. Mean, count and sum are within 5 % at either churn; more in the soak.
#[test]
fn live_mean_count_and_sum_are_within_5_per_cent() {
    for churn in [0.01, 0.001] {
        let [mean, count, sum, control] = errors(250, churn, (180, 60), 1).medians();
        let off = mean.max(count).max(sum);
        assert!(off <= 0.05, "churn {churn}: {mean}, {count}, {sum}; the control {control}");
    }
}
