//! One rule at work: the windows of its keys, and which of them fire.

use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use super::clock_step::Step;
use super::event_time::{Heard, Pace, Passage};
use super::group::{Grouping, Keys};
use super::rule::RuleConfig;
use super::transition::{Change, Place, Transition};
use super::window::Window;
use crate::base::Timestamp;
use crate::event::Event;
use crate::event::status::{RuleState, RuleStatus};
use crate::privacy::Policy;

/// Keys of one rule beyond this many count together.
pub(super) const MAX_KEYS: usize = 10_000;
pub(super) const OTHER: &str = "(other)";
/// While there are too many keys, those that went quiet are looked for this often in a window.
const SWEEPS: u32 = 4;
/// Slices of the small picture of a rule's window.
const HISTORY: usize = 12;

#[derive(Debug)]
pub(super) struct Threshold {
    config: RuleConfig,
    pub(super) name: Arc<str>,
    description: Arc<str>,
    grouping: Grouping,
    keys: Keys,
    pub(super) slots: Vec<Slot>,
    /// Numbers of the slots that fire.
    firing: Vec<usize>,
    pace: Pace,
    /// Matches of all keys.
    history: Buckets,
    fired: u64,
    last_fired: Option<Timestamp>,
    /// By the wall clock, when nothing fired any more.
    resolved_at: Option<Timestamp>,
    /// What stood in the files at the first look has been read.
    settled: bool,
    /// Matches that came too late to count.
    pub(super) late: u64,
    /// How much event time has passed, and how much of it when quiet keys were last forgotten.
    passage: Passage,
    swept: Option<Duration>,
    /// By the wall clock: when that was.
    swept_at: Timestamp,
}

/// One key of a rule.
#[derive(Debug)]
pub(super) struct Slot {
    /// Known here alone.
    pub(super) key: Arc<str>,
    /// What is told of it.
    told: Arc<str>,
    pace: Pace,
    /// What had passed for the rule when it was last heard.
    passed: Duration,
    window: Window,
    /// Counts on where the window stops at the limit; for people.
    recent: Buckets,
    incident: Option<Incident>,
}

#[derive(Clone, Copy, Debug)]
struct Incident {
    /// Of its rule.
    number: u64,
    /// Nothing that came live has had a part in it.
    old: bool,
    first: Timestamp,
    last: Timestamp,
    matches: u64,
    place: Place,
    /// In event time: the count has been under the limit since.
    under_since: Option<Timestamp>,
}

impl Threshold {
    pub fn new(config: RuleConfig, policy: Arc<Policy>) -> Self {
        Threshold {
            name: config.name.as_str().into(),
            description: config.describe().into(),
            grouping: Grouping::new(&config.by),
            keys: Keys::new(policy),
            slots: Vec::new(),
            firing: Vec::new(),
            pace: Pace::NEVER,
            history: Buckets::new(HISTORY, config.window),
            fired: 0,
            last_fired: None,
            resolved_at: None,
            settled: false,
            late: 0,
            passage: Passage::NONE,
            swept: None,
            swept_at: Timestamp::MIN,
            config,
        }
    }

    /// The clock went back. Times that are told of an incident stay as they stand in the log.
    pub fn step_back(&mut self, step: Step) {
        for slot in &mut self.slots {
            slot.window.step_back(step, slot.pace.newest);
            slot.recent.step_back(step);
            slot.pace.step_back(step);
            if let Some(incident) = &mut slot.incident {
                incident.under_since = incident.under_since.map(|since| step.moved(since));
            }
        }
        self.pace.step_back(step);
        self.history.step_back(step);
        self.passage.step_back(step);
        self.swept_at = step.moved(self.swept_at);
        self.resolved_at = self.resolved_at.map(|at| step.moved(at));
        self.last_fired = self.last_fired.map(|at| step.moved(at));
    }

