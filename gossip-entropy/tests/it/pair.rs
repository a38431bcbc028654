//! Two replicas behind the code that runs on sockets: every byte is counted.

use std::collections::VecDeque;
use std::time::Duration;

use gossip_core::node::{Clock, Config as NodeConfig, Effects, Node};
use gossip_core::sampling::Fixed;
use gossip_core::{Counts, PeerId, Protocol, Receipt, Refusal, Time, stack};
use gossip_entropy::message::Update;
use gossip_entropy::{Command, Config, Replica, Stamp};

stack! {
    /// A replica that knows one peer.
    #[derive(Clone)]
    pub struct Site<I: PeerId> {
        peers: Fixed<I, 1>,
        #[uses(peers)]
        data: Replica<I, 32, 128>,
    }
}

pub(crate) type Data = Replica<u32, 32, 128>;
pub(crate) type Entry = Update<u32, 32, 128>;
pub(crate) type Asked = <Site<u32> as Protocol>::Command;

/// The wall clock when tests begin: November 2026.
pub(crate) const WALL: u64 = 1_795_000_000_000_000;

pub(crate) fn entry(key: &str, micros: u64, origin: u32, value: Option<&str>) -> Entry {
    let value = value.map(|value| gossip_core::Blob::new(value).unwrap());
    let stamp = Stamp { micros, count: 0, origin };
    Update::new(gossip_core::Blob::new(key).unwrap(), stamp, value)
}

/// A replica with the keys `range` of one namespace, each with a value of 100 bytes, written long
/// ago.
pub(crate) fn filled(config: Config, range: std::ops::Range<u32>) -> Data {
    let mut data = Data::new(config).unwrap();
    for key in range {
        let value = format!("{key:0>100}");
        data.restore(
            entry(
                &format!("key/{key:0>9}"),
                1_700_000_000_000_000 + u64::from(key),
                9,
                Some(&value),
            ),
            WALL,
        );
    }
    data
}

/// Two nodes and what went between them.
pub(crate) struct Pair {
    nodes: Vec<Node<Site<u32>>>,
    effects: Effects<Site<u32>>,
    rounds: u64,
    /// Time that passed without rounds, in microseconds.
    slept: u64,
    pub(crate) bytes: usize,
    pub(crate) datagrams: usize,
    pub(crate) longest: usize,
    pub(crate) record: Vec<Vec<u8>>,
}

impl Pair {
    pub(crate) fn new(seed: u64, data: [Data; 2]) -> Self {
        let config = NodeConfig { seed, ..NodeConfig::default() };
        let nodes = (0_u32..).zip(data).map(|(me, data)| {
            Node::new(me, Site::new(Fixed::new([1 - me]), data), config).unwrap()
        });
        Self {
            nodes: nodes.collect(),
            effects: Effects::default(),
            rounds: 0,
            slept: 0,
            bytes: 0,
            datagrams: 0,
            longest: 0,
            record: Vec::new(),
        }
    }

    /// Time passes, in which nothing happens.
    pub(crate) fn sleep(&mut self, span: Duration) {
        self.slept += span.as_micros() as u64;
    }

    /// Microseconds of the wall clock.
    pub(crate) fn wall(&self) -> u64 {
        self.clock().wall
    }

    fn clock(&self) -> Clock {
        let micros = self.rounds * 1_000_000 + self.slept;
        Clock { now: Time::from_micros(micros), wall: WALL + micros }
    }

    pub(crate) fn data(&self, node: usize) -> &Data {
        &self.nodes[node].stack().data
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.effects.counts
    }

    /// Node `node`'s owner takes back what is set aside.
    pub(crate) fn reclaim(&mut self, node: usize) -> usize {
        self.nodes[node].stack_mut().data.reclaim()
    }

    pub(crate) fn command(
        &mut self,
        node: usize,
        command: Command<32, 128>,
    ) -> Result<Receipt, Refusal> {
        let clock = self.clock();
        let result = self.nodes[node].command(Asked::data(command), clock, &mut self.effects);
        self.deliver(node as u32);
        result
    }

    pub(crate) fn set(&mut self, node: usize, key: &str, value: &str) {
        self.command(node, Command::set(key, value).unwrap()).unwrap();
    }

    pub(crate) fn delete(&mut self, node: usize, key: &str) {
        self.command(node, Command::delete(key).unwrap()).unwrap();
    }

    /// Both have their rounds, one after the other.
    pub(crate) fn round(&mut self) {
        for node in [0, 1] {
            let clock = self.clock();
            self.nodes[node].round(clock, &mut self.effects);
            self.deliver(node as u32);
        }
        self.rounds += 1;
    }

    /// Rounds until the two are equal.
    pub(crate) fn settle(&mut self, most: u32) -> u32 {
        let before = self.rounds;
        while !self.is_settled() && self.rounds - before < u64::from(most) {
            self.round();
        }
        (self.rounds - before) as u32
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.data(0).digest() == self.data(1).digest()
    }

    /// Feeds bytes to node 0, and returns how many datagrams it sends in answer.
    pub(crate) fn inject(&mut self, from: u32, bytes: &[u8]) -> usize {
        let clock = self.clock();
        self.nodes[0].datagram(from, bytes, clock, &mut self.effects);
        let answers = self.effects.datagrams.len();
        self.longest = self.effects.datagrams.iter().map(|d| d.bytes.len()).fold(0, usize::max);
        self.effects.datagrams.clear();
        answers
    }

    pub(crate) fn forget_traffic(&mut self) {
        (self.bytes, self.datagrams) = (0, 0);
    }

    fn deliver(&mut self, from: u32) {
        let mut queue = VecDeque::new();
        queue.extend(self.effects.datagrams.drain(..).map(|datagram| (from, datagram)));
        let clock = self.clock();
        while let Some((from, datagram)) = queue.pop_front() {
            self.bytes += datagram.bytes.len();
            self.datagrams += 1;
            self.longest = self.longest.max(datagram.bytes.len());
            if self.record.len() < 10_000 {
                self.record.push(datagram.bytes.clone());
            }
            let to = datagram.to;
            self.nodes[to as usize].datagram(from, &datagram.bytes, clock, &mut self.effects);
            queue.extend(self.effects.datagrams.drain(..).map(|datagram| (to, datagram)));
        }
    }
}
