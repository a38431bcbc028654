//! Links do what their closed forms say: laws of latency, places, bandwidth, order, downtime.

use core::time::Duration;

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::event::{Config, Simulation, Status};
use gossip_core::sim::link::{
    Bandwidth, Form, Latency, Link, Matrix, Network, Placing, Shared, Terrain, Trip, Unit,
};
use gossip_core::{Random, Time};
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);

fn random(seed: u64) -> Random {
    Key::new(seed).random(0)
}

/// Draws of a law in microseconds, sorted.
fn draws(law: &str, count: usize) -> Vec<f64> {
    let latency: Latency = law.parse().expect(law);
    let mut random = random(1);
    let mut all: Vec<f64> =
        (0..count).map(|_| latency.draw(&mut random).as_micros() as f64).collect();
    all.sort_unstable_by(f64::total_cmp);
    all
}

fn mean_and_sd(all: &[f64]) -> (f64, f64) {
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    let squares: f64 = all.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (squares / count).sqrt())
}

/// N = 10^5 draws of seed 1. The mean of N draws has the standard deviation sd/sqrt(N); 4 of them
/// are exceeded with p < 7e-5. A standard deviation is off by sd sqrt((k-1)/4N), k the kurtosis,
/// which is at most 9 for these (exponential) but for the log-normal, sigma 0.47: 7.6.
#[test]
fn laws_have_the_means_and_deviations_of_their_closed_forms() {
    // Of the normal law of mean 1 and sd 1 cut off at zero: mean 1 + l, variance 1 - l(l + 1), with
    // l = density(1)/distribution(1) = 0.24197/0.84134 = 0.28760.
    let l: f64 = 0.287_60;
    let sigma = libm::log(1.6);
    let spread = (libm::exp(sigma * sigma) - 1.0).sqrt() * libm::exp(sigma * sigma / 2.0);
    for (law, mean, sd) in [
        ("20ms", 20_000.0, 0.0),
        ("5ms..20ms", 12_500.0, 15_000.0 / 12_f64.sqrt()),
        ("1ms+~5ms", 6_000.0, 5_000.0),
        ("normal:50ms:10ms", 50_000.0, 10_000.0),
        ("normal:10ms:10ms", 10_000.0 * (1.0 + l), 10_000.0 * (1.0 - l * (l + 1.0)).sqrt()),
        ("lognormal:50ms:80ms", 50_000.0 * libm::exp(sigma * sigma / 2.0), 50_000.0 * spread),
        // A power of 1 + 40/10 = 5: mean 40 x 5/4, variance 40^2 x 5/(16 x 3).
        ("pareto:40ms:10ms", 50_000.0, 40_000.0 * (5.0_f64 / 48.0).sqrt()),
    ] {
        let latency: Latency = law.parse().expect(law);
        // The normal law's 6e-7 below zero, and the rounding of l.
        assert!((latency.mean() - mean).abs() < 1.0, "{law}: {} stated", latency.mean());
        let (drawn_mean, drawn_sd) = mean_and_sd(&draws(law, 100_000));
        // Times are whole microseconds: half a one, besides.
        let off = 4.0 * sd / 100_000_f64.sqrt() + 0.5;
        assert!((drawn_mean - mean).abs() < off, "{law}, seed 1: mean {drawn_mean}, not {mean}");
        if !law.starts_with("pareto") {
            let off = 4.0 * sd * (8.0 / 400_000_f64).sqrt() + 0.5;
            assert!((drawn_sd - sd).abs() < off, "{law}, seed 1: sd {drawn_sd}, not {sd}");
        }
    }
}

/// The share of N = 10^5 draws below the quantile at p is p, with a standard deviation of
/// sqrt(p(1-p)/N); 4 of them.
#[test]
fn laws_have_the_quantiles_of_their_closed_forms() {
    let laws: [(&str, f64, f64); 11] = [
        ("5ms..20ms", 0.25, 8_750.0),
        ("1ms+~5ms", 0.5, 1_000.0 + 5_000.0 * libm::log(2.0)),
        ("1ms+~5ms", 0.99, 1_000.0 + 5_000.0 * libm::log(100.0)),
        ("normal:50ms:10ms", 0.841_34, 60_000.0),
        ("normal:50ms:10ms", 0.022_75, 30_000.0),
        ("lognormal:50ms:80ms", 0.5, 50_000.0),
        ("lognormal:50ms:80ms", 0.841_34, 80_000.0),
        ("lognormal:50ms:80ms", 0.977_25, 128_000.0),
        ("pareto:10ms:10ms", 0.5, 10_000.0 * 2_f64.sqrt()),
        ("pareto:10ms:10ms", 0.99, 100_000.0),
        ("pareto:10ms:40ms", 0.9, 10_000.0 * libm::pow(10.0, 0.8)),
    ];
    for (law, p, quantile) in laws {
        let all = draws(law, 100_000);
        let below = all.partition_point(|&x| x < quantile) as f64 / 1e5;
        let off = 4.0 * (p * (1.0 - p) / 1e5).sqrt();
        assert!((below - p).abs() < off, "{law}, seed 1: {below} below {quantile}, not {p}");
    }
}

