//! What a key can do: one list, from which keymap, key bar and help are made.

use super::state::{Pane, State};
use super::stream::Row;

/// Commands of the screen. Those of the engine are [`crate::event::Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Down,
    Up,
    PageDown,
    PageUp,
    HalfPageDown,
    HalfPageUp,
    Top,
    Bottom,
    Left,
    Right,
    Follow,
    Pane,
    PaneBack,
    Detail,
    Open,
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Command,
    ToggleFilters,
    RaiseLevel,
    LowerLevel,
    /// 0 is "no level", then trace … fatal.
    ToggleLevel(u8),
    NextError,
    PreviousError,
    NextWarning,
    PreviousWarning,
    HideSource,
    Zone,
    Mask,
    ShipNow,
    PauseShipping,
    Retry,
    Reload,
    Messages,
    Help,
    Redraw,
    Suspend,
    Back,
    Leave,
    Quit,
    Cancel,
}

/// Where a command stands in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Move,
    Find,
    Show,
    Ship,
    Leave,
}

impl Group {
    pub const ALL: [Group; 5] = [Group::Move, Group::Find, Group::Show, Group::Ship, Group::Leave];

    pub fn title(self) -> &'static str {
        match self {
            Group::Move => "Move",
            Group::Find => "Find",
            Group::Show => "Show and hide",
            Group::Ship => "Ship",
            Group::Leave => "Screen",
        }
    }
}

/// One command as people see it.
#[derive(Debug)]
pub struct VerbInfo {
    pub verb: Verb,
    /// In `keymap.toml`.
    pub name: &'static str,
    /// In the key bar; empty: not there.
    pub short: &'static str,
    pub help: &'static str,
    pub group: Group,
    /// Only where one of these panes has the focus.
    pub panes: &'static [Pane],
}

const ANY: &[Pane] = &Pane::ALL;
const STREAMS: &[Pane] = &[Pane::Streams];
const LISTS: &[Pane] = &[Pane::Streams, Pane::Sources];
const DETAILED: &[Pane] = &[Pane::Streams, Pane::Sources, Pane::Shipping];

