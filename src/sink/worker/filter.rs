//! Decides by level and condition which events a sink delivers.

use std::fmt;
use std::sync::Arc;

use crate::event::{Event, Flags, Level};

/// The query of a sink's setting `where`, called once per event.
pub type Condition = Arc<dyn Fn(&Event<'_>) -> bool + Send + Sync>;

/// The default passes everything except quiet records (blank lines, holes).
#[derive(Clone, Default)]
pub struct Filter {
    /// Empty: all levels, and events without a level.
    pub levels: Vec<Level>,
    /// `where = "…"`.
    pub condition: Option<Condition>,
}

impl Filter {
    pub(super) fn passes(&self, event: &Event<'_>) -> bool {
        if event.record.flags.contains(Flags::QUIET) {
            return false;
        }
        let level = self.levels.is_empty()
            || event.level().is_some_and(|level| self.levels.contains(&level));
        level && self.condition.as_ref().is_none_or(|condition| condition(event))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = self.condition.is_some();
        f.debug_struct("Filter").field("levels", &self.levels).field("where", &condition).finish()
    }
}
