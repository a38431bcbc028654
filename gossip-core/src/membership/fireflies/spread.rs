//! How notes and accusations get to everybody.
//!
//! Not a protocol: the gossip of [`Fireflies`]. What is new is pushed, what was told least first;
//! what is lacking is pulled by digests.

use alloc::vec::Vec;

use super::message::{ACCUSATIONS, Digest, Message, NOTES, News, NewsOf, NoteOf, PRINTS};
use super::{AccusationOf, Fireflies};
use crate::auth::Signer;
use crate::id::{PeerId, digest};
use crate::membership::state::State;
use crate::protocol::Context;
use crate::random::{Random, mix};
use crate::wire::Bounded;

/// Messages to one member at a time: in answer to a digest, and of news while there are many that
/// few have heard, as when all are accused at once. Our choice.
const PAGES: usize = 8;

/// One of a message's notes or accusations: how often it was told, and of whom; this node itself
/// has no slot.
type Candidate = (u8, Option<u32>);

/// What is known of one member, in 32 bits: see [`Digest`].
fn print<I: PeerId, A: Signer>(salt: u64, note: &NoteOf<I, A>, accused: bool) -> u32 {
    let rings = mix(note.disabled.0 ^ mix(note.disabled.1 ^ u64::from(note.left))) as u32;
    name(salt, note.address()) << 14
        | (rings & 7) << 11
        | (note.epoch & EPOCHS) << 1
        | u32::from(accused)
}

/// A name, as far as a print tells it.
fn name<I: PeerId>(salt: u64, peer: I) -> u32 {
    mix(salt ^ digest(&peer)) as u32 >> 14
}

/// The part of an epoch in a print.
const EPOCHS: u32 = (1 << 10) - 1;

/// What who asks lacks of what is known of a member.
struct Lack {
    note: bool,
    accusation: bool,
    /// Whether who asks holds that one accused; `None` if it does not know it.
    accused_there: Option<bool>,
}

/// What who knows `theirs`, a print with the same name, lacks of what is known here as `mine`.
const fn lacks(theirs: u32, mine: u32) -> Lack {
    let ahead = (mine >> 1).wrapping_sub(theirs >> 1) & EPOCHS;
    let same = ahead == 0;
    let (theirs, mine) = ((theirs >> 11 & 7, theirs & 1), (mine >> 11 & 7, mine & 1));
    let newer = !same && ahead <= EPOCHS / 2;
    Lack {
        note: newer || same && theirs.0 != mine.0,
        accusation: mine.1 == 1 && (newer || same && theirs.1 == 0),
        accused_there: Some(theirs.1 == 1),
    }
}

impl<I: PeerId, A: Signer> Fireflies<I, A> {
    /// How often news are told: three times the binary logarithm of the members. Our choice.
    fn limit(&self) -> u8 {
        let members = self.members.live() as u32 + 2;
        (3 * members.ilog2()).min(255) as u8
    }

    /// Some of what is new: one message's worth, and more of what was hardly told.
    fn news(&mut self, random: &mut Random) -> Vec<NewsOf<I, A>> {
        let limit = self.limit();
        let own: Option<Candidate> = self.note.map(|_| (self.told, None));
        let all = || self.members.beyond(None);
        let present = all().filter(|(_, one)| one.standing.state != State::Dead);
        let notes = present.map(|(slot, one)| (one.profile.told, Some(slot)));
        let notes = least(own.into_iter().chain(notes), limit, NOTES, random);
        let accused = all().filter(|(_, one)| one.profile.accusation.is_some());
        let accused = accused.map(|(slot, one)| (one.profile.told_of, Some(slot)));
        let accused = least(accused, limit, ACCUSATIONS, random);
        let (mut said, mut accusations) = (Vec::new(), Vec::new());
        for (told, slot) in notes {
            let Some(slot) = slot else {
                self.told = told + 1;
                said.extend(self.note);
                continue;
            };
            let held = &mut self.members.at_mut(slot).profile;
            held.told = told + 1;
            said.push(held.note);
        }
        for (told, slot) in accused {
            let Some(slot) = slot else { continue };
            let held = &mut self.members.at_mut(slot).profile;
            held.told_of = told + 1;
            accusations.extend(held.accusation);
        }
        paged::<I, A>(said, accusations)
    }

    /// A member to gossip with: a successor on some ring or a random one, each in half of all
    /// cases. The rings connect all correct members whatever the others do.
    fn partner(&self, cx: &mut impl Context<Self>) -> Option<I> {
        let successor = self.watched.keys().nth(cx.rng().below(self.watched.len())).copied();
        successor.filter(|_| cx.rng().chance(0.5)).or_else(|| self.members.sample(cx.rng()))
    }

    /// Once a round: news to some members, and a digest to one.
    pub(super) fn gossip(&mut self, cx: &mut impl Context<Self>) {
        for _ in 0..self.config.fanout {
            let Some(peer) = self.partner(cx) else { return };
            for page in self.news(cx.rng()) {
                cx.send(peer, Message::News(page));
            }
        }
        if let Some(peer) = self.partner(cx) {
            self.ask(peer, cx);
        }
    }

    /// Shows `peer` a note and an accusation.
    pub(super) fn show(
        peer: I,
        note: Option<NoteOf<I, A>>,
        accusation: Option<AccusationOf<I, A>>,
        cx: &mut impl Context<Self>,
    ) {
        let mut news = News { notes: Bounded::new(), accusations: Bounded::new() };
        news.notes.fill(note);
        news.accusations.fill(accusation);
        cx.send(peer, Message::News(news));
    }