const fn info(
    verb: Verb,
    name: &'static str,
    short: &'static str,
    help: &'static str,
    place: (Group, &'static [Pane]),
) -> VerbInfo {
    VerbInfo { verb, name, short, help, group: place.0, panes: place.1 }
}

/// In the order of the help; the key bar takes those with a short name, in this order.
pub const VERBS: &[VerbInfo] = &[
    info(Verb::Help, "help", "help", "this help", (Group::Leave, ANY)),
    info(
        Verb::Follow,
        "follow",
        "follow",
        "follow the end, or hold the screen",
        (Group::Move, STREAMS),
    ),
    info(Verb::Search, "search", "search", "search a regular expression", (Group::Find, STREAMS)),
    info(Verb::NextMatch, "next-match", "newer", "next match (newer)", (Group::Find, STREAMS)),
    info(
        Verb::PreviousMatch,
        "previous-match",
        "older",
        "previous match (older)",
        (Group::Find, STREAMS),
    ),
    info(
        Verb::Filter,
        "filter",
        "filter",
        "show only what a query or /regex/ matches; ! first hides it",
        (Group::Find, STREAMS),
    ),
    info(
        Verb::ToggleFilters,
        "toggle-filters",
        "filters on/off",
        "all filters on or off",
        (Group::Find, STREAMS),
    ),
    info(Verb::ShipNow, "ship-now", "ship", "ship everything up to now", (Group::Ship, ANY)),
    info(
        Verb::PauseShipping,
        "pause-shipping",
        "pause",
        "pause or resume shipping",
        (Group::Ship, ANY),
    ),
    info(Verb::Retry, "retry", "retry", "try again now instead of waiting", (Group::Ship, ANY)),
    info(Verb::Reload, "reload", "", "read the configuration again", (Group::Ship, ANY)),
    info(
        Verb::Command,
        "command",
        "",
        "a command by its name; with that of a sink: ship-now es",
        (Group::Leave, ANY),
    ),
    info(
        Verb::Messages,
        "messages",
        "",
        "everything that was said in the bottom line, in full",
        (Group::Leave, ANY),
    ),
    info(Verb::Pane, "pane", "pane", "next pane", (Group::Move, ANY)),
    info(Verb::PaneBack, "pane-back", "", "pane before", (Group::Move, ANY)),
    info(Verb::Detail, "detail", "detail", "all about this event or sink", (Group::Show, DETAILED)),
    info(
        Verb::Open,
        "open",
        "open tokens",
        "open the tokens of the event in the detail view, until it is left; the audit file tells",
        (Group::Show, STREAMS),
    ),
    info(Verb::HideSource, "hide-source", "hide", "hide or show this source", (Group::Show, LISTS)),
    info(
        Verb::Zone,
        "zone",
        "zone",
        "times in the zone of the source, in UTC or in the local zone",
        (Group::Show, ANY),
    ),
    info(
        Verb::Mask,
        "mask",
        "mask",
        "hide what never leaves in clear: [privacy] says what",
        (Group::Show, ANY),
    ),
    info(Verb::RaiseLevel, "raise-level", "", "raise the lowest level shown", (Group::Show, ANY)),
    info(Verb::LowerLevel, "lower-level", "", "lower the lowest level shown", (Group::Show, ANY)),
    info(Verb::ToggleLevel(1), "trace", "", "show or hide trace", (Group::Show, ANY)),
    info(Verb::ToggleLevel(2), "debug", "", "show or hide debug", (Group::Show, ANY)),
    info(Verb::ToggleLevel(3), "info", "", "show or hide info", (Group::Show, ANY)),
    info(Verb::ToggleLevel(4), "notice", "", "show or hide notice", (Group::Show, ANY)),
    info(Verb::ToggleLevel(5), "warning", "", "show or hide warning", (Group::Show, ANY)),
    info(Verb::ToggleLevel(6), "error", "", "show or hide error", (Group::Show, ANY)),
    info(Verb::ToggleLevel(7), "fatal", "", "show or hide fatal", (Group::Show, ANY)),
    info(
        Verb::ToggleLevel(0),
        "no-level",
        "",
        "show or hide lines without level",
        (Group::Show, ANY),
    ),
    info(Verb::NextError, "next-error", "", "next error (newer)", (Group::Find, STREAMS)),
    info(
        Verb::PreviousError,
        "previous-error",
        "",
        "previous error (older)",
        (Group::Find, STREAMS),
    ),
    info(Verb::NextWarning, "next-warning", "", "next warning or worse", (Group::Find, STREAMS)),
    info(
        Verb::PreviousWarning,
        "previous-warning",
        "",
        "previous warning or worse",
        (Group::Find, STREAMS),
    ),
    info(Verb::Down, "down", "", "down", (Group::Move, ANY)),
    info(Verb::Up, "up", "", "up", (Group::Move, ANY)),
    info(Verb::PageDown, "page-down", "", "a page down", (Group::Move, ANY)),
    info(Verb::PageUp, "page-up", "", "a page up", (Group::Move, ANY)),
    info(Verb::HalfPageDown, "half-page-down", "", "half a page down", (Group::Move, ANY)),
    info(Verb::HalfPageUp, "half-page-up", "", "half a page up", (Group::Move, ANY)),
    info(Verb::Top, "top", "", "to the beginning of the files", (Group::Move, ANY)),
    info(Verb::Bottom, "bottom", "", "to the end, and follow", (Group::Move, ANY)),
    info(Verb::Left, "left", "", "scroll left", (Group::Move, STREAMS)),
    info(Verb::Right, "right", "", "scroll right", (Group::Move, STREAMS)),
    info(Verb::Back, "back", "", "back, or to the next message; never quits", (Group::Leave, ANY)),
    info(Verb::Redraw, "redraw", "", "draw everything again", (Group::Leave, ANY)),
    info(
        Verb::Suspend,
        "suspend",
        "",
        "to the shell; `fg` comes back (nothing is shipped meanwhile)",
        (Group::Leave, ANY),
    ),
    info(Verb::Cancel, "cancel", "", "cancel what runs; twice quits", (Group::Leave, ANY)),
    info(
        Verb::Leave,
        "leave",
        "quit",
        "back; at the top asks whether to quit",
        (Group::Leave, ANY),
    ),
    info(Verb::Quit, "quit", "", "quit", (Group::Leave, ANY)),
];

impl Verb {
    pub fn info(self) -> &'static VerbInfo {
        VERBS
            .iter()
            .find(|info| info.verb == self)
            .expect("every verb is in the list; a test says so")
    }

    /// Would do something now.
    pub fn is_enabled(self, state: &State) -> bool {
        let stream = &state.stream;
        let has_sinks = !state.status.sinks.is_empty();
        match self {
            Verb::NextMatch | Verb::PreviousMatch => stream.search.is_some(),
            Verb::ToggleFilters => !stream.filters.list.is_empty(),
            Verb::ShipNow => state.may_have_sinks() && state.can_ship(),
            Verb::Reload => state.can_ship(),
            Verb::PauseShipping => has_sinks && state.can_ship(),
            Verb::Retry => has_sinks && state.can_ship() && state.something_waits(),
            Verb::Detail if state.focus == Pane::Shipping => has_sinks,
            Verb::Detail => !stream.rows.is_empty(),
            Verb::Open => state.detailed().is_some_and(Row::holds_tokens),
            Verb::Mask => stream.mask.hides_anything(),
            Verb::HideSource => !state.sources.is_empty(),
            _ => true,
        }
    }
}

/// What can be done where the focus is, in the order of the list.
pub fn here(state: &State) -> impl Iterator<Item = &'static VerbInfo> {
    let focus = state.focus;
    VERBS
        .iter()
        .filter(move |info| info.panes.contains(&focus))
        .filter(|info| info.verb.is_enabled(state))
}
