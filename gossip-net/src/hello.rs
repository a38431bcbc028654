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

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use gossip_core::Time;
use gossip_core::packet::{ClusterId, Datagram, HEADER, Header};

/// The versions of the datagram's header that this release reads, and writes the highest of.
pub const VERSIONS: RangeInclusive<u8> = 1..=1;

/// Peers that are known at most; of more, the one heard longest ago is forgotten. Our choice.
pub const KNOWN: usize = 1_024;

/// The same at a node that has nothing to offer: the round trips of so many are enough for the
/// guard over the period. Our choice.
const FEW: usize = 64;

/// And so many are enough to begin with. Our choice.
const ENOUGH: usize = 4;

/// Peers sent to lately that are kept to be asked.
const LATELY: usize = 16;

/// Questions under way; older ones are not waited for.
const ASKED: usize = 32;

/// Rounds between questions to peers that are known already. Our choice: at a round a second, some
/// eight bytes a second with their answers.
const EVERY: u64 = 8;

/// Answers after which a peer's round trip counts: one alone may have been unlucky.
const SAMPLES: u32 = 3;

const MAGIC: u8 = 0xb6;
const LEN: usize = HEADER + 1 + 2 + 4 + 2 + 8;

/// The node has a lane for what does not fit a datagram.
pub const LANE: u32 = 1;

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
}

impl Hello {
    pub(crate) fn encode(&self, cluster: ClusterId) -> Vec<u8> {
        let Self { answer, card, nonce } = *self;
        let mut bytes = Vec::with_capacity(LEN);
        Header { cluster, shape: 0 }.write(&mut bytes);
        bytes[1] = MAGIC;
        bytes.extend_from_slice(&[u8::from(answer), card.versions.0, card.versions.1]);
        bytes.extend_from_slice(&card.capabilities.to_le_bytes());
        bytes.extend_from_slice(&card.lane.to_le_bytes());
        bytes.extend_from_slice(&nonce.to_le_bytes());
        bytes
    }

    /// What `bytes` say, if they are a question or an answer of this cluster. Whatever follows is
    /// of a later version, and ignored.
    pub(crate) fn decode(bytes: &[u8], cluster: ClusterId) -> Option<Self> {
        let mut header = *bytes.first_chunk::<HEADER>()?;
        let [_, MAGIC, ..] = header else { return None };
        header[1] = header_magic();
        Header::read(&header, cluster).ok()?;
        let body: [u8; LEN - HEADER] = *bytes[HEADER..].first_chunk()?;
        let [kind, lowest, highest, c0, c1, c2, c3, l0, l1, nonce @ ..] = body;
        Some(Self {
            answer: kind == 1,
            card: Card {
                versions: (lowest, highest),
                capabilities: u32::from_le_bytes([c0, c1, c2, c3]),
                lane: u16::from_le_bytes([l0, l1]),
            },
            nonce: u64::from_le_bytes(nonce),
        })
        .filter(|_| kind <= 1)
    }
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
}

impl Greeter {
    pub(crate) const fn new(cluster: ClusterId, card: Card, tick: Duration) -> Self {
        Self {
            cluster,
            card,
            tick,
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
        let waits = |peer: &SocketAddr| self.asked.iter().any(|asked| asked.1 == *peer);
        let free = self.lately.iter().copied().filter(|peer| !waits(peer));
        let asked = |peer: &SocketAddr| self.known.get(peer).map_or(0, |known| known.asked);
        // If all are waited for, the one sent to longest ago is asked once more.
        let peer = free.min_by_key(asked).or_else(|| self.lately.pop_front())?;
        let urgent = !self.known.contains_key(&peer) && self.is_curious();
        if !urgent && !self.rounds.is_multiple_of(EVERY) {
            return None;
        }
        if self.asked.len() == ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((nonce, peer, now));
        if let Some(known) = self.known.get_mut(&peer) {
            known.asked = self.rounds;
        }
        Some(self.say(peer, false, nonce))
    }

    /// Takes in what `from` says; returns what it is answered, and what the guard has to say.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        from: SocketAddr,
        hello: &Hello,
    ) -> (Option<Datagram<SocketAddr>>, Option<Verdict>) {
        if !hello.answer {
            return (Some(self.say(from, true, hello.nonce)), None);
        }
        // An answer that nobody asked for says nothing.
        let asked = self.asked.iter().position(|asked| (asked.0, asked.1) == (hello.nonce, from));
        let Some((_, _, then)) = asked.and_then(|at| self.asked.remove(at)) else {
            return (None, None);
        };
        self.make_room(from);
        let fresh =
            || Known { card: hello.card, heard: now, asked: 0, rtt: now.since(then), samples: 0 };
        let rounds = self.rounds;
        let known = self.known.entry(from).or_insert_with(fresh);
        (known.card, known.heard, known.asked) = (hello.card, now, rounds);
        known.rtt = (known.rtt * 7 + now.since(then)) / 8;
        known.samples = known.samples.saturating_add(1);
        (None, self.judge())
    }

