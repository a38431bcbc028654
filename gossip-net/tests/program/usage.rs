//! What is wrong on the command line, in a file, in a variable: said, and worth an exit code.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::{fs, thread};

use crate::harness::{Place, said};

#[test]
fn help_is_no_error_and_names_the_exit_codes() {
    let place = Place::new();
    for args in [&["help"][..], &["--help"], &["agent", "--help"], &["--version"]] {
        let said = place.run(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
    }
    let help = place.run(&["help"]).out;
    for word in ["Exit codes", "members", "keygen", "4  the agent did not answer in time"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(place.run(&["agent", "--help"]).out.contains("GOSSIP_KEY_FILE"));
}

#[test]
fn wrong_words_are_usage_and_say_what_would_be_right() {
    let place = Place::new();
    for (args, hint) in [
        (&[][..], "Usage"),
        (&["membres"], "members"),
        (&["get"], "<KEY>"),
        (&["join"], "<ADDR>"),
        (&["members", "--state", "ill"], "suspected"),
        (&["members", "--timeout", "5"], "unit"),
        (&["subscribe", "--count", "0"], "0"),
        (&["agent", "--tikc", "1s"], "--tick"),
        (&["agent", "--agent", "a"], "--name"),
        (&["agent", "--tick", "5"], "--tick: `5`: say the unit"),
        (&["agent", "--tick", "2h"], "1ms to 1h"),
        (&["agent", "--name", "a/b"], "--name: it is part of a file's name"),
        (&["agent", "--join", "nobody"], "--join: `nobody`: HOST:PORT"),
        (&["agent", "--load", "much"], "neither host"),
        (&["agent", "--bind", "127.0.0.1"], "--bind"),
        (&["agent", "--log", "loud"], "--log"),
        (&["agent", "--plaintext=perhaps"], "--plaintext"),
        (&["agent", "--config", "/nowhere/gossip.toml"], "cannot read /nowhere/gossip.toml"),
        (&["agent", "--key-file", "/nowhere/key"], "cannot read the secrets in /nowhere/key"),
    ] {
        let said = place.run(args);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        assert!(said.err.contains(hint), "{args:?}: {said:?}");
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_near_one() {
    let place = Place::new();
    let file = place.write("a.toml", "# mine\nname = 'a'\nclustre = 'blue'\n");
    let said = place.run(&["agent", "--config", &file]);
    assert_eq!(said.code, 2);
    let what = "a.toml:3: no key `clustre` (did you mean `cluster`?)";
    assert!(said.err.contains(what), "{said:?}");
    let mut command = place.gossip(&["agent"]);
    let said = crate::harness::said(command.env("GOSSIP_JION", "127.0.0.1:1"));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("did you mean `GOSSIP_JOIN`?"), "{said:?}");
}

/// Operators' expectation 1: the file, then the environment, then flags; and who said what.
#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let place = Place::new();
    let file = place.write("a.toml", "name = 'a'\ncluster = 'file'\ntick = '3s'\nlog = 'debug'\n");
    let args = ["agent", "--print-config", "--config", &file, "--cluster", "flag"];
    let said = said(place.gossip(&args).env("GOSSIP_TICK", "2s").env("GOSSIP_CLUSTER", "x"));
    assert_eq!(said.code, 0, "{said:?}");
    for line in ["cluster = \"flag\"  # flag", "tick = \"2s\"  # GOSSIP_TICK", "# join is not set"]
    {
        assert!(said.out.lines().any(|other| other == line), "{line}: {said:?}");
    }
    let log = format!("log = \"debug\"  # {file}:4");
    assert!(said.out.contains(&log) && said.out.contains("a.sock"), "{said:?}");
}

/// Operators' expectation 13: loud refusal to go where others reach the node without encryption.
#[test]
fn nothing_but_loopback_is_bound_without_keys() {
    let place = Place::new();
    let said = place.run(&["agent", "--bind", "0.0.0.0:0", "--advertise", "10.1.2.3:0"]);
    assert_eq!(said.code, 2);
    for word in ["0.0.0.0:0", "no keys", "gossip keygen", "--key-file", "--plaintext"] {
        assert!(said.err.contains(word), "{word}: {said:?}");
    }
    let said = place.run(&["agent", "--bind", "0.0.0.0:0", "--plaintext"]);
    assert!(said.code == 2 && said.err.contains("--advertise"), "{said:?}");
}

#[test]
fn secrets_come_from_files_of_their_owner_alone() {
    let place = Place::new();
    let path = place.path("key");
    let file = path.display().to_string();
    let made = place.run(&["keygen", &file]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&path).unwrap();
    assert_eq!(place.run(&["keygen", &file]).code, 1, "it is not overwritten");
    assert_eq!(fs::read_to_string(&path).unwrap(), secret);

    let print = ["agent", "--print-config", "--key-file", &file];
    let said = place.run(&print);
    assert!(said.code == 0 && !said.out.contains(secret.trim()), "{said:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let said = place.run(&print);
    assert!(said.code == 2 && said.err.contains("chmod 600"), "{said:?}");
    // There is no flag that takes a secret itself.
    assert_eq!(place.run(&["agent", "--keys", secret.trim()]).code, 2);
    assert_eq!(place.run(&["keygen"]).out.trim().len(), 64);
}

#[test]
fn without_an_agent_and_with_one_that_is_odd_verbs_end_with_their_codes() {
    let place = Place::new();
    for args in [&["members"][..], &["get", "k"], &["leave"], &["subscribe"]] {
        let said = place.run(args);
        assert_eq!(said.code, 3, "{args:?}: {said:?}");
        assert!(said.err.contains("no agent answers on"), "{said:?}");
    }
    // One that never answers; one that hangs up; one that is something else.
    for (answer, code) in [(None, 4), (Some(""), 3), (Some("HTTP/1.1 400\n"), 3)] {
        let path = place.path("odd.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).unwrap();
            } else {
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        let socket = path.display().to_string();
        let said = place.run(&["--socket", &socket, "info", "--timeout", "200ms"]);
        assert_eq!(said.code, code, "{answer:?}: {said:?}");
        served.join().unwrap();
    }
}
