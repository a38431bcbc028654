//! Push-Flow: push-sum that remembers what has flowed over each link instead of giving it away, so
//! that what is lost is mended by the next message.
//!
//! Gansterer, Niederbrucker, Strakova, Schulze Grotthoff, *Scalable and fault tolerant
//! orthogonalization based on randomized distributed data aggregation*, Journal of Computational
//! Science 4(6), 2013, section 3 (the push-flow algorithm). Values and weights both flow.
//!
//! ```text
//! (s, w) = (input, 1) - sum of flow[j] over the neighbours j;  estimate = s / w
//! once a round:         j = a random neighbour of those whose turn is ours
//!                       flow[j] += (s, w) / 2; it is j's turn; send flow[j] to j
//! on flow f from j:     if it ends j's turn: flow[j] = -f; it is our turn
//! no answer for long:   send flow[j] again
//! neighbour j is gone:  forget flow[j]
//! ```
//!
//! # What holds
//!
//! Both ends of a link hold the same flow with opposite signs, but for a push under way, which is
//! at its sender's end alone. So values and weights are conserved whatever is lost, doubled,
//! delayed and overtaken, and while links hold still no weight is ever below 0. Once inputs and
//! links hold still, every estimate tends to the mean of the inputs of all nodes that are
//! connected. A neighbour that goes takes back all that went over its link. Weights are then what
//! they were without it: one that is not above [`LEAST`] says nothing, and pushes nothing, until
//! its neighbours have pushed.
//!
//! A flow is a difference of pushes in turn, not a total of all of them, and does not grow with
//! time as [`LiMoSense`](crate::LiMoSense)'s do. As there, both ends must know the same links: see
//! [`flow_updating`](crate::flow_updating) for which samplers do. What a neighbour says has flowed
//! is believed.
//!
//! # Deviations from the paper
//!
//! - In the paper both ends may push over a link at once. Each then takes the other's flow for its
//!   own, one push is undone after its receiver has passed it on, and weights fall below 0 where it
//!   came from. Here the ends of a link take turns: a number that goes up with each push, even
//!   where the lesser id pushes next.
//! - A number for each time that a link was made tells who began anew: flows start again from 0.
//! - A push that has not been answered for as many rounds as there are neighbours is sent again.

use core::marker::PhantomData;

use gossip_core::{
    Configured, Context, Finite, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Receipt,
    Refusal, message,
};

use crate::flow_updating::{accepted, is_sound};
use crate::links::{Links, Share};
use crate::mean::Set;
use crate::within::Bounds;

pub use crate::flow_updating::Config;
pub use crate::limosense::LEAST;

message! {
    /// What travels.
    #[derive(Copy, PartialEq)]
    pub struct Message {
        /// Which time the sender knows this link; random, so that a restarted node's is another.
        pub ours: u32,
        /// The same of the receiver, as far as the sender knows; 0 if it does not.
        pub theirs: u32,
        /// Pushes that were made over this link.
        pub turn: u32,
        /// The values times weights that have flowed from the sender to the receiver.
        pub sum: Finite,
        /// The weight that has.
        pub weight: Finite,
    }
}

/// One neighbour.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// What has flowed there.
    given: Share,
    /// Pushes made, by both ends.
    turn: u32,
    /// Rounds for which it has been the neighbour's turn.
    waited: u32,
    /// The number of the link at this end, and at the other; 0 before the first message.
    ours: u32,
    theirs: u32,
}

/// A node's part in Push-Flow.
///
/// ```
/// use gossip_aggregate::{PushFlow, push_flow::Config};
///
/// let load = PushFlow::<u32>::new(Config::of(21.5))?;
/// assert_eq!((load.estimate(), load.weight()), (Some(21.5), 1.0));
/// assert!(PushFlow::<u32>::new(Config::of(f64::NAN)).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PushFlow<I> {
    input: Finite,
    links: Links<I, Flow>,
    bounds: Option<Bounds>,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Configured for PushFlow<I> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let (input, links) = (config.checked()?, Links::bounded(config.neighbours)?);
        Ok(Self { input, links, bounds: config.bounds, id: PhantomData })
    }
}

