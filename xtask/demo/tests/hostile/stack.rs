//! A stack of every protocol in the workspace, and what must always be true of it.

use std::time::Duration;

use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::testkit::check_views;
use gossip_core::{Blob, PeerId, Protocol, Wire, stack};
use gossip_dissem::{RumorMongering, rumor};
use gossip_entropy::Replica;
use gossip_overlay::slicing::{Jk, Profile, Slices, jk};
use gossip_overlay::{RingRank, TMan, tman};

stack! {
    /// Every protocol of the workspace, composed as the demo composes them.
    #[derive(Clone, Debug)]
    pub(crate) struct All<I: PeerId> {
        #[uses(slices)]
        peers: Cyclon<I, VIEW, Profile>,
        recent: Newscast<I, VIEW>,
        #[uses(peers)]
        ring: TMan<I, RingRank, 20>,
        #[uses(recent)]
        mean: Average<I>,
        #[uses(peers)]
        count: Count<I>,
        #[uses(peers)]
        slices: Jk<I>,
        #[uses(peers)]
        news: RumorMongering<I, Blob<512>>,
        #[uses(peers)]
        data: Replica<I, 32, 128>,
    }
}

pub(crate) const VIEW: usize = 12;
pub(crate) const LAYERS: [&str; 8] =
    ["peers", "recent", "ring", "mean", "count", "slices", "news", "data"];

pub(crate) type Node = All<u32>;
pub(crate) type Frame = <Node as Protocol>::Message;
pub(crate) type Command = <Node as Protocol>::Command;
pub(crate) type Event = <Node as Protocol>::Event;

/// Nodes of a simulation here.
pub(crate) const NODES: u32 = 16;

/// The most descriptors that the ring keeps, rumors that are hot, identifiers remembered, keys.
pub(crate) const RING_MOST: usize = 256;
pub(crate) const HOT_MOST: usize = 128;
pub(crate) const MEMORY_MOST: usize = 8_192;
pub(crate) const KEYS_MOST: usize = 1 << 16;

/// Rounds of an aggregation epoch.
pub(crate) const EPOCH: u32 = 20;

pub(crate) fn input(node: u32) -> f64 {
    f64::from(node * 7 % 23)
}

pub(crate) fn node(at: u32) -> Node {
    let ring = tman::Config::new(RingRank::hashed()).limit(RING_MOST);
    let mean = push_pull::Config::founding(Mean::of(input(at)).unwrap()).epoch(EPOCH);
    let count = push_pull::Config::founding(Leaders::default()).epoch(EPOCH);
    // k = 8: a rumor misses one of 16 nodes with probability far below 1e-4.
    let news = rumor::Config::push_pull(8).hot(HOT_MOST).memory(MEMORY_MOST);
    let data = gossip_entropy::Config { capacity: KEYS_MOST, ..Default::default() };
    Node::new(
        Cyclon::new(cyclon::Config::default()).unwrap(),
        Newscast::new(newscast::Config::default()).unwrap(),
        TMan::new(ring).unwrap(),
        Average::new(mean).unwrap(),
        Count::new(count).unwrap(),
        Jk::new(jk::Config { attribute: input(at), slices: Slices::equal(4).unwrap() }).unwrap(),
        RumorMongering::new(news).unwrap(),
        Replica::new(data).unwrap(),
    )
}

pub(crate) fn simulation(seed: u64) -> Simulation<Node> {
    let latency = Latency::Uniform(Duration::from_millis(2), Duration::from_millis(40));
    let network = Network::new(latency);
    let mut sim = Simulation::new(NODES, node, network, Config::seeded(seed)).unwrap();
    for node in 0..NODES {
        sim.contact(node, (node + 1) % NODES);
    }
    sim
}

/// Publishes a rumor and writes a key at some nodes.
pub(crate) fn talk(sim: &mut Simulation<Node>, text: &str) {
    for node in 0..NODES / 4 {
        let rumor = Blob::new(format!("{text} of {node}")).unwrap();
        sim.command(node, Command::news(rumor::Command::Publish(rumor))).unwrap();
        let write = gossip_entropy::Command::set(format!("{text} {node}"), "written").unwrap();
        sim.command(node, Command::data(write)).unwrap();
    }
}

pub(crate) fn header() -> Vec<u8> {
    let mut bytes = Vec::new();
    Header::of::<Frame>(ClusterId::default()).write(&mut bytes);
    bytes
}

/// A datagram of these frames.
pub(crate) fn datagram<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<u8> {
    let mut bytes = header();
    frames.into_iter().for_each(|frame| frame.encode(&mut bytes));
    bytes
}

/// Which layer a frame is for, as a place in [`LAYERS`].
pub(crate) const fn layer_of(frame: &Frame) -> usize {
    match frame {
        Frame::peers(_) => 0,
        Frame::recent(_) => 1,
        Frame::ring(_) => 2,
        Frame::mean(_) => 3,
        Frame::count(_) => 4,
        Frame::slices(_) => 5,
        Frame::news(_) => 6,
        Frame::data(_) => 7,
    }
}

/// Everything of a node that its handlers may change, as text.
pub(crate) fn portrait(node: &Node) -> String {
    let known: Vec<u32> = node.ring.view().collect();
    let entries: Vec<_> = node.data.entries().collect();
    format!("{node:?} {known:?} {entries:?}")
}

/// Views are sound, tables within their bounds, numbers finite.
pub(crate) fn check(at: u32, node: &Node) {
    check_views(at, &node.peers, VIEW).unwrap();
    check_views(at, &node.recent, VIEW).unwrap();
    check_views(at, &node.ring, 10).unwrap();
    let ring: Vec<u32> = node.ring.view().collect();
    let mut distinct = ring.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() == ring.len() && !ring.contains(&at), "the ring's view at {at}");
    assert!(ring.len() <= RING_MOST);
    assert!(node.news.hot() <= HOT_MOST && node.news.remembered() <= MEMORY_MOST);
    assert!(node.data.len() + node.data.deleted() <= KEYS_MOST);
    let finite = |estimate: Option<f64>| estimate.is_none_or(f64::is_finite);
    assert!(finite(node.mean.running_estimate()) && finite(node.mean.last_estimate()));
    assert!(finite(node.count.running_estimate()) && finite(node.count.last_estimate()));
    assert!(node.slices.slice().is_none_or(|slice| slice < 4));
}
