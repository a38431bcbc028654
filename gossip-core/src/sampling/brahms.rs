//! Brahms: peer sampling among nodes some of which lie.
//!
//! Bortnikov, Gurevich, Keidar, Kliot, Shraer, *Brahms: Byzantine resilient random membership
//! sampling*, PODC 2008, section 4 (Figure 1: the gossip; Figure 2: the samplers).
//!
//! ```text
//! every round: alpha l1 times: push own id to a random member of the view
//!              beta l1 times: pull from a random member of the view
//! meanwhile:   Vpush = who pushed; Vpull = the views pulled; all of it is seen by l2 samplers
//! in the end:  if 0 < |Vpush| <= alpha l1 and Vpull is not empty:
//!                view = alpha l1 of Vpush + beta l1 of Vpull + gamma l1 of the samplers' ids
//!              else keep the view
//! ```
//!
//! # What holds
//!
//! Pushes let a node's own id in, pulls spread it, samplers remember those from before an attack.
//! If a share f < 1/3 of the nodes is faulty and their pushes are limited as everyone's are, views
//! keep a constant honest share: the faulty one settles where
//! `x = alpha a / (a + 1 - x) + beta (2 x - x^2) + gamma f` with `a = f / (1 - f)`, and the
//! [samples](Brahms::samples) converge to uniform, with a faulty share of f. A node that is flooded
//! with pushes keeps its view meanwhile. What limits the rate of pushes (work, quotas of the
//! transport) is outside this protocol, as in the paper, and so is telling sender addresses apart.
//! Views are told at most [`answers`](Config::answers) times a round, whoever asks how often.
//!
//! # Deviations from the paper
//!
//! - Of a peer's pushes and pull requests within a round those beyond the third are ignored, so
//!   that one peer alone cannot flood: [`repeats`](Config::repeats), `None` in the paper, where the
//!   limit on pushes is all there is. With history it makes no difference (a faulty share of .33
//!   with l1 = 20 and f = .1); without it, nodes are cut off less often (.2 instead of .37 after
//!   120 rounds), since those who are about to be have views that name few peers many times.
//! - Pushes beyond the limit are not seen by the samplers: what a flood costs is bounded.
//! - If fewer pushed than there are places, some of them take several, as `rand` with replacement
//!   does; pulled ids are drawn without replacement, by reservoir. The view is a multiset, as in
//!   the paper; as [`Peers`] it shows each peer once.
//! - Until a view is full it takes whatever comes: the paper starts with full views. A contact is
//!   the first member, and is asked again at a decaying rate; and in every round after one in which
//!   nobody answered a pull, since a view of none but dead peers is never replaced by itself.

