//! The two drivers behind one face, whatever stack they run.

use super::network;
use super::scenario::Point;
use super::stack::{Application, Built, Maker, Reading, Sampler, refused};
use super::value;
use gossip_core::sim::dynamics::Dynamics;
use gossip_core::sim::host::Cycles;
use gossip_core::sim::link::Network;
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::{cycle, event};
use std::time::Duration;
use xtask_base::Failure;

/// What was sent since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) messages: u64,
    /// `None`: the driver does not serialise.
    pub(super) bytes: Option<u64>,
    /// Those of the sampler's messages.
    pub(super) peers: Option<u64>,
    /// Those of the application's.
    pub(super) app: Option<u64>,
}

/// A simulation.
pub(super) trait Driver {
    /// How long a cycle is.
    fn period(&self) -> Duration;
    /// Lets a cycle pass, and what `dynamics` has happen in it.
    fn step(&mut self, dynamics: &mut Dynamics) -> Result<(), Failure>;
    /// The live nodes.
    fn live(&self) -> Vec<u32>;
    /// These nodes die at the same moment.
    fn kill(&mut self, nodes: &[u32]);
    /// A dead node goes on with the state it had.
    fn revive(&mut self, node: u32);
    /// A new node joins; returns its number.
    fn join(&mut self) -> Result<u32, Failure>;
    /// Gives `node` somebody to talk to first.
    fn contact(&mut self, node: u32, peer: u32);
    /// Puts peers into the view of `node`.
    fn introduce(&mut self, node: u32, peers: &[u32]);
    /// Asks node 0 what the application begins with, if anything.
    fn open(&mut self);
    /// The links, to change their faults.
    fn network(&mut self) -> &mut Network;
    /// What was sent since the start.
    fn traffic(&self) -> Traffic;
    /// Calls `visit` with what each live node looks like.
    fn read(&self, visit: &mut dyn FnMut(Reading));
    /// Who knows whom.
    fn graph(&self) -> Graph;
    /// [`Application::missing`].
    fn missing(&self) -> Option<f64>;
}

/// The driver that `point` names, with its nodes, who know nobody but their first peers.
pub(super) fn start<S: Built>(point: &Point, seed: u64) -> Result<Box<dyn Driver>, Failure> {
    let size = point.count("size");
    let peers = S::Sampler::maker(point, seed)?;
    let apps = S::App::maker(point, seed)?;
    let make: Maker<S> = Box::new(move |node| S::build(peers(node), apps(node)));
    let network = network::links(point, seed)?;
    if point.text("driver.kind") == "event" {
        let config = event::Config {
            tick: value::span(point.text("driver.tick")).expect("checked when it was read"),
            jitter: point.float("driver.jitter"),
            ..event::Config::seeded(seed)
        };
        let tick = config.tick;
        let sim = event::Simulation::new(size, make, network, config);
        let sim = sim.map_err(|e| refused("driver", e))?;
        return Ok(Box::new(Sim::Event(Box::new(sim), tick)));
    }
    let nodes = (0..size).map(&make);
    let sim = match point.text("driver.order") {
        "synchronous" => cycle::Simulation::synchronous(nodes, seed, (), network),
        "blocked" => {
            let order = cycle::Order::Blocked(point.size("driver.block"));
            cycle::Simulation::with(nodes, seed, order, (), network)
        }
        "parallel" => {
            let order = cycle::Order::in_shared_blocks(size as usize);
            let sim = cycle::Simulation::with(nodes, seed, order, (), network);
            sim.on_threads(point.size("driver.threads"))
        }
        _ => cycle::Simulation::with(nodes, seed, cycle::Order::Sequential, (), network),
    };
    let sim = if point.flag("driver.telling") { sim.telling() } else { sim };
    Ok(Box::new(Sim::Cycle(Box::new(sim), make)))
}

/// A simulation of stacks `S`.
enum Sim<S: Built> {
    /// With what makes newcomers.
    Cycle(Box<cycle::Simulation<S, (), Network>>, Maker<S>),
    /// With the length of a tick.
    Event(Box<event::Simulation<S, Network>>, Duration),
}

