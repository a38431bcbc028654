//! GraphML, as far as it says which nodes and edges there are; and so much of XML.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Builder, Named, TextError};

/// What is around a node, and around the ends of a link.
pub(super) const LINES: [[&str; 3]; 2] =
    [["    <node id=\"", "", "\"/>\n"], ["    <edge source=\"", "\" target=\"", "\"/>\n"]];

/// What is around a graph.
pub(super) const FRAME: [&str; 2] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
     <graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n  \
     <graph edgedefault=\"directed\">\n",
    "  </graph>\n</graphml>\n",
];

/// The most elements in one another, and attributes of one, so that looking through all is cheap.
const MOST: usize = 64;

/// The beginning of an element, or its end.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, Cow<'a, str>)>,
    opens: bool,
    closes: bool,
}

impl<'a> Tag<'a> {
    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.attributes.iter().position(|(known, _)| *known == name)?;
        Some(self.attributes.swap_remove(at).1)
    }
}

/// An edge, whose nodes may come later.
struct Edge<'a> {
    at: usize,
    ends: [Cow<'a, str>; 2],
    directed: bool,
}

/// What has been read of the document.
#[derive(Default)]
struct Document<'a> {
    builder: Builder<'a>,
    edges: Vec<Edge<'a>>,
    /// The elements that have not ended.
    open: Vec<&'a str>,
    /// Whether edges are directed that do not say, once there is a graph.
    directed: Option<bool>,
    ended: bool,
}

pub(super) fn read(text: &str) -> Result<Named, TextError> {
    let mut reader = Reader { text, start: 0, end: 0 };
    let mut document = Document::default();
    while let Some(tag) = reader.tag()? {
        let name = tag.name;
        if tag.opens {
            if document.open.len() == MOST {
                return Err(reader.error("at most 64 elements are in one another"));
            }
            let closes = tag.closes;
            document.element(tag, &reader)?;
            if !closes {
                document.open.push(name);
                continue;
            }
        } else if document.open.pop() != Some(name) {
            return Err(reader.error("this ends what is not open"));
        }
        document.ended = document.open.is_empty();
    }
    reader.start = text.len();
    if !document.ended || document.directed.is_none() {
        return Err(reader.error("the text ends before a graph does"));
    }
    let mut builder = document.builder;
    for Edge { at, ends, directed } in document.edges {
        match ends.each_ref().map(|name| builder.numbers.get(name).copied()) {
            [Some(from), Some(to)] => builder.link(from, to, directed),
            _ => return Err(TextError::new(text, at, "an edge ends at a node that there is not")),
        }
    }
    Ok(builder.finish())
}

impl<'a> Document<'a> {
    /// The beginning of an element.
    fn element(&mut self, mut tag: Tag<'a>, reader: &Reader<'a>) -> Result<(), TextError> {
        match (self.open.last().copied(), tag.name) {
            (None, "graphml") if !self.ended => {}
            (None, _) => return Err(reader.error("a document is one graphml element")),
            (Some("graphml"), "graph") if self.directed.is_none() => {
                self.directed = match tag.take("edgedefault").as_deref() {
                    Some("directed") => Some(true),
                    Some("undirected") => Some(false),
                    _ => return Err(reader.error("edgedefault is directed or undirected")),
                };
            }
            (Some("graphml" | "graph" | "node" | "edge"), "graph") => {
                return Err(reader.error("one graph is read, and no graph in a node"));
            }
            (Some("graph"), "hyperedge") => return Err(reader.error("hyperedges are not read")),
            (Some("graph"), "node") => {
                let name = tag.take("id").ok_or_else(|| reader.error("a node has an id"))?;
                let before = self.builder.names.len();
                if (self.builder.node(name) as usize) < before {
                    return Err(reader.error("another node has this id"));
                }
            }
            (Some("graph"), "edge") => self.edge(tag, reader)?,
            _ => {}
        }
        Ok(())
    }

    fn edge(&mut self, mut tag: Tag<'a>, reader: &Reader<'a>) -> Result<(), TextError> {
        let (Some(source), Some(target)) = (tag.take("source"), tag.take("target")) else {
            return Err(reader.error("an edge has a source and a target"));
        };
        let directed = match tag.take("directed").as_deref() {
            None => self.directed.unwrap_or_default(),
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(_) => return Err(reader.error("directed is true or false")),
        };
        self.edges.push(Edge { at: reader.start, ends: [source, target], directed });
        Ok(())
    }
}