#[test]
fn extreme_laws_neither_panic_nor_hang() {
    let (zero, max) = (Duration::ZERO, Duration::MAX);
    let mut random = random(2);
    for a in [zero, Duration::from_nanos(1), MILLI, max] {
        for b in [zero, Duration::from_nanos(1), MILLI, max] {
            for latency in [
                Latency::Constant(a),
                Latency::Uniform(a, b),
                Latency::Exponential(a, b),
                Latency::Normal(a, b),
                Latency::LogNormal(a, b),
                Latency::Pareto(a, b),
            ] {
                let at = Time::ZERO + latency.draw(&mut random);
                assert!(at <= Time::NEVER && latency.mean() >= 0.0, "{latency:?}");
            }
        }
    }
}

/// A saturated link of B bytes a second delivers B bytes a second, whatever the messages' length
/// and however little time each takes: no rounding adds up. 30 bytes at 12.5 GB/s take 2.4 ns.
#[test]
fn a_saturated_link_carries_its_bandwidth() {
    for (bandwidth, len) in [(125_000, 1_200), (12_500_000_000, 30), (999_983, 61), (7, 3)] {
        // Clocks tick in microseconds: the queue must hold what leaves in one.
        let limit = 10 * len as u64 + bandwidth / 250_000;
        let shared = Bandwidth::new(bandwidth, limit, Shared::BySender).expect("valid");
        let mut network = Network::default().bandwidth(shared);
        // Twice as many as it can carry, over 100 times as long as its queue lasts or a second.
        let seconds = (1_000.0 * len as f64 / bandwidth as f64).max(0.001);
        let offered = (2.0 * seconds * bandwidth as f64 / len as f64).min(200_000.0);
        let seconds = offered * len as f64 / bandwidth as f64 / 2.0;
        let (mut carried, mut last) = (0_u64, Time::ZERO);
        for number in 0..offered as u64 {
            let at = Time::from_micros((seconds * 1e6 * number as f64 / offered) as u64);
            let trip = Trip { from: 1, to: 2, at, len, opening: false };
            for delay in network.carry(&trip, &mut random(3)) {
                carried += 1;
                assert!(at + delay >= last, "overtaken");
                last = at + delay;
            }
        }
        let drops = network.tail_drops();
        assert_eq!(carried + drops, offered as u64);
        // All that was carried has left by `last`, in whole microseconds.
        let rate = carried as f64 * len as f64 / last.as_micros() as f64 * 1e6;
        let off = bandwidth as f64 * 2.0 / last.as_micros() as f64;
        assert!((rate - bandwidth as f64).abs() < off, "{bandwidth} B/s, {len} B: {rate} B/s");
        assert!(drops as f64 > 0.4 * offered, "{drops} of {offered} dropped");
    }
}

/// Messages of 1,000 bytes at 10^6 bytes a second take a millisecond each, one after the other;
/// three fit the queue, the fourth is dropped; another sender's, or another link's, is not kept
/// waiting. By link, each peer has a queue of its own.
#[test]
fn messages_queue_in_turn_and_the_last_is_dropped() {
    for (shared, other) in [(Shared::BySender, 5), (Shared::ByLink, 2)] {
        let bandwidth = Bandwidth::new(1_000_000, 3_000, shared).expect("valid");
        let mut network = Network::new(Latency::Constant(7 * MILLI)).bandwidth(bandwidth);
        let mut carry = |from, to, at: u64| {
            let at = Time::from_micros(at);
            let trip = Trip { from, to, at, len: 1_000, opening: false };
            network.carry(&trip, &mut random(1)).first().copied()
        };
        assert_eq!(carry(2, 1, 0), Some(8 * MILLI));
        assert_eq!(carry(2, 1, 0), Some(9 * MILLI));
        assert_eq!(carry(2, 1, 500), Some(9 * MILLI + MILLI / 2));
        assert_eq!(carry(2, 1, 500), None, "2,500 bytes wait");
        assert_eq!(carry(2, 1, 1_000), Some(10 * MILLI));
        assert_eq!(carry(other, 9, 1_000), Some(8 * MILLI), "{shared:?}");
        assert_eq!(carry(2, 1, 60_000_000), Some(8 * MILLI), "idle again");
        assert_eq!(network.tail_drops(), 1);
    }
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    from: u32,
    to: u32,
    after: u64,
    len: usize,
}

