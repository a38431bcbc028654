use super::super::self_check::SelfCheck;
use super::*;

fn plan(trials: u32, threads: usize) -> Plan {
    Plan { first_seed: 1, trials, threads }
}

fn params(sets: &[&str]) -> Params {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Params::parse("self-check", SelfCheck.params(), &sets).expect("right settings")
}

/// Rows as text, so that missing values (NaN) compare equal.
fn shown(sets: &[&str], plan: &Plan) -> Vec<String> {
    let rows = rows(&SelfCheck, &params(sets), plan).expect("trials");
    rows.iter().map(|row| format!("{row:?}")).collect()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let one = shown(&[], &plan(23, 1));
    for threads in [2, 3, 8, 100] {
        assert_eq!(shown(&[], &plan(23, threads)), one, "{threads} threads");
    }
}

#[test]
fn rows_come_in_the_order_of_metrics_and_cycles() {
    let rows = rows(&SelfCheck, &params(&[]), &plan(3, 2)).expect("trials");
    let names: Vec<_> = rows.iter().map(|r| (r.metric.name, r.cycle)).collect();
    let halved = [1, 2, 3].map(|cycle| ("halved", Some(cycle)));
    assert_eq!(names, [&[("mean", None), ("seed", None)], &halved[..]].concat());
    assert!(rows.iter().all(|r| r.n == 3));
    assert_eq!(rows[0].pass(), Some(true));
    assert_eq!(rows[1].pass(), None);
    assert_eq!(rows[1].measured, 2.0, "the median of seeds 1, 2, 3");
}

#[test]
fn a_sample_that_is_missing_lowers_n() {
    let some = rows(&SelfCheck, &params(&["mode=odd"]), &plan(5, 2)).expect("trials");
    assert_eq!((some[0].n, some[1].n), (5, 3));
    let even = Plan { first_seed: 2, trials: 1, threads: 1 };
    let none = rows(&SelfCheck, &params(&["mode=odd"]), &even).expect("trials");
    assert_eq!(none[1].n, 0);
    assert!(none[1].measured.is_nan());
}

#[test]
fn statistics_are_those_of_textbooks() {
    let metric = Metric::mean("x", "");
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    let row = super::row(metric, None, &values, None);
    assert_eq!(row.measured, 5.0);
    assert!((row.sd - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    assert!(super::row(metric, None, &[1.0], None).sd.is_nan());
    assert_eq!(median([3.0, f64::INFINITY, 1.0]), 3.0);
    assert_eq!(median([3.0, 1.0]), 2.0);
    assert!(median([]).is_nan());
}

#[test]
fn a_verdict_is_within_tolerance_inclusive() {
    let published = Published { value: 1.0, tolerance: 0.5, source: "" };
    let pass = |x| super::row(Metric::mean("x", ""), None, &[x], Some(published)).pass();
    assert_eq!(pass(1.5), Some(true));
    assert_eq!(pass(1.75), Some(false));
    assert_eq!(pass(f64::NAN), Some(false));
    assert_eq!(pass(f64::INFINITY), Some(false));
}

#[test]
fn few_trials_are_allowed_five_standard_errors() {
    let published = Published { value: 1.0, tolerance: 0.5, source: "" };
    let mut row = super::row(Metric::mean("x", ""), None, &[1.0, 3.0], Some(published));
    assert_eq!(row.pass(), Some(false)); // 2 is not within 0.5 of 1
    row.allow_for_few_trials(); // sd is 1.41, the standard error 1
    assert_eq!(row.pass(), Some(true));
    let mut single = super::row(Metric::mean("x", ""), None, &[2.0], Some(published));
    single.allow_for_few_trials();
    assert_eq!(single.pass(), Some(false));
}

#[test]
fn a_panic_names_its_seed_and_how_to_repeat_it() {
    let failure = rows(&SelfCheck, &params(&["mode=panic"]), &plan(3, 2)).expect_err("panics");
    let text = failure.to_string();
    assert!(text.contains("seed 1 panicked"), "{text}");
    let again = "cargo xtask repro self-check --set mode=panic --seeds 1 --seed 1";
    assert!(text.contains(again), "{text}");
    assert_eq!(failure.exit_code(), 1);
}

#[test]
fn bad_samples_are_refused() {
    let twice = [Sample::at("halved", 1, 0.0), Sample::at("halved", 1, 0.0)];
    assert!(check_samples(&SelfCheck, &twice).is_err());
    assert!(check_samples(&SelfCheck, &[Sample::new("other", 0.0)]).is_err());
    let apart = [Sample::at("halved", 1, 0.0), Sample::at("halved", 2, 0.0)];
    assert!(check_samples(&SelfCheck, &apart).is_ok());
}

#[test]
fn seeds_wrap_at_the_end() {
    assert_eq!(Plan { first_seed: u64::MAX, trials: 2, threads: 1 }.seed(1), 0);
}
