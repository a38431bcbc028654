//! The nodes of the demo, each with its own socket, and what they have told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use gossip_aggregate::mean;
use gossip_core::random::{Key, Random};
use gossip_core::sim::Network;
use gossip_core::{Blob, Finite, Protocol};
use gossip_dissem::rumor;
use gossip_entropy::blobs::{self, Reference};
use gossip_net::faults::{Faults, Faulty};
use gossip_net::{Delivery, Events, Handle, Keyring, Node, Secret, Udp};
use gossip_overlay::chord::{self, Lookup};
use gossip_overlay::slicing::jk;

use super::film::{self, Film};
use super::lane::Authority;
use super::plan::Plan;
use super::stack::{Demo, KEY, LARGE, RUMOR, VALUE};
use xtask_base::{Failure, Stopwatch};

/// The stack on sockets.
pub(crate) type App = Demo<SocketAddr>;
type Command = <App as Protocol>::Command;
type Event = <App as Protocol>::Event;

/// A node, and what it has told.
pub(crate) struct Member {
    pub(crate) handle: Handle<App>,
    /// What it was given.
    pub(crate) film: Film,
    events: Events<Event>,
    pub(crate) alive: bool,
    /// What each epoch of the mean started from here, where that is certain.
    pub(crate) inputs: BTreeMap<u64, f64>,
    /// What each finished epoch said here.
    pub(crate) means: BTreeMap<u64, Option<f64>>,
    /// As `means`.
    pub(crate) counts: BTreeMap<u64, Option<f64>>,
    /// What became of each lookup: who owns the key, and the hops to there; none if nobody could
    /// tell.
    pub(crate) found: BTreeMap<u32, Option<(SocketAddr, u32)>>,
    /// How often each rumor was delivered.
    pub(crate) heard: BTreeMap<Box<[u8]>, u32>,
    /// Events that were missed: none, unless the demo itself is too slow.
    pub(crate) missed: u64,
    /// The slices shall sort by the next measurement.
    pub(crate) resort: bool,
    gauge: Gauge,
}

/// Measures how late a node's rounds are, once an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    /// The epoch in which it measures, and the round in which it saw that first.
    epoch: Option<u64>,
    began: u64,
    done: bool,
    /// Where the last measurement ended.
    total: Duration,
    rounds: u64,
}

/// How many replies came too late so far, in all layers of a name, by epoch of that layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late {
    /// As of the last look.
    now: u64,
    /// The count just before each epoch began.
    before: BTreeMap<u64, u64>,
}

impl Late {
    fn look(&mut self, epoch: u64, count: u64) {
        self.before.entry(epoch).or_insert(self.now);
        self.now = count;
    }

    /// Late replies since `epoch` began.
    pub(crate) fn since(&self, epoch: u64) -> u64 {
        self.before.get(&epoch).map_or(self.now, |before| self.now - before)
    }
}

/// All nodes, the dead included.
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) random: Random,
    pub(crate) clock: Stopwatch,
    pub(crate) late_means: Late,
    pub(crate) late_counts: Late,
    /// The last epochs, of mean and count, in which a victim may have taken part.
    pub(crate) killed_in: Option<(u64, u64)>,
    epoch: u32,
    /// Samples of what was sent so far: when, bytes, datagrams, frames.
    sent: VecDeque<(Duration, [u64; 3])>,
}

impl Cluster {
    /// Starts the nodes, which share a new secret, have lanes and are recorded; each but the first
    /// knows the one before it, and nobody else.
    pub(crate) async fn start(plan: &Plan, clock: Stopwatch) -> Result<Self, Failure> {
        let network = Network::default().loss(plan.loss).map_err(failed)?;
        let faults = Faults::new(network, plan.seed);
        let keys = Keyring::new(Secret::generate().map_err(failed)?);
        let authority = Authority::new().map_err(failed)?;
        let mut members: Vec<Member> = Vec::new();
        for _ in 0..plan.nodes {
            let udp = Udp::bind(([127, 0, 0, 1], 0)).await.map_err(failed)?;
            let transport = Faulty::new(udp, &faults).map_err(failed)?;
            let contact = members.last().map(|member| member.handle.id());
            let film = Film::default();
            // Nothing is measured yet: the first epochs start from nothing, and are not judged.
            let node = Node::builder(plan.settings.node(0.0).map_err(failed)?)
                .transport(transport)
                .cluster("gossip demo")
                .keys(&keys)
                .lane(authority.lane().map_err(failed)?)
                .record(film.clone(), film::MOST, "gossip demo")
                .contacts(contact)
                .tick(plan.tick)
                .seed(plan.seed);
            let handle = Box::pin(node.spawn()).await.map_err(failed)?;
            members.push(Member::of(handle, film));
        }
        Ok(Self {
            members,
            random: Key::new(plan.seed).with(gossip_core::id::hash(b"demo")).random(0),
            clock,
            late_means: Late::default(),
            late_counts: Late::default(),
            killed_in: None,
            epoch: plan.settings.epoch,
            sent: VecDeque::new(),
        })
    }

