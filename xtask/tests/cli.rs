//! The command line as a user meets it: output, errors and exit codes.

use std::process::{Command, Output};

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().expect("xtask runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Runs with wrong arguments; returns what is said on stderr. Nothing may go to stdout.
fn misuse(args: &[&str]) -> String {
    let output = xtask(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{args:?}");
    stderr(&output)
}

#[test]
fn wrong_tasks_and_arguments_are_errors_that_say_so() {
    assert!(misuse(&["tset"]).contains("'test'"), "a near miss is recognised");
    assert!(misuse(&["ci", "extra"]).contains("unexpected argument 'extra'"));
    assert!(misuse(&["tidy", "--fast"]).contains("unexpected argument '--fast'"));
    assert!(misuse(&[]).contains("Usage"));
}

#[test]
fn help_names_every_task() {
    let output = xtask(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for task in ["ci", "test", "demo", "tidy", "repro", "sim", "bench", "soak"] {
        assert!(stdout(&output).contains(&format!("\n  {task} ")), "{task}");
    }
}

#[test]
fn tidy_prints_what_it_read() {
    let output = xtask(&["tidy"]);
    assert!(stdout(&output).contains("violations"), "{}", stdout(&output));
}
