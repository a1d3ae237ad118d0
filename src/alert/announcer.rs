//! What is told of what happened. What an event that came live makes fire is told at once, whatever its own time. What
//! stood in a file at the first look is history: told when that is read, one by one if it still matters, else counted.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::transition::{Change, Transition};
use crate::base::{Timestamp, bytes, sanitize};

/// What ended longer ago is history.
const MAX_ALERT_AGE: Duration = Duration::from_secs(3600);
/// Incidents remembered one by one while catching up, the newest.
const MOST_HELD: usize = 10_000;

/// One thing to tell a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Transition(Transition),
    /// Found while catching up: over, and too long ago to be told one by one.
    Earlier {
        rule: Arc<str>,
        fired: u64,
    },
    /// Live lines of a source whose own times are not those of the clock.
    Skewed {
        source: Arc<str>,
        path: Arc<str>,
        ahead: bool,
        by: Duration,
    },
    /// Matches that did not count, since the start: their own times were too far behind others of their key.
    Late {
        rule: Arc<str>,
        matches: u64,
    },
    /// The clock of this machine went back.
    ClockBack {
        by: Duration,
    },
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Transition(transition) => transition.fmt(f),
            Told::Earlier { rule, fired } => {
                let times = if *fired == 1 {
                    "once".into()
                } else {
                    format!("{} times", bytes::count(*fired))
                };
                write!(
                    f,
                    "{} fired {times} in what was there before; it is over",
                    sanitize::line(rule)
                )
            }
            Told::Skewed { source, path, ahead, by } => {
                let (path, source) = (sanitize::line(path), sanitize::line(source));
                let (by, where_) =
                    (bytes::duration(*by), if *ahead { "ahead of" } else { "behind" });
                write!(
                    f,
                    "the times of {path} are {by} {where_} the clock; rules count by them and fire all the same; \
                     if its program writes in another time zone, set the timezone of source {source}"
                )
            }
            Told::ClockBack { by } => write!(
                f,
                "the clock of this machine went back by {}; rules go on counting by the new time",
                bytes::duration(*by)
            ),
            Told::Late { rule, matches } => {
                let (rule, count) = (sanitize::line(rule), bytes::count(*matches));
                let what = if *matches == 1 { "match was" } else { "matches were" };
                write!(
                    f,
                    "{rule}: {count} {what} not counted, because later times of the same group had been read \
                     before; group the rule by source where sources write different times"
                )
            }
        }
    }
}

/// Between the engine and whoever listens.
///
/// Invariant: an end is told exactly where its beginning was.
#[derive(Debug)]
pub(super) struct Teller {
    /// `--once`: everything that fired is what was asked for.
    tell_all: bool,
    /// The history that was there at the start is read.
    caught_up: bool,
    /// Found while catching up, oldest first.
    held: VecDeque<Incident>,
    earlier: BTreeMap<Arc<str>, u64>,
    /// Counted as earlier, but neither over nor told yet: an event that comes live may still join it.
    counted: HashSet<Id>,
    /// Told as firing and not over yet.
    open: HashSet<Id>,
}

/// Rule and number. Not the key: what is told of two keys may be the same text.
type Id = (Arc<str>, u64);

#[derive(Debug)]
struct Incident {
    fired: Transition,
    resolved: Option<Transition>,
}

impl Teller {
    pub fn new(tell_all: bool) -> Self {
        Teller {
            tell_all,
            caught_up: false,
            held: VecDeque::new(),
            earlier: BTreeMap::new(),
            counted: HashSet::new(),
            open: HashSet::new(),
        }
    }

    /// `live`: the event that made it fire was not there at the first look.
    pub fn on_transition(
        &mut self,
        transition: Transition,
        live: bool,
        now: Timestamp,
        tell: &mut dyn FnMut(Told),
    ) {
        if self.tell_all {
            return tell(Told::Transition(transition));
        }
        match transition.change {
            Change::Resolved if self.open.remove(&id(&transition)) => {
                tell(Told::Transition(transition));
            }
            Change::Fired if live => {
                self.take_back(&transition);
                self.open(transition, tell);
            }
            Change::Fired if !self.caught_up => self.hold(transition),
            Change::Fired if now.since(transition.last) < MAX_ALERT_AGE => {
                self.open(transition, tell);
            }
            // A file that came later, and what it held is long past.
            Change::Fired => {
                self.counted.insert(id(&transition));
                self.count(&transition);
            }
            Change::Resolved => self.close(transition),
        }
    }

    /// The end of what was there is reached: tells what is open, what ended lately, and counts the rest.
    pub fn on_live(&mut self, now: Timestamp, tell: &mut dyn FnMut(Told)) {
        self.caught_up = true;
        for Incident { fired, resolved } in std::mem::take(&mut self.held) {
            match resolved {
                None => self.open(fired, tell),
                Some(resolved) if now.since(resolved.last) < MAX_ALERT_AGE => {
                    tell(Told::Transition(fired));
                    tell(Told::Transition(resolved));
                }
                Some(_) => self.count(&fired),
            }
        }
    }

    /// What was counted since, once nothing more of it is to be read.
    pub fn tell_earlier(&mut self, tell: &mut dyn FnMut(Told)) {
        self.counted.clear();
        for (rule, fired) in std::mem::take(&mut self.earlier) {
            if fired > 0 {
                tell(Told::Earlier { rule, fired });
            }
        }
    }

    /// Once: one that is open is known.
    fn open(&mut self, fired: Transition, tell: &mut dyn FnMut(Told)) {
        if self.open.insert(id(&fired)) {
            tell(Told::Transition(fired));
        }
    }

    /// An event that came live has joined it: it is no longer history.
    fn take_back(&mut self, fired: &Transition) {
        let id = id(fired);
        if let Some(place) = self.held.iter().rposition(|held| held.is(&id)) {
            self.held.remove(place);
        } else if self.counted.remove(&id)
            && let Some(count) = self.earlier.get_mut(&id.0)
        {
            *count -= 1;
        }
    }

    /// The end of something that is not told yet.
    fn close(&mut self, resolved: Transition) {
        let id = id(&resolved);
        self.counted.remove(&id);
        if let Some(incident) = self.held.iter_mut().rev().find(|held| held.is(&id)) {
            incident.resolved = Some(resolved);
        }
    }

    fn hold(&mut self, fired: Transition) {
        if self.held.len() >= MOST_HELD {
            // One that is over, if there is one.
            let over = self.held.iter().position(|incident| incident.resolved.is_some());
            if let Some(oldest) = self.held.remove(over.unwrap_or(0)) {
                if oldest.resolved.is_none() {
                    self.counted.insert(id(&oldest.fired));
                }
                self.count(&oldest.fired);
            }
        }
        self.held.push_back(Incident { fired, resolved: None });
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
