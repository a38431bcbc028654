//! A node's task: waits for datagrams, rounds, deadlines and the owner, and calls the stack.
//!
//! One pass of its loop does what is due, takes in one thing that has come, and then a bounded
//! number of the datagrams that wait. So neither a flood of datagrams nor a busy owner can keep
//! rounds from being run.

use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::flight::Input;
use gossip_core::node::Clock;
use gossip_core::packet::{ClusterId, Datagram, Foreign, Header};
use gossip_core::random::{Key, Random};
use gossip_core::{Receipt, Refusal, Time};
use tokio::sync::mpsc;
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep_until;

use crate::Stack;
use crate::batch::Batch;
use crate::clock::Monotonic;
use crate::end::Ended;
use crate::handle::{Ask, Shared, State};
use crate::hello::{Heard, Hello, Verdict, is_hello};
use crate::lane::{self, Lane};
use crate::limits::Limits;
use crate::path::Probe;
use crate::presence::{Act, Presence, Status};
use crate::proof::NOT_SENT;
use crate::sealed::OVERHEAD;
use crate::shaper::{Gate, Shaper};
use crate::tape::Tape;
use crate::transport::{Blame, Transport, canonical, judge, nobody};

/// Datagrams taken in before anything else is looked at, besides those that came with the last. Our
/// choice: at about 10 us each, below the resolution of the timer.
const TURN: usize = 64;

/// Peers reported unreachable to the stack after one call; the rest are tried again by the stack
/// itself. Our choice.
const GONE: usize = 8;

/// Errors in a row after which a transport counts as broken: with the pauses between them, after
/// about ten seconds. Our choice.
const ERRORS: u32 = 16;

/// The first pause after an error of the transport, and the longest; it doubles.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How soon a stack that has not moved its deadline is woken again, and a transport listened to
/// after an error that peers can cause.
const REST: Duration = Duration::from_millis(1);

/// When rounds are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) tick: Duration,
    pub(crate) jitter: f64,
    pub(crate) phase: Option<Duration>,
}

impl Pace {
    fn first(&self, random: &mut Random) -> Time {
        Time::ZERO + self.phase.unwrap_or_else(|| self.tick.mul_f64(random.unit()))
    }

    fn next(&self, random: &mut Random) -> Duration {
        self.tick.mul_f64(1.0 + self.jitter * (2.0 * random.unit() - 1.0))
    }
}

/// What holds a node's datagrams against its caps.
pub(crate) struct Bounds {
    shaper: Shaper,
    gate: Gate,
}

impl Bounds {
    /// For datagrams of up to `longest` bytes; none if there are no caps.
    pub(crate) fn new(limits: &Limits, longest: usize) -> Option<Self> {
        let some = *limits != Limits::default();
        some.then(|| Self { shaper: Shaper::new(limits, longest), gate: Gate::new(limits) })
    }
}

/// A node's task.
pub(crate) struct Task<S: Stack> {
    shared: Arc<Shared<S>>,
    asks: mpsc::Receiver<Ask<S>>,
    transport: Box<dyn Transport>,
    cluster: ClusterId,
    /// The most bytes of a datagram taken in.
    longest: usize,
    pace: Pace,
    presence: Presence,
    random: Random,
    clock: Monotonic,
    round_at: Time,
    /// The stack is not woken before this.
    rest_until: Time,
    /// Nothing is received before this.
    deaf_until: Time,
    errors: u32,
    foreign: u64,
    /// Datagrams that wait to be sent, in a call or between two.
    outgoing: Vec<Datagram<SocketAddr>>,
    gone: Vec<SocketAddr>,
    bounds: Option<Bounds>,
    lane: Option<Box<dyn Lane>>,
    /// Where it is recorded, if it is.
    tape: Option<Tape>,
}

impl<S: Stack> Task<S> {
    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(crate) fn new(
        shared: &Arc<Shared<S>>,
        asks: mpsc::Receiver<Ask<S>>,
        transport: Box<dyn Transport>,
        cluster: ClusterId,
        longest: usize,
        pace: Pace,
        presence: Presence,
        key: Key,
        bounds: Option<Bounds>,
        lane: Option<Box<dyn Lane>>,
        tape: Option<Tape>,
    ) -> Self {
        let mut random = key.random(0);
        let round_at = pace.first(&mut random);
        Self {
            shared: Arc::clone(shared),
            asks,
            transport,
            cluster,
            longest,
            pace,
            presence,
            random,
            clock: Monotonic::start(),
            round_at,
            rest_until: Time::ZERO,
            deaf_until: Time::ZERO,
            errors: 0,
            foreign: 0,
            outgoing: Vec::new(),
            gone: Vec::new(),
            bounds,
            lane,
            tape,
        }
    }

