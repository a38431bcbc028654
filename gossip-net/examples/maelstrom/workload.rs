//! Not a protocol: the workloads. Each is a stack and what its answers to clients are read from.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_core::sampling::Fixed;
use gossip_core::{Blob, Layer, ParameterError, PeerId, Protocol, stack};
use gossip_dissem::Plumtree;
use gossip_dissem::plumtree::{self, Trees};
use gossip_entropy::union::{self, Union};
use gossip_entropy::{self as entropy, Replica};
use serde_json::{Value, json};

use crate::graph::DEGREE;
use crate::json::{Body, Code, Failure, Message, reply, reply_with};
use crate::server::Host;

/// The longest value of a client, as JSON, in bytes.
pub(crate) const LONGEST: usize = 256;

/// A value of a client: its JSON.
pub(crate) type Element = Blob<LONGEST>;

/// The longest name of a node that counts, in bytes.
const NAME: usize = 64;

/// What a node does for its clients.
pub(crate) trait Workload {
    /// Its layers.
    type Stack: Layer<Id = u32>;

    /// The period of the stack's rounds.
    const TICK: Duration;

    /// The stack of a node called `name` with these neighbours.
    fn stack(&mut self, name: &str, neighbours: &[u32]) -> Result<Self::Stack, ParameterError>;

    /// The answer to a client's request of type `kind`.
    fn request(
        &mut self,
        kind: &str,
        request: &Message,
        host: &mut Host<'_, Self::Stack>,
    ) -> Result<Body, Failure>;

    /// The stack tells something.
    fn hear(&mut self, _event: <Self::Stack as Protocol>::Event) {}
}

fn unsupported(kind: &str) -> Failure {
    Failure::new(Code::NotSupported, format!("this workload has no {kind}"))
}

fn element(value: &Value) -> Result<Element, Failure> {
    let text = value.to_string();
    Blob::new(&text).map_err(|_| {
        Failure::malformed(format!("{} bytes of JSON; at most {LONGEST} fit", text.len()))
    })
}

/// What was [`element`], as JSON.
fn values<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Value {
    elements.filter_map(|json| serde_json::from_slice::<Value>(json).ok()).collect()
}

stack! {
    /// Publications along trees that they grow themselves.
    pub(crate) struct BroadcastStack<I: PeerId> {
        peers: Fixed<I, DEGREE>,
        #[uses(peers)]
        news: Plumtree<I, Element>,
    }
}

/// Broadcast: what one node is told, all tell when they are read.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    messages: BTreeSet<Box<[u8]>>,
}

/// New publications a node takes in a second.
const INTAKE: usize = 1_024;

/// Seconds for which a publication is kept for those who are cut off.
const KEPT: u16 = 600;

impl Broadcast {
    /// A tree for each origin, of at most two hops over the graph; values wait up to 120 ms on each
    /// link for others, so that with a hop of 100 ms all is there after 440 ms, and what else is to
    /// be said goes with them. Who misses something knows it by an announcement, and asks for it
    /// when the trees have had their time.
    fn config() -> plumtree::Config {
        let millis = Duration::from_millis;
        plumtree::Config {
            trees: Trees::PerOrigin,
            gather: millis(120),
            acknowledge: millis(1_000),
            timeout1: millis(600),
            timeout2: millis(500),
            announce: millis(1_000),
            confirm: Some(millis(1_000)),
            repeat: Some(millis(3_000)),
            threshold: Some(1),
            store: INTAKE * 64,
            missing: INTAKE * 64,
            age: KEPT,
            intake: INTAKE,
            share: INTAKE,
            memory: INTAKE * (usize::from(KEPT) + 2),
            ..plumtree::Config::default()
        }
    }
}

impl Workload for Broadcast {
    type Stack = BroadcastStack<u32>;

    const TICK: Duration = Duration::from_secs(1);

    fn stack(
        &mut self,
        _: &str,
        neighbours: &[u32],
    ) -> Result<BroadcastStack<u32>, ParameterError> {
        let peers = Fixed::new(neighbours.iter().copied());
        Ok(BroadcastStack::new(peers, Plumtree::new(Self::config())?))
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message,
        host: &mut Host<'_, BroadcastStack<u32>>,
    ) -> Result<Body, Failure> {
        match kind {
            "topology" => Ok(reply("topology_ok")),
            "broadcast" => {
                let message = element(request.field("message")?)?;
                if !self.messages.contains(&message[..]) {
                    type Ask = <BroadcastStack<u32> as Protocol>::Command;
                    host.command(Ask::news(plumtree::Command::Publish(message)))?;
                }
                Ok(reply("broadcast_ok"))
            }
            "read" => {
                let messages = values(self.messages.iter().map(|message| &message[..]));
                Ok(reply_with("read_ok", "messages", messages))
            }
            _ => Err(unsupported(kind)),
        }
    }

