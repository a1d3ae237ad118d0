//! Evaluates all alert rules: events and times in, transitions out. No I/O.

use std::sync::Arc;
use std::time::Duration;

use super::clock_step::ClockStep;
use super::event_time::Arrival;
use super::rule::RuleConfig;
use super::threshold::Threshold;
use super::transition::Transition;
use crate::base::Timestamp;
use crate::event::status::RuleStatus;
use crate::event::{Event, Flags};
use crate::privacy::Policy;

/// All rules with their counts. Memory: at most 10,000 keys per rule.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Threshold>,
    /// The clock at the last call.
    last_now: Timestamp,
    /// How far the clock went back since the last [`Engine::take_step`].
    stepped_back: Duration,
}

impl Engine {
    /// In the keys of alerts too, values that the policy hides are replaced, with their tag or a pseudonym.
    pub fn new(rules: Vec<RuleConfig>, policy: &Arc<Policy>) -> Self {
        let threshold = |rule| Threshold::new(rule, policy.clone());
        let rules = rules.into_iter().map(threshold).collect();
        Engine { rules, last_now: Timestamp::MIN, stepped_back: Duration::ZERO }
    }

    /// Evaluates a live event. Each event is passed once, in the order of its generation; `now` is its read time.
    pub fn on_event(
        &mut self,
        event: &Event<'_>,
        now: Timestamp,
        emit: &mut dyn FnMut(Transition),
    ) {
        self.evaluate(event, Arrival { now, is_history: false }, emit);
    }

    /// Evaluates an event of the history: it existed when its file was first read.
    pub fn on_old_event(
        &mut self,
        event: &Event<'_>,
        now: Timestamp,
        emit: &mut dyn FnMut(Transition),
    ) {
        self.evaluate(event, Arrival { now, is_history: true }, emit);
    }

    fn evaluate(&mut self, event: &Event<'_>, read: Arrival, emit: &mut dyn FnMut(Transition)) {
        if event.record.flags.contains(Flags::QUIET) {
            return;
        }
        self.follow_clock(read.now);
        for rule in &mut self.rules {
            rule.on_event(event, read, emit);
        }
    }

    /// Moves the windows back if the clock went back, so that no new event counts as late because the clock was ahead.
    fn follow_clock(&mut self, now: Timestamp) {
        if let Some(step) = ClockStep::between(self.last_now, now) {
            self.rules.iter_mut().for_each(|rule| rule.step_back(step));
            self.stepped_back += step.by();
        }
        self.last_now = now;
    }

    /// How far the clock went back since the last call.
    pub(super) fn take_step(&mut self) -> Duration {
        std::mem::take(&mut self.stepped_back)
    }

    /// Resolves incidents that have had no event for the length of the window, by the wall clock.
    pub fn tick(&mut self, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        self.follow_clock(now);
        for rule in &mut self.rules {
            rule.tick(now, emit);
        }
    }

    /// The history has been read: from now on the wall clock applies to it too. Incidents that ended before now by
    /// their own times are resolved, unless a live event has joined them.
    pub fn settle(&mut self, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        self.follow_clock(now);
        for rule in &mut self.rules {
            rule.settle(now, emit);
        }
    }

    /// Whether time alone can still change the state.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| rule.is_active(now))
    }

    pub fn statuses(&self, now: Timestamp) -> Vec<RuleStatus> {
        self.rules.iter().map(|rule| rule.status(now)).collect()
    }

    /// Number of matches that were too late to count, over all rules.
    pub fn late_dropped(&self) -> u64 {
        self.rules.iter().map(|rule| rule.late).sum()
    }

    /// Number of late matches per rule.
    pub(super) fn late(&self) -> impl Iterator<Item = (Arc<str>, u64)> {
        self.rules.iter().map(|rule| (rule.name.clone(), rule.late))
    }
}

#[cfg(test)]
mod tests;
