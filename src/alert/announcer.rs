//! Decides which transitions of the alert rules are announced to the operator, and when; words the announcements.
//!
//! A rule that a live event makes fire is announced at once, whatever the event's own time. Lines that existed when
//! their file was first read are history: their incidents are announced after it has been read, one by one if they are
//! recent or still firing, else as a count.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::transition::{Change, Transition};
use crate::base::{Timestamp, bytes, sanitize};

/// Incidents of the history that ended longer ago than this are only counted.
const MAX_ALERT_AGE: Duration = Duration::from_secs(3600);
/// Maximum number of incidents kept while catching up; beyond it the oldest are only counted, resolved ones first.
const MAX_KEPT: usize = 10_000;

/// One announcement, shown to the operator as a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Announcement {
    Transition(Transition),
    /// Incidents of the history that are resolved and too old to be announced one by one.
    Earlier {
        rule: Arc<str>,
        fired: u64,
    },
    /// Live lines of a source whose timestamps disagree with the clock.
    ClockSkew {
        source: Arc<str>,
        path: Arc<str>,
        ahead: bool,
        by: Duration,
    },
    /// Number of matches since the start that were not counted: too old compared with newer events of their key.
    Late {
        rule: Arc<str>,
        matches: u64,
    },
    /// The system clock went back.
    ClockBack {
        by: Duration,
    },
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Announcement::Transition(transition) => transition.fmt(f),
            Announcement::Earlier { rule, fired } => {
                let times = if *fired == 1 {
                    "once".into()
                } else {
                    format!("{} times", bytes::count(*fired))
                };
                write!(f, "{}: fired {times} in existing lines, resolved", sanitize::line(rule))
            }
            Announcement::ClockSkew { source, path, ahead, by } => {
                let (path, source) = (sanitize::line(path), sanitize::line(source));
                let (by, where_) =
                    (bytes::duration(*by), if *ahead { "ahead of" } else { "behind" });
                write!(
                    f,
                    "timestamps in {path} are {by} {where_} the clock; rules use these timestamps as they are; \
                     if the program logs in another time zone, set `timezone` of source {source}"
                )
            }
            Announcement::ClockBack { by } => write!(
                f,
                "the system clock went back by {}; rules continue with the new time",
                bytes::duration(*by)
            ),
            Announcement::Late { rule, matches } => {
                let (rule, count) = (sanitize::line(rule), bytes::count(*matches));
                let noun = if *matches == 1 { "match" } else { "matches" };
                write!(
                    f,
                    "{rule}: {count} {noun} not counted: too old compared with newer events of the same group; \
                     group the rule by source if sources write different times"
                )
            }
        }
    }
}

/// Filters the transitions of the rules.
///
/// Invariant: a resolution is announced exactly if the firing was.
#[derive(Debug)]
pub(super) struct Announcer {
    /// `--once`: every transition is announced.
    announce_all: bool,
    /// The history that existed at the start has been read.
    history_read: bool,
    /// Incidents found while catching up, oldest first.
    kept: VecDeque<Incident>,
    /// Per rule: number of incidents that are counted instead of announced one by one, since the last announcement.
    earlier: BTreeMap<Arc<str>, u64>,
    /// Incidents counted in `earlier`, but neither resolved nor announced yet: a live event may still join them.
    counted: HashSet<Id>,
    /// Announced as firing and not resolved yet.
    announced: HashSet<Id>,
}

/// Rule and incident number. Not the key: two keys may be shown as the same text.
type Id = (Arc<str>, u64);

#[derive(Debug)]
struct Incident {
    fired: Transition,
    resolved: Option<Transition>,
}

impl Announcer {
    pub fn new(announce_all: bool) -> Self {
        Announcer {
            announce_all,
            history_read: false,
            kept: VecDeque::new(),
            earlier: BTreeMap::new(),
            counted: HashSet::new(),
            announced: HashSet::new(),
        }
    }

