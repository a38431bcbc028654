//! What operators rely on: the agent's own stack among many, and under the faults that have
//! brought down systems like it. Which failure has which test is in the crate's README.

mod cluster;
mod failures;
mod scale;

// The program's stack, and what mends its overlays, as they are.
#[path = "../../src/bin/gossip/bridge.rs"]
mod bridge;
#[path = "../../src/bin/gossip/stack.rs"]
#[allow(dead_code, reason = "a test uses a part of what the program does")]
mod stack;