/// Whether `me` makes the next push over a link to `peer`.
fn is_mine<I: PeerId>(me: I, peer: I, link: &Flow) -> bool {
    (me < peer) == link.turn.is_multiple_of(2)
}

impl<I: PeerId> PushFlow<I> {
    /// As [`Configured::new`].
    ///
    /// # Errors
    ///
    /// If the input is not within 10^300 of 0 and the bounds, or no neighbour may be kept.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        Configured::new(config)
    }

    /// The mean as this node sees it now; its own input at first. `None` while this node has no
    /// weight to speak of.
    pub fn estimate(&self) -> Option<f64> {
        self.held().mean()
    }

    /// The weight that this node holds: 1 at first, and 1 on average over all nodes and what is
    /// under way.
    pub fn weight(&self) -> f64 {
        self.held().weight
    }

    /// This node's input.
    pub const fn input(&self) -> f64 {
        self.input.get()
    }

    fn held(&self) -> Share {
        let own = Share { sum: self.input.get(), weight: 1.0 };
        self.links.iter().fold(own, |held, (_, link)| held.less(link.given))
    }

    /// Pushes half to a neighbour, or nothing if there is too little; then it is its turn.
    fn push(&mut self, to: I, cx: &mut impl Context<Self>) {
        let held = self.held();
        let Some(link) = self.links.get_mut(to) else { return };
        // After a neighbour has gone, what is held may come of no inputs at all for a while.
        let within = self.bounds.is_none_or(|bounds| bounds.admit(held, held));
        if held.weight >= 2.0 * LEAST && within {
            link.given = link.given.plus(held.half());
        }
        link.turn = link.turn.wrapping_add(1);
        link.waited = 0;
        tell(to, link, cx);
    }
}

/// Says what has flowed.
fn tell<I: PeerId>(to: I, link: &mut Flow, cx: &mut impl Context<PushFlow<I>>) {
    if link.ours == 0 {
        link.ours = cx.rng().next_u64() as u32 | 1;
    }
    let Flow { given, turn, ours, theirs, .. } = *link;
    match (Finite::new(given.sum), Finite::new(given.weight)) {
        (Some(sum), Some(weight)) if is_sound(sum) && is_sound(weight) => {
            cx.send(to, Message { ours, theirs, turn, sum, weight });
        }
        _ => {
            cx.count("link begun anew: the flow is too large");
            *link = Flow::default();
        }
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
        let (me, patience) = (cx.me(), self.links.iter().count() as u32);
        if let Some(neighbour) = self.links.pick_of(cx.rng(), |at, link| is_mine(me, at, link)) {
            self.push(neighbour, cx);
        }
        for (peer, link) in self.links.iter_mut().filter(|(at, link)| !is_mine(me, *at, link)) {
            link.waited += 1;
            if link.waited > patience {
                link.waited = 0;
                tell(peer, link, cx);
            }
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        let Message { ours: number, theirs, turn, sum, weight } = message;
        if !is_sound(sum) || !is_sound(weight) {
            return cx.count("unsound flow");
        }
        let Some(link) = self.links.get_mut(from) else {
            return cx.count("not a neighbour");
        };
        if link.theirs != number {
            // What we pushed before we heard of it stays: it may be under way.
            let anew = Flow { ours: link.ours, ..Flow::default() };
            *link = Flow { theirs: number, ..if link.theirs == 0 { *link } else { anew } };
        }
        if theirs != 0 && theirs != link.ours {
            // It does not know that we began anew; we say so.
            cx.count("of a link that was begun anew");
            return tell(from, link, cx);
        }
        // Newer, in numbers that wrap.
        if (turn.wrapping_sub(link.turn) as i32) > 0 {
            let flow = Share { sum: sum.get(), weight: weight.get() };
            let pushed = flow.plus(link.given);
            if self.bounds.is_some_and(|bounds| !bounds.admit(pushed, flow)) {
                return cx.count("out of bounds");
            }
            link.given = Share::default().less(flow);
            (link.turn, link.waited) = (turn, 0);
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
