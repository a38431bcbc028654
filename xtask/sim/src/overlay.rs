//! Overlays that stay as they are: all nodes share one graph.
//!
//! Not a protocol: what [`gossip_core::sim::topology`] makes, as a layer.

use super::scenario::Point;
use super::schema::TOPOLOGIES;
use super::stack::{Maker, Sampler, refused};
use gossip_core::random::{Key, Random};
use gossip_core::sampling::Complete;
use gossip_core::sim::graph_text::Format;
use gossip_core::sim::observe::Graph;
use gossip_core::sim::topology;
use gossip_core::{Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, sampling};
use std::any::Any;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use xtask_base::Failure;

/// A node's place in a static overlay of nodes that are named by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Overlay<I> {
    place: Place,
    id: PhantomData<fn() -> I>,
}

#[derive(Clone, Debug)]
enum Place {
    Everywhere(Complete),
    Lattice(sampling::Lattice),
    Graph {
        graph: Arc<Graph>,
        me: u32,
        /// Whom a node that the graph does not have was told of.
        contact: Option<u32>,
    },
}

impl<I: PeerId> Overlay<I> {
    const fn at(place: Place) -> Self {
        Self { place, id: PhantomData }
    }
}

/// A node's number as its identifier: they are the same, which only simulations know.
fn named<I: PeerId>(number: u32) -> Option<I> {
    (&number as &dyn Any).downcast_ref().copied()
}

impl<I: PeerId> Peers for Overlay<I> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        let drawn = match &self.place {
            Place::Everywhere(all) => all.sample(random),
            Place::Lattice(lattice) => lattice.sample(random),
            Place::Graph { graph, me, contact } => {
                random.pick(graph.known_to(*me)).copied().or(*contact)
            }
        };
        drawn.and_then(named)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        let mut named_visit = |peer: u32, version| {
            if let Some(peer) = named(peer) {
                visit(peer, version);
            }
        };
        match &self.place {
            Place::Everywhere(all) => all.for_each(named_visit),
            Place::Lattice(lattice) => lattice.for_each(named_visit),
            Place::Graph { graph, me, contact } => {
                for &peer in graph.known_to(*me).iter().chain(contact) {
                    named_visit(peer, 0);
                }
            }
        }
    }
}

impl<I: PeerId> Protocol for Overlay<I> {
    type Id = I;
    type Message = Nothing;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: ?Sized> Layer<D> for Overlay<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, _: &D, _: I, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }

    /// A newcomer, whom the graph does not have, stays with whom it was told of.
    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        if let Place::Graph { graph, me, contact } = &mut self.place
            && graph.known_to(*me).is_empty()
        {
            *contact = (&peer as &dyn Any).downcast_ref().copied();
        }
    }
}

impl Sampler for Overlay<u32> {
    const CAPACITY: usize = usize::MAX;
    const INTRODUCES: bool = true;

    fn is_named(name: &str) -> bool {
        TOPOLOGIES.contains(&name)
    }

    /// Nothing is introduced: the graph is all there is.
    fn view_size(_: &Point) -> usize {
        0
    }

    fn maker(point: &Point, seed: u64) -> Result<Maker<Self>, Failure> {
        let nodes = point.count("size");
        let refused = |error: ParameterError| refused(point.text("sampler"), error);
        if point.text("sampler") == "complete" {
            return Ok(Box::new(move |me| Self::at(Place::Everywhere(Complete::new(me, nodes)))));
        }
        if point.text("sampler") == "lattice" {
            let sides = sides(point)?;
            if sides.iter().any(|side| *side != sides[0]) {
                return Err(Failure::Usage(format!(
                    "topology.sides of a lattice are all the same, not {sides:?}"
                )));
            }
            let rho = point.float("topology.rho");
            let all = sampling::Lattice::all(sides[0], sides.len() as u32, rho);
            let all: Vec<_> = all.map_err(refused)?.collect();
            return Ok(Box::new(move |me| {
                // Newcomers take the places of others again.
                Self::at(Place::Lattice(all[me as usize % all.len()].clone()))
            }));
        }
        let graph = Arc::new(graph(point, seed)?);
        let place = move |me| Place::Graph { graph: Arc::clone(&graph), me, contact: None };
        Ok(Box::new(move |me| Self::at(place(me))))
    }

    /// Graphs are made when they are run: they may be large.
    fn check(point: &Point) -> Result<(), Failure> {
        match point.text("sampler") {
            "torus" | "lattice" => sides(point).map(drop),
            _ => Ok(()),
        }
    }
}

/// The sides that the scenario names, or those of a square; their product is the size.
fn sides(point: &Point) -> Result<Vec<u32>, Failure> {
    let size = u64::from(point.count("size"));
    let root = (size as f64).sqrt().round() as u32;
    let sides = point.sides().map_or_else(|| vec![root, root], <[u32]>::to_vec);
    let product = sides.iter().try_fold(1_u64, |all, &side| all.checked_mul(side.into()));
    if product == Some(size) {
        return Ok(sides);
    }
    Err(Failure::Usage(match point.sides() {
        Some(_) => format!("topology.sides are {sides:?}, but size is {size}, not their product"),
        None => format!("size is {size}, which is no square: set topology.sides, or another size"),
    }))
}

fn graph(point: &Point, seed: u64) -> Result<Graph, Failure> {
    let (nodes, degree) = (point.count("size"), point.count("topology.degree"));
    let key = Key::new(seed).with(WIRING);
    let made = match point.text("sampler") {
        "k-out" => topology::k_out(nodes, degree, key),
        "ring" => topology::ring_lattice(nodes, degree),
        "watts-strogatz" => {
            topology::watts_strogatz(nodes, degree, point.float("topology.beta"), key)
        }
        "barabasi-albert" => topology::barabasi_albert(nodes, degree, key),
        "torus" => topology::torus(&sides(point)?),
        "random-regular" => topology::random_regular(nodes, degree, key),
        "heterogeneous" => topology::heterogeneous(nodes, degree, key),
        "star" => {
            let links: Vec<_> = (1..nodes).map(|node| (node, 0)).collect();
            topology::edge_list(nodes, &links).map(|graph| graph.undirected())
        }
        _ => return read(point),
    };
    made.map_err(|e| refused(point.text("sampler"), e))
}

/// The graph of `topology.file`.
fn read(point: &Point) -> Result<Graph, Failure> {
    let Some(path) = point.file("topology.file") else {
        return Err(Failure::Usage("sampler = \"file\" needs topology.file".to_owned()));
    };
    let shown = path.display();
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Failure::Usage(format!("cannot read topology.file {shown}: {e}")))?;
    let named = format(&path)
        .read(&text)
        .map_err(|e| Failure::Usage(format!("topology.file {shown}: {e}")))?;
    let (size, found) = (point.size("size"), named.names.len());
    if size != found {
        return Err(Failure::Usage(format!(
            "topology.file {shown} has {found} nodes, but size is {size}: set size = {found}"
        )));
    }
    Ok(named.graph)
}

/// How a graph is written down in a file of this name.
pub(super) fn format(path: &Path) -> Format {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("dot" | "gv") => Format::Dot,
        Some("graphml" | "xml") => Format::GraphMl,
        _ => Format::EdgeList,
    }
}

/// Names the randomness of the graphs.
const WIRING: u64 = gossip_core::id::hash(b"xtask::sim::overlay");
