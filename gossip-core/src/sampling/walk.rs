//! Uniform samples by random walks over any overlay, however uneven its degrees.
//!
//! Massoulie, Le Merrer, Kermarrec, Ganesh, *Peer counting and sampling in overlay networks: random
//! walk methods*, PODC 2006, section 4.1 (the continuous-time random walk).
//!
//! ```text
//! every round:  begin W walks: walk(self, T)
//! walk(origin, timer) at a node of degree d:
//!               timer -= -ln(U) / d, with U uniform on (0, 1]
//!               timer <= 0: this node is the sample, and tells the origin
//!               else:       send walk(origin, timer) to a random neighbour
//! ```
//!
//! # What holds
//!
//! A walk of fixed length ends where there are many links. This one stays the shorter at a node the
//! more links that has, so that in the long run it is at each node equally often. If links go both
//! ways, as those of [`HyParView`](super::HyParView) and of static graphs do, the distance to the
//! uniform distribution falls as `exp(-lambda T)`, lambda the least positive eigenvalue of the
//! overlay's Laplacian: the paper takes T = 10. A walk takes T times the mean degree in steps, on
//! average.
//!
//! Over views that are not symmetric, such as [`Cyclon`](super::Cyclon)'s, samples are as uneven as
//! in-degrees are. The layer below must choose its samples evenly among the peers it shows.
//!
//! A walk is lost with any of its messages: where a share p is lost, `exp(-p d T)` of them come
//! back on a graph of degree d, fewer of those that led where degrees are high. Any node on the way
//! can lie; see [`Brahms`](super::Brahms) for sampling among liars.
//!
//! # Deviations from the paper
//!
//! - Samples are kept, the newest first to be used, so that layers above find peers here at any
//!   time. As a source of [`Peers`] this never shows the node itself: walks that end where they
//!   began are counted and give no sample.
//! - A walk is given up after a number of steps, and its origin gives it up after a number of
//!   rounds: the paper loses no message and no node.
//! - A copy of a step that came before goes no further: where a network doubles one message in ten,
//!   a walk of 72 steps would else become a thousand.
//! - A node without neighbours is the sample of every walk that comes there.

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::id::{PeerId, fingerprint};
use crate::message;
use crate::peers::Peers;
use crate::protocol::{Context, Layer, Protocol};
use crate::random::{Random, mix};
use crate::sampling::descriptor::view_size;
use crate::time::Round;
use crate::wire::{Finite, Nothing, Wire};

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: Wire> {
        /// A walk comes by.
        Step(Step<I>),
        /// The sender is the sample that the walk of this number has found.
        Sampled(u32),
    }
}

message! {
    /// A walk under way.
    #[derive(PartialEq)]
    pub struct Step<I: Wire> {
        /// Who began it, and is to hear of the sample.
        pub origin: I,
        /// Its number there.
        pub number: u32,
        /// The time it has left.
        pub timer: Finite,
        /// The steps it has taken.
        pub steps: u16,
    }
}

/// The longest time a walk may have; timers above it are refused. A hundred times the paper's.
pub const TIME_MAX: f64 = 1_000.0;

/// How long a walk stays at a node, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// 1 / d at a node of degree d: all nodes are sampled alike. The paper's.
    ByDegree,
    /// 1 at every node: nodes are sampled in proportion to their degrees, as the ends of random
    /// links are. This is the walk that the paper corrects.
    Even,
}

/// Parameters of the walks.
///
/// ```
/// use gossip_core::sampling::{Walk, walk::Config};
///
/// assert!(Walk::<u32, 32>::new(Config { time: 5.0, ..Config::default() }).is_ok());
/// for time in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
///     assert!(Walk::<u32, 32>::new(Config { time, ..Config::default() }).is_err());
/// }
/// assert!(Walk::<u32, 32>::new(Config { walks: 33, ..Config::default() }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The time a walk has, above 0 and at most [`TIME_MAX`]: the paper's T. In units of the time a
    /// walk stays at a node with one link.
    pub time: f64,
    /// How long a walk stays at a node.
    pub hold: Hold,
    /// Walks begun in a round, from 0, for a node that only helps others, to the capacity `C`.
    pub walks: usize,
    /// Samples kept, from 1 to the capacity `C`; the capacity itself by default.
    pub size: Option<usize>,
    /// Rounds after which a sample is dropped, at least 1, if no newer one has taken its place.
    pub keep: Round,
    /// Rounds after which a walk that has not come back is given up, at least 1.
    pub patience: Round,
    /// Steps after which a walk is given up by whoever has it, at least 1. Far above T times the
    /// mean degree, or few samples come from where degrees are high.
    pub longest: u16,
}

