//! Hierarchical gossip: peers chosen by the height of the lowest common ancestor in a tree of leaf
//! boxes, so that traffic over a boundary does not grow with what is behind it.
//!
//! Gupta, Kermarrec, Ganesh, *Efficient epidemic-style protocols for reliable and scalable
//! multicast*, SRDS 2002, section 3 (and *Efficient and adaptive*, TPDS 2006). A source of peers
//! for the protocols of this crate, over any other source of peers.
//!
//! ```text
//! address:  a hash, or a place in the network, names each member's leaf box by `depth` digits of
//!           base K
//! height:   of the lowest common ancestor of two members: 1 in the same box, plus one for each
//!           digit from the first that differs on
//! target:   a height with probability ~ K^-height, then a member at that height, evenly
//! ```
//!
//! With n members the contacts over the topmost boundary are about 3 a round in all, for any n,
//! where uniform gossip has .75 n at K = 4; rounds grow as the square of the logarithm.
//!
//! # Deviations from the paper
//!
//! - Heights at which there is nobody are passed over: an empty box loses nothing, and needs no
//!   hash of its own.
//! - The adaptive framework, which sends along a tree while nothing fails, is a layer of its own:
//!   [`Adaptive`](crate::Adaptive).

use alloc::vec::Vec;

use gossip_core::random::{Key, Random};
use gossip_core::sampling::Weighted;
use gossip_core::{Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol};

/// The most digits of an address.
pub const DEPTH_MAX: u32 = 32;

/// Where members are: a tree of leaf boxes.
///
/// ```
/// use gossip_dissem::hierarchy::LeafBoxes;
///
/// let boxes = LeafBoxes::new(4, 2)?; // 16 boxes
/// assert_eq!(boxes.height(0b0110, 0b0110), 1); // the same box
/// assert_eq!(boxes.height(0b0110, 0b0111), 2); // neighbours
/// assert_eq!(boxes.height(0b0110, 0b1010), 3); // only the root in common
/// assert!(LeafBoxes::new(1, 2).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafBoxes {
    base: u64,
    depth: u32,
    boxes: u64,
}

impl LeafBoxes {
    /// Boxes with addresses of `depth` digits of base `base`: the paper has log_K N - 1 digits, so
    /// that a box has about K members.
    ///
    /// # Errors
    ///
    /// If the base is not 2 to 65,536, or there would be more than 2^32 boxes, or 32 digits.
    pub fn new(base: u32, depth: u32) -> Result<Self, ParameterError> {
        ParameterError::new("base K", base.into(), "boxes", "2 to 65536")
            .unless((2..=65_536).contains(&base))?;
        let boxes = u64::from(base).checked_pow(depth).filter(|&boxes| boxes <= 1 << 32);
        let wrong = ParameterError::new("depth", depth.into(), "digits", "at most 2^32 boxes");
        let boxes = boxes.filter(|_| depth <= DEPTH_MAX).ok_or(wrong)?;
        Ok(Self { base: base.into(), depth, boxes })
    }

    /// The box of a member by a hash of its name: members are spread evenly, wherever they are.
    pub fn hashed(&self, id: &impl PeerId) -> u64 {
        Key::new(gossip_core::id::digest(id)).random(0).next_u64() % self.boxes
    }

