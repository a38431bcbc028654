//! The list of experiments.

use super::experiment::Experiment;
use super::experiments::{
    Allavena05Partition, Antonov23Hub, Bortnikov08Brahms, Dadgar18Lifeguard, Das02Swim,
    Demers87Spatial, Demers87Table1, Jelasity04Variants, Jelasity05Factor, Jelasity06Jk,
    Jelasity07Sampling, Jelasity09Tman, Kempe01Spatial, Leitao07Hyparview, Massoulie06Walk,
    Voulgaris05Indegree,
};
use super::self_check::SelfCheck;
use crate::Failure;
use crate::suggest::{did_you_mean, listed};

/// Every experiment, in the order in which `repro list` shows them. A new one is added here.
pub fn experiments() -> Vec<Box<dyn Experiment>> {
    vec![
        Box::new(Demers87Table1),
        Box::new(Demers87Spatial),
        Box::new(Kempe01Spatial),
        Box::new(Jelasity04Variants),
        Box::new(Jelasity05Factor),
        Box::new(Voulgaris05Indegree),
        Box::new(Jelasity07Sampling),
        Box::new(Leitao07Hyparview),
        Box::new(Bortnikov08Brahms),
        Box::new(Allavena05Partition),
        Box::new(Massoulie06Walk),
        Box::new(Das02Swim),
        Box::new(Dadgar18Lifeguard),
        Box::new(Antonov23Hub),
        Box::new(Jelasity09Tman),
        Box::new(Jelasity06Jk),
    ]
}

/// The experiment with this id. [`SelfCheck`] is found, too, but not listed.
pub fn find(id: &str) -> Result<Box<dyn Experiment>, Failure> {
    let hidden: Box<dyn Experiment> = Box::new(SelfCheck);
    let mut all = experiments().into_iter().chain([hidden]);
    all.find(|experiment| experiment.id() == id).ok_or_else(|| {
        let experiments = experiments();
        let hint = did_you_mean(id, experiments.iter().map(|e| e.id()));
        Failure::Usage(format!("no experiment `{id}`{hint}; {}", known()))
    })
}

/// The ids, as the end of an error.
pub(crate) fn known() -> String {
    let experiments = experiments();
    let ids = listed(experiments.iter().map(|e| e.id()));
    format!("the experiments are{ids}\n`repro list` shows their parameters")
}

/// What is wrong with an experiment's declarations, each a sentence.
pub fn faults(experiment: &dyn Experiment) -> Vec<String> {
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
    fn every_experiment_is_well_declared_and_ids_are_unique() {
        let experiments = experiments();
        let found: Vec<String> = experiments.iter().flat_map(|e| faults(e.as_ref())).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        let mut ids: Vec<&str> = experiments.iter().map(|e| e.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), experiments.len());
        assert_eq!(faults(&SelfCheck), Vec::<String>::new());
    }

    #[test]
    fn the_self_check_is_found_but_not_listed() {
        assert!(find("self-check").is_ok());
        assert!(experiments().iter().all(|e| e.id() != "self-check"));
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
        let text = faults(&Bad).join("\n");
        for part in ["author+year-what", "default of `n`", "`cycle` cannot", "twice", "one metric"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
