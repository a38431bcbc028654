//! Partners chosen by an oracle: the pair selections for which averaging has closed forms.
//!
//! Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large dynamic networks*, ACM TOCS
//! 23(3), 2005, section 5: GETPAIR_PM, GETPAIR_RAND and GETPAIR_SEQ. (The last is the protocol
//! itself, which needs no oracle: it is [`Complete`](crate::sampling::Complete) in the sequential
//! order.) The variance of averages falls in a cycle by 1/4, 1/e and 1/(2 sqrt e).
//!
//! An oracle is the [`World`] that the nodes stand over. It tells each node that is called whom to
//! ask, or nobody. In a cycle of the driver a node acts once; a cycle of the paper is N pairs, and
//! takes several of the driver's: two matchings, or as many as the random pairs need so that no
//! node begins two in one. [`Pairs::finished`] says how many cycles of the paper have passed.
//!
//! ```
//! use gossip_core::sim::pairs::{Pairs, Selection};
//! assert_eq!(Pairs::new(Selection::Matchings, 1_000, 7)?.finished(), 0);
//! assert!(Pairs::new(Selection::Matchings, 999, 7).is_err()); // an odd one is left over
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

use alloc::vec;
use alloc::vec::Vec;

use super::divide::Divide;
use super::world::{Activation, World};
use crate::error::ParameterError;
use crate::peers::Peers;
use crate::random::{Key, Random};

/// How pairs are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Two disjoint perfect matchings a cycle: each node takes part in two exchanges. GETPAIR_PM.
    Matchings,
    /// N uniformly random pairs a cycle. GETPAIR_RAND.
    Random,
    /// Each node once a cycle with a uniformly random other. GETPAIR_SEQ.
    Sequential,
}

impl Selection {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Matchings, Self::Random, Self::Sequential];

    /// The paper's name: `pm`, `rand` or `seq`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matchings => "pm",
            Self::Random => "rand",
            Self::Sequential => "seq",
        }
    }

    /// The one of this [name](Self::name).
    ///
    /// ```
    /// use gossip_core::sim::pairs::Selection;
    /// assert_eq!(Selection::named("seq"), Some(Selection::Sequential));
    /// assert_eq!(Selection::named("sequential"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|selection| selection.name() == name)
    }
}

/// An oracle below a simulation.
#[derive(Clone, Debug)]
pub struct Pairs {
    selection: Selection,
    key: Key,
    /// The cycle of the driver that `partners` is for.
    cycle: Option<u32>,
    /// Whom each node is to ask in it.
    partners: Vec<Option<u32>>,
    /// Pairs of the paper's cycle under way that are still to come, the next one last.
    pending: Vec<(u32, u32)>,
    begun: u32,
    /// Whom the node called now is to ask.
    partner: Option<u32>,
}

impl Pairs {
    /// An oracle for nodes 0 to `nodes` - 1.
    ///
    /// # Errors
    ///
    /// If there are less than 2 nodes, or an odd number of them to be matched.
    pub fn new(selection: Selection, nodes: u32, seed: u64) -> Result<Self, ParameterError> {
        let error = ParameterError::new("n", nodes.into(), "nodes", "at least 4, and even for pm");
        error
            .unless(nodes >= 4 && (selection != Selection::Matchings || nodes.is_multiple_of(2)))?;
        Ok(Self {
            selection,
            key: Key::new(seed).with(PAIRS),
            cycle: None,
            partners: vec![None; nodes as usize],
            pending: Vec::new(),
            begun: 0,
            partner: None,
        })
    }

    /// Cycles of the paper that have passed.
    pub const fn finished(&self) -> u32 {
        if self.pending.is_empty() { self.begun } else { self.begun - 1 }
    }

    /// Draws the N pairs of a cycle.
    fn draw(&mut self) {
        let mut random = self.key.random(self.begun.into());
        let nodes = self.partners.len();
        self.begun += 1;
        match self.selection {
            Selection::Random => {
                self.pending.extend((0..nodes).map(|_| {
                    let (one, other) = (random.below(nodes), random.below(nodes - 1));
                    (one as u32, (other + usize::from(other >= one)) as u32)
                }));
            }
            Selection::Matchings => {
                // The even links of a random ring are one matching, the odd ones another.
                let mut ring: Vec<u32> = (0..nodes as u32).collect();
                random.shuffle(&mut ring);
                let link = |at: usize| (ring[at], ring[(at + 1) % nodes]);
                self.pending.extend((1..nodes).step_by(2).map(link));
                self.pending.extend((0..nodes).step_by(2).map(link));
            }
            Selection::Sequential => {
                for (one, partner) in self.partners.iter_mut().enumerate() {
                    let other = random.below(nodes - 1);
                    *partner = Some((other + usize::from(other >= one)) as u32);
                }
            }
        }
    }

    /// Deals the pairs of the driver's `cycle`, if that is not done.
    #[inline]
    fn deal_for(&mut self, cycle: u32) {
        if self.cycle != Some(cycle) {
            self.cycle = Some(cycle);
            self.deal();
        }
    }

    /// Deals the next pairs out to those who are to begin them, until one finds both its ends
    /// dealt to, so that the order of the pairs is kept.
    fn deal(&mut self) {
        self.partners.fill(None);
        if self.pending.is_empty() {
            self.draw();
        }
        let half = self.partners.len() / 2;
        let limit = if self.selection == Selection::Matchings { half } else { usize::MAX };
        for _ in 0..limit {
            let Some(&(one, other)) = self.pending.last() else { return };
            let (from, to) =
                if self.partners[one as usize].is_none() { (one, other) } else { (other, one) };
            if self.partners[from as usize].is_some() {
                return;
            }
            self.partners[from as usize] = Some(to);
            self.pending.pop();
        }
    }
}

/// Names this oracle's randomness.
const PAIRS: u64 = crate::id::hash(b"gossip_core::sim::pairs");

impl<S> World<S> for Pairs {
    #[inline]
    fn enter(&mut self, node: u32, cycle: u32, why: Activation) {
        self.deal_for(cycle);
        let asks = why == Activation::Round;
        self.partner = self.partners.get(node as usize).copied().flatten().filter(|_| asks);
    }
}

impl Divide for Pairs {
    fn part(&mut self, cycle: u32) -> Self {
        self.deal_for(cycle);
        self.clone()
    }
}

impl Peers for Pairs {
    type Id = u32;

    #[inline]
    fn sample(&self, _: &mut Random) -> Option<u32> {
        self.partner
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        self.partner.into_iter().for_each(|peer| visit(peer, 0));
    }
}
