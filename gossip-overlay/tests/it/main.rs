//! Overlays against their papers' figures, under faults and over samplers.

mod jk;
mod tman;
mod trials;
