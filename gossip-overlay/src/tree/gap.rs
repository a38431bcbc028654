//! GAP: a spanning tree by levels, which repairs itself, with a running aggregate.
//!
//! Dam, Stadler, *A generic protocol for network state aggregation*, RVK 2005, sections 3 (the
//! neighbourhood table and its invariants) and 4 (policies).
//!
//! ```text
//! table:        for each neighbour n: level, parent and aggregate, as it told last
//! on update of n, new neighbour, neighbour gone: change the table, then
//!   restore:    root: level 0, no parent
//!               others: parent = a neighbour of least level; level = its level + 1
//!               children = those that say that this node is their parent
//!               aggregate = own value and the aggregates of the children
//! every round:  if level, parent or aggregate changed: send them to all neighbours
//! ```
//!
//! ```
//! use gossip_core::Tree;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::sim::link::Perfect;
//! use gossip_core::sim::{Neighbourhood, topology};
//! use gossip_overlay::tree::{Gap, gap};
//!
//! let node = |i: i64| Gap::<u32>::new(gap::Config::new(i == 0).value(i));
//! let nodes = (0..100).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let below = Neighbourhood::new(topology::torus(&[10, 10])?);
//! let mut sim = Simulation::with(nodes, 42, Order::Sequential, below, Perfect);
//! sim.run(30);
//! let root = sim.node(0).unwrap();
//! assert_eq!((root.aggregate().count, root.aggregate().sum), (100, 99 * 50));
//! assert_eq!(sim.node(55).unwrap().depth(), Some(10));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! Links are right that were heard of in time, and a node says when it has been steady for a while,
//! and when no longer:
//!
//! ```
//! # use gossip_core::Tree;
//! # use gossip_core::sim::cycle::{Order, Simulation};
//! # use gossip_core::sim::link::Perfect;
//! # use gossip_core::sim::{Neighbourhood, topology};
//! # use gossip_overlay::tree::{Gap, gap};
//! # let node = |i: u32| Gap::<u32>::new(gap::Config::new(i == 0));
//! # let nodes = (0..100).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! # let below = Neighbourhood::new(topology::torus(&[10, 10])?);
//! # let mut sim = Simulation::with(nodes, 42, Order::Sequential, below, Perfect);
//! sim.run(60);
//! let before = sim.node(55).unwrap().health();
//! assert!(before.converged && before.right == before.links);
//! let parent = sim.node(55).unwrap().parent().unwrap();
//! sim.kill(parent);
//! sim.run(10);
//! let doubtful = sim.node(55).unwrap().health();
//! assert_eq!(doubtful.right, doubtful.links - 1);
//! sim.run(50);
//! let after = sim.node(55).unwrap().health();
//! assert!(after.converged && after.right == after.links && after.buried == 1);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! Over connected, symmetric neighbours that stay the same, after as many rounds as the graph is
//! deep, levels are the distances from the root and the links to parents form a tree; as many
//! rounds later the root's aggregate is exact. After a crash nodes find other parents, and levels
//! count up until they are right again; a part that is cut off from the root counts to `deepest`
//! and then is in no tree. While that goes on a node may be counted twice, or not at all, and
//! parents may lead in a circle.
//!
//! The root is one node, chosen by the owner, and is not replaced when it dies.
//!
//! # Deviations from the paper
//!
//! - Updates go out once a round at most, not at once, and again every `refresh` rounds even if
//!   nothing changed, since datagrams are lost.
//! - A neighbour that was silent for `lifetime` rounds counts as gone, beside what the source of
//!   neighbours and the driver say.
//! - A child is never chosen as parent (the paper's levels would count up with it).
//! - Levels end at `deepest`, so that a part without root stops counting.
//! - At equal levels the present parent is kept, else the one with the least identifier taken.

use alloc::vec::Vec;

use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Random, Receipt, Refusal,
    Round, Tree, message,
};

use super::Summary;
use crate::health::{Health, Notes};

