//! One run of one contender: nodes join at once, fall silent, publish, and one of them crashes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Contender, Figures, place};

const SECOND: Duration = Duration::from_secs(1);

/// How exactly times are measured.
const STEP: Duration = Duration::from_millis(50);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pause after joining, and how long nodes are then watched doing nothing.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);

/// Publications, each so long after the one before, and how long after the last one is waited.
const PUBLISHED: u32 = 20;
const EVERY: Duration = Duration::from_millis(500);
const TAIL: Duration = Duration::from_secs(10);

/// Bytes of a publication.
pub(super) const PAYLOAD: usize = 512;

/// Who has delivered what, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    nodes: u32,
    delivered: Arc<Mutex<BTreeMap<(u32, u32), Instant>>>,
}

impl Board {
    /// For so many nodes.
    fn of(nodes: u32) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// How many nodes there are.
    #[cfg_attr(not(feature = "memberlist"), expect(dead_code, reason = "only memberlist asks"))]
    pub(super) fn nodes(&self) -> u32 {
        self.nodes
    }

    /// Node `at` has delivered the publication that says `text`. What it delivers again is not
    /// counted.
    pub(super) fn note(&self, at: u32, text: &[u8]) {
        let number = text.get(..8).and_then(|head| std::str::from_utf8(head).ok()?.parse().ok());
        let Some(number) = number else { return };
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        delivered.entry((number, at)).or_insert_with(now);
    }

    /// Seconds that each node but `origin` took to deliver `number`, sorted.
    fn latencies(&self, number: u32, origin: u32, published: Instant) -> Vec<f64> {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let of = delivered.range((number, 0)..=(number, u32::MAX));
        let others = of.filter(|((_, at), _)| *at != origin);
        let mut all: Vec<f64> =
            others.map(|(_, when)| when.duration_since(published).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Text that says its number and does not compress well.
fn text(number: u32) -> String {
    let mut text = format!("{number:08}");
    let mut word = u64::from(number) + 1;
    while text.len() < PAYLOAD {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        text.push(char::from(b'0' + (word % 75) as u8));
    }
    text
}

/// Runs contender `C` with `nodes` nodes.
pub(super) async fn run<C: Contender>(nodes: u32) -> Result<Figures, String> {
    let (board, mut figures) = (Board::of(nodes), Figures::new());
    let start = now();
    let mut cluster = vec![C::start(0, None, &board).await?];
    for at in 1..nodes {
        cluster.push(C::start(at, Some(&cluster[0]), &board).await?);
    }
    figures.insert("full", until(start, async || joined(&cluster).await).await);
    sleep(SETTLE).await;

    let (idle, busy) = used(IDLE).await?;
    figures.insert("idle", idle / f64::from(nodes));
    figures.insert("cpu", busy / f64::from(nodes) * 1e6);
    figures.insert("missing", missing(&cluster).await);
    publish(&cluster, &board, idle, &mut figures).await?;
    crash(cluster, &mut figures).await;
    figures.insert("overrun", place::overrun()? as f64);
    Ok(figures)
}

/// Bytes and seconds of a processor used in a second, over `time`.
async fn used(time: Duration) -> Result<(f64, f64), String> {
    let (bytes, work, start) = (place::carried()?, place::worked()?, now());
    sleep(time).await;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = place::carried()? - bytes;
    Ok((bytes as f64 / seconds, (place::worked()? - work) / seconds))
}

/// Seconds from `start` until `done`; NaN if that takes too long.
async fn until(start: Instant, mut done: impl AsyncFnMut() -> bool) -> f64 {
    while start.elapsed() < PATIENCE {
        if done().await {
            return start.elapsed().as_secs_f64();
        }
        sleep(STEP).await;
    }
    f64::NAN
}

/// Whether all know all; where only a few others are known, whether all know somebody.
async fn joined<C: Contender>(cluster: &[C]) -> bool {
    for node in cluster {
        let known = node.members().await;
        if known < if C::FULL { cluster.len() - 1 } else { 1 } {
            return false;
        }
    }
    true
}

/// The share of pairs of live nodes of which one does not take the other for a member.
async fn missing<C: Contender>(cluster: &[C]) -> f64 {
    if !C::FULL {
        return f64::NAN;
    }
    let mut known = 0;
    for node in cluster {
        known += node.members().await.min(cluster.len() - 1);
    }
    100.0 - 100.0 * known as f64 / (cluster.len() * (cluster.len() - 1)) as f64
}

async fn publish<C: Contender>(
    cluster: &[C],
    board: &Board,
    idle: f64,
    figures: &mut Figures,
) -> Result<(), String> {
    let (bytes, start) = (place::carried()?, now());
    let mut published = Vec::new();
    for number in 0..PUBLISHED {
        let origin = (number * 7 + 3) % cluster.len() as u32;
        published.push((number, origin, now()));
        cluster[origin as usize].publish(text(number)).await?;
        sleep(EVERY).await;
    }
    sleep(TAIL).await;
    let bytes = (place::carried()? - bytes) as f64 - idle * start.elapsed().as_secs_f64();

    let of = |&(number, origin, when): &(u32, u32, Instant)| board.latencies(number, origin, when);
    let latencies: Vec<Vec<f64>> = published.iter().map(of).collect();
    let count: usize = latencies.iter().map(Vec::len).sum();
    let wanted = PUBLISHED as usize * (cluster.len() - 1);
    let sum: f64 = latencies.iter().flatten().sum();
    let last: f64 = latencies.iter().filter_map(|all| all.last()).sum();
    figures.insert("copies", bytes / (count * PAYLOAD) as f64);
    figures.insert("latency", sum / count as f64 * 1e3);
    figures.insert("last", last / f64::from(PUBLISHED) * 1e3);
    figures.insert("undelivered", 100.0 - 100.0 * count as f64 / wanted as f64);
    Ok(())
}

/// One node crashes: when does the first know, and when do all?
async fn crash<C: Contender>(mut cluster: Vec<C>, figures: &mut Figures) {
    if !C::FULL {
        return;
    }
    let victim = cluster.swap_remove(cluster.len() / 2);
    let name = victim.name();
    let start = now();
    victim.crash().await;
    let first = until(start, async || {
        for node in &cluster {
            if !node.holds(&name).await {
                return true;
            }
        }
        false
    });
    figures.insert("first", first.await);
    let all = until(start, async || {
        for node in &cluster {
            if node.holds(&name).await {
                return false;
            }
        }
        true
    });
    figures.insert("all", all.await);
    // What is left ends with the process.
    std::mem::forget(cluster);
    sleep(SECOND / 10).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_counts_once_and_for_its_publication() {
        let (board, start) = (Board::default(), now());
        board.note(1, text(7).as_bytes());
        board.note(1, text(7).as_bytes());
        board.note(2, text(8).as_bytes());
        board.note(3, b"rubbish");
        assert_eq!(board.latencies(7, 0, start).len(), 1);
        assert_eq!(board.latencies(7, 1, start).len(), 0);
        assert_eq!(text(7).len(), PAYLOAD);
    }
}
