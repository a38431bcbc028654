//! A view of Newscast: who is in it, freshest first, and how two become one.
//!
//! Not a protocol: its state.
//!
//! Which of two views has the next freshest peer, and whether that peer is placed already, is
//! anybody's guess, and so the processor's: a merge branches on neither.

use core::hint::select_unpredictable;

use arrayvec::ArrayVec;

use super::{Message, News};
use crate::id::{PeerId, fingerprint};
use crate::peers::Profile;

/// Who is known, how fresh the news of each is, and what became of it.
///
/// Six bytes an entry: ages are kept as of the latest merge, in two bytes, whose unit grows with
/// the oldest. Up to 65 seconds they are exact to the millisecond.
#[derive(Clone, Debug)]
pub(super) struct View<I, const C: usize, P> {
    /// Freshest first.
    peers: ArrayVec<Peer<I, P>, C>,
    /// How old the news of each was at the latest merge, in units of 2^`scale` milliseconds.
    ages: [u16; C],
    /// The clock at that merge: milliseconds; it wraps after 49 days.
    at: u32,
    /// Merges and removals so far.
    changes: u32,
    scale: u8,
    /// The most peers in it.
    size: u8,
    /// Whether it has changed since its owner last asked with it.
    moved: bool,
}

/// A peer, and what it told of itself.
#[derive(Clone, Debug)]
struct Peer<I, P> {
    id: I,
    profile: P,
}

/// The oldest that news can be told to be. What is older than the clock can tell stays so.
const OLDEST: u32 = u32::MAX / 2;

/// The most peers a view can hold: one bit for each.
pub(super) const MOST: usize = 64;

/// Entries that two views have together at most, with nobody between and behind them.
const BOTH: usize = 2 * MOST + 2;

impl<I: PeerId, const C: usize, P: Profile> View<I, C, P> {
    /// An empty view, for `size` peers.
    pub(super) const fn new(size: u8) -> Self {
        let peers = ArrayVec::new_const();
        Self { peers, ages: [0; C], at: 0, changes: 0, scale: 0, size, moved: false }
    }

    pub(super) fn size(&self) -> usize {
        self.size.into()
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Moves whenever the view does.
    pub(super) const fn version(&self) -> u64 {
        self.changes as u64
    }

    /// Its owner asks with it.
    pub(super) const fn ask(&mut self) {
        self.moved = false;
    }

    /// Whether it has changed since its owner last [asked](Self::ask) with it.
    pub(super) const fn has_moved(&self) -> bool {
        self.moved
    }

    /// The peer at place `at`.
    pub(super) fn id(&self, at: usize) -> Option<I> {
        self.peers.get(at).map(|peer| peer.id)
    }

    pub(super) fn has(&self, id: I) -> bool {
        self.peers.iter().any(|peer| peer.id == id)
    }

    /// Each peer and its profile.
    pub(super) fn peers(&self) -> impl Iterator<Item = (I, &P)> {
        self.peers.iter().map(|peer| (peer.id, &peer.profile))
    }

    /// All the news, as of the clock's `now`.
    #[inline]
    pub(super) fn news(&self, now: u32) -> impl ExactSizeIterator<Item = News<I, P>> {
        self.news_of(0, self.len(), now)
    }

    /// The news at places `from` to `to`, as of the clock's `now`.
    #[inline]
    fn news_of(
        &self,
        from: usize,
        to: usize,
        now: u32,
    ) -> impl ExactSizeIterator<Item = News<I, P>> {
        let passed = now.wrapping_sub(self.at).min(OLDEST);
        let scale = self.scale;
        self.peers[from..to].iter().zip(&self.ages[from..to]).map(move |(peer, &age)| News {
            id: peer.id,
            age_ms: passed + (u32::from(age) << scale),
            profile: peer.profile.clone(),
        })
    }

    /// Writes all the news into `message`, but for that of `partner`, and one fewer than fit.
    #[inline]
    pub(super) fn tell(&self, partner: I, now: u32, message: &mut Message<I, C, P>) {
        // In two pieces, of which each is copied without a question.
        let at = self.peers.iter().position(|peer| peer.id == partner).unwrap_or(self.len());
        message.fill(self.news_of(0, at.min(self.size() - 1), now));
        message.fill(self.news_of((at + 1).min(self.len()), self.len(), now));
    }

    /// Adds a peer as the oldest. Returns whether there was room for it.
    pub(super) fn add(&mut self, id: I, profile: P) -> bool {
        let fits = self.len() < self.size() && !self.has(id);
        if fits {
            if let Some(last) = self.len().checked_sub(1) {
                self.ages[last + 1] = self.ages[last];
            } else {
                (self.at, self.scale, self.ages[0]) = (0, 0, 0);
            }
            self.peers.push(Peer { id, profile });
        }
        fits
    }

    /// Drops a peer.
    pub(super) fn remove(&mut self, id: I) {
        if let Some(at) = self.peers.iter().position(|peer| peer.id == id) {
            self.peers.remove(at);
            self.ages.copy_within(at + 1.., at);
        }
        self.changed();
    }

    const fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.moved = true;
    }

    /// Becomes what `partner` tells: news of itself, then of others, which all fit.
    #[inline]
    pub(super) fn replace(&mut self, me: I, partner: &News<I, P>, theirs: &[News<I, P>], now: u32) {
        let mut placed = Placed::nobody(me, partner.id);
        let mut wanted = 0_u64;
        for (at, news) in theirs.iter().enumerate() {
            wanted |= u64::from(placed.adds(theirs, news.id, at)) << at;
        }
        if wanted.count_ones() as usize == theirs.len() {
            return self.rewrite(partner, theirs.iter(), now);
        }
        let chosen = (0..).zip(theirs).filter(|&(at, _)| wanted >> at & 1 != 0);
        self.rewrite(partner, chosen.map(|(_, news)| news), now);
    }

