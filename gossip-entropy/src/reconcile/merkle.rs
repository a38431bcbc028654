//! Finding out how two sets differ from the root of a tree of digests down.
//!
//! Merkle, *A digital signature based on a conventional encryption function*, CRYPTO 1987, as used
//! for replicas by DeCandia et al., *Dynamo*, SOSP 2007, section 4.7.
//!
//! The tree is the replica's, and is kept up to date with every change: nothing is computed when a
//! session begins, a set may change between two, and equal subtrees cost nothing. A difference
//! costs its path: [sketches](crate::sketch) take an eighth of it and less, up to as many
//! differences as they can tell. Beyond that it takes fewer bytes than [all](super::full)
//! identifiers if a set has some 30 elements for each difference; the [choice](super::method) does
//! not take it.
//!
//! ```text
//! ask:          about the root
//! asked:        up to LEAF elements below the node: send them
//!               more: send the digests of its sixteen children
//! on elements:  what only one side has is the difference below this node
//! on digests:   ask about the children whose digests differ from ours
//! when nothing is left to ask: the difference must take our sum to theirs, all 128 bits; else the
//!               session has failed
//! when nothing comes: ask again
//! ```
//!
//! # What holds
//!
//! A session ends with the difference of both sets, or says why not: see [`End`]. That it ends with
//! another has probability 2^-128 for those who do not know the secret of the fingerprints. Answers
//! that were not asked for are not read, and each that is read settles a node that was: a session
//! takes as many answers as it was opened for, looks at each element of its set once at most, and
//! nobody can keep it busy. An answer about a node takes a look at [`LEAF`] elements at most.
//!
//! # Deviations from the paper
//!
//! - A digest is the sum of the fingerprints' lower halves, and an element's place their upper
//!   half: a change costs additions only, and the tree of a set is the same however it grew. If
//!   digests of different subtrees agree, the sum at the end does not, and the session says so.
//! - One side asks and learns the difference, the other remembers nothing: loss, doubling and order
//!   of datagrams cost time only.
//! - A question is about [`NODES`] nodes, and the next waits for its answers: that bounds what is
//!   under way, and costs time only.

use alloc::vec::Vec;

use gossip_core::message;
use gossip_core::wire::{Bounded, Wire};

use super::parts::Parts;
use super::{End, Reconcile};
use crate::page::MESSAGE;
use crate::path::{DEEPEST, Path};
use crate::sketch::Fingerprint;
use crate::tree::{self, Tree};

/// Elements that are sent rather than digests: as many as the tree has below a node without
/// children.
pub const LEAF: usize = tree::LEAF;

/// Nodes in a question, and therefore answers on their way: 18 kB. Our choice.
pub const NODES: usize = 64;

message! {
    /// What one side asks of the other.
    #[derive(PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks.
        pub nonce: [u8; 4],
        /// The nodes: a one, then the hexadecimal digits that lead there.
        pub nodes: Bounded<u64, NODES>,
    }
}

message! {
    /// What is below a node.
    #[derive(PartialEq)]
    pub enum Body {
        /// These elements: their fingerprints, the highest byte first, in order.
        Elements(Bounded<[u8; 16], LEAF>),
        /// More than fit: the digests of the sixteen children.
        Digests([[u8; 8]; 16]),
    }
}

message! {
    /// The answer about one node.
    #[derive(PartialEq)]
    pub struct Answer {
        /// That of the question.
        pub nonce: [u8; 4],
        /// The sum of all fingerprints of the set: answers about different states do not mix.
        pub sum: [u8; 16],
        /// The node.
        pub node: u64,
        /// What is below it.
        pub body: Body,
    }
}

const _: () = assert!(Ask::MAX_LEN <= MESSAGE && Answer::MAX_LEN <= MESSAGE, "too long");

/// A set and its tree, each change of which costs a step for each level of the tree.
///
/// ```
/// use gossip_entropy::reconcile::merkle::Hashed;
/// use gossip_entropy::sketch::Fingerprint;
///
/// let mut set = Hashed::default();
/// assert!(set.insert(Fingerprint(7)) && !set.insert(Fingerprint(7)));
/// assert!(set.remove(Fingerprint(7)) && !set.remove(Fingerprint(7)));
/// assert_eq!(set.len(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hashed {
    tree: Tree,
    sum: u128,
}

/// An element's place in the tree, and its part of the digests above it.
const fn halves(print: Fingerprint) -> (u64, u64) {
    ((print.0 >> 64) as u64, print.0 as u64)
}

impl Hashed {
    /// Adds an element. False, and nothing has changed, if it was there, or as many as a tree takes
    /// are, or sixteen others share the upper 60 bits of its fingerprint, which those who do not
    /// know the secret do not bring about.
    pub fn insert(&mut self, print: Fingerprint) -> bool {
        let (place, hash) = halves(print);
        let is_new = self.slot(print).is_none() && self.tree.insert(place, hash).is_some();
        if is_new {
            self.sum = self.sum.wrapping_add(print.0);
        }
        is_new
    }

