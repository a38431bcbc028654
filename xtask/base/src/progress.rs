//! How far a long task is, on stderr: a bar on a terminal, now and then a line elsewhere.

use crate::Stopwatch;
use crate::clock::human;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// Between two plain lines, and before the first: short runs print none.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Follows a number of steps.
#[derive(Debug)]
pub struct Progress {
    label: String,
    unit: &'static str,
    done: u64,
    total: u64,
    clock: Stopwatch,
    next_line: Duration,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts with nothing done.
    pub fn start(label: &str, unit: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(label, unit, total));
        let clock = Stopwatch::start();
        let label = label.to_owned();
        Self { label, unit, done: 0, total, clock, next_line: LINE_INTERVAL, bar }
    }

    /// One more step is done.
    pub fn advance(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.tick();
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        let elapsed = self.clock.elapsed();
        if self.bar.is_none() && elapsed >= self.next_line && self.done < self.total {
            self.next_line = elapsed + LINE_INTERVAL;
            eprintln!("{}", line(&self.label, self.unit, self.done, self.total, elapsed));
        }
    }

    /// Takes the bar away, so that the report stands alone.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &str, unit: &str, total: u64) -> ProgressBar {
    let template =
        format!("{{prefix}} [{{bar:30}}] {{pos}}/{{len}} {unit}, {{elapsed}} gone, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    let bar = ProgressBar::new(total).with_prefix(label.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(label: &str, unit: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let left = if done == 0 {
        "time left unknown".to_owned()
    } else {
        let ratio = (total - done) as f64 / done as f64;
        format!("about {} left", human(elapsed.mul_f64(ratio)))
    };
    format!("{label}: {done}/{total} {unit}, {} gone, {left}", human(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_long_it_will_take() {
        let text = line("x87-y", "trials", 5, 20, Duration::from_secs(10));
        assert_eq!(text, "x87-y: 5/20 trials, 10.0 s gone, about 30.0 s left");
        assert!(
            line("x87-y", "trials", 0, 20, Duration::from_secs(10)).ends_with("time left unknown")
        );
    }
}
