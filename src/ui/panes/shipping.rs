//! Draws the shipping pane: state, lag, rate and current error of every sink.

use ratatui::layout::Rect;

use super::lists::{self, Lines, List};
use super::time;
use crate::base::{bytes, sanitize};
use crate::event::status::{Bytes, SinkState, SinkStatus};
use crate::ui::canvas::{Canvas, plain, span, width_of};
use crate::ui::layout;
use crate::ui::record_text::short_count;
use crate::ui::state::{Pane, State};
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let glyphs = *canvas.glyphs();
    let width = usize::from(area.width.saturating_sub(2));
    let sinks = &state.status.sinks;
    let with_accounting = layout::lines_per_sink(state) > 3;
    let entry = |sink: &SinkStatus| {
        let mut lines = entry(state, sink, width, &glyphs);
        if with_accounting && sink.bytes.seen > 0 {
            let accounting = byte_accounting(&sink.bytes, bytes::size);
            lines.push(vec![plain("  "), span(accounting, Role::Dim)]);
        }
        lines
    };
    let list = List {
        pane: Pane::Shipping,
        entries: sinks.iter().map(entry).collect(),
        selected: state.selected[2],
        empty: if state.can_ship() { "no sinks configured" } else { "view only, not shipping" },
        right: Vec::new(),
    };
    lists::draw(canvas, area, state, &list);
}

fn entry(state: &State, sink: &SinkStatus, width: usize, glyphs: &Glyphs) -> Lines {
    let (glyph, word, role) = state_of(state, sink, glyphs);
    let name = sanitize::line(&sink.name).into_owned();
    let rate = format!("{}/s", short_count(sink.rate.max(0.0).round() as u64));
    let mut first =
        vec![span(format!("{glyph} "), role), plain(format!("{name} ")), span(word, role)];
    let used = width_of(&first) + rate.len();
    if used < width {
        first.push(plain(" ".repeat(width - used)));
        first.push(plain(rate));
    }
    let mut lines = vec![first, vec![plain("  "), lag(state, sink, glyphs)]];
    if let Some(error) = error_of(sink) {
        lines.push(vec![plain("  "), span(error, Role::Bad)]);
    } else {
        lines.push(vec![plain("  "), sent(sink, glyphs)]);
    }
    lines
}

/// Byte accounting of a sink: `12.4 MiB seen = 12.0 MiB confirmed + 0.4 MiB waiting`.
pub fn byte_accounting(bytes: &Bytes, figure: fn(u64) -> String) -> String {
    let parts = [
        ("confirmed", bytes.confirmed),
        ("filtered", bytes.filtered),
        ("in flight", bytes.in_flight),
        ("waiting", bytes.waiting),
        ("dead letters", bytes.dead_letters),
        ("lost", bytes.lost),
    ];
    let parts = parts.iter().filter(|(_, part)| *part > 0);
    let parts: Vec<String> =
        parts.map(|(name, part)| format!("{} {name}", figure(*part))).collect();
    let seen = format!("{} seen", figure(bytes.seen));
    if parts.is_empty() { seen } else { format!("{seen} = {}", parts.join(" + ")) }
}

/// The symbol, text and colour role for the state of a sink.
pub fn state_of(state: &State, sink: &SinkStatus, glyphs: &Glyphs) -> (&'static str, String, Role) {
    match &sink.state {
        SinkState::Armed => (glyphs.ring, "manual: press s".to_owned(), Role::Near),
        SinkState::Idle | SinkState::Shipping if sink.blocked.is_some() => {
            (glyphs.firing, "one target BLOCKED".to_owned(), Role::Firing)
        }
        SinkState::Idle => (glyphs.ok, "all sent".to_owned(), Role::Ok),
        SinkState::Shipping => (glyphs.running, "shipping".to_owned(), Role::Ok),
        SinkState::Resting { next: None } => {
            (glyphs.ok, "next delivery later".to_owned(), Role::Ok)
        }
        SinkState::Resting { next: Some(next) } => {
            (glyphs.ok, format!("next delivery at {}", time::moment(state, *next)), Role::Ok)
        }
        SinkState::Paused { by, since } => {
            let by = sanitize::line(by);
            (
                glyphs.paused,
                format!("PAUSED by {by} since {}", time::moment(state, *since)),
                Role::Paused,
            )
        }
        SinkState::BackingOff { next, attempts } => {
            let wait = time::until(state, *next);
            (glyphs.waiting, format!("try {} {wait}", attempts + 1), Role::Near)
        }
        SinkState::Blocked { .. } => (glyphs.firing, "BLOCKED".to_owned(), Role::Firing),
        SinkState::Stopped => (glyphs.ring, "stopped".to_owned(), Role::Dim),
    }
}

fn lag(state: &State, sink: &SinkStatus, glyphs: &Glyphs) -> crate::ui::canvas::Span<'static> {
    let lag = match sink.state {
        // An armed sink has not read anything, so its lag still contains bytes that a truncation has removed.
        SinkState::Armed => sink.behind_bytes.min(bytes_in_files(state)),
        _ => sink.behind_bytes,
    };
    if lag == 0 && sink.in_flight_events == 0 {
        return span("up to date", Role::Dim);
    }
    let mut text = format!("lag {}", bytes::size(lag));
    if let Some(oldest) = sink.oldest_waiting {
        text.push_str(&format!(" {} oldest {}", glyphs.separator, time::age(state, oldest)));
    }
    if sink.behind_events > 0 {
        text.push_str(&format!(
            " {} ~{} events",
            glyphs.separator,
            short_count(sink.behind_events)
        ));
    }
    if sink.in_flight_events > 0 {
        let events = short_count(sink.in_flight_events);
        text.push_str(&format!(" {} {events} in flight", glyphs.separator));
    }
    plain(text)
}

/// Current size of all files; unlimited while no file is known.
fn bytes_in_files(state: &State) -> u64 {
    match state.files.is_empty() {
        true => u64::MAX,
        false => state.files.iter().map(|file| file.size).sum(),
    }
}

fn sent(sink: &SinkStatus, glyphs: &Glyphs) -> crate::ui::canvas::Span<'static> {
    let mut text = format!("{} sent", bytes::count(sink.confirmed_events));
    if sink.dead_letters > 0 {
        let dead = bytes::count(sink.dead_letters);
        text.push_str(&format!(" {} {dead} DEAD LETTERS", glyphs.separator));
        return span(text, Role::Bad);
    }
    if sink.duplicates > 0 {
        let duplicates = bytes::count(sink.duplicates);
        text.push_str(&format!(" {} {duplicates} duplicates", glyphs.separator));
    }
    span(text, Role::Dim)
}

/// The current error of a sink; an error that no longer applies is not returned.
pub fn error_of(sink: &SinkStatus) -> Option<String> {
    let text = match &sink.state {
        SinkState::Blocked { reason } => reason,
        SinkState::BackingOff { .. } => sink.last_error.as_ref()?,
        _ => sink.blocked.as_ref()?,
    };
    Some(sanitize::line(text).into_owned())
}
