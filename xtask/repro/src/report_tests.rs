use super::super::self_check::SelfCheck;
use super::super::trials;
use super::*;

fn written(sets: &[&str], as_json: bool) -> String {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    let params = Params::parse("self-check", SelfCheck.params(), &sets).expect("settings");
    let plan = Plan { first_seed: 1, trials: 4, threads: 2 };
    let rows = trials::rows(&SelfCheck, &params, &plan).expect("trials");
    let report = Report { experiment: &SelfCheck, params: &params, plan: &plan, rows: &rows };
    let mut out = Vec::new();
    let outcome = if as_json { report.write_json(&mut out) } else { report.write_table(&mut out) };
    outcome.expect("writing to memory");
    String::from_utf8(out).expect("text")
}

fn json(sets: &[&str]) -> Vec<Value> {
    let text = written(sets, true);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const FIELDS: [&str; 10] = [
    "experiment",
    "params",
    "metric",
    "measured",
    "sd",
    "n",
    "published",
    "source",
    "tolerance",
    "pass",
];

#[test]
fn json_has_exactly_the_ten_fields_in_order() {
    let text = written(&[], true);
    for line in text.lines() {
        let row: Map<String, Value> = serde_json::from_str(line).expect("an object");
        assert_eq!(row.len(), FIELDS.len());
        let at = FIELDS.map(|name| line.rfind(&format!("\"{name}\":")).expect(name));
        assert!(at.is_sorted(), "{line}");
    }
}

#[test]
fn json_says_what_was_measured_and_published() {
    let rows = json(&["shift=0.005"]);
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["experiment"], "self-check");
    assert_eq!(rows[0]["params"]["n"], 1000);
    assert_eq!(rows[0]["params"]["shift"], 0.005);
    assert_eq!(rows[0]["params"]["mode"], "plain");
    assert!(rows[0]["params"].get("cycle").is_none());
    assert_eq!(rows[0]["n"], 4);
    assert_eq!(rows[0]["published"], 0.5);
    // 0.02, or five standard errors of these few trials.
    assert!(rows[0]["tolerance"].as_f64().is_some_and(|tolerance| tolerance >= 0.02));
    assert_eq!(rows[0]["source"], "half of the unit interval");
    assert_eq!(rows[0]["pass"], true);
    assert_eq!(rows[3]["params"]["cycle"], 2);
    assert_eq!(rows[3]["measured"], 0.25);
}

#[test]
fn other_parameters_have_no_verdict() {
    let rows = json(&["n=999"]);
    for field in ["published", "tolerance", "pass"] {
        assert!(rows[0][field].is_null(), "{field}");
    }
    assert_eq!(rows[0]["source"], "arithmetic");
    assert!(rows[0]["measured"].is_f64());
}

#[test]
fn what_is_not_finite_is_null_and_no_pass() {
    let rows = json(&["mode=nan"]);
    assert!(rows[0]["measured"].is_null() && rows[0]["sd"].is_null());
    assert_eq!(rows[0]["pass"], false);
}

#[test]
fn the_table_fits_and_names_sources() {
    let table = written(&["shift=0.5"], false);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.contains("4 trials, seeds 1 to 4"), "{table}");
    assert!(table.contains("FAIL [1]") && table.contains("pass [2]"), "{table}");
    assert!(table.contains("[1] half of the unit interval"), "{table}");
    assert!(table.contains("n=1000 cycles=3 shift=0.5 mode=plain"), "{table}");
    assert!(table.contains("median of the trials"), "{table}");
}

#[test]
fn many_cycles_are_thinned_out_in_the_table_only() {
    let table = written(&["cycles=500"], false);
    let shown = table.lines().filter(|line| line.starts_with("halved ")).count();
    assert!((20..60).contains(&shown), "{shown} rows");
    assert!(table.contains("more rows are left out"), "{table}");
    assert_eq!(json(&["cycles=500"]).len(), 502);
}

#[test]
fn numbers_are_short() {
    let pairs = [
        (0.0, "0"),
        (0.30331, "0.30331"),
        (1.5, "1.5000"),
        (-123.456, "-123.46"),
        (10_000.0, "10000"),
        (1.25e9, "1.250e9"),
        (2.5e-7, "2.500e-7"),
        (f64::NAN, "-"),
    ];
    for (value, text) in pairs {
        assert_eq!(number(value), text);
    }
}

#[test]
fn the_list_shows_parameters_with_unit_bounds_and_source() {
    let mut out = Vec::new();
    list(&[&SelfCheck], &mut out).expect("writing to memory");
    let text = String::from_utf8(out).expect("text");
    for part in [
        "self-check: means of uniform numbers",
        "n = 1000 numbers  (int, 1..=1000000 numbers)",
        "shift = 0 units  (float, -1..=1 units)",
        "mode = plain  (one of plain | odd | nan | panic)",
        "trials: 8",
        "source: arithmetic",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
