//! Nodes on real sockets, on loopback. Ports are the system's choice, and nothing is waited for by
//! sleeping: each test looks for a condition until a deadline.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{PeerId, Protocol, stack};
use gossip_entropy::{Command, Replica};

use common::{
    Averaging, Idle, News, Order, Probe, averaging, estimates, eventually, smallest_view,
};
use gossip_net::{
    Batch, CallError, Datagram, Delivery, Handle, Node, NodeKey, PublicKey, SpawnError, Status,
    Transport, Udp, canonical,
};

const TICK: Duration = Duration::from_millis(25);
const DEADLINE: Duration = Duration::from_secs(20);
const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

async fn cluster(n: usize) -> Vec<Handle<Averaging<SocketAddr>>> {
    let mut handles: Vec<Handle<_>> = Vec::new();
    for node in 0..n {
        let stack = averaging(node as f64, TICK).unwrap();
        let contact = handles.first().map(Handle::id);
        let builder = Node::builder(stack).bind(LOOPBACK).tick(TICK).contacts(contact);
        handles.push(builder.cluster("udp test").spawn().await.unwrap());
    }
    handles
}

/// 16 nodes on 16 sockets, each knowing the first: the views fill, and all agree on a value near
/// the mean of 7.5. It is off by no more than replies under way carry (1e-6 where all agree to
/// that), unless a reply comes later than the patience of half a tick, 12 ms,
/// which a loaded machine may cause; what that moves is bounded by the spread of the inputs. Then
/// one is killed, and the others go on and forget it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_sockets_agree_and_survive_a_death() {
    let mut handles = cluster(16).await;
    // Not all 15 at the same moment at every node: a shuffle may let go of its partner.
    let full = || smallest_view(&handles) >= 10;
    let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
    eventually("each knows at least 10 of 15 others", DEADLINE, TICK, full).await;
    eventually("all agree", DEADLINE, TICK, agreed).await;
    let (mean, _) = estimates(&handles).unwrap();
    let lost: u64 = handles.iter().map(|h| h.counters().counts.get("load", "no reply")).sum();
    let tolerance = if lost == 0 { 1e-5 } else { 3.0 };
    assert!((mean - 7.5).abs() < tolerance, "mean {mean} with {lost} replies late");

    let dead = handles.remove(7);
    dead.kill();
    assert!(dead.wait().await.is_wanted());
    let before: Vec<u64> = handles.iter().map(|h| h.counters().rounds).collect();
    let gone =
        || handles.iter().all(|h| h.read(|s| s.peers.view(0).all(|(peer, _)| peer != dead.id())));
    eventually("the dead node is forgotten", DEADLINE, TICK, gone).await;
    for (handle, before) in handles.iter().zip(before) {
        assert!(handle.ended().is_none() && handle.counters().rounds > before);
        assert!(handle.status().is_connected());
    }
    for handle in &handles {
        assert!(handle.leave().await.into_result().is_ok());
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let holder = UdpSocket::bind(SocketAddr::from(LOOPBACK)).unwrap();
    let addr = holder.local_addr().unwrap();
    let error = Node::builder(Idle).bind(addr).spawn().await.unwrap_err();
    assert!(matches!(error, SpawnError::Taken { addr: taken } if taken == addr));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot bind {addr}: another socket has it; stop its process, choose another port, or \
             port 0 for any that is free"
        )
    );
    drop(holder);
    assert!(Node::builder(Idle).bind(addr).spawn().await.is_ok());
}

/// An address of this host's own, told to peers, for a socket that is bound to all of them.
#[tokio::test]
async fn a_socket_of_all_addresses_needs_one_to_tell() {
    let any = (Ipv4Addr::UNSPECIFIED, 0);
    let error = Node::builder(Idle).bind(any).spawn().await.unwrap_err().to_string();
    assert!(error.contains("say with advertise() which one peers are to use"), "{error}");
    let builder = Node::builder(Probe::default()).bind(any).advertise(LOOPBACK).plaintext();
    let told = builder.spawn().await.unwrap();
    assert_eq!(told.id().port(), told.local_addr().port());
    let peer = Node::builder(Probe::default()).bind(LOOPBACK).contact(told.id()).spawn().await;
    let peer = peer.unwrap();
    let heard = tokio::time::timeout(DEADLINE, told.events().recv()).await.expect("in time");
    assert!(matches!(heard, Some(Delivery::Event(News::Heard(from, _))) if from == peer.id()));
}

