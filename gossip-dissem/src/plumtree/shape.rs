//! Which links a tree keeps, when a value comes twice, or could come over fewer hops.
//!
//! Not a protocol: the shaping of the trees of the one in `plumtree.rs`.

use alloc::collections::VecDeque;

use gossip_core::{Context, PeerId, Wire};

use super::link::Note;
use super::message::Message;
use super::{State, Trees};
use crate::post::MessageId;

impl<I: PeerId, V: Wire> State<I, V> {
    /// A value that is here has come again, from somebody else: one of the two ways is pruned.
    ///
    /// In a shared tree that is the slower one. In an origin's own it is the longer one, or else
    /// the one that was pruned before: values are under way while links change, and whichever of
    /// them happens to be the quicker must not cost the node both ways.
    pub(super) fn on_copy(
        &mut self,
        from: I,
        id: MessageId<I>,
        hops: u16,
        cx: &mut impl Context<Self>,
    ) {
        let Some((source, hops_before)) = self.store.way(&id) else { return };
        if source == Some(from) {
            return;
        }
        let Some(source) = source.filter(|_| self.config.trees == Trees::PerOrigin) else {
            return self.prune(from, id, cx);
        };
        let [was_declined, is_declined] = [source, from].map(|peer| self.is_declined(peer, &id));
        if hops < hops_before || (was_declined && !is_declined) {
            self.store.set_way(&id, from, hops);
            if is_declined {
                self.attach(from, id, cx);
            }
            self.prune(source, id, cx);
        } else {
            self.prune(from, id, cx);
        }
    }

    /// What is here is announced over fewer hops than it has come. In an origin's own tree that way
    /// is tried, too; when both bring the next value, the longer one is pruned.
    pub(super) fn on_late_announcement(
        &mut self,
        from: I,
        id: MessageId<I>,
        hops: u16,
        cx: &mut impl Context<Self>,
    ) {
        let Some(threshold) = self.config.threshold else { return };
        let shorter = |way: (Option<I>, u16)| way.1.saturating_sub(hops) >= threshold;
        if self.config.trees == Trees::PerOrigin
            && self.store.way(&id).is_some_and(shorter)
            && self.is_declined(from, &id)
        {
            self.attach(from, id, cx);
        }
    }

    /// Moves this node to a shorter way to the publisher, if it was told of one.
    pub(super) fn optimise(
        &mut self,
        from: I,
        id: MessageId<I>,
        hops: u16,
        announced: &VecDeque<(I, u16)>,
        cx: &mut impl Context<Self>,
    ) {
        let Some(threshold) = self.config.threshold else { return };
        let shortest = announced.iter().min_by_key(|entry| entry.1);
        let Some(&(peer, _)) = shortest.filter(|one| hops.saturating_sub(one.1) >= threshold)
        else {
            return;
        };
        self.attach(peer, id, cx);
        // In an origin's own tree, the longer way is pruned when the shorter one has worked.
        if self.config.trees == Trees::Shared {
            self.prune(from, id, cx);
        }
    }

    /// Whether `peer` was told only to announce what it passes on in the tree of `id`.
    fn is_declined(&mut self, peer: I, id: &MessageId<I>) -> bool {
        let tree = self.tree(id);
        self.link(peer).is_some_and(|link| link.is_declined(tree))
    }

    fn attach(&mut self, peer: I, id: MessageId<I>, cx: &mut impl Context<Self>) {
        self.decline(peer, &id, false);
        self.traffic.grafts += 1;
        cx.send(peer, Message::Attach(id));
    }

    fn prune(&mut self, peer: I, id: MessageId<I>, cx: &mut impl Context<Self>) {
        self.decline(peer, &id, true);
        self.traffic.prunes += 1;
        self.send_note(peer, Note::Prune(id), cx);
    }
}
