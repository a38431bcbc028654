//! What a user of these crates does, with nothing but what is public: writes a protocol, stacks it
//! over Cyclon in one line, runs the same stack in both simulators and on sockets, and lets the
//! testkit find a bug in it.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::script::replay;
use gossip_core::testkit::{Invariants, Kinds, Trial, Violation};
use gossip_core::{Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, stack};
use gossip_net::{Handle, Node};

// begin: the protocol
/// Coins that wander: every round one goes to a random peer. A peer takes a coin only if its
/// number is above all it had from that sender: so a coin that comes twice counts once.
#[derive(Clone, Debug)]
pub struct Purse<I, const CHECKED: bool> {
    coins: u32,
    sent: u32,
    seen: Vec<(I, u32)>,
}

impl<I: PeerId, const CHECKED: bool> Protocol for Purse<I, CHECKED> {
    type Id = I;
    type Message = u32;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, const CHECKED: bool, D: Peers<Id = I>> Layer<D> for Purse<I, CHECKED> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let Some(peer) = below.sample(cx.rng()).filter(|_| self.coins > 0) else { return };
        self.coins -= 1;
        self.sent += 1;
        cx.send(peer, self.sent);
    }

    fn on_message(&mut self, _: &D, from: I, number: u32, cx: &mut impl Context<Self>) {
        let full = self.seen.len() >= 64;
        let last = self.seen.iter_mut().find(|seen| seen.0 == from);
        match last {
            Some(seen) if number > seen.1 => seen.1 = number,
            Some(_) if CHECKED => return cx.count("coin repeated"),
            None if full => return cx.count("too many senders"),
            None => self.seen.push((from, number)),
            Some(_) => {}
        }
        self.coins = self.coins.saturating_add(1);
    }
}
// end: the protocol

stack! {
    /// Coins over Cyclon.
    #[derive(Clone, Debug)]
    pub struct Wallet<I: PeerId> {
        peers: Cyclon<I, 8>,
        #[uses(peers)]
        purse: Purse<I, true>,
    }
}

stack! {
    /// The same with the bug: it forgets to check whether it has had a coin before.
    #[derive(Clone, Debug)]
    pub struct Careless<I: PeerId> {
        peers: Cyclon<I, 8>,
        #[uses(peers)]
        purse: Purse<I, false>,
    }
}

const NODES: u32 = 8;
const COINS: u32 = 5;

const fn purse<I, const CHECKED: bool>() -> Purse<I, CHECKED> {
    Purse { coins: COINS, sent: 0, seen: Vec::new() }
}

fn wallet<I: PeerId>(patience: Duration) -> Result<Wallet<I>, ParameterError> {
    Ok(Wallet::new(Cyclon::new(cyclon::Config::default())?.patience(patience)?, purse()))
}

#[test]
fn a_protocol_takes_less_than_40_lines() {
    let source = include_str!("outside.rs");
    let body = source.split("// begin: the protocol\n").nth(1).unwrap();
    let body = body.split("// end: the protocol").next().unwrap();
    let code = body.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(code < 40, "{code} lines");
}

/// Without loss coins are moved, never made or destroyed. Deterministic.
#[test]
fn it_runs_in_the_cycle_simulator() {
    let nodes = (0..NODES).map(|_| wallet(Duration::from_millis(400)).unwrap());
    let mut sim = cycle::Simulation::new(nodes, 1, cycle::Order::Sequential);
    (1..NODES).for_each(|node| sim.contact(node, 0));
    sim.run(50);
    assert_eq!(sim.nodes().map(|(_, node)| node.purse.coins).sum::<u32>(), NODES * COINS);
    assert!(sim.nodes().all(|(_, node)| node.purse.sent > 5));
}

