//! Every key of a scenario: what it takes, what it is if not given, and what it means.

use super::value::{Kind, Value};
use std::fmt;

/// What a key is if it is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Preset {
    /// Nothing: what it controls does not happen.
    Absent,
    /// This whole number.
    Int(i64),
    /// This number.
    Float(f64),
    /// This word.
    Text(&'static str),
    /// This.
    Flag(bool),
}

impl Preset {
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Preset::Absent => None,
            Preset::Int(value) => Some(Value::Int(value)),
            Preset::Float(value) => Some(Value::Float(value)),
            Preset::Text(value) => Some(Value::Text(value.to_owned())),
            Preset::Flag(value) => Some(Value::Flag(value)),
        }
    }
}

/// The declaration of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    /// Its sections and name, joined by dots.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) preset: Preset,
    pub(super) meaning: &'static str,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preset = self.preset.value().map_or_else(|| "none".to_owned(), |v| v.to_string());
        let preset = if preset.is_empty() { "empty".to_owned() } else { preset };
        write!(f, "{}: {}; {} [default: {preset}]", self.path, self.meaning, self.kind)
    }
}

const fn int(path: &'static str, preset: i64, kind: [i64; 2], meaning: &'static str) -> Key {
    Key { path, kind: Kind::Int(kind[0], kind[1]), preset: Preset::Int(preset), meaning }
}

const fn optional(path: &'static str, kind: [i64; 2], meaning: &'static str) -> Key {
    Key { path, kind: Kind::Int(kind[0], kind[1]), preset: Preset::Absent, meaning }
}

const fn float(path: &'static str, preset: f64, kind: [f64; 2], meaning: &'static str) -> Key {
    Key { path, kind: Kind::Float(kind[0], kind[1]), preset: Preset::Float(preset), meaning }
}

const fn word(
    path: &'static str,
    preset: &'static str,
    words: &'static [&'static str],
    meaning: &'static str,
) -> Key {
    Key { path, kind: Kind::Choice(words), preset: Preset::Text(preset), meaning }
}

const fn other(path: &'static str, kind: Kind, preset: Preset, meaning: &'static str) -> Key {
    Key { path, kind, preset, meaning }
}

/// The samplers; from `complete` on, static overlays, all of the section `topology`.
const SAMPLERS: &[&str] = &[
    "newscast",
    "cyclon",
    "peer-sampling",
    "hyparview",
    "brahms",
    "complete",
    "k-out",
    "ring",
    "watts-strogatz",
    "barabasi-albert",
    "torus",
    "random-regular",
    "heterogeneous",
    "lattice",
    "star",
    "file",
];

/// The static overlays.
pub(super) const TOPOLOGIES: &[&str] = SAMPLERS.split_at(5).1;

const APPLICATIONS: &[&str] = &["none", "mean", "count", "rumor", "t-man"];

/// The most cycles of a run, and so the largest number of one.
const CYCLES: i64 = 10_000_000;
const ONE: [f64; 2] = [0.0, 1.0];
const VIEW: [i64; 2] = [1, 64];
const CYCLE: [i64; 2] = [0, CYCLES];
const PERIOD: [i64; 2] = [1, CYCLES];

