//! Whether anybody is there: contacts are asked again until somebody answers, and again when all
//! have fallen silent.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::{Random, Time};

use crate::builder::CONTACTS;
use crate::end::Ended;

/// Rounds without a single datagram after which a node is isolated. Our choice: with 30 % loss each
/// way, a node that asks one live peer a round and is asked by none hears nothing for so long with
/// probability 0.51^8 = 0.5 %.
pub const SILENT_ROUNDS: u32 = 8;

/// Contacts are asked again after a tick, then after twice as long each time, up to this. Our
/// choice.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Peers heard of lately, asked again beside the contacts when all are silent. Our choice.
pub const REMEMBERED: usize = 8;

/// How a node stands to its cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// It has no contacts, and waits to be contacted: the first node of a cluster.
    Waiting,
    /// It has asked its contacts, and heard from nobody yet.
    Joining,
    /// It hears from peers.
    Connected,
    /// It hears from nobody. It goes on, and asks its contacts again with growing pauses.
    Isolated {
        /// Who is asked.
        asked: Vec<SocketAddr>,
        /// For how long nobody was heard when this was noticed.
        silent: Duration,
        /// Datagrams of other clusters that came so far.
        foreign: u64,
    },
    /// It runs no more.
    Ended(Ended),
}

impl Status {
    /// Whether it hears from peers.
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// Whether it hears from nobody, though it has asked.
    pub const fn is_isolated(&self) -> bool {
        matches!(self, Self::Isolated { .. })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => write!(f, "waiting to be contacted"),
            Self::Joining => write!(f, "joining: no contact has answered yet"),
            Self::Connected => write!(f, "connected"),
            Self::Isolated { asked, silent, foreign } => {
                write!(f, "isolated: nothing heard for {:.1} s", silent.as_secs_f64())?;
                if asked.is_empty() {
                    write!(
                        f,
                        ", and no contact to ask: give one, or have a peer contact this node"
                    )?;
                } else {
                    write!(f, "; still asking {}", List(asked))?;
                    write!(f, ": check that they run, that these are their addresses, ")?;
                    write!(f, "that the cluster has the same name there, and that UDP passes")?;
                }
                if *foreign > 0 {
                    write!(f, "; {foreign} datagrams of other clusters came")?;
                }
                Ok(())
            }
            Self::Ended(ended) => write!(f, "{ended}"),
        }
    }
}

/// A few addresses, and how many more.
struct List<'a>(&'a [SocketAddr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, addr) in self.0.iter().take(3).enumerate() {
            write!(f, "{}{addr}", if at > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What [`Presence`] asks of the driver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing before this time.
    Wait(Time),
    /// Contact these, and tell the owner if it is news that all are silent.
    Ask { peers: Vec<SocketAddr>, news: bool },
}

/// The state machine behind [`Status`].
#[derive(Debug)]
pub(crate) struct Presence {
    contacts: Vec<SocketAddr>,
    /// Peers heard last, the latest at the end.
    remembered: Vec<SocketAddr>,
    tick: Duration,
    /// When somebody was heard last; before that, the start.
    heard: Time,
    connected: bool,
    isolated: bool,
    attempts: u32,
    ask_at: Time,
}

impl Presence {
    pub(crate) const fn new(contacts: Vec<SocketAddr>, tick: Duration) -> Self {
        Self {
            contacts,
            remembered: Vec::new(),
            tick,
            heard: Time::ZERO,
            connected: false,
            isolated: false,
            attempts: 0,
            ask_at: Time::ZERO,
        }
    }

    pub(crate) const fn initial(&self) -> Status {
        if self.contacts.is_empty() { Status::Waiting } else { Status::Joining }
    }

    /// One more contact; of too many, the oldest is dropped.
    pub(crate) fn add(&mut self, contact: SocketAddr) {
        if !self.contacts.contains(&contact) {
            if self.contacts.len() >= CONTACTS {
                self.contacts.remove(0);
            }
            self.contacts.push(contact);
        }
    }

    /// A peer was heard. Returns whether nobody was before.
    pub(crate) fn heard(&mut self, peer: SocketAddr, now: Time) -> bool {
        self.heard = now;
        if !self.remembered.contains(&peer) {
            if self.remembered.len() == REMEMBERED {
                self.remembered.remove(0);
            }
            self.remembered.push(peer);
        }
        self.isolated = false;
        !std::mem::replace(&mut self.connected, true)
    }

    /// Somebody can be spoken to who could not before: contacts are asked at once, if nobody is
    /// heard.
    pub(crate) fn hurry(&mut self, now: Time) {
        if !self.connected {
            self.ask_at = self.ask_at.min(now);
        }
    }

