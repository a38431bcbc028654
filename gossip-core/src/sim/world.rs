//! What nodes of a simulation may read that no node could know: an oracle below the stack.

/// Why a node is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Its round.
    Round,
    /// Anything else: a message, a wake, a command.
    Other,
}

/// What a stack in a simulation stands over.
///
/// `()` is nothing. An oracle sampler is the other common case: it hands out uniform peers and
/// their true profiles, to study a protocol apart from its sampler. [`enter`](Self::enter) tells it
/// who looks, [`leave`](Self::leave) shows it what became of that node.
pub trait World<S> {
    /// `node` is about to be called, in cycle `round`.
    #[inline]
    fn enter(&mut self, _node: u32, _round: u32, _why: Activation) {}

    /// `node` was called and is now `state`.
    #[inline]
    fn leave(&mut self, _node: u32, _state: &S) {}

    /// `node` was killed.
    fn died(&mut self, _node: u32) {}

    /// `node`, which had died, is back.
    fn returned(&mut self, _node: u32) {}
}

impl<S> World<S> for () {}
