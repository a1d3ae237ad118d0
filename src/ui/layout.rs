//! Computes the area of every pane, for any terminal size from 1×1 upwards.
//!
//! With 110 columns or more the lists are on the right, otherwise at the bottom; below 60×15 only the focused pane is
//! shown.

use ratatui::layout::Rect;

use super::state::{Pane, State};

/// Smallest terminal size (columns, rows) at which all panes are shown.
pub const SMALLEST: (u16, u16) = (60, 15);
/// Columns from which the lists are on the right.
const WIDE: u16 = 110;

/// The areas of a screen. An area without room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub levels: Rect,
    pub streams: Rect,
    pub files: Rect,
    pub thresholds: Rect,
    pub shipping: Rect,
    /// Vertical lines between the panes.
    pub dividers: [Rect; 2],
    pub bottom: Rect,
    /// Only the focused pane is shown.
    pub small: bool,
}

/// The areas for the current terminal size, lists and focus.
pub fn of(state: &State) -> Areas {
    let (width, height) = state.size;
    let whole = Rect::new(0, 0, width, height);
    if width < SMALLEST.0 || height < SMALLEST.1 {
        return small(whole, state.focus);
    }
    let mut areas = Areas {
        header: row(whole, 0),
        levels: row(whole, 1),
        bottom: row(whole, height - 1),
        ..Areas::default()
    };
    let body = Rect::new(0, 2, width, height - 3);
    if width >= WIDE {
        wide(&mut areas, body, state);
    } else {
        narrow(&mut areas, body, state);
    }
    areas
}

/// Number of lines per sink. A large terminal has room for a fourth line, the byte accounting.
pub fn lines_per_sink(state: &State) -> usize {
    if state.size.0 >= WIDE && state.size.1 >= 40 { 4 } else { 3 }
}

fn small(whole: Rect, focus: Pane) -> Areas {
    let mut areas = Areas { small: true, ..Areas::default() };
    let mut body = whole;
    if whole.height >= 2 {
        areas.bottom = row(whole, whole.height - 1);
        body.height -= 1;
    }
    if whole.height >= 6 {
        areas.header = row(whole, 0);
        body = Rect::new(0, 1, whole.width, whole.height - 2);
    }
    match focus {
        Pane::Streams => areas.streams = body,
        Pane::Files => areas.files = body,
        Pane::Thresholds => areas.thresholds = body,
        Pane::Shipping => areas.shipping = body,
    }
    areas
}

/// Lists on the right, each as tall as needed.
fn wide(areas: &mut Areas, body: Rect, state: &State) {
    let side = (body.width * 3 / 10).clamp(40, 66);
    areas.streams = Rect { width: body.width - side - 1, ..body };
    let x = body.x + body.width - side;
    areas.dividers[0] = Rect::new(x - 1, body.y, 1, body.height);
    let thresholds = fitted(state.status.rules.len() * 2, body.height / 3);
    let shipping = fitted(state.status.sinks.len() * lines_per_sink(state), body.height / 3);
    let files = body.height - thresholds - shipping;
    areas.thresholds = Rect::new(x, body.y, side, thresholds);
    areas.shipping = Rect::new(x, body.y + thresholds, side, shipping);
    areas.files = Rect::new(x, body.y + thresholds + shipping, side, files);
}

/// Height of a list: a title, the lines and one empty line; at least four rows.
fn fitted(lines: usize, most: u16) -> u16 {
    (lines as u16).saturating_add(2).clamp(4, most.max(4))
}

/// Lists at the bottom, side by side.
fn narrow(areas: &mut Areas, body: Rect, state: &State) {
    let longest = state
        .files
        .len()
        .max(state.status.rules.len() * 2)
        .max(state.status.sinks.len() * lines_per_sink(state));
    let lists = (longest as u16 + 1).clamp(4, (body.height / 3).max(4));
    areas.streams = Rect { height: body.height - lists, ..body };
    let y = body.y + body.height - lists;
    let column = (body.width - 2) / 3;
    let last = body.width - 2 - 2 * column;
    areas.files = Rect::new(0, y, column, lists);
    areas.thresholds = Rect::new(column + 1, y, column, lists);
    areas.shipping = Rect::new(2 * column + 2, y, last, lists);
    areas.dividers = [Rect::new(column, y, 1, lists), Rect::new(2 * column + 1, y, 1, lists)];
}

fn row(whole: Rect, y: u16) -> Rect {
    Rect::new(whole.x, y, whole.width, 1)
}
