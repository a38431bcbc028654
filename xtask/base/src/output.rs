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
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    median_of(&mut values.into_iter().collect::<Vec<_>>(), |value| value)
}

/// The median of what `what` makes of each value, as [`median`], but without another list: the
/// values are put in another order.
pub fn median_of(values: &mut [f64], what: impl Fn(f64) -> f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let (half, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    let order = |a: &f64, b: &f64| what(*a).total_cmp(&what(*b));
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, order);
    let lower = below.iter().copied().max_by(order).filter(|_| !is_odd);
    lower.map_or(what(upper), |lower| f64::midpoint(what(lower), what(upper)))
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
