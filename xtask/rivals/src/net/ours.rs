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
    a period, as memberlist's preset has, and up to 24 news in a message; Plumtree asks after \
    40 ms, again after 40, and confirms after 40, as memberlist's and QUIC's timers are for a LAN; \
    HyParView shuffles ever less often, down to once in 64 periods (iroh-gossip's: once a \
    minute), and keeps its links alive every 5";

stack! {
    struct Stack<I: PeerId> {
        members: Swim<I, (), 24>,
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

fn stack() -> Result<Stack<SocketAddr>, gossip_core::ParameterError> {
    let defaults = membership::Config::default();
    let suspicion = Suspicion::Decimal(4.0);
    let members = membership::Config { period: PERIOD, suspicion, gossip: 15, ..defaults };
    let overlay = hyparview::Config::default();
    let overlay = hyparview::Config { shuffle_pause: 64, keep_alive: 5, silence: 25, ..overlay };
    Ok(Stack::new(Swim::new(members)?, HyParView::new(overlay)?, Plumtree::new(lan())?))
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
