//! An event after privacy has been applied: the only form that a sink, a mail or an export can take.

use std::borrow::Cow;

use crate::base::Timestamp;
use crate::event::{Event, EventId, Level, Value};

/// Which fields are sealed. Built once from the settings.
#[derive(Clone, Debug)]
pub struct Policy {
    _seal: Vec<String>,
}

impl Policy {
    /// Names are compared as in queries: lower case, letters and digits only.
    pub fn new(_seal: &[String], _keep_original: bool) -> Self {
        todo!("privacy helper")
    }
}

/// Fields are private: only [`protect`] makes one.
#[derive(Debug)]
pub struct Outgoing<'a> {
    event: Event<'a>,
    message: Option<Cow<'a, str>>,
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The only way out.
pub fn protect<'a>(_policy: &Policy, _event: Event<'a>) -> Outgoing<'a> {
    todo!("privacy helper")
}

impl<'a> Outgoing<'a> {
    pub fn id(&self) -> EventId {
        self.event.id()
    }
    pub fn time(&self) -> Timestamp {
        self.event.time()
    }
    pub fn level(&self) -> Option<Level> {
        self.event.level()
    }
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
    /// Top-level fields under the names they have in the event document.
    pub fn fields(&self) -> &[(Cow<'a, str>, Value<'a>)] {
        &self.fields
    }
    /// Appends the event document (one JSON object, no line end), written straight into `body`.
    pub fn write_json(&self, _body: &mut Vec<u8>) {
        todo!("privacy helper")
    }
    /// Bytes of input that this event stands for.
    pub fn input_bytes(&self) -> u64 {
        self.event.record.end - self.event.record.start
    }
}
