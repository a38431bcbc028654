//! The peer-sampling framework: one exchange of views, and parameters that span a family.
//!
//! Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen, *Gossip-based peer sampling*, ACM TOCS
//! 25(3), 2007, section 2 (figure 1). With whole views sent, the variants of Jelasity, Guerraoui,
//! Kermarrec, van Steen, *The peer sampling service*, Middleware 2004, section 3.
//!
//! ```text
//! buffer:       permute the view; move the H oldest to its end; (self, age 0), first c/2 - 1
//! every round:  p = a random (or the oldest) neighbour; send p the buffer (push), or nothing
//! on request:   reply with the own buffer (pull), or nothing; select from the request
//! on reply:     select from the reply
//! select:       append what came; keep each peer once, youngest; then, while more than c are left,
//!               remove up to H oldest, up to S from the head (what was sent), others at random;
//!               then all ages += 1
//! ```
//!
//! # What holds
//!
//! A view never holds its owner, nor a peer twice, nor more than c. A large H (*healer*) forgets
//! the dead exponentially fast, and clusters. A large S (*swapper*) moves links instead of copying
//! them: in-degrees spread less than in a random graph. Neither (*blind*) spreads them widely.
//!
//! # Deviations from the paper
//!
//! - The paper asks live peers, which no node can know. Here a partner that does not answer costs
//!   its asker the round, and is dropped, as in Newscast. The paper's decay of dead links has the
//!   dead passed over and kept: [`State::select_peer`] takes that knowledge where there is some.
//! - What is not pushed or not pulled is an empty message, so that a dead partner shows.
//! - If a node was asked while it waited, what it sent is no longer at the head of its view; then
//!   what S would remove is removed at random.
//! - Of equally old entries those that H removes are drawn at random. A peer that is known as young
//!   already keeps its place.
//! - No more is taken from a message than this node would send.
//! - Middleware'04's view selection *tail*, which keeps the oldest, is not offered: newcomers could
//!   not join. Its *rand* is H = S = 0, its *head* H = c. Ages count exchanges, where the paper's
//!   count hops: overlays of (rand, head, pushpull) agree, those of (tail, head, pushpull) do not
//!   (degree variance 108 instead of 202), and *rand* clusters a tenth more.
//! - A node joins by an exchange with its contact, and asks it again at a decaying rate and when
//!   its view is empty. With pull alone nobody hears of a newcomer.

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

/// The framework with a view of at most `C` peers, whose descriptors carry profiles `P`.
pub type PeerSampling<I, const C: usize, P = ()> = Pairwise<State<I, C, P>>;

/// What travels: a descriptor of the sender, then of others; or nothing.
pub type Message<I, const C: usize, P> = Bounded<Descriptor<I, P>, C>;

/// Which neighbour is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Any, each as likely.
    #[default]
    Rand,
    /// The oldest.
    Tail,
    /// The youngest (Middleware'04; the overlay falls into clusters).
    Head,
}

/// Which way descriptors go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// From the asker to the asked.
    Push,
    /// From the asked to the asker (Middleware'04; degenerates to stars).
    Pull,
    /// Both.
    #[default]
    PushPull,
}

/// Parameters of the framework.
///
/// ```
/// use gossip_core::sampling::{PeerSampling, framework::{Config, Selection}};
///
/// let even = Config { selection: Selection::Tail, ..Config::swapper(30) };
/// assert_eq!((even.healer, even.swapper), (0, 15));
/// assert_eq!(PeerSampling::<u32, 64>::new(even)?.size(), 30);
/// assert!(PeerSampling::<u32, 64>::new(Config::healer(65)).is_err());
/// assert!(PeerSampling::<u32, 64>::new(Config { healer: 1, ..even }).is_err()); // H + S > c/2
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Descriptors in the view, from 1 to the capacity `C`: the paper's c.
    pub size: usize,
    /// Descriptors in a message, the sender's own among them, from 1 to c + 1 and to `C`: c/2 in
    /// the paper, but at least 1.
    pub sent: usize,
    /// Which neighbour is asked.
    pub selection: Selection,
    /// Which way descriptors go.
    pub propagation: Propagation,
    /// How many of the oldest give way first: the paper's H.
    pub healer: usize,
    /// How many of those sent give way next: the paper's S. H + S is at most `sent`.
    pub swapper: usize,
}

impl Config {
    /// Neither healing nor swapping, H = S = 0, for views of `size` peers.
    pub const fn blind(size: usize) -> Self {
        Self {
            size,
            sent: if size < 2 { 1 } else { size / 2 },
            selection: Selection::Rand,
            propagation: Propagation::PushPull,
            healer: 0,
            swapper: 0,
        }
    }

    /// H = c/2: the oldest give way.
    pub const fn healer(size: usize) -> Self {
        Self { healer: size / 2, ..Self::blind(size) }
    }

    /// S = c/2: what was sent gives way.
    pub const fn swapper(size: usize) -> Self {
        Self { swapper: size / 2, ..Self::blind(size) }
    }

