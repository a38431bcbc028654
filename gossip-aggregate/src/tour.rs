//! Random Tour: how many nodes there are, from random walks that come home.
//!
//! Massoulie, Le Merrer, Kermarrec, Ganesh, *Peer counting and sampling in overlay networks: random
//! walk methods*, PODC 2006, section 3.
//!
//! ```text
//! begin a tour at i:   x = 1 / d_i; send x to a random neighbour     (d: how many it has)
//! on x at j, not i:    x += 1 / d_j; send x to a random neighbour
//! on x at i:           nodes = d_i x
//! ```
//!
//! # What holds
//!
//! Over links that go both ways a tour has no bias, whatever the graph and its degrees. Its
//! variance is N^2 (2 Z - 1), Z = (d - 1) / (d - 2) on random graphs of degree d: one tour is off
//! by N itself, and k of them by N / sqrt(k). A tour takes N times the mean degree over d_i steps.
//!
//! A step can be lost, with probability p, and a tour comes home with E (1 - p)^length. On a random
//! graph of degree d one tour in d - 1 is home at once and the others take an exponential number
//! of steps, of mean Z N: so at p = 1/N and d = 10 .53 of them come home, the short ones, and say
//! .42 of N. So it is for links that do not lose, or few nodes.
//! Any node on the way can say what it likes.
//!
//! # Deviations from the paper
//!
//! - The latest tours are averaged, and nothing is said before [`ENOUGH`] have come back.
//! - A copy of a step goes no further; tours that are too long or do not come back are given up.

use alloc::vec::Vec;

use gossip_core::id::fingerprint;
use gossip_core::{
    Context, Finite, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Round, Wire, message,
};

use crate::estimate::Estimate;

/// Tours that must have come back before anything is said: their own spread tells the standard
/// deviation, to a quarter of itself. Our choice.
pub const ENOUGH: usize = 8;

/// The largest sum that is taken off the wire.
pub const MOST: f64 = 4_294_967_296.0;

/// Steps remembered, as in [`Walk`](gossip_core::sampling::Walk).
const SEEN: usize = 64;

message! {
    /// A tour comes by.
    #[derive(Copy, PartialEq)]
    pub struct Step<I: Wire> {
        /// Who began it.
        pub origin: I,
        /// Its number there.
        pub number: u32,
        /// The sum so far.
        pub sum: Finite,
        /// The steps it has taken.
        pub steps: u32,
    }
}

/// Parameters of the tours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A tour begins every so many rounds; 0 for a node that only helps others.
    pub every: Round,
    /// Tours averaged, the latest; from [`ENOUGH`] to 65,536.
    pub tours: usize,
    /// Rounds after which a tour that has not come back is given up, at least 1.
    pub patience: Round,
    /// Steps after which it is given up by whoever has it; many times N, or long tours are missed.
    pub longest: u32,
}

impl Default for Config {
    /// A tour every tenth round, 100 of them averaged: within 10 % or so. Our choice.
    fn default() -> Self {
        Self { every: 10, tours: 100, patience: 100_000, longest: 100_000_000 }
    }
}

/// A tour under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    number: u32,
    began: Round,
    degree: f64,
}

/// Tours over the layer that this one reads.
///
/// ```
/// use gossip_aggregate::tour::{Config, Tour};
/// use gossip_core::random::Key;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::sim::{Neighbourhood, link::Perfect, topology};
///
/// let node = Tour::<u32>::new(Config { every: 1, ..Config::default() })?;
/// let world = Neighbourhood::new(topology::random_regular(50, 6, Key::new(1))?);
/// let mut sim = Simulation::with(vec![node; 50], 7, Order::Sequential, world, Perfect);
/// assert_eq!(sim.node(0).unwrap().estimate(0), None); // not yet
/// sim.run(200);
/// let size = sim.node(0).unwrap().estimate(200).unwrap();
/// assert!((size.value - 50.0).abs() < 5.0 * size.sd.unwrap());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tour<I> {
    config: Config,
    under_way: Vec<UnderWay>,
    /// What the latest tours said, the newest last.
    said: Vec<f64>,
    taken: u64,
    latest: Round,
    /// Fingerprints of steps that came, each at a place of its own. 0 where there is none.
    seen: [u32; SEEN],
    id: core::marker::PhantomData<fn() -> I>,
}

