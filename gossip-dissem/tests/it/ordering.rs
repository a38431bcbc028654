//! FIFO and causal order: what is never broken, whatever is lost, late or forgotten; what is told
//! of gaps; and how long a publication lives.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::common::hands::Held;
use crate::common::invariants::{Complete, InCausalOrder, InOrder};
use crate::common::seat::{NODES, Seat, publishing, seats, told};
use gossip_core::sampling::Fixed;
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::testkit::{Bounds, DeliveredOnce, Invariant, Kinds, NoPhantoms};
use gossip_core::{Layer, Refusal, Wire};
use gossip_dissem::causal::{NEEDS, Stamped};
use gossip_dissem::median::{self, MedianCounter};
use gossip_dissem::plumtree::{self, Config, Message, Plumtree, Trees};
use gossip_dissem::rumor::{self, RumorMongering};
use gossip_dissem::{
    Causal, Delivery, Fifo, MessageId, Patience, Post, Publish, Skipped, Spread, Told,
};

type Bare = Plumtree<u32, u32>;
type Ordered = Fifo<Bare>;
type Rumors = Fifo<RumorMongering<u32, u32>>;
type Caused = Causal<Plumtree<u32, Stamped<u32, u32>>>;

fn plumtree<V: Wire>() -> Plumtree<u32, V> {
    Plumtree::new(Config { trees: Trees::Shared, ..Config::default() }).unwrap()
}

/// No patience to speak of, and next to no memory: order must hold all the same.
const HASTY: Patience = Patience { rounds: 3, held: 5, origins: 64 };

#[test]
fn fifo_order_holds_under_all_faults() {
    for patience in [HASTY, Patience::default()] {
        let news = Fifo::new(plumtree(), patience).unwrap();
        publishing(move |_| news.clone()).check(|| {
            vec![
                Box::new(InOrder::new(told::<Ordered>)),
                Box::new(DeliveredOnce::new(told::<Ordered>)),
                Box::new(Bounds::new("held", patience.held, |node: &Seat<Ordered>| {
                    node.news.held()
                })),
            ]
        });
        let news = RumorMongering::new(rumor::Config::default()).unwrap();
        let news: Rumors = Fifo::new(news, patience).unwrap();
        publishing(move |_| news.clone()).check(|| {
            vec![
                Box::new(InOrder::new(told::<Rumors>)),
                Box::new(DeliveredOnce::new(told::<Rumors>)),
            ]
        });
    }
}

/// The control.
#[test]
fn without_it_order_is_broken() {
    let trial = publishing(|_| plumtree());
    let failure = trial.search(|| vec![Box::new(InOrder::new(told::<Bare>))]);
    assert!(failure.is_err(), "Plumtree alone kept order in 12 cases");
}

/// With full patience in causal order, with little at least in that of each origin.
#[test]
fn causal_order_holds_under_all_faults() {
    for patience in [HASTY, Patience::default()] {
        let news: Caused = Causal::new(plumtree(), patience).unwrap();
        publishing(move |_| news.clone()).check(|| {
            let causal: Box<dyn Invariant<Seat<Caused>>> = if patience == HASTY {
                Box::new(InOrder::new(told::<Caused>))
            } else {
                Box::new(InCausalOrder::new(told::<Caused>))
            };
            vec![
                causal,
                Box::new(DeliveredOnce::new(told::<Caused>)),
                Box::new(NoPhantoms::new(|event| {
                    told::<Caused>(event).is_none_or(|id| id.origin < NODES)
                })),
                Box::new(Bounds::new("held", patience.held, |node: &Seat<Caused>| {
                    node.news.held()
                })),
                Box::new(Bounds::new("origins", patience.origins, |node: &Seat<Caused>| {
                    node.news.origins()
                })),
            ]
        });
    }
}

/// The control: FIFO order is not causal order.
#[test]
fn fifo_order_does_not_keep_causes_before_effects() {
    let news = Fifo::new(plumtree(), Patience::default()).unwrap();
    let trial = publishing(move |_| news.clone()).faults(Kinds::DELAY | Kinds::LOSS);
    let failure = trial.search(|| vec![Box::new(InCausalOrder::new(told::<Ordered>))]);
    assert!(failure.is_err(), "FIFO order was causal in 12 cases");
}

