//! The secrets that nodes of a cluster share, and which of them is used now.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

/// Secrets of a keyring at most: the one in use, those before it and after it. Our choice.
pub const SECRETS: usize = 8;

/// A secret of 256 bits that the nodes of a cluster share. Whoever knows it is a member: it tells
/// members from strangers, not one member from another. It is wiped from memory when it is dropped.
///
/// ```
/// use gossip_net::Secret;
///
/// let secret = Secret::generate()?;
/// assert_eq!(secret.to_hex().parse::<Secret>()?.id(), secret.id());
/// let error = "c0ffee".parse::<Secret>().unwrap_err();
/// assert_eq!(error.to_string(), "a secret of 6 characters; it has 64 hexadecimal digits");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// The name of a secret, which tells nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl KeyId {
    /// What stands for it at the start of a datagram: never the first byte of one in the clear.
    pub(crate) const fn mark(self) -> u8 {
        self.0 as u8 | 0x80
    }
}

impl Secret {
    /// From 32 bytes that nobody can guess.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one from the system's randomness.
    ///
    /// # Errors
    ///
    /// The system's, if it has none.
    pub fn generate() -> Result<Self, std::io::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        let mut id = [0; 4];
        self.derive(&[b"id"], &mut id);
        KeyId(u32::from_le_bytes(id))
    }

    /// As 64 hexadecimal digits, for a file that only the node can read.
    pub fn to_hex(&self) -> String {
        let digit = |value: u8| char::from_digit(value.into(), 16);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
    }

    /// Fills `out`, of at most 255 * 32 bytes, with what follows from the secret and `purpose`
    /// (HKDF-SHA256, RFC 5869).
    pub(crate) fn derive(&self, purpose: &[&[u8]], out: &mut [u8]) {
        let hkdf = Hkdf::<Sha256>::new(Some(b"gossip-net 1"), &self.0);
        hkdf.expand_multi_info(purpose, out).expect("lengths are constants below the limit");
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id())
    }
}

impl FromStr for Secret {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits: Option<Vec<u8>> =
            text.chars().map(|char| Some(char.to_digit(16)? as u8)).collect();
        let wrong = KeyError::Digits { count: text.chars().count() };
        let digits = digits.ok_or(wrong)?;
        let pairs: &[[u8; 2]] = digits.as_chunks().0;
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| wrong)?;
        if digits.len() == 64 { Ok(Self(bytes)) } else { Err(wrong) }
    }
}

/// What becomes of datagrams in the clear, while a cluster that has none but those moves to sealed
/// ones, or back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// They are refused and counted.
    #[default]
    Refuse,
    /// They are taken in; those sent are sealed.
    Accept,
    /// They are taken in and sent. Sealed ones are taken in, too.
    Send,
}

/// The secrets of a node. Clones are the same keyring: what is done to one takes effect on running
/// nodes at once.
///
/// To change the secret of a running cluster: [`install`](Self::install) the new one on all nodes,
/// then [`switch`](Self::switch) to it on all, then [`remove`](Self::remove) the old one on all.
/// Nothing is refused in between.
///
/// ```
/// use gossip_net::{Keyring, Secret};
///
/// let old = Secret::new([1; 32]);
/// let keys = Keyring::new(old.clone());
/// let id = keys.install(Secret::new([2; 32]))?;
/// keys.switch(id)?;
/// assert_eq!(keys.current(), id);
/// keys.remove(old.id())?;
/// let error = keys.remove(id).unwrap_err().to_string();
/// assert!(error.contains("in use: switch to another one first"), "{error}");
/// # Ok::<(), gossip_net::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keyring(Arc<RwLock<Ring>>);

#[derive(Debug)]
pub(crate) struct Ring {
    /// The first is the one in use.
    secrets: Vec<(KeyId, Secret)>,
    pub(crate) plaintext: Plaintext,
}

impl Ring {
    /// The secret in use.
    pub(crate) fn current(&self) -> &(KeyId, Secret) {
        &self.secrets[0]
    }

