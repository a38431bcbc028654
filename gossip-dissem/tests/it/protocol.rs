//! What goes into one node and comes out of it, message by message and as datagrams.

use core::time::Duration;

use gossip_core::node::{Clock, Config as NodeConfig, Effects};
use gossip_core::packet::{ClusterId, Datagram, Header};
use gossip_core::sampling::Fixed;
use gossip_core::{Blob, Bounded, Node, PeerId, Protocol, Receipt, Refusal, Time, Wire, stack};
use gossip_dissem::rumor::{
    ASKERS, Command, Config, Ended, Event, Interest, Message, RumorMongering, State,
};
use gossip_dissem::{MessageId, Post};

type Value = Blob<64>;

stack! {
    /// Rumors among known peers.
    #[derive(Debug)]
    pub struct Group<I: PeerId> {
        peers: Fixed<I, 4>,
        #[uses(peers)]
        news: RumorMongering<I, Value>,
    }
}

type Frame = <Group<u32> as Protocol>::Message;

/// Node 0, whose only peer is node 1, and what it has put out.
struct Harness {
    node: Node<Group<u32>>,
    out: Effects<Group<u32>>,
    rounds: u64,
}

impl Harness {
    fn new(config: Config) -> Self {
        Self::with_peers(config, [1])
    }

    fn with_peers(config: Config, peers: impl IntoIterator<Item = u32>) -> Self {
        let group = Group::new(Fixed::new(peers), RumorMongering::new(config).unwrap());
        let node = Node::new(0, group, NodeConfig::default()).unwrap();
        Self { node, out: Effects::default(), rounds: 0 }
    }

    fn clock(&self) -> Clock {
        let now = Time::ZERO + Duration::from_secs(self.rounds);
        Clock { now, wall: now.as_micros() }
    }

    /// Runs a round; returns the messages it sends.
    fn round(&mut self) -> Vec<(u32, Message<u32, Value>)> {
        self.rounds += 1;
        self.node.round(self.clock(), &mut self.out);
        self.sent()
    }

    /// Lets `from` send `messages` in one datagram.
    fn deliver(&mut self, from: u32, messages: impl IntoIterator<Item = Message<u32, Value>>) {
        let mut bytes = Vec::new();
        Header::of::<Frame>(ClusterId::default()).write(&mut bytes);
        for message in messages {
            Frame::news(message).encode(&mut bytes);
        }
        let clock = self.clock();
        self.node.datagram(from, &bytes, clock, &mut self.out);
    }

    /// The same; returns the messages that this calls forth.
    fn hear(
        &mut self,
        from: u32,
        messages: impl IntoIterator<Item = Message<u32, Value>>,
    ) -> Vec<(u32, Message<u32, Value>)> {
        self.deliver(from, messages);
        self.sent()
    }

    fn publish(&mut self, text: &str) -> Result<Receipt, Refusal> {
        type Ask = <Group<u32> as Protocol>::Command;
        let value = Blob::new(text).unwrap();
        let clock = self.clock();
        self.node.command(Ask::news(Command::Publish(value)), clock, &mut self.out)
    }

    fn sent(&mut self) -> Vec<(u32, Message<u32, Value>)> {
        let datagrams = core::mem::take(&mut self.out.datagrams);
        datagrams.iter().flat_map(opened).collect()
    }

    fn news(&self) -> &RumorMongering<u32, Value> {
        &self.node.stack().news
    }

    fn events(&mut self) -> Vec<Event<u32, Value>> {
        type Told = <Group<u32> as Protocol>::Event;
        let events = core::mem::take(&mut self.out.events);
        events
            .into_iter()
            .map(|event| match event {
                Told::news(event) => event,
                Told::peers(never) => match never {},
            })
            .collect()
    }

    fn count(&self, cause: &str) -> u64 {
        self.out.counts.get("news", cause)
    }
}

fn opened(datagram: &Datagram<u32>) -> Vec<(u32, Message<u32, Value>)> {
    let (_, mut frames) = Header::read(&datagram.bytes, ClusterId::default()).unwrap();
    let mut messages = Vec::new();
    while !frames.is_empty() {
        match Frame::decode(&mut frames).unwrap() {
            Frame::news(message) => messages.push((datagram.to, message)),
            Frame::peers(never) => match never {},
        }
    }
    messages
}

fn rumor(sequence: u32) -> Post<u32, Value> {
    let id = MessageId { origin: 9, boot: 7, sequence };
    Post { id, hops: 0, age: 1, value: Blob::new("x").unwrap() }
}

