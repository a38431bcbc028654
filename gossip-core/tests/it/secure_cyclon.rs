//! Claims of the SecureCyclon paper (Antonov, Voulgaris, ICDCS 2023), and what must hold beyond
//! them.

use std::collections::BTreeSet;

use gossip_core::auth::{Authority, Keyed, Signer};
use gossip_core::random::Key;
use gossip_core::sampling::secure_cyclon::{Chain, Config, Message, Proof};
use gossip_core::sampling::{Cyclon, SecureCyclon, cyclon};
use gossip_core::sim::adversary::{Cheat, CyclonHub, Fraud, Member, SecureHub};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Link, Network, Perfect};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::testkit::{Bounds, Finally, Kinds, SoundViews, Trial, Violation};
use gossip_core::{Peers, Wire};

type Secure = SecureCyclon<u32, Keyed, 20>;
type Secured = Member<Secure, SecureHub<14>>;

/// `nodes` over a random graph in which each knows `size` others.
fn wired(nodes: u32, config: Config, seed: u64) -> Vec<Secure> {
    let authority = Authority::new(seed);
    let node = |at| Secure::new(config, authority.signer(at)).unwrap();
    let mut all: Vec<Secure> = (0..nodes).map(node).collect();
    for at in 0..nodes as usize {
        let mut random = Key::new(seed).with(9).random(at as u64);
        let mut known = BTreeSet::from([at]);
        while known.len() <= config.size.unwrap_or(20) {
            let other = random.below(nodes as usize);
            if known.insert(other) {
                let [one, two] = all.get_disjoint_mut([at, other]).unwrap();
                assert!(one.introduce(two, other as u32));
            }
        }
    }
    all
}

/// Every descriptor has one owner, and nobody is thought a cheat.
#[track_caller]
fn check_property<'a>(nodes: impl Iterator<Item = &'a Secure>, seed: u64) -> usize {
    let mut owned = BTreeSet::new();
    for node in nodes {
        for chain in node.owned() {
            assert!(owned.insert(chain.id()), "{:?} has two owners; seed {seed}", chain.id());
        }
        assert_eq!(node.culprits().next(), None, "a false proof; seed {seed}");
    }
    owned.len()
}

/// Without cheats it is Cyclon. At c = 20 and l = 3, in-degrees there have sd 1.22 (Cyclon, section
/// 4.3); the sd of 2,000 errs by 1.6 %, of which four, and the digits: 1.31 at most. They are not
/// equal: here it is .96, below Cyclon's (see the module's deviations). Descriptors are conserved:
/// n c of them in every cycle, each with one owner. Samples change nothing here, and cost time.
#[test]
fn without_cheats_it_is_cyclon_and_descriptors_are_property() {
    let seed = 1;
    let config = Config { samples: 0, ..Config::default() };
    let mut sim = Simulation::new(wired(2_000, config, seed), seed, Order::Sequential);
    for _ in 0..12 {
        sim.run(5);
        assert_eq!(check_property(sim.nodes().map(|(_, node)| node), seed), 40_000);
    }
    let rows = sim.nodes().map(|(at, node)| (at, node.view().collect::<Vec<_>>()));
    let mut degrees = vec![0_u32; 2_000];
    rows.for_each(|(_, view)| view.into_iter().for_each(|peer| degrees[peer as usize] += 1));
    let square = |&degree: &u32| (f64::from(degree) - 20.0) * (f64::from(degree) - 20.0);
    let sd = (degrees.iter().map(square).sum::<f64>() / 2_000.0).sqrt();
    assert!(sd < 1.22 + 0.09, "in-degree sd {sd}, Cyclon's is 1.22; seed {seed}");
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
    assert!(graph.undirected().is_connected());
}

/// `honest` honest nodes and `cheats` that turn at cycle 50.
fn attacked(
    (honest, cheats): (u32, u32),
    fraud: Fraud,
    seed: u64,
) -> Simulation<Secured, (), Perfect> {
    let authority = Authority::new(seed);
    let colluders: Vec<Keyed> = (honest..honest + cheats).map(|at| authority.signer(at)).collect();
    let config = Config { samples: 25, ..Config::default() };
    let nodes = wired(honest + cheats, config, seed).into_iter().zip(0..).map(|(node, at)| {
        let cheat = || SecureHub::new(honest, colluders.clone(), authority.signer(at), fraud);
        Member::new(node, (at >= honest).then(|| (50, cheat())))
    });
    Simulation::new(nodes, seed, Order::Sequential)
}

/// The share of entries in honest views that are of cheats.
fn caught(entries: impl Iterator<Item = u32>, honest: u32) -> f64 {
    let (mut all, mut bad) = (0, 0);
    entries.for_each(|peer| (all, bad) = (all + 1, bad + u32::from(peer >= honest)));
    f64::from(bad) / f64::from(all)
}

