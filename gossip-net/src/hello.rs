//! What nodes tell each other about themselves, and how long that takes.
//!
//! Not a protocol of a stack: the driver's own. Every few rounds a node asks one of the peers that
//! it has sent to lately, who answers at once; in every round while there are strangers among them,
//! if it has something to offer itself, such as a lane, or knows only a few yet:
//!
//! ```text
//! magic (2)  version (1)  cluster (4)  zero (4)  kind (1)  lowest (1)  highest (1)
//! capabilities (4)  port of the lane (2)  nonce (8)   ... what later versions add
//! ```
//!
//! From the answers a node knows which versions of the datagram's header a peer reads, what it can
//! do, where its lane is, and the time of a round trip. An answer is as long as its question, so
//! nothing is amplified. A node that knows nothing of this counts it as `not a gossip datagram`.
//!
//! A node with a list of those who may take part believes nobody who has not proved, in an answer,
//! to be one of them (`proof.rs`). It asks whoever sends to it, or is to be sent to; until the
//! answer is here, nothing is taken in and nothing is sent but such questions and answers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use gossip_core::Time;
use gossip_core::packet::{ClusterId, Datagram, HEADER, Header};

use crate::node_key::PublicKey;
use crate::proof::{ASKS, PROVES, Proof, Prover, Tail};

/// The versions of the datagram's header that this release reads, and writes the highest of.
pub const VERSIONS: RangeInclusive<u8> = 1..=1;

/// Peers that are known at most; of more, the one heard longest ago is forgotten. Our choice: as
/// many as senders of sealed datagrams.
pub const KNOWN: usize = 4_096;

/// The same at a node that has nothing to offer: the round trips of so many are enough for the
/// guard over the period. Our choice.
const FEW: usize = 64;

/// And so many are enough to begin with. Our choice.
const ENOUGH: usize = 4;

/// Peers sent to lately that are kept to be asked.
const LATELY: usize = 16;

/// Questions under way; older ones are not waited for.
const ASKED: usize = 2 * QUESTIONS;

/// Questions in a tick at most, those that are due for want of a proof: so who sends in others'
/// names cannot have more than a few kilobytes a second sent to them. Our choice.
const QUESTIONS: usize = 64;

/// Rounds between questions to peers that are known already. Our choice: at a round a second, some
/// eight bytes a second with their answers.
const EVERY: u64 = 8;

/// Answers after which a peer's round trip counts: one alone may have been unlucky.
const SAMPLES: u32 = 3;

const MAGIC: u8 = 0xb6;
const BODY: usize = 1 + 2 + 4 + 2 + 8;
const LEN: usize = HEADER + BODY;

/// The node has a lane for what does not fit a datagram.
pub const LANE: u32 = 1;

/// The node has a lane over TCP instead.
pub const LANE_TCP: u32 = 2;

/// What a node says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) versions: (u8, u8),
    pub(crate) capabilities: u32,
    /// Where its lane listens, at its address; 0 if it has none.
    pub(crate) lane: u16,
}

/// A question or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) answer: bool,
    pub(crate) card: Card,
    pub(crate) nonce: u64,
    /// In a question, that a proof is asked for; in an answer, the proof.
    pub(crate) tail: Option<Tail>,
}

