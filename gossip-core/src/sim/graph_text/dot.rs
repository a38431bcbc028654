//! The DOT language, as far as it says which nodes and links there are.

use alloc::borrow::Cow;
use alloc::string::String;

use super::{Builder, Named, TextError};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name, or a keyword.
    Word(&'a str),
    Quoted(Cow<'a, str>),
    /// `->` or `--`.
    Link {
        directed: bool,
    },
    /// One of `{}[]=;,`.
    Mark(u8),
    End,
}

impl<'a> Token<'a> {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn is_keyword(&self) -> bool {
        ["strict", "graph", "digraph", "node", "edge", "subgraph"]
            .iter()
            .any(|word| self.is_word(word))
    }

    /// What it names, if it is no keyword.
    fn name(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Word(word) if !self.is_keyword() => Some(word.into()),
            Self::Quoted(name) => Some(name),
            _ => None,
        }
    }
}

/// The text, of which the next token is read already.
struct Reader<'a> {
    text: &'a str,
    /// Where the next token begins, and where what follows it does.
    start: usize,
    end: usize,
    next: Token<'a>,
}

pub(super) fn read(text: &str) -> Result<Named, TextError> {
    let mut reader = Reader { text, start: 0, end: 0, next: Token::End };
    reader.advance()?;
    let strict = reader.next.is_word("strict");
    if strict {
        reader.advance()?;
    }
    let directed = reader.next.is_word("digraph");
    if !directed && !reader.next.is_word("graph") {
        return Err(reader.error("a DOT text begins with graph or digraph"));
    }
    reader.advance()?;
    if reader.next != Token::Mark(b'{') {
        reader.name("a graph has a name or {")?;
    }
    reader.expect(b'{', "a graph's statements are in {}")?;
    let mut builder = Builder::default();
    while reader.next != Token::Mark(b'}') {
        reader.statement(&mut builder, directed)?;
    }
    reader.advance()?;
    if reader.next != Token::End {
        return Err(reader.error("one graph is read, and nothing after it"));
    }
    let mut named = builder.finish();
    if strict {
        named.graph.sort_links();
    }
    Ok(named)
}

