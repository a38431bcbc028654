//! Who says what is to become of a publication before it is taken in, and some who are often
//! wanted.
//!
//! Not a protocol: what `validate.rs` asks.

use gossip_core::{ParameterError, PeerId, Round, message};

use crate::spread::Carried;

message! {
    /// What is to become of a publication.
    #[derive(Copy, PartialEq, Eq)]
    pub enum Verdict {
        /// It is taken in, delivered, and passed on.
        Accept,
        /// It is dropped, now and whenever it comes again, and held against whoever sent it.
        Reject,
        /// It is dropped, now and whenever it comes again.
        Ignore,
        /// The owner is asked.
        Later,
        /// It is dropped, but may come again.
        Shed,
    }
}

/// Says what is to become of publications. Any closure of this form does.
pub trait Judge<I: PeerId, V> {
    /// What is to become of `post`, which `from` has sent, in this round.
    fn judge(&mut self, from: I, post: Carried<'_, I, V>, round: Round) -> Verdict;
}

impl<I: PeerId, V, F> Judge<I, V> for F
where
    F: FnMut(I, Carried<'_, I, V>, Round) -> Verdict,
{
    fn judge(&mut self, from: I, post: Carried<'_, I, V>, round: Round) -> Verdict {
        self(from, post, round)
    }
}

/// Both must accept: the first that does not has said it.
impl<I: PeerId, V, A: Judge<I, V>, B: Judge<I, V>> Judge<I, V> for (A, B) {
    fn judge(&mut self, from: I, post: Carried<'_, I, V>, round: Round) -> Verdict {
        match self.0.judge(from, post, round) {
            Verdict::Accept => self.1.judge(from, post, round),
            verdict => verdict,
        }
    }
}

/// Always asks the owner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask;

impl<I: PeerId, V> Judge<I, V> for Ask {
    fn judge(&mut self, _: I, _: Carried<'_, I, V>, _: Round) -> Verdict {
        Verdict::Later
    }
}

/// Ignores what was passed on too often: a bound on hops, whatever the bound on age.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// The most peers it may have been passed on by, its origin included.
    pub hops: u16,
}

impl<I: PeerId, V> Judge<I, V> for Within {
    fn judge(&mut self, _: I, post: Carried<'_, I, V>, _: Round) -> Verdict {
        // The hop to this node is not counted yet.
        if post.hops < self.hops { Verdict::Accept } else { Verdict::Ignore }
    }
}

/// A value that says how much it matters.
pub trait Rank {
    /// From 0 up to [`RANK_MAX`]; more counts as that.
    fn rank(&self) -> u8;
}

/// The highest rank.
pub const RANK_MAX: u8 = 7;

/// Sheds by rank when too much comes: rank r is taken in while less than (r + 1) / 8 of the budget
/// of this round is spent. So what matters most finds room whatever else there is.
///
/// ```
/// use gossip_dissem::validate::Admit;
///
/// assert!(Admit::new(64).is_ok());
/// let error = Admit::new(4).unwrap_err();
/// assert_eq!(error.to_string(), "budget is 4 publications a round; it must be at least 8");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Admit {
    budget: usize,
    round: Round,
    spent: usize,
}

impl Admit {
    /// At most `budget` publications a round, from all peers and from this node's owner.
    ///
    /// # Errors
    ///
    /// If it is less than one for each rank.
    pub fn new(budget: usize) -> Result<Self, ParameterError> {
        let ranks = usize::from(RANK_MAX) + 1;
        ParameterError::new("budget", budget as f64, "publications a round", "at least 8")
            .unless(budget >= ranks)?;
        Ok(Self { budget, round: 0, spent: 0 })
    }
}

impl<I: PeerId, V: Rank> Judge<I, V> for Admit {
    fn judge(&mut self, _: I, post: Carried<'_, I, V>, round: Round) -> Verdict {
        if round != self.round {
            (self.round, self.spent) = (round, 0);
        }
        let rank = usize::from(post.value.rank().min(RANK_MAX));
        let ranks = usize::from(RANK_MAX) + 1;
        if self.spent * ranks >= self.budget.saturating_mul(rank + 1) {
            return Verdict::Shed;
        }
        self.spent += 1;
        Verdict::Accept
    }
}

#[cfg(feature = "hash")]
pub use distinct::Distinct;

#[cfg(feature = "hash")]
mod distinct {
    use core::hash::Hasher;

    use alloc::collections::{BTreeMap, VecDeque};
    use alloc::vec::Vec;

    use gossip_core::{ParameterError, PeerId, Round, Wire};
    use siphasher::sip128::{Hasher128, SipHasher13};

    use super::{Judge, Verdict};
    use crate::post::MessageId;
    use crate::spread::Carried;

    /// Ignores what was said before under another name: publications are known by their content.
    ///
    /// Contents are compared by SipHash-1-3 of 128 bits under a key of this node, so that nobody
    /// who does not know it can prepare two that are taken for one. The last `memory` are
    /// remembered.
    #[derive(Clone, Debug)]
    pub struct Distinct<I: PeerId> {
        key: (u64, u64),
        memory: usize,
        first: BTreeMap<u128, MessageId<I>>,
        order: VecDeque<u128>,
    }

    impl<I: PeerId> Distinct<I> {
        /// Remembers `memory` contents, under a `key` that peers cannot guess.
        ///
        /// # Errors
        ///
        /// If it is to remember none.
        pub fn new(key: (u64, u64), memory: usize) -> Result<Self, ParameterError> {
            ParameterError::new("memory", memory as f64, "contents", "at least 1")
                .unless(memory >= 1)?;
            Ok(Self { key, memory, first: BTreeMap::new(), order: VecDeque::new() })
        }
    }

    impl<I: PeerId, V: Wire> Judge<I, V> for Distinct<I> {
        fn judge(&mut self, _: I, post: Carried<'_, I, V>, _: Round) -> Verdict {
            let mut bytes = Vec::with_capacity(post.value.encoded_len());
            post.value.encode(&mut bytes);
            let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
            hasher.write(&bytes);
            let digest = hasher.finish128().as_u128();
            match self.first.get(&digest) {
                Some(first) if *first != post.id => return Verdict::Ignore,
                Some(_) => return Verdict::Accept,
                None => {}
            }
            if self.order.len() >= self.memory
                && let Some(oldest) = self.order.pop_front()
            {
                self.first.remove(&oldest);
            }
            self.order.push_back(digest);
            self.first.insert(digest, post.id);
            Verdict::Accept
        }
    }
}
