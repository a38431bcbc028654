//! Many live nodes in one process, over UDP on loopback: what they agree on, and what they cost.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::{
    Live, builder, counts, errors, eventually, missing, off_ring, rounds, sent, unanswered,
};

/// Bytes of UDP payload that an idle node may send in a round, among 200 nodes. The issue's, at
/// rounds of a second.
const IDLE: f64 = 2_000.0;

/// What a machine says of this process.
#[derive(Clone, Copy, Debug)]
struct Usage {
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
    // millionth where no reply is late by two periods; a machine so busy that some are loses mass
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

/// The long form: 50, 200 and 500 nodes at a round a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: ten minutes of real time"]
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

/// A page of memory, in which resident memory is counted.
const PAGE: u64 = 4_096;

/// How often memory is looked at, and for how long.
const LOOK: Duration = Duration::from_secs(10);
const LOOKS: usize = 60;

/// 500 idle nodes for ten minutes, once each has met each other: their memory does not grow, and no
/// table of theirs holds more than its subject has. See [`grows`].
///
/// A node notes of each peer that it hears from how far away it is and what it speaks (`hello`): a
/// bounded table, of 64 at a node that has nothing to offer, one more in every eighth round. SWIM
/// probes everybody once in n periods, so that nobody is a stranger after as many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: twenty minutes of real time"]
async fn soak_ten_minutes_leave_memory_as_it_is() {
    let (tick, n) = (Duration::from_secs(1), sizes().pop().unwrap());
    let nodes = cluster(n, tick, true).await;
    let whole = || if missing(&nodes) == 0 { Ok(()) } else { Err(missing(&nodes).to_string()) };
    eventually("all are members", tick * 120, whole).await;
    sleep(tick * n as u32).await;
    let (mut last, mut resident) = (Usage::now(&nodes), Vec::new());
    for look in 1..=LOOKS {
        sleep(LOOK).await;
        let now = Usage::now(&nodes);
        resident.push(now.resident as f64);
        if look % 6 == 0 {
            let [bytes, work] = now.since(&last);
            println!(
                "minute {}: {bytes:.0} B and {work:.0} us a node and round, {} KiB, {} overruns, \
                 {} pairs missing, tables {:?}",
                look / 6,
                now.resident >> 10,
                overrun(&nodes),
                missing(&nodes),
                tables(&nodes)
            );
            last = now;
        }
    }
    let [known, view, hot, keys] = tables(&nodes);
    assert!(known < n && view <= crate::stack::VIEW && hot == 0 && keys == 0);
    let grown = grows(&resident, n);
    assert!(grown.is_none(), "{} bytes in ten minutes: {resident:?}", grown.unwrap_or_default());
}

/// The most entries that a node's tables hold: members, peers in the view, rumors that are spread,
/// keys.
fn tables(nodes: &[Live]) -> [usize; 4] {
    let of = |node: &Live| {
        node.read(|agent| {
            let known = agent.members.known().count();
            [known, gossip_core::Peers::degree(&agent.peers), agent.news.hot(), agent.data.len()]
        })
    };
    nodes.iter().map(of).fold([0; 4], |most, one| [0, 1, 2, 3].map(|at| most[at].max(one[at])))
}

/// By how much memory grew from the first to the last look, if it did. A line through the looks
/// must rise by more than four of its standard errors, which correct for what a look has in common
/// with the one before (lag-1 correlation r: by the root of (1 + r) / (1 - r)): three false alarms
/// in 10^5. And by more than a page a node: less is what rounding up to pages hides. Ten minutes
/// of rounds of a second show a leak of 7 bytes a node and round.
fn grows(resident: &[f64], nodes: usize) -> Option<f64> {
    let n = resident.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, resident.iter().sum::<f64>() / n);
    let at = |look: usize| look as f64 - middle;
    let spread: f64 = (0..resident.len()).map(|look| at(look) * at(look)).sum();
    let slope = resident.iter().enumerate().map(|(look, y)| at(look) * (y - mean)).sum::<f64>();
    let slope = slope / spread;
    let off = |(look, y): (usize, &f64)| y - mean - slope * at(look);
    let left: Vec<f64> = resident.iter().enumerate().map(off).collect();
    let squares = left.iter().map(|x| x * x).sum::<f64>();
    let paired = left.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
    let r = if squares > 0.0 { (paired / squares).clamp(0.0, 0.9) } else { 0.0 };
    let error = (squares / (n - 2.0) / spread * (1.0 + r) / (1.0 - r)).sqrt();
    let grown = slope * (n - 1.0);
    println!("memory: {grown:.0} bytes more, give or take {:.0}", error * (n - 1.0));
    (slope > 4.0 * error && grown > (nodes as u64 * PAGE) as f64).then_some(grown)
}

/// The control of the soak: a leak of 20 bytes a node and round under noise of a page a node is
/// seen; the noise alone, and a single step up to a new level within a page, are not.
#[test]
fn a_leak_of_twenty_bytes_a_round_is_seen_and_noise_is_not() {
    let mut random = gossip_core::random::Key::new(1).random(0);
    let noise: Vec<f64> = (0..30).map(|_| random.unit() * (500 * PAGE) as f64).collect();
    let with = |more: f64| -> Vec<f64> {
        noise.iter().enumerate().map(|(look, y)| 3e8 + y + more * look as f64).collect()
    };
    assert!(grows(&with(0.0), 500).is_none());
    assert!(grows(&with(500.0 * 10.0 * 20.0), 500).is_some());
    assert!(grows(&[3e8; 30], 500).is_none());
}
