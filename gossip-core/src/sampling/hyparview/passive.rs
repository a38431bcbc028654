//! The passive view: spares, known and not linked to.
//!
//! Not a protocol: a part of HyParView.

use arrayvec::ArrayVec;

use crate::id::PeerId;
use crate::random::Random;

/// At most `B` peers. The order means nothing.
#[derive(Clone, Debug)]
pub(super) struct Passive<I, const B: usize> {
    peers: ArrayVec<I, B>,
    size: u16,
}

impl<I: PeerId, const B: usize> Passive<I, B> {
    pub(super) const fn new(size: u16) -> Self {
        Self { peers: ArrayVec::new_const(), size }
    }

    pub(super) fn peers(&self) -> &[I] {
        &self.peers
    }

    /// `count` random peers.
    pub(super) fn choose(&mut self, count: usize, random: &mut Random) -> &[I] {
        random.choose(&mut self.peers, count)
    }

    /// A random peer for which `free` holds.
    pub(super) fn pick(&self, random: &mut Random, free: impl Fn(I) -> bool) -> Option<I> {
        let free: ArrayVec<I, B> = self.peers.iter().copied().filter(|&peer| free(peer)).collect();
        random.pick(&free).copied()
    }

    pub(super) fn remove(&mut self, peer: I) {
        if let Some(at) = self.peers.iter().position(|&known| known == peer) {
            self.peers.swap_remove(at);
        }
    }

    /// Adds a peer. In a full view it takes the place of one of `given`, which goes from there, or
    /// of a random one.
    pub(super) fn add<const G: usize>(
        &mut self,
        peer: I,
        given: &mut ArrayVec<I, G>,
        random: &mut Random,
    ) {
        if self.peers.contains(&peer) {
            return;
        }
        if self.peers.len() < usize::from(self.size) {
            self.peers.push(peer);
            return;
        }
        let place = core::iter::from_fn(|| given.pop())
            .find_map(|gone| self.peers.iter().position(|&known| known == gone));
        let place = place.unwrap_or_else(|| random.below(self.peers.len()));
        self.peers[place] = peer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn what_was_given_away_makes_room_first() {
        let mut random = Key::new(1).random(0);
        let mut view = Passive::<u32, 4>::new(3);
        let mut given = ArrayVec::<u32, 4>::new();
        (1..=3).for_each(|peer| view.add(peer, &mut given, &mut random));
        given.extend([1, 9]);
        view.add(4, &mut given, &mut random);
        assert_eq!((view.peers(), given.len()), (&[4, 2, 3][..], 0));
        view.add(4, &mut given, &mut random);
        view.add(5, &mut given, &mut random);
        assert!(view.peers().len() == 3 && view.peers().contains(&5));
        view.remove(5);
        assert_eq!(view.pick(&mut random, |peer| peer > 9), None);
    }
}
