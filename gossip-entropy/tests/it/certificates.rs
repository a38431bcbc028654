//! Death certificates: Demers et al. 1987, section 2.

use std::time::Duration;

use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_entropy::message::State;
use gossip_entropy::{Command, Config, Merged};

use crate::pair::{Data, Pair, WALL, entry};
use crate::spread::Everybody;

/// The paper's figures: 15 days active, 1,125 more at the sites.
const DAY: Duration = Duration::from_secs(86_400);

fn empty(config: Config) -> Data {
    Data::new(config).unwrap()
}

/// Node 0 sets `k`, both have it, node 0 deletes it and names node 1, both know; 16 days pass. Then
/// the pair, and what a third had that was cut off before the deletion.
fn buried(config: Config) -> (Pair, Data) {
    let mut pair = Pair::new(5, [empty(config), empty(config)]);
    pair.set(0, "k", "v");
    assert!(pair.settle(5) < 5);
    let stale = pair.data(0).clone();
    pair.delete(0, "k");
    assert!(pair.settle(5) < 5);
    assert_eq!([0, 1].map(|node| pair.data(node).deleted()), [1, 1]);
    pair.sleep(16 * DAY);
    pair.round();
    (pair, stale)
}

/// The stale replica meets node 1 on day `day`.
fn meet(site: &Data, stale: Data, day: u32) -> Pair {
    let mut pair = Pair::new(6, [stale, site.clone()]);
    pair.sleep(day * DAY);
    assert!(pair.settle(5) < 5);
    pair
}

#[test]
fn after_tau1_a_certificate_is_dormant_at_its_sites_and_nowhere_else() {
    let (pair, _) = buried(Config::default());
    assert_eq!([0, 1].map(|node| pair.data(node).deleted()), [0, 0]);
    assert_eq!([0, 1].map(|node| pair.data(node).dormant()), [0, 1]);
    assert!(pair.is_settled(), "a dormant certificate does not spread");
}

/// Section 2.2: an obsolete item that meets a dormant certificate is cancelled. The control: no
/// site, and the item is back. After tau1 + tau2 the item's replica sets it aside.
#[test]
fn a_dormant_certificate_awakens_when_it_meets_an_obsolete_item() {
    let (pair, stale) = buried(Config::default());
    let met = meet(pair.data(1), stale.clone(), 16);
    assert_eq!([0, 1].map(|node| met.data(node).get(b"k")), [None, None]);
    assert_eq!([0, 1].map(|node| met.data(node).deleted()), [1, 1], "active again at both");
    assert_eq!(met.counts().total("awakened"), 1);

    let late = meet(pair.data(1), stale, 1_141);
    assert_eq!([0, 1].map(|node| late.data(node).get(b"k")), [None, None]);
    assert_eq!(late.data(0).aside().count(), 1);

    let (pair, stale) = buried(Config { sites: 0, ..Config::default() });
    let met = meet(pair.data(1), stale, 16);
    assert_eq!([0, 1].map(|node| met.data(node).get(b"k")), [Some(&b"v"[..]); 2]);
}

/// Section 2.3: what was set again after the deletion, before the certificate awoke, stays when the
/// two meet. The control is a certificate of which the ordinary stamp was set to the awakening.
#[test]
fn a_reinstatement_survives_an_awakened_certificate() {
    let (pair, stale) = buried(Config::default());
    let deleted = WALL + 2_000_000;
    let again = entry("k", deleted + DAY.as_micros() as u64, 7, Some("again"));
    let mut reinstated = empty(Config::default());
    reinstated.restore(again.clone(), pair.wall());

    let met = meet(pair.data(1), stale, 16);
    let both = meet(met.data(1), reinstated.clone(), 17);
    assert_eq!([0, 1].map(|node| both.data(node).get(b"k")), [Some(&b"again"[..]); 2]);

    let mut wrong = empty(Config::default());
    wrong.restore(entry("k", pair.wall(), 0, None), pair.wall());
    assert_eq!(wrong.restore(again, pair.wall()), Merged::Older, "the control");

    // Without having been awoken, too: the certificate has no more to do then.
    let both = meet(pair.data(1), reinstated, 17);
    assert_eq!([0, 1].map(|node| both.data(node).get(b"k")), [Some(&b"again"[..]); 2]);
    assert_eq!(both.data(1).dormant(), 0);
}

/// Section 2.3: the activation timestamp says when a certificate is discarded; the ordinary one
/// stays. Awoken on day 16, it is active until day 31, dormant until 1,156.
#[test]
fn the_activation_timestamp_decides_when_a_certificate_is_discarded() {
    let (pair, stale) = buried(Config::default());
    let stamp = |data: &Data| data.entries().next().map(|entry| entry.stamp);
    let before = stamp(pair.data(1));
    let mut met = meet(pair.data(1), stale, 16);
    assert_eq!(stamp(met.data(1)), before);
    let rest =
        |pair: &Pair| [0, 1].map(|node| (pair.data(node).deleted(), pair.data(node).dormant()));
    for (days, expected) in [
        (14, [(1, 0), (1, 0)]),
        (2, [(0, 0), (0, 1)]),
        (1_123, [(0, 0), (0, 1)]),
        (2, [(0, 0), (0, 0)]),
    ] {
        met.sleep(days * DAY);
        met.round();
        assert_eq!(rest(&met), expected, "after {days} days more");
    }
}

