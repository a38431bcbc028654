//! The real layer's calls, each made once.
//!
//! Not a protocol: what the model in the parent module looks up instead of calling the layer for
//! every state. What a call does depends on nothing but the node, on what it has in mind and on
//! the call, so that a table of them is the layer.

use alloc::collections::BTreeSet;

use arrayvec::ArrayVec;

use crate::Local;
use crate::membership::swim::*;
use crate::membership::{Lifeguard, Suspicion};
use crate::random::Key;
use crate::time::Round;

pub(super) type Node = Swim<u32, (), 3>;
type Said = Message<u32, (), 3>;

/// The highest incarnation that is followed up.
pub(super) const INCARNATIONS: u32 = 2;
/// Where all begins.
pub(super) const ALIVE: Standing = Standing::new(0, State::Alive);

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

/// A message under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) from: u32,
    pub(super) to: u32,
    message: Said,
}

impl Letter {
    /// What is claimed of node 0, if it is news.
    pub(super) fn claim(&self) -> Option<Standing> {
        let Message::News(news) = &self.message else { return None };
        news.iter().next().map(Update::standing)
    }
}

/// What the rules depend on in one node, as a number below [`MINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mind(pub(super) u8);

/// Incarnations up to the first that is not followed up, times states.
pub(super) const MINDS: usize = 4 * (INCARNATIONS as usize + 2);

impl Mind {
    /// Of node 0, which is doubted: its incarnation, and whether it knows 1 and 2 or nobody.
    pub(super) const fn doubted(incarnation: u32, knows: bool) -> Self {
        Self(incarnation as u8 * 2 + knows as u8)
    }

    /// Of node 1 or 2: what it holds of node 0.
    pub(super) const fn watching(held: Standing) -> Self {
        Self(held.incarnation as u8 * 4 + held.state as u8)
    }

    pub(super) const fn as_doubted(self) -> (u32, bool) {
        (self.0 as u32 / 2, self.0 % 2 == 1)
    }

    pub(super) const fn as_watching(self) -> Standing {
        let state = [State::Alive, State::Suspected, State::Dead, State::Left][self.0 as usize % 4];
        Standing::new(self.0 as u32 / 4, state)
    }

    pub(super) const fn is_followed_up(self, me: u32) -> bool {
        let incarnation =
            if me == 0 { self.as_doubted().0 } else { self.as_watching().incarnation };
        incarnation <= INCARNATIONS
    }
}

/// One call of the real layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    /// It tells another what it holds of node 0.
    Tell(u32),
    /// It gets no answer from node 0.
    Miss,
    /// It has suspected node 0 for too long.
    Expire,
    /// It is node 0, knows nobody, and asks another for all that is known.
    Join(u32),
    /// The letter of this number arrives.
    Hear(u8),
}

impl Call {
    /// All that a node may do of its own accord.
    pub(super) const OWN: [Self; 7] = [
        Self::Miss,
        Self::Expire,
        Self::Join(1),
        Self::Join(2),
        Self::Tell(0),
        Self::Tell(1),
        Self::Tell(2),
    ];

    /// Whether it is made to send a letter, and for nothing else.
    pub(super) const fn speaks(self) -> bool {
        matches!(self, Self::Tell(_) | Self::Join(_))
    }

    const fn place(self) -> usize {
        match self {
            Self::Miss => 0,
            Self::Expire => 1,
            Self::Join(with) => 1 + with as usize,
            Self::Tell(to) => 4 + to as usize,
            Self::Hear(letter) => Self::OWN.len() + letter as usize,
        }
    }

    /// Whether node `me` with this in mind may make it of its own accord.
    fn is_open(self, me: u32, mind: Mind) -> bool {
        match self {
            Self::Miss => me > 0 && mind.as_watching().state == State::Alive,
            Self::Expire => me > 0 && mind.as_watching().state == State::Suspected,
            Self::Join(_) => me == 0 && !mind.as_doubted().1,
            Self::Tell(to) => to != me,
            Self::Hear(_) => true,
        }
    }
}

/// What a call does: what the node has in mind then, and which letters it has sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) mind: Mind,
    pub(super) sent: ArrayVec<u8, 4>,
}

