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
//! | `detection D`, `detection never` | when crashes are seen, before all else |
//! | `prepare` | what the player prepares, beyond what text can say |
//! | a [fault](super::fault::Fault) | happens now |
//! | `at D line` | at time D after the start, once |
//! | `run D` | lets D pass |
//! | `quiet`, `loud` | stops and resumes printing datagrams |
//! | `command A text` | a command to node A, as the player reads it |
//! | `command A 0xBYTES` | the same as the command's encoding, which needs no reader |
//! | `show A`, `show` | node A, or every node, as the player prints it |
//! | `counts` | what was ignored, refused or lost so far |
//! | `end` | what must hold at the end is looked at, if the player has an observer |
//!
//! A player with an [`Observer`] has it look after every tick and after every `at`, and prints what
//! it sees as `! text`.

use core::fmt;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::event::{Config, Passage, Simulation};
use super::fault::{FAULTS, Fault, Span, number, probability, span};
use super::link::Network;
use crate::packet::HEADER;
use crate::protocol::Layer;
use crate::time::Time;
use crate::wire::Wire;

/// Reads a command from text, or says what is wrong with it.
pub type Reader<C> = dyn Fn(&str) -> Result<C, String>;

/// Acts on a simulation.
pub type Act<S> = dyn Fn(&mut Simulation<S>);

/// Looks at a simulation while a script runs.
pub trait Observer<S: Layer<(), Id = u32>> {
    /// Looks after a tick or an `at`; `told` is what nodes told since the last look. What it
    /// returns is printed.
    fn look(&mut self, sim: &Simulation<S>, told: &[(u32, S::Event)]) -> Option<String>;

    /// Looks at the line `end`.
    fn end(&mut self, sim: &Simulation<S>) -> Option<String>;
}

/// Makes an observer for one replay.
pub type MakeObserver<S> = dyn Fn() -> Box<dyn Observer<S>>;

/// What a script needs to know of a stack.
pub struct Player<S: Layer<(), Id = u32>> {
    /// Makes a node from its number.
    pub make: Arc<dyn Fn(u32) -> S + Send + Sync>,
    /// Reads a command from text.
    pub command: Box<Reader<S::Command>>,
    /// Prints a node.
    pub show: Box<dyn Fn(&S) -> String>,
    /// What the line `prepare` does.
    pub prepare: Arc<Act<S>>,
    /// Who looks, if anybody does.
    pub observer: Option<Box<MakeObserver<S>>>,
}

impl<S: Layer<(), Id = u32>> Player<S> {
    /// Nodes made by `make`, that take no commands and print as `show` says.
    pub fn new(
        make: impl Fn(u32) -> S + Send + Sync + 'static,
        show: impl Fn(&S) -> String + 'static,
    ) -> Self {
        let command = |text: &str| Err(format!("this player reads no commands: `{text}`"));
        Self {
            make: Arc::new(make),
            command: Box::new(command),
            show: Box::new(show),
            prepare: Arc::new(|_| ()),
            observer: None,
        }
    }

    /// The same, with commands read by `command`.
    pub fn commands(
        mut self,
        command: impl Fn(&str) -> Result<S::Command, String> + 'static,
    ) -> Self {
        self.command = Box::new(command);
        self
    }

    /// The same, with a line `prepare` that does this.
    pub fn prepare(mut self, act: impl Fn(&mut Simulation<S>) + 'static) -> Self {
        self.prepare = Arc::new(act);
        self
    }

