//! Exchanges of the peer-sampling framework as its paper has them: atomic, and with peers that
//! live.
//!
//! Not a protocol: a driver for [`framework`](crate::sampling::framework) alone. Jelasity et al.,
//! TOCS 25(3), 2007, section 5, count the dead in views whose nodes pass over them and keep them,
//! which takes an oracle: no node can know who lives.

use alloc::vec::Vec;

use crate::exchange::Exchange;
use crate::protocol::Local;
use crate::random::{Key, Random};
use crate::sampling::framework::State;
use crate::time::{Round, Time};
use crate::wire::Nothing;

/// Nodes with views of at most `C` peers, named by their numbers, some of which have died.
///
/// ```
/// use gossip_core::random::Key;
/// use gossip_core::sampling::PeerSampling;
/// use gossip_core::sampling::framework::Config;
/// use gossip_core::sim::atomic::Atomic;
///
/// let nodes = (0..20_u32).map(|me| {
///     let mut node = PeerSampling::<u32, 7>::new(Config::healer(6))?;
///     (1..=6).for_each(|step| _ = node.inner_mut().introduce((me + step) % 20, ()));
///     Ok((*node).clone())
/// });
/// let views = nodes.collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
/// let live = (0..20).map(|node| node % 4 != 0).collect();
/// let mut sim = Atomic::new(views, live, Key::new(1).random(0));
/// // Of the next six, each multiple of four is dead: one for node 1, two for nodes 2 and 3.
/// assert!((sim.dead_links() - 5.0 / 3.0).abs() < 1e-9);
/// (0..20).for_each(|_| sim.step());
/// assert!(sim.dead_links() < 0.5);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Atomic<const C: usize> {
    views: Vec<State<u32, C>>,
    live: Vec<bool>,
    random: Random,
}

impl<const C: usize> Atomic<C> {
    /// The nodes of `views`, of which those live that `live` says; all others are dead.
    pub const fn new(views: Vec<State<u32, C>>, live: Vec<bool>, random: Random) -> Self {
        Self { views, live, random }
    }

    /// Every live node exchanges views once, in random order.
    pub fn step(&mut self) {
        let Self { views, live, random } = self;
        let lives = |peer: u32| live.get(peer as usize).is_some_and(|live| *live);
        let mut order: Vec<u32> = (0..views.len() as u32).filter(|&node| lives(node)).collect();
        random.shuffle(&mut order);
        for me in order {
            let Some(partner) = views[me as usize].select_peer(lives, random) else { continue };
            let request = views[me as usize].request(&(), &mut Caller::new(me, random));
            let partner_view = &mut views[partner as usize];
            let reply = partner_view.respond(&(), me, request, &mut Caller::new(partner, random));
            if let Some(reply) = reply {
                views[me as usize].complete(&(), partner, reply, &mut Caller::new(me, random));
            }
        }
    }

    /// Links to the dead, per live node.
    pub fn dead_links(&self) -> f64 {
        let lives = |peer: u32| self.live.get(peer as usize).is_some_and(|live| *live);
        let (mut dead, mut living) = (0_u32, 0_u32);
        for (view, _) in self.views.iter().zip(&self.live).filter(|(_, live)| **live) {
            living += 1;
            dead += view.view().filter(|&(peer, _)| !lives(peer)).count() as u32;
        }
        f64::from(dead) / f64::from(living.max(1))
    }
}

/// A node in an exchange, for calls of its view without a driver: they take no time, and what is
/// counted is lost.
#[derive(Debug)]
pub struct Caller<'a> {
    me: u32,
    random: &'a mut Random,
}

impl<'a> Caller<'a> {
    /// Node `me`, which draws from `random`.
    pub const fn new(me: u32, random: &'a mut Random) -> Self {
        Self { me, random }
    }
}

impl<const C: usize> Local<State<u32, C>> for Caller<'_> {
    fn me(&self) -> u32 {
        self.me
    }

    fn now(&self) -> Time {
        Time::ZERO
    }

    fn wall(&self) -> u64 {
        0
    }

    fn round(&self) -> Round {
        0
    }

    fn rng(&mut self) -> &mut Random {
        self.random
    }

    fn key(&self) -> Key {
        Key::new(0)
    }

    fn emit(&mut self, event: Nothing) {
        match event {}
    }

    fn tally(&mut self, _: &'static str, _: &'static str) {}
}
