//! What an aggregate says, and what that is worth.
//!
//! Not a protocol: the number that protocols tell, with its epoch, its age and its confidence.
//! Those that have nothing to say yet say `None`, and not a wrong number.

use gossip_core::Round;

/// A number that an aggregation says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard deviation, from chance in the protocol alone, if that is known.
    pub sd: Option<f64>,
    /// The epoch it is of, or the number of the poll, tour or run.
    pub epoch: u64,
    /// Rounds since it was complete here. What it is made of is older, by up to an epoch.
    pub age: Round,
}

impl Estimate {
    /// With a standard deviation that is this part of the value.
    pub(crate) fn relative(value: f64, sd: f64, epoch: u64, age: Round) -> Self {
        Self { value, sd: Some(value * sd), epoch, age }
    }

    /// The product of two estimates whose errors are independent: relative variances add up. It is
    /// of the earlier epoch, and as old as the older one.
    ///
    /// ```
    /// use gossip_aggregate::Estimate;
    ///
    /// let mean = Estimate { value: 20.0, sd: Some(0.6), epoch: 7, age: 2 };
    /// let size = Estimate { value: 1_000.0, sd: Some(40.0), epoch: 6, age: 9 };
    /// let sum = mean.times(&size);
    /// assert_eq!((sum.value, sum.epoch, sum.age), (20_000.0, 6, 9));
    /// assert!((sum.sd.unwrap() - 1_000.0).abs() < 1e-9); // 3 % and 4 % make 5 %
    /// ```
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        // Not over the values, which may be 0.
        let sd = |(one, another): (f64, f64)| libm::hypot(one * other.value, another * self.value);
        Self {
            value: self.value * other.value,
            sd: self.sd.zip(other.sd).map(sd),
            epoch: self.epoch.min(other.epoch),
            age: self.age.max(other.age),
        }
    }

    /// From where to where the truth lies with 95 % confidence, if errors are normal: 1.96 standard
    /// deviations to either side.
    ///
    /// ```
    /// use gossip_aggregate::Estimate;
    ///
    /// let size = Estimate { value: 1_000.0, sd: Some(50.0), epoch: 7, age: 2 };
    /// assert_eq!(size.interval(), Some((902.0, 1_098.0)));
    /// ```
    pub fn interval(&self) -> Option<(f64, f64)> {
        let reach = 1.96 * self.sd?;
        Some((self.value - reach, self.value + reach))
    }
}
