//! Comparison by sketches: what differs is known after one round trip, and moved in the next.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, sections
//! 1.3 (checksum first, push-pull) and 1.5 (local activity order); the sketches as in
//! [`sketch`](crate::sketch).
//!
//! ```text
//! once a round:     something has changed since we were last equal to somebody: ask a random peer,
//!                   with our digest and estimator
//! asked:            the same digest: nothing. Else send sketches as long as the difference
//! on sketches:      decode; ask for more until the difference is known. Then, at once:
//!                   offer what only we have, or have changed since we were last equal to somebody
//!                   ask for what else only the other side has
//! asked for entries: send them. Offered: take them, say so; what is newer here goes back
//! when the last answer has come: offer and ask again, but only for what was lost
//! ```
//!
//! Every question goes twice, one right after the other: it is short, and its loss would cost a
//! round trip. The answering side remembers which questions of this round it has answered; that a
//! copy has come it says in a word, after which nothing more is to be waited for. Sketches go with
//! a whole PinSketch, twice: with it a difference is known though a frame of cells is lost.
//!
//! An entry's identifier is one half of its key's hash and one of its own, so that two versions of
//! a key are known for such, and one of the two is moved only. Which is newer, an identifier does
//! not tell. What was written or learnt here since we were last equal to somebody is taken to be:
//! in local activity order it is before all that others can be expected to have. Who errs gets the
//! newer version back, half a round trip later.
//!
//! # What holds
//!
//! As of [replicas](crate::replica). Without loss two round trips make two replicas equal. The
//! answering side is bounded by its [`Budget`](crate::budget::Budget), as in the descent; the
//! asking side has one comparison under way, which ends after [`TURNS`] questions. Where sketches
//! lead to no end, or would be longer than a [page](crate::Config::page), the two sides go down the
//! tree instead.
//!
//! # Deviations from the paper
//!
//! - Local activity is told in two classes, before and after the last equality, not by a list.
//! - What the copy of a question overtakes is held for lost: where the network reorders, it is
//!   asked for, and may come, twice.

use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::wire::Bounded;
use gossip_core::{Context, PeerId, Time};

use crate::budget::Kind;
use crate::descent::Done;
use crate::message::{FETCH, Message, Question, Update};
use crate::page::{PAGE, Page};
use crate::path::Path;
use crate::reconcile::End;
use crate::replica::Replica;
use crate::sketch::answer::{answer_with, cost};
use crate::sketch::pinsketch::CAPACITY;
use crate::sketch::wire::{Ask, CELL_BYTES, Frame, Need};
use crate::sketch::{Difference, Session, Step};
use crate::sketches::{RESTLESS, key_half};
use crate::store::Merged;

/// Questions in a comparison. Each loses a share of what is left: at 20 % loss, one entry in 10^5
/// is left after so many, for the next round. Our choice.
const TURNS: u8 = 16;

/// How long after a question its copy goes. Our choice: another datagram, the same round trip.
const COPY: Duration = Duration::from_micros(100);