use alloc::vec::Vec;
use core::mem;

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::id::PeerId;
use crate::message;
use crate::peers::Peers;
use crate::protocol::{Context, Layer, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::sampling::descriptor::view_size;
use crate::sampling::gathered::Gathered;
use crate::sampling::min_wise::MinWise;
use crate::wire::{Bounded, Nothing, Wire};

message! {
    /// What travels. A push says nothing but who sent it. Numbers tie answers to the round they
    /// were asked in.
    #[derive(PartialEq)]
    pub enum Message<I: Wire, const C: usize> {
        /// The sender wants to be known.
        Push,
        /// The sender wants the view.
        PullRequest(u32),
        /// The view.
        PullReply(u32, Bounded<I, C>),
        /// The sender wants a sign of life.
        Probe(u32),
        /// A sign of life.
        ProbeReply(u32),
    }
}

/// Parameters of Brahms.
///
/// ```
/// use gossip_core::sampling::{Brahms, brahms::Config};
///
/// let node = Brahms::<u32, 64, 64>::new(Config { size: Some(20), ..Config::default() })?;
/// assert_eq!(node.size(), 20);
/// assert!(Brahms::<u32, 64, 64>::new(Config { alpha: 0.5, ..Config::default() }).is_err());
/// assert!(Brahms::<u32, 64, 64>::new(Config { size: Some(1), ..Config::default() }).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Members of the view, up to the capacity `C`: the paper's l1, of the order of the cube root
    /// of the number of nodes. The capacity itself by default.
    pub size: Option<usize>,
    /// Samplers, from 1 to the capacity `S`: the paper's l2. The capacity itself by default.
    pub samples: Option<usize>,
    /// The share of the view that comes from pushes, and of its members that are pushed to.
    pub alpha: f64,
    /// The share of the view that comes from pulls, and of its members that are pulled from.
    pub beta: f64,
    /// The share of the view that comes from the samplers; the three sum to 1.
    pub gamma: f64,
    /// The most pushes in a round with which the view still changes: the paper's alpha l1 by
    /// default. More defend less, but suit networks whose rounds drift apart.
    pub limit: Option<u16>,
    /// How many pushes, and how many pull requests, of one peer count in a round. All do if `None`,
    /// as in the paper.
    pub repeats: Option<u16>,
    /// How often the view is told in a round, at most: 4 beta l1 by default. Who is in the views as
    /// often as others is asked beta l1 times on average; more than 4 times that came in none of
    /// 50,000 rounds of nodes without faulty ones, more than 3 times in 1 of 10,000.
    pub answers: Option<u16>,
}

impl Default for Config {
    /// The paper's alpha = beta = .45, gamma = .1 (section 6). Of 9 honest pushes to 20 peers more
    /// than 3 go to the same one with probability 6e-4.
    fn default() -> Self {
        Self {
            size: None,
            samples: None,
            alpha: 0.45,
            beta: 0.45,
            gamma: 0.1,
            limit: None,
            repeats: Some(3),
            answers: None,
        }
    }
}

