//! What happens to the cluster, phase by phase, and what is checked on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_overlay::slicing::Value;

use super::checks::{Check, Tolerance, count_tolerance, mean_tolerance, spread};
use super::cluster::Cluster;
use super::film;
use super::measure::{self, Epoch};
use super::plan::Plan;
use super::stack::LARGE;
use super::view::{Snapshot, View};
use xtask_base::{Failure, Stopwatch};

/// Rumors published before the kill; one more follows it.
const RUMORS: usize = 5;

/// Lookups by each node, of random keys, at a time: as many as make the mean hops stand four of its
/// standard deviations below the bound, that of where nodes stand, .04, included. A node has room
/// for 64.
const LOOKUPS: u32 = 48;

/// Keys written before the kill; some are overwritten, and some deleted, at other replicas.
const KEYS: usize = 12;

/// A run of the demo.
pub(crate) struct Run<'a> {
    plan: &'a Plan,
    view: &'a mut View,
    cluster: Cluster,
    rumors: Vec<String>,
    written: BTreeMap<String, String>,
    /// The keys of the latest lookups, by ticket.
    keys: BTreeMap<u32, u64>,
    tickets: u32,
    phase: &'static str,
    checks: Vec<Check>,
}

/// When a phase's goals were reached, each at its first time.
type Reached<const N: usize> = [Option<Duration>; N];

impl<'a> Run<'a> {
    /// Starts the cluster.
    pub(crate) async fn start(plan: &'a Plan, view: &'a mut View) -> Result<Self, Failure> {
        // Boxed: starting a node holds its stack more than once.
        let cluster = Box::pin(Cluster::start(plan, Stopwatch::start())).await?;
        let (rumors, written, keys, tickets, checks) = Default::default();
        let phase = "converge";
        Ok(Self { plan, view, cluster, rumors, written, keys, tickets, phase, checks })
    }

    /// All phases; returns what was checked.
    pub(crate) async fn play(&mut self) -> Result<Vec<Check>, Failure> {
        let values = self.converge().await?;
        self.publish().await?;
        self.check_values(&values);
        self.repair().await?;
        self.check_health();
        Ok(std::mem::take(&mut self.checks))
    }

    /// Ends all nodes.
    pub(crate) async fn stop(&self) {
        self.cluster.stop().await;
    }

    /// Once all nodes have ended: each one's recording is replayed.
    pub(crate) fn replay(&self) -> Check {
        let (mut same, mut inputs, mut first) = (0, 0, String::new());
        for member in &self.cluster.members {
            match film::replay(self.plan, member) {
                Ok(taken) => (same, inputs) = (same + 1, inputs + taken),
                Err(why) => first = format!("; {}: {why}", member.handle.id()),
            }
        }
        let all = self.cluster.members.len();
        let expected = format!("{all} replays end as the nodes did, the killed ones' too");
        let measured = format!("{same}, of {inputs} inputs{first}");
        Check::new("recordings", expected, measured, same == all)
    }

    /// Everybody meets, and agrees on a first mean of measured values. Returns the slices' values
    /// as they were at the start.
    async fn converge(&mut self) -> Result<Vec<Value>, Failure> {
        self.begin("converge", "everybody knows one other: views, ring, slices, first estimates");
        let values = self.values().await?;
        let reached = self
            .until(0.4, |run| {
                let views = measure::views(&run.cluster);
                [
                    views.least == views.most && views.connected,
                    is_whole(measure::ring(&run.cluster)),
                    run.is_sorted(),
                    measure::mean_epoch(&run.cluster, 1).is_some(),
                    run.count_from(1).is_some(),
                ]
            })
            .await?;
        self.check_views(reached[0]);
        self.check_ring("ring", reached[1]);
        self.check_slices("slices", reached[2]);
        let mean = measure::mean_epoch(&self.cluster, 1);
        self.check_mean("mean", mean.as_ref());
        let count = self.count_from(1);
        self.check_count("count", count.as_ref());
        self.look_up("lookups", 0.45).await?;
        Ok(values)
    }

    /// Every node looks up some keys.
    async fn look_up(&mut self, name: &'static str, share: f64) -> Result<(), Failure> {
        self.keys.clear();
        let living: Vec<usize> =
            (0..self.cluster.members.len()).filter(|&at| self.cluster.members[at].alive).collect();
        for _ in 0..LOOKUPS {
            for &at in &living {
                let (ticket, key) = (self.tickets, self.cluster.random.next_u64());
                self.tickets += 1;
                self.keys.insert(ticket, key);
                self.cluster.members[at].look_up(ticket, key).await?;
            }
        }
        let all = |run: &Self| measure::found(&run.cluster, &run.keys).answered == run.keys.len();
        let reached = self.until(share, |run| [all(run)]).await?;
        self.check_found(name, reached[0]);
        Ok(())
    }

