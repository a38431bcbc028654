//! What is printed: a table, JSON, CSV.

use super::run::{Row, Series};
use super::scenario::{Point, Scenario};
use gossip_core::sim::observe::Spread;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io::{self, Write};
use xtask_base::output::number;

/// Rows of a table of cycles; of more, some are left out (never in CSV and JSON).
const SHOWN: usize = 31;

/// What came out of a scenario.
#[derive(Debug)]
pub(super) struct Results<'a> {
    pub(super) scenario: &'a Scenario,
    /// For each point, in order, one series a replica.
    pub(super) series: Vec<Vec<Series>>,
}

/// An observer over cycles: its mean over replicas, and their least and largest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) dots: Vec<Dot>,
}

/// What the replicas saw after a cycle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dot {
    pub(super) cycle: u32,
    pub(super) spread: Spread,
}

impl Results<'_> {
    /// Each point with its series.
    pub(super) fn points(&self) -> impl Iterator<Item = (&Point, &[Series])> {
        self.scenario.points.iter().zip(self.series.iter().map(Vec::as_slice))
    }

    /// The observers of all points.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for name in self.series.iter().flatten().flat_map(|series| &series.names) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        names
    }

    /// One JSON object for each run and cycle, a line each.
    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        self.each(|point, seed, series, row| {
            let mut swept = Map::new();
            swept.extend(point.swept.iter().map(|(key, value)| ((*key).to_owned(), value.into())));
            let mut values = Map::new();
            for (name, value) in series.names.iter().zip(&row.values) {
                values.insert((*name).to_owned(), (*value).into());
            }
            let name = Value::from(self.scenario.name.as_str());
            let (swept, values) = (Value::from(swept), Value::from(values));
            let _ = writeln!(
                out,
                "{{\"scenario\":{name},\"point\":{swept},\"seed\":{seed},\"cycle\":{},\
                 \"values\":{values}}}",
                row.cycle
            );
        });
        out
    }

    /// A line of headings, then one for each run and cycle. What was not seen is empty.
    pub(super) fn csv(&self) -> String {
        let names = self.names();
        let mut out = String::new();
        let swept = self.scenario.points.first().into_iter().flat_map(|point| &point.swept);
        let headings: Vec<_> = swept.map(|(key, _)| *key).chain(["seed", "cycle"]).collect();
        let headings: Vec<_> = headings.into_iter().chain(names.iter().copied()).collect();
        let _ = writeln!(out, "{}", headings.join(","));
        self.each(|point, seed, series, row| {
            let mut cells: Vec<_> =
                point.swept.iter().map(|(_, value)| field(&value.to_string())).collect();
            cells.extend([seed.to_string(), row.cycle.to_string()]);
            cells.extend(names.iter().map(|name| {
                let at = series.names.iter().position(|n| n == name);
                let value = at.and_then(|at| row.values[at]);
                value.map_or_else(String::new, |value| value.to_string())
            }));
            let _ = writeln!(out, "{}", cells.join(","));
        });
        out
    }

    /// Calls `visit` with each row of each run.
    fn each(&self, mut visit: impl FnMut(&Point, u64, &Series, &Row)) {
        for (point, replicas) in self.points() {
            for (replica, series) in (0..).zip(replicas) {
                let seed = self.scenario.seed(replica);
                series.rows.iter().for_each(|row| visit(point, seed, series, row));
            }
        }
    }

    /// A table for people: of cycles if there is one point, else of the points' last cycles.
    pub(super) fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let scenario = self.scenario;
        writeln!(out, "{}: {}", scenario.name, scenario.description())?;
        if !scenario.origin().is_empty() {
            writeln!(out, "  source: {}", scenario.origin())?;
        }
        let (runs, first) = (scenario.replicas(), scenario.seed(0));
        let last = scenario.seed(runs - 1);
        let points = scenario.points.len();
        let seeds =
            if runs == 1 { format!("seed {first}") } else { format!("seeds {first} to {last}") };
        let times = if points == 1 { String::new() } else { format!("{points} points, ") };
        let spread = if runs == 1 { "" } else { "; mean ±sd of the replicas" };
        writeln!(out, "  {times}{seeds}{spread}\n")?;
        let rows = if points == 1 { self.over_cycles() } else { self.over_points() };
        for line in aligned(&rows) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn over_cycles(&self) -> Vec<Vec<String>> {
        let curves = curves(&self.series[0]);
        let mut cycles: Vec<u32> =
            curves.iter().flat_map(|curve| curve.dots.iter().map(|dot| dot.cycle)).collect();
        cycles.sort_unstable();
        cycles.dedup();
        let step = cycles.len().div_ceil(SHOWN).max(1);
        let mut rows = vec![vec!["cycle".to_owned()]];
        rows[0].extend(curves.iter().map(|curve| curve.name.to_owned()));
        for (at, cycle) in cycles.iter().enumerate() {
            if at % step == 0 || at + 1 == cycles.len() {
                let cells = curves
                    .iter()
                    .map(|curve| curve.at(*cycle).map_or_else(dash, |dot| cell(dot.spread)));
                rows.push([cycle.to_string()].into_iter().chain(cells).collect());
            }
        }
        rows
    }

    fn over_points(&self) -> Vec<Vec<String>> {
        let names = self.names();
        let swept = self.scenario.points.first().into_iter().flat_map(|point| &point.swept);
        let headings = swept.map(|(key, _)| *key).chain(["cycle"]).chain(names.iter().copied());
        let mut rows = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
        for (point, series) in self.points() {
            let mut row: Vec<_> = point.swept.iter().map(|(_, value)| value.to_string()).collect();
            let ends = series.iter().filter_map(Series::end).map(f64::from);
            row.push(ending(Spread::of(ends)));
            row.extend(names.iter().map(|name| {
                let seen = Spread::of(series.iter().filter_map(|s| s.last(name)));
                if seen.count > 0 { cell(seen) } else { dash() }
            }));
            rows.push(row);
        }
        rows
    }
}

