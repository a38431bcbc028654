//! Graphs as text: each format reads what it writes, says which line is wrong and why, and makes
//! of hostile text an error or a graph, never a panic.

use gossip_core::random::Key;
use gossip_core::sim::graph_text::{Format, Named, TextError};
use gossip_core::sim::observe::Graph;
use gossip_core::sim::topology;
use proptest::prelude::*;

const FORMATS: [Format; 3] = [Format::EdgeList, Format::Dot, Format::GraphMl];

/// The links of what was read, by name.
fn links(read: &Named) -> Vec<String> {
    let name = |node: u32| &read.names[node as usize];
    let known = |me: u32| read.graph.known_to(me).iter().map(move |&to| (me, to));
    read.graph
        .nodes()
        .flat_map(known)
        .map(|(me, to)| format!("{}>{}", name(me), name(to)))
        .collect()
}

#[test]
fn edge_lists_have_comments_weights_and_single_nodes() {
    let read = Format::EdgeList.read("# x y\n% z\n\n b\ta \r\nalone\na c .5\na a\nb a").unwrap();
    assert_eq!(read.names, ["b", "a", "alone", "c"]);
    assert_eq!(links(&read), ["b>a", "b>a", "a>c", "a>a"]);
}

#[test]
fn dot_has_chains_attributes_comments_and_strings() {
    let text = "// c\n# line\nstrict DIGRAPH \"my graph\" { rankdir = LR; node [shape=box, a=b]
        a -> b -> \"c \\\"d\\\\\" [color=red; w=-.5][x=y] /* a -> z */ a -> b;
        -1.5; é -> a \"joi\\\nned\" \"node\" -> \"node\" }\n";
    let read = Format::Dot.read(text).unwrap();
    assert_eq!(read.names, ["a", "b", "c \"d\\\\", "-1.5", "é", "joined", "node"]);
    assert_eq!(links(&read), ["a>b", "b>c \"d\\\\", "é>a", "node>node"]);
    let both = Format::Dot.read("graph{1--2--1 3--3}").unwrap();
    assert_eq!(links(&both), ["1>2", "1>2", "2>1", "2>1", "3>3"]);
}

#[test]
fn graphml_has_directions_entities_and_edges_before_nodes() {
    let text = "<?xml version='1.0'?><!-- <node id='no'/> --><graphml xmlns='u' >
        <key id='k' for='node'/><graph edgedefault='undirected' id=\"G\">
        <edge source='a' target='&lt;b&#x26;&#99;'/>
        <node id='a'><data key='k'>1 &amp; 2<node id='data'/></data></node>
        <node id='&lt;b&amp;c'/><edge directed = 'true' source='a' target='a'/>
        <edge directed='1' source='a' target='&lt;b&amp;c'></edge ></graph></graphml>\n";
    let read = Format::GraphMl.read(text).unwrap();
    assert_eq!(read.names, ["a", "<b&c"]);
    assert_eq!(links(&read), ["a><b&c", "a>a", "a><b&c", "<b&c>a"]);
}

/// The text at the line and the column of `error`.
fn at_column(text: &str, error: &TextError) -> String {
    let line = text.split('\n').nth(error.line - 1).unwrap();
    let rest: String = line.chars().skip(error.column - 1).take(40).collect();
    rest.trim_end().into()
}