    /// Runs the node until it ends.
    pub(crate) async fn run(mut self) -> Ended {
        // A byte more than is accepted, to see what is too long, and what a seal takes.
        let mut batch = Batch::new(self.longest + OVERHEAD + 1);
        loop {
            let deadline = self.on_time().await;
            let listens = self.deaf_until <= self.clock.now();
            tokio::select! {
                biased;
                ask = self.asks.recv() => match ask {
                    Some(Ask::Call(command, answer)) => {
                        let result = self.call(Input::Command(command)).await;
                        // Nobody waits for it any more: that is the caller's choice.
                        let _ = answer.send(result);
                    }
                    Some(Ask::Contact(peer)) => self.contact(peer).await,
                    Some(Ask::Leave) => {
                        // Only commands are refused.
                        let _ = self.call(Input::Leave).await;
                        self.save_counts();
                        return Ended::Left;
                    }
                    None => return Ended::Stopped,
                },
                // Before datagrams, which have their turn below in any case.
                (from, message) = bulk(self.lane.as_deref()) => {
                    self.on_bulk(from, &message);
                    self.send_out().await;
                }
                came = self.transport.recv_many(&mut batch), if listens => {
                    if let Some(error) = self.on_recv(came, &batch).await {
                        return Ended::Transport(Arc::new(error));
                    }
                }
                () = sleep_until(self.clock.instant(deadline)) => {}
            }
            if let Some(error) = self.drain(&mut batch).await {
                return Ended::Transport(Arc::new(error));
            }
        }
    }

    /// Does what is due, and says when something will be next.
    async fn on_time(&mut self) -> Time {
        let now = self.clock.now();
        if self.round_at <= now {
            self.on_round(now).await;
        }
        if self.rest_until <= now && self.shared.lock().node.wake_at() <= now {
            let _ = self.call(Input::Wake).await;
            if self.shared.lock().node.wake_at() <= now {
                self.count("deadline not moved");
                self.rest_until = self.clock.now() + REST;
            }
        }
        let present_at = self.attend(now).await;
        self.flush().await;
        let wake_at = self.shared.lock().node.wake_at().max(self.rest_until);
        let hear_at = if self.deaf_until > now { self.deaf_until } else { Time::NEVER };
        // All that was due is done: whatever says otherwise must not keep the task from waiting.
        let next = self.round_at.min(wake_at).min(present_at).min(hear_at);
        next.min(self.shaped_at()).max(now + REST)
    }

    /// When what waits for a cap may go.
    fn shaped_at(&self) -> Time {
        self.bounds.as_ref().map_or(Time::NEVER, |bounds| bounds.shaper.wake_at())
    }

    async fn on_round(&mut self, now: Time) {
        let late = now.since(self.round_at);
        let missed = (late.as_micros() / self.pace.tick.as_micros()) as u64;
        self.round_at =
            if missed == 0 { self.round_at } else { now } + self.pace.next(&mut self.random);
        {
            let counters = &mut self.shared.lock().counters;
            counters.rounds += 1;
            counters.rounds_missed += missed;
            counters.lag.add(late);
        }
        {
            let State { greeter, paths, effects, .. } = &mut *self.shared.lock();
            self.outgoing.extend(nonce().and_then(|nonce| greeter.round(now, nonce)));
            let answers = |peer| greeter.peer(peer).is_some();
            let probe =
                nonce().and_then(|nonce| paths.round(now, nonce, answers, &mut effects.counts));
            self.outgoing.extend(probe);
        }
        let _ = self.call(Input::Round).await;
        self.save_counts();
    }

    /// Asks contacts if it is time to, and says when it will be again.
    async fn attend(&mut self, now: Time) -> Time {
        let (peers, news) = match self.presence.due(now, &mut self.random) {
            Act::Wait(until) => return until,
            Act::Ask { peers, news } => (peers, news),
        };
        if news {
            let silent = self.presence.silence(now);
            let status = Status::Isolated { asked: peers.clone(), silent, foreign: self.foreign };
            self.shared.status.send_replace(status);
        }
        for peer in peers {
            let _ = self.call(Input::Contact(peer)).await;
        }
        match self.presence.due(now, &mut self.random) {
            Act::Wait(until) => until,
            Act::Ask { .. } => now + REST,
        }
    }

