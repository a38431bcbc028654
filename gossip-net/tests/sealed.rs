//! Clusters whose datagrams are sealed: secrets that change while they run, strangers, and the way
//! from datagrams in the clear. On the in-memory transport under paused time.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Averaging, averaging, estimates, eventually, smallest_view};
use gossip_net::memory::Hub;
use gossip_net::{AllowList, Handle, Keyring, Node, NodeKey, Plaintext, Secret};
use tokio::time::Instant;

const TICK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

type Cluster = Vec<Handle<Averaging<SocketAddr>>>;

fn addr(node: usize) -> SocketAddr {
    ([10, 0, 0, node as u8], 7).into()
}

fn keys(byte: u8) -> Keyring {
    Keyring::new(Secret::new([byte; 32]))
}

async fn node(hub: &Hub, at: usize, keys: Option<&Keyring>) -> Handle<Averaging<SocketAddr>> {
    known_as(hub, at, keys, None, None).await
}

/// A node that proves who it is by `key`, and asks for proofs if it has a list.
async fn known_as(
    hub: &Hub,
    at: usize,
    keys: Option<&Keyring>,
    key: Option<&NodeKey>,
    list: Option<&AllowList>,
) -> Handle<Averaging<SocketAddr>> {
    let mut builder = Node::builder(averaging(at as f64, TICK).unwrap())
        .transport(hub.bind(addr(at)).unwrap())
        .seed(7);
    if let Some(keys) = keys {
        builder = builder.keys(keys);
    }
    if let Some(key) = key {
        builder = builder.node_key(key);
    }
    if let Some(list) = list {
        builder = builder.allow(list);
    }
    if at > 0 {
        builder = builder.contact(addr(0));
    }
    builder.spawn().await.unwrap()
}

/// All datagrams that were refused, whatever for.
fn refused(cluster: &Cluster) -> u64 {
    let causes = [
        "datagram of another key",
        "datagram forged, damaged, or for others",
        "datagram repeated or late",
        "datagram in the clear",
        "datagram too short",
    ];
    let of = |handle: &Handle<_>| -> u64 {
        let counts = handle.counters().counts;
        causes.iter().map(|cause| counts.total(cause)).sum()
    };
    cluster.iter().map(of).sum()
}

/// Waits until all agree on the mean of 0 to n - 1.
async fn agrees(cluster: &Cluster) {
    let mean = (cluster.len() - 1) as f64 / 2.0;
    let exact =
        || estimates(cluster).is_some_and(|(found, worst)| (found - mean).abs() + worst < 1e-6);
    eventually("the mean", 3 * MINUTE, TICK, exact).await;
}

/// The secret of 20 nodes is changed while they run, on one node after the other: nothing that is
/// said meanwhile is refused. Then the old secret is worth nothing.
#[tokio::test(start_paused = true)]
async fn a_secret_changes_under_load_and_nothing_is_refused() {
    let hub = Hub::new();
    let rings: Vec<Keyring> = (0..20).map(|_| keys(1)).collect();
    let mut cluster = Vec::new();
    for (at, ring) in rings.iter().enumerate() {
        cluster.push(node(&hub, at, Some(ring)).await);
    }
    eventually("views", MINUTE, TICK, || smallest_view(&cluster) >= 10).await;
    let new = Secret::new([2; 32]);
    for ring in &rings {
        ring.install(new.clone()).unwrap();
        tokio::time::sleep(TICK / 3).await;
    }
    for ring in &rings {
        ring.switch(new.id()).unwrap();
        tokio::time::sleep(TICK / 3).await;
    }
    tokio::time::sleep(TICK).await;
    for ring in &rings {
        ring.remove(Secret::new([1; 32]).id()).unwrap();
        tokio::time::sleep(TICK / 3).await;
    }
    agrees(&cluster).await;
    assert_eq!(refused(&cluster), 0);

    let late = node(&hub, 20, Some(&keys(1))).await;
    tokio::time::sleep(MINUTE).await;
    assert!(!late.status().is_connected(), "the old secret");
    assert!(refused(&cluster) > 0);
}

/// Strangers hear nothing and are not heard: neither without keys nor with others.
#[tokio::test(start_paused = true)]
async fn strangers_stay_outside() {
    let (hub, ring) = (Hub::new(), keys(1));
    let cluster = vec![node(&hub, 0, Some(&ring)).await, node(&hub, 1, Some(&ring)).await];
    let strangers = [node(&hub, 2, None).await, node(&hub, 3, Some(&keys(9))).await];
    agrees(&cluster).await;
    assert!(strangers.iter().all(|stranger| !stranger.status().is_connected()));
    let counts = cluster[0].counters().counts;
    assert!(counts.total("datagram in the clear") > 0, "{counts:?}");
    assert!(counts.total("datagram of another key") > 0, "{counts:?}");
}