message! {
    /// What a node tells its neighbours.
    #[derive(Copy, PartialEq)]
    pub struct Update<I: PeerId> {
        /// Where it is in the tree; none if it is not.
        pub place: Option<Place<I>>,
        /// Of its subtree.
        pub aggregate: Summary,
    }
}

message! {
    /// A place in the tree.
    #[derive(Copy, PartialEq)]
    pub struct Place<I: PeerId> {
        /// Links to the root.
        pub level: u32,
        /// None at the root.
        pub parent: Option<I>,
        /// Where the tree starts.
        pub root: I,
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub enum Command {
        /// The node's value is now this.
        SetValue(i64),
    }
}

/// What the owner hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<I> {
    /// In the tree, at another place than before.
    Placed {
        /// None at the root.
        parent: Option<I>,
        /// Links to the root.
        depth: u32,
    },
    /// In no tree any more.
    Cut,
    /// For `lifetime` rounds neither the place nor the children have changed.
    Steady,
    /// Steady no longer: the place or the children have changed.
    Disturbed,
}

/// Parameters of GAP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    root: bool,
    value: i64,
    refresh: Round,
    lifetime: Round,
    deepest: u32,
    limit: usize,
}

impl Config {
    /// For the `root`, which must be one node, or another. The value is 0; updates are repeated
    /// every 4 rounds, neighbours expire after 20, at most 256 levels, 1,024 neighbours (all our
    /// choice: an update may be lost four times in a row before its sender counts as gone).
    pub const fn new(root: bool) -> Self {
        Self { root, value: 0, refresh: 4, lifetime: 20, deepest: 256, limit: 1_024 }
    }

    /// What this node adds to the aggregate.
    #[must_use]
    pub const fn value(mut self, value: i64) -> Self {
        self.value = value;
        self
    }

    /// Rounds after which an update is repeated, at least 1.
    #[must_use]
    pub const fn refresh(mut self, rounds: Round) -> Self {
        self.refresh = rounds;
        self
    }

    /// Rounds after which a silent neighbour counts as gone, more than `refresh`.
    #[must_use]
    pub const fn lifetime(mut self, rounds: Round) -> Self {
        self.lifetime = rounds;
        self
    }

    /// The greatest depth, 1 to 65,535: more than any node is from the root.
    #[must_use]
    pub const fn deepest(mut self, levels: u32) -> Self {
        self.deepest = levels;
        self
    }

    /// The most neighbours, 1 to 65,535; those beyond are counted and not listened to.
    #[must_use]
    pub const fn limit(mut self, neighbours: usize) -> Self {
        self.limit = neighbours;
        self
    }
}

/// A neighbour, and what it told last.
#[derive(Clone, Copy, Debug)]
struct Neighbour<I: PeerId> {
    peer: I,
    /// The version at which the link was made: one that went and came back is another.
    version: u64,
    /// Whether it was there when we last looked.
    is_there: bool,
    /// Whether it was sent an update.
    is_greeted: bool,
    /// None until it speaks, and when it is silent for too long.
    told: Option<(Update<I>, Round)>,
}

/// A node's part in GAP, as a layer over any symmetric [`Peers`].
#[derive(Clone, Debug)]
pub struct Gap<I: PeerId> {
    config: Config,
    me: Option<I>,
    /// In the order of identifiers.
    neighbours: Vec<Neighbour<I>>,
    present: Update<I>,
    sent: Option<(Update<I>, Round)>,
    /// How many children there were after the last call.
    child_count: usize,
    /// When it was called last.
    round: Round,
    notes: Notes,
    changes: u32,
}

