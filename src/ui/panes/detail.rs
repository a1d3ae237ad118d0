//! The lines of the details of the selected event: file, offset, times, delivery state, fields, JSON and raw text.

use crate::base::{bytes, sanitize};
use crate::event::document;
use crate::event::status::DeliveryState;
use crate::event::{Event, Flags, Value};
use crate::follow::view::Entry;
use crate::privacy::{self, Outgoing};
use crate::ui::canvas::{Span, plain, span, wrap};
use crate::ui::record_text;
use crate::ui::state::State;
use crate::ui::theme::Role;

use super::time;

type Lines = Vec<Vec<Span<'static>>>;

/// Maximum number of lines shown of one event.
const MAX_LINES: usize = 2_000;

pub fn lines(state: &State, width: usize) -> Lines {
    let Some(row) = state.stream.selected_row() else {
        return vec![vec![span("no event", Role::Dim)]];
    };
    let event = row.entry.event();
    let shown = state.stream.mask.policy().map(|policy| privacy::shown(policy, event));
    let mut lines = location(state, &row.entry, shown.as_ref());
    delivery(state, &event, &mut lines);
    decrypted(state, width, &mut lines);
    match shown {
        Some(shown) => {
            content(shown.message(), shown.fields(), width, &mut lines);
            lines.push(Vec::new());
            lines.push(vec![span("masked: the raw record is hidden", Role::Near)]);
        }
        None => {
            let parts = document::parts(event);
            let fields = parts.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()));
            content(parts.message.as_deref(), fields, width, &mut lines);
            pretty(&event, width, &mut lines);
            raw(&event, width, &mut lines);
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

fn location(state: &State, entry: &Entry, shown: Option<&Outgoing<'_>>) -> Lines {
    let event = entry.event();
    let record = event.record;
    let file = state.files.iter().find(|file| file.file == entry.position.file);
    let path = match shown {
        Some(shown) => sanitize::line(shown.path()).into_owned(),
        None => file.map_or_else(String::new, |file| file.path.clone()),
    };
    let mut lines = vec![pair("file", path)];
    let length = bytes::count(record.end - record.start);
    let offset = bytes::count(record.start);
    lines.push(pair("offset", format!("{offset}, {length} bytes long")));
    lines.push(pair("format", event.batch.decode.name().to_owned()));
    let level = event.level().map_or("none", crate::event::Level::name);
    lines.push(vec![label("level"), span(level, Role::Level(event.level()))]);
    lines.push(pair("time", times(state, entry)));
    let seen = time::show(event.batch.seen, &jiff::tz::TimeZone::UTC, time::Detail::Full);
    lines.push(pair("read at", format!("{seen} UTC")));
    if let Some(note) = note(entry) {
        lines.push(vec![label("note"), span(note, Role::Near)]);
    }
    lines
}

/// Delivery state of the event for each sink.
fn delivery(state: &State, event: &Event<'_>, lines: &mut Lines) {
    if state.status.sinks.is_empty() {
        return;
    }
    title("delivery", lines);
    let cursor = state.selected_cursor();
    for sink in &state.status.sinks {
        let answer = sink.asked.filter(|asked| Some(asked.place) == cursor);
        let name = span(format!("{:<10}", sanitize::line(&sink.name)), Role::Field);
        let (text, role) = match answer.map(|answer| answer.state) {
            Some(DeliveryState::Delivered) => ("delivered".to_owned(), Role::Ok),
            Some(DeliveryState::Filtered) => {
                ("filtered: excluded from this sink".to_owned(), Role::Dim)
            }
            Some(DeliveryState::InFlight) => {
                ("in flight: sent, not confirmed yet".to_owned(), Role::Near)
            }
            Some(DeliveryState::Waiting) => ("waiting in the log file".to_owned(), Role::Near),
            Some(DeliveryState::DeadLetter) => {
                let id = event.id();
                let text = format!(
                    "dead letter: for the reason run `logwarden dead-letters show --id {id}`"
                );
                (text, Role::Bad)
            }
            Some(DeliveryState::Lost) => {
                ("lost: truncated or deleted before it was read".to_owned(), Role::Bad)
            }
            Some(DeliveryState::BeforeStart) => (
                "not shipped: written before the start position of its source".to_owned(),
                Role::Dim,
            ),
            Some(DeliveryState::Unknown) | None => ("not known yet".to_owned(), Role::Dim),
        };
        lines.push(vec![name, plain(" "), span(text, role)]);
    }
}

/// The decrypted tokens of the event, and the reasons why others could not be decrypted.
fn decrypted(state: &State, width: usize, lines: &mut Lines) {
    let Some((_, disclosed)) = &state.decrypted else { return };
    title("decrypted", lines);
    for token in &disclosed.values {
        let head = format!("{:<10} {}  ", sanitize::line(&token.field), token.month);
        let room = width.saturating_sub(head.len()).max(16);
        for (index, piece) in wrap(&record_text::safe(&token.value), room).into_iter().enumerate() {
            let head = if index == 0 { head.clone() } else { " ".repeat(head.len()) };
            lines.push(vec![span(head, Role::Field), span(piece.to_owned(), Role::Near)]);
        }
    }
    for problem in &disclosed.problems {
        wrapped(&record_text::safe(problem), width, lines);
    }
}

fn times(state: &State, entry: &Entry) -> String {
    if !entry.has_own_time() {
        return "none in the record".to_owned();
    }
    let own = entry.event().time();
    let utc = time::show(own, &jiff::tz::TimeZone::UTC, time::Detail::Full);
    let local = time::show(own, &state.local, time::Detail::Full);
    if utc == local { format!("{utc} UTC") } else { format!("{utc} UTC, {local} here") }
}

fn note(entry: &Entry) -> Option<&'static str> {
    let flags = entry.event().record.flags;
    if entry.open {
        return Some("incomplete line, may still grow");
    }
    if entry.is_misplaced() {
        return Some("timestamp out of order; kept in file order");
    }
    if flags.contains(Flags::TRUNCATED) {
        return Some("too long: only the start is shown");
    }
    flags.contains(Flags::CONTINUATION).then_some("continues the previous event")
}

