//! `cargo xtask tidy`: the rules that neither the compiler nor clippy knows.
//!
//! | module | rules |
//! |---|---|
//! | [`lengths`] | columns of a line, lines of a function, lines of a file |
//! | [`bans`] | what protocol code may not name: clocks, random order, sockets, platform floats |
//! | [`attributes`] | every exception from a lint has a reason; those for `unsafe` are listed |
//! | [`papers`] | every protocol file names its paper and its deviations |
//! | [`documents`] | links resolve; no paths of somebody's machine, no private keys |
//! | [`graph`] | the budget of dependencies, their direction, and no tokio below `gossip-net` |
//!
//! Each rule is a function from text to [`Violation`]s, so that each has tests that show it fail.

pub mod attributes;
pub mod bans;
pub mod documents;
pub mod files;
pub mod graph;
pub mod lengths;
pub mod mask;
pub mod papers;

use files::File;
use std::fmt;
use std::path::Path;
use xtask_base::{Failure, Stopwatch};

/// One place where a rule is broken. Displayed as `path:line: message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Relative to the workspace's root.
    pub path: String,
    /// From 1 on.
    pub line: usize,
    /// What is wrong, the limit, and what to do.
    pub message: String,
}

impl Violation {
    /// A violation in `file` at `line`.
    pub fn new(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// What tidy found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// Every broken rule, in order of path and line.
    pub violations: Vec<Violation>,
    /// Every `#[expect(unsafe_code, ...)]` with its reason. Not faults, but always shown.
    pub unsafe_code: Vec<Violation>,
}

/// The rules that look at one file at a time.
const FILE_RULES: [fn(&File) -> Vec<Violation>; 10] = [
    lengths::lines,
    lengths::functions,
    lengths::files,
    bans::names,
    bans::floats,
    attributes::reasons,
    papers::headers,
    documents::machine_paths,
    documents::stray_markers,
    documents::private_keys,
];

/// Applies every rule to the workspace at `root`.
pub fn check(root: &Path) -> Result<Report, Failure> {
    let files = files::tracked(root)?;
    let mut report = Report { files: files.len(), ..Report::default() };
    let exists = |path: &str| root.join(path).exists();
    for file in &files {
        report.violations.extend(FILE_RULES.iter().flat_map(|rule| rule(file)));
        report.violations.extend(documents::links(file, exists));
        report.unsafe_code.extend(attributes::unsafe_code(file));
    }
    report.violations.extend(graph::check()?);
    report.violations.sort();
    Ok(report)
}

/// Applies every rule to this workspace and prints what is broken.
pub(crate) fn run() -> Result<(), Failure> {
    let clock = Stopwatch::start();
    let report = check(&xtask_base::root())?;
    report.unsafe_code.iter().for_each(|found| println!("unsafe: {found}"));
    report.violations.iter().for_each(|violation| println!("{violation}"));
    let count = report.violations.len();
    println!("tidy: {} files, {count} violations, in {clock}", report.files);
    if count == 0 { Ok(()) } else { Err(Failure::Failed(format!("tidy found {count} violations"))) }
}
