//! How long a datagram to each peer may be: path MTU discovery by probes, for datagrams (RFC 8899).
//!
//! Not a protocol of a stack: the driver's own. A stack packs for the size that every way carries;
//! what leaves together for one peer is joined up to the size that has come through to it. A size
//! has come through when the answer to a probe of that size is here:
//!
//! ```text
//! magic (2)  version (1)  cluster (4)  zero (4)  kind (1)  nonce (8)   padding of a probe
//! ```
//!
//! - *Search* (section 5.2): a way that would have been used is probed with one size after the
//!   other, upwards. A size lost three times ends the search, which is taken up after a pause.
//! - *Confirmation* (section 4.3): while it is used, the size that came through is probed again now
//!   and then. After the first loss nothing longer than the base is sent, after the third one the
//!   way has become narrower: it begins anew after a pause.
//!
//! Only a peer that has answered a question of the driver's (`hello.rs`) is probed, so nobody is
//! sent much who has not shown that he wants it. An answer has no padding: it is shorter than what
//! it answers. Probes count against the caps of the node; one that is shed counts as lost.
//!
//! Why the stack's own budget stays: what a layer may put into a datagram changes what it does, so
//! a recording would have to hold each change of each way; and a layer that offers more because
//! there is more room costs bytes in each idle round. Joining costs nothing and is no one's to see.
//!
//! Deviations: ways that would not be used are not probed. There is one base, the node's own `mtu`,
//! and no search below it. What routers say of sizes (ICMP) is not looked at, so nobody can forge
//! it; an error of this host's own interface counts as three losses.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::packet::{ClusterId, Datagram, HEADER, Header, SEAL};
use gossip_core::{Counts, Time};

/// The longest packet that ways are searched for by default, headers of IP and UDP included:
/// Ethernet's.
pub const PATH_MTU: usize = 1_500;

/// The shortest and the longest packet that ways may be searched for: what IPv6 carries everywhere,
/// and what IP can say.
pub(crate) const BOUNDS: (usize, usize) = (1_280, 65_535);

/// Packets that are tried: tunnels, Ethernet, FDDI, jumbo frames, loopback (after RFC 1191,
/// section 7.1).
const SIZES: [usize; 5] = [1_400, 1_500, 4_352, 9_000, 65_535];

/// Ways that are known at most; of more, the one used longest ago is forgotten. Our choice.
const PATHS: usize = 1_024;

/// Losses in a row that say that a size does not come through (`MAX_PROBES`).
const LOSSES: u32 = 3;

/// How long a probe is waited for (`PROBE_TIMER`, whose least this is).
const PATIENCE: Duration = Duration::from_secs(1);

/// Until the search is taken up again (`PMTU_RAISE_TIMER`).
const PAUSE: Duration = Duration::from_secs(600);

/// Between confirmations (`CONFIRMATION_TIMER`, a choice of ours).
const CONFIRM: Duration = Duration::from_secs(10);

/// Bytes of the headers of IPv4 and UDP.
const OVER_IPV4: usize = 28;

const MAGIC: u8 = 0xb7;
const LEN: usize = HEADER + 1 + 8;

/// A probe, or the answer to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    answer: bool,
    nonce: u64,
}

/// A probe under way, of a packet of `size` bytes.
#[derive(Clone, Copy, Debug)]
struct Asked {
    nonce: u64,
    size: usize,
    at: Time,
}

/// What is known of the way to a peer. Sizes are those of packets.
#[derive(Clone, Debug, Default)]
struct Path {
    /// What has come through; 0 if nothing above the base has.
    proven: usize,
    /// Probes of the same size lost in a row.
    lost: u32,
    /// A probe of what had come through was lost.
    doubted: bool,
    asked: Option<Asked>,
    /// When it was probed last.
    asked_at: Time,
    search_at: Time,
    confirm_at: Time,
    /// When more than the base was wanted, or used, last.
    wanted_at: Time,
    /// More than what has come through is wanted.
    wanted: bool,
    /// More than the base was sent since it was confirmed last.
    used: bool,
}

impl Path {
    /// A probe was lost, or so many at once.
    fn lose(&mut self, asked: Asked, losses: u32, now: Time, counts: &mut Counts) {
        self.asked = None;
        self.lost += losses;
        self.doubted |= asked.size <= self.proven;
        if self.lost < LOSSES {
            return;
        }
        if self.doubted {
            counts.add("driver", "way to a peer narrower, or gone");
            self.proven = 0;
        }
        (self.lost, self.doubted, self.wanted) = (0, false, false);
        self.search_at = now + PAUSE;
    }