    /// News and writes reach everybody.
    async fn publish(&mut self) -> Result<(), Failure> {
        self.begin("publish", "rumors and writes, from different nodes, reach everybody");
        for number in 1..=RUMORS {
            self.rumor(number).await?;
        }
        for key in 0..KEYS {
            self.write(key, 1).await?;
        }
        let all = self.cluster.living().count();
        let whole = |run: &Self| measure::replicas(&run.cluster, &run.written) == (all, all);
        let heard = |run: &Self| measure::heard(&run.cluster, &run.rumors).0 == RUMORS * all;
        let first = self.until(0.55, |run| [heard(run), whole(run)]).await?;
        // What all know by now is overwritten and deleted elsewhere.
        for key in 0..KEYS / 4 {
            self.write(key, 2).await?;
            self.delete(KEYS - 1 - key).await?;
        }
        let second = self.until(0.6, |run| [heard(run), whole(run)]).await?;
        self.check_rumors("rumors", first[0].or(second[0]));
        self.check_replicas("replicas", second[1]);
        self.fetch().await
    }

    /// What does not fit a datagram is fetched by everybody, by lanes.
    async fn fetch(&mut self) -> Result<(), Failure> {
        let from = self.cluster.anyone();
        let before = measure::lanes(&self.cluster);
        let name = self.cluster.members[from].put(from as u8).await?;
        for member in self.cluster.living() {
            member.want(name).await?;
        }
        let all = self.cluster.living().count();
        let reached = self.until(0.65, |run| [measure::holders(&run.cluster, name) == all]).await?;
        let held = measure::holders(&self.cluster, name);
        let sent = measure::lanes(&self.cluster) - before;
        let expected = format!("all {all} hold {LARGE} bytes, which went by lanes");
        let measured = format!("{held} {}, {} messages of lanes", when(reached[0]), sent);
        self.check("large value", expected, measured, held == all && sent > 0);
        Ok(())
    }

    /// A third dies; the rest finds out, and goes on.
    async fn repair(&mut self) -> Result<(), Failure> {
        let victims = self.plan.victims() as usize;
        self.begin("repair", "");
        self.cluster.kill(victims).await;
        self.view.say(&format!("          {victims} nodes killed, the first contact among them"));
        self.cluster.members.iter_mut().for_each(|member| member.resort = true);
        self.rumors.clear();
        self.rumor(RUMORS + 1).await?;
        self.write(KEYS, 1).await?;
        self.delete(0).await?;
        let all = self.cluster.living().count();
        let last = self.cluster.killed_in.unwrap_or_default();
        let reached = self
            .until(0.95, |run| {
                let views = measure::views(&run.cluster);
                [
                    views.dead == 0 && views.connected,
                    is_whole(measure::ring(&run.cluster)),
                    run.is_sorted(),
                    measure::mean_epoch(&run.cluster, last.0 + 1).is_some(),
                    run.count_from(last.1 + 1).is_some(),
                    measure::heard(&run.cluster, &run.rumors).0 == all,
                    measure::replicas(&run.cluster, &run.written) == (all, all),
                ]
            })
            .await?;
        self.check_dead(reached[0]);
        self.check_ring("ring repaired", reached[1]);
        self.check_slices("slices, measured again", reached[2]);
        let mean = measure::mean_epoch(&self.cluster, last.0 + 1);
        self.check_mean("mean of survivors", mean.as_ref());
        let count = self.count_from(last.1 + 1);
        self.check_count("count of survivors", count.as_ref());
        self.check_rumors("rumor after the kill", reached[5]);
        self.check_replicas("writes after the kill", reached[6]);
        self.look_up("lookups of survivors", 1.0).await
    }

    fn begin(&mut self, phase: &'static str, what: &str) {
        self.phase = phase;
        let at = self.cluster.clock.elapsed().as_secs_f64();
        if !what.is_empty() {
            self.view.say(&format!("{at:5.1} s  {phase}: {what}"));
        }
    }