/// A dual-stack socket names its IPv4 peers by their IPv4 addresses, and reaches them. Skipped
/// where the host has no IPv6.
#[tokio::test]
async fn ipv6_sockets_know_ipv4_peers_by_their_own_address() {
    let v4 = Node::builder(Probe::default()).bind(LOOPBACK).spawn().await.unwrap();
    let builder = Node::builder(Probe::default()).bind((Ipv6Addr::UNSPECIFIED, 0)).plaintext();
    let both = match builder.advertise(LOOPBACK).contact(v4.id()).spawn().await {
        Ok(handle) => handle,
        Err(SpawnError::Bind { error, .. }) => return eprintln!("skipped: no IPv6 here: {error}"),
        Err(error) => panic!("{error}"),
    };
    let heard = tokio::time::timeout(DEADLINE, v4.events().recv()).await.expect("in time");
    assert!(matches!(heard, Some(Delivery::Event(News::Heard(from, _))) if from == both.id()));
    v4.call(Order::Greet(both.id())).await.unwrap();
    tokio::time::timeout(DEADLINE, both.status_where(Status::is_connected)).await.expect("in time");
    let mut events = both.events();
    assert_eq!(events.recv().await, Some(Delivery::Event(News::Contact(v4.id()))));
    let greeted = events.recv().await;
    assert!(matches!(greeted, Some(Delivery::Event(News::Heard(from, _))) if from == v4.id()));

    if let Ok(six) = Node::builder(Probe::default()).bind((Ipv6Addr::LOCALHOST, 0)).spawn().await {
        both.call(Order::Greet(six.id())).await.unwrap();
        let heard = tokio::time::timeout(DEADLINE, six.events().recv()).await;
        assert!(matches!(heard.expect("in time"), Some(Delivery::Event(News::Heard(..)))));
    }
}

/// Nobody listens at the contact: spawning succeeds, and the status says so.
#[tokio::test]
async fn a_contact_that_is_not_there_is_reported() {
    let free = UdpSocket::bind(SocketAddr::from(LOOPBACK)).unwrap().local_addr().unwrap();
    let builder = Node::builder(Probe::default()).bind(LOOPBACK).tick(TICK).contact(free);
    let handle = builder.spawn().await.unwrap();
    let isolated = handle.status_where(Status::is_isolated);
    let status = tokio::time::timeout(DEADLINE, isolated).await.expect("in time");
    assert!(status.to_string().contains(&format!("still asking {free}")), "{status}");
    // And it is found when it comes.
    let late = Node::builder(Probe::default()).bind(free).tick(TICK).spawn().await.unwrap();
    late.call(Order::Greet(handle.id())).await.unwrap();
    let connected = handle.status_where(Status::is_connected);
    assert!(tokio::time::timeout(DEADLINE, connected).await.expect("in time").is_connected());
}

/// A burst that is longer than a batch, while rounds go on.
#[tokio::test]
async fn a_flood_does_not_stop_the_rounds() {
    let handle = Node::builder(Idle).bind(LOOPBACK).tick(TICK).spawn().await.unwrap();
    let (to, flood) = (handle.id(), UdpSocket::bind(SocketAddr::from(LOOPBACK)).unwrap());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = flood.send_to(&[7; 100], to);
        }
    });
    eventually("20 rounds in a flood", DEADLINE, TICK, || handle.counters().rounds >= 20).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    thread.join().unwrap();
    let counters = handle.counters();
    assert!(counters.datagrams_in > 1_000, "{counters:?}");
    assert_eq!(counters.counts.get("packer", "not a gossip datagram"), counters.datagrams_in);
}