    /// The owner names one more contact.
    async fn contact(&mut self, peer: SocketAddr) {
        self.presence.add(peer);
        self.shared.status.send_if_modified(|status| {
            let waits = matches!(status, Status::Waiting);
            if waits {
                *status = Status::Joining;
            }
            waits
        });
        let _ = self.call(Input::Contact(peer)).await;
    }

    /// Takes in datagrams that wait, up to about [`TURN`].
    async fn drain(&mut self, batch: &mut Batch) -> Option<io::Error> {
        let mut taken = batch.len();
        while taken < TURN {
            let listens = self.deaf_until <= self.clock.now();
            let came = tokio::select! {
                biased;
                came = self.transport.recv_many(batch), if listens => came,
                () = ready(()) => return None,
            };
            let error = self.on_recv(came, batch).await;
            if error.is_some() {
                return error;
            }
            taken += batch.len().max(1);
        }
        // There may be more for ever: other tasks have their turn first.
        yield_now().await;
        None
    }

    /// Takes in datagrams, or an error; returns the error that ends the node.
    async fn on_recv(&mut self, came: io::Result<()>, batch: &Batch) -> Option<io::Error> {
        if let Err(error) = came {
            return self.on_error(error);
        }
        self.errors = 0;
        self.on_batch(batch);
        self.send_out().await;
        None
    }

    /// Gives the node what has come together, under one lock and at one time. What comes out waits
    /// to be sent.
    fn on_batch(&mut self, batch: &Batch) {
        let clock = self.clock.read();
        let shared = Arc::clone(&self.shared);
        let state = &mut *shared.lock();
        for (from, bytes) in batch.iter() {
            self.on_datagram(state, clock, canonical(from), bytes);
        }
    }

    /// Gives the node what has come by the lane at `from`. Its sender must be at the same host;
    /// that it is of the cluster, the lane knows.
    fn on_bulk(&mut self, from: SocketAddr, message: &[u8]) {
        let clock = self.clock.read();
        let shared = Arc::clone(&self.shared);
        let state = &mut *shared.lock();
        match lane::open(message) {
            Some((sender, datagrams)) if sender.ip() == from.ip() => {
                for bytes in datagrams {
                    self.on_datagram(state, clock, sender, bytes);
                }
            }
            _ => state.effects.counts.add("lane", "message of a stranger"),
        }
    }

    fn on_datagram(&mut self, state: &mut State<S>, clock: Clock, from: SocketAddr, bytes: &[u8]) {
        state.counters.datagrams_in += 1;
        state.counters.bytes_in += bytes.len() as u64;
        match self.admit(state, from, bytes, clock.now) {
            Ok(Some(hello)) => self.on_hello(state, clock.now, from, &hello),
            Ok(None) => {
                if let Some(probe) = state.paths.read(bytes) {
                    return self.on_probe(state, clock.now, from, probe);
                }
                let gate = self.bounds.as_mut().map(|bounds| &mut bounds.gate);
                let counts = &mut state.effects.counts;
                let cut = gate.and_then(|gate| gate.cut(clock.now, bytes, counts));
                let bytes = cut.as_deref().unwrap_or(bytes);
                let _ = self.enter(state, clock, Input::Datagram(from, bytes));
            }
            Err(cause) => state.effects.counts.add("driver", cause),
        }
    }