    /// Becomes the freshest of what it holds, if that is wanted, and of what `partner` tells; those
    /// of the last age that fits draw for its places by `below`.
    #[inline]
    pub(super) fn merge(
        &mut self,
        me: I,
        with_own: bool,
        partner: &News<I, P>,
        theirs: &[News<I, P>],
        now: u32,
        below: impl FnMut(usize) -> usize,
    ) {
        let nobody = News { id: partner.id, age_ms: u32::MAX, profile: partner.profile.clone() };
        let mut both = ArrayVec::<_, BOTH>::new();
        if with_own {
            both.extend(self.news(now));
        }
        both.push(nobody.clone());
        let own = both.len();
        both.extend(theirs.iter().take(MOST).cloned());
        both.push(nobody);
        let mut places = [0; BOTH];
        let size = self.size() - 1;
        let total = arrange(me, partner.id, &both, own, size, &mut places);
        let fits = draw(&both, &mut places[..total], size, below);
        self.rewrite(partner, places[..fits].iter().map(|&at| &both[usize::from(at)]), now);
    }

    /// Becomes news of the partner, of this moment, and then `chosen`, freshest first.
    #[inline]
    fn rewrite<'a, N>(&mut self, partner: &News<I, P>, chosen: N, now: u32)
    where
        I: 'a,
        P: 'a,
        N: Iterator<Item = &'a News<I, P>> + Clone,
    {
        let mut ages = [0; C];
        let mut oldest = 0;
        for (age, news) in ages[1..].iter_mut().zip(chosen.clone()) {
            oldest = news.age_ms.min(OLDEST);
            *age = oldest;
        }
        self.changed();
        self.at = now;
        self.scale = (u32::BITS - oldest.leading_zeros()).saturating_sub(u16::BITS) as u8;
        self.ages = ages.map(|age| (age >> self.scale) as u16);
        self.peers.clear();
        self.peers.push(Peer { id: partner.id, profile: partner.profile.clone() });
        let chosen = chosen.take(self.peers.remaining_capacity());
        self.peers.extend(chosen.map(|news| Peer { id: news.id, profile: news.profile.clone() }));
        debug_assert!(self.ages[..self.len()].is_sorted(), "freshest first");
    }
}

/// Puts those that stay to the front of `places`, and returns how many do: as many as fit, and
/// where not all of one age do, each as likely (Vitter's reservoir).
#[inline]
fn draw<I: PeerId, P: Profile>(
    both: &[News<I, P>],
    places: &mut [u8],
    size: usize,
    mut below: impl FnMut(usize) -> usize,
) -> usize {
    let fits = places.len().min(size);
    let age = |place: u8| both[usize::from(place)].age_ms;
    if let (Some(last), Some(&next)) = (fits.checked_sub(1), places.get(fits)) {
        let last = age(places[last]);
        if age(next) == last {
            let is_tied = |&&place: &&u8| age(place) == last;
            let stay = places[..fits].iter().rev().take_while(is_tied).count();
            let rivals = places[fits..].iter().take_while(is_tied).count();
            let tied = &mut places[fits - stay..fits + rivals];
            for drawing in stay..tied.len() {
                // Behind those that fit, nobody minds what is written.
                tied[below(drawing + 1)] = tied[drawing];
            }
        }
    }
    fits
}

/// Writes into `places` which of `both` come where, freshest first: each peer's freshest news, and
/// of neither partner; those that fit, and all of the last age that does. Theirs begin at `theirs`.
/// Returns how many.
#[inline]
fn arrange<I: PeerId, P: Profile>(
    me: I,
    partner: I,
    both: &[News<I, P>],
    mut theirs: usize,
    size: usize,
    places: &mut [u8; BOTH],
) -> usize {
    let age = |place: usize| both[place].age_ms;
    let mut placed = Placed::nobody(me, partner);
    let (mut own, mut total) = (0, 0);
    for _ in 2..both.len() {
        let fresher = age(theirs) <= age(own);
        let next = select_unpredictable(fresher, theirs, own);
        theirs += usize::from(fresher);
        own += usize::from(!fresher);
        if total >= size && age(next) > age(places[size.saturating_sub(1)].into()) {
            break;
        }
        places[total] = next as u8;
        total += usize::from(placed.adds(both, both[next].id, next));
    }
    total
}

/// Which peers have a place already, by hash (open addressing, linear probing).
struct Placed<I> {
    /// Who gets none.
    partners: [I; 2],
    /// One more than the place of the peer that lies here; 0: nobody does.
    slots: [u8; SLOTS],
}

/// Slots: many more than peers in a view, so that few probes go further than the first.
const SLOTS: usize = 512;

impl<I: PeerId> Placed<I> {
    #[inline]
    const fn nobody(me: I, partner: I) -> Self {
        Self { partners: [me, partner], slots: [0; SLOTS] }
    }

    /// Whether `id`, which stands at `at` of `all`, gets a place: it has none, and is no partner.
    #[inline]
    fn adds<P: Profile>(&mut self, all: &[News<I, P>], id: I, at: usize) -> bool {
        let mut slot = (fingerprint(&id) >> (64 - SLOTS.trailing_zeros())) as usize;
        loop {
            let lies = usize::from(self.slots[slot]);
            let same = all[lies.saturating_sub(1)].id == id;
            if (lies == 0) | same {
                self.slots[slot] = at as u8 + 1;
                return lies == 0 && !self.partners.contains(&id);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}
