//! What tasks print: numbers, medians, and the end of a pipe.

use crate::Failure;
use std::io;

/// A number with about five digits that count, in at most eleven characters.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "-".to_owned()
    } else if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.3e}")
    } else {
        let decimals = match size {
            1e4.. => 0,
            1e3.. => 1,
            1e2.. => 2,
            1e1.. => 3,
            1e0.. => 4,
            _ => 5,
        };
        format!("{value:.decimals$}")
    }
}

/// The median.
/// NaN for no values. An infinite value counts as greater than all others.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// A reader that had enough (`| head`) is no failure.
pub fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("cannot write the output: {e}")))
        }
        _ => Ok(()),
    }
}
