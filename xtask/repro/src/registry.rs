//! What is asked of the list of experiments.

use super::experiment::Experiment;
use super::self_check::SelfCheck;
use xtask_base::Failure;
use xtask_base::suggest::{did_you_mean, listed};

/// The experiments of a program, in the order in which they are shown.
pub type Registry = [&'static dyn Experiment];

/// The experiment with this id. [`SelfCheck`] is found, too, but not listed.
pub fn find(all: &Registry, id: &str) -> Result<&'static dyn Experiment, Failure> {
    let hidden: &'static dyn Experiment = &SelfCheck;
    let found = all.iter().copied().chain([hidden]).find(|experiment| experiment.id() == id);
    found.ok_or_else(|| {
        let hint = did_you_mean(id, all.iter().map(|e| e.id()));
        Failure::Usage(format!("no experiment `{id}`{hint}; {}", known(all)))
    })
}

/// The ids, as the end of an error.
pub fn known(all: &Registry) -> String {
    let ids = listed(all.iter().map(|e| e.id()));
    format!("the experiments are{ids}\n`repro list` shows their parameters")
}

/// Fails with what is wrong with the declarations of the experiments, if anything is.
pub fn check(all: &Registry) -> Result<(), Failure> {
    let mut found: Vec<String> = all.iter().flat_map(|experiment| faults(*experiment)).collect();
    for (at, experiment) in all.iter().enumerate() {
        if all[..at].iter().any(|earlier| earlier.id() == experiment.id()) {
            found.push(format!("{}: two experiments have this id", experiment.id()));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Failure::Failed(found.join("\n"))) }
}

/// What is wrong with an experiment's declarations, each a sentence.
fn faults(experiment: &dyn Experiment) -> Vec<String> {
    let id = experiment.id();
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut found = Vec::new();
    if id == "list" || !id.chars().all(|c| lower(c) || c == '-') || !id.contains('-') {
        found.push(format!("{id}: an id is author+year-what in lower case"));
    }
    for (at, param) in experiment.params().iter().enumerate() {
        let name = param.name;
        if !param.default_is_valid() {
            found.push(format!("{id}: the default of `{name}` is not within its bounds"));
        }
        if name == "cycle" || name.is_empty() || !name.chars().all(|c| lower(c) || c == '_') {
            found.push(format!("{id}: `{name}` cannot be the name of a parameter"));
        }
        if experiment.params()[..at].iter().any(|earlier| earlier.name == name) {
            found.push(format!("{id}: parameter `{name}` is declared twice"));
        }
    }
    for (at, metric) in experiment.metrics().iter().enumerate() {
        if experiment.metrics()[..at].iter().any(|earlier| earlier.name == metric.name) {
            found.push(format!("{id}: metric `{}` is declared twice", metric.name));
        }
    }
    if experiment.seeds() == 0 || experiment.metrics().is_empty() {
        found.push(format!("{id}: it needs at least one trial and one metric"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::experiment::{Metric, Sample};
    use super::super::params::{Param, Params};
    use super::*;

    #[test]
    fn the_self_check_is_sound_and_found_but_not_listed() {
        assert_eq!(faults(&SelfCheck), Vec::<String>::new());
        assert!(find(&[], "self-check").is_ok());
        assert!(!known(&[]).contains("self-check"));
    }

    struct Bad;

    impl Experiment for Bad {
        fn id(&self) -> &'static str {
            "Bad"
        }
        fn summary(&self) -> &'static str {
            ""
        }
        fn source(&self) -> &'static str {
            ""
        }
        fn params(&self) -> &'static [Param] {
            static PARAMS: [Param; 3] = [
                Param::int("n", 5, 6..=7, "nodes", ""),
                Param::choice("cycle", "a", &["a"], ""),
                Param::float("n", 0.5, 0.0..=1.0, "nodes", ""),
            ];
            &PARAMS
        }
        fn metrics(&self) -> &'static [Metric] {
            &[]
        }
        fn seeds(&self) -> u32 {
            1
        }
        fn run(&self, _: &Params, _: u64) -> Vec<Sample> {
            Vec::new()
        }
    }

    #[test]
    fn bad_declarations_are_named() {
        let text = check(&[&SelfCheck, &Bad, &SelfCheck]).expect_err("a bad one").to_string();
        for part in [
            "author+year-what",
            "default of `n`",
            "`cycle` cannot",
            "twice",
            "one metric",
            "two experiments",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
