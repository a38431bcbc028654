//! A node for [Maelstrom](https://github.com/jepsen-io/maelstrom) and the Gossip Glomers: the
//! stacks of this workspace behind JSON lines on stdin and stdout.
//!
//! Not a protocol: a driver, and what it drives.
//!
//! `maelstrom [WORKLOAD]`, where WORKLOAD is `broadcast` (the default), `g-set`, `g-counter` or
//! `pn-counter`; all answer `echo` and `generate`, too. See the README of `gossip-net`.

mod graph;
mod json;
mod server;
mod workload;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gossip_core::Time;
use gossip_core::node::Clock;

use server::Server;
use workload::{Broadcast, Counter, GrowingSet, Workload};

/// The longest line taken in, in bytes; what is longer is read as several, and refused.
const LINE: u64 = 1 << 20;

/// Lines that wait for the node, until the pipe has to.
const LINES: usize = 1_024;

/// The least time between two looks at the clock, and the most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3_600));

fn main() -> ExitCode {
    let name = std::env::args().nth(1);
    let result = match name.as_deref().unwrap_or("broadcast") {
        "broadcast" => run(Broadcast::default()),
        "g-set" => run(GrowingSet),
        "g-counter" => run(Counter::growing()),
        "pn-counter" => run(Counter::free()),
        other => {
            eprintln!("no workload {other:?}: broadcast, g-set, g-counter or pn-counter");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stdout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a node until its input ends.
fn run<W: Workload>(workload: W) -> io::Result<()> {
    let (sender, lines) = sync_channel(LINES);
    std::thread::spawn(move || read(&sender));
    let start = Start::now();
    let mut server = Server::new(workload, start.clock().wall ^ u64::from(std::process::id()));
    let mut out = io::stdout().lock();
    loop {
        server.on_time(start.clock());
        for line in server.lines() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        let wait = server.due().since(start.clock().now).clamp(PAUSE.0, PAUSE.1);
        match lines.recv_timeout(wait) {
            Ok(line) => {
                if let Err(cause) = server.on_line(&line, start.clock()) {
                    eprintln!("ignored: {cause}");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Hands on the lines of stdin until they end.
fn read(lines: &SyncSender<Vec<u8>>) {
    let mut input = BufReader::new(io::stdin());
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(1..) if lines.send(line).is_ok() => {}
            _ => return,
        }
    }
}

/// When the node began.
struct Start {
    at: Instant,
}

#[expect(clippy::disallowed_methods, reason = "a driver tells protocols the time")]
impl Start {
    fn now() -> Self {
        Self { at: Instant::now() }
    }

    fn clock(&self) -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        Clock { now: Time::ZERO + self.at.elapsed(), wall }
    }
}
