//! Applies the current list of files and the results of the record loader to the state of the screen.

use std::collections::{HashMap, HashSet};

use super::{State, find};
use crate::base::bytes;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::follow::view::{Frontier, Position};
use crate::ui::action::LoadResult;
use crate::ui::state::FileEntry;
use crate::ui::stream::{Reset, Row, Stream};

/// Takes over the list of files. `grown`: at least one has new content.
pub fn files(state: &mut State, mut entries: Vec<FileEntry>, grown: bool) {
    for entry in &mut entries {
        entry.hidden = state.stream.hidden.contains(&entry.file);
    }
    warn_of_truncations(state, &entries);
    let stream = &mut state.stream;
    let files: Vec<_> = entries.iter().map(|entry| entry.file).collect();
    let before = std::mem::replace(&mut stream.files, files);
    stream.zones = entries.iter().map(|entry| entry.zone.clone()).collect();
    state.files = entries;
    state.selected[0] = state.selected[0].min(state.files.len().saturating_sub(1));
    if grown {
        stream.stale = true;
        stream.new_count_stale = true;
    }
    // While the screen follows, a new file is shown from its end on.
    if !stream.files.starts_with(&before) {
        stream.reload_after_removal();
    } else if before.len() != stream.files.len() && !before.is_empty() && stream.is_following {
        stream.restart(Reset::End);
    }
}

/// Warns of truncated files: a path has a new file, and the previous one was not renamed, so that its lines are gone.
fn warn_of_truncations(state: &mut State, entries: &[FileEntry]) {
    // Called every few milliseconds, with up to ten thousand files, and mostly none of them is new.
    if entries.iter().map(|entry| entry.file).eq(state.files.iter().map(|entry| entry.file)) {
        return;
    }
    let known: HashSet<FileId> = state.files.iter().map(|entry| entry.file).collect();
    let is_new = |entry: &&FileEntry| !known.contains(&entry.file);
    if !entries.iter().any(|entry| is_new(&entry)) {
        return;
    }
    // Of several files at one path, the last one counts.
    let at_path: HashMap<&str, &FileEntry> =
        state.files.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let now: HashMap<FileId, &FileEntry> =
        entries.iter().map(|entry| (entry.file, entry)).collect();
    let warnings = entries.iter().filter(is_new).filter_map(|entry| {
        let before = at_path.get(entry.path.as_str())?;
        is_truncated(before, entry, now.get(&before.file).copied()).then(|| {
            format!(
                "{} was truncated or rewritten ({}, now {}): its previous content is gone; reading restarts at the \
                 beginning",
                entry.path.rsplit('/').next().unwrap_or_default(),
                bytes::size(before.size),
                bytes::size(entry.size)
            )
        })
    });
    for text in warnings.collect::<Vec<_>>() {
        state.messages.notice(Level::Warning, text, state.now);
    }
}

/// Whether the previous file at the path of `new` was truncated or replaced. `now`: its current entry, if any.
fn is_truncated(before: &FileEntry, new: &FileEntry, now: Option<&FileEntry>) -> bool {
    match now {
        Some(now) => now.path == before.path && now.state == FileState::Ended,
        None => before.state == FileState::Live && new.size < before.size,
    }
}

pub fn apply(state: &mut State, result: LoadResult) {
    let stream = &mut state.stream;
    match result {
        LoadResult::Repositioned { head, tail, at_tail } => {
            stream.reset = None;
            stream.rows.clear();
            (stream.head, stream.tail) = (head, tail);
            (stream.at_head, stream.at_tail) = (false, at_tail);
            stream.stale = true;
            if stream.new_counted_to.is_none() && !stream.is_following && at_tail {
                stream.new_counted_to = Some(stream.tail.clone());
            }
        }
        LoadResult::Older { rows, head, edge } => back(stream, rows, head, edge),
        LoadResult::Newer { rows, tail, edge } => forward(stream, rows, tail, edge),
        LoadResult::Tail { next_key, open } => tail_moved(stream, next_key, open),
        LoadResult::CountedNew { more, at, edge } => {
            stream.new_below += more;
            stream.new_count_stale = !edge;
            stream.new_counted_to = Some(at);
        }
        LoadResult::Match(row) => {
            show_search_note(state);
            find::scroll_to_match(state, &row);
            found(&mut state.stream, *row);
        }
        LoadResult::SearchProgress { at, behind } => {
            if let Some(run) = &mut stream.running_search {
                (run.at, run.bytes_below) = (at, behind);
            }
        }
        LoadResult::NoMatch => find::reached_edge(state),
    }
}

