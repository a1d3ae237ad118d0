//! The event whose delivery state the detail pane or the control socket has asked for.

use super::byte_accounting::ByteOutcome;
use crate::event::Cursor;

/// The inspected event and the known facts about it.
#[derive(Debug)]
pub(super) struct InspectedEvent {
    pub event: Cursor,
    /// Its outcome, if it has got one since it was asked for.
    pub byte_outcome: Option<ByteOutcome>,
    /// `None`: not determined yet, or the event cannot be read.
    pub(super) facts: Option<EventFacts>,
}

/// Facts determined from the event itself and the dead letters.
#[derive(Debug)]
pub(super) struct EventFacts {
    pub(super) is_filtered: bool,
    /// Whether it is kept as a dead letter.
    pub(super) is_letter: bool,
    pub(super) target: String,
}
