//! Any layer runs over any membership: one line of `stack!` says which.

use std::time::Duration;

use gossip_core::auth::{Authority, Keyed, Signer};
use gossip_core::membership::fireflies::{self, Certificate, Fireflies};
use gossip_core::membership::{
    self, Deadline, Heartbeats, Phi, PhiConfig, Probes, Swim, heartbeat,
};
use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{Context, Layer, Nothing, PeerId, Peers, Protocol, stack};

/// Tells a random peer the greatest number it knows.
#[derive(Clone, Debug)]
struct Max<I> {
    known: u32,
    ids: core::marker::PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Max<I> {
    type Id = I;
    type Message = u32;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Max<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if let Some(to) = below.sample(cx.rng()) {
            cx.send(to, self.known);
        }
    }

    fn on_message(&mut self, _: &D, _: I, message: u32, _: &mut impl Context<Self>) {
        self.known = self.known.max(message);
    }
}

/// A stack of `Max` over `$peers`, made by `$make`: 20 nodes spread the greatest number, and forget
/// one that crashed, if they are memberships.
macro_rules! runs_over {
    ($test:ident, $peers:ty, $make:expr, $forgets:literal) => {
        #[test]
        fn $test() {
            type I = u32;
            stack! {
                #[derive(Debug)]
                struct Node<I: PeerId> {
                    peers: $peers,
                    #[uses(peers)]
                    max: Max<I>,
                }
            }
            let make = |at: u32| {
                let peers: $peers = $make(at).unwrap();
                Node::new(peers, Max { known: at, ids: core::marker::PhantomData })
            };
            let links = Latency::Uniform(Duration::ZERO, Duration::from_millis(50));
            let config = event::Config::seeded(1);
            let mut sim = Simulation::new(20, make, Network::new(links), config).unwrap();
            (1..20).for_each(|node| sim.contact(node, 0));
            sim.run_for(Duration::from_secs(60));
            assert!(sim.nodes().all(|(_, node)| node.max.known == 19));
            assert!(sim.nodes().all(|(_, node)| node.peers.degree() == 19));
            sim.crash(7);
            sim.run_for(Duration::from_secs(120));
            let knows = |node: &Node<u32>| {
                let mut found = false;
                node.peers.for_each(|peer, _| found |= peer == 7);
                found
            };
            assert!(!$forgets || !sim.nodes().any(|(_, node)| knows(node)));
        }
    };
}

runs_over!(over_swim, Swim<I>, |_| Swim::new(membership::Config::default()), true);
runs_over!(
    over_phi_accrual,
    Heartbeats<I, Phi>,
    |_| Heartbeats::new(heartbeat::Config::accrual(PhiConfig::default()).unwrap()),
    true
);
runs_over!(
    over_gossiped_counters,
    Heartbeats<I, Deadline>,
    |_| Heartbeats::new(heartbeat::Config::gossip(Duration::from_secs(10)).unwrap()),
    true
);
runs_over!(
    over_probes,
    Heartbeats<I, Probes>,
    |_| Heartbeats::new(heartbeat::Config::probing(Duration::from_millis(500)).unwrap()),
    true
);
runs_over!(
    over_fireflies,
    Fireflies<I, Keyed>,
    |at: u32| {
        let world = Authority::new(1);
        let (authority, signer) = (world.signer(u32::MAX), world.signer(at));
        let number = Key::new(1).random(at.into()).next_u64();
        let certificate = Certificate::issue(&authority, at, signer.key(), number);
        Fireflies::new(fireflies::Config::new(u32::MAX, 3), signer, certificate)
    },
    true
);
runs_over!(over_a_partial_view, Cyclon<I, 19>, |_| Cyclon::new(cyclon::Config::default()), false);
