//! Property tests for protocols and stacks, ours and yours: fault schedules that shrink, and
//! invariants that must hold under them.
//!
//! A [`Trial`] says how nodes are made and what may happen to them; [`Invariant`]s say what must
//! hold at every moment, and in the end. [`Trial::check`] draws schedules, plays each in the event
//! simulator, and when an invariant breaks, shrinks the schedule and prints it as a script that
//! [`sim::script`](crate::sim::script) replays, with the [`Trial::player`].
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::testkit::{Kinds, SoundViews, Trial};
//!
//! let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
//! Trial::new(12, move |_| cyclon.clone())
//!     .faults(Kinds::NETWORK | Kinds::CRASHES)
//!     .cases(8)
//!     .check(|| vec![Box::new(SoundViews::new(8, |node: &Cyclon<u32, 8>| node))]);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod golden;
mod invariant;
mod schedule;
mod trial;

pub use golden::check_golden;
pub use invariant::{
    Bounds, DeliveredOnce, Finally, Invariant, Invariants, Mass, NoPhantoms, SoundViews, Violation,
    check_views,
};
pub use schedule::{Kinds, schedules};
pub use trial::{Failure, Trial};