/// Section 2.2: with half of the servers gone, all r sites are lost with probability 2^-r, here
/// with n = 300 and r = 4, drawn without replacement: 150 149 148 147 / (300 299 298 297) = .0607.
/// 6,000 deletions: sd .0031, 4 of them .0124. r = 2 must fail this (.2492).
#[test]
fn all_sites_of_a_deletion_are_lost_with_the_published_probability() {
    let lost = |sites: u8| {
        let config = Config { sites, ..Config::default() };
        let replicas = (0..300).map(|_| empty(config));
        let world = Everybody { me: 0, nodes: 300 };
        let mut sim = Simulation::with(replicas, 11, Order::Sequential, world, Perfect);
        for key in 0..6_000 {
            sim.command(key % 300, Command::delete(format!("k{key}")).unwrap()).unwrap();
        }
        let mut nodes: Vec<u32> = (0..300).collect();
        Key::new(11).random(3).shuffle(&mut nodes);
        let dead = &nodes[..150];
        let mut lost = 0;
        for (_, data) in sim.nodes() {
            for entry in data.entries() {
                let State::Deleted(grave) = entry.state else { panic!("only deletions") };
                assert_eq!(grave.sites.len(), usize::from(sites));
                lost += u32::from(grave.sites.iter().all(|site| dead.contains(site)));
            }
        }
        f64::from(lost) / 6_000.0
    };
    let (four, two) = (lost(4), lost(2));
    println!("lost with 4 sites: {four}, with 2: {two}");
    assert!((four - 0.0607).abs() < 0.0124, "seed 11: {four}");
    assert!((two - 0.0607).abs() > 0.0124, "the control passes: {two}");
}

/// Section 2.2: tau2 = (tau - tau1) n / r takes the room of tau days everywhere: 1,125 days for 300
/// servers, r = 4, tau = 30 days and tau1 = 15.
#[test]
fn the_stock_tau2_takes_the_room_of_thirty_days_everywhere() {
    let Config { tau1, tau2, sites, .. } = Config::default();
    assert_eq!(tau1, 15 * DAY);
    assert_eq!(u32::from(sites) * tau2 + 300 * tau1, 300 * 30 * DAY);
}

/// Section 2.2: n replicas keep r of the n copies of each certificate: n = 30, 600 deletions, r = 4
/// is 80 each, sd sqrt(600 x 4/30 x 26/30) = 8.3; five of them, for 30 nodes, is 42.
#[test]
fn dormant_certificates_take_r_over_n_of_the_room_of_active_ones() {
    let (tau1, tau2) = (Duration::from_secs(30), Duration::from_secs(60));
    let config = Config { tau1, tau2, ..Config::default() };
    let world = Everybody { me: 0, nodes: 30 };
    let replicas = (0..30).map(|_| empty(config));
    let mut sim = Simulation::with(replicas, 4, Order::Sequential, world, Perfect);
    for key in 0..600 {
        sim.command(key % 30, Command::delete(format!("k{key}")).unwrap()).unwrap();
    }
    sim.run(20);
    assert!(sim.nodes().all(|(_, data)| (data.deleted(), data.dormant()) == (600, 0)));
    sim.run(20);
    let dormant: Vec<usize> = sim.nodes().map(|(_, data)| data.dormant()).collect();
    assert!(sim.nodes().all(|(_, data)| data.deleted() == 0));
    assert_eq!(dormant.iter().sum::<usize>(), 600 * 4);
    assert!(dormant.iter().all(|&kept| kept.abs_diff(80) <= 42), "seed 4: {dormant:?}");
    sim.run(60);
    assert!(sim.nodes().all(|(_, data)| data.dormant() == 0));
}

/// Keys, certificates and dormant ones together stay within the capacity, whatever is deleted; what
/// found no room is counted.
#[test]
fn certificates_stay_within_the_capacity() {
    let config = Config { capacity: 50, ..Config::default() };
    let mut pair = Pair::new(2, [empty(config), empty(config)]);
    let mut refused = 0;
    for step in 0..200 {
        let delete = Command::delete(format!("{step}")).unwrap();
        refused += u32::from(pair.command(step % 2, delete).is_err());
        pair.sleep(DAY);
        pair.round();
        for node in [0, 1] {
            let data = pair.data(node);
            assert!(data.len() + data.deleted() + data.dormant() <= 50, "step {step}");
        }
    }
    assert!(refused > 0, "the bound was reached");
}
