//! One dead letter: a rejected event in the form of its JSON line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::GenerationId;
use crate::privacy::{Origin, Outgoing, StoredError, stored};
use crate::sink::Refusal;

/// Version of the line format. Version 1 had no day, status and type, and `*` for every target.
pub const VERSION: u32 = 2;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    pub version: u32,
    /// Id of the event.
    pub id: String,
    pub source: String,
    pub path: String,
    /// Hexadecimal.
    pub generation: String,
    pub offset: u64,
    /// When it was rejected first.
    pub time: String,
    /// The day that names its index, in days since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_day: Option<i32>,
    /// The index or file that rejected it.
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    pub reason: String,
    /// How often it was sent.
    pub attempts: u32,
    /// The event document as it was sent.
    pub document: Box<RawValue>,
}

impl DeadLetter {
    /// From the rejected document, byte for byte: the log may no longer hold its event.
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

    #[must_use]
    pub fn refused(mut self, refusal: Refusal) -> Self {
        (self.status, self.kind, self.reason) = (refusal.status, refusal.kind, refusal.reason);
        self
    }

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
