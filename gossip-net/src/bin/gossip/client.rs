//! The verbs' side of the admin socket: one question, and its answer for people or for programs.
//!
//! Not a protocol: blocking reads with a deadline, and text on stdout.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::now;
use crate::exit::Failure;
use crate::protocol::{ANSWER, Answer, Request};
use crate::socket::{Line, dial};
use crate::table;

/// How long an answer is waited for. Our choice.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a good-bye may take. Our choice: an agent gives up earlier.
const FAREWELL: Duration = Duration::from_secs(120);

/// How an answer is shown to people.
#[derive(Clone, Debug)]
pub(crate) enum Show {
    /// A table of members, of those in this state if one is named.
    Members { state: Option<String> },
    /// This word.
    Word(&'static str),
    /// How the good-bye went.
    Leave,
    /// The value alone.
    Value,
    /// Keys and values.
    Values,
    /// Each field on a line.
    Fields,
    /// What is published, as it comes.
    News,
    /// What happens, as it does.
    Happenings,
}

/// What is the same for all questions.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) path: PathBuf,
    pub(crate) json: bool,
    pub(crate) timeout: Option<Duration>,
    /// After how many things of a stream it is enough.
    pub(crate) count: Option<u64>,
}

impl Client {
    /// Asks, and shows what is answered.
    pub(crate) fn ask(&self, request: &Request, show: &Show) -> Result<(), Failure> {
        let usual = if matches!(show, Show::Leave) { FAREWELL } else { PATIENCE };
        let until = Some(now() + self.timeout.unwrap_or(usual));
        let mut lines = Lines { stream: dial(&self.path)?, buffer: Vec::new(), seen: 0 };
        lines.stream.write_all(&request.line()).map_err(gone)?;
        let answer = lines.answer(until)?.ok_or_else(|| gone("it has not answered"))?;
        let answer = answer.into_result()?;
        if answer.stream {
            return self.follow(&mut lines, show);
        }
        if matches!(show, Show::Leave) {
            // The agent has ended when it hangs up: then its address and its socket are free.
            while lines.answer(until)?.is_some() {}
        }
        self.print(&answer.data, show)
    }

    fn follow(&self, lines: &mut Lines, show: &Show) -> Result<(), Failure> {
        let until = self.timeout.map(|timeout| now() + timeout);
        let mut left = self.count;
        while left != Some(0) {
            let Some(answer) = lines.answer(until)? else {
                return Err(Failure::unreachable("the agent has ended"));
            };
            self.print(&answer.into_result()?.data, show)?;
            left = left.map(|left| left - 1);
        }
        Ok(())
    }

    fn print(&self, data: &Value, show: &Show) -> Result<(), Failure> {
        let text = match show {
            Show::Members { state } => {
                let mut data = data.clone();
                let other = |member: &Value| state.as_deref().is_some_and(|s| member["state"] != s);
                if let Some(members) = data.as_array_mut() {
                    members.retain(|member| !other(member));
                }
                if self.json { data.to_string() } else { table::members(&data) }
            }
            _ if self.json => data.to_string(),
            Show::Word(word) => (*word).to_owned(),
            Show::Leave if data["acknowledged"] == 1 => {
                "left; 1 member has acknowledged".to_owned()
            }
            Show::Leave => format!("left; {} members have acknowledged", data["acknowledged"]),
            // As it is for programs; a terminal must not obey it.
            Show::Value if !io::stdout().is_terminal() => table::raw(&data["value"]),
            Show::Value => table::text(&data["value"]),
            Show::Values => table::values(data),
            Show::Fields => table::fields(data),
            Show::News => table::news(data),
            Show::Happenings => table::line(data),
        };
        let mut out = io::stdout().lock();
        let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
            // Nobody reads on, as with `| head`: that is their choice.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.map_err(|e| Failure::refused(format!("cannot print: {e}"))),
        }
    }
}

fn gone(error: impl std::fmt::Display) -> Failure {
    Failure::unreachable(format!("the agent hung up: {error}"))
}

/// Answers, a line each, at most so long, and not for ever.
struct Lines {
    stream: Box<dyn Line>,
    buffer: Vec<u8>,
    /// Bytes of the buffer in which there is no end of a line.
    seen: usize,
}

impl Lines {
    /// The next answer; `None` if the agent has hung up.
    fn answer(&mut self, until: Option<Instant>) -> Result<Option<Answer>, Failure> {
        let Some(line) = self.line(until)? else { return Ok(None) };
        let odd =
            |e| Failure::unreachable(format!("what answers is no agent of this version: {e}"));
        serde_json::from_slice(&line).map(Some).map_err(odd)
    }

    fn line(&mut self, until: Option<Instant>) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(end) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.seen + end + 1);
                self.seen = 0;
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            self.seen = self.buffer.len();
            if self.seen > ANSWER {
                return Err(Failure::unreachable("what answers is no agent: a line without end"));
            }
            let left = until.map(|until| until.saturating_duration_since(now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Failure::timed_out("the agent did not answer in time"));
            }
            self.stream.patience(left).map_err(gone)?;
            let mut chunk = [0; 8_192];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(len) => self.buffer.extend_from_slice(&chunk[..len]),
                Err(error) => match error.kind() {
                    // The deadline is looked at again.
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset => return Ok(None),
                    _ => return Err(gone(error)),
                },
            }
        }
    }
}
