//! Sketches: how two sets differ, at a cost near the number of differences, whatever their size.
//!
//! Not a protocol: those are in the modules below.
//!
//! | Module | What |
//! |---|---|
//! | [`set`] | all of them for one set, kept up to date with every change |
//! | [`digest`] | fingerprints of elements, and sums that tell whether sets are equal |
//! | [`estimator`] | how many differences there are, to within a sixth |
//! | [`pinsketch`] | 63 bits a difference, for up to 115 of them |
//! | [`cells`], [`peel`] | 12 bytes a cell, 1.1 to 1.5 cells a difference, for up to 14,000 |
//! | [`session`], [`answer`](mod@answer) | the two sides that find out, over datagrams |
//! | [`wire`] | what they say |

pub mod answer;
pub mod cells;
pub mod digest;
pub mod estimator;
mod gf63;
pub mod peel;
pub mod pinsketch;
mod roots;
pub mod session;
pub mod set;
pub mod wire;

pub use answer::{answer, cost};
pub use digest::{Digest, Fingerprint, Keys};
pub use gf63::Field;
pub use session::{Difference, Session, Step};

pub use set::SetSketch;
