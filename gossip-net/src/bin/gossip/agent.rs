//! The agent: one node with its admin socket, from its start to its good-bye.
//!
//! Not a protocol: what is started in which order, and what is stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gossip_core::{Finite, Peers, Wire, membership};
use gossip_net::state::Identity;
use gossip_net::{Builder, Delivery, Handle, Keyring, SpawnError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::certs::Certs;
use crate::clock::now;
use crate::config::Config;
use crate::contacts::Contacts;
use crate::exit::Failure;
use crate::keeper::{Keeper, Past};
use crate::load::Load;
use crate::stack::{Agent, Asked, Start, Told};
use crate::{admin, bridge, certs, identity, journal, large, replay, scrape, socket};

/// The node of an agent.
pub(crate) type Node = Handle<Agent<SocketAddr>>;

/// Members that are to have acknowledged the good-bye. Our choice.
const WITNESSES: usize = 3;

/// The longest good-bye. Our choice: below what service managers wait before they kill.
const FAREWELL: Duration = Duration::from_secs(20);

/// How long whoever asked for the good-bye may take to hear that it is said.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often the load is measured, at most. Our choice: its average changes in a minute.
const MEASURE: Duration = Duration::from_secs(5);

/// What the parts of an agent share.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) config: Config,
    pub(crate) keys: Option<Keyring>,
    pub(crate) certs: Option<Arc<Certs>>,
    pub(crate) keeper: Option<Arc<Keeper>>,
    pub(crate) socket: PathBuf,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) started: Instant,
    pub(crate) leaves: mpsc::Sender<Leave>,
}

/// Somebody wants the agent to leave: is told how many members have acknowledged the good-bye, and
/// says when that is passed on.
pub(crate) struct Leave {
    pub(crate) said: oneshot::Sender<u8>,
    pub(crate) heard: oneshot::Receiver<()>,
}

/// Runs an agent until it is told to leave.
pub(crate) fn run(config: Config, socket: &Path) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_max_level(config.log)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    // Two threads: one may wait for the disk.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::refused(format!("cannot start: {e}")))?;
    let ended = runtime.block_on(live(config, socket));
    runtime.shutdown_background();
    ended
}

async fn live(config: Config, path: &Path) -> Result<(), Failure> {
    let mut signals = Signals::new()?; // before there is anything to be left half done
    let listener = Arc::new(socket::listen(path).await?);
    let (keeper, past) = match &config.state {
        Some(dir) => {
            let (keeper, past) = Keeper::open(dir)?;
            (Some(Arc::new(keeper)), past)
        }
        None => (None, Past::default()),
    };
    let (scrapes, metrics) = match config.metrics {
        Some(addr) => scrape::listen(addr).await.map(|(scrapes, at)| (Some(scrapes), Some(at)))?,
        None => (None, None),
    };
    let contacts = contacts(&config, &past);
    let certs = config.certs.as_ref().map(Certs::open).transpose()?.map(Arc::new);
    let joins = !contacts.is_empty();
    let node = Box::pin(spawn(&config, certs.as_deref(), &past, joins)).await?;
    let identity = Identity { name: config.name.clone(), addr: node.id() };
    if let Some(keeper) = &keeper {
        keeper.set_identity(&identity).map_err(Failure::refused)?;
    }
    large::restore(&node, past.large).await;
    let (leaves, mut asked) = mpsc::channel(8);
    let (keys, socket, started) = (config.keys.clone(), path.to_owned(), now());
    let running = Running { node, config, keys, certs, keeper, socket, metrics, started, leaves };
    let running = Arc::new(running);
    let node = running.node.clone();
    let written = tokio::spawn(journal::write(Arc::clone(&running)));
    let mut parts = JoinSet::new();
    parts.spawn(admin::serve(Arc::clone(&listener), Arc::clone(&running)));
    if let Some(scrapes) = scrapes {
        parts.spawn(scrape::serve(scrapes, Arc::clone(&running)));
    }
    parts.spawn(large::keep(Arc::clone(&running)));
    parts.spawn(certs::watch(running.certs.clone()));
    parts.spawn(contacts.ask(node.clone()));
    parts.spawn(bridge::build(node.clone(), running.config.tick));
    parts.spawn(measure(node.clone(), running.config.load, running.config.tick));
    info!(name = running.config.name, addr = %node.id(), socket = %path.display(), "ready");

    let leave = tokio::select! {
        () = signals.next() => None,
        asked = asked.recv() => asked,
        ended = node.wait() => return unwanted(&ended),
        died = death(&mut parts) => return unwanted(&died),
    };
    info!("leaving: a second signal ends the agent at once");
    let acknowledged = tokio::select! {
        acknowledged = farewell(&running) => acknowledged,
        () = signals.next() => return Err(Failure::refused("ended without a good-bye")),
    };
    // The journal ends with the node, and keeps what is left to be kept.
    let _ = written.await;
    if let Some(keeper) = &running.keeper {
        let kept = keeper.keep_peers(&node).and_then(|()| keeper.keep_data(&node));
        kept.unwrap_or_else(|e| error!("{e}"));
    }
    info!(acknowledged, "left");
    if let Some(Leave { said, heard }) = leave {
        // Whoever asked may be gone.
        if said.send(acknowledged).is_ok() {
            let _ = timeout(LAST_WORD, heard).await;
        }
    }
    // The socket goes with the last who holds it.
    parts.shutdown().await;
    drop(listener);
    Ok(())
}

