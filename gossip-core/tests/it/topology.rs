//! Static graphs against what is known of them.
//!
//! - Watts, Strogatz, Nature 393, 1998; Barrat, Weigt, *On the properties of small-world network
//!   models*, EPJ B 13, 2000: of a lattice's triangles (1 - beta)^3 stay.
//! - Bollobas, Riordan, Spencer, Tusnady, *The degree sequence of a scale-free random graph
//!   process*, RSA 18, 2001: a share 2m(m+1) / k(k+1)(k+2) has degree k.
//! - Bollobas, *A probabilistic proof of an asymptotic formula for the number of labelled regular
//!   graphs*, EJC 1, 1980: triangles of a random d-regular graph are Poisson, mean (d-1)^3 / 6.
//! - Friedman, *A proof of Alon's second eigenvalue conjecture*, STOC 2003: its second eigenvalue
//!   is at most 2 sqrt(d-1) and little more.
//! - Massoulie et al., PODC 2006, section 5: mean degree 7.20.

use gossip_core::ParameterError;
use gossip_core::random::Key;
use gossip_core::sim::observe::{Graph, Spread};
use gossip_core::sim::topology;
use proptest::prelude::*;

/// Three nodes that all know each other, in a graph with links in both directions.
fn triangles(graph: &Graph) -> f64 {
    let closed = graph.nodes().map(|a| {
        let around = graph.known_to(a);
        let pairs = around.iter().flat_map(|b| around.iter().map(move |c| (b, c)));
        pairs.filter(|(b, c)| b < c && graph.known_to(**b).contains(c)).count()
    });
    closed.sum::<usize>() as f64 / 3.0
}

/// The second largest eigenvalue of the adjacency of a `d`-regular graph, from below: Rayleigh
/// quotient after power iteration of A + dI, whose order is that of A, without the all-ones vector.
fn second_eigenvalue(graph: &Graph, d: f64, seed: u64) -> f64 {
    let mut random = Key::new(seed).random(7);
    let mut x: Vec<f64> = graph.nodes().map(|_| random.unit() - 0.5).collect();
    let mut value = 0.0;
    for _ in 0..1_000 {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        for part in &mut x {
            *part -= mean;
        }
        let norm = x.iter().map(|part| part * part).sum::<f64>().sqrt();
        for part in &mut x {
            *part /= norm;
        }
        let around = |node: u32| graph.known_to(node).iter().map(|&to| x[to as usize]).sum::<f64>();
        let ax: Vec<f64> = graph.nodes().map(around).collect();
        value = ax.iter().zip(&x).map(|(a, b)| a * b).sum();
        x = ax.iter().zip(&x).map(|(a, b)| a + d * b).collect();
    }
    value
}

/// N = 10^4, k = 20, 1 seed. In-degrees are binomial: mean 20, sd sqrt(20 (1 - 20/9999)) = 4.468,
/// of which the sd is 4.468 / sqrt(2 * 10^4) = .032. The control, everybody's in-degree 20 on a
/// lattice, has sd 0.
#[test]
fn k_out_in_degrees_are_binomial() {
    let graph = topology::k_out(10_000, 20, Key::new(1)).unwrap();
    let degree = graph.in_degree();
    assert_eq!(degree.mean, 20.0);
    assert!((degree.sd - 4.468).abs() < 4.0 * 0.032, "sd {} at seed 1", degree.sd);
    assert_eq!(topology::ring_lattice(10_000, 20).unwrap().in_degree().sd, 0.0);
}

/// Over 10^4 seeds, each other node is known by node 1 of 5, with k = 2, half of the time: sd 50.
/// So it is first in the list a quarter of the time: sd 43.
#[test]
fn k_out_draws_everybody_alike_and_in_any_order() {
    let mut known = [[0_u32; 2]; 5];
    for seed in 0..10_000 {
        let graph = topology::k_out(5, 2, Key::new(seed)).unwrap();
        graph.known_to(1).iter().enumerate().for_each(|(at, &to)| known[to as usize][at] += 1);
    }
    assert_eq!(known[1], [0, 0]);
    for at in [0, 2, 3, 4] {
        for count in known[at] {
            assert!(count.abs_diff(2_500) < 4 * 43, "{known:?}, seeds 0 to 9999");
        }
    }
}

