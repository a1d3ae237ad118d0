//! The commands of the screen: one list, which the keymap, the key bar and the help use.

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
    Decrypt,
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Command,
    ToggleFilters,
    RaiseLevel,
    LowerLevel,
    /// 0 is "no level", 1 to 7 are trace … fatal.
    ToggleLevel(u8),
    NextError,
    PreviousError,
    NextWarning,
    PreviousWarning,
    HideFile,
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

/// Section of the help that lists a command.
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

/// Name and help texts of one command.
#[derive(Debug)]
pub struct VerbInfo {
    pub verb: Verb,
    /// Its name in `keymap.toml` and on the command line.
    pub name: &'static str,
    /// Its label in the key bar; empty: not listed there.
    pub short: &'static str,
    pub help: &'static str,
    pub group: Group,
    /// The panes in which it is available.
    pub panes: &'static [Pane],
}

const ANY: &[Pane] = &Pane::ALL;
const STREAMS: &[Pane] = &[Pane::Streams];
const LISTS: &[Pane] = &[Pane::Streams, Pane::Files];
const DETAILED: &[Pane] = &[Pane::Streams, Pane::Files, Pane::Shipping];

const fn info(
    verb: Verb,
    name: &'static str,
    short: &'static str,
    help: &'static str,
    listed: (Group, &'static [Pane]),
) -> VerbInfo {
    VerbInfo { verb, name, short, help, group: listed.0, panes: listed.1 }
}

/// All commands in the order of the help; the key bar shows those with a short label in the same order.
pub const VERBS: &[VerbInfo] = &[
    info(Verb::Help, "help", "help", "this help", (Group::Leave, ANY)),
    info(
        Verb::Follow,
        "follow",
        "follow",
        "follow the end, or pause scrolling",
        (Group::Move, STREAMS),
    ),
    info(
        Verb::Search,
        "search",
        "search",
        "search for a regular expression",
        (Group::Find, STREAMS),
    ),
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
        "show only events that match a query or /regex/; a leading ! excludes them",
        (Group::Find, STREAMS),
    ),
    info(
        Verb::ToggleFilters,
        "toggle-filters",
        "filters on/off",
        "turn all filters on or off",
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
    info(Verb::Retry, "retry", "retry", "retry failed deliveries now", (Group::Ship, ANY)),
    info(Verb::Reload, "reload", "", "reload the configuration", (Group::Ship, ANY)),
    info(
        Verb::Command,
        "command",
        "",
        "run a command by name, for all sinks or for one: ship-now es",
        (Group::Leave, ANY),
    ),
    info(Verb::Messages, "messages", "", "list all messages in full", (Group::Leave, ANY)),
    info(Verb::Pane, "pane", "pane", "next pane", (Group::Move, ANY)),
    info(Verb::PaneBack, "pane-back", "", "previous pane", (Group::Move, ANY)),
    info(Verb::Detail, "detail", "detail", "details", (Group::Show, DETAILED)),
    info(
        Verb::Decrypt,
        "open",
        "decrypt",
        "in the details of an event: decrypt its tokens (recorded in the audit log)",
        (Group::Show, STREAMS),
    ),
    info(Verb::HideFile, "hide-source", "hide", "hide or show this file", (Group::Show, LISTS)),
    info(
        Verb::Zone,
        "zone",
        "zone",
        "times as logged, in UTC or in local time",
        (Group::Show, ANY),
    ),
    info(
        Verb::Mask,
        "mask",
        "mask",
        "hide sealed values: the fields and patterns of [privacy]",
        (Group::Show, ANY),
    ),
    info(Verb::RaiseLevel, "raise-level", "", "raise the minimum level", (Group::Show, ANY)),
    info(Verb::LowerLevel, "lower-level", "", "lower the minimum level", (Group::Show, ANY)),
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
        "show or hide events with no level",
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
    info(Verb::Top, "top", "", "to the start of the files", (Group::Move, ANY)),
    info(Verb::Bottom, "bottom", "", "to the end, and follow", (Group::Move, ANY)),
    info(Verb::Left, "left", "", "scroll left", (Group::Move, STREAMS)),
    info(Verb::Right, "right", "", "scroll right", (Group::Move, STREAMS)),
    info(
        Verb::Back,
        "back",
        "",
        "go back or dismiss the message; never quits",
        (Group::Leave, ANY),
    ),
    info(Verb::Redraw, "redraw", "", "redraw the screen", (Group::Leave, ANY)),
    info(
        Verb::Suspend,
        "suspend",
        "",
        "suspend to the shell; `fg` resumes (shipping stops meanwhile)",
        (Group::Leave, ANY),
    ),
    info(Verb::Cancel, "cancel", "", "cancel; press again to quit", (Group::Leave, ANY)),
    info(
        Verb::Leave,
        "leave",
        "quit",
        "go back; at the top level, ask whether to quit",
        (Group::Leave, ANY),
    ),
    info(Verb::Quit, "quit", "", "quit", (Group::Leave, ANY)),
];

impl Verb {
    pub fn info(self) -> &'static VerbInfo {
        VERBS
            .iter()
            .find(|info| info.verb == self)
            .expect("every verb is in the list; a test checks it")
    }

    /// Whether the command would have an effect now.
    pub fn is_enabled(self, state: &State) -> bool {
        let stream = &state.stream;
        let has_sinks = !state.status.sinks.is_empty();
        match self {
            Verb::NextMatch | Verb::PreviousMatch => stream.search.is_some(),
            Verb::ToggleFilters => !stream.filters.list.is_empty(),
            Verb::ShipNow => state.may_have_sinks() && state.can_ship(),
            Verb::Reload => state.can_ship(),
            Verb::PauseShipping => has_sinks && state.can_ship(),
            Verb::Retry => has_sinks && state.can_ship() && state.has_retryable_sink(),
            Verb::Detail if state.focus == Pane::Shipping => has_sinks,
            Verb::Detail => !stream.rows.is_empty(),
            Verb::Decrypt => state.detail_row().is_some_and(Row::holds_tokens),
            Verb::Mask => stream.mask.hides_anything(),
            Verb::HideFile => !state.files.is_empty(),
            _ => true,
        }
    }
}

/// The commands available in the focused pane, in the order of the list.
pub fn available(state: &State) -> impl Iterator<Item = &'static VerbInfo> {
    let focus = state.focus;
    VERBS
        .iter()
        .filter(move |info| info.panes.contains(&focus))
        .filter(|info| info.verb.is_enabled(state))
}
