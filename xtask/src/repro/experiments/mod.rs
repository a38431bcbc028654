//! One file per experiment, named for its id with `_` for `-`. Each exports a unit struct that
//! implements [`Experiment`](super::Experiment), listed in
//! [`registry::experiments`](super::registry::experiments).
