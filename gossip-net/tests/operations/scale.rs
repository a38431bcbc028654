//! Many live nodes in one process, over UDP on loopback: what they agree on, and what they cost.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cluster::{
    Live, builder, counts, errors, eventually, missing, off_ring, rounds, sent, unanswered,
};

/// Bytes of UDP payload that an idle node may send in a round, among 200 nodes. The issue's, at
/// rounds of a second.
const IDLE: f64 = 2_000.0;

/// What a machine says of this process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    at: Instant,
    /// Seconds of a processor.
    work: f64,
    /// Bytes of memory.
    resident: u64,
    bytes: u64,
    rounds: u64,
}

impl Usage {
    fn now(nodes: &[Live]) -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
        Self {
            at: Instant::now(),
            work: (ticks(11) + ticks(12)) / 100.0,
            resident: fields[21].parse::<u64>().unwrap() * 4_096,
            bytes: sent(nodes),
            rounds: rounds(nodes)[0],
        }
    }

    /// Bytes sent in a node's round, and microseconds of a processor that it takes.
    fn since(&self, before: &Self) -> [f64; 2] {
        let rounds = (self.rounds - before.rounds) as f64;
        let bytes = (self.bytes - before.bytes) as f64;
        [bytes / rounds, (self.work - before.work) * 1e6 / rounds]
    }
}

/// Datagrams that the kernel dropped because a socket of `nodes` was full.
fn overrun(nodes: &[Live]) -> u64 {
    let ports: Vec<String> =
        nodes.iter().map(|node| format!(":{:04X}", node.local_addr().port())).collect();
    let sockets = fs::read_to_string("/proc/net/udp").unwrap();
    let ours = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = ours.filter(|line| ports.iter().any(|port| line[1].ends_with(port)));
    ours.filter_map(|line| line.last()?.parse::<u64>().ok()).sum()
}

/// `n` nodes, of which all but the first ask it at once to be let in; if they `join`, they sit out
/// the epochs of the aggregates that are under way.
async fn cluster(n: usize, tick: Duration, join: bool) -> Vec<Live> {
    let mut nodes: Vec<Live> = Vec::new();
    for at in 0..n {
        let contact = nodes.first().map(Live::id);
        // Nobody reads events here: what is kept for a reader is not to be taken for growth.
        let builder = builder(at, tick, join && at > 0).contacts(contact).events(4);
        nodes.push(Box::pin(builder.spawn()).await.unwrap());
    }
    nodes
}

/// What lies behind the estimates.
fn tell(nodes: &[Live]) {
    let (all, [unanswered, refused, skipped]) = (counts(nodes), unanswered(nodes));
    let at = |percent: usize| all[(all.len() - 1) * percent / 100];
    println!(
        "{} nodes: count {:.1} to {:.1}, half of them below {:.1}; {unanswered} exchanges without \
         a reply, {refused} refused, {skipped} skipped, {} overruns",
        nodes.len(),
        at(0),
        at(100),
        at(50),
        overrun(nodes)
    );
}

/// Waits until membership and ring are whole and the aggregates are right, and says when.
async fn converge(nodes: &[Live], tick: Duration) {
    let n = nodes.len();
    let whole = |wrong: usize| if wrong == 0 { Ok(()) } else { Err(wrong.to_string()) };
    let members = eventually("all are members", tick * 120, || whole(missing(nodes))).await;
    let ring = eventually("the ring is whole", tick * 60, || whole(off_ring(nodes))).await;
    // An epoch has 30 rounds, and who joins sits out the one under way; who is late sits out the
    // next as well, so that the first whole one counts some nodes less. The one after is right to a
    // millionth where no reply is late by half a period; a machine so busy that some are loses mass
    // until the next epoch.
    let right = || {
        let errors = errors(nodes);
        if errors.iter().all(|&error| error < 0.05) { Ok(()) } else { Err(format!("{errors:?}")) }
    };
    if n >= 500 {
        for _ in 0..4 {
            sleep(tick * 30).await;
            tell(nodes);
        }
    }
    let aggregates = eventually("mean and count are right", tick * 240, right).await;
    let worst = errors(nodes);
    let tick = tick.as_secs_f64();
    let [members, ring, aggregates] = [members, ring, aggregates].map(|t| t.as_secs_f64() / tick);
    println!(
        "{n} nodes: membership after {members:.0} rounds, ring {ring:.0} later, aggregates \
         {aggregates:.0} later, off by {worst:.6?}"
    );
    tell(nodes);
}

