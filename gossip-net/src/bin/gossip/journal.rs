//! What happens, in words: for the log, a line for each transition, and for those who follow.
//!
//! Not a protocol: from a stack's events to JSON, and what must be kept of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::membership::{self, Deaf, Why};
use gossip_dissem::rumor;
use gossip_entropy::blobs;
use gossip_net::{Delivery, Status};
use gossip_overlay::{slicing, tman};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, error, info, warn};

use crate::agent::Running;
use crate::clock::now;
use crate::large;
use crate::limit::{Limit, Verdict};
use crate::stack::{Agent, Told};
use crate::table::line;
use crate::views::{self, text, word};

/// How often what peers have changed is kept. Our choice.
const FLUSH: Duration = Duration::from_secs(1);

/// Keys changed between two flushes above which all are kept: no more is noted. Our choice.
const KEYS: usize = 4_096;

/// How often the log says that all is well, in flushes. Our choice: a silent log says nothing.
const HEARTBEAT: u64 = 300;

/// What an event of `agent`'s says; nothing if it is of no interest to people.
pub(crate) fn describe(agent: &Agent<SocketAddr>, event: &Told) -> Option<Value> {
    let name = |peer: SocketAddr| views::name(agent, peer);
    Some(match event {
        Told::members(event) => member(event, name)?,
        Told::ring(tman::Event::Converged) => json!({ "event": "ring", "settled": true }),
        Told::ring(tman::Event::Disturbed) => json!({ "event": "ring", "settled": false }),
        Told::mean(over) => {
            json!({ "event": "mean", "epoch": over.epoch, "estimate": over.estimate })
        }
        Told::count(over) => {
            json!({ "event": "nodes", "epoch": over.epoch, "estimate": over.estimate })
        }
        Told::slices(slicing::Event::Moved { from, to }) => {
            json!({ "event": "slice", "from": from, "to": to })
        }
        Told::slices(slicing::Event::Converged) => json!({ "event": "slice", "settled": true }),
        Told::slices(slicing::Event::Disturbed) => json!({ "event": "slice", "settled": false }),
        // It is told of when it has come.
        Told::news(rumor::Event::Delivered { value, .. })
            if large::reference(&value.text).is_some() =>
        {
            return None;
        }
        Told::large(blobs::Event::Fetched(reference)) => large::news(agent, *reference)
            .unwrap_or_else(|| json!({ "event": "large", "bytes": reference.len })),
        Told::news(rumor::Event::Delivered { id, value, hops }) => json!({
            "event": "news",
            "topic": text(&value.topic),
            "text": text(&value.text),
            "origin": id.origin,
            "hops": hops,
        }),
        Told::data(gossip_entropy::Event::Changed { key, stamp, deleted }) => json!({
            "event": "value",
            "key": text(key),
            "value": agent.data.get(key).and_then(|value| large::value(agent, value)),
            "deleted": deleted,
            "origin": stamp.origin,
        }),
        _ => return None,
    })
}

fn member(
    event: &membership::Event<SocketAddr>,
    name: impl Fn(SocketAddr) -> Option<String>,
) -> Option<Value> {
    Some(match *event {
        membership::Event::Changed { peer, from, to, why } => {
            let (why, by) = match why {
                Why::NoAnswer => ("no answer", None),
                Why::Silent => ("silent", None),
                Why::Heard(by) => ("heard", Some(by)),
                Why::TimedOut(_) => ("suspected for too long", None),
                _ => ("other", None),
            };
            json!({
                "event": "member",
                "addr": peer,
                "name": name(peer),
                "from": from.map(|from| word(from.state)),
                "to": word(to.state),
                "incarnation": to.incarnation,
                "why": why,
                "by": by,
            })
        }
        membership::Event::Refuted(incarnation) => {
            json!({ "event": "refuted", "incarnation": incarnation })
        }
        membership::Event::Duplicate => json!({ "event": "duplicate" }),
        membership::Event::Unheard { peer, deaf } => {
            let [hears_not, not_heard] = match deaf {
                Deaf::Peer => ["peer", "this node"],
                Deaf::Me => ["this node", "peer"],
            };
            json!({
                "event": "unheard",
                "addr": peer,
                "name": name(peer),
                "deaf": hears_not,
                "unheard": not_heard,
            })
        }
        membership::Event::HeardAgain(peer) => {
            json!({ "event": "heard again", "addr": peer, "name": name(peer) })
        }
        membership::Event::Isolated(alone) => json!({ "event": "isolated", "alone": alone }),
        _ => return None,
    })
}

