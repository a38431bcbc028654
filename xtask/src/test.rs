//! `cargo xtask test`: every test and doctest of the workspace.
//!
//! The output ends with the test runner's own closing lines, because that is where a reader and
//! a CI look. So the time and the totals are printed just before the last `test result:` line.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use xtask_base::human;
use xtask_base::workspace::Cargo;
use xtask_base::{Failure, Stopwatch};

/// Runs the tests, with `args` handed on to `cargo test`. The build comes first, so that the time
/// at the end is that of the tests.
pub(crate) fn run(args: &[String], clock: &Stopwatch) -> Result<(), Failure> {
    let cargo = command(args);
    println!("test: {cargo}");
    let cannot_wait = |a: &String| a == "--doc" || a == "--no-run" || a == "--help";
    if !args.iter().any(cannot_wait) {
        build(args)?;
        println!("test: built, {clock} since the start");
    }
    stream("test", &cargo, clock).map(|_| ())
}

/// `cargo test` on the whole workspace, or on the packages that `args` name.
pub(crate) fn command(args: &[String]) -> Cargo {
    let of_cargo = || args.iter().take_while(|a| *a != "--");
    let names_package = of_cargo().any(|a| a.starts_with("-p") || a.starts_with("--package"));
    let scope: &[&str] = if names_package { &["test"] } else { &["test", "--workspace"] };
    args.iter().fold(Cargo::new(scope).arg("--all-features"), Cargo::arg)
}

fn build(args: &[String]) -> Result<(), Failure> {
    let of_cargo: Vec<String> = args.iter().take_while(|a| *a != "--").cloned().collect();
    command(&of_cargo).arg("--no-run").run()
}

/// Runs `cargo`, a test run, passes its output on, and counts its results. `clock` started with
/// the task, `name`.
///
/// Both of its output streams come through one pipe and go to our standard output, so that each
/// result stays below the heading that cargo prints for it on stderr.
pub(crate) fn stream(name: &str, cargo: &Cargo, clock: &Stopwatch) -> Result<Tally, Failure> {
    let running = Stopwatch::start();
    let cannot_run = |e| cargo.cannot_run(&e);
    let (reader, writer) = io::pipe().map_err(cannot_run)?;
    let mut command = cargo.command();
    if io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.stdout(writer.try_clone().map_err(cannot_run)?).stderr(writer);
    let mut child = command.spawn().map_err(cannot_run)?;
    // It holds our ends of the pipe, which would never be at its end.
    drop(command);
    let mut tail = Tail::new(io::stdout());
    let copied = tail.copy(BufReader::new(reader));
    let status = child.wait().map_err(cannot_run)?;
    let tally = tail.tally;
    let running = human(running.elapsed());
    let summary = format!("{name}: {tally}, in {running}; {clock} since the start");
    let finished = copied.and_then(|()| tail.finish(&summary));
    finished.map_err(|e| Failure::Failed(format!("cannot pass on the tests' output: {e}")))?;
    if status.success() { Ok(tally) } else { Err(cargo.failed()) }
}

/// What the test runners reported, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Test binaries and doctest runs.
    pub(crate) suites: u64,
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds a line `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        self.suites += 1;
        let count = |what: &str| {
            let before = line.split(what).next().unwrap_or_default();
            let number = before.split_whitespace().next_back().unwrap_or_default();
            number.parse::<u64>().unwrap_or(0)
        };
        self.passed += count(" passed;");
        self.failed += count(" failed;");
        self.ignored += count(" ignored;");
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { suites, passed, failed, ignored } = self;
        write!(f, "{suites} suites, {passed} passed, {failed} failed, {ignored} ignored")
    }
}

/// Copies lines, keeping back the closing lines of the last suite.
struct Tail<W> {
    out: W,
    held: Vec<u8>,
    tally: Tally,
}

impl<W: Write> Tail<W> {
    fn new(out: W) -> Self {
        Self { out, held: Vec::new(), tally: Tally::default() }
    }

    fn copy(&mut self, mut input: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            self.line(&line)?;
            line.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(line);
        let closes = text.starts_with("test result:");
        let follows = text.trim().is_empty()
            || text.starts_with("all doctests ran in")
            || text.starts_with("error: ");
        if closes {
            self.tally.add(&text);
        }
        if closes || (follows && !self.held.is_empty()) {
            if closes {
                self.out.write_all(&self.held)?;
                self.held.clear();
            }
            self.held.extend_from_slice(line);
            return Ok(());
        }
        self.out.write_all(&self.held)?;
        self.held.clear();
        self.out.write_all(line)?;
        self.out.flush()
    }

    /// Prints `summary`, then the lines kept back.
    fn finish(mut self, summary: &str) -> io::Result<()> {
        writeln!(self.out, "{summary}")?;
        self.out.write_all(&self.held)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\nrunning 2 tests\ntest a ... ok\ntest b ... ignored\n\n\
        test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\n\
        running 1 test\ntest c ... FAILED\n\n\
        test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\n\
        all doctests ran in 0.48s; merged doctests compilation took 0.22s\n";

    #[test]
    fn the_runners_closing_lines_come_last() {
        let mut out = Vec::new();
        let mut tail = Tail::new(&mut out);
        tail.copy(RUN.as_bytes()).expect("reading from memory");
        let tally = tail.tally;
        tail.finish("SUMMARY").expect("writing to memory");
        let (before, after) = RUN.split_at(RUN.rfind("test result:").expect("one"));
        assert_eq!(String::from_utf8(out).expect("text"), format!("{before}SUMMARY\n{after}"));
        assert_eq!(tally, Tally { suites: 2, passed: 1, failed: 1, ignored: 1 });
    }

    #[test]
    fn headings_stay_above_their_results() {
        let run = "     Running a\ntest result: ok. 1 passed;\n\n     Running b\nx\n";
        let mut out = Vec::new();
        let mut tail = Tail::new(&mut out);
        tail.copy(run.as_bytes()).expect("reading from memory");
        tail.finish("SUMMARY").expect("writing to memory");
        assert_eq!(String::from_utf8(out).expect("text"), format!("{run}SUMMARY\n"));
    }

    #[test]
    fn what_cargo_says_of_a_failure_stays_behind_it() {
        let end = "test result: FAILED. 0 passed; 1 failed;\n\nerror: test failed\n";
        let mut out = Vec::new();
        let mut tail = Tail::new(&mut out);
        tail.copy(end.as_bytes()).expect("reading from memory");
        tail.finish("SUMMARY").expect("writing to memory");
        assert_eq!(String::from_utf8(out).expect("text"), format!("SUMMARY\n{end}"));
    }

    #[test]
    fn without_results_the_summary_is_last() {
        let mut out = Vec::new();
        let mut tail = Tail::new(&mut out);
        tail.copy(&b"hello\nworld"[..]).expect("reading from memory");
        tail.finish("").expect("writing to memory");
        assert_eq!(out, b"hello\nworld\n");
    }

    #[test]
    fn the_command_covers_the_workspace_unless_packages_are_named() {
        assert_eq!(command(&[]).to_string(), "cargo test --workspace --all-features");
        let args = ["-p", "gossip-core", "--", "-p"].map(str::to_owned);
        let line = "cargo test --all-features -p gossip-core -- -p";
        assert_eq!(command(&args).to_string(), line);
        let args = ["name", "--", "-p"].map(str::to_owned);
        assert!(command(&args).to_string().contains("--workspace"));
    }
}
