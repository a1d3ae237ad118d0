//! [`Outgoing`]: an event with the privacy policy applied, the only form that a sink, a mail or an export accepts.

use std::borrow::Cow;
use std::sync::Arc;

use super::nested_json::Rewrite;
use super::parse_document::Document;
use super::sealed_values::EventSealer;
use super::truncated_text;
use super::{KeyError, Policy, Sealer};
use crate::base::Timestamp;
use crate::event::{Event, EventId, Flags, GenerationId, Level, Value, document};
use crate::query::Subject;

/// An event with the policy applied. Its fields are private: only [`protect`], [`shown`] and [`stored`] create one.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// A hash of the whole record, computed once.
    id: EventId,
    generation: GenerationId,
    offset: u64,
    input_bytes: u64,
    time: Timestamp,
    precision: u8,
    seen: Timestamp,
    day: i32,
    level: Option<Level>,
    flags: Flags,
    pub(super) host: Cow<'a, str>,
    pub(super) service: Option<Cow<'a, str>>,
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) path: Cow<'a, str>,
    pub(super) original: Option<Cow<'a, str>>,
    /// Names as in the document: those that start with `fields.` are in its object `fields`.
    pub(super) fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Rewritten JSON values, by the index of their field, ascending.
    pub(super) rewritten: Vec<(usize, String)>,
    pub(super) unprotected: u32,
}

/// Applies the policy to an event for a sink: seals values. Fails if a required key is not available: then nothing of
/// the event leaves.
pub fn protect<'a>(policy: &Policy, event: Event<'a>) -> Result<Outgoing<'a>, KeyError> {
    protect_with(policy, policy.sealer(), event)
}

/// Applies the policy without keys, for people who may read the log itself: values to be hidden become `[sealed]`.
pub fn shown<'a>(policy: &Policy, event: Event<'a>) -> Outgoing<'a> {
    protect_with(policy, None, event).expect("without a sealer no key is needed")
}

/// The text shown in alerts for a value of the event that is sealed or contains a sealed value: with tags or
/// pseudonyms, so that equal values have equal aliases within a month. `None`: the value itself may be shown.
pub fn alias(policy: &Policy, event: &Event<'_>, path: &str, value: &str) -> Option<String> {
    let mut event_sealer =
        EventSealer::new(policy, policy.sealer(), &event.batch.path, day_of(event));
    if let Some(treatment) = policy.treatment(path) {
        let found = event_sealer.seal_value(treatment, Cow::Borrowed(value));
        return Some(event_sealer.alias(found).to_owned());
    }
    unprotected_copy(policy, *event).seal_values(&mut event_sealer);
    event_sealer.aliases().replace(value)
}

/// The day of the event's own time, or else the day on which its bytes were first seen.
fn day_of(event: &Event<'_>) -> i32 {
    let flags = event.record.flags;
    match flags.contains(Flags::TIME_SEEN) || flags.contains(Flags::TIME_PREVIOUS) {
        true => event.batch.day,
        false => event.record.time.day(),
    }
}

fn protect_with<'a>(
    policy: &Policy,
    sealer: Option<&Arc<Sealer>>,
    event: Event<'a>,
) -> Result<Outgoing<'a>, KeyError> {
    let mut outgoing = unprotected_copy(policy, event);
    if event.record.flags.contains(Flags::INSIDE) && policy.hides_anything() {
        let event_sealer = EventSealer::new(policy, sealer, &event.batch.path, outgoing.day);
        outgoing.seal_whole(event_sealer, String::from_utf8_lossy(event.text()))?;
        return Ok(outgoing);
    }
    let is_cut = !policy.patterns().is_empty() && is_cut_off(&event, outgoing.message.as_deref());
    outgoing.seal(EventSealer::new(policy, sealer, &event.batch.path, outgoing.day), is_cut)?;
    Ok(outgoing)
}

/// Whether the message ends where the record was cut off: its last word may be incomplete, which no pattern finds.
fn is_cut_off(event: &Event<'_>, message: Option<&str>) -> bool {
    let flags = event.record.flags;
    if !flags.contains(Flags::TRUNCATED) && !flags.contains(Flags::PARTIAL) {
        return false;
    }
    let text = String::from_utf8_lossy(event.text());
    let word = &text[truncated_text::last_word(&text)..];
    !word.is_empty() && message.is_some_and(|message| message.ends_with(word))
}

