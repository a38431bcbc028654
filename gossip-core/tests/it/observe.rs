//! What observers see, against brute force, closed forms and papers.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::{Graph, Spread, neighbours};
use gossip_core::sim::topology;
use gossip_core::{Layer, Peers};
use proptest::prelude::*;

/// Who knows whom among 12 numbers; those of `live` live.
fn graph(live: u16, links: &[(u32, u32)]) -> Graph {
    let row = |node| links.iter().filter(move |link| link.0 == node).map(|link| link.1);
    Graph::new((0..12).filter(|node| live >> node & 1 == 1).map(|node| (node, row(node))))
}

/// Steps between any two, by Floyd and Warshall; none over the dead.
fn distances(graph: &Graph) -> Vec<Vec<u32>> {
    let far = u32::MAX / 4;
    let mut steps = vec![vec![far; 12]; 12];
    for node in graph.nodes() {
        for &to in graph.known_to(node).iter().filter(|&&to| graph.nodes().any(|live| live == to)) {
            steps[node as usize][to as usize] = 1;
        }
        steps[node as usize][node as usize] = 0;
    }
    for over in 0..12 {
        for from in 0..12 {
            for to in 0..12 {
                let around = steps[from][over] + steps[over][to];
                steps[from][to] = steps[from][to].min(around);
            }
        }
    }
    steps
}

