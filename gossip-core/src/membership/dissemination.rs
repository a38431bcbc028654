//! What is to be told, those told least first.
//!
//! Not a protocol: SWIM's infection-style dissemination (section 4.1).
//!
//! Subjects wait in one line for each number of times they were told, so that a message is filled
//! in time proportional to what it takes, however many wait. A subject that changes again goes to
//! the front line; where it waited before, its ticket is void.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A place in a line: the subject's number in the table, and its ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) slot: u32,
    pub(super) ticket: u32,
    /// How often it was told.
    pub(super) told: u8,
}

/// Lines of subjects by how often they were told.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    lines: Vec<VecDeque<(u32, u32)>>,
    /// Nobody waits in a line before this one.
    first: usize,
    tickets: u32,
    /// Places in all lines, void ones included.
    places: usize,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { lines: Vec::new(), first: 0, tickets: 0, places: 0 }
    }

    /// Nothing to tell, not even void tickets.
    pub(super) const fn is_empty(&self) -> bool {
        self.places == 0
    }

    /// A ticket that nobody holds; never 0.
    pub(super) fn ticket(&mut self) -> u32 {
        self.tickets = self.tickets.wrapping_add(1).max(1);
        self.tickets
    }

    /// The subject at `slot` is news, with a new ticket.
    pub(super) fn put(&mut self, slot: u32, ticket: u32) {
        self.wait(Waiting { slot, ticket, told: 0 });
    }

    fn wait(&mut self, one: Waiting) {
        let line = usize::from(one.told);
        if self.lines.len() <= line {
            self.lines.resize_with(line + 1, VecDeque::new);
        }
        self.lines[line].push_back((one.slot, one.ticket));
        self.first = self.first.min(line);
        self.places += 1;
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        let places: usize = self.lines.iter().map(VecDeque::capacity).sum();
        places * size_of::<(u32, u32)>() + self.lines.capacity() * size_of::<VecDeque<(u32, u32)>>()
    }

    /// Takes the subject that was told least among those whose ticket `holds`.
    pub(super) fn take(&mut self, holds: impl Fn(u32, u32) -> bool) -> Option<Waiting> {
        while let Some(line) = self.lines.get_mut(self.first) {
            while let Some((slot, ticket)) = line.pop_front() {
                self.places -= 1;
                if holds(slot, ticket) {
                    return Some(Waiting { slot, ticket, told: self.first as u8 });
                }
            }
            if line.capacity() > SLACK {
                // A burst of news is over: its memory is given back.
                *line = VecDeque::new();
            }
            self.first += 1;
        }
        None
    }

    /// What was taken was told, and waits again until it was told `limit` times.
    pub(super) fn told(&mut self, one: Waiting, limit: u8) {
        let told = one.told.saturating_add(1);
        if told < limit {
            self.wait(Waiting { told, ..one });
        }
    }

    /// What was taken was not told.
    pub(super) fn put_back(&mut self, one: Waiting) {
        let line = usize::from(one.told);
        self.lines[line].push_front((one.slot, one.ticket));
        self.first = self.first.min(line);
        self.places += 1;
    }

    /// Drops void tickets if they may outnumber the `subjects` there are.
    pub(super) fn sweep(&mut self, subjects: usize, holds: impl Fn(u32, u32) -> bool) {
        if self.places > 2 * subjects + SLACK {
            for line in &mut self.lines {
                line.retain(|&(slot, ticket)| holds(slot, ticket));
            }
            self.places = self.lines.iter().map(VecDeque::len).sum();
        }
    }
}

/// Places beyond which void tickets are swept out. Our choice.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_told_least_come_first_and_none_is_told_more_often_than_the_limit() {
        let mut queue = Queue::new();
        let mut tickets = [0; 4];
        for slot in 0..3_u32 {
            tickets[slot as usize] = queue.ticket();
            queue.put(slot, tickets[slot as usize]);
        }
        let mut order = Vec::new();
        while let Some(one) = queue.take(|slot, ticket| tickets[slot as usize] == ticket) {
            order.push(one.slot);
            queue.told(one, 2);
            if order.len() == 2 {
                // News while the others wait.
                tickets[3] = queue.ticket();
                queue.put(3, tickets[3]);
            }
        }
        assert_eq!(order, [0, 1, 2, 3, 0, 1, 2, 3]);
        assert!(queue.is_empty());
    }

    /// A subject that changes for ever takes one place, not ever more.
    #[test]
    fn void_tickets_are_swept_out() {
        let mut queue = Queue::new();
        let mut current = 0;
        for _ in 0..10_000 {
            current = queue.ticket();
            queue.put(7, current);
            queue.sweep(1, |_, ticket| ticket == current);
            assert!(queue.places <= 2 + SLACK);
        }
        assert_eq!(queue.take(|_, ticket| ticket == current).map(|one| one.slot), Some(7));
        assert!(queue.take(|_, ticket| ticket == current).is_none());
    }
}