/// The text, where the last tag began and where it ended.
struct Reader<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// The last tag is wrong.
    fn error(&self, cause: &'static str) -> TextError {
        TextError::new(self.text, self.start, cause)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.end..]
    }

    /// The next tag, if there is one. Text, comments and instructions are skipped.
    fn tag(&mut self) -> Result<Option<Tag<'a>>, TextError> {
        while let Some(text) = self.rest().find('<') {
            self.end += text;
            self.start = self.end;
            let rest = self.rest();
            let skipped = [("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>")];
            let Some((open, close)) = skipped.iter().find(|(open, _)| rest.starts_with(open))
            else {
                return self.element().map(Some);
            };
            let length = rest[open.len()..].find(close);
            let length = length.ok_or_else(|| self.error("this does not end"))?;
            self.end += open.len() + length + close.len();
        }
        Ok(None)
    }

    /// What is between < and >.
    fn element(&mut self) -> Result<Tag<'a>, TextError> {
        if self.rest().starts_with("<!") {
            return Err(self.error("document types are not read"));
        }
        self.end += 1;
        let opens = !self.take("/");
        let name = self.word("an element has a name")?;
        let mut tag = Tag { name, attributes: Vec::new(), opens, closes: !opens };
        loop {
            let blank = self.skip_blank();
            if opens && self.take("/") {
                tag.closes = true;
                if !self.rest().starts_with('>') {
                    return Err(self.error("/ ends an element, before >"));
                }
            }
            if self.take(">") {
                return Ok(tag);
            }
            if !opens || !blank {
                return Err(self.error("the element does not end with >"));
            }
            let name = self.word("an attribute has a name, or > ends the element")?;
            if tag.attributes.iter().any(|(known, _)| *known == name) {
                return Err(self.error("an attribute is there twice"));
            }
            if tag.attributes.len() == MOST {
                return Err(self.error("an element has at most 64 attributes"));
            }
            tag.attributes.push((name, self.value()?));
        }
    }

    /// Skips `what`, if it is next.
    fn take(&mut self, what: &str) -> bool {
        let next = self.rest().starts_with(what);
        self.end += if next { what.len() } else { 0 };
        next
    }

    /// Skips space, if there is any.
    fn skip_blank(&mut self) -> bool {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_start().len();
        self.end += blank;
        blank > 0
    }

    fn word(&mut self, cause: &'static str) -> Result<&'a str, TextError> {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "<>/=\"'&".contains(c);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.end += word.len();
        if word.is_empty() { Err(self.error(cause)) } else { Ok(word) }
    }

    /// = and a string in quotes of either kind.
    fn value(&mut self) -> Result<Cow<'a, str>, TextError> {
        self.skip_blank();
        let equals = self.take("=");
        self.skip_blank();
        let quote = ["\"", "'"].into_iter().find(|quote| self.take(quote));
        let (true, Some(quote)) = (equals, quote) else {
            return Err(self.error("an attribute has = and a value in quotes"));
        };
        let rest = self.rest();
        let length = rest.find(quote).ok_or_else(|| self.error("a value does not end"))?;
        self.end += length + 1;
        let value = &rest[..length];
        if value.contains('<') {
            return Err(self.error("a value has &lt; for <"));
        }
        if value.contains('&') { self.unescaped(value).map(Cow::Owned) } else { Ok(value.into()) }
    }

    fn unescaped(&self, value: &str) -> Result<String, TextError> {
        let mut parts = value.split('&');
        let mut plain = String::from(parts.next().unwrap_or_default());
        for part in parts {
            let meant = part.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
            let (char, rest) = meant.ok_or_else(|| self.error("& begins an unknown entity"))?;
            plain.push(char);
            plain += rest;
        }
        Ok(plain)
    }
}

/// What an entity stands for: those of XML, and characters by number.
fn entity(name: &str) -> Option<char> {
    let code = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let number = match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    char::from_u32(number.ok()?)
}