/// All eigenvalues of D^-1/2 A D^-1/2 but the 1 of the walk's law, in order, by Jacobi's rotations.
fn eigenvalues(graph: &Graph) -> Vec<f64> {
    let nodes: Vec<u32> = graph.nodes().collect();
    let degree = |node: u32| graph.known_to(node).len().max(1) as f64;
    let entry = |a: u32, b: u32| {
        let alone = a == b && graph.known_to(a).is_empty();
        let joined = alone || graph.known_to(a).contains(&b);
        f64::from(u8::from(joined)) / (degree(a) * degree(b)).sqrt()
    };
    let size = nodes.len();
    let mut m: Vec<Vec<f64>> =
        nodes.iter().map(|&a| nodes.iter().map(|&b| entry(a, b)).collect()).collect();
    for _ in 0..30 {
        for p in 0..size {
            for q in p + 1..size {
                if m[p][q].abs() < 1e-15 {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut m {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = m.split_at_mut(q);
                for (a, b) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..size).map(|at| m[at][at]).collect();
    values.sort_by(f64::total_cmp);
    values.pop();
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn exact_measures_are_those_of_brute_force(
        live in 0_u16..1 << 12,
        links in prop::collection::vec((0_u32..12, 0_u32..14), 0..40),
    ) {
        let graph = graph(live, &links);
        let nodes: Vec<u32> = graph.nodes().collect();
        let lives = |node: u32| nodes.contains(&node);
        let from_live = links.iter().filter(|link| lives(link.0));
        let dead = from_live.clone().filter(|link| !lives(link.1)).count();
        prop_assert_eq!(graph.dead_links(), dead);
        for (at, &node) in nodes.iter().enumerate() {
            let inward = from_live.clone().filter(|link| link.1 == node).count();
            let outward = from_live.clone().filter(|link| link.0 == node).count();
            prop_assert_eq!(graph.in_degrees()[at] as usize, inward);
            prop_assert_eq!(graph.out_degrees()[at] as usize, outward);
        }
        let both = graph.undirected();
        for &node in &nodes {
            let known: BTreeSet<u32> = links
                .iter()
                .filter(|&&(a, b)| a != b && lives(a) && lives(b) && (a == node || b == node))
                .map(|&(a, b)| if a == node { b } else { a })
                .collect();
            prop_assert!(both.known_to(node).iter().copied().eq(known), "around {}", node);
        }
        for graph in [&graph, &both] {
            let steps = distances(graph);
            let pairs = || nodes.iter().flat_map(|&a| nodes.iter().map(move |&b| (a, b)));
            let between = |(a, b): (u32, u32)| steps[a as usize][b as usize];
            let found: Vec<u32> =
                pairs().filter(|p| p.0 != p.1).map(between).filter(|&d| d < 12).collect();
            let paths = graph.paths(12, &mut Key::new(1).random(0));
            let mean = Spread::of(found.iter().map(|&d| d.into())).mean;
            prop_assert!((paths.mean - mean).abs() < 1e-12 && paths.error == 0.0);
            prop_assert_eq!(paths.longest, found.iter().copied().max().unwrap_or(0));
            let all = nodes.len() * nodes.len().saturating_sub(1);
            prop_assert_eq!(paths.unreached, all - found.len());
        }
        let steps = distances(&both);
        let joined = |a: u32, b: u32| steps[a as usize][b as usize] < 12;
        let around = |&a: &u32| nodes.iter().copied().filter(|&b| joined(a, b)).collect();
        let parts: BTreeSet<Vec<u32>> = nodes.iter().map(around).collect();
        let mut sizes: Vec<u32> = parts.iter().map(|part| part.len() as u32).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for graph in [&graph, &both] {
            prop_assert_eq!(&graph.components().sizes, &sizes);
        }
        prop_assert_eq!(both.is_connected(), sizes.len() <= 1);
        let local = nodes.iter().map(|&node| {
            let around = both.known_to(node);
            let pairs = around.iter().flat_map(|&a| around.iter().map(move |&b| (a, b)));
            let pairs: Vec<_> = pairs.filter(|(a, b)| a < b).collect();
            let closed = pairs.iter().filter(|(a, b)| both.known_to(*a).contains(b)).count();
            closed as f64 / pairs.len().max(1) as f64
        });
        let mean = Spread::of(local).mean;
        prop_assert!((both.clustering() - mean).abs() < 1e-12);
        let all = both.sampled_clustering(12, &mut Key::new(1).random(0));
        prop_assert!((all.mean - mean).abs() < 1e-12 && all.error == 0.0);
    }

    #[test]
    fn the_order_of_nodes_means_nothing(
        rows in prop::collection::btree_map(
            0_u32..40,
            prop::collection::vec(0_u32..50, 0..5),
            0..20,
        ),
        seed: u64,
    ) {
        let mut shuffled: Vec<(u32, Vec<u32>)> = rows.clone().into_iter().collect();
        Key::new(seed).random(0).shuffle(&mut shuffled);
        prop_assert_eq!(Graph::new(rows), Graph::new(shuffled));
    }

    #[test]
    fn spectra_are_those_of_brute_force(
        live in 0_u16..1 << 12,
        links in prop::collection::vec((0_u32..12, 0_u32..12), 0..40),
    ) {
        let graph = graph(live, &links).undirected();
        let values = eigenvalues(&graph);
        let spectrum = graph.spectrum(1e-9, 100);
        prop_assert_eq!(spectrum.is_none(), values.is_empty());
        if let (Some(found), [least, ..], Some(&second)) = (spectrum, &values[..], values.last()) {
            prop_assert!((found.second - second).abs() < 1e-7, "{:?} {:?}", found, values);
            prop_assert!((found.least - least).abs() < 1e-7, "{:?} {:?}", found, values);
        }
    }
}

/// Two rows for a node: the last counts, as before there was one list for all.
#[test]
fn the_last_row_of_a_node_counts() {
    let graph = Graph::new([(4, vec![1]), (1, vec![4, 4]), (4, vec![2, 1])]);
    assert_eq!(graph, Graph::new([(1, vec![4, 4]), (4, vec![2, 1])]));
}

/// Estimates from 40 samples of known graphs, over 300 draws: off by more than four of their own
/// standard errors in less than 2 % of them (of Student's t with 39 degrees of freedom .03 %; the
/// skew of what is averaged adds the rest), and by more than one in about 32 %, so that errors are
/// not overstated either.
#[test]
fn estimates_are_within_their_errors() {
    let graph = topology::watts_strogatz(1_500, 6, 0.2, Key::new(1)).unwrap();
    let exact = graph.clustering();
    let all_paths = graph.paths(1_500, &mut Key::new(1).random(0));
    assert_eq!(all_paths.error, 0.0);
    let (mut far, mut near) = ([0; 2], [0; 2]);
    for seed in 0..300 {
        let mut random = Key::new(seed).random(1);
        let clustering = graph.sampled_clustering(40, &mut random);
        let paths = graph.paths(40, &mut random);
        for (at, off) in [
            (clustering.mean - exact).abs() / clustering.error,
            (paths.mean - all_paths.mean).abs() / paths.error,
        ]
        .into_iter()
        .enumerate()
        {
            far[at] += usize::from(off > 4.0);
            near[at] += usize::from(off <= 1.0);
        }
    }
    assert!(far.iter().all(|&far| far <= 6), "{far:?} of 300 are four errors off");
    // 68 % of 300, less four standard deviations of 8, and as much above.
    assert!(near.iter().all(|near| (170..=238).contains(near)), "{near:?} of 300 are within one");
}

/// A sample without a single closed pair does not claim that there is none.
#[test]
fn no_clustering_in_a_sample_is_not_certainty() {
    let graph = topology::ring_lattice(1_000, 2).unwrap();
    let estimate = graph.sampled_clustering(50, &mut Key::new(1).random(0));
    assert_eq!((estimate.mean, estimate.error), (0.0, 1.0 / 50.0));
    assert_eq!(graph.paths(1, &mut Key::new(1).random(0)).error, f64::INFINITY);
}

fn hypercube(dimension: u32) -> Graph {
    let row = |node: u32| (0..dimension).map(move |bit| node ^ 1 << bit);
    Graph::new((0..1 << dimension).map(|node| (node, row(node))))
}

/// Closed forms (Brouwer, Haemers, *Spectra of graphs*, 2012, section 1.4), as shares of the
/// degree: ring cos(2 pi / n), least -1 if n is even; complete -1 / (n - 1); hypercube 1 - 2 / d
/// and -1; torus of side n (1 + cos(2 pi / n)) / 2.
#[test]
fn spectra_of_known_graphs() {
    let ring = |nodes| topology::ring_lattice(nodes, 2).unwrap();
    let apart = Graph::new((0..20).map(|node| (node, [(node + 2) % 20]))).undirected();
    let alone = Graph::new([(0, vec![1]), (1, vec![0]), (5, vec![])]);
    for (name, graph, second, least) in [
        ("ring", ring(30), libm::cos(TAU / 30.0), -1.0),
        ("odd ring", ring(31), libm::cos(TAU / 31.0), libm::cos(TAU * 15.0 / 31.0)),
        ("complete", topology::complete(50).unwrap(), -1.0 / 49.0, -1.0 / 49.0),
        ("hypercube", hypercube(8), 0.75, -1.0),
        (
            "torus",
            topology::torus(&[20, 20]).unwrap(),
            f64::midpoint(1.0, libm::cos(TAU / 20.0)),
            -1.0,
        ),
        ("two rings", apart, 1.0, -1.0),
        ("one alone", alone, 1.0, -1.0),
        ("pair", Graph::new([(0, [1]), (1, [0])]), -1.0, -1.0),
    ] {
        let found = graph.spectrum(1e-9, 500).unwrap();
        let near = (found.second - second).abs() < 1e-7 && (found.least - least).abs() < 1e-7;
        assert!(near, "{name}: {found:?}, expected {second} and {least}");
    }
    assert_eq!(Graph::new([(3, [7])]).spectrum(1e-9, 9), None);
}

/// Friedman (*A proof of Alon's second eigenvalue conjecture*, STOC 2003): the second eigenvalue of
/// random d-regular graphs is at most 2 sqrt(d - 1) + eps, and no graph's is much less. Expected at
/// N = 1,000, from an independent simulation (numpy): 2.824, 3.448, 4.440, 5.225, 5.930. Its edge
/// has the law of Tracy and Widom, about 2 sqrt(d) N^-2/3 wide: .06 at d = 10, the mean of ten .02,
/// and the published ones' as much.
#[test]
fn random_regular_graphs_are_near_ramanujan() {
    for (degree, expected) in [(3, 2.824), (4, 3.448), (6, 4.440), (8, 5.225), (10, 5.930)] {
        let bound = 2.0 * f64::from(degree - 1).sqrt() + 0.1;
        let seconds = (1..=10).map(|seed| {
            let graph = topology::random_regular(1_000, degree, Key::new(seed)).unwrap();
            let second = graph.spectrum(1e-4, 300).unwrap().second * f64::from(degree);
            assert!(second <= bound, "{second} of {bound}: degree {degree} seed {seed}");
            second
        });
        let mean = Spread::of(seconds).mean;
        assert!((mean - expected).abs() < 0.06, "{mean}, expected {expected}: degree {degree}");
    }
}

fn overlay<S, P>(
    nodes: u32,
    make: impl Fn() -> S,
    peers: impl Fn(&S) -> &P,
    seed: u64,
    die: bool,
) -> Graph
where
    S: Layer<(), Id = u32>,
    P: Peers<Id = u32>,
{
    let mut sim = Simulation::new((0..nodes).map(|_| make()), seed, Order::Sequential);
    (1..nodes).for_each(|node| sim.contact(node, node - 1));
    sim.run(100);
    if die {
        sim.kill_all((0..nodes).step_by(2));
        sim.run(60);
    }
    Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(peers(node))))).undirected()
}

/// The second eigenvalue, and Friedman's bound for the mean degree d, (2 sqrt(d - 1) + .1) / d.
fn second_and_bound(graph: &Graph) -> (f64, f64) {
    let degree = graph.in_degree().mean;
    let second = graph.spectrum(1e-4, 300).unwrap().second;
    (second, (2.0 * (degree - 1.0).sqrt() + 0.1) / degree)
}

/// Cyclon's overlay, from a chain, is as good an expander as a random regular graph of its mean
/// degree; also after half of the nodes crashed, when the gap is within .1 of what it was. The
/// control is Newscast, whose neighbours know each other: an expander, but not such a one.
#[test]
fn samplers_keep_expanders() {
    let cyclon = || Cyclon::<u32, 20>::new(cyclon::Config::default()).unwrap();
    let newscast = || Newscast::<u32, 20>::new(newscast::Config::default()).unwrap();
    for seed in 1..4 {
        let two = |die| {
            let even = overlay(1_000, cyclon, |node| &**node, seed, die);
            let clustered = overlay(1_000, newscast, |node| &**node, seed, die);
            [even, clustered].map(|graph| second_and_bound(&graph))
        };
        let (fresh, healed) = (two(false), two(true));
        for (second, bound) in [fresh[0], healed[0]] {
            assert!(second <= bound, "Cyclon: {second} of {bound}; seed {seed}");
        }
        assert!(fresh[1].0 > fresh[1].1, "the control is as good: {fresh:?}; seed {seed}");
        for (before, after) in fresh.iter().zip(healed) {
            let off = (before.0 - after.0).abs();
            assert!(after.0 < 1.0 && off < 0.1, "{fresh:?} then {healed:?}; seed {seed}");
        }
    }
}

/// Memory of this process in MB, the most so far or now; 0 where the system does not say.
fn memory(which: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.and_then(|kilobytes| kilobytes.parse::<usize>().ok()).unwrap_or(0) / 1_024
}

/// What the issue asks for at N = 10^6 and views of 20, on one core: degrees, clustering, path
/// lengths and components in at most 5 s together, with at most 400 MB beside the graph. (PeerSim:
/// 18 s for degrees and 37 s for path lengths.) The graph is k-out, whose values are known: an
/// in-degree is Poisson, sd sqrt(20), within 4 x .07 %; clustering is 40 / N.
#[test]
#[ignore = "soak: a million nodes"]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn soak_a_million_nodes_in_five_seconds() {
    let graph = topology::k_out(1_000_000, 20, Key::new(1)).unwrap();
    let held = memory("VmRSS");
    let mut random = Key::new(2).random(0);
    let start = std::time::Instant::now();
    let lap = |what: &str| println!("{:.2} s  {what}", start.elapsed().as_secs_f64());
    let (inward, outward, dead) = (graph.in_degree(), graph.out_degree(), graph.dead_links());
    lap("degrees, dead links");
    let parts = graph.components();
    lap("components");
    let both = graph.undirected();
    lap("both directions");
    let clustering = both.sampled_clustering(10_000, &mut random);
    lap("clustering of 10,000");
    let paths = both.paths(64, &mut random);
    lap("paths from 64");
    let took = start.elapsed();
    let extra = memory("VmHWM").saturating_sub(held);
    println!("{extra} MB beside the graph; {inward:?} {clustering:?} {paths:?}");

    assert!((inward.sd / 20_f64.sqrt() - 1.0).abs() < 0.003 && outward.sd == 0.0 && dead == 0);
    assert_eq!((parts.count(), paths.unreached), (1, 0));
    assert!(clustering.within(4.0, 4e-5), "{clustering:?}");
    // 40 neighbours, 1,600 at two steps, 62,000 at three: the rest mostly at four.
    assert!(paths.mean > 3.8 && paths.mean < 4.3 && paths.error < 0.01, "{paths:?}");
    assert!(extra <= 400, "{extra} MB");
    assert!(took.as_secs_f64() <= 5.0, "took {took:?}");
}