fn feedback(id: MessageId<u32>, needed: bool) -> Message<u32, Value> {
    Message::Feedback { id, needed }
}

fn id_of(event: &Event<u32, Value>) -> MessageId<u32> {
    match *event {
        Event::Delivered { id, .. } | Event::Ended { id, .. } => id,
    }
}

#[test]
fn rumors_to_one_peer_share_a_datagram_and_so_does_their_feedback() {
    let mut node = Harness::new(Config::push(2));
    for text in ["one", "two", "three"] {
        node.publish(text).unwrap();
    }
    node.rounds += 1;
    node.node.round(node.clock(), &mut node.out);
    assert_eq!(node.out.datagrams.len(), 1);
    assert_eq!(node.out.datagrams[0].frames, 3);
    node.sent();

    node.deliver(5, (0..3).map(|at| Message::Push(rumor(at))));
    assert_eq!(node.out.datagrams.len(), 1);
    let answers: Vec<_> = (0..3).map(|at| (5, feedback(rumor(at).id, true))).collect();
    assert_eq!(node.sent(), answers);
}

#[test]
fn a_publisher_is_told_first_and_told_how_it_ended() {
    let mut node = Harness::new(Config::push(2));
    node.publish("news").unwrap();
    let events = node.events();
    let [Event::Delivered { id, hops: 0, .. }] = events[..] else { panic!("{events:?}") };
    assert!(node.news().is_hot(&id) && node.news().knows(&id));
    for needed in [true, false, false] {
        let sent = node.round();
        assert!(matches!(sent[..], [(1, Message::Push(_))]), "{sent:?}");
        assert_eq!(node.hear(1, [feedback(id, needed)]), []);
    }
    assert_eq!(node.round(), []);
    let end = Event::Ended { id, sent: 3, needed: 1, why: Ended::LostInterest };
    assert_eq!(node.events(), [end]);
    assert!(!node.news().is_hot(&id));
}

#[test]
fn a_useful_contact_resets_the_counter_but_not_the_cumulative_one() {
    let heard = [false, true, false, true, false, true];
    for (interest, rounds) in
        [(Interest::Consecutive { k: 2 }, 6), (Interest::Cumulative { k: 2 }, 3)]
    {
        let mut node = Harness::new(Config::push(2).interest(interest));
        node.publish("news").unwrap();
        let id = id_of(&node.events()[0]);
        let mut pushed = 0;
        for needed in heard {
            pushed += node.round().len();
            node.hear(1, [feedback(id, needed)]);
        }
        assert_eq!(pushed, rounds, "{interest:?}");
    }
}

#[test]
fn feedback_counts_once_only_if_awaited_and_not_if_lost() {
    let mut node = Harness::new(Config::push(2));
    node.publish("news").unwrap();
    let id = id_of(&node.events()[0]);
    // Before any contact, from a stranger, and twice: one counts.
    node.hear(1, [feedback(id, false)]);
    node.round();
    node.hear(8, [feedback(id, false)]);
    node.hear(1, [feedback(id, false), feedback(id, false), feedback(id, false)]);
    assert_eq!(node.count("feedback not awaited"), 4);
    // Lost feedback counts neither way, for as long as the rumor's age allows.
    for round in 1..64 {
        assert_eq!(node.round().len(), 1, "round {round}");
    }
    assert_eq!(node.round(), []);
    let end = Event::Ended { id, sent: 64, needed: 0, why: Ended::TooOld };
    assert_eq!(node.events(), [end]);
}

#[test]
fn a_push_that_comes_twice_is_answered_alike_and_delivered_once() {
    let mut node = Harness::new(Config::push(2));
    let needed = vec![(5, feedback(rumor(0).id, true))];
    assert_eq!(node.hear(5, [Message::Push(rumor(0))]), needed);
    assert_eq!(node.hear(5, [Message::Push(rumor(0))]), needed);
    // Somebody else's copy is useless, and so is a copy of the next round.
    assert_eq!(node.hear(6, [Message::Push(rumor(0))]), [(6, feedback(rumor(0).id, false))]);
    node.round();
    assert_eq!(node.hear(5, [Message::Push(rumor(0))]), [(5, feedback(rumor(0).id, false))]);
    let events = node.events();
    assert!(matches!(events[..], [Event::Delivered { hops: 1, .. }]), "{events:?}");
    assert_eq!(node.count("known already"), 3);
}

