//! Cyclon: shuffles that keep every node's in-degree nearly the same.
//!
//! Voulgaris, Gavidia, van Steen, *CYCLON: Inexpensive membership management for unstructured P2P
//! overlays*, JNSM 13(2), 2005, section 2.3 (enhanced shuffling); in section 2.2 (basic shuffling)
//! q is a random neighbour: see [`Partner`].
//!
//! ```text
//! every round:  ages += 1; q = the oldest neighbour, which leaves the view
//!               send q: l - 1 random others, and (self, age 0)
//!               on reply: insert it
//! on request:   reply with l random neighbours; insert the request
//! insert:       skip self and known peers; fill empty places first, then places of sent entries
//! ```
//!
//! # What holds
//!
//! A shuffle moves links and makes none: without failures full views stay full, the sum of all
//! in-degrees stays n c, and a connected overlay stays connected. The oldest neighbour is asked and
//! leaves the view, so the dead are forgotten; all links to them are gone after about 1.5 c rounds.
//!
//! # Deviations from the paper
//!
//! - The partner leaves the view when it answers or is given up, not when it is asked. If nothing
//!   new came with its answer, which only happens among few nodes, it stays, fresh: else the link
//!   would be lost.
//! - Fresher news of a peer that is known takes the place of what is known of it, where the paper
//!   skips it: among few nodes, all known to all, profiles would never change.
//! - What is out in a node's own shuffle is not sent again in answers meanwhile, so shuffles may
//!   overlap and double no link.
//! - Ages are kept as the round of birth, so a round writes nothing. They count the holder's own
//!   shuffles, as the paper's do: the same whether the news came before or after its round.
//! - A node joins by shuffling with its contact, and does so again at a decaying rate and when its
//!   view is empty; the paper's random walks are not done.

use core::ops::Range;

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::exchange::{Configured, Exchange, Pairwise};
use crate::id::PeerId;
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Local, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::sampling::descriptor::{Descriptor, Entry, view_size};
use crate::time::Round;
use crate::wire::{Bounded, Nothing};

/// Cyclon with a view of at most `C` peers, whose descriptors carry profiles `P`.
pub type Cyclon<I, const C: usize, P = ()> = Pairwise<State<I, C, P>>;

/// What travels: some descriptors.
pub type Message<I, const C: usize, P> = Bounded<Descriptor<I, P>, C>;

/// Parameters of Cyclon.
///
/// ```
/// use gossip_core::sampling::{Cyclon, cyclon::Config};
///
/// let small = Cyclon::<u32, 64>::new(Config { size: Some(20), ..Config::default() })?;
/// assert_eq!(small.size(), 20);
/// assert!(Cyclon::<u32, 64>::new(Config { size: Some(65), ..Config::default() }).is_err());
/// assert!(Cyclon::<u32, 64>::new(Config { shuffle: 0, ..Config::default() }).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Descriptors sent per shuffle, at least 1: the paper's shuffle length l. A view smaller than
    /// that is sent whole.
    pub shuffle: usize,
    /// Descriptors in the view, from 1 to the capacity `C`: the paper's cache size c. The capacity
    /// itself by default.
    pub size: Option<usize>,
    /// Which neighbour is asked.
    pub partner: Partner,
}

impl Default for Config {
    /// The paper's l = 8 for views of 20 and 50 (section 3), and enhanced shuffling.
    fn default() -> Self {
        Self { shuffle: 8, size: None, partner: Partner::Oldest }
    }
}

/// Which neighbour a node shuffles with: what tells enhanced from basic shuffling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partner {
    /// The oldest (section 2.3, enhanced): the dead are gone after about 1.5 c rounds, and
    /// in-degrees are nearly equal.
    #[default]
    Oldest,
    /// A random one (section 2.2, basic): some of the dead stay for long, and in-degrees spread
    /// twice as much.
    Random,
}