    pub fn on_event(&mut self, event: &Event<'_>, heard: Heard, tell: &mut dyn FnMut(Transition)) {
        let matches = self.config.condition.matches(event);
        if !matches && self.slots.is_empty() {
            return;
        }
        // No event moves a key's time past the moment it was read.
        let time = event.time().min(heard.now);
        let Some(number) = self.slot(event, matches, heard.now) else { return };
        if matches {
            self.passage.advance(time, self.config.window);
        }
        let slot = &mut self.slots[number];
        slot.pace.hear(time, heard);
        slot.passed = self.passage.passed();
        if matches {
            self.on_match(number, time, event, heard, tell);
        } else if self.slots[number].incident.is_some() {
            self.judge_end(number, heard.now, tell);
        }
    }

    fn on_match(
        &mut self,
        number: usize,
        time: Timestamp,
        event: &Event<'_>,
        heard: Heard,
        tell: &mut dyn FnMut(Transition),
    ) {
        let limit = self.config.count.max(1);
        let slot = &mut self.slots[number];
        let newest = slot.pace.newest;
        // A limit of one is reached by every match: that is never late.
        let time = if limit == 1 { newest } else { time };
        if !slot.window.add(time, newest) {
            self.late += 1;
            return;
        }
        slot.recent.add(time);
        self.pace.hear(time, heard);
        self.history.add(time);
        match &mut slot.incident {
            Some(incident) => {
                incident.matches += 1;
                incident.last = incident.last.max(time);
                self.judge_end(number, heard.now, tell);
                if !heard.old {
                    self.join(number, tell);
                }
            }
            None if slot.window.count(newest) >= limit => {
                let place =
                    Place { generation: event.batch.generation.id, offset: event.record.start };
                self.fire(number, place, heard.old, tell);
            }
            None => {}
        }
    }

    fn fire(&mut self, number: usize, place: Place, old: bool, tell: &mut dyn FnMut(Transition)) {
        self.fired += 1;
        let slot = &mut self.slots[number];
        let last = slot.pace.newest;
        let first = slot.window.oldest(last).unwrap_or(last);
        let matches = slot.window.count(last);
        slot.incident = Some(Incident {
            number: self.fired,
            old,
            first,
            last,
            matches,
            place,
            under_since: None,
        });
        self.firing.push(number);
        self.last_fired = self.last_fired.max(Some(last));
        self.resolved_at = None;
        tell(self.transition(number, Change::Fired));
    }

    /// What came live has a part in an incident that began with what stood in its file: told once more, as it may not
    /// have been told at all. Not while it only keeps firing.
    fn join(&mut self, number: usize, tell: &mut dyn FnMut(Transition)) {
        let incident = self.slots[number].incident.as_mut();
        if let Some(incident) = incident.filter(|incident| incident.old)
            && incident.under_since.is_none()
        {
            incident.old = false;
            tell(self.transition(number, Change::Fired));
        }
    }

    /// By event time: over once the count has been under the limit for as long as the rule keeps firing.
    fn judge_end(&mut self, number: usize, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        let slot = &mut self.slots[number];
        let newest = slot.pace.newest;
        let Some(incident) = &mut slot.incident else { return };
        if slot.window.count(newest) >= self.config.count.max(1) {
            incident.under_since = None;
            return;
        }
        let since = *incident.under_since.get_or_insert(newest);
        if newest.since(since) >= self.config.keep_firing_for {
            self.resolve(number, now, tell);
        }
    }

    fn resolve(&mut self, number: usize, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        tell(self.transition(number, Change::Resolved));
        let slot = &mut self.slots[number];
        slot.incident = None;
        // What stood in its file at the first look ended when that was written.
        let earlier = slot.pace.old && !self.settled;
        let ended = if earlier { slot.pace.newest.min(now) } else { now };
        self.firing.retain(|firing| *firing != number);
        if self.firing.is_empty() {
            self.resolved_at = Some(ended);
        }
    }

    fn resolve_silent(&mut self, now: Timestamp, old_ones: bool, tell: &mut dyn FnMut(Transition)) {
        let patience = self.patience();
        for number in self.firing.clone() {
            let pace = &self.slots[number].pace;
            let since = if old_ones && pace.old { pace.newest } else { pace.heard };
            if now.since(since) >= patience {
                self.resolve(number, now, tell);
            }
        }
    }