#[test]
fn errors_name_line_and_cause() {
    let deep = format!("<graphml>{}", "<a>".repeat(64));
    let many = (0..65).fold(String::new(), |many, at| many + &format!(" a{at}=''"));
    let many = format!("<graphml{many}/>");
    let graph = |inside: &str| format!("<graphml>\n<graph edgedefault='directed'>\n{inside}");
    for (format, text, expected) in [
        (Format::EdgeList, "a b\n\na b c\n", "line 3: a link is two names and perhaps a weight"),
        (Format::EdgeList, "a b 1 2", "line 1: a link is two names"),
        (Format::Dot, "", "line 1: a DOT text begins with graph or digraph"),
        (Format::Dot, "graph x\ny {}", "line 2: a graph's statements are in {}, at \"y {}\""),
        (Format::Dot, "graph node {}", "line 1: a graph has a name or {"),
        (Format::Dot, "graph {\n a -> b }", "line 2: a graph links with --, at \"-> b }\""),
        (Format::Dot, "digraph {\n a -- b }", "line 2: a digraph links with ->"),
        (Format::Dot, "graph { a -- }", "line 1: a link ends at a name, at \"}\""),
        (Format::Dot, "graph { a -- edge }", "line 1: a link ends at a name, at \"edge }\""),
        (Format::Dot, "graph { a -- {b c} }", "line 1: subgraphs are not read"),
        (Format::Dot, "graph {\nsubgraph s {} }", "line 2: subgraphs are not read"),
        (Format::Dot, "graph { a:n -- b }", "line 1: ports are not read, at \":n -- b }\""),
        (Format::Dot, "graph { a [l=<b>] }", "line 1: HTML is not read"),
        (Format::Dot, "graph { a [l] }", "line 1: an attribute has = and a value, at \"] }\""),
        (Format::Dot, "graph { a [l=] }", "line 1: an attribute has a value, at \"] }\""),
        (Format::Dot, "graph { node }", "line 1: attributes are in []"),
        (Format::Dot, "graph { a", "line 1: a statement begins with a name, or }"),
        (Format::Dot, "graph {\n\n 1a }", "line 3: a name that begins with a digit is a number"),
        (Format::Dot, "graph { \"a }\n", "line 1: the string does not end"),
        (Format::Dot, "graph { a }\n/* b", "line 2: the comment does not end"),
        (Format::Dot, "graph { a } b", "line 1: one graph is read, and nothing after it"),
        (Format::Dot, "graph { a @ }", "line 1: this has no meaning in DOT"),
        (Format::GraphMl, "\n<graph/>", "line 2: a document is one graphml element"),
        (Format::GraphMl, "<graphml/>\n<graphml/>", "line 2: a document is one graphml"),
        (Format::GraphMl, "<graphml/>", "line 1: the text ends before a graph does"),
        (Format::GraphMl, &graph(""), "line 3: the text ends before a graph does"),
        (Format::GraphMl, "<!DOCTYPE x>", "line 1: document types are not read"),
        (Format::GraphMl, "<graphml><graph/>", "line 1: edgedefault is directed or"),
        (Format::GraphMl, &graph("<graph/>"), "line 3: one graph is read, and no graph in"),
        (Format::GraphMl, &graph("<node><graph/>"), "line 3: a node has an id"),
        (Format::GraphMl, &graph("<node id='1'/><node id='1'/>"), "line 3: another node has"),
        (Format::GraphMl, &graph("<edge source='1'/>"), "line 3: an edge has a source and a"),
        (Format::GraphMl, &graph("<hyperedge/>"), "line 3: hyperedges are not read"),
        (
            Format::GraphMl,
            &graph("<node id='1'/><edge\nsource='1' target='2'/></graph></graphml>"),
            "line 3: an edge ends at a node that there is not, at \"<edge\"",
        ),
        (
            Format::GraphMl,
            &graph("<edge source='1' target='2' directed='x'/>"),
            "line 3: directed is true or false",
        ),
        (Format::GraphMl, &graph("</graphml>"), "line 3: this ends what is not open"),
        (Format::GraphMl, "<graphml a='&b;'>", "line 1: & begins an unknown entity"),
        (Format::GraphMl, "<graphml a='&#xD800;'>", "line 1: & begins an unknown entity"),
        (Format::GraphMl, "<graphml a='<'>", "line 1: a value has &lt; for <"),
        (Format::GraphMl, "<graphml a='", "line 1: a value does not end"),
        (Format::GraphMl, "<graphml a=b>", "line 1: an attribute has = and a value in"),
        (Format::GraphMl, "<graphml a='1'a='1'>", "line 1: the element does not end with >"),
        (Format::GraphMl, "<graphml a='1' a='1'>", "line 1: an attribute is there twice"),
        (Format::GraphMl, "<graphml / >", "line 1: / ends an element, before >"),
        (Format::GraphMl, "<>", "line 1: an element has a name"),
        (Format::GraphMl, "<!-- ", "line 1: this does not end"),
        (Format::GraphMl, &deep, "line 1: at most 64 elements are in one another"),
        (Format::GraphMl, &many, "line 1: an element has at most 64 attributes"),
    ] {
        let error = format.read(text).expect_err(text);
        assert_eq!(at_column(text, &error), error.at.trim_end(), "{error}\nfor {text}");
        let shown = error.to_string().replace(&format!(", column {}:", error.column), ":");
        assert!(shown.starts_with(expected), "{error}\nfor {text}\nexpected {expected}");
    }
}

