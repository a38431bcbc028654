//! What nodes know of their own part in a structure, before and after failures, and what they say.
//!
//! T-Man's is in `repair.rs`, the bootstrapping service's in `bootstrap_repair.rs`, GAP's in the
//! example of its module.

use gossip_core::Finite;
use gossip_overlay::chord::{self, Fingers};
use gossip_overlay::slicing::{
    Command, Event, Jk, Ranking, Sliced, Slices, Sliver, jk, ranking, sliver,
};

use super::chord::{Event as Routes, Sim, formed_with};
use super::slicing::{Slicing, ideal};

/// How many have said each: that they have converged, and that they no longer have.
fn said(sim: &mut Sim) -> (usize, usize) {
    let (mut converged, mut disturbed) = (0, 0);
    for (_, event) in sim.events().take() {
        match event {
            Routes::routes(chord::Event::Converged) => converged += 1,
            Routes::routes(chord::Event::Disturbed) => disturbed += 1,
            _ => {}
        }
    }
    (converged, disturbed)
}

/// Fingers at N = 256: a turn through the intervals takes some 7 rounds. Once the ring has stood
/// for some turns all have said so and every finger has been found again in the last one; those
/// that died are not, at first, and later are no fingers. A third of the nodes dies, so of each
/// node's 6 fingers or so, all live with probability .09: at least half of the 171 are disturbed,
/// by far (binomial).
#[test]
fn chord_doubts_fingers_that_died_and_converges_again() {
    let mut sim = formed_with(256, 1, 20, Fingers::LookedUp);
    sim.run(60);
    let count = |sim: &Sim, what: fn(&gossip_overlay::Health) -> usize| -> usize {
        sim.nodes().map(|(_, node)| what(&node.routes.health())).sum()
    };
    let doubtful = |sim: &Sim| count(sim, |health| health.links - health.right);
    let unsettled = |sim: &Sim| count(sim, |health| usize::from(!health.converged));
    assert_eq!((doubtful(&sim), unsettled(&sim)), (0, 0), "seed 1");
    assert!(count(&sim, |health| health.links) >= 256 * 4, "the control: there are fingers");
    let (converged, disturbed) = said(&mut sim);
    assert_eq!(converged - disturbed, 256, "seed 1");
    sim.kill_all((0..256).filter(|node| node % 3 == 1));
    sim.run(10);
    assert!(unsettled(&sim) > 85, "{}, seed 1", unsettled(&sim));
    assert!(doubtful(&sim) > 0, "seed 1");
    sim.run(80);
    assert_eq!((doubtful(&sim), unsettled(&sim)), (0, 0), "seed 1");
    let (converged, disturbed) = said(&mut sim);
    assert!(converged == disturbed && disturbed > 85, "{converged} {disturbed}, seed 1");
    assert!(count(&sim, |health| health.buried as usize) > 0, "seed 1");
}

fn upper_quarter() -> Slices {
    Slices::top(0.25).unwrap()
}

/// Events of one kind.
fn count(events: &[(u32, Event)], kind: Event) -> usize {
    events.iter().filter(|told| told.1 == kind).count()
}