/// Every key, section by section.
#[rustfmt::skip]
pub(super) static KEYS: &[Key] = &[
    other("description", Kind::Text, Preset::Text(""), "what the scenario shows, in a line"),
    other("source", Kind::Text, Preset::Text(""), "the paper its claim is from"),
    int("size", 1_000, [2, 1 << 30], "nodes at the start"),
    int("cycles", 30, [1, CYCLES], "cycles to run; in the event driver, ticks"),
    int("replicas", 1, [1, 100_000], "runs of each point, with one seed after the other"),
    int("seed", 1, [0, i64::MAX], "the seed of the first replica"),
    word("sampler", "newscast", SAMPLERS, "where peers come from"),
    word("application", "none", APPLICATIONS, "what runs over the sampler"),

    word("driver.kind", "cycle", &["cycle", "event"],
        "rounds without time or bytes, or virtual time and real datagrams"),
    word("driver.order", "sequential", &["sequential", "synchronous", "blocked", "parallel"],
        "what happens inside a cycle of the cycle driver; parallel is blocked on several threads"),
    int("driver.block", 64, [1, 65_536],
        "nodes of a block, if blocked; if parallel, a 64th of `size`, but 64 to 2,048"),
    int("driver.threads", 2, [1, 64],
        "threads of a run, if parallel; they change the time it takes, and nothing else"),
    other("driver.telling", Kind::Flag, Preset::Flag(false),
        "whether senders hear at once that whom they addressed is dead (cycle driver)"),
    other("driver.tick", Kind::Span, Preset::Text("1s"), "the period of a node (event driver)"),
    float("driver.jitter", 0.1, [0.0, 0.5], "how far a round may be off, as a share of the tick"),

    word("start.overlay", "random", &["random", "lattice", "star"],
        "whom nodes know at first: random others, the nearest on a ring, or node 0"),

    int("newscast.view", 20, VIEW, "peers a node knows, the paper's c"),
    int("cyclon.view", 20, VIEW, "peers a node knows, the paper's c"),
    int("cyclon.shuffle", 8, VIEW, "descriptors of an exchange, the paper's l"),
    int("peer-sampling.view", 30, VIEW, "peers a node knows, the paper's c"),
    int("peer-sampling.healer", 0, [0, 64], "H; H + S is at most half of the view"),
    int("peer-sampling.swapper", 0, [0, 64], "S; H + S is at most half of the view"),
    word("peer-sampling.selection", "rand", &["rand", "tail"], "which neighbour is asked"),
    word("peer-sampling.propagation", "pushpull", &["push", "pushpull"], "which way views go"),
    int("hyparview.active", 5, [1, 16], "links at most, the fanout plus one"),
    int("hyparview.passive", 30, VIEW, "spare peers at most"),
    int("brahms.view", 20, VIEW, "members of the view, the paper's l1"),
    int("brahms.samples", 20, VIEW, "samplers, the paper's l2"),
    float("brahms.alpha", 0.45, ONE, "share of the view that comes from pushes"),
    float("brahms.beta", 0.45, ONE, "share of the view that comes from pulls"),
    float("brahms.gamma", 0.1, ONE, "share of the view that comes from the samplers"),

    int("topology.degree", 20, [1, 1 << 20],
        "links of a node: k-out, ring, watts-strogatz, random-regular; of a newcomer: \
         barabasi-albert; at most: heterogeneous"),
    float("topology.beta", 0.1, ONE, "share of links that are moved: watts-strogatz"),
    float("topology.rho", 1.5, [0.0, 32.0], "exponent of the distance: lattice"),
    other("topology.sides", Kind::Sides, Preset::Absent,
        "nodes along each dimension: torus, lattice (there all alike); their product is `size`. \
         If absent, a square"),
    other("topology.file", Kind::Text, Preset::Absent,
        "an edge list, .dot or .graphml file, as seen from the scenario: file"),

    word("mean.inputs", "uniform",
        &["uniform", "peak", "linear", "exponential", "normal", "pareto", "file"],
        "`low` to `high` at random; all of N at node 0; `low` to `high` in steps; at random with \
         `mean`, with `mean` and `sd`, with exponent `shape` from 1 on; or as the file says"),
    float("mean.low", 0.0, [-1e12, 1e12], "the least input: uniform, linear"),
    float("mean.high", 1.0, [-1e12, 1e12], "the largest input: uniform, linear"),
    float("mean.mean", 1.0, [-1e12, 1e12], "the mean of the inputs: exponential, normal"),
    float("mean.sd", 1.0, [0.0, 1e12], "their standard deviation: normal"),
    float("mean.shape", 2.0, [0.05, 100.0], "the exponent of their tail: pareto"),
    other("mean.file", Kind::Text, Preset::Absent,
        "a file of numbers, a line a node, as seen from the scenario"),
    int("mean.epoch", 0, CYCLE, "rounds of an epoch, 0 for one that never ends"),
    int("count.leaders", 4, [1, 4], "nodes that count in an epoch, side by side"),
    int("count.epoch", 0, CYCLE, "rounds of an epoch, 0 for one that never ends"),
    word("rumor.style", "push-pull", &["push", "pull", "push-pull"], "which way the rumor goes"),
    int("rumor.k", 2, [1, 65_535], "useless contacts until interest is lost"),
    int("rumor.fanout", 1, [1, 8], "peers contacted a round"),
    int("t-man.message", 20, [1, 20], "descriptors of a message, the paper's m"),
    int("t-man.psi", 10, [1, 256], "partners are among the so many nearest"),
    int("t-man.fresh", 1, [0, 256], "peers taken from the sampler a round"),

    float("network.loss", 0.0, ONE, "probability that a message is lost"),
    float("network.link-failure", 0.0, ONE, "probability that an exchange fails as a whole"),
    float("network.duplication", 0.0, ONE, "probability that a message comes twice"),
    float("network.reordering", 0.0, ONE, "probability that a message is held back"),
    other("network.latency", Kind::Latency, Preset::Absent,
        "how long messages take, besides the matrix if there is one; if absent, 50ms, or nothing \
         besides the matrix (as all below: event driver)"),
    other("network.matrix", Kind::Text, Preset::Absent,
        "a file of round trips between places, as the King data set has them, as seen from the \
         scenario; half of one is a message's latency"),
    word("network.matrix-form", "pairs", &["pairs", "square"],
        "lines `PLACE PLACE TIME`, or a line a place with the times to all"),
    word("network.matrix-unit", "us", &["us", "ms"], "in what the file counts time"),
    word("network.places", "in-turn", &["in-turn", "random"],
        "where nodes are: node number modulo places, or anywhere"),
    optional("network.bandwidth", [1, 20_000_000_000], "bytes a second that can be sent"),
    int("network.queue", 65_536, [1, 1 << 40], "bytes that wait to be sent; more are lost"),
    word("network.shared", "by-sender", &["by-sender", "by-link"],
        "whether a node, or each of its links, has the bandwidth and the queue"),
    other("network.ordered", Kind::Flag, Preset::Flag(false),
        "whether no message overtakes another on its link"),
    float("partition.share", 0.0, ONE, "share of the nodes that are cut off from the others"),
    int("partition.from", 0, CYCLE, "the cycle before which the partition begins"),
    int("partition.until", CYCLES, CYCLE, "the cycle before which it ends"),

    float("crash.share", 0.0, ONE, "share of the nodes that die at once"),
    int("crash.at", 0, CYCLE, "the cycle before which they die"),
    float("churn.share", 0.0, ONE, "share of the nodes replaced by new ones, each cycle"),
    int("churn.from", 0, CYCLE, "the cycle before which churn begins"),
    int("churn.until", CYCLES, CYCLE, "the cycle before which it ends"),
    float("down.share", 0.0, ONE,
        "share of the nodes that stop, each cycle, and come back with their state"),
    int("down.cycles", 5, PERIOD, "cycles that they are down"),
    int("down.from", 0, CYCLE, "the cycle before which the first stop"),
    int("down.until", CYCLES, CYCLE, "the cycle before which no more stop"),
    int("growth.nodes", 0, [0, 1 << 30], "nodes that join, each cycle"),
    int("growth.from", 0, CYCLE, "the cycle before which growth begins"),
    int("growth.until", CYCLES, CYCLE, "the cycle before which it ends"),

    other("sessions.up", Kind::Span, Preset::Absent,
        "how long nodes stay on average; a cycle of the cycle driver is a second"),
    word("sessions.law", "exponential", &["constant", "exponential", "weibull", "pareto"],
        "the distribution of how long they stay, and stay away"),
    float("sessions.shape", 2.0, [0.1, 100.0], "the shape of weibull and pareto"),
    word("sessions.exit", "crash", &["crash", "leave"], "whether they go without notice"),
    word("sessions.after", "replaced", &["replaced", "gone", "return", "return-with-state"],
        "what becomes of a node when its session ends"),
    other("sessions.down", Kind::Span, Preset::Absent,
        "how long they stay away on average if they return; if absent, as long as they stay"),
    other("oscillation.time", Kind::Span, Preset::Absent,
        "how long the size takes from the middle to `high`, to `low` and back"),
    int("oscillation.low", 500, [1, 1 << 27], "the least size"),
    int("oscillation.high", 1_500, [1, 1 << 27], "the largest size"),
    other("trace.file", Kind::Text, Preset::Absent,
        "a file of lines `TIME NODE EVENT`, as seen from the scenario; events are join, leave, \
         crash, restart, revive, pause, resume"),

    optional("observe.nodes", PERIOD, "nodes that live; every so many cycles, as all of these"),
    optional("observe.estimate", PERIOD, "the median estimate: mean, count"),
    optional("observe.error", PERIOD, "the median relative error of the estimates: mean, count"),
    optional("observe.max-error", PERIOD, "the largest relative error: mean, count"),
    optional("observe.epoch-error", PERIOD,
        "the median relative error of what the last epoch said: mean, count"),
    optional("observe.variance", PERIOD, "the variance of the estimates: mean, count"),
    optional("observe.informed", PERIOD, "share of the nodes that know the rumor: rumor"),
    optional("observe.missing", PERIOD, "share of the ring's links that are missing: t-man"),
    optional("observe.in-degree-sd", PERIOD, "standard deviation of in-degrees"),
    optional("observe.in-degree-max", PERIOD, "the largest in-degree"),
    optional("observe.clustering", PERIOD, "clustering coefficient of the undirected overlay"),
    optional("observe.path", PERIOD, "mean path length of the undirected overlay"),
    optional("observe.spectral-gap", PERIOD,
        "1 minus the second eigenvalue of a random walk on the undirected overlay, to 0.001"),
    optional("observe.components", PERIOD, "components of the undirected overlay"),
    optional("observe.largest", PERIOD, "share of the nodes that are in the largest component"),
    optional("observe.dead-links", PERIOD, "links to the dead, per live node"),
    optional("observe.messages", PERIOD,
        "messages (event driver: datagrams) per node and cycle since the last time"),
    optional("observe.bytes", PERIOD, "bytes per node and cycle since the last time: event driver"),
    optional("observe.bytes-peers", PERIOD, "those of the sampler's messages: event driver"),
    optional("observe.bytes-app", PERIOD, "those of the application's messages: event driver"),
    int("sample.clustering", 10_000, [1, 1 << 30],
        "nodes whose clustering is looked at; all if there are no more"),
    int("sample.paths", 20, [1, 1 << 30], "nodes from which paths are measured"),

    other("stop.when", Kind::Rule, Preset::Absent,
        "a run is over as soon as this is seen; the observer must be among those that look"),
    int("stop.times", 1, PERIOD, "how often it must be seen, one time after the other"),

    other("output.csv", Kind::Text, Preset::Absent, "a file for the figures, as CSV"),
    other("output.json", Kind::Text, Preset::Absent, "a file for the figures, JSON lines"),
    other("output.svg", Kind::Text, Preset::Absent, "a file for the chart"),
    other("output.overlay", Kind::Text, Preset::Absent,
        "a file for the overlay at the end of the first replica: .dot, .graphml, or an edge list"),
];

/// The key called `path`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys begin with `path` and a dot.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The names of the sections.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> =
        KEYS.iter().filter_map(|key| key.path.split_once('.')).map(|(name, _)| name).collect();
    sections.dedup();
    sections.push("sweep");
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_declared_once_and_its_default_is_right() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..at].iter().all(|earlier| earlier.path != key.path), "{}", key.path);
            let right = match (key.kind, key.preset) {
                (Kind::Int(min, max), Preset::Int(value)) => (min..=max).contains(&value),
                (Kind::Float(min, max), Preset::Float(value)) => (min..=max).contains(&value),
                (Kind::Choice(words), Preset::Text(value)) => words.contains(&value),
                (Kind::Span | Kind::Latency, Preset::Text(value)) => {
                    super::super::value::latency(value).is_some()
                }
                (Kind::Text, Preset::Text(_))
                | (Kind::Flag, Preset::Flag(_))
                | (_, Preset::Absent) => true,
                _ => false,
            };
            assert!(right, "{}", key.path);
        }
        let named = |name: &&str| SAMPLERS.contains(name);
        assert!(TOPOLOGIES.iter().all(named));
    }
}
