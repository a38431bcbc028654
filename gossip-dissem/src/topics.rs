//! Topics: one spreading layer for each topic that a node has joined, among the peers that have
//! joined it, too.
//!
//! Not a protocol: a layer of layers. What a node has not joined it neither relays nor is sent.
//!
//! ```text
//! join t:            a new layer for t, over the neighbours known to have joined t
//! every round:       tell each neighbour that has not noted it which topics are joined here
//! on topics from q:  remember them, note them to q; q is a peer of those layers
//! on m in t from q:  t is joined here: the layer for t hears m
//! ```
//!
//! # What holds
//!
//! - Nothing in a topic is delivered or relayed by a node that has not joined it, nor sent to one
//!   that is not known to have joined it.
//! - Of each topic holds what holds of the layer that spreads it, among those that have joined it
//!   and are connected through each other: a topic that few join in a sparse overlay falls apart.
//!   Spread such a topic to all, in a layer of its own beside this one.
//! - Who leaves a topic and joins it again begins anew, and may hear again what it has heard.
//! - At most `limit` topics are joined. Of each neighbour at most [`JOINED`] topics are remembered.
//! - Messages end, if the layer below drops neighbours that are gone: topics are told again, once
//!   a round, until they are noted.
//!
//! It stands over neighbours that stay, such as `HyParView` in `gossip-core`: a neighbour must be
//! told before anything is sent to it. Layers of topics are offered no spare room.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::context::{Place, lift};
use gossip_core::random::Random;
use gossip_core::{
    Bounded, Context, Layer, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, Round,
    Time, Wire, message,
};

/// Names a topic: a number that its users agree on, such as a hash of its name.
pub type Topic = u32;

/// The most topics a node can join: what fits one message, 162 bytes.
pub const JOINED: usize = 32;

/// Draws from below for a peer in a topic, before all neighbours are looked at.
const DRAWS: usize = 8;

message! {
    /// Names a list of topics that a node has joined.
    #[derive(Copy, PartialEq, Eq)]
    pub struct List {
        /// Drawn when the node first joins one, so that who starts anew is known to have.
        pub boot: u32,
        /// Which one of that life.
        pub number: u32,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<M: Wire> {
        /// A message of the layer for a topic.
        In(Topic, M),
        /// The sender's topics, as of this list.
        Joined(List, Bounded<Topic, JOINED>),
        /// This list of the receiver's has come.
        Noted(List),
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<C: Wire> {
        /// Take part in a topic.
        Join(Topic),
        /// Take part in it no more.
        Leave(Topic),
        /// A command to the layer for a topic, such as to publish.
        In(Topic, C),
    }
}

/// What the layer for a topic tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<E> {
    /// Which topic.
    pub topic: Topic,
    /// What its layer tells.
    pub event: E,
}

/// What is known of a neighbour.
#[derive(Clone, Debug)]
struct Neighbour<I> {
    peer: I,
    /// The last list of this node's that it has noted.
    noted: Option<List>,
    /// Its last list, by name and topics.
    list: Option<List>,
    joined: BTreeSet<Topic>,
}

/// The neighbours that have joined a topic: what its layer stands over.
#[derive(Debug)]
pub struct Room<'a, I, D> {
    below: &'a D,
    neighbours: &'a [Neighbour<I>],
    topic: Topic,
}

impl<I: PeerId, D> Room<'_, I, D> {
    fn has(&self, peer: I) -> bool {
        self.neighbours.iter().any(|one| one.peer == peer && one.joined.contains(&self.topic))
    }
}

impl<I: PeerId, D: Peers<Id = I>> Peers for Room<'_, I, D> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        let mut draws = (0..DRAWS).filter_map(|_| self.below.sample(random));
        if let Some(peer) = draws.find(|&peer| self.has(peer)) {
            return Some(peer);
        }
        let mut all = Vec::new();
        self.for_each(|peer, _| all.push(peer));
        if all.is_empty() { None } else { Some(all[random.below(all.len())]) }
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.below.for_each(|peer, made| {
            if self.has(peer) {
                visit(peer, made);
            }
        });
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        self.below.age(peer, now)
    }
}

