//! What nodes hold at the start: values for aggregation, attributes to sort by.
//!
//! ```
//! use gossip_core::{random::Key, sim::initial::{self, Initial}};
//!
//! let peak = Initial::Peak { total: 100.0 }.draw(4, Key::new(1))?;
//! assert_eq!(peak, [100.0, 0.0, 0.0, 0.0]);
//! let linear = Initial::Linear { low: 0.0, high: 9.0 }.draw(4, Key::new(1))?;
//! assert_eq!(linear, [0.0, 3.0, 6.0, 9.0]);
//! assert_eq!(initial::by(3, |node| f64::from(node * node))?, [0.0, 1.0, 4.0]);
//! assert_eq!(initial::read("# loads\n3\n1e3\n").unwrap(), [3.0, 1e3]);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

use core::f64::consts::TAU;

use alloc::format;
use alloc::vec::Vec;

use super::script::ScriptError;
use crate::error::ParameterError;
use crate::random::{Key, Random};

/// A distribution of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All the same.
    Constant(f64),
    /// Evenly between two bounds, at random.
    Uniform {
        /// The least.
        low: f64,
        /// The bound above, itself not drawn.
        high: f64,
    },
    /// All of it at node 0, nothing elsewhere: what averaging finds hardest.
    Peak {
        /// How much.
        total: f64,
    },
    /// From the first node to the last in equal steps.
    Linear {
        /// What node 0 has.
        low: f64,
        /// What the last node has.
        high: f64,
    },
    /// Exponential, at random.
    Exponential {
        /// The mean, above 0.
        mean: f64,
    },
    /// Normal, at random.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation, at least 0.
        sd: f64,
    },
    /// Pareto, at random: a few have much.
    Pareto {
        /// The least that anybody has, above 0.
        least: f64,
        /// The exponent alpha of the tail, 0.05 to 100: below 1 there is no mean, below 2 no
        /// variance.
        shape: f64,
    },
}

fn finite(name: &'static str, value: f64) -> Result<(), ParameterError> {
    ParameterError::new(name, value, "", "finite, at most 10^100").unless(value.abs() <= 1e100)
}

impl Initial {
    /// That every parameter has a meaning.
    ///
    /// # Errors
    /// Names the parameter that is out of bounds.
    pub fn check(&self) -> Result<(), ParameterError> {
        match *self {
            Self::Constant(value) | Self::Peak { total: value } => finite("value", value),
            Self::Uniform { low, high } | Self::Linear { low, high } => {
                finite("least value", low)?;
                finite("largest value", high)?;
                ParameterError::new("largest value", high, "", "at least the least")
                    .unless(low <= high)
            }
            Self::Exponential { mean } => {
                finite("mean", mean)?;
                ParameterError::new("mean", mean, "", "above 0").unless(mean > 0.0)
            }
            Self::Normal { mean, sd } => {
                finite("mean", mean)?;
                finite("standard deviation", sd)?;
                ParameterError::new("standard deviation", sd, "", "at least 0").unless(sd >= 0.0)
            }
            Self::Pareto { least, shape } => {
                finite("least value", least)?;
                ParameterError::new("least value", least, "", "above 0").unless(least > 0.0)?;
                ParameterError::new("Pareto shape alpha", shape, "", "0.05 to 100")
                    .unless((0.05..=100.0).contains(&shape))
            }
        }
    }