/// k = 10: C = 3(k-2) / 4(k-1) = 2/3, exactly; longest path ceil(N/2 / (k/2)).
#[test]
fn ring_lattice_has_the_clustering_and_diameter_of_one() {
    let ring = topology::ring_lattice(1_000, 10).unwrap();
    assert!((ring.clustering() - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(ring.paths(3, &mut Key::new(1).random(0)).longest, 100);
}

/// N = 10^4, k = 10, so 10^5 triangles at first. At beta = .1, 72,900 stay. A link is in 6: sd
/// about sqrt(50,000 * .1 * .9) * 6 * .81 = 326, and less than that again for the rest; rewired
/// links close about 50. Tolerance 4 * 460. Paths get short: the control, beta = 0, has 500.
#[test]
fn watts_strogatz_keeps_triangles_and_shortens_paths() {
    let [ring, small] =
        [0.0, 0.1].map(|beta| topology::watts_strogatz(10_000, 10, beta, Key::new(2)).unwrap());
    assert_eq!(triangles(&ring), 100_000.0);
    let stay = triangles(&small);
    assert!((stay - 72_950.0).abs() < 4.0 * 460.0, "{stay} triangles at seed 2");
    let paths = [&ring, &small].map(|graph| graph.paths(5, &mut Key::new(2).random(1)).mean);
    assert!(paths[0] > 499.0 && paths[1] < 10.0, "paths {paths:?} at seed 2");
    assert_eq!(small.in_degree().mean, 10.0);
}

/// N = 10^5, m = 3: shares .4, .2, 4/35 have degree 3, 4, 5; sd below sqrt(.24 / 10^5) = .00155.
/// Hubs grow as m sqrt(N) = 949; the control, a random graph with the same mean, has none.
#[test]
fn barabasi_albert_degrees_follow_the_power_law() {
    let graph = topology::barabasi_albert(100_000, 3, Key::new(3)).unwrap();
    let degrees = graph.in_degrees();
    for (degree, share) in [(3, 0.4), (4, 0.2), (5, 4.0 / 35.0)] {
        let found = degrees.iter().filter(|&&d| d == degree).count() as f64 / 1e5;
        assert!((found - share).abs() < 4.0 * 0.00155, "{found} have {degree} at seed 3");
    }
    assert!(degrees.iter().all(|&d| d >= 3) && graph.is_connected());
    assert!(graph.in_degree().max > 300.0, "{:?} at seed 3", graph.in_degree());
    let random = topology::k_out(100_000, 3, Key::new(3)).unwrap().undirected();
    assert!(random.in_degree().max < 40.0, "{:?} at seed 3", random.in_degree());
}

/// Sides of even length L: the mean path is L/4 a dimension, N / (N-1) of it without oneself.
#[test]
fn torus_paths_are_a_quarter_of_its_sides() {
    let torus = topology::torus(&[10, 8, 6]).unwrap();
    assert_eq!((torus.in_degree().min, torus.in_degree().max), (6.0, 6.0));
    let paths = torus.paths(2, &mut Key::new(1).random(0));
    assert!((paths.mean - 6.0 * 480.0 / 479.0).abs() < 1e-9, "{paths:?}");
    assert_eq!(topology::torus(&[7]).unwrap(), topology::ring_lattice(7, 2).unwrap());
    assert_eq!(topology::torus(&[2, 1]).unwrap(), topology::complete(2).unwrap());
}

/// N = 1000, 10 seeds: at most 2 sqrt(d-1) + .1 (aggregate-overlay.md, section 11; there 2.824,
/// 3.448, 5.225 for d = 3, 4, 8). The control, a lattice of degree 4, has nearly 4.
#[test]
fn random_regular_second_eigenvalue_is_friedmans() {
    for d in [3_u32, 4, 8] {
        let bound = 2.0 * f64::from(d - 1).sqrt();
        for seed in 0..10 {
            let graph = topology::random_regular(1_000, d, Key::new(seed)).unwrap();
            let value = second_eigenvalue(&graph, d.into(), seed);
            let around = bound - 0.2..bound + 0.1;
            assert!(around.contains(&value), "lambda_2 {value} for d {d} at seed {seed}");
        }
    }
    let lattice = second_eigenvalue(&topology::ring_lattice(1_000, 4).unwrap(), 4.0, 0);
    assert!(lattice > 3.9, "lambda_2 {lattice} of a lattice");
}

/// N = 1000, d = 4, 400 seeds: triangles are Poisson with mean 4.5 (1 + O(1/N)), so their mean has
/// sd .106, and their variance about sqrt((2 * 4.5^2 + 4.5) / 400) = .335.
#[test]
fn random_regular_triangles_are_poisson() {
    let count = |seed| triangles(&topology::random_regular(1_000, 4, Key::new(seed)).unwrap());
    let found = Spread::of((0..400).map(count));
    assert!((found.mean - 4.5).abs() < 4.0 * 0.106, "{found:?}, seeds 0 to 399");
    assert!((found.variance() - 4.5).abs() < 4.0 * 0.335, "{found:?}, seeds 0 to 399");
}

/// Degrees that leave the last stubs stuck, and those whose complement is drawn.
#[test]
fn random_regular_has_every_degree() {
    for nodes in 1..=24 {
        for d in (0..nodes).filter(|d| d * nodes % 2 == 0) {
            for seed in 0..20 {
                let graph = topology::random_regular(nodes, d, Key::new(seed)).unwrap();
                let regular = graph.in_degrees().iter().all(|&found| found == d);
                assert!(regular && graph == graph.undirected(), "{d} of {nodes} at seed {seed}");
            }
        }
    }
    assert_eq!(topology::random_regular(9, 8, Key::new(1)), topology::complete(9));
}

/// N = 10^4: mean degree 7.20, and 8.03 if nodes are met in proportion to it (aggregate-overlay.md,
/// section 14, whose tolerance is .1; the sd of the mean is about .025).
#[test]
fn heterogeneous_degrees_are_massoulies() {
    for seed in 0..3 {
        let graph = topology::heterogeneous(10_000, 10, Key::new(seed)).unwrap();
        let degree = graph.in_degree();
        assert!((degree.mean - 7.2).abs() < 0.1, "{degree:?} at seed {seed}");
        let met = degree.mean + degree.variance() / degree.mean;
        assert!((met - 8.03).abs() < 0.1, "met {met} at seed {seed}");
        assert!(degree.min >= 1.0 && degree.max == 10.0, "{degree:?} at seed {seed}");
    }
}

#[test]
fn parameters_out_of_bounds_are_errors_that_name_them() {
    let key = Key::new(1);
    let message = |result: Result<Graph, ParameterError>| result.unwrap_err().to_string();
    for (result, starts) in [
        (topology::complete(0), "nodes N is 0"),
        (topology::complete(1 << 16), "links in all is"),
        (topology::k_out(5, 5, key), "out-degree k is 5"),
        (topology::ring_lattice(9, 3), "degree k is 3"),
        (topology::ring_lattice(u32::MAX, 2), "links in all is"),
        (topology::watts_strogatz(9, 2, f64::NAN, key), "rewiring probability beta is NaN"),
        (topology::watts_strogatz(9, 2, 1.5, key), "rewiring probability beta is 1.5"),
        (topology::barabasi_albert(9, 0, key), "links of a newcomer m is 0"),
        (topology::barabasi_albert(9, 9, key), "links of a newcomer m is 9"),
        (topology::torus(&[3, 0]), "product of the sides is 0"),
        (topology::torus(&[u32::MAX; 9]), "product of the sides is"),
        (topology::random_regular(9, 3, key), "degree d is 3"),
        (topology::random_regular(u32::MAX, u32::MAX - 1, key), "links in all is"),
        (topology::heterogeneous(9, 0, key), "largest degree is 0"),
        (topology::heterogeneous(1, 1, key), "largest degree is 1"),
        (topology::edge_list(0, &[]), "nodes N is 0"),
        (topology::edge_list(2, &[(0, 1), (2, 0)]), "end of a link is 2"),
    ] {
        let message = message(result);
        assert!(message.starts_with(starts), "{message} for {starts}");
    }
}

proptest! {
    /// Links go both ways, to others, once; the same key gives the same graph.
    #[test]
    fn graphs_are_simple_and_repeat(
        nodes in 1_u32..40, known in 0_u32..40, beta in 0.0..=1.0, seed: u64,
    ) {
        let key = Key::new(seed);
        let make = || [
            topology::complete(nodes),
            topology::ring_lattice(nodes, known),
            topology::watts_strogatz(nodes, known, beta, key),
            topology::barabasi_albert(nodes, known, key),
            topology::torus(&[nodes, known % 5]),
            topology::random_regular(nodes, known, key),
            topology::heterogeneous(nodes, known, key),
        ];
        for (at, graph) in make().into_iter().enumerate() {
            prop_assert_eq!(&graph, &make()[at]);
            if let Ok(graph) = graph {
                prop_assert_eq!(&graph, &graph.undirected(), "graph {}", at);
            }
        }
        if let Ok(graph) = topology::k_out(nodes, known, key) {
            for node in graph.nodes() {
                let mut row = graph.known_to(node).to_vec();
                row.sort_unstable();
                row.dedup();
                prop_assert_eq!(row.len(), known as usize);
                prop_assert!(row.iter().all(|&to| to != node && to < nodes));
            }
        }
    }

    /// Both directions of any links, against the definition.
    #[test]
    fn undirected_is_the_symmetric_closure(
        links in prop::collection::vec((0_u32..8, 0_u32..12), 0..40), dead: u8,
    ) {
        let lives = |node: u32| node < 8 && dead >> node & 1 == 0;
        let row = |from: u32| links.iter().filter(move |link| link.0 == from).map(|link| link.1);
        let graph = Graph::new((0..8).filter(|&n| lives(n)).map(|n| (n, row(n))));
        let both = graph.undirected();
        for a in 0..8 {
            let linked = |b: &u32| links.contains(&(a, *b)) || links.contains(&(*b, a));
            let expected: Vec<u32> =
                (0..8).filter(|b| lives(a) && lives(*b) && a != *b && linked(b)).collect();
            prop_assert_eq!(both.known_to(a), expected);
        }
    }
}
