//! What goes over the admin socket: a line of JSON asks, a line of JSON answers.
//!
//! Not a protocol of gossip: the agent and its verbs on one host. A stream is an answer that says
//! `"stream": true`, and then a line for each thing that happens, until the other side hangs up.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::{Failure, Reason};
use crate::stack::LARGE;

/// The most bytes of a line that asks. Our choice: a large value all of whose bytes are escaped
/// fits.
pub(crate) const ASK: usize = 6 * LARGE + (4 << 10);

/// The most bytes of a line that answers. Our choice: 16,384 members fit.
pub(crate) const ANSWER: usize = 16 << 20;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Everybody known.
    Members {},
    /// Talk to these.
    Join { addrs: Vec<String> },
    /// Say good-bye, and stop.
    Leave {},
    /// Tell everybody.
    Publish {
        #[serde(default)]
        topic: String,
        text: String,
    },
    /// A stream of what is published.
    Subscribe {
        #[serde(default)]
        topic: Option<String>,
        /// What came before and is still kept, too.
        #[serde(default)]
        recent: bool,
    },
    /// A stream of all that happens.
    Monitor {
        #[serde(default)]
        recent: bool,
    },
    /// A value of the store.
    Get { key: String },
    /// All keys that begin so, with their values.
    List {
        #[serde(default)]
        prefix: String,
    },
    /// From now on the key has this value.
    Set { key: String, value: String },
    /// From now on the key has no value.
    Delete { key: String },
    /// What the nodes are on average, and how many.
    Aggregate {},
    /// How the agent is.
    Info {},
    /// Read the file of secrets again.
    Reload {},
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) data: Value,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stream: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) error: String,
}

impl Answer {
    /// It is done.
    pub(crate) fn done(data: Value) -> Self {
        Self { ok: true, data, stream: false, reason: None, error: String::new() }
    }

    /// What follows are the things that happen.
    pub(crate) fn stream() -> Self {
        Self { stream: true, ..Self::done(Value::Null) }
    }

    /// It is not done.
    pub(crate) fn failed(failure: Failure) -> Self {
        let Failure { reason, what } = failure;
        Self { ok: false, reason: Some(reason), error: what, ..Self::done(Value::Null) }
    }

    /// What was answered, or why not.
    pub(crate) fn into_result(self) -> Result<Self, Failure> {
        if self.ok {
            return Ok(self);
        }
        Err(Failure::new(self.reason.unwrap_or(Reason::Refused), self.error))
    }

    /// As a line.
    pub(crate) fn line(&self) -> Vec<u8> {
        // It has neither maps with odd keys nor anything else that JSON cannot say.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

impl Request {
    /// As a line.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// What a line asks.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(line).map_err(|e| Failure::usage(format!("no request: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_and_nothing_is_guessed() {
        let ask = Request::Publish { topic: "t".to_owned(), text: "two\nlines".to_owned() };
        let line = ask.line();
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(Request::parse(&line).unwrap(), ask);
        assert_eq!(Request::parse(br#"{"verb":"info"}"#).unwrap(), Request::Info {});
        for bad in [
            &b"{\"verb\":\"info\",\"loud\":1}"[..],
            b"{\"verb\":\"nonsense\"}",
            b"{\"verb\":\"get\"}",
            b"[]",
            b"\xff",
            b"",
        ] {
            assert_eq!(Request::parse(bad).unwrap_err().reason, Reason::Usage, "{bad:?}");
        }
        // Depth is bounded by the parser: no stack overflows.
        assert!(Request::parse(&b"[".repeat(ASK)).is_err());
    }
}
