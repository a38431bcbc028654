//! Progress: a table that is redrawn on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::checks::spread;
use super::cluster::Cluster;
use super::measure::{self, Disorder, Epoch, Views};
use super::plan::Plan;
use xtask_base::human;

/// What is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) at: Duration,
    pub(crate) phase: &'static str,
    pub(crate) living: usize,
    pub(crate) killed: usize,
    pub(crate) views: Views,
    pub(crate) ring: (usize, usize),
    pub(crate) mean: Option<Epoch>,
    pub(crate) count: Option<Epoch>,
    pub(crate) disorder: Disorder,
    /// Deliveries, and how many there should be.
    pub(crate) heard: (usize, usize),
    /// Replicas that agree, and that hold what was written.
    pub(crate) replicas: (usize, usize),
    /// Bytes a node and second, frames a datagram.
    pub(crate) traffic: (f64, f64),
}

impl Snapshot {
    pub(crate) fn of(
        cluster: &Cluster,
        phase: &'static str,
        rumors: &[String],
        written: &BTreeMap<String, String>,
    ) -> Self {
        let living = cluster.living().count();
        let (mean, count) = measure::newest(cluster);
        Self {
            at: cluster.clock.elapsed(),
            phase,
            living,
            killed: cluster.members.len() - living,
            views: measure::views(cluster),
            ring: measure::ring(cluster),
            mean: measure::last(|epoch| measure::mean_epoch(cluster, epoch), mean),
            count: measure::last(|epoch| measure::count_epoch(cluster, epoch), count),
            disorder: measure::disorder(cluster),
            heard: (measure::heard(cluster, rumors).0, rumors.len() * living),
            replicas: measure::replicas(cluster, written),
            traffic: cluster.traffic(),
        }
    }

    /// One line.
    fn line(&self) -> String {
        let Self { views, ring, living, replicas, traffic, heard, .. } = self;
        format!(
            "{:5.1} s  {:8}  views {:.1}/{}  ring {}/{}  {}  {}  rumors {}/{}  \
             digests {}/{living}  {:.1} kB/s  {:.1} frames/datagram",
            self.at.as_secs_f64(),
            self.phase,
            views.mean,
            views.most,
            ring.0,
            ring.1,
            said("mean", self.mean.as_ref(), true),
            said("count", self.count.as_ref(), false),
            heard.0,
            heard.1,
            replicas.0,
            traffic.0 / 1e3,
            traffic.1,
        )
    }

    /// The rows of the table.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { views, ring, living, killed, replicas, heard, .. } = self;
        vec![
            ("nodes", format!("{living} alive, {killed} killed")),
            (
                "views",
                format!(
                    "least {}, mean {:.1} of {}; {} links to the dead",
                    views.least, views.mean, views.most, views.dead
                ),
            ),
            ("ring", format!("{} of {} links right", ring.0, ring.1)),
            ("poll lag", epoch_row(self.mean.as_ref(), true)),
            ("count", epoch_row(self.count.as_ref(), false)),
            (
                "slices",
                format!("disorder {:.1}; at random {:.1}", self.disorder.gdm, self.disorder.random),
            ),
            ("rumors", format!("{} of {} deliveries", heard.0, heard.1)),
            ("replicas", format!("{} of {living} digests agree", replicas.0)),
            (
                "traffic",
                format!(
                    "{:.1} kB a node and second, {:.1} frames a datagram",
                    self.traffic.0 / 1e3,
                    self.traffic.1
                ),
            ),
        ]
    }
}

/// "mean 812.3/812.3": the estimate that is furthest off, and the truth.
fn said(name: &str, epoch: Option<&Epoch>, micros: bool) -> String {
    let Some((worst, truth)) = epoch.and_then(|epoch| compared(epoch, micros)) else {
        return format!("{name} -");
    };
    format!("{name} {worst:.1}/{truth:.1}{}", if micros { " us" } else { "" })
}

fn epoch_row(epoch: Option<&Epoch>, micros: bool) -> String {
    let unit = if micros { " us" } else { "" };
    let compared = epoch.and_then(|epoch| Some((epoch.number, compared(epoch, micros)?)));
    compared.map_or_else(
        || "no epoch has ended yet".to_owned(),
        |(number, (worst, truth))| {
            format!("epoch {number} said {worst:.2}{unit} at worst; truth {truth:.2}{unit}")
        },
    )
}

/// The estimate furthest off, and the truth: the inputs' mean, or their number.
fn compared(epoch: &Epoch, mean: bool) -> Option<(f64, f64)> {
    let truth = if mean { spread(&epoch.inputs).0 } else { epoch.inputs.len() as f64 };
    Some((epoch.worst(truth)?, truth))
}

/// Where progress goes.
pub(crate) struct View {
    out: Box<dyn Write>,
    terminal: bool,
    /// Lines of the table on the screen.
    drawn: usize,
    /// When the next line, or table, is due.
    due: Duration,
    budget: Duration,
}

/// Between two tables.
const FRAME: Duration = Duration::from_millis(250);

/// Between two lines.
const LINE: Duration = Duration::from_secs(2);

impl View {
    /// On stdout; on stderr if the report is to be JSON.
    pub(crate) fn of(plan: &Plan) -> Self {
        let (out, terminal): (Box<dyn Write>, _) = if plan.json {
            (Box::new(io::stderr()), io::stderr().is_terminal())
        } else {
            (Box::new(io::stdout()), io::stdout().is_terminal())
        };
        let (drawn, due) = Default::default();
        Self { out, terminal, drawn, due, budget: plan.budget }
    }

    /// Whether something should be shown `at` this time.
    pub(crate) fn is_due(&self, at: Duration) -> bool {
        at >= self.due
    }

    /// Shows `snapshot`.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        self.due = snapshot.at + if self.terminal { FRAME } else { LINE };
        let text = if self.terminal { self.table(snapshot) } else { snapshot.line() + "\n" };
        self.write(&text);
    }

    /// Says something that stays.
    pub(crate) fn say(&mut self, text: &str) {
        let text = format!("{}{text}\n", self.erased());
        self.drawn = 0;
        self.write(&text);
        self.due = Duration::ZERO;
    }

    fn table(&mut self, snapshot: &Snapshot) -> String {
        let mut text = self.erased();
        let (at, of) = (snapshot.at.as_secs_f64(), human(self.budget));
        text += &format!("  \x1b[1m{:9}\x1b[0m {} ({at:.1} s of {of})\n", "phase", snapshot.phase);
        let rows = snapshot.rows();
        self.drawn = rows.len() + 1;
        for (name, value) in rows {
            text += &format!("  \x1b[1m{name:9}\x1b[0m {value}\n");
        }
        text
    }

    /// What takes the table off the screen: up so many lines, and clear to the end.
    fn erased(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.drawn) }
    }

    fn write(&mut self, text: &str) {
        // Nobody may be reading any more; the run goes on for its exit code.
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}
