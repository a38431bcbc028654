//! One file per experiment, named for its id with `_` for `-`. Each exports a unit struct that
//! implements [`Experiment`](super::Experiment), listed in
//! [`registry::experiments`](super::registry::experiments).

mod allavena05_partition;
mod antonov23_hub;
mod bortnikov08_brahms;
mod dadgar18_lifeguard;
mod das02_swim;
mod demers87_spatial;
mod demers87_table1;
mod jelasity04_variants;
mod jelasity05_factor;
mod jelasity06_jk;
mod jelasity07_sampling;
mod jelasity09_tman;
mod kempe01_spatial;
mod leitao07_hyparview;
mod massoulie06_walk;
mod voulgaris05_indegree;
mod wiring;

pub use allavena05_partition::Allavena05Partition;
pub use antonov23_hub::Antonov23Hub;
pub use bortnikov08_brahms::Bortnikov08Brahms;
pub use dadgar18_lifeguard::Dadgar18Lifeguard;
pub use das02_swim::Das02Swim;
pub use demers87_spatial::Demers87Spatial;
pub use demers87_table1::Demers87Table1;
pub use jelasity04_variants::Jelasity04Variants;
pub use jelasity05_factor::Jelasity05Factor;
pub use jelasity06_jk::Jelasity06Jk;
pub use jelasity07_sampling::Jelasity07Sampling;
pub use jelasity09_tman::Jelasity09Tman;
pub use kempe01_spatial::Kempe01Spatial;
pub use leitao07_hyparview::Leitao07Hyparview;
pub use massoulie06_walk::Massoulie06Walk;
pub use voulgaris05_indegree::Voulgaris05Indegree;
