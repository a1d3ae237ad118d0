//! The event that somebody looks at.

use super::byte_accounting::Fate;
use crate::event::Cursor;

/// The event that somebody looks at.
#[derive(Debug)]
pub(super) struct Looked {
    pub place: Cursor,
    /// What became of it since.
    pub fate: Option<Fate>,
    pub(super) found: Option<Found>,
}

/// What the event itself and the dead letters say of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) is_filtered: bool,
    pub(super) is_letter: bool,
    pub(super) target: String,
}