#[test]
fn a_question_gets_what_it_does_not_list() {
    let mut node = Harness::new(Config::push_pull(2));
    node.hear(5, [Message::Push(rumor(0)), Message::Push(rumor(1))]);
    // Nothing is passed on before the next round.
    assert_eq!(node.hear(6, [Message::Ask(Bounded::new())]), []);
    let sent = node.round();
    assert_eq!(sent.len(), 3, "two pushes and a question: {sent:?}");
    let Message::Ask(known) = &sent[2].1 else { panic!("{sent:?}") };
    assert_eq!(known[..], [rumor(1).id, rumor(0).id]);

    let answer = node.hear(6, [Message::Ask(Bounded::try_from(&[rumor(0).id][..]).unwrap())]);
    let passed_on = Post { hops: 1, age: 2, ..rumor(1) };
    assert_eq!(answer, [(6, Message::Answer(passed_on))]);
    assert_eq!(node.news().traffic().withheld, 1);
    // A forged flood of questions has a bound, and one peer is answered once.
    assert_eq!(node.hear(6, [Message::Ask(Bounded::new())]), []);
    for asker in 100..200 {
        node.hear(asker, [Message::Ask(Bounded::new())]);
    }
    assert_eq!(node.count("question repeated"), 1);
    assert_eq!(node.count("question ignored: too many this round"), 100 - (ASKERS as u64 - 1));
}

#[test]
fn who_answers_what_was_known_is_corrected() {
    let mut node = Harness::new(Config::push_pull(1));
    node.hear(5, [Message::Spare(rumor(0))]);
    node.round();
    // It was known when this node asked: the list must have been too short.
    let corrected = node.hear(1, [Message::Answer(rumor(0))]);
    assert_eq!(corrected, [(1, feedback(rumor(0).id, false))]);
    // It was not known: it came from elsewhere in the meantime.
    node.hear(5, [Message::Spare(rumor(1))]);
    assert_eq!(node.hear(1, [Message::Answer(rumor(1))]), []);
    // Nothing was asked of this peer, so nothing is said to it.
    assert_eq!(node.hear(2, [Message::Answer(rumor(0))]), []);

    // The other side: corrected, it counts a useless contact, and loses interest.
    let mut node = Harness::new(Config::pull(1));
    node.hear(5, [Message::Spare(rumor(0))]);
    node.round();
    node.hear(6, [Message::Ask(Bounded::new())]);
    node.hear(6, [feedback(rumor(0).id, false)]);
    node.round();
    assert_eq!(node.news().hot(), 0);
}

#[test]
fn spare_room_takes_rumors_and_moves_no_counter() {
    let mut node = Harness::new(Config::push(1).piggyback(true));
    node.hear(5, [Message::Push(rumor(0))]);
    assert_eq!(node.round().len(), 1);
    // An answer to 6 leaves room; rumor 0 goes along, and not back to 5 who brought it.
    let to_6 = node.hear(6, [Message::Push(rumor(1))]);
    assert!(matches!(to_6[..], [(6, Message::Feedback { .. }), (6, Message::Spare(_))]));
    assert_eq!(node.hear(5, [Message::Push(rumor(2))]).len(), 1);
    assert_eq!(node.news().traffic().spared, 1);
    // What 6 thinks of it is not asked, and does not count, though k is 1.
    node.hear(6, [feedback(rumor(0).id, false)]);
    node.round();
    assert!(node.news().is_hot(&rumor(0).id));
    // By default nothing is put there.
    let mut node = Harness::new(Config::push(1));
    node.hear(5, [Message::Push(rumor(0))]);
    node.round();
    assert_eq!(node.hear(6, [Message::Push(rumor(1))]).len(), 1);
}

#[test]
fn a_full_table_refuses_to_publish_and_makes_room_for_others() {
    let mut node = Harness::new(Config::push(2).hot(4));
    node.publish("one").unwrap();
    node.publish("two").unwrap();
    assert_eq!(node.publish("three"), Err(Refusal::Full { limit: 2 }));
    assert_eq!(node.events().len(), 2, "a refused rumor is not delivered");
    node.hear(5, (0..5).map(|at| Message::Push(rumor(at))));
    assert_eq!((node.news().hot(), node.news().remembered()), (4, 5));
    assert_eq!(node.count("hot rumor displaced"), 3);
    assert!(node.news().is_hot(&rumor(4).id) && !node.news().is_hot(&rumor(2).id));
    assert_eq!(node.events().len(), 5, "each is delivered, spread or not");
}

