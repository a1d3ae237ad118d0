//! All about the selected event: where it is, both times, its fields, its JSON, its bytes.

use crate::base::{bytes, sanitize};
use crate::event::document;
use crate::event::status::LineState;
use crate::event::{Event, Flags, Value};
use crate::follow::view::Entry;
use crate::privacy::{self, Outgoing};
use crate::ui::canvas::{Span, plain, span, wrap};
use crate::ui::record_text;
use crate::ui::state::State;
use crate::ui::theme::Role;

use super::time;

type Lines = Vec<Vec<Span<'static>>>;

/// More lines of one event are not shown; its offset says where they are.
const MOST: usize = 2_000;

pub fn lines(state: &State, width: usize) -> Lines {
    let Some(row) = state.stream.selected_row() else {
        return vec![vec![span("no event", Role::Dim)]];
    };
    let event = row.entry.event();
    let shown = state.stream.mask.policy().map(|policy| privacy::shown(policy, event));
    let mut lines = place(state, &row.entry, shown.as_ref());
    delivery(state, &event, &mut lines);
    opened(state, width, &mut lines);
    match shown {
        Some(shown) => {
            content(shown.message(), shown.fields(), width, &mut lines);
            lines.push(Vec::new());
            lines.push(vec![span("masked: the record itself is not shown", Role::Near)]);
        }
        None => {
            let parts = document::parts(event);
            let fields = parts.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()));
            content(parts.message.as_deref(), fields, width, &mut lines);
            pretty(&event, width, &mut lines);
            raw(&event, width, &mut lines);
        }
    }
    lines.truncate(MOST);
    lines
}

fn place(state: &State, entry: &Entry, shown: Option<&Outgoing<'_>>) -> Lines {
    let event = entry.event();
    let record = event.record;
    let source = state.sources.iter().find(|source| source.file == entry.position.file);
    let path = match shown {
        Some(shown) => sanitize::line(shown.path()).into_owned(),
        None => source.map_or_else(String::new, |source| source.path.clone()),
    };
    let mut lines = vec![pair("file", path)];
    let length = bytes::count(record.end - record.start);
    let offset = bytes::count(record.start);
    lines.push(pair("place", format!("byte {offset}, {length} bytes long")));
    lines.push(pair("format", event.batch.decode.name().to_owned()));
    let level = event.level().map_or("none", crate::event::Level::name);
    lines.push(vec![
        span(format!("{:<10}", "level"), Role::Field),
        span(level, Role::Level(event.level())),
    ]);
    lines.push(pair("time", times(state, entry)));
    let seen = time::show(event.batch.seen, &jiff::tz::TimeZone::UTC, time::Detail::Full);
    lines.push(pair("read", format!("{seen} UTC")));
    if let Some(note) = note(entry) {
        lines.push(vec![span(format!("{:<10}", "note"), Role::Field), span(note, Role::Near)]);
    }
    lines
}

/// Where it is on its way to each sink.
fn delivery(state: &State, event: &Event<'_>, lines: &mut Lines) {
    if state.status.sinks.is_empty() {
        return;
    }
    title("delivery", lines);
    let place = state.selected_place();
    for sink in &state.status.sinks {
        let asked = sink.asked.filter(|asked| Some(asked.place) == place);
        let name = span(format!("{:<10}", sanitize::line(&sink.name)), Role::Field);
        let (text, role) = match asked.map(|asked| asked.state) {
            Some(LineState::Delivered) => ("delivered".to_owned(), Role::Ok),
            Some(LineState::Filtered) => ("filtered: not for this sink".to_owned(), Role::Dim),
            Some(LineState::InFlight) => ("in flight: sent, not confirmed".to_owned(), Role::Near),
            Some(LineState::Waiting) => ("waiting in the file".to_owned(), Role::Near),
            Some(LineState::DeadLetter) => {
                let id = event.id();
                let text = format!("refused: `logwarden dead-letters show --id {id}` says why");
                (text, Role::Bad)
            }
            Some(LineState::Lost) => ("lost: destroyed before it was read".to_owned(), Role::Bad),
            Some(LineState::BeforeStart) => {
                ("not taken: written before its source began".to_owned(), Role::Dim)
            }
            Some(LineState::Unknown) | None => ("not known yet".to_owned(), Role::Dim),
        };
        lines.push(vec![name, plain(" "), span(text, role)]);
    }
}

/// What its tokens held, and why some stay closed.
fn opened(state: &State, width: usize, lines: &mut Lines) {
    let Some((_, disclosed)) = &state.opened else { return };
    title("opened", lines);
    for opened in &disclosed.values {
        let head = format!("{:<10} {}  ", sanitize::line(&opened.field), opened.month);
        let room = width.saturating_sub(head.len()).max(16);
        for (index, piece) in wrap(&record_text::safe(&opened.value), room).into_iter().enumerate()
        {
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
        return "none of its own".to_owned();
    }
    let own = entry.event().time();
    let utc = time::show(own, &jiff::tz::TimeZone::UTC, time::Detail::Full);
    let local = time::show(own, &state.local, time::Detail::Full);
    if utc == local { format!("{utc} UTC") } else { format!("{utc} UTC, {local} here") }
}

fn note(entry: &Entry) -> Option<&'static str> {
    let flags = entry.event().record.flags;
    if entry.open {
        return Some("not complete: it may still grow");
    }
    if entry.is_misplaced() {
        return Some("its time does not fit its place; it stands where it was written");
    }
    if flags.contains(Flags::TRUNCATED) {
        return Some("too long: only its beginning is shown");
    }
    flags.contains(Flags::CONTINUATION).then_some("goes on from the event before")
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

/// JSON records once more with one value a line.
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
    vec![span(format!("{name:<10}"), Role::Field), plain(value)]
}

fn wrapped(text: &str, width: usize, lines: &mut Lines) {
    if lines.len() < MOST {
        lines.extend(wrap(text, width).into_iter().map(|piece| vec![plain(piece.to_owned())]));
    }
}
