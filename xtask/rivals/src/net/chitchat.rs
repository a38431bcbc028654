//! chitchat: Scuttlebutt over UDP, with a phi accrual detector.

use std::net::SocketAddr;
use std::time::Duration;

use chitchat::transport::UdpTransport;
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
};

use super::run::Board;
use super::{Contender, PERIOD, PORT};

pub(super) const NAME: &str = "chitchat";
pub(super) const CONFIGURATION: &str =
    "FailureDetectorConfig::default(), protocol V1; a publication is a key of the node's own";

pub(super) struct Rival {
    handle: ChitchatHandle,
}

impl Contender for Rival {
    const FULL: bool = true;

    async fn start(at: u32, seed: Option<&Self>, board: &Board) -> Result<Self, String> {
        let addr = SocketAddr::from(([127, 0, 0, 1], PORT + at as u16));
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(format!("node-{at}"), 0, addr),
            cluster_id: "rivals".to_owned(),
            gossip_interval: PERIOD,
            listen_addr: addr,
            seed_nodes: seed.map(|seed| seed.addr().to_string()).into_iter().collect(),
            failure_detector_config: FailureDetectorConfig::default(),
            marked_for_deletion_grace_period: Duration::from_secs(900),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let started = chitchat::spawn_chitchat(config, Vec::new(), &UdpTransport).await;
        let handle = started.map_err(|e| format!("{e:#}"))?;
        let board = board.clone();
        let note =
            move |event: chitchat::KeyChangeEvent<'_>| board.note(at, event.value.as_bytes());
        handle.with_chitchat(|node| node.subscribe_event("news-", note.clone()).forever()).await;
        Ok(Self { handle })
    }

    fn name(&self) -> String {
        self.handle.chitchat_id().node_id.to_string()
    }

    async fn members(&self) -> usize {
        // Itself among them.
        self.handle.with_chitchat(|node| node.live_nodes().count() - 1).await
    }

    async fn holds(&self, name: &str) -> bool {
        let holds =
            |node: &mut chitchat::Chitchat| node.live_nodes().any(|id| &*id.node_id == name);
        self.handle.with_chitchat(holds).await
    }

    async fn publish(&self, text: String) -> Result<(), String> {
        let key = format!("news-{}", &text[..8]);
        self.handle.with_chitchat(|node| node.self_node_state().set(&key, &text)).await;
        Ok(())
    }

    async fn crash(self) {
        self.handle.abort();
    }
}

impl Rival {
    fn addr(&self) -> SocketAddr {
        self.handle.chitchat_id().gossip_advertise_addr
    }
}
