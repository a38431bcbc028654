//! A small language that drives the event simulator, and whose golden files read like a protocol
//! trace.
//!
//! ```text
//! # why: a lost reply is given up after the patience, and the next round asks again
//! nodes 2
//! seed 1
//! latency 10ms
//! contact 1 0
//! run 2s
//!   | 0.412164s 1 -> 0 (10ms) Request(7, ..)
//! at 2s cut 0 1
//! show 1
//!   | view: 0
//! ```
//!
//! Lines that start with `|` are output: [`replay`] drops them, and writes the new ones. So a file
//! is script and expectation in one, and a test compares the file with its replay.
//!
//! | Line | Meaning |
//! |---|---|
//! | `# text` | a comment; the first says why the script exists |
//! | `nodes N`, `seed N`, `tick D`, `jitter X`, `mtu B` | the simulation, before all else |
//! | a [fault](super::fault::Fault) | happens now |
//! | `at D line` | at time D after the start, once |
//! | `run D` | lets D pass |
//! | `quiet`, `loud` | stops and resumes printing datagrams |
//! | `command A text` | a command to node A, as the player reads it |
//! | `show A`, `show` | node A, or every node, as the player prints it |
//! | `counts` | what was ignored, refused or lost so far |

use core::fmt;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::event::{Config, Passage, Simulation};
use super::fault::{Fault, Span, number, probability, span};
use super::link::Network;
use crate::packet::HEADER;
use crate::protocol::Layer;
use crate::time::Time;
use crate::wire::Wire;

/// Reads a command from text, or says what is wrong with it.
pub type Reader<C> = dyn Fn(&str) -> Result<C, String>;

/// What a script needs to know of a stack.
pub struct Player<S: Layer<(), Id = u32>> {
    /// Makes a node from its number.
    pub make: Arc<dyn Fn(u32) -> S + Send + Sync>,
    /// Reads a command from text.
    pub command: Box<Reader<S::Command>>,
    /// Prints a node.
    pub show: Box<dyn Fn(&S) -> String>,
}

impl<S: Layer<(), Id = u32>> Player<S> {
    /// Nodes made by `make`, that take no commands and print as `show` says.
    pub fn new(
        make: impl Fn(u32) -> S + Send + Sync + 'static,
        show: impl Fn(&S) -> String + 'static,
    ) -> Self {
        let command = |text: &str| Err(format!("this player reads no commands: `{text}`"));
        Self { make: Arc::new(make), command: Box::new(command), show: Box::new(show) }
    }

    /// The same, with commands read by `command`.
    pub fn commands(
        mut self,
        command: impl Fn(&str) -> Result<S::Command, String> + 'static,
    ) -> Self {
        self.command = Box::new(command);
        self
    }
}

impl<S: Layer<(), Id = u32>> fmt::Debug for Player<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").finish_non_exhaustive()
    }
}

/// What is wrong with a script, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for ScriptError {}

/// Plays `script` and returns it with its output up to date.
///
/// # Errors
///
/// Names the first line that is no part of the language, and what would be.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::script::{Player, replay};
///
/// let cyclon = Cyclon::<u32, 4>::new(Default::default())?;
/// let show = |node: &Cyclon<u32, 4>| format!("{} peers", node.view(0).len());
/// let player = Player::new(move |_| cyclon.clone(), show);
/// let script = "# why: a contact is enough\nnodes 2\ncontact 1 0\nquiet\nrun 5s\nshow\n";
/// let golden = replay(script, &player).unwrap();
/// assert!(golden.contains("show\n  | 0: "));
/// assert_eq!(replay(&golden, &player).unwrap(), golden);
///
/// let error = replay("nodes 2\nrun fast\n", &player).unwrap_err();
/// assert_eq!(error.line, 2);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn replay<S>(script: &str, player: &Player<S>) -> Result<String, ScriptError>
where
    S: Layer<(), Id = u32> + 'static,
{
    let mut stage = Stage { player, setup: Setup::default(), sim: None, quiet: false };
    let mut out = String::new();
    for (at, line) in script.lines().enumerate() {
        if line.trim_start().starts_with('|') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        let output = stage.act(line.trim()).map_err(|what| ScriptError { line: at + 1, what })?;
        for row in output {
            out.push_str("  | ");
            out.push_str(row.trim_end());
            out.push('\n');
        }
    }
    Ok(out)
}

/// The lines that come before the simulation starts.
struct Setup {
    nodes: u32,
    config: Config,
}

impl Default for Setup {
    fn default() -> Self {
        Self { nodes: 1, config: Config { jitter: 0.0, ..Config::seeded(0) } }
    }
}

struct Stage<'a, S: Layer<(), Id = u32>> {
    player: &'a Player<S>,
    setup: Setup,
    /// Built by the first line that needs it.
    sim: Option<Simulation<S>>,
    quiet: bool,
}

/// What a script's line may be, for errors.
const LINES: &str = "nodes N, seed N, tick D, jitter X, mtu B, run D, at D LINE, quiet, loud, \
     command A TEXT, show [A], counts, or a fault";

/// Datagrams a line may print; beyond these the oldest are left out.
const PRINTED: usize = 100_000;

