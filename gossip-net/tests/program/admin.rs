//! The admin socket: who may be on it, and what it survives.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::{Agent, Place, eventually};

/// What the agent answers to these bytes, after which nothing more is said.
fn answers(place: &Place, bytes: &[u8]) -> Vec<Value> {
    let mut stream = UnixStream::connect(place.socket("gossip")).unwrap();
    // The agent may have heard enough before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn a_second_agent_is_refused_and_what_a_dead_one_left_is_taken_over() {
    let place = Place::new();
    let mut agent = place.agent(&[]);
    let mode = fs::metadata(place.socket("gossip")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = place.run(&["agent"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("an agent is on the admin socket"), "{said:?}");
    assert!(place.json(&["info"]).is_some(), "the first is as it was");
    agent.kill();
    assert!(place.socket("gossip").exists());
    assert_eq!(place.run(&["info"]).code, 3);
    let again = place.agent(&[]);
    assert!(place.json(&["info"]).is_some());
    drop(again);

    // What is no socket is nobody's to remove.
    let file = place.write("precious", "text");
    let said = place.run(&["agent", "--socket", &file]);
    assert!(said.code == 1 && said.err.contains("something else is there"), "{said:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[test]
fn no_input_stops_the_agent() {
    let place = Place::new();
    let _agent = place.agent(&[]);
    let reason = |answer: &Value| answer["reason"].as_str().unwrap_or("none").to_owned();
    let long = vec![b'x'; 1 << 20];
    let deep = b"[".repeat(16_000);
    for bytes in [&b"\n"[..], b"nonsense\n", b"\xff\xfe\0\n", b"{\"verb\":\"get\"}\n", &long, &deep]
    {
        let answers = answers(&place, bytes);
        let reasons: Vec<_> = answers.iter().map(reason).collect();
        // One that says too much may be cut off before it listens.
        assert!(
            reasons == ["usage"] || (bytes.len() > 16_384 && reasons.is_empty()),
            "{reasons:?}"
        );
    }
    assert_eq!(answers(&place, b""), Vec::<Value>::new());
    // What is wrong is answered, and what is right after it, too.
    let mixed = answers(&place, b"?\n{\"verb\":\"members\"}\n{\"verb\":\"get\",\"key\":\"k\"}");
    let ok: Vec<_> = mixed.iter().map(|answer| answer["ok"] == true).collect();
    assert_eq!(ok, [false, true, false]);
    // Noise of all lengths: whatever comes of it, the agent goes on.
    let mut state = 1_u32;
    for len in 0..200 {
        let noise: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        answers(&place, &noise);
    }
    let too_much = "x".repeat(65_409);
    let said = place.run(&["publish", &too_much]);
    assert!(said.code == 1 && said.err.contains("65408"), "{said:?}");
    assert_eq!(place.run(&["set", &too_much, "v"]).code, 1);
    assert!(place.json(&["info"]).is_some());
}

#[test]
fn guests_are_counted_and_those_that_go_make_room() {
    let place = Place::new();
    let _agent = place.agent(&[]);
    let connect = |_| UnixStream::connect(place.socket("gossip")).unwrap();
    let guests: Vec<UnixStream> = (0..64).map(connect).collect();
    eventually("the agent is full", || {
        let said = place.run(&["info"]);
        let told = said.code == 1 && said.err.contains("64 others");
        if told { Ok(()) } else { Err(format!("{said:?}")) }
    });
    drop(guests);
    eventually("there is room again", || place.json(&["info"]).ok_or_else(String::new));
}

#[test]
fn a_missing_key_is_refused_and_a_value_may_be_anything() {
    let place = Place::new();
    let _agent = place.agent(&[]);
    let said = place.run(&["get", "colour"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("no value for the key `colour`"), "{said:?}");
    assert_eq!(place.run(&["delete", "colour"]).code, 1);
    let odd = "two\nlines, \"quotes\" and ß";
    assert_eq!(place.run(&["set", "colour", odd]).code, 0);
    assert_eq!(place.run(&["get", "colour"]).out, format!("{odd}\n"));
    assert_eq!(place.json(&["get", "colour"]).unwrap()["value"], odd);
    assert_eq!(place.json(&["list", "col"]).unwrap()[0]["key"], "colour");
    assert_eq!(place.run(&["delete", "colour"]).code, 0);
    assert_eq!(place.run(&["get", "colour"]).code, 1);
    let all = place.json(&["list"]).unwrap();
    assert_eq!(all, Value::Array(Vec::new()));
}

/// Where there are no Unix sockets, loopback TCP does, with a token that is in a private file.
#[test]
fn loopback_tcp_asks_for_the_token() {
    let place = Place::new();
    let path = place.path("a.port");
    let socket = path.display().to_string();
    let _agent = place.agent(&["--socket", &socket]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(place.json(&["--socket", &socket, "info"]).is_some());
    let addr = fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(b"0000\n{\"verb\":\"info\"}\n").unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    assert_eq!(heard, b"", "a stranger is told nothing");
}

#[test]
fn metrics_are_served_and_odd_scrapes_survived() {
    let place = Place::new();
    let _agent = place.agent(&["--metrics", "127.0.0.1:0"]);
    let addr = place.info("gossip")["metrics"].as_str().unwrap().to_owned();
    let get = |request: &[u8]| {
        let mut stream = TcpStream::connect(&addr).unwrap();
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let text = get(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for line in ["gossip_members{state=\"alive\"} 0\n", "# TYPE gossip_bytes_total counter\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let ready = get(b"GET /readyz HTTP/1.1\r\n\r\n");
    assert!(ready.starts_with("HTTP/1.1 200"), "the first of a cluster waits, and is ready");
    assert!(get(b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    get(&b"x".repeat(20_000));
    get(b"\xff");
    assert!(get(b"GET /healthz HTTP/1.1\r\n\r\n").ends_with("alive\n"));
}

#[test]
fn a_follower_hears_the_end_of_the_agent() {
    let place = Place::new();
    let mut agent = place.agent(&[]);
    let mut follower = Agent::of(&mut place.gossip(&["monitor", "--json"]));
    // What it is told shows that it follows.
    eventually("the follower is told", || {
        place.run(&["publish", "news", "hello"]);
        let text = follower.log.text();
        if text.contains("\"event\":\"news\"") { Ok(()) } else { Err(text) }
    });
    agent.kill();
    let (status, text) = follower.end();
    assert_eq!(status.code(), Some(3), "{text}");
    assert!(text.contains("the agent has ended"), "{text}");
}
