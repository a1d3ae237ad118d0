//! Stores the events that a target rejected permanently as dead letters. They are built from the bodies that were sent:
//! the log may have been truncated since, and may hold other events at the same offsets or none.

use std::io;

use super::Worker;
use super::bulk::Bulk;
use super::byte_accounting::ByteOutcome;
use crate::event::SourceName;
use crate::privacy::{Origin, StoredError};
use crate::sink::Refusal;
use crate::sink::dead_letters::DeadLetter;

/// One rejected event.
struct Refused {
    document: String,
    origin: Origin,
    source: SourceName,
    target: String,
    attempts: u32,
    refusal: Refusal,
}

impl Refused {
    fn letter(self) -> Result<DeadLetter, StoredError> {
        let Refused { document, origin, source, target, attempts, refusal } = self;
        let letter = DeadLetter::of(document, origin, &source, target, attempts)?;
        Ok(letter.refused(refusal))
    }
}

impl Worker {
    /// Stores the rejected events of a bulk; `refused`: their indices and the reasons. `false` if they could not be
    /// stored: then they are not dead letters yet and must be sent again.
    pub(super) async fn keep_dead_letters(
        &mut self,
        bulk: &Bulk,
        refused: &[(usize, Refusal)],
    ) -> bool {
        let all: Vec<Refused> =
            refused.iter().map(|(index, why)| self.refused(bulk, *index, why)).collect();
        let config = self.config.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let letters: Result<Vec<DeadLetter>, StoredError> =
                all.into_iter().map(Refused::letter).collect();
            config.dead_letters.keep(&config.name, letters.map_err(io::Error::other)?)
        });
        if let Err(error) = kept.await.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            let text = format!("cannot store dead letters ({error})");
            self.fail(text.clone(), None, Some(text));
            return false;
        }
        for (index, _) in refused {
            self.progress.complete(bulk.spans[*index], ByteOutcome::DeadLetter);
        }
        self.report.dead_letters(refused.len() as u64, &refused[0].1.to_string());
        true
    }

    fn refused(&self, bulk: &Bulk, index: usize, refusal: &Refusal) -> Refused {
        let (sink, item) = (&self.config.sink, bulk.items.item(index));
        let slot = bulk.spans[index].slot;
        let generation = self.progress.generation(slot);
        Refused {
            document: sink.document(item).into_owned(),
            origin: Origin { generation, day: Some(bulk.days[index]) },
            source: self.progress.source(slot),
            target: sink.target(item).to_owned(),
            attempts: bulk.attempts + 1,
            refusal: refusal.clone(),
        }
    }
}
