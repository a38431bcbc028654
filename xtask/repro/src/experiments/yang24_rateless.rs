//! How many coded symbols a difference needs.

use gossip_core::random::Key;
use gossip_entropy::sketch::cells::{CELLS, Cell, Class, Walk};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `yang24-rateless`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yang24Rateless;

static PARAMS: [Param; 2] = [
    Param::int("d", 128, 1..=10_000, "elements", "the size of the difference"),
    Param::choice(
        "mapping",
        "regular",
        &["regular", "irregular"],
        "the paper's, or that of the sketches",
    ),
];

static METRICS: [Metric; 2] = [
    Metric::mean("overhead", "symbols until all is decoded, by the size of the difference"),
    Metric::median("overhead_median", "the same, without the heavy tail of irregular mappings"),
];

/// d; mean symbols per difference of the regular mapping.
static REGULAR: [(i64, f64); 11] = [
    (1, 1.00),
    (2, 1.59),
    (3, 1.71),
    (4, 1.754),
    (5, 1.761),
    (8, 1.757),
    (10, 1.72),
    (128, 1.435),
    (256, 1.406),
    (1_024, 1.375),
    (10_000, 1.357),
];

impl Experiment for Yang24Rateless {
    fn id(&self) -> &'static str {
        "yang24-rateless"
    }

    fn summary(&self) -> &'static str {
        "coded symbols that a difference needs, by its size"
    }

    fn source(&self) -> &'static str {
        "Yang, Gilad, Alizadeh, Practical rateless set reconciliation, SIGCOMM 2024, section 5 \
         (1.35 to 1.72 in the mean, irregular 1.10); values by size from an independent simulation"
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

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let (d, regular) = (params.int("d") as usize, params.choice("mapping") == "regular");
        let mut random = Key::new(seed).with(IDS).random(0);
        let ids: Vec<u64> = (0..d).map(|_| (random.next_u64() >> 1).max(1)).collect();
        let walk =
            move |id| if regular { Walk::in_class(id, Class::Regular) } else { Walk::new(id) };
        let overhead = needed(&ids, walk).map_or(f64::INFINITY, |cells| cells as f64 / d as f64);
        METRICS.iter().map(|metric| Sample::new(metric.name, overhead)).collect()
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        if !params.are_default_but(&["d", "mapping"]) {
            return None;
        }
        let (d, regular) = (params.int("d"), params.choice("mapping") == "regular");
        if metric == "overhead" && regular {
            let &(_, value) = REGULAR.iter().find(|row| row.0 == d)?;
            // One trial's standard deviation falls from 1 at d = 2 as the root of d; of 100 trials
            // and four standard deviations, that is 0.4 at the worst. Beside it 3 % of the value.
            let sd = if d == 1 { 0.0 } else { 1.4 / (d as f64).sqrt() };
            let tolerance = 0.03 * value + 4.0 * sd / 10.0;
            return Some(Published { value, tolerance, source: "regular mapping, alpha = 0.5" });
        }
        if metric == "overhead_median" && !regular {
            let value = match d {
                1_000 => 1.15,
                10_000 => 1.103,
                _ => return None,
            };
            let source = "two classes, 3/16 of alpha = 1/8 and 13/16 of 3/4";
            return Some(Published { value, tolerance: 0.03 * value, source });
        }
        None
    }
}

/// Names the randomness of elements.
const IDS: u64 = gossip_core::id::hash(b"xtask::repro::yang24_rateless");

/// How many cells it takes until all elements are decoded; `None` if there are not as many.
///
/// Cells come one by one, in order. An element that is found is taken out of all its cells, those
/// to come as well.
fn needed<W: Iterator<Item = usize>>(ids: &[u64], walk: impl Fn(u64) -> W) -> Option<usize> {
    let mut cells = vec![Cell::default(); CELLS];
    let toggle = |cells: &mut Vec<Cell>, id| {
        for at in walk(id) {
            cells[at] = cells[at].plus(Cell::of(id));
        }
    };
    for &id in ids {
        toggle(&mut cells, id);
    }
    let mut left = ids.len();
    for here in 1..=CELLS {
        let mut look = vec![here - 1];
        while let Some(at) = look.pop() {
            let Some(id) = cells[at].single() else { continue };
            left -= 1;
            toggle(&mut cells, id);
            look.extend(walk(id).take_while(|&cell| cell < here));
        }
        if left == 0 {
            return Some(here);
        }
    }
    None
}
