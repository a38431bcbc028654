//! Random walks with degree correction: Massoulie, Le Merrer, Kermarrec, Ganesh, *Peer counting and
//! sampling in overlay networks: random walk methods*, PODC 2006, sections 4.1 and 5.

use core::time::Duration;

use gossip_core::context::Tap;
use gossip_core::exchange::{Exchange, Pairwise};
use gossip_core::random::Key;
use gossip_core::sampling::walk::{Config, Hold, Message, Step, TIME_MAX, Walk};
use gossip_core::sampling::{Cyclon, Fixed, cyclon};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Latency, Link, Network, Perfect};
use gossip_core::sim::observe::{Graph, Spread};
use gossip_core::sim::{Neighbourhood, event, topology};
use gossip_core::testkit::{SoundViews, Trial};
use gossip_core::{Context, Finite, Layer, Local, Nothing, PeerId, Peers, Protocol, stack};

type Walker = Walk<u32, 64>;

/// A simulation over `graph` in which `walks` says how many walks each node begins in a round.
fn over<L: Link>(
    graph: Graph,
    config: Config,
    walks: impl Fn(u32) -> usize,
    seed: u64,
    link: L,
) -> Simulation<Walker, Neighbourhood, L> {
    let nodes = graph.nodes().map(|at| Walker::new(Config { walks: walks(at), ..config }).unwrap());
    let nodes: Vec<_> = nodes.collect();
    Simulation::with(nodes, seed, Order::Sequential, Neighbourhood::new(graph), link)
}

/// How often each node was the sample of `count` walks from `origin`.
fn samples_of(graph: &Graph, origin: u32, config: Config, count: u64, seed: u64) -> Vec<u32> {
    let walks = |at| if at == origin { 64 } else { 0 };
    let mut sim = over(graph.clone(), config, walks, seed, Perfect);
    let mut cells = vec![0; graph.nodes().count()];
    let mut taken = 0;
    while taken < count {
        sim.step();
        let node = sim.node(origin).unwrap();
        let new = (node.taken() - taken) as usize;
        node.samples().take(new).for_each(|peer| cells[peer as usize] += 1);
        taken = node.taken();
    }
    cells
}

/// Chi-square of `cells` against shares in proportion to `weights`, where these are not 0.
fn chi_square(cells: &[u32], weights: &[f64]) -> f64 {
    let total: f64 = cells.iter().map(|&cell| f64::from(cell)).sum();
    let all: f64 = weights.iter().sum();
    let term = |(&cell, &weight): (&u32, &f64)| {
        let expected = total * weight / all;
        if weight > 0.0 {
            (f64::from(cell) - expected) * (f64::from(cell) - expected) / expected
        } else {
            0.0
        }
    };
    cells.iter().zip(weights).map(term).sum()
}

/// What chi-square exceeds with p < 1e-4 for 998 degrees of freedom: mean 998, sd 45.
const CRITICAL: f64 = 1_172.0;

/// Section 4.1: samples are uniform, whatever the degrees. From one node, the last to join, of a
/// scale-free graph of 1000 (degrees 3 to about 100), 50 samples a node on average. The controls
/// fail the same test: without the correction by degree samples are in proportion to degrees, which
/// in turn passes for those; and T = 1 is too short to get away from the origin.
#[test]
fn section_4_1_samples_are_uniform_on_a_scale_free_graph() {
    let (seed, origin) = (3, 999);
    let graph = topology::barabasi_albert(1_000, 3, Key::new(seed)).unwrap();
    let others = |weight: &dyn Fn(u32) -> f64| -> Vec<f64> {
        (0..1_000).map(|at| if at == origin { 0.0 } else { weight(at) }).collect()
    };
    let even = others(&|_| 1.0);
    let by_degree = others(&|at| graph.known_to(at).len() as f64);

    let cells = samples_of(&graph, origin, Config::default(), 50_000, seed);
    let chi = chi_square(&cells, &even);
    assert!(chi < CRITICAL, "chi-square {chi}, seed {seed}");

    // Ten stays of the same length are few: forty forget the origin.
    let plain = Config { hold: Hold::Even, time: 40.0, ..Config::default() };
    let cells = samples_of(&graph, origin, plain, 50_000, seed);
    let chi = chi_square(&cells, &even);
    assert!(chi > 10.0 * CRITICAL, "control: chi-square {chi}, seed {seed}");
    let chi = chi_square(&cells, &by_degree);
    assert!(chi < CRITICAL, "chi-square {chi} against degrees, seed {seed}");

    let short = Config { time: 1.0, ..Config::default() };
    let chi = chi_square(&samples_of(&graph, origin, short, 50_000, seed), &even);
    assert!(chi > 2.0 * CRITICAL, "control, T = 1: chi-square {chi}, seed {seed}");
}

