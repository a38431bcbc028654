//! Ours: SWIM and Lifeguard.

use std::time::{Duration, Instant};

use gossip_core::membership::{
    Claim, Config, Event, Message, Page, State, Suspicion, Swim, Update,
};
use gossip_core::node::{self, Clock, Effects, Node};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::sim::event::Simulation;
use gossip_core::wire::Bounded;
use gossip_core::{Peers, Time, Wire};

use super::Contender;
use crate::heap;

type Ours = Swim<u32>;
type Said = Message<u32, (), 8>;

/// The default, with suspicions as short as those of foca's preset, and as many members told the
/// news: three in each fifth of a second.
fn config() -> Config {
    Config { suspicion: Suspicion::Decimal(4.0), gossip: 15, ..Config::default() }
}

impl Contender for Ours {
    const NAME: &str = "gossip-core";

    fn configuration() -> String {
        "Config::default() with Suspicion::Decimal(4.0) and gossip to 15 members a period, as \
         foca's preset has"
            .to_owned()
    }

    fn make(_: u32, _: u32, _: u64) -> Self {
        Swim::new(config()).expect("right parameters")
    }

    fn count(&self) -> usize {
        self.degree()
    }

    fn holds(&self, peer: u32) -> bool {
        self.standing(peer).is_some_and(|held| held.state.is_member())
    }

    fn died(event: &Event<u32>) -> Option<u32> {
        match event {
            Event::Changed { peer, to, .. } if to.state == State::Dead => Some(*peer),
            _ => None,
        }
    }

    fn sent(sim: &Simulation<Self>) -> u64 {
        sim.traffic().bytes
    }

    fn memory(count: u32) -> usize {
        heap::held_by(|| table(count))
    }
}

/// A node that knows `count` members.
fn table(count: u32) -> (Node<Ours>, Effects<Ours>) {
    let members = Config { members: 1_000_000, ..config() };
    let swim = Swim::new(members).expect("right parameters");
    let mut node = Node::new(0, swim, node::Config::default()).expect("it fits");
    let (mut effects, clock) = (Effects::default(), Clock::default());
    node.contact(1, clock, &mut effects);
    node.round(clock, &mut effects);
    let number = asked(&mut effects);
    let alive = |peer| Update { peer, incarnation: 0, claim: Claim::Alive(0, ()) };
    for first in (1..=count).step_by(8) {
        let mut news = Bounded::new();
        news.fill((first..=count).take(8).map(alive));
        let page = if first + 8 > count { Page::Last } else { Page::Inner };
        node.datagram(1, &bytes(&Said::State(number, page, news)), clock, &mut effects);
        effects.datagrams.clear();
        effects.events.clear();
    }
    (node, effects)
}

/// The number of the question that was asked.
fn asked(effects: &mut Effects<Ours>) -> u32 {
    for datagram in effects.datagrams.drain(..) {
        let (_, mut frames) = Header::read(&datagram.bytes, ClusterId::default()).expect("ours");
        while let Ok(message) = Said::decode(&mut frames) {
            if let Said::Sync(request) = message {
                return request.number;
            }
        }
    }
    0
}

fn bytes(message: &Said) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header::of::<Said>(ClusterId::default()).write(&mut bytes);
    message.encode(&mut bytes);
    bytes
}

/// Messages of eight pieces of news that come in a period. An update is told 3 ln n times, which
/// is 21 among 10^3 members, and a node tells at most 16 updates to each of 16 members in a period:
/// with sixteen pieces of news it tells as many as it may, in tables of any size from there on.
const MESSAGES: u32 = 2;

/// Microseconds of one processor that a period takes, in a table of `count`: the round, the answer
/// to its probe, and more news than can be told, so that what is told is the same in all tables.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(super) fn period(count: u32, periods: u32) -> f64 {
    let (mut node, mut effects) = table(count);
    let mut clock = Clock::default();
    let start_of = |period: u32| Time::ZERO + Duration::from_secs(1) * period;
    let start = Instant::now();
    for period in 1..=periods {
        clock.now = start_of(period);
        node.round(clock, &mut effects);
        let sent: Vec<_> = effects.datagrams.drain(..).collect();
        for datagram in sent {
            let header = Header::read(&datagram.bytes, ClusterId::default());
            let (_, mut frames) = header.expect("ours");
            while let Ok(message) = Said::decode(&mut frames) {
                if let Said::Ping(number, _) = message {
                    let ack = bytes(&Said::Ack(number, Bounded::new()));
                    node.datagram(datagram.to, &ack, clock, &mut effects);
                }
            }
        }
        for message in 0..MESSAGES {
            let mut news = Bounded::new();
            news.fill((0..8).map(|at| {
                let peer = 2 + (at + 8 * (message + MESSAGES * period)) % (count - 1);
                Update { peer, incarnation: period, claim: Claim::Alive(0, ()) }
            }));
            node.datagram(1, &bytes(&Said::News(news)), clock, &mut effects);
        }
        while node.wake_at() < start_of(period + 1) {
            clock.now = clock.now.max(node.wake_at());
            node.wake(clock, &mut effects);
        }
        effects.datagrams.clear();
        effects.events.clear();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(periods)
}
