//! Overlays against their papers' figures, under faults and over samplers.

mod jk;
mod slicing;
mod tman;
mod tree;
mod trials;