    fn hear(&mut self, event: <BroadcastStack<u32> as Protocol>::Event) {
        type Told = <BroadcastStack<u32> as Protocol>::Event;
        match event {
            Told::news(plumtree::Event::Delivered { value, .. }) => {
                self.messages.insert(value.into_bytes());
            }
            Told::peers(never) => match never {},
        }
    }
}

stack! {
    /// A set that is made equal by its sketches.
    pub(crate) struct SetStack<I: PeerId> {
        peers: Fixed<I, DEGREE>,
        #[uses(peers)]
        set: Union<I, LONGEST>,
    }
}

/// A set that only grows.
#[derive(Debug, Default)]
pub(crate) struct GrowingSet;

impl Workload for GrowingSet {
    type Stack = SetStack<u32>;

    const TICK: Duration = Duration::from_millis(500);

    fn stack(&mut self, _: &str, neighbours: &[u32]) -> Result<SetStack<u32>, ParameterError> {
        let peers = Fixed::new(neighbours.iter().copied());
        Ok(SetStack::new(peers, Union::new(union::Config::default())?))
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message,
        host: &mut Host<'_, SetStack<u32>>,
    ) -> Result<Body, Failure> {
        match kind {
            "add" => {
                type Ask = <SetStack<u32> as Protocol>::Command;
                let element = element(request.field("element")?)?;
                host.command(Ask::set(union::Command::Insert(element)))?;
                Ok(reply("add_ok"))
            }
            "read" => Ok(reply_with("read_ok", "value", values(host.stack().set.iter()))),
            _ => Err(unsupported(kind)),
        }
    }
}

stack! {
    /// A replica in which each node writes under its own name.
    pub(crate) struct CounterStack<I: PeerId> {
        peers: Fixed<I, DEGREE>,
        #[uses(peers)]
        sums: Replica<I, NAME, 8>,
    }
}

/// A counter: the sum of what each node was told to add.
#[derive(Debug)]
pub(crate) struct Counter {
    name: String,
    /// The least that can be added at once.
    least: i64,
}

impl Counter {
    /// One that only grows.
    pub(crate) const fn growing() -> Self {
        Self { name: String::new(), least: 0 }
    }

    /// One that grows and shrinks.
    pub(crate) const fn free() -> Self {
        Self { name: String::new(), least: i64::MIN }
    }
}

fn number(value: &[u8]) -> i64 {
    value.try_into().map_or(0, i64::from_le_bytes)
}

impl Workload for Counter {
    type Stack = CounterStack<u32>;

    const TICK: Duration = Duration::from_millis(200);

    fn stack(
        &mut self,
        name: &str,
        neighbours: &[u32],
    ) -> Result<CounterStack<u32>, ParameterError> {
        name.clone_into(&mut self.name);
        ParameterError::new("the node's name", name.len() as f64, "bytes", "at most 64")
            .unless(name.len() <= NAME)?;
        let peers = Fixed::new(neighbours.iter().copied());
        Ok(CounterStack::new(peers, Replica::new(entropy::Config::default())?))
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message,
        host: &mut Host<'_, CounterStack<u32>>,
    ) -> Result<Body, Failure> {
        match kind {
            "add" => {
                type Ask = <CounterStack<u32> as Protocol>::Command;
                let delta = request.integer("delta")?;
                if delta < self.least {
                    return Err(Failure::malformed(format!("{delta}; at least {}", self.least)));
                }
                let own = host.stack().sums.get(self.name.as_bytes()).map_or(0, number);
                let sum = own.checked_add(delta);
                let sum =
                    sum.ok_or_else(|| Failure::new(Code::Precondition, "the sum overflows"))?;
                let set = entropy::Command::set(&self.name, sum.to_le_bytes());
                host.command(Ask::sums(
                    set.map_err(|error| Failure::malformed(error.to_string()))?,
                ))?;
                Ok(reply("add_ok"))
            }
            "read" => {
                let sums = host.stack().sums.iter().map(|(_, sum)| number(sum));
                let total = sums.fold(0_i64, i64::saturating_add);
                Ok(reply_with("read_ok", "value", json!(total)))
            }
            _ => Err(unsupported(kind)),
        }
    }
}
