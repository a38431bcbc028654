//! Readers of a sampler are level-triggered: whatever notices of change are lost, one look at the
//! current set puts them right, and the version tells whether that look is due.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::auth::{Authority, Signer};
use gossip_core::membership::fireflies::{self, Certificate};
use gossip_core::membership::{
    Config as SwimConfig, Fireflies, Heartbeats, PhiConfig, Swim, heartbeat,
};
use gossip_core::random::Key;
use gossip_core::sampling::{
    Allavena, Brahms, Cyclon, HyParView, Newscast, PeerSampling, Remembering, allavena, brahms,
    cyclon, framework, hyparview, newscast, remembered,
};
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{Layer, Peers};
use proptest::prelude::*;

/// What is known, each with the version at which its link was made.
type Snapshot = BTreeMap<u32, u64>;

fn snapshot(source: &impl Peers<Id = u32>) -> Snapshot {
    let mut known = Snapshot::new();
    source.for_each(|peer, made| _ = known.insert(peer, made));
    known
}

/// Remembers what it saw when it was last told.
#[derive(Default)]
struct Reader {
    version: u64,
    known: Snapshot,
    /// Peers that went since it last looked, with their versions then.
    gone: Snapshot,
    /// As of the latest call, told or not.
    latest: (u64, Snapshot),
    /// Whether links have versions of their own.
    versioned: bool,
}

impl Reader {
    /// A call is over: the reader is told of a change, unless the notice is `lost`.
    fn call(&mut self, now: (u64, Snapshot), lost: bool) -> Result<(), TestCaseError> {
        if now.0 == self.latest.0 {
            prop_assert_eq!(&now.1, &self.latest.1, "it changed under version {}", now.0);
            return Ok(());
        }
        self.latest = now;
        for (&peer, &made) in &self.known {
            if !self.latest.1.contains_key(&peer) {
                self.gone.insert(peer, made);
            }
        }
        for (peer, made) in self.gone.iter().filter(|_| self.versioned) {
            // A link that went and came back must show, however long nobody looked.
            prop_assert_ne!(self.latest.1.get(peer), Some(made), "peer {} came back", peer);
        }
        if !lost {
            self.look();
        }
        Ok(())
    }

    fn look(&mut self) {
        (self.version, self.known) = self.latest.clone();
        self.gone.clear();
    }

    /// A look if the version says that it is due: then it must be right.
    fn end(&mut self) -> Result<(), TestCaseError> {
        if self.version != self.latest.0 {
            self.look();
        }
        prop_assert_eq!(&self.known, &self.latest.1);
        Ok(())
    }
}

const NODES: u32 = 10;

/// Links of HyParView are connections, `versioned`: one that went and came back is another. Views
/// of the other samplers are hints, whose links all bear version 0.
///
/// Runs ten nodes with loss, crashes and returns; a reader at each loses this share of notices.
fn check<S>(node: S, versioned: bool, seed: u64, lost: f64) -> Result<(), TestCaseError>
where
    S: Layer<(), Id = u32> + Peers<Id = u32> + Clone + Send + 'static,
{
    check_each(move |_| node.clone(), versioned, seed, lost)
}

/// The same, of nodes made by `make`.
fn check_each<S>(
    make: impl FnMut(u32) -> S + Send + 'static,
    versioned: bool,
    seed: u64,
    lost: f64,
) -> Result<(), TestCaseError>
where
    S: Layer<(), Id = u32> + Peers<Id = u32> + Send + 'static,
{
    let network = Network::new(Latency::Constant(Duration::from_millis(20))).loss(0.1).unwrap();
    let config = Config::seeded(seed);
    let mut sim = Simulation::new(NODES, make, network, config).unwrap();
    let mut readers: Vec<Reader> =
        (0..NODES).map(|_| Reader { versioned, ..Reader::default() }).collect();
    let mut random = Key::new(seed).random(1);
    (1..NODES).for_each(|node| sim.contact(node, node / 2));
    for (at, reader) in readers.iter_mut().enumerate() {
        let node = sim.node(at as u32).unwrap();
        reader.latest = (node.version(), snapshot(node));
        reader.look();
    }
    for step in 0..1_500 {
        sim.step();
        if step % 200 == 100 {
            sim.crash(random.below(NODES as usize) as u32);
        }
        if step % 200 == 190 {
            (0..NODES).for_each(|node| _ = sim.revive(node));
        }
        for (node, state) in sim.nodes() {
            let now = (state.version(), snapshot(state));
            readers[node as usize].call(now, random.chance(lost))?;
        }
    }
    let moved = readers.iter().filter(|reader| reader.latest.0 > 0).count();
    prop_assert!(moved >= 5, "only {} nodes ever changed", moved);
    readers.iter_mut().try_for_each(Reader::end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cyclon_is_read_right(seed: u64, lost in 0.0..=1.0) {
        check(Cyclon::<u32, 5>::new(cyclon::Config::default()).unwrap(), false, seed, lost)?;
    }

    #[test]
    fn newscast_is_read_right(seed: u64, lost in 0.0..=1.0) {
        check(Newscast::<u32, 5>::new(newscast::Config::default()).unwrap(), false, seed, lost)?;
    }

    #[test]
    fn the_framework_is_read_right(seed: u64, lost in 0.0..=1.0) {
        for config in [framework::Config::healer(5), framework::Config::swapper(5)] {
            check(PeerSampling::<u32, 5>::new(config).unwrap(), false, seed, lost)?;
        }
    }

    #[test]
    fn allavena_is_read_right(seed: u64, lost in 0.0..=1.0) {
        check(Allavena::<u32, 5>::new(allavena::Config::default()).unwrap(), false, seed, lost)?;
    }

    #[test]
    fn brahms_is_read_right(seed: u64, lost in 0.0..=1.0) {
        check(Brahms::<u32, 5, 5>::new(brahms::Config::default()).unwrap(), false, seed, lost)?;
    }

    #[test]
    fn hyparview_is_read_right(seed: u64, lost in 0.0..=1.0) {
        let node = HyParView::<u32, 4, 24>::new(hyparview::Config::default()).unwrap();
        check(node.clone(), true, seed, lost)?;
        let memory = remembered::Config::default();
        check(Remembering::<_, 8>::new(node, memory).unwrap(), true, seed, lost)?;
    }

    /// A member that was dead and came back is another: its version moves.
    #[test]
    fn memberships_are_read_right(seed: u64, lost in 0.0..=1.0) {
        check(Swim::<u32>::new(SwimConfig::default()).unwrap(), true, seed, lost)?;
        let accrual = heartbeat::Config::accrual(PhiConfig::default()).unwrap();
        check(Heartbeats::<u32, _>::new(accrual).unwrap(), true, seed, lost)?;
        let gossip = heartbeat::Config::gossip(Duration::from_secs(6)).unwrap();
        check(Heartbeats::<u32, _>::new(gossip).unwrap(), true, seed, lost)?;
        let admitted = |at: u32| {
            let world = Authority::new(1);
            let (authority, signer) = (world.signer(u32::MAX), world.signer(at));
            let number = Key::new(1).random(at.into()).next_u64();
            let certificate = Certificate::issue(&authority, at, signer.key(), number);
            Fireflies::new(fireflies::Config::new(u32::MAX, 2), signer, certificate).unwrap()
        };
        check_each(admitted, true, seed, lost)?;
        let probing = heartbeat::Config::probing(Duration::from_millis(500)).unwrap();
        check(Heartbeats::<u32, _>::new(probing).unwrap(), true, seed, lost)?;
    }
}
