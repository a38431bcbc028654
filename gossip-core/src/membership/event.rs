//! What a membership tells its owner.
//!
//! Not a protocol: its events, each with its reason.

use super::state::Standing;

/// What the owner hears. Events may be lost or shed; the [snapshot](super::Swim::snapshot) is what
/// to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<I> {
    /// What is held of a member changed.
    Changed {
        /// Whom it is about.
        peer: I,
        /// What was held before; `None` if nothing.
        from: Option<Standing>,
        /// What is held now.
        to: Standing,
        /// Why.
        why: Why<I>,
    },
    /// A member tells another profile.
    Told(I),
    /// Somebody said of this node what is not so; it has contradicted, with this incarnation.
    Refuted(u32),
    /// Another node claims to be this one: it has the same identifier. One of the two should stop;
    /// until then this is told again, ever less often.
    Duplicate,
    /// Store this number, as [`Store::keep`](super::Store::keep) does, and hand it to the next life
    /// of this node as [`Config::incarnation`](super::Config::incarnation): incarnations below it
    /// may be in use.
    Reserve(u32),
    /// Nobody answers any more (true), or somebody does again: this node may be cut off.
    Isolated(bool),
    /// A member is alive, as others say, and has not answered this node directly for
    /// [`Config::unheard`](super::Config::unheard) periods: a link is cut in one direction or both.
    Unheard {
        /// The other end.
        peer: I,
        /// Who does not hear.
        deaf: Deaf,
    },
    /// A member that was [`Unheard`](Self::Unheard) answers directly again.
    HeardAgain(I),
    /// Good-bye is said; this many members have acknowledged it. The node may stop.
    Gone(u8),
}

/// Which end of a link does not hear the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deaf {
    /// The peer does not hear this node, which hears it.
    Peer,
    /// This node has not heard the peer, neither its answers nor anything else. If that comes to
    /// be so only because the peer had nothing to say, its next message is told as [`Self::Peer`].
    Me,
}

/// Why what is held of a member changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why<I> {
    /// It did not answer this node, neither directly nor through others.
    NoAnswer,
    /// It was silent for too long, says this node's detector.
    Silent,
    /// This member said so, or is the one that was heard.
    Heard(I),
    /// It was suspected for too long; this many others suspected it, too.
    TimedOut(u8),
}
