//! Ten replicas write, a partition splits them, both halves write the same keys, it heals, and all
//! end with the same entries: `cargo run -p gossip-entropy --example replica`.

use std::error::Error;
use std::time::Duration;

use gossip_core::sampling::Fixed;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{PeerId, Protocol, stack};
use gossip_entropy::{Command, Replica};

stack! {
    /// A store among members who know each other.
    struct Site<I: PeerId> {
        peers: Fixed<I, 16>,
        #[uses(peers)]
        data: Replica<I, 32, 128>,
    }
}

type Asked = <Site<u32> as Protocol>::Command;

const NODES: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let data = Replica::new(gossip_entropy::Config::default())?;
    let make = move |me| {
        let others = (0..NODES).filter(move |&peer| peer != me);
        Site::new(Fixed::new(others), data.clone())
    };
    let latency = Latency::Exponential(Duration::from_millis(5), Duration::from_millis(40));
    let network = Network::new(latency).loss(0.05)?.mtu(1_200);
    let mut sim = Simulation::new(NODES, make, network, Config::seeded(42))?;

    for node in 0..NODES {
        let set = Command::set(format!("host/{node}"), "up")?;
        sim.command(node, Asked::data(set))?;
    }
    sim.run_for(Duration::from_secs(10));
    report(&sim, "ten writes, ten seconds");

    (0..4).for_each(|node| sim.link_mut().set_side(node, 1));
    for node in 0..NODES {
        let set = Command::set("leader", format!("host {node}"))?;
        sim.command(node, Asked::data(set))?;
        sim.run_for(Duration::from_millis(200));
    }
    sim.command(0, Asked::data(Command::delete("host/9")?))?;
    sim.run_for(Duration::from_secs(10));
    report(&sim, "four of ten cut off, both sides write");

    sim.link_mut().heal();
    sim.run_for(Duration::from_secs(10));
    report(&sim, "healed, ten seconds");

    let digests = digests(&sim);
    let last = sim.nodes().all(|(_, site)| site.data.get(b"leader") == Some(&b"host 9"[..]));
    let gone = sim.nodes().all(|(_, site)| site.data.get(b"host/9").is_none());
    if digests.len() == 1 && last && gone {
        println!("all ten are equal; the last write won, and the deletion held");
        Ok(())
    } else {
        Err(format!("{} digests; last write {last}, deletion {gone}", digests.len()).into())
    }
}

/// The digests there are, each once.
fn digests(sim: &Simulation<Site<u32>>) -> Vec<u64> {
    let mut all: Vec<_> = sim.nodes().map(|(_, site)| site.data.digest()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn report(sim: &Simulation<Site<u32>>, what: &str) {
    let traffic = sim.traffic();
    println!("{what}:");
    println!("  digests  {:x?}", digests(sim));
    for node in [0, 9] {
        let Some(site) = sim.node(node) else { continue };
        let leader = site.data.get(b"leader").map(String::from_utf8_lossy);
        println!("  node {node}   {} keys, leader {}", site.data.len(), leader.unwrap_or_default());
    }
    println!("  so far   {} datagrams, {} bytes", traffic.datagrams, traffic.bytes);
}
