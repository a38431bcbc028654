//! Replicas against the paper's claims, naive models, lossy networks and hostile peers.

mod cost;
mod exchange;
mod hostile;
mod laws;
mod pair;
mod range;
mod sketch;
mod spread;
mod trials;
mod union;
