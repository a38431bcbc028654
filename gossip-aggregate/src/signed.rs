//! The best so many, each signed by whose it is: a liar can lie about itself alone.
//!
//! Not a protocol: a [`Source`] for [`spread`](crate::spread), as [`Top`](crate::Top) with a
//! signature beside each score.
//!
//! ```text
//! at the start of an epoch:  sign (epoch, score)
//! of a partner's claims:     drop those that are not held yet and whose signature does not hold,
//!                            whose score is out of bounds, or whose signer is excluded
//! of all claims:             keep the K with the greatest scores, one a signer
//! ```
//!
//! # What holds
//!
//! Nobody can claim a score in another's name, nor repeat one of an earlier epoch, nor bring a
//! score beyond the bounds. A liar can claim the greatest score that the bounds allow, and so take
//! *one* of the K places. So the best k of the honest are among the K as long as no more than K - k
//! liars claim more. Liars that are found out, by asking them or looking at them, stay out: who is
//! [excluded](Order::Exclude) cannot come back under an invented name, as it could among unsigned
//! scores.
//!
//! A signature is checked when a claim is new, so about K times log N / K a node and epoch; it
//! takes 8 bytes with [`Keyed`](gossip_core::auth), and 96 with its key with Ed25519, of which ten
//! claims fit a datagram.

use alloc::vec::Vec;
use core::fmt;

use gossip_core::auth::{Credential, Signer, Verifier};
use gossip_core::{Bounded, Local, Protocol, Refusal, Wire, message};

use crate::merge::{Merge, Source};
use crate::sets::place;

message! {
    /// What one node says of itself in an epoch.
    #[derive(PartialEq, Eq)]
    pub struct Claim<K: Credential, V: Wire + Ord, G: Credential> {
        /// The score.
        pub score: V,
        /// Whose it is.
        pub who: K,
        /// Its signature of the epoch and the score.
        pub signature: G,
    }
}

message! {
    /// The `N` greatest scores; each signer once.
    #[derive(PartialEq, Eq)]
    pub struct Claims<K: Credential, V: Wire + Ord, G: Credential, const N: usize>(
        Bounded<Claim<K, V, G>, N>,
    );
}

impl<K: Credential, V: Wire + Ord, G: Credential, const N: usize> Claims<K, V, G, N> {
    /// Of these.
    pub fn of(claims: impl IntoIterator<Item = Claim<K, V, G>>) -> Self {
        let mut all = Self(Bounded::new());
        claims.into_iter().for_each(|claim| all.insert(claim));
        all
    }

    /// The claims, the greatest score first.
    pub fn ranking(&self) -> &[Claim<K, V, G>] {
        &self.0
    }

    fn insert(&mut self, claim: Claim<K, V, G>) {
        if let Some(at) = self.0.iter().position(|held| held.who == claim.who) {
            let held = &self.0[at];
            if (&held.score, &claim.signature) >= (&claim.score, &held.signature) {
                return;
            }
            self.0.remove(at);
        }
        let at = self.0.partition_point(|held| is_before(held, &claim));
        place(&mut self.0, at, claim);
    }
}

/// By score, the greatest first; of equal ones by who it is.
fn is_before<K, V, G>(one: &Claim<K, V, G>, next: &Claim<K, V, G>) -> bool
where
    K: Credential,
    V: Wire + Ord,
    G: Credential,
{
    (&next.score, &one.who) < (&one.score, &next.who)
}

impl<K: Credential, V: Wire + Ord, G: Credential, const N: usize> Merge for Claims<K, V, G, N> {
    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|claim| self.insert(claim.clone()));
    }

    fn is_sound(&self) -> bool {
        let once = |(at, claim): (usize, &Claim<K, V, G>)| {
            self.0[..at].iter().all(|held| held.who != claim.who)
        };
        self.0.is_sorted_by(is_before) && self.0.iter().enumerate().all(once)
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Order<K: Credential, V: Wire + Ord> {
        /// This node's score is another; it counts from the next epoch on.
        Score(V),
        /// Believe nothing more that this signer says; what is held of it goes with the epoch.
        Exclude(K),
        /// Believe this signer again.
        Admit(K),
    }
}

