//! The samplers under schedules of faults; and the testkit itself: what it finds, it shrinks and
//! replays.

use std::time::Duration;

use gossip_core::sampling::{Cyclon, Newscast, PeerSampling, cyclon, framework, newscast};
use gossip_core::sim::event::{Simulation, Status};
use gossip_core::sim::fault::Fault;
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::script::replay;
use gossip_core::testkit::{Finally, Invariants, Kinds, SoundViews, Trial, Violation};
use gossip_core::{Context, Layer, Nothing, Peers, Protocol, message};

const NODES: u32 = 12;
const VIEW: usize = 8;

/// All that live are one overlay. The dead are dropped, since a view of 8 turns over in 12 rounds.
fn is_whole<S>(sim: &Simulation<S>) -> Result<(), Violation>
where
    S: Protocol<Id = u32> + Peers<Id = u32>,
{
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
    Violation::unless(graph.undirected().is_connected(), || {
        let views: Vec<_> = sim.nodes().map(|(at, node)| (at, neighbours(node))).collect();
        format!("the overlay is in parts: {views:?}")
    })
}

fn invariants<S>() -> Invariants<S>
where
    S: Protocol<Id = u32> + Peers<Id = u32> + 'static,
{
    vec![Box::new(SoundViews::new(VIEW, |node: &S| node)), Box::new(Finally::new(is_whole::<S>))]
}

fn trial<S>(make: impl Fn(u32) -> S + Send + Sync + 'static) -> Trial<S>
where
    S: Layer<(), Id = u32> + 'static,
{
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(30));
    Trial::new(NODES, make).schedule(20, span, rest).healing().cases(48)
}

#[test]
fn cyclon_stays_sound_and_becomes_whole_again() {
    let node = Cyclon::<u32, VIEW>::new(cyclon::Config::default()).unwrap();
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES | Kinds::CHURN;
    trial(move |_| node.clone()).faults(kinds).check(invariants);
}

#[test]
fn newscast_stays_sound_and_becomes_whole_again() {
    let node = Newscast::<u32, VIEW>::new(newscast::Config::default()).unwrap();
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES | Kinds::CHURN;
    trial(move |_| node.clone()).faults(kinds).check(invariants);
}

#[test]
fn the_framework_stays_sound_and_becomes_whole_again() {
    let healer = framework::Config::healer(VIEW);
    let node = PeerSampling::<u32, VIEW>::new(healer).unwrap();
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES | Kinds::CHURN;
    trial(move |_| node.clone()).faults(kinds).check(invariants);
}

/// Under partitions and crashes a sampler may fall apart for good, as its paper says; its views
/// stay sound.
#[test]
fn views_are_sound_under_every_fault() {
    let cyclon = Cyclon::<u32, VIEW>::new(cyclon::Config::default()).unwrap();
    trial(move |_| cyclon.clone())
        .check(|| vec![Box::new(SoundViews::new(VIEW, |node: &Cyclon<u32, VIEW>| node))]);
    let newscast = Newscast::<u32, VIEW>::new(newscast::Config::default()).unwrap();
    trial(move |_| newscast.clone())
        .check(|| vec![Box::new(SoundViews::new(VIEW, |node: &Newscast<u32, VIEW>| node))]);
    for config in [
        framework::Config::swapper(VIEW),
        framework::Config { ranks: 10, ..framework::Config::blind(VIEW) },
        framework::Config { sent: VIEW, ..framework::Config::whole_tail(VIEW - 1) },
    ] {
        let framework = PeerSampling::<u32, VIEW>::new(config).unwrap();
        trial(move |_| framework.clone())
            .check(|| vec![Box::new(SoundViews::new(VIEW, |node: &PeerSampling<u32, VIEW>| node))]);
    }
}

message! {
    /// What the owner may ask of a [`Relay`].
    #[derive(Copy, PartialEq)]
    enum Say {
        /// Send this to node 1.
        Send(u32),
    }
}

