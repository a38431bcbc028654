//! Several applications in one node, and several versions in one cluster.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{averaging, eventually};
use gossip_aggregate::{Average, Mean, push_pull};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{ParameterError, PeerId, Peers, stack};
use gossip_net::memory::Hub;
use gossip_net::{Handle, Limits, Node, Rate, Stack};

const TICK: Duration = Duration::from_secs(1);
const NODES: usize = 32;

stack! {
    /// An application over whatever membership there is.
    #[derive(Debug)]
    struct App<I: PeerId> over D: Peers<Id = I> {
        #[uses(below)]
        load: Average<I>,
    }
}

stack! {
    /// One application with a membership of its own.
    #[derive(Debug)]
    struct Alone<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        red: App<I>,
    }
}

stack! {
    /// Three applications share one membership, one socket and one budget.
    #[derive(Debug)]
    struct Platform<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        red: App<I>,
        #[uses(peers)]
        green: App<I>,
        #[uses(peers)]
        blue: App<I>,
    }
}

stack! {
    /// As `Averaging` of the tests, a release later: a layer more.
    #[derive(Debug)]
    struct Next<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        load: Average<I>,
        #[uses(peers)]
        more: Average<I>,
    }
}

fn peers<I: PeerId>() -> Result<Cyclon<I, 20>, ParameterError> {
    Cyclon::new(cyclon::Config::default())?.patience(TICK / 2)
}

fn average<I: PeerId>(input: f64) -> Result<Average<I>, ParameterError> {
    let config = push_pull::Config::founding(Mean::of(input)?).endless();
    Average::new(config)?.patience(TICK / 2)
}

async fn spawn<S: Stack>(hub: &Hub, node: usize, port: u16, stack: S) -> Handle<S> {
    let addr = |node: usize| SocketAddr::from(([10, 0, 0, node as u8], port));
    let contact = (node > 0).then(|| addr(0));
    // One budget for all that the node runs: far above what it needs.
    let limits = Limits::default().send(Rate::default().bytes(64_000).datagrams(200));
    let builder = Node::builder(stack).transport(hub.bind(addr(node)).unwrap()).limits(limits);
    builder.seed(42).contacts(contact).spawn().await.unwrap()
}

/// Bytes, with 28 of UDP and IPv4 for each datagram, and datagrams, a node and second.
fn cost<S: Stack>(handles: &[Handle<S>], seconds: f64) -> (f64, f64) {
    let all = handles.iter().map(Handle::counters);
    let (bytes, datagrams) = all.fold((0, 0), |(bytes, datagrams), counters| {
        (bytes + counters.bytes_out, datagrams + counters.datagrams_out)
    });
    let share = NODES as f64 * seconds;
    ((bytes + 28 * datagrams) as f64 / share, datagrams as f64 / share)
}

/// Issue 9: what applications save that share a node. Three of them, one exchange a round each, on
/// 32 nodes for 200 rounds, seed 42. Apart, each pays for an exchange of its membership: six
/// exchanges a round; together four, so a third of the datagrams is saved, and two thirds of what
/// the membership takes in bytes, if every exchange goes to a partner of its own. What the two
/// ways agree on is the same.
#[tokio::test(start_paused = true)]
async fn applications_that_share_a_node_save_its_membership() {
    let rounds = 200;
    let hub = Hub::new();
    let (mut apart, mut together) = (Vec::new(), Vec::new());
    for node in 0..NODES {
        let input = node as f64;
        for port in [1, 2, 3] {
            let stack = App::new(average(input).unwrap());
            let stack = Alone::new(peers().unwrap(), stack);
            apart.push(spawn(&hub, node, port, stack).await);
        }
        let app = || App::new(average(input).unwrap());
        let stack = Platform::new(peers().unwrap(), app(), app(), app());
        together.push(spawn(&hub, node, 4, stack).await);
    }
    tokio::time::sleep(rounds * TICK).await;
    let mean = (NODES - 1) as f64 / 2.0;
    let near = |estimate: Option<f64>| estimate.is_some_and(|e| (e - mean).abs() < 1e-6);
    assert!(apart.iter().all(|node| node.read(|s| near(s.red.load.running_estimate()))));
    for node in &together {
        let said = node.read(|s| [&s.red, &s.green, &s.blue].map(|a| a.load.running_estimate()));
        assert!(said.into_iter().all(near), "{said:?}");
    }
    let seconds = f64::from(rounds);
    let ((bytes, datagrams), (shared_bytes, shared_datagrams)) =
        (cost(&apart, seconds), cost(&together, seconds));
    println!("apart: {bytes:.0} B and {datagrams:.2} datagrams a node and second");
    println!("together: {shared_bytes:.0} B and {shared_datagrams:.2} datagrams");
    let saved = 1.0 - shared_datagrams / datagrams;
    assert!((0.28..0.5).contains(&saved), "{saved:.3} of the datagrams saved; expected 1/3");
    assert!(shared_bytes < 0.65 * bytes, "{shared_bytes:.0} of {bytes:.0} bytes");
    let shed = together.iter().map(|node| node.counters().counts.total("shed: too much waits"));
    assert_eq!(shed.sum::<u64>(), 0);
}

/// A rolling upgrade: half of the nodes run the next release, with a layer more. What both have
/// agrees everywhere; what only the new ones have agrees among them, as far as their partners are
/// new; its frames are skipped and counted by the old ones, whose other frames in the same
/// datagram come. Seed 42.
#[tokio::test(start_paused = true)]
async fn two_versions_of_a_stack_work_together() {
    let hub = Hub::new();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for node in 0..NODES {
        let input = node as f64;
        if node % 2 == 0 {
            old.push(spawn(&hub, node, 7, averaging(input, TICK).unwrap()).await);
        } else {
            let [load, more] = [input, input].map(|input| average(input).unwrap());
            new.push(spawn(&hub, node, 7, Next::new(peers().unwrap(), load, more)).await);
        }
    }
    let mean = (NODES - 1) as f64 / 2.0;
    let near = |estimate: Option<f64>| estimate.is_some_and(|e| (e - mean).abs() < 1e-6);
    let agree = || {
        old.iter().all(|node| node.read(|s| near(s.load.running_estimate())))
            && new.iter().all(|node| node.read(|s| near(s.load.running_estimate())))
    };
    eventually("all agree on what all have (seed 42)", 200 * TICK, TICK, agree).await;
    // The odd numbers below 32 have the mean 16.
    let odd = |estimate: Option<f64>| estimate.is_some_and(|e| (e - 16.0).abs() < 1e-6);
    let among = || new.iter().all(|node| node.read(|s| odd(s.more.running_estimate())));
    eventually("the new agree on what they have (seed 42)", 400 * TICK, TICK, among).await;
    let skipped = |counters: gossip_net::Counters| counters.counts.get("packer", "unknown frame");
    assert!(old.iter().all(|node| skipped(node.counters()) > 0));
    assert!(new.iter().all(|node| skipped(node.counters()) == 0));
    let told = old.iter().map(|node| node.counters().counts.total("stack of another shape"));
    assert!(told.max() == Some(1), "each other shape is told once");
}
