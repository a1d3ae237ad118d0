//! The state of one rule: the counts of events in the windows of its keys, and its firing incidents.

use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use super::clock_step::ClockStep;
use super::event_time::{Arrival, KeyTime, PassedTime};
use super::group::{Grouping, Keys};
use super::rule::RuleConfig;
use super::transition::{Change, EventLocation, Transition};
use super::window::Window;
use crate::base::Timestamp;
use crate::event::Event;
use crate::event::status::{RuleState, RuleStatus};
use crate::privacy::Policy;

/// Maximum number of keys per rule; further keys are counted together as [`OTHER`].
pub(super) const MAX_KEYS: usize = 10_000;
pub(super) const OTHER: &str = "(other)";
/// At the key limit, quiet keys are removed at most this often per window.
const REMOVALS_PER_WINDOW: u32 = 4;
/// Number of slices of the sparkline.
const SPARKLINE_SLICES: usize = 12;

#[derive(Debug)]
pub(super) struct Threshold {
    config: RuleConfig,
    pub(super) name: Arc<str>,
    description: Arc<str>,
    limit: Arc<str>,
    grouping: Grouping,
    keys: Keys,
    pub(super) slots: Vec<Slot>,
    /// Indexes in `slots` of the keys for which the rule is firing.
    firing: Vec<usize>,
    key_time: KeyTime,
    /// Matches of all keys, for the sparkline.
    sparkline: Buckets,
    fired: u64,
    last_fired: Option<Timestamp>,
    /// Wall-clock time at which the last incident was resolved.
    resolved_at: Option<Timestamp>,
    /// All events that were written before the start have been read.
    history_read: bool,
    /// Number of matches that were too late to count.
    pub(super) late: u64,
    /// Event time that has passed for the rule, and its value at the last removal of quiet keys.
    passed_time: PassedTime,
    quiet_removed: Option<Duration>,
    /// Wall-clock time of the last removal of quiet keys.
    quiet_removed_at: Timestamp,
}

/// One key of a rule.
#[derive(Debug)]
pub(super) struct Slot {
    /// The real key, never shown.
    pub(super) key: Arc<str>,
    /// The displayed text of the key.
    shown_key: Arc<str>,
    key_time: KeyTime,
    /// Event time that had passed for the rule at the last event of the key.
    passed: Duration,
    window: Window,
    /// Also counts beyond the limit, at which the window stops counting; for display only.
    recent: Buckets,
    incident: Option<Incident>,
}

#[derive(Clone, Copy, Debug)]
struct Incident {
    /// Number within the rule.
    number: u64,
    /// History only: no live event has joined it.
    is_history: bool,
    first: Timestamp,
    last: Timestamp,
    matches: u64,
    place: EventLocation,
    /// Event time since which the count is below the limit.
    under_since: Option<Timestamp>,
}

impl Threshold {
    pub fn new(config: RuleConfig, policy: Arc<Policy>) -> Self {
        Threshold {
            name: config.name.as_str().into(),
            description: config.describe().into(),
            limit: config.limit().into(),
            grouping: Grouping::new(&config.by),
            keys: Keys::new(policy),
            slots: Vec::new(),
            firing: Vec::new(),
            key_time: KeyTime::NEVER,
            sparkline: Buckets::new(SPARKLINE_SLICES, config.window),
            fired: 0,
            last_fired: None,
            resolved_at: None,
            history_read: false,
            late: 0,
            passed_time: PassedTime::NONE,
            quiet_removed: None,
            quiet_removed_at: Timestamp::MIN,
            config,
        }
    }

    /// Moves all recorded times after the wall clock was set back, except the announced times of incidents.
    pub fn step_back(&mut self, step: ClockStep) {
        for slot in &mut self.slots {
            slot.window.step_back(step, slot.key_time.newest);
            slot.recent.step_back(step);
            slot.key_time.step_back(step);
            if let Some(incident) = &mut slot.incident {
                incident.under_since = incident.under_since.map(|since| step.moved(since));
            }
        }
        self.key_time.step_back(step);
        self.sparkline.step_back(step);
        self.passed_time.step_back(step);
        self.quiet_removed_at = step.moved(self.quiet_removed_at);
        self.resolved_at = self.resolved_at.map(|at| step.moved(at));
        self.last_fired = self.last_fired.map(|at| step.moved(at));
    }

    /// Counts the event if it matches; `emit` is called for each transition that this causes.
    pub fn on_event(&mut self, event: &Event<'_>, read: Arrival, emit: &mut dyn FnMut(Transition)) {
        let matches = self.config.condition.matches(event);
        if !matches && self.slots.is_empty() {
            return;
        }
        // A key's time never exceeds the read time of its events.
        let time = event.time().min(read.now);
        let Some(number) = self.slot(event, matches, read.now) else { return };
        if matches {
            self.passed_time.advance(time, self.config.window);
        }
        let slot = &mut self.slots[number];
        slot.key_time.advance(time, read);
        slot.passed = self.passed_time.passed();
        if matches {
            self.on_match(number, time, event, read, emit);
        } else if self.slots[number].incident.is_some() {
            self.resolve_if_over(number, read.now, emit);
        }
    }