/// Signers that a node excludes, at most. Our choice.
pub const EXCLUDED: usize = 1_024;

/// Brings this node's signed score to each epoch, and believes what is signed: the `N` best.
///
/// ```
/// use gossip_aggregate::signed::Vouched;
/// use gossip_aggregate::{Spread, epoch::Config};
/// use gossip_core::auth::{Authority, Keyed};
///
/// let authority = Authority::new(42);
/// let rate = Vouched::<Keyed, u16, 5>::new(authority.signer(7), 30).at_most(1_000);
/// let rates = Spread::<u32, _>::new(Config::founding(rate))?;
/// assert!(rates.last().is_none()); // not yet
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone)]
pub struct Vouched<S: Signer, V: Wire + Ord, const N: usize> {
    signer: S,
    score: V,
    greatest: Option<V>,
    /// In order.
    excluded: Vec<S::Key>,
}

impl<S: Signer, V: Wire + Ord, const N: usize> Vouched<S, V, N> {
    /// With this score, and no bound.
    pub const fn new(signer: S, score: V) -> Self {
        Self { signer, score, greatest: None, excluded: Vec::new() }
    }

    /// No node's score can be more than this.
    pub fn at_most(mut self, greatest: V) -> Self {
        self.greatest = Some(greatest);
        self
    }

    /// Who is excluded, in order.
    pub fn excluded(&self) -> &[S::Key] {
        &self.excluded
    }

    /// A claim signed by `signer`, for whom it is.
    pub fn claim(signer: &S, epoch: u64, score: V) -> Claim<S::Key, V, S::Signature> {
        let signature = signer.sign(&signed(epoch, &score));
        Claim { score, who: signer.key(), signature }
    }

    fn is_believed(&self, epoch: u64, claim: &Claim<S::Key, V, S::Signature>) -> bool {
        self.greatest.as_ref().is_none_or(|greatest| claim.score <= *greatest)
            && self.excluded.binary_search(&claim.who).is_err()
            && self.signer.verify(&claim.who, &signed(epoch, &claim.score), &claim.signature)
    }
}

/// What is signed of a claim.
fn signed(epoch: u64, score: &impl Wire) -> Vec<u8> {
    let mut bytes = Vec::from(*b"gossip_aggregate::signed\0");
    epoch.encode(&mut bytes);
    score.encode(&mut bytes);
    bytes
}

impl<S: Signer, V: Wire + Ord, const N: usize> fmt::Debug for Vouched<S, V, N> {
    /// Without the signer, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vouched").field("excluded", &self.excluded).finish_non_exhaustive()
    }
}

impl<S: Signer, V: Wire + Ord, const N: usize> Source for Vouched<S, V, N> {
    type Value = Claims<S::Key, V, <S as Verifier>::Signature, N>;
    type Input = Order<S::Key, V>;

    fn set(&mut self, order: Self::Input) -> Result<Option<Self::Value>, Refusal> {
        match order {
            Order::Score(score) if self.greatest.as_ref().is_some_and(|most| score > *most) => {
                return Err(Refusal::Invalid("the score must be within the bound"));
            }
            Order::Score(score) => self.score = score,
            Order::Exclude(who) => {
                if let Err(at) = self.excluded.binary_search(&who) {
                    if self.excluded.len() >= EXCLUDED {
                        return Err(Refusal::Full { limit: EXCLUDED });
                    }
                    self.excluded.insert(at, who);
                }
            }
            Order::Admit(who) => self.excluded.retain(|held| *held != who),
        }
        Ok(None)
    }

    fn start<P: Protocol + ?Sized>(&self, epoch: u64, _: &mut impl Local<P>) -> Self::Value {
        Claims::of([Self::claim(&self.signer, epoch, self.score.clone())])
    }

    fn admit(&self, epoch: u64, known: &Self::Value, theirs: &mut Self::Value) -> usize {
        let before = theirs.0.len();
        // Those that are held were checked when they came.
        theirs.0.retain(|claim| known.0.contains(claim) || self.is_believed(epoch, claim));
        before - theirs.0.len()
    }
}
