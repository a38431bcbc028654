//! Gossip aggregation: means and counts over any peer source, sans-IO
#![no_std]
