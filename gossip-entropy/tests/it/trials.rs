//! Replicas under schedules of faults: in the end all have the same, and nothing deleted is back.

use std::time::Duration;

use gossip_core::sim::event::Simulation;
use gossip_core::testkit::{Finally, Invariants, Kinds, Trial, Violation};
use gossip_core::{PeerId, Protocol, sampling::Fixed, stack};
use gossip_entropy::{Command, Config, Replica};

stack! {
    /// A replica that knows all others.
    #[derive(Clone, Debug)]
    struct Site<I: PeerId> {
        peers: Fixed<I, 8>,
        #[uses(peers)]
        data: Replica<I, 16, 32>,
    }
}

type Asked = <Site<u32> as Protocol>::Command;

const NODES: u32 = 6;

fn site(at: u32) -> Site<u32> {
    let others = (0..NODES).filter(|&peer| peer != at);
    // Half of them keep sketches: those with and without understand each other.
    let config = Config { sketches: at % 2 == 1, ..Config::default() };
    Site::new(Fixed::new(others), Replica::new(config).unwrap())
}

fn set(key: &str, value: &str) -> Asked {
    Asked::data(Command::set(key, value).unwrap())
}

/// Writes at all nodes while the faults last, to common keys and to own ones. Node 0, of which
/// [`trial`] says that it is not harmed, deletes a key that it has set.
fn trial() -> Trial<Site<u32>> {
    let second = Duration::from_secs;
    let mut trial = Trial::new(NODES, site).ask(second(1), 0, set("gone", "soon")).ask(
        second(3),
        0,
        Asked::data(Command::delete("gone").unwrap()),
    );
    for step in 0..20 {
        let (node, value) = (step as u32 % NODES, format!("{step}"));
        trial = trial.ask(second(step), node, set("common", &value));
        trial = trial.ask(second(step), node, set(&format!("own {step}"), &value));
    }
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(20));
    trial.schedule(20, span, rest).healing().cases(48)
}

/// The same entries everywhere; and what was deleted by the last who wrote it is nowhere.
fn agree(sim: &Simulation<Site<u32>>) -> Result<(), Violation> {
    let digests: Vec<(u32, u64)> = sim.nodes().map(|(at, node)| (at, node.data.digest())).collect();
    let same = digests.windows(2).all(|two| two[0].1 == two[1].1);
    Violation::unless(same, || format!("replicas differ: {digests:x?}"))
}

fn is_gone(sim: &Simulation<Site<u32>>) -> Result<(), Violation> {
    sim.nodes().try_for_each(|(at, node)| {
        let value = node.data.get(b"gone");
        Violation::unless(value.is_none(), || format!("what was deleted is back at {at}"))
    })
}

/// A site that has seen the deletion never has the value again, unless it lost its state.
fn nothing_resurrects() -> impl FnMut(&Simulation<Site<u32>>) -> Result<(), Violation> {
    let mut buried = vec![None; 64];
    move |sim: &Simulation<Site<u32>>| {
        for (at, node) in sim.nodes() {
            let (life, grave) = (sim.restarts(at), &mut buried[at as usize]);
            let known = node.data.stamp(b"gone").is_some();
            match node.data.get(b"gone") {
                Some(_) if *grave == Some(life) => {
                    return Err(Violation(format!("what was deleted is back at {at}")));
                }
                None if known => *grave = Some(life),
                _ => {}
            }
        }
        Ok(())
    }
}

fn invariants() -> Invariants<Site<u32>> {
    vec![
        Box::new(nothing_resurrects()),
        Box::new(Finally::new(agree)),
        Box::new(Finally::new(is_gone)),
    ]
}

/// Reference: Demers et al. 1987, section 1.3: anti-entropy ends with the same everywhere, whatever
/// was lost. Without `restart` for node 0 there is one that remembers the deletion.
#[test]
fn replicas_agree_after_all_faults_and_nothing_deleted_is_back() {
    let kinds = Kinds::NETWORK | Kinds::PAUSES;
    trial().faults(kinds).check(invariants);
}

/// With crashes, also of those that alone knew of a write: all agree on what is left.
#[test]
fn replicas_agree_after_crashes() {
    trial()
        .faults(Kinds::NETWORK | Kinds::CRASHES)
        .check(|| vec![Box::new(nothing_resurrects()), Box::new(Finally::new(agree))]);
}