fn share(sim: &Simulation<Secured, (), Perfect>, honest: u32) -> f64 {
    let views = sim.nodes().filter(|(at, _)| *at < honest).flat_map(|(_, n)| n.honest().view());
    caught(views, honest)
}

/// Section 6, the hub attack: 20 of 1,000 nodes collude from cycle 50 on. Below .01 of the links in
/// honest views are theirs by cycle 150, and at least 99 % of the honest know all of them.
fn check_attack(size: (u32, u32), fraud: Fraud, seed: u64) {
    let (honest, cheats) = size;
    let mut sim = attacked(size, fraud, seed);
    sim.run(50);
    let before = share(&sim, honest);
    assert!(before < 0.04, "they begin as everybody: {before}; seed {seed}");
    sim.run(100);
    let after = share(&sim, honest);
    assert!(after < 0.01, "{after} of the links at cycle 150; {fraud:?} seed {seed}");
    let mut aware = 0;
    for (_, node) in sim.nodes().filter(|(at, _)| *at < honest) {
        let culprits: Vec<u32> = node.honest().culprits().collect();
        assert!(culprits.iter().all(|&at| at >= honest), "an honest culprit; seed {seed}");
        aware += u32::from(culprits.len() == cheats as usize);
    }
    assert!(f64::from(aware) >= 0.99 * f64::from(honest), "{aware} know them all; seed {seed}");
    let rows = sim.nodes().filter(|(at, _)| *at < honest);
    let graph = Graph::new(rows.map(|(at, node)| (at, neighbours(node.honest()))));
    assert!(graph.undirected().is_connected(), "seed {seed}");
    let links = graph.in_degree().mean;
    assert!(links > 19.0, "{links} links a node after the purge; seed {seed}");
}

#[test]
fn hub_of_cloners_is_found_out_and_purged() {
    check_attack((294, 6), Fraud::Cloning, 2);
}

#[test]
fn hub_of_those_who_make_too_many_is_found_out_and_purged() {
    check_attack((294, 6), Fraud::Frequency, 3);
}

#[test]
#[ignore = "soak: the paper's size, about 10 s"]
fn soak_hub_of_20_in_1_000() {
    check_attack((980, 20), Fraud::Cloning, 4);
    check_attack((980, 20), Fraud::Frequency, 5);
}

/// The control: plain Cyclon is taken over. Section 6: entirely, by 20 of 1,000; at least .9 of the
/// links by cycle 200.
#[test]
fn control_hub_takes_cyclon_over() {
    let (honest, cheats, seed) = (980, 20, 6);
    let config = cyclon::Config { shuffle: 3, size: Some(20), ..cyclon::Config::default() };
    let hub = CyclonHub { honest, colluders: cheats, shuffle: 20 };
    let nodes = (0..honest + cheats).map(|at| {
        let mut node = Cyclon::<u32, 20>::new(config).unwrap();
        let mut random = Key::new(seed).with(9).random(at.into());
        while node.degree() < 20 {
            let other = random.below(1_000) as u32;
            if other != at {
                node.inner_mut().introduce(other, ());
            }
        }
        Member::new(node, (at >= honest).then(|| (50, hub.clone())))
    });
    let mut sim = Simulation::new(nodes, seed, Order::Sequential);
    sim.run(200);
    let honest_views = sim.nodes().filter(|(at, _)| *at < honest);
    let views = honest_views.flat_map(|(_, node)| neighbours(node.honest()));
    let share = caught(views, honest);
    assert!(share >= 0.9, "{share} of the links are the hub's; seed {seed}");
}

/// A chain of transfers among signers 0, 1, 2, ...
fn chain(authority: &Authority, owners: &[u32]) -> Chain<u32, u32, u64, 4> {
    let mut chain = Chain::new(owners[0], owners[0], 77);
    for pair in owners.windows(2) {
        assert!(chain.transfer(&authority.signer(pair[0]), pair[1], 5));
    }
    chain
}

