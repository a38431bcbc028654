//! Replicas against the paper's claims, naive models, lossy networks and hostile peers.

mod absence;
mod activity;
mod blobs;
mod certificates;
mod changed;
mod cost;
mod exchange;
mod hostile;
mod integrity;
mod laws;
mod merge;
mod merkle;
mod method;
mod pair;
mod range;
mod scuttlebutt;
mod signed;
mod sketch;
mod soak;
mod spread;
mod ten;
mod trials;
mod union;
