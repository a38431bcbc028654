//! Nodes that find each other by SRV records, from a name server of the test's own.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::Place;

/// The types of records that are asked for: A and SRV (RFC 1035 and 2782).
const A: u16 = 1;
const SRV: u16 = 33;

/// How a name server answers.
#[derive(Clone, Copy)]
enum Mood {
    Silent,
    /// With bytes that are no answer.
    Garbage,
    /// That there is no such name.
    Denies,
    /// That the service is at this port of a host with two addresses, one of which is nobody's.
    Knows(u16),
}

/// A name server on loopback, and what it is to answer.
fn server(mood: Mood) -> (String, Arc<Mutex<Mood>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    let mood = Arc::new(Mutex::new(mood));
    let now = Arc::clone(&mood);
    // It ends with the process of the tests.
    thread::spawn(move || {
        let mut buffer = [0; 1_500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let mood = *now.lock().unwrap();
            if let Some(answer) = answer(&buffer[..len], mood) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    (addr, mood)
}

fn answer(query: &[u8], mood: Mood) -> Option<Vec<u8>> {
    let labels = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(12..12 + labels + 5)?;
    let asked = u16::from_be_bytes([question[labels + 1], question[labels + 2]]);
    let records: Vec<Vec<u8>> = match (mood, asked) {
        (Mood::Silent, _) => return None,
        (Mood::Garbage, _) => return Some(b"no answer".to_vec()),
        (Mood::Knows(port), SRV) => {
            let mut data = vec![0, 1, 0, 1];
            data.extend_from_slice(&port.to_be_bytes());
            data.extend_from_slice(b"\x04node\x07example\x00");
            vec![record(SRV, &data)]
        }
        (Mood::Knows(_), A) => vec![record(A, &[127, 0, 0, 1]), record(A, &[127, 9, 9, 9])],
        _ => Vec::new(),
    };
    // A name that is known has no records of other types: no error.
    let code = if matches!(mood, Mood::Denies) { 3 } else { 0 };
    let mut answer = query[..2].to_vec();
    answer.extend_from_slice(&[0x85, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    answer.extend(records.concat());
    Some(answer)
}

/// A record of the name that was asked for, good for an hour.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, 12];
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 14, 16]);
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

/// A service that is not known, or whose server is silent or says nonsense, is looked up again and
/// again: that is told once, and the service is joined when it is known.
#[test]
fn a_service_is_looked_up_until_it_is_known() {
    for first in [Mood::Denies, Mood::Silent, Mood::Garbage] {
        let place = Place::new();
        let _other = place.agent(&["--name", "a"]);
        let addr = place.addr("a");
        let port = addr.rsplit_once(':').unwrap().1.parse().unwrap();
        let (dns, mood) = server(first);
        let service = "_gossip._udp.example";
        let node = place.agent(&["--name", "b", "--join", service, "--dns", &dns]);
        node.log.wait_for("no address for this contact");
        *mood.lock().unwrap() = Mood::Knows(port);
        node.log.wait_for("the name is known again");
        place.wait_members("b", &["a", "b"]);
        let told = node.log.text().matches("no address for this contact").count();
        assert_eq!(told, 1, "{}", node.log.text());
    }
}

/// `gossip join` takes a service, too, and says why if there is none.
#[test]
fn a_service_is_joined_by_hand() {
    let place = Place::new();
    let _other = place.agent(&["--name", "a"]);
    let port = place.addr("a").rsplit_once(':').unwrap().1.parse().unwrap();
    let (dns, mood) = server(Mood::Denies);
    let _node = place.agent(&["--name", "b", "--dns", &dns]);
    let join = ["--agent", "b", "join", "_gossip._udp.example"];
    let said = place.run(&join);
    assert!(said.code == 1 && said.err.contains("_gossip._udp.example"), "{said:?}");
    *mood.lock().unwrap() = Mood::Knows(port);
    assert_eq!(place.run(&join).code, 0);
    place.wait_members("b", &["a", "b"]);
    assert_eq!(place.run(&["--agent", "b", "join", "_gossip._udp"]).code, 2);
}