fn contacts(config: &Config, past: &Past) -> Contacts {
    let mut remembered = past.peers.clone();
    remembered.sort_by_key(|known| !known.member);
    Contacts {
        given: config.join.clone(),
        file: config.join_file.clone(),
        remembered,
        tick: config.tick,
        dns: config.dns,
    }
}

/// Starts the node, if its port is of no matter at the address of its earlier life.
async fn spawn(
    config: &Config,
    certs: Option<&Certs>,
    past: &Past,
    joins: bool,
) -> Result<Node, Failure> {
    let load = match (config.load.measure(), config.load) {
        (Ok(load), _) => Finite::new(load).unwrap_or_default(),
        (Err(why), Load::Auto) => {
            warn!(why, "the load is taken to be 0");
            Finite::default()
        }
        (Err(why), _) => return Err(Failure::usage(why)),
    };
    let start = Start {
        name: config.card.clone(),
        tick_micros: config.tick.as_micros() as u64,
        load,
        incarnation: past.incarnation,
        joins,
    };
    let mut binds = vec![config.bind];
    let before = past.identity.as_ref().map(|identity| identity.addr);
    if let (0, None, Some(before)) = (config.bind.port(), config.advertise, before)
        && before.ip() == config.bind.ip()
    {
        binds.insert(0, before);
    }
    let film = config.record.as_ref().map(|path| replay::create(path, &past.restored));
    let film = film.transpose()?;
    for (at, bind) in binds.iter().enumerate() {
        let mut stack = start.clone().stack().map_err(Failure::usage)?;
        past.restored.give(&mut stack);
        let mut builder = builder(config, *bind, stack);
        if let Some(certs) = certs {
            builder = certs.lane.give(builder);
        }
        if let Some(film) = &film {
            let film = film.try_clone().map_err(|e| Failure::refused(format!("--record: {e}")))?;
            let mut about = Vec::new();
            start.encode(&mut about);
            builder = builder.record(film, replay::MOST, about);
        }
        match Box::pin(builder.spawn()).await {
            Err(SpawnError::Taken { addr }) if at + 1 < binds.len() => {
                warn!(%addr, "the address of the earlier life is taken: peers meet a new member");
            }
            Err(error) => return Err(Failure::refused(error)),
            Ok(node) => return Ok(node),
        }
    }
    Err(Failure::refused("no address to bind"))
}

fn builder(
    config: &Config,
    bind: SocketAddr,
    stack: Agent<SocketAddr>,
) -> Builder<Agent<SocketAddr>> {
    let builder = gossip_net::Node::builder(stack);
    let mut builder = builder.bind(bind).cluster(&config.cluster).tick(config.tick);
    builder = builder.path_mtu(config.path_mtu);
    if let Some(addr) = config.advertise {
        builder = builder.advertise(addr);
    }
    if let Some(key) = &config.identity {
        builder = builder.node_key(key);
    }
    if let Some((_, list)) = &config.allow {
        identity::check(config.identity.as_ref(), list);
        builder = builder.allow(list);
    }
    match &config.keys {
        Some(keys) => builder.keys(keys),
        None if config.plaintext => builder.plaintext(),
        None => builder,
    }
}

/// Tells the stack the load, again and again.
async fn measure(node: Node, load: Load, tick: Duration) {
    if matches!(load, Load::Fixed(_)) {
        return;
    }
    loop {
        sleep(MEASURE.max(tick)).await;
        // That it cannot be measured was told at the start.
        let Some(load) = load.measure().ok().and_then(Finite::new) else { continue };
        let mean = Asked::mean(gossip_aggregate::mean::Set(load));
        let slices = Asked::slices(gossip_overlay::slicing::Command::SetAttribute(load));
        for command in [mean, slices] {
            if node.call(command).await == Err(gossip_net::CallError::Closed) {
                return;
            }
        }
    }
}

/// Says good-bye, and waits until some members have acknowledged it, or for long enough.
async fn farewell(running: &Running) -> u8 {
    let node = &running.node;
    let others = node.read(|agent| agent.members.degree());
    let mut events = node.events();
    let wanted = others.min(WITNESSES) as u8;
    let mut acknowledged = 0;
    let leave = Asked::members(membership::Command::Leave(wanted));
    if node.call(leave).await.is_ok() {
        let gone = async {
            while let Some(delivery) = events.recv().await {
                if let Delivery::Event(Told::members(membership::Event::Gone(count))) = delivery {
                    return count;
                }
            }
            0
        };
        acknowledged = timeout(FAREWELL, gone).await.unwrap_or(0);
    }
    node.leave().await;
    acknowledged
}

/// Waits until a part has died, which must not go unseen. One that has nothing to do may end.
async fn death(parts: &mut JoinSet<()>) -> JoinError {
    loop {
        match parts.join_next().await {
            Some(Ok(())) => {}
            Some(Err(died)) => return died,
            None => std::future::pending().await,
        }
    }
}

/// Something has ended, and nobody has asked for it.
fn unwanted(ended: &impl std::fmt::Display) -> Result<(), Failure> {
    error!("{ended}");
    Err(Failure::refused(ended))
}

/// What the system asks of the process: to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = |e| Failure::refused(format!("cannot listen to signals: {e}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
