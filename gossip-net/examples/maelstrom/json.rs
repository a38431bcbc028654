//! Not a protocol: Maelstrom's messages, as far as a node needs them. Lines of JSON with a sender,
//! a receiver and a body; requests, replies and errors.

use serde_json::{Map, Value, json};

/// The body of a message.
pub(crate) type Body = Map<String, Value>;

/// Maelstrom's error codes, those that this node answers with. Each of them says that the operation
/// certainly did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NotSupported = 10,
    Unavailable = 11,
    Malformed = 12,
    Precondition = 22,
}

/// Why a request is answered by an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(Code::Malformed, text)
    }

    fn body(self) -> Body {
        let mut body = reply("error");
        body.insert("code".into(), json!(self.code as u16));
        body.insert("text".into(), json!(self.text));
        body
    }
}

/// The body of a message of this type.
pub(crate) fn reply(kind: &str) -> Body {
    Body::from_iter([("type".to_owned(), json!(kind))])
}

/// A body of this type with one more field.
pub(crate) fn reply_with(kind: &str, field: &str, value: Value) -> Body {
    let mut body = reply(kind);
    body.insert(field.to_owned(), value);
    body
}

/// A message that came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) to: String,
    body: Body,
}

impl Message {
    /// Reads a line. The error says what is wrong with it; nobody can be told.
    pub(crate) fn read(line: &[u8]) -> Result<Self, &'static str> {
        let message: Value = serde_json::from_slice(line).map_err(|_| "a line is not JSON")?;
        let Value::Object(mut envelope) = message else { return Err("a line is no object") };
        let Some(Value::String(from)) = envelope.remove("src") else {
            return Err("a message has no sender");
        };
        let Some(Value::String(to)) = envelope.remove("dest") else {
            return Err("a message has no receiver");
        };
        let Some(Value::Object(body)) = envelope.remove("body") else {
            return Err("a message has no body");
        };
        Ok(Self { from, to, body })
    }

    pub(crate) fn kind(&self) -> Result<&str, Failure> {
        self.text("type")
    }

    /// The number that a reply must name; none if no reply is wanted.
    pub(crate) fn number(&self) -> Option<i64> {
        self.body.get("msg_id")?.as_i64()
    }

    /// Whether it answers something: such are never answered.
    pub(crate) fn is_reply(&self) -> bool {
        self.body.contains_key("in_reply_to")
    }

    pub(crate) fn field(&self, name: &str) -> Result<&Value, Failure> {
        self.body
            .get(name)
            .ok_or_else(|| Failure::malformed(format!("the field {name} is missing")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Failure> {
        let text = self.field(name)?.as_str();
        text.ok_or_else(|| Failure::malformed(format!("the field {name} is no string")))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<i64, Failure> {
        let number = self.field(name)?.as_i64();
        number.ok_or_else(|| Failure::malformed(format!("the field {name} is no 64-bit integer")))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let texts = self.field(name)?.as_array().and_then(|all| {
            all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.ok_or_else(|| Failure::malformed(format!("the field {name} is no list of strings")))
    }
}

/// A line from `from` to `to`.
pub(crate) fn line(from: &str, to: &str, body: &Body) -> String {
    json!({ "src": from, "dest": to, "body": body }).to_string()
}

/// The line that answers request `number` of `to`.
pub(crate) fn answer(from: &str, to: &str, number: i64, said: Result<Body, Failure>) -> String {
    let mut body = said.unwrap_or_else(Failure::body);
    body.insert("in_reply_to".into(), json!(number));
    line(from, to, &body)
}

/// Bytes as text: two hexadecimal digits each.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Text as bytes, if it is of that form.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
