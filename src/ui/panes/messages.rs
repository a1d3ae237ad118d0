//! Everything that was said in the bottom line, the newest first, each in full.

use super::time::{self, Detail};
use crate::base::sanitize;
use crate::event::Level;
use crate::ui::canvas::{Span, plain, span, wrap};
use crate::ui::state::State;
use crate::ui::theme::Role;

pub fn lines(state: &State, width: usize) -> Vec<Vec<Span<'static>>> {
    let mut lines = Vec::new();
    for said in state.messages.past().rev() {
        let text = sanitize::line(&said.text);
        let zone = time::zone_of(state, &state.local);
        let clock = time::show(said.time, zone, Detail::Clock);
        let room = width.saturating_sub(clock.len() + 1).max(16);
        for (index, piece) in wrap(&text, room).into_iter().enumerate() {
            let head = if index == 0 { clock.clone() } else { " ".repeat(clock.len()) };
            let text = match said.level {
                Level::Error | Level::Fatal => span(piece.to_owned(), Role::Bad),
                Level::Warning => span(piece.to_owned(), Role::Near),
                _ => plain(piece.to_owned()),
            };
            lines.push(vec![span(format!("{head} "), Role::Dim), text]);
        }
    }
    if lines.is_empty() {
        lines.push(vec![span("nothing was said yet", Role::Dim)]);
    }
    lines
}
