//! Replicas that were away for longer than deletions are remembered.
//!
//! Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, *Epidemic algorithms
//! for replicated database maintenance*, PODC 1987, section 2: how long certificates are kept.
//!
//! ```text
//! bound = now - (tau1 + tau2)
//! a peer is heard, none was for longer than tau1 + tau2; or a snapshot from before bound is taken:
//!     set values with stamps before bound aside
//! a peer sends the same version of one, or a later one: it is no longer aside
//! the operator says that all were cut off: all that is aside is taken back
//! ```
//!
//! # What holds
//!
//! A value younger than the bound can have been deleted by a younger certificate only, which its
//! sites remember: what a replica wrote within `tau1 + tau2` survives its absence, and what others
//! deleted within that time does not come back, if one of the certificate's sites lives (when half
//! of the servers are gone, all r are lost with probability 2^-r).
//!
//! An older value may have been deleted with nobody left who remembers. It is neither told nor
//! read, and not lost: it stays aside until a peer sends it or a later version. If everybody was
//! cut off from everybody, nobody does, and an operator takes it back at one replica.
//!
//! Two groups that each had company, and were apart for longer than `tau1 + tau2`, are not told
//! from one: what was deleted in one of them early on may come back from the other. Nor is a
//! replica told that was alone since it started: what it has is its own.
//!
//! # Deviations from the paper
//!
//! - All of this: the paper leaves such sites to their operators.

use gossip_core::wire::Blob;
use gossip_core::{Local, PeerId};

use crate::command::Event;
use crate::message::{State, Update};
use crate::replica::Replica;
use crate::seal::Seal;
use crate::store::Merged;

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// Takes back a snapshot made when the wall clock stood at `saved`, and returns how many
    /// entries were not taken. If that is longer ago than deletions are remembered
    /// (`tau1 + tau2`), values of before then may have been deleted meanwhile, and are
    /// [set aside](Self::aside): peers that have them still will send them. What is younger is
    /// taken: if it was deleted, the certificate is still there.
    pub fn rejoin(
        &mut self,
        entries: impl IntoIterator<Item = Update<I, KEY, VALUE>>,
        saved: u64,
        wall: u64,
    ) -> usize {
        let bound = wall.saturating_sub(self.retention[1]);
        let doubted = saved < bound && !self.store.merges();
        let mut take = |entry: Update<I, KEY, VALUE>| match entry.value() {
            Some(value) if doubted && entry.stamp.micros < bound => {
                let seal = Seal::of(&entry);
                self.store.doubt(&entry.key, entry.stamp, value, seal);
                Merged::Outdated
            }
            _ => self.restore(entry, wall),
        };
        entries.into_iter().map(&mut take).filter(|merged| *merged != Merged::Taken).count()
    }

    /// Takes back all that was [set aside](Self::aside), under the stamps it had, and returns how
    /// many entries that were: for a group of which all were cut off from each other. What was
    /// deleted meanwhile, and by now is remembered nowhere, comes back with the rest.
    pub fn reclaim(&mut self) -> usize {
        let aside = core::mem::take(&mut self.store.aside);
        let back = aside.into_iter().filter_map(|(key, (stamp, value, seal))| {
            let value = State::Value(Blob::new(&value).ok()?);
            Some(Update::of(Blob::new(&key).ok()?, stamp, value, &seal))
        });
        back.filter(|entry| {
            let wall = entry.stamp.micros;
            self.restore(entry.clone(), wall) == Merged::Taken
        })
        .count()
    }

    /// If nobody was heard for longer than deletions are remembered, what is older than that may
    /// have been deleted meanwhile: it is set aside.
    pub(crate) fn end_silence(&mut self, cx: &mut impl Local<Self>) {
        let [_, most] = self.retention;
        let now = cx.now();
        let silence = self.heard.replace(now).map(|heard| now.since(heard).as_micros());
        if self.store.merges() || silence.is_none_or(|silence| silence <= u128::from(most)) {
            return;
        }
        let slots = self.store.set_aside(cx.wall().saturating_sub(most));
        for &slot in &slots {
            self.recent.forget(slot);
        }
        if !slots.is_empty() {
            cx.count("cut off for too long");
            cx.emit(Event::SetAside { entries: slots.len() });
        }
    }
}
