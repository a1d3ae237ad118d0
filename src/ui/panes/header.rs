//! Draws the header of the screen: one line with the overall state, one with all levels and their event counts.

use ratatui::layout::Rect;

use super::time;
use crate::base::{bytes, sanitize};
use crate::event::Level;
use crate::event::status::{EngineState, RuleState, SinkState, SinkStatus};
use crate::ui::canvas::{Canvas, Span, plain, span, width_of};
use crate::ui::commands::Verb;
use crate::ui::keymap::Keymap;
use crate::ui::record_text::short_count;
use crate::ui::state::State;
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.is_empty() {
        return;
    }
    let glyphs = *canvas.glyphs();
    let mut corner = vec![plain(" "), span(time::zone_name(state), Role::Dim), plain(" ")];
    if state.stream.mask.is_on() {
        corner.insert(0, span(" masked", Role::Near));
    }
    let left = canvas.line_right(area, &corner);
    let mut spans = vec![span(format!(" {}", state.title), Role::Header), plain("  ")];
    spans.extend(engine(state, &glyphs));
    let room = usize::from(left.width).saturating_sub(width_of(&spans));
    spans.extend(fitted_alarms(state, &glyphs, room));
    // The most urgent parts come first; a part without room is left out as a whole.
    for part in figures(state, &glyphs) {
        if width_of(&spans) + width_of(&part) + 2 > usize::from(left.width) {
            break;
        }
        spans.push(plain("  "));
        spans.extend(part);
    }
    canvas.line(left, &spans);
}

fn engine(state: &State, glyphs: &Glyphs) -> Vec<Span<'static>> {
    let (glyph, text, role) = match &state.status.engine {
        EngineState::Starting => (glyphs.waiting, "starting", Role::Near),
        EngineState::Running => (glyphs.running, "running", Role::Ok),
        EngineState::ViewOnly { .. } => (glyphs.ring, "view only, not shipping", Role::Near),
        EngineState::Draining => (glyphs.waiting, "draining", Role::Near),
        EngineState::Stopped => (glyphs.firing, "stopped", Role::Bad),
    };
    vec![span(format!("{glyph} {text}"), role)]
}

/// The alarms, with names if there is room, otherwise shortened.
fn fitted_alarms(state: &State, glyphs: &Glyphs, room: usize) -> Vec<Span<'static>> {
    let spaced = |texts: Vec<(String, Role)>| -> Vec<Span<'static>> {
        texts.into_iter().flat_map(|(text, role)| [plain(" "), span(text, role)]).collect()
    };
    let long = spaced(alarms(state, glyphs, true));
    if width_of(&long) <= room { long } else { spaced(alarms(state, glyphs, false)) }
}

fn alarms(state: &State, glyphs: &Glyphs, long: bool) -> Vec<(String, Role)> {
    let mut alarms = Vec::new();
    let firing: Vec<_> =
        state.status.rules.iter().filter(|rule| rule.state == RuleState::Firing).collect();
    match &firing[..] {
        [] => {}
        [rule] if long => {
            let name = sanitize::line(&rule.name);
            alarms.push((format!(" {} FIRING {name} ", glyphs.firing), Role::Firing));
        }
        rules => alarms.push((format!(" {} {} FIRING ", glyphs.firing, rules.len()), Role::Firing)),
    }
    if let Some((by, since)) = paused(state) {
        let text = match long {
            true => format!("SHIPPING PAUSED by {} since {since}", sanitize::line(by)),
            false => format!("PAUSED since {since}"),
        };
        alarms.push((format!(" {} {text} ", glyphs.paused), Role::Paused));
    }
    let is_blocked = |sink: &&SinkStatus| matches!(sink.state, SinkState::Blocked { .. });
    let blocked = state.status.sinks.iter().filter(is_blocked).count();
    if blocked > 0 {
        alarms.push((format!(" {} {blocked} BLOCKED ", glyphs.firing), Role::Firing));
    }
    let lost: u64 = state.files.iter().map(|file| file.lost).sum();
    if lost > 0 {
        alarms.push((format!(" {} LOST ", bytes::size(lost)), Role::Firing));
    }
    alarms
}