    /// Lets the cluster run until each goal was reached at some time, or `share` of the time is
    /// over. Each is the time since the start of this wait.
    async fn until<const N: usize>(
        &mut self,
        share: f64,
        goals: impl Fn(&Self) -> [bool; N],
    ) -> Result<Reached<N>, Failure> {
        let started = self.cluster.clock.elapsed();
        let end = self.plan.budget.mul_f64(share);
        let mut reached = [None; N];
        loop {
            tokio::time::sleep(self.plan.tick / 4).await;
            self.cluster.poll().await?;
            let now = self.cluster.clock.elapsed();
            for (reached, holds) in reached.iter_mut().zip(goals(self)) {
                if reached.is_none() && holds {
                    *reached = Some(now.saturating_sub(started));
                }
            }
            let over = reached.iter().all(Option::is_some) || now >= end;
            if over || self.view.is_due(now) {
                let Self { cluster, phase, rumors, written, .. } = self;
                self.view.show(&Snapshot::of(cluster, phase, rumors, written));
            }
            if over {
                return Ok(reached);
            }
        }
    }

    /// The slices' values, when two looks in a row see the same: one in the middle of a swap would
    /// see a value twice.
    async fn values(&mut self) -> Result<Vec<Value>, Failure> {
        let mut values = measure::values(&self.cluster);
        for _ in 0..100 {
            tokio::time::sleep(self.plan.tick / 20).await;
            self.cluster.poll().await?;
            let again = measure::values(&self.cluster);
            if again == values && values.len() == self.cluster.members.len() {
                break;
            }
            values = again;
        }
        Ok(values)
    }

    /// The first epoch of the count, from `number` on, in which somebody led. One in which nobody
    /// does says nothing; it happens once in 30,000 epochs.
    fn count_from(&self, number: u64) -> Option<Epoch> {
        let epoch = |number| measure::count_epoch(&self.cluster, number);
        (number..number + 3).find_map(|number| epoch(number).filter(|e| !e.estimates.is_empty()))
    }

    fn is_sorted(&self) -> bool {
        let disorder = measure::disorder(&self.cluster);
        let measured = self.cluster.living().all(|member| !member.resort);
        measured && disorder.gdm <= SORTED * disorder.random
    }

    async fn rumor(&mut self, number: usize) -> Result<(), Failure> {
        let from = self.cluster.anyone();
        let member = &self.cluster.members[from];
        let text = format!("rumor {number}, from {}", member.handle.id());
        member.publish(&text).await?;
        self.rumors.push(text);
        Ok(())
    }

    async fn write(&mut self, key: usize, version: u32) -> Result<(), Failure> {
        let at = self.cluster.anyone();
        let member = &self.cluster.members[at];
        let key = format!("key {key:02}");
        let value = format!("version {version}, by {}", member.handle.id());
        member.write(&key, Some(&value)).await?;
        self.written.insert(key, value);
        Ok(())
    }

    async fn delete(&mut self, key: usize) -> Result<(), Failure> {
        let at = self.cluster.anyone();
        let key = format!("key {key:02}");
        self.cluster.members[at].write(&key, None).await?;
        self.written.remove(&key);
        Ok(())
    }
}

/// The slices count as sorted when this share of the disorder of random values is left.
const SORTED: f64 = 0.01;

const fn is_whole(links: (usize, usize)) -> bool {
    links.0 == links.1
}

/// "after 3.2 s", or that it was not reached.
fn when(reached: Option<Duration>) -> String {
    reached
        .map_or_else(|| "not in time".to_owned(), |at| format!("after {:.1} s", at.as_secs_f64()))
}

