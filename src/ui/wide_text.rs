//! A wrapper around the terminal backend that keeps the screen intact if it shows text of uncertain width.
//!
//! Terminals may draw flags, emoji of several characters and joined scripts wider or narrower than computed, which
//! would leave stale cells behind. Promises: a line that contains or contained such text is redrawn as a whole when it
//! changes, and the text behind such a character is positioned by a cursor move. Other lines are passed through.

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use unicode_width::UnicodeWidthStr;

#[derive(Debug)]
pub struct WideTextBackend<B> {
    inner: B,
    /// The drawn cells of each line.
    lines: Vec<Line>,
}

#[derive(Debug, Default)]
struct Line {
    cells: Vec<Cell>,
    has_uncertain_width: bool,
}

impl<B: Backend> WideTextBackend<B> {
    pub fn new(inner: B) -> Self {
        WideTextBackend { inner, lines: Vec::new() }
    }

    fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        let (column, line) = (usize::from(x), usize::from(y));
        if self.lines.len() <= line {
            self.lines.resize_with(line + 1, Line::default);
        }
        let cells = &mut self.lines[line].cells;
        if cells.len() <= column {
            cells.resize(column + 1, Cell::default());
        }
        cells[column] = cell.clone();
    }

    fn draw_line(&mut self, y: u16, changed: &[(u16, Cell)]) -> Result<(), B::Error> {
        let line = &mut self.lines[usize::from(y)];
        let had_uncertain_width = line.has_uncertain_width;
        line.has_uncertain_width =
            visible(&line.cells).any(|(_, cell)| has_uncertain_width(cell.symbol()));
        if !had_uncertain_width && !line.has_uncertain_width {
            return self.inner.draw(changed.iter().map(|(x, cell)| (*x, y, cell)));
        }
        let cells: Vec<(u16, &Cell)> = visible(&line.cells).collect();
        for run in cells.chunk_by(|(_, before), _| !has_uncertain_width(before.symbol())) {
            self.inner.draw(run.iter().map(|(x, cell)| (*x, y, *cell)))?;
        }
        Ok(())
    }
}

/// The cells that are not covered by a wide character before them.
fn visible(cells: &[Cell]) -> impl Iterator<Item = (u16, &Cell)> {
    let mut next = 0;
    cells.iter().enumerate().filter_map(move |(x, cell)| {
        if x < next {
            return None;
        }
        next = x + cell.symbol().width().max(1);
        Some((x as u16, cell))
    })
}

/// Whether terminals disagree on the width of a symbol: it has several characters, or is from an emoji block.
fn has_uncertain_width(symbol: &str) -> bool {
    let mut characters = symbol.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => {
            matches!(one, '\u{2600}'..='\u{2712}' | '\u{2714}'..='\u{27bf}')
                || matches!(one, '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..)
        }
        (Some(_), Some(_)) => true,
        (None, _) => false,
    }
}

impl<B: Backend> Backend for WideTextBackend<B> {
    type Error = B::Error;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), B::Error>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let content: Vec<(u16, u16, &Cell)> = content.collect();
        for line in content.chunk_by(|(_, one, _), (_, other, _)| one == other) {
            let y = line[0].1;
            line.iter().for_each(|(x, y, cell)| self.put(*x, *y, cell));
            let changed: Vec<(u16, Cell)> =
                line.iter().map(|(x, _, cell)| (*x, (*cell).clone())).collect();
            self.draw_line(y, &changed)?;
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), B::Error> {
        self.lines.clear();
        self.inner.clear()
    }

    fn clear_region(&mut self, kind: ClearType) -> Result<(), B::Error> {
        // Cleared cells are sent again as changed cells.
        self.lines.clear();
        self.inner.clear_region(kind)
    }

    fn hide_cursor(&mut self) -> Result<(), B::Error> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> Result<(), B::Error> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> Result<Position, B::Error> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), B::Error> {
        self.inner.set_cursor_position(position)
    }

    fn size(&self) -> Result<Size, B::Error> {
        self.inner.size()
    }

    fn window_size(&mut self) -> Result<WindowSize, B::Error> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> Result<(), B::Error> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use ratatui::Terminal;
    use ratatui::backend::CrosstermBackend;
    use ratatui::layout::Rect;
    use ratatui::{TerminalOptions, Viewport};

    use super::*;

    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The bytes sent to a terminal for the second of two one-line frames.
    fn second(one: &str, two: &str) -> String {
        let sent = Sent::default();
        let area = Rect::new(0, 0, 12, 1);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let backend = WideTextBackend::new(CrosstermBackend::new(sent.clone()));
        let mut terminal = Terminal::with_options(backend, options).unwrap();
        let mut at = 0;
        for text in [one, two] {
            at = sent.0.lock().unwrap().len();
            let draw = |frame: &mut ratatui::Frame<'_>| {
                frame.buffer_mut().set_string(0, 0, text, ratatui::style::Style::new());
            };
            terminal.draw(draw).unwrap();
        }
        let sent = sent.0.lock().unwrap();
        String::from_utf8(sent[at..].to_vec()).unwrap()
    }

    #[test]
    fn a_line_that_contained_a_flag_is_redrawn_as_a_whole() {
        let drawn = second("ab🇩🇪xyz", "ab  xyz");
        assert!(drawn.contains("ab  xyz"), "{drawn:?}");
        let drawn = second("ab xyz", "ab🇩🇪xy");
        assert!(drawn.contains("ab🇩🇪"), "{drawn:?}");
        assert!(drawn.contains("\x1b[1;5Hxy"), "placed by a move: {drawn:?}");
        let drawn = second("plain ─ text", "plane ─ text");
        assert!(!drawn.contains("text"), "only what changed: {drawn:?}");
    }
}