    /// Whether a datagram is taken in, or why not; and what it is, if it is for the driver itself.
    fn admit(
        &mut self,
        state: &mut State<S>,
        from: SocketAddr,
        bytes: &[u8],
        now: Time,
    ) -> Result<Option<Hello>, &'static str> {
        if bytes.len() > self.longest {
            return Err("datagram too long");
        }
        if nobody(from).is_some() {
            return Err("sender cannot be a peer");
        }
        if from == self.shared.me {
            return Err("sender has this node's address");
        }
        if let Some(bounds) = &mut self.bounds {
            bounds.gate.admit(now, from, bytes.len())?;
        }
        match Header::read(bytes, self.cluster) {
            Ok(_) => {
                let (admitted, question) = state.greeter.admit(now, from, nonce);
                self.outgoing.extend(question);
                admitted?;
                if self.presence.heard(from, now) {
                    self.shared.status.send_replace(Status::Connected);
                }
            }
            Err(Foreign::Cluster(_)) => self.foreign += 1,
            // What is wrong with the others, the node counts by cause.
            Err(Foreign::Magic) => return Ok(Hello::decode(bytes, self.cluster)),
            Err(_) => {}
        }
        Ok(None)
    }

    /// Answers a peer that asks what this node is, or notes what it is.
    fn on_hello(&mut self, state: &mut State<S>, now: Time, from: SocketAddr, hello: &Hello) {
        let Heard { says, verdict, refused, proven } = state.greeter.heard(now, from, hello, nonce);
        self.outgoing.extend(says);
        let counts = &mut state.effects.counts;
        if let Some(cause) = refused {
            counts.add("driver", cause);
            if state.greeter.tells(now, cause) {
                #[cfg(feature = "tracing")]
                tracing::warn!(node = %self.shared.me, peer = %from, cause, "a peer is refused");
            }
            return;
        }
        if proven {
            self.presence.hurry(now);
        }
        if hello.answer && state.greeter.peer(from).is_some_and(|p| p.common_version().is_none()) {
            counts.add("driver", "peer without a common version");
        }
        match verdict {
            Some(Verdict::Near(rtt)) => {
                counts.add("driver", "round trip near the period");
                #[cfg(feature = "tracing")]
                tracing::warn!(
                    node = %self.shared.me, peer = %from, ?rtt, period = ?self.pace.tick,
                    "round trips are near the period of rounds: lengthen it"
                );
                #[cfg(not(feature = "tracing"))]
                let _ = rtt;
            }
            Some(Verdict::Well) => {
                #[cfg(feature = "tracing")]
                tracing::info!(node = %self.shared.me, "round trips are well below the period");
            }
            None => {}
        }
    }

    /// Answers a peer that asks whether a datagram has come through, or notes that one has.
    fn on_probe(&mut self, state: &mut State<S>, now: Time, from: SocketAddr, probe: Probe) {
        match state.paths.heard(now, from, probe) {
            Ok(answer) => self.outgoing.extend(answer),
            Err(cause) => state.effects.counts.add("driver", cause),
        }
    }

    /// A transport error while receiving: counted, and given time to pass. Errors that peers can
    /// cause are never too many.
    fn on_error(&mut self, error: io::Error) -> Option<io::Error> {
        let (blame, cause) = judge(&error);
        self.count(cause);
        let others = matches!(blame, Blame::Peer | Blame::Way);
        let pause = if others { REST } else { PAUSE.0 * (1 << self.errors.min(16)) };
        self.deaf_until = self.clock.now() + pause.min(PAUSE.1);
        self.errors += u32::from(!others);
        (self.errors >= ERRORS).then_some(error)
    }

    /// Gives the node something, and sends what comes out.
    async fn call(&mut self, input: Input<'_, S>) -> Result<Receipt, Refusal> {
        let shared = Arc::clone(&self.shared);
        let result = self.enter(&mut shared.lock(), self.clock.read(), input);
        self.send_out().await;
        result
    }

    /// Gives the node something, and writes that down if it is recorded. Datagrams that come out
    /// wait to be sent.
    fn enter(
        &mut self,
        state: &mut State<S>,
        clock: Clock,
        input: Input<'_, S>,
    ) -> Result<Receipt, Refusal> {
        let State { node, effects, .. } = state;
        if let Some(tape) = &mut self.tape {
            tape.note(&input, clock);
        }
        let result = input.give(node, clock, effects);
        if let Some(tape) = &mut self.tape {
            tape.came_out(effects);
        }
        effects.watches.clear(); // datagrams have no connections to watch
        self.shared.events.extend(effects.events.drain(..));
        self.outgoing.append(&mut effects.datagrams);
        result
    }

    /// Sends what waits, tells the node which peers are gone, and sends what it says to that.
    async fn send_out(&mut self) {
        self.flush().await;
        for _ in 0..GONE {
            let Some(peer) = self.gone.pop() else { break };
            let shared = Arc::clone(&self.shared);
            // Only commands are refused.
            let _ = self.enter(&mut shared.lock(), self.clock.read(), Input::Unreachable(peer));
            self.flush().await;
        }
        self.gone.clear();
    }

    /// Sends what waits to be sent.
    async fn flush(&mut self) {
        if self.outgoing.is_empty() && self.shaped_at() > self.clock.now() {
            return;
        }
        let mut outgoing = std::mem::take(&mut self.outgoing);
        self.withhold(&mut outgoing);
        let before = outgoing.len();
        let me = self.shared.me;
        outgoing.retain(|datagram| nobody(datagram.to).is_none() && datagram.to != me);
        for _ in outgoing.len()..before {
            self.count("receiver cannot be a peer");
        }
        if let Some(bounds) = &mut self.bounds {
            let counts = &mut self.shared.lock().effects.counts;
            bounds.shaper.shape(self.clock.now(), &mut outgoing, counts);
        }
        self.send_bulk(&mut outgoing);
        if outgoing.len() > 1 {
            self.shared.lock().paths.join(self.clock.now(), &mut outgoing);
        }
        let mut rest = &outgoing[..];
        while let [first, others @ ..] = rest {
            match send(&*self.transport, rest).await {
                Ok(sent) => {
                    let (gone, left) = rest.split_at(sent.clamp(1, rest.len()));
                    self.count_sent(gone);
                    rest = left;
                }
                Err(error) => {
                    let (blame, cause) = judge(&error);
                    self.count(cause);
                    self.blame(blame, first);
                    rest = others;
                }
            }
        }
        let effects = &mut self.shared.lock().effects;
        for datagram in outgoing.drain(..) {
            effects.recycle(datagram.bytes);
        }
        self.outgoing = outgoing;
    }

    /// A datagram could not be sent, and whose doing that is.
    fn blame(&mut self, blame: Blame, datagram: &Datagram<SocketAddr>) {
        match blame {
            Blame::Peer if self.gone.len() < GONE => self.gone.push(datagram.to),
            Blame::Datagram => {
                let State { paths, effects, .. } = &mut *self.shared.lock();
                let (now, len) = (self.clock.now(), datagram.bytes.len());
                paths.too_long(now, datagram.to, len, &mut effects.counts);
            }
            _ => {}
        }
    }

    /// Takes out of `outgoing` what is for peers that have not proved who they are, if they must,
    /// and asks them instead.
    fn withhold(&self, outgoing: &mut Vec<Datagram<SocketAddr>>) {
        let State { greeter, effects, .. } = &mut *self.shared.lock();
        if !greeter.asks() {
            return;
        }
        let (now, mut questions) = (self.clock.now(), Vec::new());
        outgoing.retain(|datagram| {
            if is_hello(&datagram.bytes) {
                return true;
            }
            let (admitted, question) = greeter.admit(now, datagram.to, nonce);
            questions.extend(question);
            if admitted.is_err() {
                effects.counts.add("driver", NOT_SENT);
            }
            admitted.is_ok()
        });
        outgoing.append(&mut questions);
    }

    /// Takes what goes by the lane out of `outgoing`, and sends it. What the lane does not take is
    /// shed: a peer that is too slow for it must not be flooded instead.
    fn send_bulk(&self, outgoing: &mut Vec<Datagram<SocketAddr>>) {
        let Some(lane) = &self.lane else { return };
        let kind = lane.capability();
        let whose = |peer| {
            let greeter = &self.shared.lock().greeter;
            // A lane of another kind would not understand.
            let same = greeter.peer(peer).is_some_and(|info| info.capabilities & kind != 0);
            same.then(|| greeter.lane(peer)).flatten()
        };
        for (to, datagrams, message) in lane::bundle(self.shared.me, outgoing, whose) {
            if lane.send(to, message).is_ok() {
                self.count_sent(&datagrams);
                self.shared.lock().counters.lane_out += 1;
            }
        }
    }

    fn count_sent(&self, datagrams: &[Datagram<SocketAddr>]) {
        let State { counters, greeter, .. } = &mut *self.shared.lock();
        counters.datagrams_out += datagrams.len() as u64;
        for datagram in datagrams {
            greeter.sent(datagram.to);
            counters.bytes_out += datagram.bytes.len() as u64;
            counters.frames_out += u64::from(datagram.frames);
        }
    }

    fn count(&self, cause: &'static str) {
        self.shared.lock().effects.counts.add("driver", cause);
    }

    fn save_counts(&mut self) {
        let mut counts = self.transport.counts();
        if let Some(lane) = &self.lane {
            counts.merge(&lane.counts());
        }
        self.shared.lock().transport = counts;
        if let Some(ended) = self.tape.as_mut().and_then(Tape::write) {
            self.tape = None;
            self.count(ended);
        }
    }
}

/// A number that nobody can guess, for a question to a peer; none while the system has no
/// randomness: then nobody is asked.
fn nonce() -> Option<u64> {
    getrandom::u64().ok()
}

/// Waits for a message of the lane; for ever, if there is none or it has broken.
async fn bulk(lane: Option<&dyn Lane>) -> (SocketAddr, Vec<u8>) {
    if let Some(lane) = lane
        && let Ok(came) = lane.recv().await
    {
        return came;
    }
    pending().await
}

/// One poll: nobody waits for a peer. Not limited by tokio's budget, which would make a transport
/// that is ready look as if it were not.
async fn send(transport: &dyn Transport, datagrams: &[Datagram<SocketAddr>]) -> io::Result<usize> {
    tokio::select! {
        biased;
        sent = unconstrained(transport.send_many(datagrams)) => sent,
        () = ready(()) => Err(io::ErrorKind::WouldBlock.into()),
    }
}
