//! A scenario: what a file and its overrides say, checked, as points to run.

use super::document::{Document, Setting};
use super::schema::{self, TOPOLOGIES};
use super::value::{self, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_base::Failure;

/// The most runs of a scenario: points times replicas.
const RUNS: usize = 1_000_000;

/// What is to be run.
#[derive(Debug)]
pub(super) struct Scenario {
    /// The file's name without its ending.
    pub(super) name: String,
    /// Where files that it names are looked for.
    pub(super) folder: PathBuf,
    /// One for each combination of what is swept.
    pub(super) points: Vec<Point>,
}

/// A value for every key that has one.
#[derive(Debug, Clone)]
pub(super) struct Point {
    values: BTreeMap<&'static str, Value>,
    /// What makes this point differ from the others.
    pub(super) swept: Vec<(&'static str, Value)>,
    /// Where files that it names are looked for.
    folder: PathBuf,
}

impl Scenario {
    /// Reads `path`, with `sets` (each `key=value`) instead of what it says there.
    pub(super) fn open(path: &Path, sets: &[String]) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let failed = |why: &dyn std::fmt::Display| {
            Failure::Usage(format!("cannot read the scenario {shown}: {why}"))
        };
        let length = std::fs::metadata(path).map_err(|e| failed(&e))?.len();
        if length > 1 << 20 {
            return Err(failed(&"it is longer than 1 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
        let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        Self::read(&stem, &shown, text, folder, sets)
    }

    /// Reads `text`, which is from the file `shown`.
    pub(super) fn read(
        name: &str,
        shown: &str,
        text: String,
        folder: PathBuf,
        sets: &[String],
    ) -> Result<Self, Failure> {
        let document = Document::read(shown, text, sets)?;
        let base: BTreeMap<_, _> = schema::KEYS
            .iter()
            .filter_map(|key| Some((key.path, key.preset.value()?)))
            .chain(document.fixed().map(|(key, value)| (key.path, value.clone())))
            .collect();
        let swept: Vec<_> = document.swept().collect();
        let combinations = swept.iter().fold(1_usize, |n, (_, v)| n.saturating_mul(v.len()));
        if combinations > RUNS {
            return Err(Failure::Usage(format!(
                "{shown}: the sweep has {combinations} points; at most {RUNS} can be run"
            )));
        }
        let mut points = vec![Point { values: base, swept: Vec::new(), folder: folder.clone() }];
        for (key, values) in swept {
            let with = |point: &Point, value: &Value| {
                let mut point = point.clone();
                point.values.insert(key.path, value.clone());
                point.swept.push((key.path, value.clone()));
                point
            };
            let all = points.iter().flat_map(|point| values.iter().map(|v| with(point, v)));
            points = all.collect();
        }
        let scenario = Self { name: name.to_owned(), folder, points };
        scenario.check_sections(&document)?;
        scenario.check_spans(&document)?;
        if combinations.saturating_mul(scenario.replicas() as usize) > RUNS {
            let replicas = scenario.replicas();
            return Err(Failure::Usage(format!(
                "{shown}: {combinations} points times {replicas} replicas; at most {RUNS} runs"
            )));
        }
        Ok(scenario)
    }

    /// What is set for a stack, a driver or a key that no point has would be ignored: an error.
    fn check_sections(&self, document: &Document) -> Result<(), Failure> {
        for setting in &document.settings {
            let path = setting.key.path;
            if let Some((wanted, is_one)) = wanted(path) {
                let fits = |point: &Point| {
                    let named = point.text(wanted);
                    named == is_one || is_one == "static" && TOPOLOGIES.contains(&named)
                };
                if !self.points.iter().any(fits) {
                    let named = self.first().text(wanted);
                    let what =
                        format!("`{path}` has no effect: `{wanted}` is {named}, not {is_one}");
                    return Err(document.error_at_key(setting, what));
                }
            }
            let missing = companion(path)
                .filter(|companion| !self.points.iter().any(|point| point.has(companion)));
            if let Some(missing) = missing {
                let what = format!("`{path}` has no effect without `{missing}`");
                return Err(document.error_at_key(setting, what));
            }
            if path == "output.overlay" && self.points.len() > 1 {
                let count = self.points.len();
                let what = format!("`{path}` is of one point, and the sweep has {count}");
                return Err(document.error_at_key(setting, what));
            }
        }
        Ok(())
    }

    /// Things that end before they begin.
    fn check_spans(&self, document: &Document) -> Result<(), Failure> {
        for point in &self.points {
            for section in ["partition", "churn", "down", "growth"] {
                let [from, until] = ["from", "until"].map(|end| format!("{section}.{end}"));
                if point.int(&from) > point.int(&until) {
                    let wrong = |s: &&Setting| s.key.path == from || s.key.path == until;
                    let (from, until) = (point.int(&from), point.int(&until));
                    let what = format!("`{section}` ends (at {until}) before it begins ({from})");
                    return Err(match document.settings.iter().find(wrong) {
                        Some(setting) => document.error_at_key(setting, what),
                        None => Failure::Usage(what),
                    });
                }
            }
        }
        Ok(())
    }

    /// What holds for all points: these keys cannot be swept.
    fn first(&self) -> &Point {
        &self.points[0]
    }

    pub(super) fn description(&self) -> &str {
        self.first().text("description")
    }

    pub(super) fn origin(&self) -> &str {
        self.first().text("source")
    }

    pub(super) fn replicas(&self) -> u32 {
        self.first().count("replicas")
    }

    pub(super) fn seed(&self, replica: u32) -> u64 {
        (self.first().int("seed") as u64).wrapping_add(replica.into())
    }

    /// The file that `output.{kind}` names, if any.
    pub(super) fn output(&self, kind: &str) -> Option<PathBuf> {
        self.first().optional_text(&format!("output.{kind}")).map(|name| self.folder.join(name))
    }
}

/// The key that decides whether `path` has an effect, and what it must be.
fn wanted(path: &str) -> Option<(&'static str, &str)> {
    let (section, name) = path.split_once('.')?;
    Some(match (section, name) {
        ("newscast" | "cyclon" | "peer-sampling" | "hyparview" | "brahms", _) => {
            ("sampler", section)
        }
        ("topology", _) => ("sampler", "static"),
        ("mean" | "count" | "rumor" | "t-man", _) => ("application", section),
        ("driver", "order" | "block" | "telling") => ("driver.kind", "cycle"),
        ("network", "loss" | "link-failure" | "duplication" | "reordering") => return None,
        ("driver", "tick" | "jitter")
        | ("observe", "bytes" | "bytes-peers" | "bytes-app")
        | ("network", _) => ("driver.kind", "event"),
        _ => return None,
    })
}

/// The key without which `path` has no effect.
fn companion(path: &str) -> Option<&'static str> {
    match path {
        "network.matrix-form" | "network.matrix-unit" | "network.places" => Some("network.matrix"),
        "network.queue" | "network.shared" => Some("network.bandwidth"),
        "stop.times" => Some("stop.when"),
        "oscillation.low" | "oscillation.high" => Some("oscillation.time"),
        _ if path.starts_with("sessions.") => Some("sessions.up"),
        _ => None,
    }
}

impl Point {
    fn value(&self, path: &str) -> &Value {
        self.values.get(path).unwrap_or_else(|| panic!("`{path}` has no value and no default"))
    }

    /// The value of a key of whole numbers.
    pub(super) fn int(&self, path: &str) -> i64 {
        match self.value(path) {
            Value::Int(value) => *value,
            other => panic!("`{path}` is {other:?}, not a whole number"),
        }
    }

    /// The value of a key that counts; what is beyond a `u32` is the largest one.
    pub(super) fn count(&self, path: &str) -> u32 {
        u32::try_from(self.int(path).max(0)).unwrap_or(u32::MAX)
    }

    /// The value of a key that counts something in memory.
    pub(super) fn size(&self, path: &str) -> usize {
        self.count(path) as usize
    }

    /// The value of a key of numbers.
    pub(super) fn float(&self, path: &str) -> f64 {
        match self.value(path) {
            Value::Float(value) => *value,
            other => panic!("`{path}` is {other:?}, not a number"),
        }
    }

    /// The value of a key of words.
    pub(super) fn text(&self, path: &str) -> &str {
        match self.value(path) {
            Value::Text(value) => value,
            other => panic!("`{path}` is {other:?}, not a text"),
        }
    }

    /// Whether a key has a value, given or not.
    pub(super) fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// The value of a key of words, if it is given.
    pub(super) fn optional_text(&self, path: &str) -> Option<&str> {
        self.has(path).then(|| self.text(path))
    }

    /// The value of a key of durations, if it is given.
    pub(super) fn span(&self, path: &str) -> Option<Duration> {
        self.optional_text(path).and_then(value::span)
    }

    /// The value of a key that is true or false.
    pub(super) fn flag(&self, path: &str) -> bool {
        self.value(path) == &Value::Flag(true)
    }

    /// The period of an observer, if it is asked for.
    pub(super) fn period(&self, observer: &str) -> Option<u32> {
        let path = format!("observe.{observer}");
        self.has(&path).then(|| self.count(&path))
    }

    /// The sides of a lattice, if given.
    pub(super) fn sides(&self) -> Option<&[u32]> {
        match self.values.get("topology.sides")? {
            Value::Sides(sides) => Some(sides),
            _ => None,
        }
    }

    /// Whether `seed` is the first replica's.
    pub(super) fn is_first(&self, seed: u64) -> bool {
        self.int("seed").unsigned_abs() == seed
    }

    /// A file that a key names.
    pub(super) fn file(&self, path: &str) -> Option<PathBuf> {
        self.optional_text(path).map(|name| self.folder.join(name))
    }
}
