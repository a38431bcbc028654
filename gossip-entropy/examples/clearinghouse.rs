//! The Clearinghouse's stack: partners by distance, news that rides ahead, comparison behind it,
//! one exchange a round opened by others, and hunting. Two sites of 50 replicas and a dear line
//! between them: `cargo run -p gossip-entropy --example clearinghouse`.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 3.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use gossip_core::sampling::Weighted;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{PeerId, Protocol, stack};
use gossip_entropy::{Command, Config, Replica};

stack! {
    /// A store over partners by distance.
    struct Site<I: PeerId> {
        peers: Weighted<I>,
        #[uses(peers)]
        data: Replica<I, 32, 128>,
    }
}

type Asked = <Site<u32> as Protocol>::Command;

/// Replicas at each of the two sites.
const EACH: u32 = 50;

/// What an exponent costs: datagrams over the line, seconds until all are equal after 100 writes.
fn run(exponent: f64) -> Result<(usize, u64), Box<dyn Error>> {
    let config = Config { limit: 1, hunt: 2, ..Config::default() };
    let data = Replica::new(config)?;
    let distance = |a: u32, b: u32| if a / EACH == b / EACH { 1.0 } else { 100.0 };
    let peers = (0..2 * EACH).map(|me| {
        let others = (0..2 * EACH).filter(|&peer| peer != me);
        Weighted::by_rank(others.map(|peer| (peer, distance(me, peer))), exponent)
    });
    let peers: Vec<Weighted<u32>> = peers.collect::<Result<_, _>>()?;
    let make = move |me| Site::new(peers[me as usize].clone(), data.clone());
    let latency = Latency::Exponential(Duration::from_millis(5), Duration::from_millis(40));
    let network = Network::new(latency).loss(0.01)?.mtu(1_200);
    let mut sim = Simulation::new(2 * EACH, make, network, event::Config::seeded(42))?;
    sim.record(1 << 20);

    for node in 0..2 * EACH {
        sim.command(node, Asked::data(Command::set(format!("host/{node}"), "up")?))?;
    }
    let mut seconds = 0;
    while sim.nodes().map(|(_, site)| site.data.digest()).collect::<BTreeSet<_>>().len() > 1 {
        sim.run_for(Duration::from_secs(1));
        seconds += 1;
        if seconds > 300 {
            return Err("not equal after five minutes".into());
        }
    }
    sim.run_for(Duration::from_secs(60 - seconds.min(60)));
    let far = sim.recorded().filter(|sent| sent.trip.from / EACH != sent.trip.to / EACH);
    Ok((far.count(), seconds))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (uniform, spatial) = (run(0.0)?, run(2.0)?);
    for (name, (far, seconds)) in [("uniform", uniform), ("by Q(d)^-2", spatial)] {
        println!("{name}: equal after {seconds} s, {far} datagrams over the line in a minute");
    }
    // The papers' bound for two clusters and a bridge.
    if uniform.0 < 10 * spatial.0 {
        return Err("the line is not spared".into());
    }
    println!("partners by distance spare the line");
    Ok(())
}
