//! Finding differences: down a tree of digests, from the root to the entries.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 1.3
//! (push-pull, checksum first); DeCandia et al., *Dynamo*, SOSP 2007, section 4.7 (hash trees).
//!
//! ```text
//! on digests of a subtree's children: describe each child whose digest differs from ours
//! describe a subtree:   up to FEW entries of ours: list them; more: digests of its children
//! on a list of all that a peer has in a subtree:
//!                       send what is newer here or missing there, ask for what is newer there
//! on a request:         send the entries
//! ```
//!
//! The two sides take turns, one level of the tree a message. Nobody remembers anything between
//! messages, so one that is lost, doubled, late or from a peer that has restarted costs time only.
//!
//! # What holds
//!
//! A difference costs about 36 bytes a level on the levels where it is alone in its subtree, and a
//! list of two or three lines of 18 bytes. Work for one message is bounded: at most 34 subtrees are
//! compared and their 544 children described, or 141 requested positions looked up, or 566 lists of
//! 103 lines in all read; what is read of the store beyond that is sent. What is sent stays within
//! the exchange's [`Budget`].
//!
//! # Deviations from the paper
//!
//! - Digests are shortened to 16 bits under a salt of the message: a difference is overlooked with
//!   probability 2^-16 a level, and found in the next round. The root's digest is whole.
//! - Where there is more to do than an exchange's budget, it begins at a random place, and what a
//!   node would refuse it does not ask for, so that entries that one side refuses do not stand in
//!   the way of others for ever. They dilute: a peer that pushes them spends a share of its page on
//!   them.

use alloc::vec::Vec;
use core::mem;

use gossip_core::wire::Blob;
use gossip_core::{PeerId, Wire};
use siphasher::sip::SipHasher13;

use crate::budget::{Budget, Kind};
use crate::message::{Line, List, Message, Node, State, Update};
use crate::page::{PAGE, Page};
use crate::path::Path;
use crate::store::{Held, Slot, Store};

/// Entries up to which a subtree is listed: four lines cost as much as two sets of digests. Our
/// choice.
pub(crate) const FEW: usize = 4;

/// A digest, shortened under a salt.
fn short(salt: [u8; 4], digest: u64) -> [u8; 2] {
    let salt = u64::from(u32::from_le_bytes(salt));
    let [a, b, ..] = SipHasher13::new_with_keys(salt, 0).hash(&digest.to_le_bytes()).to_le_bytes();
    [a, b]
}

/// An entry as it travels; `None` if it is longer than the wire type allows, which a store behind
/// that type never holds.
pub(crate) fn update<I: PeerId, const KEY: usize, const VALUE: usize>(
    slot: &Slot<I>,
) -> Option<Update<I, KEY, VALUE>> {
    let state = match &slot.state {
        Held::Value(value) => State::Value(Blob::new(value).ok()?),
        Held::Deleted(grave) => State::Deleted((**grave).clone()),
    };
    Some(Update::of(Blob::new(&slot.key).ok()?, slot.stamp, state, &slot.seal))
}

/// Messages being written for one peer, within the budget.
pub(crate) struct Draft<'a, I: PeerId, const KEY: usize, const VALUE: usize> {
    store: &'a Store<I>,
    budget: &'a mut Budget<I>,
    to: I,
    salt: [u8; 4],
    /// Where to begin when not all can be sent.
    start: u64,
    /// The latest stamp that we would take.
    horizon: u64,
    nodes: Page<Node, PAGE>,
    lists: Page<List, PAGE>,
    wants: Page<[u8; 8], PAGE>,
    updates: Page<Update<I, KEY, VALUE>, PAGE>,
    ready: Vec<Message<I, KEY, VALUE>>,
    /// Whether something was left out.
    short: bool,
    /// Parts of the peer's message that no honest peer sends.
    odd: usize,
}