/// All that can be: who has what in mind, does what, and which letters result.
pub(super) struct Calls {
    letters: Vec<Letter>,
    done: [Vec<Option<Done>>; 3],
    /// The calls, in an order in which each letter is sent before it is heard.
    order: Vec<(u32, Mind, Call)>,
}

impl Calls {
    /// Calls the layer until nothing comes out of it that was not there.
    pub(super) fn new() -> Self {
        let mut all = Self { letters: Vec::new(), done: [const { Vec::new() }; 3], order: vec![] };
        let lost = Mind::doubted(0, false);
        let mut minds = [BTreeSet::from([lost]), BTreeSet::new(), BTreeSet::new()];
        for (me, mind) in [(0, Mind::doubted(0, true)), (1, Mind::watching(ALIVE))] {
            minds[me].insert(mind);
        }
        minds[2].insert(Mind::watching(ALIVE));
        loop {
            let before = all.order.len();
            for me in 0..3 {
                for mind in minds[me as usize].clone() {
                    all.make_all(me, mind, &mut minds[me as usize]);
                }
            }
            if all.order.len() == before {
                return all;
            }
        }
    }

    /// Makes every call that was not made of node `me` with this in mind.
    fn make_all(&mut self, me: u32, mind: Mind, minds: &mut BTreeSet<Mind>) {
        if !mind.is_followed_up(me) {
            return;
        }
        let own = Call::OWN.into_iter().filter(|call| call.is_open(me, mind));
        let heard = (0..self.letters.len() as u8).filter(|&one| self.letter(one).to == me);
        let calls: Vec<Call> = own.chain(heard.map(Call::Hear)).collect();
        for call in calls {
            if self.done(me, mind, call).is_none() {
                let done = self.make(me, mind, call);
                minds.insert(done.mind);
                let at = Self::place(mind, call);
                let row = &mut self.done[me as usize];
                row.resize(row.len().max(at + 1), None);
                row[at] = Some(done);
                self.order.push((me, mind, call));
            }
        }
    }

    /// Makes `call` at the real node `me`.
    fn make(&mut self, me: u32, mind: Mind, call: Call) -> Done {
        let (mut node, mut desk) = node(me, mind);
        // News ride on nothing: all that may be told is told by `Tell`, in every order.
        node.queue = Queue::new();
        match call {
            Call::Tell(to) => {
                let mut news = Bounded::new();
                news.fill(node.record(0, me));
                desk.send(to, Message::News(news));
            }
            Call::Hear(letter) => {
                let Letter { from, message, .. } = self.letter(letter).clone();
                if matches!(message, Message::State(..)) {
                    // It has asked for that, under the number that it would ask again.
                    node.on_contact(&(), from, &mut desk);
                    desk = Desk::new(me);
                }
                node.on_message(&(), from, message, &mut desk);
            }
            Call::Miss => {
                node.probe = Some(Probe::new(0, 0, Time::NEVER));
                node.conclude(&mut desk);
            }
            Call::Expire => {
                desk.now = node.wake_at();
                node.on_wake(&(), &mut desk);
            }
            Call::Join(with) => node.on_contact(&(), with, &mut desk),
        }
        let sent = desk.sent.into_iter().map(|(to, message)| Letter { from: me, to, message });
        Done { sent: sent.map(|letter| self.number(letter)).collect(), mind: read(me, &node) }
    }

    /// The number of `letter`, a new one if it was never sent.
    fn number(&mut self, letter: Letter) -> u8 {
        let known = self.letters.iter().position(|one| *one == letter);
        let at = known.unwrap_or_else(|| {
            self.letters.push(letter);
            self.letters.len() - 1
        });
        u8::try_from(at).ok().filter(|at| *at < 128).expect("few letters")
    }

    pub(super) fn letter(&self, number: u8) -> &Letter {
        &self.letters[usize::from(number)]
    }

    pub(super) fn letters(&self) -> u8 {
        self.letters.len() as u8
    }

    /// What `call` does at node `me` with this in mind, if it can be made there.
    pub(super) fn done(&self, me: u32, mind: Mind, call: Call) -> Option<&Done> {
        self.done[me as usize].get(Self::place(mind, call))?.as_ref()
    }

