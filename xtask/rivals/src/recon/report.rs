//! What sessions cost, as a table, and whether that is little enough.

use serde_json::{Value, json};

use super::{Cost, Link};

/// Left out: it does not build with cargo alone.
const SKIPPED: [(&str, &str); 1] =
    [("minisketch-rs", "needs a C++ compiler and libclang, for bindgen 0.49")];

/// Differences, and the most bytes of answers in the mean, without loss. The issue's, of n = 10^6.
const BARS: [(usize, f64); 5] =
    [(0, 0.0), (10, 250.0), (100, 1_154.0), (1_000, 15_500.0), (10_000, 140_000.0)];

/// How many times that the 95th percentile and the largest may be.
const SPREAD: [f64; 2] = [1.2, 2.0];

/// How many times as much it may be with the first datagram lost, of that many differences.
const HEAD: (f64, usize) = (1.5, 200);

/// Bits of an identifier.
const ID: f64 = 63.0;

/// The measurements of a contender.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    length: usize,
    d: usize,
    link: Link,
    /// Bytes that no answer can do without.
    bound: f64,
    pub(super) costs: Vec<Cost>,
    pub(super) faults: Vec<String>,
}

/// Bits that tell which of the subsets of size `k` of `2^bits` things.
fn choice(bits: f64, k: usize) -> f64 {
    (1..=k).fold(0.0, |sum, at| sum + bits - libm::log2(at as f64))
}

impl Row {
    pub(super) fn new(name: &'static str, length: usize, d: usize, items: u32, link: Link) -> Self {
        // Theirs are any identifiers, ours some of the set.
        let (theirs, ours) = (d / 2, d.div_ceil(2));
        let set = libm::log2(f64::from(items) + ours as f64);
        let bound = (choice(ID, theirs) + choice(set, ours)) / 8.0;
        Self { name, length, d, link, bound, costs: Vec::new(), faults: Vec::new() }
    }

    fn is(&self, name: &str, link: &str) -> bool {
        self.name == name && self.link.name == link
    }

    fn of(&self, what: impl Fn(&Cost) -> f64) -> Spread {
        let mut all: Vec<f64> = self.costs.iter().map(what).collect();
        all.sort_by(f64::total_cmp);
        let at = |percent: usize| all.get(all.len() * percent / 100).copied().unwrap_or(f64::NAN);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        Spread { mean, p50: at(50), p95: at(95), max: all.last().copied().unwrap_or(f64::NAN) }
    }

    fn answers(&self) -> Spread {
        self.of(|cost| cost.answers as f64)
    }