#[test]
fn shares_bound_what_is_taken_in() {
    let config = Config::push(2).share(2).intake(5);
    let mut node = Harness::new(config);
    for peer in 10..15 {
        node.hear(peer, (0..4).map(|at| Message::Push(rumor(4 * peer + at))));
    }
    assert_eq!(node.news().remembered(), 5);
    assert_eq!(node.count("shed: its sender's share is used up"), 4);
    assert_eq!(node.count("shed: intake full"), 11);
    // What was shed is not known, and may come again.
    node.round();
    let answer = node.hear(10, [Message::Push(rumor(43))]);
    assert_eq!(answer, [(10, feedback(rumor(43).id, true))]);
}

#[test]
fn old_and_forged_rumors_are_refused() {
    let mut node = Harness::new(Config::push(2));
    assert_eq!(node.hear(5, [Message::Push(Post { age: 65, ..rumor(0) })]), []);
    assert_eq!(node.count("too old"), 1);
    node.publish("mine").unwrap();
    let mine = id_of(&node.events()[0]);
    // Its own rumor coming back, one it never published, and one of an earlier life.
    let echo = |id| Message::Push(Post { id, ..rumor(0) });
    assert_eq!(node.hear(5, [echo(mine)]), [(5, feedback(mine, false))]);
    assert_eq!(node.hear(5, [echo(MessageId { sequence: 1, ..mine })]), []);
    assert_eq!(node.count("forged in this node's name"), 1);
    let earlier = MessageId { boot: mine.boot ^ 1, ..mine };
    assert_eq!(node.hear(5, [echo(earlier)]), [(5, feedback(earlier, true))]);
}

/// The stated limit of the memory: `memory` newer rumors, and one is forgotten. It takes more
/// rounds than a rumor's age for that.
#[test]
fn an_identifier_is_forgotten_only_for_as_many_newer_ones() {
    let mut node = Harness::new(Config::push(2).age(2).intake(4).share(4).memory(16));
    node.hear(5, [Message::Push(rumor(0))]);
    for round in 0..4 {
        node.round();
        let lot = (1..=4).map(|at| Message::Spare(rumor(100 * round + at)));
        assert_eq!(node.count("identifier forgotten"), 0);
        node.hear(5, lot);
    }
    assert_eq!(node.count("identifier forgotten"), 1);
    assert!(!node.news().knows(&rumor(0).id));
}

#[test]
fn a_leaving_node_hands_its_rumors_over() {
    let mut node = Harness::new(Config::push(2));
    node.publish("will").unwrap();
    let clock = node.clock();
    node.node.leave(clock, &mut node.out);
    let sent = node.sent();
    assert!(matches!(sent[..], [(1, Message::Spare(_))]), "{sent:?}");
}

#[test]
fn fanout_is_the_number_of_distinct_peers_contacted() {
    let mut node = Harness::with_peers(Config::push(2).fanout(3), [1, 2, 3]);
    node.publish("news").unwrap();
    for _ in 0..20 {
        let mut peers: Vec<u32> = node.round().iter().map(|sent| sent.0).collect();
        peers.sort_unstable();
        let distinct = peers.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(distinct && (1..=3).contains(&peers.len()), "{peers:?}");
    }
    let mut alone = Harness::with_peers(Config::push(2), []);
    alone.publish("news").unwrap();
    assert_eq!(alone.round(), []);
    assert_eq!(alone.count("no peer to contact"), 1);
}

#[test]
fn parameters_are_checked_by_name() {
    let refused = |config| State::<u32, Value>::new(config).unwrap_err().to_string();
    let cases = [
        (Config::push(0), "counter k is 0 useless contacts; it must be 1 to 65535"),
        (Config::push(1).fanout(17), "fanout f is 17 peers; it must be 1 to 16"),
        (Config::push(1).hot(0), "hot rumors is 0 rumors; it must be at least 1"),
        (Config::push(1).batch(0), "batch is 0 rumors; it must be at least 1"),
        (Config::push(1).age(0), "age is 0 rounds; it must be 1 to 65535"),
        (
            Config::push(1).memory(64 * 66 - 1),
            "memory is 4223 identifiers; \
             it must be at least the intake times two more than the age",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(refused(config), message);
    }
}

/// A rumor of 1,000 bytes and a full question from nodes named by sockets fit a datagram.
#[test]
fn the_longest_messages_fit_a_datagram() {
    use core::net::SocketAddr;
    use gossip_core::packet::BUDGET;
    const { assert!(Message::<SocketAddr, Blob<1_000>>::MAX_LEN + 4 <= BUDGET) }
    assert_eq!(Message::<SocketAddr, Blob<1>>::MAX_LEN, 722);
}
