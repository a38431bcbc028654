//! Topics: who hears what, who is sent what, and what holds under faults.

use core::time::Duration;

use crate::common::hands::Held;
use crate::common::quiet::Silent;
use crate::common::seat::{NODES, Seat, seats, trial};
use gossip_core::sim::event;
use gossip_core::sim::link::Network;
use gossip_core::testkit::{Bounds, DeliveredOnce, Kinds, NoPhantoms, Trial};
use gossip_core::{Bounded, Refusal};
use gossip_dissem::plumtree::{self, Config, Plumtree};
use gossip_dissem::topics::{Command, Event, JOINED, List, Message, Topic, Topics};
use gossip_dissem::{MessageId, plumtree::Event as Told};

type News = Topics<Plumtree<u32, u32>>;

fn topics(config: Config) -> News {
    Topics::new(Plumtree::new(config).unwrap(), 4).unwrap()
}

const fn publish(topic: Topic, value: u32) -> Command<plumtree::Command<u32>> {
    Command::In(topic, plumtree::Command::Publish(value))
}

type Heard = Event<Told<u32, u32>>;

const fn told(event: &Heard) -> (Topic, MessageId<u32>, u32) {
    let Told::Delivered { id, value, .. } = event.event;
    (event.topic, id, value)
}

/// The topics of a node: two of three.
const fn topics_of(node: u32) -> [Topic; 2] {
    [1 + node % 3, 1 + (node + 1) % 3]
}

/// Each of 60 nodes, in a graph of degree 8, has joined two topics of three, and publishes once in
/// one of them. The 40 that have joined it hear it, and nobody else; nobody sends anything of a
/// topic to who has not joined it.
#[test]
fn each_topic_reaches_those_that_have_joined_it_and_nobody_else() {
    let nodes = 60;
    let make = seats((nodes, 8), 3, |_| topics(Config::default()));
    let mut sim =
        event::Simulation::new(nodes, make, Network::default(), event::Config::seeded(3)).unwrap();
    for node in 0..nodes {
        for topic in topics_of(node) {
            sim.command(node, Command::Join(topic)).unwrap();
        }
    }
    sim.run_for(Duration::from_secs(3));
    for node in 0..nodes {
        let topic = topics_of(node)[0];
        let receipt = sim.command(node, publish(topic, topic)).unwrap();
        assert!(receipt.attempted > 0, "node {node} knows nobody in its topic");
        let not_joined = sim.command(node, publish(1 + (node + 2) % 3, 0));
        assert_eq!(not_joined, Err(Refusal::Invalid("the topic is not joined")));
        sim.run_for(Duration::from_millis(100));
    }
    sim.run_for(Duration::from_secs(10));
    let mut heard = 0;
    for (node, event) in sim.events().take() {
        let (of, _, value) = told(&event);
        assert_eq!(of, value, "node {node}");
        assert!(topics_of(node).contains(&of), "node {node} has not joined {of}");
        heard += 1;
    }
    assert_eq!(heard, nodes * 40);
    assert_eq!(sim.counts().total("of a topic that is not joined"), 0);
}

/// Seven nodes, each in two of three topics, publish 40 values in 10 seconds.
fn publishing(config: Config) -> Trial<Seat<News>> {
    let mut all = trial(move |_| topics(config));
    for node in 0..NODES {
        for topic in topics_of(node) {
            all = all.ask(Duration::ZERO, node, Command::Join(topic));
        }
    }
    (0..40).fold(all, |all, number| {
        let (at, node) = (Duration::from_millis(250) * number, number % NODES);
        let topic = topics_of(node)[number as usize / 7 % 2];
        all.ask(at, node, publish(topic, topic))
    })
}

