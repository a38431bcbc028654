//! Strategies for fault schedules.

use core::ops::BitOr;
use core::time::Duration;

use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::strategy::Union;

use crate::sim::fault::{Fault, Schedule};
use crate::sim::link::Latency;

/// Kinds of faults a schedule may hold; combine them with `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Loss, up to 50 % (the range of TigerBeetle's simulator, doubled at the top end).
    pub const LOSS: Self = Self(1);
    /// Duplication, up to 50 %.
    pub const DUPLICATION: Self = Self(2);
    /// Reordering, up to all, and latencies up to half a second.
    pub const DELAY: Self = Self(4);
    /// Splits, one-way cuts, grey nodes, and healing.
    pub const PARTITIONS: Self = Self(8);
    /// Crashes, with and without loss of state.
    pub const CRASHES: Self = Self(16);
    /// Pauses.
    pub const PAUSES: Self = Self(32);
    /// Nodes that join and leave.
    pub const CHURN: Self = Self(64);
    /// All that happens to datagrams.
    pub const NETWORK: Self = Self(1 | 2 | 4 | 8);
    /// Everything.
    pub const ALL: Self = Self(127);

    const fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Schedules of at most `most` faults of these kinds within `span`, on nodes 0 to `nodes` - 1.
/// They shrink to fewer, earlier and milder faults.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::testkit::{Kinds, schedules};
/// use proptest::prelude::*;
///
/// proptest!(|(schedule in schedules(5, Duration::from_secs(10), Kinds::ALL, 20))| {
///     prop_assert!(schedule.0.len() <= 20);
/// });
/// ```
pub fn schedules(
    nodes: u32,
    span: Duration,
    kinds: Kinds,
    most: usize,
) -> impl Strategy<Value = Schedule> {
    let tenths = (span.as_millis() / 100).clamp(1, 100_000) as u64;
    let at = (0..tenths).prop_map(|tenth| Duration::from_millis(tenth * 100));
    let plan = proptest::collection::vec((at, fault(nodes, kinds)), 0..=most);
    plan.prop_map(|mut plan| {
        plan.sort_by_key(|fault| fault.0);
        Schedule(plan)
    })
}

/// One fault. The mildest comes first in each choice: proptest shrinks towards it.
fn fault(nodes: u32, kinds: Kinds) -> BoxedStrategy<Fault> {
    let node = 0..nodes.max(1);
    let half = || (0_u32..=10).prop_map(|twentieths| f64::from(twentieths) / 20.0);
    let whole = || (0_u32..=10).prop_map(|tenths| f64::from(tenths) / 10.0);
    let mut choices: Vec<BoxedStrategy<Fault>> = Vec::new();
    let mut may = |kind, choice: BoxedStrategy<Fault>| {
        if kinds.has(kind) {
            choices.push(choice);
        }
    };
    may(Kinds::LOSS, half().prop_map(Fault::Loss).boxed());
    may(Kinds::DUPLICATION, half().prop_map(Fault::Duplication).boxed());
    may(Kinds::DELAY, whole().prop_map(Fault::Reordering).boxed());
    may(Kinds::DELAY, latency().prop_map(Fault::Latency).boxed());
    may(Kinds::PARTITIONS, Just(Fault::Heal).boxed());
    let side = proptest::collection::btree_set(node.clone(), 1..=(nodes as usize / 2).max(1));
    let split = side.prop_map(|side| Fault::Split(side.into_iter().collect()));
    may(Kinds::PARTITIONS, split.boxed());
    let cut = (node.clone(), node.clone()).prop_map(|(from, to)| Fault::Cut(from, to));
    may(Kinds::PARTITIONS, cut.boxed());
    let grey = (node.clone(), half()).prop_map(|(node, p)| Fault::Grey(node, p));
    may(Kinds::PARTITIONS, grey.boxed());
    for make in [Fault::Revive, Fault::Restart, Fault::Crash] {
        may(Kinds::CRASHES, node.clone().prop_map(make).boxed());
    }
    for make in [Fault::Resume, Fault::Pause] {
        may(Kinds::PAUSES, node.clone().prop_map(make).boxed());
    }
    may(Kinds::CHURN, Just(Fault::Join).boxed());
    may(Kinds::CHURN, node.prop_map(Fault::Leave).boxed());
    Union::new(choices).boxed()
}

/// Latencies up to half a second.
fn latency() -> impl Strategy<Value = Latency> {
    let hundredths = |n: u64| Duration::from_millis(10 * n);
    (0_u64..=25, 0_u64..=25)
        .prop_map(move |(low, more)| Latency::Uniform(hundredths(low), hundredths(low + more)))
}