impl Hello {
    pub(crate) fn encode(&self, cluster: ClusterId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN + size_of::<Tail>());
        Header { cluster, shape: 0 }.write(&mut bytes);
        bytes[1] = MAGIC;
        bytes.extend_from_slice(&self.body());
        bytes.extend_from_slice(self.tail.as_ref().map_or(&[], |tail| tail));
        bytes
    }

    /// What is said, without the header and what proves it.
    pub(crate) fn body(&self) -> [u8; BODY] {
        let Self { answer, card, nonce, .. } = *self;
        let mut body = [0; BODY];
        body[..3].copy_from_slice(&[u8::from(answer), card.versions.0, card.versions.1]);
        body[3..7].copy_from_slice(&card.capabilities.to_le_bytes());
        body[7..9].copy_from_slice(&card.lane.to_le_bytes());
        body[9..].copy_from_slice(&nonce.to_le_bytes());
        body
    }

    /// What `bytes` say, if they are a question or an answer of this cluster. Whatever follows is
    /// of a later version, and ignored.
    pub(crate) fn decode(bytes: &[u8], cluster: ClusterId) -> Option<Self> {
        let mut header = *bytes.first_chunk::<HEADER>()?;
        let [_, MAGIC, ..] = header else { return None };
        header[1] = header_magic();
        Header::read(&header, cluster).ok()?;
        let (body, rest) = bytes[HEADER..].split_first_chunk::<BODY>()?;
        let [kind, lowest, highest, c0, c1, c2, c3, l0, l1, nonce @ ..] = *body;
        let capabilities = u32::from_le_bytes([c0, c1, c2, c3]);
        // Those of other nodes are followed by what later versions add.
        let has_tail = capabilities & if kind == 1 { PROVES } else { ASKS } != 0;
        Some(Self {
            answer: kind == 1,
            card: Card {
                versions: (lowest, highest),
                capabilities,
                lane: u16::from_le_bytes([l0, l1]),
            },
            nonce: u64::from_le_bytes(nonce),
            tail: rest.first_chunk().copied().filter(|_| has_tail),
        })
        .filter(|_| kind <= 1)
    }
}

/// Whether these bytes, which this node made, are of a question or an answer.
pub(crate) fn is_hello(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&MAGIC)
}

/// The second byte of every other datagram.
fn header_magic() -> u8 {
    let mut bytes = Vec::with_capacity(HEADER);
    Header { cluster: ClusterId::default(), shape: 0 }.write(&mut bytes);
    bytes[1]
}

/// What is known of a peer. See [`Handle::peer`](crate::Handle::peer).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The versions of the datagram's header that it reads.
    pub versions: RangeInclusive<u8>,
    /// What it can do: [`LANE`] and other bits of this library in the lower half, those of its
    /// owner in the upper one. Bits that nobody here knows are kept.
    pub capabilities: u32,
    /// Where its lane is, if it has one.
    pub lane: Option<SocketAddr>,
    /// The time of a round trip, smoothed as by RFC 6298; `None` before the first answer.
    pub rtt: Option<Duration>,
    /// Who it has proved to be; `None` if this node asks for no proofs.
    pub key: Option<PublicKey>,
}

impl PeerInfo {
    /// The highest version that both sides read, if there is one.
    pub fn common_version(&self) -> Option<u8> {
        let highest = *self.versions.end().min(VERSIONS.end());
        (highest >= *self.versions.start().max(VERSIONS.start())).then_some(highest)
    }
}

/// Round trips, of the peers asked lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTrips {
    /// The middle one; zero if none was measured.
    pub median: Duration,
    /// The longest.
    pub max: Duration,
    /// Peers measured.
    pub peers: usize,
    /// Peers whose round trip is more than half the period of rounds: exchanges with them may not
    /// end in the round in which they began.
    pub slow: usize,
}

#[derive(Clone, Debug)]
struct Known {
    card: Card,
    heard: Time,
    asked: u64,
    rtt: Duration,
    samples: u32,
    proof: Option<Proof>,
}

/// What comes of a question or an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What is said to it: an answer, a question.
    pub(crate) says: Vec<Datagram<SocketAddr>>,
    pub(crate) verdict: Option<Verdict>,
    /// Why it is not believed.
    pub(crate) refused: Option<&'static str>,
    /// Whether the peer has proved who it is, and had not before.
    pub(crate) proven: bool,
}

/// What the guard over the period has to say: said once, until it is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The period is no longer well above this round trip.
    Near(Duration),
    /// It is again.
    Well,
}

/// Asks, answers, and keeps what it was told.
#[derive(Debug)]
pub(crate) struct Greeter {
    cluster: ClusterId,
    card: Card,
    tick: Duration,
    known: BTreeMap<SocketAddr, Known>,
    lately: VecDeque<SocketAddr>,
    asked: VecDeque<(u64, SocketAddr, Time)>,
    rounds: u64,
    near: bool,
    prover: Prover,
}