/// The event as an [`Outgoing`] in which nothing is sealed yet.
fn unprotected_copy<'a>(policy: &Policy, event: Event<'a>) -> Outgoing<'a> {
    let parts = document::parts(event);
    let (record, generation) = (event.record, &event.batch.generation);
    Outgoing {
        id: event.id(),
        generation: generation.id,
        offset: record.start,
        input_bytes: record.end - record.start,
        time: record.time,
        precision: record.precision,
        seen: event.batch.seen,
        day: day_of(&event),
        level: record.level,
        flags: record.flags,
        host: Cow::Borrowed(&generation.host),
        service: generation.service.as_deref().map(Cow::Borrowed),
        message: parts.message,
        path: event.batch.path.to_string_lossy(),
        original: policy.keeps_original().then(|| String::from_utf8_lossy(event.text())),
        fields: parts.fields,
        rewritten: Vec::new(),
        unprotected: 0,
    }
}

/// Properties of a stored event that its document does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub generation: GenerationId,
    /// [`Outgoing::day`]; `None`: the day of its time.
    pub day: Option<i32>,
}

/// Reads back a document that was protected and stored before, unchanged: fields that the policy seals only since then
/// are not sealed.
pub fn stored<'a>(document: &'a str, origin: Origin) -> Result<Outgoing<'a>, StoredError> {
    let document = Document::parse(document)?;
    let id = EventId::parse(&document.id).ok_or(StoredError::NoId)?;
    let time = document.time();
    Ok(Outgoing {
        id,
        generation: origin.generation,
        offset: document.offset,
        input_bytes: 0,
        time,
        precision: document.precision(),
        seen: document.seen(),
        day: origin.day.unwrap_or(time.day()),
        level: document.level,
        flags: document.flags,
        host: document.host,
        service: document.service,
        message: document.message,
        path: document.path,
        original: document.original,
        fields: document.fields,
        rewritten: Vec::new(),
        unprotected: 0,
    })
}

/// Why a stored document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error("not an event document")]
    Document(#[from] serde_json::Error),
    #[error("the document has no event id")]
    NoId,
}

impl Outgoing<'_> {
    pub(super) fn apply_rewrite(&mut self, index: usize, rewrite: Rewrite) {
        match rewrite {
            Rewrite::Unchanged => {}
            Rewrite::Text(text) => self.fields[index].1 = Value::Text(Cow::Owned(text)),
            Rewrite::Json(json) => {
                match self.rewritten.binary_search_by_key(&index, |(index, _)| *index) {
                    Ok(at) => self.rewritten[at].1 = json,
                    Err(at) => self.rewritten.insert(at, (index, json)),
                }
            }
        }
    }

    /// The value of the field at `index`, in its outgoing form.
    pub(super) fn value(&self, index: usize) -> Value<'_> {
        match &self.fields[index].1 {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::Json(raw) => Value::Json(self.rewritten_json(index).unwrap_or(raw)),
        }
    }

    fn rewritten_json(&self, index: usize) -> Option<&str> {
        let at = self.rewritten.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.rewritten[at].1)
    }

    /// Top-level fields under the names they have in the event document.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> + Clone {
        self.fields.iter().enumerate().map(|(index, (name, _))| (name.as_ref(), self.value(index)))
    }

    pub fn id(&self) -> EventId {
        self.id
    }

    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The UTC day of its own time, or else the day on which its bytes were first seen, in days since the epoch; the
    /// same for each reading of the record.
    pub fn day(&self) -> i32 {
        self.day
    }

    /// When its bytes were first seen: `event.created`.
    pub fn seen(&self) -> Timestamp {
        self.seen
    }

    pub fn level(&self) -> Option<Level> {
        self.level
    }

    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The file's path: `log.file.path`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `service.name`, if the source has one.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn generation(&self) -> GenerationId {
        self.generation
    }

    /// Its start in its generation: `log.offset`.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Number of fractional digits of the seconds in its time.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// Number of values with fewer than 4 characters. They are sealed in their own field only; elsewhere in the event
    /// they leave in plain text.
    pub fn unprotected(&self) -> u32 {
        self.unprotected
    }

    /// Size of its record in bytes; 0 for a stored document.
    pub fn input_bytes(&self) -> u64 {
        self.input_bytes
    }
}

/// A query sees the outgoing form, not the text of the log.
impl Subject for Outgoing<'_> {
    fn time(&self) -> Timestamp {
        Outgoing::time(self)
    }

    fn level(&self) -> Option<Level> {
        Outgoing::level(self)
    }

    fn search_text(&self) -> Cow<'_, str> {
        document::search_text(self.message(), self.fields())
    }

    fn leaves(&self, each: &mut dyn FnMut(&str, Value<'_>)) {
        for (name, value) in self.fields() {
            document::leaves(name, &value, each);
        }
        if let Some(service) = self.service() {
            each("service.name", Value::Text(Cow::Borrowed(service)));
        }
        each("host.name", Value::Text(Cow::Borrowed(self.host())));
        each("log.file.path", Value::Text(Cow::Borrowed(self.path())));
        each("event.id", Value::Text(Cow::Borrowed(self.id().as_str())));
    }
}
