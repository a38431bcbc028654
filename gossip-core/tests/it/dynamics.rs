//! Churn as data, in both drivers.

use core::time::Duration;

use gossip_core::Peers;
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::cycle::{self, Order};
use gossip_core::sim::dynamics::{After, Dynamics, Exit, Law, Model, Pace, Trace};
use gossip_core::sim::event::{self, Config};
use gossip_core::sim::fault::Fault;
use gossip_core::sim::host::{Cycles, Host};
use gossip_core::sim::link::{Network, Perfect};
use gossip_core::sim::observe::neighbours;

type Node = Newscast<u32, 10>;
type InCycles = cycle::Simulation<Node>;
type InEvents = event::Simulation<Node>;

const SECOND: Duration = Duration::from_secs(1);

fn node() -> Node {
    Newscast::new(newscast::Config::default()).unwrap()
}

fn in_cycles(nodes: usize, seed: u64) -> InCycles {
    let mut sim = cycle::Simulation::new(vec![node(); nodes], seed, Order::Sequential).traced();
    (1..nodes as u32).for_each(|at| sim.contact(at, at / 2));
    sim
}

fn in_events(nodes: u32, seed: u64) -> InEvents {
    let config = Config::seeded(seed);
    let mut sim = event::Simulation::new(nodes, |_| node(), Network::default(), config).unwrap();
    (1..nodes).for_each(|at| sim.contact(at, at / 2));
    sim
}

fn live(host: &impl Host) -> Vec<u32> {
    (0..host.size()).filter(|&node| host.is_live(node)).collect()
}

/// Live sizes after each second, in cycles.
fn sizes(sim: &mut InCycles, churn: &mut Dynamics, seconds: usize) -> Vec<usize> {
    let size = |_| {
        churn.run(&mut Cycles::new(sim, |_| node()), SECOND).unwrap();
        sim.live()
    };
    (0..seconds).map(size).collect()
}

fn churn(model: Model, seed: u64) -> Dynamics {
    Dynamics::new([model], seed).unwrap()
}

/// 0.25 % of 100 nodes is a node in every fourth period: 400 periods replace 100, with a standard
/// deviation of sqrt(400 / 4 x 3 / 4) = 8.7; four of these. The size stays.
#[test]
fn a_constant_rate_replaces_its_share_on_average() {
    for seed in 1..4 {
        let mut sim = in_cycles(100, seed);
        let mut churn = churn(Model::Replace { share: 0.0025, exit: Exit::Leave }, seed);
        assert!(sizes(&mut sim, &mut churn, 400).iter().all(|&size| size == 100));
        let replaced = sim.size() - 100;
        assert!(replaced.abs_diff(100) <= 35, "{replaced} replaced; seed {seed}");
        // Who joins is told of somebody: the overlay takes it in, the latest by its next round.
        sim.run(2);
        assert!(sim.nodes().all(|(_, peers)| peers.degree() > 0), "seed {seed}");
    }
}

/// Replacing everybody at once leaves the new ones nobody but each other to be told of.
#[test]
fn all_may_be_replaced_at_once() {
    let mut sim = in_cycles(50, 1);
    let mut churn = churn(Model::Replace { share: 1.0, exit: Exit::Crash }, 1);
    assert_eq!(sizes(&mut sim, &mut churn, 2), [50, 50]);
    assert_eq!(live(&Cycles::new(&mut sim, |_| node())), (100..150).collect::<Vec<_>>());
}

/// The size follows its sine exactly: at quarters of the cycle the mean, the largest, the least.
#[test]
fn sizes_oscillate() {
    let mut sim = in_cycles(60, 1);
    let cycle = 8 * SECOND;
    let mut churn = churn(Model::Oscillate { low: 20, high: 100, cycle, exit: Exit::Crash }, 2);
    let sizes = sizes(&mut sim, &mut churn, 16);
    // 60 + 40 sin(45 degrees) = 88.3
    let expected = [88, 100, 88, 60, 32, 20, 32, 60];
    assert_eq!(sizes, [expected, expected].concat());
}

