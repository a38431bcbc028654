//! One file per experiment, named for its id with `_` for `-`. Each exports a unit struct that
//! implements [`Experiment`](super::Experiment), listed in
//! [`registry::experiments`](super::registry::experiments).

mod jelasity05_factor;
mod voulgaris05_indegree;
mod wiring;

pub use jelasity05_factor::Factor;
pub use voulgaris05_indegree::Indegree;
