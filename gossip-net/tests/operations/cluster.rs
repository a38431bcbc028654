//! Nodes that run the agent's stack, and what is asked of them together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::{Blob, Finite, Peers};
use gossip_net::{Builder, Handle, Node};
use tokio::time::{Instant, sleep};

use crate::stack::{Agent, Start};

/// A node of the agent's.
pub(crate) type Live = Handle<Agent<SocketAddr>>;

/// The agent's stack at node `at`, whose load is its number.
pub(crate) fn builder(at: usize, tick: Duration, joins: bool) -> Builder<Agent<SocketAddr>> {
    let start = Start {
        name: Blob::new(format!("node-{at}")).unwrap(),
        tick_micros: tick.as_micros() as u64,
        load: Finite::new(at as f64).unwrap(),
        incarnation: 0,
        joins,
    };
    Node::builder(start.stack().unwrap()).tick(tick)
}

/// Pairs of nodes of which one does not take the other for a member; and members that are none of
/// `nodes`.
pub(crate) fn missing(nodes: &[Live]) -> usize {
    let apart = |node: &Live| node.read(|a| a.members.degree()).abs_diff(nodes.len() - 1);
    nodes.iter().map(apart).sum()
}

/// Nodes whose nearest on the ring, on either side, are not those that there are.
pub(crate) fn off_ring(nodes: &[Live]) -> usize {
    let place = |node: &Live| node.read(|agent| agent.ring.place()).map(|place| (place, node.id()));
    let ring: BTreeMap<_, SocketAddr> = nodes.iter().filter_map(place).collect();
    let ring: Vec<SocketAddr> = ring.into_values().collect();
    let wrong = |(at, me): (usize, &SocketAddr)| {
        let mut sides = [ring[(at + 1) % ring.len()], ring[(at + ring.len() - 1) % ring.len()]];
        let node = nodes.iter().find(|node| node.id() == *me);
        let found = node.map(|node| node.read(|a| [0, 1].map(|side| a.ring.toward(side))));
        let mut found: Vec<SocketAddr> = found.into_iter().flatten().flatten().collect();
        sides.sort();
        found.sort();
        sides != found[..]
    };
    nodes.len() - ring.len() + ring.iter().enumerate().filter(|&node| wrong(node)).count()
}

/// The largest relative error of all that nodes say of the mean load and of how many they are; as
/// long as one of them says nothing it is infinite.
pub(crate) fn errors(nodes: &[Live]) -> [f64; 2] {
    let (n, mean) = (nodes.len() as f64, (nodes.len() - 1) as f64 / 2.0);
    let worst = |said: &dyn Fn(&Agent<SocketAddr>) -> Option<f64>, truth: f64| {
        let error =
            |node: &Live| node.read(said).map_or(f64::INFINITY, |x| (x / truth - 1.0).abs());
        nodes.iter().map(error).fold(0.0, f64::max)
    };
    [
        worst(&|agent| agent.mean.last_estimate(), mean),
        worst(&|agent| agent.count.last_estimate(), n),
    ]
}

/// How often an exchange of the mean or the count had no reply in time (each is mass lost, unless
/// the request was), was refused, and was skipped.
pub(crate) fn unanswered(nodes: &[Live]) -> [u64; 3] {
    ["no reply", "refused by partner", "round skipped: exchange under way"].map(|cause| {
        let of = |node: &Live| {
            let counts = node.counters().counts;
            counts.get("mean", cause) + counts.get("count", cause)
        };
        nodes.iter().map(of).sum()
    })
}

/// Estimates of how many there are, sorted; none stands for 0.
pub(crate) fn counts(nodes: &[Live]) -> Vec<f64> {
    let said = |node: &Live| node.read(|agent| agent.count.last_estimate()).unwrap_or(0.0);
    let mut all: Vec<f64> = nodes.iter().map(said).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Bytes of datagrams that all have sent so far.
pub(crate) fn sent(nodes: &[Live]) -> u64 {
    nodes.iter().map(|node| node.counters().bytes_out).sum()
}

/// Rounds that all have run so far, and those that came a whole period late.
pub(crate) fn rounds(nodes: &[Live]) -> [u64; 2] {
    let counters = nodes.iter().map(Live::counters);
    counters.fold([0; 2], |sum, one| [sum[0] + one.rounds, sum[1] + one.rounds_missed])
}

/// Waits until `holds` says nothing is wrong; else panics with what it said last.
pub(crate) async fn eventually(
    what: &str,
    deadline: Duration,
    mut holds: impl FnMut() -> Result<(), String>,
) -> Duration {
    let start = Instant::now();
    while let Err(last) = holds() {
        assert!(start.elapsed() < deadline, "after {deadline:?} still not: {what}; last: {last}");
        sleep(Duration::from_millis(100)).await;
    }
    start.elapsed()
}
