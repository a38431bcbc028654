//! The program `gossip`, as a new user runs it: real processes.
