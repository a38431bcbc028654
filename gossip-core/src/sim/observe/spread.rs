//! How numbers are spread, and how well they are known.

/// How some numbers are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, over all of them (not of a sample).
    pub sd: f64,
    /// The least of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
}

impl Spread {
    /// Of `values`; all zero if there are none.
    ///
    /// ```
    /// let spread = gossip_core::sim::observe::Spread::of([1.0, 3.0]);
    /// assert_eq!((spread.mean, spread.sd, spread.min, spread.max), (2.0, 1.0, 1.0, 3.0));
    /// ```
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        // Welford's recurrence: it does not cancel. The plain sum is exact for whole numbers.
        let mut spread = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Self::default() };
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values {
            spread.count += 1;
            sum += value;
            let before = value - spread.mean;
            spread.mean += before / spread.count as f64;
            squares += before * (value - spread.mean);
            spread.min = spread.min.min(value);
            spread.max = spread.max.max(value);
        }
        if spread.count == 0 {
            return Self::default();
        }
        spread.mean = sum / spread.count as f64;
        spread.sd = libm::sqrt(squares / spread.count as f64);
        spread
    }

    /// The variance.
    ///
    /// ```
    /// assert_eq!(gossip_core::sim::observe::Spread::of([0.0, 4.0]).variance(), 4.0);
    /// ```
    pub fn variance(&self) -> f64 {
        self.sd * self.sd
    }
}

/// A mean over all that a sample stands for, and how far off it may be.
///
/// ```
/// use gossip_core::sim::observe::{Estimate, Spread};
///
/// // 100 of 10,000 values, with a standard deviation of 5 among them.
/// let sample = Spread { count: 100, mean: 7.0, sd: 5.0, min: 0.0, max: 20.0 };
/// let estimate = Estimate::of(sample, 10_000);
/// assert!((estimate.error - 0.5).abs() < 0.01);
/// assert!(estimate.within(4.0, 5.1) && !estimate.within(4.0, 4.9));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean of the sample.
    pub mean: f64,
    /// Its standard error: 0 if the sample is all there is, infinite if it is one of several.
    pub error: f64,
    /// How many were looked at.
    pub count: usize,
}

impl Estimate {
    /// What `sample`, drawn from `all` without putting back, tells of all. (Cochran, *Sampling
    /// techniques*, 1977, section 2.6.)
    pub fn of(sample: Spread, all: usize) -> Self {
        let Spread { count, mean, sd, .. } = sample;
        let left = 1.0 - count as f64 / all.max(1) as f64;
        let error = match count {
            _ if count >= all => 0.0,
            0 | 1 => f64::INFINITY,
            _ => sd * libm::sqrt(left / (count as f64 - 1.0)),
        };
        Self { mean, error, count }
    }

    /// Whether `value` is no more than `errors` standard errors off.
    pub fn within(&self, errors: f64, value: f64) -> bool {
        (self.mean - value).abs() <= errors * self.error
    }
}
