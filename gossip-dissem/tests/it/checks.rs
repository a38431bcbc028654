//! Validation and signatures: nothing that is not accepted gets anywhere, and what is good does,
//! however late the verdict and whatever is forged in its name.

use core::time::Duration;
use std::collections::VecDeque;

use crate::common::hands::Held;
use crate::common::invariants::Complete;
use crate::common::seat::{Seat, publishing, seats, told};
use gossip_core::auth::{Authority, Keyed};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::testkit::{Bounds, DeliveredOnce, Kinds, NoPhantoms};
use gossip_core::{Protocol, Refusal, Wire};
use gossip_dissem::plumtree::{self, Message, Plumtree};
use gossip_dissem::signed::{Forged, Sealed};
use gossip_dissem::validate::{
    Admit, Ask, Command, Config, Judge, Note, Rank, Validated, Verdict, Within,
};
use gossip_dissem::{Carried, MessageId, Post, Publish, Signed, Told};

type News = Plumtree<u32, u32>;
type Sense = fn(u32, Carried<'_, u32, u32>, u32) -> Verdict;
type Sensible = Validated<News, Sense>;
type Asking = Validated<News, Ask>;

fn plumtree<V: Wire>() -> Plumtree<u32, V> {
    Plumtree::new(plumtree::Config {
        trees: plumtree::Trees::Shared,
        ..plumtree::Config::default()
    })
    .unwrap()
}

/// Multiples of three are good; one more is bad, two more of no use.
fn by_three(_: u32, post: Carried<'_, u32, u32>, _: u32) -> Verdict {
    [Verdict::Accept, Verdict::Reject, Verdict::Ignore][*post.value as usize % 3]
}

fn anything(_: u32, _: Carried<'_, u32, u32>, _: u32) -> Verdict {
    Verdict::Accept
}

fn validated<J: Judge<u32, u32>>(judge: J) -> Validated<News, J> {
    Validated::new(plumtree(), judge, Config::default()).unwrap()
}

fn network() -> Network {
    Network::new(Latency::Constant(Duration::from_millis(20)))
}

/// One node takes in and spreads anything; its neighbours deliver and pass on what is good.
#[test]
fn what_is_not_accepted_goes_no_further() {
    for seed in 1..=3 {
        let judge = |node| if node == 0 { anything as Sense } else { by_three as Sense };
        let make = seats((20, 4), seed, move |node| validated(judge(node)));
        let config = event::Config::seeded(seed);
        let mut sim = event::Simulation::new(20, make, network(), config).unwrap();
        for value in 0..30 {
            sim.command(0, Command::Publish(Publish::new(value))).unwrap();
            sim.run_for(Duration::from_millis(500));
        }
        sim.run_for(Duration::from_secs(5));
        let (mut heard, mut rejected) = (0, 0);
        for (node, event) in sim.events().take() {
            match event {
                Told::Delivered(told) if node != 0 => {
                    assert_eq!(told.value % 3, 0, "node {node} was told {told:?}, seed {seed}");
                    heard += 1;
                }
                Told::Note(Note::Rejected { from, .. }) => {
                    assert_eq!(from, 0, "{node} rejects what an honest node sent, seed {seed}");
                    rejected += 1;
                }
                _ => {}
            }
        }
        // Node 0 has 4 neighbours, each of which rejects each of 10 once.
        assert_eq!((heard, rejected), (19 * 10, 4 * 10), "seed {seed}");
    }
}

/// Each owner answers two seconds after it was asked, so that a publication takes two seconds a
/// hop: all hear it in the end, and it is not asked for meanwhile: copies are far fewer than in the
/// flood of the first, (4 - 1) 20 + 1.
#[test]
fn the_owner_may_answer_later() {
    let seed = 1;
    let make = seats((20, 4), seed, |_| validated(Ask));
    let config = event::Config::seeded(seed);
    let mut sim = event::Simulation::new(20, make, network(), config).unwrap();
    let (mut answers, mut heard, mut payloads) = (VecDeque::new(), 0, Vec::new());
    for tenth in 0..900 {
        if tenth % 150 == 0 {
            sim.command(0, Command::Publish(Publish::new(tenth))).unwrap();
            payloads.push(sim.nodes().map(|(_, node)| node.news.traffic().payloads).sum::<u64>());
        }
        sim.run_for(Duration::from_millis(100));
        let told: Vec<_> = sim.events().take().collect();
        for (node, event) in told {
            match event {
                Told::Delivered(_) => heard += 1,
                Told::Note(Note::Asked { number, .. }) => answers.push_back((tenth, node, number)),
                other => panic!("{node}: {other:?}"),
            }
        }
        while answers.front().is_some_and(|answer| answer.0 + 20 <= tenth) {
            let Some((_, node, number)) = answers.pop_front() else { break };
            sim.command(node, Command::Answer(number, Verdict::Accept)).unwrap();
        }
    }
    assert_eq!(heard, 6 * 20, "seed {seed}");
    let last = payloads[5] - payloads[4];
    assert!(last <= 30, "{last} copies, seed {seed}: {payloads:?}");
}

#[test]
fn verdicts_hold_under_all_faults() {
    publishing(|_| validated(by_three as Sense)).check(|| {
        vec![
            Box::new(DeliveredOnce::new(told::<Sensible>)),
            Box::new(NoPhantoms::new(|event: &<Sensible as Protocol>::Event| match event {
                Told::Delivered(told) => told.value % 3 == 0,
                Told::Note(note) => !matches!(note, Note::Rejected { .. }),
                Told::Below(_) => false,
            })),
            Box::new(Bounds::new("verdicts", 40, |node: &Seat<Sensible>| node.news.judged())),
        ]
    });
}

#[test]
fn what_is_accepted_reaches_everybody_after_faults() {
    let trial = publishing(|_| validated(by_three as Sense)).healing();
    trial
        .faults(Kinds::NETWORK | Kinds::PAUSES)
        .check(|| vec![Box::new(Complete::new(told::<Sensible>))]);
}

fn id(origin: u32, sequence: u32) -> MessageId<u32> {
    MessageId { origin, boot: 7, sequence }
}

fn gossip<V: Wire>(id: MessageId<u32>, value: V) -> Message<u32, V> {
    Message::Gossip(Post { id, hops: 0, age: 0, value })
}

#[test]
fn what_is_not_answered_is_dropped_and_may_come_again() {
    let config = Config { pending: 4, patience: 2, memory: 16 };
    let mut node: Held<Asking> = Held::new(Validated::new(plumtree(), Ask, config).unwrap());
    // Half of the places are for one peer, and no more than there are for all.
    for origin in 0..9 {
        node.message(1 + origin % 3, gossip(id(10 + origin, 0), origin));
    }
    assert_eq!(node.layer.pending(), 4);
    assert_eq!(node.hands.count_of("shed: too many wait for a verdict"), 5);
    (0..3).for_each(|sequence| node.message(1, gossip(id(30, sequence), 0)));
    node.message(2, gossip(id(10, 0), 0));
    assert_eq!(node.hands.count_of("waits for its verdict"), 1);
    (0..2).for_each(|_| node.round());
    assert_eq!(node.layer.pending(), 0);
    assert_eq!(node.hands.count_of("no verdict in time"), 4);
    node.hands.take_told();
    (0..3).for_each(|sequence| node.message(1, gossip(id(30, sequence), 5)));
    assert_eq!(node.layer.pending(), 2, "half of them for one peer");

    let asked = node.hands.take_told();
    let Some(Told::Note(Note::Asked { number, .. })) = asked.first() else { panic!("{asked:?}") };
    let late = Command::Answer(*number, Verdict::Later);
    assert!(matches!(node.command(late), Err(Refusal::Invalid(_))));
    node.command(Command::Answer(*number, Verdict::Ignore)).unwrap();
    let again = Command::Answer(*number, Verdict::Accept);
    assert!(matches!(node.command(again), Err(Refusal::Invalid(_))));
    node.message(1, gossip(id(30, 0), 5));
    assert_eq!(node.hands.count_of("refused before"), 1);
    assert_eq!(node.hands.take_told(), [], "nothing was delivered");
}

/// Another value under the same name is another matter.
#[test]
fn a_forgery_does_not_stand_in_the_way_of_what_it_imitates() {
    let mut node = Held::new(validated(by_three as Sense));
    node.message(1, gossip(id(9, 0), 1));
    node.message(2, gossip(id(9, 0), 6));
    node.message(3, gossip(id(9, 0), 1));
    let told = node.hands.take_told();
    let values: Vec<_> = told.iter().filter_map(Told::delivered).map(|told| told.value).collect();
    assert_eq!(values, [6]);
    assert_eq!(node.hands.count_of("rejected"), 1);
    let refused = node.command(Command::Publish(Publish::new(7)));
    assert_eq!(refused, Err(Refusal::Invalid("the judge refuses it")));
    assert!(node.command(Command::Publish(Publish::new(3))).is_ok());
}

struct Ranked(u8);

impl Rank for Ranked {
    fn rank(&self) -> u8 {
        self.0
    }
}

#[test]
fn admission_keeps_room_for_what_matters_most() {
    let mut admit = Admit::new(80).unwrap();
    let mut take = |rank, round| {
        let value = Ranked(rank);
        let post = Carried { id: id(1, 0), hops: 0, age: 0, value: &value };
        Judge::<u32, Ranked>::judge(&mut admit, 1, post, round) == Verdict::Accept
    };
    let mut taken = |rank, round| (0..500).filter(|_| take(rank, round)).count();
    // Rank r up to (r + 1) / 8 of 80, what was taken before included.
    let all = [(0, 10), (0, 0), (3, 30), (2, 0), (7, 40), (200, 0)];
    for (rank, count) in all {
        assert_eq!(taken(rank, 1), count, "rank {rank}");
    }
    assert_eq!(taken(9, 2), 80, "a new round, and the highest rank takes it all");
}

#[test]
fn hops_are_bounded_and_judges_add_up() {
    let mut both = (Within { hops: 3 }, by_three);
    let mut judge =
        |hops, value| both.judge(1, Carried { id: id(1, 0), hops, age: 0, value: &value }, 0);
    assert_eq!(judge(2, 3), Verdict::Accept);
    assert_eq!(judge(3, 3), Verdict::Ignore);
    assert_eq!(judge(2, 4), Verdict::Reject);
}

#[cfg(feature = "hash")]
#[test]
fn one_content_is_taken_in_once_whoever_publishes_it() {
    use gossip_dissem::validate::Distinct;

    let distinct = Distinct::new((1, 2), 3).unwrap();
    let mut node = Held::new(validated(distinct));
    for (origin, value) in [(1, 10), (2, 10), (3, 11), (4, 10)] {
        node.message(1, gossip(id(origin, 0), value));
    }
    // Two more: the oldest of three contents is forgotten.
    for (origin, value) in [(5, 12), (6, 13), (7, 10)] {
        node.message(1, gossip(id(origin, 0), value));
    }
    let told = node.hands.take_told();
    let values: Vec<_> = told.iter().filter_map(Told::delivered).map(|told| told.value).collect();
    assert_eq!(values, [10, 11, 12, 13, 10]);
    assert_eq!(node.hands.count_of("ignored"), 2);
}

type Keys = fn(u32) -> Option<u32>;
type Proven = Signed<Plumtree<u32, Sealed<u32, u64>>, Keyed, Keys>;

/// In a simulation a node's key is its number; nobody knows that of node 66.
const KEYS: Keys = |origin| (origin != 66).then_some(origin);

fn signed(node: u32, checks: usize) -> Proven {
    Signed::new(plumtree(), Authority::new(5).signer(node), KEYS, checks).unwrap()
}

/// The message by which `node` spreads `value`.
fn spoken(node: u32, value: u32) -> Post<u32, Sealed<u32, u64>> {
    let mut speaker = Held::at(node, signed(node, 10));
    speaker.command(Publish::new(value)).unwrap();
    let sent = speaker.hands.sent.into_iter().find_map(|(_, message)| match message {
        Message::Gossip(post) => Some(post),
        _ => None,
    });
    sent.expect("Plumtree sends at once")
}

#[test]
fn neither_name_nor_value_can_be_changed_on_the_way() {
    let mut node = Held::new(signed(0, 5));
    let post = spoken(9, 70);
    let sealed = |value| Sealed { value, ..post.value.clone() };
    let other = MessageId { sequence: 1, ..post.id };
    let stolen = MessageId { origin: 8, ..post.id };
    let forged = [
        Post { value: sealed(71), ..post.clone() },
        Post { id: other, ..post.clone() },
        Post { id: stolen, ..post.clone() },
    ];
    for post in forged {
        let id = post.id;
        node.message(2, Message::Gossip(post));
        let note: Vec<Told<u32, u32, _, _>> = vec![Told::Note(Forged { from: 2, id })];
        assert_eq!(node.hands.take_told(), note);
    }
    // Hops and age change on the way.
    node.message(1, Message::Gossip(Post { hops: 3, age: 4, ..post.clone() }));
    let told = node.hands.take_told();
    assert_eq!(
        told.iter().filter_map(Told::delivered).map(|told| told.value).collect::<Vec<_>>(),
        [70]
    );
    node.message(1, Message::Gossip(spoken(66, 5)));
    assert_eq!(node.hands.count_of("no key of its origin"), 1);
    // Four were checked.
    node.message(1, Message::Gossip(spoken(1, 5)));
    node.message(1, Message::Gossip(spoken(2, 5)));
    assert_eq!(node.hands.count_of("shed: too many signatures to check"), 1);
    node.round();
    node.message(1, Message::Gossip(spoken(2, 5)));
    assert_eq!(node.hands.take_told().len(), 2);
}

#[test]
fn what_is_signed_reaches_everybody_after_faults() {
    let kinds = Kinds::NETWORK | Kinds::PAUSES;
    publishing(|node| signed(node, 1_000)).healing().faults(kinds).check(|| {
        vec![
            Box::new(Complete::new(told::<Proven>)),
            Box::new(DeliveredOnce::new(told::<Proven>)),
            Box::new(NoPhantoms::new(|event: &<Proven as Protocol>::Event| {
                event.delivered().is_some()
            })),
        ]
    });
}