/// The checks.
impl Run<'_> {
    fn check(
        &mut self,
        name: &'static str,
        expected: impl Into<String>,
        measured: impl Into<String>,
        pass: bool,
    ) {
        self.checks.push(Check::new(name, expected, measured, pass));
    }

    fn check_views(&mut self, reached: Option<Duration>) {
        let views = measure::views(&self.cluster);
        let measured = format!("{}; now {:.1} on average", when(reached), views.mean);
        let expected = format!("{} peers in every view, all connected", views.most);
        self.check("views", expected, measured, reached.is_some());
    }

    fn check_ring(&mut self, name: &'static str, reached: Option<Duration>) {
        let (right, all) = measure::ring(&self.cluster);
        let measured = format!("{}; now {right}", when(reached));
        self.check(name, format!("{all} of {all} links right"), measured, reached.is_some());
    }

    /// All are answered; without loss, all name the owner, and in as many hops as Chord takes. With
    /// loss a link may be missing at any time, and an answer is a hint.
    fn check_found(&mut self, name: &'static str, reached: Option<Duration>) {
        let found = measure::found(&self.cluster, &self.keys);
        let (all, nodes) = (self.keys.len(), self.cluster.living().count());
        let wrong = if self.plan.loss > 0.0 { all / 20 } else { 0 };
        let most = 0.5 * libm::log2(nodes as f64) + 0.3;
        let measured = format!(
            "{} {}, {} right, {:.2} hops",
            found.answered,
            when(reached),
            found.right,
            found.hops
        );
        let expected = format!("{all} answered, {} right, {most:.2} hops at most", all - wrong);
        let right = found.answered == all && found.right >= all - wrong;
        self.check(name, expected, measured, right && found.hops <= most);
    }

    fn check_slices(&mut self, name: &'static str, reached: Option<Duration>) {
        let now = measure::disorder(&self.cluster);
        let expected = format!("disorder at most {SORTED} of random order's {:.1}", now.random);
        let measured = format!("{}; now {:.2}", when(reached), now.gdm);
        self.check(name, expected, measured, reached.is_some());
    }

    fn check_values(&mut self, before: &[Value]) {
        // Two looks, as one may see a swap half done.
        let gone = || measure::gone(before, &measure::values(&self.cluster));
        let (gone, doubt) = (gone().min(gone()), measure::in_doubt(&self.cluster));
        let expected = format!("the {} at the start; {doubt} swaps unanswered", before.len());
        let measured = format!("{gone} gone");
        self.check("slice values", expected, measured, gone as u64 <= doubt);
    }

    fn check_mean(&mut self, name: &'static str, epoch: Option<&Epoch>) {
        let Some(epoch) = epoch else {
            return self.check(name, "an epoch with known inputs", "none in time", false);
        };
        let (truth, sd) = spread(&epoch.inputs);
        let Tolerance { within, why } = mean_tolerance(epoch, self.plan.loss);
        let worst = epoch.worst(truth).unwrap_or(f64::NAN);
        let all = epoch.estimates.len() == self.cluster.living().count();
        let number = epoch.number;
        let expected = format!("{truth:.3} us +- {within:.3} ({why}), epoch {number}, sd {sd:.1}");
        let measured = format!("{worst:.3} us at worst of {}", epoch.estimates.len());
        self.check(name, expected, measured, all && (worst - truth).abs() <= within);
    }

    fn check_count(&mut self, name: &'static str, epoch: Option<&Epoch>) {
        let Some(epoch) = epoch else {
            return self.check(name, "an epoch with a leader", "none in time", false);
        };
        let truth = epoch.inputs.len() as f64;
        let leaders = if epoch.number == 0 { 24.0 } else { 12.0 };
        let Tolerance { within, why } = count_tolerance(epoch, self.plan.loss, leaders as usize);
        let worst = epoch.worst(truth).unwrap_or(f64::NAN);
        let all = epoch.estimates.len() == self.cluster.living().count();
        let expected = format!("{truth} +- {within:.3} ({why}), epoch {}", epoch.number);
        let measured = format!("{worst:.3} at worst of {}", epoch.estimates.len());
        self.check(name, expected, measured, all && (worst - truth).abs() <= within);
    }

    fn check_rumors(&mut self, name: &'static str, reached: Option<Duration>) {
        let all = self.rumors.len() * self.cluster.living().count();
        let (heard, twice) = measure::heard(&self.cluster, &self.rumors);
        let measured = format!("{heard} {}, {twice} twice", when(reached));
        self.check(
            name,
            format!("{all} deliveries, once each"),
            measured,
            heard == all && twice == 0,
        );
    }

    fn check_replicas(&mut self, name: &'static str, reached: Option<Duration>) {
        let all = self.cluster.living().count();
        let (agree, right) = measure::replicas(&self.cluster, &self.written);
        let expected = format!("{all} with one digest, holding the {} keys", self.written.len());
        let measured = format!("{agree} and {right}, {}", when(reached));
        self.check(name, expected, measured, reached.is_some() && (agree, right) == (all, all));
    }

    fn check_dead(&mut self, reached: Option<Duration>) {
        let views = measure::views(&self.cluster);
        let measured = format!("{}; now {}", when(reached), views.dead);
        self.check("links to the dead", "0, survivors connected", measured, reached.is_some());
    }

    fn check_health(&mut self) {
        let troubled = measure::troubled(&self.cluster);
        let missed: u64 = self.cluster.living().map(|member| member.missed).sum();
        let all = self.cluster.living().count();
        let first = troubled.first().map_or(String::new(), |trouble| format!(" ({trouble})"));
        let measured = format!("{} connected{first}, {missed} events missed", all - troubled.len());
        let expected = format!("{all} nodes connected, 0 events missed");
        self.check("health", expected, measured, troubled.is_empty() && missed == 0);
    }
}
