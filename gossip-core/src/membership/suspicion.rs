//! Who is suspected, by whom, and until when.
//!
//! Not a protocol: SWIM's suspicion (section 4.2), with the timeouts of Lifeguard (LHA-Suspicion,
//! Dadgar, Phillips, Currey, DSN 2018, section IV.B): long at first, and shorter with each
//! independent suspicion of the same member, since a healthy cluster agrees soon.

use core::time::Duration;

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::time::Time;

/// The most confirmations that may be asked for.
pub(super) const CONFIRMATIONS: usize = 7;

/// Lifeguard's suspicion timeout: `max` when nobody else suspects the member, `min` when `needed`
/// others do, and in between `max - (max - min) log(confirmed + 1) / log(needed + 1)`.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::membership::suspicion_timeout;
///
/// // 128 members, alpha 5, beta 6: min 10.54 s, max 63.2 s.
/// let (min, max) = (Duration::from_millis(10_536), Duration::from_millis(63_216));
/// let seconds = |confirmed| suspicion_timeout(min, max, confirmed, 3).as_secs_f64();
/// assert!((seconds(0) - 63.2).abs() < 0.05);
/// assert!((seconds(1) - 36.9).abs() < 0.05);
/// assert!((seconds(2) - 21.5).abs() < 0.05);
/// assert!((seconds(3) - 10.54).abs() < 0.01);
/// assert_eq!(suspicion_timeout(min, max, 9, 3), min);
/// assert_eq!(suspicion_timeout(min, max, 0, 0), min);
/// ```
pub fn suspicion_timeout(min: Duration, max: Duration, confirmed: u8, needed: u8) -> Duration {
    if confirmed >= needed {
        return min;
    }
    let share = libm::log(f64::from(confirmed) + 1.0) / libm::log(f64::from(needed) + 1.0);
    let width = max.saturating_sub(min).as_micros() as f64;
    max.saturating_sub(Duration::from_micros((width * share) as u64)).max(min)
}

/// How long a suspicion lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) min: Duration,
    pub(super) max: Duration,
    /// Confirmations that make it last `min`.
    pub(super) needed: u8,
}

/// One suspected member.
#[derive(Clone, Debug)]
struct Suspicion<I> {
    slot: u32,
    since: Time,
    terms: Terms,
    /// The first accuser, then those who confirmed, each once.
    accusers: ArrayVec<I, { CONFIRMATIONS + 1 }>,
}

impl<I> Suspicion<I> {
    const fn confirmed(&self) -> u8 {
        (self.accusers.len() as u8).saturating_sub(1)
    }

    fn deadline(&self) -> Time {
        let Terms { min, max, needed } = self.terms;
        self.since + suspicion_timeout(min, max, self.confirmed(), needed)
    }
}

/// All suspected members, by their places in the table.
#[derive(Clone, Debug)]
pub(super) struct Suspicions<I> {
    open: Vec<Suspicion<I>>,
    earliest: Time,
}

impl<I: Copy + Eq> Suspicions<I> {
    pub(super) const fn new() -> Self {
        Self { open: Vec::new(), earliest: Time::NEVER }
    }

    /// The next deadline.
    pub(super) const fn earliest(&self) -> Time {
        self.earliest
    }

    fn find(&self, slot: u32) -> Result<usize, usize> {
        self.open.binary_search_by_key(&slot, |one| one.slot)
    }

    fn plan(&mut self) {
        self.earliest = self.open.iter().map(Suspicion::deadline).min().unwrap_or(Time::NEVER);
    }

    /// `by` suspects the member at `slot`, who was not suspected in this incarnation.
    pub(super) fn open(&mut self, slot: u32, by: I, now: Time, terms: Terms) {
        let accusers = core::iter::once(by).collect();
        let one = Suspicion { slot, since: now, terms, accusers };
        match self.find(slot) {
            Ok(at) => self.open[at] = one,
            Err(at) => self.open.insert(at, one),
        }
        self.plan();
    }

    /// `by` suspects the member at `slot`, too. Returns whether that is new and counts.
    pub(super) fn confirm(&mut self, slot: u32, by: I) -> bool {
        let Ok(at) = self.find(slot) else { return false };
        let one = &mut self.open[at];
        let counts = one.confirmed() < one.terms.needed && !one.accusers.contains(&by);
        if counts {
            one.accusers.push(by);
            self.plan();
        }
        counts
    }

    /// The member at `slot` is not suspected, or no longer. Returns how often it was confirmed.
    pub(super) fn close(&mut self, slot: u32) -> u8 {
        let Ok(at) = self.find(slot) else { return 0 };
        let confirmed = self.open.remove(at).confirmed();
        self.plan();
        confirmed
    }

    /// Whether the member at `slot` has been suspected for less than the shortest timeout, so that
    /// it had no time to object yet.
    pub(super) fn is_fresh(&self, slot: u32, now: Time) -> bool {
        let suspicion = self.find(slot).map(|at| &self.open[at]);
        suspicion.is_ok_and(|one| now < one.since + one.terms.min)
    }

    /// How many `by` suspects whom nobody else does.
    pub(super) fn unconfirmed(&self, by: I) -> usize {
        self.open.iter().filter(|one| one.accusers.as_slice() == [by]).count()
    }

    /// Bytes of memory held.
    pub(super) const fn bytes(&self) -> usize {
        self.open.capacity() * size_of::<Suspicion<I>>()
    }

    /// Who accused the member at `slot` last.
    pub(super) fn accuser(&self, slot: u32) -> Option<I> {
        let at = self.find(slot).ok()?;
        self.open[at].accusers.last().copied()
    }

    /// A suspicion whose time is over.
    pub(super) fn due(&self, now: Time) -> Option<u32> {
        if self.earliest > now {
            return None;
        }
        self.open.iter().find(|one| one.deadline() <= now).map(|one| one.slot)
    }

    /// This node slept for `span`, and heard nobody refute meanwhile.
    pub(super) fn postpone(&mut self, span: Duration) {
        for one in &mut self.open {
            one.since = one.since + span;
        }
        self.plan();
    }
}
