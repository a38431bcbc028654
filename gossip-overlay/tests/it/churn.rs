//! Structures while nodes are replaced, round by round.

use gossip_core::Layer;
use gossip_core::random::Key;
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::Link;

/// What `share` tells of `sim`, on average over `rounds` in which this share of the nodes is
/// replaced: those that come are made by `make`, and know one of those that are left.
pub(crate) fn mean_share<S: Layer<(), Id = u32>, L: Link>(
    sim: &mut Simulation<S, (), L>,
    rounds: u32,
    (churn, seed): (f64, u64),
    make: impl Fn() -> S,
    share: impl Fn(&Simulation<S, (), L>) -> f64,
) -> f64 {
    let (mut sum, mut owed) = (0.0, 0.0);
    for round in 0..rounds {
        owed += churn * sim.live() as f64;
        let mut live: Vec<u32> = sim.nodes().map(|node| node.0).collect();
        let mut random = Key::new(seed).with(7).random(round.into());
        let gone = owed as usize;
        owed -= gone as f64;
        let gone = random.choose(&mut live, gone).to_vec();
        sim.kill_all(gone.iter().copied());
        let left: Vec<u32> = sim.nodes().map(|node| node.0).collect();
        for _ in gone {
            let new = sim.join(make());
            sim.contact(new, *random.pick(&left).unwrap());
        }
        sim.step();
        sum += share(sim);
    }
    sum / f64::from(rounds)
}