impl<'a> Reader<'a> {
    /// The next token is wrong.
    fn error(&self, cause: &'static str) -> TextError {
        TextError::new(self.text, self.start, cause)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.end..]
    }

    /// Takes the next token, which must be a name.
    fn name(&mut self, cause: &'static str) -> Result<Cow<'a, str>, TextError> {
        let wrong = self.error(cause);
        self.advance()?.name().ok_or(wrong)
    }

    fn expect(&mut self, mark: u8, cause: &'static str) -> Result<(), TextError> {
        if self.next != Token::Mark(mark) {
            return Err(self.error(cause));
        }
        self.advance().map(drop)
    }

    /// A node, a chain of links, or attributes.
    fn statement(&mut self, builder: &mut Builder<'a>, directed: bool) -> Result<(), TextError> {
        if self.next == Token::Mark(b';') {
            return self.advance().map(drop);
        }
        if self.next == Token::Mark(b'{') || self.next.is_word("subgraph") {
            return Err(self.error("subgraphs are not read"));
        }
        if ["graph", "node", "edge"].iter().any(|word| self.next.is_word(word)) {
            self.advance()?;
            if self.next != Token::Mark(b'[') {
                return Err(self.error("attributes are in []"));
            }
            return self.attributes();
        }
        let name = self.name("a statement begins with a name, or } ends the graph")?;
        if self.next == Token::Mark(b'=') {
            self.advance()?;
            return self.name("an attribute has a value").map(drop);
        }
        let mut from = builder.node(name);
        while let Token::Link { directed: arrow } = self.next {
            if arrow != directed {
                let causes = ["a graph links with --", "a digraph links with ->"];
                return Err(self.error(causes[usize::from(directed)]));
            }
            self.advance()?;
            if self.next == Token::Mark(b'{') || self.next.is_word("subgraph") {
                return Err(self.error("subgraphs are not read"));
            }
            let to = builder.node(self.name("a link ends at a name")?);
            builder.link(from, to, directed);
            from = to;
        }
        self.attributes()
    }

    /// Lists in [], if there are any.
    fn attributes(&mut self) -> Result<(), TextError> {
        while self.next == Token::Mark(b'[') {
            self.advance()?;
            while self.next != Token::Mark(b']') {
                self.name("an attribute has a name, or ] ends the list")?;
                self.expect(b'=', "an attribute has = and a value")?;
                self.name("an attribute has a value")?;
                if matches!(self.next, Token::Mark(b';' | b',')) {
                    self.advance()?;
                }
            }
            self.advance()?;
        }
        Ok(())
    }

    /// Takes the next token, and reads the one after it.
    fn advance(&mut self) -> Result<Token<'a>, TextError> {
        self.skip_blank()?;
        self.start = self.end;
        let rest = self.rest();
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let (token, length) = match rest.as_bytes() {
            [] => (Token::End, 0),
            [mark @ (b'{' | b'}' | b'[' | b']' | b'=' | b';' | b','), ..] => {
                (Token::Mark(*mark), 1)
            }
            [b'-', b'>', ..] => (Token::Link { directed: true }, 2),
            [b'-', b'-', ..] => (Token::Link { directed: false }, 2),
            [b'"', ..] => self.quoted()?,
            [b'<', ..] => return Err(self.error("HTML is not read")),
            [b':', ..] => return Err(self.error("ports are not read")),
            [b'-' | b'.' | b'0'..=b'9', ..] => {
                let sign = usize::from(rest.starts_with('-'));
                let other = rest[sign..].find(|c| !is_letter(c) && c != '.');
                let length = other.map_or(rest.len(), |other| sign + other);
                let digits = rest[sign..length].bytes().filter(u8::is_ascii_digit).count();
                let points = rest[sign..length].matches('.').count();
                if digits == 0 || points > 1 || sign + digits + points != length {
                    return Err(self.error("a name that begins with a digit is a number"));
                }
                (Token::Word(&rest[..length]), length)
            }
            _ => match rest.find(|c| !is_letter(c)).unwrap_or(rest.len()) {
                0 => return Err(self.error("this has no meaning in DOT")),
                length => (Token::Word(&rest[..length]), length),
            },
        };
        self.end += length;
        Ok(core::mem::replace(&mut self.next, token))
    }

    fn skip_blank(&mut self) -> Result<(), TextError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let new_line = self.end == 0 || self.text.as_bytes()[self.end - 1] == b'\n';
            self.end += if blank > 0 {
                blank
            } else if rest.starts_with("//") || (new_line && rest.starts_with('#')) {
                rest.find('\n').map_or(rest.len(), |length| length + 1)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.start = self.end;
                let length = comment.find("*/");
                4 + length.ok_or_else(|| self.error("the comment does not end"))?
            } else {
                return Ok(());
            }
        }
    }

    /// A string and its length in the text. In it, `\"` is a quote, and `\` before the end of a
    /// line joins it to the next; all else is as it is written.
    fn quoted(&self) -> Result<(Token<'a>, usize), TextError> {
        let inside = &self.rest()[1..];
        let mut joined = String::new();
        let mut copied = 0;
        let mut chars = inside.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    let last = &inside[copied..at];
                    let whole = if copied == 0 { last.into() } else { Cow::Owned(joined + last) };
                    return Ok((Token::Quoted(whole), at + 2));
                }
                '\\' => match chars.next() {
                    Some((_, '"')) => {
                        joined += &inside[copied..at];
                        copied = at + 1;
                    }
                    Some((next, '\n')) => {
                        joined += &inside[copied..at];
                        copied = next + 1;
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Err(self.error("the string does not end"))
    }
}
