use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::base::Timestamp;
use crate::event::status::{EngineState, FileState, Notice, SinkState, SinkStatus};
use crate::event::{FileId, GenerationId, Status, test_batches};
use crate::follow::view::{Entry, Position};
use crate::ui::mask::Mask;
use crate::ui::state::FileEntry;
use crate::ui::stream::{self, Row};

fn state() -> State {
    let now = Timestamp::from_seconds(1_700_000_000);
    let mut state = State::new("test".to_owned(), (80, 24), now, TimeZone::UTC);
    update(&mut state, Action::Resized { width: 80, height: 24 });
    state
}

fn press(state: &mut State, verb: Verb) -> Vec<Effect> {
    update(state, Action::Verb(verb))
}

fn type_text(state: &mut State, text: &str) {
    for character in text.chars() {
        update(state, Action::Typed(Key::char(character)));
    }
    update(state, Action::Typed(Key::plain(Code::Enter)));
}

fn sink(state: SinkState) -> SinkStatus {
    SinkStatus { state, ..SinkStatus::new("archive", "archive") }
}

fn with_sink(state: &mut State, sink_state: SinkState) {
    let status =
        Status { engine: EngineState::Running, sinks: vec![sink(sink_state)], ..Status::default() };
    update(state, Action::Status(status.into()));
}

fn shown(state: &State) -> Option<&str> {
    state.messages.shown().map(|message| message.text.as_str())
}

fn notice(level: Level, text: &str) -> Notice {
    Notice { time: Timestamp::default(), level, text: text.to_owned() }
}

const FILE: FileId = FileId(1);
const GENERATION: GenerationId = GenerationId(7);

/// 100 bytes long.
fn file_entry() -> FileEntry {
    FileEntry {
        generation: Some(GENERATION),
        file: FILE,
        source: "test".into(),
        name: "app.log".to_owned(),
        path: "/var/log/app.log".to_owned(),
        size: 100,
        complete: 100,
        lost: 0,
        counts: [0; 8],
        counted_bytes: 0,
        format: None,
        state: FileState::Live,
        last_growth: Timestamp::default(),
        hidden: false,
        problem: None,
        zone: TimeZone::UTC,
    }
}

/// The record of [`FILE`] at this offset.
fn row(offset: u64) -> Row {
    let position = Position { key: 0, file: FILE, offset };
    let batch = Arc::new(test_batches::batch("number=1", None));
    stream::row(
        Entry { position, slot: 0, batch, index: 0, open: false },
        &[offset],
        &Mask::default(),
    )
}