    pub(crate) fn marked(&self, mark: u8) -> impl Iterator<Item = &(KeyId, Secret)> {
        self.secrets.iter().filter(move |(id, _)| id.mark() == mark)
    }

    fn at(&self, id: KeyId) -> Result<usize, KeyError> {
        self.secrets.iter().position(|one| one.0 == id).ok_or(KeyError::Unknown { id })
    }
}

impl Keyring {
    /// With one secret, which is in use.
    pub fn new(secret: Secret) -> Self {
        let secrets = vec![(secret.id(), secret)];
        Self(Arc::new(RwLock::new(Ring { secrets, plaintext: Plaintext::Refuse })))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is sealed by `secret` from now on, too. One that is there already stays.
    ///
    /// # Errors
    ///
    /// [`KeyError::Full`] if there are [`SECRETS`].
    pub fn install(&self, secret: Secret) -> Result<KeyId, KeyError> {
        let (id, mut ring) = (secret.id(), self.write());
        if ring.at(id).is_err() {
            if ring.secrets.len() >= SECRETS {
                return Err(KeyError::Full);
            }
            ring.secrets.push((id, secret));
        }
        Ok(id)
    }

    /// Seals by the secret `id` from now on.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it was not installed.
    pub fn switch(&self, id: KeyId) -> Result<(), KeyError> {
        let mut ring = self.write();
        let at = ring.at(id)?;
        ring.secrets.swap(0, at);
        Ok(())
    }

    /// Refuses what is sealed by the secret `id` from now on.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`] if it is not there, [`KeyError::InUse`] if it is the one in use.
    pub fn remove(&self, id: KeyId) -> Result<(), KeyError> {
        let mut ring = self.write();
        let at = ring.at(id)?;
        if at == 0 {
            return Err(KeyError::InUse { id });
        }
        ring.secrets.remove(at);
        Ok(())
    }

    /// From now on has the secrets that `other` has now, and no others, and seals by the one in use
    /// there. What becomes of datagrams in the clear stays as it is here.
    ///
    /// ```
    /// use gossip_net::{Keyring, Secret};
    ///
    /// let keys = Keyring::new(Secret::new([1; 32]));
    /// keys.replace(&Keyring::new(Secret::new([2; 32])));
    /// assert_eq!(keys.ids(), [Secret::new([2; 32]).id()]);
    /// ```
    pub fn replace(&self, other: &Self) {
        // Not both locks at once: they may be the same.
        let secrets = other.read().secrets.clone();
        self.write().secrets = secrets;
    }

    /// The name of the secret in use.
    pub fn current(&self) -> KeyId {
        self.read().current().0
    }

    /// The names of all secrets, the one in use first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.read().secrets.iter().map(|one| one.0).collect()
    }

    /// What becomes of datagrams in the clear from now on; they are refused at first.
    pub fn set_plaintext(&self, plaintext: Plaintext) {
        self.write().plaintext = plaintext;
    }
}

/// What is wrong with a secret, or with what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// A text is no secret.
    Digits {
        /// Its characters.
        count: usize,
    },
    /// There are [`SECRETS`] already.
    Full,
    /// There is no such secret.
    Unknown {
        /// Its name.
        id: KeyId,
    },
    /// It is the secret in use.
    InUse {
        /// Its name.
        id: KeyId,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits { count: 64 } => {
                write!(f, "a secret with a character that is no hexadecimal digit")
            }
            Self::Digits { count } => {
                write!(f, "a secret of {count} characters; it has 64 hexadecimal digits")
            }
            Self::Full => write!(f, "the keyring has {SECRETS} secrets: remove one first"),
            Self::Unknown { id } => write!(f, "no secret {id} in this keyring: install it first"),
            Self::InUse { id } => {
                write!(f, "secret {id} is in use: switch to another one first, then remove it")
            }
        }
    }
}

impl Error for KeyError {}
