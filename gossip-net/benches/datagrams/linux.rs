//! The measurement: Linux tells what a thread has run, and sends many datagrams a call.

use std::array;
use std::fs;
use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use gossip_core::{Blob, Context, Layer, Nothing, Protocol, Time, message};
use gossip_net::{Builder, Handle, Keyring, Node, Secret};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

/// Bytes of a message, and messages in a datagram of 1,200 bytes.
const LEN: usize = 100;
const PACKED: u64 = 11;

/// Datagrams that one sends before the other receives.
const BURST: usize = 32;

/// How long each row is measured, of which the best of [`RUNS`] counts.
const SPAN: Duration = Duration::from_millis(800);
const RUNS: usize = 5;

message! {
    /// What is poured, and what asks for more.
    enum Word {
        Text(Blob<LEN>),
        More,
    }
}

/// Pours messages on a peer, a burst of datagrams each time it is asked to, and asks for more when
/// one has come.
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

    fn pour(&mut self, cx: &mut impl Context<Self>) {
        let Some(to) = self.to else { return };
        // If the peer's word is lost.
        self.next = cx.now() + Duration::from_millis(200);
        for _ in 0..BURST as u64 * PACKED {
            cx.send(to, Word::Text(self.text.clone()));
            self.sent += 1;
        }
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

    fn on_message(&mut self, (): &(), from: SocketAddr, said: Word, cx: &mut impl Context<Self>) {
        match black_box(said) {
            Word::Text(_) => {
                self.came += 1;
                if self.came.is_multiple_of(BURST as u64 * PACKED) {
                    cx.send(from, Word::More);
                }
            }
            Word::More => self.pour(cx),
        }
    }

    fn on_wake(&mut self, (): &(), cx: &mut impl Context<Self>) {
        self.pour(cx);
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
        let under_way = BURST as u64 * PACKED;
        assert!(heard as f64 > 0.99 * (said - under_way) as f64, "{heard} of {said} came");
        assert!(came as f64 > 0.98 * sent as f64, "{came} datagrams of {sent} came");
        nanos / sent as f64
    })
}

/// Two sockets, the second's address, and a datagram of `len` bytes.
fn pair(len: usize) -> (UdpSocket, UdpSocket, SocketAddr, Vec<u8>) {
    let bind = || UdpSocket::bind("127.0.0.1:0").expect("bound");
    let (from, to) = (bind(), bind());
    let addr = to.local_addr().expect("an address");
    (from, to, addr, vec![7; len])
}

/// Bursts of each loop.
const BURSTS: usize = 2_000;

/// The loop with a call a datagram: nanoseconds a datagram of as many bytes.
fn bare(len: usize) -> f64 {
    let (from, to, addr, datagram) = pair(len);
    let mut buffer = vec![0; 2_048];
    let (before, mut came) = (spent(), 0);
    for _ in 0..BURSTS {
        for _ in 0..BURST {
            from.send_to(&datagram, addr).expect("sent");
        }
        for _ in 0..BURST {
            came += to.recv_from(&mut buffer).expect("received").0;
        }
    }
    assert_eq!(came, len * BURSTS * BURST, "all came");
    between(before) / (BURSTS * BURST) as f64
}

/// The loop with a call a burst.
fn batched(len: usize) -> f64 {
    let (from, to, addr, datagram) = pair(len);
    let state = UdpSocketState::new((&to).into()).expect("its options");
    let mut buffers = vec![[0; 2_048]; BURST];
    let mut metas = [RecvMeta::default(); BURST];
    let addr = SocketAddrAny::from(addr);
    let (before, mut came) = (spent(), 0);
    for _ in 0..BURSTS {
        let part = [IoSlice::new(&datagram)];
        let mut controls: [_; BURST] = array::from_fn(|_| SendAncillaryBuffer::default());
        let mut controls = controls.iter_mut();
        let mut messages: [_; BURST] = array::from_fn(|_| {
            MMsgHdr::new_with_addr(&addr, &part, controls.next().expect("as many"))
        });
        let sent = sendmmsg(&from, &mut messages, SendFlags::empty()).expect("sent");
        assert_eq!(sent, BURST, "all were sent");
        let mut taken = 0;
        while taken < BURST {
            let mut slots = buffers.iter_mut();
            let mut slices: [_; BURST] =
                array::from_fn(|_| IoSliceMut::new(slots.next().expect("as many")));
            let count = state.recv((&to).into(), &mut slices, &mut metas).expect("received");
            came += metas[..count].iter().map(|meta| meta.len).sum::<usize>();
            taken += count;
        }
    }
    assert_eq!(came, len * BURSTS * BURST, "all came");
    between(before) / (BURSTS * BURST) as f64
}

/// The loop with segmentation offload both ways: a burst is one datagram of many segments.
fn offloaded(len: usize) -> f64 {
    let (from, to, destination, datagram) = pair(len);
    let sender = UdpSocketState::new((&from).into()).expect("its options");
    let receiver = UdpSocketState::new((&to).into()).expect("its options");
    if sender.max_gso_segments() < BURST {
        return f64::NAN;
    }
    let contents = datagram.repeat(BURST);
    let transmit = Transmit {
        destination,
        ecn: None,
        contents: &contents,
        segment_size: Some(len),
        src_ip: None,
    };
    let mut buffers = [vec![0; 65_536], vec![0; 65_536]];
    let mut metas = [RecvMeta::default(); 2];
    let (before, mut came) = (spent(), 0);
    for _ in 0..BURSTS {
        sender.try_send((&from).into(), &transmit).expect("sent");
        let mut taken = 0;
        while taken < contents.len() {
            let [one, two] = &mut buffers;
            let mut slices = [IoSliceMut::new(one), IoSliceMut::new(two)];
            let count = receiver.recv((&to).into(), &mut slices, &mut metas).expect("received");
            taken += metas[..count].iter().map(|meta| meta.len).sum::<usize>();
        }
        came += taken;
    }
    assert_eq!(came, len * BURSTS * BURST, "all came");
    between(before) / (BURSTS * BURST) as f64
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

pub(crate) fn main() {
    if spent().is_none() {
        println!("skipped: this system does not tell a thread's processor time in /proc");
        return;
    }
    let secret = Secret::generate().expect("randomness");
    let keys = Keyring::new(secret);
    let len = LEN * PACKED as usize + 50;
    let mut best = [f64::INFINITY; 6];
    for _ in 0..RUNS {
        let nodes = [nodes(None), nodes(Some(&keys))];
        let run = [batched(len), bare(len), nodes[0], nodes[1], seal_and_open(len), offloaded(len)];
        best = array::from_fn(|row| best[row].min(run[row]));
    }
    let [batched, single, clear, sealed, aead, offloaded] = best;
    println!("a datagram of {len} bytes, {PACKED} messages in it, sent and received");
    println!("{:36} {:>8} {:>9} {:>16}", "", "ns", "x batched", "messages a CPU s");
    for (name, nanos) in [
        ("bare sockets, a call a burst", batched),
        ("bare sockets, a call a datagram", single),
        ("two nodes, in clear", clear),
        ("two nodes, sealed", sealed),
        ("one seal and one open", aead),
        ("bare sockets, segments of one", offloaded),
    ] {
        let per_second = PACKED as f64 * 1e9 / nanos;
        println!("{name:36} {nanos:>8.0} {:>9.2} {per_second:>16.0}", nanos / batched);
    }
    println!("sealed, less a seal and an open: {:.2} x batched", (sealed - aead) / batched);
}