/// A cluster in the clear becomes a sealed one, node by node, and nothing is refused.
#[tokio::test(start_paused = true)]
async fn a_cluster_moves_from_plain_to_sealed_step_by_step() {
    let hub = Hub::new();
    let rings: Vec<Keyring> = (0..8).map(|_| keys(1)).collect();
    for ring in &rings {
        ring.set_plaintext(Plaintext::Send);
    }
    let mut cluster = vec![node(&hub, 0, Some(&rings[0])).await];
    for (at, ring) in rings.iter().enumerate().skip(1) {
        cluster.push(node(&hub, at, Some(ring)).await);
    }
    eventually("views", MINUTE, TICK, || smallest_view(&cluster) >= 5).await;
    for stage in [Plaintext::Accept, Plaintext::Refuse] {
        for ring in &rings {
            ring.set_plaintext(stage);
            tokio::time::sleep(TICK / 3).await;
        }
        tokio::time::sleep(TICK).await;
    }
    agrees(&cluster).await;
    assert_eq!(refused(&cluster), 0);
}

/// Whose key is on the list takes part; who has the secret alone, or a key of its own, does not: it
/// is neither heard nor told anything. Then one is taken off the list, and is out from then on.
#[tokio::test(start_paused = true)]
async fn who_is_not_on_the_list_is_no_member() {
    let (hub, ring) = (Hub::new(), keys(1));
    let all: Vec<NodeKey> = (0..6).map(|_| NodeKey::generate().unwrap()).collect();
    let list = AllowList::new(all[..4].iter().map(NodeKey::public));
    let mut cluster = Vec::new();
    for (at, key) in all[..4].iter().enumerate() {
        cluster.push(known_as(&hub, at, Some(&ring), Some(key), Some(&list)).await);
    }
    let joined = Instant::now();
    cluster[3].status_where(gossip_net::Status::is_connected).await;
    assert!(joined.elapsed() < 3 * TICK, "proofs cost a round trip: {:?}", joined.elapsed());
    let keyless = known_as(&hub, 4, Some(&ring), None, None).await;
    let stranger = known_as(&hub, 5, Some(&ring), Some(&all[5]), Some(&list)).await;
    agrees(&cluster).await;
    for (out, cause) in
        [(&keyless, "answer without a proof"), (&stranger, "peer is not on the list")]
    {
        assert!(!out.status().is_connected(), "{out:?}");
        let knows = |stack: &Averaging<_>| stack.peers.view(0).all(|(peer, _)| peer == addr(0));
        assert!(out.read(knows), "it was told of nobody");
        let counts = cluster[0].counters().counts;
        assert!(counts.total(cause) > 0, "{cause}: {counts:?}");
        assert!(counts.total("peer has not proved who it is") > 0, "{counts:?}");
    }
    let known = cluster[1].peer(addr(0)).and_then(|peer| peer.key);
    assert_eq!(known, Some(all[0].public()));

    list.replace(&AllowList::new(all[..3].iter().map(NodeKey::public)));
    let before = cluster[0].counters().counts.total("peer is not on the list");
    let out = cluster[3].status_where(gossip_net::Status::is_isolated);
    tokio::time::timeout(MINUTE, out).await.unwrap();
    let counts = cluster[0].counters().counts;
    assert!(counts.total("peer is not on the list") > before, "{counts:?}");
    let hears = cluster[3].read(|stack| stack.load.running_estimate());
    tokio::time::sleep(MINUTE).await;
    assert_eq!(hears, cluster[3].read(|stack| stack.load.running_estimate()), "it hears no more");
    assert!(cluster[..3].iter().all(|node| node.status().is_connected()));
}

/// A cluster whose nodes have keys, but no lists yet, and one of the release before: nothing is
/// refused. So keys come first, and lists when all have them.
#[tokio::test(start_paused = true)]
async fn keys_without_lists_refuse_nobody() {
    let (hub, ring) = (Hub::new(), keys(1));
    let key = NodeKey::generate().unwrap();
    let cluster = vec![
        known_as(&hub, 0, Some(&ring), Some(&key), None).await,
        node(&hub, 1, Some(&ring)).await,
        known_as(&hub, 2, Some(&ring), Some(&NodeKey::generate().unwrap()), None).await,
    ];
    agrees(&cluster).await;
    let known = || cluster[1].peer(addr(0));
    eventually("what it can do", MINUTE, TICK, || known().is_some()).await;
    assert_ne!(known().unwrap().capabilities & gossip_net::PROVES, 0);
    assert_eq!(known().unwrap().key, None, "nobody asked for it");
    assert_eq!(refused(&cluster), 0);
}

/// An address that others reach is bound with keys, or on purpose without.
#[tokio::test]
async fn what_others_reach_is_sealed_unless_said_otherwise() {
    let builder = || {
        let stack = averaging::<SocketAddr>(1.0, TICK).unwrap();
        Node::builder(stack).bind(([0, 0, 0, 0], 0)).advertise(([127, 0, 0, 1], 0))
    };
    let error = builder().spawn().await.unwrap_err().to_string();
    assert!(error.contains("which others reach, and without keys"), "{error}");
    builder().plaintext().spawn().await.unwrap().kill();
    builder().keys(&keys(1)).spawn().await.unwrap().kill();
}