/// The mean degree of samples, and messages per walk, on the paper's graph of 10^4 nodes.
fn paper_graph(hold: Hold, seed: u64) -> (f64, f64, f64) {
    let graph = topology::heterogeneous(10_000, 10, Key::new(seed)).unwrap();
    let config = Config { hold, size: Some(3), ..Config::default() };
    let mut sim = over(graph.clone(), config, |_| 1, seed, Perfect);
    sim.run(3);
    let degree = |at: u32| graph.known_to(at).len() as f64;
    let sampled = Spread::of(sim.nodes().flat_map(|(_, node)| node.samples()).map(degree));
    assert!(sampled.count > 29_900, "{} samples, seed {seed}", sampled.count);
    (sampled.mean, graph.in_degree().mean, sim.sent() as f64 / 30_000.0)
}

/// Section 5; section 14 of the papers file: on the graph with targets of 1 to 10 links, T = 10,
/// the mean degree of samples is 7.20 +- .1, that of the graph. A walk takes 72 steps (the mean
/// degree times T) and an answer. Degrees spread by 2.5 and steps by about 12: 3e4 samples have
/// standard errors of .015 and .07. The control, without the correction: 8.03 (E d^2 / E d).
#[test]
fn section_5_sampled_degrees_are_those_of_the_graph() {
    let seed = 5;
    let (sampled, mean, messages) = paper_graph(Hold::ByDegree, seed);
    assert!((sampled - 7.2).abs() < 0.1, "{sampled} sampled, seed {seed}");
    assert!((sampled - mean).abs() < 0.07, "{sampled} sampled of {mean}, seed {seed}");
    assert!((messages - 73.0).abs() < 1.3, "{messages} messages a walk, seed {seed}");
    let (biased, ..) = paper_graph(Hold::Even, seed);
    assert!((biased - 8.03).abs() < 0.1, "control: {biased} sampled, seed {seed}");
}

/// A walk is lost with any of its messages. On a graph of degree d it takes a Poisson number of
/// steps with mean d T: where a share p is lost, (1 - p) exp(-p d T) of the walks come back. With
/// d = 8, T = 10 and p = .01, .4449 of 20,000 walks: sd .0035, bound 4 sd and the 1/200 of walks
/// that end where they began. The rest is noticed, and the buffers are full all the same.
#[test]
fn walks_are_lost_as_derived_and_the_origin_goes_on() {
    let (seed, rounds, patience) = (7, 100, 5);
    let graph = topology::random_regular(200, 8, Key::new(seed)).unwrap();
    let config = Config { patience, size: Some(16), ..Config::default() };
    let network = Network::new(Latency::Constant(Duration::ZERO)).loss(0.01).unwrap();
    let mut sim = over(graph, config, |_| 1, seed, network);
    sim.run(rounds);
    let taken: u64 = sim.nodes().map(|(_, node)| node.taken()).sum();
    let home = sim.counts().total("walk ended where it began");
    let begun = 200 * u64::from(rounds);
    let share = taken as f64 / (begun - home) as f64;
    assert!((share - 0.4449).abs() < 0.016, "{share} came back, seed {seed}");
    assert!(sim.nodes().all(|(_, node)| node.samples().len() == 16), "seed {seed}");
    // All but those begun within the patience are accounted for.
    let lost = sim.counts().total("walk did not come back");
    let open = begun - taken - home - lost;
    assert!(open <= 200 * u64::from(patience + 1), "{open} walks open, seed {seed}");
    assert_eq!(sim.counts().total("sample not asked for"), 0, "seed {seed}");
}

