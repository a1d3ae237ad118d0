//! Draws the bottom line: a prompt or a question; otherwise the progress of a search or a message, and the keys
//! available in the focused pane.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::base::sanitize;
use crate::event::Level;
use crate::ui::canvas::{Canvas, Span, head, plain, skip, span, width_of};
use crate::ui::commands::{Verb, VerbInfo, available};
use crate::ui::keymap::Keymap;
use crate::ui::layout;
use crate::ui::prompt::{Prompt, PromptKind};
use crate::ui::search::Direction;
use crate::ui::state::{Overlay, Question, State};
use crate::ui::theme::Role;

/// Draws the line. Returns the position of the text cursor while a prompt is open.
pub fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    state: &State,
    keymap: &Keymap,
) -> Option<(u16, u16)> {
    if area.is_empty() {
        return None;
    }
    canvas.clear(area);
    if let Some(prompt) = &state.prompt {
        return draw_prompt(canvas, area, prompt);
    }
    if let Some(Overlay::Ask(question)) = state.overlay {
        canvas.line(area, &[span(format!(" {} ", question_text(state, question)), Role::Prompt)]);
        return None;
    }
    let width = usize::from(area.width);
    let mut spans = progress(state).or_else(|| message(state, width)).unwrap_or_default();
    if layout::of(state).small && spans.is_empty() {
        spans.push(span(" all panes need 60x15 ", Role::Near));
    }
    keys(state, keymap, width, &mut spans);
    canvas.line(area, &spans);
    None
}

fn draw_prompt(canvas: &mut Canvas<'_>, area: Rect, prompt: &Prompt) -> Option<(u16, u16)> {
    let hint = match (&prompt.problem, prompt.kind) {
        (Some(problem), _) => span(format!(" {} ", sanitize::line(problem)), Role::Bad),
        (None, PromptKind::Search) => span(" regex; Enter search, Esc cancel ", Role::Dim),
        (None, PromptKind::Filter) => {
            span(" query or /regex/; ! excludes; empty clears all ", Role::Dim)
        }
        (None, PromptKind::Command) => {
            span(" command [sink], for example: ship-now es; reload ", Role::Dim)
        }
    };
    let hint_width = width_of(std::slice::from_ref(&hint)) as u16;
    // The typed text takes precedence over the hint, unless the text is invalid.
    let wanted = prompt.text.width() as u16 + 3;
    let room = match prompt.problem {
        Some(_) => area.width.saturating_sub(hint_width).max(area.width / 3),
        None if wanted + hint_width <= area.width => area.width - hint_width,
        None => area.width,
    };
    let before = prompt.text[..prompt.cursor].width();
    let hidden = before.saturating_sub(usize::from(room).saturating_sub(3));
    let text = skip(&prompt.text, hidden).to_owned();
    let sign = span(prompt.kind.symbol().to_string(), Role::Prompt);
    canvas.line(Rect { width: room, ..area }, &[sign, plain(text)]);
    let rest = Rect { x: area.x + room, width: area.width - room, ..area };
    canvas.line(rest, &[hint]);
    let x = area.x + 1 + (before - hidden) as u16;
    Some((x.min(area.x + area.width - 1), area.y))
}

fn question_text(state: &State, question: Question) -> String {
    match question {
        Question::Quit if state.is_paused(None) => {
            "Quit? Shipping is paused; pending events are sent at the next start. y/n (q quits)"
                .to_owned()
        }
        Question::Quit => "Quit? y/n (q quits)".to_owned(),
        Question::Pause => {
            "Pause shipping? Nothing is lost: pending events stay in the log files. y/n".to_owned()
        }
    }
}

/// The progress of the running search.
fn progress(state: &State) -> Option<Vec<Span<'static>>> {
    let run = state.stream.running_search.as_ref()?;
    let (done, all) = match run.direction {
        Direction::Older => {
            let all = run.total_bytes.saturating_sub(run.bytes_below_at_start);
            (run.bytes_below.saturating_sub(run.bytes_below_at_start), all)
        }
        Direction::Newer => {
            (run.bytes_below_at_start.saturating_sub(run.bytes_below), run.bytes_below_at_start)
        }
    };
    let share = (done * 100).checked_div(all).unwrap_or(0).min(100);
    let name = sanitize::line(&run.wanted.name()).into_owned();
    Some(vec![span(format!(" searching {name}: {share} % (Esc cancels) "), Role::Prompt)])
}

/// The shown message, truncated to leave room for the number of pending ones.
fn message(state: &State, width: usize) -> Option<Vec<Span<'static>>> {
    let message = state.messages.shown()?;
    let role = match message.level {
        Level::Error | Level::Fatal => Role::Bad,
        Level::Warning => Role::Near,
        _ => Role::Prompt,
    };
    let more = match state.messages.pending() {
        0 => String::new(),
        pending => format!("(+{pending}) "),
    };
    let text = sanitize::line(&message.text);
    let text = match more.is_empty() {
        true => &*text,
        false => head(&text, width.saturating_sub(more.len() + 2)),
    };
    Some(vec![span(format!(" {text} {more}"), role)])
}

/// Appends the available keys with their labels, as far as they fit.
fn keys(state: &State, keymap: &Keymap, width: usize, spans: &mut Vec<Span<'static>>) {
    for info in available(state).filter(|info| !info.short.is_empty()) {
        let Some(key) = keymap.keys(info.verb).first() else { continue };
        let part = [span(format!(" {key}"), Role::Key), plain(format!(" {} ", label(state, info)))];
        if width_of(spans) + width_of(&part) > width {
            return;
        }
        spans.extend(part);
    }
}

/// The label of a key, which for toggles depends on the state.
fn label(state: &State, info: &VerbInfo) -> &'static str {
    match info.verb {
        Verb::Follow if state.stream.is_following => "unfollow",
        Verb::PauseShipping if state.is_paused(None) => "resume",
        Verb::Mask if state.stream.mask.is_on() => "unmask",
        _ => info.short,
    }
}
