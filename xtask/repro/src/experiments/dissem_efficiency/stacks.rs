//! The stacks that are measured, and what the measurement needs to know of each.

use core::time::Duration;
use std::collections::BTreeSet;

use gossip_core::membership::{self, Swim};
use gossip_core::sampling::{Cyclon, HyParView, cyclon, hyparview};
use gossip_core::{
    Blob, Context, Layer, PeerId, Peers, Protocol, Receipt, Refusal, message, stack,
};
use gossip_dissem::hierarchy::LeafBoxes;
use gossip_dissem::plumtree::{self, Plumtree, Trees};
use gossip_dissem::{Adaptive, MedianCounter, RumorMongering, adaptive, median, rumor};

use xtask_repro::params::Params;

/// A value: its number, and bytes that say nothing.
type Value = Blob<256>;

pub(super) fn value(number: u32, size: usize) -> Value {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(size.max(4), 0);
    Blob::new(bytes).expect("at most 256 bytes")
}

fn number(value: &Value) -> u32 {
    value.first_chunk().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
}

message! {
    /// A value that floods.
    #[derive(PartialEq)]
    struct Wave {
        value: Value,
    }
}

message! {
    /// Publish this.
    #[derive(PartialEq)]
    struct Publish {
        value: Value,
    }
}

/// Passes on what is new over every link but the one it came by.
#[derive(Clone, Debug)]
struct Flood<I> {
    seen: BTreeSet<u32>,
    sent: u64,
    id: core::marker::PhantomData<fn() -> I>,
}

impl<I: PeerId> Flood<I> {
    fn pass_on<D: Peers<Id = I>>(
        &mut self,
        below: &D,
        from: Option<I>,
        value: &Value,
        cx: &mut impl Context<Self>,
    ) {
        if self.seen.insert(number(value)) {
            cx.emit(number(value));
            below.for_each(|peer, _| {
                if Some(peer) != from {
                    self.sent += 1;
                    cx.send(peer, Wave { value: value.clone() });
                }
            });
        }
    }
}

impl<I: PeerId> Protocol for Flood<I> {
    type Id = I;
    type Message = Wave;
    type Event = u32;
    type Command = Publish;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Flood<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, below: &D, from: I, wave: Wave, cx: &mut impl Context<Self>) {
        self.pass_on(below, Some(from), &wave.value, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        publish: Publish,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.pass_on(below, None, &publish.value, cx);
        Ok(Receipt::default())
    }
}

stack! {
    pub(super) struct Flooding<I: PeerId> {
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        news: Flood<I>,
    }
}

stack! {
    pub(super) struct Tree<I: PeerId> {
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        news: Plumtree<I, Value>,
    }
}

stack! {
    pub(super) struct Rumors<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        news: RumorMongering<I, Value>,
    }
}

stack! {
    pub(super) struct Counted<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        news: MedianCounter<I, Value>,
    }
}

stack! {
    pub(super) struct Boxed<I: PeerId> {
        members: Swim<I>,
        #[uses(members)]
        news: Adaptive<I, Value>,
    }
}

/// What the measurement needs to know of a stack.
pub(super) trait Spreads: Layer<(), Id = u32> + Sized + Send + 'static {
    fn make(params: &Params) -> Self;
    fn publish(value: Value) -> Self::Command;
    fn heard(event: &Self::Event) -> Option<u32>;
    fn sent(&self) -> u64;
}

fn links() -> HyParView<u32, 5, 30> {
    HyParView::new(hyparview::Config::default()).expect("the default")
}

fn views() -> Cyclon<u32, 20> {
    Cyclon::new(cyclon::Config::default()).expect("the default")
}

type FloodTold = <Flooding<u32> as Protocol>::Event;

impl Spreads for Flooding<u32> {
    fn make(_: &Params) -> Self {
        let id = core::marker::PhantomData;
        Self::new(links(), Flood { seen: BTreeSet::new(), sent: 0, id })
    }

    fn publish(value: Value) -> Self::Command {
        <Self as Protocol>::Command::news(Publish { value })
    }

