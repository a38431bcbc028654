//! A ring emerges over Cyclon from one contact, loses a third of its nodes, and heals.
//!
//! ```text
//! cargo run -p gossip-overlay --example ring [nodes] [seed]
//! ```

use std::error::Error;

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::{ParameterError, PeerId, stack};
use gossip_overlay::{RingRank, TMan, ring, tman};

stack! {
    /// A ring over a sampler.
    #[derive(Debug)]
    pub struct Node<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        ring: TMan<I, RingRank, 20>,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let nodes: u32 = args.next().map_or(Ok(1_024), |arg| arg.parse())?;
    let seed: u64 = args.next().map_or(Ok(1), |arg| arg.parse())?;

    let ring = tman::Config::new(RingRank::hashed());
    let peers = cyclon::Config::default();
    let node = |_| Ok(Node::new(Cyclon::new(peers)?, TMan::new(ring.clone())?));
    let all = (0..nodes).map(node).collect::<Result<Vec<_>, ParameterError>>()?;
    let mut sim = Simulation::new(all, seed, Order::Sequential);
    (1..nodes).for_each(|node| sim.contact(node, 0));

    println!("{nodes} nodes; all know node 0");
    run_until_whole(&mut sim);

    let mut victims: Vec<u32> = (0..nodes).collect();
    for &node in Key::new(seed).random(0).choose(&mut victims, nodes as usize / 3).iter() {
        sim.kill(node);
    }
    println!("a third of them die without notice");
    run_until_whole(&mut sim);
    Ok(())
}

/// Shows each cycle until all links are right, or a minute of rounds is over.
fn run_until_whole(sim: &mut Simulation<Node<u32>>) {
    for _ in 0..60 {
        sim.step();
        let missing = ring::missing_links(sim.nodes().map(|(id, node)| (id, &*node.ring)));
        let links = 2 * sim.live();
        let right = links - missing;
        let bar = "#".repeat(60 * right / links.max(1));
        println!("cycle {:>3}: {right:>6} of {links} ring links  {bar}", sim.cycle());
        if missing == 0 {
            return;
        }
    }
}
