//! The file that outlives a node: what is kept, what is refused, and what is set aside.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use gossip_core::membership::{Config, Event, Store};
use gossip_core::random::Key;
use gossip_net::state::{ASIDE, FILE, Found, Identity, Known, PEERS, State, StateError};

/// A directory that does not exist yet, gone at the end.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = format!("gossip-state-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(dir))
    }

    fn open(&self) -> (State, Found) {
        State::open(&self.0).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn known(port: u16) -> Known {
    Known { peer: ([10, 0, 0, 1], port).into(), member: !port.is_multiple_of(3) }
}

/// A state with something in every table.
fn filled(dir: &Dir) {
    let (mut state, found) = dir.open();
    assert_eq!(found, Found::Nothing);
    let identity = Identity { name: "a".to_owned(), addr: "[::1]:7".parse().unwrap() };
    state.set_identity(&identity).unwrap();
    state.keep(&Event::<u32>::Reserve(512)).unwrap();
    state.set_peers((1..=500).map(known)).unwrap();
    let record = |key: u32| (key.to_be_bytes(), Some(vec![key as u8; 100]));
    state.set_records("data", (0..500).map(record)).unwrap();
}

#[test]
fn what_is_kept_is_there_in_the_next_life() {
    let dir = Dir::new();
    filled(&dir);
    let (mut state, found) = dir.open();
    assert_eq!(found, Found::Kept);
    assert_eq!(state.identity().unwrap().map(|me| me.name), Some("a".to_owned()));
    assert_eq!(Config::default().resume(&mut state).unwrap().incarnation, 512);
    let mut peers = state.peers().unwrap();
    peers.sort_by_key(|known| known.peer);
    assert_eq!(peers, (1..=500).map(known).collect::<Vec<_>>());
    let records = state.records("data").unwrap();
    assert_eq!(records.len(), 500);
    assert_eq!(records[7], (7_u32.to_be_bytes().to_vec(), vec![7; 100]));
}

#[test]
fn layers_are_apart_and_records_are_forgotten_one_by_one() {
    let dir = Dir::new();
    let (state, _) = dir.open();
    assert_eq!((state.identity().unwrap(), state.peers().unwrap()), (None, Vec::new()));
    assert!(state.records("data").unwrap().is_empty());
    state.set_records("data", [(b"a", Some(b"1")), (b"b", Some(b"2"))]).unwrap();
    state.set_records("dat", [(b"z", Some(b"3"))]).unwrap();
    state.set_records("data2", [(b"a", Some(b"4"))]).unwrap();
    state.set_records("data", [(&b"a"[..], None), (b"", Some(&b"5"[..]))]).unwrap();
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(state.records("data").unwrap(), [pair(b"", b"5"), pair(b"b", b"2")]);
    state.replace_records("data", [(b"c", b"6")]).unwrap();
    assert_eq!(state.records("data").unwrap(), [pair(b"c", b"6")]);
    assert_eq!(state.records("dat").unwrap(), [pair(b"z", b"3")]);
    assert_eq!(state.records("data2").unwrap(), [pair(b"a", b"4")]);
}

#[test]
fn peers_are_bounded_and_those_before_are_replaced() {
    let dir = Dir::new();
    let (state, _) = dir.open();
    let many = |ip: u8| (0..PEERS as u16 + 100).map(move |port| ([10, 0, 0, ip], port).into());
    let known = |peer| Known { peer, member: true };
    state.set_peers(many(1).map(known)).unwrap();
    assert_eq!(state.peers().unwrap().len(), PEERS);
    state.set_peers(many(2).take(2).map(known)).unwrap();
    assert_eq!(state.peers().unwrap().len(), 2);
}

#[test]
fn one_process_at_a_time() {
    let dir = Dir::new();
    let (state, _) = dir.open();
    let error = State::open(&dir.0).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }), "{error}");
    drop(state);
    assert_eq!(dir.open().1, Found::Kept);
}

/// Operators' expectation 11, and lesson 1: whatever is wrong with the file, the node starts. A
/// flipped bit is seen, or is of no consequence: what is read is what was written, or nothing.
#[test]
fn no_cut_and_no_flipped_bit_is_read_as_state() {
    let dir = Dir::new();
    filled(&dir);
    let path = dir.0.join(FILE);
    let whole = fs::read(&path).unwrap();
    let read = |state: &State| (state.peers().unwrap(), state.records("data").unwrap());
    let right = read(&dir.open().0);
    let seed = 7;
    let mut random = Key::new(seed).random(0);
    let mut set_aside = 0;
    for trial in 0..60 {
        let mut damaged = whole.clone();
        if trial % 3 == 0 {
            damaged.truncate(random.below(whole.len()));
        } else {
            // The last trials flip bits of the header, which says where everything is.
            let range = if trial < 40 { whole.len() } else { 320 };
            damaged[random.below(range)] ^= 1 << random.below(8);
        }
        fs::write(&path, &damaged).unwrap();
        let (state, found) = dir.open();
        match found {
            Found::Damaged { aside, why } => {
                assert_eq!(fs::read(aside).unwrap(), damaged);
                assert!(!why.is_empty());
                assert_eq!(read(&state), (Vec::new(), Vec::new()), "trial {trial}, seed {seed}");
                set_aside += 1;
            }
            _ => assert_eq!(read(&state), right, "trial {trial}, seed {seed}"),
        }
    }
    // All 20 cuts, but for one that leaves all pages in use; and flips of what is in use.
    assert!(set_aside >= 20, "{set_aside} of 60, seed {seed}");
    assert!(dir.0.join(ASIDE).exists());
}
