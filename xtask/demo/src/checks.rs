//! What is checked, and how far an estimate may be off.

use gossip_aggregate::push_pull::loss_sd;
use serde_json::{Value, json};

use super::measure::Epoch;

/// A check: what was expected, what was measured, and whether that is well.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) expected: String,
    pub(crate) measured: String,
    pub(crate) pass: bool,
}

impl Check {
    pub(crate) fn new(
        name: &'static str,
        expected: impl Into<String>,
        measured: impl Into<String>,
        pass: bool,
    ) -> Self {
        Self { name, expected: expected.into(), measured: measured.into(), pass }
    }

    /// The check as a JSON object.
    pub(crate) fn json(&self) -> Value {
        let Self { name, expected, measured, pass } = self;
        json!({ "check": name, "expected": expected, "measured": measured, "pass": pass })
    }
}

/// How far an estimate may be off, and why so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) within: f64,
    pub(crate) why: String,
}

/// Of the inputs' standard deviation: what an epoch leaves of the differences between nodes. Its
/// 30 rounds leave 2e-8 in the simulator, where no exchange is refused and no partner dead; here a
/// third of them is at the start of the first full epoch after the kill.
const UNFINISHED: f64 = 1e-3;

/// Standard deviations that a lossy network is allowed. With as few nodes as this, some inputs far
/// from the others make tails longer than a normal distribution's, so 5 instead of 4.
const DEVIATIONS: f64 = 5.0;

/// How far the mean may be off in `epoch`, when a share `loss` of all datagrams is lost.
///
/// A reply that comes too late although nothing was lost shows, and moves the mean by no more than
/// half the inputs' range over N.
pub(crate) fn mean_tolerance(epoch: &Epoch, loss: f64) -> Tolerance {
    let (n, sd) = (epoch.inputs.len() as f64, spread(&epoch.inputs).1);
    let (mut within, mut why) = (UNFINISHED * sd, format!("{UNFINISHED} of the inputs' sd"));
    if loss > 0.0 {
        within += DEVIATIONS * loss_sd(sd, loss, n).unwrap_or(0.0);
        why = format!("{DEVIATIONS} s sqrt(p / ((2 - p) N)), s {sd:.1}, p {loss}, N {n}");
    }
    if epoch.late > 0 {
        let all = epoch.inputs.iter().copied();
        let range = all.clone().fold(f64::MIN, f64::max) - all.fold(f64::MAX, f64::min);
        within += epoch.late as f64 * range / (2.0 * n);
        why += &format!(", {} late", replies(epoch.late));
    }
    Tolerance { within, why }
}

/// How far a count may be off in `epoch`, as a share of N.
///
/// Each leader's share is a mean whose inputs have a standard deviation of 1 / sqrt(N): its
/// relative error under loss is sqrt(p / (2 - p)). The trimmed mean over the `leaders` divides that
/// by the root of their number, times 1.25 as a median would.
pub(crate) fn count_tolerance(epoch: &Epoch, loss: f64, leaders: usize) -> Tolerance {
    let n = epoch.inputs.len() as f64;
    let (mut within, mut why) = (UNFINISHED, format!("{UNFINISHED} of N"));
    let several = 1.25 / (leaders.max(1) as f64).sqrt();
    if loss > 0.0 {
        within += DEVIATIONS * several * (loss / (2.0 - loss)).sqrt();
        why = format!("{DEVIATIONS} x 1.25 sqrt(p / ((2 - p) L)) of N, p {loss}, L {leaders}");
    }
    if epoch.late > 0 {
        within += DEVIATIONS * (epoch.late as f64 / (2.0 * n)).sqrt();
        why += &format!(", {} late", replies(epoch.late));
    }
    Tolerance { within: within * n, why }
}

/// Mean and standard deviation.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (mean, (squares / n).sqrt())
}

/// "1 reply", "2 replies".
fn replies(count: u64) -> String {
    format!("{count} repl{}", if count == 1 { "y" } else { "ies" })
}