/// Samples age and are dropped when nothing new comes; who begins no walks has none.
#[test]
fn old_samples_are_dropped() {
    let graph = topology::complete(10).unwrap();
    let config = Config { keep: 4, patience: 2, ..Config::default() };
    let mut sim = over(graph, config, |at| usize::from(at == 0), 1, Perfect);
    sim.run(8);
    let node = sim.node(0).unwrap();
    assert!((1..=5).contains(&node.samples().len()), "{:?}", node.samples().collect::<Vec<_>>());
    let (newest, round) = (node.samples().next().unwrap(), sim.cycle());
    assert!(node.age(newest, round).unwrap() <= 2);
    assert_eq!(node.age(0, round), None);
    assert_eq!(sim.node(1).unwrap().degree(), 0);
    sim.kill_all(1..10);
    sim.run(5);
    let node = sim.node(0).unwrap();
    assert_eq!((node.degree(), node.sample(&mut Key::new(1).random(0))), (0, None));
    assert!(sim.counts().total("walk did not come back") >= 2);
}

/// Node 0 lies in every way there is; the others do not.
#[derive(Clone)]
enum Mixed {
    Honest(Box<Walker>),
    Liar,
}

impl Protocol for Mixed {
    type Id = u32;
    type Message = Message<u32>;
    type Event = Nothing;
    type Command = Nothing;
}

/// Timers that are refused.
const REFUSED: [f64; 4] = [-1e-9, -1e300, TIME_MAX * 1.01, 1e300];

impl<D: Peers<Id = u32>> Layer<D> for Mixed {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if let Self::Honest(node) = self {
            return node.on_round(below, &mut Tap::<Self, _, _>::new(cx, &mut Vec::new()));
        }
        let victim = below.sample(cx.rng()).unwrap();
        let number = cx.rng().next_u64() as u32;
        cx.send(victim, Message::Sampled(number));
        let mut step = |timer, steps| {
            let timer = Finite::new(timer).unwrap();
            cx.send(victim, Message::Step(Step { origin: 7, number, timer, steps }));
        };
        for timer in REFUSED {
            step(timer, 0);
        }
        step(TIME_MAX, 0);
        step(TIME_MAX, u16::MAX);
    }

    fn on_message(
        &mut self,
        below: &D,
        from: u32,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        if let Self::Honest(node) = self {
            let mut told = Vec::new();
            node.on_message(below, from, message, &mut Tap::<Self, _, _>::new(cx, &mut told));
        }
    }
}

/// Timers below 0 or above the bound are refused, walks beyond the longest are dropped, answers to
/// nothing do nothing; all is counted, and what one message of a liar costs is bounded.
#[test]
fn false_walks_are_bounded() {
    let (seed, rounds) = (9, 50);
    let config = Config { longest: 500, walks: 0, ..Config::default() };
    let honest = Mixed::Honest(Box::new(Walker::new(config).unwrap()));
    let nodes = (0..100).map(|at| if at == 0 { Mixed::Liar } else { honest.clone() });
    let graph = topology::random_regular(100, 6, Key::new(seed)).unwrap();
    let below = Neighbourhood::new(graph);
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, below, Perfect);
    sim.run(rounds);
    let refused = sim.counts().total("timer out of bounds");
    assert_eq!(refused, 4 * u64::from(rounds), "seed {seed}");
    // T = 1000 would be 6000 steps; half of them or so meet the liar before the 500th and end.
    let long = sim.counts().total("walk too long");
    assert!((u64::from(rounds)..=2 * u64::from(rounds)).contains(&long), "{long}, seed {seed}");
    assert!(sim.counts().total("sample not asked for") >= u64::from(rounds), "seed {seed}");
    assert!(sim.sent() <= u64::from(rounds) * (7 + 500), "{} sent, seed {seed}", sim.sent());
    let fooled = |(_, node): (u32, &Mixed)| matches!(node, Mixed::Honest(node) if node.taken() > 0);
    assert!(!sim.nodes().any(fooled), "seed {seed}");
}