impl Greeter {
    pub(crate) const fn new(
        cluster: ClusterId,
        card: Card,
        tick: Duration,
        prover: Prover,
    ) -> Self {
        let capabilities = card.capabilities | prover.capabilities();
        Self {
            cluster,
            card: Card { capabilities, ..card },
            tick,
            prover,
            known: BTreeMap::new(),
            lately: VecDeque::new(),
            asked: VecDeque::new(),
            rounds: 0,
            near: false,
        }
    }

    /// Something was sent to `peer`.
    pub(crate) fn sent(&mut self, peer: SocketAddr) {
        if self.lately.back() == Some(&peer) || self.lately.contains(&peer) {
            return;
        }
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(peer);
    }

    /// Whether strangers are asked at once: who has something to offer wants to know who has the
    /// same, the others only some peers for the time of a round trip. SWIM meets a stranger in each
    /// round of a node's first n, and to ask is as much traffic as its probe.
    fn is_curious(&self) -> bool {
        self.card.capabilities != 0 || self.known.len() < ENOUGH
    }

    /// Whom to ask in this round, if anybody: a stranger at once, others now and then, the one that
    /// was asked longest ago first.
    pub(crate) fn round(&mut self, now: Time, nonce: u64) -> Option<Datagram<SocketAddr>> {
        self.rounds += 1;
        self.prover.round();
        let waits = |peer: &SocketAddr| self.asked.iter().any(|asked| asked.1 == *peer);
        let free = self.lately.iter().copied().filter(|peer| !waits(peer));
        let asked = |peer: &SocketAddr| self.known.get(peer).map_or(0, |known| known.asked);
        // If all are waited for, the one sent to longest ago is asked once more.
        let peer = free.min_by_key(asked).or_else(|| self.lately.pop_front())?;
        let urgent = !self.known.contains_key(&peer) && self.is_curious();
        if !urgent && !self.rounds.is_multiple_of(EVERY) {
            return None;
        }
        Some(self.ask(now, peer, nonce))
    }

    /// Whether peers must prove who they are.
    pub(crate) const fn asks(&self) -> bool {
        self.prover.asks()
    }

    /// Whether `peer` may be heard and spoken to, or why not; and what it is asked.
    pub(crate) fn admit(
        &mut self,
        now: Time,
        peer: SocketAddr,
        nonce: impl FnOnce() -> Option<u64>,
    ) -> (Result<(), &'static str>, Option<Datagram<SocketAddr>>) {
        let proof = self.known.get(&peer).and_then(|known| known.proof);
        let (admitted, ask) = self.prover.judge(now, proof);
        let question = if ask { self.doubt(now, peer, nonce) } else { None };
        (admitted, question)
    }

    /// Asks `peer` for a proof, unless it or too many were asked less than a tick ago.
    fn doubt(
        &mut self,
        now: Time,
        peer: SocketAddr,
        nonce: impl FnOnce() -> Option<u64>,
    ) -> Option<Datagram<SocketAddr>> {
        let lately = || self.asked.iter().filter(|asked| now.since(asked.2) < self.tick);
        if lately().count() >= QUESTIONS || lately().any(|asked| asked.1 == peer) {
            return None;
        }
        nonce().map(|nonce| self.ask(now, peer, nonce))
    }

    fn ask(&mut self, now: Time, peer: SocketAddr, nonce: u64) -> Datagram<SocketAddr> {
        if self.asked.len() == ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((nonce, peer, now));
        if let Some(known) = self.known.get_mut(&peer) {
            known.asked = self.rounds;
        }
        let tail = self.asks().then_some([0; size_of::<Tail>()]);
        self.say(peer, &Hello { answer: false, card: self.card, nonce, tail })
    }