    /// Middleware'04 with view selection *rand*: whole views are sent, and any give way. The
    /// capacity must exceed `size`.
    ///
    /// ```
    /// use gossip_core::sampling::{PeerSampling, framework::Config};
    /// assert!(PeerSampling::<u32, 31>::new(Config::whole_rand(30)).is_ok());
    /// assert!(PeerSampling::<u32, 30>::new(Config::whole_rand(30)).is_err());
    /// ```
    pub const fn whole_rand(size: usize) -> Self {
        Self { sent: size.saturating_add(1), ..Self::blind(size) }
    }

    /// Middleware'04 with view selection *head*: whole views are sent, and the oldest give way.
    pub const fn whole_head(size: usize) -> Self {
        Self { healer: size, ..Self::whole_rand(size) }
    }
}

/// A node's part in the framework.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    /// In the order of the latest buffer: what was sent is at the head.
    view: ArrayVec<Entry<I, P>, C>,
    /// Exchanges ended here: ages are counted by these.
    clock: Round,
    changes: u32,
    size: u16,
    sent: u16,
    healer: u16,
    swapper: u16,
    selection: Selection,
    propagation: Propagation,
    /// Whether the request under way is no longer what is at the head.
    moved: bool,
    /// Whom to join through.
    contact: Contact<I>,
}

impl<I: PeerId, const C: usize, P: Profile> Configured for State<I, C, P> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let size = view_size(Some(config.size), C)?;
        let Config { sent, healer, swapper, selection, propagation, .. } = config;
        ParameterError::new("message size", sent as f64, "descriptors", "1 to c + 1 and to C")
            .unless((1..=C.min(usize::from(size) + 1)).contains(&sent))?;
        ParameterError::new("healer H", healer as f64, "descriptors", "at most those sent")
            .unless(healer <= sent)?;
        ParameterError::new("swapper S", swapper as f64, "descriptors", "at most those sent, - H")
            .unless(swapper <= sent - healer)?;
        Ok(Self {
            view: ArrayVec::new(),
            clock: 0,
            changes: 0,
            size,
            // At most c + 1, and c is at most C: a view of 65,535 is sent but for one.
            sent: sent.min(65_535) as u16,
            healer: healer.min(65_535) as u16,
            swapper: swapper.min(65_535) as u16,
            selection,
            propagation,
            moved: false,
            contact: Contact::none(),
        })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, with their ages, in exchanges that ended at those who held them.
    pub fn view(&self) -> impl ExactSizeIterator<Item = (I, Round)> {
        self.view.iter().map(|entry| (entry.id, entry.age(self.clock)))
    }

    /// The most peers the view holds: the paper's c.
    pub fn size(&self) -> usize {
        self.size.into()
    }

    /// Puts a peer into the view from outside a driver, as new: how simulations start from a given
    /// graph. Returns whether there was room for it.
    pub fn introduce(&mut self, peer: I, profile: P) -> bool {
        let fits = self.view.len() < self.size() && !self.view.iter().any(|known| known.id == peer);
        if fits {
            self.view.push(Entry { id: peer, born: self.clock, profile });
        }
        fits
    }

    /// The paper's selectPeer: a neighbour to ask, of those that may live as far as the caller
    /// knows. `None` if there is none.
    pub fn select_peer(&self, may_live: impl Fn(I) -> bool, random: &mut Random) -> Option<I> {
        let able = || self.view.iter().filter(|entry| may_live(entry.id));
        let chosen = match self.selection {
            Selection::Rand => able().nth(random.below(able().count())),
            Selection::Tail => able().max_by_key(|entry| entry.age(self.clock)),
            Selection::Head => able().min_by_key(|entry| entry.age(self.clock)),
        };
        chosen.map(|entry| entry.id)
    }

    /// What this node would ask its partner with, whoever that is.
    pub fn request<D>(&mut self, below: &D, cx: &mut impl Local<Self>) -> Message<I, C, P>
    where
        D: Describe<P> + ?Sized,
    {
        self.moved = false;
        if self.propagation == Propagation::Pull { Message::new() } else { self.buffer(below, cx) }
    }

    fn buffer<D>(&mut self, below: &D, cx: &mut impl Local<Self>) -> Message<I, C, P>
    where
        D: Describe<P> + ?Sized,
    {
        let others = usize::from(self.sent) - 1;
        cx.rng().shuffle(&mut self.view);
        if others < self.view.len() {
            self.move_oldest_to_end();
        }
        let mut buffer = Message::new();
        buffer.fill([Descriptor { id: cx.me(), age: 0, profile: below.describe() }]);
        buffer.fill(self.view.iter().take(others).map(|entry| entry.describe(self.clock)));
        buffer
    }

    /// Moves the H oldest to the end. Those that stay are in random order again, since whom the
    /// swaps move depends on ages alone.
    fn move_oldest_to_end(&mut self) {
        let mut doomed = Oldest::of([&self.view, &[]], self.healer.into(), self.clock);
        let mut front = self.view.len();
        for at in (0..self.view.len()).rev() {
            if doomed.takes_in_order(self.view[at].age(self.clock)) {
                front -= 1;
                self.view.swap(at, front);
            }
        }
    }

    /// The paper's select, and the end of an exchange: ages grow.
    fn select(&mut self, came: Message<I, C, P>, sent_is_known: bool, cx: &mut impl Local<Self>) {
        let (me, clock) = (cx.me(), self.clock);
        if came.len() > usize::from(self.sent) {
            cx.count("more came than is sent");
        }
        let mut fresh = ArrayVec::<Entry<I, P>, C>::new();
        for descriptor in came.into_iter().take(self.sent.into()) {
            let same = |known: &Entry<I, P>| known.id == descriptor.id;
            if descriptor.id == me {
                continue;
            }
            if let Some(at) = fresh.iter().position(same) {
                cx.count("peer named twice");
                if Round::from(descriptor.age) < fresh[at].age(clock) {
                    fresh[at] = descriptor.kept(clock);
                }
            } else if let Some(at) = self.view.iter().position(same) {
                if Round::from(descriptor.age) < self.view[at].age(clock) {
                    self.view.remove(at);
                    fresh.push(descriptor.kept(clock));
                }
            } else {
                fresh.push(descriptor.kept(clock));
            }
        }
        let size = self.size();
        let excess = |view: &[_], fresh: &[_]| (view.len() + fresh.len()).saturating_sub(size);

        let count = excess(&self.view, &fresh).min(self.healer.into());
        let mut doomed = Oldest::of([&self.view, &fresh], count, clock);
        self.view.retain(|entry| !doomed.takes(entry.age(clock), cx.rng()));
        fresh.retain(|entry| !doomed.takes(entry.age(clock), cx.rng()));

        let swapped = if sent_is_known { usize::from(self.swapper) } else { 0 };
        let count = excess(&self.view, &fresh).min(swapped);
        self.view.drain(..count.min(self.view.len()));

        for _ in 0..excess(&self.view, &fresh) {
            let at = cx.rng().below(self.view.len() + fresh.len());
            match at.checked_sub(self.view.len()) {
                None => self.view.swap_remove(at),
                Some(at) => fresh.swap_remove(at),
            };
        }
        self.view.extend(fresh);
        self.clock = self.clock.wrapping_add(1);
        self.changes = self.changes.wrapping_add(1);
        self.moved = true;
    }
}

