//! A protocol of one's own, in every simulator: the nodes agree on a coordinator, the one of the
//! largest rank among those that live. It dies, and they agree on the next.
//!
//! ```text
//! cargo run --release -p gossip-core --example own_protocol
//! cargo test -p gossip-core --example own_protocol
//! ```
//!
//! What a protocol needs is in the first half: what it says, and what it does in a round and when a
//! message comes. The second half runs it, unchanged, as one layer of two stacks: in the cycle
//! simulator among 10,000 nodes, and in the event simulator over links that lose and delay. On
//! sockets it is the same again, with `gossip-net`.
//!
//! # In scenario files
//!
//! `cargo xtask sim` knows stacks by name, so a protocol that it is to sweep, replicate and plot is
//! registered there in three steps: implement `Application` for it (or `Sampler`, if it is a source
//! of peers) in `xtask/sim/src/applications.rs`, which says how a node is built from a scenario's
//! keys and what it estimates; add its name and its keys to `xtask/sim/src/schema.rs`; add its type
//! to the list in `xtask/sim/src/registry.rs`, one line. Then all drivers, networks, dynamics,
//! observers and outputs work with it.

use core::time::Duration;

use gossip_core::sampling::{Cyclon, HyParView, cyclon, hyparview};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::{Link, cycle};
use gossip_core::{
    Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Wire, message, stack,
};

message! {
    /// Who is said to be the coordinator, and how old that news is.
    #[derive(PartialEq)]
    pub struct Claim<I: Wire> {
        /// What the nodes are ordered by: the largest wins.
        pub rank: u32,
        /// Whose rank it is.
        pub node: I,
        /// Rounds since that node said so.
        pub age: u8,
    }
}

/// Rounds after which nobody believes a claim that its node has not renewed. Pushed to one peer a
/// round, news reaches 10^4 nodes in about log2(10^4) + ln(10^4) = 23.
const LASTS: u8 = 40;

/// Agreement on the live node of the largest rank, by push.
///
/// ```text
/// every round: claims get older, and those too old are dropped for one's own
///              tell a random peer the claim believed in
/// told:        believe the better of the two: larger rank, or the same and younger
/// ```
///
/// There are no answers, though they would spread news sooner. What is told in a round has just
/// got older, on every path, so that a dead node's claim is gone after [`LASTS`] rounds; an answer
/// comes from a node that may not have had its round yet, and keeps old claims young.
#[derive(Clone, Debug)]
pub struct Coordinator<I: PeerId> {
    rank: u32,
    best: Option<Claim<I>>,
}

impl<I: PeerId> Coordinator<I> {
    /// A node of this rank, which believes in nobody yet.
    pub const fn new(rank: u32) -> Self {
        Self { rank, best: None }
    }

    /// Who this node believes is the coordinator.
    pub fn coordinator(&self) -> Option<I> {
        self.best.as_ref().map(|claim| claim.node)
    }

    const fn own(&self, me: I) -> Claim<I> {
        Claim { rank: self.rank, node: me, age: 0 }
    }
}

/// Larger is better: by rank, then by node so that equal ranks have one winner, then by youth.
fn order<I: PeerId>(claim: &Claim<I>) -> (u32, I, u8) {
    (claim.rank, claim.node, LASTS.saturating_sub(claim.age))
}

impl<I: PeerId> Protocol for Coordinator<I> {
    type Id = I;
    type Message = Claim<I>;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Coordinator<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let own = self.own(cx.me());
        let older = self.best.take().map(|claim| Claim { age: claim.age + 1, ..claim });
        let held = older.filter(|claim| claim.age < LASTS && claim.rank >= self.rank);
        let best = held.filter(|claim| claim.node != cx.me()).unwrap_or(own);
        if let Some(peer) = below.sample(cx.rng()) {
            cx.send(peer, best.clone());
        }
        self.best = Some(best);
    }

    fn on_message(&mut self, _: &D, _: I, told: Claim<I>, cx: &mut impl Context<Self>) {
        // A peer may say anything: what is too old, or claims to be from here, is no news.
        if told.age >= LASTS || told.node == cx.me() {
            return cx.count("stale claim");
        }
        if self.best.as_ref().is_none_or(|held| order(&told) > order(held)) {
            self.best = Some(told);
        }
    }
}

stack! {
    /// The protocol over Cyclon.
    #[derive(Clone, Debug)]
    pub struct OverCyclon<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        office: Coordinator<I>,
    }
}

stack! {
    /// The same over HyParView: one line differs.
    #[derive(Clone, Debug)]
    pub struct OverHyParView<I: PeerId> {
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        office: Coordinator<I>,
    }
}

/// Ranks that do not follow the nodes' numbers.
const fn rank(node: u32) -> u32 {
    node.wrapping_mul(0x9E37_79B9)
}

