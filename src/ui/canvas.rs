//! Draws spans of text into terminal cells.
//!
//! Text is truncated by display width; nothing is ever drawn outside its area or outside the buffer.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::theme::{Glyphs, Role, Theme};

/// Text in one style. Invariant: text from outside has gone through `base::sanitize`.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    pub text: Cow<'a, str>,
    pub role: Option<Role>,
}

pub fn span<'a>(text: impl Into<Cow<'a, str>>, role: Role) -> Span<'a> {
    Span { text: text.into(), role: Some(role) }
}

pub fn plain<'a>(text: impl Into<Cow<'a, str>>) -> Span<'a> {
    Span { text: text.into(), role: None }
}

pub fn width_of(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.text.width()).sum()
}

pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
}

impl Canvas<'_> {
    pub fn glyphs(&self) -> &Glyphs {
        &self.theme.glyphs
    }

    pub fn style(&self, role: Option<Role>) -> Style {
        role.map_or(Style::new(), |role| self.theme.style(role))
    }

    /// Draws one line of spans in the first row of `area`; a truncated line ends in `…`.
    pub fn line(&mut self, area: Rect, spans: &[Span<'_>]) {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return;
        }
        let is_truncated = width_of(spans) > usize::from(area.width);
        let room = usize::from(area.width) - usize::from(is_truncated);
        let mut used = 0;
        for span in spans {
            let text = head(&span.text, room - used);
            let x = area.x + used as u16;
            self.buffer.set_stringn(x, area.y, text, room - used, self.style(span.role));
            used += text.width();
            if text.len() < span.text.len() {
                break;
            }
        }
        if is_truncated {
            let ellipsis = self.glyphs().cut;
            let style = self.style(Some(Role::Dim));
            self.buffer.set_stringn(area.x + used as u16, area.y, ellipsis, 1, style);
        }
    }

    /// Like [`Canvas::line`], but right-aligned; returns the remaining area to its left.
    pub fn line_right(&mut self, area: Rect, spans: &[Span<'_>]) -> Rect {
        let area = area.intersection(self.buffer.area);
        let width = width_within(spans, area);
        let x = area.x + area.width - width;
        self.line(Rect { x, width, ..area }, spans);
        Rect { width: area.width - width, ..area }
    }

    /// Draws a pane border: `── title ─── right ──`.
    pub fn border(&mut self, area: Rect, title: &[Span<'_>], right: &[Span<'_>]) {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return;
        }
        let line = self.glyphs().line.repeat(usize::from(area.width));
        let border = self.style(Some(Role::Border));
        self.buffer.set_stringn(area.x, area.y, line, usize::from(area.width), border);
        let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let used = width_within(title, inside);
        self.clear(Rect { width: used, ..inside });
        self.line(inside, title);
        let left = Rect { width: inside.width - used, ..inside };
        let width = width_within(right, left);
        if (1..left.width).contains(&width) {
            self.clear(Rect { x: inside.x + inside.width - width, width, ..inside });
            self.line_right(inside, right);
        }
    }

    /// Draws a vertical line that fills the area.
    pub fn divider(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(Some(Role::Border));
        let column = self.glyphs().column;
        for y in area.y..area.y + area.height {
            self.buffer.set_stringn(area.x, y, column, usize::from(area.width), style);
        }
    }

    /// Applies a style to an area without changing its text.
    pub fn restyle(&mut self, area: Rect, role: Role) {
        let style = self.style(Some(role));
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    pub fn clear(&mut self, area: Rect) {
        for position in area.intersection(self.buffer.area).positions() {
            self.buffer[position].reset();
        }
    }
}

fn width_within(spans: &[Span<'_>], area: Rect) -> u16 {
    width_of(spans).min(usize::from(area.width)) as u16
}

/// The longest prefix that fits into this many cells.
pub fn head(text: &str, cells: usize) -> &str {
    &text[..split(text, cells)]
}

/// The rest of the text after this many cells were scrolled away.
pub fn skip(text: &str, cells: usize) -> &str {
    let at = split(text, cells);
    let used = text[..at].width();
    match text[at..].chars().next() {
        // A wide character that is half scrolled away is dropped.
        Some(character) if used < cells => &text[at + character.len_utf8()..],
        _ => &text[at..],
    }
}

fn split(text: &str, cells: usize) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > cells {
            return at;
        }
    }
    text.len()
}

/// Wraps into pieces of at most this many cells, preferably after a space.
pub fn wrap(text: &str, cells: usize) -> Vec<&str> {
    let cells = cells.max(4);
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.width() > cells {
        let hard = split(rest, cells).max(rest.chars().next().map_or(0, char::len_utf8));
        let soft = rest[..hard].rfind(' ').map(|at| at + 1);
        let at = soft.filter(|at| *at * 2 > hard).unwrap_or(hard);
        pieces.push(&rest[..at]);
        rest = &rest[at..];
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_truncated_by_display_width() {
        assert_eq!(head("日本語", 5), "日本");
        assert_eq!(skip("日本語", 3), "語");
        assert_eq!(skip("abc", 5), "");
        assert_eq!(head("abc", 0), "");
    }

    #[test]
    fn drawing_outside_the_buffer_is_clipped() {
        let theme = Theme::new(crate::ui::Palette::Dark, false);
        let spans = [plain("a long line of text"), plain("日本語")];
        let sizes = [0, 1, 2, 5, 20];
        let places = [0, 1, 4, 5, 6, 100, u16::MAX - 20];
        for (x, y) in places.iter().flat_map(|x| places.iter().map(move |y| (*x, *y))) {
            for (width, height) in sizes.iter().flat_map(|w| sizes.iter().map(move |h| (*w, *h))) {
                let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 5));
                let mut canvas = Canvas { buffer: &mut buffer, theme: &theme };
                let area = Rect::new(x, y, width, height);
                canvas.line(area, &spans);
                canvas.line_right(area, &spans);
                canvas.border(area, &spans, &spans);
                canvas.divider(area);
                canvas.restyle(area, Role::Dim);
                canvas.clear(area);
            }
        }
    }

    #[test]
    fn wrapping_loses_nothing() {
        for text in ["", "a", "one two three four", "日本語日本語日本語", "xxxxxxxxxxxxxxxxxxxx"]
        {
            for cells in 0..12 {
                let pieces = wrap(text, cells);
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| piece.width() <= cells.max(4)), "{pieces:?}");
            }
        }
    }
}