    /// The values of `nodes` nodes. A node's own depends on no other's, nor, but for
    /// [`Linear`](Self::Linear), on how many there are.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn draw(&self, nodes: u32, key: Key) -> Result<Vec<f64>, ParameterError> {
        self.check()?;
        Ok((0..nodes).map(|node| self.at(node, nodes, &mut key.random(node.into()))).collect())
    }

    fn at(&self, node: u32, nodes: u32, random: &mut Random) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { low, high } => low + (high - low) * random.unit(),
            Self::Peak { total } => {
                if node == 0 {
                    total
                } else {
                    0.0
                }
            }
            Self::Linear { low, high } => {
                low + (high - low) * f64::from(node) / f64::from(nodes.saturating_sub(1).max(1))
            }
            Self::Exponential { mean } => mean * random.exponential(),
            Self::Normal { mean, sd } => {
                // Box, Muller: A note on the generation of random normal deviates, AMS 29(2), 1958.
                let radius = libm::sqrt(2.0 * random.exponential());
                mean + sd * radius * libm::cos(TAU * random.unit())
            }
            Self::Pareto { least, shape } => least * libm::exp(random.exponential() / shape),
        }
    }
}

/// The values that a function has for the nodes' numbers.
///
/// # Errors
/// If one is not finite.
pub fn by(nodes: u32, value: impl FnMut(u32) -> f64) -> Result<Vec<f64>, ParameterError> {
    let values: Vec<f64> = (0..nodes).map(value).collect();
    let wrong = values.iter().find(|value| !value.is_finite());
    wrong.map_or(Ok(()), |&wrong| finite("value", wrong))?;
    Ok(values)
}

/// The values in a text: a number a line, for nodes 0, 1, and so on. Empty lines and those that
/// begin with `#` are comments.
///
/// # Errors
/// Names the first line that is no finite number.
///
/// ```
/// let error = gossip_core::sim::initial::read("1\n\nmany\n").unwrap_err();
/// assert_eq!(error.to_string(), "line 3: `many` is no finite number");
/// ```
pub fn read(text: &str) -> Result<Vec<f64>, ScriptError> {
    let mut values = Vec::new();
    for (at, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let value = line.parse().ok().filter(|value: &f64| value.is_finite());
        let wrong = || ScriptError { line: at + 1, what: format!("`{line}` is no finite number") };
        values.push(value.ok_or_else(wrong)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::observe::Spread;

    /// 10^5 values each: means within four standard errors; variances within 4 sqrt((kurt - 1)/n)
    /// of themselves, kurtosis 9 or less but for Pareto's, 70 at shape 5.
    #[test]
    fn values_have_the_mean_and_variance_of_their_distribution() {
        for (initial, mean, variance, kurtosis) in [
            (Initial::Uniform { low: -1.0, high: 5.0 }, 2.0, 3.0, 1.8),
            (Initial::Exponential { mean: 3.0 }, 3.0, 9.0, 9.0),
            (Initial::Normal { mean: -4.0, sd: 2.0 }, -4.0, 4.0, 3.0),
            (Initial::Pareto { least: 4.0, shape: 5.0 }, 5.0, 25.0 / 15.0, 73.8),
        ] {
            let spread = Spread::of(initial.draw(100_000, Key::new(5)).unwrap());
            let off = 4.0 * libm::sqrt(variance / 1e5);
            assert!((spread.mean - mean).abs() < off, "{initial:?}: {spread:?}");
            let off = 4.0 * libm::sqrt((kurtosis - 1.0) / 1e5) * variance;
            assert!((spread.variance() - variance).abs() < off, "{initial:?}: {spread:?}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for initial in [
            Initial::Constant(f64::NAN),
            Initial::Uniform { low: 1.0, high: 0.0 },
            Initial::Exponential { mean: 0.0 },
            Initial::Normal { mean: 0.0, sd: -1.0 },
            Initial::Pareto { least: 0.0, shape: 2.0 },
            Initial::Pareto { least: 1.0, shape: 0.0 },
        ] {
            assert!(initial.draw(3, Key::new(1)).is_err(), "{initial:?}");
        }
        assert!(by(2, |node| 1.0 / f64::from(node)).is_err());
        assert_eq!(read("1\n2 3\n").unwrap_err().line, 2);
        assert_eq!(read("nan").unwrap_err().line, 1);
        assert_eq!(Initial::Linear { low: 1.0, high: 2.0 }.draw(1, Key::new(1)).unwrap(), [1.0]);
    }
}
