//! Live nodes are recorded, and replayed to the same states and events: on real sockets, and over
//! links that lose, double and delay.

mod common;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Averaging, News, Order, Probe, averaging, estimates, eventually};
use gossip_core::flight::{Recording, Replay};
use gossip_net::memory::Hub;
use gossip_net::{Delivery, Handle, Node};

/// A file in memory.
#[derive(Clone, Debug, Default)]
struct Film(Arc<Mutex<Vec<u8>>>);

impl Film {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Film {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk that is full.
#[derive(Debug)]
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes its header, and then the disk is full.
#[derive(Debug, Default)]
struct SoonFull(bool);

impl Write for SoonFull {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.0, true) { Full.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const TICK: Duration = Duration::from_millis(20);
/// No test waits longer.
const DEADLINE: Duration = Duration::from_secs(20);

const MOST: u64 = 1 << 24;

/// The demand of the essay's that what went wrong can be looked at again: eight nodes on loopback
/// average until they agree; one leaves. Each one's replay ends in the state in which it ended.
#[tokio::test]
async fn a_cluster_on_sockets_replays_to_the_same_states() {
    let mut nodes: Vec<(Handle<Averaging<SocketAddr>>, Film)> = Vec::new();
    for at in 0..8 {
        let film = Film::default();
        let stack = averaging(f64::from(at), TICK).unwrap();
        let mut builder = Node::builder(stack).tick(TICK).record(film.clone(), MOST, "averaging");
        if let Some((first, _)) = nodes.first() {
            builder = builder.contact(first.id());
        }
        nodes.push((builder.spawn().await.unwrap(), film));
    }
    let handles: Vec<_> = nodes.iter().map(|(handle, _)| handle.clone()).collect();
    eventually("all agree on the mean", DEADLINE, TICK, || {
        estimates(&handles).is_some_and(|(_, apart)| apart < 1e-6)
    })
    .await;
    for (at, (handle, film)) in nodes.iter().enumerate() {
        handle.leave().await.into_result().unwrap();
        let bytes = film.bytes();
        let recording = Recording::read(&bytes).unwrap();
        assert_eq!((recording.me, &recording.about[..]), (handle.id(), &b"averaging"[..]));
        let stack = averaging(at as f64, TICK).unwrap();
        let mut replay = Replay::<Averaging<SocketAddr>>::new(recording, stack).unwrap();
        assert!(replay.run().unwrap() > 20, "node {at}");
        assert_eq!(replay.left(), 0, "node {at}: it ended, so its recording is whole");
        let then = handle.read(|stack| format!("{stack:?}"));
        assert_eq!(format!("{:?}", replay.node().stack()), then, "node {at}");
    }
}

/// What a replay tells is what the node has told.
async fn told(handle: &Handle<Probe>) -> Vec<News> {
    let mut events = handle.events();
    let mut told = Vec::new();
    while let Some(delivery) = events.recv().await {
        if let Delivery::Event(news) = delivery {
            told.push(news);
        }
    }
    told
}

/// Commands, refused ones too, messages, contacts and unreachable peers: the replay tells the same
/// events, and ends in the panic that ended the node.
#[tokio::test(start_paused = true)]
async fn a_panic_is_replayed() {
    let (hub, film) = (Hub::new(), Film::default());
    let at = |host| SocketAddr::from(([10, 0, 0, host], 7));
    let peer = Node::builder(Probe::default()).transport(hub.bind(at(2)).unwrap());
    let peer = peer.spawn().await.unwrap();
    let builder = Node::builder(Probe::default()).transport(hub.bind(at(1)).unwrap());
    let builder = builder.contact(at(2)).contact(at(3)).record(film.clone(), MOST, "");
    let handle = builder.spawn().await.unwrap();
    handle.call(Order::Emit(5)).await.unwrap();
    handle.call(Order::Emit(5_000_000)).await.unwrap_err();
    handle.call(Order::Greet(at(3))).await.unwrap();
    peer.call(Order::Greet(at(1))).await.unwrap();
    let heard = |news: &News| matches!(news, News::Heard(..));
    let mut events = handle.events();
    while let Some(delivery) = events.recv().await {
        if matches!(&delivery, Delivery::Event(news) if heard(news)) {
            break;
        }
    }
    handle.call(Order::Trap).await.unwrap();
    peer.call(Order::Greet(at(1))).await.unwrap();
    handle.wait().await.into_result().unwrap_err();
    let then = told(&handle).await;
    assert!(then.iter().any(heard) && then.len() > 6, "{then:?}");

    let bytes = film.bytes();
    let mut replay = Replay::new(Recording::read(&bytes).unwrap(), Probe::default()).unwrap();
    let mut now = Vec::new();
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        while replay.step().unwrap().is_some() {
            now.extend(replay.events());
        }
    }));
    assert!(died.is_err(), "the replay panics as the node did");
    assert_eq!(now, then);
}

/// A node goes on where its recording cannot be written or is full, and says so; what was recorded
/// until then is replayed.
#[tokio::test(start_paused = true)]
async fn a_node_goes_on_without_its_recording() {
    let (hub, film) = (Hub::new(), Film::default());
    let at = |host| SocketAddr::from(([10, 0, 0, host], 7));
    let builder = |host| Node::builder(Probe::default()).transport(hub.bind(at(host)).unwrap());
    let refused = builder(1).record(Full, MOST, "").spawn().await.unwrap_err();
    assert!(refused.to_string().contains("the recording cannot be begun"), "{refused}");
    let soon = builder(2).record(SoonFull::default(), MOST, "").spawn().await.unwrap();
    let small = builder(3).record(film.clone(), 200, "").spawn().await.unwrap();
    for (handle, cause) in [(&soon, "recording cannot be written"), (&small, "recording full")] {
        eventually(cause, DEADLINE, TICK, || handle.counters().counts.total(cause) == 1).await;
        handle.call(Order::Emit(1)).await.unwrap();
        handle.leave().await.into_result().unwrap();
    }
    let bytes = film.bytes();
    assert_eq!(bytes.len(), 200);
    let mut replay = Replay::new(Recording::read(&bytes).unwrap(), Probe::default()).unwrap();
    let inputs = replay.run().unwrap();
    assert!(inputs > 3 && replay.left() < 32, "{inputs} inputs, {} bytes left", replay.left());
}
