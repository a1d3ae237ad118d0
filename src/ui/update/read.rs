//! Taking over what the reader brought.

use super::State;
use crate::event::Level;
use crate::follow::view::Frontier;
use crate::ui::action::Reading;
use crate::ui::search::Direction;
use crate::ui::state::SourceLine;
use crate::ui::stream::{Reset, Row, Stream};

pub fn sources(state: &mut State, mut lines: Vec<SourceLine>, grown: bool) {
    for line in &mut lines {
        line.hidden = state.stream.hidden.contains(&line.file);
    }
    let stream = &mut state.stream;
    let files: Vec<_> = lines.iter().map(|line| line.file).collect();
    let before = std::mem::replace(&mut stream.files, files);
    stream.zones = lines.iter().map(|line| line.zone.clone()).collect();
    state.sources = lines;
    state.selected[0] = state.selected[0].min(state.sources.len().saturating_sub(1));
    if grown {
        stream.stale = true;
        stream.fresh_stale = true;
    }
    // A file that appears while the end is followed belongs into the rows from its own end on.
    if !stream.files.starts_with(&before) {
        stream.renumber();
    } else if before.len() != stream.files.len() && !before.is_empty() && stream.follow {
        stream.restart(Reset::End);
    }
}

pub fn taken(state: &mut State, reading: Reading) {
    let stream = &mut state.stream;
    match reading {
        Reading::Placed { head, tail, at_tail } => {
            stream.reset = None;
            stream.rows.clear();
            (stream.head, stream.tail) = (head, tail);
            (stream.at_head, stream.at_tail) = (false, at_tail);
            stream.stale = true;
            if stream.fresh_at.is_none() && !stream.follow && at_tail {
                stream.fresh_at = Some(stream.tail.clone());
            }
        }
        Reading::Back { rows, head, edge } => back(stream, rows, head, edge),
        Reading::Forward { rows, tail, edge } => forward(stream, rows, tail, edge),
        Reading::Tail { next_key, open } => tail_moved(stream, next_key, open),
        Reading::Fresh { more, at, edge } => {
            stream.fresh += more;
            stream.fresh_stale = !edge;
            stream.fresh_at = Some(at);
        }
        Reading::Found(row) => found(stream, *row),
        Reading::Searching { at, behind } => {
            if let Some(hunt) = &mut stream.hunt {
                (hunt.at, hunt.behind) = (at, behind);
            }
        }
        Reading::NotFound => {
            if let Some(hunt) = stream.hunt.take() {
                let direction = match hunt.direction {
                    Direction::Newer => "newer",
                    Direction::Older => "older",
                };
                let text = format!("no {direction} match of {}", hunt.wanted.name());
                state.say(Level::Info, text);
            }
        }
    }
}

fn back(stream: &mut Stream, rows: Vec<Row>, head: Frontier, edge: bool) {
    let more = rows.len();
    let was_empty = stream.rows.is_empty();
    for row in rows {
        stream.rows.push_front(row);
    }
    stream.head = head;
    stream.at_head = edge;
    if !was_empty || stream.follow {
        stream.top += more;
        stream.selected += more;
    } else if more > 0 {
        // Everything from here on is hidden: the nearest shown record stands above.
        stream.selected = more - 1;
        stream.top = more - 1;
    }
    if std::mem::take(&mut stream.lead) {
        stream.top = stream.top.saturating_sub(usize::from(stream.height / 3));
        stream.clip = 0;
    }
    pay(stream);
    stream.settle();
    if stream.at_head || !stream.needs_back() {
        stream.fill_page();
    }
    stream.trim();
}

fn forward(stream: &mut Stream, rows: Vec<Row>, tail: Frontier, edge: bool) {
    let first_on_screen = stream.rows.get(stream.top).map(|row| row.entry.position);
    stream.drop_open();
    for row in rows {
        if first_on_screen.is_some_and(|first| row.entry.position < first) {
            stream.late += 1;
        }
        stream.rows.push_back(row);
    }
    stream.tail = tail;
    if edge && !stream.at_tail {
        stream.at_tail = true;
        // The records that may still grow were dropped: they come with the next look at the tail.
        stream.stale = true;
    }
    if stream.fresh_at.is_none() && !stream.follow && stream.at_tail {
        stream.fresh_at = Some(stream.tail.clone());
    }
    pay(stream);
    stream.settle();
    stream.fill_page();
    stream.trim();
}

/// Moves that were asked for before their rows had been read.
fn pay(stream: &mut Stream) {
    if stream.owed != 0 {
        let owed = std::mem::take(&mut stream.owed);
        stream.move_by(owed);
    }
}

/// The end has moved: rows that belong behind what comes next are read again in order.
fn tail_moved(stream: &mut Stream, next_key: Option<i64>, open: Vec<Row>) {
    stream.stale = false;
    stream.drop_open();
    if let Some(next_key) = next_key {
        if stream.follow {
            while let Some(last) = stream.rows.back()
                && last.entry.position.key > next_key
                && let Some(at) = last.at.clone()
            {
                stream.tail = at;
                stream.rows.pop_back();
            }
        }
        stream.at_tail = false;
    }
    if stream.at_tail {
        stream.insert_open(open);
    }
    stream.settle();
}

fn found(stream: &mut Stream, row: Row) {
    stream.hunt = None;
    if let Some(index) = stream.find(row.entry.position) {
        stream.selected = index;
        let above = usize::from(stream.height / 3);
        let (top, height) = (stream.top, usize::from(stream.height));
        if index < top || index >= top + height {
            stream.top = index.saturating_sub(above);
            stream.clip = 0;
        }
        stream.settle();
        stream.fill_page();
    } else if let Some(at) = row.at.clone() {
        stream.restart(Reset::Around { position: row.entry.position, at });
    }
}
