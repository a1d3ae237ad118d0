//! The streams pane: the merged timeline of all files, with the selection and the matches marked.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::time::{self, Detail};
use super::title;
use crate::base::bytes;
use crate::event::{Flags, Level};
use crate::ui::canvas::{Canvas, Span, head, plain, skip, span};
use crate::ui::record_text;
use crate::ui::state::{Pane, State};
use crate::ui::stream::Row;
use crate::ui::theme::{Glyphs, Role};

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.is_empty() {
        return;
    }
    let name = title(canvas, state, Pane::Streams);
    let glyphs = *canvas.glyphs();
    canvas.border(
        area,
        &[name, span(follow_state(state, &glyphs), follow_role(state))],
        &search_and_filters(state, &glyphs),
    );
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if state.stream.rows.is_empty() {
        let row = Rect { x: body.x + 1, width: body.width.saturating_sub(1), height: 1, ..body };
        if body.height > 0 {
            canvas.line(row, &[span(empty_text(state), Role::Dim)]);
        }
        return;
    }
    let columns = Columns::of(state, body.width);
    let mut y = -i32::from(state.stream.clip);
    for index in state.stream.top..state.stream.rows.len() {
        if y >= i32::from(body.height) {
            break;
        }
        y = draw_row(canvas, body, y, state, &columns, index);
    }
}

fn follow_state(state: &State, glyphs: &Glyphs) -> String {
    let stream = &state.stream;
    if stream.is_following {
        return format!("{} following ", glyphs.line);
    }
    match stream.new_below {
        0 => format!("{} paused ", glyphs.line),
        fresh => format!("{} paused, {} new {} ", glyphs.line, bytes::count(fresh), glyphs.down),
    }
}

fn follow_role(state: &State) -> Role {
    match (state.stream.is_following, state.stream.new_below) {
        (true, _) => Role::Ok,
        (false, 0) => Role::Title,
        (false, _) => Role::Near,
    }
}

fn search_and_filters(state: &State, glyphs: &Glyphs) -> Vec<Span<'static>> {
    let stream = &state.stream;
    let mut spans = Vec::new();
    if stream.late_above > 0 {
        spans.push(span(format!(" {} {} late ", glyphs.up, stream.late_above), Role::Near));
    }
    if let Some(search) = &stream.search {
        let text = record_text::safe(stream.mask.typed(head(&search.text, 24)));
        spans.push(span(format!(" /{text}/ "), Role::Match));
    }
    for filter in stream.filters.list.iter().rev().take(2).rev() {
        let role = if stream.filters.is_on { Role::Near } else { Role::Dim };
        let text = record_text::safe(stream.mask.typed(head(&filter.text, 24)));
        spans.push(span(format!(" &{text} "), role));
    }
    if stream.filters.list.len() > 2 {
        spans.push(span(format!("{} filters ", stream.filters.list.len()), Role::Near));
    }
    if !stream.filters.is_on {
        spans.push(span("off ", Role::Dim));
    }
    if stream.column > 0 {
        spans.push(span(format!(" column {} ", stream.column), Role::Title));
    }
    spans
}

fn empty_text(state: &State) -> &'static str {
    let stream = &state.stream;
    if stream.reset.is_some() || !stream.at_head {
        "loading …"
    } else if state.files.iter().all(|file| file.size == 0) {
        "no events yet"
    } else {
        "nothing matches: hidden by level, filter or file"
    }
}

/// Number of cells for the text of a record in a pane of this width.
pub fn text_width(state: &State, width: u16) -> usize {
    usize::from(width).saturating_sub(Columns::of(state, width).width())
}

/// The columns before the text of a record, with their widths.
struct Columns {
    detail: Detail,
    name: usize,
}

impl Columns {
    fn of(state: &State, width: u16) -> Self {
        let stream = &state.stream;
        let visible = stream.rows.iter().skip(stream.top).take(usize::from(stream.height));
        let today = state.now.day();
        let dated = visible.clone().any(|row| row.entry.event().time().day() != today);
        let detail = match (dated, width >= 100) {
            (true, true) => Detail::Full,
            (true, false) => Detail::Day,
            (false, _) => Detail::Clock,
        };
        let most = if width >= 100 { 18 } else { 10 };
        let several = state.files.len() > 1;
        let widest = state.files.iter().map(|file| file.name.width()).max().unwrap_or(0);
        Columns { detail, name: if several { widest.clamp(1, most) } else { 0 } }
    }

    fn width(&self) -> usize {
        let name = if self.name > 0 { self.name + 1 } else { 0 };
        self.detail.width() + 1 + 2 + name
    }
}

