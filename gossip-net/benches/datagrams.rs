//! What a packed datagram costs between two nodes on loopback: processor time to send and to
//! receive it, in clear and sealed, beside a loop over bare sockets in the same run.
//!
//! ```text
//! cargo bench -p gossip-net --bench datagrams
//! ```
//!
//! The loop sends and receives the same bytes, one call of the system a datagram, without packing,
//! decoding, runtime or counters. One thread does all, and its own processor time is what counts,
//! so that what else runs on the machine moves little but the caches. Every row checks that what
//! was sent has come: what was lost may be one in a hundred.
//!
//! Bias: the loop's sender and receiver take turns, thirty-two datagrams each, as the nodes' tasks
//! do; segmentation offload is used by neither.

use std::fs;
use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use gossip_core::{Blob, Context, Layer, Nothing, Protocol, Time, message};
use gossip_net::{Builder, Handle, Keyring, Node, Secret};

/// Bytes of a message, and messages in a datagram of 1,200 bytes.
const LEN: usize = 100;
const PACKED: u64 = 11;

/// Datagrams that one sends before the other receives.
const BURST: u64 = 32;

/// How long each row is measured, of which the best of [`RUNS`] counts.
const SPAN: Duration = Duration::from_millis(800);
const RUNS: usize = 5;

message! {
    /// What is poured.
    struct Word {
        text: Blob<LEN>,
    }
}

/// Pours messages on a peer, a burst of datagrams at each deadline, and counts what comes.
#[derive(Debug)]
struct Pour {
    to: Option<SocketAddr>,
    next: Time,
    sent: u64,
    came: u64,
    text: Blob<LEN>,
}

impl Pour {
    fn new(to: Option<SocketAddr>) -> Self {
        let text = Blob::new([7; LEN]).expect("it fits");
        Self { to, next: to.map_or(Time::NEVER, |_| Time::ZERO), sent: 0, came: 0, text }
    }
}

impl Protocol for Pour {
    type Id = SocketAddr;
    type Message = Word;
    type Event = Nothing;
    type Command = Nothing;

    fn wake_at(&self) -> Time {
        self.next
    }
}

impl Layer for Pour {
    fn on_round(&mut self, (): &(), _: &mut impl Context<Self>) {}

    fn on_message(&mut self, (): &(), _: SocketAddr, said: Word, _: &mut impl Context<Self>) {
        black_box(&said);
        self.came += 1;
    }

    fn on_wake(&mut self, (): &(), cx: &mut impl Context<Self>) {
        self.next = cx.now() + Duration::from_micros(1);
        for _ in 0..self.to.map_or(0, |_| BURST * PACKED) {
            cx.send(self.to.unwrap_or(cx.me()), Word { text: self.text.clone() });
            self.sent += 1;
        }
    }
}

/// Nanoseconds that this thread has run, as Linux tells.
fn spent() -> Option<u64> {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok()
}

fn between(before: Option<u64>) -> f64 {
    let passed = || Some(spent()? - before?);
    passed().map_or(f64::NAN, |nanos| nanos as f64)
}

/// Two nodes: nanoseconds a datagram.
fn nodes(keys: Option<&Keyring>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let keyed = |builder: Builder<Pour>| match keys {
            Some(keys) => builder.keys(keys),
            None => builder,
        };
        let tick = Duration::from_secs(3_600);
        let to = keyed(Node::builder(Pour::new(None)).tick(tick)).spawn().await.expect("bound");
        let from = Node::builder(Pour::new(Some(to.id()))).tick(tick);
        let from = keyed(from).spawn().await.expect("bound");
        let count = |node: &Handle<Pour>| node.counters();
        let (sent, came, before) = (count(&from).datagrams_out, count(&to).datagrams_in, spent());
        tokio::time::sleep(SPAN).await;
        let nanos = between(before);
        let sent = count(&from).datagrams_out - sent;
        let came = count(&to).datagrams_in - came;
        let (said, heard) = (from.read(|pour| pour.sent), to.read(|pour| pour.came));
        assert!(sent > 100, "{sent} datagrams are too few to measure");
        assert!(said == count(&from).datagrams_out * PACKED, "each datagram is full");
        assert!(heard as f64 > 0.99 * (said - BURST * PACKED) as f64, "{heard} of {said} came");
        assert!(came as f64 > 0.98 * sent as f64, "{came} datagrams of {sent} came");
        nanos / sent as f64
    })
}

/// The loop: nanoseconds a datagram of as many bytes.
fn bare(len: usize) -> f64 {
    let bind = || UdpSocket::bind("127.0.0.1:0").expect("bound");
    let (from, to) = (bind(), bind());
    let addr = to.local_addr().expect("an address");
    let (datagram, mut buffer) = (vec![7; len], vec![0; 2_048]);
    let bursts = 2_000;
    let (before, mut came) = (spent(), 0);
    for _ in 0..bursts {
        for _ in 0..BURST {
            from.send_to(&datagram, addr).expect("sent");
        }
        for _ in 0..BURST {
            came += to.recv_from(&mut buffer).expect("received").0;
        }
    }
    assert_eq!(came, len * bursts * BURST as usize, "all came");
    between(before) / (bursts as f64 * BURST as f64)
}

/// One seal and one open, without anything around it: nanoseconds.
fn seal_and_open(len: usize) -> f64 {
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&[1; 32]));
    let nonce = Nonce::from_slice(&[2; 12]);
    let (mut bytes, count) = (vec![7; len], 100_000);
    let before = spent();
    for _ in 0..count {
        let tag = cipher.encrypt_in_place_detached(nonce, b"", &mut bytes).expect("sealed");
        cipher.decrypt_in_place_detached(nonce, b"", &mut bytes, &tag).expect("opened");
    }
    assert!(bytes.iter().all(|&byte| byte == 7), "what was sealed is opened");
    between(before) / f64::from(count)
}

fn best(run: impl Fn() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn main() {
    if spent().is_none() {
        println!("skipped: this system does not tell a thread's processor time in /proc");
        return;
    }
    let secret = Secret::generate().expect("randomness");
    let keys = Keyring::new(secret);
    let len = LEN * PACKED as usize + 50;
    let (bare, aead) = (best(|| bare(len)), best(|| seal_and_open(len)));
    let (clear, sealed) = (best(|| nodes(None)), best(|| nodes(Some(&keys))));
    println!("a datagram of {len} bytes, {PACKED} messages in it, sent and received");
    println!("{:28} {:>8} {:>7} {:>16}", "", "ns", "x bare", "messages a CPU s");
    for (name, nanos) in [
        ("bare sockets", bare),
        ("two nodes, in clear", clear),
        ("two nodes, sealed", sealed),
        ("one seal and one open", aead),
    ] {
        let per_second = PACKED as f64 * 1e9 / nanos;
        println!("{name:28} {nanos:>8.0} {:>7.2} {per_second:>16.0}", nanos / bare);
    }
    println!("sealed, less a seal and an open: {:.2} x bare", (sealed - aead) / bare);
}
