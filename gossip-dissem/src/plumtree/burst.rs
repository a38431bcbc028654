//! The first hops of a publication whose origin has no tree yet: so many copies of it are pushed,
//! and from there on it is announced.
//!
//! Not a protocol: a part of the one in `plumtree.rs`. Pushing at first and pulling later is the
//! TTL strategy of Carvalho, Pereira, Oliveira, Rodrigues, *Emergent structure in unstructured
//! epidemic multicast*, DSN 2007. Theirs counts hops, each of which multiplies what is sent by d -
//! 1 in an overlay of degree d; ours counts copies, which each node divides among those it sends
//! one to.
//!
//! As in a flood, few come twice while few have it. A copy goes along a link that carried none, to
//! a node chosen by its links that carried none: with f the share of nodes that have it and c the
//! copies a node, df/dc = 1 - (d f - 2 c) / (d - 2 c), and so f = 1 - (1 - 2 c / d)^(d / 2). With d
//! = 5, c = .6 reaches half of the nodes, and .1 of a copy a node is one too many.

use gossip_core::{Context, PeerId, Wire};

use super::link::Tree;
use super::message::Message;
use super::{State, Trees};
use crate::post::Post;

impl<I: PeerId, V: Wire> State<I, V> {
    /// How many copies of what this node publishes in `tree` are to be pushed.
    pub(super) fn first_burst(&self, tree: Tree<I>) -> usize {
        let grown = self.links.iter().any(|link| link.is_eager(tree));
        if grown || self.config.trees != Trees::OnDemand { 0 } else { self.config.burst }
    }

    /// Pushes `copies` copies of `post`, one to each of as many of the links in `open`, whose
    /// neighbours push the rest; these links are part of the tree now. Returns the links left over.
    pub(super) fn burst<'a>(
        &mut self,
        post: &Post<I, V>,
        open: &'a mut [usize],
        copies: usize,
        cx: &mut impl Context<Self>,
    ) -> &'a [usize] {
        let targets = copies.min(open.len());
        if targets == 0 {
            return open;
        }
        cx.rng().choose(open, targets);
        let (chosen, left) = open.split_at(targets);
        let (tree, rest) = (self.tree(&post.id), copies - targets);
        for (nth, &at) in chosen.iter().enumerate() {
            let share = rest / targets + usize::from(nth < rest % targets);
            let copies = u32::try_from(share).unwrap_or(u32::MAX);
            let link = &mut self.links[at];
            link.set_eager(tree, true);
            if let Some(after) = self.config.confirm {
                link.announce(post.id, cx.now() + after);
            }
            self.traffic.payloads += 1;
            cx.send(link.peer, Message::Burst { post: post.clone(), copies });
        }
        left
    }
}