    fn place(mind: Mind, call: Call) -> usize {
        call.place() * MINDS + usize::from(mind.0)
    }

    /// Each letter's number where nodes 1 and 2 have changed places. It is found from the calls
    /// alone, and this checks that they do the same there: that the two are interchangeable.
    pub(super) fn mirrored(&self) -> Vec<u8> {
        let mut mirrored = vec![None; self.letters.len()];
        for &(me, mind, call) in &self.order {
            let there = match call {
                Call::Join(with) => Call::Join(other(with)),
                Call::Tell(to) => Call::Tell(other(to)),
                Call::Hear(letter) => Call::Hear(mirrored[usize::from(letter)].expect("sent")),
                Call::Miss | Call::Expire => call,
            };
            let (here, there) = (self.done(me, mind, call), self.done(other(me), mind, there));
            let (here, there) = here.zip(there).expect("both are made");
            assert_eq!((here.mind, here.sent.len()), (there.mind, there.sent.len()), "{call:?}");
            for (&letter, &there) in here.sent.iter().zip(&there.sent) {
                let known = mirrored[usize::from(letter)].replace(there);
                assert!(known.is_none_or(|known| known == there), "{call:?}");
            }
        }
        mirrored.into_iter().map(|letter| letter.expect("sent")).collect()
    }

    /// The letters that do nothing to a node with this in mind, whatever it does and hears next,
    /// but make it tell what it may tell of its own accord. `lost`: node 0 may lose its disk yet.
    pub(super) fn idle(&self, lost: bool) -> [[u128; MINDS]; 3] {
        let mut idle = [[u128::MAX; MINDS]; 3];
        for &(me, mind, call) in &self.order {
            let (Call::Hear(letter), Some(done)) = (call, self.done(me, mind, call)) else {
                continue;
            };
            let tells = (0..3).filter_map(|to| self.done(me, mind, Call::Tell(to)));
            let told: Vec<u8> = tells.flat_map(|done| done.sent.clone()).collect();
            if done.mind != mind || !done.sent.iter().all(|one| told.contains(one)) {
                idle[me as usize][usize::from(mind.0)] &= !(1 << letter);
            }
        }
        loop {
            let before = idle;
            for &(me, mind, call) in &self.order {
                let after = self.done(me, mind, call).map_or(mind, |done| done.mind);
                let row = &mut idle[me as usize];
                row[usize::from(mind.0)] &= row[usize::from(after.0)];
                if me == 0 && lost {
                    row[usize::from(mind.0)] &= row[usize::from(Mind::doubted(0, false).0)];
                }
            }
            if idle == before {
                return self.addressed(idle);
            }
        }
    }

    /// Of these letters, each node's own.
    fn addressed(&self, mut sets: [[u128; MINDS]; 3]) -> [[u128; MINDS]; 3] {
        let to = |me: u32| {
            let own = (0..self.letters()).filter(move |&one| self.letter(one).to == me);
            own.fold(0, |set: u128, one| set | 1 << one)
        };
        for (me, row) in (0..).zip(&mut sets) {
            let own = to(me);
            for set in row {
                *set &= own;
            }
        }
        sets
    }
}

/// Who takes the place of `node` where 1 and 2 have changed places.
const fn other(node: u32) -> u32 {
    [0, 2, 1][node as usize]
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
    let (incarnation, known) = match (me, mind.as_doubted()) {
        (0, (incarnation, true)) => (incarnation, vec![(1, ALIVE), (2, ALIVE)]),
        (0, (incarnation, false)) => (incarnation, Vec::new()),
        _ => (0, vec![(3 - me, ALIVE), (0, mind.as_watching())]),
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

/// The real nodes with this in mind.
pub(super) fn nodes(minds: [Mind; 3]) -> [Node; 3] {
    [0, 1, 2].map(|me| node(me, minds[me as usize]).0)
}

/// Reads back what became of the real node `me`.
fn read(me: u32, node: &Node) -> Mind {
    if me > 0 {
        return Mind::watching(node.standing(0).expect("known"));
    }
    let knows = node.standing(1).is_some();
    assert_eq!(knows, node.standing(2).is_some(), "it knows both or none");
    Mind::doubted(node.incarnation(), knows)
}
