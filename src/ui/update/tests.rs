use jiff::tz::TimeZone;

use super::*;
use crate::base::Timestamp;
use crate::event::Status;
use crate::event::status::{EngineState, SinkState, SinkStatus};

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
    SinkStatus {
        name: "archive".to_owned(),
        kind: "archive".to_owned(),
        state,
        confirmed_events: 0,
        confirmed_bytes: 0,
        duplicates: 0,
        filtered_events: 0,
        dead_letters: 0,
        rate: 0.0,
        in_flight_events: 0,
        behind_bytes: 0,
        behind_events: 0,
        oldest_waiting: None,
        last_success: None,
        last_error: None,
    }
}

fn with_sink(state: &mut State, sink_state: SinkState) {
    let status =
        Status { engine: EngineState::Running, sinks: vec![sink(sink_state)], ..Status::default() };
    update(state, Action::Status(status.into()));
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
fn a_pause_is_asked_for_and_resuming_is_not() {
    let mut state = state();
    with_sink(&mut state, SinkState::Idle);
    assert_eq!(press(&mut state, Verb::PauseShipping), []);
    let effects = update(&mut state, Action::Typed(Key::char('y')));
    let pause = Command::Pause { sink: None, by: "the screen".to_owned() };
    assert_eq!(effects, [Effect::Command(pause)]);
    let since = Timestamp::default();
    with_sink(&mut state, SinkState::Paused { by: "the screen".to_owned(), since });
    let effects = press(&mut state, Verb::PauseShipping);
    assert_eq!(effects, [Effect::Command(Command::Resume { sink: None })]);
}

#[test]
fn a_screen_that_only_looks_on_ships_nothing_and_says_why() {
    let mut state = state();
    with_sink(&mut state, SinkState::Idle);
    let mut status = (*state.status).clone();
    status.engine = EngineState::ViewOnly { reason: "process 7 owns the state".to_owned() };
    update(&mut state, Action::Status(status.into()));
    for verb in [Verb::ShipNow, Verb::PauseShipping, Verb::Retry] {
        assert_eq!(press(&mut state, verb), []);
        assert!(state.message.as_ref().unwrap().text.contains("process 7"));
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
fn what_is_wrong_with_a_search_or_a_filter_stays_in_the_prompt() {
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
fn a_notice_is_said_once_and_an_error_stays() {
    let mut state = state();
    let notice = |level, text: &str| crate::event::status::Notice {
        time: Timestamp::default(),
        level,
        text: text.to_owned(),
    };
    let mut status = Status { notices: vec![notice(Level::Info, "first")], ..Status::default() };
    update(&mut state, Action::Status(status.clone().into()));
    assert_eq!(state.message.as_ref().unwrap().text, "first");
    let later = state.now.plus(std::time::Duration::from_secs(60));
    update(&mut state, Action::Clock(later));
    update(&mut state, Action::Status(status.clone().into()));
    assert_eq!(state.message, None);
    status.notices.push(notice(Level::Error, "disk full"));
    update(&mut state, Action::Status(status.into()));
    update(&mut state, Action::Clock(later.plus(std::time::Duration::from_secs(3600))));
    assert_eq!(state.message.as_ref().unwrap().text, "disk full");
    press(&mut state, Verb::Back);
    assert_eq!(state.message, None);
}

#[test]
fn every_key_on_every_pane_and_size_is_safe_without_anything_to_show() {
    for size in [(1, 1), (2, 3), (59, 14), (60, 15), (80, 24), (300, 100)] {
        let mut state = state();
        update(&mut state, Action::Resized { width: size.0, height: size.1 });
        for info in crate::ui::verb::VERBS.iter().chain(crate::ui::verb::VERBS) {
            press(&mut state, info.verb);
            if state.prompt.is_some() {
                type_text(&mut state, "x");
            }
            if let Some(Overlay::Ask(_)) = state.overlay {
                update(&mut state, Action::Typed(Key::char('n')));
            }
            let area = ratatui::layout::Rect::new(0, 0, size.0, size.1);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            let theme = crate::ui::theme::Theme::new(crate::ui::Palette::Dark, false);
            let keymap = crate::ui::Keymap::default();
            crate::ui::panes::draw(&mut buffer, &state, &keymap, &theme);
        }
    }
}
