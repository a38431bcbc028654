//! iroh-gossip: HyParView and Plumtree over QUIC connections. It keeps no full membership.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, RelayMode};
use iroh_gossip::api::{Event, GossipSender};
use iroh_gossip::{ALPN, Gossip, TopicId};
use n0_future::StreamExt;

use super::run::Board;
use super::{Contender, PORT};

pub(super) const NAME: &str = "iroh-gossip";
pub(super) const CONFIGURATION: &str = "by default, without relays; always encrypted; five \
    neighbours instead of a full membership, so that it is in when it has one";

pub(super) struct Rival {
    router: Router,
    addr: EndpointAddr,
    sender: GossipSender,
    neighbours: Arc<AtomicUsize>,
}

impl Contender for Rival {
    const FULL: bool = false;

    async fn start(at: u32, seed: Option<&Self>, board: &Board) -> Result<Self, String> {
        let bind = SocketAddr::from(([127, 0, 0, 1], PORT + at as u16));
        let known = MemoryLookup::new();
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled);
        let builder = builder.clear_ip_transports().address_lookup(known.clone());
        let builder = builder.bind_addr(bind).map_err(|e| e.to_string())?;
        let endpoint = builder.bind().await.map_err(|e| e.to_string())?;
        let addr = EndpointAddr::new(endpoint.id()).with_ip_addr(bind);
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let router = Router::builder(endpoint).accept(ALPN, gossip.clone()).spawn();

        let seeds = seed.map(|seed| {
            known.add_endpoint_info(seed.addr.clone());
            seed.addr.id
        });
        let topic = TopicId::from_bytes([7; 32]);
        let joined = gossip.subscribe(topic, seeds.into_iter().collect()).await;
        let (sender, mut receiver) = joined.map_err(|e| e.to_string())?.split();
        let neighbours = Arc::new(AtomicUsize::new(0));
        let (board, count) = (board.clone(), Arc::clone(&neighbours));
        tokio::spawn(async move {
            // The gossip goes on as long as somebody holds it.
            let _gossip = gossip;
            while let Some(Ok(event)) = receiver.next().await {
                match event {
                    Event::Received(message) => board.note(at, &message.content),
                    _ => count.store(receiver.neighbors().count(), Ordering::Relaxed),
                }
            }
        });
        Ok(Self { router, addr, sender, neighbours })
    }

    fn name(&self) -> String {
        self.addr.id.to_string()
    }

    async fn members(&self) -> usize {
        self.neighbours.load(Ordering::Relaxed)
    }

    async fn holds(&self, _: &str) -> bool {
        false
    }

    async fn publish(&self, text: String) -> Result<(), String> {
        self.sender.broadcast(text.into_bytes().into()).await.map_err(|e| e.to_string())
    }

    async fn crash(self) {
        let _ = self.router.shutdown().await;
    }
}
