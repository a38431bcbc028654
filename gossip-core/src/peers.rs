//! What a sampler, an overlay or a membership list offers the layers above it: small capability
//! traits, read through a shared borrow and so never stale.

use crate::id::PeerId;
use crate::random::Random;
use crate::time::Round;
use crate::wire::Wire;

/// A source of peers.
pub trait Peers {
    /// How peers are named.
    type Id: PeerId;

    /// A random peer, or `None` while none is known.
    fn sample(&self, random: &mut Random) -> Option<Self::Id>;

    /// Every peer known now, each with the [version](crate::Protocol::version) at which its link
    /// was made, so that a link that went and came back shows. Sources whose links are held for
    /// long say so, as HyParView; those whose views turn over all the time tell 0.
    fn for_each(&self, visit: impl FnMut(Self::Id, u64));

    /// The peer this source exchanges with itself this round, for layers that choose to share it
    /// (correlated choice: fewer datagrams, slower mixing). Independent choice by default.
    fn partner(&self, random: &mut Random) -> Option<Self::Id> {
        self.sample(random)
    }

    /// Rounds since `peer` itself was last known to speak, as of round `now`: the age of its
    /// descriptor. `None` for strangers, and from sources that keep no ages.
    fn age(&self, _peer: Self::Id, _now: Round) -> Option<Round> {
        None
    }

    /// How many peers are known now.
    fn degree(&self) -> usize {
        let mut count = 0;
        self.for_each(|_, _| count += 1);
        count
    }
}

/// A source of peers that also tells something about each: a position, an attribute.
pub trait Profiles: Peers {
    /// What is told.
    type Profile: Profile;

    /// Every peer known now, with the profile it last told.
    fn for_each_profile(&self, visit: impl FnMut(Self::Id, &Self::Profile));
}

/// A layer whose links form a tree, for layers that aggregate or disseminate along it.
///
/// It is this node's present belief: while the tree is repaired, a child may not know yet that it
/// is one, and for a while parents may even lead in a circle.
pub trait Tree {
    /// How peers are named.
    type Id: PeerId;

    /// The node's parent. None at the root, and while it is not in the tree.
    fn parent(&self) -> Option<Self::Id>;

    /// The root, as far as it is known.
    fn root(&self) -> Option<Self::Id>;

    /// How many links the root is away, 0 at the root itself. None while not in the tree.
    fn depth(&self) -> Option<u32>;

    /// Every child.
    fn for_each_child(&self, visit: impl FnMut(Self::Id));

    /// The parent and the children: the node's links in the tree.
    fn for_each_link(&self, mut visit: impl FnMut(Self::Id)) {
        self.parent().into_iter().for_each(&mut visit);
        self.for_each_child(visit);
    }
}

/// What travels in a descriptor beside the identifier. `()` tells nothing and costs nothing.
pub trait Profile: Wire + Send + 'static {}

impl<T: Wire + Send + 'static> Profile for T {}

/// A layer that knows what this node's own descriptor should tell. `()` knows nothing, so that a
/// sampler without profiles stands over nothing.
pub trait Describe<T> {
    /// This node's profile now.
    fn describe(&self) -> T;
}

impl Describe<()> for () {
    fn describe(&self) {}
}

/// A layer that knows who is gone, so that those above it need not find out for themselves. `()`
/// knows nothing.
pub trait Obituary<I> {
    /// Whether `peer` has left or is presumed dead. Of strangers nothing is known.
    fn is_gone(&self, peer: I) -> bool;
}

impl<I> Obituary<I> for () {
    fn is_gone(&self, _: I) -> bool {
        false
    }
}
