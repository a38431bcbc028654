//! What a packed datagram costs between two nodes on loopback: processor time to send and to
//! receive it, in clear and sealed, beside a loop over bare sockets in the same run.
//!
//! ```text
//! cargo bench -p gossip-net --bench datagrams
//! ```
//!
//! The loop sends and receives the same bytes, thirty-two datagrams a call of the system, without
//! packing, decoding, runtime or counters; beside it stands one with a call a datagram. One thread
//! does all, and its own processor time is what counts, so that what else runs on the machine moves
//! little but the caches. Every row checks that what was sent has come: what was lost may be one in
//! a hundred.
//!
//! Bias: the loops' sender and receiver take turns, thirty-two datagrams each, as the nodes' tasks
//! do, of which the receiver says so with a datagram more; segmentation offload is used by none.
//! Each run measures all rows once, one after the other; of each the best run counts.

#[cfg(target_os = "linux")]
mod linux;

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
    #[cfg(not(target_os = "linux"))]
    println!("skipped: only Linux tells a thread's processor time");
}
