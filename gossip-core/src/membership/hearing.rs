//! Who does not hear whom: members that live, and do not answer directly.
//!
//! Not a protocol: what [`Swim`](super::Swim) does about a probe that only helpers got answered.
//! One such probe is a lost datagram; many in a row, while the member lives, are a link that is cut
//! in one direction or both. Which one it is shows in whether the member's own messages arrive.

use arrayvec::ArrayVec;

use super::event::{Deaf, Event};
use super::message::Message;
use super::probe::Probe;
use super::swim::Swim;
use crate::id::PeerId;
use crate::pace::Pace;
use crate::peers::Profile;
use crate::protocol::Context;
use crate::wire::Bounded;

/// Members asked so at a time. Our choice: with more, the fault is this node's, and shows in its
/// health.
const DOUBTED: usize = 4;

/// Periods between two pings to a member that was told of, in the long run. Our choice.
const PAUSE_MAX: u16 = 16;

/// A member that does not answer directly.
#[derive(Clone, Copy, Debug)]
struct Doubt<I> {
    peer: I,
    /// Of its first ping; the later ones count on.
    number: u32,
    sent: u32,
    /// Whether anything came from it since.
    heard: bool,
    told: Option<Deaf>,
    pace: Pace,
}

/// Members that do not answer directly.
#[derive(Clone, Debug)]
pub(super) struct Hearing<I> {
    doubted: ArrayVec<Doubt<I>, DOUBTED>,
}

impl<I: Copy + Eq> Hearing<I> {
    pub(super) const fn new() -> Self {
        Self { doubted: ArrayVec::new_const() }
    }

    /// A message of `from` has come, from there directly. Returns whether the owner was told that
    /// nothing does.
    pub(super) fn heard(&mut self, from: I) -> bool {
        let doubt = self.doubted.iter_mut().find(|doubt| doubt.peer == from);
        doubt.is_some_and(|doubt| {
            doubt.heard = true;
            let wrong = doubt.told == Some(Deaf::Me);
            doubt.told = doubt.told.map(|_| Deaf::Peer);
            wrong
        })
    }

    /// If that is an answer to a ping of ours: whether the owner was told of `from`, of which there
    /// is no doubt any more.
    pub(super) fn answered(&mut self, from: I, number: u32) -> Option<bool> {
        let fits =
            |doubt: &Doubt<I>| doubt.peer == from && number.wrapping_sub(doubt.number) < doubt.sent;
        let at = self.doubted.iter().position(fits)?;
        Some(self.doubted.swap_remove(at).told.is_some())
    }

    /// Of whom the owner was told.
    pub(super) fn told(&self) -> impl Iterator<Item = (I, Deaf)> {
        self.doubted.iter().filter_map(|doubt| Some((doubt.peer, doubt.told?)))
    }
}

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// A probe was answered: if through helpers only, its target is asked directly from now on.
    pub(super) fn doubt_hearing(&mut self, probe: &Probe<I>, cx: &mut impl Context<Self>) {
        let known = self.hearing.doubted.iter().any(|doubt| doubt.peer == probe.target);
        if probe.direct || known || self.config.unheard == 0 {
            return;
        }
        let (peer, number) = (probe.target, probe.number.wrapping_add(1));
        let doubt = Doubt { peer, number, sent: 0, heard: false, told: None, pace: Pace::new() };
        if self.hearing.doubted.try_push(doubt).is_err() {
            cx.count("too many members that do not answer directly");
        }
    }

    /// In each period: a ping to each that does not answer directly; what is sure by now is told.
    pub(super) fn ask_directly(&mut self, cx: &mut impl Context<Self>) {
        let members = &self.members;
        let lives = |peer| {
            let slot = members.find(peer);
            slot.is_some_and(|slot| members.at(slot).standing.state.is_member())
        };
        self.hearing.doubted.retain(|doubt| lives(doubt.peer));
        let (limit, round) = (u32::from(self.config.unheard), cx.round());
        for doubt in &mut self.hearing.doubted {
            if doubt.sent >= limit && doubt.told.is_none() {
                let deaf = if doubt.heard { Deaf::Peer } else { Deaf::Me };
                doubt.told = Some(deaf);
                cx.emit(Event::Unheard { peer: doubt.peer, deaf });
            }
            if doubt.told.is_none() || doubt.pace.due(PAUSE_MAX, round, cx.rng()) {
                let number = doubt.number.wrapping_add(doubt.sent);
                doubt.sent = doubt.sent.saturating_add(1);
                cx.send(doubt.peer, Message::Ping(number, Bounded::new()));
            }
        }
    }
}