impl Curve {
    fn at(&self, cycle: u32) -> Option<Dot> {
        let at = self.dots.binary_search_by_key(&cycle, |dot| dot.cycle).ok()?;
        self.dots.get(at).copied()
    }
}

/// The observers of one point over cycles.
pub(super) fn curves(replicas: &[Series]) -> Vec<Curve> {
    // All look at the same cycles, as far as they go.
    let Some(first) = replicas.iter().max_by_key(|series| series.rows.len()) else {
        return Vec::new();
    };
    let curve = |(at, name): (usize, &&'static str)| {
        let dots = first.rows.iter().enumerate().filter_map(|(row, seen)| {
            let values = replicas.iter().filter_map(|s| s.rows.get(row)?.values[at]);
            let spread = Spread::of(values);
            (spread.count > 0).then_some(Dot { cycle: seen.cycle, spread })
        });
        Curve { name, dots: dots.collect() }
    };
    first.names.iter().enumerate().map(curve).collect()
}

fn dash() -> String {
    "-".to_owned()
}

/// The last cycle of the replicas: one number unless a rule ended them.
fn ending(ends: Spread) -> String {
    if ends.min == ends.max { format!("{}", ends.max) } else { cell(ends) }
}

fn cell(spread: Spread) -> String {
    let mean = number(spread.mean);
    if spread.count < 2 {
        return mean;
    }
    // Of a sample: the replicas are few of many.
    let count = spread.count as f64;
    let sd = spread.sd * (count / (count - 1.0)).sqrt();
    if sd == 0.0 { format!("{mean} ±0") } else { format!("{mean} ±{sd:.1e}") }
}

/// A field of CSV.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Columns of one width, two spaces apart, to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|r| r.get(at)).map(|c| c.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
    };
    rows.iter().map(line).collect()
}
