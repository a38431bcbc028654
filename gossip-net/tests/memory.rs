//! Nodes on the in-memory transport, mostly under paused time: a test of minutes takes
//! milliseconds, and no test waits for a real clock.

mod common;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{io, panic};

use common::{Averaging, Idle, News, Order, Probe, Said, averaging, estimates, eventually};
use gossip_core::Refusal;
use gossip_core::random::Key;
use gossip_net::memory::{Hub, Memory};
use gossip_net::{
    CallError, ContactError, Delivery, Ended, Events, Handle, Node, SpawnError, Status, Transport,
    async_trait,
};

const TICK: Duration = Duration::from_secs(1);

fn addr(node: usize) -> SocketAddr {
    ([10, 0, (node >> 8) as u8, node as u8], 7).into()
}

async fn probe(hub: &Hub, node: usize) -> Handle<Probe> {
    let builder = Node::builder(Probe::default()).transport(hub.bind(addr(node)).unwrap());
    builder.spawn().await.unwrap()
}

/// The next event that `wanted` wants.
async fn next(events: &mut Events<News>, wanted: impl Fn(&News) -> bool) -> Option<Delivery<News>> {
    loop {
        match events.recv().await {
            Some(Delivery::Event(news)) if !wanted(&news) => {}
            other => return other,
        }
    }
}

async fn cluster(hub: &Hub, n: usize) -> Vec<Handle<Averaging<SocketAddr>>> {
    let mut handles = Vec::new();
    for node in 0..n {
        let mut builder = Node::builder(averaging(node as f64, TICK).unwrap())
            .transport(hub.bind(addr(node)).unwrap())
            .seed(42);
        if node > 0 {
            builder = builder.contact(addr(0));
        }
        handles.push(builder.spawn().await.unwrap());
    }
    handles
}

/// Jelasity et al. 2005, section 3: without loss the sum is exact, and the variance falls by about
/// 0.3033 a round: 32 inputs of variance 85 agree to 1e-6 after ln(85/1e-12)/1.19 = 27 rounds, and
/// the views take some to fill. 32 nodes, seed 42.
#[tokio::test(start_paused = true)]
async fn nodes_that_know_one_contact_agree_on_the_mean() {
    let handles = cluster(&Hub::new(), 32).await;
    let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
    eventually("32 nodes agree (seed 42)", 100 * TICK, TICK, agreed).await;
    let (mean, _) = estimates(&handles).unwrap();
    assert!((mean - 15.5).abs() < 1e-9, "mean {mean}, seed 42");
    assert!(common::smallest_view(&handles) >= 15);
    for handle in &handles {
        let counters = handle.counters();
        assert!(handle.status().is_connected());
        // Besides a question and an answer of the driver a round, each datagram has a frame.
        let own = 2 * counters.rounds;
        assert!(counters.frames_in > 0 && counters.frames_out + own >= counters.datagrams_out);
        assert!(counters.datagrams_in <= handles.len() as u64 * counters.rounds * 4);
        assert!(counters.lag.max < Duration::from_millis(2), "time is paused: {counters:?}");
    }
}

/// Operators' lesson 20: what works for many must work for two. Seed 42.
#[tokio::test(start_paused = true)]
async fn the_smallest_clusters_agree_as_well() {
    for n in 2..=5 {
        let handles = cluster(&Hub::new(), n).await;
        let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
        eventually("a few nodes agree (seed 42)", 100 * TICK, TICK, agreed).await;
        let (mean, truth) = (estimates(&handles).unwrap().0, (n - 1) as f64 / 2.0);
        assert!((mean - truth).abs() < 1e-9, "{n} nodes: mean {mean}, seed 42");
    }
}

