//! Links and their faults: one trait, implemented by decorators that wrap one another, usable in
//! every driver.

mod latency;
mod matrix;
mod queue;

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::divide::Divide;
use super::fault::Fault;
use crate::error::ParameterError;
use crate::random::Random;
use crate::time::Time;

pub use latency::{LAWS, Latency};
pub use matrix::{Form, MAX_PLACES, Matrix, MatrixError, Placing, Terrain, Unit};
pub use queue::{Bandwidth, Shared};
use queue::{Ordered, Queues};

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Trip {
    /// Who sent it.
    pub from: u32,
    /// Who is to get it.
    pub to: u32,
    /// When it was sent.
    pub at: Time,
    /// Its bytes; 0 in the cycle driver, which does not serialise.
    pub len: usize,
    /// Whether it opens an exchange: sent of the node's own accord, not in answer to a message.
    pub opening: bool,
}

/// The delays of the copies that arrive: none if it is lost, two if it is doubled.
pub type Copies = ArrayVec<Duration, 4>;

/// Decides what becomes of each message.
///
/// ```
/// use gossip_core::sim::link::{Copies, Link, Trip};
///
/// /// Loses everything that node 0 sends.
/// struct Mute;
/// impl Link for Mute {
///     fn carry(&mut self, trip: &Trip, _: &mut gossip_core::Random) -> Copies {
///         (trip.from != 0).then_some(core::time::Duration::ZERO).into_iter().collect()
///     }
/// }
/// ```
pub trait Link {
    /// Whether every message arrives at once, exactly once: then drivers need not ask.
    const PERFECT: bool = false;

    /// What becomes of `trip`.
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies;

    /// Suffers a fault of links: those of nodes are not its business.
    ///
    /// # Errors
    ///
    /// If it has no such fault (by default it has none), or a probability is none.
    fn strain(&mut self, _fault: &Fault) -> Result<(), ParameterError> {
        Err(ParameterError::new("faults of this link", 0.0, "", "none, or those of a Network"))
    }
}

/// Delivers everything at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Perfect;

impl Link for Perfect {
    const PERFECT: bool = true;

    #[inline]
    fn carry(&mut self, _: &Trip, _: &mut Random) -> Copies {
        core::iter::once(Duration::ZERO).collect()
    }
}

/// The usual network: latency by law and by place, bandwidth, loss, duplication, reordering, a
/// largest datagram, partitions and one-way cuts. All may be changed while a simulation runs.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::sim::link::{Latency, Network};
///
/// let latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(50));
/// let network = Network::new(latency)
///     .loss(0.1)?
///     .duplication(0.01)?;
/// assert!(network.clone().loss(1.5).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    latency: Latency,
    loss: f64,
    link_failure: f64,
    duplication: f64,
    reordering: f64,
    mtu: usize,
    /// Which side of the partition each node is on; nodes beyond the end are on side 0.
    sides: Vec<u32>,
    /// Links cut in one direction, sorted.
    cuts: Vec<(u32, u32)>,
    /// Loss on everything to or from a node, besides `loss`, sorted by node.
    grey: Vec<(u32, f64)>,
    /// Where nodes are, and how far that is.
    places: Option<(Arc<Matrix>, Placing)>,
    queues: Option<Queues>,
    ordered: Option<Ordered>,
}

impl Default for Network {
    /// No latency, no faults, datagrams of any size.
    fn default() -> Self {
        Self::new(Latency::Constant(Duration::ZERO))
    }
}

impl Network {
    /// A faultless network with this latency.
    pub const fn new(latency: Latency) -> Self {
        Self {
            latency,
            loss: 0.0,
            link_failure: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            mtu: usize::MAX,
            sides: Vec::new(),
            cuts: Vec::new(),
            grey: Vec::new(),
            places: None,
            queues: None,
            ordered: None,
        }
    }

    /// Puts nodes at the places of a matrix: its latency comes before that of the law. Networks
    /// share a matrix given as an [`Arc`].
    pub fn places(mut self, matrix: impl Into<Arc<Matrix>>, placing: Placing) -> Self {
        self.places = Some((matrix.into(), placing));
        self
    }

    /// Limits what nodes can send at once. The cycle driver, where messages have no length, does
    /// not notice.
    pub fn bandwidth(mut self, bandwidth: Bandwidth) -> Self {
        self.queues = Some(Queues::new(bandwidth));
        self
    }

    /// No message overtakes another from the same node to the same node, as in a TCP connection:
    /// each arrives no sooner than those sent before it.
    pub fn ordered(mut self) -> Self {
        self.ordered = Some(Ordered::new());
        self
    }

    /// Messages that found a queue before the [bandwidth](Self::bandwidth) full.
    pub fn tail_drops(&self) -> u64 {
        self.queues.as_ref().map_or(0, |queues| queues.dropped)
    }