fn paused(state: &State) -> Option<(&str, String)> {
    state.status.sinks.iter().find_map(|sink| match &sink.state {
        SinkState::Paused { by, since } => Some((by.as_str(), time::moment(state, *since))),
        _ => None,
    })
}

/// The further parts of the line, the most urgent first: following or position, files, events.
fn figures(state: &State, glyphs: &Glyphs) -> Vec<Vec<Span<'static>>> {
    let mut parts = Vec::new();
    let stream = &state.stream;
    let below: u64 = (0..state.files.len()).map(|slot| state.bytes_below(slot)).sum();
    parts.push(match below {
        0 if stream.is_following => vec![span(format!("{} live", glyphs.dot), Role::Ok)],
        0 => vec![span("at the end", Role::Dim)],
        below => vec![span(below_text(state, below, glyphs), Role::Near)],
    });
    let files = state.files.len();
    let size: u64 = state.files.iter().map(|file| file.size).sum();
    let noun = if files == 1 { "file" } else { "files" };
    parts.push(vec![plain(format!("{files} {noun}, {}", bytes::size(size)))]);
    let records: u64 = state.totals().iter().sum();
    let mut total = vec![plain(bytes::counted(records, "event"))];
    let share = state.counted_share();
    if share < 0.995 {
        total.push(span(format!(" counted {:.0} %", share * 100.0), Role::Dim));
    }
    parts.push(total);
    parts
}

/// Distance of the last visible row from the end, in bytes and time.
fn below_text(state: &State, bytes_below: u64, glyphs: &Glyphs) -> String {
    let newest = state.files.iter().map(|file| file.last_growth).max().unwrap_or_default();
    let last = state.stream.below().checked_sub(1).and_then(|last| state.stream.rows.get(last));
    let shown = last.map_or(newest, |row| row.entry.event().time());
    let seconds = newest.since(shown);
    let size = bytes::size(bytes_below);
    if seconds.as_secs() == 0 {
        return format!("{} {size} below", glyphs.paused);
    }
    format!("{} {size} below, {}", glyphs.paused, bytes::duration(seconds))
}

/// Draws `1●T 0  2●D 12 …`; a ring marks a hidden level.
pub fn draw_levels(canvas: &mut Canvas<'_>, area: Rect, state: &State, keymap: &Keymap) {
    if area.is_empty() {
        return;
    }
    let glyphs = *canvas.glyphs();
    let filters = &state.stream.filters;
    let totals = state.totals();
    let long = area.width >= 120;
    let mut spans = vec![plain(" ")];
    for slot in [1, 2, 3, 4, 5, 6, 7, 0] {
        let level = Level::ALL.get(usize::wrapping_sub(slot, 1)).copied();
        let name = match (long, level) {
            (true, Some(level)) => format!(" {}", level.name()),
            (true, None) => " no level".to_owned(),
            (false, Some(level)) => level.letter().to_string(),
            (false, None) => "-".to_owned(),
        };
        let key = keymap.keys(Verb::ToggleLevel(slot as u8)).first();
        let key = key.map_or_else(String::new, ToString::to_string);
        let shown = filters.shows_slot(slot);
        let sign = if shown { glyphs.dot } else { glyphs.ring };
        let role = if shown { Role::Level(level) } else { Role::Dim };
        spans.push(span(key, Role::Key));
        spans.push(span(format!("{sign}{name}"), role));
        let count = totals[slot];
        let weight = if shown && count > 0 { None } else { Some(Role::Dim) };
        spans.push(Span { text: format!(" {}  ", short_count(count)).into(), role: weight });
    }
    if let Some(minimum) = filters.minimum() {
        spans.push(span(format!("{minimum} or worse"), Role::Near));
    }
    canvas.line(area, &spans);
}
