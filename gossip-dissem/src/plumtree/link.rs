//! A link to a neighbour: eager or lazy, and what is still to be announced over it.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use core::time::Duration;

use gossip_core::{Bounded, PeerId, Time};

use super::message::ANNOUNCED;
use crate::post::MessageId;
use crate::schedule::Schedule;

/// Announcements of a link whose acknowledgement is awaited. What an older one told is announced
/// again, unless a newer one did.
const OUTSTANDING: usize = 16;

/// Notes that wait on a link; more are sent at once. Our choice.
const NOTES: usize = 64;

/// Trees of which a link remembers that they are not as all are at first. When there are more, one
/// is forgotten, and a value of it comes twice or is asked for. Our choice.
const MARKED: usize = 1_024;

/// A tree: that of an origin's publications, or, where all share one, of all.
pub(super) type Tree<I> = Option<I>;

pub(super) type Names<I> = Bounded<MessageId<I>, ANNOUNCED>;

/// A short message that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note<I: PeerId> {
    Acknowledge(u32),
    Prune(MessageId<I>),
}

/// A link to a neighbour.
#[derive(Clone, Debug)]
pub(super) struct Link<I: PeerId> {
    pub(super) peer: I,
    /// The version at which it was made.
    pub(super) made: u64,
    /// Publications sent on request since the last round.
    pub(super) served: usize,
    /// The trees whose publications are sent over it; those of the rest are announced.
    eager: Marks<I>,
    /// The origins' own trees whose publications the neighbour should send. (Links of a shared tree
    /// lead both ways: `eager` says both.)
    expected: Marks<I>,
    /// Publications that wait to be sent, and until when.
    values: Vec<MessageId<I>>,
    values_until: Time,
    notes: Vec<Note<I>>,
    notes_until: Time,
    /// What the neighbour is not known to have.
    queue: Schedule<MessageId<I>, ()>,
    /// That of it which the neighbour was not told yet.
    untold: BTreeSet<MessageId<I>>,
    outstanding: VecDeque<(u32, Names<I>)>,
}

impl<I: PeerId> Link<I> {
    /// A new link, which is part of every tree, or of none.
    pub(super) fn new(peer: I, made: u64, eager: bool) -> Self {
        Self {
            peer,
            made,
            served: 0,
            eager: Marks::new(eager),
            expected: Marks::new(eager),
            values: Vec::new(),
            values_until: Time::NEVER,
            notes: Vec::new(),
            notes_until: Time::NEVER,
            queue: Schedule::default(),
            untold: BTreeSet::new(),
            outstanding: VecDeque::new(),
        }
    }

    /// Whether publications of `tree` are sent over it, or only announced.
    pub(super) fn is_eager(&self, tree: Tree<I>) -> bool {
        self.eager.has(tree)
    }

    /// Whether publications of all trees are sent over it.
    pub(super) fn is_always_eager(&self) -> bool {
        self.eager.has_all()
    }

    pub(super) fn set_eager(&mut self, tree: Tree<I>, eager: bool) {
        self.eager.set(tree, eager);
    }

    /// Whether the neighbour should send publications of `tree`, or only announce them.
    pub(super) fn is_expected(&self, tree: Tree<I>) -> bool {
        if tree.is_some() { self.expected.has(tree) } else { self.eager.has(tree) }
    }

    /// The neighbour is told to send publications of `tree`, or only to announce them.
    pub(super) fn expect(&mut self, tree: Tree<I>, expected: bool) {
        let marks = if tree.is_some() { &mut self.expected } else { &mut self.eager };
        marks.set(tree, expected);
    }

    /// When something is to be sent next.
    pub(super) fn next(&self) -> Time {
        self.queue.next().min(self.values_until).min(self.notes_until)
    }

    /// Announcements that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// `id` is to be announced at `due`.
    pub(super) fn announce(&mut self, id: MessageId<I>, due: Time) {
        self.queue.insert(id, due, ());
        self.untold.insert(id);
    }

    /// `id` is to be sent, at the latest at `due`.
    pub(super) fn gather(&mut self, id: MessageId<I>, due: Time) {
        self.values.push(id);
        self.values_until = self.values_until.min(due);
    }

