//! What the tests share: a world of uniform peers, one epidemic measured, statistics, and the same
//! epidemic as arrays, written from the papers file and not from the crate.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod hands;
pub(crate) mod invariants;
pub(crate) mod naive;
pub(crate) mod quiet;
pub(crate) mod seat;

use core::cell::RefCell;

use gossip_core::random::Random;
use gossip_core::sampling::Complete;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Link, Network, Perfect};
use gossip_core::sim::{Activation, World};
use gossip_core::{Peers, Protocol};
use gossip_dissem::rumor::{Command, Config, Event, RumorMongering};

/// Every node sees all others: the paper's uniform partner among the other n - 1.
pub(crate) struct Everyone(Complete, u32);

impl Everyone {
    pub(crate) const fn of(nodes: u32) -> Self {
        Self(Complete::new(0, nodes), nodes)
    }
}

impl<S> World<S> for Everyone {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.0 = Complete::new(node, self.1);
    }
}

impl Peers for Everyone {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        self.0.sample(random)
    }

    fn for_each(&self, visit: impl FnMut(u32, u64)) {
        self.0.for_each(visit);
    }
}

/// The same, where a site takes only so many connections a cycle, and one that is refused hunts for
/// another so often: Demers et al. 1987, section 1.4. Who comes first is random, since nodes are
/// called in random order.
pub(crate) struct Limited {
    all: Everyone,
    limit: u8,
    hunt: u32,
    round: u32,
    accepted: RefCell<Vec<u8>>,
}

impl Limited {
    pub(crate) fn new(nodes: u32, limit: u8, hunt: u32) -> Self {
        let accepted = RefCell::new(vec![0; nodes as usize]);
        Self { all: Everyone::of(nodes), limit, hunt, round: 0, accepted }
    }
}

impl<S> World<S> for Limited {
    fn enter(&mut self, node: u32, round: u32, why: Activation) {
        World::<S>::enter(&mut self.all, node, round, why);
        if round != self.round {
            self.round = round;
            self.accepted.borrow_mut().fill(0);
        }
    }
}

impl Peers for Limited {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        let mut accepted = self.accepted.borrow_mut();
        let mut tries = (0..=self.hunt).filter_map(|_| self.all.sample(random));
        let peer = tries.find(|&peer| accepted[peer as usize] < self.limit)?;
        accepted[peer as usize] += 1;
        Some(peer)
    }

    fn for_each(&self, visit: impl FnMut(u32, u64)) {
        self.all.for_each(visit);
    }
}

pub(crate) type News = RumorMongering<u32, u32>;
pub(crate) type Told = <News as Protocol>::Event;

pub(crate) fn news(config: Config) -> News {
    News::new(config).expect("a valid configuration")
}

/// What one epidemic came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Share of nodes that never heard.
    pub(crate) residue: f64,
    /// Copies sent by push, by answer, and held back because they were known, a node.
    pub(crate) pushed: f64,
    pub(crate) answered: f64,
    pub(crate) withheld: f64,
    /// The cycle of the last infection, from 1.
    pub(crate) t_last: f64,
    /// The mean cycle of infection of those that heard.
    pub(crate) t_ave: f64,
}

/// Spreads one rumor from node 0 until no node is interested any more.
pub(crate) fn epidemic(config: Config, nodes: u32, order: Order, seed: u64) -> Outcome {
    spread(config, nodes, order, seed, (Everyone::of(nodes), Perfect), false)
}

/// The same where connections are limited, in synchronous cycles.
pub(crate) fn epidemic_in(world: Limited, config: Config, nodes: u32, seed: u64) -> Outcome {
    spread(config, nodes, Order::Synchronous, seed, (world, Perfect), false)
}

/// Spreads one rumor from node 0 until all have heard, or no node is interested any more; this
/// share of contacts fails.
pub(crate) fn epidemic_until_all(config: Config, nodes: u32, failing: f64, seed: u64) -> Outcome {
    let link = Network::default().link_failure(failing).expect("a probability");
    let world = Everyone::of(nodes);
    spread(config, nodes, Order::Synchronous, seed, (world, link), true)
}

fn spread(
    config: Config,
    nodes: u32,
    order: Order,
    seed: u64,
    (world, link): (impl World<News> + Peers<Id = u32>, impl Link),
    until_all: bool,
) -> Outcome {
    let all = (0..nodes).map(|_| news(config));
    let mut sim = if order == Order::Synchronous {
        Simulation::synchronous(all, seed, world, link)
    } else {
        Simulation::with(all, seed, order, world, link)
    };
    sim.command(0, Command::Publish(1)).expect("there is room");
    sim.events().take().for_each(drop);
    let (mut heard, mut last, mut times) = (1_u32, 0, 0_u64);
    while sim.nodes().any(|(_, node)| node.hot() > 0) && (heard < nodes || !until_all) {
        sim.step();
        let cycle = sim.cycle();
        let told = sim.events().take();
        let new = told.filter(|(_, event)| matches!(event, Event::Delivered { .. })).count();
        if new > 0 {
            last = cycle;
            heard += new as u32;
            times += u64::from(cycle) * new as u64;
        }
    }
    let per_node = |total: u64| total as f64 / f64::from(nodes);
    let sum = |part: fn(&News) -> u64| per_node(sim.nodes().map(|(_, node)| part(node)).sum());
    Outcome {
        residue: 1.0 - f64::from(heard) / f64::from(nodes),
        pushed: sum(|node| node.traffic().pushed),
        answered: sum(|node| node.traffic().answered),
        withheld: sum(|node| node.traffic().withheld),
        t_last: f64::from(last),
        t_ave: times as f64 / f64::from(heard),
    }
}

/// A mean over seeds, and its standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    pub(crate) error: f64,
}

impl Mean {
    pub(crate) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Self { mean, error: (squares / (n - 1.0) / n).sqrt() }
    }

    /// Whether it is `expected`, give or take `tolerance` and four standard errors: a correct
    /// implementation fails with probability below 1e-4.
    pub(crate) fn is(&self, expected: f64, tolerance: f64) -> bool {
        (self.mean - expected).abs() <= tolerance + 4.0 * self.error
    }
}

/// Runs `trials` epidemics with seeds from `first` on.
pub(crate) fn trials(trials: u32, first: u64, run: impl Fn(u64) -> Outcome) -> Vec<Outcome> {
    (0..u64::from(trials)).map(|trial| run(first + trial)).collect()
}

pub(crate) fn mean(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> Mean {
    Mean::of(&outcomes.iter().map(of).collect::<Vec<_>>())
}
