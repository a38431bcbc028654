//! LiMoSense: averaging that follows inputs as they change, by shares that are pushed to one
//! neighbour at a time, with loss mended by counters on each link.
//!
//! Eyal, Keidar, Rom, *LiMoSense: live monitoring in dynamic sensor networks*, Distributed
//! Computing 27(5), 2014, sections 4 (failure-free) and 5 (robust). Push-sum whose messages say not
//! what is given now but all that was ever given over the link, so that the next message says what
//! a lost one would have.
//!
//! ```text
//! (s, w) = (input, 1) - all (s, w) ever sent + all (s, w) ever received
//! estimate = s / w
//! once a round:       j = a random neighbour
//!                     w >= 2 q: sent[j] += (s, w) / 2, send sent[j] to j
//!                     else:     send sent[j] to j, and ask for weight
//! on total from j:    received[j] = total, unless that has more weight already: j's are overtaken
//!                     if asked and w >= 2 q: give j half, as above
//! neighbour j is gone: forget sent[j] and received[j]
//! ```
//!
//! # What holds
//!
//! A node's own value is its input, less what it has sent and more what it has received: so inputs
//! that change and neighbours that go are taken into account at once, whatever was under way. Once
//! inputs and links hold still, every estimate tends to the mean of the inputs of all nodes that
//! are connected, with no bias, whatever was lost before. It takes one message a round, where
//! [`FlowUpdating`](crate::FlowUpdating) takes one to each neighbour.
//!
//! A node whose weight is small (it has given much over links that are there, and got it over links
//! that are gone) says nothing until it has weight again. Both ends must know the same links: see
//! [`flow_updating`](crate::flow_updating) for which samplers do.
//!
//! Totals grow with time, by about half an estimate in as many rounds as there are neighbours:
//! after 10^9 rounds the last digits of a double are those of a millionth of the estimate.
//!
//! # Deviations from the paper
//!
//! - Value times weight is kept instead of the value, and computed from the totals instead of
//!   beside them: so nothing drifts.
//! - A node short of weight asks for it, and the neighbour gives what it can spare. The paper has
//!   it send a negative share, which may leave the neighbour short.
//! - The paper's links keep the order. Here the weight of a total, which only grows, tells a
//!   message that was overtaken; a number for each time that a link was made tells who began anew.

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

/// The least weight that is given away, the paper's q: who has less than twice that gives nothing.
/// Our choice: where most messages are lost most of the weight is under way, and nodes have a tenth
/// of their own on average.
pub const LEAST: f64 = 1.0 / 1_024.0;

message! {
    /// What travels.
    #[derive(Copy, PartialEq)]
    pub struct Message {
        /// Which time the sender knows this link; random, so that a restarted node's is another.
        pub link: u32,
        /// All that was ever given to the receiver over this link.
        pub sum: Finite,
        /// The weight of it.
        pub weight: Finite,
        /// Whether the sender is short of weight.
        pub asks: bool,
    }
}

/// All that went over a link.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    sent: Share,
    received: Share,
    /// The number of the link at this end, and at the other; 0 before the first message.
    ours: u32,
    theirs: u32,
}

/// A node's part in LiMoSense.
///
/// ```
/// use gossip_aggregate::{LiMoSense, flow_updating::Config};
///
/// let load = LiMoSense::<u32>::new(Config::of(21.5))?;
/// assert_eq!((load.estimate(), load.weight()), (Some(21.5), 1.0));
/// assert!(LiMoSense::<u32>::new(Config::of(f64::NAN)).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LiMoSense<I> {
    input: Finite,
    links: Links<I, Totals>,
    bounds: Option<Bounds>,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Configured for LiMoSense<I> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let (input, links) = (config.checked()?, Links::bounded(config.neighbours)?);
        Ok(Self { input, links, bounds: config.bounds, id: PhantomData })
    }
}

impl<I: PeerId> LiMoSense<I> {
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

    /// The weight that this node holds: 1 at first, and 1 on average over all nodes and links.
    pub fn weight(&self) -> f64 {
        self.held().weight
    }

    /// This node's input.
    pub const fn input(&self) -> f64 {
        self.input.get()
    }

    fn held(&self) -> Share {
        let own = Share { sum: self.input.get(), weight: 1.0 };
        let over = |held: Share, (_, link): (I, &Totals)| held.plus(link.received).less(link.sent);
        self.links.iter().fold(own, over)
    }

    /// Gives half to a neighbour, if there is enough, or else asks it for weight.
    fn push(&mut self, to: I, cx: &mut impl Context<Self>) {
        let held = self.held();
        // After a neighbour has gone, what is held may come of no inputs at all for a while.
        let within = self.bounds.is_none_or(|bounds| bounds.admit(held, held));
        let gives = held.weight >= 2.0 * LEAST && within;
        let Some(link) = self.links.get_mut(to) else { return };
        let sent = if gives { link.sent.plus(held.half()) } else { link.sent };
        match (Finite::new(sent.sum), Finite::new(sent.weight)) {
            (Some(sum), Some(weight)) if is_sound(sum) && is_sound(weight) => {
                link.sent = sent;
                if link.ours == 0 {
                    link.ours = cx.rng().next_u64() as u32 | 1;
                }
                cx.send(to, Message { link: link.ours, sum, weight, asks: !gives });
            }
            _ => cx.count("nothing sent: the total is too large"),
        }
    }
}

impl<I: PeerId> Protocol for LiMoSense<I> {
    type Id = I;
    type Message = Message;
    type Event = Nothing;
    type Command = Set;
}

impl<I: PeerId, D: Peers<Id = I> + ?Sized> Layer<D> for LiMoSense<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.links.follow(below) > 0 {
            cx.count("more neighbours than are kept");
        }
        if let Some(neighbour) = self.links.pick(cx.rng()) {
            self.push(neighbour, cx);
        }
    }

    fn on_message(&mut self, _: &D, from: I, message: Message, cx: &mut impl Context<Self>) {
        let Message { link: number, sum, weight, asks } = message;
        if !is_sound(sum) || !is_sound(weight) || weight < Finite::ZERO {
            return cx.count("unsound share");
        }
        let Some(link) = self.links.get_mut(from) else {
            return cx.count("not a neighbour");
        };
        if link.theirs == number && weight.get() < link.received.weight {
            return cx.count("overtaken");
        }
        let before = if link.theirs == number { link.received } else { Share::default() };
        let total = Share { sum: sum.get(), weight: weight.get() };
        if self.bounds.is_some_and(|bounds| !bounds.admit(total.less(before), total)) {
            return cx.count("out of bounds");
        }
        (link.theirs, link.received) = (number, total);
        if asks && self.weight() >= 2.0 * LEAST {
            self.push(from, cx);
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
