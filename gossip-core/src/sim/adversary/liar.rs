//! A node that says anything.

use alloc::vec::Vec;

use super::member::Cheat;
use crate::protocol::{Context, Protocol};
use crate::random::Random;
use crate::wire::Wire;

/// Sends messages that are well-formed, and mean anything: what it has heard, with some bytes
/// changed, to anybody; at once to who said it, and again every round. It knows no protocol, so it
/// lies in every one.
///
/// See [`Member`](super::Member) for how to put it among honest nodes.
#[derive(Clone, Debug)]
pub struct Liar {
    /// Nodes are 0 up to this.
    nodes: u32,
    /// The most lies in a round, answers included.
    lies: u32,
    left: u32,
    heard: Vec<Vec<u8>>,
}

/// Messages remembered.
const HEARD: usize = 32;

/// Attempts at a lie: most changes of some bytes make no message.
const TRIES: usize = 8;

impl Liar {
    /// A liar that sends at most `lies` messages a round to nodes from 0 up to `nodes`.
    pub const fn new(nodes: u32, lies: u32) -> Self {
        Self { nodes, lies, left: lies, heard: Vec::new() }
    }

    /// What was heard, in other words.
    fn lie<M: Wire>(heard: &[u8], random: &mut Random) -> Option<M> {
        (0..TRIES).find_map(|_| {
            let mut bytes = heard.to_vec();
            for _ in 0..random.below(5) {
                // The first bytes say what kind of message it is.
                let within = if random.chance(0.3) { 2 } else { bytes.len() };
                let at = random.below(within.min(bytes.len()));
                let by = if random.chance(0.5) { 1 } else { random.next_u64() as u8 };
                let byte = bytes.get_mut(at)?;
                *byte = byte.wrapping_add(by);
            }
            M::decode_all(&bytes).ok()
        })
    }
}

impl<S: Protocol<Id = u32>> Cheat<S> for Liar {
    fn on_round(&mut self, cx: &mut impl Context<S>) {
        self.left = self.lies;
        for _ in 0..self.lies / 2 {
            let to = cx.rng().below(self.nodes as usize) as u32;
            let heard = cx.rng().pick(&self.heard);
            if let Some(lie) = heard.and_then(|heard| Self::lie(heard, cx.rng())) {
                self.left -= 1;
                cx.send(to, lie);
            }
        }
    }

    fn on_message(&mut self, from: u32, message: S::Message, cx: &mut impl Context<S>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        for _ in 0..3_u32.min(self.left) {
            if let Some(lie) = Self::lie(&bytes, cx.rng()) {
                self.left -= 1;
                cx.send(from, lie);
            }
        }
        let place = cx.rng().below(HEARD);
        match self.heard.get_mut(place) {
            Some(old) => *old = bytes,
            None => self.heard.push(bytes),
        }
    }
}
