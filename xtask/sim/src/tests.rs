//! Whole scenarios, right and wrong ones.

use super::output::Results;
use super::scenario::Scenario;
use super::schema::TOPOLOGIES;
use super::{registry, schema, simulate};
use std::path::Path;
use xtask_base::Failure;

/// The scenario of `text`, which claims to be the file `a.toml`.
fn read(text: &str, sets: &[&str]) -> Result<Scenario, Failure> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Scenario::read("a", "a.toml", text.to_owned(), ".".into(), &sets)
}

/// What `text` says, run with `threads`, as CSV.
fn csv(text: &str, sets: &[&str], threads: usize) -> String {
    let scenario = read(text, sets).unwrap_or_else(|e| panic!("{e}"));
    let series = simulate(&scenario, threads).unwrap_or_else(|e| panic!("{e}"));
    Results { scenario: &scenario, series }.csv()
}

/// The error of `text`, which must be wrong usage.
fn wrong(text: &str, sets: &[&str]) -> String {
    let failure = match read(text, sets) {
        Ok(scenario) => simulate(&scenario, 1).expect_err("a wrong scenario"),
        Err(failure) => failure,
    };
    assert_eq!(failure.exit_code(), 2, "{failure}");
    failure.to_string()
}

#[track_caller]
fn assert_wrong(text: &str, parts: &[&str]) {
    let error = wrong(text, &[]);
    assert!(parts.iter().all(|part| error.contains(part)), "{error}\nlacks one of {parts:?}");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    let text = "size = 10\n[network]\n  los = 0.1\n";
    let parts = ["a.toml:3:3: no key `network.los` (did you mean `network.loss`?)"];
    assert_wrong(text, &parts);
    assert_wrong(text, &[" 3 |   los = 0.1\n   |   ^^^", "network.loss: probability", "0 to 1"]);
    assert_wrong(
        "[netwrok]\nloss = 0.1",
        &["a.toml:1:2: no key `netwrok` (did you mean `network`"],
    );
    assert_wrong("siez = 10", &["a.toml:1:1: no key `siez` (did you mean `size`?)", "size: nodes"]);
    assert_wrong("[network]\n[network.los]", &["a.toml:2:10: no key `network.los`"]);
    assert_wrong("network = 5", &["`network` is a section; its keys are", "network.loss"]);
    assert_wrong("[sweep]\nnetwork.los = [1]", &["a.toml:2:9: no key `network.los`"]);
    let error = wrong("", &["network.los=0.1"]);
    assert!(error.starts_with("--set network.los=0.1: no key `network.los` (did you"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_or_out_of_range_is_told_what_is_right() {
    let size = "`size`: the text \"many\" is not a whole number, 2 to 1073741824";
    assert_wrong("size = 'many'", &["a.toml:1:8:", size, "^^^^^^"]);
    for value in ["1", "-5", "1e3", "2_000_000_000", "99999999999999999999", "[1]", "{a = 1}"] {
        assert_wrong(&format!("size = {value}"), &["a.toml:1:", "2 to 1073741824"]);
    }
    for value in ["1.5", "-0.1", "nan", "inf", "'0.1'", "true", "1979-05-27"] {
        let text = format!("[network]\nloss = {value}");
        assert_wrong(&text, &["a.toml:2:8: `network.loss`:", "is not a number, 0 to 1"]);
    }
    assert_wrong("[driver]\nkind = 'evnt'", &["(did you mean `event`?)", "cycle | event"]);
    assert_wrong("[driver]\ntelling = 1", &["is not true or false"]);
    assert_wrong("[network]\nlatency = '5 parsecs'", &["is not a latency such as \"20ms\""]);
    assert_wrong("[driver]\ntick = '1s..2s'", &["is not a duration such as \"1s\""]);
    assert_wrong("sampler = 'torus'\n[topology]\nsides = [0, 5]", &["a list of whole numbers"]);
    assert!(
        wrong("", &["network.loss=2"]).starts_with("--set network.loss=2: `network.loss`: `2`")
    );
    assert!(wrong("", &["size"]).contains("write --set key=value"));
    assert!(wrong("", &["size=5", "size=6"]).contains("`size` is set twice"));
    assert!(wrong("", &["a b=5"]).contains("`a b` is no key"));
}

#[test]
fn unknown_stacks_are_told_the_known_ones() {
    let parts = ["a.toml:1:11: `sampler`: the text \"newcast\" is not one of newscast | cyclon"];
    assert_wrong("sampler = 'newcast'", &parts);
    assert_wrong("sampler = 'newcast'", &["(did you mean `newscast`?)"]);
    assert_wrong("application = 'sum'", &["none | mean | count | rumor | t-man"]);
}

#[test]
fn what_is_no_toml_is_told_where() {
    assert_wrong("size = 5\nsize = 6", &["a.toml:2:1: duplicate key", " 2 | size = 6"]);
    assert_wrong("size = ", &["a.toml:1:"]);
    assert_wrong("size = 5\n[network\nloss = 1", &["a.toml:2:"]);
    assert_wrong("\u{0}", &["a.toml:1:"]);
    let deep = format!("size = {}", "[".repeat(10_000));
    assert_wrong(&deep, &["a.toml:1:"]);
    let failure = Scenario::open(Path::new("no/such.toml"), &[]).expect_err("no such file");
    assert!(failure.to_string().contains("cannot read the scenario no/such.toml: No such file"));
    assert!(Scenario::open(Path::new("."), &[]).is_err(), "a folder is no scenario");
}

#[test]
fn a_sweep_without_an_end_or_a_value_is_refused() {
    assert_wrong("[sweep]\nsize = []", &["a.toml:2:8: `size`: an empty list sweeps nothing"]);
    assert_wrong("[sweep]\nsize = 5", &["a sweep is a list, as [1, 2], or a range, as {from"]);
    assert_wrong("[sweep]\nsize = [10, 1]", &["a.toml:2:13:", "`1` is not a whole number"]);
    assert_wrong("[sweep]\nsize = {from = 5, to = 9}", &["the range has no `step`"]);
    assert_wrong("[sweep]\nsize = {from = 5, to = 9, stop = 1}", &["(did you mean `step`?)"]);
    for steps in ["0", "-1", "1e-300"] {
        let text = format!("[sweep]\nsize = {{from = 5, to = 9, step = {steps}}}");
        assert_wrong(&text, &["has no end or no value"]);
    }
    assert_wrong("[sweep]\nsize = {from = 9, to = 5, step = 1}", &["has no end or no value"]);
    assert_wrong("[sweep]\nsize = {from = 5, to = 9, step = 0.5}", &["`5.5` is not a whole"]);
    assert_wrong("size = 5\n[sweep]\nsize = [5]", &["a.toml:3:1: `size` is both set and swept"]);
    assert_wrong("[sweep]\nseed = [5, 6]", &["`seed` cannot be swept"]);
    let range = "{from = 1, to = 9_000, step = 1}";
    let text = format!("[sweep]\ncycles = {range}\nsize = {{from = 2, to = 9000, step = 1}}");
    assert_wrong(&text, &["the sweep has 80991000 points; at most 1000000"]);
}

#[test]
fn what_would_be_ignored_or_cannot_be_is_refused() {
    let text = "sampler = 'newscast'\n[cyclon]\nview = 5";
    assert_wrong(text, &["a.toml:3:1: `cyclon.view` has no effect: `sampler` is newscast"]);
    assert_wrong(
        "[mean]\ninputs = 'peak'",
        &["`mean.inputs` has no effect: `application` is none"],
    );
    assert_wrong("[churn]\nfrom = 9\nuntil = 3", &["`churn` ends (at 3) before it begins (9)"]);
    let text = "sampler = 'peer-sampling'\n[peer-sampling]\nview = 10\nhealer = 4\nswapper = 4";
    assert_wrong(text, &["a: peer-sampling: "]);
    assert_wrong("sampler = 'torus'\nsize = 50", &["size is 50, which is no square"]);
    assert_wrong("sampler = 'ring'\n[topology]\ndegree = 3", &["a: ring: "]);
    assert_wrong("sampler = 'file'", &["needs topology.file"]);
    assert_wrong("sampler = 'file'\n[topology]\nfile = 'no/such'", &["cannot read topology.file"]);
    // The most nodes that can be named do not fit.
    assert_wrong("size = 1_073_741_824", &["size = 1073741824 takes at least", "bytes a node"]);
}

#[test]
fn results_are_the_same_for_any_number_of_threads() {
    let text = "size = 200\ncycles = 6\nreplicas = 3\napplication = 'mean'\n[churn]\nshare = 0.02\n\
                [sweep]\nnetwork.loss = [0, 0.2]\nsampler = ['newscast', 'cyclon']";
    let one = csv(text, &[], 1);
    assert_eq!(one, csv(text, &[], 3));
    // Four points, three replicas, cycles 0 to 6, headings.
    assert_eq!(one.lines().count(), 4 * 3 * 7 + 1);
    assert_eq!(one.lines().next(), Some("network.loss,sampler,seed,cycle,error,variance"));
}

/// Of one run, as well: the parallel order's threads, and those that the runs are shared among.
#[test]
fn a_parallel_run_is_the_same_for_any_number_of_threads() {
    let text = "size = 300\ncycles = 6\nreplicas = 2\napplication = 'mean'\n\
                [driver]\norder = 'parallel'\n[churn]\nshare = 0.02\n[network]\nloss = 0.1";
    let one = csv(text, &["driver.threads=1"], 1);
    for threads in ["driver.threads=2", "driver.threads=3", "driver.threads=8"] {
        assert_eq!(one, csv(text, &[threads], 2), "{threads}");
    }
    assert_eq!(one, csv(text, &["driver.order=blocked"], 1), "blocks of 64 are those of 300");
    assert_ne!(one, csv(text, &["driver.order=sequential"], 1), "the order has no effect");
    assert_wrong("[driver]\nthreads = 65", &["driver.threads", "1 to 64"]);
}

#[test]
fn options_take_the_place_of_keys_and_of_sweeps() {
    let text = "[sweep]\nsize = [10, 20]\nnetwork.loss = {from = 0, to = 0.3, step = 0.1}";
    assert_eq!(read(text, &[]).expect("right").points.len(), 8);
    let scenario = read(text, &["size=30", "sampler=cyclon"]).expect("right");
    assert_eq!(scenario.points.len(), 4);
    assert_eq!(
        (scenario.points[3].count("size"), scenario.points[3].float("network.loss")),
        (30, 0.3)
    );
    assert_eq!(scenario.points[0].text("sampler"), "cyclon");
    let scenario = read("size = 5", &["sweep.size=[6, 7]"]).expect("the sweep instead of 5");
    assert_eq!(scenario.points.len(), 2);
}

#[test]
fn every_stack_runs_in_both_drivers() {
    let words = |path: &str| match schema::find(path).map(|key| key.kind) {
        Some(super::value::Kind::Choice(words)) => words,
        _ => panic!("{path} is no choice"),
    };
    for sampler in words("sampler").iter().filter(|sampler| **sampler != "file") {
        for application in words("application") {
            for driver in ["cycle", "event"] {
                let text = format!(
                    "size = 36\ncycles = 3\nsampler = '{sampler}'\napplication = '{application}'\n\
                     [driver]\nkind = '{driver}'\n[observe]\nnodes = 1\nmessages = 1\npath = 3\n\
                     [churn]\nshare = 0.1\n[growth]\nnodes = 2"
                );
                let degree =
                    if TOPOLOGIES.contains(sampler) { "topology.degree=4" } else { "seed=2" };
                let out = csv(&text, &[degree], 1);
                let last = out.lines().last().unwrap_or_default();
                let begins = if degree == "seed=2" { "2,3,42," } else { "1,3,42," };
                assert!(last.starts_with(begins), "{application} over {sampler}, {driver}: {last}");
            }
        }
    }
}

#[test]
fn a_graph_of_a_file_is_an_overlay() {
    let folder = std::env::temp_dir().join(format!("gossip-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    std::fs::write(folder.join("ring.txt"), "0 1\n1 2\n2 0\n").expect("a file for the test");
    std::fs::write(
        folder.join("ring.toml"),
        "size = 3\nsampler = 'file'\ncycles = 1\n\
         [topology]\nfile = 'ring.txt'\n[observe]\npath = 1",
    )
    .expect("a file for the test");
    let scenario = Scenario::open(&folder.join("ring.toml"), &[]).expect("right");
    let series = simulate(&scenario, 1).expect("three nodes");
    assert_eq!(series[0][0].rows[0].values, [Some(1.0)]);
    let scenario = Scenario::open(&folder.join("ring.toml"), &["size=4".to_owned()]);
    let failure = simulate(&scenario.expect("right"), 1).expect_err("four are not three");
    assert!(failure.to_string().contains("has 3 nodes, but size is 4: set size = 3"), "{failure}");
    std::fs::remove_dir_all(&folder).expect("the test's own folder");
}

#[test]
fn every_run_of_a_point_has_a_stack() {
    let scenario = read("[newscast]\nview = 30", &[]).expect("right");
    let runner = registry::find(&scenario.points[0]).expect("Newscast alone");
    assert_eq!(runner.capacity(), 64);
}