/// The same seed does the same things at every node, as far as the clock allows: here it does.
#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_runs_under_paused_time() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let handles = cluster(&Hub::new(), 8).await;
        tokio::time::sleep(20 * TICK).await;
        let counters = handles.iter().map(|h| (h.counters().bytes_out, h.counters().rounds));
        runs.push((counters.collect::<Vec<_>>(), estimates(&handles).map(|e| e.1.to_bits())));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_says_why_and_an_accepted_one_what_it_did() {
    let hub = Hub::new();
    let (a, b) = (probe(&hub, 1).await, probe(&hub, 2).await);
    let refusal = Refusal::TooLarge { len: 1_000_001, limit: 1_000_000 };
    let refused = a.call(Order::Emit(1_000_001)).await.unwrap_err();
    assert_eq!(refused, CallError::Refused(refusal));
    assert_eq!(
        refused.to_string(),
        "refused: 1000001 bytes given, at most 1000000 fit: send less, or a reference"
    );
    assert_eq!(a.call(Order::Greet(b.id())).await.unwrap().attempted, 1);
    let heard = News::Heard(a.id(), Said::Hello);
    assert_eq!(b.events().recv().await, Some(Delivery::Event(heard)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_owner_is_told_how_much_it_missed() {
    let transport = Hub::new().bind(addr(1)).unwrap();
    let builder = Node::builder(Probe::default()).transport(transport).events(16);
    let handle = builder.spawn().await.unwrap();
    let mut events = handle.events();
    handle.call(Order::Emit(100)).await.unwrap();
    assert_eq!(events.recv().await, Some(Delivery::Lagged(84)));
    for number in 84..100 {
        assert_eq!(events.recv().await, Some(Delivery::Event(News::Number(number))));
    }
    assert_eq!((handle.counters().events, handle.counters().events_shed), (100, 84));
    handle.kill();
    assert_eq!(events.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_says_good_bye_and_who_is_killed_does_not() {
    let hub = Hub::new();
    let (a, b, c) = (probe(&hub, 1).await, probe(&hub, 2).await, probe(&hub, 3).await);
    for leaver in [&a, &b] {
        leaver.call(Order::Greet(c.id())).await.unwrap();
    }
    assert!(matches!(a.leave().await, Ended::Left));
    b.kill();
    assert!(matches!(b.wait().await, Ended::Stopped));
    tokio::time::sleep(TICK).await;
    c.kill();
    c.wait().await;
    let mut heard = Vec::new();
    let mut events = c.events();
    while let Some(Delivery::Event(news)) = events.recv().await {
        heard.push(news);
    }
    let said = |node: &Handle<Probe>, said| News::Heard(node.id(), said);
    heard.sort_by_key(|news| format!("{news:?}"));
    let mut expected = [said(&a, Said::Hello), said(&b, Said::Hello), said(&a, Said::Bye)];
    expected.sort_by_key(|news| format!("{news:?}"));
    assert_eq!(heard, expected);

    // Its state can still be read, and its address is free.
    assert_eq!(a.read(|stack| stack.greeted.len()), 1);
    assert_eq!(a.call(Order::Trap).await, Err(CallError::Closed));
    assert!(matches!(a.leave().await, Ended::Left));
    assert!(hub.bind(addr(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_stops_the_node() {
    let hub = Hub::new();
    let handle = probe(&hub, 1).await;
    let (second, mut events) = (handle.clone(), handle.events());
    drop(handle);
    tokio::time::sleep(TICK).await;
    assert!(second.ended().is_none());
    drop(second);
    assert_eq!(events.recv().await, None);
    assert!(hub.bind(addr(1)).is_ok());
}

/// Keeps the default hook from printing panics that tests want.
fn quietly() {
    static ONCE: Mutex<bool> = Mutex::new(false);
    let mut done = ONCE.lock().unwrap();
    if !*done {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().copied().unwrap_or_default();
            if !["ordered to", "trapped", "the owner's"].contains(&text) {
                usual(info);
            }
        }));
        *done = true;
    }
}

/// Peers' requirement 17 (quickwit PR 5819): the death of a task is seen.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_stack_ends_the_node_and_its_owner_sees_it() {
    quietly();
    let hub = Hub::new();
    let (a, b) = (probe(&hub, 1).await, probe(&hub, 2).await);
    assert_eq!(a.call(Order::Panic).await, Err(CallError::Closed));
    let ended = a.wait().await;
    assert_eq!(ended.to_string(), "the node's task panicked: ordered to");
    assert!(ended.into_result().is_err());
    assert_eq!(a.events().recv().await, None);
    assert_eq!(a.read(|stack| stack.greeted.len()), 0);

    // A message may do it as well; the others do not notice.
    b.call(Order::Trap).await.unwrap();
    let c = probe(&hub, 3).await;
    c.call(Order::Greet(b.id())).await.unwrap();
    assert!(matches!(b.wait().await, Ended::Panicked(text) if text == "trapped"));
    assert!(c.ended().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_owner_while_reading_is_the_owners() {
    quietly();
    let handle = probe(&Hub::new(), 1).await;
    let look = panic::AssertUnwindSafe(|| handle.read(|_| panic!("the owner's")));
    assert!(panic::catch_unwind(look).is_err());
    handle.call(Order::Emit(1)).await.unwrap();
    assert_eq!(handle.events().recv().await, Some(Delivery::Event(News::Number(0))));
}

/// A handle that outlives its runtime says so instead of waiting for ever.
#[test]
fn a_handle_outlives_its_runtime() {
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = build();
    let handle = first.block_on(async { probe(&Hub::new(), 1).await });
    drop(first);
    build().block_on(async {
        assert!(matches!(handle.wait().await, Ended::Stopped));
        assert_eq!(handle.call(Order::Trap).await, Err(CallError::Closed));
        assert!(matches!(handle.leave().await, Ended::Stopped));
    });
}

#[tokio::test(start_paused = true)]
async fn another_clusters_datagrams_are_counted_and_change_nothing() {
    let hub = Hub::new();
    let red = Node::builder(Probe::default()).transport(hub.bind(addr(1)).unwrap()).cluster("red");
    let red = red.spawn().await.unwrap();
    let blue = Node::builder(Probe::default())
        .transport(hub.bind(addr(2)).unwrap())
        .cluster("blue")
        .contact(red.id());
    let blue = blue.spawn().await.unwrap();
    let status = blue.status_where(Status::is_isolated).await;
    assert!(status.to_string().contains("still asking 10.0.0.1:7"), "{status}");
    assert!(red.counters().counts.get("packer", "foreign cluster") > 0);
    assert!(matches!(red.status(), Status::Waiting));
    assert_eq!((red.counters().events, red.counters().frames_in), (0, 0));

    // If both ask, the message says what is wrong.
    blue.call(Order::Greet(red.id())).await.unwrap();
    let asker = Node::builder(Probe::default())
        .transport(hub.bind(addr(3)).unwrap())
        .cluster("red")
        .contact(blue.id());
    let asker = asker.spawn().await.unwrap();
    blue.call(Order::Greet(asker.id())).await.unwrap();
    let status = asker.status_where(Status::is_isolated).await;
    assert!(status.to_string().ends_with("1 datagrams of other clusters came"), "{status}");
}

/// Fault table, rows 10 and 19: 10^4 random datagrams, and 10^4 real ones with a byte changed, are
/// refused by cause, and the cluster agrees on the mean of its inputs all the same. A changed byte
/// may make another valid value, so the second kind goes to a node of its own.
#[tokio::test(start_paused = true)]
async fn garbage_does_not_disturb() {
    let hub = Hub::new().queue(1 << 14).unwrap();
    let handles = cluster(&hub, 8).await;
    let attacker = hub.bind(addr(666)).unwrap();
    let mut random = Key::new(9).random(0);
    for _ in 0..10_000 {
        let mut bytes = vec![0; random.below(1_300)];
        bytes.fill_with(|| random.next_u64() as u8);
        attacker.send(addr(random.below(8)), &bytes).await.unwrap();
        tokio::time::sleep(TICK / 1_000).await;
    }
    let agreed = || estimates(&handles).is_some_and(|(_, worst)| worst < 1e-6);
    eventually("8 nodes agree (seed 9)", 60 * TICK, TICK, agreed).await;
    assert!((estimates(&handles).unwrap().0 - 3.5).abs() < 1e-9);
    let mut refused = 0;
    for handle in &handles {
        let counts = handle.counters().counts;
        refused += counts.total("not a gossip datagram")
            + counts.total("datagram too short")
            + counts.total("datagram too long");
    }
    assert_eq!(refused, 10_000, "seed 9");

    let victim = cluster_of_one(&hub).await;
    let good = sample_datagrams(&hub).await;
    for _ in 0..10_000 {
        let mut bytes = random.pick(&good).unwrap().clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        attacker.send(victim.id(), &bytes).await.unwrap();
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(TICK).await;
    assert!(victim.ended().is_none());
    assert_eq!(victim.counters().datagrams_in, 10_000);
}

async fn cluster_of_one(hub: &Hub) -> Handle<Averaging<SocketAddr>> {
    let transport = hub.bind(addr(700)).unwrap();
    Node::builder(averaging(1.0, TICK).unwrap()).transport(transport).spawn().await.unwrap()
}

/// Some real datagrams, as a node sends them to a contact.
async fn sample_datagrams(hub: &Hub) -> Vec<Vec<u8>> {
    let listener = hub.bind(addr(800)).unwrap();
    let builder = Node::builder(averaging(1.0, TICK).unwrap());
    let builder = builder.transport(hub.bind(addr(801)).unwrap()).contact(addr(800));
    let _node = builder.spawn().await.unwrap();
    let (mut good, mut buffer) = (Vec::new(), [0; 2_000]);
    for _ in 0..5 {
        let (len, _) = listener.recv(&mut buffer).await.unwrap();
        good.push(buffer[..len].to_vec());
    }
    good
}

#[tokio::test(start_paused = true)]
async fn too_long_a_datagram_is_counted_and_not_cut() {
    let hub = Hub::new();
    let node = probe(&hub, 1).await;
    let stranger = hub.bind(addr(2)).unwrap();
    stranger.send(node.id(), &[0; 1_473]).await.unwrap();
    stranger.send(node.id(), &[0; 1_472]).await.unwrap();
    tokio::time::sleep(TICK).await;
    let counts = node.counters().counts;
    assert_eq!(counts.get("driver", "datagram too long"), 1);
    assert_eq!(counts.get("packer", "not a gossip datagram"), 1);
}

/// Operators' expectation 7: a contact that does not answer is no reason to fail; it is asked
/// again with growing pauses, told once, and forgotten when somebody answers.
#[tokio::test(start_paused = true)]
async fn an_unanswering_contact_is_asked_again_and_reported() {
    let hub = Hub::new();
    let start = tokio::time::Instant::now();
    let builder = Node::builder(Probe::default()).transport(hub.bind(addr(1)).unwrap());
    let handle = builder.contact(addr(2)).spawn().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "spawn waits for nobody");
    assert!(matches!(handle.status(), Status::Joining));
    let status = handle.status_where(Status::is_isolated).await;
    assert!(status.to_string().starts_with(
        "isolated: nothing heard for 8.0 s; still asking 10.0.0.2:7: check that they run"
    ));
    let before = handle.counters().events;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let asked = handle.counters().events - before;
    assert!((60..=130).contains(&asked), "each half to all of a minute: {asked} in an hour");

    let late = probe(&hub, 2).await;
    handle.status_where(|status| matches!(status, Status::Isolated { .. })).await;
    next(&mut late.events(), |news| matches!(news, News::Heard(..))).await.unwrap();
    late.call(Order::Greet(handle.id())).await.unwrap();
    handle.status_where(Status::is_connected).await;
}

/// A contact that is named late is asked at once, and counts as one from then on.
#[tokio::test(start_paused = true)]
async fn a_contact_may_be_named_while_the_node_runs() {
    let hub = Hub::new();
    let node = probe(&hub, 1).await;
    assert!(matches!(node.status(), Status::Waiting));
    node.contact(addr(2)).await.unwrap();
    node.status_where(|status| matches!(status, Status::Joining)).await;
    assert_eq!(node.events().recv().await, Some(Delivery::Event(News::Contact(addr(2)))));
    node.status_where(Status::is_isolated).await;
    let late = probe(&hub, 2).await;
    next(&mut late.events(), |news| matches!(news, News::Heard(..))).await.unwrap();
    for bad in [node.id(), ([0, 0, 0, 0], 1).into(), "[2001:db8::1]:7".parse().unwrap()] {
        let refused = node.contact(bad).await.unwrap_err();
        assert!(matches!(refused, ContactError::Wrong { contact, .. } if contact == bad), "{bad}");
    }
    node.leave().await;
    assert_eq!(node.contact(addr(2)).await, Err(ContactError::Closed));
}

/// Fault table, row 6: a node whose peers have all gone silent asks for them again, without an
/// operator.
#[tokio::test(start_paused = true)]
async fn a_node_left_alone_asks_whom_it_remembers() {
    let hub = Hub::new();
    let (first, second) = (probe(&hub, 1).await, probe(&hub, 2).await);
    second.call(Order::Greet(first.id())).await.unwrap();
    first.status_where(Status::is_connected).await;
    second.kill();
    first.status_where(Status::is_isolated).await;
    // It had no contacts: it asks the one it has heard.
    let second = loop {
        if let Ok(transport) = hub.bind(addr(2)) {
            break Node::builder(Probe::default()).transport(transport).spawn().await.unwrap();
        }
        tokio::time::sleep(TICK).await;
    };
    second.status_where(Status::is_connected).await;
}

/// A transport whose errors a test chooses.
struct Broken {
    inner: Memory,
    kind: io::ErrorKind,
    left: AtomicU32,
}

#[async_trait]
impl Transport for Broken {
    async fn send(&self, to: SocketAddr, _: &[u8]) -> io::Result<()> {
        match to.port() {
            1 => Err(io::ErrorKind::HostUnreachable.into()),
            2 => std::future::pending().await,
            _ => Err(io::ErrorKind::NetworkUnreachable.into()),
        }
    }
    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
        {
            return Err(self.kind.into());
        }
        self.inner.recv(buffer).await
    }
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

async fn broken(hub: &Hub, kind: io::ErrorKind, errors: u32) -> Handle<Probe> {
    let inner = hub.bind(([10, 0, 0, 1], 0)).unwrap();
    let transport = Broken { inner, kind, left: AtomicU32::new(errors) };
    Node::builder(Probe::default()).transport(transport).spawn().await.unwrap()
}

/// Fault table, row 10: errors are counted and survived, with pauses; a socket that gives nothing
/// but errors for ten seconds ends the node, and the owner sees why.
#[tokio::test(start_paused = true)]
async fn transport_errors_are_survived_unless_they_never_end() {
    let hub = Hub::new();
    let start = tokio::time::Instant::now();
    let closed = broken(&hub, io::ErrorKind::NotConnected, u32::MAX).await;
    let ended = closed.wait().await;
    assert!(matches!(&ended, Ended::Transport(e) if e.kind() == io::ErrorKind::NotConnected));
    assert!((8..12).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(closed.counters().counts.get("driver", "transport error"), 16);

    let refused = broken(&hub, io::ErrorKind::ConnectionRefused, u32::MAX).await;
    let flaky = broken(&hub, io::ErrorKind::NotConnected, 10).await;
    let peer = probe(&hub, 9).await;
    peer.call(Order::Greet(flaky.id())).await.unwrap();
    tokio::time::sleep(60 * TICK).await;
    assert!(refused.ended().is_none() && refused.counters().rounds >= 50);
    assert_eq!(flaky.counters().frames_in, 1);
}

/// A peer that cannot be reached is the stack's to know; one whose sending would have to be waited
/// for is passed over, and counted.
#[tokio::test(start_paused = true)]
async fn sending_never_waits_and_tells_who_is_gone() {
    let hub = Hub::new();
    let node = broken(&hub, io::ErrorKind::NotConnected, 0).await;
    let mut events = node.events();
    let (gone, slow, far) = ([10, 0, 0, 7], [10, 0, 0, 8], [10, 0, 0, 9]);
    for (host, port) in [(far, 3), (slow, 2), (gone, 1)] {
        node.call(Order::Greet((host, port).into())).await.unwrap();
    }
    assert_eq!(events.recv().await, Some(Delivery::Event(News::Gone((gone, 1).into()))));
    assert_eq!(events.try_recv(), None);
    let nobody: SocketAddr = ([0, 0, 0, 0], 5).into();
    node.call(Order::Greet(nobody)).await.unwrap();
    node.call(Order::Greet(node.id())).await.unwrap();
    let counters = node.counters();
    for cause in ["network unreachable", "no room to send", "host unreachable"] {
        assert_eq!(counters.counts.get("driver", cause), 1, "{cause}");
    }
    assert_eq!(counters.counts.get("driver", "receiver cannot be a peer"), 2);
    assert_eq!(counters.datagrams_out, 0);
}

/// A node that stood still runs one round, not all that it missed, and says how many these were.
#[tokio::test(start_paused = true)]
async fn missed_rounds_are_counted_and_not_made_up_for() {
    let transport = Hub::new().bind(addr(1)).unwrap();
    let builder = Node::builder(Probe::default()).transport(transport).jitter(0.0);
    let handle = builder.phase(Duration::ZERO).spawn().await.unwrap();
    tokio::time::sleep(TICK / 2).await;
    assert_eq!(handle.counters().rounds, 1);
    tokio::time::advance(10 * TICK).await;
    tokio::time::sleep(TICK / 2).await;
    let counters = handle.counters();
    assert_eq!((counters.rounds, counters.rounds_missed), (2, 9));
    assert_eq!(counters.lag.max, Duration::from_millis(9_500));
}

/// A transport that is never used.
struct Away;

#[async_trait]
impl Transport for Away {
    async fn send(&self, _: SocketAddr, _: &[u8]) -> io::Result<()> {
        unreachable!("nothing is spawned")
    }
    async fn recv(&self, _: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        unreachable!("nothing is spawned")
    }
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(addr(1))
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_parameters_are_named_with_unit_and_bound() {
    let node = || Node::builder(Idle).transport(Away);
    let cases = [
        (node().tick(Duration::ZERO), "tick is 0 seconds; it must be 0.001 to 3600"),
        (node().jitter(0.6), "jitter is 0.6 of a tick; it must be 0 to 0.5"),
        (node().jitter(f64::NAN), "jitter is NaN of a tick; it must be 0 to 0.5"),
        (node().phase(2 * TICK), "phase is 2 seconds; it must be at most a tick"),
        (node().events(0), "events is 0 events; it must be 1 to 1048576"),
        (node().mtu(44), "mtu is 44 bytes; it must be at least the stack's longest"),
        (node().mtu(70_000), "mtu is 70000 bytes; it must be at most what the transport carries"),
        (
            node().contacts((0..300).map(|port| ([10, 1, 0, 0], port).into())),
            "contacts is 300 addresses; it must be at most 256",
        ),
        (
            node().contact(addr(1)),
            "cannot contact 10.0.0.1:7: it is this node itself; give another node's address, or \
             none to the first node",
        ),
        (node().contact(([10, 0, 0, 2], 0)), "cannot contact 10.0.0.2:0: it is port 0"),
        (node().contact(([0; 8], 1)), "cannot contact [::]:1: it is an IPv6 address"),
        (
            node().advertise(([0, 0, 0, 0], 1)),
            "cannot advertise 0.0.0.0:1: peers cannot reach the unspecified address",
        ),
        (node().bind(([0, 0, 0, 0], 0)), "bound to 0.0.0.0:"),
        (node().bind(([192, 0, 2, 1], 0)), "cannot bind 192.0.2.1:0: "),
    ];
    for (builder, expected) in cases {
        let error = builder.spawn().await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\n instead of\n{expected}");
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let mut spawning = std::pin::pin!(Node::builder(Idle).spawn());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = spawning.as_mut().poll(&mut context) else {
        panic!("it waits")
    };
    assert!(matches!(result, Err(SpawnError::NoRuntime)));
}

#[test]
fn handles_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Handle<Averaging<SocketAddr>>>();
}

/// The essay's condition 5: rounds must be long beside the time that messages take. Round trips of
/// 10 ms of a second are well; of 700 ms they are warned of, once, and peers counted as slow; later
/// they are well again. Each knows what the other is.
#[cfg(feature = "faults")]
#[tokio::test(start_paused = true)]
async fn a_period_near_the_round_trip_is_warned_of() {
    use gossip_core::sim::Network;
    use gossip_core::sim::link::Latency;
    use gossip_net::faults::{Faults, Faulty};

    let hub = Hub::new();
    let latency = |millis| Latency::Constant(Duration::from_millis(millis));
    let faults = Faults::new(Network::new(latency(5)), 42);
    let mut handles = Vec::new();
    for node in 0..2 {
        let transport = Faulty::new(hub.bind(addr(node)).unwrap(), &faults).unwrap();
        let builder = Node::builder(averaging(0.0, TICK).unwrap()).transport(transport);
        let contact = (node > 0).then(|| addr(0));
        handles.push(builder.contacts(contact).capabilities(4).spawn().await.unwrap());
    }
    let warned = || handles[0].counters().counts.get("driver", "round trip near the period");
    tokio::time::sleep(100 * TICK).await;
    let trips = handles[0].counters().round_trips;
    assert_eq!((trips.peers, trips.slow, warned()), (1, 0, 0));
    assert!((9..=12).contains(&trips.max.as_millis()), "{trips:?}");
    let peer = handles[0].peer(addr(1)).expect("it has answered");
    assert_eq!((peer.common_version(), peer.capabilities), (Some(1), 4 << 16));

    faults.change(|network| network.set_latency(latency(350)));
    tokio::time::sleep(600 * TICK).await;
    let trips = handles[0].counters().round_trips;
    assert_eq!((trips.slow, warned()), (1, 1), "{trips:?}");
    assert!((690..=710).contains(&trips.max.as_millis()), "{trips:?}");
}
