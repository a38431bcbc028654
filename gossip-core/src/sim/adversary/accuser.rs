//! Members that lie in Fireflies.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Cheat;
use crate::auth::{Keyed, Signer};
use crate::membership::fireflies::note::pong;
use crate::membership::fireflies::{
    Accusation, Certificate, Digest, Fireflies, Message, News, Note, Rings,
};
use crate::protocol::Context;
use crate::wire::Bounded;

/// What a lying member does, besides passing nothing on and accusing nobody who is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Malice {
    /// Accuses everybody on each ring that is open to it, for ever.
    pub accuse: bool,
    /// Accuses random others as well, whose predecessor it is not.
    pub unfounded: bool,
    /// Says again what it has ever heard, however old.
    pub replay: bool,
}

/// A member of [`Fireflies`] that answers pings, so that it is taken for alive, and lies.
///
/// It knows everybody's address, reads what all know, and colludes: it accuses none of the others
/// that lie.
#[derive(Clone, Debug)]
pub struct Accuser {
    signer: Keyed,
    certificate: Certificate<u32, u32, u64>,
    rings: Rings,
    /// Addresses from this one on are those of liars, and end before the second.
    liars: (u32, u32),
    malice: Malice,
    notes: BTreeMap<u32, Note<u32, u32, u64>>,
    /// On which rings it precedes whom, as of so many notes.
    places: BTreeMap<u32, Vec<u8>>,
    placed: usize,
    old: Vec<Message<u32, u32, u64>>,
}

/// What a liar remembers to replay, and how much of it in a round.
const MEMORY: usize = 4_096;
const REPLAYS: usize = 16;

/// Members told each accusation in a round.
const TOLD: usize = 8;

impl Accuser {
    /// A liar with this certificate, in a group with these rings where the liars are those with
    /// addresses from `liars.0` up to `liars.1`, which ends the group.
    pub const fn new(
        signer: Keyed,
        certificate: Certificate<u32, u32, u64>,
        rings: Rings,
        liars: (u32, u32),
        malice: Malice,
    ) -> Self {
        Self {
            signer,
            certificate,
            rings,
            liars,
            malice,
            notes: BTreeMap::new(),
            places: BTreeMap::new(),
            placed: 0,
            old: Vec::new(),
        }
    }

    /// On which rings this liar precedes whom, of those it has heard of.
    fn place(&mut self, me: u32) {
        self.placed = self.notes.len();
        self.places.clear();
        let others = self.notes.iter().filter(|&(&name, _)| name != me);
        let others = others.map(|(&name, note)| (name, note.certificate.number));
        let successors = self.rings.successors(self.certificate.number, &others);
        for (ring, victim) in (0..).zip(successors) {
            self.places.entry(victim).or_default().push(ring);
        }
    }

    /// All accusations that others may take for valid, and as many that nobody should.
    fn slander(&mut self, cx: &mut impl Context<Fireflies<u32, Keyed>>) -> Vec<Slander> {
        let me = cx.me();
        if self.placed != self.notes.len() {
            self.place(me);
        }
        let mut said = Vec::new();
        for (&victim, note) in self.notes.range(..self.liars.0) {
            let places = self.places.get(&victim).into_iter().flatten().copied();
            let founded = places.filter(|&ring| self.malice.accuse && !note.disables(ring));
            let random = cx.rng().below(self.rings.count().into()) as u8;
            let unfounded = self.malice.unfounded.then_some(random);
            for ring in founded.chain(unfounded) {
                said.push(Accusation::sign(&self.signer, me, (victim, note.epoch), ring));
            }
        }
        said
    }
}

type Slander = Accusation<u32, u64>;

impl Cheat<Fireflies<u32, Keyed>> for Accuser {
    fn on_round(&mut self, cx: &mut impl Context<Fireflies<u32, Keyed>>) {
        let all = self.liars.1 as usize;
        // Empty digests: tell me everything.
        for _ in 0..4 {
            let (salt, prints) = (cx.rng().next_u64(), Bounded::new());
            let to = cx.rng().below(all) as u32;
            cx.send(to, Message::Digest(Digest { salt, after: None, until: None, prints }));
        }
        for said in self.slander(cx).chunks(4) {
            let mut news = News { notes: Bounded::new(), accusations: Bounded::new() };
            news.accusations.fill(said.iter().copied());
            for _ in 0..TOLD {
                let to = cx.rng().below(all) as u32;
                cx.send(to, Message::News(news.clone()));
            }
        }
        for _ in 0..if self.malice.replay { REPLAYS } else { 0 } {
            let (old, to) = (cx.rng().pick(&self.old).cloned(), cx.rng().below(all) as u32);
            if let Some(old) = old {
                cx.send(to, old);
            }
        }
    }

    fn on_message(
        &mut self,
        from: u32,
        message: Message<u32, u32, u64>,
        cx: &mut impl Context<Fireflies<u32, Keyed>>,
    ) {
        match &message {
            Message::Ping(number) => {
                let signature = self.signer.sign(&pong(*number, from, cx.me()));
                cx.send(from, Message::Pong(*number, signature));
            }
            Message::News(news) => {
                for &note in &news.notes {
                    let held = self.notes.entry(note.address()).or_insert(note);
                    if held.epoch < note.epoch {
                        *held = note;
                    }
                }
            }
            Message::Pong(..) | Message::Digest(_) | Message::Heard => {}
        }
        if self.malice.replay && !matches!(message, Message::Ping(_)) {
            if self.old.len() < MEMORY {
                self.old.push(message);
            } else {
                let place = cx.rng().below(MEMORY);
                self.old[place] = message;
            }
        }
    }
}
