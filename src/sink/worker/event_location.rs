//! Finds where one event is on its way to a sink, when the detail pane or the control socket asks. The answer is part
//! of the status from then on. Moves no cursor.

use super::byte_accounting::ByteOutcome;
use super::inspected_event::{EventFacts, InspectedEvent};
use super::task_result::TaskResult;
use super::{Worker, WorkerConfig};
use crate::event::Cursor;
use crate::event::status::{Asked, LineState};
use crate::follow::Read;
use crate::privacy::shown;

/// Blocking. `None`: the event cannot be read (any more).
pub(super) fn inspect(config: &WorkerConfig, event: Cursor) -> Option<EventFacts> {
    let Ok(Read::Batch { batch, first }) = config.queue.read(event) else { return None };
    let event = batch.event(first);
    let is_letter = config.dead_letters.holds(&config.name, &event.id().to_string());
    let mut item = Vec::new();
    config.sink.encode(&shown(&config.policy, event), &mut item);
    Some(EventFacts {
        is_filtered: item.is_empty() || !config.filter.passes(&event),
        is_letter,
        target: config.sink.target(&item).to_owned(),
    })
}

impl Worker {
    pub(super) fn start_inspection(&mut self, event: Cursor) {
        self.progress.inspected = Some(InspectedEvent { event, byte_outcome: None, facts: None });
        let config = self.config.clone();
        self.tasks.spawn_blocking(move || TaskResult::Inspected(event, inspect(&config, event)));
    }

    pub(super) fn take_inspection(&mut self, event: Cursor, facts: Option<EventFacts>) {
        if let Some(inspected) =
            self.progress.inspected.as_mut().filter(|inspected| inspected.event == event)
        {
            inspected.facts = facts;
            self.report.touch();
        }
    }

    /// The inspected event and its current location.
    pub(super) fn inspection_answer(&self) -> Option<Asked> {
        let inspected = self.progress.inspected.as_ref()?;
        Some(Asked { place: inspected.event, state: self.state_of(inspected) })
    }

    fn state_of(&self, inspected: &InspectedEvent) -> LineState {
        let Cursor { generation, offset } = inspected.event;
        let facts = inspected.facts.as_ref();
        let Some(track) = self.progress.of(generation) else { return LineState::Unknown };
        if self.config.queue.extent(generation).is_some_and(|(start, _)| offset < start) {
            return LineState::BeforeStart;
        }
        if facts.is_some_and(|facts| facts.is_filtered) {
            return LineState::Filtered;
        }
        let in_lane = facts.and_then(|facts| self.lanes.answer_for(&facts.target, inspected.event));
        match inspected.byte_outcome {
            Some(ByteOutcome::DeadLetter) => LineState::DeadLetter,
            Some(ByteOutcome::Lost) => LineState::Lost,
            Some(ByteOutcome::Filtered) => LineState::Filtered,
            _ if in_lane.is_some() => in_lane.unwrap_or(LineState::Waiting),
            _ if !track.prefix.contains(offset) => {
                let mut spans = self.in_flight.not_sent().flat_map(|bulk| &bulk.spans);
                let is_not_sent = spans.any(|span| self.progress.covers(*span, inspected.event));
                match offset < track.reading.offset && !is_not_sent {
                    true => LineState::InFlight,
                    false => LineState::Waiting,
                }
            }
            _ if self.commits.own_cursors && offset >= track.committed => LineState::InFlight,
            None if facts.is_some_and(|facts| facts.is_letter) => LineState::DeadLetter,
            _ => LineState::Delivered,
        }
    }
}