/// Growth from one node by doubling, and by a number; shrinking by halves, and to nothing.
#[test]
fn sizes_grow_from_one_and_shrink() {
    let resize = |to, pace| Model::Resize { to, pace, exit: Exit::Leave };
    for (start, model, expected) in [
        (1, resize(100, Pace::Share(1.0)), [2, 4, 8, 16, 32, 64, 100, 100]),
        (1, resize(20, Pace::Nodes(3)), [4, 7, 10, 13, 16, 19, 20, 20]),
        (64, resize(1, Pace::Share(0.5)), [32, 16, 8, 4, 2, 1, 1, 1]),
        (7, resize(0, Pace::Nodes(2)), [5, 3, 1, 0, 0, 0, 0, 0]),
    ] {
        let mut sim = in_cycles(start, 3);
        assert_eq!(sizes(&mut sim, &mut churn(model.clone(), 3), 8), expected, "{model:?}");
    }
}

#[test]
fn a_catastrophe_strikes_once_and_at_its_time() {
    let model = Model::Catastrophe { at: 3 * SECOND, share: 0.7, exit: Exit::Crash };
    let mut sim = in_cycles(100, 4);
    assert_eq!(sizes(&mut sim, &mut churn(model.clone(), 4), 5), [100, 100, 30, 30, 30]);
    let mut sim = in_events(100, 4);
    let mut churn = churn(model, 4);
    churn.run(&mut sim, Duration::from_micros(2_999_999)).unwrap();
    assert_eq!(live(&sim).len(), 100);
    churn.run(&mut sim, Duration::from_micros(1)).unwrap();
    assert_eq!(live(&sim).len(), 30);
}

/// A node that is up for U and down for D on average is up for a share U / (U + D) of the time,
/// whatever the laws (renewal reward). 2,000 nodes, seen long after the start: binomial, within
/// four standard deviations. All sessions begin as new at the start; that is forgotten by then.
#[test]
fn temporary_downtime_leaves_its_share_of_nodes_up() {
    let up = Law::Weibull { shape: 0.59, mean: 30 * SECOND };
    let down = Law::Exponential { mean: 10 * SECOND };
    for with_state in [true, false] {
        let after = After::Return { down, with_state };
        let mut sim = in_cycles(2_000, 5);
        let mut churn = churn(Model::Sessions { up, exit: Exit::Crash, after }, 5);
        let size = sizes(&mut sim, &mut churn, 300)[299];
        let off = 4.0 * (2_000.0 * 0.75 * 0.25_f64).sqrt();
        assert!((size as f64 - 1_500.0).abs() < off, "{size} of 2,000 up; seed 5");
        assert_eq!(sim.size(), 2_000);
    }
}

/// Sessions that end with a replacement keep the size; of exponential ones a share 1 - 1/e of the
/// first nodes is gone after one mean: 632 of 1,000, sd 15.2.
#[test]
fn ended_sessions_are_replaced() {
    let up = Law::Exponential { mean: 20 * SECOND };
    let model = Model::Sessions { up, exit: Exit::Leave, after: After::Replaced };
    let mut sim = in_cycles(1_000, 6);
    assert!(sizes(&mut sim, &mut churn(model, 6), 20).iter().all(|&size| size == 1_000));
    let left = sim.nodes().filter(|&(at, _)| at < 1_000).count();
    assert!(left.abs_diff(368) <= 61, "{left} of 1,000 are left; seed 6");
}

/// Poisson arrivals that stay S periods on average: the size has a Poisson law of mean rate x S,
/// whatever the law of S (M/G/infinity). 1,000 +- 4 sqrt(1,000).
#[test]
fn an_open_system_has_the_size_of_littles_law() {
    for stay in [
        Law::Exponential { mean: 20 * SECOND },
        Law::Constant(20 * SECOND),
        Law::Weibull { shape: 0.7, mean: 20 * SECOND },
    ] {
        let model = Model::Arrivals { rate: 50.0, stay, exit: Exit::Crash };
        let mut sim = in_cycles(1, 7);
        let size = sizes(&mut sim, &mut churn(model, 7), 200)[199];
        assert!(size.abs_diff(1_000) <= 127, "{size} live of {stay:?}; seed 7");
    }
}