/// Tells the `left` oldest of some entries as they are passed by, ties drawn at random.
struct Oldest {
    /// The least age among them: all that are older go, and of those as old, `left` of `tied`.
    least: Round,
    left: usize,
    tied: usize,
}

impl Oldest {
    /// The `count` oldest of both `lists`, as of `clock`.
    fn of<I: PeerId, P: Profile>(lists: [&[Entry<I, P>]; 2], count: usize, clock: Round) -> Self {
        let all = || lists.into_iter().flatten().map(|entry| entry.age(clock));
        // From the greatest age down: few ages differ, since each exchange adds a year to all.
        let (mut least, mut left, mut tied) = (Round::MAX, count, 0);
        while left > tied {
            left -= tied;
            let Some(next) = all().filter(|&age| age < least).max() else { break };
            least = next;
            tied = all().filter(|&age| age == least).count();
        }
        Self { least, left, tied }
    }

    /// Whether an entry of this `age` is one of them; ties as they come.
    fn takes_in_order(&mut self, age: Round) -> bool {
        let tie = age == self.least && self.left > 0;
        self.left -= usize::from(tie);
        age > self.least || tie
    }

    /// Whether an entry of this `age` is one of them; ties at random.
    fn takes(&mut self, age: Round, random: &mut Random) -> bool {
        if age != self.least || self.tied == 0 {
            return age > self.least;
        }
        let taken = random.below(self.tied) < self.left;
        self.tied -= 1;
        self.left -= usize::from(taken);
        taken
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
        let contact = self.contact.ask(cx.me(), self.view.is_empty(), cx.round());
        let partner = contact.or_else(|| self.select_peer(|_| true, cx.rng()))?;
        Some((partner, self.request(below, cx)))
    }

    fn respond(
        &mut self,
        below: &D,
        _: I,
        request: Self::Message,
        cx: &mut impl Local<Self>,
    ) -> Option<Self::Message> {
        let reply = match self.propagation {
            Propagation::Push => Message::new(),
            Propagation::Pull | Propagation::PushPull => self.buffer(below, cx),
        };
        let came = if self.propagation == Propagation::Pull { Message::new() } else { request };
        self.select(came, true, cx);
        Some(reply)
    }

    fn complete(&mut self, _: &D, _: I, reply: Self::Message, cx: &mut impl Local<Self>) {
        let came = if self.propagation == Propagation::Push { Message::new() } else { reply };
        self.select(came, !self.moved, cx);
    }

    fn abandon(&mut self, _: &D, to: I, _: &mut impl Local<Self>) {
        self.view.retain(|entry| entry.id != to);
        self.changes = self.changes.wrapping_add(1);
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

    /// Views turn over all the time: links bear no version of their own, and 0 is told. Nor are
    /// [ages](Peers::age) told, which here count exchanges and not rounds.
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
