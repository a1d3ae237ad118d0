//! The sinks: whether everything has arrived, and what is in the way.

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
    let with_account = layout::lines_of_a_sink(state) > 3;
    let entry = |sink: &SinkStatus| {
        let mut lines = entry(state, sink, width, &glyphs);
        if with_account && sink.bytes.seen > 0 {
            let account = account(&sink.bytes, bytes::size);
            lines.push(vec![plain("  "), span(account, Role::Dim)]);
        }
        lines
    };
    let list = List {
        pane: Pane::Shipping,
        entries: sinks.iter().map(entry).collect(),
        selected: state.selected[2],
        empty: if state.can_ship() { "nothing to ship to" } else { "this screen ships nothing" },
        right: Vec::new(),
    };
    lists::draw(canvas, area, state, &list);
}

fn entry(state: &State, sink: &SinkStatus, width: usize, glyphs: &Glyphs) -> Lines {
    let (glyph, word, role) = look(state, sink, glyphs);
    let name = sanitize::line(&sink.name).into_owned();
    let rate = format!("{}/s", short_count(sink.rate.max(0.0).round() as u64));
    let mut first =
        vec![span(format!("{glyph} "), role), plain(format!("{name} ")), span(word, role)];
    let used = width_of(&first) + rate.len();
    if used < width {
        first.push(plain(" ".repeat(width - used)));
        first.push(plain(rate));
    }
    let mut lines = vec![first, vec![plain("  "), behind(state, sink, glyphs)]];
    if let Some(error) = error_of(sink) {
        lines.push(vec![plain("  "), span(error, Role::Bad)]);
    } else {
        lines.push(vec![plain("  "), sent(sink, glyphs)]);
    }
    lines
}

/// `12.4 MiB seen = 12.0 MiB confirmed + 0.4 MiB waiting`: where every byte is.
pub fn account(account: &Bytes, figure: fn(u64) -> String) -> String {
    let parts = [
        ("confirmed", account.confirmed),
        ("filtered", account.filtered),
        ("in flight", account.in_flight),
        ("waiting", account.waiting),
        ("dead letters", account.dead_letters),
        ("lost", account.lost),
    ];
    let parts = parts.iter().filter(|(_, part)| *part > 0);
    let parts: Vec<String> =
        parts.map(|(name, part)| format!("{} {name}", figure(*part))).collect();
    let seen = format!("{} seen", figure(account.seen));
    if parts.is_empty() { seen } else { format!("{seen} = {}", parts.join(" + ")) }
}

pub fn look(state: &State, sink: &SinkStatus, glyphs: &Glyphs) -> (&'static str, String, Role) {
    match &sink.state {
        SinkState::Armed => (glyphs.ring, "waits for s".to_owned(), Role::Near),
        SinkState::Idle | SinkState::Shipping if sink.blocked.is_some() => {
            (glyphs.firing, "one target BLOCKED".to_owned(), Role::Firing)
        }
        SinkState::Idle => (glyphs.ok, "all sent".to_owned(), Role::Ok),
        SinkState::Shipping => (glyphs.running, "shipping".to_owned(), Role::Ok),
        SinkState::Resting { next: None } => (glyphs.ok, "next round later".to_owned(), Role::Ok),
        SinkState::Resting { next: Some(next) } => {
            (glyphs.ok, format!("next round at {}", time::moment(state, *next)), Role::Ok)
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

fn behind(state: &State, sink: &SinkStatus, glyphs: &Glyphs) -> crate::ui::canvas::Span<'static> {
    let behind = match sink.state {
        // It reads nothing yet, so it has not met what a truncation took away.
        SinkState::Armed => sink.behind_bytes.min(bytes_there(state)),
        _ => sink.behind_bytes,
    };
    if behind == 0 && sink.in_flight_events == 0 {
        return span("nothing waits", Role::Dim);
    }
    let mut text = format!("{} behind", bytes::size(behind));
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

/// Bytes that the files hold now; without files, nothing is known of them.
fn bytes_there(state: &State) -> u64 {
    match state.sources.is_empty() {
        true => u64::MAX,
        false => state.sources.iter().map(|source| source.size).sum(),
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
        let known = bytes::count(sink.duplicates);
        text.push_str(&format!(" {} {known} were there already", glyphs.separator));
    }
    span(text, Role::Dim)
}

/// An error that was overcome is no longer news.
pub fn error_of(sink: &SinkStatus) -> Option<String> {
    let text = match &sink.state {
        SinkState::Blocked { reason } => reason,
        SinkState::BackingOff { .. } => sink.last_error.as_ref()?,
        _ => sink.blocked.as_ref()?,
    };
    Some(sanitize::line(text).into_owned())
}
