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
//! - Ages are counted on from the latest merge, and messages tell ages, so that clocks need not
//!   agree (section 2.2) and a round writes nothing. A view keeps them in two bytes each: exact to
//!   the millisecond up to 65 seconds, and beyond that to 2^-15 of the oldest. Ages are time, not
//!   counts of rounds: counts favour news that happened to be passed on just after its holder's
//!   round, which then never ages, and in-degrees spread by 36.
//! - A node joins through its contact, and asks it again at a decaying rate and when its view is
//!   empty.

mod view;

use core::time::Duration;

use self::view::{MOST, View};
use crate::error::ParameterError;
use crate::exchange::{Configured, Exchange, Pairwise};
use crate::id::PeerId;
use crate::message;
use crate::peers::{Describe, Peers, Profile, Profiles};
use crate::protocol::{Local, Protocol};
use crate::random::Random;
use crate::sampling::contact::Contact;
use crate::sampling::descriptor::view_size;
use crate::time::Time;
use crate::wire::{Bundle, Nothing, Wire};

/// Newscast with a view of at most `C` peers (64 at most), whose descriptors carry profiles `P`.
pub type Newscast<I, const C: usize, P = ()> = Pairwise<State<I, C, P>, 0>;

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
pub type Message<I, const C: usize, P> = Bundle<News<I, P>, C>;

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

/// The clock that ages are kept by.
fn millis(now: Time) -> u32 {
    (now.as_micros() / 1_000) as u32
}

/// A node's part in Newscast.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    view: View<I, C, P>,
    /// Whom to join through.
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(Config { size }: Config) -> Result<Self, ParameterError> {
        const { assert!(C <= MOST, "a view of Newscast holds at most 64 peers") };
        let size = view_size(size, C)?;
        Ok(Self { view: View::new(size as u8), contact: Contact::none() })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, freshest first, with their ages as of `now`.
    pub fn view(&self, now: Time) -> impl ExactSizeIterator<Item = (I, Duration)> {
        let news = self.view.news(millis(now));
        news.map(|news| (news.id, Duration::from_millis(news.age_ms.into())))
    }

    /// The most peers the view holds: the paper's c.
    pub fn size(&self) -> usize {
        self.view.size()
    }

    /// Puts a peer into the view from outside a driver, as older than all in it: how simulations
    /// start from a given graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        self.view.add(peer, profile)
    }

    /// What travels: this node as it is now, and what it knows but for `partner`.
    #[inline]
    fn tell<D>(
        &self,
        partner: I,
        message: &mut Message<I, C, P>,
        below: &D,
        cx: &mut impl Local<Self>,
    ) where
        D: Describe<P> + ?Sized,
    {
        let me = News { id: cx.me(), age_ms: 0, profile: below.describe() };
        message.clear();
        message.fill([me]);
        self.view.tell(partner, millis(cx.now()), message);
    }

    /// Becomes the freshest of its own view, if that is wanted, and of what `came`; returns who
    /// sent it, or `None` if nobody did.
    #[inline]
    fn merge(
        &mut self,
        with_own: bool,
        came: &mut Message<I, C, P>,
        cx: &mut impl Local<Self>,
    ) -> Option<I> {
        let (me, now) = (cx.me(), millis(cx.now()));
        let Some((partner, theirs)) = came.split_first_mut() else {
            cx.count("empty message");
            return None;
        };
        if partner.id == me {
            cx.count("message bears own name");
            return None;
        }
        if !theirs.is_sorted_by_key(|news| news.age_ms) {
            cx.count("view out of order");
            theirs.sort_unstable_by_key(|news| news.age_ms);
        }
        // All that came fits, as a reply almost always does.
        if !with_own && theirs.len() < self.size() {
            self.view.replace(me, partner, theirs, now);
        } else {
            self.view.merge(me, with_own, partner, theirs, now, |limit| cx.rng().below(limit));
        }
        Some(partner.id)
    }
}

impl<I: PeerId, const C: usize, P: Profile> Protocol for State<I, C, P> {
    type Id = I;
    type Message = Message<I, C, P>;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.view.version()
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
        let contact = self.contact.ask(cx.me(), self.view.len() == 0, cx.round());
        let partner = contact.or_else(|| self.sample(cx.rng()))?;
        self.view.ask();
        let mut request = Message::new();
        self.tell(partner, &mut request, below, cx);
        Some((partner, request))
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
        // The request's memory serves the reply.
        let mut reply = request;
        self.tell(partner, &mut reply, below, cx);
        Some(reply)
    }

    #[inline]
    fn complete(&mut self, _: &D, _: I, mut reply: Self::Message, cx: &mut impl Local<Self>) {
        // The reply holds the freshest of what was asked with. A partner with a smaller view has
        // not kept all that fits here.
        let with_own = self.view.has_moved() || reply.len() < self.view.len();
        self.merge(with_own, &mut reply, cx);
    }

    fn abandon(&mut self, _: &D, to: I, _: &mut impl Local<Self>) {
        self.view.remove(to);
    }

    fn on_contact(&mut self, _: &D, peer: I, cx: &mut impl Local<Self>) {
        self.contact.tell(peer, cx.round());
    }
}

impl<I: PeerId, const C: usize, P: Profile> Peers for State<I, C, P> {
    type Id = I;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<I> {
        self.view.id(random.below(self.view.len()))
    }

    /// Views turn over all the time: links bear no version of their own, and 0 is told.
    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.view.peers().for_each(|(id, _)| visit(id, 0));
    }

    fn degree(&self) -> usize {
        self.view.len()
    }
}

impl<I: PeerId, const C: usize, P: Profile> Profiles for State<I, C, P> {
    type Profile = P;

    fn for_each_profile(&self, mut visit: impl FnMut(I, &P)) {
        self.view.peers().for_each(|(id, profile)| visit(id, profile));
    }
}
