//! Flow Updating: averaging in which messages may be lost, doubled, delayed and overtaken, inputs
//! may change and nodes may crash, and the mean still comes out exact.
//!
//! Jesus, Baquero, Almeida, *Fault-tolerant aggregation by Flow Updating*, DAIS 2009, algorithm 1.
//! A node never changes its value; it remembers what has flowed to each neighbour, and its estimate
//! is its value less all flows. Both ends of a link hold the same flow with opposite signs, so the
//! next message mends whatever the last one lost.
//!
//! ```text
//! estimate = v - sum of f_j over the neighbours j
//! on (f, e) from j:  f_j = -f; e_j = e
//! once a round:      a = (estimate + sum of e_j) / (neighbours + 1)
//!                    for each neighbour j: f_j += a - e_j; e_j = a; send (f_j, a) to j
//! ```
//!
//! # What holds
//!
//! When the links are symmetric and hold still for a while, every estimate tends to the mean of the
//! inputs of all nodes that are connected, with no bias, whatever was lost before. A crashed
//! neighbour's flow is forgotten, and with it all that it ever gave and took. Over a sampler whose
//! views turn over all the time flows are forgotten before they have balanced: use
//! [`HyParView`](gossip_core::sampling::HyParView), a fixed overlay or a structure, not Cyclon.
//!
//! # Deviations from the paper
//!
//! - A neighbour that has not been heard yet is left out of the mean, and is only told ours; the
//!   paper starts its estimate at 0.
//! - Bounds may be declared. An honest estimate overshoots them while flows cross: by as many times
//!   their distance as there are neighbours, and half as much when it is told. So a liar is held to
//!   three times the distance by what it tells, and by flows to what they make of our estimate.
//! - At most [`Config::neighbours`] are kept; flows and estimates beyond [`LIMIT`] are refused.

use core::marker::PhantomData;

use gossip_core::{
    Configured, Context, Finite, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, message,
};

use crate::links::Links;
use crate::mean::Set;
use crate::within::Bounds;

/// By how many times their distance told estimates may lie outside the bounds: where flows cross,
/// honest ones do. Our choice.
const BEYOND: f64 = 1.0;

/// The largest flow or estimate that is taken off the wire: sums of millions stay finite.
pub const LIMIT: f64 = 1e300;

/// Neighbours kept by default: more than any active view has. Our choice.
pub const NEIGHBOURS: usize = 64;

message! {
    /// What travels.
    #[derive(Copy, PartialEq)]
    pub struct Message {
        /// What has flowed from the sender to the receiver.
        pub flow: Finite,
        /// The sender's estimate.
        pub estimate: Finite,
    }
}

/// Parameters of Flow Updating, and of [LiMoSense](crate::limosense).
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// This node's input.
    pub input: f64,
    /// Neighbours kept, at most.
    pub neighbours: usize,
    /// Within which all inputs are known to lie, if that is known.
    pub bounds: Option<Bounds>,
}

impl Config {
    /// With this input, up to [`NEIGHBOURS`] neighbours, and no bounds.
    pub const fn of(input: f64) -> Self {
        Self { input, neighbours: NEIGHBOURS, bounds: None }
    }

    /// All inputs lie from `least` to `greatest`: what cannot come of such inputs is refused.
    ///
    /// # Errors
    ///
    /// If the bounds are not finite and in order.
    ///
    /// ```
    /// use gossip_aggregate::{FlowUpdating, flow_updating::Config};
    ///
    /// assert!(FlowUpdating::<u32>::new(Config::of(0.3).within(0.0, 1.0)?).is_ok());
    /// assert!(FlowUpdating::<u32>::new(Config::of(2.0).within(0.0, 1.0)?).is_err());
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn within(self, least: f64, greatest: f64) -> Result<Self, ParameterError> {
        Ok(Self { bounds: Some(Bounds::new(least, greatest)?), ..self })
    }

    /// The input, unless it is out of bounds.
    pub(crate) fn checked(&self) -> Result<Finite, ParameterError> {
        self.bounds.map_or(Ok(()), |bounds| bounds.check(self.input))?;
        let error = ParameterError::new("input", self.input, "(as measured)", "within 1e300 of 0");
        Finite::new(self.input).filter(|input| is_sound(*input)).ok_or(error)
    }
}