    /// The nodes that live, as far as the demo has not killed them.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Member> + Clone {
        self.members.iter().filter(|member| member.alive)
    }

    /// Takes in what the nodes have told, and has them measure, once an epoch.
    pub(crate) async fn poll(&mut self) -> Result<(), Failure> {
        let half = u64::from(self.epoch / 2);
        for member in self.members.iter_mut().filter(|member| member.alive) {
            member.listen();
            member.measure(half).await?;
        }
        let mut latest = (0, 0);
        let (mut means, mut counts) = (0, 0);
        for member in &self.members {
            let epochs = member.handle.read(|app| (app.mean.epoch(), app.count.epoch()));
            latest = (latest.0.max(epochs.0), latest.1.max(epochs.1));
            let causes = member.handle.counters().counts;
            means += causes.get("mean", "stale reply");
            counts += causes.get("count", "stale reply");
        }
        self.late_means.look(latest.0, means);
        self.late_counts.look(latest.1, counts);
        self.note_traffic();
        Ok(())
    }

    /// Kills `count` nodes without notice: the first, whom others joined through, and others at
    /// random.
    pub(crate) async fn kill(&mut self, count: usize) {
        let mut victims: Vec<usize> = (1..self.members.len()).collect();
        self.random.shuffle(&mut victims);
        victims.truncate(count.saturating_sub(1));
        victims.push(0);
        for &victim in &victims {
            self.members[victim].handle.kill();
            self.members[victim].alive = false;
        }
        for &victim in &victims {
            self.members[victim].handle.wait().await;
        }
        let epochs =
            |member: &Member| member.handle.read(|app| (app.mean.epoch(), app.count.epoch()));
        let last = |a: (u64, u64), b: (u64, u64)| (a.0.max(b.0), a.1.max(b.1));
        self.killed_in = self.members.iter().map(epochs).reduce(last);
        self.sent.clear();
    }

    /// Ends all nodes: those that live say good-bye.
    pub(crate) async fn stop(&self) {
        let leaving: Vec<_> = self
            .living()
            .map(|member| {
                let handle = member.handle.clone();
                tokio::spawn(async move { handle.leave().await })
            })
            .collect();
        for leave in leaving {
            // Whether a node panicked meanwhile is checked before; here all are gone.
            let _ = leave.await;
        }
    }

    /// A living node at random.
    pub(crate) fn anyone(&mut self) -> usize {
        let living: Vec<usize> =
            (0..self.members.len()).filter(|&at| self.members[at].alive).collect();
        self.random.pick(&living).copied().unwrap_or_default()
    }

    fn note_traffic(&mut self) {
        let now = self.clock.elapsed();
        let totals = self.living().map(|member| {
            let counters = member.handle.counters();
            [counters.bytes_out, counters.datagrams_out, counters.frames_out]
        });
        let add = |a: [u64; 3], b: [u64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let total = totals.fold([0; 3], add);
        self.sent.push_back((now, total));
        let old = |sample: &(Duration, [u64; 3])| now.saturating_sub(sample.0) > WINDOW;
        while self.sent.len() > 2 && self.sent.front().is_some_and(old) {
            self.sent.pop_front();
        }
    }

    /// Bytes a living node sends in a second, and frames in each of its datagrams, lately.
    pub(crate) fn traffic(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.sent.front(), self.sent.back()) else {
            return (0.0, 0.0);
        };
        let [bytes, datagrams, frames] = [0, 1, 2].map(|at| (last.1[at] - first.1[at]) as f64);
        let span = last.0.saturating_sub(first.0).as_secs_f64() * self.living().count() as f64;
        (if span > 0.0 { bytes / span } else { 0.0 }, frames / datagrams.max(1.0))
    }
}

/// Traffic is shown over the last seconds.
const WINDOW: Duration = Duration::from_secs(3);