    /// A probe has come through.
    fn gain(&mut self, asked: Asked, now: Time) {
        *self = Self {
            proven: self.proven.max(asked.size),
            lost: 0,
            doubted: false,
            asked: None,
            confirm_at: now + CONFIRM,
            used: false,
            ..self.clone()
        };
    }

    /// The size to probe with, if it is time to.
    fn due(&self, now: Time, next: Option<usize>) -> Option<usize> {
        if self.asked.is_some() {
            return None;
        }
        if self.doubted || (self.used && self.confirm_at <= now) {
            return Some(self.proven);
        }
        next.filter(|_| self.wanted && self.search_at <= now)
    }
}

/// Joins, probes, answers, and keeps what came through.
#[derive(Debug)]
pub(crate) struct Paths {
    head: [u8; HEADER],
    /// Bytes of a datagram that every way is taken to carry.
    base: usize,
    /// Bytes that the transport carries, whole.
    carried: usize,
    /// Bytes that it adds.
    seal: usize,
    /// The longest packet that is searched for.
    most: usize,
    known: BTreeMap<SocketAddr, Path>,
}

impl Paths {
    /// For datagrams of up to `base` bytes, and packets of up to `most` where they come through;
    /// the transport carries datagrams of up to `carried` bytes, and makes each longer by `seal`.
    pub(crate) fn new(
        cluster: ClusterId,
        base: usize,
        most: usize,
        (carried, seal): (usize, usize),
    ) -> Self {
        let mut head = Vec::with_capacity(HEADER);
        Header { cluster, shape: 0 }.write(&mut head);
        head[1] = MAGIC;
        let head = head.first_chunk().copied().unwrap_or_default();
        Self { head, base: base.saturating_sub(SEAL), carried, seal, most, known: BTreeMap::new() }
    }

    /// The most bytes of a datagram that a peer may send here on these terms.
    pub(crate) const fn longest(&self) -> usize {
        self.most - OVER_IPV4
    }

    /// The longest packet that has come through to `peer`.
    pub(crate) fn proven(&self, peer: SocketAddr) -> usize {
        self.known.get(&peer).map_or(BOUNDS.0, |path| path.proven.max(BOUNDS.0))
    }

    /// What `bytes` are, if they are a probe or an answer of this cluster.
    pub(crate) fn read(&self, bytes: &[u8]) -> Option<Probe> {
        let (body, _) = bytes.strip_prefix(&self.head)?.split_first_chunk::<{ LEN - HEADER }>()?;
        let [kind @ 0..=1, nonce @ ..] = *body else { return None };
        Some(Probe { answer: kind == 1, nonce: u64::from_le_bytes(nonce) })
    }

    /// Joins what goes to the same peer, as far as the way to it is known to carry it. What could
    /// be joined if it carried more is a reason to probe.
    pub(crate) fn join(&mut self, now: Time, datagrams: &mut Vec<Datagram<SocketAddr>>) {
        if datagrams.len() < 2 {
            return;
        }
        // The last of each peer's, with room for more if any has.
        let mut open: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        let mut joined: Vec<Datagram<SocketAddr>> = Vec::with_capacity(datagrams.len());
        for datagram in datagrams.drain(..) {
            let Entry::Occupied(at) = open.entry(datagram.to) else {
                if datagram.frames > 0 {
                    open.insert(datagram.to, joined.len());
                }
                joined.push(datagram);
                continue;
            };
            let into = &mut joined[*at.get()];
            if self.fits(now, into, &datagram) {
                into.bytes.extend_from_slice(&datagram.bytes[HEADER..]);
                into.frames += datagram.frames;
            } else {
                if datagram.frames > 0 {
                    *at.into_mut() = joined.len();
                }
                joined.push(datagram);
            }
        }
        *datagrams = joined;
    }

    /// Whether `more` can be joined to `into`.
    fn fits(
        &mut self,
        now: Time,
        into: &Datagram<SocketAddr>,
        more: &Datagram<SocketAddr>,
    ) -> bool {
        let same = into.bytes.first_chunk::<HEADER>() == more.bytes.first_chunk();
        if !same || more.frames == 0 {
            return false;
        }
        let (to, len) = (into.to, into.bytes.len() + more.bytes.len() - HEADER);
        if len <= self.base {
            return true;
        }
        if self.next(to, 0).is_none() {
            return false;
        }
        let proven = self.known.get(&to).map_or(0, |path| path.proven);
        let more = self.next(to, proven).is_some();
        let fits = len <= self.payload(proven, to);
        let path = self.note(now, to);
        path.wanted |= more;
        let fits = fits && !path.doubted;
        path.used |= fits;
        fits
    }

