//! Newscast: both partners leave an exchange with the freshest news of the two.
//!
//! Jelasity, van Steen, *Large-scale newscast computing on the internet*, VU Amsterdam IR-503,
//! 2002, section 2; as PeerSim's `SimpleNewscast` does it, which Jelasity, Montresor, Babaoglu,
//! *Gossip-based aggregation in large dynamic networks*, ACM TOCS 23(3), 2005, section 4.4, uses.
//!
//! ```text
//! every round:  q = a random neighbour; send q my view and (self, age 0)
//! on request:   merge; reply with what was merged and (self, age 0)
//! on reply:     keep what the partner merged
//! merge:        of both views, without the two partners, each peer once with its freshest age,
//!               keep the c - 1 freshest, and the partner with age 0
//! ties in age:  taken from either view in turn, the first by the toss of a coin
//! ```
//!
//! # What holds
//!
//! A view never holds its owner, nor a peer twice, nor more than c; it is sorted, freshest first.
//! Only the living put fresh news of themselves about, so links to the dead are gone a few rounds
//! after their death. The price is uneven load: in-degrees spread wider than in a random graph.
//!
//! # Deviations from the paper
//!
//! - The partner merges and both keep the result, as in PeerSim, where one merge serves both. If
//!   the initiator's view has moved while it waited, it merges once more.
//! - PeerSim asks only neighbours that live, which no node can know. Here a partner that does not
//!   answer costs its asker the round, and is dropped.
//! - Ages are kept as the round of birth, so a round writes nothing; they count the same.
//! - A node whose view is empty asks its latest contact again.

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::exchange::{Configured, Exchange, Pairwise};
use crate::id::{PeerId, fingerprint};
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Local, Protocol};
use crate::random::Random;
use crate::sampling::descriptor::{Descriptor, Entry, view_size};
use crate::time::Round;
use crate::wire::{Bounded, Nothing};

/// Newscast with a view of at most `C` peers, whose descriptors carry profiles `P`.
pub type Newscast<I, const C: usize, P = ()> = Pairwise<State<I, C, P>>;

/// What travels: the sender's own descriptor, then others, freshest first.
pub type Message<I, const C: usize, P> = Bounded<Descriptor<I, P>, C>;

/// Parameters of Newscast.
///
/// ```
/// use gossip_core::sampling::{Newscast, newscast::Config};
///
/// let small = Newscast::<u32, 64>::new(Config { size: Some(30) })?;
/// assert_eq!(small.size(), 30);
/// assert!(Newscast::<u32, 64>::new(Config { size: Some(65) }).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Descriptors in the view, from 1 to the capacity `C`: the paper's cache size c. The capacity
    /// itself by default; the paper uses 20 to 40.
    pub size: Option<usize>,
}

