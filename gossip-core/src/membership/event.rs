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
    /// Store this number, and hand it to the next life of this node as
    /// [`Config::incarnation`](super::Config::incarnation): incarnations below it may be in use.
    Reserve(u32),
    /// Nobody answers any more (true), or somebody does again: this node may be cut off.
    Isolated(bool),
    /// Good-bye is said; this many members have acknowledged it. The node may stop.
    Gone(u8),
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