/// Brahms with a view of at most `C` peers and at most `S` samplers.
///
/// ```
/// use gossip_core::sampling::Brahms;
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let nodes = (0..100).map(|_| Brahms::<u32, 20, 20>::new(Default::default()));
/// let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
/// let mut sim = Simulation::new(nodes, 42, Order::Sequential);
/// for node in 1..100 {
///     sim.contact(node, 0);
/// }
/// sim.run(50);
/// assert!(sim.nodes().all(|(_, node)| node.view().len() == 20 && node.samples().count() == 20));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Brahms<I, const C: usize, const S: usize> {
    /// A multiset; the order means nothing.
    view: ArrayVec<I, C>,
    /// `None` before the first call, which draws their seeds.
    samplers: Option<MinWise<I, S>>,
    size: u16,
    samples: u16,
    /// How many of the view come from pushes and from pulls; the rest is history.
    pushes: u16,
    pulls: u16,
    limit: u32,
    /// What came in this round.
    pushed: Gathered<I, C>,
    pulled: Gathered<I, C>,
    /// Who was asked for its view in this round and has not answered; some several times.
    asked: ArrayVec<I, C>,
    /// Whether anybody has.
    heard: bool,
    /// Who was told the view in this round; at most as many as `answers`.
    answered: Vec<I>,
    repeats: usize,
    answers: u16,
    /// Names this round in requests; random, so that nobody guesses it.
    number: u32,
    changes: u32,
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize, const S: usize> Brahms<I, C, S> {
    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// If a size exceeds its capacity or is 0, if alpha, beta and gamma are no shares of 1, or if
    /// alpha or beta of the view is less than one member.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { alpha, beta, gamma, .. } = config;
        let size = view_size(config.size, C)?;
        let samples = view_size(config.samples, S)?;
        for (name, share) in [("alpha", alpha), ("beta", beta), ("gamma", gamma)] {
            ParameterError::new(name, share, "of the view", "from 0 to 1")
                .unless((0.0..=1.0).contains(&share))?;
        }
        let total = alpha + beta + gamma;
        ParameterError::new("alpha + beta + gamma", total, "of the view", "1")
            .unless((total - 1.0).abs() < 1e-6)?;
        let pushes = libm::round(alpha * f64::from(size));
        ParameterError::new("alpha l1", pushes, "members", "at least 1").unless(pushes >= 1.0)?;
        let pulls = libm::round(beta * f64::from(size)).min(f64::from(size) - pushes);
        ParameterError::new("beta l1", pulls, "members", "at least 1").unless(pulls >= 1.0)?;
        let pushes = pushes as u16;
        Ok(Self {
            view: ArrayVec::new(),
            samplers: None,
            size,
            samples,
            pushes,
            pulls: pulls as u16,
            limit: config.limit.unwrap_or(pushes).into(),
            pushed: Gathered::default(),
            pulled: Gathered::default(),
            asked: ArrayVec::new(),
            heard: false,
            answered: Vec::new(),
            repeats: config.repeats.map_or(usize::MAX, usize::from),
            answers: config.answers.unwrap_or((4.0 * pulls) as u16),
            number: 0,
            changes: 0,
            contact: Contact::none(),
        })
    }

    /// The members of the view, some of them several times.
    pub fn view(&self) -> &[I] {
        &self.view
    }

    /// The members of a full view: the paper's l1.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// What the samplers keep: uniform samples, with repetitions, of all nodes heard of.
    pub fn samples(&self) -> impl Iterator<Item = I> {
        self.samplers.iter().flat_map(MinWise::ids)
    }

    /// Puts a peer into the view from outside a driver: how simulations start from a given graph.
    /// Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I) -> bool {
        let fits = !self.is_full() && !self.view.contains(&peer);
        if fits {
            self.view.push(peer);
        }
        fits
    }

    fn is_full(&self) -> bool {
        self.view.len() >= self.size()
    }

    fn samplers(&mut self, random: &mut Random) -> &mut MinWise<I, S> {
        self.samplers.get_or_insert_with(|| MinWise::new(self.samples.into(), random))
    }

    /// Ends the round: what came becomes the view, or not.
    fn close(&mut self, cx: &mut impl Context<Self>) {
        let (pushed, pulled) = (mem::take(&mut self.pushed), mem::take(&mut self.pulled));
        if !self.is_full() {
            let missing = self.size() - self.view.len();
            self.view.extend(pushed.kept.into_iter().chain(pulled.kept).take(missing));
        } else if pushed.came > self.limit {
            return cx.count("view kept: too many pushes");
        } else if pushed.came == 0 || pulled.came == 0 {
            return cx.count("view kept: no pushes or no pulls");
        } else {
            self.view.clear();
            pushed.fill(&mut self.view, self.pushes.into(), cx.rng());
            pulled.fill(&mut self.view, self.pulls.into(), cx.rng());
            let history = self.size() - usize::from(self.pushes) - usize::from(self.pulls);
            for _ in 0..history {
                let random = cx.rng();
                let sampled = self.samplers(random).pick(random);
                self.view.extend(sampled);
            }
        }
        self.changes = self.changes.wrapping_add(1);
    }

    /// Begins a round: pushes, pulls, one probe.
    fn open(&mut self, cx: &mut impl Context<Self>) {
        let alone = self.view.is_empty() || !mem::take(&mut self.heard);
        let contact = self.contact.ask(cx.me(), alone, cx.round());
        if self.view.is_empty() {
            self.view.extend(contact);
        }
        self.number = cx.rng().next_u64() as u32;
        let mut targets = self.targets(self.pushes, cx.rng());
        add(&mut targets, contact);
        targets.into_iter().for_each(|peer| cx.send(peer, Message::Push));
        self.asked = self.targets(self.pulls, cx.rng());
        self.answered.clear();
        add(&mut self.asked, contact);
        self.asked.iter().for_each(|&peer| cx.send(peer, Message::PullRequest(self.number)));
        let random = cx.rng();
        if let Some(peer) = self.samplers(random).probe(random) {
            cx.send(peer, Message::Probe(self.number));
        }
    }

    /// `count` random members of the view, each drawn from all: some come several times.
    fn targets(&self, count: u16, random: &mut Random) -> ArrayVec<I, C> {
        (0..count).filter_map(|_| random.pick(&self.view).copied()).collect()
    }

    fn on_push(&mut self, from: I, cx: &mut impl Context<Self>) {
        if times(&self.pushed.kept, from) >= self.repeats {
            return cx.count("push repeated");
        }
        self.pushed.take(from, self.pushes.into(), cx.rng());
        if self.pushed.came > self.limit {
            return cx.count("push beyond the limit");
        }
        self.samplers(cx.rng()).see(from);
    }

    fn on_pull(&mut self, from: I, number: u32, cx: &mut impl Context<Self>) {
        if times(&self.answered, from) >= self.repeats {
            return cx.count("pull request repeated");
        }
        if self.answered.len() >= self.answers.into() {
            return cx.count("pull request beyond the limit");
        }
        self.answered.push(from);
        let mut view = Bounded::new();
        view.fill(self.view.iter().copied());
        cx.send(from, Message::PullReply(number, view));
    }

    fn on_pulled(&mut self, from: I, number: u32, ids: Bounded<I, C>, cx: &mut impl Context<Self>) {
        let asked = self.asked.iter().position(|&asked| asked == from);
        let Some(at) = asked.filter(|_| number == self.number) else {
            return cx.count("pull reply not asked for");
        };
        self.asked.swap_remove(at);
        self.heard = true;
        let (me, places) = (cx.me(), self.pulls.into());
        // Nobody's answer counts for more than a view.
        for id in ids.into_iter().take(self.size()).filter(|&id| id != me) {
            self.pulled.take(id, places, cx.rng());
            self.samplers(cx.rng()).see(id);
        }
    }
}

