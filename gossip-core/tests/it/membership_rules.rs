//! SWIM's override rules against a reference that is as naive as can be: the paper's table, one
//! line a rule, and suspicions that end at a fixed time. Any sequence of messages from members,
//! the dead and strangers, and of time that passes, must leave the real node, driven by bytes, and
//! the reference holding the same.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::membership::{Claim, Config, Event, Lifeguard, Message, State, Swim, Update};
use gossip_core::node::{self, Clock, Effects, Node};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::wire::Bounded;
use gossip_core::{Peers, Protocol, Time, Wire};
use proptest::prelude::*;

type Said = Message<u32, (), 8>;

/// The node that is tested; 1 to 3 are members from the start, 4 to 6 strangers.
const ME: u32 = 0;
const MEMBERS: u32 = 3;
const ALL: u32 = 7;
/// Five periods: alpha, for up to ten members.
const SUSPICION: u64 = 5_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The first says of the second, in this incarnation, that it is in this state.
    Said(u32, u32, u32, State),
    /// Milliseconds pass.
    Pass(u64),
}

/// What the reference holds of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    incarnation: u32,
    state: State,
    /// Since when it is suspected.
    since: u64,
}

/// Whether a claim overrides what is held: section 4.2, with deaths that a higher incarnation ends
/// and with good-byes.
fn overrides((i, claim): (u32, State), (j, held): (u32, State)) -> bool {
    match (claim, held) {
        (State::Suspected, State::Alive)
        | (State::Dead, State::Alive | State::Suspected)
        | (State::Left, State::Alive | State::Suspected | State::Dead) => i >= j,
        _ => i > j,
    }
}

/// The naive membership.
#[derive(Debug)]
struct Reference {
    now: u64,
    own: u32,
    held: BTreeMap<u32, Held>,
}

impl Reference {
    fn new() -> Self {
        let alive = Held { incarnation: 0, state: State::Alive, since: 0 };
        Self { now: 0, own: 0, held: (1..=MEMBERS).map(|peer| (peer, alive)).collect() }
    }

    fn said(&mut self, from: u32, about: u32, incarnation: u32, state: State) {
        // Strangers are not listened to; the dead are, about themselves and about the listener.
        let Some(sender) = self.held.get(&from).copied() else { return };
        if about == ME {
            if overrides((incarnation, state), (self.own, State::Alive)) {
                self.own = incarnation + 1;
            }
            return;
        }
        if about != from && !sender.state.is_member() {
            return;
        }
        let now = self.now;
        let Some(held) = self.held.get_mut(&about) else {
            if state == State::Alive {
                self.held.insert(about, Held { incarnation, state, since: now });
            }
            return;
        };
        if !overrides((incarnation, state), (held.incarnation, held.state)) {
            return;
        }
        let mut after = state;
        if state == State::Dead && held.state.is_member() {
            // A death that is only heard of is a suspicion, which ends by itself.
            if held.state == State::Suspected && incarnation == held.incarnation {
                return;
            }
            after = State::Suspected;
        }
        *held = Held { incarnation, state: after, since: now };
    }

    fn held(&self) -> BTreeMap<u32, (u32, State)> {
        self.held.iter().map(|(&peer, held)| (peer, (held.incarnation, held.state))).collect()
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        for held in self.held.values_mut() {
            if held.state == State::Suspected && held.since + SUSPICION <= self.now {
                held.state = State::Dead;
            }
        }
    }
}

/// The real node, behind bytes.
struct Real {
    node: Node<Swim<u32>>,
    effects: Effects<Swim<u32>>,
    clock: Clock,
}

impl Real {
    fn new() -> Self {
        // The rules alone: no budget for accusations, no damping.
        let (accusations, damping) = (1.0, 0);
        let lifeguard = Lifeguard::OFF;
        let config = Config { lifeguard, accusations, damping, ..Config::default() };
        let node = Node::new(ME, Swim::new(config).unwrap(), node::Config::default()).unwrap();
        let mut real = Self { node, effects: Effects::default(), clock: Clock::default() };
        real.join();
        real
    }

    /// Node 1 answers its question with everybody.
    fn join(&mut self) {
        self.node.contact(1, self.clock, &mut self.effects);
        self.node.round(self.clock, &mut self.effects);
        let asked = self.effects.datagrams.pop().expect("a question");
        let (_, mut frames) = Header::read(&asked.bytes, ClusterId::default()).unwrap();
        let Ok(Said::Sync(request)) = Said::decode(&mut frames) else { panic!("no sync") };
        let all: Vec<_> = (1..=MEMBERS).map(|peer| (peer, 0, State::Alive)).collect();
        let page = gossip_core::membership::Page::Last;
        self.hear(1, &Said::State(request.number, page, news(&all)));
    }

