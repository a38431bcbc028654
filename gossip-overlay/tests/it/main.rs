//! Overlays against their papers' figures, under faults and over samplers.

mod bootstrap;
mod bootstrap_repair;
mod bounded;
mod chord;
mod churn;
mod health;
mod hostile;
mod jk;
mod rank;
mod repair;
mod slicing;
mod sorting;
mod tman;
mod tree;
mod trials;
