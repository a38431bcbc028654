//! mod-JK: ordered slicing by the swaps that order most.
//!
//! Fernandez, Gramoli, Jimenez, Kermarrec, Raynal, *Distributed slicing in dynamic systems*, ICDCS
//! 2007, section 4 (the local measure of disorder, and the choice by gain).
//!
//! ```text
//! as JK, but:     q = the misordered neighbour with the greatest gain, where
//!   gain(q) = (la_q - la)(lr - lr_q)
//!   la, lr  = rank by attribute, and by value, among the neighbours and this node
//! ```
//!
//! The paper writes the gain as la lr_q + la_q lr - la lr - la_q lr_q, which is the same.
//!
//! After one round a quarter of JK's disorder is left, and half after five; the floor is the same,
//! and so is all else that [`jk`] says.
//!
//! ```
//! use gossip_overlay::slicing::{ModJk, Slices, jk};
//!
//! let config = jk::Config { attribute: 12.5, slices: Slices::top(0.1)? };
//! let node: ModJk<u32> = ModJk::new(config)?;
//! assert_eq!(node.slice(), None, "before its first round");
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # Deviations from the paper
//!
//! - Of neighbours with the same gain any is chosen, each as likely.
//! - As for [`jk`].

use alloc::vec::Vec;

use gossip_core::{Pairwise, PeerId, Profiles, Random};

use super::Profile;
use super::jk::{self, Choice, Standing};

/// mod-JK as a layer over any [`Profiles`] whose descriptors carry a slicing [`Profile`].
pub type ModJk<I> = Pairwise<jk::State<I, MostGain>>;

/// The neighbour whose swap reduces the local disorder most.
#[derive(Clone, Copy, Debug)]
pub struct MostGain;

impl Choice for MostGain {
    fn choose<I: PeerId>(
        mine: &Standing<I>,
        below: &impl Profiles<Id = I, Profile = Profile>,
        random: &mut Random,
    ) -> Option<I> {
        let mut all = Vec::new();
        below.for_each_profile(|peer, profile| all.extend(Standing::told(peer, profile)));
        let (mut chosen, mut most, mut alike) = (None, 0, 0);
        for other in all.iter().filter(|other| mine.is_misordered(other)) {
            let gain = gain(mine, other, &all);
            if gain > most {
                (most, alike) = (gain, 0);
            }
            if gain == most {
                alike += 1;
                if random.below(alike) == 0 {
                    chosen = Some(other.key.1);
                }
            }
        }
        chosen
    }
}

/// The difference of the ranks by attribute, times that by value. Of the misordered the two
/// differences are opposite, so their distances are enough: how many of `all` lie between.
fn gain<I: PeerId>(mine: &Standing<I>, other: &Standing<I>, all: &[Standing<I>]) -> usize {
    let by_attribute = between(mine.key, other.key, all.iter().map(|one| one.key));
    by_attribute * between(mine.value, other.value, all.iter().map(|one| one.value))
}

/// How many of `all`, which has one of the two, the ranks of `one` and `other` are apart.
fn between<T: Ord>(one: T, other: T, all: impl Iterator<Item = T>) -> usize {
    let (low, high) = if one < other { (one, other) } else { (other, one) };
    1 + all.filter(|each| low < *each && *each < high).count()
}
