//! One stack, unchanged, in all four drivers: the demo's nine layers, each of which must do its
//! work in the cycle simulator, in the event simulator under loss, from a script, and on sockets.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_aggregate::push_pull::loss_sd;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::script::Player;
use gossip_core::testkit::check_golden;
use gossip_core::{Blob, PeerId, Peers, Protocol, id};
use gossip_dissem::rumor;
use gossip_net::{Handle, Node, memory};
use gossip_overlay::chord::Lookup;
use gossip_overlay::slicing::metrics::{expected_gdm, gdm};
use xtask_demo::stack::{Demo, Settings};

type Command<I> = <Demo<I> as Protocol>::Command;

/// What the checks look at of one node.
struct Seen<I> {
    id: I,
    view: usize,
    successor: Option<I>,
    mean: Option<f64>,
    count: Option<f64>,
    slice: Option<(f64, f64)>,
    rumors: usize,
    digest: u64,
    value: Option<Vec<u8>>,
}

fn see<I: PeerId>(id: I, node: &Demo<I>) -> Seen<I> {
    Seen {
        id,
        view: node.peers.degree(),
        successor: node.ring.successor(),
        mean: node.mean.last_estimate(),
        count: node.count.last_estimate(),
        slice: node.slices.value().map(|value| (node.slices.attribute().get(), value.get())),
        rumors: node.news.remembered(),
        digest: node.data.digest(),
        value: node.data.get(b"colour").map(<[u8]>::to_vec),
    }
}

/// How far estimates may be off: of the mean absolutely, of the count as a factor.
struct Tolerance {
    mean: f64,
    count: f64,
}

const TIGHT: Tolerance = Tolerance { mean: 0.01, count: 1.001 };

/// What is not as it must be among nodes whose inputs are 0, 1, 2, ...
fn wrong<I: PeerId>(seen: &[Seen<I>], tolerance: &Tolerance) -> Vec<String> {
    let nodes = seen.len();
    let truth = (nodes as f64 - 1.0) / 2.0;
    let mut ring: Vec<I> = seen.iter().map(|node| node.id).collect();
    ring.sort_by_key(id::digest);
    let next = |of: I| {
        let at = ring.iter().position(|&peer| peer == of).expect("in the ring");
        Some(ring[(at + 1) % nodes])
    };
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    for node in seen {
        let me = node.id;
        must(node.view >= (nodes - 1).min(8), format!("{me:?} knows {} peers", node.view));
        must(node.successor == next(me), format!("{me:?} precedes {:?}", node.successor));
        let near = |mean: f64| (mean - truth).abs() <= tolerance.mean;
        must(node.mean.is_some_and(near), format!("{me:?} says a mean of {:?}", node.mean));
        let ratio = node.count.map(|count| count / nodes as f64);
        let near = |ratio: f64| ratio.max(1.0 / ratio) <= tolerance.count;
        must(ratio.is_some_and(near), format!("{me:?} counts {:?}", node.count));
        must(node.value.as_deref() == Some(b"blue"), format!("{me:?} reads {:?}", node.value));
        must(node.digest == seen[0].digest, format!("{me:?} has another digest"));
    }
    // Who published a rumor knows its own by arithmetic and need not remember it.
    let heard = seen.iter().filter(|node| node.rumors == 1).count();
    must(heard == nodes - 1, format!("{heard} have heard the rumor"));
    let slices: Option<Vec<_>> = seen.iter().map(|node| node.slice).collect();
    let disorder = slices.map(|slices| gdm(&slices));
    let sorted = |gdm: f64| gdm <= 0.02 * expected_gdm(nodes);
    must(disorder.is_some_and(sorted), format!("slices are in disorder: {disorder:?}"));
    wrong
}

fn publish<I: PeerId>() -> Command<I> {
    Command::<I>::news(rumor::Command::Publish(Blob::new("hello").expect("it fits")))
}

fn write<I: PeerId>() -> Command<I> {
    Command::<I>::data(gossip_entropy::replica::Command::set("colour", "blue").expect("it fits"))
}

fn look_up<I: PeerId>(ticket: u32, key: u64) -> Command<I> {
    Command::<I>::routes(Lookup { ticket, key })
}

const TICK: Duration = Duration::from_secs(1);

fn node(settings: Settings, at: u32) -> Demo<u32> {
    settings.node(f64::from(at)).expect("valid settings")
}

#[test]
fn in_the_cycle_simulator() {
    let settings = Settings::new(TICK, 0.0);
    let mut sim = Simulation::new((0..64).map(|at| node(settings, at)), 1, Order::Sequential);
    (1..64).for_each(|at| sim.contact(at, at - 1));
    sim.run(15);
    sim.command(5, publish()).expect("accepted");
    sim.command(9, write()).expect("accepted");
    sim.run(50);
    let seen: Vec<_> = sim.nodes().map(|(at, node)| see(at, node)).collect();
    assert_eq!(wrong(&seen, &TIGHT), Vec::<String>::new(), "seed 1");
}

