//! Overlays that a partition has made two become one again.
//!
//! Not a protocol: the membership asks the dead for ever, and so finds the other side again; but a
//! sampler has forgotten everybody there, and what stands over it would stay in two parts. So the
//! node is told of a member that is back from the dead, as of any contact.

use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::membership::Event;
use gossip_net::{ContactError, Delivery, Handle};
use tokio::time::Instant;

use crate::stack::{Agent, Told};

/// Tells `node` of members that are back, one in `pause` at most: after a partition that may be
/// half of all, and one is enough.
pub(crate) async fn build(node: Handle<Agent<SocketAddr>>, pause: Duration) {
    let mut events = node.events();
    let mut free_at = Instant::now();
    while let Some(told) = events.recv().await {
        let Delivery::Event(Told::members(Event::Changed { peer, from, to, .. })) = told else {
            continue;
        };
        let back = from.is_some_and(|from| !from.state.is_member()) && to.state.is_member();
        if !back || Instant::now() < free_at {
            continue;
        }
        free_at = Instant::now() + pause;
        if matches!(node.contact(peer).await, Err(ContactError::Closed)) {
            break;
        }
    }
}