    fn heard(event: &Self::Event) -> Option<u32> {
        match event {
            FloodTold::news(number) => Some(*number),
            FloodTold::peers(never) => match *never {},
        }
    }

    fn sent(&self) -> u64 {
        self.news.sent
    }
}

type TreeTold = <Tree<u32> as Protocol>::Event;

impl Spreads for Tree<u32> {
    fn make(params: &Params) -> Self {
        let mut config = match params.choice("protocol") {
            "paper" => plumtree::Config::paper(),
            _ => plumtree::Config::default(),
        };
        config.timeout1 = Duration::from_millis(params.count("timeout1") as u64);
        config.burst = params.count("burst");
        match params.choice("trees") {
            "shared" => config.trees = Trees::Shared,
            "own" => config.trees = Trees::PerOrigin,
            "demand" => config.trees = Trees::OnDemand,
            _ => {}
        }
        Self::new(links(), Plumtree::new(config).expect("valid"))
    }

    fn publish(value: Value) -> Self::Command {
        <Self as Protocol>::Command::news(plumtree::Command::Publish(value))
    }

    fn heard(event: &Self::Event) -> Option<u32> {
        match event {
            TreeTold::news(plumtree::Event::Delivered { value, .. }) => Some(number(value)),
            TreeTold::peers(never) => match *never {},
        }
    }

    fn sent(&self) -> u64 {
        self.news.traffic().payloads
    }
}

type RumorsTold = <Rumors<u32> as Protocol>::Event;

impl Spreads for Rumors<u32> {
    fn make(params: &Params) -> Self {
        let config = match params.choice("protocol") {
            "push" => rumor::Config::push(4),
            _ => rumor::Config::push_pull(2),
        };
        Self::new(views(), RumorMongering::new(config).expect("valid"))
    }

    fn publish(value: Value) -> Self::Command {
        <Self as Protocol>::Command::news(rumor::Command::Publish(value))
    }

    fn heard(event: &Self::Event) -> Option<u32> {
        match event {
            RumorsTold::news(rumor::Event::Delivered { value, .. }) => Some(number(value)),
            _ => None,
        }
    }

    fn sent(&self) -> u64 {
        let traffic = self.news.traffic();
        traffic.pushed + traffic.answered + traffic.spared + traffic.mailed
    }
}

type CountedTold = <Counted<u32> as Protocol>::Event;

impl Spreads for Counted<u32> {
    fn make(_: &Params) -> Self {
        Self::new(views(), MedianCounter::new(median::Config::default()).expect("the default"))
    }

    fn publish(value: Value) -> Self::Command {
        <Self as Protocol>::Command::news(median::Command::Publish(value))
    }

    fn heard(event: &Self::Event) -> Option<u32> {
        match event {
            CountedTold::news(median::Event::Delivered { value, .. }) => Some(number(value)),
            CountedTold::peers(_) => None,
        }
    }

    fn sent(&self) -> u64 {
        self.news.traffic().pushed + self.news.traffic().answered
    }
}

/// Children of a box, and about as many members of a leaf box.
const BASE: u32 = 4;

type BoxedTold = <Boxed<u32> as Protocol>::Event;

impl Spreads for Boxed<u32> {
    fn make(params: &Params) -> Self {
        let depth = (params.count("n") as u32).ilog(BASE).saturating_sub(1);
        let boxes = LeafBoxes::new(BASE, depth).expect("as many boxes as nodes at most");
        let news = Adaptive::new(boxes, adaptive::Config::default()).expect("the default");
        Self::new(Swim::new(membership::Config::default()).expect("the default"), news)
    }

    fn publish(value: Value) -> Self::Command {
        <Self as Protocol>::Command::news(adaptive::Command::Publish(value))
    }

    fn heard(event: &Self::Event) -> Option<u32> {
        match event {
            BoxedTold::news(adaptive::Event::Delivered { value, .. }) => Some(number(value)),
            BoxedTold::members(_) => None,
        }
    }

    fn sent(&self) -> u64 {
        self.news.traffic().payloads
    }
}
