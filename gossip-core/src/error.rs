//! Errors of configuration: whoever wrote the parameter can mend it.

use core::error::Error;
use core::fmt;

/// A parameter outside its bounds, found once, in a constructor. Nothing was built.
///
/// ```
/// use gossip_core::ParameterError;
///
/// let error = ParameterError::new("shuffle length l", 30.0, "descriptors", "1 to 20");
/// assert_eq!(error.to_string(), "shuffle length l is 30 descriptors; it must be 1 to 20");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterError {
    /// The parameter's name, and its paper's symbol where it has one.
    pub parameter: &'static str,
    /// The value given.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
    /// What it may be.
    pub bound: &'static str,
}

impl ParameterError {
    /// The error for `parameter` with `value`, counted in `unit`, which must be `bound`.
    pub const fn new(
        parameter: &'static str,
        value: f64,
        unit: &'static str,
        bound: &'static str,
    ) -> Self {
        Self { parameter, value, unit, bound }
    }

    /// `Ok` if `holds`, this error otherwise: a constructor's check in one line.
    pub const fn unless(self, holds: bool) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, value, unit, bound } = self;
        write!(f, "{parameter} is {value} {unit}; it must be {bound}")
    }
}

impl Error for ParameterError {}
