//! Peer sampling with reinforcement: views are rebuilt from scratch in every round, so that
//! overlays of living nodes stay in one part for a time exponential in the size of the view.
//!
//! Allavena, Demers, Hopcroft, *Correctness of a gossip based membership protocol*, PODC 2005,
//! section 2.
//!
//! ```text
//! every round:  L1 = the union of the views that came from the F peers asked last round (mixing)
//!               L2 = who asked this node for its view since its last round (reinforcement)
//!               view = k places, each from L2 with probability w, else from L1;
//!                      nobody twice, and not this node
//!               L1 = L2 = empty; ask F random members of the view for their views
//! on pull:      add the sender to L2; answer with the view
//! ```
//!
//! # What holds
//!
//! Mixing spreads what is known, and would by itself make a few nodes known to all and the rest to
//! nobody. Reinforcement undoes that: the fewer know a node, the likelier those whom it asks come
//! to know it again. With it in-degrees are nearly equal, and the expected time until the overlay
//! falls apart is at least exponential in the size of the view and in that of the part that would
//! fall off. Too much of it mixes too little: with w = 3/4 small views part ten times sooner than
//! with 1/2. Nodes that have died ask nobody, so they are forgotten as the views that name them are
//! rebuilt.
//!
//! Nothing here withstands liars: a false view can name anybody, though no more than one view can,
//! and only if its sender was asked. See [`Brahms`](super::Brahms) for that.
//!
//! # Deviations from the paper
//!
//! - A place whose list has nobody left is filled from the other list.
//! - In a round in which nobody answered, or nobody was named, the view itself takes the part of
//!   L1: the paper loses no message. Else the few who asked would be all that is left of it.
//! - Who is named in several of the views is in L1 as often, and so drawn likelier. The paper can
//!   be read so or not; read as a set, L1 lets a few nodes become known to all more slowly (after
//!   200 rounds at w = 0, 1000 nodes and k = 20, in-degrees spread by 53 and not by 80).
//! - L2 keeps at most C of those who asked, each with the same chance.
//! - A node joins by asking its contact, in the place of one of the F, and does so again at a
//!   decaying rate and while its view is empty.

use core::mem;

use alloc::vec::Vec;

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
use crate::wire::{Bounded, Nothing, Wire};

message! {
    /// What travels. Numbers tie answers to the round they were asked in.
    #[derive(PartialEq)]
    pub enum Message<I: Wire, const C: usize> {
        /// The sender wants the view.
        Pull(u32),
        /// The view.
        View(u32, Bounded<I, C>),
    }
}

/// Parameters of the protocol.
///
/// ```
/// use gossip_core::sampling::{Allavena, allavena::Config};
///
/// let node = Allavena::<u32, 64>::new(Config { size: Some(20), ..Config::default() })?;
/// assert_eq!(node.size(), 20);
/// assert!(Allavena::<u32, 64>::new(Config { fanout: 65, ..Config::default() }).is_err());
/// assert!(Allavena::<u32, 64>::new(Config { reinforcement: 1.5, ..Config::default() }).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Members of the view, from 1 to the capacity `C`: the paper's k. The capacity itself by
    /// default.
    pub size: Option<usize>,
    /// Peers asked for their views in a round, from 1 to the size of the view: the paper's F.
    pub fanout: usize,
    /// The probability that a place of the view goes to one who asked, from 0 to 1: the paper's
    /// weight of reinforcement. At 0 the overlay collapses to a star, at 1 nothing mixes.
    pub reinforcement: f64,
}

impl Default for Config {
    /// Three views, and as much reinforcement as mixing. Our choice.
    fn default() -> Self {
        Self { size: None, fanout: 3, reinforcement: 0.5 }
    }
}

