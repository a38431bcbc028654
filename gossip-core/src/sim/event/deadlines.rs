//! Deadlines for answers: most are planned in the order of their times, and void long before they
//! pass.

use alloc::collections::VecDeque;

use crate::time::Time;

/// Wakes in the order of their times. One that is no longer wanted is passed over without looking
/// at its node; on the agenda it would cost as much as a message.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: VecDeque<Deadline>,
    /// The ticket of the first in the queue.
    first: Ticket,
}

/// A wake that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Time,
    pub(super) node: u32,
    /// For which of the node's lives.
    pub(super) life: u32,
    wanted: bool,
}

/// A deadline's number, counted round: there are never 2^31 at once.
pub(super) type Ticket = u32;

impl Deadlines {
    /// Adds a deadline, unless a later one is there: then it belongs on the agenda.
    #[inline]
    pub(super) fn push(&mut self, at: Time, node: u32, life: u32) -> Option<Ticket> {
        let late = self.queue.back().is_some_and(|last| last.at > at);
        let full = self.queue.len() >= 1 << 31;
        if late || full {
            return None;
        }
        self.queue.push_back(Deadline { at, node, life, wanted: true });
        Some(self.first.wrapping_add(self.queue.len() as u32 - 1))
    }

    /// Says whether the deadline is wanted. Returns whether it is still there: one that was not
    /// wanted may have been passed over before its time.
    #[inline]
    pub(super) fn want(&mut self, ticket: Ticket, wanted: bool) -> bool {
        let at = ticket.wrapping_sub(self.first);
        self.queue.get_mut(at as usize).map(|deadline| deadline.wanted = wanted).is_some()
    }

    /// When the next is due that is wanted.
    #[inline]
    pub(super) fn next(&mut self) -> Time {
        while let Some(deadline) = self.queue.front() {
            if deadline.wanted {
                return deadline.at;
            }
            self.pop();
        }
        Time::NEVER
    }

    /// Takes the first.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Deadline> {
        self.first = self.first.wrapping_add(u32::from(!self.queue.is_empty()));
        self.queue.pop_front()
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.queue.capacity() * size_of::<Deadline>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwanted_deadlines_are_passed_over() {
        let mut deadlines = Deadlines::default();
        let at = Time::from_micros;
        let tickets = [3, 5, 5, 8].map(|time| deadlines.push(at(time), time as u32, 0).unwrap());
        assert_eq!(deadlines.push(at(7), 7, 0), None, "a later one is there");
        assert!(deadlines.want(tickets[0], false) && deadlines.want(tickets[2], false));
        assert_eq!(deadlines.next(), at(5));
        assert!(!deadlines.want(tickets[0], true), "passed over");
        assert!(deadlines.want(tickets[2], true) && deadlines.want(tickets[1], false));
        assert_eq!(deadlines.next(), at(5));
        assert_eq!(deadlines.pop().map(|deadline| deadline.node), Some(5));
        assert!(!deadlines.want(tickets[0], false));
        assert_eq!(deadlines.next(), at(8), "a ticket that has passed touches no other");
        assert!(deadlines.pop().is_some() && deadlines.pop().is_none());
        assert_eq!(deadlines.next(), Time::NEVER);
        let ticket = deadlines.push(at(9), 9, 0).unwrap();
        assert!(deadlines.want(ticket, false));
        assert_eq!(deadlines.next(), Time::NEVER);
    }
}