    /// The publications to be sent now: all that wait, if one has waited long enough.
    pub(super) fn values_due(&mut self, now: Time) -> Vec<MessageId<I>> {
        if self.values_until > now { Vec::new() } else { self.take_values() }
    }

    /// All publications that wait, which wait no more.
    pub(super) fn take_values(&mut self) -> Vec<MessageId<I>> {
        self.values_until = Time::NEVER;
        core::mem::take(&mut self.values)
    }

    /// `note` is to be sent, at the latest at `due`. Returns false if there is no room for it.
    pub(super) fn note(&mut self, note: Note<I>, due: Time) -> bool {
        if self.notes.len() >= NOTES {
            return false;
        }
        self.notes.push(note);
        self.notes_until = self.notes_until.min(due);
        true
    }

    /// The notes to be sent now: all that wait, if one has waited long enough.
    pub(super) fn notes_due(&mut self, now: Time) -> Vec<Note<I>> {
        if self.notes_until > now { Vec::new() } else { self.take_notes() }
    }

    /// All notes that wait, which wait no more.
    pub(super) fn take_notes(&mut self) -> Vec<Note<I>> {
        self.notes_until = Time::NEVER;
        core::mem::take(&mut self.notes)
    }

    /// The neighbour has `id`, or it is no longer here to be had.
    pub(super) fn settle(&mut self, id: &MessageId<I>) {
        self.queue.remove(id);
        self.untold.remove(id);
        self.values.retain(|value| value != id);
        if self.values.is_empty() {
            self.values_until = Time::NEVER;
        }
    }

    /// The neighbour has heard the announcement `batch`. Returns whether that was awaited.
    pub(super) fn acknowledge(&mut self, batch: u32) -> bool {
        let Some(at) = self.outstanding.iter().position(|entry| entry.0 == batch) else {
            return false;
        };
        if let Some((_, names)) = self.outstanding.remove(at) {
            names.iter().for_each(|id| self.settle(id));
        }
        true
    }

    /// What to announce now: if something is due, all that is due within `window`, as far as it
    /// fits.
    pub(super) fn announcements_due(&self, now: Time, window: Duration) -> Names<I> {
        let mut names = Bounded::new();
        if self.queue.due(now).is_some() {
            names.fill(self.queue.all_due(now + window).take(ANNOUNCED));
        }
        names
    }

    /// Up to so many that were not announced yet, whenever they are due; not those that are sent.
    pub(super) fn untold(&self, most: usize) -> Names<I> {
        let untold = self.untold.iter().filter(|id| !self.values.contains(id));
        let mut names = Bounded::new();
        names.fill(untold.take(most.min(ANNOUNCED)).copied());
        names
    }

    /// `names` are announced now, by the announcement `number`, and will be again at `again`.
    /// Returns how many of them were announced before.
    pub(super) fn told(&mut self, number: u32, names: &Names<I>, again: Option<Time>) -> usize {
        let mut repeated = 0;
        for id in names {
            repeated += usize::from(!self.untold.remove(id));
            match again {
                Some(due) => self.queue.postpone(id, due),
                None => drop(self.queue.remove(id)),
            }
        }
        if again.is_some() {
            if self.outstanding.len() >= OUTSTANDING {
                self.outstanding.pop_front();
            }
            self.outstanding.push_back((number, names.clone()));
        }
        repeated
    }
}

/// A set of trees: at first all, or none.
#[derive(Clone, Debug)]
struct Marks<I: PeerId> {
    all: bool,
    /// Those of which that is not so.
    except: BTreeSet<Tree<I>>,
}

impl<I: PeerId> Marks<I> {
    const fn new(all: bool) -> Self {
        Self { all, except: BTreeSet::new() }
    }

    fn has(&self, tree: Tree<I>) -> bool {
        self.all != self.except.contains(&tree)
    }

    fn has_all(&self) -> bool {
        self.all && self.except.is_empty()
    }

    fn set(&mut self, tree: Tree<I>, on: bool) {
        if on == self.all {
            self.except.remove(&tree);
            return;
        }
        if self.except.len() >= MARKED && !self.except.contains(&tree) {
            self.except.pop_first();
        }
        self.except.insert(tree);
    }
}
