//! Rotation of every kind: each line is read once, or its bytes are counted as lost.

mod alike;
mod any_order;
mod bounds;
mod found;
mod growth;
mod records;
mod renamed;
mod setup;
mod truncated;

pub use setup::{Fixture, append, line, lines, seen_by_the_follower};
