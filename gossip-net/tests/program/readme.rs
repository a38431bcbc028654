//! What the README files print, run as they print it.

use std::fs;

use crate::harness::{Place, eventually, root};

/// Commands of a section, each with what is printed below it.
fn commands(readme: &str, heading: &str) -> Vec<(String, String)> {
    let section = readme.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in section.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => *output += &format!("{line}\n"),
                (None, None) => panic!("{line}: the output of what?"),
            }
        }
    }
    commands
}

/// A command's words; a part in quotes is one.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    assert_eq!(words.remove(0), "gossip", "{command}");
    words
}

/// Lines without what no two runs share: ports, the widths of columns, the order of addresses.
fn settled(output: &str) -> Vec<String> {
    let word = |word: &str| match word.strip_prefix("127.0.0.1:") {
        Some(_) => "ADDR".to_owned(),
        None => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<_> = output.lines().map(line).collect();
    lines.sort();
    lines
}

/// Starts the agents, on free ports, and holds every other command's output against what is
/// printed, until it is that.
fn follow(file: &str, heading: &str) {
    let readme = fs::read_to_string(root().join(file)).unwrap();
    let (place, mut agents, mut first) = (Place::new(), Vec::new(), String::new());
    for (command, output) in commands(&readme, heading) {
        let words = words(&command);
        let free = if agents.is_empty() { "127.0.0.1:0" } else { &first };
        let words: Vec<&str> =
            words.iter().map(|word| if word == "127.0.0.1:7171" { free } else { word }).collect();
        if words[0] == "agent" {
            agents.push(place.agent(&words[1..]));
            if first.is_empty() {
                first = place.addr("gossip");
            }
            continue;
        }
        eventually(&format!("`{command}` says {output:?}"), || {
            let said = place.run(&words);
            let right = said.code == 0 && settled(&said.out) == settled(&output);
            if right { Ok(()) } else { Err(format!("{said:?}")) }
        });
    }
    assert_eq!(agents.len(), 3);
}

#[test]
fn three_terminals_and_three_commands_are_a_cluster() {
    follow("README.md", "## A cluster in three terminals");
}

#[test]
fn what_the_crate_prints_of_the_program_is_so() {
    follow("gossip-net/README.md", "## The program");
}
