//! The list of all messages, newest first, each with its time and full text.

use super::time::{self, Detail};
use crate::base::sanitize;
use crate::event::Level;
use crate::ui::canvas::{Span, plain, span, wrap};
use crate::ui::state::State;
use crate::ui::theme::Role;

pub fn lines(state: &State, width: usize) -> Vec<Vec<Span<'static>>> {
    let mut lines = Vec::new();
    for message in state.messages.history().rev() {
        let text = sanitize::line(&message.text);
        let zone = time::zone_of(state, &state.local);
        let clock = time::show(message.time, zone, Detail::Clock);
        let room = width.saturating_sub(clock.len() + 1).max(16);
        for (index, piece) in wrap(&text, room).into_iter().enumerate() {
            let head = if index == 0 { clock.clone() } else { " ".repeat(clock.len()) };
            let text = match message.level {
                Level::Error | Level::Fatal => span(piece.to_owned(), Role::Bad),
                Level::Warning => span(piece.to_owned(), Role::Near),
                _ => plain(piece.to_owned()),
            };
            lines.push(vec![span(format!("{head} "), Role::Dim), text]);
        }
    }
    if lines.is_empty() {
        lines.push(vec![span("no messages yet", Role::Dim)]);
    }
    lines
}