/// An input that is set, unless it is out of bounds.
pub(crate) fn accepted(input: Finite, bounds: Option<Bounds>) -> Result<Finite, Refusal> {
    if bounds.is_some_and(|bounds| !bounds.contains(input.get())) {
        return Err(Refusal::Invalid("the input must lie within the bounds that were declared"));
    }
    if is_sound(input) {
        Ok(input)
    } else {
        Err(Refusal::Invalid("the input must be within 1e300 of 0"))
    }
}

/// One neighbour.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// What has flowed there.
    flow: f64,
    /// Its estimate, when it has told one.
    estimate: Option<f64>,
}

/// A node's part in Flow Updating.
///
/// ```
/// use gossip_aggregate::{FlowUpdating, flow_updating::Config};
///
/// let load = FlowUpdating::<u32>::new(Config::of(21.5))?;
/// assert_eq!(load.estimate(), 21.5);
/// assert!(FlowUpdating::<u32>::new(Config::of(f64::NAN)).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FlowUpdating<I> {
    input: Finite,
    links: Links<I, Flow>,
    bounds: Option<Bounds>,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Configured for FlowUpdating<I> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let (input, links) = (config.checked()?, Links::bounded(config.neighbours)?);
        Ok(Self { input, links, bounds: config.bounds, id: PhantomData })
    }
}

/// Whether a number off the wire is one that a sum can take.
pub(crate) fn is_sound(value: Finite) -> bool {
    value.get().abs() <= LIMIT
}

impl<I: PeerId> FlowUpdating<I> {
    /// As [`Configured::new`].
    ///
    /// # Errors
    ///
    /// If the input is not within [`LIMIT`] of 0 and the bounds, or no neighbour may be kept.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        Configured::new(config)
    }

    /// The mean as this node sees it now; its own input at first.
    pub fn estimate(&self) -> f64 {
        self.input.get() - self.links.iter().map(|(_, link)| link.flow).sum::<f64>()
    }

    /// This node's input.
    pub const fn input(&self) -> f64 {
        self.input.get()
    }

    /// Whether what `peer` says is more than bounds allow: its estimate, or what its flow would
    /// make of ours.
    fn is_beyond(&mut self, peer: I, flow: f64, estimate: f64) -> bool {
        let Some(bounds) = self.bounds else { return false };
        let ours = self.estimate();
        let neighbours = self.links.iter().count() as f64;
        let given = self.links.get_mut(peer).map_or(0.0, |link| link.flow);
        let after = ours + given + flow;
        !bounds.widened(BEYOND).contains(estimate)
            || !bounds.widened(neighbours + BEYOND).contains(after)
    }

    /// Neighbours that have told their estimates.
    pub fn heard(&self) -> usize {
        self.links.iter().filter(|(_, link)| link.estimate.is_some()).count()
    }
}

impl<I: PeerId> Protocol for FlowUpdating<I> {
    type Id = I;
    type Message = Message;
    type Event = Nothing;
    type Command = Set;
}

impl<I: PeerId, D: Peers<Id = I> + ?Sized> Layer<D> for FlowUpdating<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.links.follow(below) > 0 {
            cx.count("more neighbours than are kept");
        }
        let heard = self.heard() as f64;
        let told: f64 = self.links.iter().filter_map(|(_, link)| link.estimate).sum();
        let mean = (self.estimate() + told) / (heard + 1.0);
        for (peer, link) in self.links.iter_mut() {
            if let Some(estimate) = link.estimate {
                link.flow += mean - estimate;
                link.estimate = Some(mean);
            }
            match (Finite::new(link.flow), Finite::new(mean)) {
                (Some(flow), Some(estimate)) => cx.send(peer, Message { flow, estimate }),
                _ => *link = Flow::default(),
            }
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        let Message { flow, estimate } = message;
        if !is_sound(flow) || !is_sound(estimate) {
            return cx.count("unsound flow");
        }
        if self.is_beyond(from, flow.get(), estimate.get()) {
            return cx.count("out of bounds");
        }
        match self.links.get_mut(from) {
            Some(link) => *link = Flow { flow: -flow.get(), estimate: Some(estimate.get()) },
            None => cx.count("not a neighbour"),
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        Set(input): Set,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.input = accepted(input, self.bounds)?;
        Ok(Receipt::default())
    }
}
