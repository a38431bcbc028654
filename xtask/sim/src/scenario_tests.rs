//! The scenarios that come with the workspace, at small size, held against their claims.

use super::output::curves;
use super::run::Series;
use super::scenario::Scenario;
use super::{registry, simulate};
use xtask_base::output::median;

/// A scenario that was run.
struct Ran {
    scenario: Scenario,
    series: Vec<Vec<Series>>,
}

fn run(name: &str, sets: &[&str]) -> Ran {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let path = xtask_base::root().join("scenarios").join(format!("{name}.toml"));
    let scenario = Scenario::open(&path, &sets).unwrap_or_else(|e| panic!("{e}"));
    let series = simulate(&scenario, 2).unwrap_or_else(|e| panic!("{e}"));
    Ran { scenario, series }
}

impl Ran {
    /// What each replica of a point saw after a cycle; a cycle beyond the end is the last.
    fn at(&self, point: usize, name: &str, cycle: u32) -> Vec<f64> {
        let cycle = cycle.min(self.scenario.points[point].count("cycles"));
        let value = |series: &Series| {
            let column = series.names.iter().position(|n| *n == name)?;
            series.rows.iter().find(|row| row.cycle == cycle)?.values[column]
        };
        let values: Option<Vec<f64>> = self.series[point].iter().map(value).collect();
        values.unwrap_or_else(|| panic!("no {name} in cycle {cycle}"))
    }

