//! Keys one by one: what each does, and what wrong values are told.

use super::output::Results;
use super::run::Series;
use super::scenario::Scenario;
use super::schema::KEYS;
use super::value::Kind;
use super::{network, simulate};
use gossip_core::Time;
use gossip_core::random::Key;
use gossip_core::sim::link::{Link, Network, Trip};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_base::Failure;

/// A folder of the test's own, gone when it is over.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gossip-keys-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file for the test");
    }

    fn read(&self, text: &str) -> Result<Scenario, Failure> {
        Scenario::read("a", "a.toml", text.to_owned(), self.0.clone(), &[])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the folder for temporary files is removed with it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn scenario(text: &str) -> Scenario {
    let scenario = Scenario::read("a", "a.toml", text.to_owned(), ".".into(), &[]);
    scenario.unwrap_or_else(|e| panic!("{e}"))
}

/// What each replica of the first point saw.
fn run(text: &str) -> Vec<Series> {
    simulate(&scenario(text), 1).unwrap_or_else(|e| panic!("{e}")).remove(0)
}

/// What the observer saw, in the order of cycles.
fn seen(series: &Series, name: &str) -> Vec<f64> {
    let at = series.names.iter().position(|n| *n == name).expect("it looks");
    series.rows.iter().filter_map(|row| row.values[at]).collect()
}

fn wrong(text: &str) -> String {
    let read = Scenario::read("a", "a.toml", text.to_owned(), ".".into(), &[]);
    let failure = match read {
        Ok(scenario) => simulate(&scenario, 1).expect_err("a wrong scenario"),
        Err(failure) => failure,
    };
    assert_eq!(failure.exit_code(), 2, "{failure}");
    failure.to_string()
}

/// A section and a key of it as lines, the key on the second.
fn lines(path: &str, value: &str) -> String {
    match path.split_once('.') {
        Some((section, name)) => format!("[{section}]\n{name} = {value}\n"),
        None => format!("\n{path} = {value}\n"),
    }
}

#[test]
fn a_wrong_value_of_any_key_is_told_with_its_line_and_what_is_right() {
    for key in KEYS {
        let values: &[&str] = match key.kind {
            Kind::Int(..) => &["'many'", "1.5", "-1000000000000000000", "[]", "true"],
            Kind::Float(..) => &["'much'", "1e300", "nan", "[]", "false"],
            Kind::Choice(_) => &["'no such word'", "1", "''"],
            Kind::Text => &["1", "true", "[]"],
            Kind::Flag => &["1", "'yes'"],
            Kind::Span => &["'1 hour'", "1", "'-1s'", "'1s..2s'"],
            Kind::Latency => &["'fast'", "1", "'9s..1s'", "'normal:1s'"],
            Kind::Sides => &["10", "[]", "[0]", "['a']"],
            Kind::Rule => &["'error'", "'eror < 1'", "1", "'error < much'"],
        };
        for value in values {
            let error = wrong(&lines(key.path, value));
            let place = error.strip_prefix("a.toml:2:");
            let told = format!("`{}`", key.path);
            let right = key.kind.to_string();
            assert!(place.is_some() && error.contains(&told) && error.contains(&right), "{error}");
        }
    }
    assert!(wrong("[stop]\nwhen = 'eror < 1'").contains("(did you mean `error`?)"));
}

#[test]
fn a_mistyped_name_of_any_key_is_told_the_right_one() {
    for key in KEYS {
        let error = wrong(&lines(&format!("{}x", key.path), "1"));
        let told = format!("no key `{}x` (did you mean `{}`?)", key.path, key.path);
        assert!(error.starts_with("a.toml:2:1:") && error.contains(&told), "{error}");
    }
}

/// The guide to scenarios is as complete as `--keys`.
#[test]
fn every_key_is_in_the_guide() {
    let guide = std::fs::read_to_string(xtask_base::root().join("scenarios/README.md"));
    let guide = guide.expect("the guide to scenarios");
    for key in KEYS {
        let line = key.to_string();
        assert!(guide.contains(&line), "scenarios/README.md lacks `{line}`: run `sim --keys`");
    }
}

#[test]
fn what_has_no_effect_is_refused() {
    for (text, why) in [
        ("[network]\nlatency = '1ms'", "`driver.kind` is cycle, not event"),
        ("[network]\nbandwidth = 5", "`driver.kind` is cycle, not event"),
        ("[observe]\nbytes-app = 5", "`driver.kind` is cycle, not event"),
        ("[driver]\norder = 'blocked'\nkind = 'event'", "`driver.kind` is event, not cycle"),
        ("[network]\nqueue = 5\n[driver]\nkind = 'event'", "without `network.bandwidth`"),
        ("[network]\nplaces = 'random'\n[driver]\nkind = 'event'", "without `network.matrix`"),
        ("[stop]\ntimes = 2", "without `stop.when`"),
        ("[sessions]\ndown = '5s'", "without `sessions.up`"),
        ("[output]\noverlay = 'a'\n[sweep]\nsize = [5, 6]", "of one point, and the sweep has 2"),
        ("[down]\nfrom = 9\nuntil = 3", "`down` ends (at 3) before it begins (9)"),
    ] {
        let error = wrong(text);
        assert!(error.starts_with("a.toml:2:1:") && error.contains(why), "{error}");
    }
    let error = wrong("[stop]\nwhen = 'error < 1'");
    assert!(error.contains("stop.when asks `error`, which does not look"), "{error}");
}

/// When a message of `len` bytes from node 0 to `to`, sent at `at` seconds, arrives.
fn arrival(network: &mut Network, to: u32, at: u64, len: usize) -> Duration {
    let at = Time::from_micros(at * 1_000_000);
    let trip = Trip { from: 0, to, at, len, opening: true };
    network.carry(&trip, &mut Key::new(1).random(at.as_micros()))[0]
}

fn links(text: &str, folder: &Folder) -> Result<Network, Failure> {
    let text = format!("driver.kind = 'event'\n[network]\n{text}");
    folder.read(&text).and_then(|scenario| network::links(&scenario.points[0], 1))
}

#[test]
fn latency_is_by_law_and_by_place() {
    let folder = Folder::new("latency");
    let millis = Duration::from_millis;
    for law in ["10ms", "10ms..10ms", "10ms+~0s", "10ms+0s", "normal:10ms:0s"] {
        let mut network = links(&format!("latency = '{law}'"), &folder).expect("a law");
        assert_eq!(arrival(&mut network, 1, 0, 5), millis(10), "{law}");
    }
    for law in ["lognormal:10ms:20ms", "pareto:10ms:5ms"] {
        links(&format!("latency = '{law}'"), &folder).expect("a law");
    }
    let mut usual = links("", &folder).expect("the default");
    assert_eq!(arrival(&mut usual, 1, 0, 5), millis(50));

    // Round trips of 20 and 60 ms from the first place; as microseconds and milliseconds.
    folder.write("king", "1 2 20000\n1 3 60000\n2 3 40000\n");
    folder.write("square", "0 20 60\n20 0 40\n60 40 0\n");
    for keys in ["matrix = 'king'", "matrix = 'square'\nmatrix-form = 'square'\nmatrix-unit = 'ms'"]
    {
        let mut network = links(keys, &folder).expect("a matrix");
        assert_eq!([1, 2].map(|to| arrival(&mut network, to, 0, 5)), [10, 30].map(millis));
        let mut network = links(&format!("{keys}\nlatency = '1ms'"), &folder).expect("both");
        assert_eq!(arrival(&mut network, 5, 0, 5), millis(31), "node 5 is at the third place");
    }
    links("matrix = 'king'\nplaces = 'random'", &folder).expect("places at random");
    let error = links("matrix = 'no'", &folder).expect_err("no file").to_string();
    assert!(error.contains("cannot read network.matrix") && error.contains("No such"), "{error}");
    folder.write("broken", "1 2 20000\n1 3 slow\n");
    let error = links("matrix = 'broken'", &folder).expect_err("no time").to_string();
    assert!(error.contains("broken: line 2, column 5: `slow` is no time"), "{error}");
}

#[test]
fn bandwidth_takes_time_and_its_queue_is_bounded() {
    let folder = Folder::new("bandwidth");
    let keys = "latency = '0s'\nbandwidth = 1000\nqueue = 2500";
    let secs = Duration::from_secs;
    let mut network = links(keys, &folder).expect("an uplink");
    assert_eq!([1, 2].map(|to| arrival(&mut network, to, 0, 1000)), [secs(1), secs(2)]);
    let trip = Trip { from: 0, to: 3, at: Time::ZERO, len: 1000, opening: true };
    assert!(network.carry(&trip, &mut Key::new(1).random(0)).is_empty(), "3000 bytes do not fit");
    let mut network = links(&format!("{keys}\nshared = 'by-link'"), &folder).expect("links");
    assert_eq!([1, 2].map(|to| arrival(&mut network, to, 0, 1000)), [secs(1), secs(1)]);
    let mut network = links("latency = '0s..5s'\nordered = true", &folder).expect("in order");
    let times: Vec<_> = (0..20).map(|at| secs(at) + arrival(&mut network, 1, at, 5)).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn who_is_down_comes_back_with_its_state() {
    for driver in ["cycle", "event"] {
        let ran = run(&format!(
            "size = 100\ncycles = 8\nsampler = 'complete'\napplication = 'mean'\n\
             [mean]\ninputs = 'linear'\n[driver]\nkind = '{driver}'\n\
             [down]\nshare = 0.5\nfrom = 2\nuntil = 3\ncycles = 4\n\
             [observe]\nnodes = 1\nvariance = 1\n"
        ));
        let nodes = seen(&ran[0], "nodes");
        assert_eq!(nodes, [100.0, 100.0, 100.0, 50.0, 50.0, 50.0, 50.0, 100.0, 100.0], "{driver}");
        // Averaging among the same nodes never raises the variance; those who come back with what
        // they knew four cycles ago do, but not to what it was when they stopped.
        let variance = seen(&ran[0], "variance");
        let [stopped, before, after] = [2, 6, 7].map(|cycle| variance[cycle]);
        assert!(before < after && after < stopped, "{driver}, seed 1: {variance:?}");
    }
}

/// Exact values of known graphs, and samples of one whose nodes are all alike.
#[test]
fn overlays_are_measured() {
    let observed = "[observe]\nspectral-gap = 1\nclustering = 1\ncomponents = 1\nlargest = 1\n\
                    path = 1\ndead-links = 1\nin-degree-sd = 1\n";
    let whole = run(&format!("size = 11\ncycles = 1\nsampler = 'complete'\n{observed}"));
    let [gap] = seen(&whole[0], "spectral-gap")[..1] else { panic!("it looks") };
    // The second eigenvalue of the complete graph of n is -1/(n - 1).
    assert!((gap - 1.1).abs() < 1e-3, "{gap}");
    for (name, value) in [("clustering", 1.0), ("components", 1.0), ("largest", 1.0), ("path", 1.0)]
    {
        assert_eq!(seen(&whole[0], name)[0], value, "{name}");
    }
    let ring = run(&format!(
        "size = 1000\ncycles = 1\nsampler = 'ring'\n[topology]\ndegree = 4\n\
         [sample]\nclustering = 10\npaths = 3\n{observed}"
    ));
    assert_eq!(seen(&ring[0], "clustering")[0], 0.5);
    // Half of the others are within 125.25 steps of two, on average.
    assert!((seen(&ring[0], "path")[0] - 125.376).abs() < 0.01, "{:?}", seen(&ring[0], "path"));
}

#[test]
fn bytes_are_told_by_layer() {
    let text = |sampler| {
        format!(
            "size = 50\ncycles = 5\napplication = 'mean'\nsampler = '{sampler}'\n\
             [driver]\nkind = 'event'\n[observe]\nbytes = 5\nbytes-peers = 5\nbytes-app = 5"
        )
    };
    let last = |sampler| {
        let ran = run(&text(sampler));
        ["bytes", "bytes-peers", "bytes-app"].map(|name| ran[0].last(name).expect("it looks"))
    };
    let [all, peers, app] = last("newscast");
    assert!(peers > app && app > 0.0 && peers + app < all, "{all}: {peers} and {app}");
    let [_, peers, app] = last("complete");
    assert!(peers == 0.0 && app > 0.0, "{peers} and {app}");
}

#[test]
fn a_rule_ends_a_run() {
    let text = "size = 500\ncycles = 60\nreplicas = 3\napplication = 'mean'\n\
                sampler = 'complete'\n[observe]\nerror = 1\nnodes = 60\n\
                [stop]\nwhen = 'error < 0.01'\n";
    let ran = run(text);
    let thrice = run(&format!("{text}times = 3"));
    for (once, thrice) in ran.iter().zip(&thrice) {
        let errors = seen(once, "error");
        let (last, earlier) = errors.split_last().expect("some cycles");
        assert!(*last < 0.01 && earlier.iter().all(|error| *error >= 0.01), "{errors:?}");
        assert_eq!(thrice.end(), once.end().map(|end| end + 2));
        // What did not look in the last cycle shows what it saw before.
        assert_eq!(once.last("nodes"), Some(500.0));
    }
    let never = run(&text.replace("error < 0.01", "error < 0"));
    assert!(never.iter().all(|series| series.end() == Some(60)));
    let ends = scenario(text);
    let results = Results { series: vec![ran], scenario: &ends };
    let mut table = Vec::new();
    results.table(&mut table).expect("a table in memory");
    assert!(!table.is_empty());
}

/// The overlay at the end, written down in three languages, is read again as what it was.
#[test]
fn overlays_go_to_files_and_come_back() {
    let folder = Folder::new("overlay");
    let observed = "cycles = 3\n[observe]\nin-degree-sd = 3\ncomponents = 3\npath = 3\n";
    let text =
        |sampler: &str, more: &str| format!("size = 60\nsampler = '{sampler}'\n{observed}{more}");
    let ran = |text: &str| -> Vec<_> {
        let scenario = folder.read(text).unwrap_or_else(|e| panic!("{e}"));
        let mut all = simulate(&scenario, 1).unwrap_or_else(|e| panic!("{e}"));
        let first = all.remove(0).remove(0);
        ["in-degree-sd", "components"].map(|name| first.last(name)).to_vec()
    };
    for name in ["overlay.dot", "overlay.graphml", "overlay.txt"] {
        let written = ran(&text("newscast", &format!("[output]\noverlay = '{name}'")));
        assert!(folder.0.join(name).exists());
        let read = ran(&text("file", &format!("[topology]\nfile = '{name}'")));
        assert_eq!(written, read, "{name}");
    }
}

#[test]
fn who_forgets_the_folder_is_told_it() {
    let told = |name: &str| {
        let failed = Scenario::open(Path::new(name), &[]).expect_err("no such file");
        super::with_hint(failed, Path::new(name)).to_string()
    };
    assert!(told("growth").contains("(did you mean scenarios/growth.toml?)"));
    assert!(told("none.toml").contains("`cargo xtask sim --list` lists"));
}

/// Before anything is run: these would take for ever.
#[test]
fn a_file_in_no_folder_is_told_before_the_runs() {
    let folder = Folder::new("outputs");
    folder.write("a.toml", "cycles = 10_000_000\n");
    let told = |set: &str| {
        let request = super::Request {
            file: Some(folder.0.join("a.toml")),
            set: vec![set.to_owned()],
            json: None,
            csv: None,
            plot: None,
            threads: Some(1),
            list: false,
            keys: false,
        };
        let failure = super::run(&request).expect_err("no such folder");
        assert_eq!(failure.exit_code(), 2, "{failure}");
        failure.to_string()
    };
    for kind in ["csv", "json", "svg", "overlay"] {
        let error = told(&format!("output.{kind}=no/such"));
        assert!(error.contains("there is no folder"), "{error}");
    }
}
