//! The faulty, to try [`Brahms`] against.
//!
//! Bortnikov, Gurevich, Keidar, Kliot, Shraer, *Brahms: Byzantine resilient random membership
//! sampling*, PODC 2008, sections 3 and 5: the faulty know each other, push as often as the limit
//! on pushes lets them, and answer pulls with faulty ids only. Spread over all honest nodes that is
//! the balanced attack, aimed at one of them the targeted one.
//!
//! ```
//! use gossip_core::sampling::brahms::Config;
//! use gossip_core::sim::adversary::Attack;
//! use gossip_core::sim::cycle::{Order, Simulation};
//!
//! let attack = Attack::balanced(200, 20);
//! let nodes = attack.members::<20, 20>(Config::default(), 1)?;
//! let mut sim = Simulation::new(nodes, 1, Order::Blocked(200));
//! sim.run(30);
//! let honest = sim.nodes().filter(|(_, node)| !node.is_cheat());
//! let faulty = honest.flat_map(|(_, node)| node.honest().view()).filter(|&&id| id < 20).count();
//! assert!(faulty < 180 * 20 / 2); // a fifth of the nodes would take half of the views
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

use alloc::vec::Vec;

use super::member::{Cheat, Member};
use crate::error::ParameterError;
use crate::protocol::Context;
use crate::random::{Key, Random};
use crate::sampling::brahms::{Brahms, Config, Message};
use crate::wire::Bounded;

/// What the faulty do: nodes below `faulty` all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attack {
    /// Nodes in all, numbered from 0.
    pub nodes: u32,
    /// How many of them are faulty.
    pub faulty: u32,
    /// Pushes of each in a round; as many as an honest node's if `None`.
    pub pushes: Option<usize>,
    /// Pull requests of each in a round.
    pub asks: usize,
    /// Whom they push to and ask: this node, or any honest one, drawn each time.
    pub target: Option<u32>,
}

impl Attack {
    /// The faulty push as often as the honest, to all of them alike.
    pub const fn balanced(nodes: u32, faulty: u32) -> Self {
        Self { nodes, faulty, pushes: None, asks: 0, target: None }
    }

    /// The faulty push as often as the honest, all to one node.
    pub const fn targeted(nodes: u32, faulty: u32, target: u32) -> Self {
        Self { target: Some(target), ..Self::balanced(nodes, faulty) }
    }

    /// All nodes, the faulty first. Each honest one knows `config.size` random others.
    ///
    /// # Errors
    ///
    /// If the configuration is refused, there are not more nodes than a view has members, or none
    /// is honest.
    pub fn members<const C: usize, const S: usize>(
        &self,
        config: Config,
        seed: u64,
    ) -> Result<Vec<Member<Brahms<u32, C, S>, Faulty>>, ParameterError> {
        let model = Brahms::<u32, C, S>::new(config)?;
        let size = model.size();
        ParameterError::new("n", self.nodes.into(), "nodes", "above l1")
            .unless(self.nodes as usize > size)?;
        ParameterError::new("faulty nodes", self.faulty.into(), "nodes", "below n")
            .unless(self.faulty < self.nodes)?;
        let pushes = self.pushes.unwrap_or(libm::round(config.alpha * size as f64) as usize);
        let faulty = Faulty { attack: Self { pushes: Some(pushes), ..*self }, size };
        Ok((0..self.nodes)
            .map(|node| {
                let mut honest = model.clone();
                if node < self.faulty {
                    return Member::new(honest, Some((0, faulty)));
                }
                let mut random = Key::new(seed).with(VIEWS).random(node.into());
                while honest.view().len() < size {
                    let peer = random.below(self.nodes as usize) as u32;
                    let _ = peer != node && honest.introduce(peer);
                }
                Member::new(honest, None)
            })
            .collect())
    }
}

/// Names the randomness of the first views.
const VIEWS: u64 = crate::id::hash(b"gossip_core::sim::adversary");

/// A faulty node.
#[derive(Clone, Copy, Debug)]
pub struct Faulty {
    /// What it does; may be changed on the way.
    pub attack: Attack,
    /// How many ids it answers with.
    size: usize,
}

impl Faulty {
    fn ids<const C: usize>(&self, random: &mut Random) -> Bounded<u32, C> {
        let mut ids = Bounded::new();
        ids.fill((0..self.size).map(|_| random.below(self.attack.faulty as usize) as u32));
        ids
    }
}

impl<const C: usize, const S: usize> Cheat<Brahms<u32, C, S>> for Faulty {
    fn on_round(&mut self, cx: &mut impl Context<Brahms<u32, C, S>>) {
        let Attack { nodes, faulty, pushes, asks, target } = self.attack;
        let honest = (nodes - faulty) as usize;
        for _ in 0..pushes.unwrap_or_default() {
            let drawn = faulty + cx.rng().below(honest) as u32;
            let to = target.unwrap_or(drawn);
            cx.send(to, Message::Push);
            // Nobody asked for this, whatever the number.
            let (number, ids) = (cx.rng().next_u64() as u32, self.ids(cx.rng()));
            cx.send(to, Message::PullReply(number, ids));
        }
        for _ in 0..asks {
            let drawn = faulty + cx.rng().below(honest) as u32;
            cx.send(target.unwrap_or(drawn), Message::PullRequest(0));
        }
    }

    fn on_message(
        &mut self,
        from: u32,
        message: Message<u32, C>,
        cx: &mut impl Context<Brahms<u32, C, S>>,
    ) {
        match message {
            Message::PullRequest(number) => {
                let ids = self.ids(cx.rng());
                cx.send(from, Message::PullReply(number, ids));
            }
            Message::Probe(number) => cx.send(from, Message::ProbeReply(number)),
            Message::Push | Message::PullReply(..) | Message::ProbeReply(_) => {}
        }
    }
}