    fn columns(&self) -> [(&'static str, Spread); 7] {
        [
            ("answers", self.answers()),
            ("requests", self.of(|cost| cost.requests as f64)),
            ("after", self.of(|cost| cost.after as f64)),
            ("datagrams", self.of(|cost| cost.datagrams as f64)),
            ("trips", self.of(|cost| cost.trips as f64)),
            ("encode us", self.of(|cost| cost.encode.as_secs_f64() * 1e6)),
            ("decode us", self.of(|cost| cost.decode.as_secs_f64() * 1e6)),
        ]
    }
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    mean: f64,
    p50: f64,
    p95: f64,
    max: f64,
}

impl Spread {
    /// The three, or one if they are equal.
    fn shown(&self) -> String {
        if self.p50 == self.max {
            return format!("{:.0}", self.max);
        }
        format!("{:.0}/{:.0}/{:.0}", self.p50, self.p95, self.max)
    }
}

/// A whole comparison.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) items: u32,
    pub(crate) rows: Vec<Row>,
    /// Rivals that did not build, and what the compiler said.
    pub(crate) unbuilt: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "recon: sets of {}; p50/p95/max over the seeds, answers also in the mean\n\
             answers, requests, after: bytes; bound: of identifiers of 63 bits, in bytes\n\n",
            self.items
        );
        text += &format!(
            "{:10} {:>4} {:>6} {:>5} {:>7} {:>9}",
            "", "item", "d", "lost", "bound", "mean"
        );
        let widths = [24, 16, 16, 12, 8, 22, 22];
        if let Some(row) = self.rows.first() {
            for ((name, _), width) in row.columns().iter().zip(widths) {
                text += &format!(" {name:>width$}");
            }
        }
        text += "  failed\n";
        for row in &self.rows {
            let (name, link) = (row.name, row.link.name);
            let mean = row.answers().mean;
            text += &format!("{name:10} {:>4} {:>6} {link:>5}", row.length, row.d);
            text += &format!(" {:>7.0} {mean:>9.0}", row.bound);
            for ((_, spread), width) in row.columns().iter().zip(widths) {
                text += &format!(" {:>width$}", spread.shown());
            }
            text += &format!("  {}\n", row.faults.len());
        }
        for (name, why) in SKIPPED {
            text += &format!("{name} is skipped: {why}\n");
        }
        for (name, message) in &self.unbuilt {
            text += &format!("{name} does not build: {message}\n");
        }
        for (what, holds) in self.bars() {
            text += &format!("{}: {what}\n", if holds { "holds" } else { "MISSED" });
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| {
            let columns = row.columns().map(|(name, s)| {
                json!({"name": name, "mean": s.mean, "p50": s.p50, "p95": s.p95, "max": s.max})
            });
            json!({"name": row.name, "length": row.length, "differences": row.d,
                   "lost": row.link.name, "bound": row.bound, "runs": row.costs.len(),
                   "columns": columns, "faults": row.faults})
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let bars: Vec<Value> =
            self.bars().iter().map(|(what, holds)| json!({"what": what, "holds": holds})).collect();
        json!({"items": self.items, "rows": rows, "bars": bars, "unbuilt": self.unbuilt,
               "skipped": SKIPPED})
        .to_string()
    }

    /// What must hold, and whether it does.
    fn bars(&self) -> Vec<(String, bool)> {
        let mut bars = Vec::new();
        for row in self.rows.iter().filter(|row| row.is("ours", "0 %")) {
            let (length, d, spread) = (row.length, row.d, row.answers());
            for (_, bar) in BARS.iter().filter(|(of, _)| *of == d) {
                let holds = spread.mean <= *bar
                    && spread.p95 <= SPREAD[0] * bar
                    && spread.max <= SPREAD[1] * bar
                    && (d > 100 || row.of(|cost| cost.datagrams as f64).max <= 1.0);
                let Spread { mean, p95, max, .. } = spread;
                let got = format!("mean {mean:.0}, p95 {p95:.0}, max {max:.0}");
                bars.push((format!("{length} bytes, d = {d}: {got} of {bar}"), holds));
            }
            let same = |other: &&Row| other.length == length && other.d == d;
            let first = self.rows.iter().find(|other| same(other) && other.is("ours", "first"));
            if let Some(first) = first.filter(|_| d >= HEAD.1) {
                let times = first.answers().mean / spread.mean;
                let what = format!("{length} bytes, d = {d}, first lost: {times:.2} x");
                bars.push((what, times <= HEAD.0));
            }
        }
        bars
    }

    /// Whether every session found the true difference, and ours costs no more than it may.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(row) = self.rows.iter().find(|row| !row.faults.is_empty()) {
            let (name, d, lost, fault) = (row.name, row.d, row.link.name, &row.faults[0]);
            return Err(format!("{name}, d = {d}, lost {lost}: {fault}"));
        }
        match self.bars().into_iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!("too much: {what}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LINKS;
    use super::*;

    fn report(d: usize, answers: &[usize]) -> Report {
        let mut row = Row::new("ours", 8, d, 1_000, LINKS[0]);
        let cost = |answers: &usize| Cost { answers: *answers, datagrams: 1, ..Cost::default() };
        row.costs = answers.iter().map(cost).collect();
        Report { items: 1_000, rows: vec![row], unbuilt: Vec::new() }
    }

    #[test]
    fn the_mean_and_the_largest_are_bounded() {
        assert_eq!(report(10, &[240, 250, 260]).check(), Ok(()));
        assert!(report(10, &[260, 260, 260]).check().is_err());
        assert!(report(10, &[100, 100, 501]).check().is_err());
        assert!(report(0, &[1]).check().is_err());
    }

    #[test]
    fn a_wrong_difference_is_an_error() {
        let mut report = report(10, &[240]);
        report.rows[0].faults.push("seed 1: wrong".to_owned());
        assert!(report.check().is_err_and(|why| why.contains("seed 1")));
    }

    /// Of a thousand, one: ten bits, less a little.
    #[test]
    fn the_bound_is_that_of_the_subsets() {
        assert!((choice(10.0, 1) - 10.0).abs() < 1e-9);
        assert!((choice(63.0, 2) - 125.0).abs() < 1e-9);
    }
}
