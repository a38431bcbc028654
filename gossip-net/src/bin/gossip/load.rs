//! What the nodes average: a load that each measures of itself.
//!
//! Not a protocol: two numbers that Linux offers as text, and a clear word where they are not.

use std::fs;
use std::str::FromStr;

/// Where the load comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// The host's, where it can be measured, else the process's, else 0.
    Auto,
    /// The host's load average of the last minute.
    Host,
    /// The processors that this process has kept busy since it started, on average.
    Process,
    /// This.
    Fixed(f64),
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "host" => Ok(Self::Host),
            "process" => Ok(Self::Process),
            _ => match text.parse() {
                Ok(number) if f64::is_finite(number) => Ok(Self::Fixed(number)),
                _ => Err(format!("`{text}` is neither host, process, auto nor a number")),
            },
        }
    }
}

impl Load {
    /// The load now.
    pub(crate) fn measure(self) -> Result<f64, String> {
        match self {
            Self::Fixed(number) => Ok(number),
            Self::Host => read("/proc/loadavg", host),
            Self::Process => {
                let up = read("/proc/uptime", first)?;
                read("/proc/self/stat", |stat| process(stat, up))
            }
            Self::Auto => Self::Host.measure().or_else(|_| Self::Process.measure()),
        }
    }
}

fn read(path: &str, parse: impl FnOnce(&str) -> Option<f64>) -> Result<f64, String> {
    let remedy = "say --load NUMBER on this system";
    let text =
        fs::read_to_string(path).map_err(|e| format!("no load in {path} ({e}): {remedy}"))?;
    let number = parse(&text).filter(|number| number.is_finite());
    number.ok_or_else(|| format!("no load in {path}, which reads otherwise here: {remedy}"))
}

fn first(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

fn host(text: &str) -> Option<f64> {
    first(text)
}

/// Clock ticks a second in what the kernel tells of processes: 100 on all of Linux's platforms.
const HERTZ: f64 = 100.0;

/// Time on processors over time since the start, from `/proc/self/stat` on a host that is `up` for
/// so many seconds: fields 14, 15 and 22, counted from after the name, which may hold anything.
fn process(stat: &str, up: f64) -> Option<f64> {
    let rest = stat.rsplit_once(')')?.1;
    let field = |number: usize| rest.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    let (user, system, start) = (field(14)?, field(15)?, field(22)?);
    let lived = (up - start / HERTZ).max(1.0 / HERTZ);
    Some((user + system) / HERTZ / lived)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        assert_eq!(host("0.52 0.58 0.59 1/389 12345\n"), Some(0.52));
        // 3 s on processors in the 60 s since its start.
        let fields = "S 1 2 3 4 5 6 7 8 9 10 200 100 0 0 20 0 1 0 4000 0";
        assert_eq!(process(&format!("77 (odd) name) {fields}"), 100.0), Some(0.05));
        assert_eq!(process("nonsense", 1.0), None);
    }

    #[test]
    fn a_source_is_named_or_a_number() {
        assert_eq!("1.5".parse(), Ok(Load::Fixed(1.5)));
        assert_eq!("host".parse(), Ok(Load::Host));
        assert!("NaN".parse::<Load>().is_err() && "hsot".parse::<Load>().is_err());
        assert_eq!(Load::Fixed(2.0).measure(), Ok(2.0));
    }
}