/// With loss, estimates are off by what lost replies carried: six standard deviations of the law in
/// `gossip-aggregate/GUARANTEES.md`. For the count, whose inputs are far from even, a factor of 2.
#[test]
fn in_the_event_simulator_under_loss() {
    let loss = 0.05;
    let settings = Settings::new(TICK, loss);
    let latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(80));
    let network = Network::new(latency).loss(loss).expect("valid");
    let config = event::Config::seeded(1);
    let make = move |at| node(settings, at);
    let mut sim = event::Simulation::new(32, make, network, config).expect("valid");
    (1..32).for_each(|at| sim.contact(at, 0));
    sim.run_for(20 * TICK);
    sim.command(5, publish()).expect("accepted");
    sim.command(9, write()).expect("accepted");
    sim.run_for(60 * TICK);
    let inputs_sd = ((32.0_f64 * 32.0 - 1.0) / 12.0).sqrt();
    let mean = 6.0 * loss_sd(inputs_sd, loss, 32.0).expect("valid");
    // A ring link may be missing for a moment under loss: look at several moments.
    let tolerance = Tolerance { mean, count: 2.0 };
    let mut found = Vec::new();
    for _ in 0..20 {
        sim.run_for(TICK);
        let seen: Vec<_> = sim.nodes().map(|(at, node)| see(at, node)).collect();
        found = wrong(&seen, &tolerance);
        if found.is_empty() {
            break;
        }
    }
    assert_eq!(found, Vec::<String>::new(), "seed 1");
}

/// The script prints what a few nodes of the stack say to each other; `UPDATE=1` rewrites it.
#[test]
fn from_a_script() {
    let settings = Settings::new(TICK, 0.0);
    let make = move |at| node(settings, at);
    let show = |node: &Demo<u32>| {
        let seen = see(0, node);
        format!(
            "{} peers, successor {:?}, mean {:?}, count {:?}, {} rumors, reads {}",
            seen.view,
            seen.successor,
            seen.mean,
            seen.count,
            seen.rumors,
            seen.value.is_some(),
        )
    };
    let read = |text: &str| match text {
        "publish" => Ok(publish()),
        "write" => Ok(write()),
        // Half way round the ring.
        "look up" => Ok(look_up(1, 1 << 63)),
        _ => Err(format!("`{text}`: write `publish`, `write` or `look up`")),
    };
    let player = Player::new(make, show).commands(read);
    check_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/demo.txt"), &player);
}

/// Waits until `wrong` finds nothing, at most half a minute.
async fn settle(
    nodes: &[Handle<Demo<SocketAddr>>],
    wrong: impl Fn(&[Seen<SocketAddr>]) -> Vec<String>,
) {
    let mut found = Vec::new();
    let good = async {
        loop {
            let see = |handle: &Handle<_>| handle.read(|node| see(handle.id(), node));
            found = wrong(&nodes.iter().map(see).collect::<Vec<_>>());
            if found.is_empty() {
                return;
            }
            // The next look, not a wait for something known.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), good).await.is_ok();
    assert!(in_time, "after half a minute: {found:?}");
}

#[tokio::test]
async fn on_udp_sockets() {
    let tick = Duration::from_millis(60);
    let settings = Settings::new(tick, 0.0);
    let mut nodes: Vec<Handle<Demo<SocketAddr>>> = Vec::new();
    for at in 0..8 {
        let stack = settings.node(f64::from(at)).expect("valid");
        let builder = Node::builder(stack).cluster("drivers").tick(tick);
        let contact = nodes.first().map(Handle::id);
        nodes.push(Box::pin(builder.contacts(contact).spawn()).await.expect("a free port"));
    }
    let strangers = |seen: &[Seen<SocketAddr>]| {
        let lonely = seen.iter().filter(|node| node.view < 7);
        lonely.map(|node| format!("{:?} knows {} peers", node.id, node.view)).collect()
    };
    settle(&nodes, strangers).await;
    nodes[1].call(publish()).await.expect("accepted");
    nodes[2].call(write()).await.expect("accepted");
    settle(&nodes, |seen| wrong(seen, &TIGHT)).await;
}

#[tokio::test(start_paused = true)]
async fn in_memory() {
    let (settings, hub) = (Settings::new(TICK, 0.0), memory::Hub::new());
    let mut nodes: Vec<Handle<Demo<SocketAddr>>> = Vec::new();
    for at in 0..8_u8 {
        let stack = settings.node(f64::from(at)).expect("valid");
        let transport = hub.bind(([10, 0, 0, at + 1], 7_000)).expect("free");
        let builder = Node::builder(stack).transport(transport).cluster("drivers").tick(TICK);
        let contact = nodes.first().map(Handle::id);
        nodes.push(Box::pin(builder.seed(1).contacts(contact).spawn()).await.expect("valid"));
    }
    // Time is virtual: a minute passes when nobody has anything to do.
    nodes[1].call(publish()).await.expect("accepted");
    nodes[2].call(write()).await.expect("accepted");
    tokio::time::sleep(70 * TICK).await;
    let see = |handle: &Handle<_>| handle.read(|node| see(handle.id(), node));
    let seen: Vec<_> = nodes.iter().map(see).collect();
    assert_eq!(wrong(&seen, &TIGHT), Vec::<String>::new());
}
