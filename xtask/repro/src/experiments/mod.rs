//! One file per experiment, named for its id with `_` for `-`. Each has a unit struct that
//! implements [`Experiment`], listed in [`ALL`].

mod aggregate_live;
mod allavena05_partition;
mod antonov23_hub;
mod baquero12_extrema;
mod blobs_chunks;
mod bortnikov08_brahms;
mod dadgar18_lifeguard;
mod dam05_gap;
mod das02_swim;
mod demers87_spatial;
mod demers87_table1;
mod demers87_variants;
mod dissem_efficiency;
mod fernandez07_slicing;
mod flajolet07_hyperloglog;
mod gupta06_hierarchy;
mod hayashibara04_phi;
mod jelasity04_variants;
mod jelasity05_count;
mod jelasity05_factor;
mod jelasity06_bootstrap;
mod jelasity06_jk;
mod jelasity07_sampling;
mod jelasity09_tman;
mod jesus09_flows;
mod johansen06_rings;
mod karp00_push_pull;
mod kempe01_spatial;
mod kempe03_push_sum;
mod kermarrec03_fanout;
mod kostoulas05_density;
mod kostoulas05_hops;
mod leitao07_hyparview;
mod leitao07_plumtree;
mod massoulie06_collide;
mod massoulie06_tour;
mod massoulie06_walk;
mod montresor05_tchord;
mod renesse08_scuttlebutt;
mod tman_shapes;
mod voulgaris05_indegree;
mod yang24_rateless;

use xtask_repro::Experiment;

/// Every experiment, in the order in which `repro list` shows them. A new one is added here.
pub(crate) static ALL: [&dyn Experiment; 44] = [
    &demers87_table1::Demers87Table1,
    &demers87_variants::Demers87Variants,
    &demers87_spatial::Demers87Spatial,
    &kempe01_spatial::Kempe01Spatial,
    &jelasity04_variants::Jelasity04Variants,
    &jelasity05_factor::Jelasity05Factor,
    &voulgaris05_indegree::Voulgaris05Indegree,
    &jelasity07_sampling::Jelasity07Sampling,
    &leitao07_hyparview::Leitao07Hyparview,
    &karp00_push_pull::Karp00PushPull,
    &kermarrec03_fanout::Kermarrec03Fanout,
    &gupta06_hierarchy::Gupta06Hierarchy,
    &leitao07_plumtree::Leitao07Plumtree,
    &dissem_efficiency::DissemEfficiency,
    &bortnikov08_brahms::Bortnikov08Brahms,
    &allavena05_partition::Allavena05Partition,
    &massoulie06_walk::Massoulie06Walk,
    &das02_swim::Das02Swim,
    &dadgar18_lifeguard::Dadgar18Lifeguard,
    &hayashibara04_phi::Hayashibara04Phi,
    &johansen06_rings::Johansen06Rings,
    &antonov23_hub::Antonov23Hub,
    &jelasity09_tman::Jelasity09Tman,
    &tman_shapes::Shape::Torus,
    &tman_shapes::Shape::Ring,
    &tman_shapes::Shape::Tree,
    &montresor05_tchord::Montresor05Tchord,
    &jelasity06_bootstrap::Jelasity06Bootstrap,
    &jelasity06_jk::Jelasity06Jk,
    &fernandez07_slicing::Fernandez07Slicing,
    &dam05_gap::Dam05Gap,
    &renesse08_scuttlebutt::Renesse08Scuttlebutt,
    &yang24_rateless::Yang24Rateless,
    &blobs_chunks::BlobsChunks,
    &jelasity05_count::Jelasity05Count,
    &kempe03_push_sum::Kempe03PushSum,
    &jesus09_flows::Jesus09Flows,
    &baquero12_extrema::Baquero12Extrema,
    &flajolet07_hyperloglog::Flajolet07Hyperloglog,
    &kostoulas05_hops::Kostoulas05Hops,
    &kostoulas05_density::Kostoulas05Density,
    &massoulie06_tour::Massoulie06Tour,
    &massoulie06_collide::Massoulie06Collide,
    &aggregate_live::AggregateLive,
];
