//! Where one event is on its way to a sink, for somebody who looks at it. Asked rarely, and told with the status
//! from then on. Moves nothing.

use super::byte_accounting::Fate;
use super::inspected_event::{Found, Looked};
use super::task_result::Finish;
use super::{Worker, WorkerConfig};
use crate::event::Cursor;
use crate::event::status::{Asked, LineState};
use crate::follow::Read;
use crate::privacy::shown;

/// Blocking. `None`: the event cannot be read (any more).
pub(super) fn look_up(config: &WorkerConfig, place: Cursor) -> Option<Found> {
    let Ok(Read::Batch { batch, first }) = config.queue.read(place) else { return None };
    let event = batch.event(first);
    let is_letter = config.dead_letters.holds(&config.name, &event.id().to_string());
    let mut item = Vec::new();
    config.sink.encode(&shown(&config.policy, event), &mut item);
    Some(Found {
        is_filtered: item.is_empty() || !config.filter.passes(&event),
        is_letter,
        target: config.sink.target(&item).to_owned(),
    })
}

impl Worker {
    pub(super) fn look_for(&mut self, place: Cursor) {
        self.tracks.looked = Some(Looked { place, fate: None, found: None });
        let config = self.config.clone();
        self.tasks.spawn_blocking(move || Finish::LookedUp(place, look_up(&config, place)));
    }

    pub(super) fn take_looked_up(&mut self, place: Cursor, found: Option<Found>) {
        if let Some(looked) = self.tracks.looked.as_mut().filter(|looked| looked.place == place) {
            looked.found = found;
            self.report.touch();
        }
    }

    /// The event that was asked for, and where it is now.
    pub(super) fn asked(&self) -> Option<Asked> {
        let looked = self.tracks.looked.as_ref()?;
        Some(Asked { place: looked.place, state: self.state_of(looked) })
    }

    fn state_of(&self, looked: &Looked) -> LineState {
        let Cursor { generation, offset } = looked.place;
        let found = looked.found.as_ref();
        let Some(track) = self.tracks.of(generation) else { return LineState::Unknown };
        if self.config.queue.extent(generation).is_some_and(|(start, _)| offset < start) {
            return LineState::BeforeStart;
        }
        if found.is_some_and(|found| found.is_filtered) {
            return LineState::Filtered;
        }
        let in_lane = found.and_then(|found| self.lanes.asked(&found.target, looked.place));
        match looked.fate {
            Some(Fate::DeadLetter) => LineState::DeadLetter,
            Some(Fate::Lost) => LineState::Lost,
            Some(Fate::Filtered) => LineState::Filtered,
            _ if in_lane.is_some() => in_lane.unwrap_or(LineState::Waiting),
            _ if !track.prefix.contains(offset) => {
                let mut places = self.transit.set_aside().flat_map(|bulk| &bulk.places);
                let is_set_aside = places.any(|place| self.tracks.is_at(*place, looked.place));
                match offset < track.reading.offset && !is_set_aside {
                    true => LineState::InFlight,
                    false => LineState::Waiting,
                }
            }
            _ if self.commits.own_cursors && offset >= track.committed => LineState::InFlight,
            None if found.is_some_and(|found| found.is_letter) => LineState::DeadLetter,
            _ => LineState::Delivered,
        }
    }
}
