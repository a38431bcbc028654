//! What a node must not forget when its process ends, in one file.
//!
//! Not a protocol: a table each for who the node is, whom it knew, and what its layers hold, kept
//! by [`redb`]. A change is there whole or not at all, whenever the process or the machine stops;
//! every page of the file has a checksum, and all are checked when it is opened.
//!
//! A file that cannot be read is set aside under another name, and the node starts as a new one:
//! its peers know better. One that a newer version wrote is left alone, and refused.
//!
//! ```
//! use gossip_core::membership::{Config, Event, Store};
//! use gossip_net::state::{Found, Identity, State};
//!
//! # let dir = std::env::temp_dir().join(format!("gossip-state-doc-{}", std::process::id()));
//! let (mut state, found) = State::open(&dir)?;
//! assert_eq!(found, Found::Nothing);
//! let me = Identity { name: "a".to_owned(), addr: "127.0.0.1:7171".parse()? };
//! state.set_identity(&me)?;
//! state.keep(&Event::<u32>::Reserve(256))?;
//! drop(state);
//!
//! let (mut state, found) = State::open(&dir)?;
//! assert_eq!((found, state.identity()?), (Found::Kept, Some(me)));
//! assert_eq!(Config::default().resume(&mut state)?.incarnation, 256);
//! # drop(state);
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gossip_core::membership::Store;
use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};

/// The layout that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The file's name in its directory.
pub const FILE: &str = "state.redb";

/// What a file that cannot be read is renamed to; one that was set aside before is replaced.
pub const ASIDE: &str = "state.damaged";

/// Peers kept at most: those given first. Our choice: as many as a membership knows by default.
pub const PEERS: usize = 16_384;

/// Memory for pages of the file. Our choice: what is kept is read once, and then only written.
const CACHE: usize = 1 << 20;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const KNOWN: TableDefinition<'_, &str, bool> = TableDefinition::new("peers");
const RECORDS: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("records");

/// Who a node is, in all its lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What people call it.
    pub name: String,
    /// The address that peers know it by.
    pub addr: SocketAddr,
}

/// A peer that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub peer: SocketAddr,
    /// Whether it counted as a member. The dead are kept, too: after a partition they are the way
    /// back.
    pub member: bool,
}

/// A key of a layer, and what it has kept there.
pub type Record = (Vec<u8>, Vec<u8>);

