//! Estimates of several epochs together: what one lacks in accuracy, more make up for.
//!
//! Not a protocol: a [`Source`] around another. Registers and extrema are drawn anew in each epoch,
//! so the errors of epochs are independent (Baquero et al., *Extrema propagation*, IEEE TPDS 23(4),
//! 2012, section 3; Flajolet et al., *HyperLogLog*, AofA 2007), and the mean of `W` has an sd of
//! 1/sqrt(W) of one.
//!
//! ```text
//! of what the last W epochs said here, the newest first:
//!   leave out what differs from the newest by more than four standard deviations
//!   tell the mean of the others
//! ```
//!
//! # What holds
//!
//! Where the truth holds still the sd is that of one epoch over sqrt(W). Where it grows by a part g
//! an epoch the mean is late by (W - 1)/2 epochs, and low by (W - 1)/2 g. When it jumps, as when
//! half of the nodes die, the epochs before the jump are left out at once.

use gossip_core::{Local, Protocol, Refusal};

use crate::estimate::Estimate;
use crate::merge::{Measure, Source};
use crate::within::{Bounds, Ranged};

/// By how many standard deviations of a difference two epochs may differ that speak of the same:
/// chance alone exceeds them once in 16,000 times. Our choice.
pub const JUMP: f64 = 4.0;

/// What `S` brings, and the mean of what the last `W` epochs said.
///
/// ```
/// use gossip_aggregate::hyperloglog::Census;
/// use gossip_aggregate::{Spread, epoch::Config, recent::Recent};
///
/// // The sd of eight epochs of 256 registers is that of one of 2,048.
/// let recent = Recent::<_, 8>::of(Census::<256>::default());
/// let size = Spread::<u32, _>::new(Config::founding(recent))?;
/// assert_eq!(size.estimate(0), None); // not yet
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recent<S, const W: usize> {
    source: S,
    /// Epochs and what they said, the newest first.
    said: [Option<(u64, f64)>; W],
}

impl<S, const W: usize> Recent<S, W> {
    /// Of `source`.
    pub const fn of(source: S) -> Self {
        const { assert!(W > 0 && W <= 64, "there are 1 to 64 epochs") }
        Self { source, said: [None; W] }
    }

    /// What each epoch brings.
    pub const fn source(&self) -> &S {
        &self.source
    }
}

impl<S: Source<Value: Measure>, const W: usize> Source for Recent<S, W> {
    type Value = S::Value;
    type Input = S::Input;

    fn set(&mut self, input: S::Input) -> Result<Option<S::Value>, Refusal> {
        self.source.set(input)
    }

    fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> S::Value {
        self.source.start(epoch, cx)
    }

    fn join<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> S::Value {
        self.source.join(epoch, cx)
    }

    fn admit(&self, epoch: u64, known: &S::Value, theirs: &mut S::Value) -> usize {
        self.source.admit(epoch, known, theirs)
    }

    fn ended(&mut self, epoch: u64, value: &S::Value) {
        self.source.ended(epoch, value);
        if let Some(number) = value.measure() {
            self.said.rotate_right(1);
            self.said[0] = Some((epoch, number));
        }
    }

    fn combined(&self, last: Estimate) -> Estimate {
        let last = self.source.combined(last);
        let jump = JUMP * core::f64::consts::SQRT_2 * last.sd.unwrap_or(f64::INFINITY);
        let recent = self.said.iter().flatten().filter(|(epoch, number)| {
            last.epoch.saturating_sub(*epoch) < W as u64 && (number - last.value).abs() <= jump
        });
        let (count, sum) =
            recent.fold((0.0, 0.0), |(count, sum), said| (count + 1.0, sum + said.1));
        if count == 0.0 {
            return last;
        }
        let value = sum / count;
        let sd = last.sd.map(|sd| sd / last.value * value / libm::sqrt(count));
        Estimate { value, sd, ..last }
    }
}

impl<S: Ranged, const W: usize> Ranged for Recent<S, W> {
    type Value = S::Value;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        self.source.brings_within(bounds)
    }

    fn lies_within(&self, value: &S::Value, bounds: &Bounds) -> bool {
        self.source.lies_within(value, bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registers;
    use crate::hyperloglog::Census;

    fn of(things: core::ops::Range<u32>) -> Registers<256> {
        let mut registers = Registers::new();
        things.for_each(|thing| registers.insert(&thing));
        registers
    }

    fn told(recent: &Recent<Census<256>, 4>, epoch: u64, value: &Registers<256>) -> Estimate {
        recent.combined(Estimate::relative(value.count(), value.relative_sd(), epoch, 0))
    }

    /// The mean of those epochs that are among the last four and on this side of a jump; the sd
    /// falls with the root of their number.
    #[test]
    fn the_mean_is_of_recent_epochs_since_the_last_jump() {
        let mut recent = Recent::<_, 4>::of(Census::<256>::default());
        let values = [of(0..100), of(1_000..1_100), of(2_000..2_100), of(3_000..3_040)];
        let [a, b, c, d] = values.each_ref().map(Registers::count);
        for (epoch, value) in [0, 2, 4].into_iter().zip(&values) {
            recent.ended(epoch, value);
        }
        let said = told(&recent, 4, &values[2]);
        assert!((said.value - f64::midpoint(b, c)).abs() < 1e-9, "{said:?}, without {a}");
        let sd = Registers::<256>::new().relative_sd() * said.value / 2_f64.sqrt();
        assert!((said.sd.unwrap() - sd).abs() < 1e-9);
        recent.ended(5, &values[3]);
        assert_eq!(told(&recent, 5, &values[3]).value, d);
    }
}
