//! Metrics for Prometheus, and whether the agent lives and is ready, over HTTP.
//!
//! Not a protocol of gossip: the text format of expositions, version 0.0.4. Labels are states,
//! layers and causes, which are bounded; there are none of peers.

use std::fmt::{Display, Write};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::Peers;
use gossip_core::membership::State;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::agent::Running;
use crate::exit::Failure;
use crate::views::word;

/// Scrapes at a time, bytes of a request, and how long one may take. Our choice.
const SCRAPES: usize = 8;
const REQUEST: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

/// Binds the address; returns the one that is bound, too.
pub(crate) async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let cannot = |e| Failure::refused(format!("cannot serve metrics at {addr}: {e}"));
    let listener = TcpListener::bind(addr).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    info!(addr = %bound, "metrics are served");
    Ok((listener, bound))
}

/// Answers scrapes for ever.
pub(crate) async fn serve(listener: TcpListener, running: Arc<Running>) {
    let places = Arc::new(Semaphore::new(SCRAPES));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "scrapes are not accepted");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        // Without a place it hangs up: a scraper comes again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let running = Arc::clone(&running);
        tokio::spawn(async move {
            // A scraper that is slow, or gone, is no news.
            let _ = timeout(PATIENCE, answer(stream, &running)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, running: &Running) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST {
        let mut chunk = [0; 1_024];
        match stream.read(&mut chunk).await? {
            0 => break,
            len => request.extend_from_slice(&chunk[..len]),
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => ("200 OK", exposition(running)),
        (Some(b"GET"), Some(b"/healthz")) => ("200 OK", "alive\n".to_owned()),
        (Some(b"GET"), Some(b"/readyz")) => ready(running),
        (Some(b"GET"), _) => ("404 Not Found", "/metrics, /healthz or /readyz\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET\n".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Ready is who hears others, or is the first and waits for them.
fn ready(running: &Running) -> (&'static str, String) {
    let status = running.node.status();
    let alone = running.node.read(|agent| agent.members.is_isolated() || agent.members.has_left());
    let waits = matches!(status, gossip_net::Status::Waiting);
    if (status.is_connected() || waits) && !alone {
        ("200 OK", format!("{status}\n"))
    } else {
        ("503 Service Unavailable", format!("{status}\n"))
    }
}

/// A text under way.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a metric; its name begins with `gossip_`.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let out = &mut self.0;
        // Writing to a text does not fail.
        let _ = write!(out, "# HELP gossip_{name} {help}\n# TYPE gossip_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "gossip_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn exposition(running: &Running) -> String {
    let mut text = Text::default();
    text.metric("build_info", "gauge", "The version that runs.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    membership(running, &mut text);
    layers(running, &mut text);
    traffic(running, &mut text);
    text.0
}

fn membership(running: &Running, text: &mut Text) {
    let (known, stats, incarnation, health, alone) = running.node.read(|agent| {
        let members = &agent.members;
        let known: Vec<State> = members.known().map(|(_, standing)| standing.state).collect();
        (known, members.stats(), members.incarnation(), members.health(), members.is_isolated())
    });
    text.metric("members", "gauge", "Members known, this node not included, by state.");
    for state in [State::Alive, State::Suspected, State::Dead, State::Left] {
        let count = known.iter().filter(|held| **held == state).count();
        text.sample("members", &[("state", word(state))], count);
    }
    text.metric("probes_total", "counter", "Probes of members: begun, needing helpers, failed.");
    for (outcome, count) in
        [("begun", stats.probes), ("indirect", stats.indirect), ("failed", stats.failed)]
    {
        text.sample("probes_total", &[("outcome", outcome)], count);
    }
    text.one("refutations_total", "counter", "Accusations of this node refuted.", stats.refuted);
    text.one("incarnation", "gauge", "This node's incarnation.", incarnation);
    text.one("health_score", "gauge", "Lifeguard's local health; 0 is well.", health);
    let connected = u8::from(running.node.status().is_connected());
    text.one("isolated", "gauge", "Whether no member answers any more.", u8::from(alone));
    text.one("connected", "gauge", "Whether anybody is heard.", connected);
}

fn layers(running: &Running, text: &mut Text) {
    let (view, hot, keys, deleted, mean, nodes) = running.node.read(|agent| {
        (
            agent.peers.degree(),
            agent.news.hot(),
            agent.data.len(),
            agent.data.deleted(),
            agent.mean.last_estimate(),
            agent.count.last_estimate(),
        )
    });
    text.one("view_peers", "gauge", "Peers in the partial view.", view);
    text.one("rumors_hot", "gauge", "Rumors that are being spread.", hot);
    text.one("store_keys", "gauge", "Keys of the store that have values.", keys);
    text.one("store_deleted", "gauge", "Deleted keys that are remembered.", deleted);
    if let Some(mean) = mean {
        text.one("load_mean", "gauge", "The mean load of all nodes, as estimated.", mean);
    }
    if let Some(nodes) = nodes {
        text.one("nodes_estimate", "gauge", "How many nodes there are, as estimated.", nodes);
    }
}

fn traffic(running: &Running, text: &mut Text) {
    let counters = running.node.counters();
    let both = [
        ("datagrams_total", "Datagrams.", counters.datagrams_in, counters.datagrams_out),
        ("bytes_total", "Bytes of datagrams.", counters.bytes_in, counters.bytes_out),
        ("frames_total", "Messages of layers.", counters.frames_in, counters.frames_out),
    ];
    for (name, help, came, went) in both {
        text.metric(name, "counter", help);
        text.sample(name, &[("direction", "in")], came);
        text.sample(name, &[("direction", "out")], went);
    }
    text.one("rounds_total", "counter", "Rounds run.", counters.rounds);
    let missed = counters.rounds_missed;
    text.one("rounds_missed_total", "counter", "Rounds left out: the host stood still.", missed);
    let lag = counters.lag.total.as_secs_f64();
    text.one("round_lag_seconds_total", "counter", "How late rounds began, summed.", lag);
    text.one("events_total", "counter", "Events told by the stack.", counters.events);
    text.metric("causes_total", "counter", "What was ignored, refused or shed, and why.");
    for (layer, cause, count) in counters.counts.iter() {
        text.sample("causes_total", &[("layer", layer), ("cause", cause)], count);
    }
}
