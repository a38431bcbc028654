//! How long nodes stay.

use core::time::Duration;

use crate::error::ParameterError;
use crate::random::Random;

/// The distribution of a time, by its mean.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::{random::Key, sim::dynamics::Law};
///
/// let law = Law::Pareto { shape: 3.0, mean: Duration::from_secs(60) };
/// let mut random = Key::new(1).random(0);
/// // A Pareto session is never shorter than (shape - 1) / shape of its mean.
/// assert!((0..100).all(|_| law.draw(&mut random) >= Duration::from_secs(40)));
/// assert!(Law::Pareto { shape: 1.0, mean: Duration::from_secs(60) }.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Always the same.
    Constant(Duration),
    /// Without memory: who has stayed long leaves as soon as anybody.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// Below shape 1, who has stayed long stays longer. Stutzbach and Rejaie (*Understanding churn
    /// in peer-to-peer networks*, IMC 2006, section 4) fit it to sessions, with shapes of .34 to
    /// .59.
    Weibull {
        /// The shape k, 0.1 to 100.
        shape: f64,
        /// The mean, scale times gamma(1 + 1/k).
        mean: Duration,
    },
    /// A tail that is a power: who has stayed long stays much longer.
    Pareto {
        /// The shape alpha, above 1 to 100: below 1 there is no mean, below 2 no variance.
        shape: f64,
        /// The mean, alpha / (alpha - 1) of the least.
        mean: Duration,
    },
}

/// The longest time that is drawn: beyond any run.
const LONGEST: f64 = 1e15;

impl Law {
    /// That the law has the mean it says.
    ///
    /// # Errors
    /// Names the parameter that is out of bounds.
    pub fn check(&self) -> Result<(), ParameterError> {
        let mean = self.mean().as_secs_f64();
        ParameterError::new("mean time", mean, "seconds", "1e-6 to 1e9")
            .unless((1e-6..=1e9).contains(&mean))?;
        match *self {
            Self::Weibull { shape, .. } => {
                ParameterError::new("Weibull shape k", shape, "", "0.1 to 100")
                    .unless((0.1..=100.0).contains(&shape))
            }
            Self::Pareto { shape, .. } => {
                ParameterError::new("Pareto shape alpha", shape, "", "above 1, to 100")
                    .unless(shape > 1.0 && shape <= 100.0)
            }
            Self::Constant(_) | Self::Exponential { .. } => Ok(()),
        }
    }

    /// The mean.
    pub const fn mean(&self) -> Duration {
        match *self {
            Self::Constant(mean)
            | Self::Exponential { mean }
            | Self::Weibull { mean, .. }
            | Self::Pareto { mean, .. } => mean,
        }
    }

    /// One time, at least a microsecond.
    pub fn draw(&self, random: &mut Random) -> Duration {
        let relative = match *self {
            Self::Constant(_) => 1.0,
            Self::Exponential { .. } => random.exponential(),
            Self::Weibull { shape, .. } => {
                libm::pow(random.exponential(), 1.0 / shape) / libm::tgamma(1.0 + 1.0 / shape)
            }
            Self::Pareto { shape, .. } => {
                (shape - 1.0) / shape * libm::exp(random.exponential() / shape)
            }
        };
        let micros = relative * self.mean().as_micros() as f64;
        Duration::from_micros(libm::round(micros.clamp(1.0, LONGEST)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use crate::sim::observe::Spread;

    /// Means and variances against closed forms: exponential 1, Weibull G(1+2/k)/G(1+1/k)^2 - 1,
    /// Pareto 1/(a(a-2)), of a mean of 1. 10^5 draws: the mean errs by sd / 316, four of these.
    #[test]
    fn draws_have_the_mean_and_variance_of_their_law() {
        let mean = Duration::from_secs(1_000);
        for (law, variance) in [
            (Law::Constant(mean), 0.0),
            (Law::Exponential { mean }, 1.0),
            (Law::Weibull { shape: 0.5, mean }, 5.0),
            (Law::Weibull { shape: 2.0, mean }, 4.0 / core::f64::consts::PI - 1.0),
            (Law::Pareto { shape: 5.0, mean }, 1.0 / 15.0),
        ] {
            law.check().unwrap();
            let key = Key::new(3);
            let draw = |call| law.draw(&mut key.random(call)).as_secs_f64() / 1_000.0;
            let spread = Spread::of((0..100_000).map(draw));
            let off = 4.0 * libm::sqrt(variance / 1e5) + 1e-6;
            assert!((spread.mean - 1.0).abs() <= off, "{law:?}: {spread:?}");
            // The variance errs by sqrt((kurtosis - 1) / n) of itself: kurtosis 88 at worst.
            let off = 4.0 * libm::sqrt(87.0 / 1e5) * variance + 1e-6;
            assert!((spread.variance() - variance).abs() <= off, "{law:?}: {spread:?}");
        }
    }

    #[test]
    fn laws_without_a_mean_are_refused() {
        let mean = Duration::from_secs(1);
        for law in [
            Law::Constant(Duration::ZERO),
            Law::Weibull { shape: 0.0, mean },
            Law::Weibull { shape: f64::NAN, mean },
            Law::Pareto { shape: 1.0, mean },
            Law::Exponential { mean: Duration::from_secs(2_000_000_000) },
        ] {
            assert!(law.check().is_err(), "{law:?}");
        }
    }
}
