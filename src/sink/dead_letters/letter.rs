//! One dead letter: a rejected event in the form of its JSON line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::GenerationId;
use crate::privacy::{Origin, Outgoing, StoredError, stored};
use crate::sink::Refusal;

/// Version of the line format. Lines of version 1 have no day, status or type, and their target is always `*`.
pub const VERSION: u32 = 2;

/// Its fields are the keys of the JSON line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    pub version: u32,
    /// Id of the event.
    pub id: String,
    /// Name of the source.
    pub source: String,
    /// Path of the log file.
    pub path: String,
    /// Id of the generation, hexadecimal.
    pub generation: String,
    /// Where its record starts in the generation.
    pub offset: u64,
    /// When it was first rejected.
    pub time: String,
    /// The day that names its index, in days since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_day: Option<i32>,
    /// The index or file that rejected it.
    pub target: String,
    /// The HTTP status with which it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The type of the error, as the target names it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    pub reason: String,
    /// How many times it was sent.
    pub attempts: u32,
    /// The event document as it was sent.
    pub document: Box<RawValue>,
}

impl DeadLetter {
    /// Created from the rejected document, which is kept byte for byte: its event may no longer be in the log. The time
    /// and the reason are still empty.
    pub fn of(
        document: String,
        origin: Origin,
        source: &str,
        target: String,
        attempts: u32,
    ) -> Result<Self, StoredError> {
        let document = RawValue::from_string(document)?;
        let event = stored(document.get(), origin)?;
        Ok(DeadLetter {
            version: VERSION,
            id: event.id().to_string(),
            source: source.to_owned(),
            path: event.path().to_string(),
            generation: format!("{:016x}", event.generation().0),
            offset: event.offset(),
            time: String::new(),
            epoch_day: origin.day,
            target,
            status: None,
            kind: None,
            reason: String::new(),
            attempts,
            document,
        })
    }

    /// Adds the reason of the rejection.
    #[must_use]
    pub fn refused(mut self, refusal: Refusal) -> Self {
        (self.status, self.kind, self.reason) = (refusal.status, refusal.kind, refusal.reason);
        self
    }

    /// The reason of the rejection.
    pub fn refusal(&self) -> Refusal {
        let (status, kind) = (self.status, self.kind.clone());
        Refusal { status, kind, reason: self.reason.clone() }
    }

    /// The event in the form that sinks send.
    pub fn outgoing(&self) -> Result<Outgoing<'_>, StoredError> {
        // Only a label: it appears neither in the document nor in the index name.
        let generation = u64::from_str_radix(&self.generation, 16).unwrap_or(0);
        let origin = Origin { generation: GenerationId(generation), day: self.epoch_day };
        stored(self.document.get(), origin)
    }
}
