//! Not a protocol: a cluster of Maelstrom nodes in virtual time, its clients and its network.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip_core::Time;
use gossip_core::node::Clock;
use gossip_core::random::{Key, Random};
use serde_json::{Value, json};

use crate::check::Operation;
use crate::server::Server;
use crate::workload::Workload;

/// The mean time between two changes of a partition, Maelstrom's default.
const INTERVAL: Duration = Duration::from_secs(10);

/// Before the last reads nothing happens for so long.
const QUIET: Duration = Duration::from_secs(10);

/// A run: Maelstrom's options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    /// Operations a second, half of them reads.
    pub(crate) rate: u32,
    pub(crate) time: Duration,
    pub(crate) latency: Duration,
    pub(crate) loss: f64,
    /// Whether there are partitions.
    pub(crate) partitions: bool,
    /// Whether the last one ends before the quiet time.
    pub(crate) heals: bool,
    pub(crate) seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        let time = Duration::from_secs(20);
        let (latency, loss) = (Duration::ZERO, 0.0);
        Self { nodes: 5, rate: 5, time, latency, loss, partitions: false, heals: true, seed: 0 }
    }
}

/// The nodes and what is between them.
pub(crate) struct Cluster<W: Workload> {
    plan: Plan,
    servers: Vec<Server<W>>,
    now: Time,
    random: Random,
    /// Lines under way, by when they come and in which order they left.
    under_way: BTreeMap<(Time, u64), (usize, usize, String)>,
    /// Lines that nodes have sent each other.
    sent: u64,
    operations: u64,
    /// Pairs of receiver and sender that are cut.
    cut: BTreeSet<(usize, usize)>,
}

impl<W: Workload> Cluster<W> {
    /// Nodes that have been told who they are.
    pub(crate) fn new(plan: Plan, make: impl Fn() -> W) -> Self {
        let key = Key::new(plan.seed);
        let seeds = (0..plan.nodes).map(|node| key.with(node as u64).random(1).next_u64());
        let mut cluster = Self {
            plan,
            servers: seeds.map(|seed| Server::new(make(), seed)).collect(),
            now: Time::ZERO,
            random: key.random(0),
            under_way: BTreeMap::new(),
            sent: 0,
            operations: 0,
            cut: BTreeSet::new(),
        };
        let names: Vec<String> = (0..plan.nodes).map(|node| format!("n{node}")).collect();
        for (node, name) in names.iter().enumerate() {
            let init = json!({ "type": "init", "node_id": name, "node_ids": names });
            assert_eq!(cluster.ask(node, init), json!({ "type": "init_ok" }));
        }
        cluster
    }

    /// A client's request to a node, and the answer, without its number.
    pub(crate) fn ask(&mut self, node: usize, mut body: Value) -> Value {
        self.operations += 1;
        body["msg_id"] = json!(self.operations);
        let line = json!({ "src": "c1", "dest": format!("n{node}"), "body": body }).to_string();
        let clock = self.clock();
        self.servers[node].on_line(line.as_bytes(), clock).unwrap();
        let mut answer = self.collect(node).expect("an answer at once");
        let number = answer.as_object_mut().unwrap().remove("in_reply_to");
        assert_eq!(number, Some(json!(self.operations)));
        answer
    }

    /// Lines between nodes for each operation of a client.
    pub(crate) fn messages_per_operation(&self) -> f64 {
        self.sent as f64 / self.operations as f64
    }