/// A comparison that this replica has opened.
#[derive(Clone)]
pub(crate) struct UnderWay<I: PeerId, const KEY: usize, const VALUE: usize> {
    with: I,
    of: [u8; 2],
    turn: u8,
    /// Until the difference is known: the session, and its question.
    session: Option<(Session, Ask)>,
    /// PinSketches that came since the question: the second is the end of the answer.
    roots: u8,
    /// What was asked for and has not come.
    wants: Vec<u64>,
    /// Offers that the other side has not got, by their numbers.
    offers: Vec<(u8, Page<Update<I, KEY, VALUE>, PAGE>)>,
    /// The offer that went last.
    last: Option<u8>,
    /// When the question went, and until when its answer is waited for.
    asked: Time,
    until: Time,
    /// How long an answer is waited for.
    patience: Duration,
    /// Whether an answer has come yet.
    answered: bool,
    /// Whether the question's copy is still to go.
    copy: bool,
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> UnderWay<I, KEY, VALUE> {
    fn new(with: I, (session, ask): (Session, Ask), of: [u8; 2], patience: Duration) -> Self {
        Self {
            with,
            of,
            turn: 0,
            session: Some((session, ask)),
            roots: 0,
            wants: Vec::new(),
            offers: Vec::new(),
            last: None,
            asked: Time::ZERO,
            until: Time::ZERO,
            patience,
            answered: false,
            copy: true,
        }
    }

    /// When something is to be done.
    pub(crate) fn due(&self) -> Time {
        if self.copy { self.asked + COPY } else { self.until }
    }

    /// A question goes, at `now`.
    fn begin(&mut self, now: Time) {
        (self.asked, self.until, self.copy, self.roots) = (now, now + self.patience, true, 0);
    }

    /// The next question goes, at `now`. False if there have been too many.
    fn turn(&mut self, now: Time) -> bool {
        self.turn += 1;
        self.begin(now);
        self.turn < TURNS
    }

    /// An answer came at `now`: the first tells how long a round trip takes.
    fn hear(&mut self, now: Time) {
        let first = !core::mem::replace(&mut self.answered, true);
        if first && self.turn == 0 {
            let trip = now.since(self.asked);
            self.patience = (trip + trip / 4).max(2 * COPY).min(self.patience);
        }
    }

    /// The last answer came at `now`, but for that to the question's copy.
    fn end(&mut self, now: Time) {
        self.until = self.until.min(now + 2 * COPY);
    }

    const fn question(&self) -> Question {
        Question { of: self.of, turn: self.turn }
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// Whether everything here was found equal to somebody else's.
    pub(crate) const fn is_settled(&self) -> bool {
        self.settled == self.store.changed()
    }

    /// A peer has the same.
    pub(crate) const fn settle(&mut self) {
        self.settled = self.store.changed();
    }

    /// Opens a comparison with `to`; false if no sketches are kept.
    pub(crate) fn compare(&mut self, to: I, cx: &mut impl Context<Self>) -> bool {
        let Some(sketches) = &mut self.store.sketches else { return false };
        sketches.toggled.clear();
        let draw = cx.rng().next_u64();
        let opened = Session::open(&sketches.set, 0, draw);
        let [.., c, d] = draw.to_le_bytes();
        let mut under_way = UnderWay::new(to, opened, [c, d], self.patience);
        under_way.begin(cx.now());
        self.under_way = Some(under_way);
        self.ask(cx);
        true
    }

    /// Asks what is to be asked, the first time or again.
    fn ask(&self, cx: &mut impl Context<Self>) {
        let Some(under_way) = &self.under_way else { return };
        let (of, with) = (under_way.question(), under_way.with);
        if let Some((_, ask)) = &under_way.session {
            let digest = self.digest().to_le_bytes();
            return cx.send(with, Message::Compare { of, digest, ask: ask.clone() });
        }
        // More than that come in the next round.
        let most = usize::from(self.probe);
        let mut parts: Vec<&[u64]> = under_way.wants.chunks(FETCH).take(most).collect();
        if parts.is_empty() {
            // Nothing is asked for: its copy is answered when all offers are.
            parts.push(&[]);
        }
        let mut more = parts.len();
        for part in parts {
            more -= 1;
            let mut halves = Bounded::new();
            halves.fill(part.iter().map(|&id| key_half(id).to_le_bytes()));
            cx.send(
                with,
                Message::Fetch { of, more: u8::try_from(more).unwrap_or(u8::MAX), halves },
            );
        }
    }

    /// The time of a comparison has come: its question goes again, or nobody has answered it.
    pub(crate) fn wake(&mut self, cx: &mut impl Context<Self>) {
        let Some(under_way) = &mut self.under_way else { return };
        if cx.now() < under_way.due() {
            return;
        }
        if !core::mem::take(&mut under_way.copy) {
            return self.press(cx);
        }
        self.ask(cx);
    }

    /// Nothing more comes: asks for what is missing.
    fn press(&mut self, cx: &mut impl Context<Self>) {
        let Some(UnderWay { session, .. }) = &mut self.under_way else { return };
        let Some((session, _)) = session else { return self.again(cx) };
        let Some(sketches) = &self.store.sketches else { return };
        let step = session.silence(&sketches.set);
        self.step(step, cx);
    }

    /// Does what the session says.
    fn step(&mut self, step: Step, cx: &mut impl Context<Self>) {
        let Some(under_way) = &mut self.under_way else { return };
        match step {
            Step::Wait => {}
            Step::Ask(ask) => {
                if !under_way.turn(cx.now()) {
                    return self.give_up("session unanswered", cx);
                }
                if let Some((_, last)) = &mut under_way.session {
                    *last = ask;
                }
                self.ask(cx);
            }
            // The digests differ, and no identifier does.
            Step::Done(difference) if difference == Difference::default() => {
                self.descend("identifier shared", cx);
            }
            Step::Done(difference) => self.exchange(&difference, cx),
            Step::Ended(End::TooMany) => self.descend("too many differences", cx),
            Step::Ended(End::Inconsistent) => self.descend("inconsistent sketches", cx),
            Step::Ended(End::Restless) => self.descend("set too restless", cx),
            Step::Ended(End::Silent) => self.give_up("session unanswered", cx),
        }
    }

    fn give_up(&mut self, cause: &'static str, cx: &mut impl Context<Self>) {
        self.under_way = None;
        cx.count(cause);
    }

    /// Sketches have led to no end: goes down the tree with the same peer.
    fn descend(&mut self, cause: &'static str, cx: &mut impl Context<Self>) {
        cx.count(cause);
        if let Some(UnderWay { with, .. }) = self.under_way.take() {
            self.answer(with, cx, |draft| draft.describe(Path::ROOT));
        }
    }

    /// The peer goes down the tree.
    pub(crate) fn is_descending(&mut self, from: I) {
        self.under_way.take_if(|under_way| under_way.with == from);
    }

    /// The difference is known: decides who moves what.
    fn exchange(&mut self, difference: &Difference, cx: &mut impl Context<Self>) {
        let Some(under_way) = &mut self.under_way else { return };
        under_way.session = None;
        let has = |ids: &[u64], id: u64| {
            let at = ids.partition_point(|&other| key_half(other) < key_half(id));
            ids.get(at).is_some_and(|&other| key_half(other) == key_half(id))
        };
        let (store, settled) = (&self.store, self.settled);
        let is_news = |id: &u64| {
            let slot = store.identified(*id).map(|slot| store.slot(slot));
            let recent = slot.is_some_and(|slot| slot.changed > settled);
            recent || store.merges() || !has(&difference.theirs, *id)
        };
        let offers: Vec<u64> = difference.ours.iter().copied().filter(is_news).collect();
        let is_wanted = |id: &u64| store.merges() || !has(&offers, *id);
        under_way.wants = difference.theirs.iter().copied().filter(is_wanted).collect();
        let with = under_way.with;
        let slots = offers.iter().filter_map(|&id| self.store.identified(id)).collect();
        let pages = self.pages(with, Kind::Pushed, slots, cx);
        let Some(under_way) = &mut self.under_way else { return };
        under_way.offers = (0..=u8::MAX).zip(pages).collect();
        under_way.turn(cx.now());
        self.ask(cx);
        self.offer(cx);
        self.finish();
    }

    /// Offers what the other side has not got.
    fn offer(&mut self, cx: &mut impl Context<Self>) {
        let Some(under_way) = &mut self.under_way else { return };
        let (with, of) = (under_way.with, under_way.of);
        for (number, page) in &under_way.offers {
            under_way.last = Some(*number);
            let page = page.clone();
            cx.send(with, Message::Entries { of, number: *number, left: 0, page });
        }
    }

    /// Entries in pages, as many as the budget allows.
    fn pages(
        &mut self,
        to: I,
        why: Kind,
        slots: Vec<u32>,
        cx: &mut impl Context<Self>,
    ) -> Vec<Page<Update<I, KEY, VALUE>, PAGE>> {
        let Done { messages, short, .. } = self.draft(to, cx, |draft| draft.push(slots, why));
        if short {
            cx.count("left for a later round");
        }
        let pages = messages.into_iter().filter_map(|message| match message {
            Message::Updates(page) => Some(page),
            _ => None,
        });
        pages.collect()
    }

    /// What was asked for and offered has come, or is lost: goes on with what is left.
    fn again(&mut self, cx: &mut impl Context<Self>) {
        let Some(under_way) = &mut self.under_way else { return };
        if !under_way.turn(cx.now()) {
            return self.give_up("session unanswered", cx);
        }
        self.ask(cx);
        self.offer(cx);
    }

    /// Something has come: ends the comparison if that was all.
    fn finish(&mut self) {
        self.under_way.take_if(|under_way| {
            let nothing_left = under_way.offers.is_empty() && under_way.wants.is_empty();
            under_way.session.is_none() && nothing_left
        });
    }

    /// The other side: answers a question with sketches.
    pub(crate) fn on_compare(
        &mut self,
        from: I,
        of: Question,
        ask: &Ask,
        cx: &mut impl Context<Self>,
    ) {
        if !self.budget.is_new(from, of, u8::MAX) {
            return cx.send(from, Message::Copied(of));
        }
        let most = usize::from(self.page);
        let set = self.store.sketches.as_ref().map(|sketches| &sketches.set);
        let Some(set) = set.filter(|set| cost(set, ask) <= (most * CELL_BYTES) as u64) else {
            return self.answer(from, cx, |draft| draft.describe(Path::ROOT));
        };
        let mut frames = answer_with(set, ask, most, CAPACITY);
        // The PinSketch is what nothing goes without, and marks the end.
        if frames.len() > 1 && matches!(ask.need, Need::First(_)) {
            frames.extend(frames.first().cloned());
        }
        for frame in frames {
            if !self.budget.take(from, Kind::Sketches) {
                return cx.count("left for a later round");
            }
            cx.send(from, Message::Sketch(frame));
        }
    }

    pub(crate) fn on_sketch(&mut self, from: I, frame: &Frame, cx: &mut impl Context<Self>) {
        let toggled = match &mut self.store.sketches {
            Some(sketches) => core::mem::take(&mut sketches.toggled),
            None => Vec::new(),
        };
        let Self { under_way: Some(under_way), store, .. } = self else { return };
        let UnderWay { session: Some((session, _)), .. } = under_way else { return };
        let Some(sketches) = &store.sketches else { return };
        if under_way.with != from || session.nonce() != frame.nonce() {
            return cx.count("answer without question");
        }
        if toggled.len() > RESTLESS {
            return self.descend("set too restless", cx);
        }
        for id in toggled {
            session.changed(&sketches.set, id);
        }
        let step = session.take(&sketches.set, frame, |id| store.identified(id).is_some());
        under_way.hear(cx.now());
        under_way.roots += u8::from(matches!(frame, Frame::Root { .. }));
        match step {
            Step::Wait if under_way.roots > 1 => self.press(cx),
            step => self.step(step, cx),
        }
    }

    /// The other side: sends entries.
    pub(crate) fn on_fetch(
        &mut self,
        from: I,
        of: Question,
        more: u8,
        halves: &[[u8; 4]],
        cx: &mut impl Context<Self>,
    ) {
        if more == u8::MAX || !self.budget.is_new(from, of, more) {
            if more == 0 {
                cx.send(from, Message::Copied(of));
            }
            return;
        }
        let mut slots = Vec::new();
        for &half in halves {
            slots.extend(self.store.of_half(u32::from_le_bytes(half)));
        }
        let pages = self.pages(from, Kind::Supplied, slots, cx);
        let mut left = pages.len() + usize::from(more);
        for page in pages {
            left -= 1;
            let left = u8::try_from(left).unwrap_or(u8::MAX);
            cx.send(from, Message::Entries { of: of.of, number: 0, left, page });
        }
    }

    pub(crate) fn on_entries(
        &mut self,
        from: I,
        (of, number, left): ([u8; 2], u8, u8),
        page: &Page<Update<I, KEY, VALUE>, PAGE>,
        cx: &mut impl Context<Self>,
    ) {
        let mut newer = Vec::new();
        for entry in page.iter() {
            let key = entry.key.clone();
            if self.take_from(from, entry, cx) == Some(Merged::Older) {
                newer.extend(self.store.find(&key));
            }
            if let Some(under_way) = &mut self.under_way {
                let half = (self.store.place(&key) >> 32) as u32;
                under_way.wants.retain(|&id| key_half(id) != half);
            }
        }
        self.answer(from, cx, |draft| draft.push(newer, Kind::Pushed));
        let Some(under_way) = self.mine(from, of) else {
            let before = self.budget.take_offer(from, of, number);
            return cx.send(from, Message::Got { of, number, before });
        };
        if left == 0 && under_way.offers.is_empty() {
            under_way.end(cx.now());
        }
        self.finish();
    }

    pub(crate) fn on_got(
        &mut self,
        from: I,
        of: [u8; 2],
        [number, before]: [u8; 2],
        cx: &mut impl Context<Self>,
    ) {
        let Some(under_way) = self.mine(from, of) else { return };
        let has_come = |offer: u8| match number.checked_sub(offer) {
            Some(back @ 1..=8) => before >> (back - 1) & 1 == 1,
            back => back == Some(0),
        };
        under_way.offers.retain(|offer| !has_come(offer.0));
        if under_way.last == Some(number) {
            under_way.end(cx.now());
        }
        self.finish();
    }

    pub(crate) fn on_copied(&mut self, from: I, of: Question, cx: &mut impl Context<Self>) {
        if self.mine(from, of.of).is_some_and(|under_way| under_way.question() == of) {
            self.press(cx);
        }
    }

    /// The comparison that this replica has opened under this name.
    fn mine(&mut self, with: I, of: [u8; 2]) -> Option<&mut UnderWay<I, KEY, VALUE>> {
        self.under_way.as_mut().filter(|under_way| under_way.with == with && under_way.of == of)
    }
}
