//! What HyParView says when nothing happens, and what it leaves to a membership below.
//!
//! The periods are of `Config::sparing()`; nodes join through one contact, over links of 1 ms.

use core::marker::PhantomData;
use std::time::Duration;

use gossip_core::membership::{self, Swim};
use gossip_core::sampling::HyParView;
use gossip_core::sampling::hyparview::Config;
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::{Context, Layer, Nothing, PeerId, Peers, Protocol, stack};

stack! {
    /// HyParView over a membership.
    #[derive(Clone, Debug)]
    struct Told<I: PeerId> {
        members: Swim<I>,
        #[uses(members)]
        peers: HyParView<I, 5, 30>,
    }
}

/// 50 nodes over UDP, of which no driver tells who is dead, two minutes after they have joined.
fn told<S>(node: S, seed: u64) -> event::Simulation<S>
where
    S: Layer<(), Id = u32> + Clone + Send + 'static,
{
    let network = Network::new(Latency::Constant(Duration::from_millis(1)));
    let settings = event::Config { detection: None, ..event::Config::seeded(seed) };
    let mut sim = event::Simulation::new(50, move |_| node.clone(), network, settings).unwrap();
    (1..50).for_each(|node| sim.contact(node, 0));
    sim.run_for(Duration::from_secs(120));
    sim
}

fn sparing(config: Config) -> Told<u32> {
    let members = Swim::new(membership::Config::default()).unwrap();
    Told::new(members, HyParView::new(config).unwrap())
}

/// What an idle overlay over a membership sends, in bytes of IPv4 a node and second: a probe and
/// its answer, 2 (28 + 11 + 10) = 98; a keep-alive over each of 5 links in 10 s, 5 / 10 (28 + 11 +
/// 4) = 21; a shuffle of 7 datagrams of some 60 in 64 s, 7; a sync of two in 32 s, 4; and what
/// asking the contact again at 128 s brings with it: 130 to 140. The control: every round's
/// keep-alives and shuffles are 12 datagrams more.
#[test]
fn idle_over_a_membership_is_little_more_than_its_probes() {
    let seed = 21;
    for (config, range) in [(Config::sparing(), 98.0..=150.0), (Config::default(), 500.0..=900.0)] {
        let mut sim = told(sparing(config), seed);
        let before = sim.traffic();
        sim.run_for(Duration::from_secs(120));
        let (bytes, datagrams) = (sim.traffic().bytes, sim.traffic().datagrams);
        let bytes = bytes - before.bytes + 28 * (datagrams - before.datagrams);
        let each = bytes as f64 / 50.0 / 120.0;
        assert!(range.contains(&each), "{each} B a node and second; seed {seed}");
    }
}

/// Whom the membership presumes dead is nobody's neighbour any more at that moment, and those who
/// lost a link are one component again. The control: where HyParView does
/// not stand over it, links to the dead last until they were silent for 50 rounds.
#[test]
fn who_is_presumed_dead_below_is_let_go_at_once() {
    let seed = 22;
    let mut sim = told(sparing(Config::sparing()), seed);
    for node in [3, 14, 15] {
        sim.crash(node);
    }
    for _ in 0..40 {
        sim.run_for(Duration::from_secs(1));
        for (me, node) in sim.nodes().filter(|(me, _)| ![3, 14, 15].contains(me)) {
            let dead = |peer: u32| !node.members.standing(peer).unwrap().state.is_member();
            let kept: Vec<u32> = node.peers.active().filter(|&peer| dead(peer)).collect();
            assert_eq!(kept, [], "at {me}; seed {seed}");
        }
    }
    let mut control = told(HyParView::<u32, 5, 30>::new(Config::sparing()).unwrap(), seed);
    let mut links = Vec::new();
    for node in [3, 14, 15] {
        control.crash(node);
    }
    control.run_for(Duration::from_secs(30));
    for (_, node) in control.nodes().filter(|(me, _)| ![3, 14, 15].contains(me)) {
        links.extend(node.active().filter(|peer| [3, 14, 15].contains(peer)));
    }
    assert!(links.len() > 5, "{links:?}; seed {seed}");
    let alive = sim.nodes().filter(|(me, _)| ![3, 14, 15].contains(me));
    let graph = Graph::new(alive.map(|(at, node)| (at, neighbours(&node.peers))));
    assert!(graph.nodes().count() == 47 && graph.undirected().is_connected(), "seed {seed}");
}

/// Says something to every neighbour in every round, if it talks.
#[derive(Clone, Debug)]
struct Talk<I> {
    talks: bool,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Talk<I> {
    type Id = I;
    type Message = u32;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Talk<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.talks {
            below.for_each(|peer, _| cx.send(peer, 0));
        }
    }

    fn on_message(&mut self, _: &D, _: I, _: u32, _: &mut impl Context<Self>) {}
}

stack! {
    /// Talk over HyParView.
    #[derive(Clone, Debug)]
    struct Talking<I: PeerId> {
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        talk: Talk<I>,
    }
}

/// Over links that carry something in each round keep-alives take no datagram: they ride. A control
/// without talk sends them in datagrams of their own.
#[test]
fn keep_alives_ride_on_what_goes_there_anyway() {
    let seed = 23;
    for talks in [true, false] {
        let config = Config { shuffle_pause: 1_024, ..Config::sparing() };
        let talk = Talk { talks, id: PhantomData };
        let node = Talking::new(HyParView::new(config).unwrap(), talk);
        let mut sim = told(node, seed);
        let before = (sim.traffic().datagrams, sim.sent().get("talk"), sim.sent().get("peers"));
        sim.run_for(Duration::from_secs(5));
        let datagrams = sim.traffic().datagrams - before.0;
        let said = sim.sent().get("talk").frames - before.1.frames;
        let kept = sim.sent().get("peers").frames - before.2.frames;
        assert!(kept > 50, "{kept} frames; seed {seed}");
        let own = datagrams - said;
        assert_eq!(own < kept / 4, talks, "{own} of {kept} took a datagram; seed {seed}");
    }
}