    /// Adds and reads at random for the planned time, then rests and reads at every node.
    pub(crate) fn run(&mut self, add: impl Fn(u64) -> Value) -> Vec<Operation> {
        self.operations = 0;
        let mut history = Vec::new();
        let end = self.now + self.plan.time;
        let mut turn = self.now + self.pause(INTERVAL);
        let mut added = 0;
        loop {
            let at = self.now + self.pause(Duration::from_secs(1) / self.plan.rate);
            if at > end {
                break;
            }
            while self.plan.partitions && turn <= at {
                self.advance(turn);
                let shape = self.random.below(4);
                self.cut =
                    if self.cut.is_empty() { self.partition(shape) } else { BTreeSet::new() };
                turn = self.now + self.pause(INTERVAL);
            }
            self.advance(at);
            let node = self.random.below(self.plan.nodes);
            let request = if self.random.chance(0.5) {
                added += 1;
                add(added - 1)
            } else {
                json!({ "type": "read" })
            };
            history.push(self.operate(node, request, false));
        }
        self.advance(end);
        if self.plan.heals {
            self.cut.clear();
        } else {
            // Halves: what hears the majority around it hears of everything in the end.
            self.cut = self.partition(2);
            for node in 0..self.plan.nodes {
                history.push(self.operate(node, add(added), false));
                added += 1;
            }
        }
        self.advance(end + QUIET);
        for node in 0..self.plan.nodes {
            history.push(self.operate(node, json!({ "type": "read" }), true));
        }
        history
    }

    fn operate(&mut self, node: usize, request: Value, last: bool) -> Operation {
        let answer = self.ask(node, request.clone());
        let kind = format!("{}_ok", request["type"].as_str().unwrap());
        assert_eq!(answer["type"], kind, "{request}: {answer}");
        Operation { at: self.now.as_micros() / 1_000, last, request, answer }
    }

    /// Up to twice `mean`.
    fn pause(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(2.0 * self.random.unit())
    }

    fn clock(&self) -> Clock {
        // The wall clock stands somewhere in 2026.
        Clock { now: self.now, wall: 1_790_000_000_000_000 + self.now.as_micros() }
    }

    /// Lets time pass until `until`.
    fn advance(&mut self, until: Time) {
        loop {
            let due = (0..self.servers.len()).map(|node| (self.servers[node].due(), node)).min();
            let (due, node) = due.unwrap_or((Time::NEVER, 0));
            let comes = self.under_way.first_key_value().map_or(Time::NEVER, |(key, _)| key.0);
            if due.min(comes) > until {
                break;
            }
            self.now = self.now.max(due.min(comes));
            if comes <= due {
                self.deliver();
            } else {
                let clock = self.clock();
                self.servers[node].on_time(clock);
                assert_eq!(self.collect(node), None, "an answer to nothing");
            }
        }
        self.now = until;
    }

    fn deliver(&mut self) {
        let Some((_, (from, to, line))) = self.under_way.pop_first() else { return };
        let lost = self.random.chance(self.plan.loss);
        if lost || self.cut.contains(&(to, from)) {
            return;
        }
        let clock = self.clock();
        self.servers[to].on_line(line.as_bytes(), clock).unwrap();
        assert_eq!(self.collect(to), None, "an answer to gossip");
    }

    /// Sends what a node says to others on its way; returns what it says to a client.
    fn collect(&mut self, node: usize) -> Option<Value> {
        let mut answer = None;
        for line in self.servers[node].lines() {
            let mut message: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(message["src"], format!("n{node}"));
            let to = message["dest"].as_str().unwrap().to_owned();
            match to.strip_prefix('n') {
                Some(number) => {
                    let (to, at) = (number.parse().unwrap(), self.now + self.plan.latency);
                    self.under_way.insert((at, self.sent), (node, to, line));
                    self.sent += 1;
                }
                None => answer = Some(message["body"].take()),
            }
        }
        answer
    }

    /// One of Maelstrom's four shapes: one node alone, a third, a half, or each hearing only the
    /// majority around it.
    fn partition(&mut self, shape: usize) -> BTreeSet<(usize, usize)> {
        let nodes = self.plan.nodes;
        let mut order: Vec<usize> = (0..nodes).collect();
        self.random.shuffle(&mut order);
        let apart = |one: usize, other: usize| {
            if shape == 3 {
                let way = (one + nodes - other) % nodes;
                way.min(nodes - way) > nodes / 4
            } else {
                let size = [1, (nodes - 1) / 3, nodes / 2][shape].max(1);
                (one < size) != (other < size)
            }
        };
        let pairs = (0..nodes).flat_map(|one| (0..nodes).map(move |other| (one, other)));
        pairs
            .filter(|&(one, other)| one != other && apart(one, other))
            .map(|(one, other)| (order[one], order[other]))
            .collect()
    }
}