/// Replaces the answer to an earlier search with the note of this one (such as that it started again at the other end).
fn show_search_note(state: &mut State) {
    let note = state.stream.running_search.as_ref().map_or("", |run| run.note);
    state.messages.clear_answer(state.now);
    if !note.is_empty() {
        state.answer(Level::Info, note);
    }
}

/// Adds older rows above.
fn back(stream: &mut Stream, rows: Vec<Row>, head: Frontier, edge: bool) {
    let more = rows.len();
    // The incomplete records are inserted again at the next read of the tail.
    stream.remove_incomplete();
    stream.stale = true;
    let was_empty = stream.rows.is_empty();
    for row in rows {
        stream.rows.push_front(row);
    }
    stream.head = head;
    stream.at_head = edge;
    if !was_empty || stream.is_following {
        stream.top += more;
        stream.selected += more;
    } else if more > 0 {
        // All records from here on are hidden: select the nearest shown record above.
        stream.selected = more - 1;
        stream.top = more - 1;
    }
    if std::mem::take(&mut stream.wants_context) {
        stream.top = stream.top.saturating_sub(usize::from(stream.height / 3));
        stream.clip = 0;
    }
    complete_pending_move(stream);
    stream.scroll_to_selection();
    if stream.at_head || !stream.needs_older() {
        stream.fill_page();
    }
    stream.trim();
}

/// Adds newer rows, mostly below.
fn forward(stream: &mut Stream, rows: Vec<Row>, tail: Frontier, edge: bool) {
    let first_on_screen = stream.rows.get(stream.top).map(|row| row.entry.position);
    let selected = stream.selected_row().map(|row| row.entry.position);
    stream.remove_incomplete();
    for row in rows {
        if first_on_screen.is_some_and(|first| row.entry.position < first) {
            stream.late_above += 1;
        }
        stream.add(row);
    }
    reselect(stream, selected);
    stream.tail = tail;
    stream.at_tail |= edge;
    // The incomplete records were removed; the next read of the tail returns them.
    stream.stale = true;
    if stream.new_counted_to.is_none() && !stream.is_following && stream.at_tail {
        stream.new_counted_to = Some(stream.tail.clone());
    }
    complete_pending_move(stream);
    stream.scroll_to_selection();
    stream.fill_page();
    stream.trim();
}

/// Completes a move that was waiting for rows to be loaded.
fn complete_pending_move(stream: &mut Stream) {
    if stream.pending_move != 0 {
        let pending_move = std::mem::take(&mut stream.pending_move);
        stream.move_by(pending_move);
    }
}

/// Selects the same record again after the rows have changed.
fn reselect(stream: &mut Stream, selected: Option<Position>) {
    if let Some(index) = selected.and_then(|position| stream.find(position)) {
        stream.selected = index;
    }
}

/// Handles new records at the end: rows with a later time than the next record are dropped and loaded again in order.
fn tail_moved(stream: &mut Stream, next_key: Option<i64>, open: Vec<Row>) {
    stream.stale = false;
    let selected = stream.selected_row().map(|row| row.entry.position);
    stream.remove_incomplete();
    if let Some(next_key) = next_key {
        let oldest = stream.rows.front().map(|row| row.entry.position.key);
        if stream.is_following && oldest.is_some_and(|oldest| oldest > next_key) && !stream.at_head
        {
            // The next record belongs above all loaded rows.
            stream.restart(Reset::End);
            return;
        }
        if stream.is_following {
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
    stream.insert_incomplete(open);
    reselect(stream, selected);
    stream.scroll_to_selection();
}

/// Selects the row of a match; loads the rows around it if it is not among them.
fn found(stream: &mut Stream, row: Row) {
    stream.running_search = None;
    if let Some(index) = stream.find(row.entry.position) {
        stream.selected = index;
        let above = usize::from(stream.height / 3);
        let (top, height) = (stream.top, usize::from(stream.height));
        if index < top || index >= top + height {
            stream.top = index.saturating_sub(above);
            stream.clip = 0;
        }
        stream.scroll_to_selection();
        stream.fill_page();
    } else if let Some(at) = row.at.clone() {
        stream.restart(Reset::Around { position: row.entry.position, at });
    }
}
