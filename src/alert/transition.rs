//! A transition: for one key, a rule starts firing or is resolved.

use std::fmt;
use std::sync::Arc;

use crate::base::{Timestamp, bytes, sanitize};
use crate::event::GenerationId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Fired,
    Resolved,
}

/// Generation and start offset of the event that made a rule fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLocation {
    pub generation: GenerationId,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub rule: Arc<str>,
    /// Number of the incident within the rule, the same for firing and resolution: two keys may be shown as the same
    /// text. Never shown; counts from 1 since the rule was started.
    pub incident: u64,
    /// The limit of the rule, for people: `5 in 5 min`.
    pub limit: Arc<str>,
    /// Displayed key of the group; empty if the rule has no `by`. It does not identify the group: sealed or shortened
    /// values of two groups may be the same text.
    pub key: Arc<str>,
    pub change: Change,
    /// Fired: matches in the window. Resolved: all matches of the incident.
    pub count: u64,
    /// Time of the earliest of these matches.
    pub first: Timestamp,
    /// Time of the latest of these matches.
    pub last: Timestamp,
    /// The event that made it fire.
    pub place: EventLocation,
}

/// One line that is safe on a terminal: `errors firing for app: 5 of 5 in 5 min, since 2026-11-21T05:12:01Z`, or
/// `errors resolved for app: 7 events, 2026-11-21T05:12:01Z to 2026-11-21T05:13:40Z`.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.change {
            Change::Fired => "firing",
            Change::Resolved => "resolved",
        };
        write!(f, "{} {state}", sanitize::line(&self.rule))?;
        if !self.key.is_empty() {
            write!(f, " for {}", sanitize::line(&self.key))?;
        }
        let count = bytes::count(self.count);
        if self.change == Change::Fired {
            return write!(f, ": {count} of {}, since {}", self.limit, Stamp(self.first));
        }
        let events = if self.count == 1 { "event" } else { "events" };
        write!(f, ": {count} {events}, {}", Stamp(self.first))?;
        if self.last.seconds() != self.first.seconds() {
            write!(f, " to {}", Stamp(self.last))?;
        }
        Ok(())
    }
}

/// `2026-11-21T05:12:01Z`.
struct Stamp(Timestamp);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.seconds()) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => f.write_str("an unknown time"),
        }
    }
}
