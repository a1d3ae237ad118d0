//! Draws the whole screen: panes, overlays and the bottom line.
//!
//! Every pane draws from the state alone and changes nothing.

mod bottom;
mod detail;
mod files;
mod header;
mod help;
mod lists;
mod messages;
mod shipping;
mod sink;
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

/// Draws the screen; returns the cursor position while a prompt is open.
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
    files::draw(&mut canvas, areas.files, state);
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
            let lines = messages::lines(state, inner_width(overlay_area(&areas)));
            overlay(&mut canvas, &areas, "messages", &lines, scroll);
        }
        Some(Overlay::Ask(_)) | None => {}
    }
    bottom::draw(&mut canvas, areas.bottom, state, keymap)
}

/// Width of the text column of the streams pane.
pub fn text_width(state: &State) -> usize {
    streams::text_width(state, layout::of(state).streams.width)
}

/// The largest scroll offset of the open overlay, at which its last line is the last one on the screen.
pub fn max_overlay_scroll(state: &State) -> usize {
    let area = overlay_area(&layout::of(state));
    let length = match state.overlay {
        Some(Overlay::Help { .. }) => help::LENGTH,
        Some(Overlay::Detail { .. }) => detail_of(state, area).1.len(),
        Some(Overlay::Messages { .. }) => messages::lines(state, inner_width(area)).len(),
        _ => 0,
    };
    max_scroll(length, area)
}

/// Title and lines of the details: of the selected sink while the shipping pane has the focus, else of the selected
/// event.
fn detail_of(state: &State, area: Rect) -> (&'static str, Vec<Vec<Span<'static>>>) {
    let width = inner_width(area);
    match state.focus {
        Pane::Shipping => ("sink", sink::lines(state, width)),
        _ => ("event", detail::lines(state, width)),
    }
}

fn inner_width(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// The largest scroll offset. At least one line counts as visible, so that every line is reachable on a tiny screen.
fn max_scroll(length: usize, area: Rect) -> usize {
    length.saturating_sub(usize::from(area.height.saturating_sub(1).max(1)))
}

/// Area of overlays: that of the streams pane, or of the only visible pane.
fn overlay_area(areas: &layout::Areas) -> Rect {
    let panes = [areas.streams, areas.files, areas.thresholds, areas.shipping];
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
    // The screen may have grown since the last key.
    let scroll = scroll.min(max_scroll(lines.len(), area));
    let shown = usize::from(area.height.saturating_sub(1));
    let below = lines.len().saturating_sub(scroll + shown);
    let more = if below > 0 {
        vec![span(format!(" {below} more lines {} ", canvas.glyphs().down), Role::Title)]
    } else {
        vec![span(" Esc closes ", Role::Title)]
    };
    canvas.border(area, &[span(format!(" {title} "), Role::TitleFocus)], &more);
    for (index, line) in lines.iter().skip(scroll).take(shown).enumerate() {
        let y = area.y + 1 + index as u16;
        let row = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 };
        canvas.line(row, line);
    }
}

/// Title of a pane; the focused one has its own colour, weight and glyph.
fn title(canvas: &Canvas<'_>, state: &State, pane: Pane) -> Span<'static> {
    if state.focus == pane {
        span(format!("{} {} ", canvas.glyphs().running, pane.title()), Role::TitleFocus)
    } else {
        span(format!(" {} ", pane.title()), Role::Title)
    }
}
