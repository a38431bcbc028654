//! Runs the trials of an experiment and puts their samples together.

use super::experiment::{Experiment, Metric, Published, Sample, Statistic};
use super::params::Params;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use xtask_base::Progress;
use xtask_base::output::median;
use xtask_base::{Failure, parallel};

/// Which trials are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The seed of the first trial; trial `i` has this plus `i`.
    pub first_seed: u64,
    /// How many, at least one.
    pub trials: u32,
    /// How many run at the same time. The results do not depend on it.
    pub threads: usize,
}

impl Plan {
    fn seed(&self, trial: u32) -> u64 {
        self.first_seed.wrapping_add(trial.into())
    }
}

/// One line of the comparison: a metric, in one cycle if it has any, over all trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// What was measured.
    pub metric: Metric,
    /// In which cycle.
    pub cycle: Option<u32>,
    /// The mean or median of the trials. Not finite when a trial's value was not, or `n` is 0.
    pub measured: f64,
    /// The sample standard deviation. Not finite with fewer than two trials.
    pub sd: f64,
    /// The number of trials that measured it.
    pub n: u32,
    /// What the paper says, if it has these parameters.
    pub published: Option<Published>,
}

impl Row {
    /// Widens the tolerance to five standard errors of what was measured. Tolerances are derived
    /// for an experiment's default number of trials; with fewer, a right implementation would fail
    /// by chance. (Five of a mean's, four of a median's: the standard error of a median is 1.25
    /// times that of a mean.)
    fn allow_for_few_trials(&mut self) {
        let error = 5.0 * self.sd / f64::from(self.n).sqrt();
        if let Some(published) = &mut self.published {
            published.tolerance = published.tolerance.max(error); // NaN with one trial: no change
        }
    }

    /// The verdict: within tolerance or not; `None` when the paper says nothing.
    pub fn pass(&self) -> Option<bool> {
        self.published.map(|p| (self.measured - p.value).abs() <= p.tolerance)
    }
}

/// Runs every trial and compares. Rows are in the order of the experiment's metrics, then of
/// cycles. A metric that no trial measured has one row with `n` 0.
pub fn rows(
    experiment: &dyn Experiment,
    params: &Params,
    plan: &Plan,
) -> Result<Vec<Row>, Failure> {
    let samples = run(experiment, params, plan)?;
    let mut rows = Vec::new();
    for metric in experiment.metrics() {
        let mut cycles: BTreeMap<Option<u32>, Vec<f64>> = BTreeMap::new();
        for sample in samples.iter().flatten().filter(|s| s.metric == metric.name) {
            cycles.entry(sample.cycle).or_default().push(sample.value);
        }
        if cycles.is_empty() {
            cycles.insert(None, Vec::new());
        }
        for (cycle, values) in cycles {
            let published = experiment.published(params, metric.name, cycle);
            let mut row = row(*metric, cycle, &values, published);
            if row.n < experiment.seeds() {
                row.allow_for_few_trials();
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row(metric: Metric, cycle: Option<u32>, values: &[f64], published: Option<Published>) -> Row {
    let mean = mean(values);
    let measured = match metric.statistic {
        Statistic::Mean => mean,
        Statistic::Median => median(values.iter().copied()),
    };
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let sd = if values.len() < 2 { f64::NAN } else { (squares / (values.len() - 1) as f64).sqrt() };
    Row { metric, cycle, measured, sd, n: values.len() as u32, published }
}

/// NaN for no values.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The samples of each trial, in the order of seeds.
fn run(
    experiment: &dyn Experiment,
    params: &Params,
    plan: &Plan,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let progress = Progress::start(experiment.id(), "trials", plan.trials.into());
    parallel::ordered(plan.trials, plan.threads, progress, |trial, step| {
        let samples = one_trial(experiment, params, plan.seed(trial));
        step();
        samples
    })
}

fn one_trial(
    experiment: &dyn Experiment,
    params: &Params,
    seed: u64,
) -> Result<Vec<Sample>, Failure> {
    let failed = |why: String| {
        let (id, options) = (experiment.id(), params.as_options());
        let again = format!("cargo xtask repro {id}{options} --seeds 1 --seed {seed}");
        Failure::Failed(format!("{id}: the trial with seed {seed} {why}\nto run it again: {again}"))
    };
    // An experiment is not used again after a panic but to print its id.
    let caught = catch_unwind(AssertUnwindSafe(|| experiment.run(params, seed)));
    let samples = caught.map_err(|_| failed("panicked (its message is above)".to_owned()))?;
    check_samples(experiment, &samples).map_err(failed)?;
    Ok(samples)
}

/// Finds samples of unknown metrics, and two for the same row.
fn check_samples(experiment: &dyn Experiment, samples: &[Sample]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for Sample { metric, cycle, .. } in samples {
        if !experiment.metrics().iter().any(|m| m.name == *metric) {
            return Err(format!("measured `{metric}`, which is not a metric of it"));
        }
        if !seen.insert((metric, cycle)) {
            return Err(format!("measured `{metric}` twice (cycle {cycle:?})"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "trials_tests.rs"]
mod tests;
