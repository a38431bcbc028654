//! Golden scripts: files that are script and expectation in one.

use alloc::format;
use alloc::string::String;
use std::path::Path;
use std::{env, fs};

use crate::protocol::Layer;
use crate::sim::script::{Player, replay};

/// Replays the script in the file `path`, and compares its output with what the file says. With
/// `UPDATE=1` in the environment, rewrites the file instead.
///
/// # Panics
///
/// With the first line that differs, or if the file cannot be read or is no script.
pub fn check_golden<S>(path: impl AsRef<Path>, player: &Player<S>)
where
    S: Layer<(), Id = u32> + 'static,
{
    let path = path.as_ref();
    let name = path.display();
    let expected = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let actual = replay(&expected, player).unwrap_or_else(|error| panic!("{name}, {error}"));
    if env::var_os("UPDATE").is_some_and(|update| update == "1") {
        fs::write(path, actual).unwrap_or_else(|error| panic!("{name}: {error}"));
    } else if let Some(difference) = first_difference(&expected, &actual) {
        panic!("{name}, {difference}\nRun the test with UPDATE=1 to accept the new trace.");
    }
}

fn first_difference(expected: &str, actual: &str) -> Option<String> {
    let (mut old, mut new) = (expected.lines(), actual.lines());
    for line in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let end = "(end of file)";
                let (a, b) = (a.unwrap_or(end), b.unwrap_or(end));
                return Some(format!("line {line}:\n  file: {a}\n  now:  {b}"));
            }
        }
    }
    None
}