    fn on_match(
        &mut self,
        number: usize,
        time: Timestamp,
        event: &Event<'_>,
        read: Arrival,
        emit: &mut dyn FnMut(Transition),
    ) {
        let limit = self.config.count.max(1);
        let slot = &mut self.slots[number];
        let newest = slot.key_time.newest;
        // With a limit of one every match fires, so none is too late.
        let time = if limit == 1 { newest } else { time };
        if !slot.window.add(time, newest) {
            self.late += 1;
            return;
        }
        slot.recent.add(time);
        self.key_time.advance(time, read);
        self.sparkline.add(time);
        match &mut slot.incident {
            Some(incident) => {
                incident.matches += 1;
                incident.last = incident.last.max(time);
                self.resolve_if_over(number, read.now, emit);
                if !read.is_history {
                    self.join_live(number, emit);
                }
            }
            None if slot.window.count(newest) >= limit => {
                let place = EventLocation {
                    generation: event.batch.generation.id,
                    offset: event.record.start,
                };
                self.fire(number, place, read.is_history, emit);
            }
            None => {}
        }
    }

    fn fire(
        &mut self,
        number: usize,
        place: EventLocation,
        is_history: bool,
        emit: &mut dyn FnMut(Transition),
    ) {
        self.fired += 1;
        let slot = &mut self.slots[number];
        let last = slot.key_time.newest;
        let first = slot.window.oldest(last).unwrap_or(last);
        let matches = slot.window.count(last);
        slot.incident = Some(Incident {
            number: self.fired,
            is_history,
            first,
            last,
            matches,
            place,
            under_since: None,
        });
        self.firing.push(number);
        self.last_fired = self.last_fired.max(Some(last));
        self.resolved_at = None;
        emit(self.transition(number, Change::Fired));
    }

    /// A live event joins an incident that started in the history: it is announced again, because the history may not
    /// have been announced. Not while the count is below the limit and the incident only keeps firing.
    fn join_live(&mut self, number: usize, emit: &mut dyn FnMut(Transition)) {
        let incident = self.slots[number].incident.as_mut();
        if let Some(incident) = incident.filter(|incident| incident.is_history)
            && incident.under_since.is_none()
        {
            incident.is_history = false;
            emit(self.transition(number, Change::Fired));
        }
    }

    /// Resolves the incident once the count has been below the limit for `keep_firing_for`, in event time.
    fn resolve_if_over(&mut self, number: usize, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        let slot = &mut self.slots[number];
        let newest = slot.key_time.newest;
        let Some(incident) = &mut slot.incident else { return };
        if slot.window.count(newest) >= self.config.count.max(1) {
            incident.under_since = None;
            return;
        }
        let since = *incident.under_since.get_or_insert(newest);
        if newest.since(since) >= self.config.keep_firing_for {
            self.resolve(number, now, emit);
        }
    }

    fn resolve(&mut self, number: usize, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        emit(self.transition(number, Change::Resolved));
        let slot = &mut self.slots[number];
        slot.incident = None;
        // An incident of the history ended when its last event was written.
        let earlier = slot.key_time.is_history && !self.history_read;
        let ended = if earlier { slot.key_time.newest.min(now) } else { now };
        self.firing.retain(|firing| *firing != number);
        if self.firing.is_empty() {
            self.resolved_at = Some(ended);
        }
    }

    /// Resolves the incidents that had no event for [`Self::patience`]; with `historic`, those of the history by event
    /// time.
    fn resolve_silent(&mut self, now: Timestamp, historic: bool, emit: &mut dyn FnMut(Transition)) {
        let patience = self.patience();
        for number in self.firing.clone() {
            let key_time = &self.slots[number].key_time;
            let since =
                if historic && key_time.is_history { key_time.newest } else { key_time.last_read };
            if now.since(since) >= patience {
                self.resolve(number, now, emit);
            }
        }
    }

    /// Whether an incident of the history has ended by now, although no later event has been read yet.
    fn is_over(&self, number: usize, now: Timestamp) -> bool {
        let key_time = &self.slots[number].key_time;
        !self.history_read && key_time.is_history && now.since(key_time.newest) >= self.patience()
    }

    /// Time without events after which an incident is resolved.
    fn patience(&self) -> Duration {
        self.config.window.saturating_add(self.config.keep_firing_for)
    }

