//! The last line: a prompt, a question, a message, or the keys that work here.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::base::sanitize;
use crate::event::Level;
use crate::ui::canvas::{Canvas, Span, head, plain, skip, span, width_of};
use crate::ui::commands::{Verb, VerbInfo, here};
use crate::ui::keymap::Keymap;
use crate::ui::layout;
use crate::ui::prompt::{Asked, Prompt};
use crate::ui::search::Direction;
use crate::ui::state::{Overlay, Question, State};
use crate::ui::theme::Role;

/// Says where the cursor stands, if somebody types.
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
        canvas.line(area, &[span(format!(" {} ", ask(state, question)), Role::Prompt)]);
        return None;
    }
    let width = usize::from(area.width);
    let mut spans = progress(state).or_else(|| message(state, width)).unwrap_or_default();
    if layout::of(state).small && spans.is_empty() {
        spans.push(span(" 60x15 shows more ", Role::Near));
    }
    keys(state, keymap, width, &mut spans);
    canvas.line(area, &spans);
    None
}

fn draw_prompt(canvas: &mut Canvas<'_>, area: Rect, prompt: &Prompt) -> Option<(u16, u16)> {
    let hint = match (&prompt.problem, prompt.asked) {
        (Some(problem), _) => span(format!(" {} ", sanitize::line(problem)), Role::Bad),
        (None, Asked::Search) => span(" regular expression; Enter finds, Esc leaves ", Role::Dim),
        (None, Asked::Filter) => {
            span(" query or /regex/, ! hides; empty takes all filters away ", Role::Dim)
        }
        (None, Asked::Command) => {
            span(" a command, for one sink with its name: ship-now es; reload ", Role::Dim)
        }
    };
    let hint_width = width_of(std::slice::from_ref(&hint)) as u16;
    // The text has the first claim on the room, unless it is wrong.
    let wanted = prompt.text.width() as u16 + 3;
    let room = match prompt.problem {
        Some(_) => area.width.saturating_sub(hint_width).max(area.width / 3),
        None if wanted + hint_width <= area.width => area.width - hint_width,
        None => area.width,
    };
    let before = prompt.text[..prompt.cursor].width();
    let hidden = before.saturating_sub(usize::from(room).saturating_sub(3));
    let text = skip(&prompt.text, hidden).to_owned();
    let sign = span(prompt.asked.sign().to_string(), Role::Prompt);
    canvas.line(Rect { width: room, ..area }, &[sign, plain(text)]);
    let rest = Rect { x: area.x + room, width: area.width - room, ..area };
    canvas.line(rest, &[hint]);
    let x = area.x + 1 + (before - hidden) as u16;
    Some((x.min(area.x + area.width - 1), area.y))
}

fn ask(state: &State, question: Question) -> String {
    match question {
        Question::Quit if state.is_paused(None) => {
            "Quit? Shipping is paused; what waits is sent at the next start. y quits, n stays"
                .to_owned()
        }
        Question::Quit => "Quit? y quits, n stays".to_owned(),
        Question::Pause => {
            "Pause shipping? Nothing is lost; it waits in the files. y pauses, n goes on".to_owned()
        }
    }
}

fn progress(state: &State) -> Option<Vec<Span<'static>>> {
    let hunt = state.stream.hunt.as_ref()?;
    let (done, all) = match hunt.direction {
        Direction::Older => {
            let all = hunt.total.saturating_sub(hunt.began_behind);
            (hunt.behind.saturating_sub(hunt.began_behind), all)
        }
        Direction::Newer => (hunt.began_behind.saturating_sub(hunt.behind), hunt.began_behind),
    };
    let share = (done * 100).checked_div(all).unwrap_or(0).min(100);
    let name = sanitize::line(&hunt.wanted.name()).into_owned();
    Some(vec![span(format!(" searching {name}: {share} %, Esc stops "), Role::Prompt)])
}

/// Its end gives way to how many more wait.
fn message(state: &State, width: usize) -> Option<Vec<Span<'static>>> {
    let message = state.messages.shown()?;
    let role = match message.level {
        Level::Error | Level::Fatal => Role::Bad,
        Level::Warning => Role::Near,
        _ => Role::Prompt,
    };
    let more = match state.messages.waiting() {
        0 => String::new(),
        waiting => format!("(+{waiting}) "),
    };
    let text = sanitize::line(&message.text);
    let text = match more.is_empty() {
        true => &*text,
        false => head(&text, width.saturating_sub(more.len() + 2)),
    };
    Some(vec![span(format!(" {text} {more}"), role)])
}

fn keys(state: &State, keymap: &Keymap, width: usize, spans: &mut Vec<Span<'static>>) {
    for info in here(state).filter(|info| !info.short.is_empty()) {
        let Some(key) = keymap.keys(info.verb).first() else { continue };
        let part = [span(format!(" {key}"), Role::Key), plain(format!(" {} ", short(state, info)))];
        if width_of(spans) + width_of(&part) > width {
            return;
        }
        spans.extend(part);
    }
}

/// Some keys do the opposite the next time.
fn short(state: &State, info: &VerbInfo) -> &'static str {
    match info.verb {
        Verb::Follow if state.stream.follow => "hold",
        Verb::PauseShipping if state.is_paused(None) => "resume",
        Verb::Mask if state.stream.mask.is_on() => "unmask",
        _ => info.short,
    }
}