    /// Takes in what `from` says.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        from: SocketAddr,
        hello: &Hello,
        nonce: impl FnOnce() -> Option<u64>,
    ) -> Heard {
        if hello.answer {
            return self.on_answer(now, from, hello);
        }
        let mut answer = Hello { answer: true, card: self.card, nonce: hello.nonce, tail: None };
        if hello.tail.is_some() {
            answer.tail = match self.prover.prove(from, &answer) {
                Ok(tail) => tail,
                Err(refused) => return Heard { refused: Some(refused), ..Heard::default() },
            };
        }
        // Who asks will send: better to know it by then.
        let (_, question) = self.admit(now, from, nonce);
        let says = [self.say(from, &answer)].into_iter().chain(question).collect();
        Heard { says, ..Heard::default() }
    }

    fn on_answer(&mut self, now: Time, from: SocketAddr, hello: &Hello) -> Heard {
        // An answer that nobody asked for says nothing.
        let asked = self.asked.iter().position(|asked| (asked.0, asked.1) == (hello.nonce, from));
        let Some((_, _, then)) = asked.and_then(|at| self.asked.remove(at)) else {
            let refused = self.asks().then_some("answer that nobody asked for");
            return Heard { refused, ..Heard::default() };
        };
        let before = self.known.get(&from).and_then(|known| known.proof);
        let proof = if self.asks() {
            match self.prover.check(from, hello) {
                Ok(key) => Some(Proof { key, at: now }),
                Err(cause) => {
                    // Whoever was at this address is there no more, or may not be.
                    if let Some(known) = self.known.get_mut(&from) {
                        known.proof = None;
                    }
                    return Heard { refused: Some(cause), ..Heard::default() };
                }
            }
        } else {
            None
        };
        self.make_room(from);
        let rtt = now.since(then);
        let card = hello.card;
        let fresh = || Known { card, heard: now, asked: 0, rtt, samples: 0, proof };
        let rounds = self.rounds;
        let known = self.known.entry(from).or_insert_with(fresh);
        (known.card, known.heard, known.asked, known.proof) = (card, now, rounds, proof);
        known.rtt = (known.rtt * 7 + rtt) / 8;
        known.samples = known.samples.saturating_add(1);
        let proven = proof.is_some() && before.is_none();
        Heard { verdict: self.judge(), proven, ..Heard::default() }
    }

    /// Whether a refusal for this cause is to be told of now.
    pub(crate) fn tells(&mut self, now: Time, cause: &'static str) -> bool {
        self.prover.tells(now, cause)
    }

    /// What is known of `peer`.
    pub(crate) fn peer(&self, peer: SocketAddr) -> Option<PeerInfo> {
        let Known { card, rtt, proof, .. } = self.known.get(&peer)?;
        Some(PeerInfo {
            versions: card.versions.0..=card.versions.1,
            capabilities: card.capabilities,
            lane: self.lane(peer),
            rtt: Some(*rtt),
            key: proof.map(|proof| proof.key),
        })
    }

    /// Where the lane of `peer` is.
    pub(crate) fn lane(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let card = self.known.get(&peer)?.card;
        let has = card.capabilities & (LANE | LANE_TCP) != 0 && card.lane != 0;
        has.then(|| SocketAddr::new(peer.ip(), card.lane))
    }

    pub(crate) fn round_trips(&self) -> RoundTrips {
        let measured = self.known.values().filter(|known| known.samples >= SAMPLES);
        let mut all: Vec<_> = measured.map(|known| known.rtt).collect();
        all.sort_unstable();
        RoundTrips {
            median: all.get(all.len() / 2).copied().unwrap_or_default(),
            max: all.last().copied().unwrap_or_default(),
            peers: all.len(),
            slow: all.iter().filter(|rtt| **rtt * 2 > self.tick).count(),
        }
    }

    /// The essay's condition 5: the period must be well above the time that messages take. Half of
    /// it is where we warn, a third where all is well again. Our choice.
    fn judge(&mut self) -> Option<Verdict> {
        let RoundTrips { max, slow, .. } = self.round_trips();
        let near = slow > 0 || (self.near && max * 3 > self.tick);
        let was = std::mem::replace(&mut self.near, near);
        match (was, near) {
            (false, true) => Some(Verdict::Near(max)),
            (true, false) => Some(Verdict::Well),
            _ => None,
        }
    }

    fn say(&self, to: SocketAddr, hello: &Hello) -> Datagram<SocketAddr> {
        Datagram { to, bytes: hello.encode(self.cluster), frames: 0 }
    }

    fn make_room(&mut self, newcomer: SocketAddr) {
        let most = if self.card.capabilities == 0 { FEW } else { KNOWN };
        if self.known.len() >= most
            && !self.known.contains_key(&newcomer)
            && let Some((&oldest, _)) = self.known.iter().min_by_key(|(_, known)| known.heard)
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
