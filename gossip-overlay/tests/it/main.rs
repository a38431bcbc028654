//! Overlays against their papers' figures, under faults and over samplers.

mod bootstrap;
mod bounded;
mod chord;
mod hostile;
mod jk;
mod rank;
mod repair;
mod slicing;
mod tman;
mod tree;
mod trials;