    /// The box of a member by its number: as many as the base after each other share one.
    ///
    /// ```
    /// use gossip_dissem::hierarchy::LeafBoxes;
    ///
    /// let boxes = LeafBoxes::new(4, 2)?;
    /// assert_eq!([0, 3, 4, 63].map(|member| boxes.numbered(&member)), [0, 0, 1, 15]);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub const fn numbered(&self, member: &u32) -> u64 {
        *member as u64 / self.base % self.boxes
    }

    /// The height of the lowest common ancestor of two boxes: 1 for the same one.
    pub fn height(&self, one: u64, other: u64) -> u32 {
        let (mut one, mut other, mut height) = (one % self.boxes, other % self.boxes, 1);
        while one != other {
            one /= self.base;
            other /= self.base;
            height += 1;
        }
        height
    }

    /// The height of their lowest common ancestor, and the box below that in which `other` is.
    pub(crate) fn beside(&self, one: u64, other: u64) -> (u8, u64) {
        let height = self.height(one, other);
        let below = (height - 1).saturating_sub(1);
        let sub = (0..below).fold(other % self.boxes, |place, _| place / self.base);
        (height as u8, sub)
    }

    /// The members with their weights for one in box `here`: K^-height, shared evenly by those of
    /// the same height.
    pub fn weigh<I: PeerId>(
        &self,
        here: u64,
        members: impl Iterator<Item = (I, u64)>,
    ) -> Vec<(I, f64)> {
        let heights: Vec<_> = members.map(|(id, place)| (id, self.height(here, place))).collect();
        let mut counts = [0_u32; DEPTH_MAX as usize + 2];
        for &(_, height) in &heights {
            counts[height as usize] += 1;
        }
        let weigh = |(id, height): (I, u32)| {
            let share = libm::pow(self.base as f64, -f64::from(height));
            (id, share / f64::from(counts[height as usize]))
        };
        heights.into_iter().map(weigh).collect()
    }
}

/// The peers of another source, weighted by their place in the hierarchy.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::{PeerId, stack};
/// use gossip_dissem::hierarchy::{Hierarchical, LeafBoxes};
/// use gossip_dissem::{RumorMongering, rumor};
///
/// stack! {
///     #[derive(Debug)]
///     pub struct Node<I: PeerId> {
///         members: Cyclon<I, 20>,
///         #[uses(members)]
///         near: Hierarchical<I>,
///         #[uses(near)]
///         news: RumorMongering<I, u64>,
///     }
/// }
///
/// let near = Hierarchical::new(LeafBoxes::new(4, 3)?);
/// let news = RumorMongering::new(rumor::Config::push(4))?;
/// let node: Node<u32> = Node::new(Cyclon::new(Default::default())?, near, news);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hierarchical<I: PeerId> {
    boxes: LeafBoxes,
    place: fn(&LeafBoxes, &I) -> u64,
    members: Vec<I>,
    choice: Weighted<I>,
    changes: u64,
}

impl<I: PeerId> Hierarchical<I> {
    /// Boxes by hash.
    pub fn new(boxes: LeafBoxes) -> Self {
        Self::placed(boxes, LeafBoxes::hashed)
    }

    /// Boxes by `place`, such as the digits of a position in the network.
    pub fn placed(boxes: LeafBoxes, place: fn(&LeafBoxes, &I) -> u64) -> Self {
        let choice = Weighted::new([]).expect("no weight can be wrong");
        Self { boxes, place, members: Vec::new(), choice, changes: 0 }
    }

    /// The members at the last refresh.
    pub(crate) fn members(&self) -> &[I] {
        &self.members
    }

    /// The height of the ancestor that two members have in common, and the box of the other one
    /// below that.
    pub(crate) fn beside(&self, one: &I, other: &I) -> (u8, u64) {
        let place = |id| (self.place)(&self.boxes, id);
        self.boxes.beside(place(one), place(other))
    }

    /// Looks at who is there. Returns whether that has changed.
    pub(crate) fn refresh<D: Peers<Id = I>>(&mut self, below: &D, me: I) -> bool {
        let mut members = Vec::with_capacity(below.degree());
        below.for_each(|peer, _| members.push(peer));
        if members == self.members {
            return false;
        }
        let place = |id: I| (id, (self.place)(&self.boxes, &id));
        let weights = self.boxes.weigh(place(me).1, members.iter().copied().map(place));
        if let Ok(choice) = Weighted::new(weights) {
            self.choice = choice;
            self.members = members;
            self.changes += 1;
            return true;
        }
        false
    }
}

impl<I: PeerId> Protocol for Hierarchical<I> {
    type Id = I;
    type Message = Nothing;
    type Event = Nothing;
    type Command = Nothing;

    fn version(&self) -> u64 {
        self.changes
    }
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Hierarchical<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx.me());
    }

    fn on_message(&mut self, _: &D, _: I, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.refresh(below, cx.me());
    }
}

impl<I: PeerId> Peers for Hierarchical<I> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        self.choice.sample(random)
    }

    fn for_each(&self, visit: impl FnMut(I, u64)) {
        self.choice.for_each(visit);
    }
}
