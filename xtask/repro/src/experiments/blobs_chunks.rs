//! Values by reference: how long it takes to fetch one in chunks over lossy links, and what it
//! costs.

use std::time::Duration;

use gossip_core::packet;
use gossip_core::sampling::Fixed;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{PeerId, Protocol, Time, stack};
use gossip_entropy::blobs::{Blobs, CHUNK, Command, Config, Reference};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `blobs-chunks`.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlobsChunks;

/// The most nodes, and the most bytes of a blob.
const NODES: usize = 65;
const BYTES: usize = 1 << 24;

static PARAMS: [Param; 6] = [
    Param::int("n", 4, 2..=NODES as i64, "nodes", "network size; one of them wants the blob"),
    Param::int("holders", 2, 1..=NODES as i64 - 1, "nodes", "that have it, fewer than n"),
    Param::int("size", 65_536, 1..=BYTES as i64, "bytes", "of the blob"),
    Param::float("loss", 0.05, 0.0..=0.9, "of the datagrams", "share that is lost"),
    Param::int("latency", 30, 1..=10_000, "ms", "one way, always the same"),
    Param::int("window", 64, 1..=256, "chunks", "that a question asks for"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("time", "seconds from the wish until the blob is there"),
    Metric::mean("bytes", "that all sent, headers and questions included"),
    Metric::mean("bytes_ratio", "the same as a share of the blob's"),
];

impl Experiment for BlobsChunks {
    fn id(&self) -> &'static str {
        "blobs-chunks"
    }

    fn summary(&self) -> &'static str {
        "a value too large for a datagram, fetched in chunks: time and bytes by loss and size"
    }

    fn source(&self) -> &'static str {
        "gossip-entropy's own; derived. Of k chunks over links that lose p, k / (1 - p) are sent, \
         with a standard deviation of sqrt(k p) / (1 - p) (tests/it/blobs.rs)"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        100
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, holders) = (params.int("n"), params.int("holders"));
        if holders < n {
            return Ok(());
        }
        Err(format!("`holders` = {holders} must be below `n` = {n}: one node has no blob"))
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let setup = Setup::new(params);
        let (time, bytes) = setup.fetch(seed);
        vec![
            Sample::new("time", time),
            Sample::new("bytes", bytes),
            Sample::new("bytes_ratio", bytes / setup.size as f64),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let setup = Setup::new(params);
        // More, and the bounds on a round's traffic show, of which the forms know nothing.
        if setup.chunks() > 128 || setup.loss > 0.3 {
            return None;
        }
        let root = f64::from(self.seeds()).sqrt();
        let (time, (bytes, bytes_error)) = (setup.time(), setup.bytes(root));
        let size = setup.size as f64;
        let sent = "k / (1 - p) chunks, derived; 1 % and 300 bytes for questions and answers";
        let (value, tolerance, source) = match metric {
            // A millisecond for rounding, and four standard deviations.
            "time" => {
                let source = "what each question brings, derived as a Markov chain";
                (time.mean, 1e-3 + 4.0 * time.sd() / root, source)
            }
            "bytes" => (bytes, bytes_error, sent),
            _ => (bytes / size, bytes_error / size, sent),
        };
        Some(Published { value, tolerance, source })
    }
}

stack! {
    /// Blobs among nodes that know each other.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: Fixed<I, NODES>,
        #[uses(peers)]
        blobs: Blobs<I, BYTES>,
    }
}

type Asked = <Node<u32> as Protocol>::Command;

/// The parameters of a trial.
struct Setup {
    nodes: u32,
    holders: u32,
    size: usize,
    loss: f64,
    latency: Duration,
    window: u16,
}

impl Setup {
    fn new(params: &Params) -> Self {
        Self {
            nodes: params.int("n") as u32,
            holders: params.int("holders") as u32,
            size: params.count("size"),
            loss: params.float("loss"),
            latency: Duration::from_millis(params.int("latency") as u64),
            window: params.int("window") as u16,
        }
    }

    fn chunks(&self) -> usize {
        self.size.div_ceil(CHUNK)
    }

    /// As many peers are sought as it takes; patience is above a round trip, as it should be.
    fn config(&self) -> Config {
        let usual = Config::default();
        let patience = usual.patience.max(4 * self.latency);
        Config { window: self.window, hunt: 1_000, patience, ..usual }
    }

