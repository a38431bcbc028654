//! Datagrams that only the cluster can read, and nobody else can make.
//!
//! ```text
//! mark of the secret (1)   sender (8)   number (7)   sealed bytes   tag (16)
//! ```
//!
//! A sender draws a name at random when it starts, and counts its datagrams. It seals them by
//! AES-256-GCM under a key of its own, which follows from the secret and its name, with the number
//! as the nonce: no nonce is used twice, however many nodes share a secret and whatever they send
//! (the bound of 2^32 datagrams a secret, for nonces at random, does not apply). Bound to each are
//! the cluster, the address it comes from and the address it is for; so it cannot be said again to
//! others, or in another's name. A number that was taken in is not taken in again.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use async_trait::async_trait;
use gossip_core::Counts;
use gossip_core::packet::{ClusterId, Datagram, HEADER, Header};
use tokio::task::yield_now;

use crate::batch::Batch;
use crate::keyring::{KeyId, Keyring, Plaintext, Secret};
use crate::transport::{Transport, canonical};

/// Bytes that a sealed datagram has more: 1,200 and these fit the least packet that IPv6 carries.
pub const OVERHEAD: usize = HEAD + TAG;

/// Before what is sealed: the mark, the sender, the number.
const HEAD: usize = 1 + 8 + 7;
const TAG: usize = 16;

/// Senders whose numbers are remembered; the one that was silent for longest gives way, and what it
/// said could be said again. Only who knows the secret takes a place. Our choice.
const SENDERS: usize = 4_096;

/// How far behind its sender's latest a datagram may come, in datagrams.
const WINDOW: u64 = 1_024;

/// Datagrams refused in a row before others have their turn. Our choice.
const REFUSED: u32 = 64;

/// Which numbers of a sender have come: the last [`WINDOW`] (after RFC 6479).
#[derive(Clone, Debug)]
struct Window {
    latest: u64,
    seen: [u64; (WINDOW / 64) as usize],
}

impl Window {
    const fn new() -> Self {
        Self { latest: 0, seen: [0; (WINDOW / 64) as usize] }
    }

    const fn place(number: u64) -> (usize, u64) {
        ((number % WINDOW / 64) as usize, 1 << (number % 64))
    }

    /// Whether `number`, which is above 0, is neither known nor too old.
    fn is_new(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        number > self.latest || (self.latest - number < WINDOW && self.seen[word] & bit == 0)
    }

    fn mark(&mut self, number: u64) {
        let between = number.saturating_sub(self.latest).min(WINDOW);
        for skipped in 1..=between {
            let (word, bit) = Self::place(self.latest.wrapping_add(skipped));
            self.seen[word] &= !bit;
        }
        if number > self.latest && between == WINDOW {
            self.seen = [0; (WINDOW / 64) as usize];
        }
        self.latest = self.latest.max(number);
        let (word, bit) = Self::place(number);
        self.seen[word] |= bit;
    }
}

/// A sender that proved to know the secret.
struct Sender {
    cipher: Aes256Gcm,
    window: Window,
    /// When it was last heard, in datagrams taken in here.
    heard: u64,
}

#[derive(Default)]
struct Senders {
    known: BTreeMap<(KeyId, u64), Sender>,
    taken: u64,
}

impl Senders {
    /// Makes room for one more.
    fn evict(&mut self) {
        if self.known.len() >= SENDERS
            && let Some((&oldest, _)) = self.known.iter().min_by_key(|(_, sender)| sender.heard)
        {
            self.known.remove(&oldest);
        }
    }
}

/// A transport whose datagrams are sealed. See the module.
pub(crate) struct Sealed {
    inner: Box<dyn Transport>,
    keys: Keyring,
    /// The header of a stack without a shape.
    label: Vec<u8>,
    me: SocketAddr,
    /// This sender's name.
    name: u64,
    /// The number of the last datagram sent.
    sent: AtomicU64,
    /// The cipher of the secret in use.
    cipher: Mutex<(KeyId, Aes256Gcm)>,
    senders: Mutex<Senders>,
    /// Sealed datagrams on their way out; kept for its memory.
    outgoing: Mutex<Vec<Datagram<SocketAddr>>>,
    counts: Mutex<Counts>,
}