/// Draws a row at line `y` of the body, which may be above it; returns the line of the next row.
fn draw_row(
    canvas: &mut Canvas<'_>,
    body: Rect,
    mut y: i32,
    state: &State,
    columns: &Columns,
    index: usize,
) -> i32 {
    let stream = &state.stream;
    let row = &stream.rows[index];
    let shown = stream.lines_of(index);
    let lines = record_text::lines(&row.entry.event(), &stream.mask, usize::from(shown));
    let before = columns.width() as u16;
    for number in 0..usize::from(shown) {
        if y >= 0 && y < i32::from(body.height) {
            let area = Rect { y: body.y + y as u16, height: 1, ..body };
            if number == 0 {
                let left = Rect { width: before.min(area.width), ..area };
                canvas.line(left, &prefix(state, row, columns, canvas.glyphs()));
            }
            let text = Rect {
                x: area.x + before.min(area.width),
                width: area.width.saturating_sub(before),
                ..area
            };
            let hidden = row.lines.saturating_sub(shown);
            if number + 1 == usize::from(shown) && hidden > 0 && shown > 1 {
                let more =
                    format!("{} {} more lines (Enter shows all)", canvas.glyphs().more, hidden + 1);
                canvas.line(text, &[span(more, Role::Dim)]);
            } else if let Some(spans) = lines.get(number) {
                draw_text(canvas, text, spans, state, row);
            }
            if index == stream.selected && state.focus == Pane::Streams {
                canvas.restyle(if number == 0 { area } else { text }, Role::Selection);
            }
        }
        y += 1;
    }
    y
}

/// The text before a record: time, sign, level and file name.
fn prefix(state: &State, row: &Row, columns: &Columns, glyphs: &Glyphs) -> Vec<Span<'static>> {
    let entry = &row.entry;
    let event = entry.event();
    let zone = row_zone(state, row);
    let time = match entry.has_own_time() {
        true => time::show(event.time(), &zone, columns.detail),
        false => String::new(),
    };
    let width = columns.detail.width();
    let sign = match () {
        () if entry.open => glyphs.more,
        () if entry.is_misplaced() => glyphs.waiting,
        () if event.record.flags.contains(Flags::TRUNCATED) => glyphs.cut,
        () => " ",
    };
    let level = event.level();
    let mut spans = vec![
        span(format!("{time:<width$}"), Role::Dim),
        span(sign, Role::Near),
        span(record_text::letter(level).to_string(), Role::Level(level)),
        plain(" "),
    ];
    if columns.name > 0 {
        let file = state.files.iter().find(|file| file.file == entry.position.file);
        let name = file.map_or("", |file| file.name.as_str());
        let fits = name.width() <= columns.name;
        let shown = if fits { name } else { head(name, columns.name - 1) };
        let cut = if fits { "" } else { glyphs.cut };
        let room = columns.name + 1 - shown.width() - cut.width();
        spans.push(span(format!("{shown}{cut}{}", " ".repeat(room)), Role::Source));
    }
    spans
}

fn row_zone(state: &State, row: &Row) -> jiff::tz::TimeZone {
    let zone = state.stream.zones.get(row.entry.slot);
    time::zone_of(state, zone.unwrap_or(&jiff::tz::TimeZone::UTC)).clone()
}

fn draw_text(
    canvas: &mut Canvas<'_>,
    area: Rect,
    spans: &[Span<'static>],
    state: &State,
    row: &Row,
) {
    let level = row.entry.event().level();
    let base = if level >= Some(Level::Warning) { Some(Role::Level(level)) } else { None };
    let column = state.stream.column;
    let mut text = String::new();
    let mut drawn: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    let mut left = column;
    for part in spans {
        text.push_str(&part.text);
        let visible = skip(&part.text, left);
        left = left.saturating_sub(part.text.width());
        drawn.push(Span { text: visible.into(), role: part.role.or(base) });
    }
    canvas.line(area, &drawn);
    if row.entry.open {
        canvas.restyle(area, Role::Open);
    }
    if let Some(search) = &state.stream.search {
        for found in search.regex.find_iter(text.as_bytes()).take(50) {
            mark(canvas, area, &text, found.range(), column);
        }
    }
}

/// Marks the visible part of a match.
fn mark(
    canvas: &mut Canvas<'_>,
    area: Rect,
    text: &str,
    range: std::ops::Range<usize>,
    column: usize,
) {
    let (Some(before), Some(inside)) = (text.get(..range.start), text.get(range)) else { return };
    let start = before.width();
    let end = (start + inside.width()).saturating_sub(column);
    let start = start.saturating_sub(column);
    let end = end.min(usize::from(area.width));
    if start < end {
        let width = (end - start) as u16;
        canvas.restyle(Rect { x: area.x + start as u16, width, ..area }, Role::Match);
    }
}
