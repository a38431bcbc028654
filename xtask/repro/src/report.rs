//! What is printed: the list, the table, and JSON.

use super::experiment::{Experiment, Statistic};
use super::params::Params;
use super::trials::{Plan, Row};
use serde_json::{Map, Value};
use std::fmt;
use std::io::{self, Write};
use xtask_base::output::number;

/// A metric with more cycles than this is thinned out in the table (never in JSON).
const CYCLES_SHOWN: usize = 40;

/// The comparison of an experiment.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// What was run.
    pub experiment: &'a dyn Experiment,
    /// With which parameters.
    pub params: &'a Params,
    /// Which trials.
    pub plan: &'a Plan,
    /// What came out.
    pub rows: &'a [Row],
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.experiment.id();
        f.debug_struct("Report").field("experiment", &id).field("rows", &self.rows).finish()
    }
}

impl Report<'_> {
    /// One JSON object per row and line.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", self.json(row)))
    }

    /// Exactly ten fields, in this order. What is missing or not finite is null.
    fn json(&self, row: &Row) -> String {
        let mut params = Map::new();
        params.extend(self.params.iter().map(|(name, value)| (name.to_owned(), value.into())));
        if let Some(cycle) = row.cycle {
            params.insert("cycle".to_owned(), cycle.into());
        }
        let published = row.published;
        let fields: [(&str, Value); 10] = [
            ("experiment", self.experiment.id().into()),
            ("params", params.into()),
            ("metric", row.metric.name.into()),
            ("measured", row.measured.into()),
            ("sd", row.sd.into()),
            ("n", row.n.into()),
            ("published", published.map(|p| p.value).into()),
            ("source", published.map_or(self.experiment.source(), |p| p.source).into()),
            ("tolerance", published.map(|p| p.tolerance).into()),
            ("pass", row.pass().into()),
        ];
        let fields = fields.map(|(name, value)| format!("{}:{value}", Value::from(name)));
        format!("{{{}}}", fields.join(","))
    }

    /// A table for people, at most 100 columns wide.
    pub fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { experiment, params, plan, rows } = self;
        writeln!(out, "{}: {}", experiment.id(), experiment.summary())?;
        let values: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
        writeln!(out, "  with {}", values.join(" "))?;
        let (first, trials) = (plan.first_seed, plan.trials);
        let last = first.wrapping_add(u64::from(trials - 1));
        writeln!(out, "  {trials} trials, seeds {first} to {last}\n")?;
        writeln!(out, "{}", HEADINGS.join())?;
        let sources = self.sources();
        let shown = thinned(rows);
        for row in &shown {
            let number = row.published.and_then(|p| sources.iter().position(|s| *s == p.source));
            writeln!(out, "{}", cells(row, number).join())?;
        }
        if shown.len() < rows.len() {
            let hidden = rows.len() - shown.len();
            writeln!(out, "({hidden} more rows are left out here; `--json` prints all)")?;
        }
        self.write_notes(out, &sources)
    }

    /// The distinct sources, in order of appearance.
    fn sources(&self) -> Vec<&'static str> {
        let mut sources = Vec::new();
        for source in self.rows.iter().filter_map(|row| row.published).map(|p| p.source) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    fn write_notes(&self, out: &mut impl Write, sources: &[&str]) -> io::Result<()> {
        writeln!(out)?;
        for metric in self.experiment.metrics() {
            let statistic = match metric.statistic {
                Statistic::Mean => "mean",
                Statistic::Median => "median",
            };
            writeln!(out, "{}: {} ({statistic} of the trials)", metric.name, metric.meaning)?;
        }
        for (at, source) in sources.iter().enumerate() {
            writeln!(out, "[{}] {source}", at + 1)?;
        }
        if sources.is_empty() {
            writeln!(out, "nothing is published for these parameters")?;
        }
        writeln!(out, "source: {}", self.experiment.source())
    }
}

/// The rows of the table: all of a metric with few cycles; of one with many the first ten, every
/// so many-th, the last, and all that have a verdict.
fn thinned(rows: &[Row]) -> Vec<&Row> {
    let mut shown = Vec::new();
    for rows in rows.chunk_by(|a, b| a.metric.name == b.metric.name) {
        let step = rows.len().div_ceil(CYCLES_SHOWN);
        let keep = |at: usize, row: &Row| {
            at < 10 || at.is_multiple_of(step) || at + 1 == rows.len() || row.published.is_some()
        };
        shown.extend(rows.iter().enumerate().filter(|(at, row)| keep(*at, row)).map(|(_, r)| r));
    }
    shown
}

/// A line of the table.
struct Cells<S>([S; 8]);

const HEADINGS: Cells<&str> =
    Cells(["metric", "cycle", "measured", "sd", "n", "published", "tolerance", "verdict"]);
const WIDTHS: [usize; 8] = [18, 6, 12, 11, 6, 11, 11, 8];

impl<S: AsRef<str>> Cells<S> {
    fn join(&self) -> String {
        let columns = self.0.iter().zip(WIDTHS).enumerate();
        let aligned = columns.map(|(at, (cell, width))| {
            let cell = cell.as_ref();
            // Words to the left, numbers to the right.
            match at {
                0 => format!("{cell:<width$}"),
                7 => format!("  {cell}"),
                _ => format!(" {cell:>width$}"),
            }
        });
        aligned.collect::<Vec<_>>().concat()
    }
}

fn cells(row: &Row, source: Option<usize>) -> Cells<String> {
    let dash = || "-".to_owned();
    let verdict = match row.pass() {
        None => dash(),
        Some(true) => "pass".to_owned(),
        Some(false) => "FAIL".to_owned(),
    };
    let note = source.map_or_else(String::new, |at| format!(" [{}]", at + 1));
    Cells([
        row.metric.name.to_owned(),
        row.cycle.map_or_else(dash, |cycle| cycle.to_string()),
        number(row.measured),
        number(row.sd),
        row.n.to_string(),
        row.published.map_or_else(dash, |p| number(p.value)),
        row.published.map_or_else(dash, |p| number(p.tolerance)),
        verdict + &note,
    ])
}

/// Every experiment with its parameters, for people.
pub fn list(experiments: &[&dyn Experiment], out: &mut impl Write) -> io::Result<()> {
    if experiments.is_empty() {
        return writeln!(out, "no experiments yet");
    }
    for (at, experiment) in experiments.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}: {}", experiment.id(), experiment.summary())?;
        for param in experiment.params() {
            writeln!(out, "  {param}")?;
        }
        for metric in experiment.metrics() {
            writeln!(out, "  measures {}: {}", metric.name, metric.meaning)?;
        }
        writeln!(out, "  trials: {}", experiment.seeds())?;
        writeln!(out, "  source: {}", experiment.source())?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