/// Two chains of a descriptor prove nothing if one continues the other; else they prove that the
/// last owner they share signed twice. What is forged proves nothing.
#[test]
fn forks_are_proofs_and_prefixes_are_not() {
    let authority = Authority::new(7);
    let anyone = authority.signer(9);
    let long = chain(&authority, &[0, 1, 2, 3]);
    let short = chain(&authority, &[0, 1, 2]);
    assert!(long.verify(&anyone) && short.verify(&anyone));
    assert_eq!((long.fork(&short), short.fork(&long), long.fork(&long)), (None, None, None));
    for (owners, culprit) in
        [(&[0, 2][..], 0), (&[0, 1, 3], 1), (&[0, 1, 2, 1], 2), (&[0, 2, 1, 3], 0)]
    {
        let proof = long.fork(&chain(&authority, owners)).unwrap();
        assert!(proof.verify(&anyone));
        assert_eq!(proof.culprit, culprit);
        for forged in [
            Proof { culprit: culprit + 1, ..proof.clone() },
            Proof { other: proof.one, ..proof.clone() },
            Proof { period: 78, ..proof.clone() },
            Proof { at: proof.at ^ 1, ..proof.clone() },
            Proof { before: Some(1), ..proof.clone() },
        ] {
            assert!(!forged.verify(&anyone), "{forged:?}");
        }
    }
    // To redeem one and give it away is to sign twice.
    let mut redeemed = short.clone();
    redeemed.redeem(&authority.signer(2));
    assert!(redeemed.verify(&anyone));
    assert_eq!(redeemed.fork(&long).unwrap().culprit, 2);
    // Another address is another descriptor, of the same period.
    let mut moved = Chain::new(0, 50, 77);
    moved.transfer(&authority.signer(0), 1, 5);
    let proof = moved.fork(&long).unwrap();
    assert!(proof.verify(&anyone) && proof.culprit == 0);
    let mut stolen = short.clone();
    stolen.transfer(&authority.signer(8), 8, 5);
    assert!(!stolen.verify(&anyone), "only the owner can sign it over");
    let mut full = chain(&authority, &[0, 1, 2, 3, 4]);
    assert!(!full.is_transferable() && !full.transfer(&authority.signer(4), 5, 5));
    full.redeem(&authority.signer(4));
    assert!(full.verify(&anyone), "it can be redeemed still");
    assert_eq!(full.fork(&short), None);
}

/// Sends forgeries of every kind to node 0: without `authority` it can sign as itself only.
#[derive(Clone, Debug)]
struct Forger {
    own: Keyed,
}

impl Cheat<Secure> for Forger {
    fn on_round(&mut self, cx: &mut impl gossip_core::Context<Secure>) {
        let now = Secure::FIRST + u64::from(cx.round());
        let me = self.own.key();
        let mut theirs = Chain::new(1, 1, now);
        theirs.transfer(&self.own, me, 0);
        let mut other = theirs.clone();
        other.transfer(&self.own, 2, 0);
        theirs.transfer(&self.own, 0, 0);
        cx.send(0, Message::Sample(theirs.clone()));
        cx.send(0, Message::Proof(theirs.fork(&other).map(|p| Proof { culprit: 1, ..p }).unwrap()));
        cx.send(0, Message::Give(0, 0, theirs.clone()));
        let mut own = Chain::new(0, 0, now);
        own.transfer(&self.own, me, 0);
        own.redeem(&self.own);
        cx.send(0, Message::Redeem(1, own));
        cx.send(0, Message::Visit(2, me));
    }

    fn on_message(
        &mut self,
        from: u32,
        message: <Secure as gossip_core::Protocol>::Message,
        cx: &mut impl gossip_core::Context<Secure>,
    ) {
        // Answers gifts with what is not its own, and with too old and too new ones.
        if let Message::Give(_, number, _) = message {
            let now = Secure::FIRST + u64::from(cx.round());
            for period in [now, now - 81, now + 5, u64::MAX, 0] {
                let mut chain = Chain::new(1, 1, period);
                chain.transfer(&self.own, from, number);
                cx.send(from, Message::Give(number, 2, chain));
                let mut chain = Chain::new(self.own.key(), self.own.key(), period);
                chain.transfer(&self.own, from, number);
                cx.send(from, Message::Give(number, 2, chain));
            }
        }
    }
}

/// Forged chains, signatures of others and stale descriptors are ignored and counted; nobody is
/// taken for a cheat for them.
#[test]
fn forgeries_are_ignored_and_counted() {
    let seed = 8;
    let authority = Authority::new(seed);
    let nodes = wired(60, Config::default(), seed).into_iter().zip(0..).map(|(node, at)| {
        Member::new(node, (at == 59).then(|| (5, Forger { own: authority.signer(59) })))
    });
    let mut sim = Simulation::new(nodes, seed, Order::Sequential);
    sim.run(60);
    for cause in [
        "gift with a bad chain",
        "gift not expected",
        "proof that proves nothing",
        "redeemed with a bad chain",
        "descriptor from the future",
        "descriptor too old",
    ] {
        assert!(sim.counts().iter().any(|(_, name, _)| name == cause), "{cause} was not counted");
    }
    let honest = sim.nodes().filter(|(at, _)| *at < 59).map(|(_, node)| node.honest());
    for node in honest {
        assert!(node.culprits().all(|culprit| culprit == 59), "an honest culprit; seed {seed}");
        assert!(node.view().len() >= 18, "a view of {}", node.view().len());
    }
}

