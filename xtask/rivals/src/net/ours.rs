//! Ours: SWIM for the membership, and Plumtree over HyParView for publications.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::membership::{self, Suspicion, Swim};
use gossip_core::sampling::{HyParView, hyparview};
use gossip_core::{Blob, PeerId, Peers, Protocol, stack};
use gossip_dissem::plumtree::{self, Plumtree};
use gossip_net::{Delivery, Handle, Node};

use super::run::{Board, PAYLOAD};
use super::{Contender, PERIOD, PORT};

pub(super) const NAME: &str = "ours";
pub(super) const CONFIGURATION: &str = "Swim with Suspicion::Decimal(4.0) and gossip to 15 members \
    a period, of news that are told 2 ceil(ln(n + 1)) times, as memberlist's preset has, and up to \
    24 news in a message; Plumtree asks after 40 ms, again after 40, and confirms after 40, as \
    memberlist's and QUIC's timers are for a LAN; \
    HyParView with Config::sparing(), over Swim: shuffles down to once in 64 periods \
    (iroh-gossip's: once a minute), links told every 10; in clear, as memberlist and chitchat";

stack! {
    struct Stack<I: PeerId> {
        members: Swim<I, (), 24>,
        #[uses(members)]
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        news: Plumtree<I, Blob<PAYLOAD>>,
    }
}

type Told = <Stack<SocketAddr> as Protocol>::Event;
type Asked = <Stack<SocketAddr> as Protocol>::Command;

#[derive(Debug)]
pub(super) struct Rival {
    node: Handle<Stack<SocketAddr>>,
}

fn stack<I: PeerId>() -> Result<Stack<I>, gossip_core::ParameterError> {
    let defaults = membership::Config::default();
    let suspicion = Suspicion::Decimal(4.0);
    let members =
        membership::Config { period: PERIOD, suspicion, gossip: 15, lambda: 2, ..defaults };
    let peers = HyParView::new(hyparview::Config::sparing())?;
    Ok(Stack::new(Swim::new(members)?, peers, Plumtree::new(lan())?))
}

/// Plumtree's waits, for round trips of a few milliseconds: each is some of those, and a flood's
/// way through 200 nodes on one machine.
fn lan() -> plumtree::Config {
    const WAIT: Duration = Duration::from_millis(40);
    plumtree::Config {
        announce: WAIT / 4,
        timeout1: WAIT,
        timeout2: WAIT,
        confirm: Some(WAIT),
        repeat: Some(3 * WAIT),
        ..plumtree::Config::default()
    }
}

impl Contender for Rival {
    const FULL: bool = true;

    async fn start(at: u32, seed: Option<&Self>, board: &Board) -> Result<Self, String> {
        let stack = stack().map_err(|e| e.to_string())?;
        let builder = Node::builder(stack).bind(([127, 0, 0, 1], PORT + at as u16)).tick(PERIOD);
        let builder = builder.contacts(seed.map(|seed| seed.node.id()));
        let node = builder.spawn().await.map_err(|e| e.to_string())?;
        let (mut events, board) = (node.events(), board.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Delivery::Event(Told::news(plumtree::Event::Delivered { value, .. })) = event
                {
                    board.note(at, value.as_ref());
                }
            }
        });
        Ok(Self { node })
    }

    fn name(&self) -> String {
        self.node.id().to_string()
    }

    async fn members(&self) -> usize {
        self.node.read(|stack| stack.members.degree())
    }

    async fn holds(&self, name: &str) -> bool {
        let Ok(peer) = name.parse() else { return false };
        let held = |stack: &Stack<SocketAddr>| stack.members.standing(peer).map(|held| held.state);
        self.node.read(held).is_some_and(membership::State::is_member)
    }

    async fn publish(&self, text: String) -> Result<(), String> {
        let value = Blob::new(text.as_bytes()).map_err(|e| e.to_string())?;
        let publish = Asked::news(plumtree::Command::Publish(value));
        self.node.call(publish).await.map(drop).map_err(|e| e.to_string())
    }

    async fn crash(self) {
        self.node.kill();
        self.node.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use gossip_core::sim::event::{Config, Simulation};
    use gossip_core::sim::link::{Latency, Network};

    use super::*;

    /// Where idle bytes go, a node and second, in the quarter minute that a run watches and once
    /// all has settled: at 50 nodes, with the headers of IP and UDP. The floor is SWIM's probe and
    /// its answer, 2 (28 + 11 + 10) = 98.
    #[test]
    fn idle_bytes_are_mostly_those_of_probes() {
        let latency = Latency::Constant(Duration::from_micros(200));
        let config = Config { detection: None, ..Config::seeded(1) };
        let network = Network::new(latency);
        let mut sim = Simulation::new(50, |_| stack::<u32>().unwrap(), network, config).unwrap();
        (1..50).for_each(|node| sim.contact(node, 0));
        sim.run_for(Duration::from_secs(11));
        for (seconds, most) in [(15, 230.0), (120, 170.0), (120, 145.0)] {
            let (before, layers) = (sim.traffic(), sim.sent().clone());
            sim.run_for(Duration::from_secs(seconds));
            let each = |count: u64| count as f64 / 50.0 / seconds as f64;
            let datagrams = each(sim.traffic().datagrams - before.datagrams);
            let bytes = each(sim.traffic().bytes - before.bytes) + 28.0 * datagrams;
            println!("{seconds} s: {bytes:.1} B in {datagrams:.2} datagrams");
            for (layer, share) in sim.sent().iter() {
                let (frames, bytes) = (share.frames, share.bytes);
                let already = layers.get(layer);
                let [frames, bytes] = [frames - already.frames, bytes - already.bytes].map(each);
                println!("  {layer}: {frames:.2} frames of {bytes:.1} B");
            }
            assert!((98.0..most).contains(&bytes), "{bytes} B");
        }
    }
}
