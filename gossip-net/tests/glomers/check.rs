//! Not a protocol: Maelstrom's checkers, over histories in which each operation takes no time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An operation of a client, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// Whether it is one of the last, one at each node, after all has come to rest.
    pub(crate) last: bool,
    pub(crate) request: Value,
    pub(crate) answer: Value,
}

impl Operation {
    fn is_read(&self) -> bool {
        self.request["type"] == "read"
    }
}

/// What became of the elements of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Known once, and missing in the latest reads.
    pub(crate) lost: usize,
    /// Shown twice in one read.
    pub(crate) repeated: usize,
    /// Shown, and never added.
    pub(crate) invented: usize,
    /// For each that is in all later reads: milliseconds from when it was known, in order.
    latencies: Vec<u64>,
}

impl Seen {
    pub(crate) const fn stable(&self) -> usize {
        self.latencies.len()
    }

    /// Quantile `q` of the latencies, in milliseconds.
    pub(crate) fn latency(&self, q: f64) -> u64 {
        let at = (self.latencies.len() as f64 * q) as usize;
        self.latencies[at.min(self.latencies.len() - 1)]
    }
}

#[derive(Default)]
struct Element {
    known: u64,
    present: Option<usize>,
    absent: Option<(usize, u64)>,
}

/// Every element that was acknowledged must be in all later reads from some time on. `field` names
/// the list in a read's answer; the element is what else a request to add has beside its type.
pub(crate) fn check_set(history: &[Operation], field: &str) -> Seen {
    let mut seen = Seen::default();
    let mut elements: BTreeMap<u64, Element> = BTreeMap::new();
    for (index, operation) in history.iter().enumerate() {
        if !operation.is_read() {
            let mut fields = operation.request.as_object().unwrap().values();
            let number = fields.find_map(Value::as_u64).unwrap();
            elements.insert(number, Element { known: operation.at, ..Element::default() });
            continue;
        }
        let list = operation.answer[field].as_array().unwrap();
        let shown: BTreeSet<u64> = list.iter().filter_map(Value::as_u64).collect();
        seen.repeated += list.len() - shown.len();
        seen.invented += shown.iter().filter(|number| !elements.contains_key(number)).count();
        for (number, element) in &mut elements {
            if shown.contains(number) {
                element.present = Some(index);
            } else {
                element.absent = Some((index, operation.at));
            }
        }
    }
    for element in elements.values() {
        match element.absent {
            Some((absent, _)) if element.present.is_none_or(|present| present < absent) => {
                seen.lost += 1;
            }
            absent => seen.latencies.push(absent.map_or(0, |(_, at)| at - element.known)),
        }
    }
    seen.latencies.sort_unstable();
    seen
}

/// The sum of all that was added, and what the last reads showed.
pub(crate) fn check_counter(history: &[Operation]) -> (i64, Vec<i64>) {
    let added = history.iter().filter(|operation| !operation.is_read());
    let sum = added.filter_map(|operation| operation.request["delta"].as_i64()).sum();
    let last = history.iter().filter(|operation| operation.last);
    (sum, last.filter_map(|operation| operation.answer["value"].as_i64()).collect())
}
