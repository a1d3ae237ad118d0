//! Implements [`Subject`] for an event in a batch, so that queries can be evaluated on it.

use std::borrow::Cow;

use super::Subject;
use crate::base::Timestamp;
use crate::event::document::{leaves, parts, search_text};
use crate::event::{Event, Level, Value};

impl Subject for Event<'_> {
    fn time(&self) -> Timestamp {
        Event::time(self)
    }

    fn level(&self) -> Option<Level> {
        Event::level(self)
    }

    fn search_text(&self) -> Cow<'_, str> {
        if let Some(message) = self.message() {
            return message;
        }
        let parts = parts(*self);
        let fields = parts.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()));
        Cow::Owned(search_text(None, fields).into_owned())
    }

    fn record(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.text())
    }

    fn leaves(&self, each: &mut dyn FnMut(&str, Value<'_>)) {
        for (name, value) in &parts(*self).fields {
            leaves(name, value, each);
        }
        let generation = &self.batch.generation;
        if let Some(service) = &generation.service {
            each("service.name", Value::Text(Cow::Borrowed(service)));
        }
        each("host.name", Value::Text(Cow::Borrowed(&generation.host)));
        each("log.file.path", Value::Text(self.batch.path.to_string_lossy()));
        each("event.id", Value::Text(Cow::Borrowed(self.id().as_str())));
    }
}
