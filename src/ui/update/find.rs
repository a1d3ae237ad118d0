//! Searching, filtering, levels, hidden sources.

use super::{Effect, State, command};
use crate::event::Level;
use crate::query::ParseContext;
use crate::ui::filter::Filter;
use crate::ui::key::Key;
use crate::ui::prompt::{Asked, Typed};
use crate::ui::search::{Direction, Hunt, Search, Wanted};
use crate::ui::state::Pane;
use crate::ui::verb::Verb;

pub fn typed(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let Some(prompt) = &mut state.prompt else { return };
    match prompt.key(key) {
        Typed::Edited => {}
        Typed::Left => state.prompt = None,
        Typed::Entered => {
            let (asked, text) = (prompt.asked, prompt.text.clone());
            let result = match asked {
                Asked::Search => search(state, &text),
                Asked::Filter => filter(state, &text),
                Asked::Command => command::entered(state, &text, effects),
            };
            match result {
                // A command may have opened another one.
                Ok(()) => state.prompt.take_if(|prompt| prompt.asked == asked),
                Err(problem) => {
                    if let Some(prompt) = &mut state.prompt {
                        prompt.problem = Some(problem);
                    }
                    None
                }
            };
        }
    }
}

/// The nearest match at or above the selection; nothing typed ends the search.
fn search(state: &mut State, text: &str) -> Result<(), String> {
    if text.is_empty() {
        state.stream.search = None;
        return Ok(());
    }
    let search = Search::parse(text)?;
    state.stream.search = Some(search.clone());
    let here = state.stream.selected_row().map(|row| row.entry.clone());
    let wanted = Wanted::Text(search);
    if !here.is_some_and(|entry| wanted.matches(&entry.event(), &state.stream.mask)) {
        hunt(state, wanted, Direction::Older);
    }
    Ok(())
}

/// Nothing typed takes all filters away.
fn filter(state: &mut State, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        state.stream.filters.list.clear();
    } else {
        let zone = state.local.clone();
        let filter = Filter::parse(text, &ParseContext { now: state.now, zone })?;
        state.stream.filters.list.push(filter);
    }
    state.stream.filters.on = true;
    state.stream.reread();
    Ok(())
}

pub fn refilter(state: &mut State, verb: Verb) {
    let filters = &mut state.stream.filters;
    match verb {
        Verb::RaiseLevel => filters.raise_minimum(),
        Verb::LowerLevel => filters.lower_minimum(),
        Verb::ToggleLevel(slot) => filters.toggle_slot(usize::from(slot)),
        _ => filters.on = !filters.on,
    }
    state.stream.reread();
}

/// A search on its way would go on by what is hidden now.
pub fn mask(state: &mut State) {
    let stream = &mut state.stream;
    if !stream.mask.hides_anything() {
        state.say(Level::Info, "there is nothing to mask: [privacy] names no field and no pattern");
        return;
    }
    stream.mask.turn();
    stream.hunt = None;
    stream.reread();
    let text = match stream.mask.is_on() {
        true => "masked: what never leaves in clear is hidden, from search and filters too",
        false => "records are shown as they are",
    };
    state.say(Level::Info, text);
}

/// The source of the selected record, or the selected one of the list.
pub fn hide_source(state: &mut State) {
    let chosen = match state.focus {
        Pane::Sources => state.sources.get(state.selected[0]).map(|source| source.file),
        _ => state.stream.selected_row().map(|row| row.entry.position.file),
    };
    let Some(file) = chosen else { return };
    let hidden = &mut state.stream.hidden;
    match hidden.iter().position(|known| *known == file) {
        Some(index) => {
            hidden.remove(index);
        }
        None => hidden.push(file),
    }
    let now_hidden = hidden.contains(&file);
    state.stream.reread_without(file);
    if let Some(source) = state.sources.iter_mut().find(|source| source.file == file) {
        source.hidden = now_hidden;
        let text = match now_hidden {
            true => format!("{} is hidden; Tab to sources and x shows it", source.name),
            false => format!("{} is shown again", source.name),
        };
        state.say(Level::Info, text);
    }
}

pub fn again(state: &mut State, verb: Verb) {
    match state.stream.search.clone() {
        Some(search) => hunt(state, Wanted::Text(search), direction(verb)),
        None => state.say(Level::Info, "nothing is searched for; / begins"),
    }
}

pub fn level(state: &mut State, verb: Verb, level: Level) {
    hunt(state, Wanted::AtLeast(level), direction(verb));
}

fn direction(verb: Verb) -> Direction {
    match verb {
        Verb::PreviousMatch | Verb::PreviousError | Verb::PreviousWarning => Direction::Older,
        _ => Direction::Newer,
    }
}

fn hunt(state: &mut State, wanted: Wanted, direction: Direction) {
    let stream = &mut state.stream;
    let Some(row) = stream.rows.get(stream.selected) else {
        state.say(Level::Info, "nothing is shown to search in");
        return;
    };
    let mut at = row.at.as_ref().unwrap_or(&stream.tail).to_vec();
    if direction == Direction::Newer && row.at.is_some() {
        at[row.entry.slot] = row.entry.end();
    }
    stream.hold();
    let total = state.sources.iter().map(|source| source.size).sum();
    let sizes = stream.files.iter().map(|file| {
        state.sources.iter().find(|source| source.file == *file).map_or(0, |source| source.size)
    });
    let behind: u64 = sizes
        .enumerate()
        .map(|(slot, size)| size.saturating_sub(at.get(slot).copied().unwrap_or(0)))
        .sum();
    stream.hunt = Some(Hunt { wanted, direction, at, began_behind: behind, behind, total });
}
