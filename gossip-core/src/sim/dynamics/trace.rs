//! Churn that was measured or made up, as text.

use core::str::FromStr;
use core::time::Duration;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::sim::fault::{number, span};
use crate::sim::host::Host;
use crate::sim::script::ScriptError;

use super::stage::Stage;

/// What happens when, and to whom: a line of text each, with time, node and event.
///
/// Times count from the start, as `2s`, `250ms`, `40us`, or as seconds (cycles, at the period they
/// have by default). Events are those of [faults](crate::sim::fault::Fault): `join`, `leave`,
/// `crash`, `restart`, `revive`, `pause`, `resume`. Whoever joins is named so by the lines after;
/// a node that has not joined is the simulation's own of that number. Empty lines and those that
/// begin with `#` are comments; the order of lines decides only among equal times.
///
/// ```
/// use gossip_core::sim::dynamics::Trace;
///
/// let trace: Trace = "# up and down\n0 70001 join\n90s 70001 leave\n".parse()?;
/// assert_eq!(trace.len(), 2);
/// let error = "1 2 join\n2 2 fly\n".parse::<Trace>().unwrap_err();
/// assert_eq!(error.line, 2);
/// # Ok::<(), gossip_core::sim::script::ScriptError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// In order of time.
    lines: Vec<(Duration, u32, Event)>,
}

/// What may happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Join,
    Leave,
    Crash,
    Restart,
    Revive,
    Pause,
    Resume,
}

/// The words of events, for errors.
const EVENTS: &str = "join, leave, crash, restart, revive, pause, resume";

impl Trace {
    /// How many things happen.
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing ever does.
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl FromStr for Trace {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() || words[0].starts_with('#') {
                continue;
            }
            lines.push(read(&words).map_err(|what| ScriptError { line: at + 1, what })?);
        }
        lines.sort_by_key(|line| line.0);
        Ok(Self { lines })
    }
}

fn read(words: &[&str]) -> Result<(Duration, u32, Event), String> {
    let &[time, node, event] = words else {
        return Err(format!("a line is time, node and event, not {} words", words.len()));
    };
    let seconds = time.ends_with(|last: char| last.is_ascii_digit() || last == '.');
    let time = if seconds { span(&format!("{time}s")) } else { span(time) }?;
    let event = match event {
        "join" => Event::Join,
        "leave" => Event::Leave,
        "crash" => Event::Crash,
        "restart" => Event::Restart,
        "revive" => Event::Revive,
        "pause" => Event::Pause,
        "resume" => Event::Resume,
        _ => return Err(format!("`{event}` is no event; there are: {EVENTS}")),
    };
    Ok((time, number(node)?, event))
}

/// A trace that is being played.
#[derive(Clone, Debug)]
pub(super) struct Playing {
    trace: Trace,
    next: usize,
    /// The simulation's numbers of those who joined.
    joined: BTreeMap<u32, u32>,
}

impl Playing {
    pub(super) const fn new(trace: Trace) -> Self {
        Self { trace, next: 0, joined: BTreeMap::new() }
    }

    /// When the next thing happens.
    pub(super) fn due(&self) -> Option<Duration> {
        self.trace.lines.get(self.next).map(|line| line.0)
    }

    /// Lets all happen that is due at `time`.
    pub(super) fn act<H: Host>(
        &mut self,
        time: Duration,
        stage: &mut Stage<'_, H>,
    ) -> Result<(), ParameterError> {
        while let Some(&(due, name, event)) = self.trace.lines.get(self.next)
            && due <= time
        {
            self.next += 1;
            let node = self.joined.get(&name).copied().unwrap_or(name);
            match event {
                Event::Join => {
                    let node = stage.join()?;
                    self.joined.insert(name, node);
                }
                Event::Leave => _ = stage.host.leave(node),
                Event::Crash => _ = stage.host.crash(node),
                Event::Restart => _ = stage.restart(node)?,
                Event::Revive => _ = stage.host.revive(node),
                Event::Pause => _ = stage.host.pause(node),
                Event::Resume => _ = stage.host.resume(node),
            }
        }
        Ok(())
    }
}