impl<S: Built> Sim<S> {
    /// Calls `visit` with every live node.
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(u32, &'a S)) {
        match self {
            Sim::Cycle(sim, ..) => sim.nodes().for_each(|(node, state)| visit(node, state)),
            Sim::Event(sim, _) => sim.nodes().for_each(|(node, state)| visit(node, state)),
        }
    }
}

impl<S: Built> Driver for Sim<S> {
    fn period(&self) -> Duration {
        match self {
            Sim::Cycle(..) => cycle::PERIOD,
            Sim::Event(_, tick) => *tick,
        }
    }

    fn step(&mut self, dynamics: &mut Dynamics) -> Result<(), Failure> {
        let period = self.period();
        // Nobody listens to what nodes tell their owners.
        match self {
            Sim::Cycle(sim, make) => {
                let outcome = dynamics.run(&mut Cycles::new(sim, make), period);
                sim.events().take().for_each(drop);
                outcome
            }
            Sim::Event(sim, _) => {
                let outcome = dynamics.run(sim.as_mut(), period);
                sim.events().take().for_each(drop);
                outcome
            }
        }
        .map_err(|e| refused("dynamics", e))
    }

    fn live(&self) -> Vec<u32> {
        let mut live = Vec::new();
        self.visit(&mut |node, _| live.push(node));
        live
    }

    fn kill(&mut self, nodes: &[u32]) {
        match self {
            Sim::Cycle(sim, ..) => {
                sim.kill_all(nodes.iter().copied());
            }
            Sim::Event(sim, _) => {
                for &node in nodes {
                    sim.crash(node);
                }
            }
        }
    }

    fn revive(&mut self, node: u32) {
        match self {
            Sim::Cycle(sim, ..) => sim.revive(node),
            Sim::Event(sim, _) => sim.revive(node),
        };
    }

    fn join(&mut self) -> Result<u32, Failure> {
        match self {
            Sim::Cycle(sim, make) => {
                let state = make(sim.size());
                Ok(sim.join(state))
            }
            Sim::Event(sim, _) => sim.join().map_err(|e| refused("driver", e)),
        }
    }

    fn contact(&mut self, node: u32, peer: u32) {
        match self {
            Sim::Cycle(sim, ..) => sim.contact(node, peer),
            Sim::Event(sim, _) => sim.contact(node, peer),
        }
    }

    fn introduce(&mut self, node: u32, peers: &[u32]) {
        let state = match self {
            Sim::Cycle(sim, ..) => sim.node_mut(node),
            Sim::Event(sim, _) => sim.node_mut(node),
        };
        if let Some(state) = state {
            for &peer in peers {
                state.peers_mut().introduce(peer);
            }
        }
    }

    fn open(&mut self) {
        let Some(command) = S::App::opening().map(S::ask) else { return };
        // A refusal changes nothing; an application opens with what an empty node takes.
        let _ = match self {
            Sim::Cycle(sim, ..) => sim.command(0, command),
            Sim::Event(sim, _) => sim.command(0, command),
        };
    }

    fn network(&mut self) -> &mut Network {
        match self {
            Sim::Cycle(sim, ..) => sim.link_mut(),
            Sim::Event(sim, _) => sim.link_mut(),
        }
    }

    fn traffic(&self) -> Traffic {
        match self {
            Sim::Cycle(sim, ..) => Traffic { messages: sim.sent(), ..Traffic::default() },
            Sim::Event(sim, _) => {
                let traffic = sim.traffic();
                let [peers, app] = ["peers", "app"].map(|layer| Some(sim.sent().get(layer).bytes));
                Traffic { messages: traffic.datagrams, bytes: Some(traffic.bytes), peers, app }
            }
        }
    }

    fn read(&self, visit: &mut dyn FnMut(Reading)) {
        self.visit(&mut |_, state| visit(state.app().reading()));
    }

    fn graph(&self) -> Graph {
        let mut known = Vec::new();
        self.visit(&mut |node, state| known.push((node, neighbours(state.peers()))));
        Graph::new(known)
    }

    fn missing(&self) -> Option<f64> {
        let mut nodes = Vec::new();
        self.visit(&mut |node, state| nodes.push((node, state.app())));
        S::App::missing(&nodes)
    }
}