/// How often `peer` is among `peers`.
fn times<I: PeerId>(peers: &[I], peer: I) -> usize {
    peers.iter().filter(|&&known| known == peer).count()
}

/// Adds a peer, if there is one, unless it is there already or there is no room.
fn add<I: PeerId, const C: usize>(targets: &mut ArrayVec<I, C>, peer: Option<I>) {
    if let Some(peer) = peer.filter(|peer| !targets.is_full() && !targets.contains(peer)) {
        targets.push(peer);
    }
}

impl<I: PeerId, const C: usize, const S: usize> Protocol for Brahms<I, C, S> {
    type Id = I;
    type Message = Message<I, C>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, const C: usize, const S: usize, D: ?Sized> Layer<D> for Brahms<I, C, S> {
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.close(cx);
        self.open(cx);
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        if from == cx.me() {
            return cx.count("message from itself");
        }
        match message {
            Message::Push => self.on_push(from, cx),
            Message::PullRequest(number) => self.on_pull(from, number, cx),
            Message::PullReply(number, ids) => self.on_pulled(from, number, ids, cx),
            Message::Probe(number) => cx.send(from, Message::ProbeReply(number)),
            Message::ProbeReply(number) => {
                let random = cx.rng();
                if number != self.number || !self.samplers(random).answered(from) {
                    cx.count("stale sign of life");
                }
            }
        }
    }

    fn on_unreachable(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        let random = cx.rng();
        self.samplers(random).forget(peer, random);
        self.view.retain(|known| *known != peer);
        self.changes = self.changes.wrapping_add(1);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }
}

impl<I: PeerId, const C: usize, const S: usize> Peers for Brahms<I, C, S> {
    type Id = I;

    /// A random member of the view, which is fresher than the [samples](Brahms::samples), but
    /// where the faulty have more than their share.
    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).copied()
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        for (at, &peer) in self.view.iter().enumerate() {
            if !self.view[..at].contains(&peer) {
                visit(peer, 0);
            }
        }
    }
}
