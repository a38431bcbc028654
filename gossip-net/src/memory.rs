//! A network inside the process: for tests and for many nodes without sockets.
//!
//! It has the bounds of a real one: datagrams have a largest length, each endpoint has a bounded
//! queue, and what overflows is dropped and counted. With [`Faulty`](crate::faults::Faulty) around
//! its endpoints it has a real one's faults. Under `tokio::time::pause` a minute passes in
//! milliseconds.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gossip_core::{Counts, ParameterError};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::transport::{TooLong, Transport, UDP_MAX, canonical};

/// Datagrams that wait at an endpoint by default: about what Linux's default receive buffer of
/// 212,992 bytes holds of 1,200 bytes each, with its own bookkeeping.
pub const QUEUE: usize = 128;

/// Endpoints of a hub at most: one a port.
pub const ENDPOINTS: usize = 65_535;

/// A switch to which endpoints are bound.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use gossip_net::Transport;
/// use gossip_net::memory::Hub;
///
/// let hub = Hub::new();
/// let (a, b) = (hub.bind(([10, 0, 0, 1], 7))?, hub.bind(([10, 0, 0, 2], 7))?);
/// a.send(b.local_addr()?, b"hello").await?;
/// let mut buffer = [0; 16];
/// assert_eq!(b.recv(&mut buffer).await?, (5, a.local_addr()?));
/// # Ok::<(), std::io::Error>(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    switch: Arc<Switch>,
    queue: usize,
    mtu: usize,
}

#[derive(Debug, Default)]
struct Switch {
    ports: Mutex<BTreeMap<SocketAddr, Port>>,
}

#[derive(Clone, Debug)]
struct Port {
    queue: mpsc::Sender<(SocketAddr, Box<[u8]>)>,
    shed: Arc<Mutex<Counts>>,
}

impl Switch {
    fn ports(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Port>> {
        lock(&self.ports)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// Queues of [`QUEUE`] datagrams, and datagrams as long as UDP's.
    pub fn new() -> Self {
        Self { switch: Arc::default(), queue: QUEUE, mtu: UDP_MAX }
    }

    /// Endpoints bound from now on queue at most `datagrams`.
    ///
    /// # Errors
    ///
    /// If it is not from 1 to 65,536.
    pub fn queue(mut self, datagrams: usize) -> Result<Self, ParameterError> {
        ParameterError::new("queue", datagrams as f64, "datagrams", "1 to 65536")
            .unless((1..=65_536).contains(&datagrams))?;
        self.queue = datagrams;
        Ok(self)
    }

    /// Endpoints bound from now on refuse to send more than `bytes` in a datagram.
    ///
    /// # Errors
    ///
    /// If it is not from 1 to 65,507.
    pub fn mtu(mut self, bytes: usize) -> Result<Self, ParameterError> {
        ParameterError::new("mtu", bytes as f64, "bytes", "1 to 65507")
            .unless((1..=UDP_MAX).contains(&bytes))?;
        self.mtu = bytes;
        Ok(self)
    }

    /// An endpoint at `addr`; port 0 is any that is free at that host.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if it is taken, or no port is free.
    pub fn bind(&self, addr: impl Into<SocketAddr>) -> io::Result<Memory> {
        let mut ports = self.switch.ports();
        let mut addr = canonical(addr.into());
        if addr.port() == 0 {
            let free = (1024..=u16::MAX).find(|&port| {
                addr.set_port(port);
                !ports.contains_key(&addr)
            });
            free.ok_or(io::ErrorKind::AddrInUse)?;
        }
        if ports.contains_key(&addr) || ports.len() >= ENDPOINTS {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (queue, arrived) = mpsc::channel(self.queue);
        let shed = Arc::default();
        let port = Port { queue, shed: Arc::clone(&shed) };
        ports.insert(addr, port);
        let switch = Arc::clone(&self.switch);
        let arrived = AsyncMutex::new(arrived);
        Ok(Memory { addr, switch, arrived, shed, mtu: self.mtu })
    }
}

/// An endpoint of a [`Hub`]; unbound when dropped.
#[derive(Debug)]
pub struct Memory {
    addr: SocketAddr,
    switch: Arc<Switch>,
    arrived: AsyncMutex<mpsc::Receiver<(SocketAddr, Box<[u8]>)>>,
    shed: Arc<Mutex<Counts>>,
    mtu: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.switch.ports().remove(&self.addr);
    }
}

#[async_trait]
impl Transport for Memory {
    /// A datagram to an address that nobody is bound to vanishes, as UDP's do.
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.mtu {
            return Err(TooLong { len: bytes.len(), limit: self.mtu }.into());
        }
        let port = self.switch.ports().get(&canonical(to)).cloned();
        if let Some(port) = port
            && port.queue.try_send((self.addr, bytes.into())).is_err()
        {
            lock(&port.shed).add("transport", "queue full");
        }
        Ok(())
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let arrived = self.arrived.lock().await.recv().await;
        // The switch holds the other end for as long as this one lives.
        let (from, bytes) = arrived.ok_or(io::ErrorKind::NotConnected)?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok((len, from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn counts(&self) -> Counts {
        lock(&self.shed).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ([u8; 4], u16) = ([10, 0, 0, 1], 7);
    const B: ([u8; 4], u16) = ([10, 0, 0, 2], 7);

    #[tokio::test]
    async fn a_full_queue_sheds_what_comes_and_counts_it() {
        let hub = Hub::new().queue(2).unwrap();
        let (a, b) = (hub.bind(A).unwrap(), hub.bind(B).unwrap());
        for byte in 0..5 {
            a.send(B.into(), &[byte]).await.unwrap();
        }
        assert_eq!(b.counts().total("queue full"), 3);
        let mut buffer = [0; 4];
        for byte in 0..2 {
            assert_eq!(b.recv(&mut buffer).await.unwrap(), (1, A.into()));
            assert_eq!(buffer[0], byte);
        }
    }

    #[tokio::test]
    async fn too_long_a_datagram_is_refused_with_the_limit() {
        let hub = Hub::new().mtu(8).unwrap();
        let a = hub.bind(A).unwrap();
        let error = a.send(B.into(), &[0; 9]).await.unwrap_err();
        assert_eq!(error.to_string(), "a datagram of 9 bytes; this transport carries 8");
        assert!(hub.clone().mtu(0).is_err() && hub.queue(0).is_err());
    }

    #[tokio::test]
    async fn an_address_is_free_again_when_its_endpoint_is_gone() {
        let hub = Hub::new();
        let first = hub.bind(A).unwrap();
        assert_eq!(hub.bind(A).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let again = hub.bind(A).unwrap();
        again.send(B.into(), b"nobody there").await.unwrap();
        let (x, y) = (hub.bind(([10, 0, 0, 9], 0)).unwrap(), hub.bind(([10, 0, 0, 9], 0)).unwrap());
        assert_ne!(x.local_addr().unwrap(), y.local_addr().unwrap());
    }
}
