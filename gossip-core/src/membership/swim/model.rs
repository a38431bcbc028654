//! SWIM's override rules in every order of messages there is, up to a bound.
//!
//! Not a protocol: a model for the checker `stateright`. Three members; node 0 is doubted, dies,
//! crashes and comes back with nothing, and 1 and 2 watch it. Messages are lost, doubled and
//! delivered in any order. A state holds what the rules depend on. Each step makes real nodes of
//! it, calls the real layer, and reads the state that results: nothing of the layer is written
//! twice here. Subjects do not touch one another in the layer's table, so one that is doubted
//! stands for all.

use alloc::collections::BTreeMap;
use core::cell::RefCell;
use std::thread_local;

use arrayvec::ArrayVec;
use stateright::{Checker, Model, Property};

use super::*;
use crate::Local;
use crate::membership::{Lifeguard, Suspicion};
use crate::random::Key;
use crate::sim::cycle::{Order, Simulation};
use crate::time::Round;

type Node = Swim<u32, (), 3>;
type Said = Message<u32, (), 3>;

/// The highest incarnation that is followed up.
const INCARNATIONS: u32 = 2;
/// The most messages under way that are asked for.
const FLIGHT: usize = 3;
/// Where all begins.
const ALIVE: Standing = Standing::new(0, State::Alive);

/// A context that keeps what is sent; everything else it forgets. Its randomness is always the
/// same, so that a question asked twice bears the same number.
struct Desk {
    me: u32,
    now: Time,
    random: Random,
    sent: Vec<(u32, Said)>,
}

impl Desk {
    fn new(me: u32) -> Self {
        Self { me, now: Time::ZERO, random: Key::new(0).random(0), sent: Vec::new() }
    }
}

impl Local<Node> for Desk {
    fn me(&self) -> u32 {
        self.me
    }
    fn now(&self) -> Time {
        self.now
    }
    fn wall(&self) -> u64 {
        0
    }
    fn round(&self) -> Round {
        0
    }
    fn rng(&mut self) -> &mut Random {
        &mut self.random
    }
    fn key(&self) -> Key {
        Key::new(0)
    }
    fn emit(&mut self, _: Event<u32>) {}
    fn tally(&mut self, _: &'static str, _: &'static str) {}
}

impl Context<Node> for Desk {
    fn send(&mut self, to: u32, message: Said) {
        self.sent.push((to, message));
    }
    fn room(&self, _: u32) -> usize {
        0
    }
    fn watch(&mut self, _: u32, _: bool) {}
}

/// A message under way, as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Letter {
    from: u32,
    to: u32,
    bytes: ArrayVec<u8, 24>,
}

impl Letter {
    fn new(from: u32, to: u32, message: &Said) -> Self {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        Self { from, to, bytes: bytes.into_iter().collect() }
    }

    fn read(&self) -> Said {
        Said::decode(&mut &self.bytes[..]).expect("what was encoded")
    }
}

/// What the rules depend on in one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Mind {
    /// Node 0, which is doubted: its incarnation, and whether it knows 1 and 2 or nobody.
    Doubted(u32, bool),
    /// Node 1 or 2: what it holds of node 0.
    Watching(Standing),
}

/// One call of the real layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Tell(u32),
    Hear(Letter),
    Miss,
    Expire,
    Join(u32),
}

/// What a call does: what the node is then, and what it has sent.
type Done = (Mind, Vec<Letter>);

thread_local! {
    /// Calls that were made before: the layer is deterministic, so that each needs be made once.
    static MADE: RefCell<BTreeMap<(u32, Mind, Call), Done>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// All that the rules depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    minds: [Mind; 3],
    /// Whether node 0 runs, and whether it has crashed, once.
    runs: bool,
    crashed: bool,
    /// In order, each once; delivery leaves it under way, so that it may come again.
    flight: ArrayVec<Letter, FLIGHT>,
    /// Whether, in the step just done, somebody took a lower standing for a higher one.
    went_back: bool,
}

/// What may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A call at this node: it tells another what it holds of node 0, gets no answer from node 0,
    /// has suspected it for too long; or node 0, which knows nobody, asks for all that is known.
    Call(u32, Call),
    /// The message at this place arrives.
    Deliver(usize),
    /// And never again, if it ever did.
    Drop(usize),
    Crash,
    /// With an empty disk.
    Restart,
}

/// How claims are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// By the layer.
    Real,
    /// The control: who speaks last is right, in the same incarnation.
    LastWord,
}

#[derive(Clone, Debug)]
struct Group {
    rule: Rule,
    /// Messages under way at most.
    flight: usize,
}

/// Without what counts time or traffic beside the rules (doubts, damping, the budget of
/// accusations): their counters would make states endless.
fn config(incarnation: u32) -> Config {
    Config {
        suspicion: Suspicion::Natural(1.0),
        lifeguard: Lifeguard::OFF,
        spare: false,
        doubt: false,
        accusations: 1.0,
        damping: 0,
        incarnation,
        ..Config::default()
    }
}