#[test]
fn what_is_written_has_no_dead_links() {
    let graph = Graph::new([(1, vec![3, 2]), (3, vec![1])]);
    for format in FORMATS {
        let read = format.read(&format.write(&graph)).unwrap();
        assert_eq!(read.names, ["1", "3"]);
        assert_eq!(links(&read), ["1>3", "3>1"], "{format:?}");
    }
}

proptest! {
    #[test]
    fn reading_what_was_written_gives_the_same_graph(
        nodes in 1_u32..60,
        links in prop::collection::vec((0_u32..60, 0_u32..60), 0..200),
        seed: u64,
    ) {
        let links: Vec<_> = links.into_iter().map(|(a, b)| (a % nodes, b % nodes)).collect();
        let known = 3.min(nodes - 1);
        let graphs = [
            topology::edge_list(nodes, &links).unwrap(),
            topology::k_out(nodes, known, Key::new(seed)).unwrap(),
        ];
        for (graph, format) in graphs.iter().flat_map(|graph| FORMATS.map(|f| (graph, f))) {
            let text = format.write(graph);
            let read = format.read(&text);
            let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&read.graph, graph, "{}", text);
        }
    }

    /// Pieces of all formats in any order, cut anywhere.
    #[test]
    fn hostile_text_is_an_error_or_a_bounded_graph(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(&PIECES[..]).prop_map(String::from),
            any::<String>(),
        ], 0..40),
        start in prop::sample::select(&STARTS[..]),
        cut in 0_usize..400,
    ) {
        let text: String = start.chars().chain(pieces.concat().chars()).take(cut).collect();
        for format in FORMATS {
            match format.read(&text) {
                Ok(read) => {
                    prop_assert!(read.names.len() <= text.len());
                    let links: usize =
                        read.graph.nodes().map(|node| read.graph.known_to(node).len()).sum();
                    prop_assert!(links <= text.len());
                    prop_assert_eq!(read.graph.dead_links(), 0);
                }
                Err(error) => {
                    prop_assert!((1..=text.matches('\n').count() + 1).contains(&error.line));
                    prop_assert!(error.at.chars().count() <= 40);
                }
            }
        }
    }
}

const STARTS: [&str; 5] =
    ["", "graph{", "digraph {", "<graphml><graph edgedefault='directed'>", "strict graph"];

const PIECES: [&str; 42] = [
    "a",
    "é",
    " ",
    "\n",
    "--",
    "->",
    "-",
    "{",
    "}",
    "[",
    "]",
    "=",
    ";",
    ",",
    "\"",
    "\\",
    "/*",
    "*/",
    "//",
    "#",
    "1",
    ".",
    "a -- b",
    "a -> b",
    "node",
    "subgraph",
    "<",
    ">",
    "/",
    "</",
    "/>",
    "<node ",
    "id='a'",
    "<edge source='a' target='a'/>",
    "</graph>",
    "</graphml>",
    "<!--",
    "-->",
    "<?",
    "&#",
    "'",
    "<node id='a'/>",
];
