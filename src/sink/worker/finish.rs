//! What the tasks of a worker come back with.

use super::bulk::Bulk;
use super::counter::Counter;
use super::fill::{Filled, Filler};
use super::looked::Found;
use crate::event::Cursor;
use crate::sink::Delivery;

/// What a task of the worker comes back with.
pub(super) enum Finish {
    Filled(Box<Filler>, Box<Filled>),
    Delivered(Box<Bulk>, Delivery),
    Counted(Counter),
    LookedUp(Cursor, Option<Found>),
}
