//! A layer above the membership, whose data must not starve behind news of members.

use gossip_core::packet::BUDGET;
use gossip_core::wire::Blob;
use gossip_core::{Card, Context, Layer, Nothing, PeerId, Protocol, stack};

use super::*;

pub(super) type Label = Blob<100>;

/// A long label, which is every node's profile.
pub(super) fn label(name: u8) -> Label {
    Blob::new([name; 100]).unwrap()
}

/// A user's data of 500 bytes, which travels in spare room only.
#[derive(Debug, Clone)]
pub(super) struct Courier<I>(
    pub(super) Option<Blob<500>>,
    pub(super) core::marker::PhantomData<fn() -> I>,
);

impl<I: PeerId> Protocol for Courier<I> {
    type Id = I;
    type Message = Blob<500>;
    type Event = Nothing;
    type Command = Nothing;
}

impl<I: PeerId, D: ?Sized> Layer<D> for Courier<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}
    fn on_message(&mut self, _: &D, _: I, data: Blob<500>, _: &mut impl Context<Self>) {
        self.0 = Some(data);
    }
    fn on_spare(&mut self, _: &D, to: I, cx: &mut impl Context<Self>) {
        if let Some(data) = &self.0
            && data.encoded_len() <= cx.room(to)
        {
            cx.send(to, data.clone());
        }
    }
}

stack! {
    #[derive(Debug, Clone)]
    pub(super) struct Loaded<I: PeerId> {
        label: Card<I, Label>,
        #[uses(label)]
        peers: Swim<I, Label>,
        #[uses(peers)]
        courier: Courier<I>,
    }
}

type Frame = <Loaded<u32> as Protocol>::Message;
type Command = <Loaded<u32> as Protocol>::Command;

/// `n` nodes with these parameters that have joined through node 0, half a minute ago.
fn loaded(n: u32, config: Config, seed: u64) -> Simulation<Loaded<u32>> {
    let make = move |_| {
        let swim = Swim::new(config).unwrap();
        Loaded::new(Card::of(label(7)), swim, Courier(None, <_>::default()))
    };
    let mut sim = Simulation::new(n, make, links(), event::Config::seeded(seed)).unwrap();
    (1..n).for_each(|node| sim.contact(node, 0));
    sim.run_for(SECOND * 30);
    sim
}

/// Probes and answers with less than 500 bytes free in a minute in which all of 50 nodes change
/// their labels every five seconds.
fn crowded(share: f64, seed: u64) -> usize {
    let config = Config { share, spare: false, sync: 0, ..Config::default() };
    let mut sim = loaded(50, config, seed);
    sim.run_for(SECOND * 60);
    sim.record(20_000);
    for step in 0..12 {
        for node in 0..50 {
            sim.command(node, Command::label(label(step))).unwrap();
        }
        sim.run_for(SECOND * 5);
    }
    let probes = |bytes: &[u8]| {
        let (_, mut frames) = Header::read(bytes, ClusterId::default()).unwrap();
        let first = Frame::decode(&mut frames);
        let is_probe = matches!(first, Ok(Frame::peers(Message::Ping(..) | Message::Ack(..))));
        // A second message to the same node takes half of what the first has left.
        is_probe && frames.is_empty()
    };
    let all = sim.recorded().map(|passage| passage.bytes);
    all.filter(|bytes| probes(bytes) && bytes.len() + 500 > BUDGET).count()
}

/// However much there is to tell, news on probes and answers take half of a datagram by default, so
/// that there is room for a user's 500 bytes in each. The control: without shares there often is
/// none.
#[test]
fn news_leave_half_of_each_datagram_to_others() {
    let seed = 58;
    assert_eq!(crowded(0.5, seed), 0, "seed {seed}");
    let without = crowded(1.0, seed);
    assert!(without >= 1_000, "control: {without}; seed {seed}");
}

/// Seconds until 50 nodes have the user's data, which is sent `after` 200 others have joined.
fn delivery(after: Duration, seed: u64) -> u32 {
    let mut sim = loaded(50, Config { spare: false, ..Config::default() }, seed);
    for _ in 0..200 {
        let node = sim.join().unwrap();
        sim.contact(node, 0);
    }
    sim.run_for(after);
    let data = Blob::new([1; 500]).unwrap();
    sim.node_mut(3).unwrap().courier.0 = Some(data);
    let has = |sim: &Simulation<Loaded<u32>>, node| sim.node(node).unwrap().courier.0.is_some();
    let mut seconds = 0;
    while !(0..50).all(|node| has(&sim, node)) {
        sim.run_for(SECOND);
        seconds += 1;
        assert!(seconds < 200, "never delivered; seed {seed}");
    }
    seconds
}

/// 200 join at once: a user's data is there within twice the usual time, that of half a minute
/// later.
#[test]
fn user_data_does_not_starve_behind_200_joins() {
    let times = |after| (59..62).map(|seed| delivery(SECOND * after, seed)).sum::<u32>();
    let (joining, usual) = (times(2), times(40));
    assert!(joining <= 2 * usual, "{joining} s, usually {usual} s; seeds 59 to 61");
}
