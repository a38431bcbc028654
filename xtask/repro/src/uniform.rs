//! Rumors among peers that all see each other: the paper's uniform partner, and one epidemic
//! measured.

use core::cell::RefCell;

use gossip_core::random::Random;
use gossip_core::sampling::Complete;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Link;
use gossip_core::sim::{Activation, World};
use gossip_core::{Peers, Protocol};
use gossip_dissem::rumor::{Command, Config, Event, RumorMongering};

/// Every node sees all others. A node may take only so many calls a cycle; who is refused then
/// hunts for another so often (Demers et al. 1987, section 1.4). Nodes call in random order.
#[derive(Debug)]
pub struct Uniform {
    me: u32,
    nodes: u32,
    /// Calls a node takes a cycle, and how often who is refused hunts.
    bounds: Option<(u32, u32)>,
    cycle: u32,
    taken: RefCell<Vec<u32>>,
}

impl Uniform {
    /// Every node takes every call.
    pub const fn of(nodes: u32) -> Self {
        Self { me: 0, nodes, bounds: None, cycle: 0, taken: RefCell::new(Vec::new()) }
    }

    /// A node takes `limit` calls a cycle, or all if that is 0; who is refused hunts `hunt` times.
    pub fn limited(nodes: u32, limit: u32, hunt: u32) -> Self {
        let taken = RefCell::new(vec![0; if limit > 0 { nodes as usize } else { 0 }]);
        Self { bounds: (limit > 0).then_some((limit, hunt)), taken, ..Self::of(nodes) }
    }
}

impl<S> World<S> for Uniform {
    fn enter(&mut self, node: u32, cycle: u32, _: Activation) {
        self.me = node;
        if cycle != self.cycle {
            self.cycle = cycle;
            self.taken.borrow_mut().fill(0);
        }
    }
}

impl Peers for Uniform {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        let all = Complete::new(self.me, self.nodes);
        let Some((limit, hunt)) = self.bounds else { return all.sample(random) };
        let mut taken = self.taken.borrow_mut();
        let mut tries = (0..=hunt).filter_map(|_| all.sample(random));
        let peer = tries.find(|&peer| taken[peer as usize] < limit)?;
        taken[peer as usize] += 1;
        Some(peer)
    }

    fn for_each(&self, visit: impl FnMut(u32, u64)) {
        Complete::new(self.me, self.nodes).for_each(visit);
    }
}

/// What one epidemic came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Share of nodes that never heard.
    pub residue: f64,
    /// Copies a node, those included that were not sent because a question listed them.
    pub copies: f64,
    /// The cycle of the last infection.
    pub t_last: f64,
    /// The mean cycle of infection of those that heard.
    pub t_ave: f64,
}

/// The rumors that experiments spread.
type News = RumorMongering<u32, u8>;

/// Spreads one rumor from node 0 until nobody is interested any more or, if it is to stop there
/// (`until_all`), all have heard. Rumors end by loss of interest alone, whatever `config` says.
pub fn epidemic(
    config: Config,
    (nodes, order, seed): (u32, Order, u64),
    (world, link): (impl World<News> + Peers<Id = u32>, impl Link),
    until_all: bool,
) -> Outcome {
    let config = config.age(u16::MAX).memory(64 * 65_537);
    let all = (0..nodes).map(|_| News::new(config).expect("valid by the bounds of the parameters"));
    let mut sim = match order {
        Order::Synchronous => Simulation::synchronous(all, seed, world, link),
        order => Simulation::with(all, seed, order, world, link),
    };
    sim.command(0, Command::Publish(1)).expect("an empty table has room");
    let mut heard = infections(sim.events().take());
    let (mut last, mut times) = (0, 0);
    let all = u64::from(nodes);
    while sim.nodes().any(|(_, node)| node.hot() > 0) && (heard < all || !until_all) {
        sim.step();
        let cycle = sim.cycle();
        let new = infections(sim.events().take());
        heard += new;
        times += new * u64::from(cycle);
        last = if new > 0 { cycle } else { last };
    }
    let per_node = |count: u64| count as f64 / f64::from(nodes);
    let copies = |node: &News| {
        let sent = node.traffic();
        sent.pushed + sent.answered + sent.withheld
    };
    Outcome {
        residue: 1.0 - per_node(heard),
        copies: per_node(sim.nodes().map(|(_, node)| copies(node)).sum()),
        t_last: f64::from(last),
        t_ave: times as f64 / heard as f64,
    }
}

/// How many of these events tell of a node that has heard the rumor.
fn infections(told: impl Iterator<Item = (u32, <News as Protocol>::Event)>) -> u64 {
    told.filter(|(_, event)| matches!(event, Event::Delivered { .. })).count() as u64
}
