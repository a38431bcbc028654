//! Who may make how many updates: flow control of Scuttlebutt (section 3 of the paper).
//!
//! Not a protocol: a part of the one in `scuttlebutt.rs`.

use gossip_core::wire::Finite;

use super::message::Rates;

/// By what the rate falls, and how much it rises: the paper's alpha and beta.
const FALL: f64 = 0.75;
const RISE: f64 = 0.2;

/// Exchanges in a row after which it does: the paper's phi.
const IN_A_ROW: u8 = 3;

/// How fast the rate that is made follows what was asked for: the last 8 rounds or so. Our choice.
const FOLLOW: f64 = 0.125;

/// Rates in updates a round.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// What is asked for: the paper's rho.
    made: f64,
    /// What is granted: the paper's tau.
    most: f64,
    /// The highest grant.
    limit: f64,
    /// Updates that may be made at once.
    credit: f64,
    asked: u32,
    /// Exchanges in a row that did not fit, and that did.
    over: u8,
    under: u8,
}

impl Flow {
    /// Of at most `limit` updates a round, all granted.
    pub(super) const fn new(limit: f64) -> Self {
        Self { made: 0.0, most: limit, limit, credit: limit, asked: 0, over: 0, under: 0 }
    }

    pub(super) const fn most(&self) -> f64 {
        self.most
    }

    pub(super) fn rates(&self) -> Rates {
        Rates { made: finite(self.made), most: finite(self.most) }
    }

    pub(super) fn new_round(&mut self) {
        self.made += FOLLOW * (f64::from(self.asked) - self.made);
        self.asked = 0;
        // What was not used is not kept, beyond one update.
        self.credit = (self.credit + self.most).min(self.most.max(1.0));
    }

    /// Whether an update may be made now.
    pub(super) fn admit(&mut self) -> bool {
        self.asked = self.asked.saturating_add(1);
        let may = self.credit >= 1.0;
        self.credit -= f64::from(u8::from(may));
        may
    }

    /// Divides what both may make by what both make. Takes its own part, and returns the other's.
    pub(super) fn share(&mut self, theirs: Rates) -> Finite {
        let within = |rate: Finite| rate.get().clamp(0.0, self.limit);
        let (their_made, their_most) = (within(theirs.made), within(theirs.most));
        let all = self.most + their_most;
        let [own, other] = divide(all, [self.made, their_made]);
        self.most = own.min(self.limit);
        finite(other)
    }

    /// The other has divided.
    pub(super) fn take(&mut self, granted: Finite) {
        self.most = granted.get().clamp(0.0, self.limit);
    }

    /// An exchange whose deltas did not fit, or did.
    pub(super) fn exchanged(&mut self, fits: bool) {
        (self.over, self.under) = if fits { (0, self.under + 1) } else { (self.over + 1, 0) };
        if self.over >= IN_A_ROW {
            (self.most, self.over) = (self.most * FALL, 0);
        }
        if self.under >= IN_A_ROW {
            (self.most, self.under) = ((self.most + RISE).min(self.limit), 0);
        }
    }
}

/// `all`, for two that make so much: what each makes and half of the rest, if there is enough; else
/// half for each, or for one that makes less what it makes.
fn divide(all: f64, made: [f64; 2]) -> [f64; 2] {
    let [own, other] = made;
    let half = all / 2.0;
    if own + other <= all {
        let rest = (all - own - other) / 2.0;
        [own + rest, other + rest]
    } else if own >= half && other >= half {
        [half, half]
    } else if own < other {
        [own, all - own]
    } else {
        [all - other, other]
    }
}

fn finite(rate: f64) -> Finite {
    Finite::new(rate).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Section 3.2: what both may make together stays what it was, nobody gets less than it
        /// makes or than half, and nobody less than nothing.
        #[test]
        fn shares_add_up(all in 0.0..1e4, own in 0.0..1e4, other in 0.0..1e4) {
            let shares = divide(all, [own, other]);
            prop_assert!((shares[0] + shares[1] - all).abs() < 1e-9);
            for (share, made) in shares.into_iter().zip([own, other]) {
                prop_assert!(share >= made.min(all / 2.0) - 1e-9 && share >= 0.0);
            }
        }
    }

    /// Who makes little keeps little, and the rest goes to who makes much.
    #[test]
    fn who_makes_little_gets_little() {
        let (mut little, mut much) = (Flow::new(10.0), Flow::new(10.0));
        (little.made, little.most) = (0.1, 1.0);
        (much.made, much.most) = (5.0, 1.0);
        let granted = much.share(little.rates());
        little.take(granted);
        assert!((little.most - 0.1).abs() < 1e-9 && (much.most - 1.9).abs() < 1e-9);
    }

    /// Three in a row that do not fit: a quarter less; three that do: a fifth of an update more.
    #[test]
    fn the_rate_falls_and_rises() {
        let mut flow = Flow::new(10.0);
        for fits in [false, false, true, false, false, false] {
            flow.exchanged(fits);
        }
        assert!((flow.most - 7.5).abs() < 1e-9);
        for _ in 0..3 {
            flow.exchanged(true);
        }
        assert!((flow.most - 7.7).abs() < 1e-9);
    }
}
