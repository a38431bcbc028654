//! Not a protocol: one blob that is being fetched.

use core::time::Duration;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::{PeerId, Round, Time};

use super::message::{CHUNK, Message, Reference, SPAN, Token};

/// The question under way.
#[derive(Clone)]
pub(super) struct Question<I> {
    pub(super) to: I,
    pub(super) number: u32,
    /// `None`: whether the peer has the blob. Else the peer has, and is asked for chunks.
    pub(super) token: Option<Token>,
    /// Chunks that were asked for, and those of them that have not come.
    asked: usize,
    left: BTreeSet<u16>,
    since: Time,
    /// How long after a chunk the next may come.
    pause: Option<Duration>,
}

impl<I> Question<I> {
    pub(super) const fn new(to: I, number: u32, token: Option<Token>, since: Time) -> Self {
        Self { to, number, token, asked: 0, left: BTreeSet::new(), since, pause: None }
    }

    /// Whether at least half of what was asked for has come: such a peer is asked again.
    fn is_served(&self) -> bool {
        self.asked > 0 && 2 * self.left.len() <= self.asked
    }
}

/// What becomes of a chunk.
pub(super) enum Came {
    /// It was not asked for, or came before.
    Unasked,
    /// Who sends this is no honest peer.
    WrongLength,
    /// It is kept; others are missing.
    Kept,
    /// It is kept, and was the last one.
    Last,
}

#[derive(Clone)]
pub(super) struct Fetch<I> {
    pub(super) reference: Reference,
    /// Memory grows with what comes, not with the length that a reference claims.
    chunks: BTreeMap<u16, Box<[u8]>>,
    /// All chunks before this one are here.
    low: u16,
    /// Who sent any of them.
    givers: BTreeSet<I>,
    /// Who has sent what is wrong, and is not asked again.
    pub(super) liars: BTreeSet<I>,
    /// Whether all chunks must come of one peer, so that it is known who lies.
    alone: bool,
    pub(super) question: Option<Question<I>>,
    /// Peers that may still be sought in this round.
    pub(super) seeks: u16,
    pub(super) due: Time,
    /// When the last chunk came.
    pub(super) since: Option<Round>,
}

impl<I: PeerId> Fetch<I> {
    pub(super) const fn new(reference: Reference, seeks: u16) -> Self {
        Self {
            reference,
            chunks: BTreeMap::new(),
            low: 0,
            givers: BTreeSet::new(),
            liars: BTreeSet::new(),
            alone: false,
            question: None,
            seeks,
            due: Time::ZERO,
            since: None,
        }
    }

    /// A round begins.
    pub(super) fn renew(&mut self, seeks: u16) {
        self.seeks = seeks;
        if self.question.is_none() {
            self.due = Time::ZERO;
        }
    }

    /// Leaves the peer that is asked; another is sought at once.
    pub(super) fn leave(&mut self) {
        (self.question, self.due) = (None, Time::ZERO);
    }

    /// The question under way, if `from` was asked it.
    pub(super) fn asked(&self, from: I, number: u32) -> Option<&Question<I>> {
        self.question.as_ref().filter(|asked| asked.to == from && asked.number == number)
    }

    /// The peer to ask again, if it serves.
    pub(super) fn source(&self) -> Option<(I, Token)> {
        let served = self.question.as_ref().filter(|question| question.is_served())?;
        Some((served.to, served.token?))
    }

    /// `to` has the blob: what is asked of it, at most `window` chunks that are missing.
    pub(super) fn ask(
        &mut self,
        (to, token): (I, Token),
        number: u32,
        window: u16,
        now: Time,
    ) -> Message {
        if self.alone && !self.givers.contains(&to) {
            self.clear();
        }
        while self.chunks.contains_key(&self.low) {
            self.low += 1;
        }
        let (first, mut wanted) = (self.low, [0; SPAN / 8]);
        let mut question = Question::new(to, number, Some(token), now);
        let end = self.reference.chunks().min(u64::from(first) + SPAN as u64);
        let missing = (u64::from(first)..end).map(|at| at as u16);
        let missing = missing.filter(|at| !self.chunks.contains_key(at));
        for at in missing.take(usize::from(window)) {
            let bit = usize::from(at - first);
            wanted[bit / 8] |= 1 << (bit % 8);
            question.left.insert(at);
        }
        question.asked = question.left.len();
        self.question = Some(question);
        Message::Ask { number, reference: self.reference, token, first, wanted }
    }

    /// A chunk has come, in answer to the question under way.
    pub(super) fn take(&mut self, at: u16, bytes: Box<[u8]>, now: Time, most: Duration) -> Came {
        let Some(question) = &mut self.question else { return Came::Unasked };
        if !question.left.remove(&at) {
            return Came::Unasked;
        }
        if bytes.len() != self.reference.chunk_len(at) {
            return Came::WrongLength;
        }
        self.givers.insert(question.to);
        self.chunks.insert(at, bytes);
        // Chunks leave together: what is not here two round trips after the last is lost.
        let trip = now.since(question.since).max(Duration::from_millis(1));
        let pause = *question.pause.get_or_insert((2 * trip).min(most));
        self.due = if question.left.is_empty() { Time::ZERO } else { now + pause };
        if self.chunks.len() as u64 == self.reference.chunks() { Came::Last } else { Came::Kept }
    }

    /// All that came, in its order.
    pub(super) fn whole(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.chunks.len() * CHUNK);
        for chunk in self.chunks.values() {
            whole.extend_from_slice(chunk);
        }
        whole
    }

    /// What came is not the blob. Who sent all of it is not asked again; if several sent it, it is
    /// to come of one at a time from now on.
    pub(super) fn refute(&mut self) {
        self.alone = true;
        if self.givers.len() == 1 {
            self.liars.extend(self.givers.iter().copied());
        }
        self.clear();
        self.leave();
    }

    fn clear(&mut self) {
        self.chunks.clear();
        self.givers.clear();
        self.low = 0;
    }
}