    /// What is known of the way to `peer`, which is wanted or used now.
    fn note(&mut self, now: Time, peer: SocketAddr) -> &mut Path {
        if self.known.len() >= PATHS
            && !self.known.contains_key(&peer)
            && let Some((&oldest, _)) = self.known.iter().min_by_key(|(_, path)| path.wanted_at)
        {
            self.known.remove(&oldest);
        }
        let path = self.known.entry(peer).or_default();
        path.wanted_at = now;
        path
    }

    /// The next size above `proven` to try towards `peer`.
    fn next(&self, peer: SocketAddr, proven: usize) -> Option<usize> {
        let worth = |size: &usize| {
            let bytes = self.payload(*size, peer);
            let more = *size > proven.max(BOUNDS.0) && bytes > self.base;
            more && *size <= self.most && bytes <= self.carried
        };
        SIZES.into_iter().chain([self.most]).filter(worth).min()
    }

    /// A probe for this round, of the way that was probed longest ago; `answers` says who has shown
    /// that it can be asked.
    pub(crate) fn round(
        &mut self,
        now: Time,
        nonce: u64,
        answers: impl Fn(SocketAddr) -> bool,
        counts: &mut Counts,
    ) -> Option<Datagram<SocketAddr>> {
        for path in self.known.values_mut() {
            if let Some(asked) = path.asked.filter(|asked| now.since(asked.at) >= PATIENCE) {
                path.lose(asked, 1, now, counts);
            }
        }
        let due = |(&peer, path): (&SocketAddr, &Path)| {
            let size = path.due(now, self.next(peer, path.proven))?;
            let may = size <= path.proven || answers(peer);
            may.then_some((path.asked_at, peer, size))
        };
        let (_, peer, size) = self.known.iter().filter_map(due).min()?;
        let path = self.known.get_mut(&peer)?;
        path.asked = Some(Asked { nonce, size, at: now });
        path.asked_at = now;
        Some(self.say(peer, Probe { answer: false, nonce }, self.payload(size, peer)))
    }

    /// Takes in what `from` says; returns what it is answered.
    ///
    /// # Errors
    ///
    /// The cause by which it is counted, if it answers nothing that it was asked.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        from: SocketAddr,
        probe: Probe,
    ) -> Result<Option<Datagram<SocketAddr>>, &'static str> {
        if !probe.answer {
            return Ok(Some(self.say(from, Probe { answer: true, ..probe }, LEN)));
        }
        let path = self.known.get_mut(&from);
        let asked = path.and_then(|path| Some((path.asked?, path)));
        let asked = asked.filter(|(asked, _)| asked.nonce == probe.nonce);
        let (asked, path) = asked.ok_or("answer to no probe, or a late one")?;
        path.gain(asked, now);
        Ok(None)
    }

    /// A datagram of `len` bytes to `peer` was too long for this host's own interface.
    pub(crate) fn too_long(
        &mut self,
        now: Time,
        peer: SocketAddr,
        len: usize,
        counts: &mut Counts,
    ) {
        let Some(path) = self.known.get(&peer) else { return };
        let asked = path.asked.filter(|asked| self.payload(asked.size, peer) == len);
        let longer = len > self.base && path.proven > 0;
        let joined = longer.then_some(Asked { nonce: 0, size: path.proven, at: now });
        if let (Some(asked), Some(path)) = (asked.or(joined), self.known.get_mut(&peer)) {
            path.lose(asked, LOSSES, now, counts);
        }
    }

    /// Bytes of a datagram in a packet of `size` bytes to `peer`.
    const fn payload(&self, size: usize, peer: SocketAddr) -> usize {
        let headers = if peer.is_ipv4() { OVER_IPV4 } else { OVER_IPV4 + 20 };
        size.saturating_sub(headers + self.seal)
    }

    fn say(&self, to: SocketAddr, probe: Probe, len: usize) -> Datagram<SocketAddr> {
        let kind = [u8::from(probe.answer)];
        let mut bytes = [&self.head[..], &kind, &probe.nonce.to_le_bytes()].concat();
        bytes.resize(len.max(LEN), 0);
        Datagram { to, bytes, frames: 0 }
    }
}

#[cfg(test)]
mod tests;
