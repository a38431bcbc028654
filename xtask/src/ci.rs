//! `cargo xtask ci`: everything a change must pass, in order of how fast it fails.

use crate::{test, tidy};
use std::path::PathBuf;
use xtask_base::workspace::{Cargo, PROTOCOL_CRATES, metadata, root};
use xtask_base::{Failure, Stopwatch};

/// One step: a name for its heading, and what it does.
#[derive(Debug)]
struct Step {
    name: &'static str,
    action: Action,
}

#[derive(Debug)]
enum Action {
    /// These calls of cargo, one after the other.
    Cargo(Vec<Cargo>),
    /// The rules of [`tidy`].
    Tidy,
    /// The protocol crates in a staticlib that has its own panic handler.
    Link,
    /// Every example of every package, to its end: they assert what they show.
    Examples,
    /// Every test.
    Test,
}

/// Runs every step and stops at the first that fails. The last is the tests, so that the output
/// ends with the test runner's closing lines.
pub(crate) fn run(clock: &Stopwatch) -> Result<(), Failure> {
    run_steps(&steps(), clock, |action| perform(action, clock))
}

fn steps() -> Vec<Step> {
    let cargo = |line: &str| Cargo::new(line.split(' '));
    let clippy = cargo("clippy --workspace --all-targets --all-features -- -D warnings");
    // Without the rivals themselves: our part of the comparisons, and that the lock file holds.
    let rivals = cargo("clippy --locked --all-targets --manifest-path xtask/rivals/Cargo.toml");
    let rivals = rivals.arg("--target-dir").arg("target/rivals");
    let doc = cargo("doc --workspace --no-deps --all-features").env("RUSTDOCFLAGS", "-D warnings");
    let alone = |name| cargo("check --lib --no-default-features").arg("-p").arg(name);
    // The simulators, too, are for those who have no `std`.
    let simulators = cargo("check --lib --no-default-features -p gossip-core --features sim");
    let bare = PROTOCOL_CRATES.map(alone).into_iter().chain([simulators]).collect();
    let fmt = vec![
        cargo("fmt --all --check"),
        cargo("fmt --check --manifest-path xtask/no_std/Cargo.toml"),
        cargo("fmt --check --manifest-path xtask/rivals/Cargo.toml"),
    ];
    vec![
        Step { name: "fmt", action: Action::Cargo(fmt) },
        Step { name: "clippy", action: Action::Cargo(vec![clippy, rivals]) },
        Step { name: "tidy", action: Action::Tidy },
        Step { name: "doc", action: Action::Cargo(vec![doc]) },
        Step { name: "no default features", action: Action::Cargo(bare) },
        Step { name: "no_std link", action: Action::Link },
        Step { name: "examples", action: Action::Examples },
        Step { name: "test", action: Action::Test },
    ]
}

fn run_steps(
    steps: &[Step],
    clock: &Stopwatch,
    mut perform: impl FnMut(&Action) -> Result<(), (Failure, String)>,
) -> Result<(), Failure> {
    for (at, step) in steps.iter().enumerate() {
        let name = step.name;
        println!("\n=== {}/{} {name} ({clock} since the start)", at + 1, steps.len());
        let own = Stopwatch::start();
        perform(&step.action).map_err(|(failure, again)| {
            let failed = format!("ci failed at step `{name}`: {failure}");
            Failure::Failed(format!("{failed}\nto run it again: {again}"))
        })?;
        // After the tests nothing may follow: their closing lines are the end of the output.
        if !matches!(step.action, Action::Test) {
            println!("--- {name}: ok in {own}");
        }
    }
    Ok(())
}

/// Does what a step asks. An error comes with the command that repeats what failed.
fn perform(action: &Action, clock: &Stopwatch) -> Result<(), (Failure, String)> {
    match action {
        Action::Cargo(calls) => {
            calls.iter().try_for_each(|cargo| cargo.run().map_err(|e| (e, cargo.to_string())))
        }
        Action::Tidy => tidy::run().map_err(|e| (e, "cargo xtask tidy".to_owned())),
        Action::Link => link_without_std(),
        Action::Examples => run_examples(),
        Action::Test => test::run(&[], clock).map_err(|e| (e, "cargo xtask test".to_owned())),
    }
}