    fn hear(&mut self, from: u32, message: &Said) {
        let mut bytes = Vec::new();
        Header::of::<Said>(ClusterId::default()).write(&mut bytes);
        message.encode(&mut bytes);
        self.node.datagram(from, &bytes, self.clock, &mut self.effects);
    }

    /// In steps of less than two periods, beyond which the node would think that it slept.
    fn pass(&mut self, millis: u64) {
        self.clock.now = self.clock.now + Duration::from_millis(millis);
        self.node.wake(self.clock, &mut self.effects);
        // What keeps a clock: a message that says nothing, from a stranger.
        self.hear(99, &Said::Nack(0));
    }

    fn held(&self) -> BTreeMap<u32, (u32, State)> {
        let known = self.node.stack().known();
        known.map(|(peer, held)| (peer, (held.incarnation, held.state))).collect()
    }
}

fn news(claims: &[(u32, u32, State)]) -> Bounded<Update<u32, ()>, 8> {
    let mut news = Bounded::new();
    news.fill(claims.iter().map(|&(peer, incarnation, state)| {
        let claim = match state {
            State::Alive => Claim::Alive(0, ()),
            State::Suspected => Claim::Suspected(1),
            State::Dead => Claim::Dead,
            State::Left => Claim::Left,
        };
        Update { peer, incarnation, claim }
    }));
    news
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let states = vec![State::Alive, State::Suspected, State::Dead, State::Left];
    let state = proptest::sample::select(states);
    let said = (1..ALL, 0..ALL, 0..4_u32, state)
        .prop_map(|(from, about, incarnation, state)| Step::Said(from, about, incarnation, state));
    let pass = (1..1_900_u64).prop_map(Step::Pass);
    proptest::collection::vec(prop_oneof![3 => said, 1 => pass], 1..80)
}

/// What the events say agrees with what is held: each begins where the one before it ended.
fn follow(told: &mut BTreeMap<u32, (u32, State)>, event: &Event<u32>) {
    if let Event::Changed { peer, from, to, .. } = *event {
        let before = told.insert(peer, (to.incarnation, to.state));
        assert_eq!(before, from.map(|from| (from.incarnation, from.state)), "{event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_are_those_of_the_naive_reference(steps in steps()) {
        let (mut real, mut naive) = (Real::new(), Reference::new());
        let mut told = BTreeMap::new();
        for step in steps {
            let (before, version) = (real.held(), real.node.stack().version());
            match step {
                Step::Said(from, about, incarnation, state) => {
                    real.hear(from, &Said::News(news(&[(about, incarnation, state)])));
                    naive.said(from, about, incarnation, state);
                }
                Step::Pass(millis) => {
                    real.pass(millis);
                    naive.pass(millis);
                }
            }
            let held = naive.held();
            prop_assert_eq!(&real.held(), &held, "after {:?}", step);
            prop_assert_eq!(real.node.stack().incarnation(), naive.own, "after {:?}", step);
            // The version moves when, and only when, what is held does.
            let moved = real.node.stack().version() != version;
            prop_assert_eq!(moved, before != held, "after {:?}", step);
            real.effects.events.drain(..).for_each(|event| follow(&mut told, &event));
            prop_assert_eq!(&told, &held, "events after {:?}", step);
            // Peers offered to other layers are the members.
            let mut offered = Vec::new();
            real.node.stack().for_each(|peer, _| offered.push(peer));
            offered.sort_unstable();
            let members = held.iter().filter(|(_, (_, state))| state.is_member());
            prop_assert_eq!(offered, members.map(|(&peer, _)| peer).collect::<Vec<_>>());
        }
    }
}

/// The control: a reference that lets a claim of the same incarnation revive the dead disagrees.
#[test]
fn a_reference_that_revives_the_dead_disagrees() {
    let mut real = Real::new();
    real.hear(1, &Said::News(news(&[(2, 0, State::Suspected)])));
    (0..6).for_each(|_| real.pass(1_000));
    assert_eq!(real.held()[&2], (0, State::Dead));
    real.hear(1, &Said::News(news(&[(2, 0, State::Alive)])));
    assert_eq!(real.held()[&2], (0, State::Dead), "at {:?}", Time::ZERO);
}
