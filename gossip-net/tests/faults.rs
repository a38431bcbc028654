//! Faults around transports, in memory under paused time and on real sockets.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Averaging, averaging, estimates, eventually};
use gossip_core::sim::Network;
use gossip_core::sim::link::Latency;
use gossip_net::faults::{Faults, Faulty};
use gossip_net::memory::Hub;
use gossip_net::{Handle, Node, Status, Transport, Udp};

const TICK: Duration = Duration::from_secs(1);

/// How far the mean may be off when all agree to 1e-6 and nothing was lost. The sum is short of
/// what replies under way carry: half a difference each, and at most every node waits for one.
const UNDER_WAY: f64 = 1e-6;

const LATENCY: Latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(50));

fn addr(node: usize) -> SocketAddr {
    ([10, 0, 0, node as u8], 7).into()
}

/// A cluster of `n` on `faults`, each node knowing the first.
async fn cluster(faults: &Faults, n: usize) -> Vec<Handle<Averaging<SocketAddr>>> {
    let hub = Hub::new();
    let mut handles = Vec::new();
    for node in 0..n {
        let transport = Faulty::new(hub.bind(addr(node)).unwrap(), faults).unwrap();
        let stack = averaging(node as f64, TICK).unwrap();
        let mut builder = Node::builder(stack).transport(transport).seed(1);
        if node > 0 {
            builder = builder.contact(addr(0));
        }
        handles.push(builder.spawn().await.unwrap());
    }
    handles
}

/// Jelasity et al. 2005, section 7.2: what a lost reply takes away is gone, so under loss nodes
/// agree, but on a value that is a little off. The control: without loss the value is exact, though
/// datagrams are delayed and overtake each other. 32 nodes, seeds 1 and 5.
#[tokio::test(start_paused = true)]
async fn lost_replies_shift_the_mean_and_reordering_does_not() {
    let network = Network::new(LATENCY).reordering(0.2).unwrap();
    for (loss, exact) in [(0.0, true), (0.1, false)] {
        let network = network.clone().loss(loss).unwrap();
        let handles = cluster(&Faults::new(network, 5), 32).await;
        let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
        let what = format!("32 nodes agree with loss {loss} (seeds 1, 5)");
        eventually(&what, 200 * TICK, TICK, agreed).await;
        let off = (estimates(&handles).unwrap().0 - 15.5).abs();
        assert_eq!(off < UNDER_WAY, exact, "off by {off} with loss {loss}, seeds 1, 5");
        // A reply lost early moves the mean by at most half a difference over N; the sum of the
        // differences is bounded by the initial spread, whose deviation is 9.2 at each node.
        assert!(off < 5.0, "off by {off} with loss {loss}, seeds 1, 5");
        let lost: u64 = handles.iter().map(|h| h.counters().counts.total("lost")).sum();
        let sent: u64 = handles.iter().map(|h| h.counters().datagrams_out).sum();
        let share = lost as f64 / sent as f64;
        let deviation = (loss * (1.0 - loss) / sent as f64).sqrt();
        assert!((share - loss).abs() <= 4.0 * deviation, "{lost} of {sent}, seeds 1, 5");
    }
}

/// Doubled datagrams change nothing: an exchange is made once.
#[tokio::test(start_paused = true)]
async fn doubled_datagrams_leave_the_mean_exact() {
    let network = Network::new(LATENCY).duplication(0.5).unwrap();
    let handles = cluster(&Faults::new(network, 6), 16).await;
    let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
    eventually("16 nodes agree (seeds 1, 6)", 200 * TICK, TICK, agreed).await;
    let off = (estimates(&handles).unwrap().0 - 7.5).abs();
    assert!(off < UNDER_WAY, "off by {off}, seeds 1, 6");
    assert!(handles.iter().map(|h| h.counters().counts.total("doubled")).sum::<u64>() > 100);
}

/// Fault table, row 6: a node that is cut off notices, and is back soon after the cut has healed,
/// without an operator.
#[tokio::test(start_paused = true)]
async fn an_isolated_node_notices_and_rejoins() {
    let faults = Faults::new(Network::new(LATENCY), 3);
    let handles = cluster(&faults, 8).await;
    for handle in &handles {
        handle.status_where(Status::is_connected).await;
    }
    faults.isolate([addr(5)]);
    let status = handles[5].status_where(Status::is_isolated).await;
    assert!(status.to_string().contains("10.0.0.0:7"), "{status}");
    tokio::time::sleep(300 * TICK).await;
    assert!(handles[4].status().is_connected() && handles[5].status().is_isolated());
    faults.heal();
    let back = || handles[5].status().is_connected();
    let took = eventually("the node is back (seeds 1, 3)", 70 * TICK, TICK, back).await;
    assert!(took <= 62 * TICK, "the longest pause is a minute: {took:?}");
}

/// The decorator works on real sockets as well: half of what is sent arrives.
#[tokio::test]
async fn loss_applies_to_udp() {
    let faults = Faults::new(Network::default().loss(0.5).unwrap(), 4);
    let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
    let a = Faulty::new(Udp::bind(loopback).await.unwrap(), &faults).unwrap();
    let b = Udp::bind(loopback).await.unwrap();
    let (to, mut buffer) = (b.local_addr().unwrap(), [0; 8]);
    let mut arrived = 0;
    for sent in 1..=200 {
        a.send(to, b"x").await.unwrap();
        // What was not lost is there: loopback is synchronous.
        let lost = a.counts().total("lost");
        while arrived < sent - lost {
            let waiting = tokio::time::timeout(Duration::from_secs(5), b.recv(&mut buffer));
            assert_eq!(waiting.await.expect("it arrives").unwrap().0, 1);
            arrived += 1;
        }
    }
    // Binomial: deviation 7.1 of 200, so 70 to 130 is 4.2 of them.
    assert!((70..=130).contains(&arrived), "{arrived} of 200, seed 4");
}

/// A datagram that is too long for the path vanishes there; what fits gets through.
#[tokio::test(start_paused = true)]
async fn the_path_has_a_largest_datagram() {
    let faults = Faults::new(Network::default().mtu(100), 4);
    let hub = Hub::new();
    let a = Faulty::new(hub.bind(addr(1)).unwrap(), &faults).unwrap();
    let b = hub.bind(addr(2)).unwrap();
    a.send(addr(2), &[0; 101]).await.unwrap();
    a.send(addr(2), &[0; 100]).await.unwrap();
    assert_eq!(b.recv(&mut [0; 200]).await.unwrap().0, 100);
    assert_eq!(a.counts().total("lost"), 1);
}