impl Member {
    fn of(handle: Handle<App>, film: Film) -> Self {
        let events = handle.events();
        let (inputs, means, counts, found, heard) = Default::default();
        let (missed, gauge) = Default::default();
        Self {
            handle,
            film,
            events,
            alive: true,
            inputs,
            means,
            counts,
            found,
            heard,
            missed,
            resort: true,
            gauge,
        }
    }

    /// Takes in its events.
    fn listen(&mut self) {
        while let Some(delivery) = self.events.try_recv() {
            match delivery {
                Delivery::Lagged(count) => self.missed += count,
                Delivery::Event(Event::mean(end)) => {
                    self.means.insert(end.epoch, end.estimate);
                }
                Delivery::Event(Event::count(end)) => {
                    self.counts.insert(end.epoch, end.estimate);
                }
                Delivery::Event(Event::routes(chord::Event::Found { ticket, owner, hops })) => {
                    self.found.insert(ticket, Some((owner, hops)));
                }
                Delivery::Event(Event::routes(chord::Event::Failed { ticket })) => {
                    self.found.insert(ticket, None);
                }
                Delivery::Event(Event::news(rumor::Event::Delivered { value, .. })) => {
                    *self.heard.entry(value.into_bytes()).or_default() += 1;
                }
                Delivery::Event(_) => {}
            }
        }
    }

    /// In the middle of each epoch, measures how late this node's rounds were since the last time,
    /// and has the next epoch start from it. The slices sort by the first measurement, and again
    /// when told to.
    async fn measure(&mut self, half: u64) -> Result<(), Failure> {
        let counters = self.handle.counters();
        let epoch = self.handle.read(|app| app.mean.epoch());
        let gauge = &mut self.gauge;
        if gauge.epoch != Some(epoch) {
            (gauge.epoch, gauge.began, gauge.done) = (Some(epoch), counters.rounds, false);
        }
        let lag = counters.lag;
        let rounds = lag.rounds - gauge.rounds;
        if gauge.done || rounds == 0 || counters.rounds < gauge.began + half {
            return Ok(());
        }
        let late = lag.total.saturating_sub(gauge.total);
        (gauge.done, gauge.total, gauge.rounds) = (true, lag.total, lag.rounds);
        let micros = late.as_secs_f64() * 1e6 / rounds as f64;
        let Some(input) = Finite::new(micros) else { return Ok(()) };
        self.call(Command::mean(mean::Set(input))).await?;
        // Only if the epoch has not moved on meanwhile is this what the next one starts from.
        if self.handle.read(|app| app.mean.epoch()) == epoch {
            self.inputs.insert(epoch + 1, micros);
        }
        if std::mem::take(&mut self.resort) {
            self.call(Command::slices(jk::Command::SetAttribute(input))).await?;
        }
        Ok(())
    }

    async fn call(&self, command: Command) -> Result<(), Failure> {
        let answer = self.handle.call(command).await;
        let answer =
            answer.map_err(|error| Failure::Failed(format!("{}: {error}", self.handle.id())));
        answer.map(|_| ())
    }

    /// Looks up who owns `key`; the answer comes as an event with this ticket.
    pub(crate) async fn look_up(&self, ticket: u32, key: u64) -> Result<(), Failure> {
        self.call(Command::routes(Lookup { ticket, key })).await
    }

    /// Publishes a rumor.
    pub(crate) async fn publish(&self, text: &str) -> Result<(), Failure> {
        let value = Blob::<RUMOR>::new(text).map_err(failed)?;
        self.call(Command::news(rumor::Command::Publish(value))).await
    }

    /// Holds something large for others to fetch; returns its name.
    pub(crate) async fn put(&self, fill: u8) -> Result<Reference, Failure> {
        let bytes = vec![fill; LARGE];
        self.call(Command::large(blobs::Command::put(&bytes).map_err(failed)?)).await?;
        Ok(Reference::of(&bytes, gossip_entropy::Secret::default()))
    }

    /// Fetches what has this name.
    pub(crate) async fn want(&self, reference: Reference) -> Result<(), Failure> {
        self.call(Command::large(blobs::Command::Want(reference))).await
    }

    /// Writes to its replica, or deletes where there is no value.
    pub(crate) async fn write(&self, key: &str, value: Option<&str>) -> Result<(), Failure> {
        type Write = gossip_entropy::Command<KEY, VALUE>;
        let command = match value {
            Some(value) => Write::set(key, value),
            None => Write::delete(key),
        };
        self.call(Command::data(command.map_err(failed)?)).await
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("the demo cannot go on: {error}"))
}