impl Default for Config {
    /// The paper's T = 10 (section 5), one walk in a round; the rest is our choice.
    fn default() -> Self {
        Self {
            time: 10.0,
            hold: Hold::ByDegree,
            walks: 1,
            size: None,
            keep: 128,
            patience: 32,
            longest: 4_096,
        }
    }
}

/// Walks over the layer that this one reads, and at most `C` samples that they found.
///
/// ```
/// use gossip_core::sampling::{HyParView, Walk};
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, Peers, stack};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     struct Node<I: PeerId> {
///         links: HyParView<I, 5, 30>,
///         #[uses(links)]
///         peers: Walk<I, 16>,
///     }
/// }
///
/// let node = Node::new(HyParView::new(Default::default())?, Walk::new(Default::default())?);
/// let mut sim = Simulation::new(vec![node; 200], 7, Order::Sequential);
/// (1..200).for_each(|node| sim.contact(node, 0));
/// sim.run(40);
/// // Five links each, and up to 16 samples of all the others.
/// assert!(sim.nodes().all(|(_, node)| node.links.degree() <= 5 && node.peers.degree() > 5));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Walk<I, const C: usize> {
    config: Config,
    size: u16,
    /// Who was found, and in which round; the newest last.
    samples: ArrayVec<(I, Round), C>,
    /// The numbers of the walks under way, and in which round each began.
    under_way: ArrayVec<(u32, Round), C>,
    /// Fingerprints of steps that came, each at a place of its own, so that a copy is known again
    /// unless one with the same place came between. 0 where there is none.
    seen: [u32; SEEN],
    taken: u64,
    changes: u32,
}

/// Steps remembered. A node of mean degree sees about T times that degree in a round for each walk
/// that a node begins, and a copy is late by a small part of a round. Our choice.
const SEEN: usize = 64;