/// A layer `L` for each topic that is joined.
///
/// ```
/// use gossip_core::sampling::HyParView;
/// use gossip_core::sim::cycle::{Order, Simulation};
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::plumtree::{self, Plumtree};
/// use gossip_dissem::topics::{self, Topics};
///
/// stack! {
///     #[derive(Clone, Debug)]
///     pub struct Node<I: PeerId> {
///         peers: HyParView<I, 5, 30>,
///         #[uses(peers)]
///         news: Topics<Plumtree<I, u32>>,
///     }
/// }
///
/// let news = Topics::new(Plumtree::new(Default::default())?, 8)?;
/// let node = Node::new(HyParView::new(Default::default())?, news);
/// let mut sim = Simulation::new((0..40).map(|_| node.clone()), 7, Order::Sequential);
/// (1..40).for_each(|node| sim.contact(node, 0));
/// sim.run(20);
///
/// type Command = <Node<u32> as gossip_core::Protocol>::Command;
/// const SPORTS: topics::Topic = 7;
/// for node in 0..30 {
///     sim.command(node, Command::news(topics::Command::Join(SPORTS)))?;
/// }
/// sim.run(3);
/// let goal = topics::Command::In(SPORTS, plumtree::Command::Publish(1));
/// assert!(sim.command(3, Command::news(goal.clone()))?.attempted > 0);
/// assert!(sim.command(35, Command::news(goal)).is_err(), "not joined");
/// sim.run(5);
/// assert_eq!(sim.events().take().filter(|(node, _)| *node < 30).count(), 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topics<L: Protocol> {
    prototype: L,
    limit: usize,
    rooms: BTreeMap<Topic, L>,
    /// Names the list of topics; none before one is joined.
    list: Option<List>,
    neighbours: Vec<Neighbour<L::Id>>,
    /// Calls of layers so far: names what they draw.
    calls: u64,
}

impl<L: Protocol + Clone> Topics<L> {
    /// Topics are spread by copies of `prototype`; at most `limit` are joined.
    ///
    /// # Errors
    ///
    /// If the limit is not 1 to [`JOINED`].
    pub fn new(prototype: L, limit: usize) -> Result<Self, ParameterError> {
        ParameterError::new("limit", limit as f64, "topics", "1 to 32")
            .unless((1..=JOINED).contains(&limit))?;
        let (rooms, neighbours) = (BTreeMap::new(), Vec::new());
        Ok(Self { prototype, limit, rooms, list: None, neighbours, calls: 0 })
    }

    /// The topics joined, each with its layer.
    pub fn joined(&self) -> impl Iterator<Item = (Topic, &L)> {
        self.rooms.iter().map(|(&topic, layer)| (topic, layer))
    }

    /// Whether `peer` is a neighbour that is known to have joined `topic`.
    pub fn has_joined(&self, peer: L::Id, topic: Topic) -> bool {
        self.neighbours.iter().any(|one| one.peer == peer && one.joined.contains(&topic))
    }

    fn join(&mut self, topic: Topic, cx: &mut impl Context<Self>) -> Result<Receipt, Refusal> {
        if self.rooms.contains_key(&topic) {
            return Ok(Receipt::default());
        }
        if self.rooms.len() >= self.limit {
            return Err(Refusal::Full { limit: self.limit });
        }
        self.rooms.insert(topic, self.prototype.clone());
        // The wall clock, because a node that restarts may be given the same randomness again.
        let boot = (cx.rng().next_u64() ^ cx.wall()) as u32;
        self.list.get_or_insert(List { boot, number: 0 });
        self.renumber();
        Ok(Receipt::default())
    }

    /// The list of topics is another one.
    const fn renumber(&mut self) {
        if let Some(list) = &mut self.list {
            list.number = list.number.wrapping_add(1);
        }
    }

    fn leave(&mut self, topic: Topic) -> Result<Receipt, Refusal> {
        if self.rooms.remove(&topic).is_none() {
            return Err(Refusal::Invalid("the topic is not joined"));
        }
        self.renumber();
        Ok(Receipt::default())
    }

    /// Takes the neighbours from below: who is new is not known to have joined anything.
    fn refresh<D: Peers<Id = L::Id>>(&mut self, below: &D) {
        let mut left = core::mem::take(&mut self.neighbours);
        below.for_each(|peer, _| {
            let known = left.iter().position(|one| one.peer == peer);
            let new = Neighbour { peer, noted: None, list: None, joined: BTreeSet::new() };
            self.neighbours.push(known.map_or(new, |at| left.swap_remove(at)));
        });
    }

    /// Tells the neighbours that have not noted it which topics are joined.
    fn tell(&self, cx: &mut impl Context<Self>) {
        // Who never joined anything has nothing to tell.
        let Some(list) = self.list else { return };
        for neighbour in self.neighbours.iter().filter(|one| one.noted != self.list) {
            let mut topics = Bounded::new();
            topics.fill(self.rooms.keys().copied());
            cx.send(neighbour.peer, Message::Joined(list, topics));
        }
    }

