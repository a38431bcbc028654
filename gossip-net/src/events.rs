//! What a stack tells its owner: a bounded queue that sheds the oldest and says so.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What comes out of [`Events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<E> {
    /// An event of the stack.
    Event(E),
    /// This many events were shed, because the owner did not keep up with the queue's capacity.
    Lagged(u64),
}

/// The last events of a node, each with its place in the sequence of all.
pub(crate) struct Ring<E> {
    kept: Mutex<Kept<E>>,
    capacity: usize,
    news: Notify,
}

struct Kept<E> {
    events: VecDeque<E>,
    /// The number of the oldest event kept.
    first: u64,
    /// Events that some receiver found shed.
    shed: u64,
    closed: bool,
}

impl<E> Ring<E> {
    pub(crate) fn new(capacity: usize) -> Self {
        let kept = Kept { events: VecDeque::new(), first: 0, shed: 0, closed: false };
        Self { kept: Mutex::new(kept), capacity, news: Notify::new() }
    }

    pub(crate) fn extend(&self, events: impl ExactSizeIterator<Item = E>) {
        if events.len() == 0 {
            return;
        }
        let mut kept = self.lock();
        for event in events {
            if kept.events.len() == self.capacity {
                kept.events.pop_front();
                kept.first += 1;
            }
            kept.events.push_back(event);
        }
        drop(kept);
        self.news.notify_waiters();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_waiters();
    }

    /// Events so far, and those that receivers found shed.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let kept = self.lock();
        (kept.first + kept.events.len() as u64, kept.shed)
    }

    fn lock(&self) -> MutexGuard<'_, Kept<E>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A receiver of a node's events, from [`Handle::events`](crate::Handle::events).
///
/// Each receiver gets every event. The first thing it gets is the oldest that is still kept, so
/// that nothing is missed between the start of a node and the first call; if older ones were shed,
/// it says how many.
pub struct Events<E> {
    ring: Arc<Ring<E>>,
    next: u64,
}

impl<E: Clone> Events<E> {
    pub(crate) const fn of(ring: Arc<Ring<E>>) -> Self {
        Self { ring, next: 0 }
    }

    /// Waits for the next event, or for news that some were shed; `None` when the node has ended
    /// and everything was delivered. Safe to cancel.
    pub async fn recv(&mut self) -> Option<Delivery<E>> {
        let ring = Arc::clone(&self.ring);
        loop {
            let mut news = pin!(ring.news.notified());
            news.as_mut().enable();
            if let Some(delivery) = self.try_recv() {
                return Some(delivery);
            }
            if ring.lock().closed {
                // Something may have come between the two looks.
                return self.try_recv();
            }
            news.await;
        }
    }

    /// The next event, if there is one now.
    pub fn try_recv(&mut self) -> Option<Delivery<E>> {
        let mut kept = self.ring.lock();
        let missed = kept.first.saturating_sub(self.next);
        if missed > 0 {
            self.next = kept.first;
            kept.shed = kept.shed.saturating_add(missed);
            return Some(Delivery::Lagged(missed));
        }
        let event = kept.events.get((self.next - kept.first) as usize)?.clone();
        self.next += 1;
        Some(Delivery::Event(event))
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_events_are_shed_and_their_number_told() {
        let ring = Arc::new(Ring::new(3));
        let mut early = Events::of(Arc::clone(&ring));
        ring.extend(0..2);
        assert_eq!(early.recv().await, Some(Delivery::Event(0)));
        ring.extend(2..7); // 4, 5 and 6 are kept
        let mut late = Events::of(Arc::clone(&ring));
        assert_eq!(early.recv().await, Some(Delivery::Lagged(3)));
        assert_eq!(late.recv().await, Some(Delivery::Lagged(4)));
        ring.close();
        for event in 4..7 {
            assert_eq!(early.recv().await, Some(Delivery::Event(event)));
            assert_eq!(late.recv().await, Some(Delivery::Event(event)));
        }
        assert_eq!((early.recv().await, late.recv().await), (None, None));
        assert_eq!(ring.totals(), (7, 7));
    }

    #[tokio::test]
    async fn a_receiver_that_waits_is_woken() {
        let ring = Arc::new(Ring::new(3));
        let mut events = Events::of(Arc::clone(&ring));
        let waiting = tokio::spawn(async move { (events.recv().await, events.recv().await) });
        tokio::task::yield_now().await;
        ring.extend([1].into_iter());
        tokio::task::yield_now().await;
        ring.close();
        assert_eq!(waiting.await.unwrap(), (Some(Delivery::Event(1)), None));
    }
}
