//! State across restarts: what a process that was killed without notice knows in its next life.

use std::fs;

use gossip_net::state::{ASIDE, FILE};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::harness::{Agent, Place, eventually};

/// Lessons 6 and 10 of the operations document: a node that was killed is itself again, with an
/// incarnation above all that was said of it, and finds its peers without being told a contact.
#[test]
fn who_was_killed_is_itself_again_and_finds_its_peers() {
    let place = Place::new();
    let dir = place.path("state").display().to_string();
    let args = ["--name", "a", "--state", &dir];
    let mut a = place.agent(&args);
    let before = place.addr("a");
    let b = place.agent(&["--name", "b", "--join", &before]);
    place.wait_members("a", &["a", "b"]);
    assert_eq!(place.run(&["--agent", "a", "set", "mine", "kept"]).code, 0);
    assert_eq!(place.run(&["--agent", "b", "set", "theirs", "kept, too"]).code, 0);
    eventually("b's value is at a", || {
        let said = place.run(&["--agent", "a", "get", "theirs"]);
        if said.code == 0 { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let incarnation = |of: &str| place.info(of)["incarnation"].as_u64().unwrap();
    let first = incarnation("a");
    // A write of its own is kept before it is answered; its peers are within a second or so.
    eventually("the peer is kept", || {
        let held = fs::read(place.path("state").join(FILE)).unwrap();
        let addr = place.addr("b");
        let found = held.windows(addr.len()).any(|part| part == addr.as_bytes());
        if found { Ok(()) } else { Err("not yet".to_owned()) }
    });
    a.kill();

    // With the name alone: no contact, and no port.
    let mut a = place.agent(&args);
    assert_eq!(place.addr("a"), before, "the same identity");
    assert!(incarnation("a") > first, "above all that it ever said");
    assert_eq!(place.run(&["--agent", "a", "get", "mine"]).out, "kept\n");
    place.wait_members("a", &["a", "b"]);
    place.wait_members("b", &["a", "b"]);

    // And what peers wrote is there without them.
    a.signal("TERM");
    assert_eq!(a.end().0.code(), Some(0));
    drop(b);
    let _a = place.agent(&args);
    assert_eq!(place.run(&["--agent", "a", "get", "theirs"]).out, "kept, too\n");
}

/// Lesson 5: all are restarted at once, at ports that nobody has told them, and with no contacts:
/// they are one cluster again.
#[test]
fn all_restarted_at_once_find_each_other() {
    let place = Place::new();
    let names = ["a", "b", "c"];
    let dirs = names.map(|name| place.path(&format!("state-{name}")).display().to_string());
    let mut agents = Vec::new();
    for (name, dir) in names.iter().zip(&dirs) {
        let mut args = vec!["--name", *name, "--state", dir];
        let first = agents.first().map(|_| place.addr("a"));
        args.extend(first.iter().flat_map(|first| ["--join", first]));
        agents.push(place.agent(&args));
    }
    for name in names {
        place.wait_members(name, &names);
    }
    let addrs = names.map(|name| place.addr(name));
    // Each is killed when it has kept the others.
    for (at, dir) in dirs.iter().enumerate() {
        eventually("the peers are kept", || {
            let held = fs::read(format!("{dir}/{FILE}")).unwrap();
            let found =
                |addr: &String| held.windows(addr.len()).any(|part| part == addr.as_bytes());
            let others = addrs.iter().enumerate().filter(|other| other.0 != at);
            if others.map(|other| other.1).all(found) { Ok(()) } else { Err(String::new()) }
        });
    }
    for agent in &mut agents {
        agent.kill();
    }
    let start = |(name, dir): (&&str, &String)| place.start(&["--name", name, "--state", dir]);
    let _again: Vec<Agent> = names.iter().zip(&dirs).map(start).collect();
    for name in names {
        eventually("it answers", || place.json(&["--agent", name, "info"]).ok_or_else(String::new));
        place.wait_members(name, &names);
    }
    assert_eq!(names.map(|name| place.addr(name)), addrs);
}

/// Expectation 11: a corrupted file is reported and set aside, and the node starts fresh.
#[test]
fn a_damaged_state_is_set_aside_and_a_newer_one_refused() {
    let place = Place::new();
    let dir = place.path("state");
    let args = ["--state", &dir.display().to_string()];
    let file = dir.join(FILE);
    let mut agent = place.agent(&args);
    agent.signal("TERM");
    assert_eq!(agent.end().0.code(), Some(0));
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped.iter_mut().step_by(512).for_each(|byte| *byte ^= 0x40);
    for damaged in [&whole[..whole.len() / 2], &flipped, b"", b"not a state at all"] {
        fs::write(&file, damaged).unwrap();
        let mut agent = place.agent(&args);
        agent.log.wait_for("the state is damaged and was set aside");
        assert_eq!(fs::read(dir.join(ASIDE)).unwrap(), damaged);
        agent.kill();
    }
    // One that a newer version wrote is left alone.
    let newer = Database::open(&file).unwrap();
    let change = newer.begin_write().unwrap();
    let meta = TableDefinition::<&str, &[u8]>::new("meta");
    change.open_table(meta).unwrap().insert("format", &7_u32.to_le_bytes()[..]).unwrap();
    change.commit().unwrap();
    drop(newer);
    let said = place.run(&[&["agent"], &args[..]].concat());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("layout 7, and this version knows 1"), "{said:?}");
    let newer = Database::open(&file).unwrap();
    let format = newer.begin_read().unwrap().open_table(meta).unwrap().get("format").unwrap();
    assert_eq!(format.unwrap().value(), 7_u32.to_le_bytes(), "it is as it was");
}

#[test]
fn two_agents_do_not_share_a_state() {
    let place = Place::new();
    let dir = place.path("state").display().to_string();
    let _a = place.agent(&["--name", "a", "--state", &dir]);
    let said = place.run(&["agent", "--name", "b", "--state", &dir]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("in use by another process"), "{said:?}");
}
