//! Whatever happens to the files: every line comes, once, or its loss is counted to the byte.

mod alike;
mod any_order;
mod bounds;
mod found;
mod growth;
mod records;
mod renamed;
mod setup;
mod truncated;

pub use setup::{Bench, append, line, lines, seen_by_the_follower};