stack! {
    /// Walks over links that stay.
    #[derive(Clone, Debug)]
    struct Static<I: PeerId> {
        links: Fixed<I, 8>,
        #[uses(links)]
        peers: Walk<I, 16>,
    }
}

/// Timers that are no numbers do not pass the decoder: the datagram is refused and counted.
#[test]
fn timers_that_are_no_numbers_are_refused() {
    let make = |at: u32| {
        let config = Config { time: 12.5, ..Config::default() };
        Static::new(Fixed::new([(at + 1) % 3, (at + 2) % 3]), Walk::new(config).unwrap())
    };
    let network = Network::new(Latency::Constant(Duration::from_millis(1)));
    let mut sim = event::Simulation::new(3, make, network, event::Config::seeded(1)).unwrap();
    sim.record(1_000);
    sim.run_for(Duration::from_secs(5));
    let recorded: Vec<_> = sim.recorded().collect();
    let refused = |sim: &event::Simulation<Static<u32>>| {
        let counts = sim.counts().iter();
        counts.filter(|&(_, cause, _)| cause.contains("finite")).map(|(.., n)| n).sum::<u64>()
    };
    assert_eq!(refused(&sim), 0);
    // The timer is the only eight bytes in a row whose decoding is a number of walking time left.
    let is_timer = |bytes: &[u8]| {
        let left = f64::from_le_bytes(bytes.try_into().unwrap());
        left > 0.001 && left < 12.5
    };
    let (at, passage) = recorded
        .iter()
        .find_map(|passage| {
            let found = passage.bytes.windows(8).rposition(is_timer)?;
            Some((found, passage))
        })
        .expect("a walk takes a step within 5 rounds");
    for timer in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let before = refused(&sim);
        let mut bytes = passage.bytes.clone();
        bytes[at..at + 8].copy_from_slice(&timer.to_le_bytes());
        sim.inject(passage.trip.from, passage.trip.to, bytes);
        sim.run_for(Duration::from_millis(1));
        assert_eq!(refused(&sim), before + 1, "timer {timer}");
    }
}

/// A network that doubles one message in ten doubles no walks: unchecked, 80 steps would become
/// 1.1^80 = 2000 times as many. 100 nodes with 8 links, 10 to 50 ms apart. A copy is late by at
/// most 40 ms, in which about 3 of the 80 steps that a node sees in a second come between, so 5 %
/// of the copies pass unknown: 80 * .1 * .05 = .4 more of each step, at most e^.4 = 1.5 times all.
#[test]
fn copies_of_steps_are_not_walks() {
    let frames = |duplication| {
        let graph = topology::random_regular(100, 8, Key::new(3)).unwrap();
        let make = move |at: u32| {
            let links = Fixed::new(graph.known_to(at).iter().copied());
            Static::new(links, Walk::new(Config::default()).unwrap())
        };
        let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50));
        let network = Network::new(latency).duplication(duplication).unwrap();
        let mut sim = event::Simulation::new(100, make, network, event::Config::seeded(3)).unwrap();
        sim.run_for(Duration::from_secs(20));
        (sim.traffic().frames, sim.counts().total("step repeated"))
    };
    let ((plain, none), (doubled, repeated)) = (frames(0.0), frames(0.1));
    assert_eq!(none, 0);
    assert!(doubled < plain * 3 / 2, "{plain} frames, {doubled} with copies");
    assert!(repeated > plain / 20, "{repeated} copies known of {plain} frames");
}

