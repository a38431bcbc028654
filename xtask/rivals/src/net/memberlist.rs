//! memberlist: the Rust port of HashiCorp's, SWIM and Lifeguard over UDP, with TCP for full states.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memberlist::agnostic::tokio::TokioRuntime;
use memberlist::bytes::Bytes;
use memberlist::delegate::{CompositeDelegate, NodeDelegate, VoidDelegate};
use memberlist::net::NetTransportOptions;
use memberlist::proto::MaybeResolvedAddress;
use memberlist::queue::TransmitLimitedQueue;
use memberlist::tokio::{TokioSocketAddrResolver, TokioTcp, TokioTcpMemberlist};
use memberlist::transport::resolver::socket_addr::SocketAddrResolver;
use memberlist::{Broadcast, Options};
use smol_str::SmolStr;

use super::run::Board;
use super::{Contender, PERIOD, PORT};

pub(super) const NAME: &str = "memberlist";
pub(super) const CONFIGURATION: &str = "Options::lan() with probes once a period, whose time-out \
    is half a second, as HashiCorp's has; a publication is passed on once by all who get it";

/// How many times log10(n + 1) a publication is sent: Options::lan()'s retransmit_mult.
const RETRANSMIT: usize = 4;

/// What a publication takes beside its bytes.
const OVERHEAD: usize = 8;

#[derive(Debug, Clone)]
struct News(Bytes);

impl Broadcast for News {
    type Id = SmolStr;
    type Message = Bytes;

    fn id(&self) -> Option<&SmolStr> {
        None
    }
    fn invalidates(&self, _: &Self) -> bool {
        false
    }
    fn message(&self) -> &Bytes {
        &self.0
    }
    fn encoded_len(message: &Bytes) -> usize {
        message.len() + OVERHEAD
    }
    async fn finished(&self) {}
    fn is_unique(&self) -> bool {
        true
    }
}

/// Passes on what is new, as Serf does with events.
struct Relay {
    at: u32,
    board: Board,
    seen: Mutex<BTreeSet<Vec<u8>>>,
    queue: TransmitLimitedQueue<News, Arc<AtomicUsize>>,
}

impl Relay {
    async fn take(&self, text: &[u8]) {
        let new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_vec());
        if new {
            self.board.note(self.at, text);
            self.queue.queue_broadcast(News(Bytes::copy_from_slice(text))).await;
        }
    }
}

/// The crate's delegates want a type of one's own.
struct Delegate(Arc<Relay>);

impl NodeDelegate for Delegate {
    async fn notify_message(&self, message: Cow<'_, [u8]>) {
        self.0.take(&message).await;
    }

    async fn broadcast_messages<F>(&self, limit: usize, _: F) -> impl Iterator<Item = Bytes> + Send
    where
        F: Fn(Bytes) -> (usize, Bytes) + Send + Sync + 'static,
    {
        self.0.queue.get_broadcasts(limit).await.into_iter()
    }
}

type Void = VoidDelegate<SmolStr, SocketAddr>;
type Delegates = CompositeDelegate<SmolStr, SocketAddr, Void, Void, Void, Void, Delegate, Void>;
type Resolver = SocketAddrResolver<TokioRuntime>;

pub(super) struct Rival {
    name: SmolStr,
    list: TokioTcpMemberlist<SmolStr, Resolver, Delegates>,
    relay: Arc<Relay>,
}

impl Contender for Rival {
    const FULL: bool = true;

    async fn start(at: u32, seed: Option<&Self>, board: &Board) -> Result<Self, String> {
        let (addr, name) = (addr(at), SmolStr::new(format!("node-{at}")));
        let mut transport =
            NetTransportOptions::<_, TokioSocketAddrResolver, TokioTcp>::new(name.clone());
        transport.add_bind_address(addr);
        let nodes = Arc::new(AtomicUsize::new(board.nodes() as usize));
        let queue = TransmitLimitedQueue::new(RETRANSMIT, nodes);
        let relay = Arc::new(Relay { at, board: board.clone(), seen: Mutex::default(), queue });
        let delegates = CompositeDelegate::new().with_node_delegate(Delegate(Arc::clone(&relay)));
        let options = Options::lan()
            .with_probe_interval(PERIOD)
            .with_probe_timeout(Duration::from_millis(500));
        let list = TokioTcpMemberlist::with_delegate(delegates, transport, options).await;
        let list = list.map_err(|e| e.to_string())?;
        if let Some(seed) = seed {
            let (list, seed) = (list.clone(), *seed.list.advertise_address());
            tokio::spawn(async move {
                // What is lost is tried again, as an operator's retry-join does.
                while list.join(MaybeResolvedAddress::resolved(seed)).await.is_err() {
                    tokio::time::sleep(PERIOD).await;
                }
            });
        }
        Ok(Self { name, list, relay })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    async fn members(&self) -> usize {
        // Itself among them.
        self.list.num_online_members().await - 1
    }

    async fn holds(&self, name: &str) -> bool {
        // Not by `num_members_by`: that sees the state that a node told of itself.
        self.list.online_members().await.iter().any(|node| node.id().as_str() == name)
    }

    async fn publish(&self, text: String) -> Result<(), String> {
        self.relay.take(text.as_bytes()).await;
        Ok(())
    }

    async fn crash(self) {
        // Without a good-bye: that would be `leave`.
        let _ = self.list.shutdown().await;
    }
}

fn addr(at: u32) -> SocketAddr {
    ([127, 0, 0, 1], PORT + at as u16).into()
}
