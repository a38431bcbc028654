//! Not a protocol: a stack behind Maelstrom's lines. One more driver of `gossip_core::Node`,
//! without clock or pipe of its own: lines and times go in, lines come out.
//!
//! A datagram of the stack travels as `{"type": "gossip", "datagram": "<hexadecimal>"}`.

use gossip_core::id::hash;
use gossip_core::node::{Clock, Config, Effects};
use gossip_core::random::Key;
use gossip_core::{Node, Protocol, Refusal, Time};
use serde_json::json;

use crate::graph;
use crate::json::{self, Body, Code, Failure, Message, reply, reply_with};
use crate::workload::Workload;

/// The most nodes of a cluster: what is drawn anew at each start is drawn quickly.
const NODES: usize = 1_024;

/// A node that speaks Maelstrom.
pub(crate) struct Server<W: Workload> {
    workload: W,
    seed: u64,
    member: Option<Member<W::Stack>>,
    lines: Vec<String>,
}

/// What a node is once it has been told who it is.
struct Member<S: Protocol> {
    me: usize,
    names: Vec<String>,
    node: Node<S>,
    effects: Effects<S>,
    round_at: Time,
    /// Identifiers handed out.
    handed: u64,
}

/// What a workload may do with its stack.
pub(crate) struct Host<'a, S: Protocol> {
    node: &'a mut Node<S>,
    effects: &'a mut Effects<S>,
    clock: Clock,
}

impl<S: gossip_core::Layer> Host<'_, S> {
    pub(crate) const fn stack(&self) -> &S {
        self.node.stack()
    }

    /// Asks something of the stack. What it refuses has not happened.
    pub(crate) fn command(&mut self, command: S::Command) -> Result<(), Failure> {
        let result = self.node.command(command, self.clock, self.effects);
        result.map(drop).map_err(|refusal| {
            let code = match refusal {
                Refusal::Full { .. } | Refusal::NoPeers => Code::Unavailable,
                _ => Code::Precondition,
            };
            Failure::new(code, refusal.to_string())
        })
    }
}

impl<W: Workload> Server<W> {
    /// A node that does not know yet who it is. The seed should differ from one life to the next.
    pub(crate) const fn new(workload: W, seed: u64) -> Self {
        Self { workload, seed, member: None, lines: Vec::new() }
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub(crate) fn due(&self) -> Time {
        self.member
            .as_ref()
            .map_or(Time::NEVER, |member| member.round_at.min(member.node.wake_at()))
    }

    /// What is to be written.
    pub(crate) fn lines(&mut self) -> impl Iterator<Item = String> {
        self.lines.drain(..)
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, clock: Clock) {
        let Some(member) = &mut self.member else { return };
        if member.round_at <= clock.now {
            member.round_at = clock.now + W::TICK;
            member.node.round(clock, &mut member.effects);
        }
        member.node.wake(clock, &mut member.effects);
        self.carry_out();
    }

    /// Takes in a line. The error says why it is ignored, where nobody can be told.
    pub(crate) fn on_line(&mut self, line: &[u8], clock: Clock) -> Result<(), &'static str> {
        let message = Message::read(line)?;
        if message.is_reply() {
            return Err("a reply to nothing");
        }
        if message.kind().is_ok_and(|kind| kind == "gossip") {
            self.on_datagram(&message, clock)?;
            self.carry_out();
            return Ok(());
        }
        let number = message.number().ok_or("a request has no number to answer to")?;
        let said = self.request(&message, clock);
        // In the name under which it was asked: it may not have been told its own.
        self.lines.push(json::answer(&message.to, &message.from, number, said));
        self.carry_out();
        Ok(())
    }

    fn on_datagram(&mut self, message: &Message, clock: Clock) -> Result<(), &'static str> {
        let member = self.member.as_mut().ok_or("gossip before init")?;
        let from = member.names.iter().position(|name| *name == message.from);
        let from = from.filter(|&from| from != member.me).ok_or("gossip from a stranger")?;
        let text = message.text("datagram").map_err(|_| "gossip without a datagram")?;
        let bytes = json::from_hex(text).ok_or("a datagram is not hexadecimal")?;
        member.node.datagram(from as u32, &bytes, clock, &mut member.effects);
        Ok(())
    }

    fn request(&mut self, request: &Message, clock: Clock) -> Result<Body, Failure> {
        let kind = request.kind()?;
        if kind == "init" {
            return self.init(request, clock);
        }
        let Some(member) = &mut self.member else {
            return Err(Failure::new(Code::Unavailable, "init has not come yet"));
        };
        match kind {
            "echo" => Ok(reply_with("echo_ok", "echo", request.field("echo")?.clone())),
            "generate" => {
                member.handed += 1;
                let id = format!("{}-{:x}-{}", member.names[member.me], self.seed, member.handed);
                Ok(reply_with("generate_ok", "id", json!(id)))
            }
            _ => {
                let Member { node, effects, .. } = member;
                self.workload.request(kind, request, &mut Host { node, effects, clock })
            }
        }
    }

    fn init(&mut self, request: &Message, clock: Clock) -> Result<Body, Failure> {
        if self.member.is_some() {
            return Err(Failure::new(Code::Precondition, "init has come already"));
        }
        let (name, names) = (request.text("node_id")?, request.texts("node_ids")?);
        if names.len() > NODES {
            return Err(Failure::malformed(format!("{} nodes; at most {NODES}", names.len())));
        }
        if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
            return Err(Failure::malformed("node_ids names a node twice"));
        }
        let me = names.iter().position(|other| other == name);
        let me = me.ok_or_else(|| Failure::malformed("node_ids does not name node_id"))?;
        // The same at all nodes, since the list is.
        let shared = names.iter().fold(Key::new(0), |key, name| key.with(hash(name.as_bytes())));
        let failure = |error: gossip_core::ParameterError| Failure::malformed(error.to_string());
        let graph = graph::neighbours(names.len() as u32, shared).map_err(failure)?;
        let stack = self.workload.stack(name, &graph[me]).map_err(failure)?;
        let config = Config { seed: self.seed, ..Config::default() };
        let node = Node::new(me as u32, stack, config).map_err(failure)?;
        // Rounds of different nodes are spread over the period.
        let phase = Key::new(self.seed).with(hash(name.as_bytes())).random(0).unit();
        let round_at = clock.now + W::TICK.mul_f64(phase);
        let effects = Effects::default();
        self.member = Some(Member { me, names, node, effects, round_at, handed: 0 });
        Ok(reply("init_ok"))
    }

    /// Hands on what the stack tells and sends.
    fn carry_out(&mut self) {
        let Some(member) = &mut self.member else { return };
        let Member { me, names, effects, .. } = member;
        effects.events.drain(..).for_each(|event| self.workload.hear(event));
        effects.watches.clear();
        for datagram in effects.datagrams.drain(..) {
            let Some(to) = names.get(datagram.to as usize) else { continue };
            let body = reply_with("gossip", "datagram", json!(json::to_hex(&datagram.bytes)));
            self.lines.push(json::line(&names[*me], to, &body));
        }
    }
}