fn sendings() -> impl Strategy<Value = Vec<Sending>> {
    let one = (0..3_u32, 0..3_u32, prop_oneof![Just(0), 0..5_000_u64], 0..1_500_usize);
    let one = one.prop_map(|(from, to, after, len)| Sending { from, to, after, len });
    prop::collection::vec(one, 1..200)
}

/// How often a message overtakes one that its sender sent the same peer before it.
fn overtaken(network: &mut Network, sendings: &[Sending], seed: u64) -> usize {
    let mut random = random(seed);
    let (mut now, mut last, mut count) = (Time::ZERO, [[Time::ZERO; 3]; 3], 0);
    for &Sending { from, to, after, len } in sendings {
        now = now + Duration::from_micros(after);
        let trip = Trip { from, to, at: now, len, opening: false };
        for delay in network.carry(&trip, &mut random) {
            let last = &mut last[from as usize][to as usize];
            count += usize::from(now + delay < *last);
            *last = (*last).max(now + delay);
        }
    }
    count
}

fn unruly() -> Network {
    let latency = Latency::Exponential(Duration::ZERO, 20 * MILLI);
    let network = Network::new(latency).reordering(0.5).expect("valid");
    network.duplication(0.2).expect("valid").loss(0.1).expect("valid")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn ordered_links_never_reorder(sendings in sendings(), seed: u64, narrow: bool) {
        let mut network = unruly().ordered();
        if narrow {
            let bandwidth = Bandwidth::new(100_000, 4_000, Shared::ByLink).expect("valid");
            network = network.bandwidth(bandwidth);
        }
        prop_assert_eq!(overtaken(&mut network, &sendings, seed), 0);
    }

    #[test]
    fn a_queue_alone_never_reorders(sendings in sendings(), seed: u64, rate in 1..10_000_000_u64) {
        let bandwidth = Bandwidth::new(rate, 10_000, Shared::BySender).expect("valid");
        let mut network = Network::new(Latency::Constant(MILLI)).bandwidth(bandwidth);
        prop_assert_eq!(overtaken(&mut network, &sendings, seed), 0);
    }
}

/// The control: without order, the same network reorders.
#[test]
fn unordered_links_do_reorder() {
    let sendings = [Sending { from: 0, to: 1, after: 10, len: 100 }; 200];
    assert!(overtaken(&mut unruly(), &sendings, 1) > 20);
}

/// What is remembered of links that are idle is forgotten: memory is bounded by what is under way.
#[test]
fn idle_links_are_forgotten() {
    let bandwidth = Bandwidth::new(1_000_000, 10_000, Shared::ByLink).expect("valid");
    let mut network = Network::default().bandwidth(bandwidth).ordered();
    for number in 0..50_000_u32 {
        let at = Time::from_micros(u64::from(number) * 1_000);
        let trip = Trip { from: number, to: number + 1, at, len: 100, opening: false };
        assert_eq!(network.carry(&trip, &mut random(1)).len(), 1);
    }
    assert!(format!("{network:?}").len() < 500_000, "50,000 links take more than a megabyte");
}

const SQUARE: &str = "# microseconds\n0 10 20.6\n12, 0, 30\n20\t-1 0\n";

#[test]
fn both_forms_of_a_matrix_are_read() {
    let square = Matrix::parse(SQUARE, Form::Square, Unit::Millis).expect("a matrix");
    let pairs = "7 9 10\n7 11 20.6\n9,7,12\n9 11 30\n11 7 20\n\n9 9 4\n";
    let pairs = Matrix::parse(pairs, Form::Pairs, Unit::Millis).expect("a matrix");
    assert_eq!(square, pairs);
    for (from, to, micros) in [(0, 1, 5_000), (1, 0, 6_000), (0, 2, 10_300), (2, 1, 15_000)] {
        assert_eq!(square.between(from, to), Duration::from_micros(micros), "{from} to {to}");
    }
    assert_eq!((square.places(), square.missing()), (3, 0));
    let micros = Matrix::parse("0 10000\n-1 0\n", Form::Square, Unit::Micros).expect("a matrix");
    assert_eq!(micros.between(1, 0), 5 * MILLI);
}