/// Order costs nothing that would have come: when faults are over everybody has everything.
#[test]
fn everybody_has_everything_after_faults() {
    let kinds = Kinds::NETWORK | Kinds::PAUSES;
    let news = Fifo::new(plumtree(), Patience::default()).unwrap();
    publishing(move |_| news.clone()).healing().faults(kinds).check(|| {
        vec![Box::new(Complete::new(told::<Ordered>)), Box::new(InOrder::new(told::<Ordered>))]
    });
    let news = Causal::new(plumtree(), Patience::default()).unwrap();
    publishing(move |_| news.clone()).healing().faults(kinds).check(|| {
        vec![Box::new(Complete::new(told::<Caused>)), Box::new(InCausalOrder::new(told::<Caused>))]
    });
}

fn id(origin: u32, sequence: u32) -> MessageId<u32> {
    MessageId { origin, boot: 7, sequence }
}

fn gossip<V: Wire>(id: MessageId<u32>, value: V) -> Message<u32, V> {
    Message::Gossip(Post { id, hops: 0, age: 0, value })
}

/// What was told: deliveries by their numbers, gaps as they are.
fn numbers<N: Clone, E>(told: Vec<Told<u32, u32, N, E>>) -> (Vec<u32>, Vec<N>) {
    let (mut values, mut notes) = (Vec::new(), Vec::new());
    for event in told {
        match event {
            Told::Delivered(Delivery { value, .. }) => values.push(value),
            Told::Note(note) => notes.push(note),
            Told::Below(_) => panic!("Plumtree tells nothing besides"),
        }
    }
    (values, notes)
}

/// A gap is waited for, then skipped and told; what comes after that is counted, not delivered.
#[test]
fn gaps_are_told_and_never_filled_afterwards() {
    let mut node = Held::new(Fifo::new(plumtree(), HASTY).unwrap());
    for sequence in [0, 3, 1, 5] {
        node.message(1, gossip(id(9, sequence), sequence));
    }
    assert_eq!(numbers(node.hands.take_told()).0, [0, 1]);
    assert_eq!(node.layer.held(), 2);
    (0..3).for_each(|_| node.round());
    let gap = |number| Skipped { origin: 9, boot: 7, first: number, last: number };
    assert_eq!(numbers(node.hands.take_told()), (vec![3, 5], vec![gap(2), gap(4)]));
    node.message(1, gossip(id(9, 2), 2));
    node.message(1, gossip(id(9, 6), 6));
    assert_eq!(numbers(node.hands.take_told()), (vec![6], vec![]));
    assert_eq!(node.hands.count_of("late: its turn is over"), 1);
}

/// More than may be held: what has waited longest waits no more.
#[test]
fn what_is_too_much_to_hold_is_released_in_order() {
    let mut node = Held::new(Fifo::new(plumtree(), HASTY).unwrap());
    for sequence in [0, 9, 8, 7, 6, 5, 4] {
        node.message(1, gossip(id(9, sequence), sequence));
    }
    // Six are one too many: 9 came first, and all that is here before it goes before it.
    let gap = Skipped { origin: 9, boot: 7, first: 1, last: 3 };
    let all = vec![0, 4, 5, 6, 7, 8, 9];
    assert_eq!(numbers(node.hands.take_told()), (all, vec![gap]));
}

fn caused_by(needs: &[MessageId<u32>], value: u32) -> Stamped<u32, u32> {
    Stamped { needs: needs.try_into().unwrap(), value: Some(value) }
}

