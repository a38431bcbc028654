//! How the cluster is: measures over all nodes at once, as only a demo or a simulation can take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use gossip_core::sim::observe::Graph;
use gossip_entropy::blobs::Reference;
use gossip_overlay::slicing::{Value, metrics};
use gossip_overlay::{Ranking, RingRank, ring};

use super::cluster::{App, Cluster, Late, Member};
use super::stack::VIEW;

/// The views of the living.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Views {
    pub(crate) least: usize,
    pub(crate) mean: f64,
    /// What a view may hold: its bound, or all others.
    pub(crate) most: usize,
    /// Links to nodes that are dead, of views and of the ring.
    pub(crate) dead: usize,
    /// Whether everybody can be reached along the views.
    pub(crate) connected: bool,
}

pub(crate) fn views(cluster: &Cluster) -> Views {
    let ids: BTreeMap<SocketAddr, u32> =
        cluster.members.iter().map(|member| member.handle.id()).zip(0..).collect();
    let alive =
        |peer: &SocketAddr| ids.get(peer).is_some_and(|&at| cluster.members[at as usize].alive);
    let (mut rows, mut dead) = (Vec::new(), 0);
    for member in cluster.living() {
        let (view, links) = member.handle.read(|app| {
            let view: Vec<SocketAddr> = app.peers.view(0).map(|(peer, _)| peer).collect();
            (view, app.ring.links().collect::<Vec<_>>())
        });
        dead += view.iter().chain(&links).filter(|peer| !alive(peer)).count();
        rows.push((member.handle.id(), view));
    }
    let sizes = || rows.iter().map(|row| row.1.len());
    let known = |view: &[SocketAddr]| -> Vec<u32> {
        view.iter().filter(|peer| alive(peer)).map(|peer| ids[peer]).collect()
    };
    let graph = Graph::new(rows.iter().map(|(id, view)| (ids[id], known(view))));
    Views {
        least: sizes().min().unwrap_or(0),
        mean: sizes().sum::<usize>() as f64 / rows.len().max(1) as f64,
        most: VIEW.min(rows.len().saturating_sub(1)),
        dead,
        connected: graph.undirected().is_connected(),
    }
}

/// The ring's links that are right, and how many there should be.
pub(crate) fn ring(cluster: &Cluster) -> (usize, usize) {
    let all = 2 * cluster.living().count();
    let states: Vec<(SocketAddr, _)> = cluster
        .living()
        .map(|member| (member.handle.id(), member.handle.read(|app| (*app.ring).clone())))
        .collect();
    let missing = ring::missing_links(states.iter().map(|(id, state)| (*id, state)));
    (all - missing, all)
}

/// What became of lookups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) answered: usize,
    /// Of these, those that named the living node at or next after the key.
    pub(crate) right: usize,
    /// The mean of the hops of those that named somebody.
    pub(crate) hops: f64,
}

/// What became of the lookups of `keys`, by ticket.
pub(crate) fn found(cluster: &Cluster, keys: &BTreeMap<u32, u64>) -> Found {
    let position = |peer: SocketAddr| RingRank::hashed().place(peer, &()).unwrap_or_default();
    let living: Vec<SocketAddr> = cluster.living().map(|member| member.handle.id()).collect();
    let owner = |key| living.iter().copied().min_by_key(|&peer| position(peer).wrapping_sub(key));
    let answers: Vec<_> = cluster
        .living()
        .flat_map(|member| &member.found)
        .filter_map(|(ticket, answer)| Some((*keys.get(ticket)?, *answer)))
        .collect();
    let named = || answers.iter().filter_map(|&(key, answer)| Some((key, answer?)));
    let hops: u32 = named().map(|(_, (_, hops))| hops).sum();
    Found {
        answered: answers.len(),
        right: named().filter(|&(key, (peer, _))| owner(key) == Some(peer)).count(),
        hops: f64::from(hops) / named().count().max(1) as f64,
    }
}

/// An epoch of an aggregate, when it is over at all who took part from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    /// What the nodes started from: measured values, or 1 each for a count.
    pub(crate) inputs: Vec<f64>,
    /// What the epoch said at each node that it said something at.
    pub(crate) estimates: Vec<f64>,
    /// Replies that came too late.
    pub(crate) late: u64,
}

impl Epoch {
    /// The estimate that is furthest from `truth`.
    pub(crate) fn worst(&self, truth: f64) -> Option<f64> {
        let off = |estimate: &&f64| (**estimate - truth).abs();
        self.estimates.iter().max_by(|a, b| off(a).total_cmp(&off(b))).copied()
    }
}

/// Epoch `number` of the mean, if it has ended at every living node and its inputs are certain.
pub(crate) fn mean_epoch(cluster: &Cluster, number: u64) -> Option<Epoch> {
    let inputs = takers(cluster, cluster.killed_in.map(|last| last.0), number)
        .map(|member| member.inputs.get(&number).copied())
        .collect::<Option<Vec<_>>>()?;
    epoch(cluster, number, inputs, &cluster.late_means, |member| &member.means)
}

/// Epoch `number` of the count, if it has ended at every living node.
pub(crate) fn count_epoch(cluster: &Cluster, number: u64) -> Option<Epoch> {
    let last = cluster.killed_in.map(|last| last.1);
    let inputs = takers(cluster, last, number).map(|_| 1.0).collect();
    epoch(cluster, number, inputs, &cluster.late_counts, |member| &member.counts)
}

