//! Dissemination against its papers and its promises, one binary: what tests have in common is
//! compiled once.

mod adaptive;
mod background;
mod checks;
mod common;
mod demers;
mod hierarchy;
mod load;
mod ordering;
mod plumtree;
mod protocol;
mod quiet;
mod safety;
mod signatures;
mod spreading;
mod topics;
mod variants;
