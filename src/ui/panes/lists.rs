//! Draws a pane that contains a list: entries of several lines each, so that the selected one is visible and marked.

use ratatui::layout::Rect;

use super::title;
use crate::ui::canvas::{Canvas, Span, plain, span};
use crate::ui::state::{Pane, State};
use crate::ui::theme::Role;

/// The lines of one entry.
pub type Lines = Vec<Vec<Span<'static>>>;

/// The content of such a pane.
pub struct List<'a> {
    pub pane: Pane,
    pub entries: Vec<Lines>,
    pub selected: usize,
    /// Text shown if the list is empty.
    pub empty: &'a str,
    /// Text at the right end of the top border.
    pub right: Vec<Span<'static>>,
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, list: &List<'_>) {
    if area.is_empty() {
        return;
    }
    let name = title(canvas, state, list.pane);
    canvas.border(area, &[name], &list.right);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if list.entries.is_empty() {
        canvas.line(inside(body, 0), &[span(list.empty.to_owned(), Role::Dim)]);
        return;
    }
    let focused = state.focus == list.pane;
    let mut y = 0;
    let height = usize::from(body.height);
    for (index, lines) in list.entries.iter().enumerate().skip(first_shown(list, height)) {
        for (number, line) in lines.iter().enumerate() {
            if y >= height {
                return;
            }
            let row = inside(body, y as u16);
            canvas.line(row, line);
            if focused && index == list.selected && number == 0 {
                canvas.restyle(row, Role::Selection);
            }
            y += 1;
        }
    }
    if y < height && list.entries.len() > 1 {
        canvas.line(inside(body, y as u16), &[plain("")]);
    }
}

/// Line `y` of the pane's content.
fn inside(body: Rect, y: u16) -> Rect {
    let row = Rect { x: body.x + 1, y: body.y + y, width: body.width.saturating_sub(2), height: 1 };
    if y < body.height { row } else { Rect::default() }
}

/// Index of the first entry to show, so that the selected one is completely visible.
fn first_shown(list: &List<'_>, height: usize) -> usize {
    let selected = list.selected.min(list.entries.len() - 1);
    let mut first = selected;
    let mut used = list.entries[selected].len();
    while first > 0 && used + list.entries[first - 1].len() <= height {
        first -= 1;
        used += list.entries[first].len();
    }
    first
}
