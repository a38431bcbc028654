//! The hub attack: some nodes collude to be all that anybody knows.

use alloc::vec::Vec;

use super::member::Cheat;
use crate::auth::{Keyed, Signer};
use crate::exchange::Leg;
use crate::protocol::Context;
use crate::sampling::secure_cyclon::{Chain, Message};
use crate::sampling::{Cyclon, Descriptor, SecureCyclon, cyclon};

/// How old colluders say their descriptors are, in rounds: older than honest ones, so that those
/// who hold them come back at once.
const AGE: u16 = 40;

/// A colluder in [`Cyclon`]: answers and asks with descriptors of colluders only.
#[derive(Clone, Debug)]
pub struct CyclonHub {
    /// The honest nodes are 0 up to this; the colluders come after them.
    pub honest: u32,
    /// How many colluders there are.
    pub colluders: u32,
    /// Descriptors in a message. All that it can hold is best: those known already take no place.
    pub shuffle: usize,
}

impl CyclonHub {
    fn message<const C: usize>(&self, random: &mut crate::Random) -> cyclon::Message<u32, C, ()> {
        let mut all: Vec<u32> = (self.honest..self.honest + self.colluders).collect();
        let chosen = random.choose(&mut all, self.shuffle);
        let mut message = cyclon::Message::new();
        message.fill(chosen.iter().map(|&id| Descriptor { id, age: AGE, profile: () }));
        message
    }
}

impl<const C: usize> Cheat<Cyclon<u32, C>> for CyclonHub {
    fn on_round(&mut self, cx: &mut impl Context<Cyclon<u32, C>>) {
        let victim = cx.rng().below(self.honest as usize) as u32;
        let message = self.message(cx.rng());
        cx.send(victim, Leg::Request(1, message));
    }

    fn on_message(
        &mut self,
        from: u32,
        message: Leg<cyclon::Message<u32, C, ()>>,
        cx: &mut impl Context<Cyclon<u32, C>>,
    ) {
        if let Leg::Request(number, _) = message {
            let reply = self.message(cx.rng());
            cx.send(from, Leg::Reply(number, reply));
        }
    }
}

/// How a colluder in [`SecureCyclon`] comes by more descriptors than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fraud {
    /// It gives one descriptor, which it owns, to many.
    Cloning,
    /// It makes a descriptor of itself for everybody who asks.
    Frequency,
}

/// A colluder in [`SecureCyclon`]: gives descriptors of colluders only, as many as are taken, and
/// begins an exchange a round with what it was given. Nodes' keys are their numbers.
#[derive(Clone, Debug)]
pub struct SecureHub<const T: usize> {
    /// The honest nodes are 0 up to this.
    pub honest: u32,
    /// Colluders sign for each other, until they are known as cheats.
    pub colluders: Vec<Keyed>,
    /// What they do.
    pub fraud: Fraud,
    /// Which of them this one is.
    pub own: Keyed,
    /// Honest descriptors it was given: tickets to honest nodes.
    tickets: Vec<ChainOf<T>>,
    /// The period that descriptors bear. Honest nodes have rounds of a second.
    period: u64,
    next: usize,
}

type ChainOf<const T: usize> = Chain<u32, u32, u64, T>;

/// Periods for which a colluder makes descriptors of itself for everybody: more than change hands
/// in an exchange.
const PERIODS: usize = 16;

/// The most tickets a colluder hoards.
const HOARD: usize = 64;

impl<const T: usize> SecureHub<T> {
    /// One of `colluders`, among `honest` others.
    pub const fn new(honest: u32, colluders: Vec<Keyed>, own: Keyed, fraud: Fraud) -> Self {
        Self { honest, colluders, fraud, own, tickets: Vec::new(), period: 0, next: 0 }
    }

    /// A descriptor for `to`, which has been or will be given to others as well.
    fn forged(&mut self, to: u32, number: u32) -> Option<ChainOf<T>> {
        self.next = (self.next + 1) % self.colluders.len().max(PERIODS);
        let (creator, period) = match self.fraud {
            Fraud::Cloning => {
                (self.colluders.get(self.next % self.colluders.len().max(1))?, self.period)
            }
            Fraud::Frequency => (&self.own, self.period - (self.next % PERIODS) as u64),
        };
        let mut chain = Chain::new(creator.key(), creator.key(), period);
        if creator.key() != self.own.key() {
            chain.transfer(creator, self.own.key(), 0);
        }
        chain.transfer(&self.own, to, number);
        Some(chain)
    }
}

impl<const C: usize, const T: usize> Cheat<SecureCyclon<u32, Keyed, C, T>> for SecureHub<T> {
    fn on_round(&mut self, cx: &mut impl Context<SecureCyclon<u32, Keyed, C, T>>) {
        let now = SecureCyclon::<u32, Keyed, C, T>::FIRST + cx.now().as_micros() / 1_000_000;
        self.period = now - u64::from(AGE);
        if let Some(mut ticket) = self.tickets.pop() {
            ticket.redeem(&self.own);
            cx.send(ticket.address, Message::Redeem(1, ticket));
        } else {
            let victim = cx.rng().below(self.honest as usize) as u32;
            cx.send(victim, Message::Visit(1, self.own.key()));
        }
    }

    fn on_message(
        &mut self,
        from: u32,
        message: Message<u32, u32, u64, T>,
        cx: &mut impl Context<SecureCyclon<u32, Keyed, C, T>>,
    ) {
        let number = match message {
            Message::Redeem(number, _) | Message::Visit(number, _) => number,
            Message::Give(_, number, chain) => {
                if chain.creator < self.honest && self.tickets.len() < HOARD {
                    self.tickets.push(chain);
                }
                number
            }
            Message::Proof(proof) => {
                // Nobody takes these any more.
                return self.colluders.retain(|colluder| colluder.key() != proof.culprit);
            }
            Message::End(_) | Message::Sample(_) => return,
        };
        if let Some(chain) = self.forged(from, number) {
            cx.send(from, Message::Give(number, 1, chain));
        }
    }
}