/// The lines of the whole screen.
fn drawn(state: &State) -> Vec<String> {
    let area = ratatui::layout::Rect::new(0, 0, state.size.0, state.size.1);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    let theme = crate::ui::theme::Theme::new(crate::ui::Palette::Dark, false);
    crate::ui::panes::draw(&mut buffer, state, &crate::ui::Keymap::default(), &theme);
    let cells = usize::from(area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| -> String {
        cells.iter().map(|cell| cell.symbol()).collect()
    };
    buffer.content.chunks(cells).map(line).collect()
}

#[test]
fn escape_never_quits_and_q_asks_at_the_top() {
    let mut state = state();
    press(&mut state, Verb::Help);
    for _ in 0..5 {
        assert_eq!(press(&mut state, Verb::Back), []);
    }
    assert_eq!(state.overlay, None);
    assert_eq!(press(&mut state, Verb::Leave), []);
    assert_eq!(state.overlay, Some(Overlay::Ask(Question::Quit)));
    update(&mut state, Action::Typed(Key::char('n')));
    assert_eq!(state.overlay, None);
    press(&mut state, Verb::Leave);
    let effects = update(&mut state, Action::Typed(Key::char('y')));
    assert_eq!(effects, [Effect::Exit(Exit::Quit)]);
}

#[test]
fn ctrl_c_cancels_and_twice_quits() {
    let mut state = state();
    assert_eq!(press(&mut state, Verb::Cancel), []);
    press(&mut state, Verb::Down);
    assert_eq!(press(&mut state, Verb::Cancel), [], "another key came between");
    assert_eq!(press(&mut state, Verb::Cancel), [Effect::Exit(Exit::Quit)]);
}

#[test]
fn a_pause_needs_confirmation_and_resuming_does_not() {
    let mut state = state();
    with_sink(&mut state, SinkState::Idle);
    assert_eq!(press(&mut state, Verb::PauseShipping), []);
    let effects = update(&mut state, Action::Typed(Key::char('y')));
    let pause = Command::Pause { sink: None, by: "the screen".to_owned() };
    assert_eq!(effects, [Effect::Command(pause)]);
    // Also while a batch is shipped, or nothing can be delivered anyway.
    let paused = SinkStatus { paused_by: Some("the screen".to_owned()), ..sink(SinkState::Idle) };
    let status = Status { sinks: vec![paused], ..(*state.status).clone() };
    update(&mut state, Action::Status(status.into()));
    let effects = press(&mut state, Verb::PauseShipping);
    assert_eq!(effects, [Effect::Command(Command::Resume { sink: None })]);
}

#[test]
fn a_view_only_screen_ships_nothing_and_shows_the_reason() {
    let mut state = state();
    let engine = EngineState::ViewOnly { reason: "process 7 owns the state".to_owned() };
    for sinks in [vec![sink(SinkState::Idle)], Vec::new()] {
        let status = Status { engine: engine.clone(), sinks, ..Status::default() };
        update(&mut state, Action::Status(status.into()));
        for verb in [Verb::ShipNow, Verb::PauseShipping, Verb::Retry] {
            assert_eq!(press(&mut state, verb), []);
            assert_eq!(shown(&state), Some("view only: process 7 owns the state"));
        }
    }
}

#[test]
fn a_paste_outside_a_prompt_is_dropped() {
    let mut state = state();
    with_sink(&mut state, SinkState::Idle);
    assert_eq!(update(&mut state, Action::Pasted("S y Q s".to_owned())), []);
    assert_eq!(state.overlay, None);
    press(&mut state, Verb::Search);
    update(&mut state, Action::Pasted("Un\nauth".to_owned()));
    assert_eq!(state.prompt.as_ref().unwrap().text, "Unauth");
}

#[test]
fn an_invalid_search_or_filter_is_reported_in_the_prompt() {
    let mut state = state();
    press(&mut state, Verb::Search);
    type_text(&mut state, "(");
    assert!(state.prompt.as_ref().unwrap().problem.is_some());
    update(&mut state, Action::Typed(Key::plain(Code::Esc)));
    press(&mut state, Verb::Filter);
    type_text(&mut state, "level>=nonsense");
    assert!(state.prompt.as_ref().unwrap().problem.is_some());
    update(&mut state, Action::Typed(Key::plain(Code::Esc)));
    assert!(state.stream.filters.list.is_empty());
    press(&mut state, Verb::Filter);
    type_text(&mut state, "!/healthz/");
    assert_eq!(state.stream.filters.list.len(), 1);
    press(&mut state, Verb::Filter);
    type_text(&mut state, "");
    assert!(state.stream.filters.list.is_empty());
}

#[test]
fn a_notice_is_shown_once_and_an_error_stays() {
    let mut state = state();
    let mut status = Status { notices: vec![notice(Level::Info, "first")], ..Status::default() };
    update(&mut state, Action::Status(status.clone().into()));
    assert_eq!(shown(&state), Some("first"));
    let later = state.now.plus(std::time::Duration::from_secs(60));
    update(&mut state, Action::Clock(later));
    update(&mut state, Action::Status(status.clone().into()));
    assert_eq!(shown(&state), None);
    status.notices.push(notice(Level::Error, "disk full"));
    update(&mut state, Action::Status(status.into()));
    update(&mut state, Action::Clock(later.plus(std::time::Duration::from_secs(3600))));
    assert_eq!(shown(&state), Some("disk full"));
    press(&mut state, Verb::Back);
    assert_eq!(shown(&state), None);
}

#[test]
fn no_notice_is_lost_behind_another_and_escape_shows_the_next_one() {
    let mut state = state();
    let notices = vec![
        notice(Level::Error, "disk full"),
        notice(Level::Warning, "a.log is gone"),
        notice(Level::Info, "listening"),
    ];
    let status = Status { notices, ..Status::default() };
    update(&mut state, Action::Status(status.into()));
    assert_eq!((shown(&state), state.messages.pending()), (Some("disk full"), 2));
    let lines = drawn(&state);
    assert!(lines[23].starts_with(" disk full (+2) "), "{lines:?}");
    press(&mut state, Verb::NextMatch);
    assert_eq!(shown(&state), Some("no pattern to repeat; press / to search"));
    let later = state.now.plus(std::time::Duration::from_secs(6));
    update(&mut state, Action::Clock(later));
    for expected in ["disk full", "a.log is gone", "listening"] {
        assert_eq!(shown(&state), Some(expected));
        press(&mut state, Verb::Back);
    }
    assert_eq!(shown(&state), None);
}

#[test]
fn pending_messages_do_not_delay_quitting() {
    let mut state = state();
    let notices = vec![notice(Level::Error, "disk full"), notice(Level::Error, "disk worn out")];
    update(&mut state, Action::Status(Status { notices, ..Status::default() }.into()));
    press(&mut state, Verb::Leave);
    assert_eq!(state.overlay, Some(Overlay::Ask(Question::Quit)));
    let effects = update(&mut state, Action::Typed(Key::char('q')));
    assert_eq!(effects, [Effect::Exit(Exit::Quit)]);
}

#[test]
fn q_answers_no_other_question() {
    let mut state = state();
    with_sink(&mut state, SinkState::Idle);
    press(&mut state, Verb::PauseShipping);
    assert_eq!(update(&mut state, Action::Typed(Key::char('q'))), []);
    assert_eq!(state.overlay, Some(Overlay::Ask(Question::Pause)));
}

#[test]
fn help_scrolls_no_further_than_its_last_line() {
    let mut state = state();
    press(&mut state, Verb::Help);
    press(&mut state, Verb::Bottom);
    let end = crate::ui::panes::max_overlay_scroll(&state);
    assert!(end > 0);
    assert_eq!(state.overlay, Some(Overlay::Help { scroll: end, detail: None }));
    let lines = drawn(&state);
    let bottom = usize::from(layout::of(&state).streams.bottom());
    assert!(lines[bottom - 1].trim_end().ends_with("quit"), "{lines:?}");
    press(&mut state, Verb::Up);
    assert_eq!(state.overlay, Some(Overlay::Help { scroll: end - 1, detail: None }));
}

#[test]
fn a_file_that_is_shown_again_is_not_reported_as_hidden() {
    let mut state = state();
    update(&mut state, Action::Files { entries: vec![file_entry()], grown: false });
    press(&mut state, Verb::Pane);
    assert_eq!(state.focus, Pane::Files);
    press(&mut state, Verb::HideFile);
    assert_eq!(shown(&state), Some("app.log hidden (x in the files pane shows it)"));
    press(&mut state, Verb::HideFile);
    assert_eq!(shown(&state), Some("app.log shown again"));
    assert!(!state.files[0].hidden);
}

#[test]
fn details_open_only_in_panes_that_list_the_key() {
    let mut state = state();
    update(&mut state, Action::Files { entries: vec![file_entry()], grown: false });
    state.stream.rows.push_back(row(0));
    for pane in Pane::ALL {
        state.focus = pane;
        state.overlay = None;
        press(&mut state, Verb::Detail);
        let opens = pane == Pane::Streams;
        assert_eq!(state.overlay, opens.then_some(Overlay::Detail { scroll: 0 }), "{pane:?}");
    }
}

#[test]
fn no_bytes_are_below_when_the_last_row_is_visible() {
    let mut state = state();
    update(&mut state, Action::Files { entries: vec![file_entry()], grown: false });
    let stream = &mut state.stream;
    stream.rows = (0..100).map(row).collect();
    stream.tail = [100].into();
    (stream.at_head, stream.at_tail, stream.is_following, stream.reset) = (true, true, false, None);
    let height = u64::from(stream.height);
    assert_eq!(state.bytes_below(0), 100 - height);
    state.stream.follow_end();
    assert_eq!(state.bytes_below(0), 0);
    press(&mut state, Verb::Top);
    assert_eq!(state.bytes_below(0), 100 - height);
}

#[test]
fn every_key_is_safe_in_every_pane_and_size_without_data() {
    for size in [(1, 1), (2, 3), (59, 14), (60, 15), (80, 24), (300, 100)] {
        let mut state = state();
        update(&mut state, Action::Resized { width: size.0, height: size.1 });
        for info in crate::ui::commands::VERBS.iter().chain(crate::ui::commands::VERBS) {
            press(&mut state, info.verb);
            if state.prompt.is_some() {
                type_text(&mut state, "x");
            }
            if let Some(Overlay::Ask(_)) = state.overlay {
                update(&mut state, Action::Typed(Key::char('n')));
            }
            drawn(&state);
        }
    }
}

#[test]
fn commands_are_run_by_name_and_for_one_sink() {
    let mut state = state();
    with_sink(&mut state, SinkState::Shipping);
    let mut enter = |text: &str| {
        press(&mut state, Verb::Command);
        for character in text.chars() {
            update(&mut state, Action::Typed(Key::char(character)));
        }
        let effects = update(&mut state, Action::Typed(Key::plain(Code::Enter)));
        let problem = state.prompt.take().and_then(|prompt| prompt.problem);
        (effects, problem)
    };
    let sink = Some("archive".to_owned());
    let by = "the screen".to_owned();
    let expected = [
        ("reload", Command::Reload),
        ("retry", Command::Retry { sink: None }),
        ("ship-now archive", Command::ShipNow { sink: sink.clone() }),
        ("retry archive", Command::Retry { sink: sink.clone() }),
        ("pause-shipping archive", Command::Pause { sink, by }),
    ];
    for (text, command) in expected {
        assert_eq!(enter(text), (vec![Effect::Command(command)], None), "{text}");
    }
    assert_eq!(enter(""), (Vec::new(), None));
    for (text, word) in [("rload", "rload"), ("ship-now es", "archive"), ("top archive", "top")] {
        let (effects, problem) = enter(text);
        assert!(effects.is_empty() && problem.is_some_and(|text| text.contains(word)), "{text}");
    }
}

#[test]
fn help_opens_over_details_and_returns_to_them() {
    let mut state = state();
    state.stream.rows.push_back(row(0));
    press(&mut state, Verb::Detail);
    press(&mut state, Verb::Help);
    assert!(matches!(state.overlay, Some(Overlay::Help { .. })));
    for verb in [Verb::Help, Verb::Back] {
        press(&mut state, verb);
        assert_eq!(state.overlay, Some(Overlay::Detail { scroll: 0 }));
        press(&mut state, Verb::Help);
    }
}

#[test]
fn a_file_is_hidden_only_in_panes_where_one_is_selected() {
    let mut state = state();
    update(&mut state, Action::Files { entries: vec![file_entry()], grown: false });
    state.stream.rows.push_back(row(0));
    for pane in [Pane::Thresholds, Pane::Shipping] {
        state.focus = pane;
        press(&mut state, Verb::HideFile);
        assert_eq!(state.stream.hidden, []);
        assert_eq!(shown(&state), Some("x hides a file in the streams and files panes"));
    }
}

#[test]
fn all_messages_can_be_read_in_full() {
    let mut state = state();
    let long = format!("the disk is full: {} of /data", "x".repeat(200));
    let status = Status { notices: vec![notice(Level::Error, &long)], ..Status::default() };
    update(&mut state, Action::Status(status.into()));
    press(&mut state, Verb::Command);
    type_text(&mut state, "messages");
    let drawn = drawn(&state).concat();
    assert!(drawn.contains("of /data") && drawn.contains("the disk is full"), "{drawn}");
    press(&mut state, Verb::Back);
    assert_eq!(state.overlay, None);
}

#[test]
fn a_truncated_file_is_reported_and_a_rotated_one_is_not() {
    let fresh = |size| FileEntry { file: FileId(2), size, complete: size, ..file_entry() };
    let said = |old: Option<FileEntry>, new: FileEntry| {
        let mut state = state();
        update(&mut state, Action::Files { entries: vec![file_entry()], grown: false });
        let entries = old.into_iter().chain([new]).collect();
        update(&mut state, Action::Files { entries, grown: false });
        shown(&state).map(str::to_owned)
    };
    let renamed = FileEntry { path: "/var/log/app.log.1".to_owned(), ..file_entry() };
    assert_eq!(said(Some(renamed), fresh(20)), None);
    let elsewhere = FileEntry { state: FileState::Rotated, ..file_entry() };
    assert_eq!(said(Some(elsewhere), fresh(20)), None);
    assert_eq!(said(None, fresh(200)), None);
    let ended = FileEntry { state: FileState::Ended, ..file_entry() };
    for old in [Some(ended), None] {
        let text = said(old, fresh(20)).unwrap();
        assert!(text.starts_with("app.log was truncated or rewritten (100 B, now 20 B)"), "{text}");
    }
}
