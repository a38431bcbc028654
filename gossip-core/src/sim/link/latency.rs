//! How long messages take: laws, each given by durations, so that none can be out of bounds.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use alloc::format;
use alloc::string::String;

use crate::random::Random;
use crate::sim::fault::{Span, span};
use crate::time::Time;

/// How long messages take.
///
/// It prints and parses as scripts write it:
///
/// ```
/// use gossip_core::sim::link::Latency;
///
/// for text in [
///     "20ms",                // constant
///     "5ms..20ms",           // uniform
///     "1ms+~150us",          // exponential
///     "normal:50ms:10ms",    // mean, standard deviation
///     "lognormal:50ms:80ms", // median, what one in six exceeds
///     "pareto:10ms:15ms",    // least, mean of what comes on top
/// ] {
///     let latency: Latency = text.parse()?;
///     assert_eq!(latency.to_string(), text);
/// }
/// assert!("gamma:1ms:1ms".parse::<Latency>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// All the same.
    Constant(Duration),
    /// Evenly between two bounds.
    Uniform(Duration, Duration),
    /// At least the first, and on average the second more, exponentially: a long tail.
    Exponential(Duration, Duration),
    /// Normally distributed with this mean and standard deviation; what is negative is drawn again.
    Normal(Duration, Duration),
    /// Log-normally distributed: the median, and what one in six exceeds (the quantile at 0.8413;
    /// their ratio is e^sigma). Measured round trips between hosts of the Internet look so.
    LogNormal(Duration, Duration),
    /// At least the first, and on average the second more, by a power law: P(more than x) is
    /// (least/x)^a with a = 1 + least/second. The variance is infinite where the second is not
    /// below the first. With a least of zero all are zero.
    Pareto(Duration, Duration),
}

/// Draws of a normal delay until one is not negative. Each is with probability one half at least.
const DRAWS: usize = 64;

impl Latency {
    /// One delay.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> Duration {
        match *self {
            Self::Constant(delay) => delay,
            Self::Uniform(low, high) => {
                let width = (Time::ZERO + high.saturating_sub(low)).as_micros() as usize;
                let more = random.below(width.saturating_add(1)) as u64;
                low.saturating_add(Duration::from_micros(more))
            }
            Self::Exponential(least, mean) => {
                least.saturating_add(micros(float(mean) * random.exponential()))
            }
            Self::Normal(mean, sd) => {
                let (mean, sd) = (float(mean), float(sd));
                let draws = (0..DRAWS).map(|_| mean + sd * normal(random));
                micros(libm::round(draws.into_iter().find(|&delay| delay >= 0.0).unwrap_or(mean)))
            }
            Self::LogNormal(median, high) => {
                let sigma = libm::log(ratio(high, median));
                micros(libm::round(float(median) * libm::exp(sigma * normal(random))))
            }
            Self::Pareto(least, more) => {
                let power = -1.0 / (1.0 + ratio(least, more));
                micros(libm::round(float(least) * libm::pow(1.0 - random.unit(), power)))
            }
        }
    }

    /// The mean in microseconds, from the closed forms: what scenarios print, and what patience
    /// with a peer should exceed twice.
    ///
    /// ```
    /// use gossip_core::sim::link::Latency;
    /// assert_eq!("5ms..20ms".parse::<Latency>()?.mean(), 12_500.0);
    /// assert_eq!("pareto:10ms:15ms".parse::<Latency>()?.mean(), 25_000.0);
    /// # Ok::<(), String>(())
    /// ```
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant(delay) => float(delay),
            Self::Uniform(low, high) => f64::midpoint(float(low), float(high)),
            // What is scaled from nothing is nothing.
            Self::Pareto(scale, _) | Self::LogNormal(scale, _) if scale.as_micros() == 0 => 0.0,
            Self::Exponential(least, more) | Self::Pareto(least, more) => {
                float(least) + float(more)
            }
            Self::Normal(mean, sd) if sd.as_micros() == 0 => float(mean),
            Self::Normal(mean, sd) => {
                // Of a normal law cut off at zero, in units of its standard deviation.
                let (mean, sd) = (float(mean), float(sd));
                let cut = mean / sd;
                let density = libm::exp(-cut * cut / 2.0) / libm::sqrt(2.0 * core::f64::consts::PI);
                let above = 0.5 * libm::erfc(-cut / core::f64::consts::SQRT_2);
                mean + sd * density / above
            }
            Self::LogNormal(median, high) => {
                let sigma = libm::log(ratio(high, median));
                float(median) * libm::exp(sigma * sigma / 2.0)
            }
        }
    }
}

/// A standard normal number (Box and Muller 1958).
pub(super) fn normal(random: &mut Random) -> f64 {
    let radius = libm::sqrt(2.0 * random.exponential());
    radius * libm::cos(2.0 * core::f64::consts::PI * random.unit())
}

/// Microseconds as a float.
fn float(span: Duration) -> f64 {
    span.as_micros() as f64
}

/// The ratio of two durations; what is below a microsecond counts as one.
fn ratio(over: Duration, under: Duration) -> f64 {
    float(over).max(1.0) / float(under).max(1.0)
}

/// A float of microseconds; the conversion saturates.
fn micros(count: f64) -> Duration {
    Duration::from_micros(count as u64)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Constant(delay) => Span(delay).fmt(f),
            Self::Uniform(low, high) => write!(f, "{}..{}", Span(low), Span(high)),
            Self::Exponential(least, more) => write!(f, "{}+~{}", Span(least), Span(more)),
            Self::Normal(mean, sd) => write!(f, "normal:{}:{}", Span(mean), Span(sd)),
            Self::LogNormal(median, high) => {
                write!(f, "lognormal:{}:{}", Span(median), Span(high))
            }
            Self::Pareto(least, more) => write!(f, "pareto:{}:{}", Span(least), Span(more)),
        }
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some((low, high)) = word.split_once("..") {
            let (low, high) = rising(word, low, high)?;
            return Ok(Self::Uniform(low, high));
        }
        if let Some((least, more)) = word.split_once("+~") {
            return Ok(Self::Exponential(span(least)?, span(more)?));
        }
        let mut parts = word.split(':');
        match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some(delay), None, ..] => span(delay).map(Self::Constant),
            [Some("normal"), Some(mean), Some(sd), None] => {
                Ok(Self::Normal(span(mean)?, span(sd)?))
            }
            [Some("lognormal"), Some(median), Some(high), None] => {
                let (median, high) = rising(word, median, high)?;
                Ok(Self::LogNormal(median, high))
            }
            [Some("pareto"), Some(least), Some(more), None] => {
                Ok(Self::Pareto(span(least)?, span(more)?))
            }
            _ => Err(format!("`{word}` is no latency; there are: {LAWS}")),
        }
    }
}

/// The ways to write a latency.
pub const LAWS: &str = "20ms, 5ms..20ms, 1ms+~5ms, normal:MEAN:SD, lognormal:MEDIAN:ONE_IN_SIX, \
     pareto:LEAST:MEAN_OF_MORE";

fn rising(word: &str, low: &str, high: &str) -> Result<(Duration, Duration), String> {
    let (low, high) = (span(low)?, span(high)?);
    if high < low {
        return Err(format!("`{word}` goes down; write the shorter latency first"));
    }
    Ok((low, high))
}
