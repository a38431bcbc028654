//! Sample & Collide: how many nodes there are, from how soon uniform samples of them repeat.
//!
//! Massoulie, Le Merrer, Kermarrec, Ganesh, *Peer counting and sampling in overlay networks: random
//! walk methods*, PODC 2006, section 4 (4.1: the [walk](Walk) that samples; 4.2: the inverted
//! birthday paradox, and the maximum likelihood estimator).
//!
//! ```text
//! draw samples until l of them were drawn before; X = all samples drawn
//! nodes = the N for which  sum of i / (N - i) over i = 0..X - l - 1  is l
//! ```
//!
//! # What holds
//!
//! The relative standard deviation is 1 / sqrt(l), for sqrt(2 l N) samples: 10 % at l = 100 for
//! 1,414 samples of 10,000 nodes. X^2 / (2 l), the shorter formula, is 5 % high there.
//!
//! Samples that are not uniform collide sooner: on a graph of uneven degrees, walks of T = 1 find
//! 29 % of the nodes, T = 10 all of them. Over views whose in-degrees are uneven, such as Cyclon's,
//! it is low by as much as these vary. Nodes that swallow walks and send their own back can make
//! it as small as they like.
//!
//! # Deviations from the paper
//!
//! - Walks that end where they began give no sample, so the others are counted, and one added.
//! - A run ends, too, when its memory is full; it then says what its collisions say, if it has any.

use alloc::collections::BTreeSet;

use gossip_core::sampling::Walk;
use gossip_core::{Context, Layer, Nothing, ParameterError, PeerId, Protocol, Round};

use crate::estimate::Estimate;

/// The maximum likelihood estimate of how many nodes there are, when so many different ones were
/// drawn, and so many draws were of one that had been drawn before. At least `distinct`.
///
/// ```
/// use gossip_aggregate::collide::maximum_likelihood;
///
/// // 1,449 samples until 100 collided: about 10,000 nodes.
/// assert!((maximum_likelihood(1_349, 100) - 10_000.0).abs() < 100.0);
/// assert_eq!(maximum_likelihood(2, 1_000), 2.0);
/// ```
pub fn maximum_likelihood(distinct: usize, collisions: usize) -> f64 {
    let (most, l) = (distinct as f64, collisions as f64);
    if collisions == 0 {
        return f64::INFINITY;
    }
    // The sum falls with N, and is convex: from either side Newton's step leads to the left of the
    // root, and from there up to it.
    let draws = most + l;
    let mut nodes = (draws * draws / (2.0 * l)).max(most);
    for _ in 0..100 {
        let (mut sum, mut slope) = (0.0, 0.0);
        for drawn in (0..distinct).map(|drawn| drawn as f64) {
            let rest = (nodes - drawn).recip();
            sum += drawn * rest;
            slope += drawn * rest * rest;
        }
        let next = (nodes + (sum - l) / slope).max(most);
        // With one node, nothing is left to find.
        if !next.is_finite() || (next - nodes).abs() <= 1e-12 * nodes {
            break;
        }
        nodes = next;
    }
    nodes
}

/// The samples of one run.
#[derive(Clone, Debug, Default)]
pub struct Run<I> {
    seen: BTreeSet<I>,
    collisions: usize,
}

impl<I: PeerId> Run<I> {
    /// Takes a sample.
    pub fn draw(&mut self, peer: I) {
        self.collisions += usize::from(!self.seen.insert(peer));
    }

    /// Samples that had been drawn before.
    pub const fn collisions(&self) -> usize {
        self.collisions
    }

    /// All samples.
    pub fn draws(&self) -> usize {
        self.seen.len() + self.collisions
    }

    /// How many there are to draw from; infinitely many, while none has come twice.
    pub fn estimate(&self) -> f64 {
        maximum_likelihood(self.seen.len(), self.collisions)
    }
}

/// Parameters of Sample & Collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Collisions after which a run ends, at least 1: the paper's l.
    pub collisions: usize,
    /// Different nodes that a run remembers, from 2 to 2^20: it must hold sqrt(2 l N).
    pub memory: usize,
}

impl Default for Config {
    /// l = 100 (section 5); memory for 20 million nodes.
    fn default() -> Self {
        Self { collisions: 100, memory: 1 << 16 }
    }
}

