//! Determines the delivery state of one event at a sink (delivered, waiting, dead letter, …), when the detail pane or
//! the control socket asks for it. The answer is part of the status from then on. Moves no cursor.

use super::byte_accounting::ByteOutcome;
use super::inspected_event::{EventFacts, InspectedEvent};
use super::task_result::TaskResult;
use super::{Worker, WorkerConfig};
use crate::event::Cursor;
use crate::event::status::{Asked, DeliveryState};
use crate::follow::Read;
use crate::privacy::shown;

/// Reads the event and determines the facts that do not depend on the worker's progress. Blocking. `None`: the event
/// cannot be read (any more).
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
    /// Makes this the inspected event, and starts to gather its facts on a blocking thread.
    pub(super) fn start_inspection(&mut self, event: Cursor) {
        self.progress.inspected = Some(InspectedEvent { event, byte_outcome: None, facts: None });
        let config = self.config.clone();
        self.tasks.spawn_blocking(move || TaskResult::Inspected(event, inspect(&config, event)));
    }

    /// Stores the facts, unless another event is inspected by now.
    pub(super) fn take_inspection(&mut self, event: Cursor, facts: Option<EventFacts>) {
        if let Some(inspected) =
            self.progress.inspected.as_mut().filter(|inspected| inspected.event == event)
        {
            inspected.facts = facts;
            self.report.touch();
        }
    }

    /// The inspected event and its current delivery state.
    pub(super) fn inspection_answer(&self) -> Option<Asked> {
        let inspected = self.progress.inspected.as_ref()?;
        Some(Asked { place: inspected.event, state: self.state_of(inspected) })
    }

    fn state_of(&self, inspected: &InspectedEvent) -> DeliveryState {
        let Cursor { generation, offset } = inspected.event;
        let facts = inspected.facts.as_ref();
        let Some(track) = self.progress.of(generation) else { return DeliveryState::Unknown };
        if self.config.queue.extent(generation).is_some_and(|(start, _)| offset < start) {
            return DeliveryState::BeforeStart;
        }
        if facts.is_some_and(|facts| facts.is_filtered) {
            return DeliveryState::Filtered;
        }
        let in_lane = facts.and_then(|facts| self.lanes.answer_for(&facts.target, inspected.event));
        match inspected.byte_outcome {
            Some(ByteOutcome::DeadLetter) => DeliveryState::DeadLetter,
            Some(ByteOutcome::Lost) => DeliveryState::Lost,
            Some(ByteOutcome::Filtered) => DeliveryState::Filtered,
            _ if in_lane.is_some() => in_lane.unwrap_or(DeliveryState::Waiting),
            _ if !track.prefix.contains(offset) => {
                let mut spans = self.in_flight.not_sent().flat_map(|bulk| &bulk.spans);
                let is_not_sent = spans.any(|span| self.progress.covers(*span, inspected.event));
                match offset < track.reading.offset && !is_not_sent {
                    true => DeliveryState::InFlight,
                    false => DeliveryState::Waiting,
                }
            }
            _ if self.commits.own_cursors && offset >= track.committed => DeliveryState::InFlight,
            None if facts.is_some_and(|facts| facts.is_letter) => DeliveryState::DeadLetter,
            _ => DeliveryState::Delivered,
        }
    }
}
