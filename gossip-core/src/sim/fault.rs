//! What can happen to a simulated system, as values: they print and parse as lines of a
//! [script](super::script), and a list of them at given times is a [`Schedule`].

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::host::Host;
use super::link::Latency;
use crate::error::ParameterError;

/// Something that happens to nodes or links.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The first node is told of the second.
    Contact(u32, u32),
    /// A new node joins, and is told of the first that is alive.
    Join,
    /// The node says good-bye and goes.
    Leave(u32),
    /// The node dies without notice.
    Crash(u32),
    /// The crashed node starts anew, without its state, and is told of the first that is alive.
    Restart(u32),
    /// The crashed node starts again with the state it had.
    Revive(u32),
    /// The node stops for a while; what comes meanwhile waits.
    Pause(u32),
    /// The paused node goes on.
    Resume(u32),
    /// These nodes no longer hear the others, nor the others them.
    Split(Vec<u32>),
    /// What the first node sends to the second is lost.
    Cut(u32, u32),
    /// All splits, cuts and grey failures end.
    Heal,
    /// Each datagram is lost with this probability.
    Loss(f64),
    /// Each datagram arrives twice with this probability.
    Duplication(f64),
    /// Each datagram is held back with this probability.
    Reordering(f64),
    /// What is sent to or by the node is lost with this probability.
    Grey(u32, f64),
    /// Datagrams take this long.
    Latency(Latency),
}

/// The words a fault may start with.
pub const FAULTS: &str = "contact A B, join, leave A, crash A, restart A, revive A, pause A, \
     resume A, split A.., cut A B, heal, loss P, duplication P, reordering P, grey A P, \
     latency D, latency D..D, latency D+~D, latency normal:MEAN:SD, \
     latency lognormal:MEDIAN:ONE_IN_SIX, latency pareto:LEAST:MORE";

impl Fault {
    /// Lets it happen. What makes no sense, such as a crash of the dead, changes nothing.
    ///
    /// # Errors
    ///
    /// If a probability is none, or the links have no such fault.
    pub fn apply(&self, host: &mut impl Host) -> Result<(), ParameterError> {
        match *self {
            Self::Contact(node, peer) => host.contact(node, peer),
            Self::Join => {
                let node = host.join()?;
                introduce(host, node);
            }
            Self::Leave(node) => drop(host.leave(node)),
            Self::Crash(node) => drop(host.crash(node)),
            Self::Restart(node) => {
                if host.restart(node)? {
                    introduce(host, node);
                }
            }
            Self::Revive(node) => drop(host.revive(node)),
            Self::Pause(node) => drop(host.pause(node)),
            Self::Resume(node) => drop(host.resume(node)),
            Self::Split(_)
            | Self::Cut(..)
            | Self::Heal
            | Self::Loss(_)
            | Self::Duplication(_)
            | Self::Reordering(_)
            | Self::Grey(..)
            | Self::Latency(_) => host.strain(self)?,
        }
        Ok(())
    }
}

/// Tells a node that starts of the first other one that runs, as its list of seeds would.
fn introduce(host: &mut impl Host, node: u32) {
    let seed = (0..host.size()).find(|&at| at != node && host.is_live(at));
    if let Some(seed) = seed {
        host.contact(node, seed);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contact(node, peer) => write!(f, "contact {node} {peer}"),
            Self::Join => write!(f, "join"),
            Self::Leave(node) => write!(f, "leave {node}"),
            Self::Crash(node) => write!(f, "crash {node}"),
            Self::Restart(node) => write!(f, "restart {node}"),
            Self::Revive(node) => write!(f, "revive {node}"),
            Self::Pause(node) => write!(f, "pause {node}"),
            Self::Resume(node) => write!(f, "resume {node}"),
            Self::Split(nodes) => {
                write!(f, "split")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Cut(from, to) => write!(f, "cut {from} {to}"),
            Self::Heal => write!(f, "heal"),
            Self::Loss(p) => write!(f, "loss {p}"),
            Self::Duplication(p) => write!(f, "duplication {p}"),
            Self::Reordering(p) => write!(f, "reordering {p}"),
            Self::Grey(node, p) => write!(f, "grey {node} {p}"),
            Self::Latency(latency) => write!(f, "latency {latency}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// ```
    /// use gossip_core::sim::fault::Fault;
    ///
    /// assert_eq!("split 0 3".parse(), Ok(Fault::Split(vec![0, 3])));
    /// let fault: Fault = "latency 5ms..20ms".parse()?;
    /// assert_eq!(fault.to_string(), "latency 5ms..20ms");
    /// assert!("loss 1.5".parse::<Fault>().is_err());
    /// # Ok::<(), String>(())
    /// ```
    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["contact", node, peer] => Self::Contact(number(node)?, number(peer)?),
            ["join"] => Self::Join,
            ["leave", node] => Self::Leave(number(node)?),
            ["crash", node] => Self::Crash(number(node)?),
            ["restart", node] => Self::Restart(number(node)?),
            ["revive", node] => Self::Revive(number(node)?),
            ["pause", node] => Self::Pause(number(node)?),
            ["resume", node] => Self::Resume(number(node)?),
            ["split", ref nodes @ ..] => {
                Self::Split(nodes.iter().map(|node| number(node)).collect::<Result<_, _>>()?)
            }
            ["cut", from, to] => Self::Cut(number(from)?, number(to)?),
            ["heal"] => Self::Heal,
            ["loss", p] => Self::Loss(probability(p)?),
            ["duplication", p] => Self::Duplication(probability(p)?),
            ["reordering", p] => Self::Reordering(probability(p)?),
            ["grey", node, p] => Self::Grey(number(node)?, probability(p)?),
            ["latency", law] => Self::Latency(law.parse()?),
            _ => return Err(format!("`{line}` is no fault; there are: {FAULTS}")),
        })
    }
}

