//! The median-counter rumor: push and pull that stop by themselves when nearly everybody knows.
//!
//! Karp, Schindelhauer, Shenker, Vocking, *Randomized rumor spreading*, FOCS 2000, section 3. It
//! takes log3 n + O(ln ln n) rounds and O(n ln ln n) copies, where push and pull for a fixed time
//! cost O(n ln n): no node needs to know n, and a wrong idea of when to stop costs little.
//!
//! ```text
//! every round:     call a random peer: send it the rumors spread here, each with its stage
//! on a call:       send back the rumors that are spread here
//! a rumor:         unknown (A); from one in stage B it enters B at 1, from one in C alone, C
//! end of a round:  in B at m: heard from C, or most contacts were in B at m or more, or in C:
//!                  m += 1; from C, or at m = limit, it enters C
//!                  in C: after `linger` rounds it is spread no more (D)
//! ```
//!
//! # What holds
//!
//! - In simulations with limit 2 and linger 3 a rumor makes 9.2 copies a node, whether they are
//!   10^3 or 10^5, and 1 run of 4,000 at 10^3 nodes left somebody out; with limit 3 it makes 12.2,
//!   and none did. (Where the counter must exceed its limit, not reach it, limit 2 is limit 3
//!   here.) Nothing is certain: use anti-entropy behind it.
//! - Each node delivers a rumor at most once, as in [rumor mongering](crate::rumor), with the same
//!   memory and limits; at most `hot` rumors are spread, and [`CALLS`] calls answered a round.
//!
//! # Deviations from the paper
//!
//! - A call that is lost counts as one to a node that has not heard.
//! - Calls go out also when there is no news, as the paper assumes; each is one byte.
//! - Tables are bounded, and rumors die of age: the paper's cut-off after O(ln n) rounds.

mod config;
mod hot;
mod message;

use alloc::vec::Vec;

use gossip_core::{
    Configured, Context, Layer, Local, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal,
    Wire,
};

pub use config::Config;
use hot::Hot;
pub use message::{Message, Stage};

pub use crate::post::{Command, Event};
use crate::post::{MessageId, Post};
use crate::seen::{Seen, Verdict};
use crate::spread::spreads;

/// Calls a node answers a round. One a round comes on average, and more than 16 with probability
/// 4e-15; more are ignored and counted. Our choice.
pub const CALLS: u16 = 16;

/// Copies a node has sent since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In calls of its own.
    pub pushed: u64,
    /// In answers.
    pub answered: u64,
}

/// A node's part in median-counter rumors: values `V` among peers `I`.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::median::{self, MedianCounter};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: Cyclon<I, 20>,
///         #[uses(peers)]
///         news: MedianCounter<I, u32>,
///     }
/// }
///
/// let news = MedianCounter::new(Default::default())?;
/// let node = Node::new(Cyclon::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..200).map(|_| node.clone()), 7, Order::Sequential);
/// for node in 1..200 {
///     sim.contact(node, 0);
/// }
/// sim.run(20);
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// sim.command(3, Command::news(median::Command::Publish(7)))?;
/// sim.run(30);
/// assert_eq!(sim.events().take().count(), 200);
/// assert!(sim.nodes().all(|(_, node)| node.news.hot() == 0), "it has stopped");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct State<I: PeerId, V: Wire> {
    config: Config,
    hot: Hot<I, V>,
    seen: Seen<I>,
    /// The peer called this round.
    called: Option<I>,
    /// Peers that called this round.
    callers: Vec<I>,
    traffic: Traffic,
}

/// Median-counter rumors as a layer over any [`Peers`].
pub type MedianCounter<I, V> = State<I, V>;

impl<I: PeerId, V: Wire> Configured for State<I, V> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        Self::new(config)
    }
}

impl<I: PeerId, V: Wire> State<I, V> {
    /// Builds it from `config`.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        config.check()?;
        Ok(Self {
            hot: Hot::new(),
            seen: Seen::new(config.limits),
            called: None,
            callers: Vec::new(),
            traffic: Traffic::default(),
            config,
        })
    }

    /// How many rumors are spread now.
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    /// Whether this node, `me`, knows the rumor `id`, as far as it remembers.
    pub fn knows(&self, me: I, id: &MessageId<I>) -> bool {
        self.seen.knows(me, id)
    }

    /// What was sent.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Delivers a rumor that is new here, and spreads it from the next round on.
    fn spread(&mut self, rumor: Post<I, V>, stage: Stage, cx: &mut impl Local<Self>) {
        let Post { id, hops, ref value, .. } = rumor;
        cx.emit(Event::Delivered { id, value: value.clone(), hops });
        if self.hot.insert(rumor, stage, &self.config) {
            cx.count("hot rumor displaced");
        }
    }

    /// A rumor has come in a call or an answer.
    fn hear(&mut self, from: I, mut rumor: Post<I, V>, stage: Stage, cx: &mut impl Local<Self>) {
        match self.seen.judge(from, rumor.id, rumor.age, cx) {
            Verdict::New => {
                rumor.hops = rumor.hops.saturating_add(1);
                self.spread(rumor, stage.of_next(), cx);
            }
            Verdict::Known => self.hot.meet(&rumor.id, stage),
            Verdict::Refused => {}
        }
    }

    /// The round that ends.
    fn settle(&mut self) {
        let contacts = u16::from(self.called.is_some()) + self.callers.len() as u16;
        self.hot.settle(contacts, &self.config);
        self.seen.new_round();
        self.callers.clear();
    }
}

spreads!();

impl<I: PeerId, V: Wire> Protocol for State<I, V> {
    type Id = I;
    type Message = Message<I, V>;
    type Event = Event<I, V>;
    type Command = Command<V>;
}

impl<I: PeerId, V: Wire, D: Peers<Id = I>> Layer<D> for State<I, V> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.settle();
        self.called = below.sample(cx.rng());
        let Some(peer) = self.called else { return cx.count("no peer to call") };
        for (rumor, stage) in self.hot.offered(self.config.batch) {
            self.traffic.pushed += 1;
            cx.send(peer, Message::Push(rumor, stage));
        }
        cx.send(peer, Message::Call);
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Push(rumor, stage) => self.hear(from, rumor, stage, cx),
            Message::Answer(rumor, stage) => {
                if self.called == Some(from) {
                    self.hear(from, rumor, stage, cx);
                } else {
                    cx.count("answer not awaited");
                }
            }
            Message::Call => {
                if self.callers.len() >= usize::from(CALLS) || self.callers.contains(&from) {
                    return cx.count("call ignored: repeated, or too many this round");
                }
                self.callers.push(from);
                for (rumor, stage) in self.hot.offered(self.config.batch) {
                    self.traffic.answered += 1;
                    cx.send(from, Message::Answer(rumor, stage));
                }
            }
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let (value, rounds) = match command {
            Command::Publish(value) => (value, None),
            Command::PublishFor { value, rounds } => (value, Some(rounds)),
        };
        let age = self.seen.first_age(rounds)?;
        if self.hot.len() >= self.config.hot {
            return Err(Refusal::Full { limit: self.config.hot });
        }
        let id = self.seen.name(cx);
        self.spread(Post { id, hops: 0, age, value }, Stage::Spreading(1), cx);
        Ok(Receipt::default())
    }
}