const TRACE: &str = "\
# time node event
0     500  join
1     0    crash
1.5   500  pause
2s    0    revive
2500ms 1   crash
3     1    restart
4     2    leave
5     500  resume
6     500  crash
7     500  join
7     9    fly";

/// Names of those who join are the trace's; the same trace does the same in both drivers.
#[test]
fn a_trace_plays_in_both_drivers() {
    let (good, _) = TRACE.rsplit_once('\n').unwrap();
    let trace: Trace = good.parse().unwrap();
    assert_eq!(trace.len(), 10);
    let expected: [&[u32]; 8] = [
        &[1, 2, 3, 4],
        &[0, 1, 2, 3],
        &[0, 1, 2, 3],
        &[0, 1, 3],
        &[0, 1, 3, 4],
        &[0, 1, 3],
        &[0, 1, 3, 5],
        &[0, 1, 3, 5],
    ];
    let (mut cycles, mut events) = (in_cycles(4, 8), in_events(4, 8));
    let mut two = [churn(Model::Trace(trace.clone()), 8), churn(Model::Trace(trace), 8)];
    for (at, expected) in expected.iter().enumerate() {
        let mut host = Cycles::new(&mut cycles, |_| node());
        two[0].run(&mut host, SECOND).unwrap();
        two[1].run(&mut events, SECOND).unwrap();
        assert_eq!(live(&host), *expected, "cycles at {at}");
        assert_eq!(live(&events), *expected, "events at {at}");
    }
    assert_eq!(events.restarts(1), 1);
}

#[test]
fn a_trace_that_is_wrong_names_the_line() {
    for (text, line, word) in [
        (TRACE, 12, "`fly`"),
        ("1 2\n", 1, "2 words"),
        ("\n# x\n1 a join", 3, "`a`"),
        ("-1 2 join", 1, "duration"),
        ("1e400 2 join", 1, "duration"),
        ("1h 2 join", 1, "duration"),
        ("0 1 join\n0 4294967296 join", 2, "4294967296"),
    ] {
        let error = text.parse::<Trace>().unwrap_err();
        assert!(error.line == line && error.what.contains(word), "{error}");
    }
}

fn everything() -> [Model; 5] {
    let up = Law::Pareto { shape: 1.5, mean: 9 * SECOND };
    let after = After::Return { down: Law::Constant(SECOND / 3), with_state: true };
    [
        Model::Sessions { up, exit: Exit::Crash, after },
        Model::Replace { share: 0.03, exit: Exit::Leave },
        Model::Arrivals { rate: 2.5, stay: up, exit: Exit::Crash },
        Model::Catastrophe { at: 5 * SECOND, share: 0.3, exit: Exit::Crash },
        Model::Trace("4.2 0 crash\n4.3 77 join\n6 0 revive".parse().unwrap()),
    ]
}

/// Time that passes in pieces is the same time: same nodes, same messages, in either driver.
#[test]
fn pieces_of_time_change_nothing() {
    let outcome = |pieces: u32, seed: u64| {
        let (mut cycles, mut events) = (in_cycles(60, seed), in_events(60, seed));
        let mut churns = [0; 2].map(|_| Dynamics::new(everything(), seed).unwrap().contacts(2));
        for _ in 0..pieces {
            let span = 12 * SECOND / pieces;
            churns[0].run(&mut Cycles::new(&mut cycles, |_| node()), span).unwrap();
            churns[1].run(&mut events, span).unwrap();
        }
        let lives = live(&Cycles::new(&mut cycles, |_| node()));
        (lives, cycles.trace(), live(&events), events.trace())
    };
    for seed in 1..4 {
        assert_eq!(outcome(1, seed), outcome(12, seed), "seed {seed}");
        assert_ne!(outcome(1, seed), outcome(1, seed + 10), "control");
    }
}

