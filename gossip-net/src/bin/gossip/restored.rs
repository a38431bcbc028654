//! What an earlier life gives back to the stack, and how a recording begins that has some of it.
//!
//! Not a protocol: a snapshot in front of a flight recording, which holds the inputs of a node but
//! not what its stack was made of.
//!
//! ```text
//! file     = [snapshot] recording
//! snapshot = "gossip restored 1\n", wall clock, length of entries, hash of entries, entries
//! ```

use std::io::{self, Write};
use std::net::SocketAddr;

use gossip_core::Wire;
use gossip_core::id::hash;
use gossip_entropy::message::Update;

use crate::stack::{Agent, KEY, VALUE};

/// How a snapshot begins.
const MAGIC: &[u8] = b"gossip restored 1\n";

/// An entry of the store.
pub(crate) type Entry = Update<SocketAddr, KEY, VALUE>;

/// Entries of the store, and when they were given back: stamps from the future are refused then.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Restored {
    /// Microseconds since the Unix epoch.
    pub(crate) wall: u64,
    pub(crate) entries: Vec<Entry>,
}

impl Restored {
    /// Gives the stack back what it held.
    pub(crate) fn give(&self, stack: &mut Agent<SocketAddr>) {
        for entry in &self.entries {
            stack.data.restore(entry.clone(), self.wall);
        }
    }

    /// Writes the snapshot, if there is anything in it.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let (mut body, mut head) = (Vec::new(), MAGIC.to_vec());
        self.entries.iter().for_each(|entry| entry.encode(&mut body));
        (self.wall, body.len() as u64, hash(&body)).encode(&mut head);
        out.write_all(&head)?;
        out.write_all(&body)
    }

    /// Reads the snapshot that `bytes` begin with, if they do, and returns the rest; `None` if it
    /// is cut or damaged.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            return Some((Self::default(), bytes));
        };
        let (wall, len, check) = <(u64, u64, u64)>::decode(&mut rest).ok()?;
        let (mut body, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        if hash(body) != check {
            return None;
        }
        let mut entries = Vec::new();
        while !body.is_empty() {
            entries.push(Entry::decode(&mut body).ok()?);
        }
        Some((Self { wall, entries }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two entries that a replica holds.
    fn restored() -> Restored {
        let start = crate::stack::Start {
            name: gossip_core::Blob::new(b"a").unwrap(),
            tick_micros: 1_000_000,
            load: gossip_core::Finite::default(),
            incarnation: 0,
            joins: false,
        };
        let agent = start.stack::<SocketAddr>().unwrap();
        let config = gossip_core::node::Config::default();
        let me = ([127, 0, 0, 1], 1).into();
        let mut node = gossip_core::node::Node::new(me, agent, config).unwrap();
        let clock = gossip_core::node::Clock::default();
        let mut effects = gossip_core::node::Effects::default();
        for key in [&b"colour"[..], b"shape"] {
            let set = gossip_entropy::Command::set(key, b"green").unwrap();
            let set = crate::stack::Asked::data(set);
            node.command(set, clock, &mut effects).unwrap();
        }
        Restored { wall: 7, entries: node.stack().data.entries().collect() }
    }

    #[test]
    fn what_is_written_is_read_and_no_cut_or_flipped_bit_is() {
        let (restored, mut bytes) = (restored(), Vec::new());
        restored.write(&mut bytes).unwrap();
        let len = bytes.len();
        bytes.extend_from_slice(b"the recording");
        assert_eq!(Restored::read(&bytes), Some((restored, &b"the recording"[..])));
        for cut in MAGIC.len()..len {
            assert_eq!(Restored::read(&bytes[..cut]), None, "cut at {cut}");
        }
        // A flipped bit of the wall clock is not seen here, but by the replay: it diverges.
        for at in len - 10..len {
            bytes[at] ^= 1;
            assert_eq!(Restored::read(&bytes), None, "flipped at {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn without_entries_there_is_no_snapshot() {
        let mut bytes = Vec::new();
        Restored::default().write(&mut bytes).unwrap();
        assert!(bytes.is_empty());
        assert_eq!(Restored::read(b"gossip"), Some((Restored::default(), &b"gossip"[..])));
    }
}