impl<I: PeerId> Tour<I> {
    /// No tours yet.
    ///
    /// # Errors
    ///
    /// If a parameter is not within the bounds that [`Config`] names.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { tours, patience, longest, .. } = config;
        ParameterError::new("tours", tours as f64, "tours", "8 to 65,536")
            .unless((ENOUGH..=1 << 16).contains(&tours))?;
        for (name, least) in [("patience", patience), ("longest tour", longest)] {
            ParameterError::new(name, least.into(), "rounds or steps", "at least 1")
                .unless(least >= 1)?;
        }
        let (under_way, said, seen) = (Vec::new(), Vec::new(), [0; SEEN]);
        let id = core::marker::PhantomData;
        Ok(Self { config, under_way, said, taken: 0, latest: 0, seen, id })
    }

    /// What the latest tours said, the newest last.
    pub fn tours(&self) -> &[f64] {
        &self.said
    }

    /// Tours that have come back since the start.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The mean of the latest tours, with its standard deviation as their spread tells it; `None`
    /// before [`ENOUGH`] have come back. Its epoch is the number of the latest tour.
    pub fn estimate(&self, now: Round) -> Option<Estimate> {
        let n = self.said.len() as f64;
        if self.said.len() < ENOUGH {
            return None;
        }
        let value = self.said.iter().sum::<f64>() / n;
        let squares: f64 = self.said.iter().map(|one| (one - value) * (one - value)).sum();
        let sd = Some(libm::sqrt(squares / (n - 1.0) / n));
        Some(Estimate { value, sd, epoch: self.taken, age: now.wrapping_sub(self.latest) })
    }

    /// Whether this very step has come before; remembers it if not.
    fn is_repeated(&mut self, step: &Step<I>) -> bool {
        let print = (fingerprint(&(step.origin, step.number, step.steps)) >> 32) as u32 | 1;
        let place = &mut self.seen[print as usize / 2 % SEEN];
        core::mem::replace(place, print) == print
    }

    /// A tour is home.
    fn take(&mut self, step: &Step<I>, cx: &mut impl Context<Self>) {
        let Some(at) = self.under_way.iter().position(|tour| tour.number == step.number) else {
            return cx.count("tour not begun here");
        };
        let tour = self.under_way.swap_remove(at);
        if self.said.len() >= self.config.tours {
            self.said.remove(0);
        }
        self.said.push(step.sum.get() * tour.degree);
        self.taken = self.taken.wrapping_add(1);
        self.latest = cx.round();
    }

    /// Adds this node to a tour, and sends it on.
    fn pass(&self, below: &impl Peers<Id = I>, step: &Step<I>, cx: &mut impl Context<Self>) {
        if step.steps >= self.config.longest {
            return cx.count("tour too long");
        }
        let sum = Finite::new(step.sum.get() + 1.0 / below.degree() as f64);
        match (sum, below.sample(cx.rng())) {
            (Some(sum), Some(peer)) => cx.send(peer, Step { sum, steps: step.steps + 1, ..*step }),
            _ => cx.count("tour stuck: no neighbours"),
        }
    }
}

impl<I: PeerId> Protocol for Tour<I> {
    type Id = I;
    type Message = Step<I>;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Tour<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let (now, Config { every, tours, patience, .. }) = (cx.round(), self.config);
        let before = self.under_way.len();
        self.under_way.retain(|tour| now.wrapping_sub(tour.began) <= patience);
        (self.under_way.len()..before).for_each(|_| cx.count("tour did not come back"));
        if every == 0 || !now.is_multiple_of(every) || below.degree() == 0 {
            return;
        }
        if self.under_way.len() >= tours {
            return cx.count("tour not begun: too many under way");
        }
        // Random, so that nobody off the way guesses it.
        let number = cx.rng().next_u64() as u32;
        self.under_way.push(UnderWay { number, began: now, degree: below.degree() as f64 });
        self.pass(below, &Step { origin: cx.me(), number, sum: Finite::ZERO, steps: 0 }, cx);
    }

    fn on_message(&mut self, below: &D, _: I, step: Step<I>, cx: &mut impl Context<Self>) {
        if !(0.0..=MOST).contains(&step.sum.get()) {
            cx.count("unsound sum");
        } else if step.origin == cx.me() {
            self.take(&step, cx);
        } else if self.is_repeated(&step) {
            cx.count("step repeated");
        } else {
            self.pass(below, &step, cx);
        }
    }
}
