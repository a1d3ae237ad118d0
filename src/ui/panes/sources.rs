//! The files: what they hold, how they are, and when they last grew.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::lists::{self, Lines, List};
use super::time;
use crate::base::{bytes, sanitize};
use crate::event::Level;
use crate::event::status::FileState;
use crate::ui::canvas::{Canvas, Span, head, plain, span, width_of};
use crate::ui::record_text::{letter, short_count};
use crate::ui::state::{Pane, SourceLine, State};
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let glyphs = *canvas.glyphs();
    let width = usize::from(area.width.saturating_sub(2));
    let slots = 0..state.sources.len();
    let entries = slots.map(|slot| entry(state, slot, width, &glyphs)).collect();
    let hidden = state.sources.iter().filter(|source| source.hidden).count();
    let right = match hidden {
        0 => Vec::new(),
        hidden => vec![span(format!(" {hidden} hidden "), Role::Near)],
    };
    let list = List {
        pane: Pane::Sources,
        entries,
        selected: state.selected[0],
        empty: "no file yet: waiting for one",
        right,
    };
    lists::draw(canvas, area, state, &list);
}

fn entry(state: &State, slot: usize, width: usize, glyphs: &Glyphs) -> Lines {
    let source = &state.sources[slot];
    let (glyph, role) = sign(source, glyphs);
    let age = time::moment(state, source.last_growth);
    let counts = counts(source, width);
    let counts_width: usize = width_of(&counts);
    let name_room = width.saturating_sub(2 + counts_width + 1 + age.len()).max(6);
    let fits = source.name.width() <= name_room;
    let cut = if fits { "" } else { glyphs.cut };
    let name = format!("{}{cut}", head(&source.name, name_room - usize::from(!fits)));
    let name_role = if source.hidden { Role::Dim } else { Role::Source };
    let mut line = vec![
        span(format!("{glyph} "), role),
        span(format!("{name}{} ", " ".repeat(name_room.saturating_sub(name.width()))), name_role),
    ];
    line.extend(counts);
    line.push(span(age, Role::Dim));
    let mut lines = vec![line];
    if let Some(trouble) = trouble(state, source) {
        lines.push(vec![plain("  "), span(trouble, Role::Bad)]);
    } else if width >= 38 {
        let format = source.format.unwrap_or("format not known yet");
        let rest = format!("  {format} {} {}", glyphs.separator, bytes::size(source.size));
        let mut line = vec![span(rest, Role::Dim)];
        let behind = state.bytes_behind(slot);
        if behind > 0 {
            let text = format!(" {} {} not shown yet", glyphs.separator, bytes::size(behind));
            line.push(span(text, Role::Near));
        }
        lines.push(line);
    }
    lines
}

fn sign(source: &SourceLine, glyphs: &Glyphs) -> (&'static str, Role) {
    match &source.state {
        _ if source.hidden => (glyphs.ring, Role::Dim),
        FileState::Unreadable { .. } | FileState::Stuck { .. } => (glyphs.firing, Role::Bad),
        _ if source.problem.is_some() || source.lost > 0 => (glyphs.firing, Role::Bad),
        FileState::Unsettled => (glyphs.waiting, Role::Dim),
        FileState::Live => (glyphs.dot, Role::Ok),
        FileState::Rotated => (glyphs.dot, Role::Dim),
        FileState::Ended => (glyphs.paused, Role::Dim),
    }
}

fn trouble(state: &State, source: &SourceLine) -> Option<String> {
    if let FileState::Stuck { since } = source.state {
        return Some(format!(
            "the file system has not answered since {}; other files go on; it is read again as soon as it answers",
            time::moment(state, since)
        ));
    }
    if let FileState::Unreadable { reason } = &source.state {
        return Some(sanitize::line(reason).into_owned());
    }
    if source.lost > 0 {
        return Some(format!("{} were lost before they could be read", bytes::size(source.lost)));
    }
    source.problem.as_deref().map(|problem| sanitize::line(problem).into_owned())
}

/// The worst levels first; narrow: only warnings and worse.
fn counts(source: &SourceLine, width: usize) -> Vec<Span<'static>> {
    let narrow = width < 38;
    let mut spans = Vec::new();
    for slot in (0..8).rev() {
        let level = Level::ALL.get(usize::wrapping_sub(slot, 1)).copied();
        let wanted = if narrow { level >= Some(Level::Error) } else { true };
        if wanted && source.counts[slot] > 0 && spans.len() < 5 {
            let text = format!("{}{} ", letter(level), short_count(source.counts[slot]));
            spans.push(span(text, Role::Level(level)));
        }
    }
    spans
}
