//! An agent's memory beyond its process: what is kept when, and what is taken back.
//!
//! Not a protocol: between the stack and `gossip_net::state`. Incarnations are kept ahead, what the
//! owner writes before it is acknowledged, what peers write and who they are within a second or so.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gossip_core::Wire;
use gossip_core::membership::{Standing, Store};
use gossip_entropy::blobs::Reference;
use gossip_net::state::{Found, Identity, Known, Record, State, StateError};
use tokio::task::block_in_place;
use tracing::{info, warn};

use crate::agent::Node;
use crate::clock::wall_micros;
use crate::exit::Failure;
use crate::restored::{Entry, Restored};

/// Incarnations kept ahead at the start, before the first is used: as many as the membership
/// reserves at a time.
const AHEAD: u32 = 256;

/// The layers whose records these are.
const DATA: &str = "data";
const LARGE: &str = "large";

/// The state, open.
#[derive(Debug)]
pub(crate) struct Keeper(Mutex<State>);

/// What an earlier life has left.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) identity: Option<Identity>,
    pub(crate) incarnation: u32,
    pub(crate) peers: Vec<Known>,
    /// Large values, which the node is given back when it runs.
    pub(crate) large: Vec<Vec<u8>>,
    /// What the stack is given back.
    pub(crate) restored: Restored,
}

impl Keeper {
    /// Opens the state in `dir`, reads it, and keeps the incarnations that this life begins with.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Past), Failure> {
        let (mut state, found) = State::open(dir).map_err(Failure::refused)?;
        match found {
            Found::Nothing => info!(dir = %dir.display(), "no state here yet: a new node"),
            Found::Kept => {}
            Found::Damaged { aside, why } => warn!(
                why,
                aside = %aside.display(),
                "the state is damaged and was set aside: this node starts as a new one"
            ),
        }
        let past = read(&mut state).map_err(Failure::refused)?;
        state.save(past.incarnation.saturating_add(AHEAD)).map_err(Failure::refused)?;
        Ok((Self(Mutex::new(state)), past))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock left a transaction that was not committed: nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps who the node is.
    pub(crate) fn set_identity(&self, identity: &Identity) -> Result<(), StateError> {
        block_in_place(|| self.state().set_identity(identity))
    }

    /// Keeps an incarnation that the node may use up to.
    pub(crate) fn reserve(&self, incarnation: u32) -> Result<(), StateError> {
        block_in_place(|| self.state().save(incarnation))
    }

    /// Keeps everybody known.
    pub(crate) fn keep_peers(&self, node: &Node) -> Result<(), StateError> {
        let known = |(peer, standing): (SocketAddr, Standing)| Known {
            peer,
            member: standing.state.is_member(),
        };
        self.keep(|state| {
            let all: Vec<Known> = node.read(|agent| agent.members.known().map(known).collect());
            state.set_peers(all)
        })
    }

    /// Keeps what the store has of these keys.
    pub(crate) fn keep_some(
        &self,
        node: &Node,
        keys: &BTreeSet<Vec<u8>>,
    ) -> Result<(), StateError> {
        self.keep(|state| {
            let records = records(node, |entry| keys.contains(&entry.key[..]));
            state.set_records(DATA, records.into_iter().map(|(key, bytes)| (key, Some(bytes))))
        })
    }

    /// Keeps what the store has, and nothing else.
    pub(crate) fn keep_data(&self, node: &Node) -> Result<(), StateError> {
        self.keep(|state| state.replace_records(DATA, records(node, |_| true)))
    }

    /// Keeps a large value, if it is here.
    pub(crate) fn keep_large(&self, node: &Node, reference: Reference) -> Result<(), StateError> {
        self.keep(|state| {
            let bytes = node.read(|agent| agent.large.get(reference).map(<[u8]>::to_vec));
            state.set_records(LARGE, bytes.map(|bytes| (key_of(reference), Some(bytes))))
        })
    }

    /// Keeps it no longer.
    pub(crate) fn forget_large(&self, reference: Reference) -> Result<(), StateError> {
        self.keep(|state| state.set_records(LARGE, [(key_of(reference), None::<Vec<u8>>)]))
    }

    /// What is kept is looked up under the lock: nobody keeps what is older than what is kept.
    fn keep(&self, work: impl FnOnce(&State) -> Result<(), StateError>) -> Result<(), StateError> {
        block_in_place(|| work(&self.state()))
    }
}

fn records(node: &Node, wanted: impl Fn(&Entry) -> bool) -> Vec<Record> {
    node.read(|agent| agent.data.entries().filter(wanted).map(|entry| record(&entry)).collect())
}

fn key_of(reference: Reference) -> Vec<u8> {
    let mut key = Vec::new();
    reference.encode(&mut key);
    key
}

fn record(entry: &Entry) -> Record {
    let mut bytes = Vec::with_capacity(entry.encoded_len());
    entry.encode(&mut bytes);
    (entry.key.to_vec(), bytes)
}

fn read(state: &mut State) -> Result<Past, StateError> {
    let records = state.records(DATA)?;
    let all = records.len();
    let entries: Vec<Entry> =
        records.iter().filter_map(|(_, bytes)| Entry::decode_all(bytes).ok()).collect();
    if entries.len() < all {
        let lost = all - entries.len();
        warn!(lost, "entries of the store cannot be read: peers that have them will send them");
    }
    Ok(Past {
        identity: state.identity()?,
        incarnation: state.load()?.unwrap_or(0),
        peers: state.peers()?,
        large: state.records(LARGE)?.into_iter().map(|(_, bytes)| bytes).collect(),
        restored: Restored { wall: wall_micros(), entries },
    })
}