    /// Announces the transition, keeps it until the history has been read, or counts it. `live`: the event that made
    /// the rule fire was written after its file was first read.
    pub fn on_transition(
        &mut self,
        transition: Transition,
        live: bool,
        now: Timestamp,
        announce: &mut dyn FnMut(Announcement),
    ) {
        if self.announce_all {
            return announce(Announcement::Transition(transition));
        }
        match transition.change {
            Change::Resolved if self.announced.remove(&id(&transition)) => {
                announce(Announcement::Transition(transition));
            }
            Change::Fired if live => {
                self.take_from_history(&transition);
                self.announce_firing(transition, announce);
            }
            Change::Fired if !self.history_read => self.keep(transition),
            Change::Fired if now.since(transition.last) < MAX_ALERT_AGE => {
                self.announce_firing(transition, announce);
            }
            // An old incident in a file that appeared later.
            Change::Fired => {
                self.counted.insert(id(&transition));
                self.count(&transition);
            }
            Change::Resolved => self.resolve_unannounced(transition),
        }
    }

    /// The history has been read: announces incidents that are firing or ended recently, and counts the rest.
    pub fn on_history_read(&mut self, now: Timestamp, announce: &mut dyn FnMut(Announcement)) {
        self.history_read = true;
        for Incident { fired, resolved } in std::mem::take(&mut self.kept) {
            match resolved {
                None => self.announce_firing(fired, announce),
                Some(resolved) if now.since(resolved.last) < MAX_ALERT_AGE => {
                    announce(Announcement::Transition(fired));
                    announce(Announcement::Transition(resolved));
                }
                Some(_) => self.count(&fired),
            }
        }
    }

    /// Announces the counts since the last call, once the history has been read.
    pub fn announce_earlier(&mut self, announce: &mut dyn FnMut(Announcement)) {
        self.counted.clear();
        for (rule, fired) in std::mem::take(&mut self.earlier) {
            if fired > 0 {
                announce(Announcement::Earlier { rule, fired });
            }
        }
    }

    /// Announces a firing incident, once.
    fn announce_firing(&mut self, fired: Transition, announce: &mut dyn FnMut(Announcement)) {
        if self.announced.insert(id(&fired)) {
            announce(Announcement::Transition(fired));
        }
    }

    /// A live event has joined the incident: it is no longer history.
    fn take_from_history(&mut self, fired: &Transition) {
        let id = id(fired);
        if let Some(index) = self.kept.iter().rposition(|kept| kept.is(&id)) {
            self.kept.remove(index);
        } else if self.counted.remove(&id)
            && let Some(count) = self.earlier.get_mut(&id.0)
        {
            *count -= 1;
        }
    }

    /// Handles the resolution of an incident whose firing was not announced.
    fn resolve_unannounced(&mut self, resolved: Transition) {
        let id = id(&resolved);
        self.counted.remove(&id);
        if let Some(incident) = self.kept.iter_mut().rev().find(|kept| kept.is(&id)) {
            incident.resolved = Some(resolved);
        }
    }

    fn keep(&mut self, fired: Transition) {
        if self.kept.len() >= MAX_KEPT {
            // Preferably a resolved one.
            let over = self.kept.iter().position(|incident| incident.resolved.is_some());
            if let Some(oldest) = self.kept.remove(over.unwrap_or(0)) {
                if oldest.resolved.is_none() {
                    self.counted.insert(id(&oldest.fired));
                }
                self.count(&oldest.fired);
            }
        }
        self.kept.push_back(Incident { fired, resolved: None });
    }

    fn count(&mut self, fired: &Transition) {
        *self.earlier.entry(fired.rule.clone()).or_default() += 1;
    }
}

impl Incident {
    fn is(&self, id: &Id) -> bool {
        self.fired.incident == id.1 && self.fired.rule == id.0
    }
}

fn id(transition: &Transition) -> Id {
    (transition.rule.clone(), transition.incident)
}

#[cfg(test)]
mod tests;
