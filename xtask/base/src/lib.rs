//! What the workspace's tasks share: why one failed and its exit code, how long it takes, jobs on
//! threads, near misses of names, numbers as printed, and how cargo is called.

mod clock;
mod failure;
pub mod output;
pub mod parallel;
mod progress;
pub mod suggest;
pub mod workspace;

pub use clock::{Stopwatch, human};
pub use failure::{Failure, ended};
pub use progress::Progress;
pub use workspace::root;
