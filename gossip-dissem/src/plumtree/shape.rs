//! Which links a tree keeps, when a value comes twice, or could come over fewer hops.
//!
//! Not a protocol: the shaping of the trees of the one in `plumtree.rs`.

use alloc::collections::VecDeque;

use gossip_core::{Context, PeerId, Wire};

use super::link::Note;
use super::message::Message;
use super::store::Way;
use super::{State, Trees};
use crate::post::MessageId;

impl<I: PeerId, V: Wire> State<I, V> {
    /// A value that is here has come again, from somebody else: one of the two ways is pruned,
    /// unless one of them is no link of the tree, but brought what it was asked for.
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
        let Some(way) = self.store.way(&id) else { return };
        if way.source == Some(from) || way.requested == Some(from) {
            return;
        }
        let is_expected = self.is_expected(from, &id);
        if is_expected && way.source.is_some() && way.source == way.requested {
            return self.store.set_way(&id, from, hops);
        }
        let Some(source) = way.source.filter(|_| self.config.trees != Trees::Shared) else {
            return self.prune(from, id, cx);
        };
        let was_expected = self.is_expected(source, &id);
        if hops < way.hops || (is_expected && !was_expected) {
            self.store.set_way(&id, from, hops);
            if !is_expected {
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
        let shorter = |way: Way<I>| way.hops.saturating_sub(hops) >= threshold;
        if self.config.trees != Trees::Shared
            && self.store.way(&id).is_some_and(shorter)
            && !self.is_expected(from, &id)
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

    /// Whether `peer` should send what is published in the tree of `id`, not only announce it.
    fn is_expected(&mut self, peer: I, id: &MessageId<I>) -> bool {
        let tree = self.tree(id);
        self.link(peer).is_some_and(|link| link.is_expected(tree))
    }

    fn attach(&mut self, peer: I, id: MessageId<I>, cx: &mut impl Context<Self>) {
        self.expect(peer, &id, true);
        self.traffic.grafts += 1;
        cx.send(peer, Message::Attach(id));
    }

    fn prune(&mut self, peer: I, id: MessageId<I>, cx: &mut impl Context<Self>) {
        self.expect(peer, &id, false);
        self.traffic.prunes += 1;
        self.send_note(peer, Note::Prune(id), cx);
    }
}
