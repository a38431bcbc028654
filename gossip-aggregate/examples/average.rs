//! A thousand nodes learn the mean of what each measures, and how many they are, then half of them
//! crash. Only `gossip-aggregate` and `gossip-core`.
//!
//! ```text
//! cargo run --release -p gossip-aggregate --example average
//! ```

use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull::Config};
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::Spread;
use gossip_core::{ParameterError, PeerId, stack};

stack! {
    /// A mean and a count over one sampler.
    pub struct Node<I: PeerId> {
        peers: Newscast<I, 30>,
        #[uses(peers)]
        load: Average<I>,
        #[uses(peers)]
        size: Count<I>,
    }
}

const NODES: u32 = 1_000;

/// What a node measures: here, something that differs from node to node.
fn measured(node: u32) -> f64 {
    f64::from(node % 100)
}

fn main() -> Result<(), ParameterError> {
    let nodes = (0..NODES).map(|node| {
        Ok(Node::new(
            Newscast::new(newscast::Config::default())?,
            Average::new(Config::founding(Mean::of(measured(node))?))?,
            Count::new(Config::founding(Leaders::default()))?,
        ))
    });
    let nodes = nodes.collect::<Result<Vec<_>, ParameterError>>()?;
    let mut sim = Simulation::new(nodes, 42, Order::Sequential);
    (1..NODES).for_each(|node| sim.contact(node, 0));

    println!("cycle   live     mean, sd over nodes    count, sd over nodes");
    for cycle in 1..=90 {
        sim.step();
        if cycle == 35 {
            (0..NODES).step_by(2).for_each(|node| assert!(sim.kill(node)));
        }
        if cycle % 5 == 0 {
            let mean = Spread::of(sim.nodes().filter_map(|(_, node)| node.load.running_estimate()));
            let size = Spread::of(sim.nodes().filter_map(|(_, node)| node.size.running_estimate()));
            println!(
                "{cycle:5} {:6} {:10.4} {:11.2e} {:12.2} {:11.2e}",
                sim.live(),
                mean.mean,
                mean.sd,
                size.mean,
                size.sd
            );
        }
    }

    // The last epoch began after the crash: it speaks of those that live.
    sim.step();
    let live = sim.live() as f64;
    let truth = Spread::of(sim.nodes().map(|(node, _)| measured(node))).mean;
    for (node, state) in sim.nodes() {
        let mean = state.load.last_estimate().unwrap_or(f64::NAN);
        let size = state.size.last_estimate().unwrap_or(f64::NAN);
        assert!((mean - truth).abs() < 1e-3 * truth, "node {node}: mean {mean}, truth {truth}");
        assert!((size - live).abs() < 1e-3 * live, "node {node}: count {size}, truth {live}");
    }
    println!("every live node agrees: mean {truth}, {live} nodes");
    Ok(())
}