/// Averages a number with a peer's.
#[derive(Clone, Debug)]
struct Load<I> {
    value: f64,
    id: core::marker::PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Load<I> {
    type Id = I;
    type Message = Finite;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Exchange<D> for Load<I> {
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Finite)> {
        Some((below.sample(cx.rng())?, Finite::new(self.value)?))
    }

    fn respond(&mut self, _: &D, _: I, got: Finite, _: &mut impl Local<Self>) -> Option<Finite> {
        let before = Finite::new(self.value);
        self.value = f64::midpoint(self.value, got.get());
        before
    }

    fn complete(&mut self, _: &D, _: I, got: Finite, _: &mut impl Local<Self>) {
        self.value = f64::midpoint(self.value, got.get());
    }
}

stack! {
    /// An average over samples of walks, and one over the links themselves.
    #[derive(Clone, Debug)]
    struct Averaging<I: PeerId> {
        links: Fixed<I, 4>,
        #[uses(links)]
        peers: Walk<I, 1>,
        #[uses(peers)]
        mixed: Pairwise<Load<I>>,
        #[uses(links)]
        near: Pairwise<Load<I>>,
    }
}

/// Jelasity, Montresor, Babaoglu, TOCS 23(3), 2005, section 5: averaging with uniform partners
/// reduces the variance by 1 / (2 sqrt e) = .3033 in a cycle; and so it does over the samples of
/// walks on a graph with four links each. The control, over these links, is slower. 1000 nodes, 8
/// cycles, 4 runs: the mean factor of a run has an sd of about .004.
#[test]
fn averaging_over_walks_is_as_fast_as_over_uniform_peers() {
    let mut factors = [0.0; 2];
    for seed in 0..4 {
        let graph = topology::random_regular(1_000, 4, Key::new(seed)).unwrap();
        let nodes: Vec<_> = (0..1_000_u32)
            .map(|at| {
                let links = Fixed::new(graph.known_to(at).iter().copied());
                let walk = Walk::new(Config::default()).unwrap();
                let load = || Pairwise::over(Load { value: 0.0, id: core::marker::PhantomData });
                Averaging::new(links, walk, load(), load())
            })
            .collect();
        let mut sim = Simulation::new(nodes, seed, Order::Sequential);
        sim.run(3);
        for at in 0..1_000_u32 {
            let node = sim.node_mut(at).unwrap();
            let value = Key::new(seed).with(9).random(at.into()).unit();
            node.mixed.inner_mut().value = value;
            node.near.inner_mut().value = value;
        }
        let variances = |sim: &Simulation<Averaging<u32>>| {
            let mixed = Spread::of(sim.nodes().map(|(_, node)| node.mixed.value)).variance();
            [mixed, Spread::of(sim.nodes().map(|(_, node)| node.near.value)).variance()]
        };
        let before = variances(&sim);
        sim.run(8);
        for (at, after) in variances(&sim).into_iter().enumerate() {
            factors[at] += libm::pow(after / before[at], 1.0 / 8.0) / 4.0;
        }
    }
    assert!((factors[0] - 0.3033).abs() < 0.012, "over walks {}", factors[0]);
    assert!(factors[1] > 0.3033 + 0.03, "control: over links {}", factors[1]);
}

stack! {
    /// Walks over a sampler that changes.
    #[derive(Clone, Debug)]
    struct Moving<I: PeerId> {
        links: Cyclon<I, 8>,
        #[uses(links)]
        peers: Walk<I, 16>,
    }
}

/// Whatever is lost, doubled, late, cut, paused or dead: nobody is its own peer, nobody is there
/// twice, none above the bound.
#[test]
fn samples_stay_sound_under_any_faults() {
    let node = Moving::new(
        Cyclon::new(cyclon::Config::default()).unwrap(),
        Walk::new(Config::default()).unwrap(),
    );
    Trial::new(12, move |_| node.clone())
        .cases(24)
        .check(|| vec![Box::new(SoundViews::new(16, |node: &Moving<u32>| &node.peers))]);
}
