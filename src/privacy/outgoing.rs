//! An event after privacy has been applied: the only form that a sink, a mail or an export can take.

use std::borrow::Cow;
use std::sync::Arc;

use super::nested_json::Settled;
use super::parse_document::Document;
use super::sealed_values::Seals;
use super::truncated_text;
use super::{KeyError, Policy, Sealer};
use crate::base::Timestamp;
use crate::event::{Event, EventId, Flags, GenerationId, Level, Value, document};
use crate::query::Subject;

/// Fields are private: only [`protect`], [`shown`] and [`stored`] make one.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// A hash of the whole record: made once.
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
    /// Names as in the document: those that begin with `fields.` stand in its object `fields`.
    pub(super) fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// JSON values that had to be written again, by the index of their field, ascending.
    pub(super) rewritten: Vec<(usize, String)>,
    pub(super) unprotected: u32,
}

/// The only way out of the log. Refused where a key that is needed cannot be had: then nothing of the event leaves.
pub fn protect<'a>(policy: &Policy, event: Event<'a>) -> Result<Outgoing<'a>, KeyError> {
    under(policy, policy.sealer(), event)
}

/// For the eyes of whoever may read the log itself: what the policy hides is `[sealed]`, and no key is asked for.
pub fn shown<'a>(policy: &Policy, event: Event<'a>) -> Outgoing<'a> {
    under(policy, None, event).expect("what asks for no key is not refused one")
}

/// What is told instead of one value of an event: the tag of a sealed one, so that the same value has the same alias
/// all month, also where it stands in a field that is not sealed. `None`: the value as it is.
pub fn alias(policy: &Policy, event: &Event<'_>, path: &str, value: &str) -> Option<String> {
    let mut seals = Seals::new(policy, policy.sealer(), &event.batch.path, day_of(event));
    if let Some(treatment) = policy.treatment(path) {
        let found = seals.value(treatment, Cow::Borrowed(value));
        return Some(seals.alias(found).to_owned());
    }
    clear(policy, *event).seal_values(&mut seals);
    seals.aliases().replace(value)
}

/// Its own, or that on which its bytes were first seen.
fn day_of(event: &Event<'_>) -> i32 {
    let flags = event.record.flags;
    match flags.contains(Flags::TIME_SEEN) || flags.contains(Flags::TIME_PREVIOUS) {
        true => event.batch.day,
        false => event.record.time.day(),
    }
}

fn under<'a>(
    policy: &Policy,
    sealer: Option<&Arc<Sealer>>,
    event: Event<'a>,
) -> Result<Outgoing<'a>, KeyError> {
    let mut outgoing = clear(policy, event);
    if event.record.flags.contains(Flags::INSIDE) && policy.hides_anything() {
        let seals = Seals::new(policy, sealer, &event.batch.path, outgoing.day);
        outgoing.seal_whole(seals, String::from_utf8_lossy(event.text()))?;
        return Ok(outgoing);
    }
    let cut = !policy.patterns().is_empty() && is_cut_off(&event, outgoing.message.as_deref());
    outgoing.seal(Seals::new(policy, sealer, &event.batch.path, outgoing.day), cut)?;
    Ok(outgoing)
}

/// The end of the message is the end of the record, and more of its last word may be missing than no pattern knows.
fn is_cut_off(event: &Event<'_>, message: Option<&str>) -> bool {
    let flags = event.record.flags;
    if !flags.contains(Flags::TRUNCATED) && !flags.contains(Flags::PARTIAL) {
        return false;
    }
    let text = String::from_utf8_lossy(event.text());
    let word = &text[truncated_text::last_word(&text)..];
    !word.is_empty() && message.is_some_and(|message| message.ends_with(word))
}

/// Nothing is hidden yet.
fn clear<'a>(policy: &Policy, event: Event<'a>) -> Outgoing<'a> {
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

/// What a document does not say about its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub generation: GenerationId,
    /// [`Outgoing::day`]; `None`: that of its time.
    pub day: Option<i32>,
}

/// A document that was protected once and then kept, on its way out again as it is. What a policy seals since
/// then stays as it was.
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

#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error("not an event document")]
    Document(#[from] serde_json::Error),
    #[error("the document has no event id")]
    NoId,
}

impl Outgoing<'_> {
    pub(super) fn settle(&mut self, index: usize, settled: Settled) {
        match settled {
            Settled::AsItWas => {}
            Settled::Text(text) => self.fields[index].1 = Value::Text(Cow::Owned(text)),
            Settled::Rewritten(json) => {
                match self.rewritten.binary_search_by_key(&index, |(index, _)| *index) {
                    Ok(at) => self.rewritten[at].1 = json,
                    Err(at) => self.rewritten.insert(at, (index, json)),
                }
            }
        }
    }

    /// The value of the field at `index`, as it may leave.
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

    /// The UTC day it belongs to: its own, or that on which its bytes were first seen. Days since the epoch;
    /// the same however often it is read.
    pub fn day(&self) -> i32 {
        self.day
    }

    /// When it was read: `event.created`.
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

    /// `service.name`, if the source was given one.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn generation(&self) -> GenerationId {
        self.generation
    }

    /// Where it begins in its generation: `log.offset`.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Digits of the second's fraction that its time had.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// Values of fewer than 4 characters, which are hidden in their own field only: where they stand elsewhere in
    /// the event, they leave in clear.
    pub fn unprotected(&self) -> u32 {
        self.unprotected
    }

    /// Bytes of input that this event stands for; 0 where it was kept as a document.
    pub fn input_bytes(&self) -> u64 {
        self.input_bytes
    }
}

/// What is searched for in a stored event is what left, not what stood in the log.
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
