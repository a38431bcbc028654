//! The command line as a user meets it: output, errors and exit codes.

use std::process::{Command, Output};

fn repro(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask-repro")).args(args).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Runs with wrong arguments; returns what is said on stderr. Nothing may go to stdout.
fn misuse(args: &[&str]) -> String {
    let output = repro(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{args:?}");
    stderr(&output)
}

#[test]
fn repro_list_succeeds_and_takes_no_options() {
    let output = repro(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!stdout(&output).is_empty());
    assert!(misuse(&["list", "--json"]).contains("takes no options"));
}

#[test]
fn wrong_ids_list_the_right_ones() {
    assert!(misuse(&["nonsense"]).contains("no experiment `nonsense`"));
    assert!(misuse(&["nonsense"]).contains("the experiments are"));
    assert!(misuse(&[]).contains("the experiments are"));
}

#[test]
fn wrong_keys_and_values_list_the_right_ones() {
    let text = misuse(&["self-check", "--set", "shfit=0"]);
    assert!(text.contains("did you mean `shift`?"), "{text}");
    assert!(text.contains("n = 1000 numbers  (int, 1..=1000000 numbers)"), "{text}");
    let text = misuse(&["self-check", "--set", "shift=7"]);
    assert!(text.contains("`7` is not a value of `shift`"), "{text}");
    assert!(text.contains("(float, -1..=1 units)"), "{text}");
    let text = misuse(&["self-check", "--set", "mode=plane"]);
    assert!(text.contains("one of plain | odd | nan | panic"), "{text}");
    let text = misuse(&["self-check", "--set", "n=5", "--set", "n=6"]);
    assert!(text.contains("`n` is set twice"), "{text}");
    let text = misuse(&["self-check", "--set", "n=600", "--set", "cycles=700"]);
    assert!(text.contains("`cycles` = 700 must not exceed `n` = 600"), "{text}");
}

#[test]
fn wrong_numbers_of_seeds_are_errors() {
    assert!(misuse(&["self-check", "--seeds", "0"]).contains("1..=1000000"));
    assert!(misuse(&["self-check", "--seeds", "many"]).contains("invalid"));
    assert!(misuse(&["self-check", "--seed", "-1"]).contains("--seed"));
    assert!(misuse(&["self-check", "--seeds", "1", "--seeds", "2"]).contains("multiple"));
}

#[test]
fn a_reproduction_passes_fails_or_has_no_verdict() {
    let pass = repro(&["self-check"]);
    assert_eq!(pass.status.code(), Some(0), "{}", stderr(&pass));
    assert!(stdout(&pass).contains("8 trials, seeds 1 to 8"), "{}", stdout(&pass));
    assert_eq!(stderr(&pass), "", "a short run says nothing beside its report");
    let fail = repro(&["self-check", "--set", "shift=0.5"]);
    assert_eq!(fail.status.code(), Some(1));
    assert!(stdout(&fail).contains("FAIL"), "{}", stdout(&fail));
    assert!(stderr(&fail).contains("1 of 5 rows out of tolerance (mean)"), "{}", stderr(&fail));
    let none = ["self-check", "--set", "shift=0.5", "--set", "n=999"];
    assert_eq!(repro(&none).status.code(), Some(0), "no verdict is no failure");
}

#[test]
fn json_is_all_there_is_on_stdout_and_is_the_same_every_time() {
    let args = ["self-check", "--json", "--seeds", "3", "--seed", "40"];
    let (one, two) = (repro(&args), repro(&args));
    assert_eq!(one.status.code(), Some(0));
    assert_eq!(one.stdout, two.stdout);
    let text = stdout(&one);
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row["n"] == 3));
    assert_eq!(rows[1]["measured"], 41.0, "the median of seeds 40, 41 and 42");
}

#[test]
fn a_trial_that_panics_is_a_failure_with_its_command() {
    let output = repro(&["self-check", "--set", "mode=panic", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let again = "cargo xtask repro self-check --set mode=panic --seeds 1 --seed 1";
    assert!(stderr(&output).contains(again), "{}", stderr(&output));
}

#[test]
fn pictures_are_svg_and_png_and_need_no_font() {
    let directory = std::env::temp_dir().join(format!("repro-picture-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let stem = directory.join("small.torus");
    let stem_text = stem.to_str().expect("text");
    let args = ["tman-torus", "--set", "side=8", "--seeds", "1", "--plot", stem_text];
    let output = repro(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let read = |ending| std::fs::read(format!("{stem_text}.{ending}")).expect("it was written");
    assert!(read("png").starts_with(b"\x89PNG\r\n\x1a\n"));
    let svg = String::from_utf8(read("svg")).expect("text");
    for cycle in [0, 3, 5, 8, 15] {
        assert!(svg.contains(&format!("cycle {cycle}: ")), "cycle {cycle}");
    }
    assert!(svg.contains("cycle 15: perfect"));
    std::fs::remove_dir_all(&directory).expect("it goes");
    assert!(misuse(&["self-check", "--plot"]).contains("self-check has no picture"));
}

/// Values at which experiments are quick, where they have such a parameter.
const SMALL: [(&str, &str); 17] = [
    ("n", "256"),
    ("side", "8"),
    ("cycles", "10"),
    ("rounds", "12"),
    ("turn", "5"),
    ("limit", "100"),
    ("floods", "5"),
    ("messages", "20"),
    ("settling", "20"),
    ("warm_up", "5"),
    ("samples", "1000"),
    ("beats", "10000"),
    ("periods", "50"),
    ("anomaly", "10"),
    ("attack", "10"),
    ("d", "16"),
    ("watched", "30"),
];

/// Those whose members each hear of all others, and which are quick among fewer.
const CROWDED: [&str; 3] = ["johansen06-rings", "renesse08-scuttlebutt", "blobs-chunks"];

/// The experiments, each with the numbers that are its parameters.
fn experiments() -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for line in stdout(&repro(&["list"])).lines() {
        if let Some((id, _)) = line.split_once(": ").filter(|_| !line.starts_with(' ')) {
            all.push((id.to_owned(), Vec::new()));
        } else if let Some((name, rest)) = line.trim().split_once(" = ")
            && (rest.contains("  (int, ") || rest.contains("  (float, "))
            && let Some((_, names)) = all.last_mut()
        {
            names.push(name.to_owned());
        }
    }
    all
}

/// Every experiment runs to its end at parameters that are not its own, whatever the verdict.
#[test]
fn every_experiment_runs_at_other_parameters() {
    let all = experiments();
    assert!(all.len() > 20, "{all:?}");
    for (id, names) in all {
        let has = |name: &str| names.iter().any(|known| known == name);
        let sets: Vec<String> = SMALL
            .iter()
            .filter(|(name, _)| has(name))
            .map(|(name, value)| format!("{name}={value}"))
            .map(|set| if CROWDED.contains(&&*id) && set == "n=256" { "n=64".into() } else { set })
            .collect();
        let mut args = vec![id.as_str(), "--seeds", "1", "--json"];
        for set in &sets {
            args.extend(["--set", set]);
        }
        let output = repro(&args);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {}", stderr(&output));
        assert!(!stdout(&output).is_empty(), "{args:?}: {}", stderr(&output));
    }
}