/// The short form: 32 nodes at twenty rounds a second, which found a cluster together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_agree_over_udp_and_send_little() {
    let tick = Duration::from_millis(50);
    let nodes = cluster(32, tick, false).await;
    converge(&nodes, tick).await;
    let before = Usage::now(&nodes);
    sleep(tick * 20).await;
    let [bytes, work] = Usage::now(&nodes).since(&before);
    println!("32 nodes: {bytes:.0} B and {work:.0} us a round, {} overruns", overrun(&nodes));
    assert!(bytes < IDLE, "{bytes} bytes a round");
    assert_eq!(overrun(&nodes), 0);
}

/// The long form: 50, 200 and 500 nodes at a round a second; the last for ten minutes, in which
/// their memory must not grow by more than a hundredth a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: fifteen minutes of real time"]
async fn soak_five_hundred_nodes_stay_small_over_udp() {
    let (tick, mut idle) = (Duration::from_secs(1), Vec::new());
    for n in sizes() {
        let nodes = cluster(n, tick, true).await;
        converge(&nodes, tick).await;
        sleep(tick * 20).await; // what was news is told
        let before = Usage::now(&nodes);
        sleep(tick * 30).await;
        let [bytes, work] = Usage::now(&nodes).since(&before);
        println!("{n} nodes, idle: {bytes:.0} B and {work:.0} us a node and round");
        idle.push(bytes);
        if n == 500 {
            watch(&nodes).await;
        }
        assert_eq!(overrun(&nodes), 0, "{n} nodes");
        let [all, late] = rounds(&nodes);
        println!("{n} nodes: {late} rounds of {all} missed");
        for node in &nodes {
            node.kill();
        }
    }
    println!("idle bytes by size: {idle:?}");
    if let [_, of_200, of_500] = idle[..] {
        assert!(of_200 < IDLE && of_500 < 1.1 * of_200, "small, and flat as n grows: {idle:?}");
    }
}

/// How many nodes there are: those of `GOSSIP_NODES` alone, if that is given.
fn sizes() -> Vec<usize> {
    let given = std::env::var("GOSSIP_NODES").ok().and_then(|nodes| nodes.parse().ok());
    given.map_or(vec![50, 200, 500], |nodes| vec![nodes])
}

/// Ten minutes, a line each.
async fn watch(nodes: &[Live]) {
    let start = Usage::now(nodes);
    let (mut last, mut sizes) = (start, Vec::new());
    for minute in 1..=10 {
        sleep(Duration::from_secs(60)).await;
        let now = Usage::now(nodes);
        let ([bytes, work], memory) = (now.since(&last), now.resident >> 10);
        let load = (now.work - last.work) / (now.at - last.at).as_secs_f64();
        println!(
            "minute {minute}: {bytes:.0} B and {work:.0} us a node and round, {load:.2} \
             processors, {memory} KiB, {} overruns, {} pairs missing, aggregates off by {:.6?}",
            overrun(nodes),
            missing(nodes),
            errors(nodes)
        );
        sizes.push(now.resident as f64);
        last = now;
    }
    // The first two minutes fill tables that have bounds.
    let growth = (sizes[9] / sizes[1] - 1.0) / 8.0;
    println!("memory grew by {:.3} % a minute", 100.0 * growth);
    assert!(growth < 0.01, "{sizes:?}");
    assert!(errors(nodes).iter().all(|&error| error < 0.01), "{:?}", errors(nodes));
}