impl<I: PeerId> Gap<I> {
    /// A node in no tree yet.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { value, refresh, lifetime, deepest, limit, .. } = config;
        ParameterError::new("refresh", f64::from(refresh), "rounds", "1 to lifetime - 1")
            .unless(1 <= refresh && refresh < lifetime)?;
        ParameterError::new("deepest", f64::from(deepest), "levels", "1 to 65,535")
            .unless((1..1 << 16).contains(&deepest))?;
        ParameterError::new("neighbours", limit as f64, "nodes", "1 to 65,535")
            .unless((1..1 << 16).contains(&limit))?;
        Ok(Self {
            config,
            me: None,
            neighbours: Vec::new(),
            present: Update { place: None, aggregate: Summary::of(value) },
            sent: None,
            child_count: 0,
            round: 0,
            notes: Notes::default(),
            changes: 0,
        })
    }

    /// Of this node's subtree: at the root of the whole tree, once it is steady.
    pub const fn aggregate(&self) -> Summary {
        self.present.aggregate
    }

    /// This node's own value.
    pub const fn value(&self) -> i64 {
        self.config.value
    }

    /// How well the links to parent and children stand, by this node's own knowledge: right are
    /// those whose last update is not overdue. The buried are neighbours that were silent for
    /// `lifetime` rounds, or said to be unreachable.
    pub fn health(&self) -> Health {
        let parent = self.present.place.and_then(|place| place.parent);
        let age = |neighbour: &Neighbour<I>| {
            let (update, at) = neighbour.told?;
            let is_link = Some(neighbour.peer) == parent || self.is_child(&update);
            is_link.then(|| self.round.saturating_sub(at))
        };
        let ages = self.neighbours.iter().filter_map(age);
        self.notes.health(ages.clone().count(), self.config.refresh, ages)
    }

    fn children(&self) -> impl Iterator<Item = (I, &Update<I>)> {
        self.neighbours.iter().filter_map(|neighbour| {
            let (update, _) = neighbour.told.as_ref()?;
            self.is_child(update).then_some((neighbour.peer, update))
        })
    }

    /// Whether who told this says that this node is its parent.
    fn is_child(&self, update: &Update<I>) -> bool {
        let parent = update.place.and_then(|place| place.parent);
        parent.is_some() && parent == self.me
    }

    /// Makes the table that of `below` and of those who spoke lately.
    fn follow(&mut self, below: &impl Peers<Id = I>, cx: &mut impl Local<Self>) {
        let (me, now, Config { lifetime, limit, .. }) = (cx.me(), cx.round(), self.config);
        self.neighbours.iter_mut().for_each(|neighbour| neighbour.is_there = false);
        below.for_each(|peer, version| {
            let (is_there, is_greeted, told) = (true, false, None);
            let new = Neighbour { peer, version, is_there, is_greeted, told };
            match self.neighbours.binary_search_by_key(&peer, |neighbour| neighbour.peer) {
                Ok(at) if self.neighbours[at].version == version => {
                    self.neighbours[at].is_there = true;
                }
                Ok(at) => self.neighbours[at] = new,
                Err(_) if peer == me => {}
                Err(at) if self.neighbours.len() < limit => self.neighbours.insert(at, new),
                Err(_) => cx.count("neighbour beyond the limit"),
            }
        });
        self.neighbours.retain(|neighbour| neighbour.is_there);
        let is_late = |told: &(_, Round)| now.saturating_sub(told.1) >= lifetime;
        for neighbour in &mut self.neighbours {
            let late = neighbour.told.take_if(|told| is_late(told));
            self.notes.buried += u64::from(late.is_some());
        }
    }

    /// Restores the invariants of the table.
    fn restore(&mut self, cx: &mut impl Local<Self>) {
        let (before, me) = (self.present.place, cx.me());
        self.round = cx.round();
        let place = if self.config.root {
            Some(Place { level: 0, parent: None, root: me })
        } else {
            self.nearest(before.and_then(|place| place.parent))
        };
        let mut aggregate = Summary::of(self.config.value);
        let mut children = 0;
        for (_, update) in self.children() {
            aggregate = aggregate.and(update.aggregate);
            children += 1;
        }
        let update = Update { place, aggregate };
        if update != self.present {
            self.present = update;
            self.changes = self.changes.wrapping_add(1);
        }
        if self.child_count != children {
            self.notes.changed(self.child_count.abs_diff(children));
            self.child_count = children;
        }
        if place != before {
            let parent = |place: Option<Place<I>>| place.and_then(|place| place.parent);
            self.notes.changed(usize::from(parent(place) != parent(before)));
            cx.emit(place.map_or(Event::Cut, |Place { level: depth, parent, .. }| Event::Placed {
                parent,
                depth,
            }));
        }
        let stands = self.notes.unchanged >= self.config.lifetime && place.is_some();
        if stands != self.notes.converged {
            self.notes.converged = stands;
            cx.emit(if stands { Event::Steady } else { Event::Disturbed });
        }
    }

    /// The place below a neighbour of least level that is no child; at equal levels below
    /// `present`.
    fn nearest(&self, present: Option<I>) -> Option<Place<I>> {
        let place = |neighbour: &Neighbour<I>| {
            let (update, _) = neighbour.told.as_ref()?;
            let told = update.place?;
            let level = told.level.saturating_add(1);
            let is_fit = !self.is_child(update)
                && level <= self.config.deepest
                && Some(told.root) != self.me;
            is_fit.then_some(Place { level, parent: Some(neighbour.peer), root: told.root })
        };
        let places = self.neighbours.iter().filter_map(place);
        places.min_by_key(|place| (place.level, place.parent != present, place.parent))
    }

    fn find(&self, peer: I) -> Option<usize> {
        self.neighbours.binary_search_by_key(&peer, |neighbour| neighbour.peer).ok()
    }
}

