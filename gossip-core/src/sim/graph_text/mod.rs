//! Graphs from text and to text: edge lists, DOT, GraphML.
//!
//! Nodes have names in text and numbers in a [`Graph`]: 0, 1, and so on, in the order in which the
//! text first has them. What is written has the numbers for names and begins with the nodes, so
//! that reading it gives the same graph. Only graphs are read: whatever else a format can say, such
//! as colours, is checked for its form and dropped; what would change the graph, such as DOT's
//! subgraphs, is an error.
//!
//! A text may be hostile: it is an error or a graph no larger than a multiple of the text, and
//! never a panic. See [`MAX_TEXT`].
//!
//! ```
//! use gossip_core::sim::graph_text::Format;
//!
//! let read = Format::Dot.read("graph { ann -- bob -- cid [color=red] }")?;
//! assert_eq!(read.names, ["ann", "bob", "cid"]);
//! assert_eq!(read.graph.known_to(1), [0, 2]);
//! let text = Format::EdgeList.write(&read.graph);
//! assert_eq!(text, "0\n1\n2\n0 1\n1 0\n1 2\n2 1\n");
//! assert_eq!(Format::EdgeList.read(&text)?.graph, read.graph);
//!
//! let error = Format::Dot.read("digraph {\n a -- b }").unwrap_err();
//! assert_eq!(error.to_string(), "line 2, column 4: a digraph links with ->, at \"-- b }\"");
//! # Ok::<(), gossip_core::sim::graph_text::TextError>(())
//! ```

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Write};

use super::observe::Graph;

mod dot;
mod graphml;

/// The longest text that is read, in bytes: 1 GiB. Numbers of nodes and links cannot overflow.
pub const MAX_TEXT: usize = 1 << 30;

/// A way to write a graph down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line per link: its two ends, with space between, and perhaps a weight, which is dropped.
    /// Links go one way; see [`Graph::undirected`]. A line with one name is a node. Lines that
    /// begin with `#` or `%` are comments.
    EdgeList,
    /// The language of Graphviz, without subgraphs, ports, and HTML. Links of a `graph` go both
    /// ways.
    Dot,
    /// GraphML (Brandes et al., *GraphML progress report*, Graph Drawing 2001): its nodes and
    /// edges, directed or not; one graph, without graphs in nodes, hyperedges, and document types.
    GraphMl,
}

impl Format {
    /// The graph that `text` describes.
    ///
    /// # Errors
    /// If the text is not of this format, or says what is not read.
    pub fn read(self, text: &str) -> Result<Named, TextError> {
        if text.len() > MAX_TEXT {
            return Err(TextError::new(text, 0, "a text has at most 2^30 bytes"));
        }
        match self {
            Self::EdgeList => edge_list(text),
            Self::Dot => dot::read(text),
            Self::GraphMl => graphml::read(text),
        }
    }

    /// `graph` as text, with numbers for names, and without links to nodes that do not live.
    pub fn write(self, graph: &Graph) -> String {
        let ([node, link], [head, foot]) = match self {
            Self::EdgeList => ([["", "", "\n"], ["", " ", "\n"]], ["", ""]),
            Self::Dot => ([["  ", "", ";\n"], ["  ", " -> ", ";\n"]], ["digraph {\n", "}\n"]),
            Self::GraphMl => (graphml::LINES, graphml::FRAME),
        };
        let mut text = String::from(head);
        let put = "writing to a string cannot fail";
        for me in graph.nodes() {
            write!(text, "{}{me}{}", node[0], node[2]).expect(put);
        }
        for me in graph.nodes() {
            for to in graph.known_to(me).iter().filter(|&&to| graph.is_live(to)) {
                write!(text, "{}{me}{}{to}{}", link[0], link[1], link[2]).expect(put);
            }
        }
        text + foot
    }
}

/// A graph, and what its text called the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The graph.
    pub graph: Graph,
    /// The name of each node, at its number.
    pub names: Vec<String>,
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line that is wrong, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What is wrong with it.
    pub cause: &'static str,
    /// The text from there on, to the end of the line, or its first 40 characters.
    pub at: String,
}

impl TextError {
    /// At byte `at` of `text`.
    pub(super) fn new(text: &str, at: usize, cause: &'static str) -> Self {
        let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let shown = rest.lines().next().unwrap_or_default().chars().take(40).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Self { line, column, cause, at: shown }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, cause, at } = self;
        if at.is_empty() {
            write!(f, "line {line}, column {column}: {cause}")
        } else {
            write!(f, "line {line}, column {column}: {cause}, at {at:?}")
        }
    }
}

impl Error for TextError {}

/// Gives names numbers, and collects links.
#[derive(Default)]
struct Builder<'a> {
    numbers: BTreeMap<Cow<'a, str>, u32>,
    names: Vec<String>,
    links: Vec<(u32, u32)>,
}

impl<'a> Builder<'a> {
    /// The number of the node called `name`, perhaps a new one.
    fn node(&mut self, name: Cow<'a, str>) -> u32 {
        if let Some(&known) = self.numbers.get(&name) {
            return known;
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone().into_owned());
        self.numbers.insert(name, number);
        number
    }

    fn link(&mut self, from: u32, to: u32, directed: bool) {
        self.links.push((from, to));
        if !directed && from != to {
            self.links.push((to, from));
        }
    }

    fn finish(self) -> Named {
        let live = vec![true; self.names.len()];
        Named { graph: Graph::from_links(live, self.links.into_iter()), names: self.names }
    }
}

fn edge_list(text: &str) -> Result<Named, TextError> {
    let mut builder = Builder::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        let parts = [words.next(), words.next(), words.next(), words.next()];
        let weighs = |word: &str| word.parse::<f64>().is_ok();
        match parts {
            [None, ..] => {}
            [Some(word), ..] if word.starts_with(['#', '%']) => {}
            [Some(from), None, ..] => {
                builder.node(from.into());
            }
            [Some(from), Some(to), weight, None] if weight.is_none_or(weighs) => {
                let (from, to) = (builder.node(from.into()), builder.node(to.into()));
                builder.link(from, to, true);
            }
            _ => return Err(TextError::new(text, at, "a link is two names and perhaps a weight")),
        }
        at += line.len();
    }
    Ok(builder.finish())
}
