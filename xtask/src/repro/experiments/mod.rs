//! One file per experiment, named for its id with `_` for `-`. Each exports a unit struct that
//! implements [`Experiment`](super::Experiment), listed in
//! [`registry::experiments`](super::registry::experiments).

mod demers87_table1;

pub use demers87_table1::Demers87Table1;