impl<S: Layer<(), Id = u32> + 'static> Stage<'_, S> {
    /// Carries out one line, and returns what it prints.
    fn act(&mut self, line: &str) -> Result<Vec<String>, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "" => return Ok(Vec::new()),
            _ if word.starts_with('#') => return Ok(Vec::new()),
            "nodes" | "seed" | "tick" | "jitter" | "mtu" => {
                return self.set_up(word, rest).map(|()| Vec::new());
            }
            "quiet" | "loud" => self.quiet = word == "quiet",
            "run" => {
                let length = span(rest)?;
                self.sim()?.run_for(length);
            }
            "at" => return self.act_later(rest),
            "command" => return self.command(rest),
            "show" => return self.show(rest),
            "counts" => return self.counts(),
            _ => {
                let fault: Fault = line
                    .parse()
                    .map_err(|_| format!("`{line}` is not understood; there are: {LINES}"))?;
                fault.apply(self.sim()?).map_err(|error| error.to_string())?;
            }
        }
        self.printed()
    }

    fn set_up(&mut self, word: &str, value: &str) -> Result<(), String> {
        if self.sim.is_some() {
            return Err(format!("`{word}` comes too late: the simulation has started"));
        }
        let config = &mut self.setup.config;
        let wrong = |_| format!("`{value}` is no whole number");
        match word {
            "nodes" => self.setup.nodes = number(value)?,
            "seed" => config.seed = value.parse().map_err(wrong)?,
            "mtu" => config.mtu = value.parse().map_err(wrong)?,
            "tick" => config.tick = span(value)?,
            _ => config.jitter = probability(value)?,
        }
        Ok(())
    }

    fn sim(&mut self) -> Result<&mut Simulation<S>, String> {
        if self.sim.is_none() {
            let Setup { nodes, config } = self.setup;
            if nodes > MOST_NODES {
                return Err(format!(
                    "{nodes} nodes are too many; a script has at most {MOST_NODES}"
                ));
            }
            let make = Arc::clone(&self.player.make);
            let sim = Simulation::new(nodes, move |at| make(at), Network::default(), config);
            let mut sim = sim.map_err(|error| error.to_string())?;
            sim.record(PRINTED);
            self.sim = Some(sim);
        }
        self.sim.as_mut().ok_or_else(|| "the simulation did not start".to_string())
    }

    fn act_later(&mut self, rest: &str) -> Result<Vec<String>, String> {
        let (at, line) = rest.split_once(' ').ok_or("`at` needs a time and a line")?;
        if line.trim_start().starts_with("at ") {
            return Err("`at` twice in one line".to_string());
        }
        let at = Time::ZERO + span(at)?;
        let sim = self.sim()?;
        if at < sim.now() {
            return Err(format!("it is later than that: {}", Span(sim.now().since(Time::ZERO))));
        }
        sim.run_until(at);
        let mut out = self.printed()?;
        out.extend(self.act(line.trim())?);
        Ok(out)
    }

    fn command(&mut self, rest: &str) -> Result<Vec<String>, String> {
        let (node, text) = rest.split_once(' ').ok_or("`command` needs a node and a text")?;
        let node = number(node)?;
        let command = (self.player.command)(text.trim())?;
        let mut out = match self.sim()?.command(node, command) {
            Ok(receipt) => alloc::vec![format!("accepted, {} attempted", receipt.attempted)],
            Err(refusal) => alloc::vec![format!("refused: {refusal}")],
        };
        out.extend(self.printed()?);
        Ok(out)
    }

    fn show(&mut self, rest: &str) -> Result<Vec<String>, String> {
        let player = self.player;
        if rest.is_empty() {
            let row = |(at, node): (u32, &S)| format!("{at}: {}", (player.show)(node));
            return Ok(self.sim()?.nodes().map(row).collect());
        }
        let node = number(rest)?;
        let text = self.sim()?.node(node).map(|state| (player.show)(state));
        text.map(|text| text.lines().map(String::from).collect())
            .ok_or_else(|| format!("node {node} does not live"))
    }

    fn counts(&mut self) -> Result<Vec<String>, String> {
        let rows = self.sim()?.counts().iter();
        let row = |(layer, cause, count)| match layer {
            "" => format!("{count} {cause}"),
            _ => format!("{count} {layer}: {cause}"),
        };
        Ok(rows.map(row).collect())
    }

    /// The datagrams sent since they were last printed, and the events told.
    fn printed(&mut self) -> Result<Vec<String>, String> {
        let quiet = self.quiet;
        let sim = self.sim()?;
        let passages: Vec<Passage> = sim.recorded().collect();
        let mut out: Vec<String> = passages.iter().flat_map(print_passage::<S>).collect();
        out.extend(sim.events().take().map(|(node, event)| format!("{node} tells {event:?}")));
        if quiet {
            out.clear();
        }
        Ok(out)
    }
}

/// Nodes a script may have: it is read by people.
const MOST_NODES: u32 = 1_000;

/// One line per frame of a datagram.
fn print_passage<S: Layer<(), Id = u32>>(passage: &Passage) -> Vec<String> {
    let Passage { trip, bytes, copies } = passage;
    let fate = match copies.as_slice() {
        [] => "lost".to_string(),
        [delay] => Span(*delay).to_string(),
        [delay, ..] => format!("twice, {}", Span(*delay)),
    };
    let sent = trip.at.as_micros();
    let (seconds, micros) = (sent / 1_000_000, sent % 1_000_000);
    let head = format!("{seconds}.{micros:06}s {} -> {} ({fate})", trip.from, trip.to);
    let mut frames = bytes.get(HEADER..).unwrap_or_default();
    let mut out = Vec::new();
    while !frames.is_empty() {
        match S::Message::decode(&mut frames) {
            Ok(message) => out.push(format!("{head} {message:?}")),
            Err(error) => {
                out.push(format!("{head} {error}"));
                break;
            }
        }
    }
    out
}
