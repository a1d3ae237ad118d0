//! The results of a worker's background tasks.

use super::batch_encoder::{BatchEncoder, EncodeResult};
use super::bulk::Bulk;
use super::inspected_event::EventFacts;
use super::round_counter::Counter;
use crate::event::Cursor;
use crate::sink::Delivery;

/// The result of one background task.
pub(super) enum TaskResult {
    Encoded(Box<BatchEncoder>, Box<EncodeResult>),
    Delivered(Box<Bulk>, Delivery),
    Counted(Counter),
    Inspected(Cursor, Option<EventFacts>),
}
