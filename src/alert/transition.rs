//! What an engine hands out when a rule begins or ceases to fire for a key.

use std::fmt;
use std::sync::Arc;

use crate::base::{Timestamp, bytes, sanitize};
use crate::event::GenerationId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Fired,
    Resolved,
}

/// Where the event that made a rule fire begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub generation: GenerationId,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub rule: Arc<str>,
    /// A number of the rule's, the same in the incident's beginning and its end: what is told of two keys may be the
    /// same text. Never shown, and counted anew by each consumer.
    pub incident: u64,
    /// For people: `level:error ≥ 5 in 5 min`.
    pub condition: Arc<str>,
    /// What is told of the group; empty where the rule has no `by`. It names no incident: sealed or shortened values
    /// of two groups may read alike.
    pub key: Arc<str>,
    pub change: Change,
    /// Fired: matches in the window. Resolved: matches from the first one on.
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The event that made it fire.
    pub place: Place,
}

/// `errors fires for app: 5 events from 05:12:01 to 05:12:09 (level:error ≥ 5 in 5 min)`, one safe line.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.change {
            Change::Fired => "fires",
            Change::Resolved => "is resolved",
        };
        write!(f, "{} {verb}", sanitize::line(&self.rule))?;
        if !self.key.is_empty() {
            write!(f, " for {}", sanitize::line(&self.key))?;
        }
        let count = bytes::count(self.count);
        let events = if self.count == 1 { "event" } else { "events" };
        write!(f, ": {count} {events}, {}", Stamp(self.first))?;
        if self.last.seconds() != self.first.seconds() {
            write!(f, " to {}", Stamp(self.last))?;
        }
        write!(f, " ({})", sanitize::line(&self.condition))
    }
}

/// `2026-11-21T05:12:01Z`.
struct Stamp(Timestamp);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.seconds()) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => f.write_str("at an unknown time"),
        }
    }
}