fn content<'f>(
    message: Option<&str>,
    fields: impl Iterator<Item = (&'f str, Value<'f>)>,
    width: usize,
    lines: &mut Lines,
) {
    if let Some(message) = message {
        title("message", lines);
        for text in message.split('\n') {
            wrapped(&record_text::safe(text), width, lines);
        }
    }
    let fields: Vec<(&str, Value<'_>)> = fields.collect();
    if fields.is_empty() {
        return;
    }
    title("fields", lines);
    let widest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(24);
    for (name, value) in &fields {
        let name = format!("{:<widest$}  ", sanitize::line(name));
        let room = width.saturating_sub(name.len()).max(16);
        let value = record_text::shown(value);
        for (index, piece) in wrap(&value, room).into_iter().enumerate() {
            let head = if index == 0 { name.clone() } else { " ".repeat(name.len()) };
            lines.push(vec![span(head, Role::Field), plain(piece.to_owned())]);
        }
    }
}

/// A JSON record, pretty-printed.
fn pretty(event: &Event<'_>, width: usize, lines: &mut Lines) {
    let raw = record_text::raw(event);
    if !raw.trim_start().starts_with('{') {
        return;
    }
    let Ok(tree) = serde_json::from_str::<serde_json::Value>(&raw) else { return };
    let Ok(text) = serde_json::to_string_pretty(&tree) else { return };
    title("JSON", lines);
    for text in text.split('\n') {
        wrapped(&sanitize::line(text), width, lines);
    }
}

fn raw(event: &Event<'_>, width: usize, lines: &mut Lines) {
    title("raw", lines);
    for text in record_text::raw(event).split('\n') {
        wrapped(&record_text::safe(text), width, lines);
    }
}

fn title(text: &'static str, lines: &mut Lines) {
    lines.push(Vec::new());
    lines.push(vec![span(text, Role::Header)]);
}

fn pair(name: &str, value: String) -> Vec<Span<'static>> {
    vec![label(name), plain(value)]
}

fn label(name: &str) -> Span<'static> {
    span(format!("{name:<12}"), Role::Field)
}

fn wrapped(text: &str, width: usize, lines: &mut Lines) {
    if lines.len() < MAX_LINES {
        lines.extend(wrap(text, width).into_iter().map(|piece| vec![plain(piece.to_owned())]));
    }
}
