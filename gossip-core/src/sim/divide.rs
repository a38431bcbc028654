//! What several threads of a simulation can use at once.

use super::link::Perfect;
use crate::time::Round;

/// A link or a world of which each thread of a simulation can have its own: what becomes of a
/// message, or what a node sees of the world, does not depend on what became of others in the same
/// cycle.
///
/// An [`Oracle`](super::Oracle) is none: a node sees in it what others have just become. What is
/// only read is one by being cloned:
///
/// ```
/// use gossip_core::sim::Divide;
///
/// /// Loses everything that node 0 sends.
/// #[derive(Clone)]
/// struct Mute;
/// impl Divide for Mute {
///     fn part(&mut self, _: u32) -> Self {
///         self.clone()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "threads of a simulation cannot each have a part of `{Self}`",
    note = "if nothing that happens in a cycle changes it, implement `Divide` for it"
)]
pub trait Divide: Send {
    /// The same again, for one thread in this cycle. It is dropped at the cycle's end.
    #[must_use]
    fn part(&mut self, cycle: Round) -> Self;
}

impl Divide for () {
    fn part(&mut self, _: Round) -> Self {}
}

impl Divide for Perfect {
    fn part(&mut self, _: Round) -> Self {
        Self
    }
}
