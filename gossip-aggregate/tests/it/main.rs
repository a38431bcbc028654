//! Aggregation against its papers and its promises, one binary: what tests have in common is
//! compiled once.

mod common;
mod elements;
mod flows;
mod live;
mod mass;
mod means;
mod million;
mod parallel;
mod push_pull;
mod push_sum;
mod robust;
mod size;
mod spread;
mod trials;
mod values;
mod within;
