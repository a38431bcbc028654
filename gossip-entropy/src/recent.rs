//! Recent updates: what is news rides ahead of the comparison.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 1.3
//! (a list of updates younger than tau, exchanged before checksums are compared).
//!
//! # Deviations from the paper
//!
//! - The list is bounded: when it is full, what is longest on it leaves.
//! - An update is sent a fixed number of times, not for as long as it is recent: the checksum finds
//!   what this misses, so the list saves time and need not be complete.

use core::time::Duration;

use alloc::collections::VecDeque;

use gossip_core::PeerId;

/// Updates kept: about what fits two datagrams at 30 bytes each. Our choice.
pub(crate) const KEPT: usize = 64;

/// An update that is news.
#[derive(Clone, Copy, Debug)]
struct Hot<I> {
    slot: u32,
    /// Times it may still be sent.
    left: u8,
    /// Who told us, and need not be told.
    from: Option<I>,
}

/// The news, youngest first.
#[derive(Clone, Debug)]
pub(crate) struct Recent<I> {
    hot: VecDeque<Hot<I>>,
    copies: u8,
    tau_micros: u64,
}

impl<I: PeerId> Recent<I> {
    pub(crate) fn new(copies: u8, tau: Duration) -> Self {
        let tau_micros = u64::try_from(tau.as_micros()).unwrap_or(u64::MAX);
        Self { hot: VecDeque::new(), copies, tau_micros }
    }

    /// Whether what was written at `micros` is recent at `wall`.
    fn is_news(&self, micros: u64, wall: u64) -> bool {
        wall.saturating_sub(micros) <= self.tau_micros
    }

    /// The entry in `slot` has changed, as `from` told us. Returns false if another update left the
    /// list for it.
    pub(crate) fn note(&mut self, slot: u32, micros: u64, wall: u64, from: Option<I>) -> bool {
        if self.copies == 0 || !self.is_news(micros, wall) {
            return true;
        }
        self.hot.retain(|hot| hot.slot != slot);
        let sheds = self.hot.len() >= KEPT;
        if sheds {
            self.hot.pop_back();
        }
        self.hot.push_front(Hot { slot, left: self.copies, from });
        !sheds
    }

    /// The entry in `slot` is no more.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.hot.retain(|hot| hot.slot != slot);
    }

    /// Offers each update to `send`, youngest first, but for those that `to` told us; `send`
    /// returns whether it took it. `micros` tells when a slot was written.
    pub(crate) fn ride(
        &mut self,
        to: I,
        wall: u64,
        micros: impl Fn(u32) -> u64,
        mut send: impl FnMut(u32) -> bool,
    ) {
        let tau = self.tau_micros;
        self.hot.retain_mut(|hot| {
            if wall.saturating_sub(micros(hot.slot)) > tau {
                return false;
            }
            if hot.from != Some(to) && send(hot.slot) {
                hot.left -= 1;
            }
            hot.left > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn news_is_sent_so_many_times_and_never_back_to_whom_it_came_from() {
        let mut recent = Recent::<u32>::new(2, Duration::from_micros(100));
        assert!(recent.note(7, 50, 60, Some(1)));
        let mut sent = Vec::new();
        for to in [1, 2, 1, 3, 4] {
            recent.ride(
                to,
                60,
                |_| 50,
                |slot| {
                    sent.push((to, slot));
                    true
                },
            );
        }
        assert_eq!(sent, [(2, 7), (3, 7)]);
    }

    #[test]
    fn what_is_old_or_too_much_is_not_kept() {
        let mut recent = Recent::<u32>::new(2, Duration::from_micros(100));
        assert!(recent.note(1, 50, 151, None), "too old to be news: nothing is shed");
        assert!(recent.hot.is_empty());
        assert_eq!((0..100).filter(|&slot| !recent.note(slot, 50, 60, None)).count(), 100 - KEPT);
        assert_eq!(recent.hot.len(), KEPT);
        recent.ride(9, 151, |_| 50, |_| panic!("no longer news"));
        assert!(recent.hot.is_empty());
    }
}