/// The protocol with a view of at most `C` peers.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::sampling::Allavena;
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let nodes = (0..100).map(|_| Allavena::<u32, 20>::new(Default::default()));
/// let mut sim = Simulation::new(nodes.collect::<Result<Vec<_>, _>>()?, 42, Order::Sequential);
/// (1..100).for_each(|node| sim.contact(node, 0));
/// sim.run(50);
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 20));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Allavena<I, const C: usize> {
    /// Nobody twice; the order means nothing.
    view: ArrayVec<I, C>,
    size: u16,
    fanout: u16,
    reinforcement: f64,
    /// L1: at most `fanout` views.
    mixing: Vec<I>,
    /// L2.
    pulled_by: Gathered<I, C>,
    /// Who was asked for its view in this round and has not answered.
    asked: ArrayVec<I, C>,
    /// Whether anybody has.
    answered: bool,
    /// Names this round in pulls; random, so that nobody guesses it.
    number: u32,
    changes: u32,
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize> Allavena<I, C> {
    /// A node that knows nobody yet.
    ///
    /// # Errors
    ///
    /// If the size exceeds the capacity or is 0, the fanout exceeds the size or is 0, or the
    /// reinforcement is no probability.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { fanout, reinforcement, .. } = config;
        let size = view_size(config.size, C)?;
        ParameterError::new("fanout F", fanout as f64, "peers", "1 to the size of the view")
            .unless((1..=size.into()).contains(&fanout))?;
        ParameterError::new("reinforcement w", reinforcement, "of the places", "from 0 to 1")
            .unless((0.0..=1.0).contains(&reinforcement))?;
        Ok(Self {
            view: ArrayVec::new(),
            size,
            fanout: fanout as u16,
            reinforcement,
            mixing: Vec::new(),
            pulled_by: Gathered::default(),
            asked: ArrayVec::new(),
            answered: false,
            number: 0,
            changes: 0,
            contact: Contact::none(),
        })
    }

    /// The members of the view.
    pub fn view(&self) -> &[I] {
        &self.view
    }

    /// The most members of the view: the paper's k.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Puts a peer into the view from outside a driver: how simulations start from a given graph.
    /// Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I) -> bool {
        let fits = self.view.len() < self.size() && !self.view.contains(&peer);
        if fits {
            self.view.push(peer);
        }
        fits
    }

    /// The view from what came since the last round.
    fn rebuild(&mut self, cx: &mut impl Context<Self>) {
        let mut mixing = mem::take(&mut self.mixing);
        let mut reinforcing = mem::take(&mut self.pulled_by).kept;
        let silent = !mem::take(&mut self.answered);
        if silent && !self.asked.is_empty() {
            cx.count("nobody answered");
        }
        if silent || (mixing.is_empty() && reinforcing.is_empty()) {
            mixing.extend_from_slice(&self.view);
        }
        self.view.clear();
        self.changes = self.changes.wrapping_add(1);
        while self.view.len() < self.size() {
            let reinforces = cx.rng().chance(self.reinforcement);
            let drawn = if (reinforces && !reinforcing.is_empty()) || mixing.is_empty() {
                let at = cx.rng().below(reinforcing.len().max(1));
                reinforcing.swap_pop(at)
            } else {
                let at = cx.rng().below(mixing.len());
                Some(mixing.swap_remove(at))
            };
            let Some(peer) = drawn else { break };
            if !self.view.contains(&peer) {
                self.view.push(peer);
            }
        }
        // The list is empty in the next round; its memory is kept.
        mixing.clear();
        self.mixing = mixing;
    }

    /// Asks members of the view, and perhaps the contact, for their views.
    fn pull(&mut self, cx: &mut impl Context<Self>) {
        let contact = self.contact.ask(cx.me(), self.view.is_empty(), cx.round());
        if self.view.is_empty() {
            self.view.extend(contact);
        }
        self.number = cx.rng().next_u64() as u32;
        self.asked.clear();
        self.asked.extend(contact);
        let (fanout, me) = (usize::from(self.fanout), cx.me());
        for &peer in &*cx.rng().choose(&mut self.view, fanout) {
            if self.asked.len() < fanout && !self.asked.contains(&peer) && peer != me {
                self.asked.push(peer);
            }
        }
        self.asked.iter().for_each(|&peer| cx.send(peer, Message::Pull(self.number)));
    }

    fn on_pull(&mut self, from: I, number: u32, cx: &mut impl Context<Self>) {
        if self.pulled_by.kept.contains(&from) {
            cx.count("pull repeated");
        } else if from != cx.me() {
            self.pulled_by.take(from, C, cx.rng());
        }
        let mut view = Bounded::new();
        view.fill(self.view.iter().copied());
        cx.send(from, Message::View(number, view));
    }

    fn on_view(&mut self, from: I, number: u32, view: Bounded<I, C>, cx: &mut impl Context<Self>) {
        let asked = self.asked.iter().position(|&asked| asked == from);
        let Some(at) = asked.filter(|_| number == self.number) else {
            return cx.count("view not asked for");
        };
        self.asked.swap_remove(at);
        self.answered = true;
        // Nobody's answer counts for more than a view, in which nobody is twice.
        let (me, start) = (cx.me(), self.mixing.len());
        for id in view.into_iter().take(self.size()) {
            if id != me && !self.mixing[start..].contains(&id) {
                self.mixing.push(id);
            }
        }
    }
}

impl<I: PeerId, const C: usize> Protocol for Allavena<I, C> {
    type Id = I;
    type Message = Message<I, C>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I: PeerId, const C: usize, D: ?Sized> Layer<D> for Allavena<I, C> {
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        self.rebuild(cx);
        self.pull(cx);
    }

    fn on_message(&mut self, _: &D, from: I, message: Self::Message, cx: &mut impl Context<Self>) {
        match message {
            Message::Pull(number) => self.on_pull(from, number, cx),
            Message::View(number, view) => self.on_view(from, number, view, cx),
        }
    }

    fn on_unreachable(&mut self, _: &D, peer: I, _: &mut impl Context<Self>) {
        self.view.retain(|known| *known != peer);
        self.mixing.retain(|known| *known != peer);
        self.pulled_by.kept.retain(|known| *known != peer);
        self.changes = self.changes.wrapping_add(1);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Context<Self>) {
        self.contact.tell(peer, cx.round());
    }
}

impl<I: PeerId, const C: usize> Peers for Allavena<I, C> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).copied()
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.view.iter().for_each(|&peer| visit(peer, 0));
    }

    fn degree(&self) -> usize {
        self.view.len()
    }
}
