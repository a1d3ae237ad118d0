//! What the tasks of a worker come back with.

use super::batch_encoder::{Filled, Filler};
use super::bulk::Bulk;
use super::inspected_event::Found;
use super::round_counter::Counter;
use crate::event::Cursor;
use crate::sink::Delivery;

/// What a task of the worker comes back with.
pub(super) enum Finish {
    Filled(Box<Filler>, Box<Filled>),
    Delivered(Box<Bulk>, Delivery),
    Counted(Counter),
    LookedUp(Cursor, Option<Found>),
}