/// The share of the living that believe in whom they should: an observer of one's own is a function
/// of the nodes.
fn agreement<'s, S: 's>(
    nodes: impl Iterator<Item = (u32, &'s S)> + Clone,
    office: impl Fn(&S) -> &Coordinator<u32>,
) -> (u32, f64) {
    let right = nodes.clone().map(|(node, _)| node).max_by_key(|&node| rank(node)).unwrap_or(0);
    let (mut all, mut agree) = (0_u32, 0_u32);
    for (_, node) in nodes {
        all += 1;
        agree += u32::from(office(node).coordinator() == Some(right));
    }
    (right, f64::from(agree) / f64::from(all.max(1)))
}

/// Rounds without time: 40 cycles, the coordinator dies, 80 more. Returns the last agreement.
fn in_cycles<S, L>(
    sim: &mut cycle::Simulation<S, (), L>,
    office: impl Fn(&S) -> &Coordinator<u32> + Copy,
) -> f64
where
    S: Layer<(), Id = u32>,
    L: Link,
{
    for cycle in 1..=120 {
        sim.step();
        let nodes: Vec<_> = sim.nodes().collect();
        let (right, share) = agreement(nodes.into_iter(), office);
        if cycle % 10 == 0 {
            println!("cycle {cycle:3}  {:6.2} % believe in node {right}", 100.0 * share);
        }
        if cycle == 40 {
            println!("           node {right} dies");
            sim.kill(right);
        }
    }
    let nodes: Vec<_> = sim.nodes().collect();
    agreement(nodes.into_iter(), office).1
}

/// Real datagrams in virtual time: a tenth of them is lost, they take 10 to 200 ms, and for a
/// minute the network is in two.
fn in_virtual_time(nodes: u32) -> Result<f64, ParameterError> {
    let (near, far) = (Duration::from_millis(10), Duration::from_millis(200));
    let network = Network::new(Latency::Uniform(near, far)).loss(0.1)?;
    let peers = HyParView::<u32, 5, 30>::new(hyparview::Config::default())?;
    let make = move |node| OverHyParView::new(peers.clone(), Coordinator::new(rank(node)));
    let mut sim = event::Simulation::new(nodes, make, network, event::Config::seeded(7))?;
    (1..nodes).for_each(|node| sim.contact(node, 0));
    let mut last = 0.0;
    for minute in 0..6_u32 {
        match minute {
            2 => {
                println!("          a third of the nodes is cut off");
                (0..nodes / 3).for_each(|node| sim.link_mut().set_side(node, 1));
            }
            3 => {
                println!("          the network is whole again; the overlay mends");
                sim.link_mut().heal();
            }
            _ => (),
        }
        sim.run_for(Duration::from_secs(60));
        let nodes: Vec<_> = sim.nodes().collect();
        let (right, share) = agreement(nodes.into_iter(), |node| &node.office);
        println!("minute {}  {:6.2} % believe in node {right}", minute + 1, 100.0 * share);
        last = share;
    }
    Ok(last)
}

fn cycles_over_cyclon(nodes: u32) -> Result<f64, ParameterError> {
    let peers = Cyclon::<u32, 20>::new(cyclon::Config::default())?;
    let make = |node| OverCyclon::new(peers.clone(), Coordinator::new(rank(node)));
    let order = cycle::Order::Sequential;
    let mut sim = cycle::Simulation::new((0..nodes).map(make), 42, order);
    (1..nodes).for_each(|node| sim.contact(node, node / 2));
    Ok(in_cycles(&mut sim, |node| &node.office))
}

fn main() -> Result<(), ParameterError> {
    println!("10,000 nodes, cycles, over Cyclon");
    assert_eq!(cycles_over_cyclon(10_000)?, 1.0);
    println!("300 nodes, virtual time, over HyParView");
    assert_eq!(in_virtual_time(300)?, 1.0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip_core::sim::event::Status;
    use gossip_core::testkit::{Finally, Trial, Violation};

    #[test]
    fn all_agree_in_both_simulators() {
        assert_eq!(cycles_over_cyclon(1_000).unwrap(), 1.0);
        assert_eq!(in_virtual_time(100).unwrap(), 1.0);
    }

    /// Whatever faults strike, when they are over all come to believe in the same live node: the
    /// schedules shrink to the few faults that matter if not.
    #[test]
    fn all_agree_after_any_faults() {
        let peers = Cyclon::<u32, 20>::new(cyclon::Config::default()).unwrap();
        let make = move |node| OverCyclon::new(peers.clone(), Coordinator::new(rank(node)));
        let agreed = |sim: &event::Simulation<OverCyclon<u32>>| {
            let live = |node| sim.status(node) == Some(Status::Alive);
            let nodes: Vec<_> = sim.nodes().filter(|&(node, _)| live(node)).collect();
            let (right, share) = agreement(nodes.into_iter(), |node| &node.office);
            Violation::unless(share == 1.0, || format!("{share} believe in node {right}"))
        };
        let (span, rest) = (Duration::from_secs(20), Duration::from_secs(60));
        let trial = Trial::new(8, make).healing().schedule(10, span, rest).cases(32);
        trial.check(|| vec![Box::new(Finally::new(agreed))]);
    }
}