/// Once each, in its topic, within bounds, whatever happens; and when faults are over, the last
/// message is sent when the last publication is too old, at 8 rounds. Nobody leaves: these
/// neighbours are fixed, and who is gone would be told its neighbours' topics for ever.
#[test]
fn topics_keep_apart_and_fall_silent_under_all_faults() {
    let config = Config { age: 8, ..Config::default() };
    publishing(config)
        .faults(Kinds::NETWORK | Kinds::CRASHES | Kinds::PAUSES)
        .healing()
        .schedule(20, Duration::from_secs(20), Duration::from_secs(40))
        .check(|| {
            vec![
                Box::new(DeliveredOnce::new(|event: &Heard| {
                    let (topic, id, _) = told(event);
                    Some((topic, id))
                })),
                Box::new(NoPhantoms::new(|event: &Heard| {
                    let (topic, id, value) = told(event);
                    topic == value && id.origin < NODES
                })),
                Box::new(Bounds::new("topics", 2, |node: &Seat<News>| node.news.joined().count())),
                Box::new(Silent::default()),
            ]
        });
}

#[test]
fn a_list_is_told_until_it_is_noted_and_old_ones_are_ignored() {
    let mut node = Held::new(topics(Config::default()));
    node.round();
    assert!(node.hands.sent.is_empty(), "nothing to tell");
    node.command(Command::Join(5)).unwrap();
    let lists = |node: &mut Held<News>| -> Vec<(u32, List)> {
        let sent = node.hands.sent.drain(..);
        let list = |(to, message)| match message {
            Message::Joined(list, _) => Some((to, list)),
            _ => None,
        };
        sent.filter_map(list).collect()
    };
    let first = lists(&mut node);
    assert_eq!(first.iter().map(|one| one.0).collect::<Vec<_>>(), [1, 2, 3]);
    node.message(1, Message::Noted(first[0].1));
    node.round();
    assert_eq!(lists(&mut node), first[1..], "two have not noted it");

    let theirs = |boot, number, topic| {
        let mut topics = Bounded::new();
        topics.fill([topic]);
        Message::Joined(List { boot, number }, topics)
    };
    for (message, topic, noted) in [
        (theirs(1, 4, 5), 5, true),
        (theirs(1, 3, 6), 5, false),
        (theirs(1, 5, 7), 7, true),
        (theirs(2, 1, 8), 8, true),
    ] {
        node.hands.sent.clear();
        node.message(1, message);
        assert!(node.layer.has_joined(1, topic), "topic {topic}");
        let notes = node.hands.sent.iter().filter(|one| matches!(one.1, Message::Noted(_)));
        assert_eq!(notes.count(), usize::from(noted));
    }
    assert_eq!(node.hands.count_of("topics of old"), 1);
    node.message(9, theirs(1, 1, 5));
    assert_eq!(node.hands.count_of("topics of a stranger"), 1);
    // Node 1 has started anew, and forgotten what it noted.
    node.hands.sent.clear();
    node.round();
    assert_eq!(lists(&mut node), first);
}

#[test]
fn topics_are_bounded_and_left() {
    let mut node = Held::new(topics(Config::default()));
    for topic in 1..=4 {
        node.command(Command::Join(topic)).unwrap();
    }
    assert!(node.command(Command::Join(4)).is_ok(), "joined already");
    assert_eq!(node.command(Command::Join(5)), Err(Refusal::Full { limit: 4 }));
    node.command(Command::Leave(2)).unwrap();
    assert_eq!(node.command(Command::Leave(2)), Err(Refusal::Invalid("the topic is not joined")));
    assert_eq!(node.layer.joined().map(|one| one.0).collect::<Vec<_>>(), [1, 3, 4]);
    let id = MessageId { origin: 1, boot: 1, sequence: 0 };
    node.message(1, Message::In(2, plumtree::Message::Prune(id)));
    assert_eq!(node.hands.count_of("of a topic that is not joined"), 1);
    let inner = Plumtree::<u32, u32>::new(Config::default()).unwrap();
    assert!(Topics::new(inner.clone(), 0).is_err());
    assert!(Topics::new(inner, JOINED + 1).is_err());
}