/// What came of a draft.
pub(crate) struct Done<I: PeerId, const KEY: usize, const VALUE: usize> {
    /// To be sent.
    pub(crate) messages: Vec<Message<I, KEY, VALUE>>,
    /// Whether something was left for later rounds.
    pub(crate) short: bool,
    /// Parts of the peer's message that were ignored.
    pub(crate) odd: usize,
}

/// Adds to a page; when it is full, `close`s it and begins another if one may be `open`ed.
fn put<T: Wire>(
    page: &mut Page<T, PAGE>,
    element: &T,
    open: impl FnOnce() -> bool,
    close: impl FnOnce(Page<T, PAGE>),
) -> bool {
    if !page.is_empty() {
        if page.push(element) {
            return true;
        }
        close(mem::take(page));
    }
    open() && page.push(element)
}

impl<'a, I: PeerId, const KEY: usize, const VALUE: usize> Draft<'a, I, KEY, VALUE> {
    /// For `to`, with 64 random bits; entries stamped beyond `horizon` are not asked for.
    pub(crate) fn new(
        store: &'a Store<I>,
        budget: &'a mut Budget<I>,
        to: I,
        draw: u64,
        horizon: u64,
    ) -> Self {
        let [s0, s1, s2, s3, ..] = draw.to_le_bytes();
        Self {
            store,
            budget,
            to,
            salt: [s0, s1, s2, s3],
            start: draw.rotate_left(32),
            horizon,
            nodes: Page::new(),
            lists: Page::new(),
            wants: Page::new(),
            updates: Page::new(),
            ready: Vec::new(),
            short: false,
            odd: 0,
        }
    }

    /// The messages: what moves the descent on before what ends it.
    pub(crate) fn finish(mut self) -> Done<I, KEY, VALUE> {
        let salt = self.salt;
        if !self.nodes.is_empty() {
            self.ready.push(Message::Digests { salt, nodes: self.nodes });
        }
        if !self.lists.is_empty() {
            self.ready.push(Message::Lists { salt, lists: self.lists });
        }
        if !self.wants.is_empty() {
            self.ready.push(Message::Wants(self.wants));
        }
        if !self.updates.is_empty() {
            self.ready.push(Message::Updates(self.updates));
        }
        Done { messages: self.ready, short: self.short, odd: self.odd }
    }

    /// Says what is in a subtree: the entries, or the digests of its children.
    pub(crate) fn describe(&mut self, path: Path) {
        let tree = self.store.tree();
        let (salt, to, number) = (self.salt, self.to, path.number());
        let Self { budget, ready, .. } = self;
        let said = if tree.count(path) > FEW && path.child(0).is_some() {
            let node = Node { path: number, children: tree.children(path).map(|d| short(salt, d)) };
            let open = || budget.take(to, Kind::Digests(path.depth()));
            put(&mut self.nodes, &node, open, |nodes| ready.push(Message::Digests { salt, nodes }))
        } else {
            let mut lines = Page::new();
            tree.visit(path, 0, &mut |slot| lines.push(&line(self.store, slot, salt)));
            let open = || budget.take(to, Kind::Lists(path.depth()));
            let list = List { path: number, lines };
            put(&mut self.lists, &list, open, |lists| ready.push(Message::Lists { salt, lists }))
        };
        self.short |= !said;
    }

    /// A peer's digests: describes what differs.
    pub(crate) fn compare(&mut self, salt: [u8; 4], nodes: &Page<Node, PAGE>) {
        let mut nodes: Vec<Node> = nodes.iter().collect();
        if !nodes.is_empty() {
            let first = (self.start % nodes.len() as u64) as usize;
            nodes.rotate_left(first);
        }
        for node in nodes {
            let inner = Path::read(node.path).filter(|path| path.child(0).is_some());
            let Some(path) = inner else {
                self.odd += 1;
                continue;
            };
            let mine = self.store.tree().children(path);
            let first = (self.start >> 60) as usize;
            for child in (0..16).map(|step| (first + step) % 16) {
                if short(salt, mine[child]) != node.children[child] {
                    path.child(child).into_iter().for_each(|child| self.describe(child));
                }
            }
        }
    }

