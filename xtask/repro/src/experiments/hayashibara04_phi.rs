//! Mistakes and detection time of the phi accrual detector against its threshold.

use std::f64::consts::TAU;
use std::time::Duration;

use gossip_core::membership::detector::tail;
use gossip_core::membership::{Detector, Phi, PhiConfig};
use gossip_core::random::{Key, Random};
use gossip_core::{ParameterError, Time};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `hayashibara04-phi`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hayashibara04Phi;

static PARAMS: [Param; 8] = [
    Param::int("beats", 1_000_000, 1..=100_000_000, "heartbeats", "that come, and are judged"),
    Param::float("interval", 100.0, 0.001..=3e6, "ms", "between two heartbeats, on average"),
    Param::float("sd", 10.0, 0.0..=1e6, "ms", "its deviation: intervals are normal"),
    Param::float("loss", 0.0, 0.0..=0.99, "-", "share of heartbeats lost"),
    Param::int("window", 1_000, 2..=10_000, "intervals", "WS, that estimates are made from"),
    Param::float("floor", 1.0, 0.001..=3e6, "ms", "the least deviation"),
    Param::float("longest", 3.6e6, 0.001..=3.6e6, "ms", "silences beyond are no intervals"),
    Param::float("phi", 8.0, 0.001..=1_000.0, "-", "a threshold beside 1, 2 and 3"),
];

static METRICS: [Metric; 6] = [
    Metric::mean("mistakes_1", "share of silences that reach phi = 1"),
    Metric::mean("mistakes_2", "share of silences that reach phi = 2"),
    Metric::mean("mistakes_3", "share of silences that reach phi = 3"),
    Metric::mean("mistakes", "share of silences that reach the threshold"),
    Metric::mean("detection_3", "ms from the latest heartbeat until phi = 3"),
    Metric::mean("detection", "ms from the latest heartbeat until the threshold"),
];

impl Experiment for Hayashibara04Phi {
    fn id(&self) -> &'static str {
        "hayashibara04-phi"
    }

    fn summary(&self) -> &'static str {
        "mistakes and detection time of the phi accrual detector against its threshold"
    }

    fn source(&self) -> &'static str {
        "Hayashibara, Defago, Yared, Katayama, The phi accrual failure detector, SRDS 2004"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        3
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        detector(params).map(drop).map_err(|error| error.to_string())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let detector = detector(params).expect("it was checked");
        let levels = [1.0, 2.0, 3.0, params.float("phi")];
        let lines = levels.map(|level| detector.limit(level).expect("within the bounds"));
        let (beats, warm) = (params.int("beats") as u64, 2 * params.int("window") as u64);
        let mut random = Key::new(seed).random(0);
        let (mut now, mut wrong, mut waits) = (Time::ZERO, [0_u64; 4], [0.0; 4]);
        let mut record = detector.begin(now);
        for beat in 0..beats + warm {
            let last = now;
            now = now + silence(params, &mut random);
            if beat >= warm {
                for (at, &line) in lines.iter().enumerate() {
                    let due = detector.due(&record, line);
                    wrong[at] += u64::from(due < now);
                    waits[at] += due.since(last).as_secs_f64() * 1e3;
                }
            }
            detector.heard(&mut record, now);
        }
        let share = |at: usize| wrong[at] as f64 / beats as f64;
        vec![
            Sample::new("mistakes_1", share(0)),
            Sample::new("mistakes_2", share(1)),
            Sample::new("mistakes_3", share(2)),
            Sample::new("mistakes", share(3)),
            Sample::new("detection_3", waits[2] / beats as f64),
            Sample::new("detection", waits[3] / beats as f64),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (interval, sd) = (params.float("interval"), params.float("sd"));
        // Silences are normal only if none is cut off at 0 and none is doubled by a loss; and the
        // floor must not be what is measured.
        let normal = params.float("loss") == 0.0 && interval > 5.0 * sd;
        let estimated = params.float("floor") <= sd && params.int("window") >= 1_000;
        if !normal || !estimated || params.float("longest") < interval + 10.0 * sd {
            return None;
        }
        let share = |level: f64, slack| {
            let value = libm::pow(10.0, -level);
            // And five deviations of the count.
            let tolerance = slack * value + 5.0 * (value / params.int("beats") as f64).sqrt();
            Some(Published { value, tolerance, source: "the definition of phi" })
        };
        let wait = |level| {
            let value = interval + sd * tail::deviations(level);
            let source = "mean + z(phi) deviations";
            Some(Published { value, tolerance: 0.01 * sd * tail::deviations(level).abs(), source })
        };
        match metric {
            "mistakes_1" => share(1.0, 0.05),
            "mistakes_2" => share(2.0, 0.1),
            "mistakes_3" => share(3.0, 0.25),
            "detection_3" => wait(3.0),
            "detection" => wait(params.float("phi")),
            _ => None,
        }
    }
}

fn detector(params: &Params) -> Result<Phi, ParameterError> {
    Phi::new(PhiConfig {
        window: params.count("window"),
        expected: millis(params.float("interval")),
        floor: millis(params.float("floor")),
        longest: millis(params.float("longest")),
    })
}

fn millis(span: f64) -> Duration {
    Duration::from_micros((span * 1e3) as u64)
}

/// Until the next heartbeat comes.
fn silence(params: &Params, random: &mut Random) -> Duration {
    let mut span = Duration::ZERO;
    loop {
        // Box and Muller.
        let radius = (2.0 * random.exponential()).sqrt();
        let normal = radius * libm::cos(TAU * random.unit());
        span += millis((params.float("interval") + params.float("sd") * normal).max(0.0));
        if !random.chance(params.float("loss")) {
            return span;
        }
    }
}