/// An effect waits for its cause; in vain: the cause is skipped, and dropped should it come. Needs
/// in a circle, which only a liar sends, are given up as well.
#[test]
fn effects_wait_for_their_causes() {
    let mut node = Held::new(Causal::new(plumtree(), HASTY).unwrap());
    node.message(1, gossip(id(5, 0), caused_by(&[id(4, 0)], 50)));
    assert_eq!(numbers(node.hands.take_told()).0, []);
    node.message(1, gossip(id(4, 0), caused_by(&[], 40)));
    assert_eq!(numbers(node.hands.take_told()).0, [40, 50]);

    node.message(1, gossip(id(5, 1), caused_by(&[id(4, 1)], 51)));
    (0..3).for_each(|_| node.round());
    let gap = Skipped { origin: 4, boot: 7, first: 1, last: 1 };
    assert_eq!(numbers(node.hands.take_told()), (vec![51], vec![gap]));
    node.message(1, gossip(id(4, 1), caused_by(&[], 41)));
    assert_eq!(node.hands.count_of("late: its turn is over"), 1);

    node.message(1, gossip(id(1, 0), caused_by(&[id(2, 0)], 10)));
    node.message(1, gossip(id(2, 0), caused_by(&[id(1, 0)], 20)));
    (0..3).for_each(|_| node.round());
    let mut both = numbers(node.hands.take_told()).0;
    both.sort_unstable();
    assert_eq!(both, [10, 20]);
    assert_eq!(node.layer.held(), 0);
}

/// A publication that follows more than fits is preceded by some that say so: 20 causes are 6 + 6 +
/// 6 without a value, and 2 with it. The next one follows only what is new.
#[test]
fn many_causes_travel_ahead() {
    let mut node = Held::new(Causal::new(plumtree(), Patience::default()).unwrap());
    for origin in 1..=20 {
        node.message(1, gossip(id(origin, 0), caused_by(&[], origin)));
    }
    assert_eq!(node.layer.front(), 20);
    node.hands.take_told();
    node.command(Publish::new(100)).unwrap();
    node.command(Publish::new(101)).unwrap();
    let own: Vec<_> = node.hands.take_told();
    let own: Vec<_> = own.iter().filter_map(Told::delivered).collect();
    assert_eq!([own[0].id.sequence, own[1].id.sequence], [3, 4]);
    assert_eq!([own[0].value, own[1].value], [100, 101]);
    let mut needs = BTreeMap::new();
    for (_, message) in &node.hands.sent {
        if let Message::Gossip(post) = message
            && post.id.origin == 0
        {
            needs.insert(post.id.sequence, post.value.needs.len());
        }
    }
    assert_eq!(needs.into_values().collect::<Vec<_>>(), [NEEDS, NEEDS, NEEDS, 2, 0]);
}

/// A publication lives as long as it was given, and no longer: whoever is cut off for longer is not
/// told, nor is anything kept for it.
#[test]
fn publications_end_with_their_life() {
    for seed in 1..=3 {
        let make = seats((20, 4), seed, |_| plumtree());
        let network = Network::new(Latency::Constant(Duration::from_millis(20)));
        let config = event::Config::seeded(seed);
        let mut sim = event::Simulation::new(20, make, network, config).unwrap();
        sim.run_for(Duration::from_secs(2));
        sim.link_mut().set_side(19, 1);
        let short = plumtree::Command::PublishFor { value: 5, rounds: 5 };
        sim.command(0, short).unwrap();
        sim.command(0, plumtree::Command::Publish(64)).unwrap();
        sim.run_for(Duration::from_secs(9));
        let kept = sim.nodes().map(|(_, node)| node.news.kept()).max();
        assert_eq!(kept, Some(1), "only the long one is kept, seed {seed}");
        sim.link_mut().heal();
        sim.run_for(Duration::from_secs(9));
        let told = |node| sim.node(node).unwrap().news.remembered();
        assert_eq!((told(18), told(19)), (2, 1), "seed {seed}");
    }
}

#[test]
fn a_life_is_one_round_to_the_bound_on_age() {
    fn refuses<L: Spread<Id = u32, Value = u32> + Layer<Fixed<u32, 8>>>(layer: L) {
        let mut node = Held::new(layer);
        for rounds in [0, 65] {
            let refused = node.command(L::publish(1, Some(rounds)));
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{rounds}: {refused:?}");
        }
        for rounds in [1, 64] {
            assert!(node.command(L::publish(1, Some(rounds))).is_ok(), "{rounds}");
        }
    }
    refuses(plumtree());
    refuses(RumorMongering::new(rumor::Config::default()).unwrap());
    refuses(MedianCounter::new(median::Config::default()).unwrap());
    refuses(Fifo::new(plumtree(), Patience::default()).unwrap());
    refuses(Causal::new(plumtree(), Patience::default()).unwrap());
}