/// What was in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No state: a new node.
    Nothing,
    /// The state of an earlier life.
    Kept,
    /// A file that cannot be read. It was renamed, and the state is that of a new node.
    Damaged {
        /// Where the file is.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A node's state, open. No other process can open it meanwhile. Calls wait for the disk.
pub struct State {
    file: Database,
    path: PathBuf,
}

impl State {
    /// Opens the state in the directory `dir`, which is made if it does not exist, for its owner
    /// alone.
    ///
    /// # Errors
    ///
    /// [`StateError::InUse`] if another process has it open, [`StateError::Newer`] if a newer
    /// version wrote it, [`StateError::Failed`] if the system refuses.
    pub fn open(dir: impl AsRef<Path>) -> Result<(Self, Found), StateError> {
        let dir = dir.as_ref();
        let path = dir.join(FILE);
        let failed = |error: io::Error| StateError::failed(&path, error);
        make_private(dir).map_err(failed)?;
        let before = match fs::metadata(&path) {
            Ok(file) => Some(file.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let opened = match before {
            Some(0) => Err(Trouble::Damaged("it is empty".to_owned())),
            _ => Self::try_open(&path, before.is_none()),
        };
        match (opened, before) {
            (Ok(state), None) => Ok((state, Found::Nothing)),
            (Ok(state), Some(_)) => Ok((state, Found::Kept)),
            (Err(Trouble::Damaged(why)), Some(_)) => {
                let aside = dir.join(ASIDE);
                fs::rename(&path, &aside).map_err(failed)?;
                let state = Self::try_open(&path, true).map_err(|t| t.into_error(&path))?;
                Ok((state, Found::Damaged { aside, why }))
            }
            (Err(trouble), _) => Err(trouble.into_error(&path)),
        }
    }

    fn try_open(path: &Path, new: bool) -> Result<Self, Trouble> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let file = if new { builder.create(path)? } else { builder.open(path)? };
        let state = Self { file, path: path.to_owned() };
        if new {
            state.write(|change| put_meta(change, "format", &FORMAT.to_le_bytes()))?;
            return Ok(state);
        }
        let damaged = |what: &str| Trouble::Damaged(what.to_owned());
        match state.meta("format")?.map(<[u8; 4]>::try_from) {
            Some(Ok(bytes)) => match u32::from_le_bytes(bytes) {
                FORMAT => Ok(state),
                0 => Err(damaged("its layout is numbered 0")),
                found => Err(Trouble::Error(StateError::Newer { path: path.to_owned(), found })),
            },
            _ => Err(damaged("it does not say which layout it has")),
        }
    }

    /// Who the node is; `None` if it was never said.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be read.
    pub fn identity(&self) -> Result<Option<Identity>, StateError> {
        let text = |key| -> Result<Option<String>, StateError> {
            let bytes = self.meta(key).map_err(|t| t.into_error(&self.path))?;
            Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let addr = text("address")?.and_then(|addr| addr.parse().ok());
        Ok(text("name")?.zip(addr).map(|(name, addr)| Identity { name, addr }))
    }

    /// Keeps who the node is.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be written.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), StateError> {
        self.change(|change| {
            put_meta(change, "name", identity.name.as_bytes())?;
            put_meta(change, "address", identity.addr.to_string().as_bytes())
        })
    }

    /// The peers that were known.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be read.
    pub fn peers(&self) -> Result<Vec<Known>, StateError> {
        let read = || -> Result<Vec<Known>, Trouble> {
            let Some(table) = present(self.file.begin_read()?.open_table(KNOWN))? else {
                return Ok(Vec::new());
            };
            let mut peers = Vec::new();
            for row in table.iter()?.take(PEERS) {
                let (peer, member) = row?;
                // What is no address was not written by this version, and means nothing to it.
                let peer = peer.value().parse().ok();
                peers.extend(peer.map(|peer| Known { peer, member: member.value() }));
            }
            Ok(peers)
        };
        read().map_err(|trouble| trouble.into_error(&self.path))
    }

    /// Keeps these peers instead of those before, the first [`PEERS`] of them.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be written; those before are kept then.
    pub fn set_peers(&self, peers: impl IntoIterator<Item = Known>) -> Result<(), StateError> {
        self.change(|change| {
            change.delete_table(KNOWN)?;
            let mut table = change.open_table(KNOWN)?;
            for Known { peer, member } in peers.into_iter().take(PEERS) {
                table.insert(peer.to_string().as_str(), member)?;
            }
            Ok(())
        })
    }

    /// What `layer` has kept, in the order of its keys.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be read.
    pub fn records(&self, layer: &str) -> Result<Vec<Record>, StateError> {
        let read = || -> Result<Vec<Record>, Trouble> {
            let Some(table) = present(self.file.begin_read()?.open_table(RECORDS))? else {
                return Ok(Vec::new());
            };
            let mut records = Vec::new();
            for row in table.range((layer, &[][..])..)? {
                let (key, value) = row?;
                let (of, key) = key.value();
                if of != layer {
                    break;
                }
                records.push((key.to_vec(), value.value().to_vec()));
            }
            Ok(records)
        };
        read().map_err(|trouble| trouble.into_error(&self.path))
    }

    /// Keeps these records of `layer`, and those of its keys that are not named as they are. `None`
    /// forgets a key. All of them are kept, or none.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be written.
    pub fn set_records<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        layer: &str,
        records: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), StateError> {
        self.change(|change| {
            let mut table = change.open_table(RECORDS)?;
            for (key, value) in records {
                match value {
                    Some(value) => table.insert((layer, key.as_ref()), value.as_ref())?,
                    None => table.remove((layer, key.as_ref()))?,
                };
            }
            Ok(())
        })
    }

    /// Keeps these records of `layer`, and forgets all others that it has.
    ///
    /// # Errors
    ///
    /// [`StateError::Failed`] if the file cannot be written; those before are kept then.
    pub fn replace_records<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        layer: &str,
        records: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), StateError> {
        self.change(|change| {
            let mut table = change.open_table(RECORDS)?;
            table.retain_in((layer, &[][..]).., |(of, _), _| of != layer)?;
            for (key, value) in records {
                table.insert((layer, key.as_ref()), value.as_ref())?;
            }
            Ok(())
        })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let Some(table) = present(self.file.begin_read()?.open_table(META))? else {
            return Ok(None);
        };
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    fn change(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>,
    ) -> Result<(), StateError> {
        self.write(work).map_err(|trouble| trouble.into_error(&self.path))
    }

    fn write(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let change = self.file.begin_write()?;
        work(&change)?;
        Ok(change.commit()?)
    }
}

impl Store for State {
    type Error = StateError;

    fn load(&mut self) -> Result<Option<u32>, StateError> {
        let bytes = self.meta("incarnation").map_err(|t| t.into_error(&self.path))?;
        let bytes = bytes.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        Ok(bytes.map(u32::from_le_bytes))
    }

    fn save(&mut self, reserved: u32) -> Result<(), StateError> {
        self.change(|change| put_meta(change, "incarnation", &reserved.to_le_bytes()))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.path).finish_non_exhaustive()
    }
}

