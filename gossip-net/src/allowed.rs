//! Which nodes may take part: a list of public keys, which can change while nodes run.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::node_key::{NodeKeyError, PublicKey};

/// Keys of a list at most. Our choice: ten times the nodes of a large cluster.
pub const KEYS: usize = 65_536;

/// The public keys of the nodes that may take part, and what people call them. Clones are the same
/// list: what is done to one takes effect on running nodes at once.
///
/// As a text it has one key a line, which a name or any other comment may follow; empty lines, and
/// those that begin with `#`, say nothing.
///
/// ```
/// use gossip_net::{AllowList, NodeKey};
///
/// let (ann, bob) = (NodeKey::generate()?.public(), NodeKey::generate()?.public());
/// let list: AllowList = format!("# the cluster\n{ann} ann, in Delft\n{bob}\n").parse()?;
/// assert!(list.allows(&ann) && list.allows(&bob));
/// assert_eq!(list.name_of(&ann).as_deref(), Some("ann, in Delft"));
///
/// list.replace(&format!("{bob}").parse()?);
/// assert!(!list.allows(&ann));
///
/// let error = format!("{bob}\nann").parse::<AllowList>().unwrap_err();
/// let what = "line 2: a public key of 3 characters; it has 64 hexadecimal digits";
/// assert_eq!(error.to_string(), what);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AllowList(Arc<RwLock<Arc<Keys>>>);

type Keys = BTreeMap<PublicKey, String>;

impl AllowList {
    /// With these keys, which have no names; none allows nobody.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self::of(keys.into_iter().map(|key| (key, String::new())).collect())
    }

    fn of(keys: Keys) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keys))))
    }

    fn read(&self) -> RwLockReadGuard<'_, Arc<Keys>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on has the keys that `other` has now, and no others.
    pub fn replace(&self, other: &Self) {
        let keys = Arc::clone(&other.read());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether the holder of `key` may take part.
    pub fn allows(&self, key: &PublicKey) -> bool {
        self.read().contains_key(key)
    }

    /// What follows `key` in the list; `None` if it is not there.
    pub fn name_of(&self, key: &PublicKey) -> Option<String> {
        self.read().get(key).cloned()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nobody is allowed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromStr for AllowList {
    type Err = AllowListError;

    fn from_str(text: &str) -> Result<Self, AllowListError> {
        let mut keys = Keys::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let key = key.parse().map_err(|error| AllowListError::Key { line: number, error })?;
            if keys.len() == KEYS {
                return Err(AllowListError::Full { line: number });
            }
            let name = name.trim().trim_start_matches('#').trim_start();
            if keys.insert(key, name.to_owned()).is_some() {
                return Err(AllowListError::Twice { line: number });
            }
        }
        // Half a file must not lock a whole cluster out.
        if keys.is_empty() { Err(AllowListError::Empty) } else { Ok(Self::of(keys)) }
    }
}

/// What is wrong with a text that should be an [`AllowList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowListError {
    /// A line does not begin with a public key.
    Key {
        /// The line, from 1 on.
        line: usize,
        /// What is wrong with it.
        error: NodeKeyError,
    },
    /// A key is there already.
    Twice {
        /// The line of its second place.
        line: usize,
    },
    /// There are more than [`KEYS`].
    Full {
        /// The first line that is too many.
        line: usize,
    },
    /// There is no key.
    Empty,
}

impl AllowListError {
    /// The line that is wrong; `None` if it is the whole.
    pub const fn line(&self) -> Option<usize> {
        match *self {
            Self::Key { line, .. } | Self::Twice { line } | Self::Full { line } => Some(line),
            Self::Empty => None,
        }
    }
}

impl fmt::Display for AllowListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { line, error } => write!(f, "line {line}: {error}"),
            Self::Twice { line } => write!(f, "line {line}: a key that is there already"),
            Self::Full { line } => write!(f, "line {line}: more than {KEYS} keys"),
            Self::Empty => write!(f, "no public key, so nobody would be allowed"),
        }
    }
}

impl Error for AllowListError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_key::NodeKey;

    #[test]
    fn errors_name_the_line_and_nothing_is_half_taken() {
        let key = NodeKey::generate().unwrap().public();
        let error = |text: String| text.parse::<AllowList>().unwrap_err();
        assert_eq!(error("\n# nobody\n".to_owned()), AllowListError::Empty);
        assert_eq!(error(format!("{key} a\n\n{key} b")), AllowListError::Twice { line: 3 });
        assert_eq!(error(format!("{key} a\n{key}0")).line(), Some(2));
        let lower = key.to_string();
        let list: AllowList = format!("  {}\t# a\r\n", lower.to_uppercase()).parse().unwrap();
        assert_eq!((list.len(), list.name_of(&key).as_deref()), (1, Some("a")));
    }
}
