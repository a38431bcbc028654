//! Finitely many messages after the last input, under all faults that end: each protocol that
//! promises it, and each layer around one. Publications live 8 rounds; they are published in the
//! first 10 seconds, faults are over after 20, and the last of 60 seconds pass in silence. Pull,
//! push-pull and the median counter go on asking, by an empty question a round: of them, copies
//! end.

use core::time::Duration;

use crate::common::quiet::Silent;
use crate::common::seat::{NODES, Seat, publishing, told, trial};
use gossip_core::auth::{Authority, Keyed};
use gossip_core::sampling::Fixed;
use gossip_core::sim::event::Simulation;
use gossip_core::testkit::{DeliveredOnce, Invariant, Kinds, NoPhantoms, Trial};
use gossip_core::{Blob, Layer, Wire};
use gossip_dissem::adaptive::{self, Adaptive};
use gossip_dissem::causal::Stamped;
use gossip_dissem::fragment::{self, Fragment};
use gossip_dissem::hierarchy::LeafBoxes;
use gossip_dissem::median::{self, MedianCounter};
use gossip_dissem::plumtree::{self, Plumtree, Trees};
use gossip_dissem::rumor::{self, RumorMongering};
use gossip_dissem::signed::Sealed;
use gossip_dissem::validate::{self, Verdict};
use gossip_dissem::{
    Carried, Causal, Fifo, Fragmented, Paced, Patience, Publish, Signed, Spread, Validated, pace,
};

const AGE: u16 = 8;

fn plumtree<V: Wire>() -> Plumtree<u32, V> {
    let config = plumtree::Config { age: AGE, ..plumtree::Config::default() };
    Plumtree::new(config).unwrap()
}

fn faulty<L>(trial: Trial<Seat<L>>) -> Trial<Seat<L>>
where
    L: Layer<Fixed<u32, 8>, Id = u32> + 'static,
{
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(40));
    trial.faults(Kinds::ALL).healing().schedule(20, span, rest).cases(6)
}

/// Once each, nothing that was not published, and silence in the end.
fn ends<L>(news: impl Fn(u32) -> L + Send + Sync + 'static)
where
    L: Layer<Fixed<u32, 8>, Id = u32> + Spread<Value = u32> + 'static,
{
    ends_by(news, Silent::default);
}

fn ends_by<L>(news: impl Fn(u32) -> L + Send + Sync + 'static, silent: impl Fn() -> Silent<Seat<L>>)
where
    L: Layer<Fixed<u32, 8>, Id = u32> + Spread<Value = u32> + 'static,
{
    faulty(publishing(news)).check(|| -> Vec<Box<dyn Invariant<Seat<L>>>> {
        vec![
            Box::new(DeliveredOnce::new(told::<L>)),
            Box::new(NoPhantoms::new(|event| told::<L>(event).is_none_or(|id| id.origin < NODES))),
            Box::new(silent()),
        ]
    });
}

#[test]
fn rumors_that_are_pushed_end() {
    ends(|_| RumorMongering::new(rumor::Config::push(3).age(AGE)).unwrap());
}

type Rumors = RumorMongering<u32, u32>;

/// What is sent as answer, push or mail; not questions.
fn copies(sim: &Simulation<Seat<Rumors>>) -> u64 {
    let sent = |node: &Rumors| {
        let rumor::Traffic { pushed, answered, mailed, .. } = node.traffic();
        pushed + answered + mailed
    };
    sim.nodes().map(|(_, node)| sent(&node.news)).sum()
}

#[test]
fn copies_of_rumors_that_are_pulled_end() {
    let silent = || Silent::new(copies);
    for config in [rumor::Config::pull(2), rumor::Config::push_pull(2), rumor::Config::minimised(2)]
    {
        ends_by(move |_| Rumors::new(config.age(AGE).mail(2)).unwrap(), silent);
    }
}

type Median = MedianCounter<u32, u32>;

#[test]
fn copies_of_the_median_counter_end() {
    let copies = |sim: &Simulation<Seat<Median>>| {
        let sent = |node: &Median| node.traffic().pushed + node.traffic().answered;
        sim.nodes().map(|(_, node)| sent(&node.news)).sum()
    };
    let config = median::Config::default().age(AGE);
    ends_by(move |_| Median::new(config).unwrap(), || Silent::new(copies));
}

#[test]
fn plumtree_falls_silent() {
    ends(|_| plumtree());
    let config = plumtree::Config {
        trees: Trees::PerOrigin,
        gather: Duration::from_millis(100),
        acknowledge: Duration::from_millis(100),
        age: AGE,
        ..plumtree::Config::default()
    };
    ends(move |_| Plumtree::new(config).unwrap());
}

#[test]
fn adaptive_dissemination_falls_silent() {
    let config = adaptive::Config { age: AGE, ..adaptive::Config::default() };
    ends(move |_| Adaptive::new(LeafBoxes::new(2, 2).unwrap(), config).unwrap());
}

fn accept(_: u32, _: Carried<'_, u32, u32>, _: u32) -> Verdict {
    Verdict::Accept
}

type Judge = fn(u32, Carried<'_, u32, u32>, u32) -> Verdict;
type Keys = fn(u32) -> Option<u32>;
type Proven = Signed<Plumtree<u32, Sealed<u32, u64>>, Keyed, Keys>;

#[test]
fn layers_around_it_fall_silent() {
    let patience = Patience::default();
    ends(move |_| Fifo::new(plumtree(), patience).unwrap());
    ends(move |_| Causal::new(plumtree::<Stamped<u32, u32>>(), patience).unwrap());
    ends(|_| Validated::new(plumtree(), accept as Judge, validate::Config::default()).unwrap());
    ends(|node| -> Proven {
        let signer = Authority::new(5).signer(node);
        Signed::new(plumtree(), signer, Some as Keys, 1_000).unwrap()
    });
}

type Large = Fragmented<Plumtree<u32, Fragment<64>>, 1_000>;

#[test]
fn pieces_end() {
    let all =
        trial(|_| -> Large { Fragmented::new(plumtree(), fragment::Config::default()).unwrap() });
    let all = (0..20_u32).fold(all, |all, number| {
        let value = Blob::new(vec![1; number as usize * 317 % 1_001]).unwrap();
        all.ask(Duration::from_millis(400) * number, number % NODES, Publish::new(value))
    });
    faulty(all)
        .check(|| vec![Box::new(DeliveredOnce::new(told::<Large>)), Box::new(Silent::default())]);
}

type Queued = Paced<Plumtree<u32, u32>>;

#[test]
fn what_was_queued_ends() {
    let all = trial(|_| -> Queued { Paced::new(plumtree(), pace::Config::default()).unwrap() });
    let all = (0..40).fold(all, |all, number: u32| {
        let (rank, ticket) = (number as u8 % 3, u64::from(number));
        let command = pace::Command::new(number, ticket).rank(rank);
        all.ask(Duration::from_millis(250) * number, number % NODES, command)
    });
    faulty(all).check(|| {
        vec![
            Box::new(DeliveredOnce::new(|event: &<Queued as gossip_core::Protocol>::Event| {
                event.delivered().map(|told| told.id)
            })),
            Box::new(Silent::default()),
        ]
    });
}

/// The control: rumors that live on for as long as a trial takes are still sent in the end.
#[test]
fn rumors_that_do_not_end_are_found_out() {
    let config = rumor::Config::push(60_000).age(200).memory(64 * 202);
    let trial = faulty(publishing(move |_| Rumors::new(config).unwrap()));
    let failure = trial.search(|| vec![Box::new(Silent::default())]);
    assert!(failure.is_err(), "silence, with rumors that are hot");
}
