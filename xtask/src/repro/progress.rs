//! How far the trials are, on stderr: a bar on a terminal, now and then a line elsewhere.

use crate::Stopwatch;
use crate::clock::human;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// Between two plain lines, and before the first: short runs print none.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Follows a number of trials.
#[derive(Debug)]
pub(crate) struct Progress {
    label: &'static str,
    done: u32,
    total: u32,
    clock: Stopwatch,
    next_line: Duration,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts with nothing done.
    pub(crate) fn start(label: &'static str, total: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(label, total));
        let clock = Stopwatch::start();
        Self { label, done: 0, total, clock, next_line: LINE_INTERVAL, bar }
    }

    /// One more trial is done.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.tick();
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self) {
        let elapsed = self.clock.elapsed();
        if self.bar.is_none() && elapsed >= self.next_line && self.done < self.total {
            self.next_line = elapsed + LINE_INTERVAL;
            eprintln!("{}", line(self.label, self.done, self.total, elapsed));
        }
    }

    /// Takes the bar away, so that the report stands alone.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &'static str, total: u32) -> ProgressBar {
    let template = "{prefix} [{bar:30}] {pos}/{len} trials, {elapsed} gone, {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(total.into()).with_prefix(label);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(label: &str, done: u32, total: u32, elapsed: Duration) -> String {
    let left = if done == 0 {
        "time left unknown".to_owned()
    } else {
        format!("about {} left", human(elapsed * (total - done) / done))
    };
    format!("{label}: {done}/{total} trials, {} gone, {left}", human(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_long_it_will_take() {
        let text = line("x87-y", 5, 20, Duration::from_secs(10));
        assert_eq!(text, "x87-y: 5/20 trials, 10.0 s gone, about 30.0 s left");
        assert!(line("x87-y", 0, 20, Duration::from_secs(10)).ends_with("time left unknown"));
    }
}