impl Sealed {
    /// Around `inner`, for the node that peers know as `me`.
    pub(crate) fn new(
        inner: Box<dyn Transport>,
        keys: Keyring,
        cluster: ClusterId,
        me: SocketAddr,
    ) -> io::Result<Self> {
        let name = getrandom::u64().map_err(io::Error::other)?;
        let (id, cipher) = {
            let ring = keys.read();
            let (id, secret) = ring.current();
            (*id, cipher(secret, name))
        };
        let mut label = Vec::with_capacity(HEADER);
        Header { cluster, shape: 0 }.write(&mut label);
        Ok(Self {
            inner,
            keys,
            label,
            me,
            name,
            sent: AtomicU64::new(0),
            cipher: Mutex::new((id, cipher)),
            senders: Mutex::default(),
            outgoing: Mutex::default(),
            counts: Mutex::default(),
        })
    }

    /// Fills `sealed` with what is sent for these datagrams, each in the memory that is there.
    /// Returns whether they go sealed; if not, they go in the clear.
    fn seal(
        &self,
        datagrams: &[Datagram<SocketAddr>],
        sealed: &mut Vec<Datagram<SocketAddr>>,
    ) -> bool {
        let ring = self.keys.read();
        if ring.plaintext == Plaintext::Send {
            return false;
        }
        let (id, secret) = ring.current();
        let mut current = lock(&self.cipher);
        if current.0 != *id {
            *current = (*id, cipher(secret, self.name));
        }
        let fresh = || Datagram { to: self.me, bytes: Vec::new(), frames: 0 };
        sealed.resize_with(datagrams.len(), fresh);
        // It would take centuries to count to 2^56.
        let first = self.sent.fetch_add(datagrams.len() as u64, Ordering::Relaxed) + 1;
        for (number, (plain, sealed)) in (first..).zip(datagrams.iter().zip(sealed)) {
            (sealed.to, sealed.frames) = (plain.to, plain.frames);
            let bytes = &mut sealed.bytes;
            bytes.clear();
            bytes.reserve(plain.bytes.len() + OVERHEAD);
            bytes.extend_from_slice(&head(id.mark(), self.name, number));
            bytes.extend_from_slice(&plain.bytes);
            let bound = bound(&self.label, self.me, canonical(plain.to));
            let body = &mut bytes[HEAD..];
            let tag = current.1.encrypt_in_place_detached(&nonce(number), &bound, body);
            bytes.extend_from_slice(&tag.expect("datagrams are shorter than 64 GiB"));
        }
        true
    }

    /// Opens a datagram in place. Returns where the bytes are, or why it is refused.
    fn open(
        &self,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<std::ops::Range<usize>, &'static str> {
        let ring = self.keys.read();
        let Some((&mut mark, _)) = datagram.split_first_mut() else {
            return Err("datagram too short");
        };
        if mark & 0x80 == 0 {
            let accepted = ring.plaintext != Plaintext::Refuse;
            return if accepted { Ok(0..datagram.len()) } else { Err("datagram in the clear") };
        }
        let end = datagram.len().checked_sub(TAG).filter(|end| *end >= HEAD);
        let end = end.ok_or("datagram too short")?;
        let (head, rest) = datagram.split_at_mut(HEAD);
        let (body, tag) = rest.split_at_mut(end - HEAD);
        let (name, number) = read_head(head);
        let bound = bound(&self.label, canonical(from), self.me);
        let mut senders = lock(&self.senders);
        let mut cause = "datagram of another key";
        for (id, secret) in ring.marked(mark) {
            let known = senders.known.get(&(*id, name));
            if known.is_some_and(|sender| !sender.window.is_new(number)) {
                return Err("datagram repeated or late");
            }
            let fresh = known.is_none().then(|| cipher(secret, name));
            let Some(key) = fresh.as_ref().or(known.map(|sender| &sender.cipher)) else { continue };
            let tag = Tag::from_slice(tag);
            // A wrong tag leaves the bytes as they were.
            if key.decrypt_in_place_detached(&nonce(number), &bound, body, tag).is_ok() {
                senders.take((*id, name), number, fresh);
                return Ok(HEAD..end);
            }
            cause = "datagram forged, damaged, or for others";
        }
        Err(cause)
    }
}

impl Senders {
    /// Notes that a datagram was taken in; `fresh` is the cipher of a sender that is new.
    fn take(&mut self, sender: (KeyId, u64), number: u64, fresh: Option<Aes256Gcm>) {
        self.taken += 1;
        if let Some(cipher) = fresh {
            self.evict();
            self.known.insert(sender, Sender { cipher, window: Window::new(), heard: 0 });
        }
        if let Some(known) = self.known.get_mut(&sender) {
            known.window.mark(number);
            known.heard = self.taken;
        }
    }
}

fn head(mark: u8, name: u64, number: u64) -> [u8; HEAD] {
    let mut head = [mark; HEAD];
    head[1..9].copy_from_slice(&name.to_le_bytes());
    head[9..].copy_from_slice(&number.to_le_bytes()[..7]);
    head
}

