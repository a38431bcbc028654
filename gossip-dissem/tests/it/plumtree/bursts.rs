//! First publications in trees that grow on demand: pushed for some hops, and then announced.

use core::time::Duration;

use gossip_dissem::plumtree::{Command, Config, Event, Message, Plumtree, Trees};
use gossip_dissem::{MessageId, Post};

use super::{Ask, quick, regular};
use crate::common::hands::Held;

/// The median time, in ms, in which a node hears what one publishes that has not before, of 40
/// publications among 1,000 nodes over links that lose nothing.
fn first_median(config: Config, seed: u64) -> u128 {
    let graph = regular(1_000, 5, seed);
    let mut sim = quick(&graph, config, seed);
    let (mut latencies, second) = (Vec::new(), Duration::from_secs(1));
    for number in 0..40 {
        sim.command(number * 25, Ask::news(Command::Publish(number))).unwrap();
        let (published, mut heard) = (sim.now(), 0);
        while heard < 1_000 && sim.now().since(published) < second {
            sim.run_for(Duration::from_millis(5));
            let new = sim.events().take().count();
            latencies.extend([sim.now().since(published).as_millis()].repeat(new));
            heard += new;
        }
        assert_eq!(heard, 1_000, "seed {seed}, {number}");
    }
    latencies.sort_unstable();
    latencies[latencies.len() / 2]
}

/// With a burst that reaches half of the group, half of the nodes hear an origin's first
/// publication in 1.5 times a flood's median at most. The control: without it, it takes twice as
/// long at the least.
#[test]
fn a_burst_makes_first_publications_quick() {
    let bursts = Config { burst: 600, ..Config::default() };
    let flood = first_median(Config { trees: Trees::PerOrigin, ..bursts }, 61);
    let quick = first_median(bursts, 61);
    assert!(quick * 2 <= flood * 3, "{quick} ms, a flood {flood}");
    let slow = first_median(Config { burst: 0, ..bursts }, 61);
    assert!(slow >= 2 * flood, "{slow} ms, a flood {flood}");
}

/// A burst is divided, not multiplied: with those it orders, a node pushes as many as it was told
/// to, and no more than its own bound, whatever a peer asks for. What is known is not pushed again,
/// and the peer that sent it is no part of the tree.
#[test]
fn a_burst_is_divided_and_bounded() {
    let pushed = |burst, told| {
        let config = Config { burst, ..Config::default() };
        let mut node = Held::new(Plumtree::<u32, u32>::new(config).unwrap());
        let id = MessageId { origin: 9, boot: 7, sequence: 0 };
        for from in [1, 2] {
            let post = Post { id, hops: 0, age: 0, value: 5 };
            node.message(from, Message::Burst { post, copies: told });
        }
        let told = node.hands.take_told();
        assert!(matches!(told[..], [Event::Delivered { value: 5, hops: 1, .. }]), "{told:?}");
        let (mut copies, mut pruned) = (0, Vec::new());
        for (to, message) in node.hands.sent {
            match message {
                Message::Burst { copies: more, .. } => copies += 1 + more,
                Message::Prune(_) => pruned.push(to),
                _ => {}
            }
        }
        assert_eq!(pruned, [2]);
        copies
    };
    for (burst, told, copies) in
        [(500, 0, 0), (500, 1, 1), (500, 7, 7), (500, u32::MAX, 500), (0, 7, 0)]
    {
        assert_eq!(pushed(burst, told), copies, "{told} where {burst} may be");
    }
}
