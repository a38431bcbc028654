//! Two phases over a tree: a question goes out along its links, and answers come together on the
//! way back. Exact aggregates, and search.
//!
//! Segall, *Distributed network protocols*, IEEE Transactions on Information Theory 29(1), 1983
//! (propagation of information with feedback), over a tree that is there already.
//!
//! ```text
//! ask:           waiting = all links of the tree; send them the question
//! on question:   waiting = all links but the one it came from; send them the question
//! on answer:     put it to one's own; waiting loses its sender
//! nobody waited for, or time is up: answer whoever asked; at the asker: done
//! ```
//!
//! Any node may ask: it is the root of its question. The question has a range of values, and is
//! answered with how many nodes have one of those, their sum, least and greatest, and some of
//! their names: the whole range makes it an aggregate, a narrow one a search.
//!
//! ```
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{PeerId, Protocol, sampling::Fixed, stack};
//! use gossip_overlay::tree::{Gap, Query, gap, query};
//!
//! stack! {
//!     /// Questions over a tree over fixed neighbours.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         peers: Fixed<I, 2>,
//!         #[uses(peers)]
//!         tree: Gap<I>,
//!         #[uses(tree)]
//!         query: Query<I>,
//!     }
//! }
//!
//! type Ask = <Node<u32> as Protocol>::Command;
//! type Told = <Node<u32> as Protocol>::Event;
//!
//! let node = |i: u32| {
//!     let peers = Fixed::new([i.saturating_sub(1), (i + 1).min(9)]); // a line
//!     let query = Query::new(query::Config::new(i64::from(i) * 100));
//!     Ok(Node::new(peers, Gap::new(gap::Config::new(i == 4))?, query?))
//! };
//! let nodes = (0..10).map(node).collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let mut sim = Simulation::new(nodes, 42, Order::Sequential);
//! sim.run(20);
//! sim.events().take().for_each(drop);
//! sim.command(7, Ask::query(query::Command::Ask { low: 150, high: 400 })).unwrap();
//! let (_, Told::query(answer)) = sim.events().take().next().unwrap() else { panic!() };
//! assert!(answer.is_whole && answer.summary.sum == 200 + 300 + 400);
//! assert_eq!(answer.found.len(), 3);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! If the tree stays as it is and no node fails, the answer is exact: each node is in it once,
//! whatever is lost, doubled or late, as long as `patience` is enough. If not, the answer says
//! that it is not whole, and lacks whole subtrees. It takes two messages a link, and one round trip
//! a level.
//!
//! # Deviations from the paper
//!
//! - Unanswered questions are repeated once a round, and answers kept until the time is up.
//! - A node that waits in vain answers with what it has, one round before whoever asked it gives
//!   up; the answer is marked.

use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, Layer, ParameterError, PeerId, Protocol, Receipt, Refusal, Round, Tree,
    message,
};

use super::Summary;

/// The most names in an answer.
pub const NAMES: usize = 8;

message! {
    /// Which question: its asker's name, and the asker's number for it.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Key<I: PeerId> {
        /// Who asks.
        pub asker: I,
        /// The asker's number.
        pub number: u32,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId> {
        /// Of values from the first to the second, to be answered within so many rounds.
        Question(Key<I>, i64, i64, u16),
        /// Of the sender's part of the tree; whether all of it is in.
        Answer(Key<I>, Summary, Bounded<I, NAMES>, bool),
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub enum Command {
        /// How many nodes have values from `low` to `high`, and which.
        Ask {
            /// The least value wanted.
            low: i64,
            /// The greatest value wanted.
            high: i64,
        },
        /// The node's value is now this.
        SetValue(i64),
    }
}

/// A question of the owner's is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered<I> {
    /// Of the nodes in range.
    pub summary: Summary,
    /// Some of them, at most [`NAMES`].
    pub found: Vec<I>,
    /// Whether every part of the tree has answered.
    pub is_whole: bool,
}

/// Parameters of questions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    value: i64,
    patience: u16,
    limit: usize,
}

impl Config {
    /// For a node with `value`. An asker waits 64 rounds, and 64 questions may be open (our
    /// choice: more than trees are deep, and a question a round).
    pub const fn new(value: i64) -> Self {
        Self { value, patience: 64, limit: 64 }
    }

    /// Rounds that an asker waits, at least 1: more than the tree is deep, and some for repeats.
    #[must_use]
    pub const fn patience(mut self, rounds: u16) -> Self {
        self.patience = rounds;
        self
    }

    /// The most questions open at a node, its own included, 1 to 4,096.
    #[must_use]
    pub const fn limit(mut self, questions: usize) -> Self {
        self.limit = questions;
        self
    }
}

/// A question, open or answered lately.
#[derive(Clone, Debug)]
struct Open<I: PeerId> {
    key: Key<I>,
    range: (i64, i64),
    /// None if this node asks.
    from: Option<I>,
    waiting: Vec<I>,
    until: Round,
    summary: Summary,
    found: Bounded<I, NAMES>,
    is_whole: bool,
    is_answered: bool,
}

impl<I: PeerId> Open<I> {
    fn question(&self, now: Round) -> Message<I> {
        let left = u16::try_from(self.until.saturating_sub(now)).unwrap_or(u16::MAX);
        Message::Question(self.key, self.range.0, self.range.1, left.saturating_sub(1))
    }

    fn answer(&self) -> Message<I> {
        Message::Answer(self.key, self.summary, self.found.clone(), self.is_whole)
    }
}

/// A node's part in questions, as a layer over any [`Tree`].
#[derive(Clone, Debug)]
pub struct Query<I: PeerId> {
    config: Config,
    open: Vec<Open<I>>,
    /// The number of this node's latest question; 0 before the first.
    number: u32,
}

