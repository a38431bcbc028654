//! How long datagrams may become: ways that carry more, ways that become narrower, liars and
//! strangers. In memory under paused time, and on loopback.

mod common;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::eventually;
use common::pours::{Pour, Pours};
use gossip_core::packet::{ClusterId, Header};
use gossip_net::memory::{Hub, Memory};
use gossip_net::{Builder, Handle, Keyring, Limits, Node, Rate, Secret, Transport, async_trait};

const TICK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn addr(node: u8) -> SocketAddr {
    ([10, 0, 0, node], 7).into()
}

/// A transport whose way carries packets of up to so many bytes, and loses longer ones in silence.
struct Narrow {
    inner: Memory,
    carries: Arc<AtomicUsize>,
    longest: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Narrow {
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() + 28 > self.carries.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.longest.fetch_max(bytes.len() + 28, Ordering::Relaxed);
        self.inner.send(to, bytes).await
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.recv(buffer).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// Two nodes, the first of which pours on the second by a way that may change.
struct Pair {
    one: Handle<Pours>,
    two: Handle<Pours>,
    carries: Arc<AtomicUsize>,
    longest: Arc<AtomicUsize>,
}

impl Pair {
    async fn spawn(carries: usize, prepare: impl Fn(Builder<Pours>) -> Builder<Pours>) -> Self {
        let hub = Hub::new();
        let (carries, longest) = (Arc::new(AtomicUsize::new(carries)), Arc::default());
        let narrow = Narrow {
            inner: hub.bind(addr(1)).unwrap(),
            carries: Arc::clone(&carries),
            longest: Arc::clone(&longest),
        };
        let builder = || prepare(Node::builder(Pours::default()).tick(TICK));
        let two = builder().transport(hub.bind(addr(2)).unwrap()).spawn().await.unwrap();
        let one = builder().contact(two.id()).transport(narrow).spawn().await.unwrap();
        let known = || one.peer(two.id()).is_some();
        eventually("the peer answers", MINUTE, TICK, known).await;
        Self { one, two, carries, longest }
    }

    /// Pours five words of 1,000 bytes; returns how many of them come.
    async fn pour(&self) -> u32 {
        let before = self.two.read(|pours| pours.came);
        self.one.call(Pour { to: self.two.id(), count: 5 }).await.unwrap();
        tokio::time::sleep(TICK).await;
        self.two.read(|pours| pours.came) - before
    }

    async fn pours(&self, times: u32) -> u32 {
        let mut came = 0;
        for _ in 0..times {
            came += self.pour().await;
        }
        came
    }

    fn mtu(&self) -> usize {
        self.one.path_mtu(self.two.id())
    }
}

/// What leaves together is joined up to what the way is found to carry, sealed or not: never more.
#[tokio::test(start_paused = true)]
async fn a_way_is_used_up_to_what_it_carries() {
    let keys = Keyring::new(Secret::new([1; 32]));
    for (carries, found) in [(9_000, 9_000), (8_999, 4_352), (3_000, 1_500), (1_280, 1_280)] {
        for keys in [None, Some(&keys)] {
            let pair = Pair::spawn(carries, |builder| match keys {
                Some(keys) => builder.path_mtu(9_000).keys(keys),
                None => builder.path_mtu(9_000),
            })
            .await;
            assert_eq!(pair.pours(30).await, 150, "nothing is lost");
            assert_eq!((pair.mtu(), pair.two.path_mtu(pair.one.id())), (found, 1_280));
            let before = pair.one.counters().datagrams_out;
            pair.pours(30).await;
            let each = (pair.one.counters().datagrams_out - before) as f64 / 30.0;
            // Five words a second, and what a round has to say itself.
            let words = if found < 3_000 {
                5.0
            } else if found < 9_000 {
                2.0
            } else {
                1.0
            };
            assert!((words..words + 3.0).contains(&each), "{each} datagrams at {found} bytes");
            assert!(pair.longest.load(Ordering::Relaxed) <= found);
        }
    }
}

/// The default finds Ethernet's, and nothing is searched if it is not to be.
#[tokio::test(start_paused = true)]
async fn a_search_can_be_left_out() {
    let usual = Pair::spawn(65_535, |builder| builder).await;
    usual.pours(20).await;
    assert_eq!(usual.mtu(), 1_500);
    let none = Pair::spawn(65_535, |builder| builder.path_mtu(1_280)).await;
    none.pours(20).await;
    assert_eq!(none.mtu(), 1_280);
    assert!(none.longest.load(Ordering::Relaxed) <= 1_280);
}

/// A black hole: the way becomes narrower while it is used, and says nothing. It costs what is said
/// until the next confirmation, ten seconds and two rounds at most; then all comes again, for good.
/// When the way is wide again, that is found after ten minutes.
#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_seconds() {
    let pair = Pair::spawn(9_000, |builder| builder.path_mtu(9_000)).await;
    pair.pours(30).await;
    assert_eq!(pair.mtu(), 9_000);
    pair.carries.store(1_400, Ordering::Relaxed);
    let mut lost = 0;
    while pair.pour().await < 5 {
        lost += 1;
        assert!(lost < 14, "it goes on");
    }
    assert_eq!(pair.pours(60).await, 300, "all comes from then on");
    assert_eq!(pair.mtu(), 1_280);
    let counts = pair.one.counters().counts;
    assert_eq!(counts.get("driver", "way to a peer narrower, or gone"), 1);
    pair.carries.store(9_000, Ordering::Relaxed);
    assert_eq!(pair.pours(700).await, 3_500);
    assert_eq!(pair.mtu(), 9_000);
}

/// Probes count against the caps: a node that may send 5,000 bytes a second sends no more for them.
#[tokio::test(start_paused = true)]
async fn probes_are_capped_as_everything_is() {
    let limits = Limits::default().send(Rate::default().bytes(5_000));
    let pair = Pair::spawn(65_535, |builder| builder.path_mtu(65_535).limits(limits.clone())).await;
    let before = pair.one.counters().bytes_out;
    pair.pours(60).await;
    let sent = pair.one.counters().bytes_out - before;
    // One datagram more than the rate and its burst allow, which may be a probe of any size.
    assert!(sent <= 61 * 5_000 + 65_535, "{sent} bytes in a minute");
}

/// A datagram of the driver's in clear: a question, a probe, or an answer.
fn own(magic: u8, kind: u8, nonce: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header { cluster: ClusterId::default(), shape: 0 }.write(&mut bytes);
    bytes[1] = magic;
    bytes.push(kind);
    bytes.extend_from_slice(&nonce.to_le_bytes());
    bytes.resize(len.max(bytes.len()), 0);
    bytes
}

/// Strangers: a flood of probes is answered with fewer bytes, and leaves nothing behind; answers
/// that nobody asked for prove nothing; and who does not answer the driver's questions is never
/// sent a probe, however much is to be said to him.
#[tokio::test(start_paused = true)]
async fn strangers_get_and_prove_nothing() {
    let hub = Hub::new().queue(65_536).unwrap();
    let stranger = hub.bind(addr(66)).unwrap();
    let node = Node::builder(Pours::default()).tick(TICK).path_mtu(9_000);
    let node = node.transport(hub.bind(addr(1)).unwrap()).spawn().await.unwrap();
    for nonce in 0..2_000 {
        stranger.send(node.id(), &own(0xb7, 0, nonce, 1_400)).await.unwrap();
        stranger.send(node.id(), &own(0xb7, 1, nonce, 8_000)).await.unwrap();
    }
    for _ in 0..20 {
        node.call(Pour { to: addr(66), count: 5 }).await.unwrap();
        tokio::time::sleep(TICK).await;
    }
    let counts = node.counters().counts;
    assert_eq!(counts.get("driver", "answer to no probe, or a late one"), 2_000, "{counts:?}");
    assert_eq!(node.path_mtu(addr(66)), 1_280);
    let (mut buffer, mut answers, mut words) = (vec![0; 65_536], 0, 0);
    while let Ok(Ok((len, _))) = tokio::time::timeout(TICK, stranger.recv(&mut buffer)).await {
        assert!(len <= 1_200, "a probe of {len} bytes");
        answers += u32::from(buffer[1] == 0xb7);
        assert!(buffer[1] != 0xb7 || len == 20, "an answer of {len} bytes");
        words += u32::from(len > 1_000);
    }
    assert_eq!((answers, words), (2_000, 100));
}

/// Real sockets, both families: loopback carries as much as IP can say.
#[tokio::test]
async fn loopback_carries_what_ip_can_say() {
    let tick = Duration::from_millis(10);
    for ip in ["127.0.0.1", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), 0);
        let builder = || Node::builder(Pours::default()).bind(at).tick(tick).path_mtu(65_535);
        let keys = Keyring::new(Secret::new([1; 32]));
        let two = builder().keys(&keys).spawn().await.unwrap();
        let one = builder().keys(&keys).contact(two.id()).spawn().await.unwrap();
        let (mut said, deadline) = (0, tokio::time::Instant::now() + MINUTE);
        while one.path_mtu(two.id()) < 65_535 {
            assert!(tokio::time::Instant::now() < deadline, "{}", one.path_mtu(two.id()));
            one.call(Pour { to: two.id(), count: 50 }).await.unwrap();
            said += 50;
            tokio::time::sleep(tick).await;
        }
        one.call(Pour { to: two.id(), count: 60 }).await.unwrap();
        let all = || two.read(|pours| pours.came) == said + 60;
        eventually("all came", MINUTE, tick, all).await;
        let counts = one.counters().counts;
        assert_eq!(counts.total("datagram too long for the transport"), 0, "{counts:?}");
    }
}