/// Builds `xtask/no_std`: a staticlib with its own panic handler and allocator, which can only be
/// made when nothing in it links `std` (two panic handlers are an error). It takes the lock file
/// of the workspace, so that both build the same versions and there is no second one to keep.
fn link_without_std() -> Result<(), (Failure, String)> {
    let manifest = "xtask/no_std/Cargo.toml";
    let target = target_dir().map_err(|e| (e, "cargo metadata".to_owned()))?.join("no_std");
    let cargo = Cargo::new(["build", "--manifest-path", manifest, "--target-dir"])
        .arg(target.display().to_string());
    let (from, to) = (root().join("Cargo.lock"), root().join("xtask/no_std/Cargo.lock"));
    std::fs::copy(&from, &to).map_err(|e| {
        let why = format!("cannot copy Cargo.lock to xtask/no_std: {e}");
        (Failure::Failed(why), cargo.to_string())
    })?;
    cargo.run().map_err(|e| (e, cargo.to_string()))
}

fn run_examples() -> Result<(), (Failure, String)> {
    let examples = examples().map_err(|e| (e, "cargo metadata".to_owned()))?;
    examples.iter().try_for_each(|cargo| cargo.run().map_err(|e| (e, cargo.to_string())))
}

/// A call of cargo for each example of the workspace. None names its package: each package's own
/// choice of features would be another build of all that it is made of.
fn examples() -> Result<Vec<Cargo>, Failure> {
    let metadata = metadata()?;
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut calls = Vec::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            if let Some(example) = target["name"].as_str()
                && list(&target["kind"]).iter().any(|kind| kind == "example")
            {
                calls.push(Cargo::new(["run", "-q", "--all-features", "--example", example]));
            }
        }
    }
    Ok(calls)
}

fn target_dir() -> Result<PathBuf, Failure> {
    let metadata = metadata()?;
    let missing = || Failure::Failed("`cargo metadata` names no target_directory".to_owned());
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_come_last() {
        let steps = steps();
        assert!(matches!(steps.last().expect("steps").action, Action::Test));
        let names: Vec<&str> = steps.iter().map(|s| s.name).collect();
        let before = ["fmt", "clippy", "tidy", "doc", "no default features", "no_std link"];
        assert_eq!(names, [&before[..], &["examples", "test"]].concat());
    }

    #[test]
    fn the_examples_are_found() {
        let examples = examples().expect("cargo metadata");
        let lines: Vec<String> = examples.iter().map(ToString::to_string).collect();
        let line = "cargo run -q --all-features --example own_protocol";
        assert!(lines.iter().any(|found| found == line), "{line} is not in {lines:?}");
    }

    #[test]
    fn it_stops_at_the_first_failure_and_says_how_to_repeat_it() {
        let mut ran = 0;
        let outcome = run_steps(&steps(), &Stopwatch::start(), |_| {
            ran += 1;
            let failure = Failure::Failed("broken".to_owned());
            if ran == 2 { Err((failure, "cargo clippy".to_owned())) } else { Ok(()) }
        });
        assert_eq!(ran, 2);
        let text = outcome.expect_err("the second step fails").to_string();
        assert_eq!(text, "ci failed at step `clippy`: broken\nto run it again: cargo clippy");
    }

    #[test]
    fn every_protocol_crate_is_checked_without_default_features() {
        let steps = steps();
        let Action::Cargo(calls) = &steps[4].action else { panic!("not cargo") };
        let lines: Vec<String> = calls.iter().map(ToString::to_string).collect();
        for name in PROTOCOL_CRATES {
            let line = format!("cargo check --lib --no-default-features -p {name}");
            assert!(lines.contains(&line), "{line} is missing");
        }
        let simulators = "cargo check --lib --no-default-features -p gossip-core --features sim";
        assert!(lines.iter().any(|line| line == simulators), "{simulators} is missing");
    }
}
