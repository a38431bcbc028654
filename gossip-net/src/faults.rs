//! Faults around any transport: the simulators' [`Network`], on real sockets or in memory.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::Counts;
use gossip_core::random::Key;
use gossip_core::sim::link::{Copies, Link, Network, Trip};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Monotonic;
use crate::transport::{Transport, canonical};

/// Datagrams held back at once by one [`Faulty`] transport; more are dropped and counted.
pub const HELD: usize = 4_096;

/// Addresses told apart; all beyond these count as one. More than a test has nodes.
pub const ADDRESSES: usize = 65_536;

/// The faults that some transports share: a [`Network`], whose nodes are addresses here. Clones
/// are the same faults, so that a partition or a change of the loss is seen by all.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// use gossip_core::sim::Network;
/// use gossip_net::faults::{Faults, Faulty};
/// use gossip_net::{Transport, Udp};
///
/// let faults = Faults::new(Network::default().loss(1.0)?, 42);
/// let a = Faulty::new(Udp::bind(([127, 0, 0, 1], 0)).await?, &faults)?;
/// a.send(([127, 0, 0, 1], 9).into(), b"never arrives").await?;
/// assert_eq!(a.counts().total("lost"), 1);
/// faults.change(|network| network.set_loss(0.0))?; // while nodes run
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Faults {
    shared: Arc<Mutex<Shared>>,
    clock: Monotonic,
}

#[derive(Debug)]
struct Shared {
    network: Network,
    key: Key,
    trips: u64,
    ids: BTreeMap<SocketAddr, u32>,
}

impl Shared {
    fn id(&mut self, addr: SocketAddr) -> u32 {
        let next = self.ids.len();
        match self.ids.get(&addr) {
            Some(&id) => id,
            None if next >= ADDRESSES => u32::MAX,
            None => *self.ids.entry(addr).or_insert(next as u32),
        }
    }
}

impl Faults {
    /// The faults of `network`, drawn from `seed`. The network's link failure, which needs to know
    /// what opens an exchange, has no effect here.
    pub fn new(network: Network, seed: u64) -> Self {
        let key = Key::new(seed);
        let shared = Shared { network, key, trips: 0, ids: BTreeMap::new() };
        Self { shared: Arc::new(Mutex::new(shared)), clock: Monotonic::start() }
    }

    /// Changes the network: its loss, its latency, its partitions. [`id`](Self::id) says which
    /// number an address has there; ask before, not inside.
    pub fn change<R>(&self, change: impl FnOnce(&mut Network) -> R) -> R {
        change(&mut self.lock().network)
    }

    /// The number of an address in the network.
    pub fn id(&self, addr: SocketAddr) -> u32 {
        self.lock().id(canonical(addr))
    }

    /// Separates `addrs` from all others, both ways, until the network is healed.
    pub fn isolate(&self, addrs: impl IntoIterator<Item = SocketAddr>) {
        let mut shared = self.lock();
        for addr in addrs {
            let id = shared.id(canonical(addr));
            if id != u32::MAX {
                shared.network.set_side(id, 1);
            }
        }
    }

    /// Ends all partitions, cuts and grey failures.
    pub fn heal(&self) {
        self.lock().network.heal();
    }

    fn carry(&self, from: SocketAddr, to: SocketAddr, len: usize) -> Copies {
        let at = self.clock.now();
        let mut shared = self.lock();
        let (from, to) = (shared.id(from), shared.id(canonical(to)));
        let mut random = shared.key.random(shared.trips);
        shared.trips += 1;
        shared.network.carry(&Trip { from, to, at, len, opening: false }, &mut random)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport that loses, delays, doubles and reorders what it sends.
///
/// What it holds back is on its way: it arrives even if the sender has stopped meanwhile, and
/// until then the sender's address stays taken.
#[derive(Debug)]
pub struct Faulty<T> {
    transport: Arc<T>,
    local: SocketAddr,
    faults: Faults,
    held: Arc<Semaphore>,
    counts: Mutex<Counts>,
}

impl<T: Transport> Faulty<T> {
    /// `transport` with `faults` on everything that it sends.
    ///
    /// # Errors
    ///
    /// If the transport does not know its address.
    pub fn new(transport: T, faults: &Faults) -> io::Result<Self> {
        let local = canonical(transport.local_addr()?);
        faults.id(local);
        Ok(Self {
            transport: Arc::new(transport),
            local,
            faults: faults.clone(),
            held: Arc::new(Semaphore::new(HELD)),
            counts: Mutex::default(),
        })
    }

    fn count(&self, cause: &'static str) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add("transport", cause);
    }

    fn hold(&self, to: SocketAddr, bytes: &[u8], delay: Duration, permit: OwnedSemaphorePermit) {
        let (transport, bytes) = (Arc::clone(&self.transport), Box::<[u8]>::from(bytes));
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // As on the way: what is lost here, nobody hears of.
            let _ = transport.send(to, &bytes).await;
            drop(permit);
        });
    }
}

#[async_trait]
impl<T: Transport> Transport for Faulty<T> {
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let copies = self.faults.carry(self.local, to, bytes.len());
        match copies.len() {
            0 => self.count("lost"),
            1 => {}
            _ => self.count("doubled"),
        }
        for delay in copies {
            if delay.is_zero() {
                self.transport.send(to, bytes).await?;
            } else if let Ok(permit) = Arc::clone(&self.held).try_acquire_owned() {
                self.hold(to, bytes, delay, permit);
            } else {
                self.count("too many held back");
            }
        }
        Ok(())
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.transport.recv(buffer).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.transport.local_addr()
    }

    fn mtu(&self) -> usize {
        self.transport.mtu()
    }

    fn may_fragment(&self) -> bool {
        self.transport.may_fragment()
    }

    fn counts(&self) -> Counts {
        let mut counts = self.transport.counts();
        counts.merge(&self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        counts
    }
}