    /// The same, with an observer, made anew for each replay.
    pub fn observe(mut self, make: impl Fn() -> Box<dyn Observer<S>> + 'static) -> Self {
        self.observer = Some(Box::new(make));
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
    let observer = player.observer.as_ref().map(|make| make());
    let mut stage = Stage {
        player,
        setup: Setup::default(),
        sim: None,
        quiet: false,
        observer,
        rows: Vec::new(),
    };
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
    observer: Option<Box<dyn Observer<S>>>,
    /// To be printed after this line.
    rows: Vec<String>,
}

/// What a script's line may be, for errors.
const LINES: &str = "nodes N, seed N, tick D, jitter X, mtu B, detection D, prepare, run D, \
     at D LINE, quiet, loud, command A TEXT, show [A], counts, end, or a fault";

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
            "nodes" | "seed" | "tick" | "jitter" | "mtu" | "detection" => {
                return self.set_up(word, rest).map(|()| Vec::new());
            }
            "quiet" | "loud" => self.quiet = word == "quiet",
            "run" => {
                let end = self.sim()?.now() + span(rest)?;
                self.pass(end)?;
                self.look()?;
            }
            "prepare" => {
                let prepare = Arc::clone(&self.player.prepare);
                prepare(self.sim()?);
            }
            "at" => self.act_later(rest)?,
            "command" => self.command(rest)?,
            "show" => self.show(rest)?,
            "counts" => self.counts()?,
            "end" => self.end()?,
            _ => {
                // A word that is known, with what is wrong behind it, is told as such.
                let unknown = format!("`{line}` is not understood; there are: {LINES}");
                let known = FAULTS.split(", ").any(|fault| fault.split(' ').next() == Some(word));
                let fault: Result<Fault, String> = line.parse();
                let fault = fault.map_err(|error| if known { error } else { unknown })?;
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
            "detection" if value == "never" => config.detection = None,
            "detection" => config.detection = Some(span(value)?),
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

    /// Lets time pass until `end`; the observer looks after every tick.
    fn pass(&mut self, end: Time) -> Result<(), String> {
        let tick = self.setup.config.tick;
        self.sim()?;
        let Self { sim: Some(sim), observer, rows, quiet, .. } = self else { return Ok(()) };
        if observer.is_none() {
            sim.run_until(end);
            return Ok(());
        }
        pass(sim, tick, end, |sim| {
            look(sim, observer, *quiet, rows);
            Ok(())
        })
    }

    fn look(&mut self) -> Result<(), String> {
        self.sim()?;
        let Self { sim: Some(sim), observer, rows, quiet, .. } = self else { return Ok(()) };
        look(sim, observer, *quiet, rows);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.look()?;
        let Self { sim: Some(sim), observer, rows, .. } = self else { return Ok(()) };
        let seen = observer.as_mut().and_then(|observer| observer.end(sim));
        rows.extend(seen.map(|text| format!("! {text}")));
        Ok(())
    }

    fn act_later(&mut self, rest: &str) -> Result<(), String> {
        let (at, line) = rest.split_once(' ').ok_or("`at` needs a time and a line")?;
        if line.trim_start().starts_with("at ") {
            return Err("`at` twice in one line".to_string());
        }
        let at = Time::ZERO + span(at)?;
        let sim = self.sim()?;
        if at < sim.now() {
            return Err(format!("it is later than that: {}", Span(sim.now().since(Time::ZERO))));
        }
        self.pass(at)?;
        let before = self.printed()?;
        let after = self.act(line.trim())?;
        self.rows.extend(before.into_iter().chain(after));
        self.look()
    }

    fn command(&mut self, rest: &str) -> Result<(), String> {
        let (node, text) = rest.split_once(' ').ok_or("`command` needs a node and a text")?;
        let (node, text) = (number(node)?, text.trim());
        let command = match text.strip_prefix("0x") {
            Some(hex) => decode_hex(hex).ok_or_else(|| format!("`{text}` encodes no command"))?,
            None => (self.player.command)(text)?,
        };
        let row = match self.sim()?.command(node, command) {
            Ok(receipt) => format!("accepted, {} attempted", receipt.attempted),
            Err(refusal) => format!("refused: {refusal}"),
        };
        self.rows.push(row);
        Ok(())
    }

    fn show(&mut self, rest: &str) -> Result<(), String> {
        let player = self.player;
        if rest.is_empty() {
            let row = |(at, node): (u32, &S)| format!("{at}: {}", (player.show)(node));
            let rows: Vec<String> = self.sim()?.nodes().map(row).collect();
            self.rows.extend(rows);
            return Ok(());
        }
        let node = number(rest)?;
        let text = self.sim()?.node(node).map(|state| (player.show)(state));
        let text = text.ok_or_else(|| format!("node {node} does not live"))?;
        self.rows.extend(text.lines().map(String::from));
        Ok(())
    }

    fn counts(&mut self) -> Result<(), String> {
        let row = |(layer, cause, count)| match layer {
            "" => format!("{count} {cause}"),
            _ => format!("{count} {layer}: {cause}"),
        };
        let rows: Vec<String> = self.sim()?.counts().iter().map(row).collect();
        self.rows.extend(rows);
        Ok(())
    }

    /// What this line has to say so far, the datagrams sent since they were last printed, and the
    /// events told.
    fn printed(&mut self) -> Result<Vec<String>, String> {
        let quiet = self.quiet;
        self.sim()?;
        let Self { sim: Some(sim), observer, rows, .. } = self else { return Ok(Vec::new()) };
        let passages: Vec<Passage> = sim.recorded().collect();
        let mut out = core::mem::take(rows);
        if !quiet {
            out.extend(passages.iter().flat_map(print_passage::<S>));
        }
        // An observer hears what is told when it next looks.
        if observer.is_none() {
            let told = sim.events().take().map(|(node, event)| format!("{node} tells {event:?}"));
            out.extend(told.filter(|_| !quiet));
        }
        Ok(out)
    }
}

/// Lets time pass until `end`, and looks after every tick.
pub(crate) fn pass<S, E>(
    sim: &mut Simulation<S>,
    tick: Duration,
    end: Time,
    mut look: impl FnMut(&mut Simulation<S>) -> Result<(), E>,
) -> Result<(), E>
where
    S: Layer<(), Id = u32>,
{
    while sim.now() + tick < end {
        sim.run_for(tick);
        look(sim)?;
    }
    sim.run_until(end);
    Ok(())
}

/// Has the observer look, and writes down what it sees and, unless `quiet`, what nodes told.
fn look<S: Layer<(), Id = u32>>(
    sim: &mut Simulation<S>,
    observer: &mut Option<Box<dyn Observer<S>>>,
    quiet: bool,
    rows: &mut Vec<String>,
) {
    let Some(observer) = observer else { return };
    let told: Vec<(u32, S::Event)> = sim.events().take().collect();
    if !quiet {
        rows.extend(told.iter().map(|(node, event)| format!("{node} tells {event:?}")));
    }
    rows.extend(observer.look(sim, &told).map(|text| format!("! {text}")));
}

/// The value encoded by hexadecimal digits.
fn decode_hex<C: Wire>(digits: &str) -> Option<C> {
    let byte = |at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    C::decode_all(&bytes?).ok()
}

/// What [`decode_hex`] reads, as a word of a script.
#[cfg(feature = "testkit")]
pub(crate) fn encode_hex(value: &impl Wire) -> String {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
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
