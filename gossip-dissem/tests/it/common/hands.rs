//! A layer in one's hands: a context that keeps what the layer does, without network or driver.

use core::time::Duration;

use gossip_core::random::{Key, Random};
use gossip_core::sampling::Fixed;
use gossip_core::{Context, Counts, Layer, Local, Protocol, Receipt, Refusal, Round, Time};

/// What a layer does.
pub(crate) struct Hands<P: Protocol> {
    me: u32,
    pub(crate) now: Time,
    pub(crate) round: Round,
    random: Random,
    pub(crate) sent: Vec<(u32, P::Message)>,
    pub(crate) told: Vec<P::Event>,
    pub(crate) counts: Counts,
}

impl<P: Protocol<Id = u32>> Hands<P> {
    pub(crate) fn at(me: u32) -> Self {
        Self {
            me,
            now: Time::ZERO,
            round: 0,
            random: Key::new(1).random(u64::from(me)),
            sent: Vec::new(),
            told: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// What was told since this was asked last.
    pub(crate) fn take_told(&mut self) -> Vec<P::Event> {
        core::mem::take(&mut self.told)
    }

    /// How often `cause` was counted.
    pub(crate) fn count_of(&self, cause: &str) -> u64 {
        self.counts.total(cause)
    }
}

/// A layer over three neighbours, in one's hands.
pub(crate) struct Held<L: Protocol> {
    pub(crate) layer: L,
    pub(crate) hands: Hands<L>,
    below: Fixed<u32, 8>,
}

impl<L: Layer<Fixed<u32, 8>, Id = u32>> Held<L> {
    /// At node 0.
    pub(crate) fn new(layer: L) -> Self {
        Self::at(0, layer)
    }

    pub(crate) fn at(node: u32, layer: L) -> Self {
        Self { layer, hands: Hands::at(node), below: Fixed::new(1..=3) }
    }

    /// Time passes, and its deadline comes.
    pub(crate) fn wake_after(&mut self, span: Duration) {
        self.hands.now = self.hands.now + span;
        self.layer.on_wake(&self.below, &mut self.hands);
    }

    pub(crate) fn command(&mut self, command: L::Command) -> Result<Receipt, Refusal> {
        self.layer.on_command(&self.below, command, &mut self.hands)
    }

    pub(crate) fn message(&mut self, from: u32, message: L::Message) {
        self.layer.on_message(&self.below, from, message, &mut self.hands);
    }

    pub(crate) fn round(&mut self) {
        self.hands.round += 1;
        self.hands.now = self.hands.now + Duration::from_secs(1);
        self.layer.on_round(&self.below, &mut self.hands);
    }
}

impl<P: Protocol<Id = u32>> Local<P> for Hands<P> {
    fn me(&self) -> u32 {
        self.me
    }

    fn now(&self) -> Time {
        self.now
    }

    fn wall(&self) -> u64 {
        self.now.as_micros()
    }

    fn round(&self) -> Round {
        self.round
    }

    fn rng(&mut self) -> &mut Random {
        &mut self.random
    }

    fn key(&self) -> Key {
        Key::new(1)
    }

    fn emit(&mut self, event: P::Event) {
        self.told.push(event);
    }

    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        self.counts.add(layer, cause);
    }
}

impl<P: Protocol<Id = u32>> Context<P> for Hands<P> {
    fn send(&mut self, to: u32, message: P::Message) {
        self.sent.push((to, message));
    }

    fn room(&self, _: u32) -> usize {
        0
    }

    fn watch(&mut self, _: u32, _: bool) {}
}