/// Sends datagrams of many lengths, more than one call of the system takes, and receives them in
/// order.
async fn pours(from: &Udp, to: &Udp, addr: SocketAddr) {
    let lengths = (0..80).map(|number| number * 37 % 1_201);
    let datagrams: Vec<_> =
        lengths.map(|len| Datagram { to: addr, bytes: vec![len as u8; len], frames: 1 }).collect();
    let mut rest = &datagrams[..];
    while !rest.is_empty() {
        let sent = from.send_many(rest).await.expect("there is room");
        assert!((1..=rest.len()).contains(&sent), "{sent} of {}", rest.len());
        rest = &rest[sent..];
    }
    let (mut batch, mut came) = (Batch::new(1_200), Vec::new());
    while came.len() < datagrams.len() {
        let received = tokio::time::timeout(DEADLINE, to.recv_many(&mut batch)).await;
        received.expect("in time").expect("received");
        assert!(!batch.is_empty());
        came.extend(batch.iter().map(|(sender, bytes)| (sender, bytes.to_vec())));
    }
    let sender = SocketAddr::new(addr.ip(), from.local_addr().unwrap().port());
    for (sent, (by, bytes)) in datagrams.iter().zip(&came) {
        assert_eq!((canonical(*by), bytes), (sender, &sent.bytes));
    }
}

#[tokio::test]
async fn many_datagrams_go_and_come_at_once_over_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        let addr = SocketAddr::new(ip.parse().unwrap(), 0);
        let (from, to) = (Udp::bind(addr).await.unwrap(), Udp::bind(addr).await.unwrap());
        pours(&from, &to, to.local_addr().unwrap()).await;
    }
}

/// A socket of all IPv6 addresses sends to IPv4 ones, and hears them by their IPv4 address.
#[tokio::test]
async fn many_datagrams_go_and_come_at_once_over_a_dual_stack() {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let (from, to) = (Udp::bind(any).await.unwrap(), Udp::bind(any).await.unwrap());
    let port = to.local_addr().unwrap().port();
    pours(&from, &to, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
}

stack! {
    /// A store in which each entry proves who wrote it.
    #[derive(Debug)]
    struct Board<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        data: Replica<I, 80, 64>,
    }
}

/// What a node writes begins with its public key.
fn owner(_: SocketAddr, key: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(key.get(..64)?).ok()?;
    text.parse().ok().map(PublicKey::to_bytes)
}

async fn board(key: Option<&NodeKey>, contact: Option<SocketAddr>) -> Handle<Board<SocketAddr>> {
    let (config, peers) = (gossip_entropy::Config::default(), cyclon::Config::default());
    let data = match key {
        Some(key) => Replica::signed(config, key.clone(), owner).unwrap(),
        None => Replica::new(config).unwrap(),
    };
    let builder = Node::builder(Board::new(Cyclon::new(peers).unwrap(), data));
    builder.bind(LOOPBACK).tick(TICK).contacts(contact).spawn().await.unwrap()
}

async fn set(node: &Handle<Board<SocketAddr>>, key: &str) -> Result<(), CallError> {
    type Asked = <Board<SocketAddr> as Protocol>::Command;
    let set = Command::set(key, node.id().to_string()).unwrap();
    node.call(Asked::data(set)).await.map(drop)
}

/// With keys of nodes a store is signed: a node writes below its own key and nowhere else, and what
/// a member without a key writes in another's name is taken by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_prove_who_wrote_them() {
    let (ann, bob) = (NodeKey::generate().unwrap(), NodeKey::generate().unwrap());
    let a = board(Some(&ann), None).await;
    let b = board(Some(&bob), Some(a.id())).await;
    let eve = board(None, Some(a.id())).await;
    let (anns, forged) = (format!("{}/colour", ann.public()), format!("{}/size", ann.public()));
    set(&a, &anns).await.unwrap();
    assert!(matches!(set(&b, &forged).await, Err(CallError::Refused(_))));
    set(&eve, &forged).await.unwrap();
    let has = |node: &Handle<Board<SocketAddr>>, key: &str| {
        node.read(|board| board.data.get(key.as_bytes()).is_some())
    };
    let refused = |node: &Handle<_>| node.counters().counts.get("data", "entry not signed");
    let done = || has(&b, &anns) && refused(&a) > 0 && refused(&b) > 0;
    eventually("the entry, and the refusals", DEADLINE, TICK, done).await;
    assert!(has(&eve, &forged) && !has(&a, &forged) && !has(&b, &forged));
}
