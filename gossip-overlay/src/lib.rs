//! Gossip overlays: T-Man and ordered slicing over any peer source, sans-IO
#![no_std]
