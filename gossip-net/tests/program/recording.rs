//! A recorded agent does again what it did, and a recording that is none is refused.

use std::fs;

use serde_json::Value;

use crate::harness::{Place, eventually};

/// What `gossip replay` prints of the recording at `path`.
fn replayed(place: &Place, path: &str) -> Vec<Value> {
    let said = place.run(&["replay", path, "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two agents, one of which is recorded: the replay ends with the members, the store and the news
/// that it had, at the number of rounds that it had run.
#[test]
fn a_recorded_agent_replays_to_the_same_state() {
    let place = Place::new();
    let path = place.path("a.flight").display().to_string();
    let mut recorded = place.agent(&["--name", "a", "--record", &path]);
    let addr = place.addr("a");
    let _other = place.agent(&["--name", "b", "--join", &addr]);
    place.wait_members("a", &["a", "b"]);
    assert_eq!(place.run(&["--agent", "b", "set", "colour", "green"]).code, 0);
    assert_eq!(place.run(&["--agent", "a", "set", "shape", "round"]).code, 0);
    assert_eq!(place.run(&["--agent", "b", "publish", "colours", "green is out"]).code, 0);
    let digest = eventually("a has heard of both keys and the news", || {
        let info = place.info("a");
        let heard = place.run(&["--agent", "a", "subscribe", "--recent", "--count", "1"]);
        let both = info["store"]["keys"] == 2 && heard.code == 0;
        if both { Ok(info["store"]["digest"].clone()) } else { Err(info.to_string()) }
    });
    assert_eq!(place.run(&["--agent", "a", "leave"]).code, 0);
    assert!(recorded.end().0.success());

    let told = replayed(&place, &path);
    let end = told.last().unwrap();
    assert_eq!(end["event"], "end");
    let is = |key: &str, value: Value| assert_eq!(end[key], value, "{key}: {end}");
    is("addr", addr.into());
    is("digest", digest);
    is("members", 2.into());
    is("bytes_left", 0.into());
    let news: Vec<_> = told.iter().filter(|told| told["event"] == "news").collect();
    assert_eq!((news.len(), &news[0]["text"]), (1, &Value::from("green is out")));
    assert!(told.iter().any(|told| told["event"] == "value" && told["key"] == "colour"));
}

/// A node that has its entries back from an earlier life: what it was given back stands at the
/// start of the recording, so that the replay ends with the same store and says the same on its
/// way.
#[test]
fn a_recording_begins_with_what_the_state_gives_back() {
    let place = Place::new();
    let (path, state) = (place.path("a.flight"), place.path("state"));
    let (path, state) = (path.display().to_string(), state.display().to_string());
    let args = ["--name", "a", "--record", &path, "--state", &state];
    let mut first = place.agent(&args);
    for (key, value) in [("colour", "green"), ("shape", "round")] {
        assert_eq!(place.run(&["--agent", "a", "set", key, value]).code, 0);
    }
    first.kill();

    let mut second = place.agent(&args);
    let addr = place.addr("a");
    let _other = place.agent(&["--name", "b", "--join", &addr]);
    eventually("b has the entries of a's earlier life", || {
        let info = place.info("b");
        if info["store"]["keys"] == 2 { Ok(()) } else { Err(info.to_string()) }
    });
    assert_eq!(place.run(&["--agent", "a", "set", "size", "small"]).code, 0);
    let digest = place.info("a")["store"]["digest"].clone();
    assert_eq!(place.run(&["--agent", "a", "leave"]).code, 0);
    assert!(second.end().0.success());

    let told = replayed(&place, &path);
    let end = told.last().unwrap();
    assert_eq!((&end["keys"], &end["digest"]), (&Value::from(3), &digest), "{end}");
    assert_eq!(end["bytes_left"], 0, "{end}");

    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    let damaged = place.path("damaged").display().to_string();
    fs::write(&damaged, &bytes).unwrap();
    let said = place.run(&["replay", &damaged]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("given back at its start is damaged"), "{said:?}");
}

/// Cut, as by a killed process, it is replayed up to there; damaged, it is told where; the earlier
/// life's recording is kept beside.
#[test]
fn what_is_cut_or_damaged_is_told() {
    let place = Place::new();
    let path = place.path("a.flight").display().to_string();
    for _ in 0..2 {
        let mut agent = place.agent(&["--name", "a", "--record", &path]);
        eventually("some rounds are recorded", || {
            let len = fs::metadata(&path).unwrap().len();
            if len > 400 { Ok(()) } else { Err(len.to_string()) }
        });
        agent.kill();
    }
    assert!(replayed(&place, &path).last().unwrap()["rounds"].as_u64() > Some(2));
    assert!(replayed(&place, &format!("{path}.old")).last().unwrap()["inputs"].as_u64() > Some(2));

    let mut bytes = fs::read(&path).unwrap();
    let cut = place.path("cut").display().to_string();
    fs::write(&cut, &bytes[..bytes.len() - 3]).unwrap();
    assert!(replayed(&place, &cut).last().unwrap()["bytes_left"].as_u64() > Some(0));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&cut, &bytes).unwrap();
    let said = place.run(&["replay", &cut]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("the recording is damaged at byte"), "{said:?}");
    assert!(said.out.contains("end"), "what could be replayed is shown: {said:?}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let place = Place::new();
    let file = place.write("a", "hello");
    let said = place.run(&["replay", &file]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no flight recording"), "{said:?}");
    assert_eq!(place.run(&["replay", "/nowhere"]).code, 2);
    let said = place.run(&["agent", "--record", "/nowhere/a"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot record to /nowhere/a"), "{said:?}");
}