    /// Each message is lost with this probability, independently.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn loss(mut self, probability: f64) -> Result<Self, ParameterError> {
        self.loss = checked("loss", probability)?;
        Ok(self)
    }

    /// Each exchange fails as a whole with this probability: its opening message is lost, an
    /// answer never is (Jelasity et al. 2005, section 6.1: symmetric link failure).
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn link_failure(mut self, probability: f64) -> Result<Self, ParameterError> {
        self.link_failure = checked("link_failure", probability)?;
        Ok(self)
    }

    /// Each message arrives twice with this probability, the copy after a delay of its own.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn duplication(mut self, probability: f64) -> Result<Self, ParameterError> {
        self.duplication = checked("duplication", probability)?;
        Ok(self)
    }

    /// Each message is held back with this probability, for up to four more latencies, and so
    /// overtaken.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn reordering(mut self, probability: f64) -> Result<Self, ParameterError> {
        self.reordering = checked("reordering", probability)?;
        Ok(self)
    }

    /// Datagrams longer than this many bytes vanish.
    pub const fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes;
        self
    }

    /// Changes the latency.
    pub const fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    /// Changes the loss.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn set_loss(&mut self, probability: f64) -> Result<(), ParameterError> {
        self.loss = checked("loss", probability)?;
        Ok(())
    }

    /// Changes the duplication.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn set_duplication(&mut self, probability: f64) -> Result<(), ParameterError> {
        self.duplication = checked("duplication", probability)?;
        Ok(())
    }

    /// Changes the reordering.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn set_reordering(&mut self, probability: f64) -> Result<(), ParameterError> {
        self.reordering = checked("reordering", probability)?;
        Ok(())
    }

    /// Loses everything to and from `node` with this probability, besides the general loss: a
    /// grey failure.
    ///
    /// # Errors
    ///
    /// If it is not a probability.
    pub fn set_grey(&mut self, node: u32, probability: f64) -> Result<(), ParameterError> {
        let probability = checked("grey loss", probability)?;
        match self.grey.binary_search_by_key(&node, |g| g.0) {
            Ok(at) => self.grey[at].1 = probability,
            Err(at) => self.grey.insert(at, (node, probability)),
        }
        Ok(())
    }

    /// Puts `node` on a side; only nodes of one side hear each other. All start on side 0.
    pub fn set_side(&mut self, node: u32, side: u32) {
        let at = node as usize;
        if self.sides.len() <= at {
            self.sides.resize(at + 1, 0);
        }
        self.sides[at] = side;
    }

    /// Cuts the link from `from` to `to`, in that direction only.
    pub fn cut(&mut self, from: u32, to: u32) {
        if let Err(at) = self.cuts.binary_search(&(from, to)) {
            self.cuts.insert(at, (from, to));
        }
    }

    /// Ends all partitions, cuts and grey failures.
    pub fn heal(&mut self) {
        self.sides.clear();
        self.cuts.clear();
        self.grey.clear();
    }

    #[inline]
    fn side(&self, node: u32) -> u32 {
        self.sides.get(node as usize).copied().unwrap_or(0)
    }

    fn grey_loss(&self, node: u32) -> f64 {
        self.grey.binary_search_by_key(&node, |g| g.0).map_or(0.0, |at| self.grey[at].1)
    }

    #[inline]
    fn loses(&self, trip: &Trip, random: &mut Random) -> bool {
        trip.len > self.mtu
            || self.side(trip.from) != self.side(trip.to)
            || self.cuts.binary_search(&(trip.from, trip.to)).is_ok()
            || (self.loss > 0.0 && random.chance(self.loss))
            || (trip.opening && self.link_failure > 0.0 && random.chance(self.link_failure))
            || (!self.grey.is_empty()
                && (random.chance(self.grey_loss(trip.from))
                    || random.chance(self.grey_loss(trip.to))))
    }

    #[inline]
    fn delay(&self, trip: &Trip, random: &mut Random) -> Duration {
        let mut delay = self.latency.draw(random);
        if let Some((matrix, placing)) = &self.places {
            let [from, to] = [trip.from, trip.to].map(|node| placing.place(node, matrix.places()));
            delay = delay.saturating_add(matrix.between(from, to));
        }
        if self.reordering > 0.0 && random.chance(self.reordering) {
            for _ in 0..=random.below(4) {
                delay = delay.saturating_add(self.latency.draw(random));
            }
        }
        delay
    }
}

impl Link for Network {
    #[inline]
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies {
        let mut copies = Copies::new();
        // What gets lost on the way has left all the same; a copy is made on the way.
        let sent = match &mut self.queues {
            Some(queues) => queues.send(trip),
            None => Some(Duration::ZERO),
        };
        let Some(sent) = sent else { return copies };
        if !self.loses(trip, random) {
            copies.push(self.delay(trip, random).saturating_add(sent));
            if self.duplication > 0.0 && random.chance(self.duplication) {
                copies.push(self.delay(trip, random).saturating_add(sent));
            }
        }
        if let Some(ordered) = &mut self.ordered {
            copies.iter_mut().for_each(|delay| *delay = ordered.delay(trip, *delay));
        }
        copies
    }

    fn strain(&mut self, fault: &Fault) -> Result<(), ParameterError> {
        match *fault {
            Fault::Split(ref nodes) => nodes.iter().for_each(|&node| self.set_side(node, 1)),
            Fault::Cut(from, to) => self.cut(from, to),
            Fault::Heal => self.heal(),
            Fault::Loss(p) => self.set_loss(p)?,
            Fault::Duplication(p) => self.set_duplication(p)?,
            Fault::Reordering(p) => self.set_reordering(p)?,
            Fault::Grey(node, p) => self.set_grey(node, p)?,
            Fault::Latency(latency) => self.set_latency(latency),
            Fault::Contact(..)
            | Fault::Join
            | Fault::Leave(_)
            | Fault::Crash(_)
            | Fault::Restart(_)
            | Fault::Revive(_)
            | Fault::Pause(_)
            | Fault::Resume(_) => {}
        }
        Ok(())
    }
}

impl Divide for Network {
    /// Without its queues: in cycles, where messages have no length and no delay, they are empty.
    fn part(&mut self, _: u32) -> Self {
        Self {
            latency: self.latency,
            sides: self.sides.clone(),
            cuts: self.cuts.clone(),
            grey: self.grey.clone(),
            places: self.places.clone(),
            queues: None,
            ordered: None,
            ..*self
        }
    }
}

fn checked(parameter: &'static str, probability: f64) -> Result<f64, ParameterError> {
    ParameterError::new(parameter, probability, "probability", "0 to 1")
        .unless((0.0..=1.0).contains(&probability))?;
    Ok(probability)
}
