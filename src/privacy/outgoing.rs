//! An event after privacy has been applied: the only form that a sink, a mail or an export can take.

use std::borrow::Cow;

use super::nested::{self, Settled};
use super::words::Words;
use super::{Policy, SEALED};
use crate::base::Timestamp;
use crate::event::{Event, EventId, Flags, Generation, Level, Value, document};
use crate::query::Subject;

/// Fields are private: only [`protect`] makes one.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(super) event: Event<'a>,
    /// A hash of the whole record: made once.
    id: EventId,
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) path: Cow<'a, str>,
    pub(super) original: Option<Cow<'a, str>>,
    /// Names as in the document: those that begin with `fields.` stand in its object `fields`.
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// JSON values that had to be written again, by the index of their field, ascending.
    rewritten: Vec<(usize, String)>,
}

/// The only way out.
pub fn protect<'a>(policy: &Policy, event: Event<'a>) -> Outgoing<'a> {
    let parts = document::parts(event);
    let mut outgoing = Outgoing {
        event,
        id: event.id(),
        message: parts.message,
        path: event.batch.path.to_string_lossy(),
        original: policy.keeps_original().then(|| String::from_utf8_lossy(event.text())),
        fields: parts.fields,
        rewritten: Vec::new(),
    };
    let mut values = Vec::new();
    outgoing.seal_fields(policy, &mut values);
    if !values.is_empty() {
        let words = Words::new(values);
        if !words.is_empty() {
            outgoing.seal_words(policy, &words);
        }
    }
    outgoing
}

impl<'a> Outgoing<'a> {
    /// Sealed fields, and what stands sealed inside others. Notes every sealed text in `values`.
    fn seal_fields(&mut self, policy: &Policy, values: &mut Vec<String>) {
        let no_words = Words::default();
        for index in 0..self.fields.len() {
            let (name, value) = &self.fields[index];
            if policy.seals(name) {
                match value {
                    Value::Json("null") => continue,
                    Value::Text(text) => values.push(text.to_string()),
                    Value::Json(raw) => nested::collect_texts(raw, values),
                }
                self.fields[index].1 = Value::Text(Cow::Borrowed(SEALED));
            } else if let Value::Json(raw) = value {
                let settled = nested::settle(name, raw, policy, &no_words, values);
                self.settle(index, settled);
            }
        }
    }

    /// The sealed values again, wherever else they stand.
    fn seal_words(&mut self, policy: &Policy, words: &Words) {
        words.replace_in(&mut self.path);
        for text in [&mut self.message, &mut self.original].into_iter().flatten() {
            words.replace_in(text);
        }
        for index in 0..self.fields.len() {
            let (name, value) = &mut self.fields[index];
            if !policy.seals(name) {
                words.replace_in(name);
            }
            if let Value::Text(text) = value {
                words.replace_in(text);
                continue;
            }
            let Value::Json(raw) = self.value(index) else { continue };
            let name = &self.fields[index].0;
            let settled = nested::settle(name, raw, policy, words, &mut Vec::new());
            self.settle(index, settled);
        }
    }

    fn settle(&mut self, index: usize, settled: Settled) {
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
    fn value(&self, index: usize) -> Value<'_> {
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
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.fields.iter().enumerate().map(|(index, (name, _))| (name.as_ref(), self.value(index)))
    }

    pub fn id(&self) -> EventId {
        self.id
    }

    pub fn time(&self) -> Timestamp {
        self.event.time()
    }

    /// The UTC day it belongs to: its own, or that on which its bytes were first seen. Days since the epoch;
    /// the same however often it is read.
    pub fn day(&self) -> i32 {
        let flags = self.flags();
        match flags.contains(Flags::TIME_SEEN) || flags.contains(Flags::TIME_PREVIOUS) {
            true => self.event.batch.day,
            false => self.time().day(),
        }
    }

    /// When it was read: `event.created`.
    pub fn seen(&self) -> Timestamp {
        self.event.batch.seen
    }

    pub fn level(&self) -> Option<Level> {
        self.event.level()
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
        self.event.batch.generation.service.as_deref()
    }

    pub fn host(&self) -> &str {
        &self.event.batch.generation.host
    }

    pub fn generation(&self) -> &'a Generation {
        &self.event.batch.generation
    }

    /// Where it begins in its generation: `log.offset`.
    pub fn offset(&self) -> u64 {
        self.event.record.start
    }

    pub fn flags(&self) -> Flags {
        self.event.record.flags
    }

    /// Digits of the second's fraction that its time had.
    pub fn precision(&self) -> u8 {
        self.event.record.precision
    }

    /// Bytes of input that this event stands for.
    pub fn input_bytes(&self) -> u64 {
        self.event.record.end - self.event.record.start
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