fn read_head(head: &[u8]) -> (u64, u64) {
    let mut name = [0; 8];
    name.copy_from_slice(&head[1..9]);
    let mut number = [0; 8];
    number[..7].copy_from_slice(&head[9..HEAD]);
    (u64::from_le_bytes(name), u64::from_le_bytes(number))
}

/// The cipher of the sender called `name`.
fn cipher(secret: &Secret, name: u64) -> Aes256Gcm {
    let mut key = [0; 32];
    secret.derive(&[b"sender", &name.to_le_bytes()], &mut key);
    Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&key))
}

fn nonce(number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce.into()
}

/// What a datagram is bound to, besides its bytes: a header, which names the cluster and the
/// version, and two addresses.
pub(crate) fn bound(label: &[u8], from: SocketAddr, to: SocketAddr) -> [u8; HEADER + 36] {
    let mut bound = [0; HEADER + 36];
    bound[..HEADER].copy_from_slice(label);
    for (at, addr) in [(HEADER, from), (HEADER + 18, to)] {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        bound[at..at + 16].copy_from_slice(&ip.octets());
        bound[at + 16..at + 18].copy_from_slice(&addr.port().to_le_bytes());
    }
    bound
}

#[async_trait]
impl Transport for Sealed {
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let one = Datagram { to, bytes: bytes.to_vec(), frames: 0 };
        self.send_many(&[one]).await.map(drop)
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            let (len, from) = self.inner.recv(buffer).await?;
            let len = len.min(buffer.len());
            match self.open(from, &mut buffer[..len]) {
                Ok(part) => {
                    let len = part.len();
                    buffer.copy_within(part, 0);
                    return Ok((len, from));
                }
                Err(cause) => lock(&self.counts).add("transport", cause),
            }
        }
    }

    /// Datagrams that are not gone are sealed once more when they are handed over again, under
    /// numbers of their own.
    async fn send_many(&self, datagrams: &[Datagram<SocketAddr>]) -> io::Result<usize> {
        let mut sealed = std::mem::take(&mut *lock(&self.outgoing));
        if !self.seal(datagrams, &mut sealed) {
            return self.inner.send_many(datagrams).await;
        }
        let sent = self.inner.send_many(&sealed).await;
        *lock(&self.outgoing) = sealed;
        sent
    }

    async fn recv_many(&self, batch: &mut Batch) -> io::Result<()> {
        let mut refused = 0_u32;
        loop {
            self.inner.recv_many(batch).await?;
            let came = batch.len();
            batch.open(|from, bytes| {
                let opened = self.open(from, bytes);
                opened.map_err(|cause| lock(&self.counts).add("transport", cause)).ok()
            });
            if !batch.is_empty() {
                return Ok(());
            }
            refused += came as u32;
            if refused >= REFUSED {
                refused = 0;
                yield_now().await;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn mtu(&self) -> usize {
        self.inner.mtu().saturating_sub(OVERHEAD)
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }

    fn counts(&self) -> Counts {
        let mut counts = self.inner.counts();
        counts.merge(&lock(&self.counts));
        counts
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::memory::{Hub, Memory};

    fn addr(node: u8) -> SocketAddr {
        ([10, 0, 0, node], 7).into()
    }

    fn sealed(hub: &Hub, node: u8, keys: &Keyring, cluster: &str) -> Sealed {
        let inner = hub.bind(addr(node)).unwrap();
        let cluster = ClusterId::named(cluster);
        Sealed::new(Box::new(inner), keys.clone(), cluster, addr(node)).unwrap()
    }

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    /// What `node` sends to another for `bytes`.
    fn told(node: &Sealed, to: u8, bytes: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        let plain = Datagram { to: addr(to), bytes: bytes.to_vec(), frames: 1 };
        assert!(node.seal(&[plain], &mut sealed));
        sealed.remove(0).bytes
    }

    async fn received(node: &Sealed) -> Vec<u8> {
        let mut buffer = [0; 64];
        let (len, _) = node.recv(&mut buffer).await.unwrap();
        buffer[..len].to_vec()
    }

    /// What node 1 sends to node 2, as a wire between them sees it.
    async fn overheard(hub: &Hub, wire: &Memory, keys: &Keyring) -> Vec<u8> {
        let one = sealed(hub, 1, keys, "red");
        let bytes = told(&one, 2, b"attack at dawn");
        one.inner.send(wire.local_addr().unwrap(), &bytes).await.unwrap();
        let mut buffer = [0; 64];
        let (len, _) = wire.recv(&mut buffer).await.unwrap();
        buffer[..len].to_vec()
    }

    #[tokio::test]
    async fn the_wire_shows_nothing_and_the_peer_all() {
        let (hub, keys) = (Hub::new(), Keyring::new(secret(1)));
        let wire = hub.bind(addr(9)).unwrap();
        let bytes = overheard(&hub, &wire, &keys).await;
        assert_eq!(bytes.len(), 14 + OVERHEAD);
        assert!(!bytes.windows(6).any(|part| part == b"attack"));
        let (one, two) = (sealed(&hub, 1, &keys, "red"), sealed(&hub, 2, &keys, "red"));
        one.send(addr(2), b"attack at dawn").await.unwrap();
        assert_eq!(received(&two).await, b"attack at dawn");
    }

    /// Nothing is taken in but what was said: no bit of it changed, nothing cut off or added, not
    /// twice, not by another, not to another, not in another cluster, not by another secret.
    #[tokio::test]
    async fn what_was_not_said_here_is_refused_by_cause() {
        let (hub, keys) = (Hub::new(), Keyring::new(secret(1)));
        let wire = hub.bind(addr(9)).unwrap();
        let bytes = overheard(&hub, &wire, &keys).await;
        let two = sealed(&hub, 2, &keys, "red");
        let forged = "datagram forged, damaged, or for others";
        for bit in 8..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(two.open(addr(1), &mut changed), Err(forged), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let cause = if len < OVERHEAD { "datagram too short" } else { forged };
            assert_eq!(two.open(addr(1), &mut bytes[..len].to_vec()), Err(cause), "{len} bytes");
        }
        let open = |node: &Sealed, from| node.open(from, &mut bytes.clone());
        assert_eq!(open(&two, addr(3)), Err(forged), "from another address");
        assert_eq!(open(&sealed(&hub, 3, &keys, "red"), addr(1)), Err(forged), "for another");
        assert_eq!(open(&sealed(&hub, 4, &keys, "blue"), addr(1)), Err(forged), "cluster");
        let other = Keyring::new(secret(2));
        let another = "datagram of another key";
        assert_eq!(open(&sealed(&hub, 5, &other, "red"), addr(1)), Err(another));
        assert_eq!(two.open(addr(1), &mut b"guess".to_vec()), Err("datagram in the clear"));
        assert_eq!(open(&two, addr(1)), Ok(HEAD..bytes.len() - TAG));
        assert_eq!(open(&two, addr(1)), Err("datagram repeated or late"));
    }

    /// Forged datagrams take no place of senders, and do not move a sender's window.
    #[tokio::test]
    async fn forged_datagrams_leave_no_trace() {
        let (hub, keys) = (Hub::new(), Keyring::new(secret(1)));
        let two = sealed(&hub, 2, &keys, "red");
        let one = sealed(&hub, 1, &keys, "red");
        let first = told(&one, 2, b"1");
        for number in 0..10_000_u64 {
            let mut forged = first.clone();
            forged[1..9].copy_from_slice(&number.to_le_bytes());
            forged[9..16].copy_from_slice(&u64::MAX.to_le_bytes()[..7]);
            assert!(two.open(addr(1), &mut forged).is_err());
        }
        assert_eq!(lock(&two.senders).known.len(), 0);
        assert!(two.open(addr(1), &mut first.clone()).is_ok());
    }

    /// As many senders as fit are known; then the one that was silent for longest is forgotten.
    #[tokio::test]
    async fn senders_are_bounded() {
        let mut senders = Senders::default();
        let id = secret(1).id();
        for name in 0..SENDERS as u64 + 5 {
            senders.take((id, name), 1, Some(cipher(&secret(1), name)));
            senders.take((id, 0), name + 2, None);
        }
        assert_eq!(senders.known.len(), SENDERS);
        assert!(senders.known.contains_key(&(id, 0)) && !senders.known.contains_key(&(id, 1)));
    }

    proptest! {
        /// The window agrees with a set of all numbers that ever came.
        #[test]
        fn a_window_takes_each_number_once_and_none_that_is_too_old(
            steps in proptest::collection::vec((0_u64..3, 0_u64..1_500), 1..300),
        ) {
            let (mut window, mut all, mut latest) = (Window::new(), BTreeSet::new(), 0_u64);
            for (kind, step) in steps {
                let number = match kind {
                    0 => latest + 1,
                    1 => latest + step + 1,
                    _ => latest.saturating_sub(step).max(1),
                };
                let fresh = !all.contains(&number) && number + WINDOW > latest;
                prop_assert_eq!(window.is_new(number), fresh, "{} after {}", number, latest);
                if fresh {
                    window.mark(number);
                    all.insert(number);
                    latest = latest.max(number);
                }
            }
        }
    }
}
