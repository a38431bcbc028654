//! Anti-entropy: replicas that reconcile over bounded datagrams, sans-IO
#![no_std]
