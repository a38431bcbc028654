//! The job that gossip software shares, on real sockets: nodes join, find out who crashed, and
//! spread publications. Each run is a process of its own, in a network of its own.

#[cfg(feature = "chitchat")]
mod chitchat;
#[cfg(feature = "iroh-gossip")]
mod iroh;
#[cfg(feature = "memberlist")]
mod memberlist;
mod ours;
mod place;
mod run;

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use crate::table::{Row, Table};
use run::Board;

/// The period of rounds, of all contenders that have one.
const PERIOD: Duration = Duration::from_secs(1);

/// Where node 0 listens; the others are at the ports after it.
const PORT: u16 = 20_000;

/// What a run measures, by name.
type Figures = BTreeMap<&'static str, f64>;

/// A node of who takes part.
trait Contender: Sized {
    /// Whether every node knows every other; else only a few.
    const FULL: bool;
    /// Starts node `at`, which joins by `seed` in its own time, and notes deliveries on `board`.
    async fn start(at: u32, seed: Option<&Self>, board: &Board) -> Result<Self, String>;
    /// By which others know it.
    fn name(&self) -> String;
    /// How many others it takes to be alive.
    async fn members(&self) -> usize;
    /// Whether it takes the node of this name to be alive.
    async fn holds(&self, name: &str) -> bool;
    /// Tells everybody.
    async fn publish(&self, text: String) -> Result<(), String>;
    /// Ends without a word.
    async fn crash(self);
}

/// Name, configuration, and what is run.
struct Entry {
    name: &'static str,
    configuration: &'static str,
    run: fn(u32) -> Result<Figures, String>,
}

/// Ours first.
fn entries() -> Vec<Entry> {
    macro_rules! entry {
        ($module:ident) => {
            Entry {
                name: $module::NAME,
                configuration: $module::CONFIGURATION,
                run: |nodes| live(run::run::<$module::Rival>(nodes)),
            }
        };
    }
    vec![
        entry!(ours),
        #[cfg(feature = "chitchat")]
        entry!(chitchat),
        #[cfg(feature = "memberlist")]
        entry!(memberlist),
        #[cfg(feature = "iroh-gossip")]
        entry!(iroh),
    ]
}

fn live<T>(running: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.map_err(|e| format!("cannot start: {e}"))?.block_on(running)
}

/// Why ours may be behind, by what it costs and what for.
const ROUNDS: Option<&str> = Some("ours asks at its driver's rounds; memberlist at once, over TCP");
const SUSPECTED: Option<&str> = Some(
    "a suspicion may be contradicted before it is a death; chitchat's detector hears silence alone",
);
const OVERLAY: Option<&str> = Some(
    "ours runs a membership and an overlay, which is still settling half a minute after a join; \
     memberlist has no overlay, iroh-gossip shuffles once a minute and keeps no membership",
);
const DATAGRAMS: Option<&str> = Some(
    "ours sends datagrams and asks for what is lost; what goes over connections is sent again at \
     once",
);

/// What is measured: key, name, unit, and why ours is behind where it may be.
const MEASURES: [(&str, &str, &str, Option<&str>); 11] = [
    ("full", "full membership", "s", ROUNDS),
    ("first", "a crash: first to know", "s", SUSPECTED),
    ("all", "a crash: all know", "s", SUSPECTED),
    ("missing", "members missing from views", "%", SUSPECTED),
    ("idle", "traffic, nothing happens", "B/node/s", OVERLAY),
    ("cpu", "processor, nothing happens", "us/node/s", OVERLAY),
    ("latency", "publication: mean latency", "ms", DATAGRAMS),
    ("last", "publication: at the last node", "ms", DATAGRAMS),
    ("undelivered", "publication: not delivered", "%", None),
    ("copies", "publication: bytes sent per byte", "copies", DATAGRAMS),
    ("overrun", "datagrams lost to full sockets", "in the run", None),
];

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) nodes: Vec<u32>,
    /// Percent of all packets that are lost.
    pub(crate) loss: Vec<u32>,
    pub(crate) seeds: Range<u64>,
}

/// Runs every contender.
pub(crate) fn compare(request: &Request) -> Table {
    let (entries, apart) = (entries(), place::is_ours_to_make());
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (&nodes, &percent) in
        request.nodes.iter().flat_map(|n| request.loss.iter().map(move |l| (n, l)))
    {
        if percent > 0 && !apart {
            eprintln!("net: no loss here: `unshare --net` and `tc` with BPF filters are needed");
            continue;
        }
        let runs: Vec<Vec<Figures>> = entries
            .iter()
            .map(|entry| {
                let runs = request
                    .seeds
                    .clone()
                    .map(|_| in_its_own_process(entry.name, nodes, percent, apart));
                runs.filter_map(|run| run.map_err(|fault| faults.push(fault)).ok()).collect()
            })
            .collect();
        rows.extend(MEASURES.iter().map(|measure| row(measure, nodes, percent, &runs)));
    }
    if rows.iter().any(|row| row.unit == "s" && row.runs[0].is_empty()) {
        faults.push("ours did not come to an end".to_owned());
    }
    let contenders = entries.iter().map(|e| (e.name, e.configuration.to_owned())).collect();
    let title = if apart {
        "net: loopback of a network namespace, packets of 1500 bytes; bytes with all headers; \
         less is better"
    } else {
        "net: the loopback that all share, no loss; less is better"
    };
    Table { title, contenders, rows, unbuilt: Vec::new(), faults, behind: usize::MAX }
}

fn row(
    (key, name, unit, why): &(&str, &str, &'static str, Option<&'static str>),
    nodes: u32,
    percent: u32,
    runs: &[Vec<Figures>],
) -> Row {
    let of = |runs: &Vec<Figures>| {
        let values = runs.iter().filter_map(|figures| figures.get(key).copied());
        values.filter(|value| !value.is_nan()).collect()
    };
    let name = format!("{nodes} nodes, {percent} % loss: {name}");
    Row { name, unit, why: *why, runs: runs.iter().map(of).collect() }
}

/// Starts this program again, for one run.
fn in_its_own_process(
    name: &str,
    nodes: u32,
    percent: u32,
    apart: bool,
) -> Result<Figures, String> {
    let what = format!("{name} with {nodes} nodes, {percent} % loss");
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = if apart {
        place::apart(&program.to_string_lossy(), f64::from(percent) / 100.0)
    } else {
        std::process::Command::new(program)
    };
    command
        .args(["net-run", name, &nodes.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("{what}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("net: {what}: {}", text.trim());
    let read: Result<BTreeMap<String, Option<f64>>, _> = serde_json::from_str(&text);
    let read = read.map_err(|e| format!("{what}: {}: {e}", output.status))?;
    let known = |(key, ..): &(&'static str, _, _, _)| Some((*key, (*read.get(*key)?)?));
    Ok(MEASURES.iter().filter_map(known).collect())
}

/// One run, printed as JSON.
pub(crate) fn single(name: &str, nodes: u32) -> Result<String, String> {
    let entries = entries();
    let entry = entries.iter().find(|entry| entry.name == name);
    let figures = (entry.ok_or_else(|| format!("no contender `{name}`"))?.run)(nodes)?;
    serde_json::to_string(&figures).map_err(|e| e.to_string())
}
