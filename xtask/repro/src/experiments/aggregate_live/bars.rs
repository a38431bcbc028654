//! Mean, count and sum of one layer, while messages are lost, nodes come and go and inputs drift.

use core::f64::consts::TAU;

use gossip_aggregate::grouped::median;
use gossip_aggregate::mean::Set;
use gossip_aggregate::{Count, Leaders, Live};
use gossip_core::sampling::Newscast;
use gossip_core::{Finite, PeerId, Protocol, stack};

use super::{Born, Run, World, fresh, input, restarting};
use xtask_repro::experiment::{Metric, Published, Sample};

stack! {
    /// What is judged, and the count that has mass to lose.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Newscast<I, 30>,
        #[uses(peers)]
        load: Live<I>,
        #[uses(peers)]
        pulled: Count<I, 2>,
    }
}

/// Of each churn: mean, count, sum and the control.
pub(super) static METRICS: [Metric; 8] = [
    Metric::median("live.mean", "error under loss, churn and drift, median over nodes and time"),
    Metric::median("live.count", "of the number of nodes, likewise"),
    Metric::median("live.sum", "of the sum, likewise"),
    Metric::median("live.control", "of the push-pull count of one leader, which is the control"),
    Metric::median("calm.mean", "the same at a tenth of the churn"),
    Metric::median("calm.count", "likewise"),
    Metric::median("calm.sum", "likewise"),
    Metric::median("calm.control", "likewise"),
];

/// The most that is allowed of a metric at the defaults.
pub(super) fn bar(metric: &str) -> Option<Published> {
    let most = match metric {
        "live.mean" | "live.count" | "live.sum" | "calm.sum" => 0.05,
        "calm.mean" => 0.01,
        "calm.count" => 0.03,
        _ => return None,
    };
    Some(Published { value: 0.0, tolerance: most, source: "the bars of GUARANTEES.md, Live" })
}

/// All metrics of one network.
pub(super) fn measured(world: &World, watched: u32) -> Vec<Sample> {
    let churns = [world.churn, world.churn / 10.0];
    let errors = churns.into_iter().flat_map(|churn| errors(world, churn, watched));
    let named = METRICS.iter().zip(errors);
    named.filter_map(|(metric, value)| Some(Sample::new(metric.name, value?))).collect()
}

/// As high as its own, and all together 10 % up and down in 2,000 rounds.
fn drifting(at: u32, round: u32) -> f64 {
    input(at) * (1.0 + 0.1 * libm::sin(f64::from(round) * TAU / 2_000.0))
}

fn node((at, joins, rounds): Born) -> Node<u32> {
    // One leader is expected in an epoch of what is a thousand nodes by default.
    let leaders = Leaders::expecting(1.0, 1_000.0).expect("within the bounds");
    let value = input(at);
    let load = if joins { Live::joining(value) } else { Live::founding(value) };
    let pulled = Count::new(restarting((at, joins, rounds), leaders));
    Node::new(fresh(), load.expect("finite"), pulled.expect("valid"))
}

/// Medians over nodes and `watched` rounds, after two thirds as many.
fn errors(world: &World, churn: f64, watched: u32) -> [Option<f64>; 4] {
    let replaced = churn * f64::from(world.nodes);
    let nothing = |_: &Node<u32>| [None; 2];
    let mut run = world.start(world.loss, node, (&nothing, false));
    let mut off = [const { Vec::new() }; 4];
    run.rounds(20, 0.0);
    for round in 20..20 + watched / 3 * 2 + watched {
        if round % 10 == 0 {
            set_inputs(&mut run, round);
        }
        run.rounds(1, replaced);
        if round >= 20 + watched / 3 * 2 && round % 10 == 0 {
            take(&run, round, &mut off);
        }
    }
    off.each_mut().map(|off| median(off))
}

fn set_inputs<R: Fn(&Node<u32>) -> [Option<f64>; 2]>(run: &mut Run<'_, Node<u32>, R>, round: u32) {
    for &at in &run.living {
        let set = Set(Finite::new(drifting(at, round)).expect("finite"));
        let set = <Live<u32> as Protocol>::Command::mean(set);
        run.sim.command(at, <Node<u32> as Protocol>::Command::load(set)).expect("within bounds");
    }
}

fn take<R>(run: &Run<'_, Node<u32>, R>, round: u32, off: &mut [Vec<f64>; 4]) {
    let sum: f64 = run.living.iter().map(|&at| drifting(at, round)).sum();
    let count = run.living.len() as f64;
    for (_, node) in run.sim.nodes() {
        let load = &node.load;
        let [mean, size, total] = [load.mean(round), load.count(round), load.sum(round)];
        let said = [mean, size, total].map(|said| said.map(|said| said.value));
        let said = said.into_iter().chain([node.pulled.last_estimate()]);
        for ((off, said), truth) in off.iter_mut().zip(said).zip([sum / count, count, sum, count]) {
            off.extend(said.map(|said| (said / truth - 1.0).abs()));
        }
    }
}
