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
//! ties in age:  those that stay are drawn at random
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
//! - Where entries of one age do not all fit, PeerSim takes them from either view in turn, in their
//!   order there; here each is as likely to stay. At c = 30 and N = 10^4 in-degrees spread by 14.9
//!   instead of 12.9. A fixed preference would be a bias of position.
//! - PeerSim asks only neighbours that live, which no node can know. Here a partner that does not
//!   answer costs its asker the round, and is dropped.
//! - A view keeps the time of birth, and messages tell ages, so that clocks need not agree (section
//!   2.2) and a round writes nothing. Ages are time, not counts of rounds: counts favour news that
//!   happened to be passed on just after its holder's round, which then never ages, and in-degrees
//!   spread by 36.
//! - A node joins through its contact, and asks it again at a decaying rate and when its view is
//!   empty.

use core::hash::Hash;
use core::time::Duration;

use arrayvec::ArrayVec;

use crate::error::ParameterError;
use crate::exchange::{Configured, Exchange, Pairwise};
use crate::id::{PeerId, fingerprint};
use crate::message;
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Local, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::sampling::descriptor::view_size;
use crate::time::Time;
use crate::wire::{Bounded, Nothing, Wire};

/// Newscast with a view of at most `C` peers (64 at most), whose descriptors carry profiles `P`.
pub type Newscast<I, const C: usize, P = ()> = Pairwise<State<I, C, P>>;

message! {
    /// News of a peer, as it travels.
    #[derive(PartialEq)]
    pub struct News<I: PeerId, P: Wire> {
        /// The peer.
        pub id: I,
        /// Milliseconds since the peer said so itself.
        pub age_ms: u32,
        /// What it told of itself.
        pub profile: P,
    }
}

/// What travels: news of the sender itself, then of others, freshest first.
pub type Message<I, const C: usize, P> = Bounded<News<I, P>, C>;

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

/// News of a peer, as a view keeps it: with its birth, which does not change, instead of its age.
#[derive(Clone, Debug)]
struct Entry<I, P> {
    id: I,
    /// Milliseconds, on this node's clock; it wraps after 49 days.
    born: u32,
    profile: P,
}

/// The clock that births are kept by.
fn millis(now: Time) -> u32 {
    (now.as_micros() / 1_000) as u32
}

impl<I: PeerId, P: Profile> Entry<I, P> {
    #[inline]
    const fn age(&self, now: u32) -> u32 {
        now.wrapping_sub(self.born)
    }

    #[inline]
    fn tell(&self, now: u32) -> News<I, P> {
        News { id: self.id, age_ms: self.age(now), profile: self.profile.clone() }
    }
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
    /// Whom to join through.
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(Config { size }: Config) -> Result<Self, ParameterError> {
        const { assert!(C <= MASK, "a view of Newscast holds at most 64 peers") };
        let size = view_size(size, C)?;
        Ok(Self { view: ArrayVec::new(), changes: 0, size, moved: false, contact: Contact::none() })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, freshest first, with their ages as of `now`.
    pub fn view(&self, now: Time) -> impl ExactSizeIterator<Item = (I, Duration)> {
        let now = millis(now);
        self.view.iter().map(move |entry| (entry.id, Duration::from_millis(entry.age(now).into())))
    }

    /// The most peers the view holds: the paper's c.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Puts a peer into the view from outside a driver, as older than all in it: how simulations
    /// start from a given graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        let known = self.view.iter().any(|entry| entry.id == peer);
        let fits = self.view.len() < self.size() && !known;
        if fits {
            let born = self.view.last().map_or(0, |oldest| oldest.born);
            self.view.push(Entry { id: peer, born, profile });
        }
        fits
    }

    /// What travels: this node as it is now, and what it knows but for `partner`.
    #[inline]
    fn tell<D>(&self, partner: I, below: &D, cx: &mut impl Local<Self>) -> Message<I, C, P>
    where
        D: Describe<P> + ?Sized,
    {
        let now = millis(cx.now());
        let mut message = Message::new();
        message.fill([News { id: cx.me(), age_ms: 0, profile: below.describe() }]);
        let others = self.view.iter().filter(|entry| entry.id != partner);
        message.fill(others.take(self.size() - 1).map(|entry| entry.tell(now)));
        message
    }

