//! Reconciliation: other ways than [sketches](crate::sketch) to find out how two sets differ.
//!
//! Not a protocol: that is in the module below.
//!
//! | Module | What | When |
//! |---|---|---|
//! | [`range`] | sums of ranges, in order, divided down to the items | differences are neighbours |

pub mod range;