#[test]
fn pairs_that_were_not_measured_get_the_median() {
    let text = "1 2 100\n1 3 300\n1 4 500\n2 3 -1\n3 2 -1\n";
    let matrix = Matrix::parse(text, Form::Pairs, Unit::Millis).expect("a matrix");
    // 2-3, 2-4, 3-4 of six.
    assert_eq!((matrix.places(), matrix.missing()), (4, 3));
    assert_eq!(matrix.between(1, 2), 150 * MILLI);
    assert_eq!(matrix.between(3, 0), 250 * MILLI);
}

#[test]
fn what_is_wrong_with_a_matrix_is_named() {
    let long = "1 ".repeat(8_193);
    for (form, text, error) in [
        (Form::Pairs, "1 2 3\n1 x 5\n", "line 2, column 3: `x` is no number of a place"),
        (Form::Pairs, "1 2 3\n\n  1  3  fast\n", "line 3, column 9: `fast` is no time"),
        (Form::Pairs, "1 2\n", "line 1: a pair is two places and a round trip"),
        (Form::Pairs, "1 2 3 4\n", "line 1: a pair is two places and a round trip"),
        (Form::Pairs, "1 2 nan\n", "line 1, column 5: `nan` is no time from 0 to a minute"),
        (Form::Pairs, "1 2 1e300\n", "line 1, column 5: `1e300` is no time from 0 to a minute"),
        (Form::Pairs, "1 -2 5\n", "line 1, column 3: `-2` is no number of a place"),
        (Form::Pairs, "1 2 5\n3 4 5\n5 6 5\n", "fewer than half of all pairs are given"),
        (Form::Pairs, "", "no round trip between two places"),
        (Form::Pairs, "1 1 5\n", "no round trip between two places"),
        (Form::Pairs, "1 2 -1\n", "no round trip between two places"),
        (Form::Square, "0 1\n", "line 1: fewer lines than columns"),
        (Form::Square, "0 1\n1 0\n1 1\n", "line 3: more lines than columns"),
        (Form::Square, "0 1\n1\n", "line 2: 1 times in a matrix of 2"),
        (Form::Square, "0 1\n1 \u{e9}\n", "line 2, column 3: `\u{e9}` is no time"),
        (Form::Square, "7\n", "no round trip between two places"),
        (Form::Square, &long, "line 1: more than 8192 places"),
    ] {
        let read = Matrix::parse(text, form, Unit::Micros).map_err(|error| error.to_string());
        assert_eq!(read, Err(error.to_owned()), "{form:?} {text:.40}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Hostile files: whatever the bytes, an error or a matrix, never a panic, and no matrix much
    /// larger than its text.
    #[test]
    fn any_text_is_a_matrix_or_an_error(
        text in "([0-9]{1,3}[ ,\t]?|[-.e\n#]|\\PC){0,120}",
        square: bool,
    ) {
        let form = if square { Form::Square } else { Form::Pairs };
        if let Ok(matrix) = Matrix::parse(&text, form, Unit::Millis) {
            prop_assert!(matrix.places() * matrix.places() <= 4 * text.len() + 4);
        }
    }

    /// What is written reads as it was, whatever the seed.
    #[test]
    fn a_matrix_reads_as_it_was_written(seed: u64, places in 2..40_usize) {
        let matrix = Terrain { places, ..Terrain::default() }.matrix(seed).expect("valid");
        let read = Matrix::parse(&matrix.to_string(), Form::Square, Unit::Micros);
        prop_assert_eq!(read, Ok(matrix));
    }
}

/// Triples of places of which the way over the third is shorter than the direct one, in 10^4.
fn detours(matrix: &Matrix) -> usize {
    let mut random = random(4);
    let triple = |random: &mut Random| [(); 3].map(|()| random.below(matrix.places()));
    (0..10_000)
        .map(|_| triple(&mut random))
        .filter(|&[a, b, c]| a != b && b != c && a != c)
        .filter(|&[a, b, c]| {
            // Microseconds are rounded.
            matrix.between(a, b) + matrix.between(b, c) + Duration::from_micros(2)
                < matrix.between(a, c)
        })
        .count()
}

/// Seed 1, 500 places. Without noise the terrain is a metric; noise makes detours pay, as in
/// measured data. The median is what was asked for, up to rounding.
#[test]
fn a_synthetic_matrix_is_like_a_measured_one() {
    let noisy = Terrain { places: 500, ..Terrain::default() };
    let smooth = Terrain { noise: 0.0, ..noisy };
    let (noisy, smooth) = (noisy.matrix(1).expect("valid"), smooth.matrix(1).expect("valid"));
    for matrix in [&noisy, &smooth] {
        let median = matrix.median_round_trip().as_micros();
        assert!(median.abs_diff(159_000) <= 2, "seed 1: median {median}");
        let same = |(a, b)| matrix.between(a, b) == matrix.between(b, a);
        assert!((0..500).flat_map(|a| (0..500).map(move |b| (a, b))).all(same));
    }
    assert_eq!(detours(&smooth), 0);
    assert!(detours(&noisy) > 100, "{} detours", detours(&noisy));
    assert_ne!(noisy, Terrain { places: 500, ..Terrain::default() }.matrix(2).expect("valid"));
}

/// 10^5 nodes at 100 places, seed 7: chi-square with 99 degrees of freedom exceeds 160 with
/// p < 1e-4.
#[test]
fn nodes_are_put_at_places_evenly() {
    let (mut turns, mut cells) = ([0_u32; 100], [0_u32; 100]);
    for node in 0..100_000 {
        turns[Placing::InTurn.place(node, 100)] += 1;
        cells[Placing::Random(7).place(node, 100)] += 1;
    }
    assert_eq!(turns, [1_000; 100]);
    let off = |&n: &u32| (f64::from(n) - 1_000.0) * (f64::from(n) - 1_000.0) / 1_000.0;
    let chi: f64 = cells.iter().map(off).sum();
    assert!(chi < 160.0 && chi > 50.0, "seed 7: chi-square {chi}");
}

/// A message takes the matrix's time and the law's, in every driver that asks the link.
#[test]
fn a_message_takes_the_time_between_its_places() {
    let matrix = Matrix::parse(SQUARE, Form::Square, Unit::Millis).expect("a matrix");
    let latency = Latency::Constant(MILLI);
    let mut network = Network::new(latency).places(matrix, Placing::InTurn);
    let mut carry = |from, to| {
        let trip = Trip { from, to, at: Time::ZERO, len: 0, opening: true };
        network.carry(&trip, &mut random(1))[0]
    };
    assert_eq!(carry(3, 4), 6 * MILLI);
    assert_eq!(carry(4, 3), 7 * MILLI);
    assert_eq!(carry(0, 3), MILLI + MILLI / 4, "one place: a local network");
}

/// A node that is down sends nothing and hears nothing, then goes on with the state it had; those
/// that watch it are not told of a downtime shorter than detection takes.
#[test]
fn a_node_that_was_down_goes_on_where_it_was() {
    let cyclon = Cyclon::<u32, 8>::new(cyclon::Config::default()).expect("valid");
    let config = Config::seeded(3);
    let mut sim =
        Simulation::new(20, move |_| cyclon.clone(), Network::default(), config).expect("valid");
    for node in 1..20 {
        sim.contact(node, 0);
    }
    sim.run_for(Duration::from_secs(20));
    sim.record(10_000);
    assert!(sim.down_for(5, Duration::from_secs(10)));
    let before = sim.counts().get("network", "to the dead");
    sim.run_for(Duration::from_millis(9_999));
    assert_eq!(sim.status(5), Some(Status::Crashed));
    assert_eq!(sim.recorded().filter(|passage| passage.trip.from == 5).count(), 0);
    assert!(sim.counts().get("network", "to the dead") > before);
    sim.run_for(Duration::from_secs(5));
    assert_eq!((sim.status(5), sim.restarts(5)), (Some(Status::Alive), 0));
    assert!(sim.node(5).is_some_and(|cyclon| cyclon.view(0).len() >= 6));
    assert!(sim.recorded().any(|passage| passage.trip.from == 5));

    // Brought back before its time, it is not brought back again.
    sim.down_for(6, Duration::from_secs(10));
    sim.run_for(Duration::from_secs(1));
    assert!(sim.restart(6).expect("valid"));
    sim.crash(6);
    sim.run_for(Duration::from_secs(20));
    assert_eq!(sim.status(6), Some(Status::Crashed));
}