    /// Asks `peer` for what is lacking here, of the next members in order.
    pub(super) fn ask(&mut self, peer: I, cx: &mut impl Context<Self>) {
        let (salt, after) = (cx.rng().next_u64(), self.cursor);
        let mut page: Vec<(I, u32)> = Vec::with_capacity(PRINTS);
        for (_, member) in self.members.beyond(after).take(PRINTS - 1) {
            let held = &member.profile;
            page.push((member.peer, print::<I, A>(salt, &held.note, held.accusation.is_some())));
        }
        let full = page.len() == PRINTS - 1;
        let until = page.last().map(|&(last, _)| last).filter(|_| full);
        let mut prints = Bounded::new();
        prints.fill(page.into_iter().map(|(_, print)| print));
        if within(cx.me(), after, until) {
            prints.fill(self.note.map(|note| print::<I, A>(salt, &note, false)));
        }
        self.cursor = until;
        if self.asked.replace(peer).is_some() {
            self.witnesses = 0;
        }
        cx.send(peer, Message::Digest(Digest { salt, after, until, prints }));
    }

    /// `from` tells what it knows: it is sent what it lacks. Only members are answered, at the
    /// address that they have signed.
    pub(super) fn answer(&mut self, from: I, asked: &Digest<I>, cx: &mut impl Context<Self>) {
        if self.members.find(from).is_none() {
            return cx.count("digest of a stranger");
        }
        let Digest { salt, after, until, .. } = *asked;
        let mut known: Vec<u32> = asked.prints.iter().copied().collect();
        known.sort_unstable();
        let lacking = |note: &NoteOf<I, A>, accused: bool| {
            let mine = print::<I, A>(salt, note, accused);
            let at = known.partition_point(|&theirs| theirs >> 14 < mine >> 14);
            let theirs = known.get(at).filter(|&theirs| theirs >> 14 == mine >> 14);
            let nothing = Lack { note: true, accusation: accused, accused_there: None };
            theirs.map_or(nothing, |&theirs| lacks(theirs, mine))
        };
        let range = self.members.beyond(after);
        let range = range.take_while(|(_, one)| until.is_none_or(|until| one.peer <= until));
        // Whom `from` would remove soon, and what `from` is accused of, come first.
        let (mut urgent, mut notes, mut accusations) = (Vec::new(), Vec::new(), Vec::new());
        for (_, one) in range {
            let held = &one.profile;
            let lacking = lacking(&held.note, held.accusation.is_some());
            // Who was removed is no news; but its accusation says nothing to who has an older note.
            let (accused, gone) = (lacking.accused_there, one.standing.state == State::Dead);
            if lacking.note && (!gone || accused == Some(false)) {
                if accused == Some(true) { &mut urgent } else { &mut notes }.push(held.note);
            }
            accusations.extend(held.accusation.filter(|_| lacking.accusation));
        }
        for list in [&mut urgent, &mut notes] {
            cx.rng().shuffle(list);
        }
        cx.rng().shuffle(&mut accusations);
        let own = self.note.filter(|_| within(cx.me(), after, until));
        let own = own.filter(|note| lacking(note, false).note);
        let asker =
            self.members.find(from).and_then(|slot| self.members.at(slot).profile.accusation);
        let notes = own.into_iter().chain(urgent).chain(notes).collect();
        let accusations = asker.into_iter().chain(accusations).collect();
        for page in paged::<I, A>(notes, accusations).into_iter().take(PAGES) {
            cx.send(from, Message::News(page));
        }
    }
}

/// Whether `peer` is beyond `after`, and no further than `until`.
fn within<I: PeerId>(peer: I, after: Option<I>, until: Option<I>) -> bool {
    after.is_none_or(|after| peer > after) && until.is_none_or(|until| peer <= until)
}

/// The candidates told least, of those told less often than `limit`: as many as a message `holds`,
/// and more, for [`PAGES`], of those told less than a third as often.
fn least(
    all: impl Iterator<Item = Candidate>,
    limit: u8,
    holds: usize,
    random: &mut Random,
) -> Vec<Candidate> {
    let mut fresh: Vec<Candidate> = all.filter(|&(told, _)| told < limit).collect();
    // Of those told as often, any: else all members would tell the same.
    random.shuffle(&mut fresh);
    fresh.sort_by_key(|&(told, _)| told);
    let hot = fresh.partition_point(|&(told, _)| told < limit / 3);
    fresh.truncate(hot.clamp(holds, holds * PAGES));
    fresh
}

/// Messages of these notes and accusations, in this order.
fn paged<I: PeerId, A: Signer>(
    notes: Vec<NoteOf<I, A>>,
    accusations: Vec<AccusationOf<I, A>>,
) -> Vec<NewsOf<I, A>> {
    let pages = notes.len().div_ceil(NOTES).max(accusations.len().div_ceil(ACCUSATIONS));
    let (mut notes, mut accusations) = (notes.into_iter(), accusations.into_iter());
    let page = |_| {
        let mut page = News { notes: Bounded::new(), accusations: Bounded::new() };
        page.notes.fill(notes.by_ref().take(NOTES));
        page.accusations.fill(accusations.by_ref().take(ACCUSATIONS));
        page
    };
    (0..pages).map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Among 512 under attack, members that crashed soon after a note stayed for good where that
    /// had not come: an accusation names its epoch, and nobody told the note of who was removed.
    #[test]
    fn an_accusation_comes_with_its_note_where_an_older_one_is_believed() {
        let print = |epoch: u32, accused: u32| epoch << 1 | accused;
        let lack = lacks(print(6, 0), print(7, 1));
        assert!(lack.note && lack.accusation && lack.accused_there == Some(false));
        let lack = lacks(print(6, 1), print(7, 1));
        assert_eq!(lack.accused_there, Some(true), "it is removed there anyway");
        assert!(!lacks(print(7, 0), print(7, 1)).note, "the accusation will do");
    }
}
