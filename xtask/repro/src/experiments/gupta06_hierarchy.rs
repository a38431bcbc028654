//! Gupta, Kermarrec, Ganesh 2002 and 2006: gossip over a hierarchy of leaf boxes, its latency, and
//! what it sends over the topmost boundary.

use core::cell::Cell;
use std::rc::Rc;

use gossip_core::Peers;
use gossip_core::random::Random;
use gossip_core::sampling::Weighted;
use gossip_core::sim::cycle::Order;
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Activation, World};
use gossip_dissem::hierarchy::LeafBoxes;
use gossip_dissem::rumor::Config;
use xtask_repro::uniform::epidemic;
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gupta06Hierarchy;

static PARAMS: [Param; 3] = [
    Param::choice("base", "4", &["2", "4", "8", "16"], "children of a box, and members of a leaf"),
    Param::int("levels", 4, 2..=20, "levels", "there are base^levels members, at most 2^20"),
    Param::choice(
        "targets",
        "hierarchy",
        &["hierarchy", "flat"],
        "how peers are chosen: by lowest common ancestor, or, the control, evenly",
    ),
];

static METRICS: [Metric; 3] = [
    Metric::mean("rounds", "rounds of push until all have heard"),
    Metric::mean("over_top", "contacts over the topmost boundary, if every node made one"),
    Metric::mean("share_over_top", "the same, as a share of all contacts"),
];

impl Experiment for Gupta06Hierarchy {
    fn id(&self) -> &'static str {
        "gupta06-hierarchy"
    }

    fn summary(&self) -> &'static str {
        "hierarchical gossip: rounds, and load on the topmost boundary"
    }

    fn source(&self) -> &'static str {
        "Gupta, Kermarrec, Ganesh, Efficient and adaptive epidemic-style protocols for reliable \
         and scalable multicast, IEEE TPDS 2006, section 3"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        40
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (base, levels) = shape(params);
        match base.checked_pow(levels) {
            Some(nodes) if nodes <= 1 << 20 => Ok(()),
            _ => Err(format!("base {base} and levels {levels}: at most 2^20 members")),
        }
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let (base, levels) = shape(params);
        let tree = Tree::new(base, levels, params.choice("targets") == "flat");
        let (nodes, contacts) = (base.pow(levels), tree.contacts());
        let place = (nodes, Order::Synchronous, seed);
        let out = epidemic(Config::push(u16::MAX), place, (tree, Perfect), true);
        let share = contacts.over.get() as f64 / contacts.all.get() as f64;
        vec![
            Sample::new("rounds", out.t_last),
            Sample::new("over_top", share * f64::from(nodes)),
            Sample::new("share_over_top", share),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (base, levels) = shape(params);
        let flat = params.choice("targets") == "flat";
        let source = "simulated: papers file, section 7";
        match metric {
            "over_top" if base == 4 && !flat => {
                Some(Published { value: 3.0, tolerance: 0.6, source })
            }
            "share_over_top" if flat && base.pow(levels) >= 256 => {
                let value = 1.0 - 1.0 / f64::from(base);
                Some(Published { value, tolerance: 0.03, source: "one of K parts is one's own" })
            }
            "rounds" if base == 4 => {
                let of = |hierarchy, even| if flat { even } else { hierarchy };
                let value = match levels {
                    4 => of(32.0, 14.7),
                    5 => of(51.5, 18.1),
                    6 => of(77.0, 21.3),
                    _ => return None,
                };
                // A run's sd is a tenth of the rounds, at a guess: four standard errors of 40 runs.
                Some(Published { value, tolerance: 0.07 * value, source })
            }
            _ => None,
        }
    }
}

fn shape(params: &Params) -> (u32, u32) {
    let base = params.choice("base").parse().expect("one of the words");
    (base, params.count("levels") as u32)
}

/// What was contacted.
#[derive(Clone, Debug, Default)]
struct Contacts {
    all: Cell<u64>,
    over: Cell<u64>,
}

/// Members by number, `base` of them to a box. Since the base is a power of two, the tree looks the
/// same from everywhere: who is at x from 0 is at m ^ x from m.
struct Tree {
    offsets: Weighted<u32>,
    me: u32,
    nodes: u32,
    top: u32,
    contacts: Rc<Contacts>,
}

impl Tree {
    fn new(base: u32, levels: u32, flat: bool) -> Self {
        let boxes = LeafBoxes::new(base, levels - 1).expect("at most 2^20 boxes");
        let nodes = base.pow(levels);
        let places = (1..nodes).map(|member| (member, u64::from(member / base)));
        let even = |(member, weight)| (member, if flat { 1.0 } else { weight });
        let offsets = boxes.weigh(0, places).into_iter().map(even);
        let offsets = Weighted::new(offsets).expect("weights are finite");
        Self { offsets, me: 0, nodes, top: nodes / base, contacts: Rc::default() }
    }

    fn contacts(&self) -> Rc<Contacts> {
        self.contacts.clone()
    }
}

impl<S> World<S> for Tree {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Peers for Tree {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        let peer = self.me ^ self.offsets.sample(random)?;
        let Contacts { all, over } = &*self.contacts;
        all.set(all.get() + 1);
        over.set(over.get() + u64::from(peer / self.top != self.me / self.top));
        Some(peer)
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        (0..self.nodes).filter(|&peer| peer != self.me).for_each(|peer| visit(peer, 0));
    }
}
