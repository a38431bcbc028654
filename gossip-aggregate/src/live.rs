//! Mean, number of nodes and sum, live: for systems whose nodes come and go, whose messages are
//! lost, and whose inputs change.
//!
//! Not a protocol: two that fit together, as one layer. The mean is by
//! [`push_pull`](crate::push_pull) (Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in
//! large dynamic networks*, ACM TOCS 23(3), 2005, section 3), the number of nodes by
//! [`hyperloglog`](crate::hyperloglog) (Flajolet et al., AofA 2007), and the sum is their product.
//!
//! # Why
//!
//! A count by push-pull or push-sum is a mean of one 1 and many 0: what it says hangs on where that
//! one mass is, and a message that is lost or a node that dies early takes part of it along. A
//! *mean of inputs* loses mass and weight together, and is hardly moved. A *census* has no mass to
//! lose: registers are merged by maximum, so loss costs time alone, and who joins in an epoch
//! brings itself to the next. What is left is chance: 1.04 / sqrt([`REGISTERS`]) an epoch, and less
//! by the root of [`EPOCHS`] over [as many](crate::recent).
//!
//! # What holds
//!
//! See `GUARANTEES.md`, *Live*. Means and sums are of inputs of one to two epochs ago; a count is
//! the mean of [`EPOCHS`] epochs, unless it has jumped.

use gossip_core::{Local, ParameterError, PeerId, Peers, Protocol, Refusal, Round, stack};

use crate::epoch;
use crate::estimate::Estimate;
use crate::hyperloglog::Census;
use crate::mean::Set;
use crate::means::{Moments, Variance};
use crate::push_pull::{Function, PushPull};
use crate::recent::Recent;
use crate::spread::Spread;

/// Registers of a census: a byte each, of which twice as many would not fit a datagram.
pub const REGISTERS: usize = 1_024;

/// Epochs whose counts are averaged: an sd of 3.25 % / sqrt(8) = 1.15 %. Our choice.
pub const EPOCHS: usize = 8;

/// Rounds of an epoch: enough for a mean of any number of nodes (0.3033^20 = 4e-11 of the variance
/// is left) and for the spread of registers among 10^6 (log3 N + O(log log N)), with room for
/// losses. Our choice.
pub const GAMMA: u32 = 20;

/// The number of nodes, live: the count to choose where nodes come and go or messages are lost.
///
/// ```
/// use gossip_aggregate::live::{self, Size};
///
/// let size = Size::<u32>::new(live::census(true))?;
/// assert_eq!(size.estimate(0), None); // not yet
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub type Size<I> = Spread<I, Recent<Census<REGISTERS>, EPOCHS>>;

/// What [`Size`] is built from, for a node that `founds` the system, or else joins it.
pub const fn census(founds: bool) -> epoch::Config<Recent<Census<REGISTERS>, EPOCHS>> {
    epochs(Recent::of(Census::salted(0)), founds)
}

const fn epochs<F>(function: F, founds: bool) -> epoch::Config<F> {
    let config =
        if founds { epoch::Config::founding(function) } else { epoch::Config::joining(function) };
    config.epoch(GAMMA)
}

/// The mean of the inputs, and how far they lie apart: that says how sure the mean is.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    own: Variance,
    /// The variance of all, when the last epoch ended that was whole here.
    variance: Option<f64>,
}

impl Inputs {
    /// This node having this one.
    ///
    /// # Errors
    ///
    /// If it is not a number within 6e153 of 0.
    pub fn of(input: f64) -> Result<Self, ParameterError> {
        Ok(Self { own: Variance::of(input)?, variance: None })
    }
}

impl Function for Inputs {
    type State = Moments;
    type Input = Set;

    fn set(&mut self, input: Set) -> Result<(), Refusal> {
        self.own.set(input)
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        last: Option<&Moments>,
        cx: &mut impl Local<P>,
    ) -> Moments {
        self.variance = last.and_then(|last| self.own.estimate(last)).or(self.variance);
        self.own.start(last, cx)
    }

