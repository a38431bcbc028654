//! The core's tests, one binary: what they have in common is compiled once. Those that count
//! allocations are binaries of their own, beside this.

mod agenda;
mod allavena;
mod brahms;
mod contacts;
mod deadlines;
mod detectors;
mod determinism;
mod dynamics;
mod fireflies;
mod flight;
mod graph_text;
mod heartbeats;
mod hostile_samplers;
mod hyparview;
mod level_triggered;
mod lifeguard;
mod links;
mod membership;
mod membership_malformed;
mod membership_rules;
mod memberships;
mod observe;
mod pairwise;
mod parallel;
mod peer_sampling;
mod remembered;
mod sampling;
mod secure_cyclon;
mod spatial;
mod stack;
mod swim;
mod topology;
mod trials;
mod walk;
mod wire;