    /// What is known of `peer`.
    pub(crate) fn peer(&self, peer: SocketAddr) -> Option<PeerInfo> {
        let Known { card, rtt, .. } = self.known.get(&peer)?;
        Some(PeerInfo {
            versions: card.versions.0..=card.versions.1,
            capabilities: card.capabilities,
            lane: self.lane(peer),
            rtt: Some(*rtt),
        })
    }

    /// Where the lane of `peer` is.
    pub(crate) fn lane(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let card = self.known.get(&peer)?.card;
        let has = card.capabilities & LANE != 0 && card.lane != 0;
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

    fn say(&self, to: SocketAddr, answer: bool, nonce: u64) -> Datagram<SocketAddr> {
        let hello = Hello { answer, card: self.card, nonce };
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
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_secs(1);
    const CARD: Card = Card { versions: (1, 1), capabilities: LANE | 1 << 20, lane: 7_172 };

    fn cluster() -> ClusterId {
        ClusterId::named("red")
    }

    fn peer(number: usize) -> SocketAddr {
        ([10, 0, (number >> 8) as u8, number as u8], 7).into()
    }

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    fn greeter() -> Greeter {
        Greeter::new(cluster(), CARD, TICK)
    }

    /// Runs rounds in which a node sends to `peers`, whose answers take `rtt`; returns what the
    /// guard said.
    fn rounds(node: &mut Greeter, from: u64, count: u64, peers: &[(usize, u64)]) -> Vec<Verdict> {
        let mut said = Vec::new();
        for round in from..from + count {
            for (number, _) in peers {
                node.sent(peer(*number));
            }
            let now = at(round * 1_000);
            let Some(asked) = node.round(now, round + 1) else { continue };
            let rtt = peers.iter().find(|(number, _)| peer(*number) == asked.to).unwrap().1;
            let mut other = greeter();
            let question = Hello::decode(&asked.bytes, cluster()).unwrap();
            let (answer, _) = other.heard(now, peer(0), &question);
            let answer = answer.unwrap();
            assert_eq!(answer.bytes.len(), asked.bytes.len(), "nothing is amplified");
            let answer = Hello::decode(&answer.bytes, cluster()).unwrap();
            said.extend(node.heard(now + Duration::from_millis(rtt), asked.to, &answer).1);
        }
        said
    }

    #[test]
    fn peers_are_known_by_what_they_say_and_how_long_they_take() {
        let mut node = greeter();
        assert_eq!(rounds(&mut node, 0, 60, &[(1, 20), (2, 40)]), []);
        let known = node.peer(peer(1)).unwrap();
        assert_eq!((known.common_version(), known.capabilities), (Some(1), CARD.capabilities));
        assert_eq!(known.lane, Some(([10, 0, 0, 1], 7_172).into()));
        assert_eq!(known.rtt, Some(Duration::from_millis(20)));
        let trips = node.round_trips();
        assert_eq!((trips.peers, trips.slow), (2, 0));
        assert_eq!(trips.max, Duration::from_millis(40));
        assert_eq!(node.peer(peer(3)), None);
    }

    /// The essay's condition 5. A peer whose answers take 700 ms of a period of a second is warned
    /// of once; when they take 10 ms again, that is said once, too.
    #[test]
    fn a_period_near_the_round_trip_is_warned_of_once() {
        let mut node = greeter();
        assert_eq!(rounds(&mut node, 0, 100, &[(1, 10), (2, 10)]), []);
        let said = rounds(&mut node, 100, 400, &[(1, 10), (2, 700)]);
        assert!(matches!(said[..], [Verdict::Near(rtt)] if rtt * 2 > TICK), "{said:?}");
        assert_eq!(node.round_trips().slow, 1);
        assert_eq!(rounds(&mut node, 500, 400, &[(1, 10), (2, 10)]), [Verdict::Well]);
    }

    /// Round trips above the period are measured, too: answers are told apart by their nonces.
    #[test]
    fn a_round_trip_of_several_periods_is_measured() {
        let mut node = greeter();
        let mut under_way = VecDeque::new();
        for round in 0..200 {
            node.sent(peer(1));
            under_way.extend(node.round(at(round * 1_000), round + 1).map(|asked| (round, asked)));
            if under_way.front().is_some_and(|(then, _)| then + 3 == round)
                && let Some((_, asked)) = under_way.pop_front()
            {
                let question = Hello::decode(&asked.bytes, cluster()).unwrap();
                node.heard(at(round * 1_000), peer(1), &Hello { answer: true, ..question });
            }
        }
        assert_eq!(node.round_trips().max, Duration::from_secs(3));
    }

    #[test]
    fn answers_that_nobody_asked_for_say_nothing() {
        let mut node = greeter();
        let forged = Hello { answer: true, card: CARD, nonce: 7 };
        assert_eq!(node.heard(at(1), peer(1), &forged), (None, None));
        node.sent(peer(1));
        let asked = node.round(at(1), 9).unwrap();
        let answer = Hello { answer: true, ..Hello::decode(&asked.bytes, cluster()).unwrap() };
        node.heard(at(2), peer(2), &answer);
        assert!(node.known.is_empty(), "not from another than the one asked");
        node.heard(at(2), peer(1), &answer);
        node.heard(at(900), peer(1), &answer);
        assert_eq!(node.peer(peer(1)).unwrap().rtt, Some(Duration::from_millis(1)), "and once");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut node = greeter();
        for round in 0..3_000_u64 {
            let to = peer(round as usize);
            node.sent(to);
            node.lately.retain(|peer| *peer == to);
            let asked = node.round(at(round), round).unwrap();
            let question = Hello::decode(&asked.bytes, cluster()).unwrap();
            node.heard(at(round), to, &Hello { answer: true, ..question });
        }
        assert_eq!(node.known.len(), KNOWN);
        assert!(node.peer(peer(2_999)).is_some() && node.peer(peer(0)).is_none());
        assert!(node.asked.len() <= ASKED);
    }

    /// Who has nothing to offer asks 4 strangers at once and then one in 8 rounds, and knows 64;
    /// who has a lane asks one in every round. 512 rounds, a new peer in each.
    #[test]
    fn who_has_nothing_to_offer_is_not_curious() {
        let asked = |card: Card| {
            let (mut node, mut questions) = (Greeter::new(cluster(), card, TICK), 0);
            for round in 0..512 {
                let to = peer(round as usize);
                node.sent(to);
                let Some(question) = node.round(at(round * 1_000), round) else { continue };
                questions += 1;
                let answer = Hello { answer: true, card, nonce: round };
                node.heard(at(round * 1_000 + 1), question.to, &answer);
            }
            (questions, node.known.len())
        };
        assert_eq!(asked(CARD), (512, 512));
        assert_eq!(asked(Card { capabilities: 0, ..CARD }), (4 + 64, FEW));
    }

    /// Golden: the bytes of this version, and what a later one may add; then what is not of it.
    #[test]
    fn the_bytes_stay_what_they_are() {
        let hello = Hello { answer: true, card: CARD, nonce: 0x0102_0304_0506_0708 };
        let bytes = hello.encode(cluster());
        let mut golden = vec![0x67, 0xb6, 1];
        let mut header = Vec::new();
        Header { cluster: cluster(), shape: 0 }.write(&mut header);
        golden.extend_from_slice(&header[3..]);
        golden.extend_from_slice(&[1, 1, 1, 1, 0, 0x10, 0, 0x04, 0x1c, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes, golden);
        let longer = [&bytes[..], b"what a later version adds"].concat();
        assert_eq!(Hello::decode(&longer, cluster()), Some(hello));
        for len in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..len], cluster()), None, "{len} bytes");
        }
        assert_eq!(Hello::decode(&bytes, ClusterId::named("blue")), None);
        let mut unknown = bytes;
        unknown[HEADER] = 2;
        assert_eq!(Hello::decode(&unknown, cluster()), None);
    }

    /// Versions of two releases: the highest that both read, or none.
    #[test]
    fn versions_are_agreed_on() {
        let common = |versions| {
            let info = PeerInfo { versions, capabilities: 0, lane: None, rtt: None };
            info.common_version()
        };
        assert_eq!(common(1..=1), Some(1));
        assert_eq!(common(0..=3), Some(1), "N-1 and N+1");
        assert_eq!((common(2..=3), common(0..=0)), (None, None));
    }
}