    /// It stood in its file at the first look and ended before now, though nothing behind it has been read yet.
    fn is_over(&self, number: usize, now: Timestamp) -> bool {
        let pace = &self.slots[number].pace;
        !self.settled && pace.old && now.since(pace.newest) >= self.patience()
    }

    /// For so long nothing is heard before an incident is over.
    fn patience(&self) -> Duration {
        self.config.window.saturating_add(self.config.keep_firing_for)
    }

    fn transition(&self, number: usize, change: Change) -> Transition {
        let slot = &self.slots[number];
        let incident = slot.incident.expect("only an incident begins or ends");
        Transition {
            rule: self.name.clone(),
            incident: incident.number,
            condition: self.description.clone(),
            key: slot.told.clone(),
            change,
            count: incident.matches,
            first: incident.first,
            last: incident.last,
            place: incident.place,
        }
    }

    /// The slot of the event's key. A key that matched nothing yet has none and needs none.
    fn slot(&mut self, event: &Event<'_>, matches: bool, now: Timestamp) -> Option<usize> {
        let key: Arc<str> = match self.keys.find(&self.grouping, event) {
            Ok(number) => return Some(number),
            Err(_) if !matches => return None,
            Err(key) => key.into(),
        };
        if self.keys.len() >= MAX_KEYS && !self.sweep(now) {
            let known = self.keys.number(OTHER);
            return known.or_else(|| Some(self.add(OTHER.into(), OTHER.into())));
        }
        let told = self.keys.told(&self.grouping, event).unwrap_or_else(|| key.clone());
        Some(self.add(key, told))
    }

    fn add(&mut self, key: Arc<str>, told: Arc<str>) -> usize {
        self.slots.push(Slot {
            key: key.clone(),
            told,
            pace: Pace::NEVER,
            passed: Duration::ZERO,
            window: Window::new(self.config.count, self.config.window),
            recent: Buckets::new(HISTORY, self.config.window),
            incident: None,
        });
        self.keys.insert(key)
    }

    /// Forgets keys whose window is empty, by their own times or because nothing was heard of them for a window, be it
    /// of event time or of the clock's. No key is compared with the times of others. `true`: there is room again.
    fn sweep(&mut self, now: Timestamp) -> bool {
        let (window, passed) = (self.config.window, self.passage.passed());
        let is_due = self.swept.is_none_or(|swept| passed - swept >= window / SWEEPS);
        if !is_due && now.since(self.swept_at) < window / SWEEPS {
            return false;
        }
        (self.swept, self.swept_at) = (Some(passed), now);
        self.slots.retain(|slot| {
            let is_quiet = passed - slot.passed >= window || now.since(slot.pace.heard) >= window;
            let is_empty = is_quiet || slot.window.count_at(slot.pace.newest) == 0;
            slot.incident.is_some() || !is_empty
        });
        self.keys.replace(self.slots.iter().map(|slot| slot.key.clone()));
        let firing = |(number, slot): (usize, &Slot)| slot.incident.map(|_| number);
        self.firing = self.slots.iter().enumerate().filter_map(firing).collect();
        self.keys.len() < MAX_KEYS
    }

    pub fn tick(&mut self, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        self.resolve_silent(now, false, tell);
    }

    pub fn settle(&mut self, now: Timestamp, tell: &mut dyn FnMut(Transition)) {
        self.resolve_silent(now, true, tell);
        self.settled = true;
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.firing.is_empty()
            || self.history.sum_at(self.pace.shown(now)) > 0
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
            let at = slot.pace.shown(now);
            let exact = slot.window.count_at(at);
            let reached = exact >= self.config.count.max(1);
            let count = if reached { exact.max(slot.recent.sum_at(at)) } else { exact };
            (slot.incident.is_some(), count, &slot.told)
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
            history: self.history.slices_at(self.pace.shown(now)).collect(),
            fired: self.fired,
        }
    }
}