impl<I: PeerId, const C: usize> Walk<I, C> {
    /// No samples yet.
    ///
    /// # Errors
    ///
    /// If a parameter is not within the bounds that [`Config`] names.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { time, walks, keep, patience, longest, .. } = config;
        let size = view_size(config.size, C)?;
        ParameterError::new("walking time T", time, "stays with one link", "above 0, at most 1000")
            .unless(time > 0.0 && time <= TIME_MAX)?;
        ParameterError::new("walks", walks as f64, "in a round", "0 to the capacity C")
            .unless(walks <= C)?;
        for (name, least) in
            [("keep", keep), ("patience", patience), ("longest walk", longest.into())]
        {
            ParameterError::new(name, least.into(), "rounds or steps", "at least 1")
                .unless(least >= 1)?;
        }
        Ok(Self {
            config,
            size,
            samples: ArrayVec::new(),
            under_way: ArrayVec::new(),
            seen: [0; SEEN],
            taken: 0,
            changes: 0,
        })
    }

    /// The samples kept, the newest first, some of them perhaps the same peer.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = I> {
        self.samples.iter().rev().map(|&(peer, _)| peer)
    }

    /// Samples found since the start. What was found since an earlier look are that many more of
    /// [`samples`](Self::samples), if so many are kept.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Drops samples that are too old, and gives up walks that do not come back.
    fn expire(&mut self, cx: &mut impl Context<Self>) {
        let (now, Config { keep, patience, .. }) = (cx.round(), self.config);
        let before = self.samples.len();
        self.samples.retain(|&mut (_, found)| now.wrapping_sub(found) <= keep);
        self.changes = self.changes.wrapping_add(u32::from(self.samples.len() < before));
        self.under_way.retain(|&mut (_, begun)| {
            let waits = now.wrapping_sub(begun) <= patience;
            if !waits {
                cx.count("walk did not come back");
            }
            waits
        });
    }

    /// Whether this very step has come before; remembers it if not.
    fn is_repeated(&mut self, step: &Step<I>) -> bool {
        let name = u64::from(step.number) << 16 | u64::from(step.steps);
        let print = mix(fingerprint(&step.origin) ^ mix(name)) as u32 | 1;
        let place = &mut self.seen[print as usize / 2 % SEEN];
        core::mem::replace(place, print) == print
    }

    /// Moves a walk that is here on.
    fn walk(&mut self, below: &impl Peers<Id = I>, step: &Step<I>, cx: &mut impl Context<Self>) {
        let stay = match self.config.hold {
            // Nobody leaves a node without neighbours: the stay is infinite there.
            Hold::ByDegree => cx.rng().exponential() / below.degree() as f64,
            Hold::Even => cx.rng().exponential(),
        };
        let left = Finite::new(step.timer.get() - stay).filter(|left| left.get() > 0.0);
        let next = left.and_then(|timer| Some((timer, below.sample(cx.rng())?)));
        match next {
            None if step.origin == cx.me() => {
                if self.ends(step.number, cx) {
                    cx.count("walk ended where it began");
                }
            }
            None => cx.send(step.origin, Message::Sampled(step.number)),
            Some(_) if step.steps >= self.config.longest => cx.count("walk too long"),
            Some((timer, peer)) => {
                let steps = step.steps + 1;
                cx.send(peer, Message::Step(Step { timer, steps, ..*step }));
            }
        }
    }

    /// Whether the walk of this number was under way; it no longer is.
    fn ends(&mut self, number: u32, cx: &mut impl Context<Self>) -> bool {
        let at = self.under_way.iter().position(|&(known, _)| known == number);
        if at.and_then(|at| self.under_way.swap_pop(at)).is_none() {
            cx.count("sample not asked for");
        }
        at.is_some()
    }

    /// The walk of this number has found `peer`.
    fn take(&mut self, peer: I, number: u32, cx: &mut impl Context<Self>) {
        if !self.ends(number, cx) || peer == cx.me() {
            return;
        }
        if self.samples.len() >= self.size.into() {
            self.samples.remove(0);
        }
        self.samples.push((peer, cx.round()));
        self.taken = self.taken.wrapping_add(1);
        self.changes = self.changes.wrapping_add(1);
    }
}

impl<I: PeerId, const C: usize> Protocol for Walk<I, C> {
    type Id = I;
    type Message = Message<I>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, const C: usize, D: Peers<Id = I>> Layer<D> for Walk<I, C> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.expire(cx);
        if below.degree() == 0 {
            return;
        }
        for _ in 0..self.config.walks {
            if self.under_way.is_full() {
                return cx.count("walk not begun: too many under way");
            }
            // Random, so that nobody off the way guesses it.
            let number = cx.rng().next_u64() as u32;
            self.under_way.push((number, cx.round()));
            let timer = Finite::new(self.config.time).unwrap_or_default();
            self.walk(below, &Step { origin: cx.me(), number, timer, steps: 0 }, cx);
        }
    }

    fn on_message(
        &mut self,
        below: &D,
        from: I,
        message: Self::Message,
        cx: &mut impl Context<Self>,
    ) {
        match message {
            Message::Step(step) if !(0.0..=TIME_MAX).contains(&step.timer.get()) => {
                cx.count("timer out of bounds");
            }
            Message::Step(step) if self.is_repeated(&step) => cx.count("step repeated"),
            Message::Step(step) => self.walk(below, &step, cx),
            Message::Sampled(number) => self.take(from, number, cx),
        }
    }

    fn on_unreachable(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        self.samples.retain(|&mut (known, _)| known != peer);
        self.changes = self.changes.wrapping_add(1);
    }
}

impl<I: PeerId, const C: usize> Peers for Walk<I, C> {
    type Id = I;

    /// A random one of the samples kept.
    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.samples).map(|&(peer, _)| peer)
    }

    /// Samples turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        for (at, &(peer, _)) in self.samples.iter().enumerate() {
            if !self.samples[..at].iter().any(|&(known, _)| known == peer) {
                visit(peer, 0);
            }
        }
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        let newest = self.samples.iter().rev().find(|&&(known, _)| known == peer);
        newest.map(|&(_, found)| now.wrapping_sub(found))
    }
}