    /// Takes an element out. False, and nothing has changed, if it was not there.
    pub fn remove(&mut self, print: Fingerprint) -> bool {
        let Some(slot) = self.slot(print) else { return false };
        self.tree.remove(slot);
        self.sum = self.sum.wrapping_sub(print.0);
        true
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.tree.count(Path::ROOT)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, print: Fingerprint) -> Option<u32> {
        let (place, hash) = halves(print);
        self.tree.at(place).find(|&slot| self.tree.hash(slot) == hash)
    }

    /// The elements below a node, in order.
    fn below(&self, node: Path) -> Vec<Fingerprint> {
        let mut prints = Vec::new();
        self.tree.visit(node, 0, &mut |slot| {
            let (place, hash) = (self.tree.position(slot), self.tree.hash(slot));
            prints.push(Fingerprint(u128::from(place) << 64 | u128::from(hash)));
            true
        });
        prints.sort_unstable();
        prints
    }

    fn body(&self, node: Path) -> Body {
        if self.tree.count(node) > LEAF && node.depth() < DEEPEST {
            return Body::Digests(self.tree.children(node).map(u64::to_le_bytes));
        }
        let mut elements = Bounded::new();
        elements.fill(self.below(node).into_iter().map(|print| print.0.to_be_bytes()));
        Body::Elements(elements)
    }
}

/// What the other side's elements are to ours.
pub type Difference = super::Difference<Fingerprint>;

/// What comes next.
pub type Step = super::Step<Ask, Fingerprint>;

/// The side of a session that asks. The set must stay as it is while it lasts.
///
/// ```
/// use gossip_entropy::reconcile::merkle::{Hashed, Session};
/// use gossip_entropy::reconcile::{Reconcile, Step};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let (mut here, mut there) = (Hashed::default(), Hashed::default());
/// here.insert(Fingerprint(7));
/// there.insert(Fingerprint(9));
/// let (mut session, ask) = Session::open([0; 4], 100);
/// let answers = Session::answer(&there, &ask, 10);
/// let Step::Done(difference) = session.take(&here, &answers[0]) else { panic!() };
/// assert_eq!(difference.theirs, [Fingerprint(9)]);
/// assert_eq!(difference.ours, [Fingerprint(7)]);
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    nodes: Parts<Path>,
    found: Difference,
}

impl Session {
    /// Opens a session that takes `most` answers at most, named by 32 random bits.
    pub fn open(nonce: [u8; 4], most: u32) -> (Self, Ask) {
        let nodes = Parts::new(Path::ROOT, most);
        let session = Self { nonce, nodes, found: Difference::default() };
        let ask = session.ask();
        (session, ask)
    }

    fn ask(&self) -> Ask {
        let mut nodes = Bounded::new();
        nodes.fill(self.nodes.asked().iter().map(|node| node.number()));
        Ask { nonce: self.nonce, nodes }
    }

    fn compare(&mut self, set: &Hashed, node: Path, theirs: &[[u8; 16]]) -> bool {
        let theirs: Vec<Fingerprint> =
            theirs.iter().map(|print| Fingerprint(u128::from_be_bytes(*print))).collect();
        let below = theirs.iter().all(|print| node.holds(halves(*print).0));
        if !below || !theirs.is_sorted_by(|a, b| a < b) {
            return false;
        }
        self.found.compare(&set.below(node), &theirs);
        true
    }

    fn descend(&mut self, set: &Hashed, node: Path, theirs: &[[u8; 8]; 16]) -> bool {
        let ours = set.tree.children(node);
        for (digit, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            if ours.to_le_bytes() != *theirs {
                let Some(child) = node.child(digit) else { return false };
                self.nodes.push(child);
            }
        }
        true
    }
}

impl Reconcile for Session {
    type Set = Hashed;
    type Ask = Ask;
    type Answer = Answer;
    type Key = Fingerprint;

    fn take(&mut self, set: &Hashed, answer: &Answer) -> Step {
        let (true, Some(node)) = (answer.nonce == self.nonce, Path::read(answer.node)) else {
            return Step::Wait;
        };
        if let Err(step) = self.nodes.settle(node, answer.sum) {
            return step;
        }
        let sound = match &answer.body {
            Body::Elements(theirs) => self.compare(set, node, theirs),
            Body::Digests(theirs) => self.descend(set, node, theirs),
        };
        if !sound {
            Step::Ended(End::Inconsistent)
        } else if !self.nodes.asked().is_empty() {
            Step::Wait
        } else if self.nodes.next(NODES) {
            Step::Ask(self.ask())
        } else {
            self.found.prove(|print| print.0, set.sum, answer.sum)
        }
    }

    fn silence(&mut self, _: &Hashed) -> Step {
        let ask = self.ask();
        self.nodes.silences.again(ask)
    }

    fn answer(set: &Hashed, ask: &Ask, most: usize) -> Vec<Answer> {
        let sum = set.sum.to_le_bytes();
        let about = |node: Path| Answer {
            nonce: ask.nonce,
            sum,
            node: node.number(),
            body: set.body(node),
        };
        ask.nodes.iter().filter_map(|node| Path::read(*node)).take(most).map(about).collect()
    }
}
