//! Draws the files pane: name, event counts, last growth, format, size and problem of every file.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::lists::{self, Lines, List};
use super::time;
use crate::base::{bytes, sanitize};
use crate::event::Level;
use crate::event::status::FileState;
use crate::ui::canvas::{Canvas, Span, head, plain, span, width_of};
use crate::ui::record_text::{letter, short_count};
use crate::ui::state::{FileEntry, Pane, State};
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let glyphs = *canvas.glyphs();
    let width = usize::from(area.width.saturating_sub(2));
    let slots = 0..state.files.len();
    let entries = slots.map(|slot| entry(state, slot, width, &glyphs)).collect();
    let hidden = state.files.iter().filter(|file| file.hidden).count();
    let right = match hidden {
        0 => Vec::new(),
        hidden => vec![span(format!(" {hidden} hidden "), Role::Near)],
    };
    let list = List {
        pane: Pane::Files,
        entries,
        selected: state.selected[0],
        empty: "no files yet",
        right,
    };
    lists::draw(canvas, area, state, &list);
}

fn entry(state: &State, slot: usize, width: usize, glyphs: &Glyphs) -> Lines {
    let file = &state.files[slot];
    let (glyph, role) = sign(file, glyphs);
    let age = time::moment(state, file.last_growth);
    let counts = counts(file, width);
    let counts_width: usize = width_of(&counts);
    let name_room = width.saturating_sub(2 + counts_width + 1 + age.len()).max(6);
    let fits = file.name.width() <= name_room;
    let cut = if fits { "" } else { glyphs.cut };
    let name = format!("{}{cut}", head(&file.name, name_room - usize::from(!fits)));
    let name_role = if file.hidden { Role::Dim } else { Role::Source };
    let mut line = vec![
        span(format!("{glyph} "), role),
        span(format!("{name}{} ", " ".repeat(name_room.saturating_sub(name.width()))), name_role),
    ];
    line.extend(counts);
    line.push(span(age, Role::Dim));
    let mut lines = vec![line];
    if let Some(problem) = problem(state, file) {
        lines.push(vec![plain("  "), span(problem, Role::Bad)]);
    } else if width >= 38 {
        let format = file.format.unwrap_or("detecting format");
        let rest = format!("  {format} {} {}", glyphs.separator, bytes::size(file.size));
        let mut line = vec![span(rest, Role::Dim)];
        let below = state.bytes_below(slot);
        if below > 0 {
            let text = format!(" {} {} below", glyphs.separator, bytes::size(below));
            line.push(span(text, Role::Near));
        }
        lines.push(line);
    }
    lines
}

fn sign(file: &FileEntry, glyphs: &Glyphs) -> (&'static str, Role) {
    match &file.state {
        _ if file.hidden => (glyphs.ring, Role::Dim),
        FileState::Unreadable { .. } | FileState::Stuck { .. } => (glyphs.firing, Role::Bad),
        _ if file.problem.is_some() || file.lost > 0 => (glyphs.firing, Role::Bad),
        FileState::Unsettled => (glyphs.waiting, Role::Dim),
        FileState::Live => (glyphs.dot, Role::Ok),
        FileState::Rotated => (glyphs.dot, Role::Dim),
        FileState::Ended => (glyphs.paused, Role::Dim),
    }
}

fn problem(state: &State, file: &FileEntry) -> Option<String> {
    if let FileState::Stuck { since } = file.state {
        return Some(format!(
            "no answer from the file system since {}; other files continue; reading resumes when it answers",
            time::moment(state, since)
        ));
    }
    if let FileState::Unreadable { reason } = &file.state {
        return Some(sanitize::line(reason).into_owned());
    }
    if file.lost > 0 {
        return Some(format!("{} lost before being read", bytes::size(file.lost)));
    }
    file.problem.as_deref().map(|problem| sanitize::line(problem).into_owned())
}

/// Events per level, most severe first; a narrow pane shows only errors and worse.
fn counts(file: &FileEntry, width: usize) -> Vec<Span<'static>> {
    let narrow = width < 38;
    let mut spans = Vec::new();
    for slot in (0..8).rev() {
        let level = Level::ALL.get(usize::wrapping_sub(slot, 1)).copied();
        let wanted = if narrow { level >= Some(Level::Error) } else { true };
        if wanted && file.counts[slot] > 0 && spans.len() < 5 {
            let text = format!("{}{} ", letter(level), short_count(file.counts[slot]));
            spans.push(span(text, Role::Level(level)));
        }
    }
    spans
}
