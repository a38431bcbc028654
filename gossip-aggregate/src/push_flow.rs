//! Push-flow: push-sum whose shares are flows, so that whatever is lost the next message mends.
//!
//! Gansterer, Niederbrucker, Straková, Schulze Grotthoff, *Scalable and fault tolerant
//! orthogonalization based on randomized distributed data aggregation*, J. Comput. Sci. 4(6), 2013,
//! section 3 (push-flow).
//!
//! ```text
//! (s, w) = (x, 1) - sum of f_j over the neighbours j        f_j: what has flowed to j
//! once a round:    k = a random neighbour; f_k += (s, w) / 2; send f_k to k
//! on f from i:     f_i = -f
//! at any time:     the mean is s/w
//! ```
//!
//! # What holds
//!
//! As with [`flow_updating`](crate::flow_updating): over symmetric links that hold still for a
//! while the mean comes out exact, whatever was lost, doubled or overtaken. It costs one message a
//! node and round instead of one for each neighbour, and converges more slowly.
//!
//! # Deviations from the paper
//!
//! - A node whose weight is not above [`LEAST_WEIGHT`], as happens when a neighbour crashes that
//!   had
//!   given much, sends nothing and says nothing until it is given some.
//! - Flows grow with the values that pass, and their differences lose digits with time (the
//!   authors'
//!   push-cancel-flow resets them): at 10^6 rounds about six of sixteen.

use core::marker::PhantomData;

use gossip_core::{
    Configured, Context, Finite, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, message,
};

use crate::flow_updating::{Config, checked, is_sound};
use crate::links::Links;
use crate::mean::Set;

/// Below this weight a node neither sends nor says anything.
pub const LEAST_WEIGHT: f64 = 1e-9;

message! {
    /// What has flowed from the sender to the receiver.
    #[derive(Copy, PartialEq)]
    pub struct Message {
        /// Of values, times their weights.
        pub sum: Finite,
        /// Of weight.
        pub weight: Finite,
    }
}

/// What has flowed to a neighbour.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    sum: f64,
    weight: f64,
}

/// A node's part in push-flow.
///
/// ```
/// use gossip_aggregate::{PushFlow, flow_updating::Config};
///
/// let load = PushFlow::<u32>::new(Config::of(21.5))?;
/// assert_eq!(load.estimate(), Some(21.5));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PushFlow<I> {
    input: Finite,
    links: Links<I, Flow>,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Configured for PushFlow<I> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { input, neighbours } = config;
        ParameterError::new("neighbours", neighbours as f64, "nodes", "1 to 65,535")
            .unless((1..1 << 16).contains(&neighbours))?;
        let input = checked(input)?;
        Ok(Self { input, links: Links::new(neighbours), id: PhantomData })
    }
}

impl<I: PeerId> PushFlow<I> {
    /// As [`Configured::new`].
    ///
    /// # Errors
    ///
    /// If the input is not within 1e300 of 0, or no neighbour may be kept.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        Configured::new(config)
    }

    /// The mean as this node sees it now; its own input at first, and `None` while it has given
    /// away more weight than it has.
    pub fn estimate(&self) -> Option<f64> {
        let held = self.held();
        (held.weight > LEAST_WEIGHT).then(|| held.sum / held.weight)
    }

    /// Sum and weight that are here now.
    fn held(&self) -> Flow {
        let mut held = Flow { sum: self.input.get(), weight: 1.0 };
        for (_, flow) in self.links.iter() {
            held.sum -= flow.sum;
            held.weight -= flow.weight;
        }
        held
    }
}

impl<I: PeerId> Protocol for PushFlow<I> {
    type Id = I;
    type Message = Message;
    type Event = Nothing;
    type Command = Set;
}

impl<I: PeerId, D: Peers<Id = I> + ?Sized> Layer<D> for PushFlow<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.links.follow(below) > 0 {
            cx.count("more neighbours than are kept");
        }
        let held = self.held();
        if held.weight <= LEAST_WEIGHT || self.links.len() == 0 {
            return;
        }
        let at = cx.rng().below(self.links.len());
        if let Some((peer, flow)) = self.links.nth_mut(at) {
            flow.sum += held.sum / 2.0;
            flow.weight += held.weight / 2.0;
            match (Finite::new(flow.sum), Finite::new(flow.weight)) {
                (Some(sum), Some(weight)) => cx.send(peer, Message { sum, weight }),
                _ => *flow = Flow::default(),
            }
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        let Message { sum, weight } = message;
        if !is_sound(sum) || !is_sound(weight) {
            return cx.count("unsound flow");
        }
        match self.links.get_mut(from) {
            Some(flow) => *flow = Flow { sum: -sum.get(), weight: -weight.get() },
            None => cx.count("not a neighbour"),
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        Set(input): Set,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        if !is_sound(input) {
            return Err(Refusal::Invalid("the input must be within 1e300 of 0"));
        }
        self.input = input;
        Ok(Receipt::default())
    }
}
