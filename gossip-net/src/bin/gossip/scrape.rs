//! Metrics for Prometheus, and whether the agent lives and is ready, over HTTP.
//!
//! Not a protocol of gossip: the text format of expositions, by `metrics-exporter-prometheus`.
//! Labels are states, layers and causes, which are bounded; there are none of peers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::Peers;
use gossip_core::membership::{Deaf, State};
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
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
    let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
    with_local_recorder(&*recorder, describe);
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
        let (running, recorder) = (Arc::clone(&running), Arc::clone(&recorder));
        tokio::spawn(async move {
            // A scraper that is slow, or gone, is no news.
            let _ = timeout(PATIENCE, answer(stream, &running, &recorder)).await;
            drop(place);
        });
    }
}

async fn answer(
    mut stream: TcpStream,
    running: &Running,
    recorder: &PrometheusRecorder,
) -> io::Result<()> {
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
        (Some(b"GET"), Some(b"/metrics")) => ("200 OK", exposition(running, recorder)),
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

fn exposition(running: &Running, recorder: &PrometheusRecorder) -> String {
    with_local_recorder(recorder, || record(running));
    let handle = recorder.handle();
    handle.run_upkeep();
    handle.render()
}

/// Tells the recorder what each metric is.
fn describe() {
    gossip_net::metrics::describe();
    describe_gauge!("gossip_build_info", "The version that runs.");
    describe_gauge!("gossip_members", "Members known, this node not included, by state.");
    describe_counter!("gossip_probes_total", "Probes of members: begun, needing helpers, failed.");
    describe_counter!("gossip_refutations_total", "Accusations of this node refuted.");
    describe_gauge!("gossip_incarnation", "This node's incarnation.");
    describe_gauge!("gossip_health_score", "Lifeguard's local health; 0 is well.");
    describe_gauge!("gossip_unanswered", "Whether no member answers its probes any more.");
    describe_gauge!(
        "gossip_links_unheard",
        "Live members whose link to this node is cut, by which end does not hear."
    );
    describe_gauge!("gossip_view_peers", "Peers in the partial view.");
    describe_gauge!("gossip_rumors_hot", "Rumors that are being spread.");
    describe_gauge!("gossip_store_keys", "Keys of the store that have values.");
    describe_gauge!("gossip_store_deleted", "Deleted keys that are remembered.");
    describe_gauge!("gossip_load_mean", "The mean load of all nodes, as estimated.");
    describe_gauge!(
        "gossip_certificate_expires_seconds",
        "How long the lane's certificates are good; below 0 they have expired."
    );
    describe_gauge!("gossip_nodes_estimate", "How many nodes there are, as estimated.");
}

fn record(running: &Running) {
    gossip_net::metrics::record(&running.node, &[]);
    gauge!("gossip_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for (what, left) in running.certs.iter().flat_map(|certs| certs.left()) {
        gauge!("gossip_certificate_expires_seconds", "what" => what).set(left as f64);
    }
    running.node.read(|agent| {
        let members = &agent.members;
        for state in [State::Alive, State::Suspected, State::Dead, State::Left] {
            let count = members.known().filter(|(_, held)| held.state == state).count();
            gauge!("gossip_members", "state" => word(state)).set(count as f64);
        }
        let stats = members.stats();
        let probes =
            [("begun", stats.probes), ("indirect", stats.indirect), ("failed", stats.failed)];
        for (outcome, count) in probes {
            counter!("gossip_probes_total", "outcome" => outcome).absolute(count);
        }
        counter!("gossip_refutations_total").absolute(stats.refuted);
        gauge!("gossip_incarnation").set(f64::from(members.incarnation()));
        gauge!("gossip_health_score").set(f64::from(members.health()));
        gauge!("gossip_unanswered").set(f64::from(u8::from(members.is_isolated())));
        for (who, deaf) in [("me", Deaf::Me), ("peer", Deaf::Peer)] {
            let count = members.unheard().filter(|unheard| unheard.1 == deaf).count();
            gauge!("gossip_links_unheard", "deaf" => who).set(count as f64);
        }
        gauge!("gossip_view_peers").set(agent.peers.degree() as f64);
        gauge!("gossip_rumors_hot").set(agent.news.hot() as f64);
        gauge!("gossip_store_keys").set(agent.data.len() as f64);
        gauge!("gossip_store_deleted").set(agent.data.deleted() as f64);
        if let Some(mean) = agent.mean.last_estimate() {
            gauge!("gossip_load_mean").set(mean);
        }
        if let Some(nodes) = agent.count.last_estimate() {
            gauge!("gossip_nodes_estimate").set(nodes);
        }
    });
}