    /// Becomes the freshest of its own view, if that is wanted, and of what `came`; returns who
    /// sent it, or `None` if nobody did.
    fn merge(
        &mut self,
        with_own: bool,
        came: &mut Message<I, C, P>,
        cx: &mut impl Local<Self>,
    ) -> Option<I> {
        let (me, now) = (cx.me(), millis(cx.now()));
        let Some((sender, theirs)) = came.split_first_mut() else {
            cx.count("empty message");
            return None;
        };
        let partner = sender.id;
        if partner == me {
            cx.count("message bears own name");
            return None;
        }
        // What is older than the clock can tell stays old for as long again.
        for news in theirs.iter_mut() {
            news.age_ms = news.age_ms.min(u32::MAX / 2);
        }
        if !theirs.is_sorted_by_key(|news| news.age_ms) {
            cx.count("view out of order");
            theirs.sort_unstable_by_key(|news| news.age_ms);
        }
        self.changes = self.changes.wrapping_add(1);
        let first = Entry { id: partner, born: now, profile: sender.profile.clone() };
        if !with_own && theirs.len() < usize::from(self.size) {
            // All that came fits, as a reply almost always does.
            let wanted = named_once(me, partner, theirs);
            self.view.clear();
            self.view.push(first);
            for (_, news) in (0..).zip(&*theirs).filter(|&(at, _)| wanted >> at & 1 != 0) {
                let born = now.wrapping_sub(news.age_ms);
                self.view.push(Entry { id: news.id, born, profile: news.profile.clone() });
            }
            return Some(partner);
        }
        self.view = self.freshest_of(with_own, first, theirs, cx);
        debug_assert!(self.view.is_sorted_by_key(|entry| entry.age(now)), "sorted by age");
        Some(partner)
    }

    /// The view after a merge: news of the partner, then the freshest of what `theirs` and, if that
    /// is wanted, this node's own view hold.
    fn freshest_of(
        &self,
        with_own: bool,
        first: Entry<I, P>,
        theirs: &[News<I, P>],
        cx: &mut impl Local<Self>,
    ) -> ArrayVec<Entry<I, P>, C> {
        let (me, partner, now) = (cx.me(), first.id, first.born);
        let own = if with_own { self.view.as_slice() } else { &[] };
        let (spared, wanted) = unique(me, partner, own, theirs, now);
        let mut view = ArrayVec::new();
        view.push(first);
        let mut freshest = Freshest { own, theirs, spared, wanted, now };
        view.extend(freshest.by_ref().take(usize::from(self.size) - 1));
        // Those of the last age that fits draw for its places (Vitter's reservoir).
        let last = view[view.len() - 1].age(now);
        let tied = 1 + view[1..].partition_point(|entry| entry.age(now) < last);
        let places = view.len() - tied;
        let rivals = freshest.take_while(|entry| places > 0 && entry.age(now) == last);
        for (drawing, entry) in (places + 1..).zip(rivals) {
            let place = tied + cx.rng().below(drawing);
            if place < view.len() {
                view[place] = entry;
            }
        }
        view
    }
}

/// The most peers a view can hold: one bit for each.
const MASK: usize = 64;

/// Which entries of `own` and of `theirs` a merge may take, as bits: each peer's freshest, and
/// neither partner.
#[inline]
fn unique<I: PeerId, P: Profile>(
    me: I,
    partner: I,
    own: &[Entry<I, P>],
    theirs: &[News<I, P>],
    now: u32,
) -> (u64, u64) {
    // Which of `own` bears a mark, plus one: a peer whose mark is not set need not be looked for.
    let mut bearers = [0_u8; MARKS];
    let mut their_marks = [0_u64; MARKS / 64];
    let (mut spared, mut wanted) = (0_u64, 0_u64);
    for (at, entry) in own.iter().enumerate() {
        spared |= u64::from(entry.id != partner) << at;
        bearers[mark(&entry.id)] = at as u8 + 1;
    }
    for (at, news) in theirs.iter().enumerate() {
        let mark = mark(&news.id);
        let mut fresh = news.id != me && news.id != partner;
        // Whether a peer is in both views is anybody's guess, and the processor's: no branch
        // depends on it, but for the few that share a mark.
        let mut known = usize::from(bearers[mark]).wrapping_sub(1);
        let mut same = own.get(known).is_some_and(|entry| entry.id == news.id);
        if !same && known < own.len() {
            let found = own.iter().position(|entry| entry.id == news.id);
            (known, same) = (found.unwrap_or(known), found.is_some());
        }
        let age = own.get(known).map_or(0, |entry| entry.age(now));
        let fresher = news.age_ms < age;
        spared &= !(u64::from(same & fresher) << (known % MASK));
        fresh &= fresher || !same;
        // Only a peer that breaks the rules names another twice.
        let (word, bit) = (mark / 64, 1 << (mark % 64));
        let again = their_marks[word] & bit != 0;
        fresh &= !(again && theirs[..at].iter().any(|before| before.id == news.id));
        their_marks[word] |= bit;
        wanted |= u64::from(fresh) << at;
    }
    (spared, wanted)
}

