//! Contact traces from text and to text: who was in range of whom, and when.
//!
//! A line is a contact: its start, its end, and the names of the two nodes, or the names first, as
//! in the Haggle traces of CRAWDAD. Times are seconds, with a fraction if need be. Lines that begin
//! with `#` or `%` are comments, a line with one name is a node that perhaps meets nobody. Nodes
//! have numbers in a [`Trace`]: 0, 1, and so on, in the order in which the text first has them.
//!
//! A text may be hostile: it is an error or a trace no larger than a multiple of the text, and
//! never a panic.
//!
//! ```
//! use core::time::Duration;
//! use gossip_core::Time;
//! use gossip_core::sim::contact_text::{Columns, read, write};
//!
//! let text = "# a talk, and a chat\n0 90.5 ann bob\n60 61 bob cid\n";
//! let read_back = read(text, Columns::TimesFirst, Duration::ZERO)?;
//! assert_eq!(read_back.names, ["ann", "bob", "cid"]);
//! assert!(read_back.trace.in_range(0, 1, Time::from_micros(90_000_000)));
//! assert_eq!(write(&read_back.trace), "0\n1\n2\n0 90.5 0 1\n60 61 1 2\n");
//!
//! // The same in the order of the Haggle traces, which also number the contacts of a pair.
//! let haggle = "ann bob 0 90.5 1 0\nbob cid 60 61 1 0\n";
//! assert_eq!(read(haggle, Columns::NodesFirst, Duration::ZERO)?.trace, read_back.trace);
//!
//! let error = read("0 90 ann bob\n0 -1 ann cid\n", Columns::TimesFirst, Duration::ZERO);
//! let error = error.unwrap_err();
//! assert_eq!((error.line, error.column, error.at.as_str()), (2, 3, "-1 ann cid"));
//! assert_eq!(error.cause, "a time is a number of seconds from 0 to 10^9");
//! # Ok::<(), gossip_core::sim::graph_text::TextError>(())
//! ```

use core::fmt::Write;
use core::time::Duration;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::graph_text::{MAX_TEXT, TextError};
use crate::sampling::contacts::{Contact, MAX_NODES, Trace};
use crate::time::Time;

/// What the words of a line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Start, end, and two names.
    TimesFirst,
    /// Two names, start, end, and perhaps one or two more numbers, which are dropped: which contact
    /// of this pair it is, and how long after the one before, in the Haggle traces.
    NodesFirst,
}

/// A trace, and what its text called the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The trace.
    pub trace: Trace,
    /// The name of each node, at its number.
    pub names: Vec<String>,
}

/// The latest time that is read, in seconds: 10^9, 31 years.
const LATEST: f64 = 1e9;

/// The trace that `text` describes. Contacts last `linger` longer than the text says: where devices
/// looked around every two minutes, one that was seen once has a contact of no length, which would
/// be dropped, and 120 seconds are right.
///
/// # Errors
/// If the text is not of this form; the error says where.
pub fn read(text: &str, columns: Columns, linger: Duration) -> Result<Named, TextError> {
    if text.len() > MAX_TEXT {
        return Err(TextError::new(text, 0, "a text has at most 2^30 bytes"));
    }
    let mut reader = Reader { text, columns, linger, numbers: BTreeMap::new(), names: Vec::new() };
    let mut contacts = Vec::new();
    for line in text.lines() {
        contacts.extend(reader.line(line)?);
    }
    let nodes = reader.names.len() as u32;
    let trace = Trace::new(nodes, contacts);
    let trace = trace.map_err(|_| TextError::new(text, text.len(), "the text has no node"))?;
    Ok(Named { trace, names: reader.names })
}

struct Reader<'a> {
    text: &'a str,
    columns: Columns,
    linger: Duration,
    numbers: BTreeMap<&'a str, u32>,
    names: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The contact that `line` describes, if it is one and not a comment or a node.
    fn line(&mut self, line: &'a str) -> Result<Option<Contact>, TextError> {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with(['#', '%'])) else {
            return Ok(None);
        };
        let Some(second) = words.next() else {
            return self.node(first).map(|_| None);
        };
        let end = &line[line.trim_end().len()..];
        let missing = || self.error(end, "a contact is two times and two names");
        let third = words.next().ok_or_else(missing)?;
        let fourth = words.next().ok_or_else(missing)?;
        let ([start, end], [one, other], most) = match self.columns {
            Columns::TimesFirst => ([first, second], [third, fourth], 0),
            Columns::NodesFirst => ([third, fourth], [first, second], 2),
        };
        for (at, word) in words.enumerate() {
            if at >= most || word.parse::<f64>().is_err() {
                return Err(self.error(word, "a contact has no such word"));
            }
        }
        let (start, over) = (self.time(start)?, self.time(end)?);
        if over < start {
            return Err(self.error(end, "a contact does not end before it begins"));
        }
        let (a, b) = (self.node(one)?, self.node(other)?);
        if a == b {
            return Err(self.error(other, "a contact is of two nodes"));
        }
        Ok(Some(Contact { start, end: over + self.linger, a, b }))
    }

    /// The number of the node called `name`, perhaps a new one.
    fn node(&mut self, name: &'a str) -> Result<u32, TextError> {
        if let Some(&known) = self.numbers.get(name) {
            return Ok(known);
        }
        let number = self.names.len() as u32;
        if number >= MAX_NODES {
            return Err(self.error(name, "a trace has at most 2^24 nodes"));
        }
        self.numbers.insert(name, number);
        self.names.push(name.into());
        Ok(number)
    }

    fn time(&self, word: &str) -> Result<Time, TextError> {
        let seconds = word.parse().ok().filter(|seconds| (0.0..=LATEST).contains(seconds));
        let cause = "a time is a number of seconds from 0 to 10^9";
        let seconds: f64 = seconds.ok_or_else(|| self.error(word, cause))?;
        Ok(Time::from_micros(libm::round(seconds * 1e6) as u64))
    }

    /// What is wrong with `part`, which is a part of the text.
    fn error(&self, part: &str, cause: &'static str) -> TextError {
        let at = part.as_ptr() as usize - self.text.as_ptr() as usize;
        TextError::new(self.text, at, cause)
    }
}

/// `trace` as text, times first, with numbers for names. It begins with the nodes, so that reading
/// it gives the same trace.
pub fn write(trace: &Trace) -> String {
    let mut text = String::new();
    let put = "writing to a string cannot fail";
    for node in 0..trace.nodes() {
        writeln!(text, "{node}").expect(put);
    }
    for &Contact { start, end, a, b } in trace.contacts() {
        writeln!(text, "{} {} {a} {b}", seconds(start), seconds(end)).expect(put);
    }
    text
}

/// `time` in seconds, exactly.
fn seconds(time: Time) -> String {
    let micros = time.as_micros();
    let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
    if part == 0 {
        return alloc::format!("{whole}");
    }
    let text = alloc::format!("{whole}.{part:06}");
    text.trim_end_matches('0').into()
}
