//! Writes the event document, one JSON object per event, directly into a buffer.
//!
//! Field names follow the Elastic Common Schema where it defines one.

use super::Outgoing;
use crate::base::{json, rfc3339};
use crate::event::document::MOVED;
use crate::event::{Flags, Value};

impl Outgoing<'_> {
    /// Appends the event document (one JSON object on one line, no line end).
    pub fn write_json(&self, body: &mut Vec<u8>) {
        self.write_json_by(body, |body| {
            write_members(self.fields(), body, |_, value, body| write_value(&value, body));
        });
    }

    /// The same, but `write_fields` appends the members for the fields, each with a comma before it.
    pub fn write_json_by(&self, body: &mut Vec<u8>, write_fields: impl FnOnce(&mut Vec<u8>)) {
        body.extend_from_slice(b"{\"@timestamp\":\"");
        rfc3339::write(self.time(), self.precision(), body);
        body.push(b'"');
        if let Some(message) = self.message() {
            body.extend_from_slice(b",\"message\":");
            json::write_string(message, body);
        }
        self.write_log(body);
        self.write_event(body);
        body.extend_from_slice(b",\"host\":{\"name\":");
        json::write_string(self.host(), body);
        body.push(b'}');
        if let Some(service) = self.service() {
            body.extend_from_slice(b",\"service\":{\"name\":");
            json::write_string(service, body);
            body.push(b'}');
        }
        write_fields(body);
        body.push(b'}');
    }

    fn write_log(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(b",\"log\":{");
        if let Some(level) = self.level() {
            body.extend_from_slice(b"\"level\":\"");
            body.extend_from_slice(level.name().as_bytes());
            body.extend_from_slice(b"\",");
        }
        body.extend_from_slice(b"\"file\":{\"path\":");
        json::write_string(self.path(), body);
        body.extend_from_slice(b"},\"offset\":");
        write_number(self.offset(), body);
        for (flag, text) in [
            (Flags::CONTINUATION, b",\"continuation\":true".as_slice()),
            (Flags::TRUNCATED, b",\"truncated\":true"),
            (Flags::PARTIAL, b",\"partial\":true"),
        ] {
            if self.flags().contains(flag) {
                body.extend_from_slice(text);
            }
        }
        body.push(b'}');
    }

    fn write_event(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(b",\"event\":{\"id\":\"");
        body.extend_from_slice(self.id().as_str().as_bytes());
        body.extend_from_slice(b"\",\"created\":\"");
        rfc3339::write(self.seen(), 3, body);
        body.push(b'"');
        if self.flags().contains(Flags::TIME_SEEN) {
            body.extend_from_slice(b",\"time_source\":\"seen\"");
        } else if self.flags().contains(Flags::TIME_PREVIOUS) {
            body.extend_from_slice(b",\"time_source\":\"previous\"");
        }
        if let Some(original) = &self.original {
            body.extend_from_slice(b",\"original\":");
            json::write_string(original, body);
        }
        body.push(b'}');
    }
}

/// Appends one member per field; fields whose names start with `fields.` go into an object `fields`. `write` appends
/// the value of one field.
pub fn write_members<'n, V>(
    fields: impl Iterator<Item = (&'n str, V)> + Clone,
    body: &mut Vec<u8>,
    mut write: impl FnMut(&str, V, &mut Vec<u8>),
) {
    let mut moved = false;
    for (name, value) in fields.clone() {
        if name.starts_with(MOVED) {
            moved = true;
        } else {
            body.push(b',');
            json::write_string(name, body);
            body.push(b':');
            write(name, value, body);
        }
    }
    if !moved {
        return;
    }
    body.extend_from_slice(b",\"fields\":{");
    let mut first = true;
    for (name, value) in fields {
        let Some(own) = name.strip_prefix(MOVED) else { continue };
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        json::write_string(own, body);
        body.push(b':');
        write(name, value, body);
    }
    body.push(b'}');
}

fn write_value(value: &Value<'_>, body: &mut Vec<u8>) {
    match value {
        Value::Text(text) => json::write_string(text, body),
        Value::Json(raw) => body.extend_from_slice(raw.as_bytes()),
    }
}

fn write_number(number: u64, body: &mut Vec<u8>) {
    body.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