/// Whatever the network and crashes do, nobody is taken for a cheat, and tables stay bounded.
#[test]
fn honest_nodes_are_never_convicted() {
    let authority = Authority::new(11);
    let make = move |at| SecureCyclon::<u32, _, 6>::new(Config::default(), authority.signer(at));
    Trial::new(10, move |at| make(at).unwrap())
        .faults(Kinds::NETWORK | Kinds::CRASHES | Kinds::CHURN)
        .cases(64)
        .check(|| {
            type Small = SecureCyclon<u32, Keyed, 6>;
            let innocent = |sim: &gossip_core::sim::event::Simulation<Small>| {
                let convicted = sim.nodes().find(|(_, node)| node.culprits().next().is_some());
                Violation::unless(convicted.is_none(), || format!("convicted: {convicted:?}"))
            };
            vec![
                Box::new(SoundViews::new(7, |node: &Small| node)),
                Box::new(Bounds::new("samples", 40, Small::remembered)),
                Box::new(Bounds::new("exchanges", 8, Small::exchanges)),
                Box::new(innocent),
                Box::new(Finally::new(innocent)),
            ]
        });
}

/// Loss makes gaps, and copies fill them: as Cyclon, nodes keep 18 links of 20 at 10 % loss, though
/// what is lost is lost for good. Nothing is owned twice, and nobody convicted.
#[test]
fn views_stay_full_and_property_single_under_loss_and_repetition() {
    let seed = 12;
    let network = Network::default().loss(0.1).unwrap().duplication(0.2).unwrap();
    let config = Config { samples: 25, ..Config::default() };
    let nodes = wired(300, config, seed);
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, (), network);
    for _ in 0..10 {
        sim.run(10);
        check_property(sim.nodes().map(|(_, node)| node), seed);
    }
    let links: usize = sim.nodes().map(|(_, node)| node.view().len()).sum();
    assert!(links > 18 * 300, "{} links a node; seed {seed}", links as f64 / 300.0);
    assert!(mean_owned(&sim) > 10.0, "{} owned; seed {seed}", mean_owned(&sim));
}

fn mean_owned<L: Link>(sim: &Simulation<Secure, (), L>) -> f64 {
    sim.nodes().map(|(_, node)| node.owned().count()).sum::<usize>() as f64 / sim.live() as f64
}

/// Newcomers with a contact each grow their views to full, without anything given in advance.
#[test]
fn newcomers_fill_their_views() {
    let authority = Authority::new(13);
    let node = |at| Secure::new(Config::default(), authority.signer(at)).unwrap();
    let mut sim = Simulation::new((0..200).map(node), 13, Order::Sequential);
    (1..200).for_each(|node| sim.contact(node, node / 2));
    sim.run(100);
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
    assert!(graph.undirected().is_connected());
    assert!(sim.nodes().all(|(_, node)| node.view().len() >= 19));
    check_property(sim.nodes().map(|(_, node)| node), 13);
}

/// Links to the dead leave: half of the nodes crash, and after 2 c cycles nobody knows them.
#[test]
fn the_dead_are_forgotten() {
    let seed = 14;
    let config = Config { samples: 0, ..Config::default() };
    let mut sim = Simulation::new(wired(400, config, seed), seed, Order::Sequential);
    sim.run(30);
    sim.kill_all((0..400).step_by(2));
    sim.run(60);
    let dead = sim.nodes().flat_map(|(_, node)| node.view()).filter(|at| at % 2 == 0).count();
    assert_eq!(dead, 0, "links to the dead; seed {seed}");
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
    assert!(graph.undirected().is_connected(), "seed {seed}");
}

/// A message is a datagram's: 15 signed steps with the simulator's keys.
#[test]
fn messages_are_bounded() {
    const { assert!(<Message<u32, u32, u64, 14> as Wire>::MAX_LEN <= 400) }
    #[cfg(feature = "secure")]
    const {
        type Signature = ([u8; 32], [u8; 32]);
        type Frame = Message<std::net::SocketAddr, [u8; 32], Signature, 9>;
        assert!(<Frame as Wire>::MAX_LEN + 10 <= gossip_core::packet::BUDGET);
    }
}

/// The same protocol with real signatures.
#[cfg(feature = "secure")]
#[test]
fn it_runs_over_ed25519() {
    use gossip_core::auth::Ed25519;

    let node = |at: u8| {
        let config = Config { samples: 4, ..Config::default() };
        SecureCyclon::<u32, _, 6, 9>::new(config, Ed25519::from_secret(&[at; 32])).unwrap()
    };
    let mut sim = Simulation::new((0..10).map(node), 15, Order::Sequential);
    (1..10).for_each(|node| sim.contact(node, 0));
    sim.run(20);
    assert!(sim.nodes().all(|(_, node)| node.culprits().next().is_none()));
    assert!(sim.nodes().all(|(_, node)| node.view().len() >= 4));
}