    fn is_sound(&self, state: &Moments) -> bool {
        self.own.is_sound(state)
    }

    fn update(&self, mine: &Moments, theirs: &Moments) -> Moments {
        self.own.update(mine, theirs)
    }

    fn estimate(&self, state: &Moments) -> Option<f64> {
        Some(state.mean.get())
    }
}

stack! {
    /// The mean, the number of nodes and the sum, as one layer over any peers.
    ///
    /// ```
    /// use gossip_aggregate::Live;
    /// use gossip_core::sampling::Newscast;
    /// use gossip_core::sim::cycle::{Order, Simulation};
    /// use gossip_core::{PeerId, stack};
    ///
    /// stack! {
    ///     struct Node<I: PeerId> {
    ///         peers: Newscast<I, 30>,
    ///         #[uses(peers)]
    ///         load: Live<I>,
    ///     }
    /// }
    ///
    /// let nodes = (0..300_u32).map(|node| {
    ///     Ok(Node::new(Newscast::new(Default::default())?, Live::founding(f64::from(node))?))
    /// });
    /// let nodes = nodes.collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
    /// let mut sim = Simulation::new(nodes, 42, Order::Sequential);
    /// (1..300).for_each(|node| sim.contact(node, 0));
    /// assert_eq!(sim.node(0).unwrap().load.sum(0), None); // not yet
    /// sim.run(170);
    /// for (_, node) in sim.nodes() {
    ///     let load = &node.load;
    ///     assert!((load.mean(170).unwrap().value - 149.5).abs() < 0.1);
    ///     assert!((load.count(170).unwrap().value / 300.0 - 1.0).abs() < 0.05);
    ///     assert!((load.sum(170).unwrap().value / 44_850.0 - 1.0).abs() < 0.05);
    /// }
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    #[derive(Clone, Debug)]
    pub struct Live<I: PeerId> over D: Peers<Id = I> {
        /// The mean of the inputs. Its command sets this node's.
        #[uses(below)]
        mean: PushPull<I, Inputs>,
        /// The number of nodes.
        #[uses(below)]
        size: Size<I>,
    }
}

impl<I: PeerId> Live<I> {
    /// Of a node that is there from the start, with this input.
    ///
    /// # Errors
    ///
    /// If the input is not a number within 6e153 of 0.
    pub fn founding(input: f64) -> Result<Self, ParameterError> {
        Self::with(input, true)
    }

    /// Of a node that joins a running system, with this input: it sits out the epoch under way.
    ///
    /// # Errors
    ///
    /// As [`founding`](Self::founding).
    pub fn joining(input: f64) -> Result<Self, ParameterError> {
        Self::with(input, false)
    }

    fn with(input: f64, founds: bool) -> Result<Self, ParameterError> {
        Ok(Self::new(
            PushPull::new(epochs(Inputs::of(input)?, founds))?,
            Size::new(census(founds))?,
        ))
    }

    /// The mean of the inputs. Its sd is s / sqrt(N), s being that of the inputs: as much as losses
    /// can come to, however many ([`loss_sd`](crate::push_pull::loss_sd)), or the replacement of
    /// half of the nodes. `None` until it is known; `now` is this node's round.
    pub fn mean(&self, now: Round) -> Option<Estimate> {
        let (last, count) = (self.mean.estimate(now)?, self.count(now)?);
        let variance = self.mean.function().variance?;
        let sd = Some(libm::sqrt(variance / count.value.max(1.0)));
        Some(Estimate { sd, ..last })
    }

    /// The number of nodes; `None` until it is known.
    pub fn count(&self, now: Round) -> Option<Estimate> {
        self.size.estimate(now)
    }

    /// The sum of the inputs: the mean times the number of nodes. `None` until both are known.
    pub fn sum(&self, now: Round) -> Option<Estimate> {
        Some(self.mean(now)?.times(&self.count(now)?))
    }
}