    fn transition(&self, number: usize, change: Change) -> Transition {
        let slot = &self.slots[number];
        let incident = slot.incident.expect("transitions are made only for incidents");
        Transition {
            rule: self.name.clone(),
            incident: incident.number,
            limit: self.limit.clone(),
            key: slot.shown_key.clone(),
            change,
            count: incident.matches,
            first: incident.first,
            last: incident.last,
            place: incident.place,
        }
    }

    /// The slot of the event's key. A key without a match so far has no slot and needs none.
    fn slot(&mut self, event: &Event<'_>, matches: bool, now: Timestamp) -> Option<usize> {
        let key: Arc<str> = match self.keys.find(&self.grouping, event) {
            Ok(number) => return Some(number),
            Err(_) if !matches => return None,
            Err(key) => key.into(),
        };
        if self.keys.len() >= MAX_KEYS && !self.remove_quiet_keys(now) {
            let known = self.keys.number(OTHER);
            return known.or_else(|| Some(self.add(OTHER.into(), OTHER.into())));
        }
        let shown_key = self.keys.shown_text(&self.grouping, event).unwrap_or_else(|| key.clone());
        Some(self.add(key, shown_key))
    }

    fn add(&mut self, key: Arc<str>, shown_key: Arc<str>) -> usize {
        self.slots.push(Slot {
            key: key.clone(),
            shown_key,
            key_time: KeyTime::NEVER,
            passed: Duration::ZERO,
            window: Window::new(self.config.count, self.config.window),
            recent: Buckets::new(SPARKLINE_SLICES, self.config.window),
            incident: None,
        });
        self.keys.insert(key)
    }

    /// Removes quiet keys: those with an empty window, by their own times or because they had no event for a whole
    /// window, in event time or by the clock. Keys are never compared with each other. `true`: there is room again.
    fn remove_quiet_keys(&mut self, now: Timestamp) -> bool {
        let (window, passed) = (self.config.window, self.passed_time.passed());
        let is_due = self
            .quiet_removed
            .is_none_or(|removed| passed - removed >= window / REMOVALS_PER_WINDOW);
        if !is_due && now.since(self.quiet_removed_at) < window / REMOVALS_PER_WINDOW {
            return false;
        }
        (self.quiet_removed, self.quiet_removed_at) = (Some(passed), now);
        self.slots.retain(|slot| {
            let is_quiet =
                passed - slot.passed >= window || now.since(slot.key_time.last_read) >= window;
            let is_empty = is_quiet || slot.window.count_at(slot.key_time.newest) == 0;
            slot.incident.is_some() || !is_empty
        });
        self.keys.replace(self.slots.iter().map(|slot| slot.key.clone()));
        let firing = |(number, slot): (usize, &Slot)| slot.incident.map(|_| number);
        self.firing = self.slots.iter().enumerate().filter_map(firing).collect();
        self.keys.len() < MAX_KEYS
    }

    /// Resolves incidents by the passing of time alone.
    pub fn tick(&mut self, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        self.resolve_silent(now, false, emit);
    }

    /// The history has been read: resolves those of its incidents that are over by now.
    pub fn settle(&mut self, now: Timestamp, emit: &mut dyn FnMut(Transition)) {
        self.resolve_silent(now, true, emit);
        self.history_read = true;
    }

    /// The displayed status may change without further events.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.firing.is_empty()
            || self.sparkline.sum_at(self.key_time.shown(now)) > 0
            || self.state(now) != RuleState::Inactive
    }

    fn state(&self, now: Timestamp) -> RuleState {
        let shown_for = self.config.window.max(Duration::from_secs(10));
        match self.resolved_at {
            _ if self.firing.iter().any(|number| !self.is_over(*number, now)) => RuleState::Firing,
            Some(at) if now.since(at) < shown_for => RuleState::Resolved,
            _ => RuleState::Inactive,
        }
    }

    pub fn status(&self, now: Timestamp) -> RuleStatus {
        let counted = self.slots.iter().map(|slot| {
            let at = slot.key_time.shown(now);
            let exact = slot.window.count_at(at);
            let reached = exact >= self.config.count.max(1);
            let count = if reached { exact.max(slot.recent.sum_at(at)) } else { exact };
            (slot.incident.is_some(), count, &slot.shown_key)
        });
        let (_, count, key) = counted
            .max_by_key(|(firing, count, _)| (*firing, *count))
            .map_or((false, 0, String::new()), |(firing, count, key)| {
                (firing, count, key.to_string())
            });
        RuleStatus {
            name: self.config.name.clone(),
            condition: self.description.to_string(),
            limit: self.config.count,
            count,
            key: if count > 0 { key } else { String::new() },
            state: self.state(now),
            last_fired: self.last_fired,
            history: self.sparkline.slices_at(self.key_time.shown(now)).collect(),
            fired: self.fired,
        }
    }
}