/// Writes the log, and keeps what must outlive the process, until the node ends.
pub(crate) async fn write(running: Arc<Running>) {
    let mut events = running.node.events();
    let mut flush = interval(FLUSH);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut journal = Journal::new(running);
    loop {
        let label = journal.status;
        let node = journal.running.node.clone();
        tokio::select! {
            delivery = events.recv() => match delivery {
                Some(Delivery::Event(event)) => journal.event(&event),
                Some(Delivery::Lagged(missed)) => journal.lagged(missed),
                None => break,
            },
            status = node.status_where(|status| views::status(status) != label) => {
                journal.status(&status);
                if matches!(status, Status::Ended(_)) {
                    break;
                }
            }
            _ = flush.tick() => journal.flush(),
        }
    }
    journal.flush();
}

struct Journal {
    running: Arc<Running>,
    limit: Limit,
    status: &'static str,
    /// Keys of the store that peers have changed since the last flush; all, if that is not known.
    keys: BTreeSet<Vec<u8>>,
    all: bool,
    peers: bool,
    flushes: u64,
    failing: bool,
}

impl Journal {
    fn new(running: Arc<Running>) -> Self {
        let status = views::status(&running.node.status());
        Self {
            running,
            limit: Limit::default(),
            status,
            keys: BTreeSet::new(),
            all: false,
            peers: true,
            flushes: 0,
            failing: false,
        }
    }

    fn event(&mut self, event: &Told) {
        match event {
            Told::members(membership::Event::Reserve(incarnation)) => {
                let kept = self.running.keeper.as_ref().map(|keeper| keeper.reserve(*incarnation));
                self.judge(kept.unwrap_or(Ok(())));
            }
            Told::members(_) => self.peers = true,
            Told::data(gossip_entropy::Event::Changed { key, .. }) if !self.all => {
                self.keys.insert(key.to_vec());
                self.all |= self.keys.len() > KEYS;
            }
            _ => {}
        }
        let happened = self.running.node.read(|agent| describe(agent, event));
        let Some(happened) = happened else { return };
        let (kind, loud) = match event {
            Told::members(membership::Event::Duplicate) => ("duplicate", true),
            Told::members(membership::Event::Unheard { .. }) => ("unheard", true),
            Told::members(_) => ("member", true),
            Told::news(_) => ("news", false),
            Told::data(_) => ("value", false),
            _ => ("other", false),
        };
        match self.limit.judge(kind, now()) {
            Verdict::Keep => {}
            Verdict::Tell(before) => {
                owe(kind, before);
                match (loud, kind) {
                    (_, "duplicate") => {
                        error!("another node has this node's address: one of the two must stop");
                    }
                    (_, "unheard") => warn!("{}", line(&happened)),
                    (true, _) => info!("{}", line(&happened)),
                    (false, _) => debug!("{}", line(&happened)),
                }
            }
        }
    }

    fn lagged(&mut self, missed: u64) {
        warn!(missed, "events came faster than they were written down");
        (self.all, self.peers) = (true, true);
    }

    fn status(&mut self, status: &Status) {
        self.status = views::status(status);
        if status.is_isolated() {
            warn!("{status}");
        } else {
            info!("{status}");
        }
    }

    fn flush(&mut self) {
        for (kind, count) in self.limit.owed(now()) {
            owe(kind, count);
        }
        self.flushes += 1;
        if self.flushes.is_multiple_of(HEARTBEAT) {
            let (members, bytes) = (
                self.running.node.read(|agent| gossip_core::Peers::degree(&agent.members) + 1),
                self.running.node.counters().bytes_out,
            );
            info!(status = self.status, members, bytes_out = bytes, "all is as it was");
        }
        let Some(keeper) = self.running.keeper.clone() else { return };
        if std::mem::take(&mut self.peers) {
            self.judge(keeper.keep_peers(&self.running.node));
        }
        let keys = std::mem::take(&mut self.keys);
        if std::mem::take(&mut self.all) {
            self.judge(keeper.keep_data(&self.running.node));
        } else if !keys.is_empty() {
            self.judge(keeper.keep_some(&self.running.node, &keys));
        }
    }

    /// What is not kept is told once, and tried again.
    fn judge(&mut self, kept: Result<(), gossip_net::state::StateError>) {
        match kept {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    info!("the state is kept again");
                }
            }
            Err(error) => {
                (self.all, self.peers) = (true, true);
                if !std::mem::replace(&mut self.failing, true) {
                    error!("{error}; a restart would lose what happens from here on");
                }
            }
        }
    }
}

fn owe(kind: &str, count: u64) {
    if count > 0 {
        info!(kind, count, "more lines of this kind were left out");
    }
}
