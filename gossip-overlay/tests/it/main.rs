//! Overlays against their papers' figures, under faults and over samplers.

mod chord;
mod hostile;
mod jk;
mod rank;
mod repair;
mod tman;
mod trials;
