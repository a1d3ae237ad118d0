//! Parses event documents, to display them and to evaluate queries on them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::Timestamp;
use crate::event::document::{MOVED, leaves, search_text};
use crate::event::{Flags, Level, Value};
use crate::query::Subject;

/// A parsed event document: the JSON form in which sinks store an event.
#[derive(Clone, Debug, Default)]
pub struct Document<'a> {
    /// As in the document: RFC 3339 in UTC.
    pub time: Cow<'a, str>,
    pub level: Option<Level>,
    pub message: Option<Cow<'a, str>>,
    pub path: Cow<'a, str>,
    pub offset: u64,
    pub flags: Flags,
    /// When the event was first seen, in the same form as `time`.
    pub created: Cow<'a, str>,
    pub original: Option<Cow<'a, str>>,
    pub service: Option<Cow<'a, str>>,
    pub host: Cow<'a, str>,
    pub id: Cow<'a, str>,
    /// Under the names used in queries: fields that were moved have the prefix `fields.`.
    pub fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The members of a JSON object, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn members(raw: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, serde_json::Error> {
    serde_json::from_str::<Members<'_>>(raw).map(|members| members.0)
}

fn text(raw: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    serde_json::from_str::<Key<'_>>(raw.get()).map(|text| text.0)
}

/// A field's value, without JSON quoting.
fn value(raw: &RawValue) -> Result<Value<'_>, serde_json::Error> {
    match raw.get().starts_with('"') {
        true => text(raw).map(Value::Text),
        false => Ok(Value::Json(raw.get())),
    }
}

impl<'a> Document<'a> {
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        let mut document = Document::default();
        for (name, raw) in members(json)? {
            document.take(name, raw)?;
        }
        Ok(document)
    }

    fn take(&mut self, name: Cow<'a, str>, raw: &'a RawValue) -> Result<(), serde_json::Error> {
        match name.as_ref() {
            "@timestamp" => self.time = text(raw)?,
            "message" => self.message = Some(text(raw)?),
            "log" => self.take_log(raw)?,
            "event" => self.take_event(raw)?,
            "host" => self.host = member(raw, "name")?.unwrap_or_default(),
            "service" if is_own_service(raw) => self.service = member(raw, "name")?,
            "fields" => {
                for (name, raw) in members(raw.get())? {
                    self.fields.push((Cow::Owned(format!("{MOVED}{name}")), value(raw)?));
                }
            }
            _ => self.fields.push((name, value(raw)?)),
        }
        Ok(())
    }

    fn take_log(&mut self, raw: &'a RawValue) -> Result<(), serde_json::Error> {
        for (name, raw) in members(raw.get())? {
            match name.as_ref() {
                "level" => self.level = text(raw)?.parse().ok(),
                "file" => self.path = member(raw, "path")?.unwrap_or_default(),
                "offset" => self.offset = serde_json::from_str(raw.get())?,
                "continuation" => self.flags.insert(Flags::CONTINUATION),
                "truncated" => self.flags.insert(Flags::TRUNCATED),
                "partial" => self.flags.insert(Flags::PARTIAL),
                _ => {}
            }
        }
        Ok(())
    }

    fn take_event(&mut self, raw: &'a RawValue) -> Result<(), serde_json::Error> {
        for (name, raw) in members(raw.get())? {
            match name.as_ref() {
                "id" => self.id = text(raw)?,
                "created" => self.created = text(raw)?,
                "original" => self.original = Some(text(raw)?),
                "time_source" => match text(raw)?.as_ref() {
                    "seen" => self.flags.insert(Flags::TIME_SEEN),
                    _ => self.flags.insert(Flags::TIME_PREVIOUS),
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// When the event was first seen.
    pub fn seen(&self) -> Timestamp {
        moment(&self.created)
    }

    /// Number of fractional digits of the seconds in its time.
    pub fn precision(&self) -> u8 {
        let fraction = self.time.split_once('.').map_or("", |(_, fraction)| fraction);
        fraction.bytes().take_while(u8::is_ascii_digit).count().min(9) as u8
    }
}

/// The parsed time; the epoch if `text` is not a time.
fn moment(text: &str) -> Timestamp {
    text.parse::<jiff::Timestamp>()
        .ok()
        .and_then(|time| i64::try_from(time.as_nanosecond()).ok())
        .map(Timestamp)
        .unwrap_or_default()
}

/// Distinguishes `service` of the document, which has only a name, from a field of the log.
fn is_own_service(raw: &RawValue) -> bool {
    members(raw.get()).is_ok_and(|members| matches!(&members[..], [(name, _)] if name == "name"))
}

fn member<'a>(raw: &'a RawValue, wanted: &str) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
    let found = members(raw.get())?.into_iter().find(|(name, _)| name == wanted);
    found.map(|(_, raw)| text(raw)).transpose()
}

impl Subject for Document<'_> {
    fn time(&self) -> Timestamp {
        moment(&self.time)
    }

    fn level(&self) -> Option<Level> {
        self.level
    }

    fn search_text(&self) -> Cow<'_, str> {
        let fields = self.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()));
        search_text(self.message.as_deref(), fields)
    }

    fn leaves(&self, each: &mut dyn FnMut(&str, Value<'_>)) {
        for (name, value) in &self.fields {
            leaves(name, value, each);
        }
        let own = [("service.name", self.service.as_ref()), ("host.name", Some(&self.host))];
        let own = own
            .into_iter()
            .chain([("log.file.path", Some(&self.path)), ("event.id", Some(&self.id))]);
        for (name, text) in own {
            if let Some(text) = text {
                each(name, Value::Text(Cow::Borrowed(text)));
            }
        }
    }
}
