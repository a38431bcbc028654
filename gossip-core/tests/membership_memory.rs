//! What a large table costs: memory for each member, and work in each period.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::membership::{Claim, Config, Message, Page, Swim, Update};
use gossip_core::node::{self, Clock, Effects, Node};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::wire::Bounded;
use gossip_core::{Peers, Wire};

thread_local! {
    /// Bytes that this thread holds.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// Bytes that it ever asked for.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count(got: usize, gone: usize) {
    HELD.set(HELD.get().wrapping_add_unsigned(got).wrapping_sub_unsigned(gone));
    ASKED.set(ASKED.get().wrapping_add(got));
}

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one adds two counters")]
// SAFETY: every call goes to `System` unchanged; the counters neither allocate nor panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Said = Message<SocketAddr, (), 8>;
type Member = Node<Swim<SocketAddr>>;

/// An IPv6 address, the larger kind.
fn address(number: u32) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, (number >> 16) as u16, number as u16], 7_946))
}

/// A node and what drives it.
struct Table {
    node: Member,
    effects: Effects<Swim<SocketAddr>>,
    clock: Clock,
}

impl Table {
    /// A node that has been told of `count` members, eight at a time, in an order as of chance.
    fn new(count: u32) -> Self {
        let config = Config { members: 20_000, ..Config::default() };
        let swim = Swim::new(config).unwrap();
        let node = Node::new(address(0), swim, node::Config::default()).unwrap();
        let mut table = Self { node, effects: Effects::default(), clock: Clock::default() };
        table.join();
        let scattered = |at: u32| 2 + (u64::from(at) * 7_919 % u64::from(count - 1)) as u32;
        for first in (0..count - 1).step_by(8) {
            let mut news = Bounded::new();
            news.fill((first..count - 1).take(8).map(|at| alive(scattered(at), 0)));
            table.hear(1, &Said::News(news));
        }
        assert_eq!(table.node.stack().degree(), count as usize);
        table
    }

    /// Node 1 answers its question.
    fn join(&mut self) {
        self.node.contact(address(1), self.clock, &mut self.effects);
        self.node.round(self.clock, &mut self.effects);
        let asked = self.effects.datagrams.pop().unwrap();
        let (_, mut frames) = Header::read(&asked.bytes, ClusterId::default()).unwrap();
        let Ok(Said::Sync(request)) = Said::decode(&mut frames) else { panic!("no sync") };
        let mut news = Bounded::new();
        news.fill([alive(1, 0)]);
        self.hear(1, &Said::State(request.number, Page::Last, news));
    }

    fn hear(&mut self, from: u32, message: &Said) {
        let mut bytes = Vec::new();
        Header::of::<Said>(ClusterId::default()).write(&mut bytes);
        message.encode(&mut bytes);
        self.node.datagram(address(from), &bytes, self.clock, &mut self.effects);
        self.effects.datagrams.clear();
        self.effects.events.clear();
    }

    /// A period: its probe is answered, and it is told news, as a member of a busy group is.
    fn period(&mut self, number: u32) {
        self.clock.now = self.clock.now + Duration::from_secs(1);
        self.node.round(self.clock, &mut self.effects);
        let sent: Vec<_> = self.effects.datagrams.drain(..).collect();
        for datagram in sent {
            let (_, mut frames) = Header::read(&datagram.bytes, ClusterId::default()).unwrap();
            while let Ok(message) = Said::decode(&mut frames) {
                if let Said::Ping(number, _) = message {
                    let mut bytes = Vec::new();
                    Header::of::<Said>(ClusterId::default()).write(&mut bytes);
                    Said::Ack(number, Bounded::new()).encode(&mut bytes);
                    self.node.datagram(datagram.to, &bytes, self.clock, &mut self.effects);
                }
            }
        }
        let mut news = Bounded::new();
        news.fill((0..8).map(|at| alive(2 + at + 8 * (number % 64), 1 + number)));
        self.hear(1, &Said::News(news));
    }
}

fn alive(number: u32, incarnation: u32) -> Update<SocketAddr, ()> {
    Update { peer: address(number), incarnation, claim: Claim::Alive(0, ()) }
}

/// Ten thousand members with addresses of IPv6: at most 200 bytes each, besides metadata, of which
/// they have none, after a thousand periods of news. Everything counts: index, order of probes,
/// queue of news, and what the allocator was asked for beyond need.
#[test]
fn a_table_of_ten_thousand_takes_at_most_200_bytes_a_member() {
    let count = 10_000;
    let before = HELD.get();
    let mut table = Table::new(count);
    (0..1_000).for_each(|period| table.period(period));
    let each = (HELD.get() - before) as f64 / f64::from(count);
    println!("{each:.1} bytes a member");
    assert!(each <= 200.0, "{each:.1} bytes a member");
}

/// What a period asks of the allocator does not grow with the table: a stand-in for time that is
/// the same on every machine. `cargo xtask bench membership` measures time.
#[test]
fn the_work_of_a_period_does_not_grow_with_the_table() {
    let asked = |count| {
        let mut table = Table::new(count);
        (0..200).for_each(|period| table.period(period));
        let before = ASKED.get();
        (200..1_200).for_each(|period| table.period(period));
        (ASKED.get() - before) as f64 / 1_000.0
    };
    let (few, many) = (asked(1_000), asked(10_000));
    println!("{few:.0} and {many:.0} bytes asked for in a period");
    assert!(many <= few * 1.5, "{few:.0} bytes a period of 1,000, {many:.0} of 10,000");
}
