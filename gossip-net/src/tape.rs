//! Where a node's flight recording goes.
//!
//! Not a protocol: what the task does with the bytes of [`Recorder`].

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;

use gossip_core::flight::{Input, Recorder};
use gossip_core::node::{Clock, Config, Effects};

use crate::Stack;

/// Bytes gathered before they are written, at the end of a round or when they are more than this.
/// Our choice.
const GATHERED: usize = 64 * 1_024;

/// A recorder, and what it writes to.
pub(crate) struct Tape {
    recorder: Recorder,
    out: Box<dyn Write + Send>,
    /// How many bytes it may still become.
    left: u64,
    /// Why no more is recorded.
    ended: Option<&'static str>,
}

impl Tape {
    /// Begins the recording of a node.
    pub(crate) fn begin<S: Stack>(
        out: Box<dyn Write + Send>,
        most: u64,
        (me, config): (SocketAddr, &Config),
        about: &[u8],
    ) -> io::Result<Self> {
        let recorder = Recorder::begin::<S>(me, config, about);
        let mut tape = Self { recorder, out, left: most, ended: None };
        tape.save()?;
        Ok(tape)
    }

    pub(crate) fn note<S: Stack>(&mut self, input: &Input<'_, S>, clock: Clock) {
        if self.ended.is_none() {
            self.recorder.note(input, clock);
        }
    }

    pub(crate) fn came_out<S: Stack>(&mut self, effects: &Effects<S>) {
        if self.ended.is_none() {
            self.recorder.came_out(effects);
            if self.recorder.bytes().len() > GATHERED {
                self.write();
            }
        }
    }

    /// Writes what has been gathered. Returns why the recording has ended, if it has.
    pub(crate) fn write(&mut self) -> Option<&'static str> {
        if self.ended.is_none() {
            let full = self.left < self.recorder.bytes().len() as u64;
            let saved = self.save();
            let ended = if full { "recording full" } else { "recording cannot be written" };
            self.ended = (full || saved.is_err()).then_some(ended);
        }
        self.ended
    }

    /// Writes as much as may be written.
    fn save(&mut self) -> io::Result<()> {
        let bytes = self.recorder.bytes();
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let written = self.out.write_all(&bytes[..len]).and_then(|()| self.out.flush());
        self.left -= len as u64;
        self.recorder.clear();
        written
    }
}

impl Drop for Tape {
    /// What a node that panicked was given last is what one wants to see.
    fn drop(&mut self) {
        self.write();
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("left", &self.left).finish_non_exhaustive()
    }
}