/// The chosen entries of two views, each sorted, freshest first.
struct Freshest<'a, I: PeerId, P: Profile> {
    own: &'a [Entry<I, P>],
    theirs: &'a [News<I, P>],
    /// Which are still to come, as bits.
    spared: u64,
    wanted: u64,
    now: u32,
}

impl<I: PeerId, P: Profile> Iterator for Freshest<'_, I, P> {
    type Item = Entry<I, P>;

    #[inline]
    fn next(&mut self) -> Option<Entry<I, P>> {
        let mine = self.own.get(self.spared.trailing_zeros() as usize);
        let other = self.theirs.get(self.wanted.trailing_zeros() as usize);
        let age = mine.map_or(u64::MAX, |entry| entry.age(self.now).into());
        if let Some(news) = other.filter(|news| u64::from(news.age_ms) < age) {
            self.wanted &= self.wanted - 1;
            let born = self.now.wrapping_sub(news.age_ms);
            return Some(Entry { id: news.id, born, profile: news.profile.clone() });
        }
        self.spared &= self.spared.wrapping_sub(1);
        mine.cloned()
    }
}

/// Which of `theirs` a merge without the own view may take, as bits: each peer once, and neither
/// partner.
#[inline]
fn named_once<I: PeerId, P: Profile>(me: I, partner: I, theirs: &[News<I, P>]) -> u64 {
    let mut marks = [0_u64; MARKS / 64];
    let mut wanted = 0_u64;
    for (at, news) in theirs.iter().enumerate() {
        let mark = mark(&news.id);
        let (word, bit) = (mark / 64, 1 << (mark % 64));
        let again = marks[word] & bit != 0;
        marks[word] |= bit;
        // Only a peer that breaks the rules names another twice.
        let twice = again && theirs[..at].iter().any(|before| before.id == news.id);
        let fresh = !twice && news.id != me && news.id != partner;
        wanted |= u64::from(fresh) << at;
    }
    wanted
}

/// The marks there are: many more than peers in a view, so that few share one.
const MARKS: usize = 512;

/// The mark of an id.
#[inline]
fn mark<I: Hash>(id: &I) -> usize {
    (fingerprint(id) >> (64 - MARKS.trailing_zeros())) as usize
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
        let contact = self.contact.ask(cx.me(), self.view.is_empty(), cx.round());
        let partner = contact.or_else(|| self.sample(cx.rng()))?;
        self.moved = false;
        Some((partner, self.tell(partner, below, cx)))
    }

    #[inline]
    fn respond(
        &mut self,
        below: &D,
        _: I,
        mut request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let partner = self.merge(true, &mut request, cx)?;
        self.moved = true;
        Some(self.tell(partner, below, cx))
    }

    #[inline]
    fn complete(&mut self, _: &D, _: I, mut reply: Self::Message, cx: &mut impl Local<Self>) {
        // The reply holds the freshest of what was asked with. A partner with a smaller view has
        // not kept all that fits here.
        let with_own = self.moved || reply.len() < self.view.len();
        self.merge(with_own, &mut reply, cx);
    }

    fn abandon(&mut self, _: &D, to: I, _: &mut impl Local<Self>) {
        self.view.retain(|entry| entry.id != to);
        self.moved = true;
        self.changes = self.changes.wrapping_add(1);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Local<Self>) {
        self.contact.tell(peer, cx.round());
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
