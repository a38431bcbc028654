//! Overlays under schedules of faults.

use std::time::Duration;

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::event::Simulation;
use gossip_core::testkit::{Bounds, Finally, Invariants, Kinds, SoundViews, Trial, Violation};
use gossip_core::{PeerId, stack};
use gossip_overlay::slicing::{
    Jk, Profile, Ranking, Sliced, Slices, Sliver, Value, jk, ranking, sliver,
};
use gossip_overlay::{RingRank, TMan, ring, tman};

stack! {
    /// A ring and slices over Cyclon.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        #[uses(slices)]
        peers: Cyclon<I, 8, Profile>,
        #[uses(peers)]
        ring: TMan<I, RingRank, 10>,
        #[uses(peers)]
        slices: Jk<I>,
    }
}

const NODES: u32 = 12;
const MOST: usize = 16;

fn node(at: u32, patience: Duration) -> Node<u32> {
    let ring = tman::Config::new(RingRank::hashed()).limit(MOST).degree(6);
    let slices = Slices::equal(3).unwrap();
    let slices = jk::Config { attribute: f64::from(at * 7 % NODES), slices };
    Node::new(
        Cyclon::new(cyclon::Config::default()).unwrap().patience(patience).unwrap(),
        TMan::new(ring).unwrap().patience(patience).unwrap(),
        Jk::new(slices).unwrap().patience(patience).unwrap(),
    )
}

fn trial(patience: Duration) -> Trial<Node<u32>> {
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(40));
    let trial = Trial::new(NODES, move |at| node(at, patience)).cases(48);
    trial.schedule(20, span, rest).healing()
}

fn is_sound() -> Invariants<Node<u32>> {
    vec![
        Box::new(SoundViews::new(6, |node: &Node<u32>| &node.ring)),
        Box::new(Bounds::new("view of the ring", MOST, |node: &Node<u32>| node.ring.view().len())),
        Box::new(Bounds::new("slice", 2, |node: &Node<u32>| {
            node.slices.slice().unwrap_or_default() as usize
        })),
    ]
}

#[test]
fn views_are_sound_under_every_fault() {
    trial(gossip_core::exchange::PATIENCE).check(is_sound);
}

/// T-Man 2009, section 3, and our expiry: after faults of links, pauses and departures, within two
/// lifetimes of 20 rounds, every node has its true neighbours.
#[test]
fn the_ring_closes_again() {
    let closed = |sim: &Simulation<Node<u32>>| {
        let missing = ring::missing_links(sim.nodes().map(|(at, node)| (at, &*node.ring)));
        Violation::unless(missing == 0, || format!("{missing} links of the ring are missing"))
    };
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES | Kinds::CHURN;
    trial(gossip_core::exchange::PATIENCE).faults(kinds).check(|| {
        let mut all = is_sound();
        all.push(Box::new(Finally::new(closed)));
        all
    });
}

/// The values of all nodes, sorted, as they were when all had drawn; looked at while no swap is
/// under way.
fn values_stay() -> Invariants<Node<u32>> {
    let mut drawn: Option<Vec<Value>> = None;
    let check = move |sim: &Simulation<Node<u32>>| {
        if sim.nodes().any(|(_, node)| node.slices.is_waiting()) {
            return Ok(());
        }
        let values: Option<Vec<Value>> = sim.nodes().map(|(_, node)| node.slices.value()).collect();
        let Some(mut values) = values else { return Ok(()) };
        values.sort_unstable();
        let before = drawn.get_or_insert_with(|| values.clone());
        Violation::unless(*before == values, || format!("values were {before:?}, are {values:?}"))
    };
    vec![Box::new(check)]
}

/// JK, section 3: swaps move values and make none, while no reply is lost or late. Round trips are
/// below 100 ms under duplication, and below 5 s under delay.
#[test]
fn values_are_conserved_without_loss() {
    trial(gossip_core::exchange::PATIENCE).faults(Kinds::DUPLICATION).check(values_stay);
    trial(Duration::from_secs(6)).faults(Kinds::DELAY).check(values_stay);
}

/// The control: with loss a value is there twice, as the module page says.
#[test]
fn values_are_not_conserved_under_loss() {
    let failure = trial(gossip_core::exchange::PATIENCE).faults(Kinds::LOSS).search(values_stay);
    let failure = failure.unwrap_err();
    assert!((1..=2).contains(&failure.schedule.0.len()), "{failure}");
}

stack! {
    /// Two ways to count, over one sampler.
    #[derive(Clone, Debug)]
    struct Counting<I: PeerId> {
        #[uses(window)]
        peers: Cyclon<I, 8, Profile>,
        #[uses(peers)]
        window: Ranking<I>,
        #[uses(peers)]
        sliver: Sliver<I>,
    }
}

/// Three nodes have the same attribute each.
fn counting(at: u32) -> Counting<u32> {
    let (attribute, slices) = (f64::from(at / 3), Slices::equal(4).unwrap());
    let window = ranking::Config { attribute, slices: slices.clone(), window: Some(100) };
    let sliver = sliver::Config { attribute, slices, timeout: 20, limit: MOST };
    Counting::new(
        Cyclon::new(cyclon::Config::default()).unwrap(),
        Ranking::new(window).unwrap(),
        Sliver::new(sliver).unwrap(),
    )
}

fn counts_are_bounded() -> Invariants<Counting<u32>> {
    vec![
        Box::new(Bounds::new("remembered", MOST, |node: &Counting<u32>| node.sliver.remembered())),
        Box::new(Bounds::new("window", 100, |node: &Counting<u32>| {
            node.window.observations() as usize
        })),
        Box::new(Bounds::new("slice", 3, |node: &Counting<u32>| {
            let slices = [node.window.slice(), node.sliver.slice()];
            slices.into_iter().flatten().max().unwrap_or_default() as usize
        })),
    ]
}

#[test]
fn counts_are_bounded_under_every_fault() {
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(10));
    let trial = Trial::new(NODES, counting).cases(32).schedule(20, span, rest).healing();
    trial.check(counts_are_bounded);
}

/// Sliver, once whoever left is forgotten, three timeouts after the last fault: all live nodes
/// are remembered, nobody else, and every slice is right, ties by identifier.
#[test]
fn sliver_is_exact_after_faults_and_quiet() {
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(60));
    let trial = Trial::new(NODES, counting).cases(32).schedule(20, span, rest).healing();
    let exact = |sim: &Simulation<Counting<u32>>| {
        let mut order: Vec<(u32, u32)> = sim.nodes().map(|(id, _)| (id / 3, id)).collect();
        order.sort_unstable();
        for (rank, &(_, id)) in order.iter().enumerate() {
            let Some(node) = sim.node(id) else { continue };
            let expected = node.sliver.slices().of_rank(rank, order.len());
            let (slice, known) = (node.sliver.slice(), node.sliver.remembered());
            let is_right = known + 1 == order.len() && slice.is_none_or(|slice| slice == expected);
            Violation::unless(is_right, || {
                format!("{id} is in {slice:?}, not {expected}; {known} of {}", order.len())
            })?;
        }
        Ok(())
    };
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES;
    trial.faults(kinds).check(|| {
        let mut all = counts_are_bounded();
        all.push(Box::new(Finally::new(exact)));
        all
    });
}