fn put_meta(change: &WriteTransaction, key: &str, value: &[u8]) -> Result<(), Trouble> {
    change.open_table(META)?.insert(key, value)?;
    Ok(())
}

/// A table that may not have been made yet.
fn present<T>(opened: Result<T, TableError>) -> Result<Option<T>, Trouble> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Why a file does not open.
enum Trouble {
    /// It was written wrongly, or changed or cut since.
    Damaged(String),
    /// Anything else.
    Error(StateError),
    /// Anything else, the path not yet named.
    Failed(redb::Error),
}

impl Trouble {
    fn into_error(self, path: &Path) -> StateError {
        match self {
            Self::Error(error) => error,
            Self::Damaged(why) => StateError::failed(path, io::Error::other(why)),
            Self::Failed(redb::Error::DatabaseAlreadyOpen) => {
                StateError::InUse { path: path.to_owned() }
            }
            Self::Failed(error) => StateError::failed(path, io::Error::other(error)),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let cut = |kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        match error.into() {
            // The last is what a flipped bit makes of the version: no older one was ever written.
            error @ (redb::Error::Corrupted(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)) => Self::Damaged(error.to_string()),
            redb::Error::Io(error) if cut(error.kind()) => Self::Damaged(error.to_string()),
            error => Self::Failed(error),
        }
    }
}

/// Why state cannot be read or kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has it open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout's number, which is above [`FORMAT`].
        found: u32,
    },
    /// The system, or the disk, refuses.
    Failed {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl StateError {
    fn failed(path: &Path, error: io::Error) -> Self {
        Self::Failed { path: path.to_owned(), error }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                f,
                "the state {} is in use by another process: stop it, or give this node another \
                 directory",
                path.display()
            ),
            Self::Newer { path, found } => write!(
                f,
                "the state {} has layout {found}, and this version knows {FORMAT}: a newer version \
                 wrote it; run that one, or give this node another directory",
                path.display()
            ),
            Self::Failed { path, error } => {
                write!(f, "the state {} cannot be used: {error}", path.display())
            }
        }
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { error, .. } => Some(error),
            _ => None,
        }
    }
}
