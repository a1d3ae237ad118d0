//! Counts lost bytes: those that a consumer can no longer read. If several consumers lose bytes of a generation, only
//! the largest of their losses counts.
//!
//! The total is exact since the start of the process; files are listed for the latest losses only.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use crate::base::Timestamp;
use crate::event::GenerationId;
use crate::state::GenerationRow;

/// Maximum number of generations whose losses are listed individually.
const LISTED: usize = 100;

/// The loss of one generation.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::follow) struct Loss {
    pub source: String,
    pub path: PathBuf,
    pub format: Option<String>,
    /// Known bytes of the generation.
    pub size: u64,
    pub lost: u64,
    pub ended: Timestamp,
}

impl Loss {
    pub fn of(row: &GenerationRow, lost: u64) -> Loss {
        Loss {
            source: row.source.clone(),
            path: row.path.clone(),
            format: row.formats.last().map(|entry| entry.format.clone()),
            size: row.end(),
            lost,
            ended: row.ended.unwrap_or(row.first_seen),
        }
    }
}

#[derive(Debug, Default)]
pub(in crate::follow) struct Losses {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Lost bytes of every generation that has a row in the state.
    amounts: HashMap<GenerationId, u64>,
    /// The latest losses, each with the number of the call that recorded it first.
    by_generation: BTreeMap<GenerationId, (u64, Loss)>,
    total: u64,
    /// Number of calls of [`Losses::note`].
    noted: u64,
}

impl Losses {
    /// Records the loss of one consumer in a generation. `true`: the loss of the generation has grown.
    pub fn note(&self, id: GenerationId, loss: Loss) -> bool {
        let inner = &mut *self.inner();
        inner.noted += 1;
        let known = inner.amounts.entry(id).or_default();
        let more = loss.lost.saturating_sub(*known);
        *known += more;
        inner.total += more;
        let number = inner.noted;
        let (_, listed) = inner.by_generation.entry(id).or_insert_with(|| (number, loss));
        listed.lost = *known;
        if inner.by_generation.len() > LISTED {
            let oldest = inner.by_generation.iter().min_by_key(|(_, (number, _))| *number);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                inner.by_generation.remove(&oldest);
            }
        }
        more > 0
    }

    /// The generation has expired: no more losses of it are recorded.
    pub fn forget(&self, generation: GenerationId) {
        self.inner().amounts.remove(&generation);
    }

    /// Lost bytes of all generations since the start of the process.
    pub fn total(&self) -> u64 {
        self.inner().total
    }

    /// The latest losses, by generation.
    pub fn listed(&self) -> Vec<(GenerationId, Loss)> {
        self.inner().by_generation.iter().map(|(id, (_, loss))| (*id, loss.clone())).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of the losses panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(lost: u64) -> Loss {
        Loss {
            source: "app".into(),
            path: "/app.log".into(),
            format: None,
            size: 20,
            lost,
            ended: Timestamp(0),
        }
    }

    #[test]
    fn any_number_of_generations_count_once_each_by_their_longest_gap() {
        let losses = Losses::default();
        for _ in 0..2 {
            for number in 0..3 * LISTED as u64 {
                losses.note(GenerationId(number), loss(10));
                losses.note(GenerationId(number), loss(7));
            }
        }
        assert_eq!(losses.total(), 30 * LISTED as u64);
        assert_eq!(losses.listed().len(), LISTED);
        assert!(losses.note(GenerationId(0), loss(12)));
        assert_eq!(losses.total(), 30 * LISTED as u64 + 2);
    }
}