/// Sliver, N = 300, 20 peers a round, forgotten after 100: one is not heard of for so long with
/// probability .93^100 = 7e-4, so nearly all are known. The sd of a position is at most .031:
/// those further than .1 from the boundary are sure with .99, and those nearer than .02 with less
/// than .5. The lowest third dies; its nodes are forgotten 100 rounds after they were last heard
/// of, all within some 15 rounds, and the boundary moves from rank 225 to 250.
#[test]
fn sliver_tells_who_is_sure_and_what_it_has_forgotten() {
    let slices = upper_quarter();
    let mut sim = ideal(300, 20, 1, |node| {
        let (attribute, slices) = (node.into(), slices.clone());
        let config = sliver::Config { attribute, slices, timeout: 100, limit: 1_000 };
        Sliver::<u32>::new(config).unwrap()
    });
    sim.run(120);
    let check = |sim: &Slicing<Sliver<u32>>, boundary: u32, others: u64| {
        for (id, node) in sim.nodes() {
            let (health, off) = (node.health(), f64::from(id.abs_diff(boundary)) / others as f64);
            assert!(health.samples + 3 >= others && health.samples <= others, "{health:?}");
            assert!(health.oldest < 100, "{health:?}");
            assert!(off < 0.1 || health.converged && health.right > 0.9, "{id}: {health:?}");
            assert!(off > 0.02 || health.right < 0.9, "the control, {id}: {health:?}");
            assert_eq!(node.confidence(), Some(health.right));
        }
    };
    let churn = |sim: &Slicing<Sliver<u32>>| {
        sim.nodes().map(|(_, node)| node.health().churn).sum::<f64>() / sim.live() as f64
    };
    check(&sim, 225, 299);
    assert!(churn(&sim) < 0.5, "{}", churn(&sim));
    let told: Vec<_> = sim.events().take().collect();
    assert!(count(&told, Event::Converged) >= 300 * 4 / 5);
    sim.kill_all(0..100);
    sim.run(100);
    assert!(churn(&sim) > 2.0, "{}", churn(&sim));
    sim.run(60);
    check(&sim, 250, 199);
    // Those between the two boundaries are in another slice, and nobody else.
    let told: Vec<_> = sim.events().take().collect();
    let down = Event::Moved { from: Some(1), to: 0 };
    assert!(count(&told, down) >= 20 && count(&told, Event::Disturbed) >= 10, "{told:?}");
}

/// Ranking: without a window nothing is lost, and the oldest sample is from the start. Of a window
/// of 400 as many go as come, 22 a round on average, so that the oldest is 18 rounds old; those
/// at a boundary are sent more, up to twice that.
#[test]
fn ranking_tells_how_old_its_samples_are() {
    let slices = upper_quarter();
    let run = |window| {
        let mut sim = ideal(300, 20, 2, |node| {
            let (attribute, slices) = (node.into(), slices.clone());
            Ranking::<u32>::new(ranking::Config { attribute, slices, window }).unwrap()
        });
        sim.run(120);
        let told: Vec<_> = sim.events().take().collect();
        assert!(count(&told, Event::Converged) >= 300 * 3 / 5, "{window:?}");
        sim.nodes().map(|(_, node)| node.health()).collect::<Vec<_>>()
    };
    for health in run(None) {
        assert!((health.churn, health.oldest) == (0.0, 120), "{health:?}");
        assert!(health.samples >= 120 * 19, "{health:?}");
    }
    for health in run(Some(400)) {
        assert!(health.samples == 400 && (6..=21).contains(&health.oldest), "{health:?}");
        assert!((19.0..70.0).contains(&health.churn), "{health:?}");
    }
}

/// JK: sorted, nobody meets a neighbour out of order; a node with another attribute doubts at once,
/// and is sure again once it has its place.
#[test]
fn jk_doubts_its_slice_with_another_attribute() {
    let slices = upper_quarter();
    let mut sim = ideal(300, 20, 3, |node| {
        Jk::<u32>::new(jk::Config { attribute: node.into(), slices: slices.clone() }).unwrap()
    });
    sim.run(5);
    assert!(sim.nodes().all(|(_, node)| !node.health().converged), "the control");
    sim.run(145);
    for (id, node) in sim.nodes() {
        let health = node.health();
        assert!(health.converged && health.right > 0.9 && health.churn < 0.1, "{id}: {health:?}");
        assert!(health.samples > 0 && health.oldest > 0, "{id}: {health:?}");
    }
    let told: Vec<_> = sim.events().take().collect();
    assert_eq!(count(&told, Event::Converged) - count(&told, Event::Disturbed), 300);
    sim.command(3, Command::SetAttribute(Finite::new(1e9).unwrap())).unwrap();
    let health = sim.node(3).unwrap().health();
    assert!(!health.converged && health.right == 0.0, "{health:?}");
    assert!(sim.events().take().eq([(3, Event::Disturbed)]));
    sim.run(150);
    assert!(sim.nodes().all(|(_, node)| node.health().converged));
    assert_eq!(sim.node(3).unwrap().slice(), Some(1));
}
