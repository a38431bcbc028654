//! What an agent says of itself, in JSON. The names of fields are stable: scripts rely on them.
//!
//! Not a protocol: looks at the stack and at the node's counters.

use std::net::SocketAddr;

use gossip_core::membership::State;
use gossip_core::{Peers, Wire};
use gossip_net::{Keyring, Status};
use serde_json::{Map, Value, json};

use crate::agent::Running;
use crate::stack::{Agent, SLICES};

/// A text that came over the network; what is no UTF-8 in it is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How a member is, in a word.
pub(crate) const fn word(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Suspected => "suspected",
        State::Dead => "dead",
        State::Left => "left",
    }
}

/// How the node stands to its cluster, in a word.
pub(crate) const fn status(status: &Status) -> &'static str {
    match status {
        Status::Waiting => "waiting",
        Status::Joining => "joining",
        Status::Connected => "connected",
        Status::Isolated { .. } => "isolated",
        _ => "ended",
    }
}

/// The names of the secrets, which tell nothing of them; the first seals.
pub(crate) fn key_ids(keys: &Keyring) -> Vec<String> {
    keys.ids().iter().map(ToString::to_string).collect()
}

/// The name of `peer`, if it has told one.
pub(crate) fn name(agent: &Agent<SocketAddr>, peer: SocketAddr) -> Option<String> {
    agent.members.profile(peer).map(|name| text(name))
}

/// The lane, and how many seconds its certificates are good for; null if there is none.
pub(crate) fn lane(running: &Running) -> Value {
    running.certs.as_ref().map_or(Value::Null, |certs| {
        let left: Map<_, _> =
            certs.left().into_iter().map(|(what, left)| (what.to_owned(), left.into())).collect();
        json!({
            "addr": certs.lane.addr(),
            "messages_out": running.node.counters().lane_out,
            "expires_in_seconds": left,
        })
    })
}

/// Everybody known, this node included, in the order of addresses.
pub(crate) fn members(running: &Running) -> Value {
    let Running { node, config, .. } = running;
    let mut members: Vec<(SocketAddr, Value)> = node.read(|agent| {
        let one = |(peer, standing): (SocketAddr, gossip_core::membership::Standing)| {
            let member = json!({
                "name": name(agent, peer),
                "addr": peer,
                "state": word(standing.state),
                "incarnation": standing.incarnation,
                "self": false,
            });
            (peer, member)
        };
        let me = json!({
            "name": config.name,
            "addr": node.id(),
            "state": word(if agent.members.has_left() { State::Left } else { State::Alive }),
            "incarnation": agent.members.incarnation(),
            "self": true,
        });
        agent.members.known().map(one).chain([(node.id(), me)]).collect()
    });
    members.sort_unstable_by_key(|member| member.0);
    members.into_iter().map(|member| member.1).collect()
}

/// What the nodes are on average, how many, and where this one stands.
pub(crate) fn aggregate(running: &Running) -> Value {
    running.node.read(|agent| {
        json!({
            "load": agent.mean.function().input(),
            "mean": {
                "last": agent.mean.last_estimate(),
                "running": agent.mean.running_estimate(),
                "epoch": agent.mean.epoch(),
            },
            "nodes": {
                "last": agent.count.last_estimate(),
                "running": agent.count.running_estimate(),
                "epoch": agent.count.epoch(),
            },
            "slice": agent.slices.slice(),
            "slices": SLICES,
        })
    })
}

/// How the agent is.
pub(crate) fn info(running: &Running) -> Value {
    let Running { node, config, socket, metrics, started, keys, .. } = running;
    let status_now = node.status();
    let mut info = json!({
        "name": config.name,
        "addr": node.id(),
        "bound": node.local_addr(),
        "cluster": config.cluster,
        "status": status(&status_now),
        "status_text": status_now.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "shape": format!("{:08x}", <Agent<SocketAddr> as gossip_core::Protocol>::Message::SHAPE),
        "pid": std::process::id(),
        "up_seconds": crate::clock::now().saturating_duration_since(*started).as_secs(),
        "tick_ms": config.tick.as_millis() as u64,
        "socket": socket,
        "metrics": metrics,
        "state_dir": config.state,
        "keys": keys.as_ref().map(key_ids),
        "key": config.identity.as_ref().map(|key| key.public().to_string()),
        "allowed": config.allow.as_ref().map(|(_, list)| list.len()),
        "lane": lane(running),
    });
    let stack = node.read(stack);
    for part in [stack, traffic(running)] {
        if let (Some(info), Value::Object(part)) = (info.as_object_mut(), part) {
            info.extend(part);
        }
    }
    info
}

fn stack(agent: &Agent<SocketAddr>) -> Value {
    let mut states = Map::new();
    for state in [State::Alive, State::Suspected, State::Dead, State::Left] {
        let among = agent.members.known().filter(|(_, standing)| standing.state == state).count();
        states.insert(word(state).to_owned(), among.into());
    }
    let stats = agent.members.stats();
    json!({
        "incarnation": agent.members.incarnation(),
        "health": agent.members.health(),
        "isolated": agent.members.is_isolated(),
        "others": states,
        "probes": {
            "begun": stats.probes,
            "indirect": stats.indirect,
            "failed": stats.failed,
            "refuted": stats.refuted,
        },
        "view": agent.peers.degree(),
        "ring": { "successor": agent.ring.successor(), "predecessor": agent.ring.predecessor() },
        "rumors": { "hot": agent.news.hot(), "remembered": agent.news.remembered() },
        "store": {
            "keys": agent.data.len(),
            "deleted": agent.data.deleted(),
            "digest": format!("{:016x}", agent.data.digest()),
        },
    })
}

fn traffic(running: &Running) -> Value {
    let counters = running.node.counters();
    let mut causes = Map::new();
    for (layer, cause, count) in counters.counts.iter() {
        let of_layer = causes.entry(layer).or_insert_with(|| json!({}));
        of_layer[cause] = count.into();
    }
    let millis = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    json!({
        "datagrams": { "in": counters.datagrams_in, "out": counters.datagrams_out },
        "bytes": { "in": counters.bytes_in, "out": counters.bytes_out },
        "frames": { "in": counters.frames_in, "out": counters.frames_out },
        "rounds": {
            "run": counters.rounds,
            "missed": counters.rounds_missed,
            "lag_ms": counters.lag.mean().map(millis),
            "lag_max_ms": millis(counters.lag.max),
        },
        "events": { "told": counters.events, "shed": counters.events_shed },
        "counts": causes,
    })
}