    /// A peer's lists of all it has in some subtrees: sends and asks for what differs.
    pub(crate) fn settle(&mut self, salt: [u8; 4], lists: &Page<List, PAGE>) {
        let store = self.store;
        for list in lists.iter() {
            let Some(path) = Path::read(list.path) else {
                self.odd += 1;
                continue;
            };
            let mut lines: Vec<Line> = list.lines.iter().collect();
            let listed = lines.len();
            lines.retain(|line| path.holds(u64::from_le_bytes(line.position)));
            self.odd += listed - lines.len();
            lines.sort_unstable_by_key(|line| line.position);
            for theirs in lines.chunk_by(|a, b| a.position == b.position) {
                self.settle_position(salt, theirs);
            }
            let start = self.start;
            store.tree().visit(path, start, &mut |slot| {
                let position = store.tree().position(slot).to_le_bytes();
                let settled = lines.binary_search_by_key(&position, |line| line.position).is_ok();
                settled || self.send(slot, Kind::Pushed)
            });
        }
    }

    /// What a peer has at one position, against what is here: two keys, if they share a hash.
    fn settle_position(&mut self, salt: [u8; 4], theirs: &[Line]) {
        let Some(&Line { position, .. }) = theirs.first() else { return };
        let store = self.store;
        let mut theirs: Vec<Line> = theirs.to_vec();
        let mut mine: Vec<(u32, Line)> = store
            .tree()
            .at(u64::from_le_bytes(position))
            .map(|slot| (slot, line(store, slot, salt)))
            .collect();
        mine.retain(|(_, line)| {
            let same = theirs.iter().position(|other| other == line);
            same.map(|at| theirs.swap_remove(at)).is_none()
        });
        let oldest = theirs.iter().map(|line| line.micros).min();
        let newest = theirs.iter().map(|line| line.micros).filter(|&at| at <= self.horizon).max();
        for (slot, line) in &mine {
            if store.merges() || oldest.is_none_or(|oldest| line.micros >= oldest) {
                self.send(*slot, Kind::Pushed);
            }
        }
        let lacks = |newest| match &mine[..] {
            [] => !store.is_full(),
            mine => store.merges() || mine.iter().any(|mine| mine.1.micros <= newest),
        };
        if newest.is_some_and(lacks) {
            self.want(position);
        }
    }

    /// Sends what a peer asked for.
    pub(crate) fn supply(&mut self, wants: &Page<[u8; 8], PAGE>) {
        let store = self.store;
        for position in wants.iter() {
            let mut found = false;
            for slot in store.tree().at(u64::from_le_bytes(position)) {
                found = true;
                if !self.send(slot, Kind::Supplied) {
                    return;
                }
            }
            self.odd += usize::from(!found);
        }
    }

    /// Sends the entries in some slots.
    pub(crate) fn push(&mut self, slots: Vec<u32>, why: Kind) {
        slots.into_iter().all(|slot| self.send(slot, why));
    }

    fn want(&mut self, position: [u8; 8]) {
        let Self { budget, ready, to, .. } = self;
        let open = || budget.take(*to, Kind::Wants);
        let said = put(&mut self.wants, &position, open, |wants| ready.push(Message::Wants(wants)));
        self.short |= !said;
    }

    /// Sends an entry; false if there is no more room in this round.
    fn send(&mut self, slot: u32, why: Kind) -> bool {
        let Some(update) = update(self.store.slot(slot)) else { return true };
        let Self { budget, ready, to, .. } = self;
        let open = || budget.take(*to, why);
        let said = put(&mut self.updates, &update, open, |page| ready.push(Message::Updates(page)));
        self.short |= !said;
        said
    }
}

fn line<I: PeerId>(store: &Store<I>, slot: u32, salt: [u8; 4]) -> Line {
    Line {
        position: store.tree().position(slot).to_le_bytes(),
        micros: store.slot(slot).stamp.micros,
        mark: short(salt, store.tree().hash(slot)),
    }
}
