//! What each node of the demo was given, in memory; and its replay, which must end as the node did.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_core::flight::{Recording, Replay};

use super::cluster::{App, Member};
use super::plan::Plan;

/// Bytes of a recording: ten times what a minute at the default settings takes. Our choice.
pub(crate) const MOST: u64 = 1 << 23;

/// A file in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Film(Arc<Mutex<Vec<u8>>>);

impl Film {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self) -> bool {
        self.bytes().len() as u64 >= MOST
    }
}

impl Write for Film {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does again what a node that has ended was given. Returns how many inputs those were.
///
/// # Errors
///
/// Where the replay parts from what the node did, or that it ends in another state.
pub(crate) fn replay(plan: &Plan, member: &Member) -> Result<u64, String> {
    let bytes = member.film.bytes();
    let recording = Recording::read(&bytes).map_err(|e| e.to_string())?;
    let stack = plan.settings.node::<SocketAddr>(0.0).map_err(|e| e.to_string())?;
    let mut replay = Replay::<App>::new(recording, stack).map_err(|e| e.to_string())?;
    let inputs = replay.run().map_err(|e| e.to_string())?;
    let ended = member.handle.read(|app| format!("{app:?}"));
    let same = format!("{:?}", replay.node().stack()) == ended;
    drop(bytes);
    if same || member.film.is_full() { Ok(inputs) } else { Err("it ends in another state".into()) }
}
