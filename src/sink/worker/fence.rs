//! How far a lane may read: as far as the main worker has read.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::event::{Cursor, GenerationId, Mark};
use crate::follow::Read;
use crate::sink::queue::Queue;

/// How far the main worker has read: no lane goes further.
#[derive(Debug)]
pub(super) struct Fence {
    upto: Mutex<HashMap<GenerationId, u64>>,
    changes: watch::Sender<u64>,
}

impl Fence {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Fence { upto: Mutex::default(), changes: watch::Sender::new(0) })
    }

    /// Never goes back.
    pub(super) fn raise(&self, places: impl Iterator<Item = (GenerationId, u64)>) {
        let mut upto = self.upto.lock().expect("no holder of the fence panics");
        let mut raised = false;
        for (generation, offset) in places {
            let known = upto.entry(generation).or_insert_with(|| {
                raised = true;
                offset
            });
            raised |= *known < offset;
            *known = offset.max(*known);
        }
        drop(upto);
        if raised {
            self.tell();
        }
    }

    /// The log has news, perhaps of a generation that had its fence before it was found.
    pub(super) fn tell(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn of(&self, generation: GenerationId) -> Option<u64> {
        self.upto.lock().expect("no holder of the fence panics").get(&generation).copied()
    }

    pub(super) fn all(&self) -> HashMap<GenerationId, u64> {
        self.upto.lock().expect("no holder of the fence panics").clone()
    }
}

/// The log up to the fence.
pub(super) struct Fenced {
    pub queue: Arc<dyn Queue>,
    pub fence: Arc<Fence>,
}

impl Queue for Fenced {
    fn generations(&self) -> Vec<GenerationId> {
        let behind = |id: &GenerationId| self.fence.of(*id).is_some();
        self.queue.generations().into_iter().filter(behind).collect()
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        let (start, end) = self.queue.extent(generation)?;
        Some((start, self.fence.of(generation)?.clamp(start, end.max(start))))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.fence.changes.subscribe()
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        self.queue.read(cursor)
    }

    fn settled(&self) -> bool {
        self.queue.settled()
    }

    fn bears(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        self.queue.bears(generation, mark)
    }
}
