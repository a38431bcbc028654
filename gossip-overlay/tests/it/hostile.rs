//! T-Man among liars: rank ties, duplicate and unknown identifiers, itself, peers that vanish,
//! impossible profiles.

use gossip_core::context::Tap;
use gossip_core::sim::Oracle;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::{Bounded, Context, Layer, Leg, Peers, Protocol, Random, Time};
use gossip_overlay::rank::{Told, Torus};
use gossip_overlay::tman::{Command, Config, Event, Message, News, Talk};
use gossip_overlay::{Ranking, TMan};
use proptest::prelude::*;

type Place = [u32; 2];
type Honest = TMan<u32, Told<Torus<2>>, 8>;
type Said = Talk<u32, Place, 8>;

/// A torus of 4 times 4 places for all nodes, so that most distances are ties.
fn torus() -> Told<Torus<2>> {
    Told(Torus::new([4, 4]).unwrap())
}

/// An honest node, or one that says anything to anybody, and nothing true.
struct Node {
    inner: Honest,
    lies: bool,
}

impl Protocol for Node {
    type Id = u32;
    type Message = Said;
    type Event = Event;
    type Command = Command<Place>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }
}

/// A lie: some peers there are, some there are not, some twice, some in no place.
fn lie(to: u32, random: &mut Random) -> Said {
    let place = |random: &mut Random| [random.below(6) as u32, random.below(6) as u32];
    let mut news = Bounded::new();
    let count = random.below(9);
    news.fill((0..count).map(|_| {
        let id = if random.chance(0.2) { to } else { random.below(60) as u32 };
        let age = if random.chance(0.5) { 0 } else { random.next_u64() as u16 };
        News { id, age, profile: place(random) }
    }));
    let message = Message { profile: place(random), news };
    match random.below(6) {
        0 => Talk::Probe(place(random)),
        1 => Talk::Alive(place(random)),
        2 => Talk::Start,
        3 => Talk::Exchange(Leg::Reply(random.next_u64() as u32, message)),
        _ => Talk::Exchange(Leg::Request(random.next_u64() as u32, message)),
    }
}

impl<D: Peers<Id = u32>> Layer<D> for Node {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if !self.lies {
            let mut heard = Vec::new();
            return self.inner.on_round(below, &mut Tap::<Self, _, _>::new(cx, &mut heard));
        }
        for _ in 0..4 {
            if let Some(to) = below.sample(cx.rng()) {
                let lie = lie(to, cx.rng());
                cx.send(to, lie);
            }
        }
    }

    fn on_message(&mut self, below: &D, from: u32, said: Said, cx: &mut impl Context<Self>) {
        if !self.lies {
            let mut heard = Vec::new();
            let mut cx = Tap::<Self, _, _>::new(cx, &mut heard);
            self.inner.on_message(below, from, said, &mut cx);
        }
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let mut heard = Vec::new();
        self.inner.on_wake(below, &mut Tap::<Self, _, _>::new(cx, &mut heard));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn nothing_that_liars_say_breaks_a_view(
        n in 4_u32..50,
        liars in 1_u32..4,
        limit in 10_usize..40,
        seed: u64,
    ) {
        let nodes = (0..n).map(|node| {
            let config = Config::new(torus()).limit(limit).degree(8).profile([node % 4, node / 16]);
            Node { inner: Honest::new(config).unwrap(), lies: node < liars }
        });
        let oracle = Oracle::new(n, 10, seed, |_: &Node| Some(()));
        let mut sim = Simulation::with(nodes, seed, Order::Sequential, oracle, Perfect);
        for cycle in 0..24 {
            if cycle % 8 == 7 {
                sim.kill(n - 1 - cycle / 8);
            }
            sim.step();
            for (me, node) in sim.nodes().filter(|node| !node.1.lies) {
                let node = &node.inner;
                let mut view: Vec<u32> = node.view().collect();
                let count = view.len();
                view.sort_unstable();
                view.dedup();
                prop_assert_eq!(view.len(), count, "a peer twice at {}", me);
                prop_assert!(!view.contains(&me), "itself at {}", me);
                prop_assert!(count <= limit && node.links().len() <= 8);
                prop_assert!(node.links().all(|peer| view.contains(&peer)));
                let stands = |at| Ranking::<u32>::contains(&torus(), at);
                prop_assert!(node.places().all(|known| stands(known.1)), "nowhere at {}", me);
                let health = node.health();
                prop_assert!(health.right <= health.links && health.churn.is_finite());
            }
        }
        let refused = sim.counts().total("impossible profile");
        prop_assert!(refused > 0, "lies were told");
    }
}
