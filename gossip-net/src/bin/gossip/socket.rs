//! The admin socket: a Unix socket for its owner alone; where there are none, or if its path ends
//! in `.port`, loopback TCP, with the port and a token in that file.
//!
//! Not a protocol: how an agent is found on its host. A lock beside the socket, which the system
//! takes back when its holder ends, says whether an agent is there: so a second one is refused, and
//! what one that was killed has left is taken over.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::exit::Failure;

/// Where agents' sockets are, one for each name.
pub(crate) fn path_of(name: &str) -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let dir = match (set("XDG_RUNTIME_DIR"), set("HOME")) {
        (Some(dir), _) => Path::new(&dir).join("gossip"),
        (None, Some(home)) => Path::new(&home).join(".gossip"),
        (None, None) => PathBuf::from(".gossip"),
    };
    dir.join(format!("{name}.sock"))
}

fn is_tcp(path: &Path) -> bool {
    !cfg!(unix) || path.extension().is_some_and(|extension| extension == "port")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// An agent's side. The socket goes with it.
#[derive(Debug)]
pub(crate) struct Listener {
    way: Way,
    path: PathBuf,
    _lock: File,
}

#[derive(Debug)]
enum Way {
    #[cfg(unix)]
    Unix(UnixListener),
    Tcp(TcpListener, String),
}

/// A conversation, as the agent has it.
pub(crate) struct Guest {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it must say first, if anything.
    pub(crate) token: Option<String>,
}

/// Opens the socket at `path`, for this user alone.
pub(crate) async fn listen(path: &Path) -> Result<Listener, Failure> {
    let cannot = |e: io::Error| {
        Failure::refused(format!("cannot open the admin socket {}: {e}", path.display()))
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        make_private(dir, true).map_err(cannot)?;
    }
    let lock = private_file(&beside(path, ".lock"), false).map_err(cannot)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::refused(format!(
                "an agent is on the admin socket {} already: give this one another --name or \
                 --socket",
                path.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    let way = if is_tcp(path) { listen_tcp(path).await } else { listen_unix(path) };
    Ok(Listener { way: way.map_err(cannot)?, path: path.to_owned(), _lock: lock })
}

/// What is at `path` is replaced only if it is a socket that was left behind. Nobody else can
/// connect at any moment: it is made in a directory that only its owner enters.
#[cfg(unix)]
fn listen_unix(path: &Path) -> io::Result<Way> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::other("something else is there, and stays"));
        }
        _ => {}
    }
    let dir = path.with_file_name(format!(".{}", std::process::id()));
    make_private(&dir, false)?;
    let made = dir.join("s");
    let bound = UnixListener::bind(&made).and_then(|listener| {
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
        fs::rename(&made, path)?;
        Ok(Way::Unix(listener))
    });
    let gone = fs::remove_dir_all(&dir);
    bound.and_then(|way| gone.map(|()| way))
}

#[cfg(not(unix))]
fn listen_unix(_: &Path) -> io::Result<Way> {
    Err(io::ErrorKind::Unsupported.into())
}

async fn listen_tcp(path: &Path) -> io::Result<Way> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let token = gossip_net::Secret::generate()?.to_hex();
    let made = beside(path, ".new");
    let mut file = private_file(&made, true)?;
    writeln!(file, "{}\n{token}", listener.local_addr()?)?;
    drop(file);
    fs::rename(&made, path)?;
    Ok(Way::Tcp(listener, token))
}

fn private_file(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(empty);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_private(dir: &Path, recursive: bool) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

impl Listener {
    /// The next guest.
    pub(crate) async fn accept(&self) -> io::Result<Guest> {
        match &self.way {
            #[cfg(unix)]
            Way::Unix(listener) => {
                let (reader, writer) = listener.accept().await?.0.into_split();
                Ok(Guest { reader: Box::new(reader), writer: Box::new(writer), token: None })
            }
            Way::Tcp(listener, token) => {
                let (reader, writer) = listener.accept().await?.0.into_split();
                let token = Some(token.clone());
                Ok(Guest { reader: Box::new(reader), writer: Box::new(writer), token })
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The lock is held: it is ours. One that cannot be removed is taken over later.
        let _ = fs::remove_file(&self.path);
    }
}

/// A verb's side of a conversation.
pub(crate) trait Line: Read + Write {
    /// How long a read may take; never zero.
    fn patience(&self, time: Option<Duration>) -> io::Result<()>;
}

#[cfg(unix)]
impl Line for std::os::unix::net::UnixStream {
    fn patience(&self, time: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(time)
    }
}

impl Line for std::net::TcpStream {
    fn patience(&self, time: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(time)
    }
}

/// Calls the agent at `path`.
pub(crate) fn dial(path: &Path) -> Result<Box<dyn Line>, Failure> {
    let cannot = |e: io::Error| {
        let hint = "is an agent running? `gossip agent` starts one; --agent or --socket says which";
        Failure::unreachable(format!("no agent answers on {}: {e}; {hint}", path.display()))
    };
    if is_tcp(path) {
        let text = fs::read_to_string(path).map_err(cannot)?;
        let bad = || cannot(io::Error::other("the file holds no port and token"));
        let (addr, token) = text.split_once('\n').ok_or_else(bad)?;
        let addr = addr.parse::<SocketAddr>().map_err(|_| bad())?;
        if !addr.ip().is_loopback() {
            return Err(bad());
        }
        let mut stream = std::net::TcpStream::connect(addr).map_err(cannot)?;
        writeln!(stream, "{}", token.trim()).map_err(cannot)?;
        return Ok(Box::new(stream));
    }
    dial_unix(path).map_err(cannot)
}

#[cfg(unix)]
fn dial_unix(path: &Path) -> io::Result<Box<dyn Line>> {
    Ok(Box::new(std::os::unix::net::UnixStream::connect(path)?))
}

#[cfg(not(unix))]
fn dial_unix(_: &Path) -> io::Result<Box<dyn Line>> {
    Err(io::ErrorKind::Unsupported.into())
}
