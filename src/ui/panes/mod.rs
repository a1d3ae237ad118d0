//! What is drawn where. Every pane draws from the state alone and changes nothing.

mod bottom;
mod detail;
mod header;
mod help;
mod lists;
mod messages;
mod shipping;
mod sink;
mod sources;
mod streams;
mod thresholds;
mod time;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::{Canvas, Span, span};
use super::keymap::Keymap;
use super::layout;
use super::state::{Overlay, Pane, State};
use super::theme::{Role, Theme};

/// Draws everything; says where the cursor stands, if somebody types.
pub fn draw(
    buffer: &mut Buffer,
    state: &State,
    keymap: &Keymap,
    theme: &Theme,
) -> Option<(u16, u16)> {
    let areas = layout::of(state);
    let mut canvas = Canvas { buffer, theme };
    header::draw(&mut canvas, areas.header, state);
    header::draw_levels(&mut canvas, areas.levels, state, keymap);
    streams::draw(&mut canvas, areas.streams, state);
    sources::draw(&mut canvas, areas.sources, state);
    thresholds::draw(&mut canvas, areas.thresholds, state);
    shipping::draw(&mut canvas, areas.shipping, state);
    for divider in areas.dividers {
        canvas.divider(divider);
    }
    match state.overlay {
        Some(Overlay::Help { scroll, .. }) => {
            let lines = help::lines(keymap);
            overlay(&mut canvas, &areas, "help", &lines, scroll);
        }
        Some(Overlay::Detail { scroll }) => {
            let (title, lines) = detail_of(state, overlay_area(&areas));
            overlay(&mut canvas, &areas, title, &lines, scroll);
        }
        Some(Overlay::Messages { scroll }) => {
            let lines = messages::lines(state, text_room(overlay_area(&areas)));
            overlay(&mut canvas, &areas, "messages", &lines, scroll);
        }
        Some(Overlay::Ask(_)) | None => {}
    }
    bottom::draw(&mut canvas, areas.bottom, state, keymap)
}

/// Columns that a record's text has.
pub fn text_width(state: &State) -> usize {
    streams::text_width(state, layout::of(state).streams.width)
}

/// How far what lies over the panes can be scrolled: its last line is the last one on the screen.
pub fn overlay_end(state: &State) -> usize {
    let area = overlay_area(&layout::of(state));
    let length = match state.overlay {
        Some(Overlay::Help { .. }) => help::LENGTH,
        Some(Overlay::Detail { .. }) => detail_of(state, area).1.len(),
        Some(Overlay::Messages { .. }) => messages::lines(state, text_room(area)).len(),
        _ => 0,
    };
    last_scroll(length, area)
}

/// Of the selected sink while the shipping pane has the focus; else of the selected event.
fn detail_of(state: &State, area: Rect) -> (&'static str, Vec<Vec<Span<'static>>>) {
    let width = text_room(area);
    match state.focus {
        Pane::Shipping => ("sink", sink::lines(state, width)),
        _ => ("event", detail::lines(state, width)),
    }
}

fn text_room(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// Below the title; at least one line, so that everything can be reached where there is no room.
fn last_scroll(length: usize, area: Rect) -> usize {
    length.saturating_sub(usize::from(area.height.saturating_sub(1).max(1)))
}

/// Over the stream, or over the only pane.
fn overlay_area(areas: &layout::Areas) -> Rect {
    let panes = [areas.streams, areas.sources, areas.thresholds, areas.shipping];
    panes.into_iter().find(|area| !area.is_empty()).unwrap_or_default()
}

fn overlay(
    canvas: &mut Canvas<'_>,
    areas: &layout::Areas,
    title: &str,
    lines: &[Vec<Span<'_>>],
    scroll: usize,
) {
    let area = overlay_area(areas);
    canvas.clear(area);
    // The screen may have grown since.
    let scroll = scroll.min(last_scroll(lines.len(), area));
    let shown = usize::from(area.height.saturating_sub(1));
    let below = lines.len().saturating_sub(scroll + shown);
    let more = if below > 0 {
        vec![span(format!(" {below} more lines {} ", canvas.glyphs().down), Role::Title)]
    } else {
        vec![span(" Esc closes ", Role::Title)]
    };
    canvas.rule(area, &[span(format!(" {title} "), Role::TitleFocus)], &more);
    for (index, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        let y = area.y + 1 + index as u16;
        let row = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 };
        canvas.line(row, line);
    }
}

/// The title of a pane; that of the focus stands out by colour, weight and a sign.
fn title(canvas: &Canvas<'_>, state: &State, pane: Pane) -> Span<'static> {
    if state.focus == pane {
        span(format!("{} {} ", canvas.glyphs().running, pane.title()), Role::TitleFocus)
    } else {
        span(format!(" {} ", pane.title()), Role::Title)
    }
}
