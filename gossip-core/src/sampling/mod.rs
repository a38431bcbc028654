//! Peer sampling: who to gossip with, from a small view that the peers themselves keep fresh.
//!
//! Not a protocol: the samplers are in the modules below.
//!
//! | Sampler | In-degree | Dead links | Choose it when |
//! |---|---|---|---|
//! | [`Cyclon`] | nearly equal | leave in about 1.5 c rounds | load must be even |
//! | [`Newscast`] | uneven | leave in a few rounds | nodes come and go |
//! | [`PeerSampling`] | as its H and S say | as its H and S say | either is to be traded |
//! | [`Allavena`] | fairly equal | leave in some c / F rounds | partitions must be provably rare |
//! | [`Brahms`] | uneven | leave as probes go unanswered | some nodes lie |
//! | [`SecureCyclon`] | nearly equal | leave in about 1.5 c rounds | nodes cheat, keys cost |
//! | [`HyParView`] | equal, links symmetric | leave when found silent | a flood must reach all |
//! | [`Contacts`] | as a trace says | leave at once | nodes move, and meet now and then |
//! | [`Fixed`], [`Complete`] | as given | stay | closed forms are to be checked |
//! | [`Walk`] | as its links; samples uniform | as samples age | links are few or uneven |
//! | [`Weighted`], [`Lattice`] | by weight or distance | stay | long links are dear |
//!
//! Who must know everybody, and who has failed, takes a [membership](crate::membership) instead.
//!
//! All implement [`Peers`](crate::Peers), the first three [`Profiles`](crate::Profiles) as well:
//! their descriptors may carry a profile of their node, which a layer above provides through
//! [`Describe`](crate::Describe). [`Remembering`] wraps any of them, and merges what a long
//! partition has made two; [`Correlated`] makes the layers above ask whom the sampler asks.

pub mod allavena;
pub mod brahms;
pub(crate) mod contact;
pub mod contacts;
pub mod correlated;
pub mod cyclon;
mod decorator;
mod descriptor;
pub mod fixed;
pub mod framework;
mod gathered;
pub mod hyparview;
mod lattice;
pub mod min_wise;
pub mod newscast;
pub mod remembered;
pub mod secure_cyclon;
pub mod walk;
mod weighted;

pub use allavena::Allavena;
pub use brahms::Brahms;
pub use contacts::Contacts;
pub use correlated::Correlated;
pub use cyclon::Cyclon;
pub use descriptor::Descriptor;
pub use fixed::{Complete, Fixed};
pub use framework::PeerSampling;
pub use hyparview::HyParView;
pub use lattice::Lattice;
pub use newscast::Newscast;
pub use remembered::Remembering;
pub use secure_cyclon::SecureCyclon;
pub use walk::Walk;
pub use weighted::Weighted;