/// Passes on numbers, and remembers only the last: so it tells twice what comes again later.
#[derive(Clone, Debug, Default)]
struct Relay {
    last: Option<u32>,
    told: Vec<u32>,
}

impl Protocol for Relay {
    type Id = u32;
    type Message = u32;
    type Event = Nothing;
    type Command = Say;
}

impl Layer for Relay {
    fn on_round(&mut self, (): &(), _: &mut impl Context<Self>) {}

    fn on_message(&mut self, (): &(), _: u32, number: u32, _: &mut impl Context<Self>) {
        if self.last != Some(number) {
            self.told.push(number);
        }
        self.last = Some(number);
    }

    fn on_command(
        &mut self,
        (): &(),
        Say::Send(number): Say,
        cx: &mut impl Context<Self>,
    ) -> Result<gossip_core::Receipt, gossip_core::Refusal> {
        cx.send(1, number);
        Ok(gossip_core::Receipt::attempted(1))
    }
}

fn relay() -> Trial<Relay> {
    let trial = Trial::new(3, |_| Relay::default()).cases(256);
    // 60 numbers, a third of a second apart.
    (0..60).fold(trial, |trial, number| {
        trial.ask(Duration::from_millis(330 * u64::from(number)), 0, Say::Send(number))
    })
}

fn told_once() -> Invariants<Relay> {
    let check = |sim: &Simulation<Relay>| {
        let Some(node) = sim.node(1) else { return Ok(()) };
        let mut distinct = node.told.clone();
        distinct.sort_unstable();
        distinct.dedup();
        Violation::unless(distinct.len() == node.told.len(), || "told twice".into())
    };
    vec![Box::new(check)]
}

/// It takes duplication, and a delay that lets copies be overtaken: long latency, or reordering, or
/// both; and the commands of the trial. The script has all of it, in text alone.
#[test]
fn a_bug_that_needs_several_faults_is_shrunk_to_them_and_replayed() {
    let failure = relay().search(told_once).unwrap_err();
    println!("{failure}");
    let faults = &failure.schedule.0;
    assert!((2..=3).contains(&faults.len()), "{failure}");
    assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::Duplication(_))), "{failure}");
    let player = relay().player(|node| format!("{:?}", node.told), told_once);
    let replayed = replay(&failure.script, &player).unwrap();
    assert!(replayed.contains(&format!("  | ! {}", failure.violation)), "{replayed}");
    assert_eq!(replayed.matches("  | ! ").count(), 1, "said once");
    assert_eq!(replay(&replayed, &player).unwrap(), replayed, "a golden file");
}

/// A panic in a protocol is a violation like another: shrunk, and with a script.
#[test]
fn a_panic_is_shrunk_too() {
    let invariants = || -> Invariants<Relay> {
        vec![Box::new(|sim: &Simulation<Relay>| {
            assert!(sim.status(2) != Some(Status::Paused), "it must not pause");
            Ok(())
        })]
    };
    let failure = relay().faults(Kinds::ALL).search(invariants).unwrap_err();
    assert_eq!(failure.violation.0, "panicked: it must not pause");
    assert!(matches!(failure.schedule.0[..], [(_, Fault::Pause(2))]), "{failure}");
}

/// What a schedule did is undone at the end of its span, except that who left is gone.
#[test]
fn healing_ends_all_faults() {
    let trial = relay().healing().schedule(20, Duration::from_secs(20), Duration::from_secs(5));
    let invariants = || -> Invariants<Relay> {
        vec![Box::new(Finally::new(|sim: &Simulation<Relay>| {
            let alive = (0..3).all(|node| sim.status(node) == Some(Status::Alive));
            Violation::unless(alive, || "somebody is not back".into())
        }))]
    };
    trial.clone().faults(Kinds::NETWORK | Kinds::CRASHES | Kinds::PAUSES).check(invariants);
    let failure = trial.faults(Kinds::CHURN).search(invariants).unwrap_err();
    assert!(matches!(failure.schedule.0[..], [(_, Fault::Leave(_))]), "{failure}");
}
