//! What an experiment is.

use super::params::{Param, Params};
use super::picture::Picture;

/// How the trials of a metric become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The mean of the trials.
    Mean,
    /// Their median, for what has no mean: a time that may be infinite.
    Median,
}

/// Something an experiment measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// As in the paper, in lower case: `residue`, `t_last`, `indegree_sd`.
    pub name: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// How trials are put together.
    pub statistic: Statistic,
}

impl Metric {
    /// A metric of which the mean is reported.
    pub const fn mean(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, statistic: Statistic::Mean }
    }

    /// A metric of which the median is reported.
    pub const fn median(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, statistic: Statistic::Median }
    }
}

/// One number measured in one trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The name of one of the experiment's metrics.
    pub metric: &'static str,
    /// The cycle it belongs to, for a metric that is measured in every cycle.
    pub cycle: Option<u32>,
    /// What was measured. A value that is not finite is reported as missing, but counted.
    pub value: f64,
}

impl Sample {
    /// A number for the whole trial.
    pub fn new(metric: &'static str, value: f64) -> Self {
        Self { metric, cycle: None, value }
    }

    /// A number for one cycle.
    pub fn at(metric: &'static str, cycle: u32, value: f64) -> Self {
        Self { metric, cycle: Some(cycle), value }
    }
}

/// What a paper says of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// The number.
    pub value: f64,
    /// How far the measured number may be from it, in the same unit. Derived from the standard
    /// deviation such that a correct implementation fails with probability below 1e-4 at the
    /// experiment's default number of trials. With fewer trials, five standard errors are allowed.
    pub tolerance: f64,
    /// Where it stands: paper, table or figure, row.
    pub source: &'static str,
}

/// An experiment of a paper, with parameters, that can be repeated from its seed.
pub trait Experiment: Sync {
    /// `author+year-what`: `demers87-table1`. Lower case letters, digits and dashes.
    fn id(&self) -> &'static str;

    /// One line for `repro list`.
    fn summary(&self) -> &'static str;

    /// The paper: authors, title, venue, year, section.
    fn source(&self) -> &'static str;

    /// The parameters, in the order in which they are shown. A `static` array.
    fn params(&self) -> &'static [Param];

    /// What is measured, in the order in which it is shown. A `static` array.
    fn metrics(&self) -> &'static [Metric];

    /// The number of trials when the command line does not say.
    fn seeds(&self) -> u32;

    /// Refuses parameters that are each within their bounds but do not go together. The error
    /// names them, with their values and what would be right.
    fn check(&self, params: &Params) -> Result<(), String> {
        let _ = params;
        Ok(())
    }

    /// One trial, which depends on nothing but its arguments. It gives each metric (and cycle) at
    /// most one sample; one that it leaves out lowers the `n` of that row.
    fn run(&self, params: &Params, seed: u64) -> Vec<Sample>;

    /// A picture of one trial, for `--plot`; most experiments have none.
    fn picture(&self, params: &Params, seed: u64) -> Option<Picture> {
        let _ = (params, seed);
        None
    }

    /// What the paper says of a metric with these parameters, `None` where it says nothing:
    /// then the row has no verdict. [`Params::are_default_but`] helps.
    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let _ = (params, metric, cycle);
        None
    }
}