/// A node's part in Newscast.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    /// Freshest first.
    view: ArrayVec<Entry<I, P>, C>,
    changes: u32,
    size: u16,
    /// Whether the view has moved since the request under way was sent.
    moved: bool,
    /// Asked when the view is empty.
    contact: Option<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(Config { size }: Config) -> Result<Self, ParameterError> {
        let size = view_size(size, C)?;
        Ok(Self { view: ArrayVec::new(), changes: 0, size, moved: false, contact: None })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, freshest first, with their ages in rounds as of `now`.
    pub fn view(&self, now: Round) -> impl ExactSizeIterator<Item = (I, Round)> {
        self.view.iter().map(move |entry| (entry.id, entry.age(now)))
    }

    /// The most peers the view holds: the paper's c.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Puts a peer into the view from outside a driver, as if born in round 0: how simulations
    /// start from a given graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        let known = self.view.iter().any(|entry| entry.id == peer);
        let fits = self.view.len() < self.size() && !known;
        if fits {
            // Before those born in rounds below 0, that is, older at round 0 already.
            let at = self.view.partition_point(|entry| entry.born.cast_signed() >= 0);
            self.view.insert(at, Entry { id: peer, born: 0, profile });
        }
        fits
    }

    /// What travels: this node as it is now, and what it knows but for `partner`.
    fn tell<D>(&self, partner: I, below: &D, cx: &mut impl Local<Self>) -> Message<I, C, P>
    where
        D: Describe<P> + ?Sized,
    {
        let now = cx.round();
        let mut message = Message::new();
        message.fill([Descriptor { id: cx.me(), age: 0, profile: below.describe() }]);
        let others = self.view.iter().filter(|entry| entry.id != partner);
        message.fill(others.take(self.size() - 1).map(|entry| entry.describe(now)));
        message
    }

    /// Becomes the freshest of `own`, if it is wanted, and of what `came`; returns who sent that,
    /// or `None` if nobody did.
    fn merge(
        &mut self,
        with_own: bool,
        mut came: Message<I, C, P>,
        cx: &mut impl Local<Self>,
    ) -> Option<I> {
        let (me, now) = (cx.me(), cx.round());
        let Some((sender, theirs)) = came.split_first_mut() else {
            cx.count("empty message");
            return None;
        };
        let partner = sender.id;
        if partner == me {
            cx.count("message bears own name");
            return None;
        }
        if !theirs.is_sorted_by_key(|descriptor| descriptor.age) {
            cx.count("view out of order");
            theirs.sort_unstable_by_key(|descriptor| descriptor.age);
        }
        let own = if with_own { self.view.as_slice() } else { &[] };

        let mut merged = Merged::<I, C, P>::new(me, self.size());
        merged.take(Entry { id: partner, born: now, profile: sender.profile.clone() });
        let mut mine_won = cx.rng().next_u64() & 1 == 0;
        let (mut at, mut other) = (0, 0);
        while at < own.len() && other < theirs.len() && merged.has_room() {
            let (age, other_age) = (own[at].age(now), Round::from(theirs[other].age));
            let tie = age == other_age;
            let mine = age < other_age || (tie && !mine_won);
            mine_won = if tie { mine } else { mine_won };
            if mine {
                merged.take(own[at].clone());
                at += 1;
            } else {
                merged.take(theirs[other].clone().kept(now));
                other += 1;
            }
        }
        // One of the two is at its end.
        own[at..].iter().for_each(|entry| merged.take(entry.clone()));
        theirs[other..].iter().for_each(|descriptor| merged.take(descriptor.clone().kept(now)));

        self.view = merged.view;
        self.changes = self.changes.wrapping_add(1);
        debug_assert!(self.view.is_sorted_by_key(|entry| entry.age(now)), "sorted by age");
        Some(partner)
    }
}

/// A view in the making: each peer once, its owner never, no more than fit.
struct Merged<I, const C: usize, P> {
    view: ArrayVec<Entry<I, P>, C>,
    owner: I,
    size: usize,
    /// Marks of the ids taken: an id whose mark is not set is new, and need not be looked for.
    marks: [u64; 4],
}

impl<I: PeerId, const C: usize, P: Clone> Merged<I, C, P> {
    #[inline]
    fn new(owner: I, size: usize) -> Self {
        Self { view: ArrayVec::new(), owner, size, marks: [0; 4] }
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.view.len() < self.size
    }

    #[inline]
    fn take(&mut self, entry: Entry<I, P>) {
        let mark = fingerprint(&entry.id);
        let (word, bit) = ((mark >> 6) as usize % self.marks.len(), 1 << (mark % 64));
        let suspect = self.marks[word] & bit != 0;
        let known = suspect && self.view.iter().any(|taken| taken.id == entry.id);
        if !known && entry.id != self.owner && self.has_room() {
            self.marks[word] |= bit;
            self.view.push(entry);
        }
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
    #[inline]
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Self::Message)> {
        let partner = self.sample(cx.rng()).or(self.contact).filter(|&peer| peer != cx.me())?;
        self.moved = false;
        Some((partner, self.tell(partner, below, cx)))
    }

    #[inline]
    fn respond(
        &mut self,
        below: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let partner = self.merge(true, request, cx)?;
        self.moved = true;
        Some(self.tell(partner, below, cx))
    }

    #[inline]
    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        // The reply holds the freshest of what was asked with. A partner with a smaller view has
        // not kept all that fits here.
        let with_own = self.moved || reply.len() < self.view.len();
        self.merge(with_own, reply, cx);
    }

    fn abandon(&mut self, _: &D, to: I, _: &mut impl Local<Self>) {
        self.view.retain(|entry| entry.id != to);
        self.moved = true;
        self.changes = self.changes.wrapping_add(1);
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Local<Self>) {
        self.contact = Some(peer);
    }
}

impl<I: PeerId, const C: usize, P: Profile> Peers for State<I, C, P> {
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.view).map(|entry| entry.id)
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.view.iter().for_each(|entry| visit(entry.id, 0));
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
