//! Gossip dissemination: rumor mongering over any peer source, sans-IO
#![no_std]
