//! `gossip replay`: a recorded node does again what it did.
//!
//! Not a protocol: a file in, what the node told then out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gossip_core::flight::{Recording, Replay};
use gossip_core::{Peers, Time, Wire};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::journal::describe;
use crate::restored::Restored;
use crate::stack::{Agent, Start};
use crate::table::line;

/// The most bytes of a recording. Our choice: a day of a node in a cluster of some thousands.
pub(crate) const MOST: u64 = 1 << 30;

/// A new file for a recording, which others on this host cannot read; it begins with what the stack
/// is given back. What has its name goes to `NAME.old`: a node that starts again must not lose what
/// its last life ended with.
pub(crate) fn create(path: &Path, restored: &Restored) -> Result<File, Failure> {
    let cannot = |e| Failure::refused(format!("cannot record to {}: {e}", path.display()));
    if path.exists() {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        fs::rename(path, PathBuf::from(old)).map_err(cannot)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(cannot)?;
    restored.write(&mut file).map_err(cannot)?;
    Ok(file)
}

/// Replays the recording in `file`, and prints what the node told: a line each, or JSON.
pub(crate) fn run(file: &Path, as_json: bool) -> Result<(), Failure> {
    let name = file.display();
    let bytes = fs::read(file).map_err(|e| Failure::usage(format!("cannot read {name}: {e}")))?;
    let failed = |what: &dyn std::fmt::Display| Failure::refused(format!("{name}: {what}"));
    let (restored, bytes) = Restored::read(&bytes)
        .ok_or_else(|| failed(&"what the node was given back at its start is damaged"))?;
    let recording = Recording::<SocketAddr>::read(bytes).map_err(|e| failed(&e))?;
    let start = Start::decode_all(&recording.about)
        .map_err(|e| failed(&format!("it was not recorded by `gossip agent`: {e}")))?;
    let mut stack: Agent<SocketAddr> = start.stack().map_err(|e| failed(&e))?;
    restored.give(&mut stack);
    let mut replay = Replay::new(recording, stack).map_err(|e| failed(&e))?;
    let mut out = io::stdout().lock();
    let (mut inputs, mut last) = (0_u64, Time::ZERO);
    let ended = loop {
        match replay.step() {
            Ok(Some(clock)) => last = clock.now,
            Ok(None) => break Ok(()),
            Err(error) => break Err(failed(&error)),
        }
        inputs += 1;
        let events: Vec<_> = replay.events().collect();
        for event in events {
            let Some(told) = describe(replay.node().stack(), &event) else { continue };
            print(&mut out, last, told, as_json)?;
        }
    };
    print(&mut out, last, summary(&replay, inputs), as_json)?;
    ended
}

/// How the node was at the end.
fn summary(replay: &Replay<'_, Agent<SocketAddr>>, inputs: u64) -> Value {
    let agent = replay.node().stack();
    json!({
        "event": "end",
        "addr": replay.node().me(),
        "inputs": inputs,
        "rounds": replay.node().rounds(),
        "bytes": replay.at(),
        "bytes_left": replay.left(),
        "members": agent.members.degree() + 1,
        "mean": agent.mean.last_estimate(),
        "nodes": agent.count.last_estimate(),
        "keys": agent.data.len(),
        "digest": format!("{:016x}", agent.data.digest()),
    })
}

/// A line for what was told at this time.
fn print(out: &mut impl Write, at: Time, mut told: Value, as_json: bool) -> Result<(), Failure> {
    let seconds = at.as_micros() as f64 / 1e6;
    let written = if as_json {
        told["at"] = seconds.into();
        writeln!(out, "{told}")
    } else {
        writeln!(out, "{seconds:12.6}  {}", line(&told))
    };
    match written {
        // Who reads no more has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::refused(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}
