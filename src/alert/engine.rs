//! The evaluator: events and times in, transitions out. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::clock_step::Step;
use super::event_time::Heard;
use super::rule::RuleConfig;
use super::threshold::Threshold;
use super::transition::Transition;
use crate::base::Timestamp;
use crate::event::status::RuleStatus;
use crate::event::{Event, Flags};
use crate::privacy::Policy;

/// All rules and what they have counted. Memory: at most 10,000 keys a rule.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Threshold>,
    /// The clock at the last look at it.
    looked: Timestamp,
    /// How far it went back since somebody asked.
    stepped: Duration,
}

impl Engine {
    /// What the policy hides is not told in keys either: the tag of a value stands for it, or a pseudonym.
    pub fn new(rules: Vec<RuleConfig>, policy: &Arc<Policy>) -> Self {
        let threshold = |rule| Threshold::new(rule, policy.clone());
        let rules = rules.into_iter().map(threshold).collect();
        Engine { rules, looked: Timestamp::MIN, stepped: Duration::ZERO }
    }

    /// Each event once, in the order of its generation. `now` is when it was read.
    pub fn on_event(
        &mut self,
        event: &Event<'_>,
        now: Timestamp,
        tell: &mut dyn FnMut(Transition),
    ) {
        self.hear(event, Heard { now, old: false }, tell);
    }

    /// The same for one that stood in its file at the first look.
    pub fn on_old_event(
        &mut self,
        event: &Event<'_>,
        now: Timestamp,
        tell: &mut dyn FnMut(Transition),
    ) {
        self.hear(event, Heard { now, old: true }, tell);
    }

    fn hear(&mut self, event: &Event<'_>, heard: Heard, tell: &mut dyn FnMut(Transition)) {
        if event.record.flags.contains(Flags::QUIET) {
            return;
        }
        self.look(heard.now);
        for rule in &mut self.rules {
            rule.on_event(event, heard, tell);
        }
    }

    /// Windows follow a clock that goes back: nothing that comes now is late only because the clock was ahead.
    fn look(&mut self, now: Timestamp) {
        if let Some(step) = Step::between(self.looked, now) {
            self.rules.iter_mut().for_each(|rule| rule.step_back(step));
            self.stepped += step.by();
        }
        self.looked = now;
    }

    /// How far the clock went back since the last call.
    pub(super) fn take_step(&mut self) -> Duration {
        std::mem::take(&mut self.stepped)
    }

    /// Resolves what has heard nothing for its window, by the wall clock.
    pub fn tick(&mut self, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        self.look(now);
        for rule in &mut self.rules {
            rule.tick(now, tell);
        }
    }

    /// Everything old has been read. From here on the wall clock counts for it too: what ended before now by
    /// its own times is resolved, unless something live was heard of it.
    pub fn settle(&mut self, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        self.look(now);
        for rule in &mut self.rules {
            rule.settle(now, tell);
        }
    }

    /// Something would change by the passing of time alone.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| rule.is_active(now))
    }

    pub fn statuses(&self, now: Timestamp) -> Vec<RuleStatus> {
        self.rules.iter().map(|rule| rule.status(now)).collect()
    }

    /// Matches that came too late to count, in all rules.
    pub fn late_dropped(&self) -> u64 {
        self.rules.iter().map(|rule| rule.late).sum()
    }

    /// The same by rule.
    pub(super) fn late(&self) -> impl Iterator<Item = (Arc<str>, u64)> {
        self.rules.iter().map(|rule| (rule.name.clone(), rule.late))
    }
}

#[cfg(test)]
mod tests;
