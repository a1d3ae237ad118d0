//! What is told of what happened: nothing while old bytes are being caught up with; then what still matters.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::transition::{Change, Transition};
use crate::base::{Timestamp, bytes, sanitize};

/// What ended longer ago is history.
const MAX_ALERT_AGE: Duration = Duration::from_secs(3600);
/// Incidents remembered one by one while catching up, the newest.
const MOST_HELD: usize = 1_000;

/// One thing to tell a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Transition(Transition),
    /// Found while catching up: over, and too long ago to be told one by one.
    Earlier {
        rule: Arc<str>,
        fired: u64,
    },
    /// The listener was too slow for so many.
    Skipped(u64),
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
            Told::Skipped(count) => {
                write!(f, "{} more changes of rules were not written here", bytes::count(*count))
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
    live: bool,
    /// Found while catching up, oldest first.
    held: VecDeque<Incident>,
    earlier: BTreeMap<Arc<str>, u64>,
    /// Told as firing and not over yet: rule and key.
    open: HashSet<(Arc<str>, Arc<str>)>,
}

#[derive(Debug)]
struct Incident {
    fired: Transition,
    resolved: Option<Transition>,
}

impl Teller {
    pub fn new(tell_all: bool) -> Self {
        Teller {
            tell_all,
            live: false,
            held: VecDeque::new(),
            earlier: BTreeMap::new(),
            open: HashSet::new(),
        }
    }

    pub fn on_transition(
        &mut self,
        transition: Transition,
        now: Timestamp,
        tell: &mut dyn FnMut(Told),
    ) {
        if self.tell_all {
            tell(Told::Transition(transition));
        } else if !self.live {
            self.hold(transition);
        } else if self.is_due(&transition, now) {
            tell(Told::Transition(transition));
        }
    }

    /// The end of what was there is reached: tells what is open, what ended lately, and counts the rest.
    pub fn on_live(&mut self, now: Timestamp, tell: &mut dyn FnMut(Told)) {
        self.live = true;
        for Incident { fired, resolved } in std::mem::take(&mut self.held) {
            match resolved {
                None => {
                    self.open.insert(name(&fired));
                    tell(Told::Transition(fired));
                }
                Some(resolved) if now.since(resolved.last) < MAX_ALERT_AGE => {
                    tell(Told::Transition(fired));
                    tell(Told::Transition(resolved));
                }
                Some(_) => self.count(&fired),
            }
        }
        for (rule, fired) in std::mem::take(&mut self.earlier) {
            tell(Told::Earlier { rule, fired });
        }
    }

    fn is_due(&mut self, transition: &Transition, now: Timestamp) -> bool {
        match transition.change {
            Change::Resolved => self.open.remove(&name(transition)),
            Change::Fired if now.since(transition.last) >= MAX_ALERT_AGE => false,
            Change::Fired => self.open.insert(name(transition)),
        }
    }

    fn hold(&mut self, transition: Transition) {
        if transition.change == Change::Resolved {
            let same = |incident: &&mut Incident| name(&incident.fired) == name(&transition);
            if let Some(incident) = self.held.iter_mut().rev().find(same) {
                incident.resolved = Some(transition);
            }
            return;
        }
        if self.held.len() >= MOST_HELD
            && let Some(oldest) = self.held.pop_front()
        {
            self.count(&oldest.fired);
        }
        self.held.push_back(Incident { fired: transition, resolved: None });
    }

    fn count(&mut self, fired: &Transition) {
        *self.earlier.entry(fired.rule.clone()).or_default() += 1;
    }
}

fn name(transition: &Transition) -> (Arc<str>, Arc<str>) {
    (transition.rule.clone(), transition.key.clone())
}

#[cfg(test)]
mod tests;