impl<I: PeerId> Query<I> {
    /// A node with no question open.
    ///
    /// # Errors
    ///
    /// If the patience is 0, or the limit not 1 to 4,096.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { patience, limit, .. } = config;
        ParameterError::new("patience", f64::from(patience), "rounds", "at least 1")
            .unless(patience >= 1)?;
        ParameterError::new("questions", limit as f64, "questions", "1 to 4,096")
            .unless((1..=4_096).contains(&limit))?;
        Ok(Self { config, open: Vec::new(), number: 0 })
    }

    /// How many questions are open here, or answered and kept for repeats.
    pub const fn open(&self) -> usize {
        self.open.len()
    }

    /// Starts on a question: this node's own part of the answer, and who else is to be asked.
    fn start<D: Tree<Id = I>>(
        &mut self,
        below: &D,
        (key, from): (Key<I>, Option<I>),
        range: (i64, i64),
        until: Round,
        cx: &mut impl Context<Self>,
    ) -> u32 {
        let mut waiting = Vec::new();
        below.for_each_link(|peer| {
            if Some(peer) != from && peer != cx.me() && !waiting.contains(&peer) {
                waiting.push(peer);
            }
        });
        let is_in = (range.0..=range.1).contains(&self.config.value);
        let summary = if is_in { Summary::of(self.config.value) } else { Summary::NONE };
        let mut found = Bounded::new();
        found.fill(is_in.then(|| cx.me()));
        let (is_whole, is_answered) = (true, false);
        let open = Open { key, range, from, waiting, until, summary, found, is_whole, is_answered };
        let question = open.question(cx.round());
        open.waiting.iter().for_each(|&peer| cx.send(peer, question.clone()));
        let asked = open.waiting.len() as u32;
        self.open.push(open);
        self.settle(self.open.len() - 1, cx);
        asked
    }

    /// Answers the question at `at` if all is in, or time is up.
    fn settle(&mut self, at: usize, cx: &mut impl Context<Self>) {
        let open = &mut self.open[at];
        let is_late = open.until <= cx.round();
        if open.is_answered || !(open.waiting.is_empty() || is_late) {
            return;
        }
        open.is_whole &= open.waiting.is_empty();
        open.waiting.clear();
        open.is_answered = true;
        match open.from {
            Some(from) => cx.send(from, open.answer()),
            None => cx.emit(Answered {
                summary: open.summary,
                found: open.found.to_vec(),
                is_whole: open.is_whole,
            }),
        }
    }

    fn find(&self, key: Key<I>) -> Option<usize> {
        self.open.iter().position(|open| open.key == key)
    }
}

impl<I: PeerId> Protocol for Query<I> {
    type Id = I;
    type Message = Message<I>;
    type Event = Answered<I>;
    type Command = Command;
}

impl<I: PeerId, D: Tree<Id = I>> Layer<D> for Query<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let now = cx.round();
        let mut links = Vec::new();
        if !self.open.is_empty() {
            below.for_each_link(|peer| links.push(peer));
        }
        for at in 0..self.open.len() {
            let open = &mut self.open[at];
            let before = open.waiting.len();
            open.waiting.retain(|peer| links.contains(peer));
            open.is_whole &= open.waiting.len() == before;
            self.settle(at, cx);
            let open = &self.open[at];
            open.waiting.iter().for_each(|&peer| cx.send(peer, open.question(now)));
        }
        self.open.retain(|open| open.until > now);
    }

    fn on_message(&mut self, below: &D, from: I, message: Message<I>, cx: &mut impl Context<Self>) {
        match message {
            Message::Question(key, low, high, left) => {
                if let Some(at) = self.find(key) {
                    let open = &self.open[at];
                    if open.is_answered && open.from == Some(from) {
                        return cx.send(from, open.answer());
                    }
                    return cx.count("question known");
                }
                let mut is_link = false;
                below.for_each_link(|peer| is_link |= peer == from);
                if !is_link || key.asker == cx.me() {
                    return cx.count("question from no link");
                }
                if self.open.len() >= self.config.limit {
                    return cx.count("question beyond the limit");
                }
                let left = left.min(self.config.patience);
                let until = cx.round().saturating_add(left.into());
                self.start(below, (key, Some(from)), (low, high), until, cx);
            }
            Message::Answer(key, summary, found, is_whole) => {
                let open = self.find(key).map(|at| (at, &mut self.open[at]));
                let Some((at, open)) = open else { return cx.count("answer to no question") };
                let waiting = open.waiting.iter().position(|&peer| peer == from);
                let Some(place) = waiting else { return cx.count("answer known") };
                open.waiting.swap_remove(place);
                open.summary = open.summary.and(summary);
                open.found.fill(found);
                open.is_whole &= is_whole;
                self.settle(at, cx);
            }
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Ask { low, high } if low > high => {
                Err(Refusal::Invalid("`low` must not be above `high`"))
            }
            Command::Ask { low, high } => {
                if self.open.len() >= self.config.limit {
                    return Err(Refusal::Full { limit: self.config.limit });
                }
                self.number = match self.number {
                    0 => cx.rng().next_u64() as u32 | 1,
                    number => number.wrapping_add(1).max(1),
                };
                let key = Key { asker: cx.me(), number: self.number };
                let until = cx.round().saturating_add(self.config.patience.into());
                let asked = self.start(below, (key, None), (low, high), until, cx);
                Ok(Receipt::attempted(asked))
            }
            Command::SetValue(value) => {
                self.config.value = value;
                Ok(Receipt::default())
            }
        }
    }
}