    /// The mean over replicas.
    fn mean(&self, point: usize, name: &str, cycle: u32) -> f64 {
        let values = self.at(point, name, cycle);
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// By how much the variance falls in a cycle: the mean over replicas of the geometric mean
    /// over cycles.
    fn factor(&self, point: usize, cycles: u32) -> f64 {
        let (first, last) = (self.at(point, "variance", 0), self.at(point, "variance", cycles));
        let ratio = |(a, b): (&f64, &f64)| libm::pow(b / a, 1.0 / f64::from(cycles));
        first.iter().zip(&last).map(ratio).sum::<f64>() / first.len() as f64
    }
}

const END: u32 = u32::MAX;

/// Relative errors are of the order of sqrt(N .32^30) = 7e-7 for N = 2,000; the claim is 0.1 %.
#[test]
fn newscast_count_is_right_to_a_thousandth() {
    let ran = run("newscast-count", &["size=2000"]);
    assert!(ran.mean(0, "error", END) <= 1e-3, "{:?}", ran.series);
}

/// The sd of a trial's factor is .0010 at 10^4 nodes over 15 cycles, so .0019 here; the mean of
/// five, 4.5 sd: .004. Seeds 1 to 5.
#[test]
fn mean_factor_is_the_closed_form() {
    let ran = run("mean-factor", &["size=2000", "replicas=5"]);
    let factor = ran.factor(0, 20);
    assert!((factor - 0.3033).abs() < 0.004, "{factor}, seeds 1 to 5");
}

/// As above, with the sd .0021 of trials with failures: .004 here, 4.5 sd of a mean of three .0105.
#[test]
fn mean_failures_only_slow_it_down() {
    let ran = run("mean-failures", &["size=2000", "replicas=3"]);
    for (at, failure) in [0.0, 0.1, 0.2, 0.35, 0.5].into_iter().enumerate() {
        let closed = f64::midpoint(1.0, failure) * libm::exp(-(1.0 - failure) / 2.0);
        let factor = ran.factor(at, 20);
        assert!((factor - closed).abs() < 0.0105, "P = {failure}: {factor}, not {closed}");
    }
}

/// One run at the published size, which errs by .010 as the published one does: 4.5 sd of the
/// difference. Seed 1.
#[test]
fn small_worlds_are_as_published() {
    let ran = run("small-worlds", &["replicas=1"]);
    for (at, published) in [0.781, 0.486, 0.345, 0.311, 0.310].into_iter().enumerate() {
        let factor = ran.factor(at, 20);
        assert!((factor - published).abs() < 0.064, "point {at}: {factor}, not {published}");
    }
}

/// A random graph's in-degrees have an sd of sqrt(20); of 1,000 nodes it errs by 2.2 %.
#[test]
fn overlays_differ_as_claimed() {
    let ran = run("overlays", &["size=1000", "cycles=60"]);
    let of = |point, name| ran.mean(point, name, END);
    let [random, cyclon, newscast] = [0, 1, 2].map(|point| of(point, "in-degree-sd"));
    assert!((random - 20_f64.sqrt()).abs() < 0.45, "{random}");
    assert!(cyclon < 0.6 * random && newscast > 1.5 * random, "{cyclon} {random} {newscast}");
    assert!(of(2, "clustering") > 2.0 * of(0, "clustering"));
    assert!((0..4).all(|point| of(point, "components") == 1.0));
}

/// The dead have left Newscast within 10 cycles, and Cyclon 35 cycles after the crash (papers
/// file, 16.5), but not 5 after.
#[test]
fn crash_is_forgotten_as_claimed() {
    let ran = run("crash", &["size=1000"]);
    let dead = |point, after: u32| ran.mean(point, "dead-links", 30 + after);
    assert!(dead(0, 1) > 1.0 && dead(0, 10) < 0.05, "{} {}", dead(0, 1), dead(0, 10));
    assert!(dead(1, 5) > 2.0 && dead(1, 37) < 0.05, "{} {}", dead(1, 5), dead(1, 37));
    assert!((0..2).all(|point| ran.mean(point, "components", END) == 1.0));
}

/// A grown network beside one of the same size that was there from the start: the sd of in-degrees
/// of 500 nodes varies by .12 from run to run; 4.5 of the difference of one run and a mean of four.
#[test]
fn growth_ends_as_even_as_without_it() {
    let grown = run("growth", &["size=50", "growth.nodes=10"]);
    let fixed = ["size=500", "growth.nodes=0", "start.overlay=random", "replicas=4"];
    let control = run("growth", &fixed);
    assert_eq!(grown.mean(0, "nodes", END), 500.0);
    assert_eq!(grown.mean(0, "components", END), 1.0);
    let [sd, usual] = [&grown, &control].map(|ran| ran.mean(0, "in-degree-sd", END));
    assert!((sd - usual).abs() < 0.61, "{sd}, not {usual}, seed 1");
    // While it grows it is not: newcomers are known to few.
    assert!(grown.mean(0, "in-degree-sd", 45) > 2.0 * usual);
}

/// A single leader's count has a relative sd of sqrt(.0101 / (1 - .32)) = .12 when 1 % go in each
/// cycle (section 7.1); the trimmed mean of four less. Median of four replicas, 4 sd of one.
#[test]
fn churn_count_stays_near() {
    let ran = run("churn-count", &["size=1000"]);
    let error = median(ran.at(0, "epoch-error", END));
    assert!(error < 0.24, "{error}, seeds 1 to 4");
    assert_eq!(ran.mean(0, "nodes", END), 1000.0);
}

/// Table 1; tolerances are those of its reproduction for 1,000 trials, for 20 here and 4.5 sd
/// instead of 4.
#[test]
fn rumor_residues_are_those_of_the_table() {
    let ran = run("rumor", &["replicas=20"]);
    let wider = 4.5 / 4.0 * (1000.0_f64 / 20.0).sqrt();
    let rows = [(0.18, 0.0108), (0.037, 0.0022), (0.011, 0.000_66), (0.0036, 0.0003)];
    for (at, (published, tolerance)) in rows.into_iter().enumerate() {
        let residue = 1.0 - ran.mean(at, "informed", END);
        let tolerance = tolerance * wider;
        assert!((residue - published).abs() < tolerance, "k = {}: {residue}", at + 1);
    }
}

#[test]
fn ring_is_perfect_in_twenty_cycles() {
    let ran = run("ring", &["size=512"]);
    assert!(ran.mean(0, "missing", 2) > 0.2);
    assert_eq!(ran.at(0, "missing", END), [0.0; 3], "seeds 1 to 3");
}

#[test]
fn partition_outlives_the_views_or_does_not() {
    let ran = run("partition", &["size=200"]);
    assert_eq!([0, 1].map(|point| ran.mean(point, "components", END)), [1.0, 2.0]);
}

/// Every file says what it shows, names its source, and has a stack.
#[test]
fn all_scenarios_are_documented() {
    let mut found = 0;
    for entry in std::fs::read_dir(xtask_base::root().join("scenarios")).expect("the folder") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        assert!(text.starts_with("# "), "{} has no comment on top", path.display());
        let scenario = Scenario::open(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
        assert!(!scenario.description().is_empty() && !scenario.origin().is_empty());
        for point in &scenario.points {
            registry::find(point).and_then(|runner| runner.check(point)).expect("right");
        }
        found += 1;
    }
    assert!(found >= 10, "{found} scenarios");
}

/// Replicas and points come out as curves: the mean between the least and the largest.
#[test]
fn curves_hold_mean_and_range() {
    let ran = run("mean-factor", &["size=50", "replicas=4", "cycles=3"]);
    let curves = curves(&ran.series[0]);
    assert_eq!(curves.len(), 2);
    for dot in curves.iter().flat_map(|curve| &curve.dots) {
        assert!(dot.spread.min <= dot.spread.mean && dot.spread.mean <= dot.spread.max);
        assert_eq!(dot.spread.count, 4);
    }
}