/// In cycles, too: a crash that is followed by a revival keeps the view; one by a restart does
/// not; a pause is told to nobody and loses what comes.
#[test]
fn lives_in_cycles() {
    let mut sim = in_cycles(30, 9);
    sim.run(10);
    let view = |sim: &InCycles, at| sim.node(at).map(|peers| neighbours(&**peers).len());
    let mut host = Cycles::new(&mut sim, |_| node());
    assert!(host.crash(3) && !host.crash(3) && !host.is_live(3) && !host.resume(3));
    assert!(host.revive(3) && !host.revive(3) && host.is_live(3));
    assert!(host.crash(4) && host.restart(4).unwrap() && !host.restart(4).unwrap());
    assert!(host.pause(5) && !host.is_live(5) && !host.revive(5) && !host.pause(5));
    assert!(!host.restart(5).unwrap() && !host.leave(5));
    assert_eq!((view(&sim, 3), view(&sim, 4), view(&sim, 5)), (Some(10), Some(0), None));
    let lost = |sim: &InCycles| sim.counts().get("network", "to the dead");
    let before = lost(&sim);
    // It is asked about once a round, as long as its news is fresh.
    sim.run(10);
    assert!(lost(&sim) > before);
    let mut host = Cycles::new(&mut sim, |_| node());
    assert!(host.resume(5) && !host.resume(5) && host.is_live(5));
    assert!(host.pause(5) && host.crash(5) && !host.resume(5) && host.revive(5));
    assert!(!host.crash(30) && !host.revive(30) && !host.pause(u32::MAX));
}

/// Faults of links reach a network in cycles, and a link that has none says so.
#[test]
fn faults_of_links_are_the_links_own() {
    let nodes = vec![node(); 20];
    let mut lossy = cycle::Simulation::with(nodes, 1, Order::Sequential, (), Network::default());
    let mut host = Cycles::new(&mut lossy, |_| node());
    Fault::Loss(1.0).apply(&mut host).unwrap();
    assert!(Fault::Loss(1.5).apply(&mut host).is_err());
    Fault::Contact(1, 0).apply(&mut host).unwrap();
    host.run_until(gossip_core::Time::ZERO + 5 * SECOND);
    assert!(lossy.nodes().filter(|&(at, _)| at != 1).all(|(_, peers)| peers.degree() == 0));
    let mut perfect = cycle::Simulation::with([node()], 1, Order::Sequential, (), Perfect);
    assert!(Fault::Heal.apply(&mut Cycles::new(&mut perfect, |_| node())).is_err());
    Fault::Join.apply(&mut Cycles::new(&mut perfect, |_| node())).unwrap();
    assert_eq!(perfect.live(), 2);
}

#[test]
fn parameters_are_checked() {
    let (up, exit) = (Law::Constant(SECOND), Exit::Crash);
    let zero = Law::Constant(Duration::ZERO);
    for model in [
        Model::Replace { share: 1.01, exit },
        Model::Replace { share: f64::NAN, exit },
        Model::Catastrophe { at: SECOND, share: -0.1, exit },
        Model::Sessions { up: zero, exit, after: After::Gone },
        Model::Sessions { up, exit, after: After::Return { down: zero, with_state: true } },
        Model::Arrivals { rate: f64::INFINITY, stay: up, exit },
        Model::Oscillate { low: 2, high: 1, cycle: SECOND, exit },
        Model::Oscillate { low: 1, high: 2, cycle: Duration::ZERO, exit },
        Model::Resize { to: u32::MAX, pace: Pace::Nodes(1), exit },
        Model::Resize { to: 9, pace: Pace::Share(2.0), exit },
    ] {
        assert!(Dynamics::new([model.clone()], 1).is_err(), "{model:?}");
    }
    assert!(Dynamics::new([], 1).unwrap().period(Duration::ZERO).is_err());
}