    /// What is due at `now`. Asking moves the next time on.
    pub(crate) fn due(&mut self, now: Time, random: &mut Random) -> Act {
        let silent_at = self.heard + self.tick.saturating_mul(SILENT_ROUNDS);
        if self.connected {
            if now < silent_at {
                return Act::Wait(silent_at);
            }
            self.connected = false;
            self.attempts = 0;
            self.ask_at = now;
        }
        let waiting = self.contacts.is_empty() && self.remembered.is_empty();
        let news = !self.isolated && !waiting && now >= silent_at;
        if now < self.ask_at && !news {
            let silent_next = silent_at > now && !self.isolated;
            return Act::Wait(if silent_next { self.ask_at.min(silent_at) } else { self.ask_at });
        }
        self.isolated |= news;
        self.ask_at = now + self.pause(random);
        Act::Ask { peers: self.to_ask(), news }
    }

    /// For how long nobody was heard.
    pub(crate) const fn silence(&self, now: Time) -> Duration {
        now.since(self.heard)
    }

    /// Everybody worth asking. The order turns with each attempt: a stack may keep only the last.
    pub(crate) fn to_ask(&self) -> Vec<SocketAddr> {
        let mut peers = self.remembered.clone();
        peers.retain(|peer| !self.contacts.contains(peer));
        peers.extend_from_slice(&self.contacts);
        if !peers.is_empty() {
            let turn = self.attempts as usize % peers.len();
            peers.rotate_right(turn);
        }
        peers
    }

    /// Half to all of a pause that doubles with each attempt.
    fn pause(&mut self, random: &mut Random) -> Duration {
        let longest = PAUSE_MAX.max(self.tick);
        let pause = self.tick.saturating_mul(1 << self.attempts.min(16)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        pause.mul_f64(0.5 + 0.5 * random.unit())
    }
}

#[cfg(test)]
mod tests {
    use gossip_core::random::Key;

    use super::*;

    const TICK: Duration = Duration::from_secs(1);

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    /// All times from `from` to `until` seconds at which it asks, by following its own deadlines.
    fn asks(presence: &mut Presence, from: u64, until: u64) -> Vec<(f64, bool)> {
        let mut random = Key::new(7).random(0);
        let (mut now, mut asked) = (at(from), Vec::new());
        while now < at(until) {
            match presence.due(now, &mut random) {
                Act::Wait(next) => now = next,
                Act::Ask { news, .. } => asked.push((now.as_micros() as f64 / 1e6, news)),
            }
        }
        asked
    }

    #[test]
    fn silent_contacts_are_asked_with_doubling_pauses_and_reported_once() {
        let mut presence = Presence::new(vec![addr(1)], TICK);
        let asked = asks(&mut presence, 0, 600);
        assert_eq!(asked[0], (0.0, false));
        let news: Vec<_> = asked.iter().filter(|ask| ask.1).collect();
        assert_eq!(news, [&(8.0, true)]);
        // After the seventh attempt each pause is half to all of a minute: 9 to 18 in 540 s.
        assert!((13..=26).contains(&asked.len()), "{asked:?}");
        let last = asked.windows(2).next_back().unwrap();
        assert!((30.0..=60.0).contains(&(last[1].0 - last[0].0)), "{last:?}");
    }

    #[test]
    fn all_fallen_silent_are_asked_again_at_once() {
        let mut presence = Presence::new(vec![addr(1)], TICK);
        asks(&mut presence, 0, 100);
        assert!(presence.heard(addr(2), at(100)));
        assert!(!presence.heard(addr(3), at(101)));
        let asked = asks(&mut presence, 101, 110);
        assert_eq!(asked.iter().filter(|ask| ask.1).collect::<Vec<_>>(), [&(109.0, true)]);
        let mut peers = presence.to_ask();
        peers.sort_unstable();
        assert_eq!(peers, [addr(1), addr(2), addr(3)]);
    }

    #[test]
    fn contacts_may_come_later_and_are_bounded() {
        let mut presence = Presence::new(Vec::new(), TICK);
        (0..1_000).for_each(|port| presence.add(addr(port)));
        presence.add(addr(999));
        assert_eq!(presence.to_ask(), (744..1_000).map(addr).collect::<Vec<_>>());
        let asked = asks(&mut presence, 0, 600);
        assert_eq!(asked.iter().filter(|ask| ask.1).collect::<Vec<_>>(), [&(8.0, true)]);
    }

    #[test]
    fn a_first_node_is_not_isolated() {
        let mut presence = Presence::new(Vec::new(), TICK);
        assert!(asks(&mut presence, 0, 100).iter().all(|ask| !ask.1));
        assert!(matches!(presence.initial(), Status::Waiting));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut presence = Presence::new(Vec::new(), TICK);
        (1..1_000).for_each(|port| assert_eq!(presence.heard(addr(port), at(1)), port == 1));
        assert_eq!(presence.to_ask().len(), REMEMBERED);
    }

    #[test]
    fn the_message_says_what_to_check() {
        let asked = (1..=5).map(addr).collect();
        let status = Status::Isolated { asked, silent: Duration::from_secs(8), foreign: 2 };
        assert_eq!(
            status.to_string(),
            "isolated: nothing heard for 8.0 s; still asking 127.0.0.1:1, 127.0.0.1:2, \
             127.0.0.1:3 and 2 more: check that they run, that these are their addresses, that \
             the cluster has the same name there, and that UDP passes; 2 datagrams of other \
             clusters came"
        );
    }
}
