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
//! - Middleware'04's view selection *rand* is H = S = 0, *head* H = c, *tail* H = c where the
//!   youngest [give way](Config::gives_way); the paper's ages are [hops](Ageing::Hops). Its
//!   authors' program gives each descriptor a random digit for life, which decides among those of
//!   the same age, and keeps those of the same digit in an order that travels with them; here 200
//!   [ranks](Config::ranks) are both. That matters: whose rank is bad is dropped by all, and the
//!   degrees of (tail, head, pushpull) have a variance of 200 instead of 108.
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

/// What ages count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ageing {
    /// Exchanges that whoever held the descriptor took part in.
    #[default]
    Exchanges,
    /// Only those that brought it descriptors (Middleware'04): with push alone, who asks does not
    /// age its view.
    Hops,
}

/// Which descriptors give way first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GivesWay {
    /// The oldest.
    #[default]
    Oldest,
    /// The youngest (Middleware'04; newcomers cannot join, and the dead stay).
    Youngest,
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
    /// Whether it is the oldest that give way first.
    pub gives_way: GivesWay,
    /// How many of those sent give way next: the paper's S. H + S is at most `sent`.
    pub swapper: usize,
    /// What ages count.
    pub ageing: Ageing,
    /// How many ranks there are among descriptors of the same age, from 1 to 256. A descriptor
    /// gets one by lot when it is made, and keeps it as it travels. With 1, all are alike, and each
    /// node draws lots anew.
    pub ranks: u16,
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
            gives_way: GivesWay::Oldest,
            swapper: 0,
            ageing: Ageing::Exchanges,
            ranks: 1,
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

    /// Middleware'04 with view selection *rand*: whole views are sent, and any give way. Ages count
    /// hops; those of as many differ by rank, as in the authors' program. The capacity must exceed
    /// `size`.
    ///
    /// ```
    /// use gossip_core::sampling::{PeerSampling, framework::Config};
    /// assert!(PeerSampling::<u32, 31>::new(Config::whole_rand(30)).is_ok());
    /// assert!(PeerSampling::<u32, 30>::new(Config::whole_rand(30)).is_err());
    /// ```
    pub const fn whole_rand(size: usize) -> Self {
        let sent = size.saturating_add(1);
        Self { sent, ageing: Ageing::Hops, ranks: 200, ..Self::blind(size) }
    }

    /// Middleware'04 with view selection *head*: whole views are sent, and the oldest give way.
    pub const fn whole_head(size: usize) -> Self {
        Self { healer: size, ..Self::whole_rand(size) }
    }

    /// Middleware'04 with view selection *tail*: whole views are sent, and the youngest give way.
    /// The paper's bad example: full views hardly change, and take in no newcomer.
    pub const fn whole_tail(size: usize) -> Self {
        Self { gives_way: GivesWay::Youngest, ..Self::whole_head(size) }
    }
}

/// A node's part in the framework.
#[derive(Clone, Debug)]
pub struct State<I, const C: usize, P = ()> {
    /// In the order of the latest buffer: what was sent is at the head.
    view: ArrayVec<Entry<I, P>, C>,
    /// Exchanges ended here, each counted as often as there are ranks: ages are counted by these,
    /// and what is left over is the rank.
    clock: Round,
    changes: u32,
    size: u16,
    sent: u16,
    healer: u16,
    swapper: u16,
    selection: Selection,
    propagation: Propagation,
    gives_way: GivesWay,
    ageing: Ageing,
    ranks: u16,
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
        ParameterError::new("ranks", config.ranks.into(), "ranks", "1 to 256")
            .unless((1..=256).contains(&config.ranks))?;
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
            gives_way: config.gives_way,
            ageing: config.ageing,
            ranks: config.ranks,
            moved: false,
            contact: Contact::none(),
        })
    }
}

impl<I: PeerId, const C: usize, P: Profile> State<I, C, P> {
    /// The peers in the view, with their [ages](Ageing).
    pub fn view(&self) -> impl ExactSizeIterator<Item = (I, Round)> {
        let ranks = Round::from(self.ranks);
        self.view.iter().map(move |entry| (entry.id, entry.age(self.clock) / ranks))
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
        let rank = if self.ranks > 1 { cx.rng().below(self.ranks.into()) as u16 } else { 0 };
        let mut buffer = Message::new();
        buffer.fill([Descriptor { id: cx.me(), age: rank, profile: below.describe() }]);
        buffer.fill(self.view.iter().take(others).map(|entry| entry.describe(self.clock)));
        buffer
    }

    /// By what it is told who gives way: greater ones first.
    fn key(&self) -> impl Fn(&Entry<I, P>) -> Round + Copy + use<I, C, P> {
        let (clock, gives_way) = (self.clock, self.gives_way);
        move |entry| match gives_way {
            GivesWay::Oldest => entry.age(clock),
            GivesWay::Youngest => Round::MAX - entry.age(clock),
        }
    }

    /// Moves the H oldest to the end. Those that stay are in random order again, since whom the
    /// swaps move depends on ages alone.
    fn move_oldest_to_end(&mut self) {
        let key = self.key();
        let mut doomed = Doomed::of(|| self.view.iter().map(key), self.healer.into());
        let mut front = self.view.len();
        for at in (0..self.view.len()).rev() {
            if doomed.takes_in_order(key(&self.view[at])) {
                front -= 1;
                self.view.swap(at, front);
            }
        }
    }

    /// The paper's select, and the end of an exchange: ages grow.
    fn select(&mut self, came: Message<I, C, P>, sent_is_known: bool, cx: &mut impl Local<Self>) {
        let (me, clock, key) = (cx.me(), self.clock, self.key());
        let ages = self.ageing == Ageing::Exchanges || !came.is_empty();
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
        let mut doomed = Doomed::of(|| self.view.iter().chain(&fresh).map(key), count);
        self.view.retain(|entry| !doomed.takes(key(entry), cx.rng()));
        fresh.retain(|entry| !doomed.takes(key(entry), cx.rng()));

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
        if ages {
            self.clock = self.clock.wrapping_add(self.ranks.into());
        }
        self.changes = self.changes.wrapping_add(1);
        self.moved = true;
    }
}

/// Tells those with the greatest keys as entries are passed by, ties drawn at random.
struct Doomed {
    /// The least key among them: all with a greater one go, and of those with this one, `left` of
    /// `tied`.
    least: Round,
    left: usize,
    tied: usize,
}

impl Doomed {
    /// `count` of the entries that have these keys.
    fn of<K: Iterator<Item = Round>>(keys: impl Fn() -> K, count: usize) -> Self {
        // From the greatest down: few ages differ, since each exchange adds a year to all.
        let (mut least, mut left) = (Round::MAX, count);
        let mut tied = keys().filter(|&key| key == least).count();
        while left > tied {
            left -= tied;
            let Some(next) = keys().filter(|&key| key < least).max() else { break };
            least = next;
            tied = keys().filter(|&key| key == least).count();
        }
        Self { least, left, tied }
    }

    /// Whether an entry with this `key` is one of them; ties as they come.
    fn takes_in_order(&mut self, key: Round) -> bool {
        let tie = key == self.least && self.left > 0;
        self.left -= usize::from(tie);
        key > self.least || tie
    }

    /// Whether an entry with this `key` is one of them; ties at random.
    fn takes(&mut self, key: Round, random: &mut Random) -> bool {
        if key != self.least || self.tied == 0 {
            return key > self.least;
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
