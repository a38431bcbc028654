//! Certificates of a lane: made, used, watched, and changed while agents run.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Agent, Place, eventually};

/// What `gossip keygen` makes for `node` in the directory of an authority.
fn make(place: &Place, authority: &str, node: &str, days: u32) {
    let dir = place.path(authority).display().to_string();
    let days = days.to_string();
    let said = place.run(&["keygen", "--authority", &dir, "--node", node, "--days", &days]);
    assert_eq!(said.code, 0, "{said:?}");
}

/// An agent with the certificate that was made for it.
fn agent(place: &Place, authority: &str, name: &str, more: &[&str]) -> Agent {
    let file = |name: &str| place.path(authority).join(name).display().to_string();
    let (cert, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
    let authority = file("authority.pem");
    let certs = ["--cert-file", &cert, "--cert-key-file", &key, "--authority-file", &authority];
    place.agent(&[&["--name", name][..], &certs, more].concat())
}

fn metrics(place: &Place, of: &str) -> String {
    let at = place.info(of)["metrics"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The seconds that the certificate of `of` is good for, as its metrics say.
fn left(place: &Place, of: &str, what: &str) -> f64 {
    let text = metrics(place, of);
    let name = format!("gossip_certificate_expires_seconds{{what=\"{what}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

/// Failure 17 of the operations document: a certificate of ten days is told of in the log and in
/// the metrics while there is time; another one is taken without a restart, and all is well.
#[test]
fn a_certificate_that_expires_soon_is_told_of_and_replaced() {
    let place = Place::new();
    make(&place, "red", "a", 10);
    let agent = agent(&place, "red", "a", &["--metrics", "127.0.0.1:0"]);
    agent.log.wait_for("it expires soon");
    let day = 86_400.0;
    let days = left(&place, "a", "certificate") / day;
    assert!((9.0..=10.0).contains(&days), "{days}");
    assert!(left(&place, "a", "authority") > 3_600.0 * day / 24.0);
    for end in ["pem", "key"] {
        fs::remove_file(place.path("red").join(format!("a.{end}"))).unwrap();
    }
    assert_ne!(place.run(&["--agent", "a", "reload"]).code, 0, "there is nothing to read");
    make(&place, "red", "a", 365);
    assert_eq!(place.run(&["--agent", "a", "reload"]).code, 0);
    agent.log.wait_for("it is good for long again");
    assert!(left(&place, "a", "certificate") > 364.0 * day);
}

/// Waits until the agent called `of` has `value` for the key `much`.
fn wait_value(place: &Place, of: &str, value: &str) {
    eventually(&format!("{of} has the value"), || {
        let said = place.run(&["--agent", of, "get", "much"]);
        if said.out.trim_end() == value {
            Ok(())
        } else {
            Err(format!("{} {}", said.code, said.err))
        }
    });
}

/// What does not fit a datagram reaches those who share an authority by the lane, those without a
/// lane by datagrams, and one of another authority not at all: it is a member, and its certificate
/// is refused and counted. What was published is heard whole, and a value outlives its writer's
/// process.
#[test]
fn what_is_large_goes_to_whom_it_may() {
    let place = Place::new();
    for (authority, node) in [("red", "a"), ("red", "b"), ("blue", "c")] {
        make(&place, authority, node, 365);
    }
    let state = place.path("state").display().to_string();
    let mut one = agent(&place, "red", "a", &["--state", &state]);
    let addr = place.addr("a");
    let _two = agent(&place, "red", "b", &["--join", &addr]);
    let _stranger = agent(&place, "blue", "c", &["--join", &addr]);
    for of in ["a", "b", "c"] {
        place.wait_members(of, &["a", "b", "c"]);
    }
    let value = "much ".repeat(8_000);
    assert_eq!(place.run(&["--agent", "a", "set", "much", &value]).code, 0);
    wait_value(&place, "b", value.trim_end());
    // As long as it has not told of its lane, the stranger is served by datagrams; so there is more
    // to be had until it has.
    let (refused, mut more) = ("certificate of another authority", 0..);
    eventually("the stranger is refused", || {
        let more = format!("{value}{}", more.next().unwrap_or_default());
        assert_eq!(place.run(&["--agent", "a", "set", "more", &more]).code, 0);
        let lanes = ["a", "b", "c"].map(|of| place.info(of)["counts"]["lane"].clone());
        let is = |lane: &serde_json::Value| lane[refused].as_u64() > Some(0);
        if lanes.iter().any(is) { Ok(()) } else { Err(format!("{lanes:?}")) }
    });
    let _plain = place.agent(&["--name", "d", "--join", &addr]);
    wait_value(&place, "d", value.trim_end());
    let sent = ["a", "b"].map(|of| place.info(of)["lane"]["messages_out"].as_u64().unwrap());
    assert!(sent.iter().sum::<u64>() > 0, "{sent:?}");

    let mut hears =
        Agent::of(&mut place.gossip(&["--agent", "b", "subscribe", "--recent", "--count", "1"]));
    let text = "heard ".repeat(3_000);
    assert_eq!(place.run(&["--agent", "a", "publish", "long", &text]).code, 0);
    let (status, said) = hears.end();
    assert_eq!((status.code(), said.trim_end()), (Some(0), &*format!("long: {}", text.trim_end())));

    let long = "x".repeat(70_000);
    let said = place.run(&["--agent", "a", "set", "much", &long]);
    assert!(said.code == 1 && said.err.contains("65536"), "{said:?}");
    one.kill();
    let _again = agent(&place, "red", "a", &["--state", &state]);
    wait_value(&place, "a", value.trim_end());
}

/// The same over TCP; who has a lane of the other kind is served by datagrams.
#[test]
fn a_lane_may_go_over_tcp() {
    let place = Place::new();
    for node in ["a", "b", "c"] {
        make(&place, "red", node, 365);
    }
    let over = ["--lane-over", "tcp", "--path-mtu", "9000"];
    let _one = agent(&place, "red", "a", &over);
    let addr = place.addr("a");
    let _two = agent(&place, "red", "b", &[&over[..], &["--join", &addr]].concat());
    let _other = agent(&place, "red", "c", &["--join", &addr]);
    for of in ["a", "b", "c"] {
        place.wait_members(of, &["a", "b", "c"]);
    }
    // Until peers have told of their lanes, datagrams serve: so there is more until one was used.
    let (value, mut more) = ("much ".repeat(8_000), 0..);
    eventually("a lane was used", || {
        let sent = ["a", "b"].map(|of| place.info(of)["lane"]["messages_out"].as_u64());
        let value = format!("{value}{}", more.next().unwrap_or_default());
        assert_eq!(place.run(&["--agent", "a", "set", "much", &value]).code, 0);
        for of in ["b", "c"] {
            wait_value(&place, of, &value);
        }
        if sent.iter().any(|sent| *sent > Some(0)) { Ok(()) } else { Err(format!("{sent:?}")) }
    });
    assert_eq!(place.info("c")["lane"]["messages_out"].as_u64(), Some(0));
    let said = place.run(&["agent", "--name", "d", "--path-mtu", "900"]);
    assert!(said.code == 2 && said.err.contains("--path-mtu: from 1280 to 65535"), "{said:?}");
}

/// Agents with certificates have a lane.
#[test]
fn agents_show_each_other_certificates() {
    let place = Place::new();
    make(&place, "red", "a", 365);
    make(&place, "red", "b", 365);
    let one = agent(&place, "red", "a", &[]);
    let addr = place.addr("a");
    let _two = agent(&place, "red", "b", &["--join", &addr]);
    one.log.wait_for("the lane is open");
    eventually("both have a lane", || {
        let lanes = ["a", "b"].map(|of| place.info(of)["lane"]["addr"].clone());
        if lanes.iter().all(serde_json::Value::is_string) {
            Ok(())
        } else {
            Err(format!("{lanes:?}"))
        }
    });
}

/// What is wrong with files of certificates is named, and is wrong usage; nothing is overwritten.
#[test]
fn certificates_that_cannot_be_used_are_named() {
    let place = Place::new();
    make(&place, "red", "a", 365);
    make(&place, "blue", "b", 365);
    let file = |dir: &str, name: &str| place.path(dir).join(name).display().to_string();
    let (cert, key, other) = (file("red", "a.pem"), file("red", "a.key"), file("blue", "b.key"));
    let authority = file("red", "authority.pem");
    let refused = |args: &[&str], what: &str| {
        let said = place.run(&[&["agent"], args].concat());
        assert!(said.code == 2 && said.err.contains(what), "{args:?}: {said:?}");
    };
    refused(&["--cert-file", &cert], "go together");
    refused(&["--lane", "127.0.0.1:0"], "go together");
    let with = |key| ["--cert-file", &cert, "--authority-file", &authority, "--cert-key-file", key];
    refused(&with(&other), "certificate, key and authorities");
    refused(&with(&authority), "others may read");
    refused(&with("/nowhere"), "/nowhere");
    let dir = place.path("red").display().to_string();
    for (args, code) in [
        (&["--authority", &dir][..], 1),
        (&["--authority", &dir, "--node", "a"], 1),
        (&["--authority", &dir, "--node", "../a"], 2),
        (&["--authority", &dir, "--node", "authority"], 2),
        (&["--authority", &dir, "--node", "c", "--days", "0"], 2),
        (&["--node", "c"], 2),
        (&["--authority", &dir, "file"], 2),
    ] {
        let said = place.run(&[&["keygen"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {said:?}");
    }
    for private in [&key, &file("red", "authority.key")] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