/// The real node `me` with this in mind.
fn node(me: u32, mind: Mind) -> (Node, Desk) {
    let mut desk = Desk::new(me);
    let (incarnation, known) = match mind {
        Mind::Doubted(incarnation, true) => (incarnation, vec![(1, ALIVE), (2, ALIVE)]),
        Mind::Doubted(incarnation, false) => (incarnation, Vec::new()),
        Mind::Watching(held) => (0, vec![(3 - me, ALIVE), (0, held)]),
    };
    let mut node = Node::new(config(incarnation)).expect("right parameters");
    node.describe(&());
    for (peer, standing) in known {
        let told = ((standing.incarnation, 0), ());
        let alive = Standing::new(standing.incarnation, State::Alive);
        let slot = node.members.insert((peer, alive), told, 16, 0, desk.rng()).expect("room");
        node.judge(slot, standing, Why::NoAnswer, me, &mut desk);
    }
    (node, desk)
}

/// Reads back what became of the real node `me`.
fn mind(me: u32, node: &Node) -> Mind {
    if me > 0 {
        return Mind::Watching(node.standing(0).expect("known"));
    }
    let knows = node.standing(1).is_some();
    assert_eq!(knows, node.standing(2).is_some(), "it knows both or none");
    Mind::Doubted(node.incarnation(), knows)
}

/// Makes `call` at the real node `me`.
fn make(me: u32, before: Mind, call: &Call) -> Done {
    let (mut node, mut desk) = node(me, before);
    // News ride on nothing: all that may be told is told by `Tell`, in every order.
    node.queue = Queue::new();
    match call {
        Call::Tell(to) => {
            let mut news = Bounded::new();
            news.fill(node.record(0, me));
            desk.send(*to, Message::News(news));
        }
        Call::Hear(letter) => {
            let message = letter.read();
            if matches!(message, Message::State(..)) {
                // It has asked for that, under the number that it would ask again.
                node.on_contact(&(), letter.from, &mut desk);
                desk = Desk::new(me);
            }
            node.on_message(&(), letter.from, message, &mut desk);
        }
        Call::Miss => {
            node.probe = Some(Probe::new(0, 0, Time::NEVER));
            node.conclude(&mut desk);
        }
        Call::Expire => {
            desk.now = node.wake_at();
            node.on_wake(&(), &mut desk);
        }
        Call::Join(with) => {
            node.on_contact(&(), *with, &mut desk);
        }
    }
    let sent = desk.sent.iter().map(|(to, message)| Letter::new(me, *to, message));
    (mind(me, &node), sent.collect())
}

/// The control: a claim of the same incarnation or a higher one is right, whatever is held.
fn last_word(before: Mind, call: &Call) -> Option<Done> {
    let (Mind::Watching(held), Call::Hear(letter)) = (before, call) else { return None };
    let Message::News(news) = letter.read() else { return None };
    let claim = news.iter().next().map(Update::standing)?;
    let after = if claim.incarnation >= held.incarnation { claim } else { held };
    Some((Mind::Watching(after), Vec::new()))
}

impl World {
    const fn new() -> Self {
        let watching = Mind::Watching(ALIVE);
        Self {
            minds: [Mind::Doubted(0, true), watching, watching],
            runs: true,
            crashed: false,
            flight: ArrayVec::new_const(),
            went_back: false,
        }
    }

    /// What 1 and 2 hold of node 0.
    fn held(&self) -> impl Iterator<Item = Standing> {
        self.minds.iter().filter_map(|mind| match mind {
            Mind::Watching(held) => Some(*held),
            Mind::Doubted(..) => None,
        })
    }

    /// Node 0's incarnation, and whether it knows the others.
    const fn doubted(&self) -> (u32, bool) {
        match self.minds[0] {
            Mind::Doubted(incarnation, knows) => (incarnation, knows),
            Mind::Watching(_) => (0, false),
        }
    }

    /// Makes `call` at node `me`, by the layer or as it was made before.
    fn call(&mut self, me: u32, call: Call, group: &Group) {
        let before = self.minds[me as usize];
        let control = last_word(before, &call).filter(|_| group.rule == Rule::LastWord);
        let (after, sent) = control.unwrap_or_else(|| {
            let key = (me, before, call);
            let done = MADE.with_borrow(|made| made.get(&key).cloned());
            done.unwrap_or_else(|| {
                let done = make(me, before, &key.2);
                MADE.with_borrow_mut(|made| made.insert(key, done.clone()));
                done
            })
        });
        if let (Mind::Watching(before), Mind::Watching(after)) = (before, after) {
            let back = !before.state.is_member() && after.state.is_member();
            self.went_back = after < before || (back && after.incarnation <= before.incarnation);
        }
        self.minds[me as usize] = after;
        for letter in sent {
            self.post(letter, group.flight);
        }
    }