/// Who takes part in epoch `number`: all nodes, and the survivors alone after the `last` epoch in
/// which a victim may have taken part.
fn takers(cluster: &Cluster, last: Option<u64>, number: u64) -> impl Iterator<Item = &Member> {
    let all = last.is_none_or(|last| number <= last);
    cluster.members.iter().filter(move |member| all || member.alive)
}

fn epoch(
    cluster: &Cluster,
    number: u64,
    inputs: Vec<f64>,
    late: &Late,
    finished: impl Fn(&Member) -> &BTreeMap<u64, Option<f64>>,
) -> Option<Epoch> {
    let ends: Option<Vec<Option<f64>>> =
        cluster.living().map(|member| finished(member).get(&number).copied()).collect();
    let estimates = ends?.into_iter().flatten().collect();
    Some(Epoch { number, inputs, estimates, late: late.since(number) })
}

/// The last epoch that is over everywhere, for show.
pub(crate) fn last(look: impl Fn(u64) -> Option<Epoch>, newest: u64) -> Option<Epoch> {
    (newest.saturating_sub(3)..newest).rev().find_map(look)
}

/// The newest epochs, of mean and count, at any living node.
pub(crate) fn newest(cluster: &Cluster) -> (u64, u64) {
    let epochs =
        |member: &Member| member.handle.read(|app: &App| (app.mean.epoch(), app.count.epoch()));
    cluster.living().map(epochs).fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)))
}

/// How far from sorted the slices are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Disorder {
    /// The papers' global disorder measure.
    pub(crate) gdm: f64,
    /// What it is on average when nothing is sorted.
    pub(crate) random: f64,
}

pub(crate) fn disorder(cluster: &Cluster) -> Disorder {
    let mut nodes: Vec<(SocketAddr, f64, f64)> = cluster
        .living()
        .filter_map(|member| {
            let (attribute, value) =
                member.handle.read(|app| (app.slices.attribute(), app.slices.value()));
            Some((member.handle.id(), attribute.get(), value?.get()))
        })
        .collect();
    nodes.sort_unstable_by_key(|node| node.0); // identifiers settle ties
    let pairs: Vec<(f64, f64)> = nodes.into_iter().map(|(_, x, r)| (x, r)).collect();
    Disorder { gdm: metrics::gdm(&pairs), random: metrics::expected_gdm(pairs.len()) }
}

/// The random values of all living nodes, sorted. A look in the middle of a swap sees a value
/// twice.
pub(crate) fn values(cluster: &Cluster) -> Vec<Value> {
    let values = cluster.living().filter_map(|member| member.handle.read(|app| app.slices.value()));
    let mut values: Vec<Value> = values.collect();
    values.sort_unstable();
    values
}

/// How many of `before` are gone.
pub(crate) fn gone(before: &[Value], after: &[Value]) -> usize {
    let mut left = after.to_vec();
    let taken = |value: &&Value| match left.binary_search(value) {
        Ok(at) => {
            left.remove(at);
            false
        }
        Err(_) => true,
    };
    before.iter().filter(taken).count()
}

/// Swaps whose answer did not come in time so far: each may have doubled one value, and lost one.
pub(crate) fn in_doubt(cluster: &Cluster) -> u64 {
    let counts = cluster.members.iter().map(|member| member.handle.counters().counts);
    counts.map(|counts| counts.get("slices", "swap in doubt")).sum()
}

/// Deliveries of `rumors` at living nodes, and how many of these came twice.
pub(crate) fn heard(cluster: &Cluster, rumors: &[String]) -> (usize, usize) {
    let (mut once, mut twice) = (0, 0);
    for member in cluster.living() {
        for rumor in rumors {
            match member.heard.get(rumor.as_bytes()) {
                None => {}
                Some(1) => once += 1,
                Some(_) => (once, twice) = (once + 1, twice + 1),
            }
        }
    }
    (once, twice)
}

/// How many living nodes hold what has this name.
pub(crate) fn holders(cluster: &Cluster, name: Reference) -> usize {
    let holds = |member: &&Member| member.handle.read(|app| app.large.get(name).is_some());
    cluster.living().filter(holds).count()
}

/// How many messages of living nodes went by lanes so far.
pub(crate) fn lanes(cluster: &Cluster) -> u64 {
    cluster.living().map(|member| member.handle.counters().lane_out).sum()
}

/// How many living replicas agree: the size of the largest group with one digest; and how many
/// hold exactly `expected`.
pub(crate) fn replicas(cluster: &Cluster, expected: &BTreeMap<String, String>) -> (usize, usize) {
    let mut groups: BTreeMap<u64, usize> = BTreeMap::new();
    let mut right = 0;
    for member in cluster.living() {
        let (digest, same) = member.handle.read(|app| {
            let pairs = expected.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
            (app.data.digest(), app.data.iter().eq(pairs))
        });
        *groups.entry(digest).or_default() += 1;
        right += usize::from(same);
    }
    (groups.into_values().max().unwrap_or(0), right)
}

/// Living nodes that are not connected, or have ended.
pub(crate) fn troubled(cluster: &Cluster) -> BTreeSet<String> {
    cluster
        .living()
        .filter(|member| !member.handle.status().is_connected())
        .map(|member| format!("{}: {}", member.handle.id(), member.handle.status()))
        .collect()
}
