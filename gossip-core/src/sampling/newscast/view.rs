//! A view of Newscast: who is in it, freshest first, and how two become one.
//!
//! Not a protocol: its state.
//!
//! A merge costs a few hundred nanoseconds if it is done one comparison at a time, because which
//! view has the next freshest peer, and whether a peer is in both, is anybody's guess, and so the
//! processor's. Here no branch depends on either: each peer of one view is compared with
//! all of the other at once, which is a vector's work, and each entry's place is computed, from how
//! many of the other view go before it.

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

/// Entries that two views have together at most, with one place to spare.
const BOTH: usize = 2 * MOST;

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
        let wanted = named_once(me, partner.id, theirs);
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
        let mut both = ArrayVec::<_, BOTH>::new();
        if with_own {
            both.extend(self.news(now));
        }
        let own = both.len();
        both.extend(theirs.iter().take(MOST - 1).cloned());
        let mut places = [FREE; BOTH];
        let total = arrange::<I, C, P>(me, partner.id, &both, own, &mut places);
        let fits = draw(&both, &mut places[..total], self.size() - 1, below);
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

/// A place that nobody has taken.
const FREE: u8 = u8::MAX;

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

/// Writes into `places` which of `both` comes where, freshest first: each peer's freshest news, and
/// of neither partner. The first `own` are our own, the rest theirs. Returns how many.
#[inline]
fn arrange<I: PeerId, const C: usize, P: Profile>(
    me: I,
    partner: I,
    both: &[News<I, P>],
    own: usize,
    places: &mut [u8; BOTH],
) -> usize {
    // Places beyond our own hold the partner at age 0: never wanted, never after anybody.
    let (mut ids, mut ages) = ([partner; C], [0; C]);
    for ((id, age), news) in ids.iter_mut().zip(&mut ages).zip(&both[..own]) {
        (*id, *age) = (news.id, news.age_ms);
    }
    let named = named_once(me, partner, &both[own..]);
    // Per entry of our own: whether theirs is fresher, and how many of theirs go before it.
    let (mut staler, mut before) = ([0_u32; C], [0_u32; C]);
    let (mut others, mut count) = ([0; MOST], 0);
    for (at, news) in both[own..].iter().enumerate() {
        let mut known = 0;
        for (staler, (&id, &age)) in staler.iter_mut().zip(ids.iter().zip(&ages)) {
            let same = mask(id == news.id);
            let fresher = mask(news.age_ms < age);
            *staler |= same & fresher;
            known |= same & !fresher;
        }
        let wanted = select_unpredictable(known == 0, named >> at & 1 != 0, false);
        others[count % MOST] = (own + at) as u8;
        count += usize::from(wanted);
        let wanted = mask(wanted);
        for (before, &age) in before.iter_mut().zip(&ages) {
            *before += mask(news.age_ms < age) & wanted & 1;
        }
    }
    let mut kept = 0;
    for at in 0..own {
        let spared = select_unpredictable(staler[at] == 0, ids[at] != partner, false);
        // The last place is nobody's: it takes those that go.
        let place = select_unpredictable(spared, before[at] as usize + kept, BOTH - 1);
        places[place % BOTH] = at as u8;
        kept += usize::from(spared);
    }
    let total = (kept + count).min(BOTH - 1);
    let mut next = 0;
    for place in &mut places[..total] {
        let free = *place == FREE;
        *place = select_unpredictable(free, others[next % MOST], *place);
        next += usize::from(free);
    }
    total
}

/// All bits, or none.
#[inline]
const fn mask(condition: bool) -> u32 {
    0_u32.wrapping_sub(condition as u32)
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
        let mut fresh = news.id != me && news.id != partner;
        if marks[word] & bit != 0 {
            fresh &= theirs[..at].iter().all(|before| before.id != news.id);
        }
        marks[word] |= bit;
        wanted |= u64::from(fresh) << at;
    }
    wanted
}

/// The marks there are: many more than peers in a view, so that few share one.
const MARKS: usize = 1_024;

/// The mark of an id.
#[inline]
fn mark<I: PeerId>(id: &I) -> usize {
    (fingerprint(id) >> (64 - MARKS.trailing_zeros())) as usize
}