/// With half of all datagrams doubled, and all latencies alike so that none is overtaken. Coins
/// still on their way after the last round are at most one a node.
#[test]
fn it_runs_in_the_event_simulator() {
    let latency = Latency::Constant(Duration::from_millis(20));
    let network = Network::new(latency).duplication(0.5).unwrap();
    let make = |_| wallet(Duration::from_millis(400)).unwrap();
    let config = event::Config::seeded(2);
    let mut sim: Simulation<Wallet<u32>> = Simulation::new(NODES, make, network, config).unwrap();
    (1..NODES).for_each(|node| sim.contact(node, 0));
    sim.run_for(Duration::from_secs(50));
    let coins = sim.nodes().map(|(_, node)| node.purse.coins).sum::<u32>();
    assert!((NODES * (COINS - 1)..=NODES * COINS).contains(&coins), "{coins} coins, seed 2");
    assert!(sim.counts().get("purse", "coin repeated") > 50);
}

/// The same stack, with addresses for names. Nobody may have more coins than there are, and they
/// move; a datagram may be lost on a loaded machine, but none is made.
#[tokio::test]
async fn it_runs_on_sockets() {
    let tick = Duration::from_millis(20);
    let mut nodes: Vec<Handle<Wallet<SocketAddr>>> = Vec::new();
    for _ in 0..NODES {
        let contact = nodes.first().map(Handle::id);
        let builder = Node::builder(wallet(tick / 2).unwrap()).bind(([127, 0, 0, 1], 0));
        nodes.push(builder.cluster("outside").tick(tick).contacts(contact).spawn().await.unwrap());
    }
    let moving = async {
        while nodes.iter().any(|node| node.read(|stack| stack.purse.sent) < 10) {
            tokio::time::sleep(tick).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), moving).await.expect("all have sent 10 coins");
    let mut coins = 0;
    for node in nodes {
        node.leave().await.into_result().unwrap();
        coins += node.read(|stack| stack.purse.coins);
    }
    assert!((1..=NODES * COINS).contains(&coins), "{coins} coins");
}

/// Coins are never made.
fn no_forgery<S>(coins: fn(&S) -> u32) -> Invariants<S>
where
    S: Layer<(), Id = u32> + 'static,
{
    let check = move |sim: &Simulation<S>| {
        let sum: u32 = sim.nodes().map(|(_, node)| coins(node)).sum();
        let most = NODES * COINS;
        Violation::unless(sum <= most, || format!("{sum} coins, of {most} that there are"))
    };
    vec![Box::new(check)]
}

/// What happens to datagrams and pauses make no coin; a crash with loss of state would, since who
/// starts anew has a full purse.
fn trial<S>(make: impl Fn(u32) -> S + Send + Sync + 'static) -> Trial<S>
where
    S: Layer<(), Id = u32> + 'static,
{
    Trial::new(NODES, make).faults(Kinds::NETWORK | Kinds::PAUSES).cases(32)
}

#[test]
fn the_testkit_finds_nothing_wrong_with_it() {
    trial(|_| wallet(Duration::from_millis(400)).unwrap())
        .check(|| no_forgery(|node: &Wallet<u32>| node.purse.coins));
}

#[test]
fn the_testkit_finds_a_planted_bug_and_shrinks_it() {
    let make = |_| Careless::new(Cyclon::new(cyclon::Config::default()).unwrap(), purse());
    let trial = trial(make);
    let forged = || no_forgery(|node: &Careless<u32>| node.purse.coins);
    let failure = trial.search(forged).unwrap_err();
    println!("{failure}");
    assert!((1..=6).contains(&failure.schedule.0.len()), "{failure}");
    assert!(failure.to_string().contains(" coins, of 40 that there are"), "{failure}");

    // The script that was printed breaks it again, at the same moment; with the bug mended it
    // does not.
    let player = trial.player(|node| format!("{} coins", node.purse.coins), forged);
    let replayed = replay(&failure.script, &player).unwrap();
    assert!(replayed.contains(&format!("  | ! {}", failure.violation)), "{replayed}");
    let mended = self::trial(|_| wallet(Duration::from_millis(400)).unwrap());
    let fine = || no_forgery(|node: &Wallet<u32>| node.purse.coins);
    let player = mended.player(|node| format!("{} coins", node.purse.coins), fine);
    assert!(!replay(&failure.script, &player).unwrap().contains("  | !"));
}
