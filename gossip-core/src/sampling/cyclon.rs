//! Cyclon: shuffles that keep every node's in-degree nearly the same.
//!
//! Voulgaris, Gavidia, van Steen, *CYCLON: Inexpensive membership management for unstructured P2P
//! overlays*, JNSM 13(2), 2005, section 2.3 (enhanced shuffling).
//!
//! ```text
//! every round:  ages += 1; q = the oldest neighbour, removed from the view
//!               send q: l - 1 random others, and (self, age 0)
//!               on reply: insert it
//! on request:   reply with l random neighbours; insert the request
//! insert:       skip self and known peers; fill empty places first, then places of sent entries
//! ```
//!
//! # What holds
//!
//! A shuffle moves links and makes none: without failures the sum of all in-degrees stays, and a
//! connected overlay stays connected. The partner is removed before it answers, so a dead one is
//! forgotten; all links to the dead are gone after about 1.5 c rounds.
//!
//! # Deviations from the paper
//!
//! - Ages are kept as the round of birth, so a round writes nothing; they count the same.
//! - A node whose view is empty asks its latest contact again.

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::exchange::{Configured, Exchange, Pairwise};
use crate::id::PeerId;
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Local, Protocol};
use crate::random::Random;
use crate::sampling::descriptor::{Descriptor, Entry};
use crate::time::Round;
use crate::wire::{Bounded, Nothing};

/// Cyclon with a view of `C` peers, whose descriptors carry profiles `P`.
pub type Cyclon<I, const C: usize, P = ()> = Pairwise<State<I, C, P>>;

/// What travels: some descriptors.
pub type Message<I, const C: usize, P> = Bounded<Descriptor<I, P>, C>;

/// Parameters of Cyclon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Descriptors sent per shuffle, from 1 to the view size: the paper's shuffle length l.
    pub shuffle: usize,
}

impl Default for Config {
    /// The paper's l = 8 for views of 20 and 50 (section 3); a view smaller than that is sent
    /// whole.
    fn default() -> Self {
        Self { shuffle: 8 }
    }
}

/// A neighbour, and whether it was sent in the shuffle under way, so that its place is free for
/// what comes back.
#[derive(Clone, Debug)]
struct Place<I, P> {
    entry: Entry<I, P>,
    lent: bool,
}

/// A node's part in Cyclon.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    view: ArrayVec<Place<I, P>, C>,
    shuffle: u16,
    changes: u32,
    /// Asked when the view is empty.
    contact: Option<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(Config { shuffle }: Config) -> Result<Self, ParameterError> {
        ParameterError::new("view size c", C as f64, "descriptors", "1 to 65535")
            .unless((1..=65_535).contains(&C))?;
        ParameterError::new("shuffle length l", shuffle as f64, "descriptors", "at least 1")
            .unless(shuffle >= 1)?;
        let shuffle = shuffle.min(C) as u16;
        Ok(Self { view: ArrayVec::new(), shuffle, changes: 0, contact: None })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, with their ages in rounds as of `now`.
    pub fn view(&self, now: Round) -> impl ExactSizeIterator<Item = (I, Round)> {
        self.view.iter().map(move |place| (place.entry.id, place.entry.age(now)))
    }

    /// Puts a peer into the view from outside a driver, as if just heard of: how simulations start
    /// from a given graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        let entry = Entry { id: peer, born: 0, profile };
        let fits = !self.view.is_full() && !self.knows(peer);
        if fits {
            self.view.push(Place { entry, lent: false });
        }
        fits
    }

    fn knows(&self, peer: I) -> bool {
        self.view.iter().any(|place| place.entry.id == peer)
    }

    fn take_back(&mut self) {
        self.view.iter_mut().for_each(|place| place.lent = false);
    }

    /// Marks `count` random places as lent, and returns what they hold.
    fn lend(&mut self, count: usize, cx: &mut impl Local<Self>) -> Message<I, C, P> {
        let now = cx.round();
        let lent = cx.rng().choose(&mut self.view, count);
        for place in lent.iter_mut() {
            place.lent = true;
        }
        let mut message = Message::new();
        message.fill(lent.iter().map(|place| place.entry.describe(now)));
        message
    }

    /// Inserts what came: into empty places first, then over what was lent.
    fn insert(&mut self, came: Message<I, C, P>, cx: &mut impl Local<Self>) {
        let (me, now) = (cx.me(), cx.round());
        for descriptor in came {
            if descriptor.id == me || self.knows(descriptor.id) {
                continue;
            }
            let place = Place { entry: descriptor.kept(now), lent: false };
            if !self.view.is_full() {
                self.view.push(place);
            } else if let Some(lent) = self.view.iter_mut().find(|place| place.lent) {
                *lent = place;
            } else {
                break; // more came than was sent
            }
        }
        self.take_back();
        self.changes = self.changes.wrapping_add(1);
    }
}

impl<I: PeerId, const C: usize, P: Profile> Protocol for State<I, C, P> {
    type Id = I;
    type Message = Message<I, C, P>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.changes.into()
    }
}

impl<I, const C: usize, P, D> Exchange<D> for State<I, C, P>
where
    I: PeerId,
    P: Profile,
    D: Describe<P> + ?Sized,
{
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        let now = cx.round();
        let oldest = (0..self.view.len()).max_by_key(|&at| self.view[at].entry.age(now));
        let partner = match oldest.and_then(|at| self.view.swap_pop(at)) {
            Some(place) => place.entry.id,
            None => self.contact?,
        };
        self.take_back();
        let mut sent = self.lend(usize::from(self.shuffle) - 1, cx);
        sent.fill([Descriptor { id: cx.me(), age: 0, profile: below.describe() }]);
        Some((partner, sent))
    }

    fn respond(
        &mut self,
        _: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        // An exchange of our own may be under way: what it has lent stays lent, and what this one
        // lends is settled here.
        let own: ArrayVec<I, C> =
            self.view.iter().filter(|place| place.lent).map(|place| place.entry.id).collect();
        self.take_back();
        let reply = self.lend(usize::from(self.shuffle), cx);
        self.insert(request, cx);
        self.view.iter_mut().for_each(|place| place.lent = own.contains(&place.entry.id));
        Some(reply)
    }

    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        self.insert(reply, cx);
    }

    fn refused(&mut self, _: &D, _: I, _: &mut impl Local<Self>) {
        self.take_back();
    }

    fn abandon(&mut self, _: &D, _: I, _: &mut impl Local<Self>) {
        // The partner is out of the view already: that is how the dead are forgotten.
        self.take_back();
        self.changes = self.changes.wrapping_add(1);
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Local<Self>) {
        self.contact = Some(peer);
    }
}

impl<I: PeerId, const C: usize, P: Profile> Peers for State<I, C, P> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).map(|place| place.entry.id)
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.view.iter().for_each(|place| visit(place.entry.id, 0));
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        let place = self.view.iter().find(|place| place.entry.id == peer)?;
        Some(place.entry.age(now))
    }

    fn degree(&self) -> usize {
        self.view.len()
    }
}

impl<I: PeerId, const C: usize, P: Profile> Profiles for State<I, C, P> {
    type Profile = P;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &P)) {
        self.view.iter().for_each(|place| visit(place.entry.id, &place.entry.profile));
    }
}