    /// How many seconds it takes the last node to fetch what the first ones hold, and how many
    /// bytes are sent until then. The time is not finite if it gives up.
    fn fetch(&self, seed: u64) -> (f64, f64) {
        let (nodes, config) = (self.nodes, self.config());
        let make = move |me| {
            let others = (0..nodes).filter(|&peer| peer != me);
            Node::new(Fixed::new(others), Blobs::new(config).expect("within its bounds"))
        };
        let links = Network::new(Latency::Constant(self.latency));
        let links = links.loss(self.loss).expect("a probability");
        let driver = event::Config::seeded(seed);
        let mut sim = Simulation::new(nodes, make, links, driver).expect("they fit");
        let blob: Vec<u8> = (0..self.size as u32).map(|at| (at ^ (at >> 10)) as u8).collect();
        for node in 0..self.holders {
            let put = Command::put(&blob).expect("within its bounds");
            sim.command(node, Asked::blobs(put)).expect("there is room");
        }
        let (last, reference) = (nodes - 1, Reference::of(&blob, config.secret));
        sim.command(last, Asked::blobs(Command::Want(reference))).expect("there is room");
        let node = |sim: &Simulation<Node<u32>, Network>| {
            let blobs = &sim.node(last).expect("it lives").blobs;
            (blobs.wanted() > 0, blobs.get(reference).is_some())
        };
        while node(&sim).0 && sim.step() {}
        let time = sim.now().since(Time::ZERO).as_secs_f64();
        (if node(&sim).1 { time } else { f64::INFINITY }, sim.traffic().bytes as f64)
    }

    /// The bytes expected, and how far the mean of `root`^2 trials may be from that.
    fn bytes(&self, root: f64) -> (f64, f64) {
        let (k, p) = (self.chunks() as f64, self.loss);
        let value = (self.size as f64 + k * HEADER) / (1.0 - p);
        let sd = (k * p).sqrt() / (1.0 - p) * (CHUNK as f64 + HEADER);
        (value, 0.01 * value + 300.0 + 4.0 * sd / root)
    }

    /// The time expected, from what each question brings: the chunks of it that are not lost. One
    /// round trip, if all of them come; two more, to be sure that others will not; but patience, if
    /// none do. A peer that brought less than half is left, and another is sought.
    fn time(&self) -> Moments {
        let (p, trip) = (self.loss, 2.0 * self.latency.as_secs_f64());
        let patience = self.config().patience.as_secs_f64();
        let seek = self.seek(trip, patience);
        let mut left = vec![Moments::ZERO];
        for missing in 1..=self.chunks() {
            let asked = missing.min(self.window.into());
            let come = binomial(asked, 1.0 - p);
            // The question is lost, or all that it asked for.
            let none = p + (1.0 - p) * come[0];
            let mut sum = Moments::ZERO;
            for (came, chance) in come.iter().enumerate().skip(1) {
                let took = Moments::of(if came == asked { trip } else { 3.0 * trip });
                let took = if 2 * came >= asked { took } else { took.and(seek) };
                sum = sum.plus((1.0 - p) * chance, took.and(left[missing - came]));
            }
            left.push(sum.until(none, Moments::of(patience).and(seek)));
        }
        seek.and(left[self.chunks()])
    }

    /// How long it takes to find a peer that has the blob.
    fn seek(&self, trip: f64, patience: f64) -> Moments {
        let answered = (1.0 - self.loss) * (1.0 - self.loss);
        let has = f64::from(self.holders) / f64::from(self.nodes - 1);
        let found = Moments::ZERO.plus(answered * has, Moments::of(trip));
        let others = answered * (1.0 - has);
        let again = Moments::ZERO
            .plus(others, Moments::of(trip))
            .plus(1.0 - answered, Moments::of(patience));
        let repeats = 1.0 - answered * has;
        if repeats == 0.0 { found } else { found.until(repeats, again.scaled(1.0 / repeats)) }
    }
}

/// Bytes of a datagram with a chunk beside the chunk's: the header; the frame's length and kinds,
/// the question's number, the chunk's place and length.
const HEADER: f64 = (packet::HEADER + 13) as f64;

/// The mean of a time, and of its square.
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    square: f64,
}

impl Moments {
    const ZERO: Self = Self { mean: 0.0, square: 0.0 };

    /// Of what always takes as long.
    fn of(time: f64) -> Self {
        Self { mean: time, square: time * time }
    }

    /// One after the other, which are independent.
    fn and(self, other: Self) -> Self {
        let square = self.square + 2.0 * self.mean * other.mean + other.square;
        Self { mean: self.mean + other.mean, square }
    }

    fn scaled(self, chance: f64) -> Self {
        Self { mean: chance * self.mean, square: chance * self.square }
    }

    /// The same, or with a `chance` the `other`.
    fn plus(self, chance: f64, other: Self) -> Self {
        let other = other.scaled(chance);
        Self { mean: self.mean + other.mean, square: self.square + other.square }
    }

    /// This, weighted already, is what happens at last; before it, `again`, with a `chance` each
    /// time.
    fn until(self, chance: f64, again: Self) -> Self {
        let mean = (self.mean + chance * again.mean) / (1.0 - chance);
        let once = again.square + 2.0 * again.mean * mean;
        Self { mean, square: (self.square + chance * once) / (1.0 - chance) }
    }

    fn sd(self) -> f64 {
        (self.square - self.mean * self.mean).max(0.0).sqrt()
    }
}

/// The probability of each number of successes among so many.
fn binomial(trials: usize, chance: f64) -> Vec<f64> {
    let mut all = vec![1.0];
    for _ in 0..trials {
        let (same, next) = (all.iter().chain([&0.0]), [&0.0].into_iter().chain(&all));
        all = same.zip(next).map(|(same, next)| same * (1.0 - chance) + next * chance).collect();
    }
    all
}
