//! Whom a node of T-Man asks and what it tells, in both forms: the papers' selectPeer and
//! selectView.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 3; Jelasity,
//! Babaoglu, *T-Man: Gossip-based overlay topology management*, ESOA 2005, section 3, and the
//! authors' program for its endgame.
//!
//! ```text
//! 2009:  ask one of the first psi that is not tabu; tell the first m as ranked by the one asked
//! 2005:  ask one of the better half, in the endgame the k-th best with probability 2^-k;
//!        tell the whole view
//! ```
//!
//! # Deviations from the paper
//!
//! None but those of [`tman`](super).

use alloc::vec::Vec;

use gossip_core::{Bounded, PeerId, Profile, Random, Round};

use super::age::{Age, elapsed};
use super::message::News;
use super::{Known, Message, State};
use crate::ranking::{Ranking, Ties, first};

/// Which of the two algorithms of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 2009: nearly everybody heard of is kept, and each is told what it would most like to know.
    Remembering,
    /// 2005: only the nearest are kept, and they are told to everybody.
    Bounded {
        /// The last round before partners are chosen by rank.
        endgame: Round,
    },
}

impl<I: PeerId, R: Ranking<I>, const M: usize> State<I, R, M> {
    /// A contact, the suspect again, or whom the form says.
    pub(super) fn choose(&mut self, random: &mut Random) -> Option<I> {
        let (me, here) = self.me?;
        if let Some(contact) = self.contact.take().filter(|&contact| contact != me) {
            return Some(contact);
        }
        if let Some(suspect) = self.suspect.filter(|suspect| self.known(suspect.id).is_some()) {
            return Some(suspect.id);
        }
        match self.config.form {
            Form::Remembering => self.choose_near(here, random),
            Form::Bounded { endgame } => self.choose_by_rank(here, endgame, random),
        }
    }

    /// One of the first psi that is not tabu.
    fn choose_near(&mut self, here: R::Place, random: &mut Random) -> Option<I> {
        let ids = self.nearest(here, self.config.psi, random);
        let allowed: Vec<I> =
            ids.iter().copied().filter(|peer| !self.partners.contains(peer)).collect();
        // Where all are tabu, as in the smallest systems, none is.
        let partner = random.pick(if allowed.is_empty() { &ids } else { &allowed }).copied()?;
        self.partners.truncate(self.config.tabu.saturating_sub(1));
        if self.config.tabu > 0 {
            self.partners.insert(0, partner);
        }
        Some(partner)
    }

    /// One of the better half, uniformly; in the endgame the k-th best with probability 2^-k.
    fn choose_by_rank(&self, here: R::Place, endgame: Round, random: &mut Random) -> Option<I> {
        let ids = self.nearest(here, self.view.len(), random);
        if self.rounds <= endgame {
            return random.pick(&ids[..ids.len().div_ceil(2)]).copied();
        }
        let rank = random.next_u64().trailing_ones() as usize;
        ids.get(rank.min(ids.len().saturating_sub(1))).copied()
    }

    /// The `count` nearest of the view, nearest first.
    fn nearest(&self, here: R::Place, count: usize, random: &mut Random) -> Vec<I> {
        let near = self.ranked(here, count, Ties::random(random));
        near.into_iter().map(|at| self.view[at].id).collect()
    }

    /// What `peer` is told: what it would most like to know, or the whole view. It has `told` where
    /// it stands, else what is known of it counts.
    pub(super) fn describe_for(
        &self,
        peer: I,
        told: Option<R::Place>,
        now: Age,
        random: &mut Random,
    ) -> Message<I, R::Profile, M> {
        let profile = self.config.profile.clone();
        let mut message = Message { profile, news: Bounded::new() };
        // All but `peer`.
        let at = self.view.iter().rposition(|known| known.id == peer);
        let (one, other) = self.view.split_at(at.unwrap_or(self.view.len()));
        let known = || one.iter().chain(&other[at.map_or(0, |_| 1)..]);
        let of = match self.config.form {
            Form::Remembering => told.or_else(|| at.map(|at| self.view[at].place)),
            Form::Bounded { .. } => None,
        };
        let Some(of) = of else {
            // All that fits; also to a stranger that has not told where it stands.
            message.news.fill(known().map(|known| news(known, now)));
            return message;
        };
        // This node is the last of the places, and is the datagram's sender: it needs no writing.
        let places = known().map(|known| known.place).chain(self.me.map(|me| me.1));
        let count = self.config.message.unwrap_or(M);
        let order = first(&self.config.ranking, of, &places, count, Ties::random(random));
        let others = order.into_iter().filter_map(|at| known().nth(at));
        message.news.fill(others.map(|known| news(known, now)));
        message
    }
}

/// A descriptor, to be sent.
fn news<I: PeerId, P, T: Profile>(known: &Known<I, P, T>, now: Age) -> News<I, T> {
    // Rounded up: news is never told younger than it is.
    let age = elapsed(now, known.born).saturating_add(1).min(u16::MAX.into());
    News { id: known.id, age: age as u16, profile: known.profile.clone() }
}