impl<I: PeerId> Protocol for Gap<I> {
    type Id = I;
    type Message = Update<I>;
    type Event = Event<I>;
    type Command = Command;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Gap<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.me = Some(cx.me());
        let now = cx.round();
        self.notes.tick();
        self.follow(below, cx);
        self.restore(cx);
        let is_due = |(update, at): (Update<I>, Round)| {
            update != self.present || now.saturating_sub(at) >= self.config.refresh
        };
        let is_due = self.sent.is_none_or(is_due);
        if is_due {
            self.sent = Some((self.present, now));
        }
        // New neighbours are told at once.
        let due = self.neighbours.iter_mut().filter(|neighbour| is_due || !neighbour.is_greeted);
        for neighbour in due {
            neighbour.is_greeted = true;
            cx.send(neighbour.peer, self.present);
        }
    }

    fn on_message(&mut self, below: &D, from: I, update: Update<I>, cx: &mut impl Context<Self>) {
        self.me = Some(cx.me());
        if self.find(from).is_none() {
            // It may be new.
            self.follow(below, cx);
        }
        let Some(at) = self.find(from) else { return cx.count("update from no neighbour") };
        self.neighbours[at].told = Some((update, cx.round()));
        self.restore(cx);
    }

    fn on_unreachable(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        if let Some(at) = self.find(peer) {
            let told = self.neighbours[at].told.take();
            self.notes.buried += u64::from(told.is_some());
            self.restore(cx);
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let Command::SetValue(value) = command;
        self.config.value = value;
        self.restore(cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId> Tree for Gap<I> {
    type Id = I;

    fn parent(&self) -> Option<I> {
        self.present.place?.parent
    }

    fn root(&self) -> Option<I> {
        Some(self.present.place?.root)
    }

    fn depth(&self) -> Option<u32> {
        Some(self.present.place?.level)
    }

    fn for_each_child(&self, mut visit: impl FnMut(I)) {
        self.children().for_each(|(peer, _)| visit(peer));
    }
}

impl<I: PeerId> Peers for Gap<I> {
    type Id = I;

    /// A random link of the tree.
    fn sample(&self, random: &mut Random) -> Option<I> {
        let (mut chosen, mut seen) = (None, 0);
        self.for_each_link(|peer| {
            seen += 1;
            if random.below(seen) == 0 {
                chosen = Some(peer);
            }
        });
        chosen
    }

    /// The links of the tree.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.for_each_link(|peer| {
            visit(peer, self.find(peer).map_or(0, |at| self.neighbours[at].version));
        });
    }
}