/// Faults and when they happen, after the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule(pub Vec<(Duration, Fault)>);

impl Schedule {
    /// Plays the schedule in order of time, then lets `rest` pass.
    ///
    /// # Errors
    ///
    /// If a probability in it is none, or the links have no such fault.
    pub fn play(&self, host: &mut impl Host, rest: Duration) -> Result<(), ParameterError> {
        let start = host.now();
        let mut faults: Vec<_> = self.0.iter().collect();
        faults.sort_by_key(|fault| fault.0);
        for (at, fault) in faults {
            host.run_until(start + *at);
            fault.apply(host)?;
        }
        host.run_until(host.now() + rest);
        Ok(())
    }
}

impl fmt::Display for Schedule {
    /// As lines of a script.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(at, fault)| writeln!(f, "at {} {fault}", Span(*at)))
    }
}

/// A duration as scripts write it: `2s`, `250ms`, `40us`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            _ if micros.is_multiple_of(1_000_000) => write!(f, "{}s", micros / 1_000_000),
            _ if micros.is_multiple_of(1_000) => write!(f, "{}ms", micros / 1_000),
            _ => write!(f, "{micros}us"),
        }
    }
}

/// Reads what [`Span`] writes, and decimal fractions of it.
pub(crate) fn span(word: &str) -> Result<Duration, String> {
    let wrong = || format!("`{word}` is no duration; write 2s, 250ms or 40us, up to 1e9s");
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &word[digits.len()..] {
        "s" => 1e6,
        "ms" => 1e3,
        "us" => 1.0,
        _ => return Err(wrong()),
    };
    let micros = digits.parse::<f64>().map_err(|_| wrong())? * unit;
    if (0.0..=1e15).contains(&micros) {
        Ok(Duration::from_micros(libm::round(micros) as u64))
    } else {
        Err(wrong())
    }
}

pub(crate) fn number(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("`{word}` is no node number; write 0 to {}", u32::MAX))
}

pub(crate) fn probability(word: &str) -> Result<f64, String> {
    let p: Option<f64> = word.parse().ok();
    p.filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| format!("`{word}` is no probability; write a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn every_fault_prints_as_it_parses() {
        for line in [
            "contact 1 0",
            "join",
            "leave 2",
            "crash 3",
            "restart 3",
            "revive 4",
            "pause 5",
            "resume 5",
            "split 1 2 3",
            "cut 1 2",
            "heal",
            "loss 0.25",
            "duplication 1",
            "reordering 0",
            "grey 7 0.3",
            "latency 20ms",
            "latency 5ms..1s",
            "latency 1ms+~150us",
            "latency normal:50ms:10ms",
            "latency lognormal:50ms:80ms",
            "latency pareto:10ms:15ms",
        ] {
            assert_eq!(line.parse::<Fault>().map(|fault| fault.to_string()).as_deref(), Ok(line));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            ("crash", "no fault"),
            ("crash x", "`x`"),
            ("loss 2", "probability"),
            ("loss nan", "probability"),
            ("latency 5", "duration"),
            ("latency 9s..1s", "down"),
            ("latency 1e300s", "duration"),
            ("latency -1s", "duration"),
            ("crash -1", "`-1`"),
        ] {
            let error = line.parse::<Fault>().unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
