//! The event whose location was asked for.

use super::byte_accounting::ByteOutcome;
use crate::event::Cursor;

/// The event whose location was asked for.
#[derive(Debug)]
pub(super) struct InspectedEvent {
    pub event: Cursor,
    /// Its outcome since then.
    pub byte_outcome: Option<ByteOutcome>,
    pub(super) facts: Option<EventFacts>,
}

/// Facts from the event itself and the dead letters.
#[derive(Debug)]
pub(super) struct EventFacts {
    pub(super) is_filtered: bool,
    pub(super) is_letter: bool,
    pub(super) target: String,
}
