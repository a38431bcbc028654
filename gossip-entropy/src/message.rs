//! Not a protocol: what travels between replicas.

use gossip_core::wire::{Blob, Bounded};
use gossip_core::{PeerId, message};

use crate::page::{PAGE, Page};
use crate::signed::Signature;
use crate::sketch::wire::{Ask, Frame};
use crate::stamp::Stamp;
use crate::tree::LEAF;

message! {
    /// What a replica says to another.
    ///
    /// Every message can be answered by a node that remembers nothing of the ones before: it names
    /// the subtrees that it is about.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, const KEY: usize, const VALUE: usize> {
        /// Opens a round: the digest of everything, little-endian. No answer means that it is the
        /// same.
        Root([u8; 8]),
        /// Digests of the children of subtrees in which we differ: look for yours.
        Digests {
            /// Shortens the digests; drawn anew each time, so that a clash only delays.
            salt: [u8; 4],
            /// The subtrees.
            nodes: Page<Node, PAGE>,
        },
        /// All that is in subtrees in which we differ: send what is newer, ask for what is older.
        Lists {
            /// Shortens the hashes.
            salt: [u8; 4],
            /// The subtrees.
            lists: Page<List, PAGE>,
        },
        /// Send what stands at these positions.
        Wants(Page<[u8; 8], PAGE>),
        /// Entries: take what is newer.
        Updates(Page<Update<I, KEY, VALUE>, PAGE>),
        /// Answers [`Root`](Self::Root): we differ, and no more exchanges are served in this round.
        Busy,
        /// Opens a comparison by sketches, or goes on with it.
        Compare {
            /// The comparison, and the question.
            of: Question,
            /// The digest of everything, little-endian.
            digest: [u8; 8],
            /// What about.
            ask: Ask,
        },
        /// A sketch.
        Sketch(Frame),
        /// Send the entries whose identifiers begin so.
        Fetch {
            /// The comparison, and the question.
            of: Question,
            /// How many more such messages belong to this question.
            more: u8,
            /// The halves of identifiers that keys have, little-endian.
            halves: Bounded<[u8; 4], FETCH>,
        },
        /// Entries of a comparison by sketches: take what is newer. Who has opened it offers them,
        /// and is told that they have come; the other side supplies them.
        Entries {
            /// The comparison.
            of: [u8; 2],
            /// Tells offers apart.
            number: u8,
            /// How many more belong to the same answer.
            left: u8,
            /// The entries.
            page: Page<Update<I, KEY, VALUE>, PAGE>,
        },
        /// An offer has come.
        Got {
            /// The comparison.
            of: [u8; 2],
            /// Which.
            number: u8,
            /// Of the eight offers before it, those that have come as well: a bit each, the last
            /// one's first. So a receipt that is lost does not bring an offer again.
            before: u8,
        },
        /// A question has come again: all that was asked and offered before is answered.
        Copied(Question),
    }
}

/// Identifiers that are asked for in one message.
pub const FETCH: usize = 256;

message! {
    /// Names a question of a comparison by sketches: a copy of one that came is not answered.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Question {
        /// The comparison, drawn at random by the one who opens it.
        pub of: [u8; 2],
        /// Which question.
        pub turn: u8,
    }
}

message! {
    /// The children of one subtree.
    #[derive(PartialEq)]
    pub struct Node {
        /// Which subtree: a one, then the hexadecimal digits with which its positions begin.
        pub path: u64,
        /// The digest of each child, shortened to 16 bits.
        pub children: [[u8; 2]; 16],
    }
}

message! {
    /// All that is in one subtree.
    #[derive(PartialEq)]
    pub struct List {
        /// Which subtree: a one, then the hexadecimal digits with which its positions begin.
        pub path: u64,
        /// What is in it.
        pub lines: Page<Line, LIST>,
    }
}

/// The most bytes of a list: a full leaf.
pub const LIST: usize = LEAF * 20;

message! {
    /// One entry, without key and value.
    #[derive(Copy, PartialEq)]
    pub struct Line {
        /// The hash of its key, little-endian.
        pub position: [u8; 8],
        /// When it was written, by its stamp.
        pub micros: u64,
        /// Its hash, shortened to 16 bits: tells apart what was written in one microsecond.
        pub mark: [u8; 2],
    }
}

message! {
    /// One entry: a value, or a deletion.
    #[derive(PartialEq)]
    pub struct Update<I: PeerId, const KEY: usize, const VALUE: usize> {
        /// The key.
        pub key: Blob<KEY>,
        /// Who wrote it, and when.
        pub stamp: Stamp<I>,
        /// What was written.
        pub state: State<I, VALUE>,
        /// Its seal, by which every replica that it comes to tells whether it is whole.
        pub check: [u8; 8],
        /// Its origin's signature, if any: see [`Replica::signed`](crate::Replica::signed).
        pub signature: Signature,
    }
}

message! {
    /// What a key has.
    #[derive(PartialEq)]
    pub enum State<I: PeerId, const VALUE: usize> {
        /// Nothing any more.
        Deleted(Grave<I>),
        /// A value.
        Value(Blob<VALUE>),
    }
}

message! {
    /// What a death certificate says beside the key and its stamp (Demers et al. 1987, section 2).
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub struct Grave<I: PeerId> {
        /// When it was last made to spread, in microseconds since the Unix epoch: decides when it
        /// is discarded, and never which write wins.
        pub activated: u64,
        /// The sites that keep it when all others have discarded it.
        pub sites: Bounded<I, SITES>,
    }
}

/// The most sites that keep a certificate. The paper's figure: all four are lost after a server's
/// half-life with probability 1/16.
pub const SITES: usize = 4;

impl<I: PeerId, const KEY: usize, const VALUE: usize> Update<I, KEY, VALUE> {
    /// The value; none if it was deleted.
    pub fn value(&self) -> Option<&[u8]> {
        match &self.state {
            State::Value(value) => Some(value),
            State::Deleted(_) => None,
        }
    }

    pub(crate) fn grave(&self) -> Option<&Grave<I>> {
        match &self.state {
            State::Value(_) => None,
            State::Deleted(grave) => Some(grave),
        }
    }
}