/// A node's part in Cyclon.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    /// The first `lent` are out in the shuffle under way, the partner last of these. The order of
    /// the others means nothing.
    view: ArrayVec<Entry<I, P>, C>,
    lent: u16,
    shuffle: u16,
    size: u16,
    partner: Partner,
    changes: u32,
    /// The round after that of the latest shuffle begun here; 0 before the first.
    shuffled: Round,
    /// Whom to join through.
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(Config { shuffle, size, partner }: Config) -> Result<Self, ParameterError> {
        let size = view_size(size, C)?;
        ParameterError::new("shuffle length l", shuffle as f64, "descriptors", "at least 1")
            .unless(shuffle >= 1)?;
        let shuffle = shuffle.min(size.into()) as u16;
        Ok(Self {
            view: ArrayVec::new(),
            lent: 0,
            shuffle,
            size,
            partner,
            changes: 0,
            shuffled: 0,
            contact: Contact::none(),
        })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, with their ages in rounds as of `now`.
    pub fn view(&self, now: Round) -> impl ExactSizeIterator<Item = (I, Round)> {
        let clock = self.clock(now);
        self.view.iter().map(move |entry| (entry.id, entry.age(clock)))
    }

    /// The most peers the view holds: the paper's c.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Puts a peer into the view from outside a driver, as if born in round 0: how simulations
    /// start from a given graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        let fits = !self.is_full() && !self.knows(peer);
        if fits {
            self.view.push(Entry { id: peer, born: 0, profile });
        }
        fits
    }

    /// What ages are counted by: it moves on with the shuffle that this node begins in round `now`,
    /// not with the driver's round, in which that shuffle may be first or last.
    const fn clock(&self, now: Round) -> Round {
        now.wrapping_add((self.shuffled == now.wrapping_add(1)) as Round)
    }

    fn is_full(&self) -> bool {
        self.view.len() >= self.size()
    }

    fn knows(&self, peer: I) -> bool {
        self.view.iter().any(|entry| entry.id == peer)
    }

    /// Inserts what came: into empty places first, then over the `places` of what was sent for it.
    fn insert(
        &mut self,
        came: Message<I, C, P>,
        mut places: Range<usize>,
        cx: &mut impl Local<Self>,
    ) {
        let (me, now) = (cx.me(), self.clock(cx.round()));
        for descriptor in came {
            if descriptor.id == me {
                continue;
            }
            let entry = descriptor.kept(now);
            if let Some(known) = self.view.iter_mut().find(|known| known.id == entry.id) {
                if entry.age(now) <= known.age(now) {
                    *known = entry;
                }
            } else if !self.is_full() {
                self.view.push(entry);
            } else if let Some(place) = places.next() {
                self.view[place] = entry;
            } else {
                cx.count("more came than was sent");
                break;
            }
        }
        self.changes = self.changes.wrapping_add(1);
    }

    /// Ends the shuffle under way; its partner leaves the view. Returns it, and how many others
    /// were sent.
    fn settle(&mut self) -> (Option<Entry<I, P>>, usize) {
        let others = usize::from(core::mem::take(&mut self.lent)).checked_sub(1);
        self.changes = self.changes.wrapping_add(1);
        (others.and_then(|others| self.view.swap_pop(others)), others.unwrap_or(0))
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
        self.shuffled = cx.round().wrapping_add(1);
        let now = self.clock(cx.round());
        let mut sent = Message::new();
        sent.fill([Descriptor { id: cx.me(), age: 0, profile: below.describe() }]);
        if let Some(contact) = self.contact.ask(cx.me(), self.view.is_empty(), cx.round()) {
            return Some((contact, sent));
        }
        let last = self.view.len().checked_sub(1)?;
        let partner = match self.partner {
            Partner::Oldest => (0..=last).max_by_key(|&at| self.view[at].age(now))?,
            Partner::Random => cx.rng().below(last + 1),
        };
        self.view.swap(partner, last);
        let others = cx.rng().choose(&mut self.view[..last], usize::from(self.shuffle) - 1);
        sent.fill(others.iter().map(|entry| entry.describe(now)));
        let count = others.len();
        self.view.swap(count, last);
        self.lent = count as u16 + 1;
        Some((self.view[count].id, sent))
    }

    fn respond(
        &mut self,
        _: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let (now, free) = (self.clock(cx.round()), usize::from(self.lent));
        let sent = cx.rng().choose(&mut self.view[free..], self.shuffle.into());
        let mut reply = Message::new();
        let count = reply.fill(sent.iter().map(|entry| entry.describe(now)));
        self.insert(request, free..free + count, cx);
        Some(reply)
    }

    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        let (partner, others) = self.settle();
        let before = self.view.len();
        self.insert(reply, 0..others, cx);
        if let Some(partner) = partner
            && self.view.len() == before
        {
            self.view.push(Entry { born: self.clock(cx.round()), ..partner });
        }
    }

    fn refused(&mut self, _: &D, _: I, _: &mut impl Local<Self>) {
        self.settle();
    }

    fn abandon(&mut self, _: &D, _: I, _: &mut impl Local<Self>) {
        self.settle();
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Local<Self>) {
        self.contact.tell(peer, cx.round());
    }
}

impl<I: PeerId, const C: usize, P: Profile> Peers for State<I, C, P> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).map(|entry| entry.id)
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.view.iter().for_each(|entry| visit(entry.id, 0));
    }

    fn age(&self, peer: I, now: Round) -> Option<Round> {
        self.view.iter().find(|entry| entry.id == peer).map(|entry| entry.age(now))
    }

    fn degree(&self) -> usize {
        self.view.len()
    }
}

impl<I: PeerId, const C: usize, P: Profile> Profiles for State<I, C, P> {
    type Profile = P;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &P)) {
        self.view.iter().for_each(|entry| visit(entry.id, &entry.profile));
    }
}