/// Runs of Sample & Collide over the samples of a [`Walk`], one after the other.
///
/// ```
/// use gossip_aggregate::collide::{Collide, Config};
/// use gossip_core::sampling::{HyParView, Walk, walk};
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     struct Node<I: PeerId> {
///         links: HyParView<I, 5, 30>,
///         #[uses(links)]
///         walks: Walk<I, 16>,
///         #[uses(walks)]
///         size: Collide<I>,
///     }
/// }
///
/// let walks = Walk::new(walk::Config { walks: 4, ..Default::default() })?;
/// let size = Collide::new(Config::default())?;
/// let node = Node::new(HyParView::new(Default::default())?, walks, size);
/// let mut sim = Simulation::new(vec![node; 100], 7, Order::Sequential);
/// (1..100).for_each(|node| sim.contact(node, 0));
/// assert_eq!(sim.node(0).unwrap().size.estimate(0), None); // not yet
/// sim.run(150);
/// let size = sim.node(0).unwrap().size.estimate(150).unwrap();
/// assert!((size.value / 100.0 - 1.0).abs() < 0.4);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Collide<I> {
    config: Config,
    run: Run<I>,
    /// Samples of the walk that this has looked at.
    looked: u64,
    runs: u64,
    /// What the last run said, and when it ended.
    last: Option<(Estimate, Round)>,
}

impl<I: PeerId> Collide<I> {
    /// No samples yet.
    ///
    /// # Errors
    ///
    /// If a parameter is not within the bounds that [`Config`] names.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { collisions, memory } = config;
        ParameterError::new("collisions l", collisions as f64, "samples", "at least 1")
            .unless(collisions >= 1)?;
        ParameterError::new("memory", memory as f64, "nodes", "2 to 2^20")
            .unless((2..=1 << 20).contains(&memory))?;
        let run = Run { seen: BTreeSet::new(), collisions: 0 };
        Ok(Self { config, run, looked: 0, runs: 0, last: None })
    }

    /// What the last run said. Its epoch is the number of the run.
    pub fn estimate(&self, now: Round) -> Option<Estimate> {
        let (estimate, ended) = self.last?;
        Some(Estimate { age: now.wrapping_sub(ended), ..estimate })
    }

    /// The run under way.
    pub const fn run(&self) -> &Run<I> {
        &self.run
    }

    /// Takes what the walk has found since the last look.
    fn look<const C: usize>(&mut self, below: &Walk<I, C>, cx: &mut impl Context<Self>) {
        let new = below.taken().wrapping_sub(self.looked);
        self.looked = below.taken();
        let kept = below.samples().len();
        let new = usize::try_from(new).map_or(kept, |new| new.min(kept));
        for peer in below.samples().take(new) {
            self.run.draw(peer);
            let is_full = self.run.seen.len() >= self.config.memory;
            if self.run.collisions >= self.config.collisions || is_full {
                self.end(cx);
            }
        }
    }

    fn end(&mut self, cx: &mut impl Context<Self>) {
        let run = core::mem::replace(&mut self.run, Run { seen: BTreeSet::new(), collisions: 0 });
        self.runs = self.runs.wrapping_add(1);
        if run.collisions == 0 {
            return cx.count("more nodes than the memory can tell");
        }
        let sd = 1.0 / libm::sqrt(run.collisions as f64);
        let estimate = Estimate::relative(run.estimate() + 1.0, sd, self.runs, 0);
        self.last = Some((estimate, cx.round()));
        cx.emit(estimate);
    }
}

impl<I: PeerId> Protocol for Collide<I> {
    type Id = I;
    type Message = Nothing;
    type Event = Estimate;
    type Command = Nothing;
}

impl<I: PeerId, const C: usize> Layer<Walk<I, C>> for Collide<I> {
    fn on_round(&mut self, below: &Walk<I, C>, cx: &mut impl Context<Self>) {
        self.look(below, cx);
    }

    fn on_change(&mut self, below: &Walk<I, C>, cx: &mut impl Context<Self>) {
        self.look(below, cx);
    }

    fn on_message(&mut self, _: &Walk<I, C>, _: I, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }
}
