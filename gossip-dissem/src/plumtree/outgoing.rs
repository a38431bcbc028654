//! What leaves a node: values and notes that have waited for others to go with them, announcements
//! that are due, and, with any datagram, what else waits for the same neighbour.
//!
//! Not a protocol: the sending half of the one in `plumtree.rs`.

use alloc::vec::Vec;

use gossip_core::{Bounded, Context, PeerId, Wire};

use super::State;
use super::link::{Names, Note};
use super::message::{Announcement, Message};
use crate::post::{MessageId, Post};

impl<I: PeerId, V: Wire> State<I, V> {
    /// Sends what has waited long enough.
    pub(super) fn send_due(&mut self, cx: &mut impl Context<Self>) {
        let now = cx.now();
        for at in 0..self.links.len() {
            let values = self.links[at].values_due(now);
            self.send_values(at, &values, cx);
            let peer = self.links[at].peer;
            for note in self.links[at].notes_due(now) {
                cx.send(peer, message(note));
            }
            while self.links[at].next() <= now {
                let names = self.links[at].announcements_due(now, self.config.announce);
                if names.is_empty() {
                    break;
                }
                self.announce(at, &names, cx);
            }
        }
    }

    fn send_values(&mut self, at: usize, ids: &[MessageId<I>], cx: &mut impl Context<Self>) {
        for id in ids {
            if let Some(post) = self.store.get(id, cx.round()) {
                self.traffic.payloads += 1;
                cx.send(self.links[at].peer, Message::Gossip(post));
            }
        }
    }

    /// Sends a value to an eager neighbour, now or with others.
    pub(super) fn send_value(&mut self, at: usize, post: &Post<I, V>, cx: &mut impl Context<Self>) {
        let (gather, link) = (self.config.gather, &mut self.links[at]);
        if gather.is_zero() {
            self.traffic.payloads += 1;
            cx.send(link.peer, Message::Gossip(post.clone()));
        } else {
            link.gather(post.id, cx.now() + gather);
        }
        if let Some(after) = self.config.confirm {
            self.links[at].announce(post.id, cx.now() + gather + after);
        }
    }

    /// Sends a note to `peer`, now or with others.
    pub(super) fn send_note(&mut self, peer: I, note: Note<I>, cx: &mut impl Context<Self>) {
        let wait = match note {
            Note::Acknowledge(_) => self.config.acknowledge,
            Note::Prune(_) => self.config.gather,
        };
        let due = cx.now() + wait;
        let waits = !wait.is_zero() && self.link(peer).is_some_and(|link| link.note(note, due));
        if !waits {
            cx.send(peer, message(note));
        }
    }

    fn announce(&mut self, at: usize, names: &Names<I>, cx: &mut impl Context<Self>) {
        self.batch = self.batch.wrapping_add(1).max(1);
        let again = self.config.repeat.map(|after| cx.now() + after);
        let link = &mut self.links[at];
        let repeated = link.told(self.batch, names, again);
        self.traffic.announced += (names.len() - repeated) as u64;
        self.traffic.repeated += repeated as u64;
        let store = &self.store;
        let known = |&id: &MessageId<I>| Some(Announcement { id, hops: store.hops(&id)? });
        let mut posts = Bounded::new();
        posts.fill(names.iter().filter_map(known));
        let batch = if again.is_some() { self.batch } else { 0 };
        cx.send(link.peer, Message::Announce { batch, posts });
    }

    /// Puts what waits for `to` into a datagram that leaves for it anyway: announcements, notes,
    /// values, as far as there is room.
    pub(super) fn send_along(&mut self, to: I, cx: &mut impl Context<Self>) {
        let Some(at) = self.links.iter().position(|link| link.peer == to) else { return };
        // The kind, the announcement's number and their count take at most eight bytes.
        let names =
            self.links[at].untold(cx.room(to).saturating_sub(8) / Announcement::<I>::MAX_LEN);
        if !names.is_empty() {
            self.announce(at, &names, cx);
        }
        let now = cx.now();
        for note in self.links[at].take_notes() {
            let message = message::<I, V>(note);
            if message.encoded_len() <= cx.room(to) {
                cx.send(to, message);
            } else {
                self.links[at].note(note, now);
            }
        }
        let mut left = Vec::new();
        for id in self.links[at].take_values() {
            let Some(post) = self.store.get(&id, cx.round()) else { continue };
            let message = Message::Gossip(post);
            if message.encoded_len() <= cx.room(to) {
                self.traffic.payloads += 1;
                cx.send(to, message);
            } else {
                left.push(id);
            }
        }
        // Its datagram is full: what is left need not wait for more.
        for id in left {
            self.links[at].gather(id, now);
        }
    }
}

fn message<I: PeerId, V: Wire>(note: Note<I>) -> Message<I, V> {
    match note {
        Note::Acknowledge(batch) => Message::Acknowledge(batch),
        Note::Prune(id) => Message::Prune(id),
    }
}