    /// Puts a message under way, unless it is or too many are.
    fn post(&mut self, letter: Letter, most: usize) {
        if let Err(at) = self.flight.binary_search(&letter)
            && self.flight.len() < most
        {
            self.flight.insert(at, letter);
        }
    }

    /// Nodes as they are, in a network that loses nothing: whether all agree, soon, that node 0 is
    /// alive, in the incarnation that it has.
    fn heals(&self) -> bool {
        let nodes = [0, 1, 2].map(|me| node(me, self.minds[me as usize]).0);
        let mut sim = Simulation::new(nodes, 1, Order::Sequential);
        sim.run(24);
        let own = sim.node(0).map(Node::incarnation);
        let agrees = |node: &Node| {
            let held = node.standing(0).filter(|held| held.state == State::Alive);
            held.map(|held| held.incarnation) == own
        };
        let knows = sim.node(0).is_some_and(|node| node.degree() == 2);
        knows && [1, 2].into_iter().all(|at| sim.node(at).is_some_and(agrees))
    }
}

impl Model for Group {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let room = world.flight.len() < self.flight;
        steps.extend((0..world.flight.len()).flat_map(|at| [Step::Deliver(at), Step::Drop(at)]));
        for (me, held) in [1, 2].into_iter().zip(world.held()) {
            match held.state {
                State::Alive => steps.push(Step::Call(me, Call::Miss)),
                State::Suspected => steps.push(Step::Call(me, Call::Expire)),
                State::Dead | State::Left => {}
            }
            if room {
                steps.extend([0, 3 - me].map(|to| Step::Call(me, Call::Tell(to))));
            }
        }
        if !world.crashed {
            steps.push(Step::Crash);
        } else if !world.runs {
            steps.push(Step::Restart);
        }
        if world.runs && room {
            steps.extend([1, 2].map(|to| Step::Call(0, Call::Tell(to))));
            if !world.doubted().1 {
                steps.extend([1, 2].map(|with| Step::Call(0, Call::Join(with))));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = World { went_back: false, ..last.clone() };
        match step {
            Step::Call(me, call) => world.call(me, call, self),
            Step::Deliver(at) => {
                let letter = world.flight[at].clone();
                if letter.to > 0 || world.runs {
                    world.call(letter.to, Call::Hear(letter), self);
                }
            }
            Step::Drop(at) => drop(world.flight.remove(at)),
            Step::Crash => (world.runs, world.crashed) = (false, true),
            Step::Restart => (world.runs, world.minds[0]) = (true, Mind::Doubted(0, false)),
        }
        (world != *last).then_some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.doubted().0 <= INCARNATIONS
            && world.held().all(|held| held.incarnation <= INCARNATIONS)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is believed against the order", |_, world: &World| {
                !world.went_back
            }),
            Property::always("no incarnation is invented", |_, world: &World| {
                let (own, _) = world.doubted();
                world.crashed || world.held().all(|held| held.incarnation <= own)
            }),
            // Whatever is under way may be lost, so that these are all there is to heal from.
            Property::always("a fair network heals", |_, world: &World| {
                !world.runs || !world.flight.is_empty() || world.heals()
            }),
            Property::sometimes("a live node is presumed dead", |_, world: &World| {
                world.runs && world.held().all(|held| held.state == State::Dead)
            }),
            Property::sometimes("and is back", |_, world: &World| {
                !world.crashed && world.held().any(|held| held == Standing::new(1, State::Alive))
            }),
            Property::sometimes("a node that lost its disk joins again", |_, world: &World| {
                let back = Standing::new(INCARNATIONS, State::Alive);
                let joined = world.crashed && world.runs && world.doubted().1;
                joined && world.held().all(|held| held == back)
            }),
        ]
    }
}

/// Explores everything. Returns how many states there are.
fn explore(flight: usize) -> usize {
    let group = Group { rule: Rule::Real, flight };
    let checker = group.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done());
    checker.unique_state_count()
}

/// No resurrection without a higher incarnation, and no live member dead for ever once the network
/// is fair: in every state that three members can come to with two messages under way.
#[test]
fn all_orders_of_two_messages_keep_the_rules() {
    assert_eq!(explore(2), 138_649);
}

/// The same with three messages under way.
#[test]
#[ignore = "soak: 3.3 million states"]
fn soak_all_orders_of_three_messages_keep_the_rules() {
    assert_eq!(explore(FLIGHT), 3_303_151);
}

/// The control: where the last word wins, the checker finds the dead rise.
#[test]
fn where_the_last_word_wins_the_dead_rise() {
    let group = Group { rule: Rule::LastWord, flight: 2 };
    let checker = group.checker().threads(1).spawn_bfs().join();
    assert!(checker.discovery("nothing is believed against the order").is_some());
}