    /// `from` has told its topics. Returns whether that is news.
    fn hear_joined(
        &mut self,
        from: L::Id,
        (list, topics): (List, Bounded<Topic, JOINED>),
        cx: &mut impl Context<Self>,
    ) -> bool {
        let Some(neighbour) = self.neighbours.iter_mut().find(|one| one.peer == from) else {
            // It tells them again until this node has it as a neighbour, too.
            cx.count("topics of a stranger");
            return false;
        };
        let last = neighbour.list.filter(|last| last.boot == list.boot);
        if last.is_some_and(|last| list.number.wrapping_sub(last.number) > u32::MAX / 2) {
            cx.count("topics of old");
            return false;
        }
        if last.is_none() {
            // Who started anew has forgotten what it was told.
            neighbour.noted = None;
        }
        cx.send(from, Message::Noted(list));
        let news = neighbour.list != Some(list);
        neighbour.list = Some(list);
        neighbour.joined = topics.iter().copied().collect();
        news
    }
}

/// Lets the layer for `$topic` of `$topics` act: `$act` is given it, its peers and its context.
macro_rules! in_room {
    (
        $topics:ident, $topic:expr, $below:expr, $cx:expr,
        |$layer:ident, $room:ident, $inner:ident| $act:expr
    ) => {{
        let topic: Topic = $topic;
        let (neighbours, calls) = (&$topics.neighbours, &mut $topics.calls);
        $topics.rooms.get_mut(&topic).map(|$layer| {
            *calls = calls.wrapping_add(1);
            let place = Place { name: "topic", tag: topic as u16, call: *calls, sharers: 1 };
            let $room = &Room { below: $below, neighbours, topic };
            let $inner = &mut lift(
                $cx,
                place,
                |message| Message::In(topic, message),
                |event| Event { topic, event },
            );
            $act
        })
    }};
}

/// Lets the layers of all topics act, one after the other.
macro_rules! in_all_rooms {
    (
        $topics:ident, $below:expr, $cx:expr,
        |$layer:ident, $room:ident, $inner:ident| $act:expr
    ) => {{
        let all: Vec<Topic> = $topics.rooms.keys().copied().collect();
        for topic in all {
            in_room!($topics, topic, $below, $cx, |$layer, $room, $inner| $act);
        }
    }};
}

impl<L: Protocol> Protocol for Topics<L> {
    type Id = L::Id;
    type Message = Message<L::Message>;
    type Event = Event<L::Event>;
    type Command = Command<L::Command>;

    fn wake_at(&self) -> Time {
        self.rooms.values().map(Protocol::wake_at).min().unwrap_or(Time::NEVER)
    }
}

impl<I, D, L> Layer<D> for Topics<L>
where
    I: PeerId,
    D: Peers<Id = I> + 'static,
    L: Protocol<Id = I> + Clone + for<'a> Layer<Room<'a, I, D>>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below);
        self.tell(cx);
        in_all_rooms!(self, below, cx, |layer, room, inner| layer.on_round(room, inner));
    }

    fn on_message(&mut self, below: &D, from: I, m: Self::Message, cx: &mut impl Context<Self>) {
        match m {
            Message::In(topic, message) => {
                let heard = in_room!(self, topic, below, cx, |layer, room, inner| {
                    layer.on_message(room, from, message, inner);
                });
                if heard.is_none() {
                    cx.count("of a topic that is not joined");
                }
            }
            Message::Joined(list, topics) => {
                self.refresh(below);
                if self.hear_joined(from, (list, topics), cx) {
                    in_all_rooms!(self, below, cx, |layer, room, inner| layer
                        .on_change(room, inner));
                }
            }
            Message::Noted(list) => {
                if let Some(one) = self.neighbours.iter_mut().find(|one| one.peer == from) {
                    one.noted = Some(list);
                }
            }
        }
    }

    fn on_wake(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let now = cx.now();
        in_all_rooms!(self, below, cx, |layer, room, inner| {
            if layer.wake_at() <= now {
                layer.on_wake(room, inner);
            }
        });
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below);
        in_all_rooms!(self, below, cx, |layer, room, inner| layer.on_change(room, inner));
    }

    fn on_unreachable(&mut self, below: &D, peer: I, cx: &mut impl Context<Self>) {
        in_all_rooms!(self, below, cx, |layer, room, inner| layer
            .on_unreachable(room, peer, inner));
    }

    fn on_leave(&mut self, below: &D, cx: &mut impl Context<Self>) {
        in_all_rooms!(self, below, cx, |layer, room, inner| layer.on_leave(room, inner));
    }

    fn on_command(
        &mut self,
        below: &D,
        command: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::In(topic, command) => {
                in_room!(self, topic, below, cx, |layer, room, inner| {
                    layer.on_command(room, command, inner)
                })
                .unwrap_or(Err(Refusal::Invalid("the topic is not joined")))
            }
            Command::Join(topic) => {
                let receipt = self.join(topic, cx)?;
                self.refresh(below);
                self.tell(cx);
                Ok(receipt)
            }
            Command::Leave(topic) => {
                let receipt = self.leave(topic)?;
                self.tell(cx);
                Ok(receipt)
            }
        }
    }
}
