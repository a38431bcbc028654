//! How a node ends.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How a node ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// It left of its own will, and its stack said good-bye.
    Left,
    /// It was killed, or its last handle was dropped, or its runtime shut down: its peers were not
    /// told.
    Stopped,
    /// Its code panicked, with this message: a bug of a protocol, or of the driver. The state is
    /// as the panic left it.
    Panicked(String),
    /// Its transport failed for good.
    Transport(Arc<io::Error>),
}

impl Ended {
    /// Whether the owner asked for it.
    pub const fn is_wanted(&self) -> bool {
        matches!(self, Self::Left | Self::Stopped)
    }

    /// Itself as an error, unless the owner asked for it.
    ///
    /// # Errors
    ///
    /// [`Panicked`](Self::Panicked) and [`Transport`](Self::Transport).
    ///
    /// ```
    /// use gossip_net::Ended;
    /// assert!(Ended::Left.into_result().is_ok());
    /// assert!(Ended::Panicked("index out of bounds".into()).into_result().is_err());
    /// ```
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_wanted() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => write!(f, "the node left"),
            Self::Stopped => write!(f, "the node was stopped"),
            Self::Panicked(message) => write!(f, "the node's task panicked: {message}"),
            Self::Transport(error) => write!(f, "the node's transport failed: {error}"),
        }
    }
}

impl Error for Ended {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
