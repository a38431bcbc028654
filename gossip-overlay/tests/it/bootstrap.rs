//! The bootstrapping service: how soon leaf sets and prefix tables are perfect, under loss and
//! after deaths too, and routes over them.
//!
//! Paper, section 5: b = 4, k = 3, c = 20, cr = 30; perfect after a few tens of cycles, also with a
//! fifth of all messages lost, and a few more for larger systems (`papers/aggregate-overlay.md`,
//! section 5).

use gossip_core::id;
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Link, Perfect};
use gossip_core::sim::{Network, Oracle};
use gossip_overlay::Bootstrap;
use gossip_overlay::bootstrap::{Command, Config, Event, missing};
use proptest::prelude::*;

type Node<const M: usize> = Bootstrap<u32, M>;
type Sim<L, const M: usize> = Simulation<Node<M>, Oracle<Node<M>>, L>;

fn start<L: Link, const M: usize>(n: u32, seed: u64, config: Config, link: L) -> Sim<L, M> {
    let oracle = Oracle::new(n, 20, seed, |_: &Node<M>| Some(()));
    let nodes = (0..n).map(|_| Node::<M>::new(config).unwrap());
    Simulation::with(nodes, seed, Order::Sequential, oracle, link)
}

fn lacks<L: Link, const M: usize>(sim: &Sim<L, M>) -> (usize, usize) {
    missing(sim.nodes())
}

/// Cycles until nothing is missing, `most` if it never is.
fn cycles<L: Link, const M: usize>(mut sim: Sim<L, M>, most: u32) -> u32 {
    while sim.cycle() < most && lacks(&sim) != (0, 0) {
        sim.step();
    }
    sim.cycle()
}

/// "A few tens of cycles", with and without loss. The control has no room for prefixes in its
/// messages: then tables hold what leaf sets and their building have seen.
#[test]
fn leaf_sets_and_tables_are_perfect_in_a_few_tens_of_cycles() {
    let lossy = Network::default().loss(0.2).unwrap();
    let whole = cycles(start::<_, 128>(512, 1, Config::published(), Perfect), 40);
    assert!(whole < 20, "{whole} cycles, seed 1");
    let lossy = cycles(start::<_, 128>(512, 1, Config::published(), lossy), 40);
    assert!(lossy < 30, "{lossy} cycles with a fifth lost, seed 1");
    let cramped = cycles(start::<_, 20>(512, 1, Config::published(), Perfect), whole + 2);
    assert_eq!(cramped, whole + 2, "the control, seed 1");
}

/// Pastry's routing over perfect tables, section 2: to whoever is nearest to a key, in about
/// log N / log 2^b steps; at b = 4 and N = 512 2.25, and one more for the last among the leaves.
#[test]
fn routes_over_perfect_tables_are_short_and_end_at_the_nearest() {
    for (bits, most) in [(4, 3.25), (2, 5.5)] {
        let config = Config { bits, ..Config::published() };
        let mut sim = start::<_, 128>(512, 1, config, Perfect);
        sim.run(16);
        assert_eq!(lacks(&sim), (0, 0), "seed 1, b = {bits}");
        let mut random = Key::new(1).with(3).random(0);
        let mut hops = 0;
        for _ in 0..300 {
            let (mut at, key) = (random.below(512) as u32, random.next_u64());
            while let Some(next) = sim.node(at).unwrap().next_hop(key) {
                (at, hops) = (next, hops + 1);
            }
            let apart = |node: u32| {
                let far = id::digest(&node).wrapping_sub(key);
                far.min(far.wrapping_neg())
            };
            assert_eq!(Some(at), (0..512).min_by_key(|&node| apart(node)), "key {key}");
        }
        let mean = f64::from(hops) / 300.0;
        assert!(mean <= most, "{mean} hops, b = {bits}, seed 1");
    }
}

/// It says when all stands. Who dies is not dropped, which the control shows; begun anew, among
/// those who live, it is perfect again.
#[test]
fn begun_anew_after_deaths_it_is_perfect_again() {
    let mut sim = start::<_, 128>(256, 2, Config::published(), Perfect);
    sim.run(30);
    let told = sim.events().take().filter(|event| event.1 == Event::Converged).count();
    assert_eq!(told, 256, "all have said so, seed 2");
    sim.kill_all((0..256).step_by(9));
    sim.run(10);
    assert!(lacks(&sim).0 > 0, "the control, seed 2");
    let live: Vec<u32> = sim.nodes().map(|node| node.0).collect();
    for node in live {
        sim.command(node, Command::Restart).unwrap();
    }
    sim.run(20);
    assert_eq!(lacks(&sim), (0, 0), "seed 2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever dies, whatever the parameters: nobody knows itself or anybody twice, and sizes stay
    /// within their bounds.
    #[test]
    fn tables_are_sound(
        n in 2_u32..60,
        half in 1_usize..8,
        shift in 0_u32..4,
        alternatives in 1_usize..4,
        repair in prop::option::of(0_usize..9),
        dead in prop::collection::vec(0_u32..60, 0..10),
        seed: u64,
    ) {
        let (leaves, bits, samples) = (2 * half, 1 << shift, 5);
        let config = Config { leaves, bits, alternatives, samples, repair };
        let network = Network::default().loss(0.1).unwrap().duplication(0.2).unwrap();
        let mut sim = start::<_, 16>(n, seed, config, network);
        sim.run(6);
        for node in dead {
            sim.kill(node);
        }
        sim.run(12);
        for (me, node) in sim.nodes() {
            let mut leaves: Vec<u32> = node.leaves().collect();
            prop_assert!(leaves.len() <= 2 * half && !leaves.contains(&me));
            let count = leaves.len();
            leaves.sort_unstable();
            leaves.dedup();
            prop_assert_eq!(leaves.len(), count, "a leaf twice at {}", me);
            let mut table: Vec<(u32, u64, u32)> =
                node.table().map(|(peer, row, digit)| (row, digit, peer)).collect();
            prop_assert!(table.is_sorted_by_key(|known| (known.0, known.1)));
            table.sort_unstable();
            let slots = table.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1));
            for slot in slots {
                prop_assert!(slot.len() <= alternatives && slot.iter().all(|known| known.2 != me));
                prop_assert!(slot.windows(2).all(|pair| pair[0] != pair[1]), "twice in a slot");
            }
        }
    }
}