/// The kernel's own MTU, in a network namespace, where the machine has them: this program runs the
/// test below there.
#[test]
fn an_interface_is_used_up_to_its_mtu_and_left_when_that_falls() {
    let inner = "inside_a_namespace_whose_mtu_falls";
    let this = std::env::current_exe().unwrap();
    let setup = "ip link set lo up mtu 9000 && echo ready && exec \"$0\" --ignored --exact \"$1\"";
    let run = std::process::Command::new("unshare")
        .args(["--net", "sh", "-c", setup])
        .arg(this)
        .arg(inner)
        .output();
    let Some(run) = run.ok().filter(|run| run.stdout.starts_with(b"ready")) else {
        eprintln!("skipped: `unshare --net` and `ip` are needed");
        return;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

/// 9,000 bytes come through, and not 9,001; when the interface is made narrower, what it refuses is
/// seen at once, and all that follows comes.
#[tokio::test]
#[ignore = "run in a namespace of its own, by the test above"]
async fn inside_a_namespace_whose_mtu_falls() {
    let tick = Duration::from_millis(10);
    let builder = || {
        let builder = Node::builder(Pours::default()).bind(([127, 0, 0, 1], 0));
        builder.tick(tick).path_mtu(65_535)
    };
    let two = builder().spawn().await.unwrap();
    let one = builder().contact(two.id()).spawn().await.unwrap();
    let too_long = || one.counters().counts.total("datagram too long for the transport");
    let deadline = tokio::time::Instant::now() + MINUTE;
    while one.path_mtu(two.id()) < 9_000 || too_long() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "{}", one.path_mtu(two.id()));
        one.call(Pour { to: two.id(), count: 20 }).await.unwrap();
        tokio::time::sleep(tick).await;
    }
    assert_eq!((one.path_mtu(two.id()), too_long()), (9_000, 1), "the probe of 65,535 bytes");
    let ip = ["link", "set", "lo", "mtu", "1500"];
    assert!(std::process::Command::new("ip").args(ip).status().unwrap().success());
    one.call(Pour { to: two.id(), count: 20 }).await.unwrap();
    let fell = || one.path_mtu(two.id()) == 1_280;
    eventually("the way is known to be narrower", MINUTE, tick, fell).await;
    let before = two.read(|pours| pours.came);
    one.call(Pour { to: two.id(), count: 20 }).await.unwrap();
    let came = || two.read(|pours| pours.came) == before + 20;
    eventually("all come again", MINUTE, tick, came).await;
    assert!(too_long() <= 4, "{}", too_long());
}
