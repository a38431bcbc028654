//! Whom a node asks to be let in: addresses, names that are looked up, a file, and those it knew in
//! an earlier life; again and again, for ever.
//!
//! Not a protocol: who is a member already is not asked. The pause between two rounds of asking is
//! random, doubles up to a bound, and is short again when nobody is heard any more.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gossip_core::Random;
use gossip_core::id::digest;
use gossip_core::random::Key;
use gossip_net::ContactError;
use gossip_net::state::Known;
use tokio::net::lookup_host;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::agent::Node;
use crate::srv;

/// How long a name is looked up. Our choice.
const LOOKUP: Duration = Duration::from_secs(5);

const NO_ANSWER: &str = "no answer from the name service";

/// The first pause in ticks, and the longest pause. Our choice.
const FIRST: u32 = 2;
const LONGEST: Duration = Duration::from_secs(60);

/// Addresses taken from one name, and lines from a file, at most. Our choice.
const MOST: usize = 256;

/// Peers of an earlier life asked in one round. Our choice: enough that one of them is alive where
/// nine in ten are not, and few beside what a node sends in a round.
const REMEMBERED: usize = 32;

/// A node to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    Addr(SocketAddr),
    /// A host's name, and a port.
    Name(String),
    /// A service's name: SRV records say hosts and ports.
    Service(String),
}

impl FromStr for Contact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(addr) = text.parse() {
            return Ok(Self::Addr(addr));
        }
        let wrong = "HOST:PORT of a node, such as 10.0.0.1:7171, [2001:db8::1]:7171 or \
                     gossip.example:7171, or a service such as _gossip._udp.example";
        let odd = |char: char| !char.is_ascii_alphanumeric() && !"-._".contains(char);
        if srv::is_service(text) && text.len() <= 253 && !text.contains(odd) {
            return Ok(Self::Service(text.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(wrong)?;
        if host.is_empty() || host.len() > 253 || host.contains(odd) {
            return Err(wrong);
        }
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Self::Name(text.to_owned())),
            _ => Err(wrong),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Name(name) | Self::Service(name) => name.fmt(f),
        }
    }
}

impl Contact {
    /// The addresses it stands for now; where services are, the name server `dns` says, or the
    /// system's.
    pub(crate) async fn resolve(&self, dns: Option<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
        match self {
            Self::Service(name) => match timeout(LOOKUP, srv::look_up(name, dns)).await {
                Ok(found) => found.map(|mut addrs| {
                    addrs.truncate(MOST);
                    addrs
                }),
                Err(_) => Err(NO_ANSWER.to_owned()),
            },
            Self::Addr(addr) => Ok(vec![*addr]),
            Self::Name(name) => match timeout(LOOKUP, lookup_host(name)).await {
                Ok(Ok(addrs)) => Ok(addrs.take(MOST).collect()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(NO_ANSWER.to_owned()),
            },
        }
    }
}

/// Everybody to ask.
#[derive(Debug)]
pub(crate) struct Contacts {
    pub(crate) given: Vec<Contact>,
    pub(crate) file: Option<PathBuf>,
    /// Those of an earlier life, members first.
    pub(crate) remembered: Vec<Known>,
    pub(crate) tick: Duration,
    /// The name server that knows services; the system's if none is named.
    pub(crate) dns: Option<SocketAddr>,
}

impl Contacts {
    /// Whether there is anybody to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.file.is_none() && self.remembered.is_empty()
    }

    /// Asks for ever.
    pub(crate) async fn ask(self, node: Node) {
        let mut random = Key::new(digest(&node.id())).with(gossip_core::id::hash(b"ask")).random(0);
        let tick = self.tick;
        let (mut pause, mut failing, mut read) = (tick * FIRST, Vec::new(), None);
        loop {
            for peer in self.some_remembered(&mut random) {
                meet(&node, peer).await;
            }
            let mut contacts = self.given.clone();
            contacts.extend(self.listed(&mut read));
            // Names come last: to look one up may take long.
            contacts.sort_by_key(|contact| !matches!(contact, Contact::Addr(_)));
            for contact in contacts {
                ask(&node, &contact, self.dns, &mut failing).await;
            }
            sleep(pause.mul_f64(0.5 + 0.5 * random.unit())).await;
            let longest = LONGEST.max(tick * FIRST);
            pause = if node.status().is_isolated() { tick * FIRST } else { pause * 2 };
            pause = pause.min(longest);
        }
    }

    /// What the file says now. What is wrong with it is told when that changes.
    fn listed(&self, before: &mut Option<Result<String, String>>) -> Vec<Contact> {
        let Some(path) = &self.file else { return Vec::new() };
        let read = block_in_place(|| fs::read_to_string(path)).map_err(|e| e.to_string());
        let is_news = before.as_ref() != Some(&read);
        let mut contacts = Vec::new();
        let lines = read.as_deref().unwrap_or_default().lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines.take(MOST) {
            match line.parse() {
                Ok(contact) => contacts.push(contact),
                Err(error) if is_news => warn!(file = %path.display(), line, "no contact: {error}"),
                Err(_) => {}
            }
        }
        if let Err(error) = &read
            && is_news
        {
            warn!(file = %path.display(), error, "the file of contacts cannot be read");
        }
        *before = Some(read);
        contacts
    }

    fn some_remembered(&self, random: &mut Random) -> Vec<SocketAddr> {
        let members = self.remembered.iter().filter(|known| known.member).count();
        // Half of them from each: the dead are the way back after a partition.
        let (members, dead) = self.remembered.split_at(members);
        let mut chosen = Vec::new();
        for some in [members, dead] {
            let mut some: Vec<SocketAddr> = some.iter().map(|known| known.peer).collect();
            chosen.extend_from_slice(random.choose(&mut some, REMEMBERED / 2));
        }
        chosen
    }
}

/// Asks all that `contact` stands for. What fails is told when it begins to, and when it ends.
async fn ask(node: &Node, contact: &Contact, dns: Option<SocketAddr>, failing: &mut Vec<Contact>) {
    let known = failing.iter().position(|other| other == contact);
    match (contact.resolve(dns).await, known) {
        (Ok(addrs), known) => {
            if let Some(at) = known {
                failing.remove(at);
                info!(%contact, "the name is known again");
            }
            for addr in addrs {
                meet(node, addr).await;
            }
        }
        (Err(error), None) => {
            warn!(%contact, error, "no address for this contact: it is looked up again and again");
            failing.push(contact.clone());
        }
        (Err(_), Some(_)) => {}
    }
}

/// Asks `addr`, unless it is a member already, or this node itself.
async fn meet(node: &Node, addr: SocketAddr) {
    let addr = gossip_net::canonical(addr);
    let is_member = node.read(|agent| agent.members.standing(addr));
    if is_member.is_some_and(|standing| standing.state.is_member()) {
        return;
    }
    match node.contact(addr).await {
        // Lists name all nodes, this one among them; names may have addresses that it cannot reach.
        Err(ContactError::Wrong { contact, problem }) => debug!(%contact, problem, "not asked"),
        Ok(()) | Err(ContactError::Closed) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_or_a_name_with_a_port() {
        let addr = "[2001:db8::1]:7171";
        assert_eq!(addr.parse(), Ok(Contact::Addr(addr.parse().unwrap())));
        let name = "gossip-0.gossip:7171";
        assert_eq!(name.parse(), Ok(Contact::Name(name.to_owned())));
        for bad in ["", "host", "host:", "host:0", "host:99999", ":1", "a b:1", "http://a:1"] {
            assert!(bad.parse::<Contact>().is_err(), "{bad}");
        }
    }
}
