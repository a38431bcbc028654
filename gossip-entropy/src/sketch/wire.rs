//! Not a protocol: what travels in a [session](super::session), each well within a datagram.

use gossip_core::message;
use gossip_core::wire::{Blob, Bounded, Wire};

use super::cells::{Cell, FRAME};
use super::estimator::LEN;
use super::pinsketch::{CAPACITY, packed_len};
use crate::page::MESSAGE;

/// Bytes of a frame of cells.
pub const CELL_BYTES: usize = FRAME * Cell::LEN;

/// Bytes of a whole PinSketch.
pub const ROOT_BYTES: usize = packed_len(CAPACITY);

/// Runs of frames that one message may ask for.
pub const SPANS: usize = 8;

message! {
    /// What one side asks of the other, which remembers nothing of it.
    #[derive(PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks: answers without it are not read.
        pub nonce: [u8; 4],
        /// The salt of the fingerprints; 0 unless a session without salt led to no end.
        pub salt: u64,
        /// What for.
        pub need: Need,
    }
}

message! {
    /// What is asked for.
    #[derive(PartialEq)]
    pub enum Need {
        /// As much as this estimator of our set says.
        First(Blob<LEN>),
        /// This of what is still missing.
        More {
            /// Numbers of the PinSketch; 0: none.
            root: u8,
            /// Frames of cells.
            spans: Bounded<Span, SPANS>,
        },
    }
}

message! {
    /// A run of frames of cells.
    #[derive(Copy, PartialEq)]
    pub struct Span {
        /// The first.
        pub first: u8,
        /// How many.
        pub count: u8,
    }
}

message! {
    /// What is answered.
    #[derive(PartialEq)]
    pub enum Frame {
        /// A PinSketch.
        Root {
            /// That of the question.
            nonce: [u8; 4],
            /// The sum over all identifiers of the set.
            check: [u8; 16],
            /// Frames of cells that follow unasked.
            frames: u8,
            /// The numbers.
            syndromes: Blob<ROOT_BYTES>,
        },
        /// Cells.
        Cells {
            /// That of the question.
            nonce: [u8; 4],
            /// The beginning of the check of the same set: cells of different states do not mix.
            tag: [u8; 4],
            /// Which frame.
            frame: u8,
            /// The cells.
            cells: Blob<CELL_BYTES>,
        },
    }
}

impl Frame {
    /// The session that it answers.
    pub const fn nonce(&self) -> [u8; 4] {
        match *self {
            Self::Root { nonce, .. } | Self::Cells { nonce, .. } => nonce,
        }
    }
}

const _: () = assert!(Frame::MAX_LEN <= MESSAGE && Ask::MAX_LEN <= MESSAGE, "too long");
